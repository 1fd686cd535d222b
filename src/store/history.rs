//! Reads a drone's stored samples.
//!
//! A question is one prepared statement outside of any transaction: the drone's number is looked up
//! by the statement itself, and how long it may take is an option of the connection.

mod reader;

use aerostream_domain::{BootId, DroneId, RecordedSample, Seq, UtcMicros};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::{Arguments, Row, ValueRef};
use time::OffsetDateTime;

use super::error::StoreError;
use super::row::columns::COLUMNS;
use super::row::decode;
use super::row::fields::FieldSet;
pub use reader::Reader;

/// A sample as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSample {
    pub boot: BootId,
    pub sample: RecordedSample,
}

/// Which of the samples in a span of time are told if there are more than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// The newest ones; they are told oldest first all the same.
    #[default]
    Newest,
    /// The oldest ones.
    Oldest,
}

/// Place of a sample in a drone's history: samples are ordered by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    pub time: UtcMicros,
    pub boot: BootId,
    pub seq: Seq,
}

/// Which samples to read, and what of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// First time, inclusive.
    pub from: UtcMicros,
    /// Last time, exclusive.
    pub to: UtcMicros,
    /// Samples at most.
    pub limit: u32,
    /// What is read of them.
    pub fields: FieldSet,
    pub order: Order,
    /// Only samples behind this one; for [`Order::Oldest`].
    pub after: Option<Key>,
}

impl Span {
    /// The statement that Postgres is asked; it depends on fields and order, not on values, so that
    /// it is prepared once. The bounds are parameters: days outside are left out by the plan, which
    /// is made for the values each time (see [`Reader`]).
    pub(super) fn statement(&self) -> String {
        let columns = self.fields.columns().join(", ");
        let behind = match self.after {
            Some(_) => " AND (ts, boot, seq) > ($5, $6, $7)",
            None => "",
        };
        let order = match self.order {
            Order::Newest => "ts DESC, boot DESC, seq DESC",
            Order::Oldest => "ts, boot, seq",
        };
        format!(
            "SELECT {columns} FROM telemetry WHERE drone_ref = \
             (SELECT drone_ref FROM drone WHERE drone_id = $1) AND ts >= $2 AND ts < $3{behind} \
             ORDER BY {order} LIMIT $4"
        )
    }

    /// The values of the statement's parameters.
    pub(super) fn arguments(&self, drone: &DroneId) -> Result<PgArguments, BoxDynError> {
        let after = self.after;
        // The row comparison alone would not leave out days.
        let from = after.map_or(self.from, |key| key.time.max(self.from));
        let mut arguments = PgArguments::default();
        arguments.add(drone.as_str())?;
        arguments.add(timestamp(from))?;
        arguments.add(timestamp(self.to))?;
        arguments.add(i64::from(self.limit))?;
        if let Some(key) = after {
            arguments.add(timestamp(key.time))?;
            arguments.add(key.boot.0 as i64)?;
            arguments.add(key.seq.0 as i64)?;
        }
        Ok(arguments)
    }
}

/// Reads samples of which not every column was asked for.
pub(super) struct Decoder {
    /// For each of [`COLUMNS`] but the drone's number, where it is in the row.
    places: Vec<Option<usize>>,
    fields: FieldSet,
    laid_out: Vec<u8>,
}

impl Decoder {
    pub(super) fn new(fields: FieldSet) -> Self {
        let asked = fields.columns();
        let place = |column| asked.iter().position(|asked| *asked == column);
        Self {
            places: COLUMNS[1..].iter().copied().map(place).collect(),
            fields,
            laid_out: Vec::new(),
        }
    }

    pub(super) fn sample(&mut self, row: &PgRow) -> Result<StoredSample, StoreError> {
        self.lay_out(row)
            .map_err(StoreError::on("read a row of history"))?;
        let mut fields = decode::Fields::of_copy(&self.laid_out);
        let mut decoded = decode::row(&mut fields).map_err(StoreError::Row)?;
        self.fields.trim(&mut decoded.sample.content);
        Ok(StoredSample {
            boot: decoded.boot,
            sample: decoded.sample,
        })
    }

    /// Lays a row's fields out as COPY does, so that there is one decoder; what was not asked for
    /// is null.
    fn lay_out(&mut self, row: &PgRow) -> Result<(), sqlx::Error> {
        self.laid_out.clear();
        for place in &self.places {
            let value = place.map(|place| row.try_get_raw(place)).transpose()?;
            match value.filter(|value| !value.is_null()) {
                Some(value) => {
                    let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
                    self.laid_out.extend((bytes.len() as i32).to_be_bytes());
                    self.laid_out.extend(bytes);
                }
                None => self.laid_out.extend((-1_i32).to_be_bytes()),
            }
        }
        Ok(())
    }
}

/// First and last moment that Postgres and everybody behind it can hold.
const MOMENTS: [i64; 2] = [-62_135_596_800_000_000, 253_402_300_799_999_999];

/// A time as a parameter, brought inside of what can be held.
pub(super) fn timestamp(time: UtcMicros) -> OffsetDateTime {
    let micros = time.0.clamp(MOMENTS[0], MOMENTS[1]);
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// A time that Postgres reads exactly, and that is inside of what it can hold.
pub(super) fn literal(time: UtcMicros) -> String {
    let micros = time.0.clamp(MOMENTS[0], MOMENTS[1]);
    let day = super::partition::Day::of(UtcMicros(micros));
    let within = micros.rem_euclid(86_400_000_000);
    let (seconds, micros) = (within / 1_000_000, within % 1_000_000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "{day} {hours:02}:{minutes:02}:{:02}.{micros:06}+00",
        seconds % 60
    )
}
