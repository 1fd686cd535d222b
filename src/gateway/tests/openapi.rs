//! The OpenAPI document tells the truth: about every route, with examples that work.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{Method, Request};
use serde_json::Value;

use super::support::{Answer, Fixture, start};
use crate::gateway::auth::Role;
use crate::gateway::http::openapi::page::PAGE;
use crate::gateway::http::openapi::{DOCUMENT, text};
use crate::gateway::http::route::About;
use crate::gateway::http::table::routes;

const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
/// Set to write the snapshot instead of comparing with it.
const UPDATE: &str = "UPDATE_OPENAPI";

fn document() -> Value {
    serde_json::from_str(text()).unwrap()
}

/// Method, path and description of every operation.
fn operations(document: &Value) -> Vec<(Method, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method = method.to_uppercase().parse().unwrap();
            all.push((method, path.clone(), operation.clone()));
        }
    }
    all
}

#[test]
fn the_document_in_docs_is_what_the_code_says() {
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(SNAPSHOT, text()).unwrap();
    }
    let written = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
    assert!(
        written == text(),
        "docs/openapi.json is not what the code says; write it by `make openapi` and look at the \
         difference: clients rely on it"
    );
}

#[test]
fn every_call_is_described_and_everything_described_is_a_call() {
    let described: BTreeSet<String> = operations(&document())
        .into_iter()
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect();
    let mut routed = BTreeSet::new();
    for route in routes() {
        let line = format!("{} {}", route.method, route.path);
        match route.about {
            About::Call(_) => assert!(routed.insert(line), "{route:?} is there twice"),
            About::Door(_) | About::Part => assert!(
                !route.path.starts_with("/api/v1/"),
                "{route:?} is a call of the REST door and has to be described"
            ),
        }
    }
    assert_eq!(described, routed);
}

#[test]
fn names_are_unique_and_references_resolve() {
    let document = document();
    let operations = operations(&document);
    let ids: BTreeSet<&str> = operations
        .iter()
        .map(|(.., operation)| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), operations.len());
    let tags: Vec<&Value> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect();
    for (method, path, operation) in &operations {
        assert!(
            tags.contains(&&operation["tags"][0]),
            "{method} {path} has a tag that is not explained"
        );
    }
    let known = document["components"]["schemas"].as_object().unwrap();
    for reference in text().split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(known.contains_key(name), "{name} is not defined");
    }
}

#[test]
fn no_two_types_are_told_by_one_name() {
    let mut known = BTreeMap::new();
    for route in routes() {
        let About::Call(doc) = route.about else {
            continue;
        };
        for (name, schema) in doc().into_operation().1 {
            let schema = serde_json::to_value(schema).unwrap();
            let before = known.insert(name.clone(), schema.clone());
            assert!(
                before.is_none_or(|before| before == schema),
                "{name} is two things; one needs `#[schema(as = ...)]`"
            );
        }
    }
}

#[test]
fn every_field_of_a_sample_that_telemetry_proto_explains_is_explained() {
    let document = document();
    let latitude = &document["components"]["schemas"]["Position"]["properties"]["latitude_deg"];
    assert_eq!(latitude["description"], "-90 to 90");
    let text = latitude.to_string();
    assert!(
        text.contains("\"minimum\":-90") && text.contains("\"maximum\":90"),
        "{text}"
    );
    let modes = document["components"]["schemas"]["State"].to_string();
    assert!(modes.contains("\"return_to_launch\""), "{modes}");
}

/// A path with the examples of its parameters.
fn example_url(path: &str, operation: &Value) -> String {
    let mut url = path.to_owned();
    let mut query = Vec::new();
    let none = Vec::new();
    for parameter in operation["parameters"].as_array().unwrap_or(&none) {
        let name = parameter["name"].as_str().unwrap();
        let example = match &parameter["example"] {
            Value::String(text) => text.clone(),
            Value::Null => continue,
            other => other.to_string(),
        };
        match parameter["in"].as_str().unwrap() {
            "path" => url = url.replace(&format!("{{{name}}}"), &example),
            "query" => query.push(format!("{name}={example}")),
            // None of them has to be there.
            "header" => {}
            other => panic!("an example in the {other}"),
        }
    }
    assert!(!url.contains('{'), "{path} has a parameter without example");
    if query.is_empty() {
        url
    } else {
        format!("{url}?{}", query.join("&"))
    }
}

