//! The second reading: every message becomes a sample, in a thread of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::sample::Sample;
use aerostream_domain::{BootId, BootMicros, DroneId, UtcMicros};
use aerostream_proto::v1;
use tokio::sync::mpsc;

use crate::content;
use crate::error::Error;
use crate::message::Sender;
use crate::recording::{Item, Placed, Recording};
use crate::report::Refused;
use crate::survey::Kinds;
use crate::timing::{Names, Timeline};

/// Samples of a chunk.
const CHUNK_SAMPLES: usize = 256;

/// A sample and when it leaves.
#[derive(Debug)]
pub struct Prepared {
    pub drone: DroneId,
    pub boot: BootId,
    pub kind: Arc<str>,
    /// After the begin of the replay; `None`: at once.
    pub leaves_after: Option<Duration>,
    pub content_hash: u64,
    pub wire: v1::Sample,
}

/// What the thread needs.
#[derive(Debug)]
pub struct Reading {
    pub recording: Recording,
    pub timeline: Timeline,
    pub names: Names,
    /// What each sender sent, as the survey found it.
    pub kinds: BTreeMap<Sender, Kinds>,
    pub chunks: mpsc::Sender<Vec<Prepared>>,
}

/// Messages that no sample can hold, by kind.
pub type LeftOut = BTreeMap<Arc<str>, Refused>;

impl Reading {
    /// Reads to the end, or until nobody wants more.
    pub fn run(self) -> Result<LeftOut, Error> {
        let mut left_out = LeftOut::new();
        let mut messages = self.recording.messages()?;
        let mut chunk = Vec::with_capacity(CHUNK_SAMPLES);
        let unreadable = |source| self.recording.unreadable(source);
        while let Some(item) = messages.read_next().map_err(unreadable)? {
            // Damage and secrets were told by the survey.
            let Item::Message(placed) = item else {
                continue;
            };
            match self.prepare(&placed) {
                Ok(prepared) => chunk.push(prepared),
                Err(detail) => {
                    let kind = left_out.entry(Arc::clone(&placed.message.name));
                    let refused = kind.or_default();
                    if refused.count == 0 {
                        refused.detail = detail;
                    }
                    refused.count += 1;
                }
            }
            if chunk.len() == CHUNK_SAMPLES {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_SAMPLES));
                if self.chunks.blocking_send(full).is_err() {
                    return Ok(left_out);
                }
            }
        }
        if !chunk.is_empty() {
            // Nobody may want it any more.
            let _ = self.chunks.blocking_send(chunk);
        }
        Ok(left_out)
    }

    fn prepare(&self, placed: &Placed) -> Result<Prepared, String> {
        let message = &placed.message;
        let drone = self.names.drone(message.sender);
        let drone = drone.ok_or("the file changed while it was read")?.clone();
        let kinds = self.kinds.get(&message.sender);
        let kinds = kinds.ok_or("the file changed while it was read")?;
        let content = content::of(message, kinds).map_err(|error| error.to_string())?;
        let content_hash = content.hash().0;
        let sample = Sample {
            seq: placed.index,
            utc: Some(UtcMicros(self.timeline.utc_us(placed))),
            since_boot: message.since_boot_us.map(BootMicros),
            content,
        };
        Ok(Prepared {
            drone,
            boot: self.timeline.boot(placed),
            kind: Arc::clone(&message.name),
            leaves_after: self.timeline.leaves_after(placed),
            content_hash,
            wire: sample.into(),
        })
    }
}
