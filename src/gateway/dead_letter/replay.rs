//! Makes a dead letter a batch again, to be judged as it would be judged now.

use aerostream_domain::DroneId;
use aerostream_proto::v1;
use bytes::Bytes;
use prost::Message;

use super::{Content, RAW_BYTES_MAX};
use crate::error::{ErrorCode, Problem};
use crate::gateway::http::telemetry::wire_batches;
use crate::gateway::ingest::Incoming;
use crate::gateway::json::request::read;

/// What a letter holds, as its sender would send it again.
///
/// # Errors
/// It holds nothing that could be sent again, or something that would be stored under another
/// identity each time, or for a drone that its sender was never allowed to speak for.
pub fn incoming(letter: &v1::DeadLetter) -> Result<Vec<Incoming>, Problem> {
    let Ok(drone) = DroneId::parse(&letter.drone_id) else {
        let detail = "the letter names no drone: nobody can tell whom its sender was allowed to \
                      send for, so it is never sent again";
        return Err(Problem::new(ErrorCode::Invalid, detail).at("drone_id"));
    };
    if letter.raw.len() >= RAW_BYTES_MAX {
        let detail = format!("only the first {RAW_BYTES_MAX} bytes of what was refused are kept");
        return Err(Problem::new(ErrorCode::Invalid, detail).at("raw"));
    }
    let batches = match (letter.content(), letter.encoding.as_str()) {
        (Content::Sample | Content::Batch | Content::Request, "json") => json(letter)?,
        (Content::Sample, "protobuf") => vec![Incoming::of_wire(v1::Batch {
            drone_id: letter.drone_id.clone(),
            boot: letter.boot,
            samples: vec![protobuf(&letter.raw, "Sample")?],
            ..v1::Batch::default()
        })],
        (Content::Batch, "protobuf") => vec![Incoming::of_wire(protobuf(&letter.raw, "Batch")?)],
        (Content::Request, "protobuf") => wire_batches(protobuf(&letter.raw, "IngestRequest")?)?,
        (Content::RecordedSample, _) => {
            return Err(no_sample(
                "the letter holds a sample that was acknowledged and contradicts what is stored; \
                 sending it again cannot change that",
            ));
        }
        (Content::Record, _) | (_, "record") => {
            return Err(no_sample(
                "the letter holds a record of the event log, not a sample; it can be looked at \
                 and not be sent again",
            ));
        }
        (Content::WebhookMessage, _) => {
            return Err(no_sample(
                "the letter holds what a service did not take from a webhook; it can be looked at \
                 and be posted there by hand",
            ));
        }
        _ => return Err(no_sample("the letter does not say what it holds")),
    };
    for batch in &batches {
        check(&batch.batch, &drone)?;
    }
    Ok(batches)
}

fn no_sample(detail: &'static str) -> Problem {
    Problem::new(ErrorCode::Invalid, detail).at("content")
}

/// A letter must not carry another drone's data past the token that it came with, and must have
/// the same identity however often it is sent.
fn check(batch: &v1::Batch, drone: &DroneId) -> Result<(), Problem> {
    if batch.drone_id != drone.as_str() {
        let detail = format!("what was refused is not for drone {drone}, whose letter this is");
        return Err(Problem::new(ErrorCode::Forbidden, detail).at("drone_id"));
    }
    if batch.boot.is_none() {
        let detail = "what was refused has no boot and seq of its own: it would become another \
                      sample each time; send it as a new one";
        return Err(Problem::new(ErrorCode::Invalid, detail).at("boot"));
    }
    Ok(())
}

fn protobuf<M: Message + Default>(raw: &Bytes, name: &str) -> Result<M, Problem> {
    M::decode(raw.clone()).map_err(|error| {
        let detail = format!("what was refused is still no aerostream.v1.{name}: {error}");
        Problem::new(ErrorCode::Malformed, detail).at("raw")
    })
}

#[derive(serde::Deserialize)]
struct Outline {
    drone_id: Option<serde::de::IgnoredAny>,
    samples: Option<serde::de::IgnoredAny>,
    batches: Option<serde::de::IgnoredAny>,
}

fn json(letter: &v1::DeadLetter) -> Result<Vec<Incoming>, Problem> {
    let text = std::str::from_utf8(&letter.raw).unwrap_or_default().trim();
    let whole = serde_json::from_str::<Outline>(text).is_ok_and(|outline| {
        outline.drone_id.is_some() || outline.samples.is_some() || outline.batches.is_some()
    });
    if whole || letter.content() == Content::Request {
        return Ok(read(&letter.raw)?.batches);
    }
    // A sample of a batch does not say whose it is; its letter does.
    let samples = if text.starts_with('[') {
        text.to_owned()
    } else {
        format!("[{text}]")
    };
    let drone = serde_json::Value::from(letter.drone_id.as_str());
    let boot = letter
        .boot
        .map(|boot| format!("\"boot\":\"{boot}\","))
        .unwrap_or_default();
    let batch = format!("{{\"drone_id\":{drone},{boot}\"samples\":{samples}}}");
    Ok(read(&batch.into())?.batches)
}
