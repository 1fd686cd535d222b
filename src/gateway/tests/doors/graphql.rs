//! Every field of the roots of the GraphQL schema.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use axum::http::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::callers::Place;
use super::table::{Findings, Row, assert_complete, rows};
use crate::gateway::graphql::sdl;
use crate::gateway::tests::server::{Served, serve_fixture};
use crate::gateway::tests::ws::graphql::Graphql;

const TABLE: &str = include_str!("graphql.txt");
const ROOTS: [&str; 2] = ["Query", "Mutation"];

/// `Query.drone` and its like.
fn fields(roots: &[&str]) -> Vec<String> {
    let schema = parse_schema(sdl()).expect("the schema is one");
    let mut fields = Vec::new();
    for definition in schema.definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        let name = definition.node.name.node.to_string();
        if let TypeKind::Object(object) = definition.node.kind
            && roots.contains(&name.as_str())
        {
            let of_root = object.fields.iter();
            fields.extend(of_root.map(|field| format!("{name}.{}", field.node.name.node)));
        }
    }
    fields
}

fn is_subscription(row: &Row) -> bool {
    row.door.starts_with("Subscription.")
}

#[tokio::test]
async fn every_field_with_every_role() {
    let rows = rows(TABLE).into_iter();
    let rows: Vec<Row> = rows.filter(|row| !is_subscription(row)).collect();
    assert_complete(fields(&ROOTS), &rows, "graphql.txt");
    let mut findings = Findings::default();
    for row in &rows {
        let place = Place::new().await;
        let body = json!({ "query": place.fill(row.sent[0]) }).to_string();
        let mut got = Vec::new();
        for caller in place.callers() {
            let fixture = &place.fixture;
            let answer = fixture.send(Method::POST, "/graphql", &caller.token, &body);
            let told = answer.await.json();
            let code = told["errors"][0]["extensions"]["code"].as_str();
            got.push((caller.name, code.unwrap_or("ok").to_owned()));
        }
        findings.compare(row, &got);
    }
    findings.assert_none();
}

/// What a subscription says first, or how its connection ends.
/// How long an answer may take.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

async fn first_answer(served: &Served, query: &str, token: &str) -> String {
    let mut client = Graphql::open(served).await;
    let payload = json!({ "authorization": format!("Bearer {token}") });
    let init = json!({ "type": "connection_init", "payload": payload });
    client.say(init).await;
    let acknowledged = match client.message().await {
        Message::Close(Some(frame)) => return format!("closed_{}", u16::from(frame.code)),
        message => message,
    };
    assert!(acknowledged.is_text(), "{acknowledged:?}");
    client.subscribe("1", query, json!({})).await;
    let told = tokio::time::timeout(PATIENCE, client.hear()).await;
    let Ok(told) = told else {
        return "nothing".to_owned();
    };
    // Errors of a whole operation are the payload, those of a part are in it.
    let errors = match &told["payload"] {
        Value::Array(_) => &told["payload"],
        payload => &payload["errors"],
    };
    let code = errors[0]["extensions"]["code"].as_str();
    code.unwrap_or("ok").to_owned()
}

#[tokio::test]
async fn every_subscription_with_every_role() {
    let rows: Vec<Row> = rows(TABLE).into_iter().filter(is_subscription).collect();
    assert_complete(fields(&["Subscription"]), &rows, "graphql.txt");
    let mut findings = Findings::default();
    for row in &rows {
        let place = Place::new().await;
        let told = r#"{"drone_id":"alpha","position":{"latitude_deg":47,"longitude_deg":8}}"#;
        assert_eq!(place.fixture.post(told).await.status, 200);
        let query = place.fill(row.sent[0]);
        let callers = place.callers();
        let served = serve_fixture(place.fixture).await;
        let mut got = Vec::new();
        for caller in callers {
            let answer = first_answer(&served, &query, &caller.token).await;
            got.push((caller.name, answer));
        }
        findings.compare(row, &got);
    }
    findings.assert_none();
}
