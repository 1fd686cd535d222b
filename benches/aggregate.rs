//! Fleets in numbers and batches of telemetry: gRPC beside the same content as JSON over REST,
//! bytes and time per call. What a client without summaries would do, read every drone and count,
//! beside both.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aerostream::clock;
use aerostream::gateway::ingest::Incoming;
use aerostream::gateway::json::{request, shape};
use aerostream_domain::alert::RuleSet;
use aerostream_domain::{
    BootId, Brief, Drone, DroneId, Epoch, Limits, Offset, RecordedSample, Seq, TelemetryRecord,
    TimeBasis, UtcMicros,
};
use aerostream_proto::v1::aggregator_service_client::AggregatorServiceClient;
use aerostream_proto::v1::telemetry_service_client::TelemetryServiceClient;
use aerostream_proto::{batch_to_wire, v1};
use anyhow::Context;
use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};
use tonic::Request;
use tonic::transport::Channel;

use crate::http::Connection;
use crate::observation;
use crate::settings::setting;
use crate::stack::{Database, Stack};
use crate::table;

/// Bytes that gRPC puts in front of a message.
const FRAME: usize = 5;
/// Drones of one call while the fleet is made known.
const DRONES_AT_ONCE: u32 = 500;
/// Side of the map's cells, degrees.
const CELL_DEG: f64 = 0.01;
/// Longest call.
const CALL_MAX: Duration = Duration::from_secs(60);

pub async fn run() -> anyhow::Result<()> {
    brief()?;
    batches()?;
    let most: u32 = setting("DRONES", 50_000)?;
    let database = Database::start()?;
    let mut stack = Stack::start("embedded", &database).await?;
    let channel = Channel::from_shared(format!("http://{}", stack.grpc))?;
    let channel = channel.connect().await?;
    let relay = stack.token("relay")?;
    let viewer = stack.token("viewer")?;
    let mut known = 0;
    for drones in [most / 10, most] {
        tell(&channel, &relay, known..drones).await?;
        known = drones;
        fleet(&stack, &channel, &viewer, drones).await?;
    }
    stack.drain()
}

fn with_token<T>(token: &str, message: T) -> anyhow::Result<Request<T>> {
    let mut request = Request::new(message);
    let value = format!("Bearer {token}").parse()?;
    request.metadata_mut().insert("authorization", value);
    Ok(request)
}

/// One sample of each drone, spread over two degrees of the map.
async fn tell(channel: &Channel, token: &str, drones: std::ops::Range<u32>) -> anyhow::Result<()> {
    let mut client = TelemetryServiceClient::new(channel.clone());
    let power_up = UtcMicros(clock::utc_now().0 - 60_000_000);
    for first in drones.clone().step_by(DRONES_AT_ONCE as usize) {
        let numbers = first..drones.end.min(first + DRONES_AT_ONCE);
        let batches = numbers.map(|number| {
            let drone = DroneId::parse(&format!("drone-{number:06}"))?;
            let mut batch = observation::batch(drone, power_up, 1, 1);
            for sample in &mut batch.samples {
                if let Some(position) = &mut sample.content.position {
                    position.latitude_deg = Some(47.0 + f64::from(number % 211) / 105.5);
                    position.longitude_deg = Some(8.0 + f64::from(number / 7 % 223) / 111.5);
                }
            }
            Ok(batch_to_wire(number.into(), batch))
        });
        let batches = batches.collect::<anyhow::Result<Vec<_>>>()?;
        let request = with_token(token, v1::IngestRequest { batches })?;
        let results = client.ingest(request).await?.into_inner().results;
        let acknowledged: u32 = results.iter().map(|result| result.acknowledged).sum();
        anyhow::ensure!(
            acknowledged as usize == results.len(),
            "a batch was sent back"
        );
    }
    Ok(())
}

async fn fleet(stack: &Stack, channel: &Channel, token: &str, drones: u32) -> anyhow::Result<()> {
    let calls = setting("CALLS", 200)?;
    let mut rest = Connection::open(stack.http).await?;
    let mut grpc =
        AggregatorServiceClient::new(channel.clone()).max_decoding_message_size(64 << 20);
    for cell_deg in [None, Some(CELL_DEG)] {
        let path = match cell_deg {
            Some(degrees) => format!("/api/v1/fleet/summary?cell_deg={degrees}"),
            None => "/api/v1/fleet/summary".to_owned(),
        };
        let question = v1::SummaryRequest {
            cell_deg,
            ..v1::SummaryRequest::default()
        };
        let (mut by_rest, mut by_grpc) = (Vec::new(), Vec::new());
        let (mut json_bytes, mut wire_bytes, mut cells) = (0, 0, 0);
        // Turn by turn, so that whatever else the machine does falls on both.
        for _ in 0..calls {
            let began = Instant::now();
            json_bytes = rest.get(&path, token).await?.len();
            by_rest.push(began.elapsed().as_secs_f64() * 1e3);
            let request = with_token(token, question.clone())?;
            let began = Instant::now();
            let answer = tokio::time::timeout(CALL_MAX, grpc.summary(request)).await??;
            by_grpc.push(began.elapsed().as_secs_f64() * 1e3);
            let summary = answer.into_inner();
            wire_bytes = summary.encoded_len() + FRAME;
            anyhow::ensure!(told(&summary) == u64::from(drones), "drones are missing");
            cells = summary.cells.map_or(0, |cells| cells.row.len());
        }
        table::head(&format!(
            "summary, {drones} drones, {cells} cells; ref. REST"
        ));
        table::row("bytes of an answer", wire_bytes as f64, json_bytes as f64);
        for percent in [50.0, 99.0] {
            let figures = (
                table::percentile(&mut by_grpc, percent),
                table::percentile(&mut by_rest, percent),
            );
            table::row(&format!("p{percent} ms of a call"), figures.0, figures.1);
        }
        if cell_deg.is_none() {
            let began = Instant::now();
            let bytes = every_drone(&mut rest, token, drones).await?;
            let took_ms = began.elapsed().as_secs_f64() * 1e3;
            table::head("the same counts; ref. every page of /api/v1/drones");
            table::row("bytes of all answers", wire_bytes as f64, bytes as f64);
            let p50_ms = table::percentile(&mut by_grpc, 50.0);
            table::row("ms in all", p50_ms, took_ms);
        }
    }
    Ok(())
}

