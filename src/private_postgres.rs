//! A Postgres server of our own, started from the installed binaries.
//!
//! It listens on loopback only, never runs as root, keeps its data between starts, and ends with
//! this process: the kernel asks it to shut down if we die without doing so. Calls block; async
//! callers use a blocking thread.

mod files;
mod process;

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use files::Layout;
use process::{Account, Server};

/// Name of the database and of its only user.
const DATABASE: &str = "aerostream";
/// Starts tried when another process takes the free port between our look and the server's bind.
const PORT_TRIES_MAX: usize = 5;
/// How long a server may take to recover from a crash and accept connections.
const START_MAX: Duration = Duration::from_secs(300);
/// How long a server may take to shut down before it is told to stop at once.
const STOP_MAX: Duration = Duration::from_secs(60);

/// How to start a private server.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Directory that belongs to the server alone; made if it is not there. Default `postgres`.
    pub data_dir: PathBuf,
    /// Where `postgres` and `initdb` are. Default: the newest of /usr/lib/postgresql/*/bin, else
    /// PATH.
    pub bin_dir: Option<PathBuf>,
    /// TCP port on 127.0.0.1; 0 takes a free one. Default 0.
    pub port: u16,
    /// Server settings (name, value) that replace the defaults. Default: none.
    pub settings: Vec<(String, String)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("postgres"),
            bin_dir: None,
            port: 0,
            settings: Vec::new(),
        }
    }
}

impl Config {
    /// Settings for tests: nothing survives a power cut, everything is faster.
    #[must_use]
    pub fn without_durability(mut self) -> Self {
        for (name, value) in [
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
        ] {
            self.settings.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

/// Why there is no private server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing to start.
    #[error(
        "no Postgres found in {looked_in}: install the package `postgresql` or name its bin_dir"
    )]
    NoBinaries { looked_in: String },
    /// The unprivileged user cannot reach the directory.
    #[error(
        "the directory {} cannot be reached by the unprivileged user that runs Postgres, since \
         {} is closed to others: choose a data directory elsewhere",
        data_dir.display(), closed.display()
    )]
    Unreachable { data_dir: PathBuf, closed: PathBuf },
    /// Another process of ours works in it.
    #[error("the Postgres directory {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// A file operation failed.
    #[error("could not {doing} {}", path.display())]
    File {
        doing: &'static str,
        path: PathBuf,
        source: std::io::Error,
    },
    /// A program could not be started or failed.
    #[error("{program} failed: {detail}")]
    Program { program: String, detail: String },
    /// It did not accept connections in time.
    #[error("Postgres did not start: {detail}")]
    NotStarted { detail: String },
}

/// A running server; stopped when dropped.
#[derive(Debug)]
pub struct PrivatePostgres {
    server: Server,
    url: String,
    port: u16,
    // Held as long as the server runs, so that nobody else starts one in the same directory.
    _lock: File,
}

impl PrivatePostgres {
    /// Starts a server and waits until it accepts connections. Makes the database cluster first if
    /// the directory is new, and stops a server that a killed predecessor left behind.
    pub fn start(config: &Config) -> Result<Self, Error> {
        let bin_dir = files::find_binaries(config.bin_dir.as_deref())?;
        let account = Account::unprivileged();
        let layout = Layout::prepare(&config.data_dir, account)?;
        let lock = layout.lock()?;
        process::stop_left_over(&layout.cluster(), STOP_MAX)?;
        let password = layout.password(account)?;
        if !layout.cluster().exists() {
            initialise(&layout, &bin_dir, account)?;
        }
        for _ in 0..PORT_TRIES_MAX {
            let port = match config.port {
                0 => free_port(&layout)?,
                port => port,
            };
            let server = spawn(config, &layout, &bin_dir, account, port)?;
            if wait_until_ready(&server, &layout)? {
                let url = format!("postgres://{DATABASE}:{password}@127.0.0.1:{port}/{DATABASE}");
                tracing::info!(postgres.port = port, "private postgres accepts connections");
                return Ok(Self {
                    server,
                    url,
                    port,
                    _lock: lock,
                });
            }
            if config.port != 0 {
                break;
            }
        }
        Err(Error::NotStarted {
            detail: layout.log_tail(),
        })
    }

    /// Where to connect, with the password: not for logs.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The loopback port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Ends connections, writes everything out and waits until the server is gone.
    pub fn stop(mut self) -> Result<(), Error> {
        self.server.stop(STOP_MAX)
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        if let Err(error) = self.server.stop(STOP_MAX) {
            tracing::warn!(%error, "private postgres did not stop");
        }
    }
}

fn free_port(layout: &Layout) -> Result<u16, Error> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|source| Error::File {
            doing: "find a free port for",
            path: layout.cluster(),
            source,
        })
}

/// Makes the cluster beside its final place and renames it, so that a half-made one is never used.
fn initialise(layout: &Layout, bin_dir: &Path, account: Account) -> Result<(), Error> {
    let unfinished = layout.unfinished_cluster()?;
    let arguments = [
        "--auth=scram-sha-256".into(),
        "--encoding=UTF8".into(),
        "--no-locale".into(),
        format!("--username={DATABASE}"),
        format!("--pwfile={}", layout.password_file().display()),
        format!("--pgdata={}", unfinished.display()),
    ];
    process::run(&bin_dir.join("initdb"), account, &arguments, "")?;
    process::run(
        &bin_dir.join("postgres"),
        account,
        &[
            "--single".into(),
            "-D".into(),
            unfinished.display().to_string(),
            "postgres".into(),
        ],
        &format!("CREATE DATABASE {DATABASE};\n"),
    )?;
    std::fs::rename(&unfinished, layout.cluster()).map_err(|source| Error::File {
        doing: "put the new database cluster in place as",
        path: layout.cluster(),
        source,
    })
}

fn spawn(
    config: &Config,
    layout: &Layout,
    bin_dir: &Path,
    account: Account,
    port: u16,
) -> Result<Server, Error> {
    let mut settings: Vec<(String, String)> = [
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("max_connections", "100"),
        ("shared_buffers", "256MB"),
        ("max_wal_size", "4GB"),
        ("checkpoint_timeout", "15min"),
        ("wal_compression", "on"),
        ("log_min_messages", "warning"),
        ("timezone", "UTC"),
        ("jit", "off"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    settings.push(("port".to_owned(), port.to_string()));
    settings.extend(config.settings.iter().cloned());

    let mut arguments = vec!["-D".to_owned(), layout.cluster().display().to_string()];
    for (name, value) in settings {
        arguments.push("-c".to_owned());
        arguments.push(format!("{name}={value}"));
    }
    Server::spawn(
        bin_dir.join("postgres"),
        account,
        arguments,
        layout.log_file()?,
    )
}

/// True once it accepts connections, false if it ended first.
fn wait_until_ready(server: &Server, layout: &Layout) -> Result<bool, Error> {
    let deadline = Instant::now() + START_MAX;
    while Instant::now() < deadline {
        if server.has_ended() {
            return Ok(false);
        }
        if process::is_ready(&layout.cluster(), server.pid()) {
            return Ok(true);
        }
        std::thread::park_timeout(process::POLL);
    }
    Err(Error::NotStarted {
        detail: format!("it was not ready after {} s", START_MAX.as_secs()),
    })
}

#[cfg(test)]
mod tests;
