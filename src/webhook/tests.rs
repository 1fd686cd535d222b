mod bad_input;
mod delivery;
mod outages;
mod service;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::alert::{
    AlertId, AlertRecord, Evidence, Instance, Remark, Severity, Transition, Turn,
};
use aerostream_domain::{
    BootId, Claim, DroneId, Epoch, FleetId, JournalEntry, JournalKind, NodeId, Offset, RuleId, Seq,
    ShardCount, ShardId, UtcMicros,
};
use aerostream_log::topic::DEAD_LETTER_PARTITIONS;
use aerostream_log::{Append, EventLog, MemoryLog, Partition, Topic, encode};
use aerostream_proto::v1;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::{Around, Config, TargetConfig, WebhookError, Webhooks};
use crate::clock::utc_now;
use crate::gateway::history::StoredHistory;
use crate::registry::{Credential, Drone, Enrolment, Fleet, Registry, RegistryConfig, Request};
use crate::shutdown::Trigger;
use crate::store::test_database::{self, SHARDS, TestDatabase};
use service::Service;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A log, a database, a registry in which drone `a` is of fleet red and `b` of blue, and a service.
struct World {
    log: MemoryLog,
    database: TestDatabase,
    registry: Registry,
    service: Service,
    directory: TempDir,
}

/// Webhooks that run until they are stopped or killed.
struct Running {
    stop: Trigger,
    task: JoinHandle<Result<(), WebhookError>>,
}

impl Running {
    async fn stop(self) {
        self.stop.begin();
        self.task.await.expect("no panic").expect("no error");
    }

    /// As kill -9 does.
    async fn kill(self) {
        self.task.abort();
        let _aborted = self.task.await;
    }
}

#[expect(clippy::disallowed_methods, reason = "aborted or awaited by each test")]
fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(future)
}

impl World {
    async fn new() -> Self {
        let log = MemoryLog::new(ShardCount::new(SHARDS).unwrap());
        let shared = Arc::new(log.clone());
        let (registry, follower) = Registry::start(shared, RegistryConfig::default());
        spawn(follower.run(std::future::pending()));
        registry.caught_up().await;
        for (fleet, of) in [("red", "a"), ("blue", "b")] {
            enrol(&registry, fleet, of).await;
        }
        let directory = TempDir::new().unwrap();
        std::fs::write(directory.path().join("secret"), SECRET).unwrap();
        Self {
            log,
            database: test_database::create().await,
            registry,
            service: Service::start().await,
            directory,
        }
    }

    fn target(&self) -> TargetConfig {
        TargetConfig {
            name: "pager".to_owned(),
            url: self.service.url(),
            secret_file: self.secret(),
            ca: None,
            fleets: Vec::new(),
            severity: None,
            timeout_ms: 2_000,
        }
    }

    fn secret(&self) -> PathBuf {
        self.directory.path().join("secret")
    }

    fn config(&self) -> Config {
        Config {
            targets: vec![self.target()],
            retry_min_ms: 5,
            retry_max_ms: 50,
            position_interval_ms: 5,
            ..Config::default()
        }
    }

    fn around(&self) -> Around {
        let pool = self.database.pool.clone();
        Around {
            log: Arc::new(self.log.clone()),
            history: Arc::new(StoredHistory::new(&pool, &Default::default())),
            pool,
            registry: self.registry.clone(),
        }
    }

    fn start(&self, config: Config) -> Running {
        let webhooks = Webhooks::build(config, self.around()).expect("good targets");
        let (stop, stopped) = Trigger::new();
        Running {
            stop,
            task: spawn(webhooks.run(stopped)),
        }
    }

    async fn journal(&self, epoch: Option<Epoch>, kind: JournalKind) -> Offset {
        self.journal_at(utc_now(), epoch, kind).await
    }

    async fn journal_at(&self, at: UtcMicros, epoch: Option<Epoch>, kind: JournalKind) -> Offset {
        let entry = JournalEntry {
            epoch,
            at,
            cause: Default::default(),
            kind,
        };
        let append = Append {
            topic: Topic::Journal,
            partition: Partition(0),
            key: bytes::Bytes::new(),
            payload: encode(&v1::JournalRecord::from(entry)),
        };
        self.log.append(append).await.expect("appended").offset
    }

    async fn claim(&self, offset: u64) {
        let claim = Claim {
            shard: ShardId(0),
            node: NodeId::parse("node").unwrap(),
        };
        self.journal(Some(epoch(offset)), JournalKind::Claim(claim))
            .await;
    }

    fn letters(&self) -> Vec<v1::DeadLetter> {
        let partitions = 0..DEAD_LETTER_PARTITIONS;
        let records = partitions.flat_map(|it| self.log.records(Topic::DeadLetters, Partition(it)));
        let letter = |it: aerostream_log::Record| aerostream_log::decode(&it.payload);
        records.map(|it| letter(it).expect("a letter")).collect()
    }
}

async fn enrol(registry: &Registry, fleet: &str, drone: &str) {
    let by = || Request {
        principal: "test",
        at: utc_now(),
    };
    let fleet = FleetId::parse(fleet).unwrap();
    let made = Fleet {
        id: fleet.clone(),
        name: String::new(),
        enrolment: Enrolment::Closed,
        drones_max: 10,
    };
    registry.create_fleet(made, by()).await.unwrap();
    let made = Drone {
        id: DroneId::parse(drone).unwrap(),
        fleet,
        name: String::new(),
        kind: String::new(),
        credential: Credential::Active,
    };
    registry.enrol(made, by()).await.unwrap();
}

fn epoch(offset: u64) -> Epoch {
    Epoch {
        generation: 1,
        offset: Offset(offset),
    }
}

fn transition(id: u128, turn: Turn) -> Transition {
    Transition {
        id: AlertId(id),
        turn,
        evidence: Evidence {
            boot: BootId(u64::MAX),
            seq: Seq(id as u64),
            time: UtcMicros(1_700_000_000_000_000),
            field: "battery.remaining_percent".to_owned(),
            value: Some(14.5),
            note: String::new(),
        },
    }
}

fn raised(id: u128, severity: Severity) -> Transition {
    let turn = Turn::Raised {
        rule: RuleId::parse("battery").unwrap(),
        rule_version: None,
        instance: Instance::Battery(0),
        title: "Battery low".to_owned(),
        severity,
    };
    transition(id, turn)
}

fn escalated(id: u128, severity: Severity) -> Transition {
    transition(id, Turn::Escalated { severity })
}

fn cleared(id: u128) -> Transition {
    let reason = String::new();
    transition(id, Turn::Cleared { reason })
}

fn of(drone: &str, transitions: Vec<Transition>) -> JournalKind {
    JournalKind::Alert {
        drone: DroneId::parse(drone).unwrap(),
        record: Box::new(AlertRecord::Transitions(transitions)),
    }
}

fn acknowledged(drone: &str, id: u128) -> JournalKind {
    let remark = Remark {
        id: AlertId(id),
        principal: "ann".to_owned(),
        received: utc_now(),
        comment: "on it".to_owned(),
    };
    JournalKind::Alert {
        drone: DroneId::parse(drone).unwrap(),
        record: Box::new(AlertRecord::Acknowledge(remark)),
    }
}
