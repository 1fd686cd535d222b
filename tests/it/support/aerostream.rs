//! The real binary as a child process.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::process::Process;
use super::{run, wait};

/// Until a role announces its last address, on a busy machine.
const READY_MAX: Duration = Duration::from_secs(60);

/// Until a drain is over.
const EXIT_MAX: Duration = Duration::from_secs(60);

/// A command line of the binary, with an environment that no shell setting leaks into.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aerostream"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AEROSTREAM_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs a subcommand to its end.
pub fn run_to_end(arguments: &[&str]) -> Output {
    command(arguments)
        .output()
        .expect("the binary can be started")
}

/// A running role; killed when dropped.
#[derive(Debug)]
pub struct Aerostream {
    process: Process,
    log: PathBuf,
}

impl Aerostream {
    /// Starts a role; `command` comes from [`command`]. The role must choose its own ports (0).
    pub fn start(mut command: Command) -> Self {
        let log = run::directory("aerostream").join("output.log");
        let process = Process::start(&mut command, &log, "KILL");
        Self { process, log }
    }

    /// The address that the role announced for `door` (`http`, `grpc`, ...), once it is there.
    pub async fn address(&mut self, door: &str) -> SocketAddr {
        let what = format!("the address of {door}");
        wait::wait_for(READY_MAX, &what, async || {
            let said = self.output();
            assert!(!self.process.has_ended(), "the role ended:\n{said}");
            announced(&said).remove(door)
        })
        .await
    }

    /// Largest memory that it has had resident, in bytes.
    pub fn resident_peak(&self) -> u64 {
        let status = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(status).expect("a process that runs has a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("Linux tells the peak in KiB") * 1024
    }

    /// Waits for words in its output.
    pub async fn says(&self, words: &str) {
        wait::wait_until(READY_MAX, words, async || self.output().contains(words)).await;
    }

    /// True when the process has ended, whether or not anybody asked for it.
    pub fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Everything that it has written so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// SIGTERM, and waits for the end of the drain.
    pub fn drain(&mut self) -> ExitStatus {
        self.process.signal(Signal::TERM);
        self.process.wait_exit(EXIT_MAX)
    }

    /// SIGKILL.
    pub fn kill9(&mut self) {
        self.process.kill9();
    }

    /// SIGSTOP.
    pub fn sigstop(&self) {
        self.process.sigstop();
    }

    /// SIGCONT.
    pub fn sigcont(&self) {
        self.process.sigcont();
    }
}

/// Doors and addresses in lines such as `listening: http 127.0.0.1:8080`.
fn announced(output: &str) -> HashMap<&str, SocketAddr> {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("listening: ")?.split_once(' '))
        .filter_map(|(door, address)| Some((door, address.parse().ok()?)))
        .collect()
}
