//! Alerts in the terminal: those that are active, then a line for every change of one.

use std::io::{self, Write};

use serde_json::Value;
use time::OffsetDateTime;

use super::feed::{Feed, path};
use super::{Options, harmless};

/// What is said in place of a drone's id.
pub const WORD: &str = "alerts";

/// Shows until it is interrupted, or for as many frames as were asked for.
///
/// # Errors
/// The gateway is out of reach or says no.
pub async fn watch(options: &Options) -> anyhow::Result<()> {
    let severity = options.severity.as_deref().unwrap_or("debug");
    let path = path("/ws/v1/alerts?severity=", severity);
    let mut feed = Feed::of(&options.door, path);
    let mut looks = 0;
    while options.looks.is_none_or(|max| looks < max) {
        let frame = feed.next().await?;
        looks += 1;
        let wanted = |line: &String| line.contains(&options.filter);
        for line in lines(&frame).iter().filter(|line| wanted(line)) {
            // Whoever reads no more wants no more.
            if writeln!(io::stdout().lock(), "{line}").is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What a frame says, line by line.
fn lines(frame: &Value) -> Vec<String> {
    let list = |name: &str| frame[name].as_array().cloned().unwrap_or_default();
    match frame["type"].as_str().unwrap_or_default() {
        "snapshot" => {
            let alerts = list("alerts");
            let lines = alerts.iter().map(|alert| line("active", alert));
            lines.collect()
        }
        "alerts" => {
            let changes = list("changes");
            let lines = changes.iter().map(|change| {
                let what = change["what"].as_str().unwrap_or_default();
                line(what, &change["alert"])
            });
            lines.collect()
        }
        "gap" => {
            let detail = frame["detail"].as_str().unwrap_or_default();
            vec![format!("something is missing here: {}", harmless(detail))]
        }
        _ => Vec::new(),
    }
}

/// `12:00:01 raised critical sim-00001 battery:0 Battery low (battery.remaining_percent 6.9)`.
fn line(what: &str, alert: &Value) -> String {
    let text = |name: &str| harmless(alert[name].as_str().unwrap_or_default());
    let time = alert["changed_us"].as_i64().unwrap_or_default();
    let time = OffsetDateTime::from_unix_timestamp(time / 1_000_000);
    let time = time.map_or_else(|_| String::new(), |time| time.time().to_string());
    let time = time.split('.').next().unwrap_or_default();
    let (severity, drone, instance) = (text("severity"), text("drone_id"), text("instance"));
    let mut line = format!("{time:>8} {what:<12} {severity:<9} {drone}");
    if !instance.is_empty() {
        line.push_str(&format!(" {instance}"));
    }
    line.push_str(&format!(" {}", text("title")));
    let newest = &alert["newest"];
    if let (Some(field), Some(value)) = (newest["field"].as_str(), newest["value"].as_f64()) {
        line.push_str(&format!(" ({} {value:.1})", harmless(field)));
    }
    let said = match what {
        "acknowledged" => Some(&alert["acknowledged"]),
        "commented" => alert["comments"].as_array().and_then(|all| all.last()),
        _ => None,
    };
    if let Some(said) = said {
        let part = |name: &str| harmless(said[name].as_str().unwrap_or_default());
        line.push_str(&format!(" by {}", part("principal")));
        let comment = part("comment");
        if !comment.is_empty() {
            line.push_str(&format!(": {comment}"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_frame_is_told_in_lines_that_cannot_steer_a_terminal() {
        let alert = json!({
            "severity": "critical", "drone_id": "alpha", "instance": "battery:0",
            "title": "Low \u{1b}[2J", "changed_us": 1_000_000,
            "newest": { "field": "battery.remaining_percent", "value": 6.94 },
            "acknowledged": { "principal": "ada", "comment": "on it" }
        });
        let snapshot = json!({ "type": "snapshot", "alerts": [alert] });
        let told = " 0:00:01 active       critical  alpha battery:0 Low ?[2J \
                    (battery.remaining_percent 6.9)";
        assert_eq!(lines(&snapshot), [told]);
        let change = json!({ "what": "acknowledged", "alert": alert });
        let news = lines(&json!({ "type": "alerts", "changes": [change] }));
        assert!(news[0].ends_with(" by ada: on it"), "{news:?}");
        let gap = lines(&json!({ "type": "gap", "detail": "trimmed" }));
        assert_eq!(gap, ["something is missing here: trimmed"]);
        assert!(lines(&json!({ "type": "resumed" })).is_empty());
    }
}
