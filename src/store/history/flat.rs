//! Samples as flat rows, one cell for each wanted field, for tables that leave the system.

use aerostream_domain::{BootId, DroneId, Seq, UtcMicros};
use sqlx::postgres::PgRow;
use sqlx::{Row, ValueRef};

use super::{Key, Reader, Span, timestamp};
use crate::store::error::StoreError;
use crate::store::partition::Day;
use crate::store::row::encode;
use crate::store::row::fields::{BASES, Field, Kind};

/// One value of a flat row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Empty,
    Double(f64),
    Float(f32),
    Integer(i64),
    Flag(bool),
    Name(&'static str),
    Text(String),
    Bytes(Vec<u8>),
}

/// A sample with the wanted fields in the order of [`FieldSet::fields`]: of several receivers or
/// packs the first one.
///
/// [`FieldSet::fields`]: crate::store::FieldSet::fields
#[derive(Debug, Clone, PartialEq)]
pub struct FlatRow {
    pub key: Key,
    pub basis: &'static str,
    pub cells: Vec<Cell>,
}

impl Reader {
    /// The samples of a span, in the order that the span asks for.
    pub async fn flat_rows(
        &self,
        drone: &DroneId,
        span: &Span,
    ) -> Result<Vec<FlatRow>, StoreError> {
        let statement = span.statement();
        let rows = self.rows(&statement, || span.arguments(drone)).await?;
        let columns = span.fields.columns();
        let place = |field: &Field| columns.iter().position(|column| *column == field.column);
        let fields: Vec<_> = span
            .fields
            .fields()
            .filter_map(|field| Some((field, place(field)?)))
            .collect();
        rows.iter()
            .map(|row| flat(row, &fields).map_err(StoreError::on("read a row of history")))
            .collect()
    }

    /// First moment of which retention has taken nothing.
    pub async fn kept_from(&self) -> Result<UtcMicros, StoreError> {
        let rows = self
            .rows("SELECT kept_from FROM retention", || Ok(Default::default()))
            .await?;
        let date = rows.first().map(|row| row.try_get(0)).transpose();
        let date = date.map_err(StoreError::on("read what is kept"))?;
        Ok(date.map_or(UtcMicros(0), |date| Day::from_date(date).start()))
    }

    /// About how many samples of a drone lie within a span of time, by their hourly summaries.
    pub async fn estimate(
        &self,
        drone: &DroneId,
        (from, to): (UtcMicros, UtcMicros),
    ) -> Result<u64, StoreError> {
        use sqlx::Arguments;
        let statement = "SELECT COALESCE(sum(samples), 0)::bigint FROM rollup_1h WHERE drone_ref = \
                         (SELECT drone_ref FROM drone WHERE drone_id = $1) \
                         AND bucket >= $2 AND bucket < $3";
        let rows = self.rows(statement, || {
            let mut arguments = sqlx::postgres::PgArguments::default();
            arguments.add(drone.as_str())?;
            arguments.add(timestamp(from))?;
            arguments.add(timestamp(to))?;
            Ok(arguments)
        });
        let rows = rows.await?;
        let sum: i64 = rows
            .first()
            .map_or(Ok(0), |row| row.try_get(0))
            .map_err(StoreError::on("estimate how many samples there are"))?;
        Ok(sum.max(0) as u64)
    }
}

fn flat(row: &PgRow, fields: &[(&Field, usize)]) -> Result<FlatRow, sqlx::Error> {
    // Identity and time are the first columns of every question: ts, boot, seq, basis.
    let bytes = |place: usize| -> Result<[u8; 8], sqlx::Error> {
        let value = row.try_get_raw(place)?;
        fixed(value.as_bytes().map_err(sqlx::Error::Decode)?)
    };
    let basis: i16 = row.try_get("basis")?;
    Ok(FlatRow {
        key: Key {
            time: encode::utc(i64::from_be_bytes(bytes(0)?)),
            boot: BootId(i64::from_be_bytes(bytes(1)?) as u64),
            seq: Seq(i64::from_be_bytes(bytes(2)?) as u64),
        },
        basis: name(&BASES, basis).unwrap_or("unknown"),
        cells: fields
            .iter()
            .map(|&(field, place)| cell(row, field, place))
            .collect::<Result<_, _>>()?,
    })
}

fn cell(row: &PgRow, field: &Field, place: usize) -> Result<Cell, sqlx::Error> {
    let value = row.try_get_raw(place)?;
    if value.is_null() {
        return Ok(Cell::Empty);
    }
    let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
    Ok(match field.kind {
        Kind::Double => Cell::Double(f64::from_be_bytes(fixed(bytes)?)),
        Kind::Float => Cell::Float(f32::from_be_bytes(fixed(bytes)?)),
        Kind::Small => Cell::Integer(i16::from_be_bytes(fixed(bytes)?).into()),
        Kind::Large => Cell::Integer(i64::from_be_bytes(fixed(bytes)?)),
        Kind::Flag => Cell::Flag(bytes != [0]),
        Kind::Text => Cell::Text(crate::store::row::rest::unescape(&String::from_utf8_lossy(
            bytes,
        ))),
        Kind::Bytes => Cell::Bytes(bytes.to_vec()),
        Kind::Code(names) => {
            name(names, i16::from_be_bytes(fixed(bytes)?)).map_or(Cell::Empty, Cell::Name)
        }
        Kind::Json => part_of_rest(bytes, field.path)?,
    })
}

/// The cells of the first pack, or the values without column, as JSON.
fn part_of_rest(bytes: &[u8], path: &str) -> Result<Cell, sqlx::Error> {
    let json = bytes.strip_prefix(&[1]).unwrap_or(bytes);
    let rest: serde_json::Value =
        serde_json::from_slice(json).map_err(|error| sqlx::Error::Decode(error.into()))?;
    let key = if path == "extras" {
        "extras"
    } else {
        "battery_cells_v"
    };
    Ok(rest
        .get(key)
        .map_or(Cell::Empty, |value| Cell::Text(value.to_string())))
}

fn name(names: &[&'static str], code: i16) -> Option<&'static str> {
    let place = usize::try_from(code).ok()?.checked_sub(1)?;
    names.get(place).copied()
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], sqlx::Error> {
    bytes
        .try_into()
        .map_err(|_| sqlx::Error::Decode("a value has a wrong length".into()))
}
