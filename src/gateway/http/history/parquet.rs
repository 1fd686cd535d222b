//! Parquet: columns with types and compression, for tools that compute.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FloatType, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::source::Line;
use crate::gateway::ports::{Cell, Kind};

/// Rows of a row group: they are held until it is written, and its description until the end.
const GROUP_ROWS: usize = 16_384;

/// Writes row groups.
pub struct Parquet {
    kinds: Vec<Kind>,
    file: Option<SerializedFileWriter<Sink>>,
    written: Sink,
    lines: Vec<Line>,
}

impl Parquet {
    /// With these columns behind the time.
    pub fn new(columns: &[String], kinds: Vec<Kind>) -> Result<Self, ParquetError> {
        let time = Type::primitive_type_builder("time", Physical::INT64)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(Some(LogicalType::timestamp(true, TimeUnit::MICROS)))
            .build()?;
        let mut fields = vec![Arc::new(time)];
        for (name, kind) in columns.iter().zip(&kinds) {
            let (physical, logical) = match kind {
                Kind::Double => (Physical::DOUBLE, None),
                Kind::Float => (Physical::FLOAT, None),
                Kind::Small | Kind::Large => (Physical::INT64, None),
                Kind::Flag => (Physical::BOOLEAN, None),
                Kind::Bytes => (Physical::BYTE_ARRAY, None),
                Kind::Text | Kind::Json | Kind::Code(_) => {
                    (Physical::BYTE_ARRAY, Some(LogicalType::String))
                }
            };
            let column = Type::primitive_type_builder(name, physical)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(logical)
                .build()?;
            fields.push(Arc::new(column));
        }
        let schema = Type::group_type_builder("telemetry").with_fields(fields);
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let written = Sink::default();
        let schema = Arc::new(schema.build()?);
        let file = SerializedFileWriter::new(written.clone(), schema, Arc::new(properties))?;
        Ok(Self {
            kinds,
            file: Some(file),
            written,
            lines: Vec::new(),
        })
    }

    /// The next bytes of the file.
    pub fn lines(&mut self, lines: Vec<Line>) -> Result<Vec<u8>, ParquetError> {
        self.lines.extend(lines);
        while self.lines.len() >= GROUP_ROWS {
            let rest = self.lines.split_off(GROUP_ROWS);
            let whole = std::mem::replace(&mut self.lines, rest);
            self.write_group(&whole)?;
        }
        Ok(self.written.take())
    }

    /// The last bytes.
    pub fn end(&mut self) -> Result<Vec<u8>, ParquetError> {
        let rest = std::mem::take(&mut self.lines);
        if !rest.is_empty() {
            self.write_group(&rest)?;
        }
        if let Some(file) = self.file.take() {
            file.close()?;
        }
        Ok(self.written.take())
    }

    fn write_group(&mut self, lines: &[Line]) -> Result<(), ParquetError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let mut group = file.next_row_group()?;
        let times: Vec<i64> = lines.iter().map(|line| line.time.0).collect();
        if let Some(mut column) = group.next_column()? {
            column
                .typed::<Int64Type>()
                .write_batch(&times, None, None)?;
            column.close()?;
        }
        for (place, kind) in self.kinds.iter().enumerate() {
            write_column(&mut group, lines, place, *kind)?;
        }
        group.close()?;
        file.flush()?;
        Ok(())
    }
}

