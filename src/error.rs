//! The closed set of answers that are not success, and what each protocol calls them.

use std::borrow::Cow;
use std::time::Duration;

use tonic::Code;

/// Why a request is not done. Every door uses these and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The bytes are not what the format demands.
    Malformed,
    /// No token, or one that is not valid.
    Unauthenticated,
    /// The token does not allow this.
    Forbidden,
    /// The drone may not send: it is not enrolled and its fleet does not enrol by itself.
    NotEnrolled,
    /// The drone was retired.
    Retired,
    /// Nothing of that name that the caller may see.
    NotFound,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// The client was too slow to send its request.
    TooSlow,
    /// Another change came first, or the thing exists already.
    Conflict,
    /// More bytes or items than are taken at once.
    TooLarge,
    /// A media type or encoding that is not understood.
    UnsupportedMedia,
    /// Understood, and wrong in its content.
    Invalid,
    /// Too much is under way; try again later.
    Overloaded,
    /// The caller used up a quota; try again later.
    QuotaExceeded,
    /// Something that is needed is down; try again later.
    Unavailable,
    /// No answer before the deadline; what was asked may still happen.
    DeadlinePassed,
    /// The software failed.
    Internal,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 17] = [
        Self::Malformed,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotEnrolled,
        Self::Retired,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooSlow,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::Invalid,
        Self::Overloaded,
        Self::QuotaExceeded,
        Self::Unavailable,
        Self::DeadlinePassed,
        Self::Internal,
    ];

    /// Stable name, the same in every protocol.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotEnrolled => "not_enrolled",
            Self::Retired => "retired",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::TooSlow => "too_slow",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::UnsupportedMedia => "unsupported_media",
            Self::Invalid => "invalid",
            Self::Overloaded => "overloaded",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Unavailable => "unavailable",
            Self::DeadlinePassed => "deadline_passed",
            Self::Internal => "internal",
        }
    }

    /// One phrase for people, the same for every occurrence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Malformed => "The request is malformed",
            Self::Unauthenticated => "A valid token is needed",
            Self::Forbidden => "The token does not allow this",
            Self::NotEnrolled => "The drone is not enrolled",
            Self::Retired => "The drone is retired",
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "The method is not allowed here",
            Self::TooSlow => "The request came too slowly",
            Self::Conflict => "Another change came first",
            Self::TooLarge => "The request is too large",
            Self::UnsupportedMedia => "The media type is not supported",
            Self::Invalid => "The content is not valid",
            Self::Overloaded => "Too much is under way",
            Self::QuotaExceeded => "A quota is used up",
            Self::Unavailable => "A needed part is down",
            Self::DeadlinePassed => "No answer in time",
            Self::Internal => "The software failed",
        }
    }

    /// HTTP status.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Unauthenticated => 401,
            Self::Forbidden | Self::NotEnrolled | Self::Retired => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooSlow => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::Invalid => 422,
            Self::Overloaded | Self::QuotaExceeded => 429,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::DeadlinePassed => 504,
        }
    }

    /// gRPC status code.
    #[must_use]
    pub const fn grpc_code(self) -> Code {
        match self {
            Self::Malformed | Self::TooLarge | Self::UnsupportedMedia | Self::Invalid => {
                Code::InvalidArgument
            }
            Self::Unauthenticated => Code::Unauthenticated,
            Self::Forbidden | Self::NotEnrolled | Self::Retired => Code::PermissionDenied,
            Self::NotFound => Code::NotFound,
            Self::MethodNotAllowed => Code::Unimplemented,
            Self::TooSlow | Self::DeadlinePassed => Code::DeadlineExceeded,
            Self::Conflict => Code::Aborted,
            Self::Overloaded | Self::QuotaExceeded => Code::ResourceExhausted,
            Self::Unavailable => Code::Unavailable,
            Self::Internal => Code::Internal,
        }
    }
}

/// What a caller is told when a request is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Problem {
    /// Which of the closed set.
    pub code: ErrorCode,
    /// One sentence on this occurrence: what was wrong and what would be right.
    pub detail: Cow<'static, str>,
    /// Path of the field at fault, such as `samples[3].position.latitude_deg`.
    pub field: Option<String>,
    /// How long to wait before trying again; only where trying again is right.
    pub retry_after: Option<Duration>,
}

impl Problem {
    /// A problem without field and without a reason to wait.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            field: None,
            retry_after: None,
        }
    }

    /// Names the field at fault.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Says that trying again after a while is right.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_retries_map_to_retryable_codes() {
        let names: std::collections::HashSet<_> =
            ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        for code in ErrorCode::ALL {
            let retryable = matches!(
                code.grpc_code(),
                Code::ResourceExhausted | Code::Unavailable
            );
            assert_eq!(
                retryable,
                matches!(code.http_status(), 429 | 503),
                "{} must be retryable in both protocols or in none",
                code.as_str()
            );
        }
    }
}
