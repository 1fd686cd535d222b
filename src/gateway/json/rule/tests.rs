//! Rules in JSON: what is told is read back, and what is wrong is named.

use aerostream_domain::alert::{Judged, builtin};
use serde_json::{Value, json};

use super::RuleShape;
use crate::gateway::http::input;
use crate::registry::Origin;

fn read(json: &Value) -> Result<super::Rule, crate::error::Problem> {
    input::json::<RuleShape>(json.to_string().as_bytes())?.into_rule()
}

#[test]
fn every_built_in_rule_is_read_back_as_it_is_told() {
    for rule in builtin::rules() {
        let told = RuleShape::told(&Judged::new(rule.clone(), None), Origin::BuiltIn);
        let told = serde_json::to_value(told).unwrap();
        assert_eq!(read(&told), Ok(rule), "{told}");
    }
}

fn hot(change: impl FnOnce(&mut Value)) -> Value {
    let mut rule = json!({
        "rule_id": "hot", "title": "Battery hot", "when": "armed",
        "levels": [{ "severity": "warning", "for_s": 5,
            "raise": { "field": "battery.temperature_degc", "op": ">", "value": 60 } }],
        "clear": { "field": "battery.temperature_degc", "op": "<", "value": 55 },
        "clear_for_s": 10
    });
    change(&mut rule);
    rule
}

#[track_caller]
fn check(change: impl FnOnce(&mut Value), field: &str, says: &str) {
    let problem = read(&hot(change)).expect_err("it is no rule");
    let at = problem.field.as_deref().unwrap_or_default();
    assert_eq!(at, field, "{problem}");
    assert!(problem.detail.contains(says), "{}", problem.detail);
}

#[test]
fn what_is_wrong_with_a_comparison_is_told_with_its_path() {
    assert!(read(&hot(|_| {})).is_ok());
    let raise = |rule: &mut Value, condition: Value| rule["levels"][0]["raise"] = condition;
    check(
        |rule| {
            raise(
                rule,
                json!({ "field": "battery.temprature", "op": ">", "value": 60 }),
            )
        },
        "levels[0].raise.field",
        "near it are battery.temperature_degc",
    );
    check(
        |rule| {
            raise(
                rule,
                json!({ "all": [{ "field": "wind", "op": ">", "value": 1 }] }),
            )
        },
        "levels[0].raise.all[0].field",
        "wind.speed_m_s",
    );
    check(
        |rule| {
            raise(
                rule,
                json!({ "field": "wind.speed_m_s", "op": "=>", "value": 1 }),
            )
        },
        "levels[0].raise.op",
        "must be one of <",
    );
    check(
        |rule| {
            raise(
                rule,
                json!({ "field": "state.armed", "op": "==", "value": 1 }),
            )
        },
        "levels[0].raise.value",
        "true or false",
    );
    check(
        |rule| {
            raise(
                rule,
                json!({ "field": "gnss.fix_type", "op": "<", "value": "3d" }),
            )
        },
        "levels[0].raise.value",
        "fix_3d",
    );
    check(
        |rule| raise(rule, json!({ "all": [], "any": [] })),
        "levels[0].raise",
        "exactly one of",
    );
    check(
        |rule| raise(rule, json!({ "all": [] })),
        "levels[0].raise",
        "at least one",
    );
}

#[test]
fn what_is_wrong_with_the_rest_is_told_too() {
    check(
        |rule| rule["clear"]["value"] = json!(65),
        "levels[0].raise",
        "clear (< 65) holds too",
    );
    check(
        |rule| rule["clear"] = Value::Null,
        "clear",
        "what ends the alert",
    );
    check(
        |rule| rule["clear_for_s"] = json!(-1),
        "clear_for_s",
        "0 s or more",
    );
    check(
        |rule| rule["clear_for_s"] = json!(1e6),
        "clear_for_s",
        "at most",
    );
    check(
        |rule| rule["levels"][0]["for_s"] = json!(1e6),
        "levels[0].for_s",
        "at most",
    );
    check(|rule| rule["title"] = json!(""), "title", "1 to 128 bytes");
    check(
        |rule| rule["severity"] = json!(1),
        "severity",
        "unknown field",
    );
    check(
        |rule| rule["levels"][0]["severity"] = json!("bad"),
        "levels[0].severity",
        "expected one of",
    );
    let silence = json!({ "levels": [{ "severity": "warning", "after_s": 0.1 }],
        "clear_samples": 3 });
    check(
        |rule| rule["silence"] = silence.clone(),
        "silence",
        "no `levels`",
    );
    let only = |rule: &mut Value| {
        *rule = json!({ "rule_id": "x", "title": "x", "silence": silence });
    };
    check(only, "silence.levels[0].after_s", "at least 0.5 s");
}

#[test]
fn conditions_deeper_than_any_that_is_taken_are_refused() {
    let mut deep = json!({ "field": "wind.speed_m_s", "op": ">", "value": 1 });
    for _ in 0..8 {
        deep = json!({ "not": deep });
    }
    let at = format!("levels[0].raise{}", ".not".repeat(8));
    check(
        |rule| rule["levels"][0]["raise"] = deep,
        &at,
        "at most 8 deep",
    );
}
