//! Record payloads: one version byte, then protobuf.

use aerostream_domain::TelemetryRecord;
use aerostream_proto::write_record;
use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;

/// The version that this build writes, and the newest that it reads.
pub const VERSION: u8 = 1;

/// Why a payload is not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer build: the reader stops here until it is updated.
    #[error("record version {version} is newer than {VERSION}, the newest that this build reads")]
    Newer { version: u8 },
    /// No version can decode it: a dead letter.
    #[error("the record is not decodable: {reason}")]
    Undecodable { reason: String },
}

/// Payload of a message.
pub fn encode(message: &impl Message) -> Bytes {
    let mut payload = BytesMut::with_capacity(1 + message.encoded_len());
    payload.put_u8(VERSION);
    message.encode_raw(&mut payload);
    payload.freeze()
}

/// Payload of the message of a telemetry record.
pub fn encode_record(record: &TelemetryRecord) -> Bytes {
    let mut payload = vec![VERSION];
    write_record(record, &mut payload);
    payload.into()
}

/// Message of a payload.
pub fn decode<M: Message + Default>(payload: &[u8]) -> Result<M, DecodeError> {
    match payload.split_first() {
        Some((&VERSION, message)) => M::decode(message).map_err(|error| DecodeError::Undecodable {
            reason: error.to_string(),
        }),
        Some((&version, _)) if version > VERSION => Err(DecodeError::Newer { version }),
        Some((&version, _)) => Err(DecodeError::Undecodable {
            reason: format!("version byte {version}"),
        }),
        None => Err(DecodeError::Undecodable {
            reason: "no bytes".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use aerostream_proto::v1::Epoch;

    use super::*;

    #[test]
    fn a_newer_version_is_told_from_garbage() {
        let epoch = Epoch {
            generation: 1,
            offset: 7,
        };
        let mut payload = encode(&epoch).to_vec();
        assert_eq!(decode::<Epoch>(&payload), Ok(epoch));
        payload[0] = 2;
        assert_eq!(
            decode::<Epoch>(&payload),
            Err(DecodeError::Newer { version: 2 })
        );
        payload[0] = 0;
        assert!(matches!(
            decode::<Epoch>(&payload),
            Err(DecodeError::Undecodable { .. })
        ));
        assert!(matches!(
            decode::<Epoch>(&[]),
            Err(DecodeError::Undecodable { .. })
        ));
        assert!(matches!(
            decode::<Epoch>(&[1, 0xff]),
            Err(DecodeError::Undecodable { .. })
        ));
    }
}
