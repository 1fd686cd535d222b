//! What holds when the log, or the server behind it, goes away and comes back.

use std::sync::Arc;

use aerostream_domain::Offset;
use tokio::time::timeout;

use super::{PATIENCE, append_all, read_count, read_from, telemetry, wide};
use crate::port::{AppendError, Appended, EventLog, LogError, Record};
use crate::topic::{Partition, Topic};

/// Over a fresh log: what was acknowledged is there after `reopen`, and offsets go on.
pub async fn keeps_what_it_acknowledged(
    log: Arc<dyn EventLog>,
    reopen: impl AsyncFn(Arc<dyn EventLog>) -> Arc<dyn EventLog>,
) {
    let partition = Partition(0);
    let batch = |from: u64| (from..from + 50).map(|n| telemetry(partition, n.to_string()));
    let before = append_all(log.as_ref(), batch(0).collect()).await;
    let log = reopen(log).await;
    let after = append_all(log.as_ref(), batch(50).collect()).await;
    assert_eq!(after[0].offset, Offset(50), "offsets go on");
    assert!(after[0].at >= before[49].at, "times go on");
    let log = reopen(log).await;
    let records = read_from(log.as_ref(), Topic::Telemetry, partition, 0, 100).await;
    for (record, n) in records.iter().zip(0_u64..) {
        assert_eq!(record.offset, Offset(n));
        assert_eq!(record.payload, n.to_string());
    }
    let bounds = log.bounds(Topic::Telemetry, partition).await;
    assert_eq!(bounds.expect("a healthy log").end, Offset(100));
}

/// Over a fresh log whose server `restart` kills and starts again: writers and readers that were
/// there before go on, and what was acknowledged is read.
pub async fn survives_restart(log: Arc<dyn EventLog>, restart: impl AsyncFn()) {
    let log = log.as_ref();
    let partition = Partition(0);
    let reader = log.read(Topic::Telemetry, vec![(partition, Offset(0))]);
    let mut reader = reader.await.expect("the start is inside");
    let mut acknowledged = Vec::new();
    for n in 0..20 {
        acknowledged.push(append_until_taken(log, partition, n).await);
    }
    assert_eq!(read_count(reader.as_mut(), 20).await.len(), 20);

    restart().await;

    for n in 20..40 {
        acknowledged.push(append_until_taken(log, partition, n).await);
    }
    let last = acknowledged[39].offset;
    // A repeat of an unknown append may be there, too.
    let count = (last.0 + 1 - 20) as usize;
    let after = read_count(reader.as_mut(), count).await;
    assert_eq!(after.len(), count);

    let mut whole = log
        .read(Topic::Telemetry, vec![(partition, Offset(0))])
        .await
        .expect("the start is inside");
    let records = read_count(whole.as_mut(), last.0 as usize + 1).await;
    for (appended, n) in acknowledged.iter().zip(0_u64..) {
        let at: &Record = &records[appended.offset.0 as usize];
        assert_eq!(at.offset, appended.offset);
        assert_eq!(at.payload, n.to_string(), "what was acknowledged is there");
    }
    let nothing = reader.next(wide(super::NOTHING_FOR)).await;
    let quiet = matches!(&nothing, Ok(r) if r.is_empty())
        || matches!(nothing, Err(LogError::Unavailable { .. }));
    assert!(quiet, "no record comes twice");
}

async fn append_until_taken(log: &dyn EventLog, partition: Partition, n: u64) -> Appended {
    let trying = async {
        loop {
            match log.append(telemetry(partition, n.to_string())).await {
                Ok(appended) => return appended,
                Err(AppendError::Refused { .. } | AppendError::Unknown { .. }) => {
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    let taken = timeout(PATIENCE, trying).await;
    taken.expect("the log takes records again")
}
