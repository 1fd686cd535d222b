//! The last ten minutes of one drone among many rows, and dropping a day, beside one table that is
//! indexed on time alone and emptied by DELETE.

pub mod rows;

use std::time::Instant;

use aerostream::clock;
use aerostream::store::partition::{self, Day};
use aerostream_domain::UtcMicros;
use rand::Rng;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor, PgPool};

use self::rows::{DRONES, Days};
use crate::cpu::Processes;
use crate::http::Connection;
use crate::settings::setting;
use crate::stack::{Database, Stack};
use crate::table::{self, percentile};

const TEN_MINUTES_US: i64 = 600_000_000;
const DAY_US: i64 = 86_400_000_000;
/// Questions that are asked of the partitioned table and over HTTP.
const QUESTIONS: usize = 1_000;
/// Questions that are asked of the reference, which takes long.
const QUESTIONS_SLOW: usize = 50;

pub async fn run() -> anyhow::Result<()> {
    let rows: u64 = setting("ROWS", 20_000_000)?;
    let database = Database::start()?;
    database.migrate().await?;
    let pool = PgPoolOptions::new()
        .max_connections(4)
        .connect(database.url())
        .await?;
    // Two days around midnight, the newer one over long ago enough to have no upkeep to do.
    let midnight = Day::of(clock::utc_now()).plus(-1);
    let days = Days::around(midnight, rows);
    let loaded = load(&pool, days).await?;
    table::head(&format!(
        "{loaded:.0} rows, {DRONES} drones; reference: one table, index on time"
    ));

    let mut figure = ask(&pool, "telemetry", days, QUESTIONS).await?;
    let mut reference = ask(&pool, "flat", days, QUESTIONS_SLOW).await?;
    for percent in [50.0, 99.0] {
        let what = format!("SQL, 10 min of 6 columns, p{percent} ms");
        let figure = percentile(&mut figure, percent);
        table::row(&what, figure, percentile(&mut reference, percent));
    }
    ask_http(&database, days).await?;
    retention(&pool, midnight).await
}

/// Fills `telemetry`, and `flat` with the same rows in the same order.
async fn load(pool: &PgPool, days: Days) -> anyhow::Result<f64> {
    partition::ensure(pool, &days.all(), Day(0)).await?;
    let began = Instant::now();
    days.fill(pool).await?;
    let loaded = count(pool, "telemetry").await?;
    let per_s = loaded / began.elapsed().as_secs_f64();
    table::note(&format!(
        "{loaded} rows copied, two connections, {per_s:.0} rows/s"
    ));
    for statement in [
        "CREATE TABLE flat (LIKE telemetry)",
        "INSERT INTO flat SELECT * FROM telemetry",
        "CREATE INDEX flat_ts ON flat (ts)",
        "VACUUM (ANALYZE) telemetry",
        "VACUUM (ANALYZE) flat",
    ] {
        pool.execute(statement).await?;
    }
    anyhow::ensure!(loaded == count(pool, "flat").await?, "the tables differ");
    for (name, tables) in [("telemetry", "telemetry_%"), ("flat", "flat")] {
        let size = "SELECT (sum(pg_total_relation_size(oid)) / 1e6)::float8 FROM pg_class \
                    WHERE relkind = 'r' AND relname LIKE $1";
        let megabytes: f64 = sqlx::query_scalar(size)
            .bind(tables)
            .fetch_one(pool)
            .await?;
        table::note(&format!("{name}: {megabytes:.0} MB with its index"));
    }
    Ok(loaded)
}

async fn count(pool: &PgPool, table: &str) -> anyhow::Result<f64> {
    let count = format!("SELECT count(*)::float8 FROM {table}");
    Ok(sqlx::query_scalar(AssertSqlSafe(count))
        .fetch_one(pool)
        .await?)
}

/// Milliseconds of each question for the newest ten minutes of some drone.
async fn ask(pool: &PgPool, table: &str, days: Days, times: usize) -> anyhow::Result<Vec<f64>> {
    let question = format!(
        "SELECT ts, latitude_deg, longitude_deg, relative_altitude_m, ground_speed_m_s, \
         battery_remaining_percent FROM {table} WHERE drone_ref = $1 \
         AND ts >= to_timestamp($2::bigint / 1e6) AND ts < to_timestamp($3::bigint / 1e6) \
         ORDER BY ts DESC"
    );
    let mut connection = pool.acquire().await?;
    let mut took_ms = Vec::with_capacity(times);
    for _ in 0..times {
        let began = Instant::now();
        let rows = sqlx::query(AssertSqlSafe(question.as_str()))
            .bind(rand::rng().random_range(1..=DRONES))
            .bind(days.end().0 - TEN_MINUTES_US)
            .bind(days.end().0)
            .fetch_all(&mut *connection)
            .await?;
        took_ms.push(began.elapsed().as_secs_f64() * 1e3);
        let expected = days.seconds_of_newer().min(600);
        anyhow::ensure!(
            rows.len() as u64 == expected,
            "{} rows of {expected}",
            rows.len()
        );
    }
    Ok(took_ms)
}

/// The fields whose columns the questions in SQL read.
const FEW: &str = "&fields=position.latitude_deg,position.longitude_deg,\
                   position.relative_altitude_m,velocity.ground_speed_m_s,\
                   battery.remaining_percent";