/// Every example of a body; one without a body if there is none.
fn example_bodies(operation: &Value) -> Vec<String> {
    let Some(body) = operation.get("requestBody") else {
        return vec![String::new()];
    };
    let content = &body["content"]["application/json"];
    let mut bodies: Vec<String> = content
        .get("example")
        .map(ToString::to_string)
        .into_iter()
        .collect();
    if let Some(named) = content["examples"].as_object() {
        bodies.extend(named.values().map(|one| one["value"].to_string()));
    }
    assert!(!bodies.is_empty(), "{operation} has no example of a body");
    bodies
}

/// What has to be there before it can be asked for comes first, what ends something last.
fn rank(method: &Method, path: &str) -> usize {
    let first = ["/api/v1/fleets", "/api/v1/drones", "/api/v1/telemetry"];
    let last = ["/api/v1/drones/{id}/retire", "/api/v1/tokens/revoke"];
    if method == Method::DELETE {
        return 90;
    }
    let made = ["/{id}/rules", "/{id}/fences"];
    if method == Method::POST && made.iter().any(|made| path.ends_with(made)) {
        return 10;
    }
    if method == Method::POST {
        if let Some(place) = first.iter().position(|first| *first == path) {
            return place;
        }
        if let Some(place) = last.iter().position(|last| *last == path) {
            return 100 + place;
        }
    }
    50
}

fn role(operation: &Value) -> Option<Role> {
    let role = operation["x-roles"][0].as_str()?;
    Some(serde_json::from_value(role.into()).unwrap())
}

async fn send(fixture: &Fixture, method: &Method, url: &str, call: (&Value, &str)) -> Answer {
    let (operation, body) = call;
    let token = role(operation).map(|role| fixture.token(role, &["*"]));
    let token = token.unwrap_or_default();
    fixture.send(method.clone(), url, &token, body).await
}

/// Commands that were given together.
async fn group_of_commands(fixture: &Fixture) -> String {
    let operator = fixture.token(Role::Operator, &["*"]);
    let body = r#"{"drone_ids":["alpha"],"command":"hold"}"#;
    let given = fixture.send(Method::POST, "/api/v1/commands", &operator, body);
    let group = given.await.json()["group_id"].as_str().map(str::to_owned);
    group.expect("the wish was taken")
}

/// A command that waits for its confirmation.
async fn dangerous_command(fixture: &Fixture) -> Value {
    let operator = fixture.token(Role::Operator, &["*"]);
    let path = "/api/v1/drones/alpha/commands";
    let body = r#"{"command":"terminate"}"#;
    let given = fixture.send(Method::POST, path, &operator, body).await;
    given.json()
}

