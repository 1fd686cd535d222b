//! `aerostream up`: everything in one process, with a database of its own and a simulated fleet.

mod access;
mod alerts;
mod catch_up;
mod floors;
mod status;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use aerostream_actors::task::{TaskKind, spawn};
use aerostream_actors::{Handle, Node};
use aerostream_cluster::Ownership;
use aerostream_simulator::Simulation;
use anyhow::Context;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::hangup;
use super::log::{self, LogKind, OpenLog};
use super::node;
use super::registry;
use super::webhooks::{self, WebhookTask};
use crate::config::Config;
use crate::gateway::history::StoredHistory;
use crate::gateway::ports::History;
use crate::gateway::{Behind, Gateway, GatewayConfig, grpc, http};
use crate::observe::{self, Metrics};
use crate::private_postgres::{self, PrivatePostgres};
use crate::registry::{Registry, RegistryRules};
use crate::shutdown::{self, Ending, Signals, Trigger};
use crate::store;
use crate::webhook::Around;
use crate::worker::{Status, Worker};
use access::Access;

/// Of `aerostream up`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Directory of everything that is kept
    #[arg(long, value_name = "DIRECTORY", default_value = "var")]
    data_dir: PathBuf,
    /// Event log: of this process, or Kafka by the settings of [log.kafka]
    #[arg(long, value_enum, default_value = "embedded")]
    log: LogKind,
    /// Simulated drones; 0 for none
    #[arg(long, default_value_t = 500)]
    drones: u32,
    /// Samples per second of each simulated drone
    #[arg(long, default_value_t = 2.0)]
    rate: f64,
    /// File that gets one line per acknowledged sample of the simulated drones
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Scenario of the simulated drones: default, low-battery, store-and-forward or a file
    #[arg(long, default_value = "default")]
    scenario: String,
    /// Leaves writing Postgres to `aerostream worker` processes; needs --log kafka
    #[arg(long, requires = "log")]
    no_worker: bool,
}

/// Url of the database that `up` with this data directory started, if it runs or ran.
#[must_use]
pub fn database_url(data_dir: &Path) -> Option<String> {
    std::fs::read_to_string(data_dir.join(DATABASE_URL_FILE)).ok()
}

const DATABASE_URL_FILE: &str = "database-url";

/// Runs until the process is asked to end, then drains.
pub async fn run(options: Options, config: Config) -> anyhow::Result<ExitCode> {
    observe::init_logs(&config.observe)?;
    let metrics = observe::init_metrics()?;
    anyhow::ensure!(
        !options.no_worker || options.log == LogKind::Kafka,
        "--no-worker needs --log kafka: no other process can read the embedded log"
    );
    let mut signals = Signals::catch().context("could not catch signals")?;
    let asked = hangup::count().context("could not catch signals")?;
    let doors = Doors::bind(&config.gateway).await?;
    create_private(&options.data_dir)?;
    let access = Access::prepare(&options.data_dir, config.gateway.clone())?;
    let grace = config.shutdown.grace();
    let (trigger, stop) = Trigger::new();
    let starting = Running::start(&options, config, metrics, doors, (access, asked));
    let running = tokio::select! {
        running = starting => running?,
        () = signals.next() => anyhow::bail!("asked to end before everything had started"),
    };
    let ending = running.serve(&trigger, stop, &mut signals, grace).await?;
    match ending {
        Ending::Drained => Ok(ExitCode::SUCCESS),
        Ending::Interrupted | Ending::GraceOver => Ok(ExitCode::FAILURE),
    }
}

fn create_private(directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("could not make the data directory {}", directory.display()))
}

/// Ports are bound before anything else happens, so that a taken one has no side effects.
struct Doors {
    http: TcpListener,
    grpc: TcpListener,
}

