//! The test run itself: its scratch directory and the watchdog that cleans up behind it.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

use rustix::process::Pid;

static RUN: LazyLock<Run> = LazyLock::new(Run::begin);

/// What all tests of one process share.
struct Run {
    scratch: PathBuf,
    /// Its input is closed by the kernel when this process ends: that is what it waits for.
    watchdog: Mutex<Child>,
    directories: AtomicU32,
}

impl Run {
    fn begin() -> Self {
        let scratch = tempfile::Builder::new()
            .prefix("aerostream-it-")
            .tempdir()
            .expect("a scratch directory for the run")
            .keep();
        open_to_servers(&scratch);
        // A group of its own keeps the terminal's Ctrl-C away from it.
        let watchdog = Command::new("sh")
            .args(["-c", include_str!("watchdog.sh"), "watchdog"])
            .arg(&scratch)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("sh starts the watchdog");
        Self {
            scratch,
            watchdog: Mutex::new(watchdog),
            directories: AtomicU32::new(0),
        }
    }

    fn tell_watchdog(&self, line: &str) {
        let mut watchdog = self.watchdog.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = watchdog.stdin.as_mut().expect("its input is a pipe");
        writeln!(pipe, "{line}").expect("the watchdog reads until the run ends");
    }
}

/// A new empty directory that is removed when the run ends; servers of any user can reach it.
pub fn directory(name: &str) -> PathBuf {
    let number = RUN.directories.fetch_add(1, Ordering::Relaxed);
    let path = RUN.scratch.join(format!("{number}-{name}"));
    std::fs::create_dir(&path).expect("a new directory in the scratch directory");
    open_to_servers(&path);
    path
}

/// Lets the watchdog end the process by `signal` when the run ends.
pub fn guard(pid: Pid, signal: &str) {
    RUN.tell_watchdog(&format!("guard {} {signal}", pid.as_raw_nonzero()));
}

/// To be called before the process is reaped: afterwards its id may be another's.
pub fn release(pid: Pid) {
    RUN.tell_watchdog(&format!("release {}", pid.as_raw_nonzero()));
}

fn open_to_servers(path: &Path) {
    let everybody_may_enter = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, everybody_may_enter).expect("our own directory");
}
