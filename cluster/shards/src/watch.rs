//! Following the control log after the claim, to notice a successor.

use aerostream_log::{EventLog, LogError, Topic};

use crate::control_log::Effect;
use crate::error::ClusterError;
use crate::ownership::{CONTROL, Ownership, READ, fold_record};

/// Another process owns the shards now; this one must stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fenced {
    /// Node that took over.
    pub by: String,
    /// Its incarnation.
    pub incarnation: String,
}

/// Folds the control log until another process takes over, and fences this one first.
///
/// A log that is out of reach is asked again: while it is, nothing can be taken over through it.
pub async fn watch_control_log(
    log: &dyn EventLog,
    ownership: &Ownership,
) -> Result<Fenced, ClusterError> {
    let mut state = ownership.state.clone();
    let next = ownership.followed_to;
    let mut reader = log
        .read(Topic::Cluster, vec![(CONTROL, next)])
        .await
        .map_err(ClusterError::Read)?;
    loop {
        let records = match reader.next(READ).await {
            Ok(records) => records,
            Err(LogError::Unavailable { .. }) => {
                tokio::time::sleep(READ.wait_max).await;
                continue;
            }
            Err(error) => return Err(ClusterError::Read(error)),
        };
        for record in records {
            let effect = fold_record(&mut state, &record)?;
            if let Some(fenced) = taken_over(ownership, effect) {
                ownership.fence();
                return Ok(fenced);
            }
        }
    }
}

fn taken_over(ownership: &Ownership, effect: Effect) -> Option<Fenced> {
    let own = &ownership.identity;
    let by = match effect {
        Effect::Joined(member) if member.node == own.node.as_str() => member,
        Effect::Assigned { owner, .. } => owner.member,
        _ => return None,
    };
    (by.incarnation != own.incarnation).then_some(Fenced {
        by: by.node,
        incarnation: by.incarnation,
    })
}
