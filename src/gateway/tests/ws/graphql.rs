//! GraphQL over WebSocket: subscriptions, their ends and their limits.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::batch;
use crate::gateway::auth::Role;
use crate::gateway::tests::server::{Served, serve_http};
use crate::gateway::tests::support::{PATIENCE, by, now_us};

struct Graphql {
    stream: WebSocketStream<TcpStream>,
}

impl Graphql {
    async fn open(served: &Served) -> Self {
        let stream = TcpStream::connect(served.address).await.unwrap();
        let url = format!("ws://{}/graphql/ws", served.address);
        let mut request = url.into_client_request().unwrap();
        let protocol = "graphql-transport-ws".parse().unwrap();
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (stream, response) = client_async(request, stream).await.unwrap();
        let spoken = response.headers()["sec-websocket-protocol"].to_str();
        assert_eq!(spoken.unwrap(), "graphql-transport-ws");
        Self { stream }
    }

    async fn known(served: &Served, token: &str) -> Self {
        let mut client = Self::open(served).await;
        let payload = json!({ "authorization": format!("Bearer {token}") });
        client
            .say(json!({ "type": "connection_init", "payload": payload }))
            .await;
        assert_eq!(client.hear().await["type"], "connection_ack");
        client
    }

    async fn say(&mut self, message: Value) {
        let message = Message::text(message.to_string());
        self.stream.send(message).await.unwrap();
    }

