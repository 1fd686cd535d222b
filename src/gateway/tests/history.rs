//! The past through the REST door, as a real database has it.

use std::sync::Arc;

use aerostream_domain::sample::{Content, Position, Velocity};
use aerostream_domain::{RecordedSample, Seq, TimeBasis, UtcMicros};
use aerostream_proto::v1;
use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body_util::BodyExt;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use tower::ServiceExt;

use super::support::{Fixture, start, start_over};
use crate::gateway::auth::Role;
use crate::gateway::history::StoredHistory;
use crate::store;
use crate::store::partition::{self, Day};
use crate::store::test_database::{self, TestDatabase};

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000_000;
const PATH: &str = "/api/v1/drones/alpha/telemetry?from=2026-01-01T00:00:00Z\
                    &to=2026-01-04T00:00:00Z";

fn sample(seq: u64, step_s: i64) -> RecordedSample {
    RecordedSample {
        seq: Seq(seq),
        time: UtcMicros(START + seq as i64 * step_s * 1_000_000),
        basis: TimeBasis::Utc,
        since_boot: None,
        content: Content {
            position: Some(Position {
                latitude_deg: Some(47.0 + seq as f64 / 1e4),
                longitude_deg: Some(8.5),
                ..Position::default()
            }),
            velocity: Some(Velocity {
                ground_speed_m_s: Some(3.9),
                ..Velocity::default()
            }),
            ..Content::default()
        },
    }
}

async fn fixture(count: u64, step_s: i64) -> (TestDatabase, Fixture) {
    let database = test_database::create().await;
    let samples: Vec<_> = (0..count).map(|seq| sample(seq, step_s)).collect();
    database.store("alpha", &samples).await;
    let history = StoredHistory::new(&database.pool, &store::Config::default());
    let fixture = start_over(Arc::new(history), |config| {
        config.http.export_chunk_rows = 10;
        config.http.export_rows_max = 1000;
        config.http.principal_exports_max = 1;
    });
    (database, fixture.await)
}

fn viewer(fixture: &Fixture) -> String {
    fixture.token(Role::Viewer, &["red"])
}

#[test]
fn tables_and_pages_call_codes_by_the_same_names() {
    let name = |path: &str, number: i32| match path {
        "gnss.fix_type" => v1::FixType::try_from(number).unwrap().as_str_name(),
        "mission.state" => v1::MissionState::try_from(number).unwrap().as_str_name(),
        "state.flight_mode" => v1::FlightMode::try_from(number).unwrap().as_str_name(),
        "state.dialect" => v1::Dialect::try_from(number).unwrap().as_str_name(),
        "state.landed_state" => v1::LandedState::try_from(number).unwrap().as_str_name(),
        _ => v1::SystemStatus::try_from(number).unwrap().as_str_name(),
    };
    let mut codes = 0;
    for field in store::fields::FIELDS {
        if let store::fields::Kind::Code(names) = field.kind {
            codes += 1;
            for (known, number) in names.iter().zip(1..) {
                let wire = name(field.path, number).to_lowercase();
                assert!(wire.ends_with(&format!("_{known}")), "{wire}: {known}");
            }
        }
    }
    assert_eq!(codes, 6);
}

#[tokio::test]
async fn a_page_tells_the_named_fields_only() {
    let (_database, fixture) = fixture(30, 1).await;
    let token = viewer(&fixture);
    let path = format!("{PATH}&limit=2&fields=velocity,time");
    let page = fixture.get(&path, &token).await.json();
    let sample = &page["samples"][1];
    assert_eq!(sample["velocity"]["ground_speed_m_s"], 3.9);
    assert_eq!(sample["seq"], 29);
    assert!(sample.get("position").is_none());
    assert_eq!(page["next_to"], START + 28_000_001);
    let steps = fixture
        .get(&format!("{PATH}&step=10s&limit=2"), &token)
        .await
        .json();
    assert_eq!(steps["steps"][1]["samples"], 10);
    let speed = &steps["steps"][1]["velocity.ground_speed_m_s"];
    assert!((speed["average"].as_f64().unwrap() - 3.9).abs() < 1e-6);
    assert_eq!(steps["next_from"], START + 20_000_000);
}