fn told(summary: &v1::FleetSummary) -> u64 {
    let counts = summary.drones.unwrap_or_default();
    counts.heard + counts.silent
}

/// Reads the whole list of drones and parses it, as a client that counts by itself has to.
async fn every_drone(rest: &mut Connection, token: &str, drones: u32) -> anyhow::Result<usize> {
    let (mut bytes, mut count) = (0, 0);
    let mut path = "/api/v1/drones?limit=1000".to_owned();
    loop {
        let answer = rest.get(&path, token).await?;
        bytes += answer.len();
        let page: Value = serde_json::from_str(&answer)?;
        count += page["drones"].as_array().context("no list")?.len();
        let Some(after) = page["next_after"].as_str() else {
            break;
        };
        path = format!("/api/v1/drones?limit=1000&after={after}");
    }
    anyhow::ensure!(
        count == drones as usize,
        "{count} of {drones} drones are listed"
    );
    Ok(bytes)
}

/// What the brief costs a drone's actor when it applies a record of one sample.
fn brief() -> anyhow::Result<()> {
    let drone = DroneId::parse("drone-000001")?;
    let mut state = Drone::new(drone.clone(), Limits::default());
    let mut record = TelemetryRecord {
        epoch: Epoch {
            generation: 0,
            offset: Offset(0),
        },
        drone,
        boot: BootId(1),
        power_up: UtcMicros(1_767_225_600_000_000),
        received: UtcMicros(1_767_225_601_000_000),
        samples: Vec::new(),
    };
    let mut seq = 0;
    let apply_us = each_us(|| {
        seq += 1;
        record.samples = vec![RecordedSample {
            seq: Seq(seq),
            time: UtcMicros(record.power_up.0 + seq as i64),
            basis: TimeBasis::Utc,
            since_boot: None,
            content: observation::content(seq),
        }];
        state.apply(Offset(seq), &record, &RuleSet::default());
        black_box(state.live().samples > 0)
    })?;
    let briefs = Mutex::new(vec![Brief::default()]);
    let brief_us = each_us(|| {
        let mut briefs = briefs.lock().unwrap_or_else(PoisonError::into_inner);
        briefs[0].renew(black_box(state.live()), 1);
        briefs[0].count(record.received, 1);
        true
    })?;
    table::head("a sample applied; reference: without its brief");
    table::row("us", brief_us + apply_us, apply_us);
    table::alone("bytes of a brief", size_of::<Brief>() as f64);
    Ok(())
}

/// Batches as drones send them: bytes, and the gateway's time to read them. What follows is the
/// same
/// for both.
fn batches() -> anyhow::Result<()> {
    for samples in [1, 10, 100] {
        let drone = DroneId::parse("drone-000001")?;
        let batch = observation::batch(drone, UtcMicros(1_767_225_600_000_000), 1, samples);
        let wire = batch_to_wire(1, batch);
        let json_samples = wire.samples.iter().cloned().map(shape::Sample::from);
        let mut body = json!({
            "drone_id": wire.drone_id,
            "boot": wire.boot.map(|boot| boot.to_string()),
            "sent_at_boot_us": wire.sent_at_boot_us,
        });
        // Through text: as a JSON value each 32-bit number would turn into a longer 64-bit one.
        let list = json_samples.map(|it| serde_json::to_string(&it));
        let list = list.collect::<Result<Vec<_>, _>>()?;
        body["samples"] = serde_json::from_str(&format!("[{}]", list.join(",")))?;
        let json = Bytes::from(serde_json::to_vec(&body)?);
        let bytes = wire.encode_to_vec();
        let of_json = each_us(|| {
            let read = request::read(&json);
            black_box(read.is_ok())
        });
        let of_wire = each_us(|| {
            let batch = v1::Batch::decode(&*bytes).map(Incoming::of_wire);
            black_box(batch.is_ok())
        });
        table::head(&format!("a batch of {samples} samples; reference: JSON"));
        table::row("bytes", (bytes.len() + FRAME) as f64, json.len() as f64);
        table::row("us from bytes to a batch", of_wire?, of_json?);
    }
    Ok(())
}

/// Microseconds of one run, over as many as fill a fifth of a second.
fn each_us(mut run: impl FnMut() -> bool) -> anyhow::Result<f64> {
    anyhow::ensure!(run(), "the batch cannot be read");
    let (began, mut runs) = (Instant::now(), 0_u32);
    while began.elapsed() < Duration::from_millis(200) {
        run();
        runs += 1;
    }
    Ok(began.elapsed().as_secs_f64() * 1e6 / f64::from(runs))
}
