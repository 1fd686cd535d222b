//! What was refused: listed, shown, sent again.

use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

use super::doc::{ADMIN, Doc, text};
use super::drones::moment;
use super::samples::code;
use crate::error::ErrorCode;
use crate::gateway::dead_letter::Content;
use crate::gateway::json::reply::BatchReply;

const TAG: &str = "dead-letters";
const ID: &str = "Partition and offset of the letter, as the list tells it.";

/// `GET /api/v1/dead-letters`.
pub fn list() -> Doc {
    Doc::new("listDeadLetters", TAG, "Lists what was refused", ADMIN)
        .about(
            "Newest first, of drones of the token's fleets. A page may be shorter than its limit; \
             the list is over when `next_after` is null.",
        )
        .query(
            "drone",
            "Of this drone only.",
            super::doc::id_schema(),
            None,
        )
        .query("code", "Refused with this code only.", text(), None)
        .query("from", "First moment.", moment(), None)
        .query("to", "Moment behind the last.", moment(), None)
        .query("after", "The answer's `next_after`.", id(), None)
        .limit()
        .answer::<DeadLetterPage>(200, "A page of dead letters")
        .refuses(&[ErrorCode::NotFound, ErrorCode::DeadlinePassed])
}

/// `GET /api/v1/dead-letters/{id}`.
pub fn show() -> Doc {
    Doc::new(
        "getDeadLetter",
        TAG,
        "Shows what was refused, and why",
        ADMIN,
    )
    .segment("id", ID, id(), "0-0")
    .answer::<DeadLetterContent>(200, "The letter with what was refused")
    .refuses(&[ErrorCode::DeadlinePassed])
}

/// `POST /api/v1/dead-letters/{id}/replay`.
pub fn replay() -> Doc {
    Doc::new(
        "replayDeadLetter",
        TAG,
        "Sends what was refused again",
        ADMIN,
    )
    .about(
        "It is judged as it is now, such as after its drone was enrolled. The letter stays; \
             sending it twice stores it once. What is refused again is a problem.",
    )
    .segment("id", ID, id(), "0-0")
    .answer::<Replayed>(200, "What became of each batch")
    .refuses(&[
        ErrorCode::NotEnrolled,
        ErrorCode::Retired,
        ErrorCode::QuotaExceeded,
        ErrorCode::DeadlinePassed,
    ])
}

fn id() -> RefOr<Schema> {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^(0|[1-9][0-9]{0,2})-(0|[1-9][0-9]{0,17})$"))
        .into()
}

/// A page of dead letters.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "tells the shape of an answer that is built field by field"
)]
pub struct DeadLetterPage {
    dead_letters: Vec<DeadLetter>,
    /// The `after` of the next page; null when the list is over.
    next_after: Option<String>,
}

/// What was refused. A letter that cannot be read has no more than `id`, `at`, `code` and `detail`.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "tells the shape of an answer that is built field by field"
)]
pub struct DeadLetter {
    id: String,
    /// When it was refused, microseconds since 1970, UTC.
    at_us: i64,
    /// The same, RFC 3339.
    #[schema(format = DateTime)]
    at: String,
    drone_id: Option<String>,
    boot: Option<String>,
    seq: Option<u64>,
    /// Who sent it.
    #[schema(required = false)]
    principal: String,
    /// Stable name of the reason.
    code: String,
    /// Path of what was wrong.
    #[schema(required = false)]
    field: String,
    /// What was wrong and what would be right.
    detail: String,
    /// `json` or `protobuf`.
    #[schema(required = false)]
    encoding: String,
    /// What the bytes are; null if that was not noted.
    #[schema(schema_with = content)]
    content: Option<String>,
    #[schema(required = false)]
    raw_bytes: u64,
}

fn content() -> ObjectBuilder {
    let named = code::<Content>();
    let names = named.enum_values.unwrap_or_default();
    ObjectBuilder::new()
        .schema_type(utoipa::openapi::schema::SchemaType::from_iter([
            Type::String,
            Type::Null,
        ]))
        .enum_values(Some(names.into_iter().chain([serde_json::Value::Null])))
}

/// A dead letter with its bytes.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "tells the shape of an answer that is built field by field"
)]
pub struct DeadLetterContent {
    #[schema(inline)]
    #[serde(flatten)]
    letter: DeadLetter,
    /// The bytes as base64.
    #[schema(required = false)]
    raw: String,
    /// The bytes, if they are text.
    #[schema(required = false)]
    raw_text: String,
    /// Protobuf in words for people.
    decoded: Option<String>,
    /// Whether it can be sent again.
    #[schema(required = false)]
    replayable: bool,
    /// Why it cannot.
    not_replayable_since: Option<String>,
}

/// What became of a letter that was sent again.
#[derive(Debug, ToSchema)]
#[expect(
    dead_code,
    reason = "tells the shape of an answer that is built field by field"
)]
pub struct Replayed {
    id: String,
    results: Vec<BatchReply>,
}
