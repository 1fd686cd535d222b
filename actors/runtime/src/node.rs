//! All actors of one node: restored, supervised, fed from the journal, drained.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use aerostream_cluster::{ClaimedShard, Ownership};
use aerostream_domain::{Batch, DroneId, Epoch, Offset, ShardId};
use aerostream_log::{EventLog, LogError, Partition, ReadLimits, Reader, Record, Topic};
use aerostream_proto::v1;
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::admission::Admission;
use crate::alert::{AlertBoard, Ears, RuleSource};
use crate::briefs::Briefs;
use crate::config::Config;
use crate::effects::ShardContext;
use crate::error::ActorsError;
use crate::feed::Hub;
use crate::handle::{Handle, ShardTable};
use crate::mark::MarkTracker;
use crate::message::{JournalTold, NodeMsg, ShardMsg};
use crate::recovery::{Recovered, Scope, readable, recover};
use crate::restart::Failures;
use crate::sessions::SharedSessions;
use crate::shard::{ShardActor, ShardArgs};
use crate::task::{TaskKind, spawn};
use crate::told::told_by;

const FOLLOW: ReadLimits = ReadLimits {
    records_max: 2_000,
    bytes_max: 4 << 20,
    wait_max: Duration::from_millis(500),
};
/// How long the follower waits before it asks a shard or the log again.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// What tests may put in front of the pure code.
#[derive(Debug, Clone, Copy)]
pub struct Hooks {
    /// Runs right before the pure code sees a batch; a panic is that batch's own.
    pub before_admit: fn(&Batch),
    /// Runs when a drone's actor takes a batch; a panic ends the actor.
    pub on_batch: fn(&Batch),
    /// Runs when a shard takes a batch for one of its drones; a panic ends the shard.
    pub in_shard: fn(&Batch),
}

impl Default for Hooks {
    fn default() -> Self {
        Self {
            before_admit: |_| {},
            on_batch: |_| {},
            in_shard: |_| {},
        }
    }
}

/// The running actors of this process.
#[derive(Debug)]
pub struct Node {
    handle: Handle,
    supervisor: ActorRef<NodeMsg>,
    supervised: JoinHandle<()>,
    follower: JoinHandle<Option<()>>,
}

/// What every shard of a node is made of.
struct Parts {
    log: Arc<dyn EventLog>,
    ownership: Ownership,
    config: Arc<Config>,
    feeds: Arc<Hub>,
    sessions: SharedSessions,
    alerts: Arc<AlertBoard>,
    rules: Arc<dyn RuleSource>,
    hooks: Hooks,
}

impl Node {
    /// Restores every owned shard from the log and starts its actors.
    pub async fn start(
        config: Config,
        log: Arc<dyn EventLog>,
        ownership: Ownership,
        (rules, hooks): (Arc<dyn RuleSource>, Hooks),
    ) -> Result<Self, ActorsError> {
        let admission = Admission::new(&config);
        let limits = config.limits();
        let claims = ownership.shards().to_vec();
        let scope = Scope {
            claims: &claims,
            only: None,
            limits,
            rules: &*rules,
        };
        let recovered = recover(&*log, scope).await?;
        let positions: Vec<(Partition, Offset)> = recovered
            .iter()
            .map(|(shard, recovered)| (Partition::from(*shard), recovered.journal_next))
            .collect();
        let shards: ShardTable = claims.iter().map(|_| RwLock::new(None)).collect();
        let count = ownership.shard_count();
        let handle = Handle {
            shards: Arc::clone(&shards),
            count,
            admission,
            ownership: ownership.clone(),
            feeds: Arc::new(Hub::new(&config, count)),
            sessions: SharedSessions::default(),
            alerts: Arc::new(AlertBoard::new(count, config.alert_news_max)),
        };
        post_restored(&handle, &recovered);
        let parts = Parts {
            log: Arc::clone(&log),
            ownership,
            config: Arc::new(config),
            feeds: Arc::clone(&handle.feeds),
            sessions: Arc::clone(&handle.sessions),
            alerts: Arc::clone(&handle.alerts),
            rules,
            hooks,
        };
        let args = SupervisorArgs {
            parts,
            shards,
            recovered,
        };
        let (supervisor, supervised) = Actor::spawn(None, NodeSupervisor, args)
            .await
            .map_err(|error| spawn_failed("the node", &error))?;
        let epochs = claims
            .iter()
            .map(|claim| (claim.shard, claim.epoch))
            .collect();
        let follower = spawn(
            TaskKind::Service,
            "journal follower",
            follow_journal(log, handle.clone(), positions, epochs),
        );
        Ok(Self {
            handle,
            supervisor,
            supervised,
            follower,
        })
    }

