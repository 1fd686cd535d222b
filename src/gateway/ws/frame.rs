//! What goes down a feed, as JSON.

use aerostream_actors::{Cursor, FeedSnapshot, Frame};
use aerostream_domain::{BootId, DroneId, TelemetryRecord};
use aerostream_proto::v1;
use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use serde::Serialize;

use super::cursor;
use crate::clock;
use crate::error::Problem;
use crate::gateway::http::read::{Live, live};
use crate::gateway::json::enums::{Lower, Whole};
use crate::gateway::json::shape::{self, Time};
use crate::gateway::metrics;

/// One frame of a feed.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Down {
    /// The drone as it is; the first frame, and the one behind every gap.
    Snapshot {
        drone_id: String,
        cursor: String,
        /// `null` before the drone's first record.
        live: Option<Live>,
    },
    /// Samples that are new.
    Update(Update),
    /// Everything since the client's cursor was told; `update` frames follow as they come.
    Resumed { cursor: String, records: u64 },
    /// Something is missing here and will not come.
    Gap {
        reason: &'static str,
        detail: String,
    },
    /// The client was too slow: so many events were dropped, and this is the newest state.
    Conflated {
        skipped: u64,
        cursor: String,
        live: Option<Live>,
    },
    /// Nothing happened; the feed is alive.
    Heartbeat { at_us: i64, cursor: String },
    /// Why the feed ends.
    Error(Ending),
}

#[derive(Debug, Serialize)]
pub(super) struct Update {
    drone_id: String,
    /// False: shown while the event log is slow or down, and told again once it is recorded.
    recorded: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    boot: Whole,
    received_us: i64,
    samples: Vec<SampleReply>,
}

#[derive(Debug, Serialize)]
struct SampleReply {
    time_us: i64,
    time: Time,
    basis: Lower<v1::TimeBasis>,
    #[serde(flatten)]
    sample: shape::Sample,
}

/// Why a WebSocket ends.
#[derive(Debug, Serialize)]
pub(super) struct Ending {
    code: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

impl Ending {
    pub fn new(problem: &Problem) -> Self {
        Self {
            code: problem.code.as_str(),
            detail: problem.detail.to_string(),
            field: problem.field.clone(),
            retry_after_ms: problem
                .retry_after
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

impl Down {
    pub fn snapshot(drone: &DroneId, snapshot: FeedSnapshot) -> Self {
        Self::Snapshot {
            drone_id: drone.to_string(),
            cursor: cursor::to_text(drone, snapshot.cursor),
            live: snapshot.view.map(|view| live(view, clock::utc_now())),
        }
    }

    pub fn conflated(drone: &DroneId, skipped: u64, snapshot: FeedSnapshot) -> Self {
        metrics::feed_conflated(skipped);
        Self::Conflated {
            skipped,
            cursor: cursor::to_text(drone, snapshot.cursor),
            live: snapshot.view.map(|view| live(view, clock::utc_now())),
        }
    }

    pub fn heartbeat(drone: &DroneId, at: Cursor) -> Self {
        Self::Heartbeat {
            at_us: clock::utc_now().0,
            cursor: cursor::to_text(drone, at),
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::Snapshot { .. } => "snapshot",
            Self::Update(_) => "update",
            Self::Resumed { .. } => "resumed",
            Self::Gap { .. } => "gap",
            Self::Conflated { .. } => "conflated",
            Self::Heartbeat { .. } => "heartbeat",
            Self::Error(_) => "error",
        }
    }

    pub fn text(&self) -> Utf8Bytes {
        metrics::feed_frame(self.kind());
        json(self).into()
    }
}

pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("a document of texts and numbers is always JSON")
}

/// An update as text: encoded once for all its subscribers.
pub(super) fn update(frame: &Frame) -> Utf8Bytes {
    metrics::feed_frame(if frame.cursor.is_some() {
        "update"
    } else {
        "unrecorded"
    });
    let encoded = frame.encoded(|frame| {
        let update = Down::Update(Update::new(&frame.record, frame.cursor));
        Bytes::from(json(&update))
    });
    Utf8Bytes::try_from(encoded).expect("JSON is UTF-8")
}

impl Update {
    fn new(record: &TelemetryRecord, at: Option<Cursor>) -> Self {
        let TelemetryRecord { boot, received, .. } = record;
        let BootId(boot) = *boot;
        let samples = record.samples.iter().map(|sample| {
            let recorded = v1::RecordedSample::from(sample);
            SampleReply {
                time_us: recorded.time_us,
                time: Time(recorded.time_us),
                basis: Lower(recorded.basis()),
                sample: recorded.sample.unwrap_or_default().into(),
            }
        });
        Self {
            drone_id: record.drone.to_string(),
            recorded: at.is_some(),
            cursor: at.map(|at| cursor::to_text(&record.drone, at)),
            boot: Whole(boot),
            received_us: received.0,
            samples: samples.collect(),
        }
    }
}
