//! Ranges and limits of a sample.

mod content;

use crate::sample::Sample;
use crate::units::{BootMicros, UtcMicros};

pub use content::content;

/// Stable name of a reason to refuse a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalCode {
    /// A number outside its range, or not a number.
    OutOfRange,
    /// A field, list or text that is longer than its limit.
    TooLong,
    /// A field that must be there is not.
    Missing,
    /// A field that may not be there is.
    Unexpected,
    /// Something that no version of the format has.
    Malformed,
    /// The sample has its own seq and no time.
    NoTime,
    /// No boot clock and a UTC before 2020.
    ClockUnset,
    /// More than 5 minutes ahead.
    InTheFuture,
    /// Older than what is kept.
    TooOld,
    /// Boot clock alone, in a boot whose power-up time cannot be known.
    Unpairable,
    /// A boot older than all that are remembered.
    BootForgotten,
    /// The same (drone, boot, seq) with other content.
    Conflict,
    /// The sample made the software panic.
    Poison,
}

impl RefusalCode {
    /// The name as the wire and the dead letters have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfRange => "out_of_range",
            Self::TooLong => "too_long",
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::Malformed => "malformed",
            Self::NoTime => "no_time",
            Self::ClockUnset => "clock_unset",
            Self::InTheFuture => "in_the_future",
            Self::TooOld => "too_old",
            Self::Unpairable => "unpairable",
            Self::BootForgotten => "boot_forgotten",
            Self::Conflict => "conflict",
            Self::Poison => "poison",
        }
    }
}

/// Why a sample is not taken: what was wrong, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct Refusal {
    pub code: RefusalCode,
    /// Path inside the sample, such as `position.latitude_deg` or `battery[1].voltage_v`.
    pub field: String,
    /// One sentence for the sender.
    pub detail: String,
}

impl Refusal {
    /// A refusal of a field by its path.
    pub fn new(code: RefusalCode, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code,
            field: field.into(),
            detail: detail.into(),
        }
    }
}

/// Everything about a sample that can be judged without its boot.
///
/// # Errors
/// The first field that is wrong. A sample whose identity a gateway chose must have its receipt
/// as `utc` by now.
pub fn validate(sample: &Sample) -> Result<(), Refusal> {
    if i64::try_from(sample.seq).is_err() {
        let detail = format!("found {}; must be at most {}", sample.seq, i64::MAX);
        return Err(Refusal::new(RefusalCode::OutOfRange, "seq", detail));
    }
    time(sample)?;
    content(&sample.content)
}

/// That a sample has a clock which can be true. A corrupt one beside a good one is no error: the
/// good one gives the time.
///
/// # Errors
/// [`RefusalCode::NoTime`], [`RefusalCode::ClockUnset`], or [`RefusalCode::OutOfRange`] for a boot
/// clock of more than a year.
pub fn time(sample: &Sample) -> Result<(), Refusal> {
    let utc = sample
        .utc
        .filter(|utc| *utc >= UtcMicros::EARLIEST_PLAUSIBLE);
    let clock = sample
        .since_boot
        .filter(|clock| *clock <= BootMicros::LATEST_PLAUSIBLE);
    if utc.is_some() || clock.is_some() {
        return Ok(());
    }
    if let Some(BootMicros(found)) = sample.since_boot {
        let max = BootMicros::LATEST_PLAUSIBLE.0;
        let detail = format!("found {found}; must be at most {max} (one year)");
        return Err(Refusal::new(
            RefusalCode::OutOfRange,
            "since_boot_us",
            detail,
        ));
    }
    if let Some(UtcMicros(found)) = sample.utc {
        let detail = format!(
            "found {found}, a clock before 2020, and no boot clock; set the clock, or send \
             `since_boot_us`"
        );
        return Err(Refusal::new(RefusalCode::ClockUnset, "utc_us", detail));
    }
    Err(Refusal::new(
        RefusalCode::NoTime,
        "utc_us",
        "a sample with its own `seq` needs `utc_us`, `since_boot_us` or both",
    ))
}

/// Receivers or packs in one sample.
pub const INSTANCES_MAX: usize = 8;
/// Cells of a pack.
pub const CELLS_MAX: usize = 32;
/// Bytes of a kind.
pub const KIND_BYTES_MAX: usize = 64;
/// Bytes of a message to people.
pub const TEXT_BYTES_MAX: usize = 512;
/// Extras of a sample.
pub const EXTRAS_MAX: usize = 64;
/// Bytes of an extra's name.
pub const EXTRA_NAME_BYTES_MAX: usize = 64;
/// Bytes of an extra's text.
pub const EXTRA_TEXT_BYTES_MAX: usize = 1024;
/// Bytes of a message kept raw.
pub const RAW_BYTES_MAX: usize = 4096;
/// Samples of a batch.
pub const BATCH_SAMPLES_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_needs_a_place_and_a_clock_that_can_be_true() {
        let check = |seq, utc: Option<i64>, clock: Option<u64>, expected| {
            let sample = Sample {
                seq,
                utc: utc.map(UtcMicros),
                since_boot: clock.map(BootMicros),
                ..Sample::default()
            };
            let found = validate(&sample).map_err(|refusal| (refusal.code, refusal.field));
            let expected = match expected {
                Ok(()) => Ok(()),
                Err((code, field)) => Err((code, str::to_owned(field))),
            };
            assert_eq!(found, expected, "{sample:?}");
        };
        let good = UtcMicros::EARLIEST_PLAUSIBLE.0;
        check(i64::MAX as u64, Some(good), None, Ok(()));
        check(
            1 << 63,
            Some(good),
            None,
            Err((RefusalCode::OutOfRange, "seq")),
        );
        check(1, None, Some(0), Ok(()));
        check(1, Some(0), Some(5), Ok(()));
        check(1, Some(good), Some(u64::MAX), Ok(()));
        check(1, None, None, Err((RefusalCode::NoTime, "utc_us")));
        check(
            1,
            Some(good - 1),
            None,
            Err((RefusalCode::ClockUnset, "utc_us")),
        );
        check(
            1,
            None,
            Some(u64::MAX),
            Err((RefusalCode::OutOfRange, "since_boot_us")),
        );
    }
}
