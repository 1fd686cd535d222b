//! Problems as gRPC statuses.

use tonic::Status;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

use crate::error::Problem;
use crate::gateway::http::problem::to_json;
use crate::gateway::ingest::{BatchOutcome, Fate};
use crate::gateway::metrics;

/// Where a status has its problem document.
pub const PROBLEM_METADATA: &str = "aerostream-problem";

/// A problem on its way to a gRPC client.
pub(super) fn to_status(problem: Problem) -> Status {
    metrics::problem(problem.code);
    let mut metadata = MetadataMap::new();
    let document = ascii(&to_json(&problem));
    if let Ok(value) = AsciiMetadataValue::try_from(document) {
        metadata.insert(PROBLEM_METADATA, value);
    }
    let message = match &problem.field {
        Some(field) => format!("{field}: {}", problem.detail),
        None => problem.detail.to_string(),
    };
    Status::with_metadata(problem.code.grpc_code(), message, metadata)
}

/// JSON without any character that a header may not have.
fn ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if (b' '..=b'~').contains(&byte) => ascii.push(char::from(byte)),
            _ => ascii.push_str(&format!("\\u{unit:04x}")),
        }
    }
    ascii
}

/// The problem of a unary call of which no batch has a fate of its own: the caller is not to read
/// the results of a call that did nothing. One batch to be sent again makes the call one to be
/// sent again.
pub(super) fn whole_problem(outcomes: &[BatchOutcome]) -> Option<Problem> {
    let mut whole: Option<&Problem> = None;
    for outcome in outcomes {
        match &outcome.fate {
            Fate::Settled { .. } => return None,
            Fate::Retry(problem) => {
                if whole.is_none_or(|whole| whole.retry_after.is_none()) {
                    whole = Some(problem);
                }
            }
            Fate::Rejected(problem) => whole = whole.or(Some(problem)),
        }
    }
    whole.cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_ascii_and_the_same_json() {
        let json = "{\"detail\":\"character 2 is 'ö' \u{1f681}\"}";
        let ascii = ascii(json);
        assert!(ascii.is_ascii());
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&ascii), parse(json));
    }
}
