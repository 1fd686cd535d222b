//! What a group tells its member.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aerostream_log::Partition;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use tokio::time::Instant;

use super::super::client::{Clients, Quiet};
use super::Held;

/// What the group has said and the member was not told yet.
pub(super) enum Change {
    Assigned(Vec<Held>),
    Revoked(Vec<Held>),
}

impl Change {
    pub(super) fn revokes(&self, place: Held) -> bool {
        match self {
            Self::Revoked(held) => held.contains(&place),
            Self::Assigned(_) => false,
        }
    }
}

/// Where librdkafka tells of rebalances: within polls of the consumer.
pub(super) struct Rebalances {
    clients: Arc<Clients>,
    /// At most two a rebalance, and no rebalance ends before the member polls on.
    changes: Mutex<VecDeque<Change>>,
    /// Since when the group owes the member an assignment, be it an empty one: since it joined, or
    /// since something was taken from it.
    owed_since: Mutex<Option<Instant>>,
}

impl Rebalances {
    pub(super) fn new(clients: &Arc<Clients>) -> Self {
        Self {
            clients: Arc::clone(clients),
            changes: Mutex::default(),
            owed_since: Mutex::new(Some(Instant::now())),
        }
    }

    /// True if the group has owed an assignment for so long; then it is given as much time again.
    pub(super) fn is_overdue(&self, patience: Duration) -> bool {
        let mut owed = self.owed();
        let overdue = owed.is_some_and(|since| since.elapsed() >= patience);
        if overdue {
            *owed = Some(Instant::now());
        }
        overdue
    }

    fn owed(&self) -> MutexGuard<'_, Option<Instant>> {
        self.owed_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn changes(&self) -> MutexGuard<'_, VecDeque<Change>> {
        // A panic elsewhere leaves a list that is still whole.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if the member is still to be told that a partition is not its any more.
    pub(super) fn revoke(&self, place: Held) -> bool {
        self.changes().iter().any(|change| change.revokes(place))
    }

    fn held(&self, list: &TopicPartitionList) -> Vec<Held> {
        let held = list.elements().into_iter().filter_map(|element| {
            let topic = self.clients.topic(element.topic())?;
            let partition = u16::try_from(element.partition()).ok()?;
            Some((topic, Partition(partition)))
        });
        held.collect()
    }
}

impl ClientContext for Rebalances {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Quiet.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Quiet.error(error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        event: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let held = self.held(list);
        let assigned = event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let cooperative = matches!(
            consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        let done = if assigned {
            list.set_all_offsets(KafkaOffset::End)
                .and_then(|()| match cooperative {
                    true => consumer.incremental_assign(list),
                    false => consumer.assign(list),
                })
                .and_then(|()| consumer.pause(list))
        } else if cooperative {
            consumer.incremental_unassign(list)
        } else {
            consumer.unassign()
        };
        if let Err(error) = done {
            tracing::error!(%error, "kafka rebalance failed");
        }
        *self.owed() = (!assigned).then(Instant::now);
        if held.is_empty() {
            return;
        }
        let change = match assigned {
            true => Change::Assigned(held),
            false => Change::Revoked(held),
        };
        self.changes().push_back(change);
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        // Nothing depends on committed offsets; the next report comes soon.
        if let Err(error) = result {
            tracing::debug!(%error, "kafka offsets not committed");
        }
    }
}
