//! Every kind of bad input: the exact problem, the dead letters, and nothing else lost.

use std::io::Write;

use aerostream_proto::v1;
use axum::body::Body;
use axum::http::{Method, Request};
use prost::Message;
use serde_json::{Value, json};

use super::support::{Fixture, now_us, start, start_with};
use crate::gateway::auth::Role;

/// One bad sample between two good ones: what it is refused for.
async fn check_sample(fixture: &Fixture, seq: u64, bad: &str, code: &str, field: &str) {
    let good = |seq: u64| {
        let utc = now_us();
        format!(r#"{{"seq":{seq},"utc_us":{utc},"wind":{{"speed_m_s":3}}}}"#)
    };
    let (before, after) = (good(seq - 1), good(seq + 1));
    let bad = bad
        .replace("SEQ", &seq.to_string())
        .replace("NOW", &now_us().to_string());
    let body = format!(r#"{{"drone_id":"alpha","boot":1,"samples":[{before},{bad},{after}]}}"#);
    let letters_before = fixture.letters().len();
    let answer = fixture.post(&body).await;
    assert_eq!(answer.status, 200, "{bad}: {answer:?}");
    let json = answer.json();
    assert_eq!(json["acknowledged"], 2, "{bad}: {json}");
    let refused = &json["refused"][0];
    let expected_field = format!("samples[1]{field}");
    assert_eq!(
        (
            &refused["index"],
            refused["code"].as_str(),
            refused["field"].as_str()
        ),
        (&json!(1), Some(code), Some(expected_field.as_str())),
        "{bad}: {json}"
    );
    assert!(!refused["detail"].as_str().unwrap().is_empty());
    let letters = fixture.letters();
    assert_eq!(letters.len(), letters_before + 1, "{bad}");
    let letter = letters
        .iter()
        .find(|letter| letter.seq == Some(seq))
        .unwrap();
    assert_eq!(
        (letter.drone_id.as_str(), letter.code.as_str()),
        ("alpha", code)
    );
    assert_eq!(letter.principal, "drone-");
    assert_eq!(letter.encoding, "json");
    let raw: Value = serde_json::from_slice(&letter.raw).unwrap();
    assert_eq!(raw["seq"], seq, "{bad}");
}

/// A sample, the code of its refusal and the end of the field's path.
const BAD_SAMPLES: [(&str, &str, &str); 16] = [
    (
        r#"{"seq":SEQ,"utc_us":NOW,"position":{"latitude_deg":91,"longitude_deg":8}}"#,
        "out_of_range",
        ".position.latitude_deg",
    ),
    (
        r#"{"seq":SEQ,"utc_us":NOW,"position":{"latitude_deg":NaN,"longitude_deg":8}}"#,
        "out_of_range",
        ".position.latitude_deg",
    ),
    (
        r#"{"seq":SEQ,"utc_us":NOW,"velocity":{"north_m_s":-Infinity}}"#,
        "out_of_range",
        ".velocity.north_m_s",
    ),
    (
        r#"{"seq":SEQ,"utc_us":NOW,"battery":[{"id":0},{"id":1,"remaining_percent":140}]}"#,
        "out_of_range",
        ".battery[1].remaining_percent",
    ),
    (
        r#"{"seq":SEQ,"utc_us":NOW,"position":{"latitude":47}}"#,
        "unexpected",
        ".position.latitude",
    ),
    (
        r#"{"seq":SEQ,"utc_us":NOW,"altitude":12}"#,
        "unexpected",
        ".altitude",
    ),
    (
        r#"{"seq":SEQ,"utc_us":NOW,"position":{"latitude_deg":"47 N"}}"#,
        "malformed",
        ".position.latitude_deg",
    ),
    (
        r#"{"seq":SEQ,"utc_us":NOW,"position":[8.5,47.0]}"#,
        "malformed",
        ".position",
    ),
    (
        r#"{"seq":SEQ,"utc_us":NOW,"state":{"flight_mode":"warp"}}"#,
        "malformed",
        ".state.flight_mode",
    ),
    (r#"{"seq":SEQ,"time":"yesterday"}"#, "malformed", ".time"),
    (
        r#"{"seq":SEQ,"time":"2026-01-01T00:00:00Z","utc_us":NOW}"#,
        "unexpected",
        ".time",
    ),
    (
        r#"{"seq":SEQ,"utc_us":NOW,"drone_id":"bravo"}"#,
        "unexpected",
        ".drone_id",
    ),
    (
        r#"{"seq":SEQ,"utc_us":NOW,"extras":[{"name":"a","flag":true,"number":1}]}"#,
        "unexpected",
        ".extras[0]",
    ),
    (r#"{"seq":SEQ,"utc_us":0}"#, "clock_unset", ".utc_us"),
    (
        r#"{"seq":SEQ,"utc_us":4070908800000000}"#,
        "in_the_future",
        ".utc_us",
    ),
    (
        r#"{"seq":SEQ,"wind":{"speed_m_s":1}}"#,
        "no_time",
        ".utc_us",
    ),
];

#[tokio::test]
async fn a_bad_sample_is_refused_alone() {
    let fixture = start().await;
    for (place, (bad, code, field)) in (1..).zip(BAD_SAMPLES) {
        check_sample(&fixture, place * 10, bad, code, field).await;
    }
}

/// Clock in 1970 with a boot clock: the boot clock tells the time.
#[tokio::test]
async fn an_unset_clock_beside_a_boot_clock_is_paired() {
    let fixture = start().await;
    let body = json!({
        "drone_id": "alpha", "boot": 3, "sent_at_boot_us": 2_000_000,
        "samples": [{ "seq": 1, "utc_us": 0, "since_boot_us": 1_000_000 }],
    });
    let answer = fixture.post(&body.to_string()).await;
    assert_eq!(answer.json()["acknowledged"], 1, "{answer:?}");
    let token = fixture.token(Role::Viewer, &["*"]);
    let live = fixture.get("/api/v1/drones/alpha", &token).await.json();
    assert_eq!(live["live"]["newest"]["basis"], "paired");
}

#[tokio::test]
async fn a_request_that_is_wrong_as_a_whole() {
    let fixture = start().await;
    let many: Vec<Value> = (0..1001)
        .map(|seq| json!({ "seq": seq, "utc_us": 1 }))
        .collect();
    let many = json!({ "drone_id": "alpha", "boot": 1, "samples": many }).to_string();
    let cases: [(&str, u16, &str, &str); 13] = [
        ("", 400, "malformed", ""),
        ("{", 400, "malformed", ""),
        ("[1]", 400, "malformed", ""),
        (
            r#"{"drone_id":"alpha","samples":[{"seq":1]}"#,
            400,
            "malformed",
            "",
        ),
        (r#"{"seq":1}"#, 422, "invalid", "drone_id"),
        (
            r#"{"drone_id":"al pha","seq":1}"#,
            422,
            "invalid",
            "drone_id",
        ),
        (
            r#"{"drone_id":"alpha","samples":[]}"#,
            422,
            "invalid",
            "samples",
        ),
        (&many, 422, "invalid", "samples"),
        (
            r#"{"drone_id":"alpha","boot":-1,"samples":[]}"#,
            422,
            "invalid",
            "boot",
        ),
        (
            r#"{"drone_id":"alpha","samples":[],"fast":1}"#,
            422,
            "invalid",
            "fast",
        ),
        (
            r#"{"drone_id":"alpha","samples":[{"seq":1}]}"#,
            422,
            "invalid",
            "boot",
        ),
        (r#"{"batches":[]}"#, 422, "invalid", "batches"),
        (
            r#"{"drone_id":"alpha","position":{"latitude_deg":91,"longitude_deg":8}}"#,
            422,
            "invalid",
            "position.latitude_deg",
        ),
    ];
    for (place, (body, status, code, field)) in cases.into_iter().enumerate() {
        let answer = fixture.post(body).await;
        let expected = (status, code.to_owned(), field.to_owned());
        assert_eq!(answer.problem(), expected, "{body:.80}: {answer:?}");
        let media = &answer.response.headers()["content-type"];
        assert_eq!(media, "application/problem+json");
        assert_eq!(fixture.letters().len(), place + 1, "{body:.80}");
    }
}

async fn post_raw(fixture: &Fixture, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, String) {
    let token = fixture.token(Role::Drone, &[]);
    let mut request =
        Request::post("/api/v1/telemetry").header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = fixture.call(request.body(Body::from(body)).unwrap()).await;
    let (status, code, _) = answer.problem();
    (status, code)
}

#[tokio::test]
async fn bodies_that_are_too_much_or_not_what_they_say() {
    let fixture = start_with(|config| {
        config.http.body_bytes_max = 4096;
        config.http.decoded_bytes_max = 8192;
    })
    .await;
    let bomb = vec![b' '; 1 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&bomb).unwrap();
    let json = ("content-type", "application/json");
    let too_large = || (413, "too_large".to_owned());
    let malformed = || (400, "malformed".to_owned());
    let foreign = || (415, "unsupported_media".to_owned());
    let check = async |headers: &[(&str, &str)], body: Vec<u8>, expected: (u16, String)| {
        assert_eq!(
            post_raw(&fixture, headers, body).await,
            expected,
            "{headers:?}"
        );
    };
    check(&[json], vec![b' '; 4097], too_large()).await;
    check(
        &[json, ("content-encoding", "gzip")],
        gzip.finish().unwrap(),
        too_large(),
    )
    .await;
    let zstd = zstd::encode_all(&bomb[..], 19).unwrap();
    check(&[json, ("content-encoding", "zstd")], zstd, too_large()).await;
    check(
        &[json, ("content-encoding", "gzip")],
        b"not gzip".to_vec(),
        malformed(),
    )
    .await;
    check(
        &[json, ("content-encoding", "zstd")],
        b"not zstd".to_vec(),
        malformed(),
    )
    .await;
    check(
        &[json, ("content-encoding", "br")],
        b"{}".to_vec(),
        foreign(),
    )
    .await;
    check(&[("content-type", "text/csv")], b"{}".to_vec(), foreign()).await;
    check(&[json], vec![0xff, 0xfe], malformed()).await;

    let whole = v1::IngestRequest {
        batches: vec![v1::Batch {
            drone_id: "alpha".to_owned(),
            ..v1::Batch::default()
        }],
    };
    let mut truncated = whole.encode_to_vec();
    truncated.pop();
    let before = fixture.letters().len();
    check(
        &[("content-type", "application/x-protobuf")],
        truncated.clone(),
        malformed(),
    )
    .await;
    let letters = fixture.letters();
    assert_eq!(letters.len(), before + 1);
    assert!(letters.iter().any(|letter| letter.raw == truncated));
}

#[tokio::test]
async fn a_drone_that_writes_another_one() {
    let fixture = start().await;
    let body = r#"{"drone_id":"bravo","boot":1,"seq":1,"position":{"latitude_deg":91}}"#;
    let answer = fixture.post(body).await;
    let expected = (403, "forbidden".to_owned(), "drone_id".to_owned());
    assert_eq!(answer.problem(), expected);
    assert!(
        fixture.letters().is_empty(),
        "it is not refused for its content"
    );
}

#[tokio::test]
async fn dead_letters_have_a_quota() {
    let fixture = start_with(|config| {
        config.limits.dead_letters_burst = 2;
        config.limits.dead_letters_per_minute = 1;
    })
    .await;
    let statuses = async |count: usize| {
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(fixture.post("{").await.problem());
        }
        statuses
    };
    let malformed = || (400, "malformed".to_owned(), String::new());
    let quota = || (429, "quota_exceeded".to_owned(), String::new());
    assert_eq!(statuses(3).await, [malformed(), malformed(), quota()]);
    assert_eq!(fixture.letters().len(), 2);
    // What is good still passes.
    let good = fixture
        .post(r#"{"drone_id":"alpha","wind":{"speed_m_s":1}}"#)
        .await;
    assert_eq!(good.status, 200, "{good:?}");
}

#[tokio::test]
async fn too_much_under_way_is_refused_first() {
    let fixture = start_with(|config| config.limits.principal_bytes_max = 10).await;
    let answer = fixture
        .post(r#"{"drone_id":"alpha","wind":{"speed_m_s":1}}"#)
        .await;
    assert_eq!(answer.problem().0, 429);
    assert_eq!(answer.response.headers()["retry-after"], "1");
    let path = "/api/v1/nothing";
    let answer = fixture.send(Method::POST, path, "", "").await;
    assert_eq!(answer.problem().1, "not_found");
}
