//! Why brokers do not let a client in. librdkafka tries again for ever and only logs the reason; a
//! start that is refused is to end with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::client::{Quiet, common_config, start_error};
use super::{Config, StartError};

/// How long one attempt waits before it is looked whether the brokers said no.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Lines of the client's log that are read between two attempts.
const LINES_AT_ONCE: usize = 100;
/// Pause between two attempts that fail at once.
const PAUSE: Duration = Duration::from_millis(50);

/// What the brokers said that trying again does not mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    Login(String),
    Certificate(String),
    Tls(String),
}

impl Refusal {
    /// The refusal in a line of librdkafka's log, if there is one.
    pub(super) fn in_line(line: &str) -> Option<Self> {
        let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
        let reason = line.to_owned();
        if says(&["SASL authentication error", "Authentication failed"]) {
            Some(Self::Login(reason))
        } else if says(&[
            "certificate verify failed",
            "certificate could not be verified",
        ]) {
            Some(Self::Certificate(reason))
        } else if says(&["SSL handshake failed", "SSL transport error"]) {
            Some(Self::Tls(reason))
        } else {
            None
        }
    }

    /// The refusal in an error that a client reports by itself. Its code is sure where there is
    /// one; only the words tell a certificate from a port that does not speak TLS.
    pub(super) fn in_report(code: Option<RDKafkaErrorCode>, reason: &str) -> Option<Self> {
        use RDKafkaErrorCode as Code;
        match code {
            Some(
                Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::UnsupportedSASLMechanism
                | Code::IllegalSASLState,
            ) => Some(Self::Login(reason.to_owned())),
            Some(Code::SSL) => {
                let told = Self::in_line(reason);
                Some(told.unwrap_or_else(|| Self::Tls(reason.to_owned())))
            }
            _ => Self::in_line(reason),
        }
    }

    fn error(self, config: &Config) -> StartError {
        let servers = config.bootstrap_servers.clone();
        match self {
            Self::Login(reason) => StartError::Login {
                servers,
                username: config.username.clone(),
                reason,
            },
            Self::Certificate(reason) => StartError::Certificate { servers, reason },
            Self::Tls(reason) => StartError::Tls { servers, reason },
        }
    }
}

/// Remembers the first refusal of a client.
#[derive(Clone, Default)]
struct Listening(Arc<Mutex<Option<Refusal>>>);

impl Listening {
    fn heard(&self) -> Option<Refusal> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.clone()
    }

    fn hear(&self, refusal: Option<Refusal>) {
        if let Some(refusal) = refusal {
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.get_or_insert(refusal);
        }
    }
}

impl ClientContext for Listening {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.hear(Refusal::in_line(message));
        Quiet.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.hear(Refusal::in_report(error.rdkafka_error_code(), reason));
        Quiet.error(error, reason);
    }
}

impl ConsumerContext for Listening {}

/// Asks the brokers for what they have; blocks.
pub(super) fn metadata<T>(
    config: &Config,
    read: impl Fn(&Metadata) -> T,
    failed: impl FnOnce(KafkaError) -> StartError,
) -> Result<T, StartError> {
    let listening = Listening::default();
    let client: BaseConsumer<Listening> = common_config(config)
        .create_with_context(listening.clone())
        .map_err(start_error)?;
    let begun = Instant::now();
    loop {
        let left = config.start_timeout().saturating_sub(begun.elapsed());
        match client.fetch_metadata(None, left.min(LOOK_EVERY)) {
            Ok(known) => return Ok(read(&known)),
            Err(error) => {
                // What a client logs waits until somebody polls.
                for _ in 0..LINES_AT_ONCE {
                    let _message = client.poll(Duration::ZERO);
                }
                if let Some(refusal) = listening.heard() {
                    return Err(refusal.error(config));
                }
                if left.is_zero() {
                    return Err(failed(error));
                }
                std::thread::sleep(PAUSE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode as Code;

    use super::Refusal;

    const fn kind(refusal: Option<&Refusal>) -> &'static str {
        match refusal {
            Some(Refusal::Login(_)) => "login",
            Some(Refusal::Certificate(_)) => "certificate",
            Some(Refusal::Tls(_)) => "tls",
            None => "",
        }
    }

    #[test]
    fn the_code_of_a_report_beats_its_words() {
        for (code, reason, expected) in [
            (
                Some(Code::Authentication),
                "in words of another version",
                "login",
            ),
            (Some(Code::SSL), "in words of another version", "tls"),
            (
                Some(Code::SSL),
                "handshake: certificate verify failed",
                "certificate",
            ),
            (Some(Code::AllBrokersDown), "1/1 brokers are down", ""),
            (None, "SASL authentication error: no", "login"),
        ] {
            let refusal = Refusal::in_report(code, reason);
            assert_eq!(kind(refusal.as_ref()), expected, "{code:?} {reason}");
        }
    }

    #[test]
    fn a_refusal_is_told_from_what_passes() {
        for (line, expected) in [
            (
                "sasl_ssl://b:1/bootstrap: SASL authentication error: invalid credentials",
                "login",
            ),
            (
                "SSL handshake failed: tls_post_process_server_certificate:certificate verify \
                 failed: broker certificate could not be verified",
                "certificate",
            ),
            (
                "SSL handshake failed: Disconnected: connecting to a PLAINTEXT broker listener?",
                "tls",
            ),
            ("Connect to ipv4#127.0.0.1:9 failed: Connection refused", ""),
        ] {
            assert_eq!(kind(Refusal::in_line(line).as_ref()), expected, "{line}");
        }
    }
}