#[tokio::test]
async fn a_table_holds_every_sample_and_reads_back() {
    let (_database, fixture) = fixture(95, 1).await;
    let token = viewer(&fixture);
    let path = format!("{PATH}&format=csv&fields=position.latitude_deg,velocity.ground_speed_m_s");
    let answer = fixture.get(&path, &token).await;
    assert_eq!(answer.status, 200);
    let mut reader = csv::Reader::from_reader(answer.body.as_slice());
    let head: Vec<_> = reader
        .headers()
        .unwrap()
        .iter()
        .map(str::to_owned)
        .collect();
    let fields = ["position.latitude_deg", "velocity.ground_speed_m_s"];
    assert_eq!(
        head,
        [&["time", "boot", "seq", "basis"], &fields[..]].concat()
    );
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 95);
    for (row, seq) in rows.iter().zip(0..) {
        let position = sample(seq, 1).content.position.unwrap();
        let latitude: f64 = row[4].parse().unwrap();
        assert_eq!((Some(latitude), &row[5]), (position.latitude_deg, "3.9"));
        assert_eq!(row[2], seq.to_string());
    }
    let limited = fixture.get(&format!("{path}&limit=25"), &token).await;
    assert_eq!(String::from_utf8(limited.body).unwrap().lines().count(), 26);
    let steps = fixture
        .get(&format!("{PATH}&format=csv&step=10s&limit=900"), &token)
        .await;
    let steps = String::from_utf8(steps.body).unwrap();
    assert!(
        steps.starts_with("time,samples,position.latitude_deg,"),
        "{steps}"
    );
    assert_eq!(steps.lines().count(), 11);
    let nobody = "/api/v1/drones/alpha/telemetry?from=0&to=1&format=csv";
    assert_eq!(
        fixture
            .get(nobody, &token)
            .await
            .body
            .split(|it| *it == b'\n')
            .count(),
        2
    );
}

#[tokio::test]
async fn a_parquet_file_holds_what_the_samples_say() {
    let (_database, fixture) = fixture(95, 1).await;
    let path = format!("{PATH}&format=parquet");
    let answer = fixture.get(&path, &viewer(&fixture)).await;
    let reader = SerializedFileReader::new(Bytes::from(answer.body)).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let place = |name: &str| {
        let mut columns = schema.columns().iter();
        columns.position(|column| column.name() == name).unwrap()
    };
    let (seq, latitude) = (place("seq"), place("position.latitude_deg"));
    let (speed, basis) = (place("velocity.ground_speed_m_s"), place("basis"));
    let rows: Vec<_> = reader
        .get_row_iter(None)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(rows.len(), 95);
    for (row, number) in rows.iter().zip(0..) {
        let position = sample(number, 1).content.position.unwrap();
        assert_eq!(row.get_long(seq).unwrap(), number as i64);
        assert_eq!(row.get_double(latitude).ok(), position.latitude_deg);
        assert_eq!(row.get_float(speed).unwrap(), 3.9);
        assert_eq!(row.get_string(basis).unwrap(), "utc");
    }
}

