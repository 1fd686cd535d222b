//! Rules and fences through the doors, down to the alerts that they raise.

mod past;

use axum::http::Method;
use serde_json::{Value, json};

use super::support::{Answer, Fixture, eventually, start};
use crate::gateway::auth::Role;

const RULES: &str = "/api/v1/fleets/red/rules";
const FENCES: &str = "/api/v1/fleets/red/fences";

fn gusts(limit: f64) -> Value {
    json!({
        "rule_id": "gusts", "title": "Gusts",
        "levels": [{ "severity": "critical",
            "raise": { "field": "wind.speed_m_s", "op": ">", "value": limit } }],
        "clear": { "field": "wind.speed_m_s", "op": "<", "value": 1 }
    })
}

impl Fixture {
    async fn admin(&self, method: Method, path: &str, body: &Value) -> Answer {
        let token = self.token(Role::Admin, &["red"]);
        self.send(method, path, &token, &body.to_string()).await
    }

    async fn told(&self, path: &str) -> Value {
        let token = self.token(Role::Viewer, &["red"]);
        let answer = self.get(path, &token).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json());
        answer.json()
    }

    /// Rules of the active alerts of alpha.
    fn alerts(&self) -> Vec<String> {
        let alerts = self
            .node()
            .alerts()
            .alerts(|drone, alert| drone.as_str() == "alpha" && alert.is_active());
        let rules = alerts.iter().map(|(_, alert)| alert.rule.to_string());
        rules.collect()
    }

    async fn blow(&self, speed_m_s: f64) {
        let sample = json!({ "drone_id": "alpha", "wind": { "speed_m_s": speed_m_s },
            "position": { "latitude_deg": 47.0, "longitude_deg": 8.0 } });
        assert_eq!(self.post(&sample.to_string()).await.status, 200);
    }
}

#[tokio::test]
async fn a_new_rule_raises_an_alert_and_taking_it_away_ends_it() {
    let fixture = start().await;
    let made = fixture.admin(Method::POST, RULES, &gusts(5.0)).await;
    assert_eq!(made.status, 201, "{}", made.json());
    assert_eq!(made.json()["origin"], "fleet");
    fixture.blow(6.0).await;
    eventually("the rule raises", async || fixture.alerts() == ["gusts"]).await;
    let again = fixture.admin(Method::POST, RULES, &gusts(5.0)).await;
    assert_eq!(again.problem().1, "conflict");
    let path = format!("{RULES}/gusts");
    let removed = fixture.admin(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(removed.status, 200, "{}", removed.json());
    fixture.blow(6.0).await;
    eventually("the alert ends", async || fixture.alerts().is_empty()).await;
    let gone = fixture.admin(Method::DELETE, &path, &Value::Null).await;
    assert_eq!(gone.problem().1, "not_found");
}

#[tokio::test]
async fn a_drones_rule_stands_above_its_fleets_and_that_above_the_built_in_one() {
    let fixture = start().await;
    let origin = async |path: &str| {
        let told = fixture.told(path).await;
        let rules = told["rules"].as_array().unwrap().clone();
        let wind = rules.into_iter().find(|rule| rule["rule_id"] == "wind");
        wind.map(|rule| rule["origin"].as_str().unwrap().to_owned())
    };
    let effective = "/api/v1/drones/alpha/rules?effective=true";
    assert_eq!(origin(effective).await.as_deref(), Some("built_in"));
    assert_eq!(origin("/api/v1/drones/alpha/rules").await, None);
    let mut wind = fixture.told("/api/v1/fleets/red/rules/wind").await;
    wind["enabled"] = json!(false);
    let path = "/api/v1/fleets/red/rules/wind";
    // What was told is taken as it is: the built-in rule has no version.
    let put = fixture.admin(Method::PUT, path, &wind).await;
    assert_eq!(put.status, 200, "{}", put.json());
    assert_eq!(origin(effective).await.as_deref(), Some("fleet"));
    let first = put.json();
    let path = "/api/v1/fleets/red/rules/wind";
    let put = fixture.admin(Method::PUT, path, &first).await;
    assert_eq!(put.status, 200, "{}", put.json());
    let stale = fixture.admin(Method::PUT, path, &first).await;
    assert_eq!(stale.problem().1, "conflict");
    let own = "/api/v1/drones/alpha/rules/wind";
    wind["enabled"] = json!(true);
    let put = fixture.admin(Method::PUT, own, &wind).await;
    assert_eq!(put.status, 200, "{}", put.json());
    assert_eq!(origin(effective).await.as_deref(), Some("drone"));
    let stale = format!("{own}?version=0");
    let stale = fixture.admin(Method::DELETE, &stale, &Value::Null).await;
    assert_eq!(stale.problem().1, "conflict");
}

#[tokio::test]
async fn a_fence_is_watched_as_soon_as_it_is_there() {
    let fixture = start().await;
    let fence = json!({
        "fence_id": "field", "kind": "keep_in",
        "geometry": { "type": "Circle", "center": [8.1, 47.0], "radius_m": 100 }
    });
    let made = fixture.admin(Method::POST, FENCES, &fence).await;
    assert_eq!(made.status, 201, "{}", made.json());
    fixture.blow(0.0).await;
    eventually("it is in breach", async || fixture.alerts() == ["fence"]).await;
    let told = fixture.told(FENCES).await;
    assert_eq!(told["fences"][0]["geometry"], made.json()["geometry"]);
    let other = json!({ "fence_id": "field", "kind": "keep_in", "ceiling_m": 10,
        "drone_ids": ["alpha"] });
    let put = fixture
        .admin(Method::PUT, &format!("{FENCES}/field"), &other)
        .await;
    assert_eq!(put.status, 200, "{}", put.json());
    assert_eq!(put.json()["drone_ids"], json!(["alpha"]));
    let wrong = fixture
        .admin(Method::PUT, &format!("{FENCES}/else"), &other)
        .await;
    assert_eq!(wrong.problem(), (422, "invalid".into(), "fence_id".into()));
}

#[tokio::test]
async fn what_is_no_rule_is_refused_with_its_path_and_limits_hold() {
    let fixture = start().await;
    let mut unknown = gusts(5.0);
    unknown["levels"][0]["raise"]["field"] = json!("wind.sped_m_s");
    let refused = fixture.admin(Method::POST, RULES, &unknown).await;
    let (status, code, field) = refused.problem();
    assert_eq!((status, code.as_str()), (422, "invalid"));
    assert_eq!(field, "levels[0].raise.field");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("wind.speed_m_s"), "{detail}");
    let mut named = gusts(5.0);
    named["rule_id"] = json!("test");
    let refused = fixture.admin(Method::POST, RULES, &named).await;
    assert_eq!(refused.problem().2, "rule_id");
    let green = fixture.token(Role::Admin, &["*"]);
    let body = gusts(5.0).to_string();
    let path = "/api/v1/fleets/green/rules";
    let nowhere = fixture.send(Method::POST, path, &green, &body).await;
    assert_eq!(nowhere.problem().1, "not_found");
    let path = "/api/v1/drones/nobody/rules";
    let nobody = fixture.send(Method::POST, path, &green, &body).await;
    assert_eq!(nobody.problem().1, "not_found");
    let fields = fixture.told("/api/v1/rules/fields").await;
    let fields = fields["fields"].as_array().unwrap();
    assert!(fields.iter().any(|field| *field
        == json!({ "field": "wind.speed_m_s", "kind": "number", "unit": "m/s", "per": "drone" })));
}

