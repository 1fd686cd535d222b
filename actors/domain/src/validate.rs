//! Ranges and limits of a sample.

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
