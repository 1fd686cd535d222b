//! A sample as the drone keeps it: encoded once, sent as often as needed.

use aerostream_domain::BootId;
use aerostream_domain::sample::{Content, Sample};
use aerostream_proto::v1;
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{encode_varint, encoded_len_varint};

/// What a sample says, on the wire, and the hash of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The wire's `Sample` without seq and clocks.
    pub body: Bytes,
    pub hash: u64,
}

impl Said {
    /// Encodes a content.
    #[must_use]
    pub fn of(content: Content) -> Self {
        let hash = content.hash().0;
        let mut wire = v1::Sample::from(Sample {
            content,
            ..Sample::default()
        });
        wire.seq = None;
        Self {
            body: wire.encode_to_vec().into(),
            hash,
        }
    }
}

/// A sample that has not been acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub boot: BootId,
    pub seq: u64,
    pub utc_us: Option<i64>,
    pub since_boot_us: Option<u64>,
    pub said: Said,
    /// It was acknowledged before; the drone sends it again all the same.
    pub repeat: bool,
}

const SEQ: u8 = 1 << 3;
const UTC: u8 = 2 << 3;
const SINCE_BOOT: u8 = 3 << 3;

const BATCH_ID: u8 = 1 << 3;
const DRONE_ID: u8 = 2 << 3 | 2;
const BOOT: u8 = 3 << 3 | 1;
const SENT_AT_BOOT: u8 = 4 << 3;
const SAMPLES: u8 = 5 << 3 | 2;

/// `batch` of a `StreamRequest`, and `batches` of an `IngestRequest`: the same number and type.
const BATCH: u8 = 1 << 3 | 2;

impl Stored {
    /// Bytes of the wire's `Sample`. A varint of an i64 is that of its two's complement.
    fn wire_len(&self) -> usize {
        let clock = |value: Option<u64>| value.map_or(0, |v| 1 + encoded_len_varint(v));
        clock(Some(self.seq))
            + clock(self.utc_us.map(i64::cast_unsigned))
            + clock(self.since_boot_us)
            + self.said.body.len()
    }

    fn write(&self, buf: &mut BytesMut) {
        let mut clock = |tag, value: Option<u64>| {
            if let Some(value) = value {
                buf.put_u8(tag);
                encode_varint(value, buf);
            }
        };
        clock(SEQ, Some(self.seq));
        clock(UTC, self.utc_us.map(i64::cast_unsigned));
        clock(SINCE_BOOT, self.since_boot_us);
        buf.put_slice(&self.said.body);
    }
}

/// Whose batch it is and when it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    pub batch_id: u64,
    pub drone: &'a str,
    pub boot: BootId,
    pub sent_at_boot_us: Option<u64>,
}

/// A message with one batch: a `StreamRequest` and an `IngestRequest` at once. It is written field
/// by field, since the samples are encoded already.
#[must_use]
pub fn frame(envelope: Envelope<'_>, samples: &[Stored]) -> Bytes {
    let batch_len = batch_len(envelope, samples);
    let mut buf = BytesMut::with_capacity(batch_len + 11);
    buf.put_u8(BATCH);
    encode_varint(batch_len as u64, &mut buf);
    if envelope.batch_id != 0 {
        buf.put_u8(BATCH_ID);
        encode_varint(envelope.batch_id, &mut buf);
    }
    buf.put_u8(DRONE_ID);
    encode_varint(envelope.drone.len() as u64, &mut buf);
    buf.put_slice(envelope.drone.as_bytes());
    buf.put_u8(BOOT);
    buf.put_u64_le(envelope.boot.0);
    if let Some(sent_at) = envelope.sent_at_boot_us {
        buf.put_u8(SENT_AT_BOOT);
        encode_varint(sent_at, &mut buf);
    }
    for sample in samples {
        buf.put_u8(SAMPLES);
        encode_varint(sample.wire_len() as u64, &mut buf);
        sample.write(&mut buf);
    }
    buf.freeze()
}

fn batch_len(envelope: Envelope<'_>, samples: &[Stored]) -> usize {
    let id = match envelope.batch_id {
        0 => 0,
        id => 1 + encoded_len_varint(id),
    };
    let drone = envelope.drone.len();
    let sent = envelope
        .sent_at_boot_us
        .map_or(0, |v| 1 + encoded_len_varint(v));
    let head = id + 1 + encoded_len_varint(drone as u64) + drone + 9 + sent;
    let each = |s: &Stored| {
        let len = s.wire_len();
        1 + encoded_len_varint(len as u64) + len
    };
    head + samples.iter().map(each).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use aerostream_domain::sample::Position;

    use super::*;

    #[test]
    fn a_frame_is_the_message_that_the_generated_code_reads() {
        let content = Content {
            position: Some(Position {
                latitude_deg: Some(48.1),
                longitude_deg: Some(11.5),
                ..Position::default()
            }),
            ..Content::default()
        };
        let said = Said::of(content.clone());
        assert_eq!(said.hash, content.hash().0);
        let stored = |seq, utc_us, since_boot_us| Stored {
            boot: BootId(u64::MAX - 3),
            seq,
            utc_us,
            since_boot_us,
            said: said.clone(),
            repeat: false,
        };
        let samples = [
            stored(0, Some(1_700_000_000_000_000), Some(5)),
            stored(1 << 40, Some(-7), Some(u64::from(u32::MAX))),
            stored(2, None, Some(0)),
            stored(3, Some(1_700_000_000_000_000), None),
        ];
        for (batch_id, sent_at_boot_us) in [(0, None), (77, Some(1 << 35))] {
            let envelope = Envelope {
                batch_id,
                drone: "sim-00001",
                boot: BootId(u64::MAX - 3),
                sent_at_boot_us,
            };
            let bytes = frame(envelope, &samples);
            let request = v1::IngestRequest::decode(bytes.clone()).unwrap();
            let stream = v1::StreamRequest::decode(bytes.clone()).unwrap();
            let batch = &request.batches[0];
            let Some(v1::stream_request::Kind::Batch(same)) = stream.kind else {
                panic!("a stream request holds a batch");
            };
            assert_eq!(&same, batch);
            assert_eq!(request.encode_to_vec(), bytes);
            assert_eq!(
                (batch.batch_id, batch.sent_at_boot_us),
                (batch_id, sent_at_boot_us)
            );
            assert_eq!(batch.boot, Some(u64::MAX - 3));
            for (sent, kept) in batch.samples.iter().zip(&samples) {
                assert_eq!(sent.seq, Some(kept.seq));
                assert_eq!(
                    (sent.utc_us, sent.since_boot_us),
                    (kept.utc_us, kept.since_boot_us)
                );
                let back = Sample::try_from(sent.clone()).unwrap();
                assert_eq!(back.content.hash().0, kept.said.hash);
            }
        }
    }
}
