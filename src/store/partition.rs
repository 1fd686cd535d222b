//! Day partitions of `telemetry`: made ahead, dropped behind, without standing in anybody's way.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use aerostream_domain::UtcMicros;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use time::{Date, Month};

use super::error::StoreError;

const DAY_US: i64 = 86_400_000_000;
/// Number of the advisory lock of whoever makes and drops partitions.
const UPKEEP_LOCK: i64 = 0x6165_726f_0001;
/// Number of the advisory lock of whoever makes partitions.
const ATTACH_LOCK: i64 = 0x6165_726f_0003;
/// How long a step of dropping waits for a lock. Writers that need a new day wait behind it, so it
/// is short; upkeep tries again.
const DROP_LOCK_MAX: Duration = Duration::from_millis(1_000);
/// How long making a partition waits for a lock; nobody who reads or writes waits behind it.
const ATTACH_LOCK_MAX: Duration = Duration::from_secs(15);

/// A UTC day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub i32);

impl Day {
    /// The day of a point in time.
    #[must_use]
    pub fn of(time: UtcMicros) -> Self {
        Self(time.0.div_euclid(DAY_US) as i32)
    }

    /// Days later; earlier if negative.
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Its first moment.
    #[must_use]
    pub fn start(self) -> UtcMicros {
        UtcMicros(i64::from(self.0) * DAY_US)
    }

    pub(super) fn date(self) -> Date {
        Date::from_julian_day(epoch().to_julian_day() + self.0).unwrap_or(Date::MAX)
    }

    pub(super) fn from_date(date: Date) -> Self {
        Self(date.to_julian_day() - epoch().to_julian_day())
    }

    /// `YYYYMMDD`.
    fn digits(self) -> String {
        let date = self.date();
        format!(
            "{:04}{:02}{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        )
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.date();
        write!(
            f,
            "{:04}-{:02}-{:02}",
            date.year(),
            u8::from(date.month()),
            date.day()
        )
    }
}

fn epoch() -> Date {
    Date::from_calendar_date(1970, Month::January, 1).unwrap_or(Date::MIN)
}

/// First day that is kept.
pub(super) async fn kept_from(connection: &mut PgConnection) -> Result<Day, StoreError> {
    let date = sqlx::query_scalar("SELECT kept_from FROM retention")
        .fetch_one(connection)
        .await
        .map_err(StoreError::on("read what is kept"))?;
    Ok(Day::from_date(date))
}

/// Days that have a partition which can be written and read.
pub async fn attached(connection: &mut PgConnection) -> Result<BTreeSet<Day>, StoreError> {
    let names = partitions(connection, false).await?;
    Ok(names.iter().filter_map(|name| day_of(name)).collect())
}

/// Days behind the last one that gateways accept, for which rows are still kept: long enough for
/// everything accepted to have come through the event log.
const GRACE_DAYS: i32 = 2;

/// First day that is kept at `now`, when samples may be `retention_days` old at receipt.
#[must_use]
pub fn kept_from_at(now: UtcMicros, retention_days: u32) -> Day {
    let retention = i32::try_from(retention_days).unwrap_or(i32::MAX);
    Day::of(now).plus(-retention).plus(-GRACE_DAYS)
}

/// Makes partitions for these days where there are none. Days before `kept_from` get none and are
/// marked as not kept, so that the writer counts and skips their rows.
pub async fn ensure(pool: &PgPool, days: &BTreeSet<Day>, kept_from: Day) -> Result<(), StoreError> {
    with_connection(pool, ATTACH_LOCK_MAX, async |connection| {
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(ATTACH_LOCK)
            .execute(&mut *connection)
            .await
            .map_err(StoreError::on("take the lock of making partitions"))?;
        if days.first().is_some_and(|&day| day < kept_from) {
            raise_mark(connection, kept_from).await?;
        }
        let kept_from = self::kept_from(connection).await?;
        let attached = attached(connection).await?;
        for &day in days {
            if day >= kept_from && !attached.contains(&day) {
                attach(connection, day).await?;
            }
        }
        Ok(())
    })
    .await
}

/// Drops the partitions of days before `kept_from`, for good: the mark never goes back.
/// Returns the days whose partitions are gone now. Only one process works at this at a time; the
/// others return at once.
///
/// # Errors
/// A lock timeout if a long reader is in the way: the next call goes on where this one stopped.
pub async fn drop_before(pool: &PgPool, kept_from: Day) -> Result<Vec<Day>, StoreError> {
    with_connection(pool, DROP_LOCK_MAX, async |connection| {
        let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
            .bind(UPKEEP_LOCK)
            .fetch_one(&mut *connection)
            .await
            .map_err(StoreError::on("take the upkeep lock"))?;
        if !alone {
            return Ok(Vec::new());
        }
        // The connection is closed afterwards, which gives the lock back in every case.
        drop_expired(connection, kept_from).await
    })
    .await
}

async fn drop_expired(
    connection: &mut PgConnection,
    kept_from: Day,
) -> Result<Vec<Day>, StoreError> {
    raise_mark(connection, kept_from).await?;
    let kept_from = self::kept_from(connection).await?;
    for name in partitions(connection, true).await? {
        let statement = format!("ALTER TABLE telemetry DETACH PARTITION {name} FINALIZE");
        run(connection, statement, "finish a detach").await?;
    }
    for name in partitions(connection, false).await? {
        if day_of(&name).is_some_and(|day| day < kept_from) {
            let statement = format!("ALTER TABLE telemetry DETACH PARTITION {name} CONCURRENTLY");
            run(connection, statement, "detach a partition").await?;
        }
    }
    let mut dropped = Vec::new();
    for name in standalone(connection).await? {
        if let Some(day) = day_of(&name).filter(|&day| day < kept_from) {
            run(connection, format!("DROP TABLE {name}"), "drop a partition").await?;
            dropped.push(day);
        }
    }
    Ok(dropped)
}

/// Raises the mark. The database's clock has a say too: a worker whose clock is years ahead must
/// not drop everything.
async fn raise_mark(connection: &mut PgConnection, kept_from: Day) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE retention SET kept_from = LEAST($1, (now() AT TIME ZONE 'UTC')::date) \
         WHERE kept_from < LEAST($1, (now() AT TIME ZONE 'UTC')::date)",
    )
    .bind(kept_from.date())
    .execute(connection)
    .await
    .map(|_| ())
    .map_err(StoreError::on("move the mark of what is kept"))
}