    /// The door to the actors.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Takes nothing new, answers what is under way, writes snapshots and marks, stops the actors.
    pub async fn drain(self, grace: Duration) {
        self.handle.admission.close();
        let drained = async {
            self.handle.admission.idle().await;
            self.handle.flush().await
        };
        match tokio::time::timeout(grace, drained).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => tracing::warn!("last snapshots are not durable, the log has the rest"),
            Ok(Err(error)) => tracing::warn!(%error, "a shard did not flush, the log has the rest"),
            Err(_) => tracing::warn!("drain took too long, the log has the rest"),
        }
        self.follower.abort();
        self.supervisor.stop(None);
        // The supervisor only ends; how is of no consequence any more.
        let _ = self.supervised.await;
    }
}

fn spawn_failed(what: &str, error: &dyn std::error::Error) -> ActorsError {
    ActorsError::Spawn {
        what: what.to_owned(),
        reason: error.to_string(),
    }
}

struct NodeSupervisor;

struct SupervisorArgs {
    parts: Parts,
    shards: ShardTable,
    recovered: HashMap<ShardId, Recovered>,
}

struct Supervising {
    parts: Parts,
    shards: ShardTable,
    by_actor: HashMap<ActorId, ShardId>,
    failures: HashMap<ShardId, Failures>,
}

impl Actor for NodeSupervisor {
    type Msg = NodeMsg;
    type State = Supervising;
    type Arguments = SupervisorArgs;

    async fn pre_start(
        &self,
        myself: ActorRef<NodeMsg>,
        args: SupervisorArgs,
    ) -> Result<Supervising, ActorProcessingErr> {
        let SupervisorArgs {
            parts,
            shards,
            mut recovered,
        } = args;
        let (by_actor, failures) = (HashMap::new(), HashMap::new());
        let mut supervising = Supervising {
            parts,
            shards,
            by_actor,
            failures,
        };
        for claim in supervising.parts.ownership.shards().to_vec() {
            let recovered = recovered.remove(&claim.shard).unwrap_or_default();
            supervising.start_shard(&myself, claim, recovered).await?;
        }
        Ok(supervising)
    }

    async fn handle(
        &self,
        myself: ActorRef<NodeMsg>,
        message: NodeMsg,
        supervising: &mut Supervising,
    ) -> Result<(), ActorProcessingErr> {
        let NodeMsg::RestartShard(shard) = message;
        supervising.restart_shard(&myself, shard).await;
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<NodeMsg>,
        event: SupervisionEvent,
        supervising: &mut Supervising,
    ) -> Result<(), ActorProcessingErr> {
        let reason = match &event {
            SupervisionEvent::ActorFailed(_, error) => error.to_string(),
            SupervisionEvent::ActorTerminated(_, _, reason) => {
                reason.clone().unwrap_or_else(|| "ended".to_owned())
            }
            _ => return Ok(()),
        };
        let actor = event.actor_cell().map(ractor::ActorCell::get_id);
        if let Some(shard) = actor.and_then(|id| supervising.by_actor.remove(&id)) {
            supervising.shard_failed(&myself, shard, &reason);
        }
        Ok(())
    }
}

impl Supervising {
    async fn start_shard(
        &mut self,
        myself: &ActorRef<NodeMsg>,
        claim: ClaimedShard,
        recovered: Recovered,
    ) -> Result<(), ActorsError> {
        let context = Arc::new(ShardContext {
            claim,
            log: Arc::clone(&self.parts.log),
            ownership: self.parts.ownership.clone(),
            config: Arc::clone(&self.parts.config),
            marks: MarkTracker::new(recovered.telemetry_next),
            feeds: Arc::clone(&self.parts.feeds),
            sessions: Arc::clone(&self.parts.sessions),
            rules: Arc::clone(&self.parts.rules),
            alerts: Arc::clone(&self.parts.alerts),
            ears: Ears::new(),
            briefs: Briefs::new(claim.epoch),
            acknowledged: AtomicU64::new(0),
            hooks: self.parts.hooks,
        });
        let args = ShardArgs { context, recovered };
        let (actor, _) = Actor::spawn_linked(None, ShardActor, args, myself.get_cell())
            .await
            .map_err(|error| spawn_failed(&format!("shard {}", claim.shard), &error))?;
        self.by_actor.insert(actor.get_id(), claim.shard);
        self.set(claim.shard, Some(actor));
        Ok(())
    }

    fn set(&self, shard: ShardId, actor: Option<ActorRef<ShardMsg>>) {
        let mut place = self.shards[usize::from(shard.0)]
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *place = actor;
    }

    fn shard_failed(&mut self, myself: &ActorRef<NodeMsg>, shard: ShardId, reason: &str) {
        self.set(shard, None);
        let failures = self.failures.entry(shard).or_default();
        let rest = failures.note(Instant::now(), &self.parts.config);
        let rest_ms = rest.as_millis() as u64;
        tracing::error!(
            shard.id = shard.0,
            reason,
            rest.ms = rest_ms,
            "shard failed"
        );
        crate::metrics::actor_restarted();
        myself.send_after(rest, move || NodeMsg::RestartShard(shard));
    }

