//! A child process that faults can be done to, and that never outlives the test run.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::{run, wait};

/// A running child; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
}

impl Process {
    /// Starts `command` with its output in the file `log`. `end` is the signal by which the
    /// watchdog ends it, should the run end first.
    pub fn start(command: &mut Command, log: &Path, end: &str) -> Self {
        let output = File::create(log).expect("a log file for a child process");
        let errors = output.try_clone().expect("a second handle of the log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("starting {command:?}: {error}"));
        let pid = Pid::from_child(&child);
        run::guard(pid, end);
        Self { child, pid }
    }

    /// Process id, the caller's until the process is reaped.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no handler runs. Returns when the process is gone.
    pub fn kill9(&mut self) {
        self.signal(Signal::KILL);
        self.reap();
    }

    /// SIGSTOP: the process stays, with its connections, and does nothing.
    pub fn sigstop(&self) {
        self.signal(Signal::STOP);
    }

    /// SIGCONT: undoes [`Process::sigstop`].
    pub fn sigcont(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends any other signal.
    pub fn signal(&self, signal: Signal) {
        // A process that has ended and is not yet reaped still takes signals.
        kill_process(self.pid, signal).expect("our own child takes signals until it is reaped");
    }

    /// Waits until the process ends by itself.
    pub fn wait_exit(&mut self, within: Duration) -> ExitStatus {
        let pid = self.pid;
        let what = format!("end of process {pid:?}");
        wait::blocking(within, &what, || self.has_ended());
        self.reap()
    }

    /// True when the process has ended, whether or not anybody asked for it.
    pub fn has_ended(&mut self) -> bool {
        // waitid with NOWAIT leaves the zombie, so that its id stays ours until `reap`.
        let ended = rustix::process::waitid(
            rustix::process::WaitId::Pid(self.pid),
            rustix::process::WaitIdOptions::EXITED
                | rustix::process::WaitIdOptions::NOHANG
                | rustix::process::WaitIdOptions::NOWAIT,
        );
        !matches!(ended, Ok(None))
    }

    fn reap(&mut self) -> ExitStatus {
        run::release(self.pid);
        self.child.wait().expect("our own child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            run::release(self.pid);
            return;
        }
        self.kill9();
    }
}
