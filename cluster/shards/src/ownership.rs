//! Taking every shard at start, and knowing at any moment whether they are still ours.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aerostream_domain::{Epoch, NodeId, Offset, ShardCount, ShardId};
use aerostream_log::{
    Append, EventLog, Partition, ReadLimits, Reader, Record, Topic, decode, encode,
};
use aerostream_proto::v1;
use aerostream_proto::v1::control_record::Kind;
use bytes::Bytes;
use tokio::time::Instant;

use crate::checkpoint;
use crate::control_log::{ControlState, Effect, RULES_FIRST, RULES_KNOWN, Stamp};
use crate::error::ClusterError;

/// The one partition of the control log.
pub const CONTROL: Partition = Partition(0);
/// What this node says that it knows. It sends no heartbeats, so it must not say that it does:
/// others could expire it.
const RECORD_VERSION: u32 = RULES_FIRST;
/// How long a node waits for its own records to come back.
const READ_BACK_MAX: Duration = Duration::from_secs(30);
pub(crate) const READ: ReadLimits = ReadLimits {
    records_max: 1000,
    bytes_max: 1 << 20,
    wait_max: Duration::from_millis(500),
};

/// Who this process is.
#[derive(Debug, Clone)]
pub struct NodeIdentity {
    pub node: NodeId,
    /// Fresh for every process, so that a restart is told from its predecessor.
    pub incarnation: String,
    /// Where others reach it.
    pub address: String,
    /// Name of a cluster that does not exist yet.
    pub cluster_id: String,
}

/// One shard of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClaimedShard {
    pub shard: ShardId,
    pub epoch: Epoch,
    /// Offset of the claim in the shard's telemetry partition.
    pub telemetry_claim: Offset,
    /// Offset of the claim in the shard's journal partition.
    pub journal_claim: Offset,
}

/// What this node owns; cheap to clone and to ask.
#[derive(Debug, Clone)]
pub struct Ownership {
    shards: Arc<[ClaimedShard]>,
    fenced: Arc<AtomicBool>,
    pub(crate) identity: Arc<NodeIdentity>,
    checkpoint: Option<Offset>,
    pub(crate) followed_to: Offset,
    pub(crate) state: ControlState,
}

impl Ownership {
    /// Every shard of this node, ascending.
    #[must_use]
    pub fn shards(&self) -> &[ClaimedShard] {
        &self.shards
    }

    /// This node.
    #[must_use]
    pub fn node(&self) -> &NodeId {
        &self.identity.node
    }

    /// Number of shards of the cluster.
    #[must_use]
    pub fn shard_count(&self) -> ShardCount {
        ShardCount::new(self.shards.len() as u16).expect("claimed from a ShardCount")
    }

    /// Below this offset nobody needs a record of the control log; `None` before its first
    /// checkpoint.
    #[must_use]
    pub const fn checkpoint(&self) -> Option<Offset> {
        self.checkpoint
    }

    /// True while this node may acknowledge what it wrote for `shard` under `epoch`.
    #[must_use]
    pub fn holds(&self, shard: ShardId, epoch: Epoch) -> bool {
        !self.fenced.load(Ordering::Acquire)
            && self
                .shards
                .get(usize::from(shard.0))
                .is_some_and(|own| own.epoch == epoch)
    }

    /// True once another process has taken over; it never becomes false again.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// Ends this node's ownership for good.
    pub fn fence(&self) {
        self.fenced.store(true, Ordering::Release);
    }
}