    async fn restart_shard(&mut self, myself: &ActorRef<NodeMsg>, shard: ShardId) {
        let claim = self.parts.ownership.shards()[usize::from(shard.0)];
        let limits = self.parts.config.limits();
        let scope = Scope {
            claims: &[claim],
            only: None,
            limits,
            rules: &*self.parts.rules,
        };
        let restored = match recover(&*self.parts.log, scope).await {
            Ok(mut recovered) => {
                let recovered = recovered.remove(&shard).unwrap_or_default();
                self.start_shard(myself, claim, recovered).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = restored {
            let error = &error as &dyn std::error::Error;
            tracing::error!(shard.id = shard.0, error, "could not restore a shard");
            self.shard_failed(myself, shard, "not restored");
        }
    }
}

/// Brings what the journal says to the drones; a record reaches its shard before the next
/// is read, so that a shard that is being restarted misses nothing.
async fn follow_journal(
    log: Arc<dyn EventLog>,
    handle: Handle,
    positions: Vec<(Partition, Offset)>,
    epochs: HashMap<ShardId, Epoch>,
) {
    let mut next: HashMap<Partition, Offset> = positions.into_iter().collect();
    while !next.is_empty() {
        match open_journal(&*log, &next).await {
            Ok(mut reader) => {
                let error = follow(&mut *reader, &handle, &mut next, &epochs).await;
                warn(&error);
            }
            Err(error) => warn(&error),
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

fn warn(error: &ActorsError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(error, "the journal cannot be followed, trying again");
}

async fn open_journal(
    log: &dyn EventLog,
    next: &HashMap<Partition, Offset>,
) -> Result<Box<dyn Reader>, ActorsError> {
    let from = next
        .iter()
        .map(|(partition, offset)| (*partition, *offset))
        .collect();
    log.read(Topic::Journal, from).await.map_err(follow_failed)
}

fn follow_failed(source: LogError) -> ActorsError {
    ActorsError::Read {
        topic: Topic::Journal,
        doing: "following the journal",
        source,
    }
}

/// Brings the journal to the shards. A shard that another process claimed is followed no further:
/// a mark of the epoch that ended never lies behind the claim, so that what the new owner wrote is
/// read back under its own epoch.
async fn follow(
    reader: &mut dyn Reader,
    handle: &Handle,
    next: &mut HashMap<Partition, Offset>,
    epochs: &HashMap<ShardId, Epoch>,
) -> ActorsError {
    loop {
        let records = match reader.next(FOLLOW).await {
            Ok(records) => records,
            Err(source) => return follow_failed(source),
        };
        let mut by_shard: HashMap<ShardId, (Vec<(DroneId, JournalTold)>, Offset)> = HashMap::new();
        for record in &records {
            let shard = ShardId(record.partition.0);
            if !next.contains_key(&record.partition) {
                continue;
            }
            let own = epochs.get(&shard).copied();
            let mut claimed = own;
            let one = match told_in(record, &mut claimed) {
                Ok(one) => one,
                Err(error) => return error,
            };
            if claimed != own {
                tracing::warn!(shard.id = shard.0, "another process claimed the shard");
                next.remove(&record.partition);
                continue;
            }
            let after = Offset(record.offset.0 + 1);
            let (told, end) = by_shard.entry(shard).or_insert_with(|| (Vec::new(), after));
            *end = after;
            told.extend(one);
        }
        for (shard, (told, end)) in by_shard {
            post(handle, shard, &told, end);
            bring(handle, shard, told, end).await;
            if let Some(next) = next.get_mut(&Partition::from(shard)) {
                *next = end;
            }
        }
    }
}

/// Puts what was read back of alerts onto the board.
fn post_restored(handle: &Handle, recovered: &HashMap<ShardId, Recovered>) {
    for (shard, recovered) in recovered {
        let drones = recovered.drones.iter();
        let ledgers = drones.map(|(id, known)| (id, known.drone.alerts().ledger()));
        let next = recovered.journal_next;
        handle.alerts.restored(*shard, next, ledgers);
    }
}

/// Puts what is said of alerts onto the board, in the order of the journal.
fn post(handle: &Handle, shard: ShardId, told: &[(DroneId, JournalTold)], end: Offset) {
    for (drone, told) in told {
        if let JournalTold::Alert(told) = told {
            handle.alerts.told(shard, drone, told);
        }
    }
    handle.alerts.reached(shard, end);
}

fn told_in(
    record: &Record,
    claimed: &mut Option<Epoch>,
) -> Result<Option<(DroneId, JournalTold)>, ActorsError> {
    let journal = readable::<v1::JournalRecord>(record)?;
    Ok(journal.and_then(|journal| told_by(record, journal, claimed)))
}

async fn bring(handle: &Handle, shard: ShardId, told: Vec<(DroneId, JournalTold)>, next: Offset) {
    loop {
        let (done, brought) = oneshot::channel();
        let message = ShardMsg::Journal {
            told: told.clone(),
            next,
            done,
        };
        if handle.cast(shard, message).is_ok() && brought.await.is_ok() {
            return;
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}
