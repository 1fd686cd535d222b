//! The past in other forms than a page of samples: steps of time, and tables and tracks to keep.
//!
//! An export is read in chunks, each a question of its own behind the last sample of the one
//! before. So it holds one chunk and, while its client is slow, no connection to the database.

pub mod asked;
pub mod csv;
pub mod export;
pub mod geojson;
pub mod parquet;
pub mod simplify;
pub mod source;
pub mod steps;

use std::ops::Range;

use aerostream_domain::UtcMicros;

use crate::error::{ErrorCode, Problem};
use crate::gateway::ports::{FieldSet, STEP_MIN_S};

/// Seconds of the longest step: 30 days.
const STEP_MAX_S: u32 = 2_592_000;
/// Metres of the coarsest track.
const SIMPLIFY_MAX_M: f64 = 100_000.0;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Csv,
    GeoJson,
    Parquet,
}

impl Format {
    /// # Errors
    /// It is none of them.
    pub fn parse(text: Option<&str>) -> Result<Self, Problem> {
        match text.unwrap_or("json") {
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            "geojson" => Ok(Self::GeoJson),
            "parquet" => Ok(Self::Parquet),
            other => {
                let detail = format!("must be json, csv, geojson or parquet; it is {other:?}");
                Err(Problem::new(ErrorCode::Invalid, detail).at("format"))
            }
        }
    }
}

/// The named fields, by commas; all if none are named.
///
/// # Errors
/// One is not known.
pub fn fields(text: Option<&str>) -> Result<FieldSet, Problem> {
    let Some(text) = text else {
        return Ok(FieldSet::ALL);
    };
    FieldSet::from_paths(text.split(','))
        .map_err(|unknown| Problem::new(ErrorCode::Invalid, unknown.to_string()).at("fields"))
}

/// Seconds of a step such as `60`, `10s`, `1m`, `1h` or `1d`.
///
/// # Errors
/// It is not a step, or so fine that the range holds more than `most` of them.
pub fn step(
    text: Option<&str>,
    range: &Range<UtcMicros>,
    most: usize,
) -> Result<Option<u32>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let wrong = |detail: String| Problem::new(ErrorCode::Invalid, detail).at("step");
    let (number, unit) = match text.find(|c: char| c.is_ascii_alphabetic()) {
        Some(place) => text.split_at(place),
        None => (text, "s"),
    };
    let unit_s = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)]
        .into_iter()
        .find_map(|(name, seconds)| (name == unit).then_some(seconds));
    let number = number.parse::<u32>().ok();
    let step_s = number
        .zip(unit_s)
        .and_then(|(number, unit)| number.checked_mul(unit));
    let fits =
        |step: &u32| (STEP_MIN_S..=STEP_MAX_S).contains(step) && step.is_multiple_of(STEP_MIN_S);
    let Some(step_s) = step_s.filter(fits) else {
        return Err(wrong(format!(
            "must be a multiple of {STEP_MIN_S} seconds up to 30 days, such as `10s`, `1m`, `1h` \
             or `300`; it is {text:?}"
        )));
    };
    let seconds = (i128::from(range.end.0) - i128::from(range.start.0)) / 1_000_000;
    if seconds / i128::from(step_s) < most as i128 {
        return Ok(Some(step_s));
    }
    let least = seconds / most as i128 + 1;
    let least = (least + i128::from(STEP_MIN_S) - 1) / i128::from(STEP_MIN_S);
    Err(wrong(format!(
        "{step_s} s is too fine for this range: at most {most} steps are answered, so that it \
         must be at least {} s",
        least * i128::from(STEP_MIN_S)
    )))
}

/// Metres that a simplified track may be off, for tracks only.
///
/// # Errors
/// It is not such a number, or not asked of a track.
pub fn simplify_m(text: Option<&str>, format: Format) -> Result<Option<f64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let wrong = |detail: String| Problem::new(ErrorCode::Invalid, detail).at("simplify_m");
    if format != Format::GeoJson {
        return Err(wrong("is for format=geojson".to_owned()));
    }
    let metres = text.parse::<f64>().ok();
    let metres = metres.filter(|metres| *metres > 0.0 && *metres <= SIMPLIFY_MAX_M);
    metres.map(Some).ok_or_else(|| {
        wrong(format!(
            "must be metres above 0 and up to {SIMPLIFY_MAX_M}; it is {text:?}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEARS: Range<UtcMicros> = UtcMicros(0)..UtcMicros(315_360_000_000_000);

    #[test]
    fn steps_are_read_and_wrong_ones_told() {
        let hour = UtcMicros(0)..UtcMicros(3_600_000_000);
        for (text, seconds) in [
            ("60", 60),
            ("10s", 10),
            ("1m", 60),
            ("1h", 3600),
            ("1d", 86_400),
        ] {
            assert_eq!(step(Some(text), &hour, 1000), Ok(Some(seconds)), "{text}");
        }
        for text in ["0", "-60", "15", "1w", "m", "", "40d", "99999999d", "é"] {
            let wrong = step(Some(text), &hour, 1000).expect_err(text);
            assert_eq!(wrong.field.as_deref(), Some("step"));
            assert!(wrong.detail.contains("multiple of 10"), "{wrong}");
        }
        let fine = step(Some("10s"), &YEARS, 10_000).expect_err("too fine");
        assert!(fine.detail.contains("at least 31540 s"), "{fine}");
        assert_eq!(step(Some("31540"), &YEARS, 10_000), Ok(Some(31_540)));
        assert!(step(Some("60"), &(UtcMicros(i64::MIN)..UtcMicros(i64::MAX)), 10).is_err());
    }

    #[test]
    fn tolerances_are_read_and_wrong_ones_told() {
        assert_eq!(simplify_m(Some("2.5"), Format::GeoJson), Ok(Some(2.5)));
        for text in ["NaN", "inf", "0", "-1", "1e9", "far"] {
            let wrong = simplify_m(Some(text), Format::GeoJson).expect_err(text);
            assert_eq!(wrong.field.as_deref(), Some("simplify_m"));
        }
        assert!(simplify_m(Some("2"), Format::Csv).is_err());
        assert!(Format::parse(Some("xml")).is_err());
    }
}