#[tokio::test]
async fn every_example_gets_its_documented_success() {
    let fixture = start().await;
    let refused = r#"{"drone_id":"alpha","position":{"latitude_deg":91,"longitude_deg":8}}"#;
    assert_eq!(fixture.post(refused).await.status, 422);
    let letters = fixture
        .get("/api/v1/dead-letters", &fixture.token(Role::Admin, &["*"]))
        .await;
    let letter = letters.json()["dead_letters"][0]["id"].clone();
    let command = dangerous_command(&fixture).await;
    let group = group_of_commands(&fixture).await;
    let mut operations = operations(&document());
    operations.sort_by_key(|(method, path, _)| rank(method, path));
    for (method, path, operation) in &operations {
        let mut url = example_url(path, operation);
        if path.starts_with("/api/v1/dead-letters/") {
            // Which letters there are nobody knows beforehand.
            url = path.replace("{id}", letter.as_str().unwrap());
        }
        if path.starts_with("/api/v1/command-groups/") {
            url = path.replace("{id}", &group);
        }
        if path.starts_with("/api/v1/commands/") {
            url = path.replace("{id}", command["command_id"].as_str().unwrap());
        }
        for mut body in example_bodies(operation) {
            if path == "/api/v1/commands/{id}/confirm" {
                body = serde_json::json!({ "digest": command["digest"] }).to_string();
            }
            let answer = send(&fixture, method, &url, (operation, &body)).await;
            if path == "/api/v1/dead-letters/{id}/replay" {
                // Its content is as wrong as it was.
                assert_eq!(answer.problem().0, 422, "{url}");
                continue;
            }
            if path.contains("/alerts/{alert}") {
                // No drone of the fixture has an alert.
                assert_eq!(answer.problem().0, 404, "{url}");
                continue;
            }
            let told = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(
                (200..300).contains(&answer.status),
                "{method} {url} {body}: {} {told}",
                answer.status
            );
            let documented = &operation["responses"][answer.status.to_string()];
            let media = answer.response.headers()["content-type"].to_str().unwrap();
            let media = media.split(';').next().unwrap();
            assert!(
                documented["content"].get(media).is_some(),
                "{method} {url}: {} {media} is not documented",
                answer.status
            );
        }
    }
}

#[tokio::test]
async fn without_a_token_only_what_is_documented_as_open_answers() {
    let fixture = start().await;
    for (method, path, operation) in operations(&document()) {
        let url = example_url(&path, &operation);
        let body = example_bodies(&operation).remove(0);
        let answer = fixture.send(method.clone(), &url, "", &body).await;
        let is_open = operation["security"] == serde_json::json!([{}]);
        assert_eq!(answer.status == 401, !is_open, "{method} {path}");
    }
}

#[tokio::test]
async fn the_root_names_every_door_and_call() {
    let fixture = start().await;
    let root = fixture.get("/", "").await.json();
    let doors = root["doors"].as_object().unwrap();
    let calls = root["paths"].as_array().unwrap();
    for route in routes() {
        let line = format!("{} {}", route.method, route.path);
        match route.about {
            About::Call(_) => assert!(
                calls.iter().any(|call| {
                    call.as_str().unwrap().split('?').next() == Some(line.as_str())
                }),
                "{line}"
            ),
            About::Door(_) => assert!(doors.contains_key(&line), "{line}"),
            About::Part => {}
        }
    }
}

#[tokio::test]
async fn the_page_and_its_files_come_from_here_and_may_ask_nobody_else() {
    let fixture = start().await;
    let page = fixture.get(PAGE, "").await;
    assert_eq!(page.status, 302);
    let index = page.response.headers()["location"].to_str().unwrap();
    let html = fixture.get(index, "").await;
    assert_eq!(html.status, 200);
    let policy = html.response.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(
        !policy.contains("http") && !policy.contains('*'),
        "{policy}"
    );
    let html = String::from_utf8(html.body).unwrap();
    assert!(!html.contains("//"), "names another host: {html}");
    let folder = index.rsplit_once('/').unwrap().0;
    let attributes = html.split(['"', '\'']).filter(|text| {
        [".js", ".css", ".png"]
            .iter()
            .any(|end| text.ends_with(end))
    });
    let mut files = 0;
    for file in attributes {
        let path = format!("{folder}/{}", file.trim_start_matches("./"));
        let answer = fixture.get(&path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        files += 1;
        if file.ends_with("initializer.js") {
            let script = String::from_utf8(answer.body).unwrap();
            assert!(script.contains(DOCUMENT), "{script}");
        }
    }
    assert!(files >= 4, "{html}");
    let none = Request::get(format!("{folder}/none.js"));
    let none = none.body(axum::body::Body::empty()).unwrap();
    assert_eq!(fixture.call(none).await.problem().0, 404);
}
