//! The GraphQL door: what it answers, to whom, and what it refuses.

mod past;

use axum::http::Method;
use serde_json::{Value, json};

use super::support::{Answer, Fixture, start, start_with};
use crate::gateway::auth::Role;
use crate::gateway::graphql;

impl Fixture {
    async fn ask_as(&self, token: &str, query: &str, variables: Value) -> Answer {
        let body = json!({ "query": query, "variables": variables }).to_string();
        self.send(Method::POST, "/graphql", token, &body).await
    }

    async fn ask(&self, query: &str) -> Value {
        let token = self.token(Role::Viewer, &["red"]);
        self.ask_as(&token, query, json!({})).await.json()
    }

    async fn hear_alpha(&self) {
        let sample = r#"{"drone_id":"alpha","position":{"latitude_deg":47.5,"longitude_deg":8.25},
            "battery":[{"id":0,"remaining_percent":12.1}],"state":{"armed":true,
            "flight_mode":"return_to_launch","flight_mode_raw":4000000000}}"#;
        assert_eq!(self.post(sample).await.status, 200);
    }
}

/// Code and field of the first error, and how many there are.
fn error(answer: &Value) -> (String, String, usize) {
    let errors = answer["errors"].as_array().map_or(0, Vec::len);
    let told = &answer["errors"][0]["extensions"];
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("field"), errors)
}

#[tokio::test]
async fn live_state_is_told_as_it_is_by_rest() {
    let fixture = start().await;
    fixture.hear_alpha().await;
    let told = fixture
        .ask(
            "{ drone(id: \"alpha\") { id fleetId summary { armed batteryPercent } live {
             samples hot position { latitudeDeg longitudeDeg } battery { id remainingPercent }
             state { armed flightMode flightModeRaw } wind { speedMS }
             stamps { group entry seq } newest { basis } boot } } }",
        )
        .await;
    assert_eq!(told.get("errors"), None, "{told}");
    let (drone, live) = (&told["data"]["drone"], &told["data"]["drone"]["live"]);
    let token = fixture.token(Role::Viewer, &["red"]);
    let rest = fixture.get("/api/v1/drones/alpha", &token).await.json();
    assert_eq!(drone["id"], rest["drone_id"]);
    assert_eq!(drone["fleetId"], rest["fleet_id"]);
    assert_eq!(
        drone["summary"],
        json!({ "armed": true, "batteryPercent": 12.1 })
    );
    assert_eq!(live["boot"], rest["live"]["boot"]);
    assert_eq!(live["newest"]["basis"], rest["live"]["newest"]["basis"]);
    let (state, groups) = (&live["state"], &rest["live"]["groups"]);
    assert_eq!(
        live["position"]["latitudeDeg"],
        groups["position"]["latitude_deg"]
    );
    assert_eq!(
        live["battery"],
        json!([{ "id": 0, "remainingPercent": 12.1 }])
    );
    assert_eq!(state["flightMode"], groups["state"]["flight_mode"]);
    assert_eq!(state["flightModeRaw"], 4_000_000_000_u32);
    assert_eq!(live["wind"], Value::Null);
    assert_eq!(live["stamps"].as_array().map(Vec::len), Some(3));
}

/// Three drones of red and one of blue, with little left in some batteries.
async fn four_drones() -> Fixture {
    let fixture = start().await;
    let sample = |id: &str, percent: f64| {
        json!({ "drone_id": id, "battery": [{ "id": 0, "remaining_percent": percent }],
                "state": { "armed": percent < 50.0 } })
    };
    let relay = fixture.token(Role::Relay, &["*"]);
    for (id, percent) in [
        ("alpha", 80.0),
        ("a-2", 20.0),
        ("a-3", 10.0),
        ("bravo", 5.0),
    ] {
        let body = sample(id, percent).to_string();
        let path = "/api/v1/telemetry";
        let answer = fixture.send(Method::POST, path, &relay, &body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json());
    }
    fixture
}

