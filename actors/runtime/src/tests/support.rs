//! A node over a log in memory, and short names for what tests say often.

use std::sync::Arc;
use std::time::Duration;

use aerostream_cluster::{NodeIdentity, Ownership, claim_all};
use aerostream_domain::sample::{Content, Position, Text};
use aerostream_domain::{
    Batch, BootId, BootMicros, DroneId, NodeId, Sample, ShardCount, UtcMicros,
};
use aerostream_log::memory::MemoryLog;
use aerostream_log::{Partition, Topic, decode};
use aerostream_proto::v1;
use tokio::time::Instant;

use crate::{
    BuiltInRules, Config, Handle, Hooks, IngestOutcome, LiveView, Node, RuleSource, SampleVerdict,
    Submission,
};

/// 2026-01-01T00:00:00Z.
pub const NOW: UtcMicros = UtcMicros(1_767_225_600_000_000);
pub const SHARDS: u16 = 4;
const PATIENCE: Duration = Duration::from_secs(20);

pub struct Fixture {
    pub log: Arc<MemoryLog>,
    pub node: Node,
    pub handle: Handle,
    pub ownership: Ownership,
}

pub fn config() -> Config {
    Config {
        snapshot_every_ms: 50,
        restart_backoff_min_ms: 5,
        ..Config::default()
    }
}

pub async fn claim(log: &MemoryLog, incarnation: &str) -> Ownership {
    let identity = NodeIdentity {
        node: NodeId::parse("node-1").unwrap(),
        incarnation: incarnation.to_owned(),
        address: String::new(),
        cluster_id: "test".to_owned(),
    };
    claim_all(log, identity, ShardCount::new(SHARDS).unwrap())
        .await
        .unwrap()
}

pub async fn start_on(log: Arc<MemoryLog>, incarnation: &str, config: Config) -> Fixture {
    start_again(
        log,
        incarnation,
        (config, Arc::new(BuiltInRules::default())),
    )
    .await
}

pub async fn start_with(config: Config, rules: Arc<dyn RuleSource>) -> Fixture {
    let log = Arc::new(MemoryLog::new(ShardCount::new(SHARDS).unwrap()));
    start_again(log, "first", (config, rules)).await
}

pub async fn start_again(
    log: Arc<MemoryLog>,
    incarnation: &str,
    (config, rules): (Config, Arc<dyn RuleSource>),
) -> Fixture {
    let ownership = claim(&log, incarnation).await;
    let hooks = Hooks {
        before_admit: panic_on_poison,
        on_batch: panic_on_crash,
        ..Hooks::default()
    };
    let node = Node::start(config, log.clone(), ownership.clone(), (rules, hooks))
        .await
        .unwrap();
    let handle = node.handle();
    Fixture {
        log,
        node,
        handle,
        ownership,
    }
}

pub async fn start(config: Config) -> Fixture {
    let log = Arc::new(MemoryLog::new(ShardCount::new(SHARDS).unwrap()));
    start_on(log, "first", config).await
}

fn has_text(batch: &Batch, wanted: &str) -> bool {
    batch
        .samples
        .iter()
        .any(|it| it.content.text.as_ref().is_some_and(|t| t.text == wanted))
}

fn panic_on_poison(batch: &Batch) {
    assert!(
        !has_text(batch, "poison"),
        "a sample that makes the pure code panic"
    );
}

fn panic_on_crash(batch: &Batch) {
    assert!(!has_text(batch, "crash"), "a batch that ends the actor");
}

pub fn drone(name: &str) -> DroneId {
    DroneId::parse(name).unwrap()
}

pub fn sample(seq: u64) -> Sample {
    let position = Position {
        latitude_deg: Some(47.0),
        longitude_deg: Some(8.0),
        relative_altitude_m: Some(seq as f64),
        ..Position::default()
    };
    Sample {
        seq,
        utc: Some(UtcMicros(NOW.0 + seq as i64 * 1000)),
        since_boot: Some(BootMicros(seq * 1000)),
        content: Content {
            position: Some(position),
            ..Content::default()
        },
    }
}

pub fn text_sample(seq: u64, text: &str) -> Sample {
    let mut sample = sample(seq);
    sample.content.text = Some(Text {
        severity: None,
        text: text.to_owned(),
    });
    sample
}

pub fn batch(name: &str, boot: u64, samples: Vec<Sample>) -> Batch {
    Batch {
        drone: drone(name),
        boot: BootId(boot),
        sent_at_boot: Some(BootMicros(0)),
        received_identity: false,
        samples,
    }
}

impl Fixture {
    pub async fn send(&self, batch: Batch) -> IngestOutcome {
        send(&self.handle, batch).await
    }

    /// Sends until the outcome is final, as a drone does, and lets the actor do what it does behind
    /// an answer: tell feeds, count.
    pub async fn insist(&self, batch: Batch) -> Vec<SampleVerdict> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            match self.send(batch.clone()).await {
                IngestOutcome::Settled(verdicts) => {
                    let _ = self.handle.live(&batch.drone).await;
                    return verdicts;
                }
                IngestOutcome::Retry(why) => {
                    assert!(Instant::now() < give_up, "still refused: {why}");
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    pub async fn live(&self, name: &str) -> LiveView {
        self.handle
            .live(&drone(name))
            .await
            .unwrap()
            .expect("a drone that was heard")
    }

    pub fn partition(&self, name: &str) -> Partition {
        ShardCount::new(SHARDS)
            .unwrap()
            .shard_of(&drone(name))
            .into()
    }

    /// Sequence numbers in the log, in its order.
    pub fn recorded(&self, name: &str) -> Vec<u64> {
        let records = self.log.records(Topic::Telemetry, self.partition(name));
        let events = records
            .iter()
            .map(|it| decode::<v1::TelemetryEvent>(&it.payload).unwrap());
        let batches = events.filter_map(|event| match event.kind {
            Some(v1::telemetry_event::Kind::Batch(batch)) if batch.drone_id == name => Some(batch),
            _ => None,
        });
        batches
            .flat_map(|it| it.samples)
            .map(|it| it.sample.unwrap().seq.unwrap())
            .collect()
    }
}

pub async fn send(handle: &Handle, batch: Batch) -> IngestOutcome {
    send_at(handle, batch, NOW).await
}

pub async fn send_at(handle: &Handle, batch: Batch, received: UtcMicros) -> IngestOutcome {
    let deadline = Instant::now() + PATIENCE;
    handle
        .ingest(Submission {
            batch,
            received,
            deadline,
        })
        .await
}

pub fn acknowledged(count: usize) -> Vec<SampleVerdict> {
    vec![SampleVerdict::Acknowledged { repeat: false }; count]
}

pub fn repeated(count: usize) -> Vec<SampleVerdict> {
    vec![SampleVerdict::Acknowledged { repeat: true }; count]
}

/// Asks again until it is so; fails with `what` if it never is.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < give_up, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
