//! What the event log counts.

use aerostream_log::Topic;

/// Appends that were answered, by topic and result.
pub const APPENDS: &str = "aerostream_log_appends_total";
/// Bytes of keys and payloads that became durable, by topic.
pub const APPENDED_BYTES: &str = "aerostream_log_appended_bytes_total";
/// Syncs of the embedded log's files.
pub const SYNCS: &str = "aerostream_log_syncs_total";
/// Time from taking a group to its acknowledgement in the embedded log, in seconds.
pub const GROUP_SECONDS: &str = "aerostream_log_group_duration_seconds";
/// Bytes that the embedded log holds against its limit.
pub const HELD_BYTES: &str = "aerostream_log_held_bytes";
/// Segments that retention dropped from the embedded log, by topic.
pub const SEGMENTS_DROPPED: &str = "aerostream_log_segments_dropped_total";
/// Errors that the Kafka client reported by itself.
pub const CLIENT_ERRORS: &str = "aerostream_log_client_errors_total";
/// Groups that were joined again since their client did not go on, by reason.
pub const GROUP_REJOINS: &str = "aerostream_log_group_rejoins_total";
/// Times that a client left records of a group out, and they were read again.
pub const GROUP_GAPS: &str = "aerostream_log_group_gaps_total";

/// Why a group is joined again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejoin {
    /// A partition brings nothing although there is something.
    Stalled,
    /// A partition that is assigned cannot be moved to its offset.
    Stuck,
    /// A partition is not the client's any more and nobody was told.
    Lost,
    /// Everything was taken from the member and no assignment followed.
    Forgotten,
    /// A broker said for a moment that an offset is outside.
    Offset,
}

impl Rejoin {
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Stalled => "stalled",
            Self::Stuck => "stuck",
            Self::Lost => "lost",
            Self::Forgotten => "forgotten",
            Self::Offset => "offset",
        }
    }
}

/// What became of appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendResult {
    Durable,
    Refused,
    Unknown,
}

impl AppendResult {
    const fn label(self) -> &'static str {
        match self {
            Self::Durable => "durable",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

pub(super) fn appends(topic: Topic, result: AppendResult, count: u64) {
    let labels = [("topic", topic.suffix()), ("result", result.label())];
    metrics::counter!(APPENDS, &labels).increment(count);
}

pub(super) fn appended_bytes(topic: Topic, bytes: u64) {
    metrics::counter!(APPENDED_BYTES, "topic" => topic.suffix()).increment(bytes);
}

pub(super) fn synced() {
    metrics::counter!(SYNCS).increment(1);
}

pub(super) fn group_seconds(seconds: f64) {
    metrics::histogram!(GROUP_SECONDS).record(seconds);
}

pub(super) fn held_bytes(bytes: u64) {
    metrics::gauge!(HELD_BYTES).set(bytes as f64);
}

pub(super) fn segment_dropped(topic: Topic) {
    metrics::counter!(SEGMENTS_DROPPED, "topic" => topic.suffix()).increment(1);
}

pub(super) fn group_rejoined(reason: Rejoin) {
    metrics::counter!(GROUP_REJOINS, "reason" => reason.label()).increment(1);
}

pub(super) fn group_went_back() {
    metrics::counter!(GROUP_GAPS).increment(1);
}

pub(super) fn client_error() {
    metrics::counter!(CLIENT_ERRORS).increment(1);
}