/// The ids of a page of drones.
fn ids(told: &Value) -> Vec<String> {
    let nodes = told["data"]["drones"]["nodes"].as_array();
    let nodes = nodes.unwrap_or_else(|| panic!("no page in {told}")).iter();
    let id = |node: &Value| node["id"].as_str().unwrap_or_default().to_owned();
    nodes.map(id).collect()
}

#[tokio::test]
async fn pages_of_drones_end_at_the_last_one_the_caller_sees() {
    let fixture = four_drones().await;
    let viewer = fixture.token(Role::Viewer, &["red"]);
    let query = "query($after: String) { drones(first: 2, after: $after) { nodes { id }
                 edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }";
    let first = fixture.ask_as(&viewer, query, json!({})).await.json();
    assert_eq!(ids(&first), ["a-2", "a-3"]);
    let page = &first["data"]["drones"];
    assert_eq!(page["pageInfo"]["hasNextPage"], true);
    assert_eq!(page["edges"][1]["cursor"], page["pageInfo"]["endCursor"]);
    let after = json!({ "after": page["pageInfo"]["endCursor"] });
    let second = fixture.ask_as(&viewer, query, after).await.json();
    assert_eq!(ids(&second), ["alpha"]);
    assert_eq!(second["data"]["drones"]["pageInfo"]["hasNextPage"], false);
}

#[tokio::test]
async fn drones_are_filtered_and_counted() {
    let fixture = four_drones().await;
    for (filter, expected) in [
        ("{ armed: true }", &["a-2", "a-3"][..]),
        ("{ batteryBelow: 15 }", &["a-3"]),
        ("{ idPrefix: \"a-\" }", &["a-2", "a-3"]),
        ("{ idPrefix: \"alpha\", armed: false }", &["alpha"]),
        (
            "{ heardWithinS: 600, fleet: \"red\" }",
            &["a-2", "a-3", "alpha"],
        ),
        ("{ batteryBelow: 1 }", &[]),
    ] {
        let query = format!("{{ drones(filter: {filter}) {{ nodes {{ id }} }} }}");
        let told = fixture.ask(&query);
        assert_eq!(ids(&told.await), expected, "{filter}");
    }
    for (filter, code, field) in [
        ("{ fleet: \"blue\" }", "not_found", "filter.fleet"),
        ("{ batteryBelow: 101 }", "invalid", "filter.batteryBelow"),
        ("{ heardWithinS: 0 }", "invalid", "filter.heardWithinS"),
        ("{ idPrefix: \"?\" }", "invalid", "filter.idPrefix"),
    ] {
        let query = format!("{{ drones(filter: {filter}) {{ nodes {{ id }} }} }}");
        let told = fixture.ask(&query);
        assert_eq!(
            error(&told.await),
            (code.into(), field.into(), 1),
            "{filter}"
        );
    }
    let summary =
        fixture.ask("{ fleetSummary(withinS: 600) { drones { total } armed { armed } } }");
    let expected = json!({ "drones": { "total": 3 }, "armed": { "armed": 2 } });
    assert_eq!(summary.await["data"]["fleetSummary"], expected);
    let modes = fixture
        .ask("{ fleetSummary { flightMode { name drones } } }")
        .await;
    let expected = json!([{ "name": "unknown", "drones": 3 }]);
    assert_eq!(modes["data"]["fleetSummary"]["flightMode"], expected);
}

