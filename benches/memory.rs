//! Memory of hot and passive drones, and how fast they start and wake, beside bare idle actors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aerostream::clock;
use aerostream_actors::{BuiltInRules, Config, Handle, Hooks, IngestOutcome, Node, Submission};
use aerostream_cluster::{NodeIdentity, claim_all};
use aerostream_domain::{DroneId, NodeId, Offset, ShardCount, UtcMicros};
use aerostream_log::memory::MemoryLog;
use aerostream_log::{EventLog, Partition, Topic};
use anyhow::Context;
use futures::{StreamExt, TryStreamExt};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::allocated::{Memory, memory};
use crate::observation;
use crate::settings::setting;
use crate::table;

/// Drones that start, wake or send at once.
const AT_ONCE: usize = 512;
/// Samples of a batch.
const SAMPLES: u64 = 10;
/// Seconds without a message after which a drone becomes passive; all must have started by then.
const IDLE_S: u64 = 60;
/// Bytes by which memory at rest may change within a second.
const STILL: f64 = 65_536.0;
/// Until everything is passive.
const PASSIVE_MAX: Duration = Duration::from_secs(300);

pub async fn run() -> anyhow::Result<()> {
    let drones: u32 = setting("DRONES", 100_000)?;
    let fleet = Fleet::start(drones).await?;
    let before = fleet.memory().await?;
    let spawned = fleet.all_send(0).await?;
    let sent = fleet.all_send(SAMPLES).await?;
    let (hot, passive) = fleet.hot_and_passive().await?;
    anyhow::ensure!(
        hot == drones as usize,
        "{passive} of {drones} were passive too early"
    );
    let with_hot = fleet.memory().await?;
    fleet.wait_until_passive().await?;
    let with_passive = fleet.memory().await?;
    let woken = fleet.all_send(2 * SAMPLES).await?;
    fleet.node.drain(PASSIVE_MAX).await;

    let (bare, bare_spawned) = bare_actors(drones).await?;
    let count = f64::from(drones);
    let each = |memory: Memory| (memory.allocated - before.allocated) / count;
    let resident = |memory: Memory| (memory.resident - before.resident) / count;
    table::head(&format!(
        "{drones} drones; reference: an idle ractor actor without state"
    ));
    table::row("allocated per hot drone, bytes", each(with_hot), bare);
    table::row(
        "allocated per passive drone, bytes",
        each(with_passive),
        bare,
    );
    table::alone("resident per hot drone, bytes", resident(with_hot));
    table::alone("resident per passive drone, bytes", resident(with_passive));
    let per_second = |took: Duration| count / took.as_secs_f64();
    table::row(
        "started, boot journalled, batch of 10, /s",
        per_second(spawned),
        bare_spawned,
    );
    table::row("woken, batch of 10, /s", per_second(woken), bare_spawned);
    table::row(
        "batches of 10 to hot drones, /s",
        per_second(sent),
        bare_spawned,
    );
    Ok(())
}

struct Fleet {
    node: Node,
    log: Arc<MemoryLog>,
    shards: ShardCount,
    drones: u32,
    power_up: UtcMicros,
}

impl Fleet {
    async fn start(drones: u32) -> anyhow::Result<Self> {
        let shards = ShardCount::DEFAULT;
        let log = Arc::new(MemoryLog::new(shards));
        let identity = NodeIdentity {
            node: NodeId::parse("bench")?,
            incarnation: "bench".to_owned(),
            address: String::new(),
            cluster_id: "bench".to_owned(),
        };
        let ownership = claim_all(&*log, identity, shards).await?;
        let config = Config {
            idle_after_s: IDLE_S,
            ..Config::default()
        };
        let port: Arc<dyn EventLog> = Arc::<MemoryLog>::clone(&log);
        let node = Node::start(
            config,
            port,
            ownership,
            (Arc::new(BuiltInRules::default()), Hooks::default()),
        )
        .await?;
        let power_up = UtcMicros(clock::utc_now().0 - 60_000_000);
        Ok(Self {
            node,
            log,
            shards,
            drones,
            power_up,
        })
    }

    /// Every drone sends one batch, its samples numbered from `first` on.
    async fn all_send(&self, first: u64) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let handle = self.node.handle();
        futures::stream::iter(0..self.drones)
            .map(|number| send(&handle, number, self.power_up, first))
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(began.elapsed())
    }

    async fn hot_and_passive(&self) -> anyhow::Result<(usize, usize)> {
        let give_up = Instant::now() + PASSIVE_MAX;
        let shards = loop {
            match self.node.handle().status().await {
                Ok(shards) => break shards,
                // Shards that put all their drones to sleep at once answer late.
                Err(why) => anyhow::ensure!(Instant::now() < give_up, "no status: {why}"),
            }
        };
        let count = |(hot, passive), shard: &aerostream_actors::ShardStatus| {
            (hot + shard.hot, passive + shard.passive)
        };
        Ok(shards.iter().fold((0, 0), count))
    }

    async fn wait_until_passive(&self) -> anyhow::Result<()> {
        let give_up = Instant::now() + PASSIVE_MAX;
        while self.hot_and_passive().await?.0 > 0 {
            anyhow::ensure!(Instant::now() < give_up, "drones stay hot");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Memory without what the log in memory keeps, once all snapshots are written.
    async fn memory(&self) -> anyhow::Result<Memory> {
        let settle = Duration::from_millis(Config::default().snapshot_every_ms * 2);
        tokio::time::sleep(settle).await;
        for topic in [Topic::Telemetry, Topic::Journal, Topic::State] {
            for partition in self.shards.all().map(Partition::from) {
                let end: Offset = self.log.bounds(topic, partition).await?.end;
                self.log.drop_below(topic, partition, end);
            }
        }
        memory()
    }
}

async fn send(handle: &Handle, number: u32, power_up: UtcMicros, first: u64) -> anyhow::Result<()> {
    let drone = DroneId::parse(&format!("drone-{number:06}"))?;
    let batch = observation::batch(drone, power_up, first, SAMPLES);
    let deadline = tokio::time::Instant::now() + PASSIVE_MAX;
    let submission = Submission {
        batch,
        received: clock::utc_now(),
        deadline,
    };
    match handle.ingest(submission).await {
        IngestOutcome::Settled(_) => Ok(()),
        IngestOutcome::Retry(why) => Err(why).context("a batch was sent back"),
    }
}

struct Bare;

impl Actor for Bare {
    type Msg = ();
    type State = ();
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<()>, (): ()) -> Result<(), ActorProcessingErr> {
        Ok(())
    }
}

/// Memory once what was stopped is freed and what was started has begun to wait.
async fn settled() -> anyhow::Result<Memory> {
    let mut last = memory()?;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = memory()?;
        if (now.allocated - last.allocated).abs() < STILL {
            return Ok(now);
        }
        last = now;
    }
}

/// Bytes allocated per bare actor, and actors started per second.
async fn bare_actors(count: u32) -> anyhow::Result<(f64, f64)> {
    let before = settled().await?;
    let began = Instant::now();
    let actors: Vec<_> = futures::stream::iter(0..count)
        .map(|_| Actor::spawn(None, Bare, ()))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let took = began.elapsed();
    let after = settled().await?;
    for (actor, _) in &actors {
        actor.stop(None);
    }
    for (_, ended) in actors {
        ended.await?;
    }
    let each = (after.allocated - before.allocated) / f64::from(count);
    Ok((each, f64::from(count) / took.as_secs_f64()))
}
