//! Dead letters: found newest first, shown to those who may see them, sent again as judged now.

use aerostream_log::topic::DEAD_LETTER_PARTITIONS;
use aerostream_log::{Append, EventLog, Partition, Topic, encode};
use aerostream_proto::v1;
use aerostream_proto::v1::DeadLetterContent as Content;
use axum::http::Method;
use prost::Message;
use serde_json::{Value, json};

use super::support::{Fixture, fleet, now_us, start, start_with};
use crate::gateway::auth::Role;
use crate::gateway::dead_letter::find::LetterId;
use crate::registry::FleetPatch;

const PATH: &str = "/api/v1/dead-letters";

fn sample(seq: u64, latitude_deg: f64) -> Value {
    json!({
        "seq": seq, "utc_us": now_us(), "position": {
            "latitude_deg": latitude_deg, "longitude_deg": 8,
        },
    })
}

async fn refuse(fixture: &Fixture, seq: u64) {
    let body = json!({ "drone_id": "alpha", "boot": 1, "samples": [sample(seq, 91.0)] });
    assert_eq!(fixture.post(&body.to_string()).await.status, 422);
}

async fn write(fixture: &Fixture, letter: v1::DeadLetter) -> String {
    let append = Append {
        topic: Topic::DeadLetters,
        partition: Partition(DEAD_LETTER_PARTITIONS - 1),
        key: bytes::Bytes::new(),
        payload: encode(&letter),
    };
    let appended = fixture.log.append(append).await.unwrap();
    format!("{}-{}", DEAD_LETTER_PARTITIONS - 1, appended.offset.0)
}

fn letter(drone: &str, content: Content, encoding: &str, raw: Vec<u8>) -> v1::DeadLetter {
    v1::DeadLetter {
        drone_id: drone.to_owned(),
        boot: Some(1),
        code: "out_of_range".to_owned(),
        raw: raw.into(),
        encoding: encoding.to_owned(),
        content: content.into(),
        ..v1::DeadLetter::default()
    }
}

async fn replay(fixture: &Fixture, id: &str) -> super::support::Answer {
    let admin = fixture.token(Role::Admin, &["*"]);
    let path = format!("{PATH}/{id}/replay");
    fixture.send(Method::POST, &path, &admin, "").await
}

fn seqs(page: &Value) -> Vec<u64> {
    let letters = page["dead_letters"].as_array().unwrap().iter();
    letters
        .map(|letter| letter["seq"].as_u64().unwrap())
        .collect()
}

/// Every page of a question: the letters' seqs, and how many pages there were.
async fn all_pages(fixture: &Fixture, query: &str) -> (Vec<u64>, usize) {
    let admin = fixture.token(Role::Admin, &["red"]);
    let mut found = Vec::new();
    let mut after = String::new();
    for pages in 1.. {
        let path = format!("{PATH}?{query}{after}");
        let page = fixture.get(&path, &admin).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        found.extend(seqs(&page));
        match page["next_after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return (found, pages),
        }
    }
    unreachable!("a list ends")
}