#[tokio::test]
async fn graphql_tells_and_changes_the_same_rules() {
    let fixture = start().await;
    let ask = async |role: Role, query: &str| {
        let token = fixture.token(role, &["red"]);
        let body = json!({ "query": query }).to_string();
        let answer = fixture.send(Method::POST, "/graphql", &token, &body).await;
        answer.json()
    };
    let put = r#"mutation { putRule(fleet: "red", rule: { ruleId: "gusts", title: "Gusts",
        levels: [{ severity: CRITICAL,
            raise: { field: "wind.speed_m_s", op: ">", value: 5 } }],
        clear: { field: "wind.speed_m_s", op: "<", value: 1 } })
        { version origin levels { raise } } }"#;
    let refused = ask(Role::Operator, put).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "forbidden");
    let made = ask(Role::Admin, put).await;
    assert_eq!(made["data"]["putRule"]["origin"], "FLEET", "{made}");
    let rest = fixture.told("/api/v1/fleets/red/rules/gusts").await;
    let told = &made["data"]["putRule"]["levels"][0]["raise"];
    assert_eq!(told["field"], rest["levels"][0]["raise"]["field"]);
    assert_eq!(made["data"]["putRule"]["version"], rest["version"]);
    let wrong = put.replace("wind.speed_m_s\", op: \">\"", "wind.x\", op: \">\"");
    let wrong = ask(Role::Admin, &wrong).await;
    let extensions = &wrong["errors"][0]["extensions"];
    assert_eq!(extensions["field"], "levels[0].raise.field", "{wrong}");
    let fence = r#"mutation { putFence(fleet: "red", fence: { fenceId: "pad", kind: KEEP_IN,
        geometry: { type: "Circle", center: [8, 47], radius_m: 50 } }) { fenceId geometry } }"#;
    let fence = ask(Role::Admin, fence).await;
    assert_eq!(fence["data"]["putFence"]["fenceId"], "pad", "{fence}");
    let query = r#"{ rules(drone: "alpha", effective: true) { ruleId origin }
        fences(fleet: "red") { fenceId } ruleFields { field per } }"#;
    let all = ask(Role::Viewer, query).await;
    assert_eq!(
        all["data"]["fences"],
        json!([{ "fenceId": "pad" }]),
        "{all}"
    );
    let rules = all["data"]["rules"].as_array().unwrap();
    assert!(rules.contains(&json!({ "ruleId": "gusts", "origin": "FLEET" })));
    let delete = r#"mutation { deleteRule(fleet: "red", ruleId: "gusts")
        deleteFence(fleet: "red", fenceId: "pad") }"#;
    let deleted = ask(Role::Admin, delete).await;
    assert!(deleted["data"]["deleteFence"].is_number(), "{deleted}");
    assert_eq!(fixture.told(RULES).await["rules"], json!([]));
}
