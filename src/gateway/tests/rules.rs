//! Rules and fences through the doors, down to the alerts that they raise.

use std::ops::Range;
use std::sync::Arc;

use aerostream_domain::sample::{Battery, Content};
use aerostream_domain::{BootId, DroneId, RecordedSample, Seq, TimeBasis, UtcMicros};
use async_trait::async_trait;
use axum::http::Method;
use serde_json::{Value, json};

use super::support::{Answer, Fixture, eventually, now_us, start, start_over, start_with};
use crate::gateway::auth::Role;
use crate::gateway::ports::{
    FlatRow, History, HistoryError, HistoryRequest, PastSample, Steps, Summary,
};

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

/// A battery that runs down, one percent a second, from now - 100 s on.
struct RunDown(i64);

#[async_trait]
impl History for RunDown {
    async fn knows(&self, _: &DroneId) -> Result<bool, HistoryError> {
        Ok(true)
    }

    async fn samples(&self, request: &HistoryRequest) -> Result<Vec<PastSample>, HistoryError> {
        let after = request.after.map_or(i64::MIN, |key| key.time.0);
        let all = (0..100).map(|second: i64| PastSample {
            boot: BootId(1),
            sample: RecordedSample {
                seq: Seq(second as u64),
                time: UtcMicros(self.0 + second * 1_000_000),
                basis: TimeBasis::Utc,
                since_boot: None,
                content: Content {
                    battery: vec![Battery {
                        remaining_percent: Some(100.0 - second as f32),
                        ..Battery::default()
                    }],
                    ..Content::default()
                },
            },
        });
        let behind = all
            .filter(|past| request.range.contains(&past.sample.time) && past.sample.time.0 > after);
        Ok(behind.take(request.limit).collect())
    }

    async fn rows(&self, _: &HistoryRequest) -> Result<Vec<FlatRow>, HistoryError> {
        Ok(Vec::new())
    }

    async fn summaries(&self, _: &DroneId, _: Steps) -> Result<Vec<Summary>, HistoryError> {
        Ok(Vec::new())
    }

    async fn estimate(&self, _: &DroneId, _: Range<UtcMicros>) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn kept_from(&self, _: &DroneId) -> Result<UtcMicros, HistoryError> {
        Ok(UtcMicros(0))
    }
}

#[tokio::test]
async fn a_rule_is_tried_on_the_past_before_it_is_kept() {
    let began = now_us() - 100_000_000;
    let fixture = start_over(Arc::new(RunDown(began)), |config| {
        config.rule_tests.chunk_samples = 7;
    });
    let fixture = fixture.await;
    let test = format!("{RULES}/test");
    let rule = json!({
        "title": "Half empty",
        "levels": [
            { "severity": "notice",
              "raise": { "field": "battery.remaining_percent", "op": "<=", "value": 50 } },
            { "severity": "warning", "for_s": 5,
              "raise": { "field": "battery.remaining_percent", "op": "<=", "value": 30 } }
        ],
        "clear": { "field": "battery.remaining_percent", "op": ">=", "value": 60 }
    });
    let told = fixture
        .admin(Method::POST, &test, &json!({ "rule": rule }))
        .await;
    assert_eq!(told.status, 200, "{}", told.json());
    let told = told.json();
    let drone = &told["drones"][0];
    assert_eq!(
        (
            &drone["drone_id"],
            &drone["samples"],
            &drone["complete"],
            &drone["raised"]
        ),
        (&json!("alpha"), &json!(100), &json!(true), &json!(1))
    );
    let event = |place: usize, name: &str| drone["events"][place][name].clone();
    assert_eq!(event(0, "turn"), "raised");
    assert_eq!(event(0, "time_us"), began + 50_000_000);
    assert_eq!(
        (event(0, "value"), event(0, "instance")),
        (json!(50.0), json!("battery:0"))
    );
    assert_eq!(
        (event(1, "turn"), event(1, "severity")),
        (json!("escalated"), json!("warning"))
    );
    assert_eq!(event(1, "time_us"), began + 75_000_000);
    // One that is there; its levels at 15, 7 and 5 percent.
    let kept = fixture
        .admin(Method::POST, &test, &json!({ "rule_id": "battery" }))
        .await;
    let kept = kept.json();
    assert_eq!(
        kept["drones"][0]["events"].as_array().map(Vec::len),
        Some(3)
    );
    let wrong = |body: Value| {
        let (fixture, test) = (&fixture, &test);
        async move { fixture.admin(Method::POST, test, &body).await.problem() }
    };
    let from = json!({ "rule_id": "battery", "from": "2020-01-01T00:00:00Z" });
    assert_eq!(wrong(from).await.2, "from");
    let foreign = json!({ "rule_id": "battery", "drone_ids": ["bravo"] });
    assert_eq!(wrong(foreign).await.2, "drone_ids[0]");
    assert_eq!(wrong(json!({})).await.2, "rule");
    let mut broken = rule.clone();
    broken["clear"]["op"] = json!("=");
    assert_eq!(wrong(json!({ "rule": broken })).await.2, "rule.clear.op");
}

#[tokio::test]
async fn a_test_that_reads_too_much_says_how_far_it_came() {
    let began = now_us() - 100_000_000;
    let fixture = start_over(Arc::new(RunDown(began)), |config| {
        config.rule_tests.samples_max = 20;
    });
    let fixture = fixture.await;
    let body = json!({ "rule_id": "battery" });
    let told = fixture
        .admin(Method::POST, &format!("{RULES}/test"), &body)
        .await;
    let told = told.json();
    let drone = &told["drones"][0];
    assert_eq!(
        (&drone["complete"], &drone["samples"]),
        (&json!(false), &json!(20))
    );
    assert_eq!(drone["until_us"], began + 19_000_000);
    let busy = start_with(|config| config.rule_tests.tests_max = 0).await;
    let refused = busy
        .admin(Method::POST, &format!("{RULES}/test"), &body)
        .await;
    assert_eq!(refused.problem().1, "overloaded");
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
