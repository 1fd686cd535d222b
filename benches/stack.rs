//! The real processes: `aerostream up` over a Postgres of the bench, and a broker where asked for.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aerostream::private_postgres::{self, PrivatePostgres};
use anyhow::Context;

use crate::cpu::Processes;
use crate::harness::support::aerostream::{Aerostream, command};
use crate::harness::support::{Servers, directory};
use crate::http::Connection;
use crate::settings::shards;

/// Pause between two looks at the counters.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A Postgres with the settings of `aerostream up`, outlived by nothing that uses it.
pub struct Database {
    postgres: PrivatePostgres,
}

impl Database {
    pub fn start() -> anyhow::Result<Self> {
        let data_dir = directory("database").join("postgres");
        let config = private_postgres::Config {
            data_dir,
            ..Default::default()
        };
        Ok(Self {
            postgres: PrivatePostgres::start(&config)?,
        })
    }

    pub fn url(&self) -> &str {
        self.postgres.url()
    }

    pub fn pid(&self) -> u32 {
        self.postgres.pid()
    }

    /// Brings the schema, as `aerostream up` does.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        let config = aerostream::store::Config {
            url: self.url().to_owned(),
            ..Default::default()
        };
        let pool = aerostream::store::connect_lazily(&config)?;
        aerostream::store::migrate(&pool, shards()?).await?;
        pool.close().await;
        Ok(())
    }
}

/// `--set` arguments for a broker that is a single one.
pub struct Broker {
    pub bootstrap: String,
    pub prefix: String,
}

impl Broker {
    /// Topics that nobody has used, on the run's broker.
    pub async fn fresh() -> Self {
        let kafka = Servers::shared().await.kafka().await;
        Self {
            bootstrap: kafka.bootstrap(),
            prefix: kafka.topic_prefix(),
        }
    }
}

/// `aerostream up` without simulated drones.
pub struct Stack {
    up: Aerostream,
    pub pid: u32,
    pub http: SocketAddr,
    pub grpc: SocketAddr,
    data_dir: PathBuf,
}

impl Stack {
    /// Starts it over a log, `embedded` or `kafka`.
    pub async fn start(log: &str, database: &Database) -> anyhow::Result<Self> {
        Self::start_with(log, database, &[]).await
    }

    /// The same with settings of its own.
    pub async fn start_with(log: &str, database: &Database, own: &[&str]) -> anyhow::Result<Self> {
        let data_dir = directory("up");
        let path = data_dir.to_str().context("scratch paths are UTF-8")?;
        let mut settings = vec![
            format!("postgres.url={}", database.url()),
            "gateway.http.address=127.0.0.1:0".to_owned(),
            "gateway.grpc.address=127.0.0.1:0".to_owned(),
            format!("node.shards={}", shards()?.get()),
        ];
        settings.extend(own.iter().map(|setting| (*setting).to_owned()));
        if log == "kafka" {
            let broker = Broker::fresh().await;
            settings.push("log.kafka.single_broker=true".to_owned());
            settings.push(format!("log.kafka.bootstrap_servers={}", broker.bootstrap));
            settings.push(format!("log.kafka.topic_prefix={}", broker.prefix));
        }
        let mut up = command(&["up", "--drones", "0", "--log", log, "--data-dir", path]);
        up.args(settings.iter().flat_map(|setting| ["--set", setting]));
        let mut up = Aerostream::start(up);
        let (http, grpc) = (up.address("http").await, up.address("grpc").await);
        let pid = Processes::now()?
            .child("aerostream")
            .context("the role has no process")?;
        Ok(Self {
            up,
            pid,
            http,
            grpc,
            data_dir,
        })
    }

    /// Token of a role: `relay`, `viewer`.
    pub fn token(&self, role: &str) -> anyhow::Result<String> {
        read(&self.data_dir.join("tokens").join(role))
    }

    /// What it counts, asked for over its own connection.
    pub async fn counters(&self) -> anyhow::Result<Counters> {
        Ok(Counters {
            connection: Connection::open(self.http).await?,
        })
    }

    /// SIGTERM, and waits until everything is stored.
    pub fn drain(&mut self) -> anyhow::Result<()> {
        let status = self.up.drain();
        anyhow::ensure!(status.success(), "{status}:\n{}", self.up.output());
        Ok(())
    }
}

/// Samples so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Count {
    pub accepted: f64,
    pub stored: f64,
}

/// Reads `/metrics`.
pub struct Counters {
    connection: Connection,
}

impl Counters {
    pub async fn now(&mut self) -> anyhow::Result<Count> {
        let page = self.connection.get("/metrics", "").await?;
        let value = |name: &str| -> f64 {
            let line = page.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok())
                .unwrap_or_default()
        };
        Ok(Count {
            accepted: value("aerostream_gateway_samples_total{result=\"acknowledged\"}"),
            stored: value("aerostream_worker_samples_total{outcome=\"stored\"}"),
        })
    }

    /// Looks until it is so; when that was.
    pub async fn until(
        &mut self,
        what: &str,
        within: Duration,
        holds: impl Fn(Count) -> bool,
    ) -> anyhow::Result<Instant> {
        let give_up = Instant::now() + within;
        loop {
            let count = self.now().await?;
            if holds(count) {
                return Ok(Instant::now());
            }
            anyhow::ensure!(
                Instant::now() < give_up,
                "waited in vain for {what}: {count:?}"
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))
}
