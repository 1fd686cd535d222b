//! Comma-separated values by RFC 4180: a head, then one line for each sample or step.

use super::source::Line;
use crate::gateway::json::shape::Time;
use crate::gateway::ports::Cell;

/// Writes lines.
pub struct Csv {
    columns: Option<Vec<String>>,
}

impl Csv {
    /// With these columns behind the time.
    pub fn new(columns: Vec<String>) -> Self {
        let columns = std::iter::once("time".to_owned()).chain(columns).collect();
        Self {
            columns: Some(columns),
        }
    }

    /// The next bytes of the table; the head comes before the first lines.
    pub fn lines(&mut self, lines: &[Line]) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::with_capacity(64 * 1024));
        if let Some(columns) = self.columns.take() {
            writer.write_record(columns)?;
        }
        for line in lines {
            writer.write_field(Time(line.time.0).to_string())?;
            for cell in &line.cells {
                match cell {
                    Cell::Empty => writer.write_field("")?,
                    Cell::Double(value) => writer.write_field(value.to_string())?,
                    Cell::Float(value) => writer.write_field(value.to_string())?,
                    Cell::Integer(value) => writer.write_field(value.to_string())?,
                    Cell::Flag(value) => writer.write_field(value.to_string())?,
                    Cell::Name(value) => writer.write_field(value)?,
                    Cell::Text(value) => writer.write_field(value)?,
                    Cell::Bytes(value) => writer.write_field(base64(value))?,
                }
            }
            writer.write_record(None::<&[u8]>)?;
        }
        writer
            .into_inner()
            .map_err(|error| csv::Error::from(error.into_error()))
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