impl Doors {
    async fn bind(config: &GatewayConfig) -> anyhow::Result<Self> {
        let http = ("gateway.http.address", config.http.address);
        let grpc = ("gateway.grpc.address", config.grpc.address);
        for (setting, address) in [http, grpc] {
            config.tls.check(setting, address)?;
        }
        Ok(Self {
            http: bind(http.0, http.1).await?,
            grpc: bind(grpc.0, grpc.1).await?,
        })
    }
}

async fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("could not listen on {address}; choose another address by --set {setting}=...")
    })
}

/// Everything that runs, in the order in which it was started.
struct Running {
    postgres: Option<PrivatePostgres>,
    pool: PgPool,
    log: OpenLog,
    node: Node,
    ownership: Ownership,
    worker: Option<WorkerTask>,
    webhooks: Option<WebhookTask>,
    stop_registry: Trigger,
    stop_doors: Trigger,
    doors: JoinHandle<Option<anyhow::Result<()>>>,
    simulation: Option<Simulation>,
}

struct WorkerTask {
    stop: Trigger,
    status: watch::Receiver<Status>,
    task: JoinHandle<Option<Result<(), crate::worker::WorkerError>>>,
}

impl Running {
    async fn start(
        options: &Options,
        config: Config,
        metrics: Metrics,
        doors: Doors,
        (access, asked): (Access, watch::Receiver<u64>),
    ) -> anyhow::Result<Self> {
        let (http, grpc) = (doors.http.local_addr()?, doors.grpc.local_addr()?);
        let (postgres, pool) = start_database(options, &config).await?;
        let shards = config.node.shard_count()?;
        store::migrate(&pool, shards)
            .await
            .context("could not migrate the database")?;
        let directory = options.data_dir.join("log");
        let log = log::open(options.log, &config.log, &directory, shards).await?;
        let (registry, stop_registry) = registry::start(&log.log, &access.gateway.registry).await;
        let rules = Arc::new(RegistryRules::new(registry.clone()));
        let (node, ownership) =
            node::start(&config.node, config.actors.clone(), &log.log, rules).await?;
        access.open_default_fleet(&registry).await?;
        let worker = (!options.no_worker).then(|| start_worker(&config, &log, &pool));
        let history = Arc::new(StoredHistory::new(&pool, &config.postgres));
        let around = Around {
            log: Arc::clone(&log.log),
            pool: pool.clone(),
            history: Arc::clone(&history) as Arc<dyn History>,
            registry: registry.clone(),
        };
        let webhooks = webhooks::start(&config.webhooks, around)?;
        let behind = Behind {
            drones: Arc::new(node.handle()),
            history: Some(history),
            log: Arc::clone(&log.log),
            registry,
            ready: ready_checks(&node.handle(), worker.as_ref()),
            metrics_page: metrics_page(metrics),
        };
        let registry = behind.registry.clone();
        let gateway = Gateway::build(access.gateway.clone(), behind)?;
        spawn(TaskKind::Service, "keys", {
            let gateway = Arc::clone(&gateway);
            async move { gateway.keep_keys(asked).await }
        });
        let (stop_doors, stop) = Trigger::new();
        let open = serve_doors(doors, gateway, stop);
        let doors = spawn(TaskKind::Service, "doors", open);
        keep_floors(
            &log,
            (&node, &ownership, registry),
            (worker.as_ref(), webhooks.as_ref()),
        );
        observe::announce("http", http);
        observe::announce("grpc", grpc);
        access.announce(http);
        let simulation = simulation(options, &access, grpc)?;
        Ok(Self {
            postgres,
            pool,
            log,
            node,
            ownership,
            worker,
            webhooks,
            stop_registry,
            stop_doors,
            doors,
            simulation,
        })
    }

