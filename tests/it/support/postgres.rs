//! The run's Postgres server and the databases of the tests.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::{Connection, Executor, PgConnection};

use super::process::Process;
use super::{ports, run, wait};

/// Crash recovery on a busy machine included.
const START_MAX: Duration = Duration::from_secs(60);

/// Every test's tests and its connection pools share one server.
const CONNECTIONS_MAX: &str = "max_connections=300";

/// A real server on loopback with its data in the run's scratch directory.
#[derive(Debug)]
pub struct Postgres {
    binaries: PathBuf,
    data: PathBuf,
    port: u16,
    databases: AtomicU32,
    starts: AtomicU32,
    process: Mutex<Option<Process>>,
}

impl Postgres {
    pub(super) async fn begin() -> Self {
        let postgres = Self {
            binaries: binaries(),
            data: run::directory("postgres"),
            port: ports::free_port(),
            databases: AtomicU32::new(0),
            starts: AtomicU32::new(0),
            process: Mutex::new(None),
        };
        postgres.initialise();
        postgres.start();
        postgres.make_template().await;
        postgres
    }

    /// A database of the test's own with every migration applied; returns its URL.
    pub async fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("it{number}");
        self.administrate(&format!("CREATE DATABASE {name} TEMPLATE template_it"))
            .await;
        self.url(&name)
    }

    /// SIGQUIT: the server's own "crash now", which frees its shared memory as SIGKILL does not,
    /// and like it writes no checkpoint. Only for tests that have the servers alone.
    pub fn crash(&self) {
        if let Some(mut process) = self.process().take() {
            process.signal(rustix::process::Signal::QUIT);
            process.wait_exit(START_MAX);
        }
    }

    /// Starts it again on the same port and data; returns when it serves. No-op if it runs.
    pub fn start(&self) {
        let mut process = self.process();
        if process.is_some() {
            return;
        }
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let log = self.data.with_extension(format!("{number}.log"));
        let mut command = unprivileged(&self.binaries.join("postgres"));
        command.arg("-D").arg(&self.data);
        // kill -9 of a process loses nothing that it has written, so fsync would prove nothing.
        let settings = [
            &format!("port={}", self.port),
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            CONNECTIONS_MAX,
        ];
        command.args(settings.iter().flat_map(|setting| ["-c", setting]));
        let mut server = Process::start(&mut command, &log, "QUIT");
        wait::blocking(START_MAX, "the Postgres server", || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(!server.has_ended(), "the Postgres server ended:\n{said}");
            self.is_ready()
        });
        *process = Some(server);
    }

    fn initialise(&self) {
        let data = self.data.to_str().expect("scratch paths are UTF-8");
        if rustix::process::getuid().is_root() {
            std::os::unix::fs::chown(&self.data, Some(NOBODY), Some(NOBODY))
                .expect("root may give its directory away");
        }
        let output = unprivileged(&self.binaries.join("initdb"))
            .args(["--pgdata", data, "--username", "aerostream"])
            .args([
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
                "--no-locale",
                "--no-sync",
            ])
            .stdin(Stdio::null())
            .output()
            .expect("initdb can be started");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "initdb failed:\n{errors}");
    }

    fn is_ready(&self) -> bool {
        Command::new(self.binaries.join("pg_isready"))
            .args([
                "--quiet",
                "--host",
                "127.0.0.1",
                "--port",
                &self.port.to_string(),
            ])
            .status()
            .is_ok_and(|status| status.success())
    }

    async fn make_template(&self) {
        self.administrate("CREATE DATABASE template_it").await;
        let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut connection = PgConnection::connect(&self.url("template_it"))
            .await
            .expect("the template can be connected to");
        if migrations.is_dir() {
            sqlx::migrate::Migrator::new(migrations)
                .await
                .expect("the migrations can be read")
                .run_direct(None, &mut connection, false)
                .await
                .expect("the migrations can be applied");
        }
        connection.close().await.expect("a clean goodbye");
    }

    async fn administrate(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url("postgres"))
            .await
            .expect("the server can be connected to");
        connection
            .execute(sqlx::AssertSqlSafe(sql))
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        connection.close().await.expect("a clean goodbye");
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://aerostream@127.0.0.1:{}/{database}", self.port)
    }

    fn process(&self) -> std::sync::MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// User and group id of `nobody`; Postgres refuses to run as root.
const NOBODY: u32 = 65_534;

fn unprivileged(program: &Path) -> Command {
    if !rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}")])
        .args(["--clear-groups", "env", "HOME=/tmp"])
        .arg(program)
        .current_dir("/");
    command
}

/// Directory of the newest installed server's programs.
fn binaries() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").expect("postgresql is installed");
    installed
        .flatten()
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("initdb").is_file())
        .max()
        .expect("postgresql has its server installed")
}
