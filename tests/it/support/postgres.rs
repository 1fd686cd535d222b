//! The run's Postgres server and the databases of the tests.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aerostream::private_postgres::{Config, PrivatePostgres};
use aerostream::store;
use aerostream_domain::ShardCount;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use super::{ports, run};

/// Shards that every test's database, log and actors are made for.
pub const SHARDS: u16 = 4;

/// All tests and their pools share one server.
const CONNECTIONS_MAX: &str = "300";

const TEMPLATE: &str = "template_it";

/// A real server on loopback with its data in the run's scratch directory.
#[derive(Debug)]
pub struct Postgres {
    config: Config,
    login: PgConnectOptions,
    databases: AtomicU32,
    server: Mutex<Option<PrivatePostgres>>,
}

impl Postgres {
    pub(super) async fn begin() -> Self {
        let config = Config {
            data_dir: run::directory("postgres"),
            port: ports::free_port(),
            settings: vec![("max_connections".to_owned(), CONNECTIONS_MAX.to_owned())],
            ..Config::default()
        }
        .without_durability();
        let server = start_server(&config);
        let login = server.url().parse().expect("the server's own URL");
        let postgres = Self {
            config,
            login,
            databases: AtomicU32::new(0),
            server: Mutex::new(Some(server)),
        };
        postgres.make_template().await;
        postgres
    }

    /// A database of the test's own with every migration applied and the offset rows of
    /// [`SHARDS`]; returns its URL.
    pub async fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("it{number}");
        self.administrate(format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}"))
            .await;
        self.url(&name)
    }

    /// The server's own "crash now": like SIGKILL it writes no checkpoint and says goodbye to
    /// nobody, but it frees its shared memory. Only for tests that have the servers alone.
    pub fn crash(&self) {
        if let Some(server) = self.server().take() {
            let pid = pid_of(&server);
            kill_process(pid, Signal::QUIT).expect("our own server takes signals");
            run::release(pid);
            drop(server);
        }
    }

    /// Starts it again on the same port and data; returns when it serves. No-op if it runs.
    pub fn start(&self) {
        self.server()
            .get_or_insert_with(|| start_server(&self.config));
    }

    async fn make_template(&self) {
        self.administrate(format!("CREATE DATABASE {TEMPLATE}"))
            .await;
        let login = self.login.clone().database(TEMPLATE);
        let pool = PgPoolOptions::new()
            .connect_with(login)
            .await
            .expect("the template can be connected to");
        let shards = ShardCount::new(SHARDS).expect("a number of shards that may be");
        store::migrate(&pool, shards)
            .await
            .expect("the migrations can be applied");
        // A database with connections cannot be a template.
        pool.close().await;
    }

    async fn administrate(&self, sql: String) {
        let mut connection = PgConnection::connect_with(&self.login)
            .await
            .expect("the server can be connected to");
        connection
            .execute(AssertSqlSafe(sql))
            .await
            .expect("the administrator may do it");
        connection.close().await.expect("a clean goodbye");
    }

    fn url(&self, database: &str) -> String {
        let server = self.server();
        let url = server.as_ref().expect("the server runs").url();
        let (base, _) = url.rsplit_once('/').expect("a URL names a database");
        format!("{base}/{database}")
    }

    fn server(&self) -> MutexGuard<'_, Option<PrivatePostgres>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn start_server(config: &Config) -> PrivatePostgres {
    let server = PrivatePostgres::start(config).expect("a private server can be started");
    run::guard(pid_of(&server), "QUIT");
    server
}

fn pid_of(server: &PrivatePostgres) -> Pid {
    let raw = i32::try_from(server.pid()).expect("process ids are small");
    Pid::from_raw(raw).expect("a process that was started has an id")
}
