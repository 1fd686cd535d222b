//! Summaries of a drone's past by steps of time, made of the coarsest table that fits the step.

use aerostream_domain::{DroneId, UtcMicros};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Row};

use super::{Reader, timestamp};
use crate::store::error::StoreError;
use crate::store::rollup::FIELDS;

/// Paths of the fields that are summed up, in the order of [`Summary::fields`].
pub const SUMMED: [&str; 5] = [
    "position.relative_altitude_m",
    "velocity.ground_speed_m_s",
    "battery.remaining_percent",
    "battery.voltage_v",
    "link.rssi_dbm",
];
/// Seconds of the finest step; every step is a multiple of it.
pub const STEP_MIN_S: u32 = 10;

/// Which summaries to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Steps {
    /// A time in the first step.
    pub from: UtcMicros,
    /// Last time, exclusive.
    pub to: UtcMicros,
    /// Seconds, a multiple of [`STEP_MIN_S`].
    pub step_s: u32,
    /// Steps at most, the oldest ones.
    pub limit: u32,
}

/// What the values of a field were within a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub average: f64,
    pub min: f64,
    pub max: f64,
}

/// One step of time with at least one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Its first moment.
    pub start: UtcMicros,
    pub samples: u64,
    /// Of the last sample that has it.
    pub latitude_deg: Option<f64>,
    pub longitude_deg: Option<f64>,
    /// By the order of [`SUMMED`]; `None` where no sample said it.
    pub fields: [Option<Spread>; 5],
}

/// The table that a step is made of.
fn source(step_s: u32) -> &'static str {
    match step_s {
        step if step % 3600 == 0 => "rollup_1h",
        step if step % 60 == 0 => "rollup_1m",
        _ => "rollup_10s",
    }
}

fn statement(step_s: u32) -> String {
    let last = |name: &str| {
        format!("(array_agg({name} ORDER BY bucket DESC) FILTER (WHERE {name} IS NOT NULL))[1]")
    };
    let mut columns = String::new();
    for field in FIELDS {
        columns.push_str(&format!(
            ", sum({field}_sum) / NULLIF(sum({field}_count), 0)::double precision, \
             min({field}_min), max({field}_max)"
        ));
    }
    format!(
        "SELECT (floor(extract(epoch FROM bucket) / $5::bigint)::bigint * $5::bigint) AS start, \
         sum(samples)::bigint, {}, {}{columns} FROM {} WHERE drone_ref = \
         (SELECT drone_ref FROM drone WHERE drone_id = $1) AND bucket >= $2 AND bucket < $3 \
         GROUP BY start ORDER BY start LIMIT $4",
        last("latitude_deg"),
        last("longitude_deg"),
        source(step_s),
    )
}

impl Reader {
    /// The steps of a span that have samples, oldest first. The first step is whole, also where
    /// the span begins within it.
    pub async fn summaries(
        &self,
        drone: &DroneId,
        steps: Steps,
    ) -> Result<Vec<Summary>, StoreError> {
        let step_us = i64::from(steps.step_s) * 1_000_000;
        let from = UtcMicros(
            steps
                .from
                .0
                .saturating_sub(steps.from.0.rem_euclid(step_us)),
        );
        let statement = statement(steps.step_s);
        let rows = self.rows(&statement, || {
            let mut arguments = PgArguments::default();
            arguments.add(drone.as_str())?;
            arguments.add(timestamp(from))?;
            arguments.add(timestamp(steps.to))?;
            arguments.add(i64::from(steps.limit))?;
            arguments.add(i64::from(steps.step_s))?;
            Ok(arguments)
        });
        let rows = rows.await?;
        rows.iter()
            .map(|row| summary(row).map_err(StoreError::on("read a summary")))
            .collect()
    }
}

fn summary(row: &PgRow) -> Result<Summary, sqlx::Error> {
    let mut fields = [None; 5];
    for (place, field) in fields.iter_mut().enumerate() {
        let at = |part: usize| row.try_get::<Option<f64>, _>(4 + 3 * place + part);
        let parts = (at(0)?, at(1)?, at(2)?);
        if let (Some(average), Some(min), Some(max)) = parts {
            *field = Some(Spread { average, min, max });
        }
    }
    let start: i64 = row.try_get(0)?;
    let samples: i64 = row.try_get(1)?;
    Ok(Summary {
        start: UtcMicros(start * 1_000_000),
        samples: samples.max(0) as u64,
        latitude_deg: row.try_get(2)?,
        longitude_deg: row.try_get(3)?,
        fields,
    })
}
