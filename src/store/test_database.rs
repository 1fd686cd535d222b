//! Databases for tests: one server per test process, one database per test, cloned from a migrated
//! template.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use aerostream_domain::ShardCount;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::sync::OnceCell;

use crate::private_postgres::{self, PrivatePostgres};

/// Partitions of each topic in a test's database.
pub const SHARDS: u16 = 4;

const TEMPLATE: &str = "template_aerostream";

/// A database of one test.
pub struct TestDatabase {
    pub pool: PgPool,
    pub options: PgConnectOptions,
}

/// The server of this process. The kernel stops it when the process ends.
pub fn server() -> &'static PrivatePostgres {
    static SERVER: OnceLock<PrivatePostgres> = OnceLock::new();
    SERVER.get_or_init(|| {
        let dir = std::env::temp_dir().join(format!("aerostream-test-pg-{}", std::process::id()));
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