/// Joins the control log, takes every shard and claims its partitions.
pub async fn claim_all(
    log: &dyn EventLog,
    identity: NodeIdentity,
    shards: ShardCount,
) -> Result<Ownership, ClusterError> {
    let mut control = Control::open(log).await?;
    control.create_if_new(&identity, shards).await?;
    control.check_shape(shards)?;
    let node = identity.node.as_str();
    if let Some((shard, owner)) = control.state.owned_by_other(node) {
        let (owner, epoch) = (owner.member.node.clone(), owner.epoch);
        return Err(ClusterError::OwnedByOther {
            shard,
            owner,
            epoch,
        });
    }
    let join = v1::Join {
        node: node.to_owned(),
        incarnation: identity.incarnation.clone(),
        address: identity.address.clone(),
        record_version: RECORD_VERSION,
        ..Default::default()
    };
    control.append("joining", vec![Kind::Join(join)]).await?;
    control.check_admitted(&identity)?;
    let assigns = shards
        .all()
        .map(|shard| control.assign(shard, &identity))
        .collect();
    control.append("taking the shards", assigns).await?;
    let mut claimed = Vec::with_capacity(usize::from(shards.get()));
    for shard in shards.all() {
        claimed.push(control.epoch_of(shard, &identity)?);
    }
    control.write_checkpoint().await?;
    let claims = futures::future::try_join_all(
        claimed
            .iter()
            .map(|(shard, epoch)| claim_partitions(log, *shard, *epoch, node)),
    )
    .await?;
    Ok(Ownership {
        shards: claims.into(),
        fenced: Arc::new(AtomicBool::new(false)),
        identity: Arc::new(identity),
        checkpoint: (control.begun > Offset(0)).then_some(control.begun),
        followed_to: control.next,
        state: control.state,
    })
}

/// The control log while this node joins it.
struct Control<'a> {
    log: &'a dyn EventLog,
    reader: Box<dyn Reader>,
    state: ControlState,
    next: Offset,
    /// The newest checkpoint, or where the log begins.
    begun: Offset,
}

impl<'a> Control<'a> {
    async fn open(log: &'a dyn EventLog) -> Result<Self, ClusterError> {
        let bounds = log
            .bounds(Topic::Cluster, CONTROL)
            .await
            .map_err(ClusterError::Read)?;
        let (begun, state) = checkpoint::begin(log, bounds).await?;
        let reader = log
            .read(Topic::Cluster, vec![(CONTROL, begun)])
            .await
            .map_err(ClusterError::Read)?;
        let mut control = Self {
            log,
            reader,
            state,
            next: begun,
            begun,
        };
        control.follow_to(bounds.end).await?;
        Ok(control)
    }

    async fn follow_to(&mut self, end: Offset) -> Result<(), ClusterError> {
        let give_up = Instant::now() + READ_BACK_MAX;
        while self.next < end {
            if Instant::now() > give_up {
                return Err(ClusterError::ReadBack {
                    seconds: READ_BACK_MAX.as_secs(),
                });
            }
            for record in self.reader.next(READ).await.map_err(ClusterError::Read)? {
                fold_record(&mut self.state, &record)?;
                self.next = Offset(record.offset.0 + 1);
            }
        }
        Ok(())
    }

    /// Writes the state down once enough has come since the last time.
    async fn write_checkpoint(&mut self) -> Result<(), ClusterError> {
        let folded_below = self.next;
        if folded_below.0 - self.begun.0 < checkpoint::EVERY {
            return Ok(());
        }
        let made = self.state.checkpoint();
        self.append("writing a checkpoint", vec![Kind::Checkpoint(made)])
            .await?;
        self.begun = folded_below;
        Ok(())
    }

    async fn create_if_new(
        &mut self,
        identity: &NodeIdentity,
        shards: ShardCount,
    ) -> Result<(), ClusterError> {
        if self.state.created().is_some() {
            return Ok(());
        }
        let created = v1::Created {
            cluster_id: identity.cluster_id.clone(),
            shards: u32::from(shards.get()),
            hash_version: 1,
            generation: 1,
        };
        self.append("creating the cluster", vec![Kind::Created(created)])
            .await
    }

    fn check_shape(&self, shards: ShardCount) -> Result<(), ClusterError> {
        let (created, hash_version) = self
            .state
            .created()
            .map_or((0, 0), |created| (created.shards, created.hash_version));
        if created == u32::from(shards.get()) && hash_version == 1 {
            return Ok(());
        }
        Err(ClusterError::OtherShape {
            created,
            hash_version,
            configured: shards.get(),
        })
    }