#[tokio::test]
async fn every_role_sees_what_it_sees_by_rest() {
    let fixture = start().await;
    fixture.hear_alpha().await;
    let (one, all) = (
        "{ drone(id: \"ID\") { id } }",
        "{ drones { nodes { id } } }",
    );
    let summary = "{ fleetSummary { drones { total } } }";
    for (query, codes) in [
        (one.replace("ID", "alpha"), ["", "forbidden", "", "", ""]),
        (
            one.replace("ID", "bravo"),
            [
                "not_found",
                "forbidden",
                "not_found",
                "not_found",
                "not_found",
            ],
        ),
        (all.to_owned(), ["forbidden", "forbidden", "", "", ""]),
        (summary.to_owned(), ["forbidden", "forbidden", "", "", ""]),
    ] {
        for (role, code) in Role::ALL.into_iter().zip(codes) {
            let fleets: &[&str] = if role == Role::Drone { &[] } else { &["red"] };
            let token = fixture.token(role, fleets);
            let answer = fixture.ask_as(&token, &query, json!({})).await;
            assert_eq!(answer.status, 200);
            assert_eq!(error(&answer.json()).0, code, "{query} {role}");
        }
        let answer = fixture.ask_as("not.a.token", &query, json!({})).await;
        assert_eq!(answer.status, 401);
        assert_eq!(error(&answer.json()).0, "unauthenticated");
        assert_eq!(answer.response.headers()["www-authenticate"], "Bearer");
    }
    // The schema is told to whoever has a token, and to nobody else.
    let schema = fixture.ask("{ __schema { queryType { name } } }").await;
    assert_eq!(schema["data"]["__schema"]["queryType"]["name"], "Query");
}

#[tokio::test]
async fn what_is_too_much_or_wrong_is_refused_with_what_would_be_right() {
    let fixture = start().await;
    let deep = format!(
        "{{ {} a {} }}",
        "drone(id: \"x\") { live { ".repeat(15),
        "} }".repeat(15)
    );
    let aliases: String = (0..10_000).map(|n| format!("a{n}: __typename ")).collect();
    let huge = "x".repeat(300_000);
    for (query, status, code, said) in [
        (deep, 413, "too_large", "at most 16"),
        (format!("{{ {aliases} }}"), 413, "too_large", "at most 1000"),
        ("{a".repeat(30_000), 413, "too_large", "nested 64 deep"),
        ("[".repeat(60_000), 413, "too_large", "nested 64 deep"),
        (huge, 413, "too_large", "262144 bytes"),
        ("{ drone(".into(), 400, "malformed", "expected"),
        (String::new(), 400, "malformed", "expected"),
        (
            "{ drnes { nodes { id } } }".into(),
            422,
            "invalid",
            "Did you mean \"drones\"",
        ),
        (
            "{ drones { nodes } }".into(),
            422,
            "invalid",
            "must have a selection",
        ),
        ("{ drone { id } }".into(), 422, "invalid", "\"id\""),
        ("mutation { drone }".into(), 422, "invalid", "Mutation"),
        (
            "{ drones(first: 1000) { nodes { telemetry(first: 10000) { nodes { seq } } } } }"
                .into(),
            413,
            "too_large",
            "cost_max",
        ),
    ] {
        let token = fixture.token(Role::Viewer, &["red"]);
        let answer = fixture.ask_as(&token, &query, json!({})).await;
        let shown: String = query.chars().take(80).collect();
        assert_eq!(answer.status, status, "{shown}: {:?}", answer.json());
        assert_eq!(error(&answer.json()).0, code, "{shown}");
        let message = answer.json()["errors"][0]["message"]
            .to_string()
            .replace("\\\"", "\"");
        assert!(message.contains(said), "{shown}: {message}");
    }
}

#[tokio::test]
async fn an_argument_that_is_wrong_is_named() {
    let fixture = start().await;
    for (query, field) in [
        ("{ drones(first: 0) { nodes { id } } }", "first"),
        ("{ drones(first: -3) { nodes { id } } }", "first"),
        ("{ drones(first: 1001) { nodes { id } } }", "first"),
        ("{ drones(after: \"garbage\") { nodes { id } } }", "after"),
        ("{ drone(id: \"no drone\") { id } }", "id"),
        ("{ fleetSummary(cellDeg: 1000) { atUs } }", "cellDeg"),
        ("{ fleetSummary(withinS: -1) { atUs } }", "withinS"),
    ] {
        let told = fixture.ask(query).await;
        assert_eq!(
            error(&told),
            ("invalid".into(), field.into(), 1),
            "{query}: {told}"
        );
    }
    // A part that fails leaves the others as they are.
    fixture.hear_alpha().await;
    let told = fixture.ask("{ a: drone(id: \"alpha\") { id } b: drone(id: \"bravo\") { id } }");
    let told = told.await;
    assert_eq!(told["data"], json!({ "a": { "id": "alpha" }, "b": null }));
    assert_eq!(told["errors"][0]["path"], json!(["b"]));
    let told = fixture.ask("{ drone(id: \"bravo\") { id } }").await;
    assert_eq!(told["data"], json!({ "drone": null }), "{told}");
    let query = "{ drone(id: \"alpha\") { telemetry(first: 0) { fromUs } } }";
    let told = fixture.ask(query).await;
    assert_eq!(
        told["data"],
        json!({ "drone": { "telemetry": null } }),
        "{told}"
    );
    assert_eq!(told["errors"][0]["path"], json!(["drone", "telemetry"]));
}

