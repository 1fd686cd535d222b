//! Reads a drone's stored samples.

use aerostream_domain::{BootId, DroneId, RecordedSample, UtcMicros};
use futures::TryStreamExt;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Row, Transaction, ValueRef};

use super::error::StoreError;
use super::row::columns::{COLUMNS, list};
use super::row::decode;

/// Milliseconds that a read may take.
const STATEMENT_TIMEOUT: &str = "SET LOCAL statement_timeout = '10s'";

/// A sample as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSample {
    pub boot: BootId,
    pub sample: RecordedSample,
}

/// Which samples to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First time, inclusive.
    pub from: UtcMicros,
    /// Last time, exclusive.
    pub to: UtcMicros,
    /// Samples at most, the newest ones.
    pub limit: u32,
}

/// The newest samples of a drone within a span of time, oldest first; one index range in each day
/// of the span. A drone that is not known has none.
pub async fn history(
    pool: &PgPool,
    drone: &DroneId,
    span: Span,
) -> Result<Vec<StoredSample>, StoreError> {
    let mut transaction = pool
        .begin()
        .await
        .map_err(StoreError::on("begin reading history"))?;
    sqlx::raw_sql(STATEMENT_TIMEOUT)
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::on("limit the time of a read"))?;
    let drone_ref: Option<i32> =
        sqlx::query_scalar("SELECT drone_ref FROM drone WHERE drone_id = $1")
            .bind(drone.as_str())
            .fetch_optional(&mut *transaction)
            .await
            .map_err(StoreError::on("look a drone up"))?;
    match drone_ref {
        Some(drone_ref) => read(&mut transaction, drone_ref, span).await,
        None => Ok(Vec::new()),
    }
}

async fn read(
    transaction: &mut Transaction<'_, Postgres>,
    drone_ref: i32,
    span: Span,
) -> Result<Vec<StoredSample>, StoreError> {
    // The bounds are written into the statement, so that days outside are left out while planning.
    let statement = format!(
        "SELECT {} FROM telemetry WHERE drone_ref = $1 AND ts >= '{}'::timestamptz \
         AND ts < '{}'::timestamptz ORDER BY ts DESC, boot DESC, seq DESC LIMIT $2",
        list(&COLUMNS[1..], ""),
        literal(span.from),
        literal(span.to),
    );
    let mut rows = sqlx::query(AssertSqlSafe(statement))
        .persistent(false)
        .bind(drone_ref)
        .bind(i64::from(span.limit))
        .fetch(&mut **transaction);
    let mut samples = Vec::new();
    let mut fields = Vec::new();
    while let Some(row) = rows
        .try_next()
        .await
        .map_err(StoreError::on("read history"))?
    {
        fields.clear();
        copy_fields(&row, &mut fields).map_err(StoreError::on("read a row of history"))?;
        let decoded =
            decode::row(&mut decode::Fields::of_copy(&fields)).map_err(StoreError::Row)?;
        samples.push(StoredSample {
            boot: decoded.boot,
            sample: decoded.sample,
        });
    }
    samples.reverse();
    Ok(samples)
}

/// Lays a row's fields out as COPY does, so that there is one decoder.
fn copy_fields(row: &sqlx::postgres::PgRow, fields: &mut Vec<u8>) -> Result<(), sqlx::Error> {
    for column in 0..row.len() {
        let value = row.try_get_raw(column)?;
        if value.is_null() {
            fields.extend((-1_i32).to_be_bytes());
        } else {
            let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
            fields.extend((bytes.len() as i32).to_be_bytes());
            fields.extend(bytes);
        }
    }
    Ok(())
}

/// A time that Postgres reads exactly, and that is inside of what it can hold.
pub(super) fn literal(time: UtcMicros) -> String {
    const FIRST: i64 = -62_135_596_800_000_000;
    const LAST: i64 = 253_402_300_799_999_999;
    let micros = time.0.clamp(FIRST, LAST);
    let day = super::partition::Day::of(UtcMicros(micros));
    let within = micros.rem_euclid(86_400_000_000);
    let (seconds, micros) = (within / 1_000_000, within % 1_000_000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "{day} {hours:02}:{minutes:02}:{:02}.{micros:06}+00",
        seconds % 60
    )
}
