//! What the alerts must be: found by looking back over the whole log at every sample, with nothing
//! remembered in between.

use std::collections::BTreeSet;

use aerostream_domain::alert::{Alert, AlertId, Instance, Severity};
use aerostream_domain::{BootId, DroneId, RuleId, Seq, TelemetryRecord, UtcMicros};

/// A rule over the charge of pack 0, in plain numbers.
#[derive(Debug, Clone)]
pub struct Plain {
    pub id: RuleId,
    /// (severity, at most so many percent, for so many seconds).
    pub levels: Vec<(Severity, f32, u32)>,
    /// (at least so many percent, for so many seconds).
    pub clear: (f32, u32),
    pub repeat_s: u32,
}

/// What an alert must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    pub id: AlertId,
    pub severity: Severity,
    /// Sample that ended it.
    pub cleared: Option<(u64, u64)>,
}

impl Expected {
    /// The same of what was found.
    pub fn of(alert: &Alert) -> Self {
        let newest = (alert.newest.boot.0, alert.newest.seq.0);
        Self {
            id: alert.id,
            severity: alert.severity,
            cleared: alert.cleared.is_some().then_some(newest),
        }
    }
}

/// The drone right behind a sample that told something new.
struct Moment {
    boot: BootId,
    seq: Seq,
    now: UtcMicros,
    charge: Option<f32>,
    /// The pack told something since the power-up.
    is_known: bool,
}

struct Open {
    id: AlertId,
    severity: Severity,
    raised: (BootId, Seq),
    raised_time: UtcMicros,
    cleared: Option<(u64, u64)>,
}

/// Every alert of a log.
pub fn alerts(log: &[TelemetryRecord], rules: &[Plain]) -> BTreeSet<Expected> {
    let moments = moments(log);
    let drone = log.first().map(|record| record.drone.clone());
    let mut found = BTreeSet::new();
    for rule in rules {
        let Some(drone) = &drone else { break };
        for open in alerts_of(drone, &moments, rule) {
            found.insert(Expected {
                id: open.id,
                severity: open.severity,
                cleared: open.cleared,
            });
        }
    }
    found
}

/// The moments at which the drone's newest power-up told something new.
fn moments(log: &[TelemetryRecord]) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    let mut current: Option<(UtcMicros, BootId)> = None;
    let (mut newest, mut charge, mut told, mut placed) = (None, None, None, None);
    for record in log {
        let place = (record.power_up, record.boot);
        if current.is_some_and(|current| place < current) {
            continue;
        }
        if current != Some(place) {
            current = Some(place);
            (newest, charge, told, placed) = (None, None, None, None);
        }
        for sample in &record.samples {
            if newest.is_none_or(|(seq, _)| seq < sample.seq) {
                newest = Some((sample.seq, sample.time));
            }
            let is_newer = |before: Option<Seq>| before.is_none_or(|before| before < sample.seq);
            let mut is_news = false;
            if let Some(pack) = sample.content.battery.first()
                && is_newer(told)
            {
                (told, charge, is_news) = (Some(sample.seq), pack.remaining_percent, true);
            }
            if sample.content.position.is_some() && is_newer(placed) {
                (placed, is_news) = (Some(sample.seq), true);
            }
            if is_news {
                moments.push(Moment {
                    boot: record.boot,
                    seq: sample.seq,
                    now: newest.map_or(sample.time, |(_, time)| time.max(sample.time)),
                    charge,
                    is_known: told.is_some(),
                });
            }
        }
    }
    moments
}

fn alerts_of(drone: &DroneId, moments: &[Moment], rule: &Plain) -> Vec<Open> {
    let mut alerts: Vec<Open> = Vec::new();
    // Index of the moment behind which the active alert's clearing counts anew.
    for at in 0..moments.len() {
        let moment = &moments[at];
        if !moment.is_known {
            continue;
        }
        let mut worst = None;
        for (severity, limit, lasts_s) in &rule.levels {
            let holds = |it: &Moment| it.charge.is_some_and(|charge| charge <= *limit);
            if held_s(&moments[..=at], holds).is_some_and(|held| held >= s(*lasts_s)) {
                worst = Some(*severity);
            }
        }
        let active = alerts.last_mut().filter(|alert| alert.cleared.is_none());
        match (worst, active) {
            (Some(severity), Some(alert)) => alert.severity = alert.severity.min(severity),
            (Some(severity), None) => {
                let last = alerts.last().map(|alert| alert.raised_time);
                let repeat = i64::from(rule.repeat_s) * 1_000_000;
                if last.is_some_and(|last| last.0 + repeat > moment.now.0) {
                    continue;
                }
                let raised = (moment.boot, moment.seq);
                let id = AlertId::of(drone, &rule.id, &Instance::Battery(0), raised);
                if alerts.iter().any(|alert| alert.id == id) {
                    continue;
                }
                alerts.push(Open {
                    id,
                    severity,
                    raised,
                    raised_time: time_of(moments, at),
                    cleared: None,
                });
            }
            (None, Some(alert)) => {
                let (limit, lasts_s) = rule.clear;
                let raised = alert.raised;
                let clears = |it: &Moment| {
                    let is_behind = it.boot != raised.0 || it.seq > raised.1;
                    is_behind && it.charge.is_some_and(|charge| charge >= limit)
                };
                if held_s(&moments[..=at], clears).is_some_and(|held| held >= s(lasts_s)) {
                    alert.cleared = Some((moment.boot.0, moment.seq.0));
                }
            }
            (None, None) => {}
        }
    }
    alerts
}

/// A sample's own time is what an alert carries.
fn time_of(moments: &[Moment], at: usize) -> UtcMicros {
    crate::world::time_of(moments[at].boot, moments[at].seq)
}

/// For how long, up to the last moment, something has held without a break, in microseconds.
fn held_s(moments: &[Moment], holds: impl Fn(&Moment) -> bool) -> Option<i64> {
    let last = moments.last()?;
    let run = moments.iter().rev();
    let run = run.take_while(|it| it.boot == last.boot && holds(it));
    run.last().map(|first| last.now.0 - first.now.0)
}

fn s(seconds: u32) -> i64 {
    i64::from(seconds) * 1_000_000
}