    /// Serves until a signal, a successor or a failure, then drains from the source on: drones,
    /// doors, actors, worker, database.
    async fn serve(
        self,
        trigger: &Trigger,
        stop: shutdown::Shutdown,
        signals: &mut Signals,
        grace: std::time::Duration,
    ) -> anyhow::Result<Ending> {
        let handle = self.node.handle();
        let simulated = self.simulation.as_ref().map(Simulation::status);
        let worker = self.worker.as_ref().map(|worker| worker.status.clone());
        let news = alerts::show(handle.clone(), stop.clone());
        let news = spawn(TaskKind::Service, "lines of alerts", news);
        let line = status::show(handle, simulated, worker, stop.clone());
        let line = spawn(TaskKind::Service, "status line", line);
        let services = self.run_and_drain(trigger, stop);
        let (ending, result) = shutdown::run_until_drained(trigger, signals, grace, services).await;
        line.abort();
        news.abort();
        result.transpose()?;
        Ok(ending)
    }

    async fn run_and_drain(
        self,
        trigger: &Trigger,
        stop: shutdown::Shutdown,
    ) -> anyhow::Result<()> {
        let Self {
            node,
            log,
            ownership,
            mut worker,
            mut webhooks,
            mut doors,
            ..
        } = self;
        let simulating = self.simulation.map(|simulation| {
            spawn(
                TaskKind::Service,
                "simulator",
                simulation.run(stop.clone().begun()),
            )
        });
        let failure = tokio::select! {
            () = stop.begun() => None,
            reason = node::fenced(Arc::clone(&log.log), ownership) => Some(reason),
            ended = &mut doors => Some(format!("the doors closed: {ended:?}")),
            ended = ended(worker.as_mut()) => Some(format!("the worker ended: {ended}")),
            ended = webhooks::ended(webhooks.as_mut()) => {
                Some(format!("the webhooks ended: {ended}"))
            }
        };
        trigger.begin();
        if let Some(simulating) = simulating {
            report(simulating.await);
        }
        self.stop_doors.begin();
        if !doors.is_finished() {
            // The doors only close; what went wrong with them has been said.
            let _ = doors.await;
        }
        node.drain(catch_up::ACTORS_MAX).await;
        if let Some(worker) = worker {
            worker.drain(&log).await;
        }
        if let Some(webhooks) = webhooks {
            webhooks.stop().await;
        }
        self.stop_registry.begin();
        self.pool.close().await;
        drop(log);
        if let Some(postgres) = self.postgres {
            tokio::task::spawn_blocking(move || postgres.stop()).await??;
        }
        match failure {
            None => Ok(()),
            Some(reason) => anyhow::bail!("stopped because {reason}"),
        }
    }
}

impl WorkerTask {
    /// Lets it store what the log holds, then stops it.
    async fn drain(self, log: &OpenLog) {
        if !self.task.is_finished() {
            catch_up::wait(&*log.log, &self.status).await;
        }
        self.stop.begin();
        // Its end has been said if it was a failure.
        let _ = self.task.await;
    }
}

async fn ended(worker: Option<&mut WorkerTask>) -> String {
    let Some(worker) = worker else {
        return std::future::pending().await;
    };
    match (&mut worker.task).await {
        Ok(Some(Err(error))) => format!("{:#}", anyhow::Error::from(error)),
        other => format!("{other:?}"),
    }
}

fn report(
    ended: Result<
        Option<Result<aerostream_simulator::Report, aerostream_simulator::Error>>,
        tokio::task::JoinError,
    >,
) {
    match ended {
        Ok(Some(Ok(report))) => eprintln!("\n{report}"),
        Ok(Some(Err(error))) => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the simulated drones ended");
        }
        Ok(None) | Err(_) => tracing::error!("the simulated drones died"),
    }
}

async fn start_database(
    options: &Options,
    config: &Config,
) -> anyhow::Result<(Option<PrivatePostgres>, PgPool)> {
    if !config.postgres.url.is_empty() {
        return Ok((None, store::connect_lazily(&config.postgres)?));
    }
    let private = private_postgres::Config {
        data_dir: options.data_dir.join("postgres"),
        ..private_postgres::Config::default()
    };
    let starting = tokio::task::spawn_blocking(move || PrivatePostgres::start(&private));
    let postgres = starting
        .await?
        .context("could not start a private Postgres")?;
    let url = postgres.url().to_owned();
    access::write_secret(&options.data_dir.join(DATABASE_URL_FILE), &url)?;
    let pool = store::connect_lazily(&store::Config {
        url,
        ..config.postgres.clone()
    })?;
    Ok((Some(postgres), pool))
}

