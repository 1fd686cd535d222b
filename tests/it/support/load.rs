//! Simulated drones in the test's own process, so that a test can wait for what they have done.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aerostream_simulator::config::Physics;
use aerostream_simulator::{Config, Error, Report, Simulation, Snapshot, Status};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::system::System;
use super::{run, wait};

/// Longest wait for progress, on a busy machine and through any fault that a test makes.
const PROGRESS_MAX: Duration = Duration::from_secs(90);

/// Drones at work.
#[derive(Debug)]
pub struct Load {
    pub manifest: PathBuf,
    status: Arc<Status>,
    stop: oneshot::Sender<()>,
    run: JoinSet<Result<Report, Error>>,
}

/// 40 drones with 25 samples per second each, in small batches over gRPC, that lose patience soon.
pub fn fleet() -> Config {
    Config {
        drones: 40,
        rate_hz: 25.0,
        batch: 25,
        linger_ms: 100,
        connections: 2,
        ack_timeout_ms: 3_000,
        drain_s: 90,
        physics: Physics::Replayed,
        quiet: true,
        ..Config::default()
    }
}

impl Load {
    /// Flies these drones against the system until [`Load::finish`].
    pub fn start(system: &System, config: Config) -> Self {
        let manifest = run::directory("manifest").join("acknowledged");
        let simulation = Simulation::new(Config {
            endpoint: config.endpoint.or_else(|| Some(system.grpc_url())),
            token: config.tokens.is_none().then(|| system.token("relay")),
            manifest: Some(manifest.clone()),
            ..config
        });
        let simulation = simulation.expect("settings that can be flown");
        let status = simulation.status();
        let (stop, stopped) = oneshot::channel();
        let mut run = JoinSet::new();
        run.spawn(simulation.run(async {
            // Dropped without a word when the test fails; it ends either way.
            let _ = stopped.await;
        }));
        Self {
            manifest,
            status,
            stop,
            run,
        }
    }

    /// The numbers now.
    pub fn now(&self) -> Snapshot {
        self.status.snapshot()
    }

    /// Waits until so many more samples are acknowledged than now.
    pub async fn acknowledged_more(&self, more: u64) {
        let wanted = self.now().acknowledged + more;
        self.until(&format!("{more} more acknowledgements"), |now| {
            now.acknowledged >= wanted
        })
        .await;
    }

    /// Waits until the numbers are so.
    pub async fn until(&self, what: &str, mut holds: impl FnMut(&Snapshot) -> bool) {
        wait::wait_until(PROGRESS_MAX, what, async || holds(&self.now())).await;
    }

    /// No new samples; waits until every one is answered.
    pub async fn finish(mut self) -> (Report, PathBuf) {
        let _ = self.stop.send(());
        let ended = self.run.join_next().await.expect("one run");
        let report = ended.expect("no panic").expect("a run to its end");
        eprintln!("{report}");
        assert!(report.is_complete(), "samples without an answer: {report}");
        assert_eq!(report.numbers.overwritten, 0, "no drone's store was full");
        assert_eq!(report.numbers.bad_answers, 0, "every answer adds up");
        (report, self.manifest)
    }
}