    async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.say(json!({ "type": "subscribe", "id": id, "payload": payload }))
            .await;
    }

    async fn message(&mut self) -> Message {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            match next.expect("the server says something").unwrap().unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    async fn hear(&mut self) -> Value {
        match self.message().await {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Data of the next answer, which must be of this operation and without errors.
    async fn next(&mut self, id: &str) -> Value {
        let heard = self.hear().await;
        assert_eq!(
            (&heard["type"], &heard["id"]),
            (&json!("next"), &json!(id)),
            "{heard}"
        );
        assert_eq!(heard["payload"].get("errors"), None, "{heard}");
        heard["payload"]["data"].clone()
    }

    async fn closed(&mut self) -> u16 {
        loop {
            match self.message().await {
                Message::Close(Some(frame)) => return frame.code.into(),
                Message::Close(None) => panic!("no reason"),
                _ => {}
            }
        }
    }
}

const DRONE: &str = "subscription($id: ID!) { droneUpdates(id: $id) {
    kind recorded samples { seq position { latitudeDeg } } live { newest { seq } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_is_watched_until_its_watcher_has_seen_enough() {
    let served = serve_http(|_| {}).await;
    let mut client = Graphql::known(&served, &served.viewer()).await;
    client.subscribe("1", DRONE, json!({ "id": "alpha" })).await;
    let first = client.next("1").await["droneUpdates"].clone();
    assert_eq!(
        (&first["kind"], &first["live"]),
        (&json!("SNAPSHOT"), &Value::Null)
    );
    for seq in 1..4 {
        served.record(batch([seq])).await;
        let update = client.next("1").await["droneUpdates"].clone();
        assert_eq!(update["kind"], "UPDATE");
        assert_eq!(update["recorded"], true);
        assert_eq!(update["samples"][0]["seq"], seq);
        assert_eq!(update["samples"][0]["position"]["latitudeDeg"], 47.5);
    }
    // Pings are answered, and what is no subscription is answered once.
    client.say(json!({ "type": "ping" })).await;
    assert_eq!(client.hear().await["type"], "pong");
    client
        .subscribe("q", "{ drone(id: \"alpha\") { id } }", json!({}))
        .await;
    assert_eq!(client.next("q").await["drone"]["id"], "alpha");
    assert_eq!(
        client.hear().await,
        json!({ "type": "complete", "id": "q" })
    );
    client.say(json!({ "type": "complete", "id": "1" })).await;
    client.subscribe("2", DRONE, json!({ "id": "alpha" })).await;
    let again = client.next("2").await["droneUpdates"].clone();
    assert_eq!(again["live"]["newest"]["seq"], 3);
    served.record(batch([9])).await;
    assert_eq!(
        client.next("2").await["droneUpdates"]["samples"][0]["seq"],
        9
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_watched_and_foreign_drones_are_not() {
    let served = serve_http(|_| {}).await;
    served.record(batch([1])).await;
    served.record(super::batch_of("bravo", [1])).await;
    let red = served.fixture.token(Role::Viewer, &["red"]);
    let mut client = Graphql::known(&served, &red).await;
    let query = "subscription { fleetPositions(bbox: [8, 47, 9, 48], rateHz: 5) {
        kind drones { id latitudeDeg longitudeDeg } left { id reason } } }";
    client.subscribe("map", query, json!({})).await;
    let told = client.next("map").await["fleetPositions"].clone();
    let alpha = json!([{ "id": "alpha", "latitudeDeg": 47.5, "longitudeDeg": 8.25 }]);
    assert_eq!((&told["kind"], &told["drones"]), (&json!("UPDATE"), &alpha));
    for (id, query, code) in [
        ("a", DRONE, "not_found"),
        (
            "b",
            "subscription { fleetPositions(rateHz: 99) { kind } }",
            "invalid",
        ),
        (
            "c",
            "subscription { fleetPositions(fleetIds: [\"blue\"]) { kind } }",
            "not_found",
        ),
        (
            "d",
            "subscription { commandUpdates(id: \"nonsense\") { id } }",
            "invalid",
        ),
        ("e", "subscription { nothing }", "invalid"),
    ] {
        client.subscribe(id, query, json!({ "id": "bravo" })).await;
        let heard = client.hear().await;
        assert_eq!(heard["id"], id, "{heard}");
        let errors = heard["payload"].get("errors").unwrap_or(&heard["payload"]);
        assert_eq!(errors[0]["extensions"]["code"], code, "{heard}");
        if heard["type"] == "next" {
            assert_eq!(client.hear().await["type"], "complete");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_given_and_followed_to_its_end() {
    let served = serve_http(|_| {}).await;
    let operator = served.fixture.token(Role::Operator, &["red"]);
    let mut client = Graphql::known(&served, &operator).await;
    let send = "mutation($key: String) { sendCommand(droneId: \"alpha\", input: {
        command: \"goto\", parameters: { latitude_deg: 47.5, longitude_deg: 8.5, altitude_m: 30 },
        timeToLiveMs: 60000, idempotencyKey: $key }) { id state parameters droneId } }";
    let mut ids = Vec::new();
    for id in ["1", "2"] {
        client
            .subscribe(id, send, json!({ "key": "one-wish" }))
            .await;
        let given = client.next(id).await["sendCommand"].clone();
        assert_eq!(given["state"], "queued");
        assert_eq!(given["parameters"]["latitude_deg"], 47.5);
        assert_eq!(client.hear().await["type"], "complete");
        ids.push(given["id"].clone());
    }
    assert_eq!(ids[0], ids[1], "the same key is the same wish");
    let watch = "subscription($id: ID!) { commandUpdates(id: $id) { state isFinal } }";
    client.subscribe("w", watch, json!({ "id": ids[0] })).await;
    assert_eq!(client.next("w").await["commandUpdates"]["state"], "queued");
    let cancel = "mutation($id: ID!) { cancelCommand(id: $id) { id } }";
    client.subscribe("c", cancel, json!({ "id": ids[0] })).await;
    let (mut ended, mut completed) = (false, 0);
    while completed < 2 {
        let heard = client.hear().await;
        let update = &heard["payload"]["data"]["commandUpdates"];
        ended |= update["state"] == "cancelled" && update["isFinal"] == true;
        completed += usize::from(heard["type"] == "complete");
    }
    assert!(ended, "its end is told, and then nothing more");
    let list = "{ commands(droneId: \"alpha\") { id state }
                  command(id: \"ID\") { isFinal } }";
    let list = list.replace("ID", ids[0].as_str().unwrap());
    client.subscribe("l", &list, json!({})).await;
    let told = client.next("l").await;
    assert_eq!(
        told["commands"],
        json!([{ "id": ids[0], "state": "cancelled" }])
    );
    assert_eq!(told["command"]["isFinal"], true);
}

#[tokio::test]
async fn mutations_have_the_codes_of_rest() {
    let served = serve_http(|_| {}).await;
    let check = async |role: Role, mutation: &str, code: &str, field: &str| {
        let token = served.fixture.token(role, &["red"]);
        let body = json!({ "query": format!("mutation {{ {mutation} }}") }).to_string();
        let method = axum::http::Method::POST;
        let answer = served.fixture.send(method, "/graphql", &token, &body).await;
        let told = answer.json()["errors"][0]["extensions"].clone();
        assert_eq!(told["code"], code, "{mutation}: {}", answer.json());
        let told = told["field"].as_str().unwrap_or_default();
        assert_eq!(told, field, "{mutation}");
    };
    let none = "0000-00000000000000000000000000000000";
    let hold = |drone: &str| {
        format!("sendCommand(droneId: \"{drone}\", input: {{ command: \"hold\" }}) {{ id }}")
    };
    check(Role::Viewer, &hold("alpha"), "forbidden", "").await;
    check(Role::Operator, &hold("bravo"), "not_found", "drone_id").await;
    check(Role::Operator, &hold("no id"), "invalid", "droneId").await;
    let wrong = "sendCommand(droneId: \"alpha\", input: { command: \"dance\" }) { id }";
    check(Role::Operator, wrong, "invalid", "command").await;
    let short = "sendCommand(droneId: \"alpha\", input: { command: \"hold\", timeToLiveMs: 5 })
                 { id }";
    check(Role::Operator, short, "invalid", "timeToLiveMs").await;
    let cancel = format!("cancelCommand(id: \"{none}\") {{ id }}");
    check(Role::Operator, &cancel, "not_found", "command_id").await;
    check(Role::Viewer, &cancel, "forbidden", "").await;
    let confirm = format!("confirmCommand(id: \"{none}\", digest: \"x\") {{ id }}");
    check(Role::Operator, &confirm, "invalid", "digest").await;
    check(Role::Admin, &confirm, "forbidden", "").await;
    let many = "sendGroupCommand(droneIds: [], input: { command: \"hold\" }) { id }";
    check(Role::Operator, many, "invalid", "drone_ids").await;
    check(Role::Viewer, many, "forbidden", "").await;

    let token = served.fixture.token(Role::Operator, &["red"]);
    let many = "mutation { sendGroupCommand(droneIds: [\"alpha\", \"bravo\"],
        input: { command: \"hold\" }) { id commands { droneId state commandId } } }";
    let body = json!({ "query": many }).to_string();
    let method = axum::http::Method::POST;
    let answer = served
        .fixture
        .send(method, "/graphql", &token, &body)
        .await
        .json();
    let commands = &answer["data"]["sendGroupCommand"]["commands"];
    assert_eq!(commands[0]["state"], "queued", "{answer}");
    assert_eq!(
        (&commands[1]["state"], &commands[1]["commandId"]),
        (&json!("not_found"), &json!(null))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rules_of_the_protocol_are_kept() {
    let served = serve_http(|config| {
        config.ws.token_timeout_ms = 300;
    })
    .await;
    let token = served.viewer();
    let init = |payload: Value| json!({ "type": "connection_init", "payload": payload });
    let right = init(json!({ "authorization": format!("Bearer {token}") }));
    let ping = json!({ "type": "ping" });
    let subscribe = json!({ "type": "subscribe", "id": "1",
        "payload": { "query": DRONE, "variables": { "id": "alpha" } } });
    for (messages, code) in [
        (vec![], 4408),
        (vec![subscribe.clone()], 4401),
        (
            vec![init(json!({ "authorization": "Bearer nonsense" }))],
            4403,
        ),
        (vec![init(json!({}))], 4403),
        (vec![json!({ "type": "nonsense" })], 4400),
        (vec![right.clone(), right.clone()], 4429),
        (
            vec![ping, right.clone(), subscribe.clone(), subscribe],
            4409,
        ),
    ] {
        let mut client = Graphql::open(&served).await;
        for message in &messages {
            client.say(message.clone()).await;
        }
        assert_eq!(client.closed().await, code, "{messages:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_are_limited_and_end_with_the_token() {
    let served = serve_http(|config| {
        config.graphql.operations_max = 2;
        config.graphql.principal_operations_max = 3;
    })
    .await;
    let token = served.viewer();
    // Limits: of a connection, and of a caller.
    let (mut one, mut two) = (
        Graphql::known(&served, &token).await,
        Graphql::known(&served, &token).await,
    );
    let deep = format!("{{ {}a{} }}", "drone { ".repeat(20), " }".repeat(20));
    two.subscribe("deep", &deep, json!({})).await;
    assert_eq!(
        two.hear().await["payload"][0]["extensions"]["code"],
        "too_large"
    );
    let variables = json!({ "id": "alpha" });
    for id in ["1", "2"] {
        one.subscribe(id, DRONE, variables.clone()).await;
        one.next(id).await;
    }
    one.subscribe("3", DRONE, variables.clone()).await;
    let refused = one.hear().await;
    assert_eq!(
        (&refused["type"], &refused["id"]),
        (&json!("error"), &json!("3"))
    );
    assert_eq!(refused["payload"][0]["extensions"]["code"], "overloaded");
    two.subscribe("1", DRONE, variables.clone()).await;
    two.next("1").await;
    two.subscribe("2", DRONE, variables).await;
    assert_eq!(
        two.hear().await["payload"][0]["extensions"]["code"],
        "overloaded"
    );
    // The token ends, and everything with it.
    let revocation = crate::registry::Revocation {
        token_id: "viewer-1-1".to_owned(),
        token_expires: aerostream_domain::UtcMicros(now_us() + 3_600_000_000),
        reason: String::new(),
    };
    served
        .fixture
        .registry
        .revoke(revocation, by())
        .await
        .unwrap();
    assert_eq!(one.closed().await, 4403);
    assert_eq!(two.closed().await, 4403);
}

const ALERTS: &str = "subscription { alertUpdates(filter: { ruleId: \"battery\" }) {
    kind cursor active { id } changes { what alert { id droneId severity turns
    acknowledged { comment } } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_watched_acknowledged_and_listed() {
    let served = serve_http(|_| {}).await;
    let operator = served.fixture.token(Role::Operator, &["red"]);
    let mut client = Graphql::known(&served, &operator).await;
    client.subscribe("a", ALERTS, json!({})).await;
    let snapshot = client.next("a").await["alertUpdates"].clone();
    assert_eq!(
        (&snapshot["kind"], &snapshot["active"]),
        (&json!("SNAPSHOT"), &json!([]))
    );
    let sample = json!({ "seq": 1, "utc_us": now_us(),
                         "battery": [{ "id": 0, "remaining_percent": 4 }] });
    let low = json!({ "drone_id": "alpha", "boot": 7, "batch_id": 1, "samples": [sample] });
    served.record(low).await;
    let raised = client.next("a").await["alertUpdates"].clone();
    let change = &raised["changes"][0];
    assert_eq!(
        (&change["what"], &change["alert"]["severity"]),
        (&json!("raised"), &json!("emergency"))
    );
    let acknowledge = "mutation($id: ID!) { acknowledgeAlert(droneId: \"alpha\", alertId: $id,
        comment: \"seen\") { isAcknowledged isActive turns } }";
    let id = json!({ "id": change["alert"]["id"] });
    client.subscribe("b", acknowledge, id).await;
    // The answer and the news of it come in either order.
    let mut told = Vec::new();
    while told.len() < 3 {
        let heard = client.hear().await;
        assert_eq!(heard["payload"].get("errors"), None, "{heard}");
        told.push(heard);
    }
    let of = |id: &str, kind: &str| {
        let found = told.iter().find(|it| it["id"] == id && it["type"] == kind);
        found.unwrap_or_else(|| panic!("{told:?}"))["payload"]["data"].clone()
    };
    let seen = of("b", "next")["acknowledgeAlert"].clone();
    assert_eq!(
        seen,
        json!({ "isAcknowledged": true, "isActive": true, "turns": 1 })
    );
    let change = of("a", "next")["alertUpdates"]["changes"][0].clone();
    assert_eq!(change["alert"]["acknowledged"]["comment"], "seen");
    of("b", "complete");

    let list = "{ alerts(first: 1, filter: { isActive: true, ruleId: \"battery\" }) {
        nodes { id isAcknowledged } nextAfter } }";
    client.subscribe("c", list, json!({})).await;
    let page = client.next("c").await["alerts"].clone();
    assert_eq!(page["nodes"][0]["isAcknowledged"], true);
    assert_eq!(page["nextAfter"], Value::Null);
}