/// The page of metrics, and what keeps it small.
fn metrics_page(metrics: Metrics) -> Arc<dyn Fn() -> String + Send + Sync> {
    spawn(
        TaskKind::Service,
        "metrics upkeep",
        metrics.clone().upkeep(),
    );
    Arc::new(move || metrics.render())
}

/// Tells the embedded log what may be dropped.
fn keep_floors(
    log: &OpenLog,
    (node, ownership, registry): (&Node, &Ownership, Registry),
    (worker, webhooks): (Option<&WorkerTask>, Option<&WebhookTask>),
) {
    let Some(embedded) = &log.embedded else {
        return;
    };
    let status = worker.map(|worker| worker.status.clone());
    let webhooks = webhooks.map(|webhooks| webhooks.floors.clone());
    floors::raise_cluster(embedded, ownership.checkpoint());
    let stored = (status, webhooks);
    floors::keep(Arc::clone(embedded), (node.handle(), registry), stored);
}

fn start_worker(config: &Config, log: &OpenLog, pool: &PgPool) -> WorkerTask {
    let worker = Worker::build(config.worker.clone(), Arc::clone(&log.log), pool.clone());
    let status = worker.status();
    let (stop, stopped) = Trigger::new();
    let task = spawn(TaskKind::Service, "worker", worker.run(stopped.begun()));
    WorkerTask { stop, status, task }
}

fn ready_checks(
    handle: &Handle,
    worker: Option<&WorkerTask>,
) -> Vec<(&'static str, crate::gateway::ReadyCheck)> {
    let handle = handle.clone();
    let shards: crate::gateway::ReadyCheck = Arc::new(move || match handle.is_owner() {
        true => Ok(()),
        false => Err("another process has taken the shards over".to_owned()),
    });
    let mut checks = vec![("shards", shards)];
    if let Some(worker) = worker {
        let status = worker.status.clone();
        let check: crate::gateway::ReadyCheck = Arc::new(move || {
            let reasons: Vec<String> = status
                .borrow()
                .not_ready
                .iter()
                .map(|(part, reason)| format!("{part}: {reason}"))
                .collect();
            if reasons.is_empty() {
                Ok(())
            } else {
                Err(reasons.join("; "))
            }
        });
        // Ingest goes on without the database, so that a worker that waits is told, not counted.
        checks.push(("worker", check));
    }
    checks
}

async fn serve_doors(
    doors: Doors,
    gateway: Arc<Gateway>,
    stop: shutdown::Shutdown,
) -> anyhow::Result<()> {
    let http = http::serve(doors.http, Arc::clone(&gateway), stop.clone().begun());
    let grpc = grpc::serve(doors.grpc, gateway, stop.begun());
    tokio::try_join!(http, grpc).context("a door could not be served")?;
    Ok(())
}

fn simulation(
    options: &Options,
    access: &Access,
    grpc: SocketAddr,
) -> anyhow::Result<Option<Simulation>> {
    if options.drones == 0 {
        return Ok(None);
    }
    // A certificate that signed itself is trusted as it is; it must be for this name.
    let certificate = &access.gateway.tls.certificate;
    let endpoint = match certificate {
        Some(_) => format!("https://localhost:{}", grpc.port()),
        None => format!("http://{grpc}"),
    };
    let simulator = aerostream_simulator::Config {
        drones: options.drones,
        rate_hz: options.rate,
        endpoint: Some(endpoint),
        token: Some(access.relay_token.clone()),
        ca: certificate.clone(),
        manifest: options.manifest.clone(),
        manifest_append: true,
        scenario: options.scenario.clone(),
        linger_ms: 500,
        quiet: true,
        ..aerostream_simulator::Config::default()
    };
    Ok(Some(Simulation::new(simulator)?))
}
