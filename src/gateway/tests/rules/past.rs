//! Rules that are tried on the past.

use std::ops::Range;
use std::sync::Arc;

use aerostream_domain::alert::{Alert, AlertId};
use aerostream_domain::sample::{Battery, Content};
use aerostream_domain::{BootId, DroneId, RecordedSample, Seq, TimeBasis, UtcMicros};
use async_trait::async_trait;
use axum::http::Method;
use serde_json::{Value, json};

use super::{RULES, gusts};
use crate::gateway::history::StoredHistory;
use crate::gateway::ports::{
    AlertQuestion, AuditError, AuditQuestion, AuditRow, FlatRow, History, HistoryError,
    HistoryRequest, PastAlertsError, PastSample, Steps, Summary,
};
use crate::gateway::tests::support::{eventually, now_us, start_over, start_with};
use crate::store;
use crate::store::test_database;

/// The sample of a second of a battery that runs down, one percent a second.
fn run_down(began: i64, second: i64) -> PastSample {
    PastSample {
        boot: BootId(1),
        sample: RecordedSample {
            seq: Seq(second as u64),
            time: UtcMicros(began + second * 1_000_000),
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
    }
}

/// What a database says of alpha.
enum Past {
    /// A battery ran down, from this moment on.
    RunDown(i64),
    /// Nothing: it does not answer.
    Down,
}

impl Past {
    fn answer<T>(&self, drone: &DroneId, answer: T) -> Result<T, HistoryError> {
        match self {
            Self::RunDown(_) => Ok(answer),
            Self::Down => Err(HistoryError {
                drone: drone.clone(),
                source: "nobody listens".into(),
            }),
        }
    }
}

#[async_trait]
impl History for Past {
    async fn audit(&self, _: &AuditQuestion) -> Result<Vec<AuditRow>, AuditError> {
        unreachable!("no audit is asked for")
    }

    async fn knows(&self, drone: &DroneId) -> Result<bool, HistoryError> {
        self.answer(drone, true)
    }

    async fn samples(&self, request: &HistoryRequest) -> Result<Vec<PastSample>, HistoryError> {
        let after = request.after.map_or(i64::MIN, |key| key.time.0);
        let all = (0..100).filter_map(|second| match self {
            Self::RunDown(began) => Some(run_down(*began, second)),
            Self::Down => None,
        });
        let behind = all
            .filter(|past| request.range.contains(&past.sample.time) && past.sample.time.0 > after);
        self.answer(&request.drone, behind.take(request.limit).collect())
    }

    async fn rows(&self, request: &HistoryRequest) -> Result<Vec<FlatRow>, HistoryError> {
        self.answer(&request.drone, Vec::new())
    }

    async fn summaries(&self, drone: &DroneId, _: Steps) -> Result<Vec<Summary>, HistoryError> {
        self.answer(drone, Vec::new())
    }

    async fn estimate(&self, drone: &DroneId, _: Range<UtcMicros>) -> Result<u64, HistoryError> {
        self.answer(drone, 0)
    }

    async fn kept_from(&self, drone: &DroneId) -> Result<UtcMicros, HistoryError> {
        self.answer(drone, UtcMicros(0))
    }

    async fn alerts(&self, _: &AlertQuestion) -> Result<Vec<(DroneId, Alert)>, PastAlertsError> {
        Ok(Vec::new())
    }

    async fn alert(&self, _: &DroneId, _: AlertId) -> Result<Option<Alert>, PastAlertsError> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_rule_is_tried_on_the_past_before_it_is_kept() {
    let began = now_us() - 100_000_000;
    let fixture = start_over(Arc::new(Past::RunDown(began)), |config| {
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
    let fixture = start_over(Arc::new(Past::RunDown(began)), |config| {
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
async fn without_a_database_rules_count_and_only_their_tests_wait() {
    let fixture = start_over(Arc::new(Past::Down), |_| {}).await;
    let test = format!("{RULES}/test");
    let refused = fixture
        .admin(Method::POST, &test, &json!({ "rule_id": "battery" }))
        .await;
    assert_eq!(
        refused.problem(),
        (503, "unavailable".into(), String::new())
    );
    let made = fixture.admin(Method::POST, RULES, &gusts(5.0)).await;
    assert_eq!(made.status, 201, "{}", made.json());
    fixture.blow(6.0).await;
    eventually("the rule raises", async || fixture.alerts() == ["gusts"]).await;
}

#[tokio::test]
async fn the_past_that_is_judged_is_the_databases() {
    const START: i64 = 1_767_225_600_000_000;
    let database = test_database::create().await;
    let samples: Vec<_> = (0..100)
        .map(|second| run_down(START, second).sample)
        .collect();
    database.store("alpha", &samples).await;
    let history = StoredHistory::new(&database.pool, &store::Config::default());
    let fixture = start_over(Arc::new(history), |config| {
        config.rule_tests.chunk_samples = 9;
    });
    let fixture = fixture.await;
    let body = json!({ "rule_id": "battery", "drone_ids": ["alpha"],
        "from": "2026-01-01T00:00:00Z", "to": "2026-01-01T01:00:00Z" });
    let told = fixture
        .admin(Method::POST, &format!("{RULES}/test"), &body)
        .await;
    let told = told.json();
    let drone = &told["drones"][0];
    let done = (&drone["samples"], &drone["complete"]);
    assert_eq!(done, (&json!(100), &json!(true)), "{told}");
    let events = drone["events"].as_array().unwrap().iter();
    let events: Vec<_> = events
        .map(|event| (event["time_us"].clone(), event["severity"].clone()))
        .collect();
    let at = |second: i64, severity: &str| (json!(START + second * 1_000_000), json!(severity));
    let expected = [at(85, "warning"), at(93, "critical"), at(95, "emergency")];
    assert_eq!(events, expected);
}
