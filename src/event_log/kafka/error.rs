//! Errors of the start, and what librdkafka's errors mean for the port.

use aerostream_log::LogError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// Why the Kafka adapter could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The client library refused a setting.
    #[error("the Kafka client could not be made")]
    Client { source: KafkaError },
    /// No broker answered.
    #[error("Kafka at {servers} could not be asked for {what}")]
    Ask {
        servers: String,
        what: &'static str,
        source: KafkaError,
    },
    /// The brokers do not let the user in.
    #[error(
        "Kafka at {servers} does not let user `{username}` in; check log.kafka.username, \
         log.kafka.password and log.kafka.sasl_mechanism: {reason}"
    )]
    Login {
        servers: String,
        username: String,
        reason: String,
    },
    /// The brokers' certificate is signed by somebody else.
    #[error(
        "Kafka at {servers} shows a certificate that is not trusted; log.kafka.ca_path must name \
         the file of the authority that signed it: {reason}"
    )]
    Certificate { servers: String, reason: String },
    /// The brokers do not speak TLS, or nothing but it.
    #[error(
        "Kafka at {servers} and this client do not agree on TLS; check \
         log.kafka.security_protocol: {reason}"
    )]
    Tls { servers: String, reason: String },
    /// A topic could not be made.
    #[error("topic {topic} could not be made: {reason}")]
    Create { topic: String, reason: String },
    /// Settings that would break promises; each line says what is set and what would be right.
    #[error("Kafka's settings are not safe:\n{}", .0.join("\n"))]
    Unsafe(Vec<String>),
    /// The start itself was stopped.
    #[error("the start was interrupted: {reason}")]
    Interrupted { reason: String },
}

/// True if the error passes once brokers can be reached again.
pub(super) fn is_passing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    !matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::Authentication
            | Code::UnsupportedVersion
            | Code::UnsupportedSASLMechanism
            | Code::InvalidArgument
            | Code::Fatal
            | Code::State
            | Code::NotImplemented
    )
}

/// True if a fetch asked for an offset that is not there.
pub(super) fn is_outside(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::OffsetOutOfRange
            | RDKafkaErrorCode::AutoOffsetReset
            | RDKafkaErrorCode::NoOffset
    )
}

pub(super) fn log_error(doing: impl Into<String>, error: &KafkaError) -> LogError {
    let doing = doing.into();
    let reason = error.to_string();
    match error.rdkafka_error_code() {
        Some(code) if is_passing(code) => LogError::Unavailable { doing, reason },
        _ => LogError::Failed { doing, reason },
    }
}
