//! Metrics of webhooks.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

/// A target took a message, so long after it was written.
pub fn delivered(target: &str, delay: Duration) {
    let target = target.to_owned();
    counter!("aerostream_webhook_delivered_total", "target" => target.clone()).increment(1);
    histogram!("aerostream_webhook_delay_seconds", "target" => target).record(delay.as_secs_f64());
}

/// A try failed; the message is tried again.
pub fn failed(target: &str) {
    counter!("aerostream_webhook_failures_total", "target" => target.to_owned()).increment(1);
}

/// A message became a dead letter.
pub fn given_up(target: &str) {
    counter!("aerostream_webhook_dead_letters_total", "target" => target.to_owned()).increment(1);
}

/// Messages that wait in this process.
pub fn waiting(target: &str, messages: usize) {
    gauge!("aerostream_webhook_waiting", "target" => target.to_owned()).set(messages as f64);
}
