//! A line of `aerostream up` for every alert that begins, gets worse or ends.

use std::io::Write;
use std::time::Duration;

use aerostream_actors::{AlertNews, Handle};
use aerostream_domain::alert::{Alert, AlertRecord, Severity, Transition, Turn};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use crate::shutdown::Shutdown;

/// Lines of one second; more are counted.
const LINES_MAX: u32 = 20;
const SECOND: Duration = Duration::from_secs(1);

/// Shows them until the shutdown begins.
pub async fn show(handle: Handle, stop: Shutdown) {
    let mut news = handle.alerts().watch(|_, _| false).news;
    let (mut since, mut lines, mut left_out) = (Instant::now(), 0, 0);
    while let Some(told) = stop.cut(news.recv()).await {
        if since.elapsed() >= SECOND {
            if left_out > 0 {
                write(&format!("... and {left_out} more changes of alerts"));
            }
            (since, lines, left_out) = (Instant::now(), 0, 0);
        }
        match told {
            Ok(told) => {
                for line in each(&told) {
                    if lines == LINES_MAX {
                        left_out += 1;
                    } else {
                        lines += 1;
                        write(&line);
                    }
                }
            }
            Err(RecvError::Lagged(lagged)) => left_out += lagged,
            Err(RecvError::Closed) => return,
        }
    }
}

fn write(line: &str) {
    // The live line, which is there again within a second, makes room. A terminal that is gone is
    // no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "\r\x1b[2K{line}");
}

fn each(news: &AlertNews) -> Vec<String> {
    let AlertRecord::Transitions(transitions) = &*news.record else {
        return Vec::new();
    };
    let lines = transitions.iter().filter_map(|transition| {
        let alert = news.alerts.iter().find(|it| it.id == transition.id)?;
        // What is no more than worth knowing is for whoever asks.
        (alert.severity <= Severity::Warning).then(|| line(news, transition, alert))
    });
    lines.collect()
}

fn line(news: &AlertNews, transition: &Transition, alert: &Alert) -> String {
    let what = match &transition.turn {
        Turn::Raised { .. } => "ALERT",
        Turn::Escalated { .. } => "WORSE",
        Turn::Cleared { .. } => "over",
    };
    let (severity, drone) = (alert.severity.as_str(), &news.drone);
    let mut line = format!("{what} {severity} {drone} {}", alert.title);
    let instance = alert.instance.to_string();
    if !instance.is_empty() {
        line += &format!(" [{instance}]");
    }
    let seen = &transition.evidence;
    if let Some(value) = seen.value {
        line += &format!(" ({} {value:.1})", seen.field);
    }
    line
}
