//! Samples in.

use serde_json::{Value, json};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Required, Schema};

use super::doc::{COMPRESSED, Doc, SENDERS, example};
use crate::error::ErrorCode;
use crate::gateway::http::telemetry::{PROTOBUF, Results};
use crate::gateway::json::reply::BatchReply;
use crate::gateway::json::shape::{Batch, Batches, Sample};

const ABOUT: &str = "\
The body is one lone sample, one batch of one drone, or `batches` of several drones (for a \
relay); at most 1000 samples in all. As JSON, or as protobuf message \
`aerostream.v1.IngestRequest`, answered by `IngestReply`. Its limits are the settings \
`gateway.http.body_bytes_max` and `gateway.http.decoded_bytes_max`.

The answer comes when what it acknowledges is durable. It has the form of the request. A sample \
that is refused costs nobody but itself: `refused` tells which and why, and only when nothing at \
all is acknowledged the answer is a problem, with `results` for each batch where that is known. \
After 429, 503 and 504 send the same again; a repeat is acknowledged and stored once.

A sample without `boot` and `seq` gets both from the gateway, and sending it again makes a new \
one.";

/// `POST /api/v1/telemetry`.
pub fn ingest() -> Doc {
    let mut doc = Doc::new("sendTelemetry", "telemetry", "Sends samples", SENDERS).about(ABOUT);
    let forms = OneOfBuilder::new()
        .item(doc.schema::<Sample>())
        .item(doc.schema::<Batch<'_>>())
        .item(doc.schema::<Batches<'_>>());
    let json = ContentBuilder::new()
        .schema(Some(Schema::from(forms.build())))
        .examples_from_iter([
            ("one", example("One lone sample", &one())),
            ("batch", example("One batch of one drone", &batch())),
            ("batches", example("Batches of several drones", &batches())),
        ]);
    let body = RequestBodyBuilder::new()
        .description(Some(COMPRESSED))
        .content("application/json", json.build())
        .content(PROTOBUF, bytes().build())
        .required(Some(Required::True));
    let result = doc.schema::<BatchReply>();
    let results = doc.schema::<Results>();
    let answers = OneOfBuilder::new().item(result).item(results);
    let told = "Something is acknowledged; `refused`, `retry` and `rejected` tell what is not";
    doc.bodies(body.build())
        .answer_as(
            200,
            told,
            &[
                ("application/json", Some(RefOr::T(answers.build().into()))),
                (PROTOBUF, None),
            ],
        )
        .refuses(&[
            ErrorCode::NotEnrolled,
            ErrorCode::Retired,
            ErrorCode::QuotaExceeded,
            ErrorCode::DeadlinePassed,
        ])
}

fn bytes() -> ContentBuilder {
    let schema = ObjectBuilder::new()
        .schema_type(Type::String)
        .content_media_type(PROTOBUF);
    ContentBuilder::new().schema(Some(schema.build()))
}

fn one() -> Value {
    json!({
        "drone_id": "my-first-drone",
        "position": {
            "latitude_deg": 47.3977, "longitude_deg": 8.5456, "relative_altitude_m": 12.5
        },
        "battery": [{ "id": 0, "remaining_percent": 81.5, "voltage_v": 15.9 }]
    })
}

fn batch() -> Value {
    json!({
        "drone_id": "my-first-drone",
        "boot": "7",
        "sent_at_boot_us": 2_100_000,
        "batch_id": "1",
        "samples": [
            { "seq": 1, "since_boot_us": 1_000_000, "state": { "armed": true } },
            { "seq": 2, "since_boot_us": 2_000_000, "velocity": { "ground_speed_m_s": 3.5 } }
        ]
    })
}

fn batches() -> Value {
    json!({
        "batches": [{
            "drone_id": "my-first-drone",
            "boot": "7",
            "sent_at_boot_us": 3_100_000,
            "batch_id": "2",
            "samples": [
                { "seq": 3, "since_boot_us": 3_000_000, "wind": { "speed_m_s": 4.0 } }
            ]
        }]
    })
}