#[tokio::test]
async fn requests_that_are_no_graphql_are_refused() {
    let fixture = start().await;
    let token = fixture.token(Role::Viewer, &["red"]);
    for (body, status, code) in [
        ("{\"query\":", 400, "malformed"),
        ("[{\"query\":\"{ __typename }\"}]", 422, "invalid"),
        (
            "{\"query\":\"{ __typename }\",\"variables\":[]}",
            422,
            "invalid",
        ),
        ("{\"queries\":1}", 422, "invalid"),
    ] {
        let answer = fixture.send(Method::POST, "/graphql", &token, body).await;
        assert_eq!(
            (answer.status, error(&answer.json()).0),
            (status, code.into()),
            "{body}"
        );
    }
    let request = axum::http::Request::post("/graphql")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "text/plain")
        .body(axum::body::Body::from("{\"query\":\"{ __typename }\"}"))
        .unwrap();
    assert_eq!(fixture.call(request).await.status, 415);
}

#[tokio::test]
async fn queries_under_way_are_bounded_together() {
    let fixture = start_with(|config| config.graphql.cost_under_way_max = 10).await;
    let told = fixture.ask("{ drones(first: 20) { nodes { id } } }").await;
    assert_eq!(error(&told).0, "overloaded");
    assert_eq!(told["errors"][0]["extensions"]["retry_after_ms"], 1000);
    assert_eq!(
        fixture.ask("{ __typename }").await["data"]["__typename"],
        "Query"
    );
}

#[tokio::test]
async fn the_page_asks_nobody_else() {
    let fixture = start().await;
    let page = fixture.get("/graphql", "").await;
    let headers = page.response.headers();
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    let text = String::from_utf8(page.body).unwrap();
    assert!(
        text.contains("scripts/graphiql.sh"),
        "without its files it says how to get them"
    );
    assert_eq!(
        fixture.get("/graphql/graphiql.min.js", "").await.status,
        404
    );

    let directory = tempfile::tempdir().unwrap();
    for name in ["graphiql.min.css", "graphiql.min.js"] {
        std::fs::write(directory.path().join(name), name).unwrap();
    }
    for name in ["react.production.min.js", "react-dom.production.min.js"] {
        std::fs::write(directory.path().join(name), name).unwrap();
    }
    let path = Some(directory.path().to_owned());
    let fixture = start_with(|config| config.graphql.graphiql_directory = path).await;
    let page = String::from_utf8(fixture.get("/graphql", "").await.body).unwrap();
    assert!(!page.contains("://"), "{page}");
    let parts = page.split('"').filter(|part| part.starts_with("/graphql/"));
    let mut count = 0;
    for part in parts {
        assert_eq!(fixture.get(part, "").await.status, 200, "{part}");
        count += 1;
    }
    assert_eq!(count, 6);
}

/// Set by `make schema`: write the file in place of comparing it.
const UPDATE: &str = "UPDATE_SCHEMA";

#[test]
fn the_schema_file_is_what_the_code_says() {
    const FILE: &str = "docs/schema.graphql";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let schema = graphql::sdl();
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(path, &schema).expect("the schema can be written");
        return;
    }
    let kept = std::fs::read_to_string(path).expect("the schema is kept");
    assert!(kept == schema, "{FILE} is not up to date: make schema");
}
