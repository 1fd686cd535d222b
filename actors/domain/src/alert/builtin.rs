//! The rules that every drone has unless its fleet says otherwise.
//!
//! Limits are those of the field's own autopilots and laws: PX4 (battery, estimator, failsafe,
//! wind), ArduPilot (voltage, fence margin), QGroundControl (3.5 s of silence), the rules of the
//! EU (120 m) and of 14 CFR 107 (100 mph).

use std::time::Duration;

use super::condition::Compare::{Above, AtLeast, AtMost, Below, Is};
use super::condition::{Compare, Condition};
use super::rule::{Level, Rule, Severity, Trigger, When};
use crate::ids::RuleId;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn is(field: &str, compare: Compare, limit: f64) -> Condition {
    Condition::of(field, compare, limit)
}

fn level(severity: Severity, raise: Condition, lasts: Duration) -> Level {
    Level {
        severity,
        raise,
        lasts,
    }
}

fn rule(id: &str, title: &str, when: When, (levels, clear, clear_lasts): Watched) -> Rule {
    Rule {
        id: RuleId::parse(id).expect("an id"),
        title: title.to_owned(),
        enabled: true,
        when,
        trigger: Trigger::Levels {
            levels,
            clear,
            clear_lasts,
        },
        repeat_after: Duration::ZERO,
    }
}

type Watched = (Vec<Level>, Condition, Duration);

/// Every built-in rule.
#[must_use]
pub fn rules() -> Vec<Rule> {
    let mut rules = energy();
    rules.extend(flight());
    rules.extend(vehicle());
    rules
}

fn energy() -> Vec<Rule> {
    use Severity::{Critical, Emergency, Error, Warning};
    let charge = "battery.remaining_percent";
    let battery = rule(
        "battery",
        "Battery low",
        When::Always,
        (
            vec![
                level(Warning, is(charge, AtMost, 15.0), s(0)),
                level(Critical, is(charge, AtMost, 7.0), s(0)),
                level(Emergency, is(charge, AtMost, 5.0), s(0)),
            ],
            is(charge, AtLeast, 18.0),
            s(10),
        ),
    );
    let cell = "battery.lowest_cell_v";
    let voltage = rule(
        "battery_voltage",
        "Battery cell voltage low",
        When::Always,
        (
            vec![level(Error, is(cell, Below, 3.5), s(10))],
            is(cell, Above, 3.6),
            s(10),
        ),
    );
    let age = "battery.age_s";
    let stale = rule(
        "battery_stale",
        "No battery data",
        When::Armed,
        (
            vec![level(Error, is(age, Above, 5.0), s(0))],
            is(age, AtMost, 5.0),
            s(0),
        ),
    );
    let ratio = "battery.return_ratio";
    let reserve = rule(
        "return_reserve",
        "Battery barely lasts for the way home",
        When::Airborne,
        (
            vec![level(Critical, is(ratio, AtMost, 1.0), s(0))],
            is(ratio, AtLeast, 1.1),
            s(5),
        ),
    );
    vec![battery, voltage, stale, reserve]
}

fn flight() -> Vec<Rule> {
    use Severity::{Critical, Emergency, Warning};
    let height = "position.height_m";
    let altitude = rule(
        "altitude",
        "Altitude limit",
        When::Airborne,
        (
            vec![
                level(Warning, is(height, Above, 108.0), s(0)),
                level(Critical, is(height, Above, 120.0), s(0)),
            ],
            is(height, Below, 102.0),
            s(5),
        ),
    );
    let depth = "fence.depth_m";
    let fence = rule(
        "fence",
        "Fence breached",
        When::Airborne,
        (
            vec![level(Critical, is(depth, Below, 0.0), s(0))],
            is(depth, AtLeast, 2.0),
            s(5),
        ),
    );
    let ground_speed = "velocity.ground_speed_m_s";
    let speed = rule(
        "speed",
        "Ground speed above the limit",
        When::Always,
        (
            vec![level(Warning, is(ground_speed, Above, 44.7), s(0))],
            is(ground_speed, Below, 43.7),
            s(5),
        ),
    );
    let tilt = "attitude.tilt_deg";
    let attitude = rule(
        "attitude",
        "Extreme attitude",
        When::Airborne,
        (
            vec![level(Emergency, is(tilt, Above, 60.0), ms(300))],
            is(tilt, Below, 45.0),
            s(5),
        ),
    );
    let mut wind = rule(
        "wind",
        "Strong wind",
        When::Airborne,
        (
            vec![level(Warning, is("wind.speed_m_s", Above, 10.0), s(0))],
            is("wind.speed_m_s", Below, 8.0),
            s(10),
        ),
    );
    wind.repeat_after = s(60);
    vec![altitude, fence, speed, attitude, wind]
}

fn vehicle() -> Vec<Rule> {
    use Severity::{Critical, Emergency, Warning};
    let link = Rule {
        id: RuleId::parse("link").expect("an id"),
        title: "Link silent".to_owned(),
        enabled: true,
        when: When::Armed,
        trigger: Trigger::Silence {
            levels: vec![(Warning, ms(3500)), (Critical, s(10))],
            clear_samples: 3,
        },
        repeat_after: Duration::ZERO,
    };
    let estimator = rule(
        "estimator",
        "Position estimate unsafe",
        When::Always,
        (
            vec![level(Critical, is("health.estimator_fault", Is, 1.0), s(1))],
            is("health.estimator_fault", Is, 0.0),
            s(10),
        ),
    );
    let status = "state.system_status";
    let failsafe = rule(
        "failsafe",
        "Failsafe active",
        When::Always,
        (
            vec![
                level(Critical, is(status, Is, 5.0), s(0)),
                level(
                    Emergency,
                    Condition::Any(vec![is(status, Is, 6.0), is(status, Is, 8.0)]),
                    s(0),
                ),
            ],
            is(status, AtMost, 4.0),
            s(5),
        ),
    );
    let load = "health.cpu_load_percent";
    let cpu = rule(
        "cpu_load",
        "Flight computer overloaded",
        When::Always,
        (
            vec![level(Warning, is(load, Above, 95.0), s(2))],
            is(load, Below, 90.0),
            s(2),
        ),
    );
    vec![link, gnss(), estimator, failsafe, cpu]
}

/// Fit for flight means a fix in three dimensions, enough satellites, and metres to be trusted.
fn gnss() -> Rule {
    let any = Condition::Any;
    let all = Condition::All;
    rule(
        "gnss",
        "Satellite positioning degraded",
        When::Airborne,
        (
            vec![level(
                Severity::Error,
                any(vec![
                    is("gnss.fix_type", Below, 3.0),
                    is("gnss.num_satellites", Below, 6.0),
                    is("gnss.horizontal_uncertainty_m", Above, 3.0),
                    is("gnss.vertical_uncertainty_m", Above, 5.0),
                ]),
                s(1),
            )],
            all(vec![
                is("gnss.fix_type", AtLeast, 3.0),
                Condition::Not(Box::new(is("gnss.num_satellites", Below, 6.0))),
            ]),
            s(10),
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_rule_is_a_rule() {
        let rules = rules();
        for rule in &rules {
            rule.check()
                .unwrap_or_else(|error| panic!("{}: {error}", rule.id));
        }
        let ids: std::collections::BTreeSet<_> = rules.iter().map(|rule| rule.id.clone()).collect();
        assert_eq!(ids.len(), rules.len(), "an id stands twice");
    }
}