/// The same questions to a gateway, for few fields and, as the reference, for everything; then a
/// whole day of one drone as a table.
async fn ask_http(database: &Database, days: Days) -> anyhow::Result<()> {
    let mut stack = Stack::start("embedded", database).await?;
    let token = stack.token("viewer")?;
    let mut few = Asked::of(database, &stack, (days, FEW)).await?;
    let mut all = Asked::of(database, &stack, (days, "")).await?;
    table::head("10 minutes over HTTP, few fields; reference: every column");
    for percent in [50.0, 99.0] {
        let what = format!("HTTP, p{percent} ms");
        let reference = percentile(&mut all.took_ms, percent);
        table::row(&what, percentile(&mut few.took_ms, percent), reference);
    }
    table::row("aerostream, CPU ms per answer", few.own_ms, all.own_ms);
    table::row(
        "postgres, CPU ms per answer",
        few.postgres_ms,
        all.postgres_ms,
    );
    table::row("bytes per answer", few.bytes, all.bytes);
    for (what, fields) in [("few fields", FEW), ("every column", "")] {
        let rows_per_s = export(&stack, &token, days, fields).await?;
        table::alone(&format!("CSV export of {what}, rows/s"), rows_per_s);
    }
    stack.drain()
}

/// What questions over HTTP cost.
struct Asked {
    took_ms: Vec<f64>,
    own_ms: f64,
    postgres_ms: f64,
    bytes: f64,
}

impl Asked {
    async fn of(
        database: &Database,
        stack: &Stack,
        (days, fields): (Days, &str),
    ) -> anyhow::Result<Self> {
        let token = stack.token("viewer")?;
        let mut connection = Connection::open(stack.http).await?;
        let (from, to) = (days.end().0 - TEN_MINUTES_US, days.end().0);
        let mut took_ms = Vec::with_capacity(QUESTIONS);
        let mut bytes = 0;
        let before = Processes::now()?;
        for _ in 0..QUESTIONS {
            let drone = rows::drone_id(rand::rng().random_range(1..=DRONES));
            let path = format!("/api/v1/drones/{drone}/telemetry?from={from}&to={to}{fields}");
            let began = Instant::now();
            bytes += connection.get(&path, &token).await?.len();
            took_ms.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let after = Processes::now()?;
        let each_ms = |used: f64| used * 1e3 / QUESTIONS as f64;
        Ok(Self {
            took_ms,
            own_ms: each_ms(after.own(stack.pid) - before.own(stack.pid)),
            postgres_ms: each_ms(after.tree(database.pid()) - before.tree(database.pid())),
            bytes: bytes as f64 / QUESTIONS as f64,
        })
    }
}

/// Rows per second of one drone's whole past as a table.
async fn export(stack: &Stack, token: &str, days: Days, fields: &str) -> anyhow::Result<f64> {
    let (from, to) = (days.end().0 - 2 * DAY_US, days.end().0);
    let drone = rows::drone_id(1);
    let url = format!(
        "http://{}/api/v1/drones/{drone}/telemetry?from={from}&to={to}&format=csv{fields}",
        stack.http
    );
    let began = Instant::now();
    let tls = aerostream_tls::Trust::Machine.client()?;
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls);
    let answer = client.build()?.get(url).bearer_auth(token).send().await?;
    let body = answer.error_for_status()?.bytes().await?;
    let rows = body.iter().filter(|byte| **byte == b'\n').count() - 1;
    let expected = 2 * days.seconds_of_newer();
    anyhow::ensure!(rows as u64 == expected, "{rows} rows of {expected}");
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

/// Gets rid of the older day, both ways.
async fn retention(pool: &PgPool, midnight: Day) -> anyhow::Result<()> {
    let detach = Cost::of(pool, async || {
        let dropped = partition::drop_before(pool, midnight).await?;
        anyhow::ensure!(!dropped.is_empty(), "nothing was dropped");
        Ok(())
    });
    let detach = detach.await?;
    let UtcMicros(start) = midnight.start();
    let delete = format!("DELETE FROM flat WHERE ts < to_timestamp({start}::bigint / 1e6)");
    let delete = Cost::of(pool, async || {
        pool.execute(AssertSqlSafe(delete)).await?;
        Ok(())
    });
    let delete = delete.await?;
    let vacuum = Cost::of(pool, async || {
        pool.execute("VACUUM flat").await?;
        Ok(())
    });
    let vacuum = vacuum.await?;
    table::head("a day dropped by DETACH and DROP; reference: DELETE and VACUUM");
    table::row("seconds", detach.seconds, delete.seconds + vacuum.seconds);
    table::row(
        "bytes of WAL",
        detach.wal_bytes,
        delete.wal_bytes + vacuum.wal_bytes,
    );
    table::note(&format!(
        "DELETE alone {:.1} s, VACUUM {:.1} s",
        delete.seconds, vacuum.seconds
    ));
    Ok(())
}

/// What a change cost.
struct Cost {
    seconds: f64,
    wal_bytes: f64,
}

impl Cost {
    async fn of(
        pool: &PgPool,
        change: impl AsyncFnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        pool.execute("CHECKPOINT").await?;
        let (before, began) = (wal(pool).await?, Instant::now());
        change().await?;
        let seconds = began.elapsed().as_secs_f64();
        Ok(Self {
            seconds,
            wal_bytes: wal(pool).await? - before,
        })
    }
}

/// Bytes of WAL since the server was made.
async fn wal(pool: &PgPool) -> anyhow::Result<f64> {
    let position = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::float8";
    Ok(sqlx::query_scalar(position).fetch_one(pool).await?)
}