#[tokio::test]
async fn letters_come_newest_first_in_pages_that_lose_and_repeat_none() {
    let fixture = start_with(|config| config.http.dead_letter_scan_max = 300).await;
    for seq in 1..=5 {
        refuse(&fixture, seq).await;
    }
    // More than one question looks through, of another drone, between the old and the new.
    for _ in 0..700 {
        let raw = b"{}".to_vec();
        let mut other = letter("alpha", Content::Sample, "json", raw);
        (other.seq, other.code) = (Some(0), "malformed".to_owned());
        write(&fixture, other).await;
    }
    refuse(&fixture, 6).await;
    let admin = fixture.token(Role::Admin, &["red"]);
    let query = "drone=alpha&code=out_of_range&limit=2";
    let (found, pages) = all_pages(&fixture, query).await;
    assert_eq!(found, [6, 5, 4, 3, 2, 1]);
    assert!(pages >= 4, "{pages}");
    let all = fixture.get(&format!("{PATH}?limit=1000"), &admin).await;
    assert!(all.json()["next_after"].is_string(), "the scan is bounded");
    let to = now_us();
    refuse(&fixture, 7).await;
    let query = format!("code=out_of_range&from={to}");
    assert_eq!(all_pages(&fixture, &query).await.0, [7]);
    let query = format!("code=out_of_range&to={to}&limit=1");
    assert_eq!(all_pages(&fixture, &query).await.0, [6, 5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_letter_says_why_and_holds_what_was_refused() {
    let fixture = start().await;
    refuse(&fixture, 1).await;
    let admin = fixture.token(Role::Admin, &["red"]);
    let list = fixture.get(PATH, &admin).await.json();
    let id = list["dead_letters"][0]["id"].as_str().unwrap();
    let shown = fixture.get(&format!("{PATH}/{id}"), &admin).await.json();
    assert_eq!(shown["code"], "out_of_range", "{shown}");
    assert_eq!(shown["field"], "position.latitude_deg", "{shown}");
    assert_eq!(shown["content"], "sample", "{shown}");
    assert_eq!(shown["replayable"], true, "{shown}");
    let raw: Value = serde_json::from_str(shown["raw_text"].as_str().unwrap()).unwrap();
    assert_eq!(raw["position"]["latitude_deg"], 91.0);

    let wire = v1::Sample {
        seq: Some(77),
        ..v1::Sample::default()
    };
    let id = write(
        &fixture,
        letter("alpha", Content::Sample, "protobuf", wire.encode_to_vec()),
    );
    let shown = fixture
        .get(&format!("{PATH}/{}", id.await), &admin)
        .await
        .json();
    assert!(shown["decoded"].as_str().unwrap().contains("77"), "{shown}");
}

#[tokio::test]
async fn who_may_not_see_a_letter_is_told_that_it_is_not_there() {
    let fixture = start().await;
    refuse(&fixture, 1).await;
    let nobody = write(
        &fixture,
        letter("", Content::Request, "json", b"{".to_vec()),
    )
    .await;
    let blue = fixture.token(Role::Admin, &["blue"]);
    let red = fixture.token(Role::Admin, &["red"]);
    let all = fixture.token(Role::Admin, &["*"]);
    let count = async |token: &str| {
        let list = fixture.get(PATH, token).await.json();
        list["dead_letters"].as_array().unwrap().len()
    };
    assert_eq!(
        (count(&blue).await, count(&red).await, count(&all).await),
        (0, 1, 2)
    );
    let list = fixture.get(PATH, &red).await.json();
    let id = list["dead_letters"][0]["id"].as_str().unwrap();
    for (token, id, status) in [(&blue, id, 404), (&red, id, 200), (&red, &nobody, 404)] {
        let path = format!("{PATH}/{id}");
        assert_eq!(fixture.get(&path, token).await.status, status, "{id}");
        if status == 404 {
            let path = format!("{path}/replay");
            let answer = fixture.send(Method::POST, &path, token, "").await;
            assert_eq!(answer.problem(), (404, "not_found".into(), "id".into()));
        }
    }
    let foreign = fixture.get(&format!("{PATH}?drone=alpha"), &blue).await;
    assert_eq!(foreign.problem().0, 404);
    for role in [Role::Drone, Role::Relay, Role::Viewer, Role::Operator] {
        let fleets: &[&str] = if role == Role::Drone { &[] } else { &["*"] };
        let token = fixture.token(role, fleets);
        assert_eq!(fixture.get(PATH, &token).await.status, 403, "{role}");
        assert_eq!(
            fixture.get(&format!("{PATH}/{id}"), &token).await.status,
            403
        );
    }
}

#[tokio::test]
async fn a_sample_is_taken_when_what_it_was_refused_for_has_changed_and_only_once() {
    let fixture = start().await;
    // Refused for its content before; good by the rules of today.
    let raw = sample(5, 47.0).to_string().into_bytes();
    let id = write(&fixture, letter("alpha", Content::Sample, "json", raw)).await;
    let wire = v1::Sample {
        seq: Some(6),
        utc_us: Some(now_us()),
        wind: Some(v1::Wind {
            speed_m_s: Some(3.0),
            ..v1::Wind::default()
        }),
        ..v1::Sample::default()
    };
    let batch = v1::Batch {
        drone_id: "alpha".to_owned(),
        boot: Some(1),
        samples: vec![wire.clone()],
        ..v1::Batch::default()
    };
    let whole = write(
        &fixture,
        letter("alpha", Content::Batch, "protobuf", batch.encode_to_vec()),
    );
    let whole = whole.await;
    let before = fixture.letters().len();
    let first = replay(&fixture, &id).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(first.json()["results"][0]["acknowledged"], 1);
    let again = replay(&fixture, &id).await.json();
    assert_eq!(again["results"][0]["repeated"], 1, "{again}");
    assert_eq!(
        replay(&fixture, &whole).await.json()["results"][0]["acknowledged"],
        1
    );
    let token = fixture.token(Role::Drone, &[]);
    let live = fixture.get("/api/v1/drones/alpha", &token).await.json();
    assert_eq!(
        (&live["live"]["samples"], &live["live"]["boot"]),
        (&json!(2), &json!("1"))
    );
    assert_eq!(
        fixture.letters().len(),
        before,
        "no letter is deleted or doubled"
    );
}

#[tokio::test]
async fn what_is_still_wrong_is_refused_again_with_its_reason() {
    let fixture = start().await;
    refuse(&fixture, 1).await;
    let list = fixture
        .get(PATH, &fixture.token(Role::Admin, &["*"]))
        .await
        .json();
    let id = list["dead_letters"][0]["id"].as_str().unwrap().to_owned();
    let answer = replay(&fixture, &id).await;
    let field = "samples[0].position.latitude_deg".to_owned();
    assert_eq!(
        answer.problem(),
        (422, "invalid".into(), field),
        "{answer:?}"
    );
    assert_eq!(fixture.letters().len(), 1);
    // Enrolment is judged as it is now, too.
    let raw = sample(2, 47.0).to_string().into_bytes();
    let stranger = letter("stranger", Content::Sample, "json", raw);
    let id = write(&fixture, stranger).await;
    let closed = FleetPatch {
        drones_max: Some(1),
        ..FleetPatch::default()
    };
    let by = super::support::by;
    fixture
        .registry
        .change_fleet(&fleet("red"), closed, by())
        .await
        .unwrap();
    assert_eq!(replay(&fixture, &id).await.problem().1, "not_enrolled");
    let open = FleetPatch {
        drones_max: Some(2),
        ..FleetPatch::default()
    };
    fixture
        .registry
        .change_fleet(&fleet("red"), open, by())
        .await
        .unwrap();
    assert_eq!(replay(&fixture, &id).await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_sent_again_says_why() {
    let fixture = start().await;
    let whole = json!({ "drone_id": "bravo", "boot": 1, "samples": [sample(1, 47.0)] });
    let lone = json!({ "drone_id": "alpha", "wind": { "speed_m_s": 1 } });
    let cases = [
        (
            "alpha",
            Content::Record,
            "record",
            vec![1, 2],
            (422, "invalid", "content"),
        ),
        (
            "alpha",
            Content::RecordedSample,
            "protobuf",
            vec![],
            (422, "invalid", "content"),
        ),
        (
            "alpha",
            Content::Unspecified,
            "protobuf",
            vec![],
            (422, "invalid", "content"),
        ),
        (
            "",
            Content::Request,
            "json",
            b"{}".to_vec(),
            (422, "invalid", "drone_id"),
        ),
        // Another drone's data does not come in behind one's own letter.
        (
            "alpha",
            Content::Request,
            "json",
            whole.to_string().into(),
            (403, "forbidden", "drone_id"),
        ),
        (
            "alpha",
            Content::Sample,
            "json",
            lone.to_string().into(),
            (422, "invalid", "boot"),
        ),
        (
            "alpha",
            Content::Sample,
            "protobuf",
            vec![0xff],
            (400, "malformed", "raw"),
        ),
        (
            "alpha",
            Content::Sample,
            "json",
            vec![b' '; 64 * 1024],
            (422, "invalid", "raw"),
        ),
    ];
    for (drone, content, encoding, raw, (status, code, field)) in cases {
        let id = write(&fixture, letter(drone, content, encoding, raw)).await;
        let answer = replay(&fixture, &id).await;
        let expected = (status, code.to_owned(), field.to_owned());
        assert_eq!(answer.problem(), expected, "{content:?}: {answer:?}");
    }
}

#[tokio::test]
async fn bad_questions_name_what_is_wrong() {
    let fixture = start().await;
    refuse(&fixture, 1).await;
    let admin = fixture.token(Role::Admin, &["*"]);
    let cases = [
        ("/0", 422, "id"),
        ("/9-1", 422, "id"),
        ("/0--1", 422, "id"),
        ("/0-999999", 404, "id"),
        ("?after=1.2", 422, "after"),
        ("?after=1.2.3.x", 422, "after"),
        ("?limit=0", 422, "limit"),
        ("?from=yesterday", 422, "from"),
        ("?from=5&to=5", 422, "from"),
        ("?drone=a%20b", 422, "drone_id"),
        ("?color=red", 422, "query"),
    ];
    for (query, status, field) in cases {
        let answer = fixture.get(&format!("{PATH}{query}"), &admin).await;
        assert_eq!(
            (answer.status, answer.problem().2),
            (status, field.to_owned()),
            "{query}"
        );
    }
    let last = DEAD_LETTER_PARTITIONS - 1;
    let id = write(
        &fixture,
        letter("alpha", Content::Sample, "json", Vec::new()),
    )
    .await;
    let newest = write(
        &fixture,
        letter("alpha", Content::Sample, "json", Vec::new()),
    )
    .await;
    let kept: LetterId = newest.parse().unwrap();
    fixture
        .log
        .drop_below(Topic::DeadLetters, Partition(last), kept.offset);
    let answer = fixture.get(&format!("{PATH}/{id}"), &admin).await;
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("older than"),
        "{answer:?}"
    );
    assert_eq!(replay(&fixture, &id).await.problem().0, 404);
    fixture.log.set_out_of_reach(true);
    let answer = fixture.get(PATH, &admin).await;
    assert_eq!(answer.problem().0, 503, "{answer:?}");
}
