//! The run's Kafka broker.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::process::Process;
use super::{ports, run, wait};

/// A JVM on a busy machine; a fetch of the jars may be part of the first start.
const START_MAX: Duration = Duration::from_secs(120);

/// Of the user `fleet`.
pub const SECURE_PASSWORD: &str = "hangar-7";

/// A real broker on loopback with its data in the run's scratch directory.
#[derive(Debug)]
pub struct Kafka {
    directory: PathBuf,
    port: u16,
    controller_port: u16,
    secure_port: u16,
    starts: AtomicU32,
    prefixes: AtomicU32,
    process: Mutex<Option<Process>>,
}

impl Kafka {
    pub(super) fn begin() -> Self {
        let kafka = Self {
            directory: run::directory("kafka"),
            port: ports::free_port(),
            controller_port: ports::free_port(),
            secure_port: ports::free_port(),
            starts: AtomicU32::new(0),
            prefixes: AtomicU32::new(0),
            process: Mutex::new(None),
        };
        kafka.start();
        kafka
    }

    /// Value for `bootstrap.servers`; stays the same over restarts.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The listener with TLS and login.
    pub fn secure_bootstrap(&self) -> String {
        format!("localhost:{}", self.secure_port)
    }

    /// What signed the certificate of the secure listener.
    pub fn authority(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// A topic prefix that no other test has, ending in a dot.
    pub fn topic_prefix(&self) -> String {
        let number = self.prefixes.fetch_add(1, Ordering::Relaxed);
        format!("it{number}.")
    }

    /// SIGKILL. Only for tests that have the servers alone.
    pub fn kill9(&self) {
        if let Some(mut process) = self.process().take() {
            process.kill9();
        }
    }

    /// SIGSTOP: connections stay and nothing answers. Only for tests that have the servers alone.
    pub fn sigstop(&self) {
        self.process().as_ref().expect("the broker runs").sigstop();
    }

    /// Whatever was done to it, it serves when this returns.
    pub fn resume(&self) {
        if let Some(process) = self.process().as_ref() {
            process.sigcont();
        }
        self.start();
    }

    /// Starts it again on the same ports and data; returns when it serves. No-op if it runs.
    pub fn start(&self) {
        let mut process = self.process();
        if process.is_some() {
            return;
        }
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.directory.with_extension(format!("{number}.log"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/kafka.sh");
        let mut command = Command::new(script);
        command
            .env("KAFKA_SECURE_PORT", self.secure_port.to_string())
            .env("KAFKA_SECURE_PASSWORD", SECURE_PASSWORD)
            .arg("run")
            .arg(&self.directory)
            .args([self.port.to_string(), self.controller_port.to_string()]);
        let mut broker = Process::start(&mut command, &log, "KILL");
        wait::blocking(START_MAX, "the Kafka broker", || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(!broker.has_ended(), "the Kafka broker ended:\n{said}");
            said.contains("Kafka Server started")
        });
        *process = Some(broker);
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
