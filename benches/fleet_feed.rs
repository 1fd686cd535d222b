//! A fleet's feed: drones that send once a second, and clients that watch all of them. Processor
//! time of the server with and without them, bytes, and how old a position is at a client; beside
//! it the same bytes, written to as many sockets by a thread that does nothing else.

mod bare;
mod clients;

use std::time::Duration;

use aerostream::clock;
use aerostream_domain::{DroneId, UtcMicros};
use aerostream_proto::v1::telemetry_service_client::TelemetryServiceClient;
use aerostream_proto::{batch_to_wire, v1};
use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use self::clients::{Clients, Format, Seen};
use crate::cpu::Processes;
use crate::observation;
use crate::settings::setting;
use crate::stack::{Database, Stack};
use crate::table;

/// Drones of one call.
const DRONES_AT_ONCE: u32 = 500;
/// How often a drone sends.
const SECOND: Duration = Duration::from_secs(1);

pub async fn run() -> anyhow::Result<()> {
    let drones: u32 = setting("DRONES", 50_000)?;
    let watchers: usize = setting("CLIENTS", 20)?;
    let measured = Duration::from_secs(setting("TIME_S", 15)?);
    let database = Database::start()?;
    let mut stack = Stack::start("embedded", &database).await?;
    let channel = Channel::from_shared(format!("http://{}", stack.grpc))?;
    let fleet = Fleet {
        channel: channel.connect().await?,
        token: stack.token("relay")?,
        drones,
        power_up: UtcMicros(clock::utc_now().0 - 60_000_000),
    };
    fleet.begin().await?;
    let mut flying = JoinSet::new();
    flying.spawn(fleet.fly());
    let clients = Clients {
        address: stack.http,
        token: stack.token("viewer")?,
        count: watchers,
    };
    let seconds = measured.as_secs_f64();
    let before = Processes::now()?.own(stack.pid);
    tokio::time::sleep(measured).await;
    let alone = (Processes::now()?.own(stack.pid) - before) / seconds;
    table::head(&format!("{drones} drones at 1 Hz, nobody watches"));
    table::alone("aerostream, cores", alone);
    for format in [Format::Json, Format::Binary] {
        if let Some(ended) = flying.try_join_next() {
            ended?.context("the drones fell behind")?;
        }
        let watching = clients.watch(format, measured);
        let (seen, used) = watching.until_measured(stack.pid).await?;
        let bare = bare::run(&seen.frames, watchers, measured)?;
        report(
            format,
            (&seen, watchers),
            (used / seconds - alone, &bare),
            seconds,
        );
    }
    drop(flying);
    stack.drain()
}

fn report(
    format: Format,
    (seen, watchers): (&Seen, usize),
    (cores, bare): (f64, &bare::Bare),
    seconds: f64,
) {
    let title = format!("{watchers} clients see all, {format:?}; ref. the same bytes, bare");
    table::head(&title);
    table::row("cores beyond those without clients", cores, bare.cores);
    let bytes_per_s = seen.bytes as f64 / seconds;
    table::row("bytes/s to all", bytes_per_s, bare.bytes_per_s);
    let updates = seen.rows as f64 * watchers as f64;
    table::alone("updates of drones/s to all", updates / seconds);
    table::alone("bytes of an update of a drone", seen.bytes as f64 / updates);
    table::alone(
        "updates skipped for newer ones/s, a client",
        seen.conflated as f64 / seconds,
    );
    let ms = |of: &Histogram<u64>, percent| of.value_at_percentile(percent) as f64;
    for percent in [50.0, 99.0] {
        let what = format!("age of a position at a client: p{percent} ms");
        table::row(&what, ms(&seen.age_ms, percent), ms(&bare.age_ms, percent));
    }
}

/// Drones that send one sample a second, the calls spread over it.
#[derive(Clone)]
struct Fleet {
    channel: Channel,
    token: String,
    drones: u32,
    power_up: UtcMicros,
}

impl Fleet {
    async fn fly(self) -> anyhow::Result<()> {
        let began = clock::monotonic_now();
        for number in 2.. {
            let due = began + SECOND * (number - 2);
            let late = clock::monotonic_now().saturating_duration_since(due);
            anyhow::ensure!(late < 5 * SECOND, "{} ms late", late.as_millis());
            tokio::time::sleep_until(due).await;
            self.round(number.into()).await?;
        }
        Ok(())
    }

    /// Each drone's first batch: an actor is started and its boot journalled, so that a second is
    /// too short for all.
    async fn begin(&self) -> anyhow::Result<()> {
        for call in 0..self.drones.div_ceil(DRONES_AT_ONCE) {
            self.send(call, 1).await?;
        }
        Ok(())
    }

    async fn round(&self, number: u64) -> anyhow::Result<()> {
        let began = clock::monotonic_now();
        let calls = self.drones.div_ceil(DRONES_AT_ONCE);
        let mut under_way = JoinSet::new();
        for call in 0..calls {
            tokio::time::sleep_until(began + SECOND * call / calls).await;
            let fleet = self.clone();
            under_way.spawn(async move { fleet.send(call, number).await });
        }
        while let Some(sent) = under_way.join_next().await {
            sent??;
        }
        Ok(())
    }

    async fn send(&self, call: u32, number: u64) -> anyhow::Result<()> {
        let first = call * DRONES_AT_ONCE;
        let numbers = first..self.drones.min(first + DRONES_AT_ONCE);
        let batches = numbers.map(|place| {
            let drone = DroneId::parse(&format!("drone-{place:06}"))?;
            let mut batch = observation::batch(drone, self.power_up, number, 1);
            for sample in &mut batch.samples {
                if let Some(position) = &mut sample.content.position {
                    let step = number as f64 * 5e-5;
                    position.latitude_deg = Some(47.0 + f64::from(place % 211) / 105.5 + step);
                    position.longitude_deg = Some(8.0 + f64::from(place / 7 % 223) / 111.5 - step);
                }
            }
            Ok(batch_to_wire(place.into(), batch))
        });
        let batches = batches.collect::<anyhow::Result<Vec<_>>>()?;
        let mut request = tonic::Request::new(v1::IngestRequest { batches });
        let value = format!("Bearer {}", self.token).parse()?;
        request.metadata_mut().insert("authorization", value);
        let answer = TelemetryServiceClient::new(self.channel.clone());
        let answer = { answer }.ingest(request).await.context("a call")?;
        let acknowledged = answer.into_inner().results.into_iter();
        let acknowledged: u32 = acknowledged.map(|it| it.acknowledged).sum();
        anyhow::ensure!(acknowledged > 0, "nothing of a call was taken");
        Ok(())
    }
}
