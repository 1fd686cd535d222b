//! Where a reader of the control log begins: at its newest checkpoint.

use aerostream_domain::Offset;
use aerostream_log::{Bounds, EventLog, Record, Topic, decode};
use aerostream_proto::v1;
use aerostream_proto::v1::control_record::Kind;

use crate::control_log::ControlState;
use crate::error::ClusterError;
use crate::ownership::{CONTROL, READ};

/// Records after which the state is written down again.
pub(crate) const EVERY: u64 = 1000;
/// Records that are looked through first, from the end; then twice as many.
const SCAN_FIRST: u64 = 2 * EVERY;

/// Where to begin and what is known there: the newest checkpoint, found from the end in growing
/// steps, or the first record.
pub(crate) async fn begin(
    log: &dyn EventLog,
    bounds: Bounds,
) -> Result<(Offset, ControlState), ClusterError> {
    let mut span = SCAN_FIRST;
    loop {
        let from = bounds.end.0.saturating_sub(span).max(bounds.start.0);
        if let Some(found) = newest_within(log, Offset(from)..bounds.end).await?
            && found.0 >= bounds.start
        {
            return Ok(found);
        }
        if from == bounds.start.0 {
            break;
        }
        span = span.saturating_mul(2);
    }
    if bounds.start > Offset(0) {
        return Err(ClusterError::Gone {
            start: bounds.start.0,
        });
    }
    Ok((bounds.start, ControlState::default()))
}

async fn newest_within(
    log: &dyn EventLog,
    range: std::ops::Range<Offset>,
) -> Result<Option<(Offset, ControlState)>, ClusterError> {
    if range.is_empty() {
        return Ok(None);
    }
    let mut reader = log
        .read(Topic::Cluster, vec![(CONTROL, range.start)])
        .await
        .map_err(ClusterError::Read)?;
    let mut newest = None::<(Offset, ControlState)>;
    let mut next = range.start;
    while next < range.end {
        for record in reader.next(READ).await.map_err(ClusterError::Read)? {
            next = Offset(record.offset.0 + 1);
            let found = of_record(&record);
            let is_newer = |(at, _): &(Offset, ControlState)| {
                newest.as_ref().is_none_or(|(newest, _)| newest < at)
            };
            if let Some(found) = found.filter(is_newer) {
                newest = Some(found);
            }
        }
    }
    Ok(newest)
}

fn of_record(record: &Record) -> Option<(Offset, ControlState)> {
    match decode::<v1::ControlRecord>(&record.payload).ok()?.kind? {
        Kind::Checkpoint(checkpoint) => {
            ControlState::restore(checkpoint).map(|state| (state.next(), state))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aerostream_domain::{NodeId, ShardCount};
    use aerostream_log::MemoryLog;

    use super::*;
    use crate::control_log::Stamp;
    use crate::ownership::{NodeIdentity, Ownership, claim_all};

    fn shards() -> ShardCount {
        ShardCount::new(64).unwrap()
    }

    async fn claim(log: &MemoryLog, incarnation: u32) -> Result<Ownership, ClusterError> {
        let identity = NodeIdentity {
            node: NodeId::parse("node-1").unwrap(),
            incarnation: incarnation.to_string(),
            address: String::new(),
            cluster_id: "test".to_owned(),
        };
        claim_all(log, identity, shards()).await
    }

    /// The state of every record from `from` on, on top of a state.
    fn fold(log: &MemoryLog, from: Offset, mut state: ControlState) -> ControlState {
        let records = log.records(Topic::Cluster, CONTROL);
        for record in records.into_iter().filter(|record| record.offset >= from) {
            state.fold(Stamp::of(&record), decode(&record.payload).unwrap());
        }
        state
    }

    #[tokio::test]
    async fn folding_from_any_checkpoint_is_folding_from_the_beginning() {
        let log = MemoryLog::new(shards());
        for incarnation in 0..40 {
            claim(&log, incarnation).await.unwrap();
        }
        let whole = fold(&log, Offset(0), ControlState::default());
        let records = log.records(Topic::Cluster, CONTROL);
        let checkpoints: Vec<_> = records.iter().filter_map(of_record).collect();
        assert!(checkpoints.len() >= 2, "{} checkpoints", checkpoints.len());
        for (at, state) in checkpoints {
            assert_eq!(fold(&log, at, state), whole, "from {}", at.0);
        }
        for place in 0..records.len() as u64 {
            let below = records.iter().take(place as usize);
            let mut state = ControlState::default();
            for record in below {
                state.fold(Stamp::of(record), decode(&record.payload).unwrap());
            }
            let made = state.checkpoint();
            assert_eq!(ControlState::restore(made), Some(state), "at {place}");
        }
    }

    #[tokio::test]
    async fn a_restart_begins_at_a_checkpoint_and_keeps_its_epochs_apart() {
        let log = MemoryLog::new(shards());
        let mut checkpoint = None;
        let mut incarnation = 0;
        let mut last = None;
        while checkpoint.is_none() {
            incarnation += 1;
            let ownership = claim(&log, incarnation).await.unwrap();
            checkpoint = ownership.checkpoint();
            last = Some(ownership);
        }
        let before = last.unwrap().shards()[5].epoch;
        log.drop_below(Topic::Cluster, CONTROL, checkpoint.unwrap());
        let after = claim(&log, incarnation + 1).await.unwrap();
        assert!(after.shards()[5].epoch > before);
        assert!(after.checkpoint() >= checkpoint, "it is still known");
    }

    #[tokio::test]
    async fn what_was_dropped_above_every_checkpoint_is_told() {
        let log = MemoryLog::new(shards());
        claim(&log, 1).await.unwrap();
        log.drop_below(Topic::Cluster, CONTROL, Offset(10));
        let error = claim(&log, 2).await.unwrap_err().to_string();
        assert!(error.contains("below offset 10"), "{error}");
    }

    #[tokio::test]
    async fn a_node_without_heartbeats_is_told_that_it_is_not_admitted() {
        let log = MemoryLog::new(shards());
        for kind in [
            Kind::Created(v1::Created {
                shards: 64,
                hash_version: 1,
                generation: 1,
                ..Default::default()
            }),
            Kind::Version(v1::Version { rules: 2 }),
        ] {
            let record = v1::ControlRecord { kind: Some(kind) };
            let append = aerostream_log::Append {
                topic: Topic::Cluster,
                partition: CONTROL,
                key: bytes::Bytes::new(),
                payload: aerostream_log::encode(&record),
            };
            log.append(append).await.unwrap();
        }
        let error = claim(&log, 1).await.unwrap_err().to_string();
        assert!(error.contains("node-1 was not admitted"), "{error}");
    }
}
