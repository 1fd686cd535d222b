//! Databases for tests: one server per test process, one database per test, cloned from a migrated
//! template.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aerostream_domain::{BootId, DroneId, RecordedSample, ShardCount};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::sync::OnceCell;

use super::partition::{self, Day};
use super::rollup::Step;
use super::{Place, Run, Source, Stored, Writer};
use crate::private_postgres::{self, PrivatePostgres};

/// Partitions of each topic in a test's database.
pub const SHARDS: u16 = 4;

const TEMPLATE: &str = "template_aerostream";

/// A database of one test.
pub struct TestDatabase {
    pub pool: PgPool,
    pub options: PgConnectOptions,
}

const DIR_PREFIX: &str = "aerostream-test-pg-";

/// Removes the directories of test processes that are over.
fn remove_left_over() {
    let entries = std::fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(DIR_PREFIX));
        if pid.is_some_and(|pid| !std::path::Path::new("/proc").join(pid).exists()) {
            // Another test process may be removing it at this moment.
            let _gone = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// The server of this process. The kernel stops it when the process ends.
pub fn server() -> &'static PrivatePostgres {
    static SERVER: OnceLock<PrivatePostgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        remove_left_over();
        let dir = std::env::temp_dir().join(format!("{DIR_PREFIX}{}", std::process::id()));
        let config = private_postgres::Config {
            data_dir: dir,
            settings: vec![("max_connections".to_owned(), "300".to_owned())],
            ..private_postgres::Config::default()
        };
        PrivatePostgres::start(&config.without_durability()).expect("a private server")
    })
}

/// A new database with the schema.
pub async fn create() -> TestDatabase {
    static MIGRATED: OnceCell<()> = OnceCell::const_new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let url: PgConnectOptions = server().url().parse().expect("a url");
    MIGRATED
        .get_or_init(async || {
            run(&url, format!("CREATE DATABASE {TEMPLATE}")).await;
            let options = url.clone().database(TEMPLATE);
            let pool = PgPoolOptions::new().connect_with(options).await;
            let pool = pool.expect("a pool");
            let shards = ShardCount::new(SHARDS).expect("a legal count");
            super::migrate(&pool, shards).await.expect("migrated");
            pool.close().await;
        })
        .await;
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    run(&url, format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")).await;
    let options = url.database(&name);
    let pool = PgPoolOptions::new()
        .max_connections(8)
        .connect_lazy_with(options.clone());
    TestDatabase { pool, options }
}

impl TestDatabase {
    /// Stores samples of a drone's boot 1, and makes their summaries.
    pub async fn store(&self, drone: &str, samples: &[RecordedSample]) {
        let days = samples.iter().map(|sample| Day::of(sample.time)).collect();
        let made = partition::ensure(&self.pool, &days, Day(0)).await;
        made.expect("partitions");
        let config = super::writer::Config::default();
        let mut writer = Writer::new(Source::Telemetry, self.options.clone(), config);
        writer.take_over(&[0]).await.expect("taken");
        let drone = DroneId::parse(drone).expect("an id");
        let mut run = Run::default();
        for (sample, place) in samples.iter().zip(0..) {
            let place = Place {
                record: 0,
                sample: place,
            };
            let pushed = run.push(&drone, BootId(1), sample, place);
            pushed.expect("storable");
        }
        run.cover(0, Stored::default(), Stored::default());
        let written = super::telemetry::write_run(&mut writer, &mut run).await;
        written.expect("written").commit().await.expect("stored");
        let step = Step {
            until: Day(40_000).start(),
            marks_max: 1000,
            statement_max: Duration::from_secs(30),
        };
        let made = super::rollup::recompute(&self.pool, step).await;
        made.expect("summaries");
    }

    /// Takes the whole database away, whoever reads it.
    pub async fn take_away(&self) {
        let name = self.options.get_database().expect("a name");
        let options = self.options.clone().database("postgres");
        run(&options, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    }
}

async fn run(options: &PgConnectOptions, statement: String) {
    let mut connection = PgConnection::connect_with(options)
        .await
        .expect("a connection");
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await
        .expect("done");
    connection.close().await.expect("closed");
}
