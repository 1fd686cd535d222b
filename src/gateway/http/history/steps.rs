//! Steps of time as one JSON answer.

use aerostream_domain::DroneId;
use serde_json::{Map, Value, json};

use crate::gateway::json::shape::Time;
use crate::gateway::ports::{FieldSet, SUMMED, Steps, Summary};

/// The answer. When there are more steps than the limit, `next_from` is the `from` to go on with.
pub fn answer(drone: &DroneId, steps: Steps, fields: FieldSet, summaries: &[Summary]) -> Value {
    let step_us = i64::from(steps.step_s) * 1_000_000;
    let last = summaries
        .last()
        .filter(|_| summaries.len() == steps.limit as usize);
    let told: Vec<Value> = summaries.iter().map(|it| step(it, fields)).collect();
    json!({
        "drone_id": drone.as_str(),
        "from_us": steps.from.0,
        "to_us": steps.to.0,
        "step_s": steps.step_s,
        "steps": told,
        "next_from": last.map(|last| last.start.0 + step_us),
    })
}

fn step(summary: &Summary, fields: FieldSet) -> Value {
    let mut told = Map::new();
    told.insert("time_us".to_owned(), json!(summary.start.0));
    told.insert("time".to_owned(), json!(Time(summary.start.0)));
    told.insert("samples".to_owned(), json!(summary.samples));
    let last = [
        ("position.latitude_deg", summary.latitude_deg),
        ("position.longitude_deg", summary.longitude_deg),
    ];
    for (path, value) in last {
        if let Some(value) = value.filter(|_| fields.names(path)) {
            told.insert(path.to_owned(), json!({ "last": value }));
        }
    }
    for (path, spread) in SUMMED.into_iter().zip(summary.fields) {
        if let Some(spread) = spread.filter(|_| fields.names(path)) {
            let value = json!({ "average": spread.average, "min": spread.min, "max": spread.max });
            told.insert(path.to_owned(), value);
        }
    }
    Value::Object(told)
}