    /// A `Join` counts for nothing where the rules in force need what this node does not do.
    fn check_admitted(&self, identity: &NodeIdentity) -> Result<(), ClusterError> {
        let rules = self.state.rules();
        if rules <= RECORD_VERSION {
            return Ok(());
        }
        Err(ClusterError::NotAdmitted {
            node: identity.node.as_str().to_owned(),
            rules,
            known: RECORD_VERSION,
        })
    }

    /// Appends the records in order and folds until all are read back.
    async fn append(&mut self, doing: &'static str, kinds: Vec<Kind>) -> Result<(), ClusterError> {
        let pending: Vec<_> = kinds
            .into_iter()
            .map(|kind| {
                self.log.append(Append {
                    topic: Topic::Cluster,
                    partition: CONTROL,
                    key: Bytes::new(),
                    payload: encode(&v1::ControlRecord { kind: Some(kind) }),
                })
            })
            .collect();
        let mut end = self.next;
        for append in pending {
            let appended = append
                .await
                .map_err(|source| ClusterError::Append { doing, source })?;
            end = end.max(Offset(appended.offset.0 + 1));
        }
        self.follow_to(end).await
    }

    fn assign(&self, shard: ShardId, identity: &NodeIdentity) -> Kind {
        Kind::Assign(v1::Assign {
            shard: u32::from(shard.0),
            to_node: identity.node.as_str().to_owned(),
            to_incarnation: identity.incarnation.clone(),
            expected: self.state.owner(shard).map(|owner| owner.epoch.into()),
        })
    }

    fn epoch_of(
        &self,
        shard: ShardId,
        identity: &NodeIdentity,
    ) -> Result<(ShardId, Epoch), ClusterError> {
        let zero = Epoch {
            generation: 0,
            offset: Offset(0),
        };
        match self.state.owner(shard) {
            Some(owner) if owner.member.incarnation == identity.incarnation => {
                Ok((shard, owner.epoch))
            }
            other => {
                let (owner, epoch) = other.map_or((String::new(), zero), |own| {
                    (own.member.node.clone(), own.epoch)
                });
                Err(ClusterError::OwnedByOther {
                    shard,
                    owner,
                    epoch,
                })
            }
        }
    }
}

/// Decodes and folds one control record. A record that ends what can be known is an error.
pub(crate) fn fold_record(
    state: &mut ControlState,
    record: &Record,
) -> Result<Effect, ClusterError> {
    let offset = record.offset.0;
    let decoded =
        decode(&record.payload).map_err(|source| ClusterError::Decode { offset, source })?;
    match state.fold(Stamp::of(record), decoded) {
        Effect::RulesUnknown(rules) => Err(ClusterError::RulesUnknown {
            offset,
            rules,
            known: RULES_KNOWN,
        }),
        Effect::Regressed { expected } => Err(ClusterError::Regressed {
            offset,
            expected: expected.0,
        }),
        effect => Ok(effect),
    }
}

async fn claim_partitions(
    log: &dyn EventLog,
    shard: ShardId,
    epoch: Epoch,
    node: &str,
) -> Result<ClaimedShard, ClusterError> {
    let claim = v1::Claim {
        shard: u32::from(shard.0),
        node: node.to_owned(),
    };
    let telemetry = v1::TelemetryEvent {
        epoch: Some(epoch.into()),
        kind: Some(v1::telemetry_event::Kind::Claim(claim.clone())),
    };
    let journal = v1::JournalRecord {
        epoch: Some(epoch.into()),
        kind: Some(v1::journal_record::Kind::Claim(claim)),
        ..Default::default()
    };
    let append = |topic, payload| {
        let key = Bytes::from_static(b"claim");
        log.append(Append {
            topic,
            partition: shard.into(),
            key,
            payload,
        })
    };
    let doing = "claiming a partition";
    let failed = |source| ClusterError::Append { doing, source };
    let telemetry = append(Topic::Telemetry, encode(&telemetry));
    let journal = append(Topic::Journal, encode(&journal));
    Ok(ClaimedShard {
        shard,
        epoch,
        telemetry_claim: telemetry.await.map_err(failed)?.offset,
        journal_claim: journal.await.map_err(failed)?.offset,
    })
}
