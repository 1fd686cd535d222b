//! Starting and stopping the server's processes, never as root.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Error;

/// How often a condition of another process is looked at.
pub const POLL: Duration = Duration::from_millis(10);
/// The user `nobody` on every Linux.
const NOBODY: u32 = 65_534;

/// Who runs Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    /// We are root: drop to this user and group.
    DroppedTo(u32),
    /// We are not root: as ourselves.
    Own,
}

impl Account {
    pub fn unprivileged() -> Self {
        if rustix::process::geteuid().is_root() {
            Self::DroppedTo(NOBODY)
        } else {
            Self::Own
        }
    }

    pub fn is_dropped(self) -> bool {
        self != Self::Own
    }

    pub fn dropped_to(self) -> Option<u32> {
        match self {
            Self::DroppedTo(id) => Some(id),
            Self::Own => None,
        }
    }

    /// A command that drops to the account and then becomes `program`. The kernel sends it
    /// SIGINT (Postgres' fast shutdown) when the thread that spawned it ends.
    fn command(self, program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        if let Self::DroppedTo(id) = self {
            command
                .arg(format!("--reuid={id}"))
                .arg(format!("--regid={id}"))
                .arg("--clear-groups");
        }
        command.arg("--pdeathsig=INT").arg("--").arg(program);
        // A terminal's Ctrl-C is for us; we stop the server when we have drained.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command
            .current_dir("/")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/");
        command
    }
}

/// Runs a program to its end with `input` on its standard input.
pub fn run(
    program: &Path,
    account: Account,
    arguments: &[String],
    input: &str,
) -> Result<(), Error> {
    let failed = |detail: String| Error::Program {
        program: program.display().to_string(),
        detail,
    };
    let mut child = account
        .command(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .map_err(|error| failed(error.to_string()))?;
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(error.to_string()))?;
    // Single-user mode tells errors in its output only, and ends with 0.
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.success() && !errors.contains("ERROR:") {
        Ok(())
    } else {
        Err(failed(errors.trim().to_owned()))
    }
}

/// A spawned server. A thread of its own spawns it and waits for its end, because the kernel ties
/// the server's life to the thread that spawned it.
#[derive(Debug)]
pub struct Server {
    pid: Pid,
    ended: Arc<AtomicBool>,
    waiter: Option<JoinHandle<()>>,
}

impl Server {
    pub fn spawn(
        program: PathBuf,
        account: Account,
        arguments: Vec<String>,
        log: File,
    ) -> Result<Self, Error> {
        let ended = Arc::new(AtomicBool::new(false));
        let (started, start) = mpsc::sync_channel(1);
        let failed = |detail: String| Error::Program {
            program: "postgres".to_owned(),
            detail,
        };
        let waiter = std::thread::Builder::new()
            .name("private-postgres".to_owned())
            .spawn({
                let ended = Arc::clone(&ended);
                move || match spawn_child(&program, account, &arguments, log) {
                    Ok(mut child) => {
                        let told = started.send(Ok(child.id()));
                        let waited = child.wait();
                        tracing::debug!(?told, ?waited, "private postgres ended");
                        ended.store(true, Ordering::Release);
                    }
                    Err(error) => {
                        // The receiver waits for exactly one message, so this cannot fail.
                        let _told = started.send(Err(error));
                    }
                }
            })
            .map_err(|error| failed(error.to_string()))?;
        let pid = start
            .recv()
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        Ok(Self {
            pid: pid.ok_or_else(|| failed("it has no process id".to_owned()))?,
            ended,
            waiter: Some(waiter),
        })
    }

    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Fast shutdown; after `patience` an immediate one.
    pub fn stop(&mut self, patience: Duration) -> Result<(), Error> {
        let Some(waiter) = self.waiter.take() else {
            return Ok(());
        };
        for signal in [Signal::INT, Signal::QUIT] {
            if self.has_ended() {
                break;
            }
            // Our child is not reaped before `ended`, so the pid is still its own.
            let _gone_already = kill_process(self.pid, signal);
            wait_while(patience, || !self.has_ended());
        }
        if self.has_ended() {
            let _panicked = waiter.join();
            return Ok(());
        }
        Err(Error::Program {
            program: "postgres".to_owned(),
            detail: format!("process {} does not stop", self.pid()),
        })
    }
}

fn spawn_child(
    program: &Path,
    account: Account,
    arguments: &[String],
    log: File,
) -> std::io::Result<Child> {
    let errors = log.try_clone()?;
    account
        .command(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
}

/// True once the server says in its pid file that it takes connections.
pub fn is_ready(cluster: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(cluster.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    let same = lines.next().is_some_and(|line| line == pid.to_string());
    same && text
        .lines()
        .nth(7)
        .is_some_and(|line| line.trim() == "ready")
}

/// Ends the server of a predecessor that was killed, and removes a pid file without a server.
/// The caller holds the directory's lock, so a server that still runs in it is nobody's.
pub fn stop_left_over(cluster: &Path, patience: Duration) -> Result<(), Error> {
    let pid_file = cluster.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&pid_file) else {
        return Ok(());
    };
    let pid = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // A server works inside its cluster: a process elsewhere only has the same number.
        let runs = || {
            let cwd = fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()));
            cwd.is_ok_and(|dir| dir == cluster)
        };
        if runs() {
            tracing::warn!(
                postgres.pid = pid.as_raw_nonzero().get(),
                "stopping the postgres that an earlier run left behind"
            );
            let _gone_already = kill_process(pid, Signal::INT);
            wait_while(patience, runs);
            if runs() {
                return Err(Error::Program {
                    program: "postgres".to_owned(),
                    detail: format!("process {pid:?} of an earlier run does not stop"),
                });
            }
        }
    }
    match fs::remove_file(&pid_file) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::File {
            doing: "remove the stale",
            path: pid_file,
            source,
        }),
    }
}

fn wait_while(patience: Duration, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + patience;
    while condition() && Instant::now() < deadline {
        std::thread::park_timeout(POLL);
    }
}
