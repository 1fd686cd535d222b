//! Dead letters of the worker: records that no version can decode, and samples that contradict what
//! is stored.

use aerostream_domain::DroneId;
use aerostream_log::topic::DEAD_LETTER_PARTITIONS;
use aerostream_log::{Append, EventLog, Partition, Record, Topic, encode};
use aerostream_proto::v1;
use aerostream_proto::v1::DeadLetterContent as Content;
use bytes::Bytes;
use futures::future::try_join_all;

/// Why something is not stored, by a stable name, and where.
#[derive(Debug, Clone)]
pub struct Reason {
    pub code: &'static str,
    pub field: String,
    pub detail: String,
}

/// Whose it was, as far as that can be told.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    pub drone: Option<DroneId>,
    pub boot: Option<u64>,
    pub seq: Option<u64>,
}

/// A record as it came.
pub fn of_record(record: &Record, reason: Reason) -> Append {
    let raw = record.payload.clone();
    letter(record, Subject::default(), reason, (raw, Content::Record))
}

/// One sample of a record.
pub fn of_sample(
    record: &Record,
    subject: Subject,
    sample: &v1::RecordedSample,
    reason: Reason,
) -> Append {
    let raw = prost::Message::encode_to_vec(sample).into();
    letter(record, subject, reason, (raw, Content::RecordedSample))
}

fn letter(
    record: &Record,
    subject: Subject,
    reason: Reason,
    (raw, content): (Bytes, Content),
) -> Append {
    let encoding = match content {
        Content::Record => "record",
        _ => "protobuf",
    };
    let drone = subject.drone.map(|drone| drone.to_string());
    let key = Bytes::from(drone.clone().unwrap_or_default());
    let (topic, partition) = (record.topic, record.partition);
    let message = v1::DeadLetter {
        at_us: record.at.0,
        principal: "worker".to_owned(),
        drone_id: drone.unwrap_or_default(),
        boot: subject.boot,
        seq: subject.seq,
        code: reason.code.to_owned(),
        field: reason.field,
        detail: format!(
            "{} ({topic}/{partition} offset {})",
            reason.detail, record.offset
        ),
        raw,
        encoding: encoding.to_owned(),
        content: content.into(),
    };
    Append {
        topic: Topic::DeadLetters,
        partition: Partition(record.partition.0 % DEAD_LETTER_PARTITIONS),
        key,
        payload: encode(&message),
    }
}

/// Waits until all are durable. After a failure all are written again: a letter may be there twice,
/// but never not at all.
pub async fn write(log: &dyn EventLog, letters: &[Append]) -> Result<(), String> {
    let appends = letters.iter().map(|letter| log.append(letter.clone()));
    try_join_all(appends)
        .await
        .map(|_| ())
        .map_err(|error| error.to_string())
}