fn write_column(
    group: &mut SerializedRowGroupWriter<'_, Sink>,
    lines: &[Line],
    place: usize,
    kind: Kind,
) -> Result<(), ParquetError> {
    match kind {
        Kind::Double => write::<DoubleType>(group, lines, place, |cell| match cell {
            Cell::Double(value) => Some(*value),
            _ => None,
        }),
        Kind::Float => write::<FloatType>(group, lines, place, |cell| match cell {
            Cell::Float(value) => Some(*value),
            _ => None,
        }),
        Kind::Small | Kind::Large => write::<Int64Type>(group, lines, place, |cell| match cell {
            Cell::Integer(value) => Some(*value),
            _ => None,
        }),
        Kind::Flag => write::<BoolType>(group, lines, place, |cell| match cell {
            Cell::Flag(value) => Some(*value),
            _ => None,
        }),
        Kind::Text | Kind::Json | Kind::Code(_) | Kind::Bytes => {
            write::<ByteArrayType>(group, lines, place, |cell| match cell {
                Cell::Name(value) => Some(ByteArray::from(*value)),
                Cell::Text(value) => Some(ByteArray::from(value.as_str())),
                Cell::Bytes(value) => Some(ByteArray::from(value.clone())),
                _ => None,
            })
        }
    }
}

/// Writes the cells that are there, and which are.
fn write<T: DataType>(
    group: &mut SerializedRowGroupWriter<'_, Sink>,
    lines: &[Line],
    place: usize,
    value: impl Fn(&Cell) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let cells = || lines.iter().map(|line| value(line.cells.get(place)?));
    let levels: Vec<i16> = cells().map(|cell| i16::from(cell.is_some())).collect();
    let values: Vec<T::T> = cells().flatten().collect();
    if let Some(mut column) = group.next_column()? {
        column
            .typed::<T>()
            .write_batch(&values, Some(&levels), None)?;
        column.close()?;
    }
    Ok(())
}

/// Where the file's writer puts its bytes, and we take them.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aerostream_domain::UtcMicros;
    use axum::body::Bytes;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;

    #[test]
    fn a_file_of_several_groups_reads_back() {
        let columns = ["seq", "latitude", "speed", "mode", "armed"].map(str::to_owned);
        let kinds = vec![
            Kind::Large,
            Kind::Double,
            Kind::Float,
            Kind::Text,
            Kind::Flag,
        ];
        let mut file = Parquet::new(&columns, kinds).unwrap();
        let line = |number: usize| Line {
            time: UtcMicros(1_767_225_600_000_000 + number as i64),
            cells: vec![
                Cell::Integer(number as i64),
                if number.is_multiple_of(2) {
                    Cell::Double(number as f64 / 7.0)
                } else {
                    Cell::Empty
                },
                Cell::Float(number as f32),
                Cell::Name("hold"),
                Cell::Flag(number.is_multiple_of(3)),
            ],
        };
        const ROWS: usize = 2 * GROUP_ROWS + 5;
        let mut bytes = Vec::new();
        let all: Vec<_> = (0..ROWS).map(line).collect();
        for chunk in all.chunks(2000) {
            bytes.extend(file.lines(chunk.to_vec()).unwrap());
            assert!(file.lines.len() < GROUP_ROWS, "rows are not held for ever");
        }
        assert!(bytes.len() > 10_000, "groups leave before the end");
        bytes.extend(file.end().unwrap());
        let reader = SerializedFileReader::new(Bytes::from(bytes)).unwrap();
        let groups = reader.metadata().row_groups().iter();
        let rows: Vec<i64> = groups.map(|group| group.num_rows()).collect();
        let whole = GROUP_ROWS as i64;
        assert_eq!(rows, [whole, whole, 5], "however the lines came");
        let mut rows = 0_usize;
        for row in reader.get_row_iter(None).unwrap() {
            let row = row.unwrap();
            assert_eq!(row.get_long(1).unwrap(), rows as i64);
            let latitude = row.get_double(2).ok();
            assert_eq!(
                latitude,
                rows.is_multiple_of(2).then_some(rows as f64 / 7.0)
            );
            assert_eq!(row.get_float(3).unwrap(), rows as f32);
            assert_eq!(row.get_string(4).unwrap(), "hold");
            assert_eq!(row.get_bool(5).unwrap(), rows.is_multiple_of(3));
            rows += 1;
        }
        assert_eq!(rows, ROWS);
    }
}
