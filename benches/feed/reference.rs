//! The reference: a record appended to a log of the same kind, until a reader that follows has it.

use std::time::Duration;

use aerostream::clock;
use aerostream_log::{Append, Partition, ReadLimits, Topic};
use bytes::Bytes;
use hdrhistogram::Histogram;

use super::PRECISION;
use crate::rest::produce::open;

/// Bytes of a record, as many as a record of one sample has.
const RECORD: usize = 160;
/// Partitions that the reader follows.
const PARTITIONS: u16 = 8;

/// One record after the other for this time; microseconds from its append to its reader.
pub async fn run(log: &str, time: Duration) -> anyhow::Result<Histogram<u64>> {
    let log = open(log).await?;
    let partitions = (0..PARTITIONS).map(Partition);
    let mut from = Vec::new();
    for partition in partitions {
        from.push((
            partition,
            log.bounds(Topic::Telemetry, partition).await?.end,
        ));
    }
    let mut reader = log.read(Topic::Telemetry, from).await?;
    let limits = ReadLimits {
        records_max: 100,
        bytes_max: 1 << 20,
        wait_max: Duration::from_secs(5),
    };
    let mut latency_us = Histogram::new(PRECISION)?;
    let end = clock::monotonic_now() + time;
    let mut number = 0;
    while clock::monotonic_now() < end {
        let began = clock::monotonic_now();
        let appended = log.append(Append {
            topic: Topic::Telemetry,
            partition: Partition(number % PARTITIONS),
            key: Bytes::from_static(b"bare"),
            payload: Bytes::from(vec![0; RECORD]),
        });
        let read = async {
            loop {
                let records = reader.next(limits).await?;
                if !records.is_empty() {
                    return anyhow::Ok(());
                }
            }
        };
        let (appended, read) = tokio::join!(appended, read);
        appended?;
        read?;
        latency_us.record(began.elapsed().as_micros() as u64)?;
        number = number.wrapping_add(1);
    }
    Ok(latency_us)
}
