//! Bad input over REST.

use std::io::Write;
use std::time::Instant;

use aerostream_proto::v1;
use prost::Message;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Door, LETTERS_MAX, PATIENCE_MS, SOON, open};
use crate::support::{Answer, ask, client, now_us};

const JSON: (&str, &str) = ("content-type", "application/json");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

impl Door {
    async fn send(&self, token: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = client().post(self.system.url("/api/v1/telemetry"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        ask(request.bearer_auth(token).body(body)).await
    }

    async fn send_json(&self, body: &Value) -> Answer {
        self.send(&self.token, &[JSON], body.to_string().into_bytes())
            .await
    }
}

/// Status, code and field of a problem document.
#[track_caller]
fn problem(answer: &Answer) -> (u16, &str, &str) {
    let media = answer.headers.get("content-type").expect("a media type");
    assert_eq!(media, "application/problem+json", "{answer:?}");
    assert_eq!(answer.json["status"], answer.status, "{answer:?}");
    let text = |name: &str| answer.json[name].as_str().unwrap_or_default();
    assert!(
        !text("detail").is_empty() && !text("title").is_empty(),
        "{answer:?}"
    );
    (answer.status, text("code"), text("field"))
}

fn good(seq: u64) -> Value {
    json!({"seq": seq, "utc_us": now_us(), "wind": {"speed_m_s": 3.0}})
}

/// What is wrong with one sample: its text, the reason, the field.
fn bad_samples() -> Vec<(String, &'static str, &'static str)> {
    let position =
        |latitude: &str| format!(r#""position":{{"latitude_deg":{latitude},"longitude_deg":8}}"#);
    let now = |rest: &str| format!(r#"{{"seq":SEQ,"utc_us":{},{rest}}}"#, now_us());
    let latitude = ".position.latitude_deg";
    vec![
        (now(&position("91")), "out_of_range", latitude),
        (now(&position("NaN")), "out_of_range", latitude),
        (now(&position("\"47 N\"")), "malformed", latitude),
        (
            now(r#""battery":[{"id":0,"remaining_percent":140}]"#),
            "out_of_range",
            ".battery[0].remaining_percent",
        ),
        (now(r#""altitude":12"#), "unexpected", ".altitude"),
        (
            now(r#""velocity":{"knots":5}"#),
            "unexpected",
            ".velocity.knots",
        ),
        (
            r#"{"seq":SEQ,"utc_us":0}"#.to_owned(),
            "clock_unset",
            ".utc_us",
        ),
        (
            r#"{"seq":SEQ,"time":"2099-01-01T00:00:00Z"}"#.to_owned(),
            "in_the_future",
            ".utc_us",
        ),
        (
            r#"{"seq":SEQ,"wind":{"speed_m_s":1}}"#.to_owned(),
            "no_time",
            ".utc_us",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_sample_costs_its_batch_nothing_and_is_kept() {
    let door = open().await;
    let cases = bad_samples();
    for (place, (bad, code, field)) in cases.iter().enumerate() {
        let seq = 10 * (place as u64 + 1);
        let bad = bad.replace("SEQ", &seq.to_string());
        let (before, after) = (good(seq - 1), good(seq + 1));
        let body = format!(r#"{{"drone_id":"alpha","boot":1,"samples":[{before},{bad},{after}]}}"#);
        let answer = door.send(&door.token, &[JSON], body.into_bytes()).await;
        assert_eq!(
            (answer.status, &answer.json["acknowledged"]),
            (200, &json!(2)),
            "{answer:?}"
        );
        let refused = &answer.json["refused"][0];
        let told = (
            refused["index"].as_u64(),
            refused["code"].as_str(),
            refused["field"].as_str(),
        );
        let expected = format!("samples[1]{field}");
        assert_eq!(
            told,
            (Some(1), Some(*code), Some(expected.as_str())),
            "{answer:?}"
        );
        assert!(
            refused["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
    }
    // A clock in 1970 beside a boot clock is no fault: the boot clock tells the time.
    let paired = json!({
        "drone_id": "alpha", "boot": 2, "sent_at_boot_us": 2_000_000,
        "samples": [{"seq": 1, "utc_us": 0, "since_boot_us": 1_000_000}],
    });
    let answer = door.send_json(&paired).await;
    assert_eq!(answer.json["acknowledged"], 1, "{answer:?}");
    door.stored(2 * cases.len() + 1).await;

    let letters = door.letters().await;
    assert_eq!(letters.len(), cases.len());
    for (place, (_, code, _)) in cases.iter().enumerate() {
        let seq = 10 * (place as u64 + 1);
        let mut found = letters.iter().filter(|letter| letter.seq == Some(seq));
        let letter = found.next().expect("a letter of every refused sample");
        let kept = (
            letter.drone_id.as_str(),
            letter.code.as_str(),
            letter.principal.as_str(),
        );
        assert_eq!(kept, ("alpha", *code, "alpha"), "{letter:?}");
        assert!(
            !letter.raw.is_empty() && letter.encoding == "json",
            "{letter:?}"
        );
    }
}

/// Bodies of some kilobytes that unpack to 64 MiB, with their encoding.
fn bombs() -> [(&'static str, Vec<u8>); 2] {
    let bomb = vec![b' '; 64 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bomb).expect("memory");
    let gzip = gzip.finish().expect("memory");
    let zstd = zstd::encode_all(&bomb[..], 1).expect("memory");
    [("gzip", gzip), ("zstd", zstd)]
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_wrong_as_a_whole_are_told_what_would_be_right() {
    let door = open().await;
    let many: Vec<Value> = (0..1_001).map(good).collect();
    let wrong = [
        (
            json!({"drone_id": "al pha", "boot": 1, "samples": [good(1)]}),
            "drone_id",
        ),
        (
            json!({"drone_id": "alpha", "boot": 1, "samples": many}),
            "samples",
        ),
        (
            json!({"drone_id": "alpha", "boot": 1, "samples": [good(1)], "fast": 1}),
            "fast",
        ),
    ];
    for (body, field) in &wrong {
        let answer = door.send_json(body).await;
        assert_eq!(problem(&answer), (422, "invalid", *field), "{answer:?}");
    }
    for text in ["", "{", r#"{"drone_id":"alpha","samples":[{"seq":1]}"#] {
        let answer = door.send(&door.token, &[JSON], text.into()).await;
        assert_eq!(problem(&answer), (400, "malformed", ""), "{text}");
    }
    let batch = v1::Batch {
        drone_id: "alpha".to_owned(),
        ..v1::Batch::default()
    };
    let mut truncated = v1::IngestRequest {
        batches: vec![batch.clone()],
    }
    .encode_to_vec();
    truncated.pop();
    let answer = door.send(&door.token, &[PROTOBUF], truncated.clone()).await;
    assert_eq!(problem(&answer), (400, "malformed", ""), "{answer:?}");
    let oversized = v1::IngestRequest {
        batches: vec![batch; 1_001],
    };
    let answer = door
        .send(&door.token, &[PROTOBUF], oversized.encode_to_vec())
        .await;
    assert_eq!(
        problem(&answer),
        (413, "too_large", "batches"),
        "{answer:?}"
    );

    let answer = door
        .send(&door.token, &[JSON], vec![b' '; (1 << 20) + 1])
        .await;
    assert_eq!(problem(&answer).1, "too_large", "{answer:?}");
    for (encoding, body) in bombs() {
        let headers = [JSON, ("content-encoding", encoding)];
        let answer = door.send(&door.token, &headers, body).await;
        assert_eq!(problem(&answer), (413, "too_large", ""), "{answer:?}");
    }
    let resident = door.up.resident_peak();
    assert!(resident < 512 << 20, "{} MiB for a bomb", resident >> 20);

    let letters = door.letters().await;
    assert!(letters.iter().any(|letter| letter.raw == truncated));
    assert!(letters.iter().all(|letter| letter.principal == "alpha"));
    // Of what could be read, all; of what was too large to be read, nothing.
    assert_eq!(letters.len(), 3 + 3 + 2, "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_impostors_leave_no_trace() {
    let door = open().await;
    let mine = json!({"drone_id": "alpha", "boot": 1, "samples": [good(1)]});
    let forged = {
        let (signed, signature) = door.token.rsplit_once('.').expect("a token has dots");
        let other = if signature.starts_with('A') { "B" } else { "A" };
        format!("{signed}.{other}{}", &signature[1..])
    };
    for token in [forged.as_str(), "nonsense", ""] {
        let answer = door
            .send(token, &[JSON], mine.to_string().into_bytes())
            .await;
        assert_eq!(
            problem(&answer),
            (401, "unauthenticated", "authorization"),
            "{answer:?}"
        );
        assert!(
            answer.headers.contains_key("www-authenticate"),
            "{answer:?}"
        );
    }
    let other = json!({"drone_id": "bravo", "boot": 1, "samples": [good(1)]});
    let answer = door.send_json(&other).await;
    assert_eq!(
        problem(&answer),
        (403, "forbidden", "drone_id"),
        "{answer:?}"
    );
    let both = json!({"batches": [mine, other]});
    let answer = door.send_json(&both).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json["results"][0]["acknowledged"], 1, "{answer:?}");
    assert_eq!(
        answer.json["results"][1]["rejected"]["code"], "forbidden",
        "{answer:?}"
    );
    let viewer = door.system.token("viewer");
    let answer = door
        .send(&viewer, &[JSON], mine.to_string().into_bytes())
        .await;
    assert_eq!(problem(&answer).1, "forbidden", "{answer:?}");
    door.stored(1).await;
    let nobody = door.system.get("/api/v1/drones/bravo").await;
    assert_eq!(nobody.status, 404, "{nobody:?}");
    assert_eq!(door.letters().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_is_sent_away() {
    let door = open().await;
    let patience = std::time::Duration::from_millis(PATIENCE_MS);
    let head = format!(
        "POST /api/v1/telemetry HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
         authorization: Bearer {}\r\ncontent-length: 500\r\n\r\n{{",
        door.token
    );
    for (sent, answered) in [("POST /api/v1/telem", false), (head.as_str(), true)] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(("127.0.0.1", door.system.http))
            .await
            .expect("open");
        stream.write_all(sent.as_bytes()).await.expect("it listens");
        let mut answer = String::new();
        let reading = tokio::time::timeout(SOON, stream.read_to_string(&mut answer));
        // A reset is an end as well.
        let _ended = reading.await.expect("the door closes the connection");
        assert!(began.elapsed() >= patience / 2, "{answer}");
        if answered {
            assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
            assert!(answer.contains("\"code\":\"too_slow\""), "{answer}");
        }
    }
    let mine = json!({"drone_id": "alpha", "boot": 1, "samples": [good(1)]});
    let answer = door.send_json(&mine).await;
    assert_eq!(answer.json["acknowledged"], 1, "{answer:?}");
    assert_eq!(door.letters().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_have_a_quota_and_good_samples_still_pass() {
    let door = open().await;
    for _ in 0..LETTERS_MAX {
        let answer = door.send(&door.token, &[JSON], "{".into()).await;
        assert_eq!(problem(&answer).1, "malformed", "{answer:?}");
    }
    let answer = door.send(&door.token, &[JSON], "{".into()).await;
    assert_eq!(problem(&answer), (429, "quota_exceeded", ""), "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"), "{answer:?}");
    let mine = json!({"drone_id": "alpha", "boot": 1, "samples": [good(1)]});
    let answer = door.send_json(&mine).await;
    assert_eq!(answer.json["acknowledged"], 1, "{answer:?}");
    assert_eq!(door.letters().await.len(), LETTERS_MAX);
}