#[tokio::test]
async fn a_track_is_geojson() {
    let (_database, fixture) = fixture(95, 1).await;
    let token = viewer(&fixture);
    for (ask, points) in [("", 95), ("&simplify_m=1", 2)] {
        let path = format!("{PATH}&format=geojson{ask}");
        let track = fixture.get(&path, &token).await.json();
        assert_eq!(track["type"], "FeatureCollection");
        let leg = &track["features"][0];
        let line = leg["geometry"]["coordinates"].as_array().unwrap();
        assert_eq!(line.len(), points);
        assert_eq!(
            line[points - 1],
            serde_json::json!([8.5, 47.0 + 94.0 / 1e4])
        );
        assert_eq!(leg["properties"]["times_us"][0], START);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_question_is_told_by_its_field() {
    let fixture = start().await;
    let token = viewer(&fixture);
    let years = "/api/v1/drones/alpha/telemetry?from=2016-01-01T00:00:00Z\
                 &to=2026-01-01T00:00:00Z";
    for (ask, field) in [
        (format!("{PATH}&fields=position.latitude"), "fields"),
        (format!("{PATH}&fields="), "fields"),
        (format!("{PATH}&format=xlsx"), "format"),
        (format!("{PATH}&step=0"), "step"),
        (format!("{PATH}&step=-10"), "step"),
        (format!("{years}&step=10s"), "step"),
        (
            format!("{PATH}&format=geojson&simplify_m=NaN"),
            "simplify_m",
        ),
        (format!("{PATH}&simplify_m=1"), "simplify_m"),
        (format!("{PATH}&limit=0"), "limit"),
        (format!("{PATH}&nothing=1"), "query"),
        (PATH.replace("2026-01-04", "2025-01-04"), "from"),
    ] {
        let answer = fixture.get(&ask, &token).await;
        let expected = (422, "invalid".to_owned(), field.to_owned());
        assert_eq!(answer.problem(), expected, "{ask}: {answer:?}");
    }
    let answer = fixture
        .get(&format!("{PATH}&fields=position.latitude"), &token)
        .await;
    let detail = answer.json()["detail"].to_string();
    assert!(
        detail.contains("did you mean `position.latitude_deg`"),
        "{detail}"
    );
}

/// An export whose client takes its time.
async fn begin(fixture: &Fixture, path: &str) -> Body {
    let request = Request::get(path)
        .header("authorization", format!("Bearer {}", viewer(fixture)))
        .body(Body::empty())
        .unwrap();
    let response = fixture.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let first = body.frame().await.expect("a frame").expect("bytes");
    assert!(first.into_data().unwrap().starts_with(b"time,"));
    body
}

#[tokio::test]
async fn too_much_is_refused_before_it_begins_and_exports_are_counted() {
    let (_database, fixture) = fixture(1200, 1).await;
    let token = viewer(&fixture);
    let path = format!("{PATH}&format=csv");
    let answer = fixture.get(&path, &token).await;
    assert_eq!(
        answer.problem(),
        (422, "invalid".to_owned(), "from".to_owned())
    );
    let detail = answer.json()["detail"].to_string();
    assert!(
        detail.contains("about 1200 samples") && detail.contains("`step`"),
        "{detail}"
    );
    let open = begin(&fixture, &format!("{path}&limit=500")).await;
    let second = fixture.get(&format!("{path}&limit=5"), &token).await;
    assert_eq!(second.problem().0, 429);
    drop(open);
    let third = fixture.get(&format!("{path}&limit=5"), &token).await;
    assert_eq!(third.status, 200);
}

#[tokio::test]
async fn a_database_that_goes_away_breaks_the_body_off() {
    let (database, fixture) = fixture(100, 1).await;
    let body = begin(&fixture, &format!("{PATH}&format=csv")).await;
    database.take_away().await;
    assert!(
        body.collect().await.is_err(),
        "a part must not look like the whole"
    );
    let answer = fixture
        .get(&format!("{PATH}&format=csv"), &viewer(&fixture))
        .await;
    assert_eq!(answer.problem().0, 503);
}

#[tokio::test]
async fn a_day_that_is_dropped_under_an_export_is_not_passed_over() {
    // 30 samples a day for three days.
    let (database, fixture) = fixture(90, 2880).await;
    let path = format!("{PATH}&format=csv");
    let behind = begin(&fixture, &path).await;
    let second = Day::of(UtcMicros(START)).plus(1);
    let dropped = partition::drop_before(&database.pool, second).await;
    assert_eq!(dropped.expect("dropped").len(), 1);
    assert!(
        behind.collect().await.is_err(),
        "20 samples of the first day are gone"
    );
    // Whoever begins now reads the two days that are left, whole.
    let mut ahead = begin(&fixture, &path).await;
    for _ in 0..2 {
        ahead.frame().await.expect("a frame").expect("bytes");
    }
    let rest = ahead.collect().await.expect("the rest").to_bytes();
    assert_eq!(rest.iter().filter(|byte| **byte == b'\n').count(), 30);
}
