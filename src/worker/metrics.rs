//! Metrics of the worker, added per run.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::store::Source;
use crate::store::telemetry::Counts;

/// A run was stored.
pub fn run_stored(topic: Source, counts: Counts, took: Duration) {
    let topic = topic.as_str();
    counter!("aerostream_worker_samples_total", "outcome" => "stored").increment(counts.stored);
    counter!("aerostream_worker_samples_total", "outcome" => "repeated").increment(counts.repeated);
    counter!("aerostream_worker_samples_total", "outcome" => "expired").increment(counts.expired);
    counter!("aerostream_worker_runs_total", "topic" => topic).increment(1);
    histogram!("aerostream_worker_run_duration_seconds", "topic" => topic)
        .record(took.as_secs_f64());
}

/// A run could not be stored and is tried again.
pub fn run_failed(topic: Source) {
    counter!("aerostream_worker_run_failures_total", "topic" => topic.as_str()).increment(1);
}

/// A run was void, because another worker stored or took over its partition.
pub fn run_void(topic: Source) {
    counter!("aerostream_worker_void_runs_total", "topic" => topic.as_str()).increment(1);
}

/// Dead letters became durable.
pub fn dead_letters(count: u64) {
    counter!("aerostream_worker_dead_letters_total").increment(count);
}

/// Records of the log that are not stored.
pub fn lag(records: u64) {
    gauge!("aerostream_worker_lag_records").set(records as f64);
}

/// Partitions of expired days were dropped.
pub fn partitions_dropped(count: u64) {
    counter!("aerostream_worker_partitions_dropped_total").increment(count);
}

/// Minutes were summed up again.
pub fn minutes_rolled_up(count: u64) {
    counter!("aerostream_worker_rollup_minutes_total").increment(count);
}
