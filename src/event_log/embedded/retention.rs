//! Which segments may be dropped, and when there is no more room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aerostream_domain::{Offset, UtcMicros};
use aerostream_log::{Partition, Topic};

use super::Config;
use super::store::{Pressure, Segment, Store};

/// Who still needs records from an offset on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FloorHolder {
    /// The worker: its offset in the database.
    Worker,
    /// The owner of a shard: its last shard mark.
    Owner,
    /// Whoever writes checkpoints of the cluster or registry topic.
    Checkpoint,
}

/// Below these offsets nobody needs a record.
#[derive(Debug, Default)]
pub(super) struct Floors {
    offsets: Mutex<HashMap<(FloorHolder, Topic, Partition), Offset>>,
}

/// Topics in the order in which they give room.
const GIVE_ROOM: [Topic; 3] = [Topic::Telemetry, Topic::DeadLetters, Topic::Journal];

const fn holders(topic: Topic) -> &'static [FloorHolder] {
    match topic {
        Topic::Telemetry | Topic::Journal => &[FloorHolder::Worker, FloorHolder::Owner],
        Topic::Registry => &[FloorHolder::Worker, FloorHolder::Checkpoint],
        Topic::Cluster => &[FloorHolder::Checkpoint],
        Topic::State | Topic::DeadLetters => &[],
    }
}

impl Floors {
    /// Moves a floor up; one never moves down, because what is below it may be gone.
    pub(super) fn raise(
        &self,
        holder: FloorHolder,
        topic: Topic,
        partition: Partition,
        to: Offset,
    ) {
        let mut offsets = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        let floor = offsets.entry((holder, topic, partition)).or_insert(to);
        *floor = to.max(*floor);
    }

    /// True if nobody needs a record of `segment`, whose successor is `next`.
    fn free(&self, segment: &Segment, next: &Segment) -> bool {
        let offsets = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        let mut partitions = segment.base.iter().zip(&next.base).zip(0..);
        partitions.all(|((&first, &end), partition)| {
            let passed = |&holder: &FloorHolder| {
                let floor = offsets.get(&(holder, segment.topic, Partition(partition)));
                floor.is_some_and(|floor| floor.0 >= end)
            };
            first == end || holders(segment.topic).iter().all(passed)
        })
    }
}

/// The oldest segment of a topic, if nobody needs it.
fn droppable(store: &Store, floors: &Floors, topic: Topic) -> Option<Arc<Segment>> {
    let segments = store.segments_of(topic);
    let [oldest, next, ..] = segments.as_slice() else {
        return None;
    };
    floors.free(oldest, next).then(|| Arc::clone(oldest))
}

fn aged(config: &Config, segment: &Segment, now: UtcMicros) -> bool {
    match (config.retention.of(segment.topic), segment.closed_at.get()) {
        (Some(kept), Some(&closed_at)) => closed_at + kept <= now,
        // What a checkpoint has replaced needs no age.
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

/// The next segment to drop: the first aged one, else one that gives needed room.
pub(super) fn next_to_drop(
    store: &Store,
    floors: &Floors,
    config: &Config,
    now: UtcMicros,
) -> Option<Arc<Segment>> {
    let oldest = |topic| droppable(store, floors, topic);
    let by_age = Topic::ALL.into_iter().filter_map(oldest);
    if let Some(segment) = by_age.into_iter().find(|s| aged(config, s, now)) {
        return Some(segment);
    }
    if store.bytes() < config.kept_bytes_max {
        return None;
    }
    GIVE_ROOM.into_iter().find_map(oldest)
}

/// What there is no room for once everything droppable is gone.
pub(super) fn pressure(bytes: u64, free_bytes: u64, config: &Config) -> Pressure {
    if free_bytes < config.free_bytes_min {
        Pressure::Disk
    } else if bytes >= config.kept_bytes_max.saturating_add(config.reserve_bytes) {
        Pressure::Reserve
    } else if bytes >= config.kept_bytes_max {
        Pressure::Telemetry
    } else {
        Pressure::None
    }
}