/// Makes the table by itself and attaches it, which stands in the way of no reader or writer.
async fn attach(connection: &mut PgConnection, day: Day) -> Result<(), StoreError> {
    let name = format!("telemetry_{}", day.digits());
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {name} (LIKE telemetry INCLUDING DEFAULTS \
         INCLUDING CONSTRAINTS INCLUDING INDEXES)"
    );
    let attach = format!(
        "ALTER TABLE telemetry ATTACH PARTITION {name} \
         FOR VALUES FROM ('{day} 00:00:00+00') TO ('{} 00:00:00+00')",
        day.plus(1)
    );
    run(connection, create, "make a partition").await?;
    run(connection, attach, "attach a partition").await
}

async fn run(
    connection: &mut PgConnection,
    statement: String,
    doing: &'static str,
) -> Result<(), StoreError> {
    // Not in a transaction: a concurrent detach cannot be in one.
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(StoreError::on(doing))
}

/// Names of the partitions, either those of which a detach was begun or the others.
async fn partitions(
    connection: &mut PgConnection,
    detach_pending: bool,
) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.relname::text FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid \
         WHERE i.inhparent = 'telemetry'::regclass AND i.inhdetachpending = $1 ORDER BY 1",
    )
    .bind(detach_pending)
    .fetch_all(connection)
    .await
    .map_err(StoreError::on("list partitions"))?;
    names(&rows)
}

/// Names of tables that were partitions, or are to become some.
async fn standalone(connection: &mut PgConnection) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query(
        "SELECT c.relname::text FROM pg_class AS c \
         WHERE c.relname ~ '^telemetry_[0-9]{8}$' AND c.relkind = 'r' AND NOT c.relispartition \
         AND c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = \
         'telemetry'::regclass) ORDER BY 1",
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::on("list detached partitions"))?;
    names(&rows)
}

fn names(rows: &[sqlx::postgres::PgRow]) -> Result<Vec<String>, StoreError> {
    rows.iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()
        .map_err(StoreError::on("read the names of partitions"))
}

fn day_of(name: &str) -> Option<Day> {
    let digits = name.strip_prefix("telemetry_")?;
    if digits.len() != 8 {
        return None;
    }
    let month = Month::try_from(digits.get(4..6)?.parse::<u8>().ok()?).ok()?;
    let year = digits.get(..4)?.parse().ok()?;
    let day = digits.get(6..)?.parse().ok()?;
    Date::from_calendar_date(year, month, day)
        .ok()
        .map(Day::from_date)
}

/// Runs upkeep on a connection of its own, which is closed afterwards together with its settings
/// and locks, also when the caller goes away in between.
async fn with_connection<T>(
    pool: &PgPool,
    lock_max: Duration,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let pooled = pool
        .acquire()
        .await
        .map_err(StoreError::on("give a connection for upkeep"))?;
    let mut connection = pooled.detach();
    let settings = format!("SET lock_timeout = {}", lock_max.as_millis());
    run(&mut connection, settings, "set a lock timeout").await?;
    let result = work(&mut connection).await;
    // Nothing depends on a polite end.
    let _closed = connection.close().await;
    result
}
