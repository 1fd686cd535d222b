//! The past by GraphQL: which pages, and what the database is asked for.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use aerostream_domain::alert::{Alert, AlertId};
use aerostream_domain::sample::{Content, Position, State};
use aerostream_domain::{BootId, DroneId, RecordedSample, Seq, TimeBasis, UtcMicros};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::support::{start, start_over};
use super::error;
use crate::gateway::auth::Role;
use crate::gateway::ports::{
    AlertQuestion, FieldSet, FlatRow, History, HistoryError, HistoryRequest, Order,
    PastAlertsError, PastSample, Steps, Summary,
};
use crate::gateway::{graphql, http};

/// A history of samples a second apart, which remembers what it was asked.
#[derive(Default)]
struct Past {
    asked: Mutex<Vec<HistoryRequest>>,
}

#[async_trait]
impl History for Past {
    async fn knows(&self, drone: &DroneId) -> Result<bool, HistoryError> {
        Ok(drone.as_str() == "bygone")
    }

    async fn samples(&self, request: &HistoryRequest) -> Result<Vec<PastSample>, HistoryError> {
        self.asked.lock().unwrap().push(request.clone());
        let sample = |second: i64| PastSample {
            boot: BootId(9),
            sample: RecordedSample {
                seq: Seq(second as u64),
                time: UtcMicros(second * 1_000_000),
                basis: TimeBasis::Utc,
                since_boot: None,
                content: Content {
                    kind: "telemetry".into(),
                    position: Some(Position {
                        latitude_deg: Some(47.0),
                        ..Position::default()
                    }),
                    state: Some(State::default()),
                    ..Content::default()
                },
            },
        };
        let within = |past: &PastSample| {
            request.range.contains(&past.sample.time)
                && request.after.is_none_or(|key| past.sample.time > key.time)
        };
        let all = (0..10).map(sample).filter(within);
        Ok(all.take(request.limit).collect())
    }

    async fn rows(&self, _: &HistoryRequest) -> Result<Vec<FlatRow>, HistoryError> {
        unreachable!("GraphQL tells samples")
    }

    async fn summaries(&self, _: &DroneId, _: Steps) -> Result<Vec<Summary>, HistoryError> {
        unreachable!("GraphQL tells samples")
    }

    async fn estimate(&self, _: &DroneId, _: Range<UtcMicros>) -> Result<u64, HistoryError> {
        unreachable!("GraphQL tells samples")
    }

    async fn kept_from(&self, _: &DroneId) -> Result<UtcMicros, HistoryError> {
        unreachable!("GraphQL tells samples")
    }

    async fn alerts(&self, _: &AlertQuestion) -> Result<Vec<(DroneId, Alert)>, PastAlertsError> {
        unreachable!("no alert is asked for")
    }

    async fn alert(&self, _: &DroneId, _: AlertId) -> Result<Option<Alert>, PastAlertsError> {
        unreachable!("no alert is asked for")
    }
}

#[tokio::test]
async fn pages_of_the_past_follow_one_another_and_ask_for_the_wanted_fields_only() {
    let past = Arc::new(Past::default());
    let mut fixture = start().await;
    let mut behind = fixture.gateway.behind.clone();
    behind.history = Some(past.clone());
    let gateway = crate::gateway::Gateway::build(fixture.gateway.config.clone(), behind).unwrap();
    fixture.router = http::router(gateway);
    let query = "query($after: String) { drone(id: \"alpha\") {
        telemetry(from: \"1970-01-01T00:00:02Z\", to: 7000000, first: 3, after: $after) {
            nodes { seq time position { latitudeDeg } ... on TelemetrySample { kind } }
            edges { node { battery { voltageV } } }
            pageInfo { hasNextPage hasPreviousPage endCursor } } } }";
    let token = fixture.token(Role::Viewer, &["red"]);
    let mut after = Value::Null;
    let mut pages = Vec::new();
    for _ in 0..2 {
        let variables = json!({ "after": after });
        let told = fixture.ask_as(&token, query, variables).await.json();
        assert_eq!(told.get("errors"), None, "{told}");
        let page = &told["data"]["drone"]["telemetry"];
        let nodes = page["nodes"].as_array().unwrap().iter();
        let seqs: Vec<u64> = nodes.filter_map(|node| node["seq"].as_u64()).collect();
        pages.push((seqs, page["pageInfo"]["hasNextPage"].clone()));
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert_eq!(
        pages,
        [(vec![2, 3, 4], json!(true)), (vec![5, 6], json!(false))]
    );
    let asked = past.asked.lock().unwrap().clone();
    let fields = ["position.latitude_deg", "kind", "battery.voltage_v"];
    assert_eq!(asked[0].fields, FieldSet::from_paths(fields).unwrap());
    assert_eq!((asked[0].order, asked[0].limit), (Order::Oldest, 4));
    assert_eq!(asked[1].after.map(|key| key.seq), Some(Seq(4)));

    // Of another drone, the other way round, and nothing at all.
    let admin = fixture.token(Role::Admin, &["*"]);
    let other = query.replace("\"alpha\"", "\"bravo\"");
    let told = fixture
        .ask_as(&admin, &other, json!({ "after": after }))
        .await
        .json();
    assert_eq!(
        error(&told),
        ("invalid".into(), "after".into(), 1),
        "{told}"
    );
    let turned = "{ drone(id: \"alpha\") { telemetry(from: 9, to: 5) { fromUs } } }";
    assert_eq!(
        error(&fixture.ask(turned).await),
        ("invalid".into(), "from".into(), 1)
    );
    let bad = "{ drone(id: \"alpha\") { telemetry(from: \"yesterday\") { fromUs } } }";
    let told = fixture.ask_as(&token, bad, json!({})).await;
    assert_eq!(told.status, 422, "no part is answered");
    let told = told.json();
    let message = told["errors"][0]["message"].as_str().unwrap();
    assert!(
        message.contains("\"from\", expected type \"Time\""),
        "{message}"
    );
    assert_eq!(
        past.asked.lock().unwrap().len(),
        2,
        "nobody is asked for what is wrong"
    );
}

