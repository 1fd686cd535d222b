//! Signatures of messages, as the Standard Webhooks specification has them: HMAC-SHA256 over id,
//! time and body.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Beginning of a secret, which tells people what it is.
const PREFIX: &str = "whsec_";
/// Bytes of a secret.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Why a text holds no secrets. None of its bytes is ever told.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// There is no line with one.
    #[error("holds no secret: a line each, whsec_ and 24 to 64 bytes in base64")]
    None,
    /// A line is no base64.
    #[error("is no base64 behind whsec_ in line {line}")]
    NoBase64 { line: usize },
    /// A secret is too short to be one, or longer than the specification has them.
    #[error("has a secret of {bytes} bytes in line {line}; it must have 24 to 64")]
    Length { line: usize, bytes: usize },
}

/// The secrets of a target.
pub(super) struct Keys(Vec<Vec<u8>>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// Reads one secret a line; empty lines are passed over.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut keys = Vec::new();
        for (line, text) in (1..).zip(text.lines().map(str::trim)) {
            if text.is_empty() {
                continue;
            }
            let key = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text));
            let key = key.map_err(|_| KeysError::NoBase64 { line })?;
            if !BYTES.contains(&key.len()) {
                let bytes = key.len();
                return Err(KeysError::Length { line, bytes });
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeysError::None);
        }
        Ok(Self(keys))
    }

    /// The value of `webhook-signature`: one signature for each secret. `at_s` is in seconds since
    /// 1970.
    pub fn sign(&self, id: &str, at_s: i64, body: &[u8]) -> String {
        let signatures = self.0.iter().filter_map(|key| {
            // A key of any length is taken.
            let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
            mac.update(format!("{id}.{at_s}.").as_bytes());
            mac.update(body);
            let signature = STANDARD.encode(mac.finalize().into_bytes());
            Some(format!("v1,{signature}"))
        });
        signatures.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Id, time and body of the example of the specification's own libraries.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let keys = Keys::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = keys.sign(id, 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_secret_signs() {
        let one = Keys::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let text = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n\nC2FVsBQIhrscChlQIMV+b5sSYspob7oD\n";
        let two = Keys::parse(text).unwrap().sign("id", 1, b"{}");
        let (first, second) = two.split_once(' ').unwrap();
        assert_eq!(first, one.sign("id", 1, b"{}"));
        assert_ne!(first, second);
    }

    #[test]
    fn what_is_no_secret_is_told_without_its_bytes() {
        let wrong = |text| Keys::parse(text).unwrap_err();
        assert_eq!(wrong("\n \n"), KeysError::None);
        assert_eq!(wrong("whsec_no base64!"), KeysError::NoBase64 { line: 1 });
        let short = KeysError::Length { line: 2, bytes: 3 };
        assert_eq!(wrong("\nwhsec_AAAA"), short);
        let keys = Keys::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(format!("{keys:?}"), "Keys(1)");
    }
}