#[tokio::test]
async fn every_field_of_the_schema_can_be_asked_of_the_past() {
    let past = Arc::new(Past::default());
    let mut fixture = start().await;
    let mut behind = fixture.gateway.behind.clone();
    behind.history = Some(past.clone());
    let gateway = crate::gateway::Gateway::build(fixture.gateway.config.clone(), behind).unwrap();
    fixture.router = http::router(gateway);
    let nodes = all_fields("TelemetrySample");
    let query = format!("{{ drone(id: \"alpha\") {{ telemetry {{ nodes {nodes} }} }} }}");
    let told = fixture.ask(&query).await;
    assert_eq!(told.get("errors"), None, "{told}");
    assert_eq!(past.asked.lock().unwrap()[0].fields, FieldSet::ALL);
    let live = all_fields("Live");
    fixture.hear_alpha().await;
    let query = format!("{{ drone(id: \"alpha\") {{ live {live} }} }}");
    let told = fixture.ask(&query);
    assert_eq!(told.await.get("errors"), None);
}

#[tokio::test]
async fn a_drone_of_which_only_the_past_is_left_tells_it() {
    let fixture = start_over(Arc::new(Past::default()), |_| {}).await;
    let admin = fixture.token(Role::Admin, &["*"]);
    let query = |id: &str| {
        format!(
            "{{ drone(id: \"{id}\") {{ id fleetId live {{ samples }}
             telemetry(from: 0, to: 2000000) {{ nodes {{ seq }} }} }} }}"
        )
    };
    let told = fixture
        .ask_as(&admin, &query("bygone"), json!({}))
        .await
        .json();
    let past = json!({ "nodes": [{ "seq": 0 }, { "seq": 1 }] });
    let expected = json!({ "id": "bygone", "fleetId": null, "live": null, "telemetry": past });
    assert_eq!(told, json!({ "data": { "drone": expected } }));
    // As by REST it is nobody's, so that it is shown to those only who see every fleet.
    let path = "/api/v1/drones/bygone/telemetry?from=0&to=2000000";
    assert_eq!(fixture.get(path, &admin).await.status, 200);
    assert_eq!(error(&fixture.ask(&query("bygone")).await).0, "not_found");
    let red = fixture.token(Role::Viewer, &["red"]);
    assert_eq!(fixture.get(path, &red).await.status, 404);
    let never = fixture
        .ask_as(&admin, &query("never"), json!({}))
        .await
        .json();
    assert_eq!(error(&never).0, "not_found");
}

/// A selection of everything within a type, read from the schema's text.
fn all_fields(type_name: &str) -> String {
    let sdl = graphql::sdl();
    let opening = format!("\ntype {type_name} {{\n");
    let Some((_, body)) = sdl.split_once(&opening) else {
        return String::new();
    };
    let body = body.split("\n}").next().unwrap_or_default();
    let mut selection = String::from("{ ");
    for line in body.lines() {
        let Some((name, of)) = line.trim().split_once(": ") else {
            continue;
        };
        if name.chars().all(|letter| letter.is_ascii_alphanumeric()) {
            let of = of.trim_matches(['[', ']', '!']);
            selection.push_str(&format!("{name} {} ", all_fields(of)));
        }
    }
    selection + "}"
}
