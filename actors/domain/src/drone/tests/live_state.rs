use super::*;
use crate::alert::RuleSet;
use crate::sample::{Battery, Extra, Position};
use crate::validate::{EXTRAS_MAX, INSTANCES_MAX};

fn recorded(seq: u64, content: Content) -> RecordedSample {
    RecordedSample {
        seq: Seq(seq),
        time: NOW,
        basis: TimeBasis::Utc,
        since_boot: None,
        content,
    }
}

fn altitude(metres: f64) -> Content {
    Content {
        position: Some(Position {
            relative_altitude_m: Some(metres),
            ..Position::default()
        }),
        ..Content::default()
    }
}

fn battery(id: u8, percent: f32) -> Content {
    Content {
        battery: vec![Battery {
            id,
            remaining_percent: Some(percent),
            ..Battery::default()
        }],
        ..Content::default()
    }
}

fn extra(name: String) -> Content {
    Content {
        extras: vec![(name, Extra::Flag(true))],
        ..Content::default()
    }
}

/// Applies one record per (boot, power-up in seconds before now, seq, content).
fn applied(records: impl IntoIterator<Item = (u64, u64, u64, Content)>) -> LiveState {
    let mut drone = drone();
    for (boot, age, seq, content) in records {
        let samples = vec![recorded(seq, content)];
        drone.apply(
            Offset(0),
            &record_of(BootId(boot), NOW - s(age), samples),
            &RuleSet::default(),
        );
    }
    drone.live().clone()
}

fn altitude_of(live: &LiveState) -> Option<f64> {
    live.groups
        .position
        .and_then(|position| position.relative_altitude_m)
}

#[test]
fn groups_are_merged_each_by_its_own_newest() {
    let live = applied([
        (7, 100, 1, altitude(10.0)),
        (7, 100, 3, battery(0, 80.0)),
        (7, 100, 2, altitude(20.0)),
        (7, 100, 2, altitude(30.0)),
        (7, 100, 1, battery(0, 90.0)),
        (7, 100, 1, battery(1, 91.0)),
    ]);
    assert_eq!(altitude_of(&live), Some(20.0));
    let percents: Vec<_> = live
        .groups
        .battery
        .iter()
        .map(|pack| (pack.id, pack.remaining_percent))
        .collect();
    assert_eq!(percents, [(0, Some(80.0)), (1, Some(91.0))]);
    assert_eq!(live.newest.map(|newest| newest.seq), Some(Seq(3)));
    assert_eq!(live.stamps.position.map(|stamp| stamp.seq), Some(Seq(2)));
    assert_eq!(live.samples, 3, "repeated numbers are not counted");
}

#[test]
fn a_later_power_up_starts_afresh_and_an_earlier_one_is_history() {
    let live = applied([(7, 100, 9, battery(0, 50.0)), (8, 50, 1, altitude(5.0))]);
    assert_eq!(
        (live.boot, altitude_of(&live)),
        (Some(BootId(8)), Some(5.0))
    );
    assert!(live.groups.battery.is_empty());
    let with_history = applied([
        (7, 100, 9, battery(0, 50.0)),
        (8, 50, 1, altitude(5.0)),
        (7, 100, 10, altitude(6.0)),
        (6, 200, 99, altitude(7.0)),
    ]);
    assert_eq!(live, with_history);
}

#[test]
fn of_boots_with_one_power_up_the_higher_id_is_current() {
    let forwards = applied([(7, 100, 1, altitude(1.0)), (8, 100, 1, altitude(2.0))]);
    let backwards = applied([(8, 100, 1, altitude(2.0)), (7, 100, 1, altitude(1.0))]);
    assert_eq!(forwards.boot, Some(BootId(8)));
    assert_eq!(forwards, backwards);
}

#[test]
fn a_group_that_says_nothing_wipes_nothing() {
    let empty = Content {
        position: Some(Position::default()),
        battery: vec![Battery::default()],
        ..Content::default()
    };
    let live = applied([
        (7, 100, 1, altitude(1.0)),
        (7, 100, 2, battery(0, 50.0)),
        (7, 100, 3, empty),
    ]);
    assert_eq!(altitude_of(&live), Some(1.0));
    assert_eq!(live.groups.battery[0].remaining_percent, Some(50.0));
}

#[test]
fn lists_are_bounded_and_keep_the_newest_in_any_order() {
    let mut records: Vec<_> = (0..200_u64)
        .flat_map(|seq| {
            [
                (7, 100, seq, extra(format!("{:03}", seq * 7 % 100))),
                (
                    7,
                    100,
                    1_000 + seq,
                    battery((seq * 3 % 20) as u8, seq as f32),
                ),
            ]
        })
        .collect();
    let forwards = applied(records.clone());
    records.reverse();
    let backwards = applied(records);
    assert_eq!(forwards.groups, backwards.groups);
    assert_eq!(forwards.stamps, backwards.stamps);
    assert_eq!(forwards.groups.extras.len(), EXTRAS_MAX);
    assert_eq!(forwards.groups.battery.len(), INSTANCES_MAX);
    assert!(
        forwards
            .stamps
            .extras
            .iter()
            .all(|(_, stamp)| stamp.seq >= Seq(136))
    );
}

/// Replay may meet a record behind whose boot record its reader began.
#[test]
fn a_boot_is_learnt_from_its_telemetry() {
    let check = |basis, since_boot: Option<u64>, expected| {
        let sample = RecordedSample {
            basis,
            since_boot: since_boot.map(boot_clock),
            ..recorded(1, altitude(1.0))
        };
        let mut drone = drone();
        drone.apply(
            Offset(3),
            &record_of(BOOT, NOW - s(60), vec![sample]),
            &RuleSet::default(),
        );
        assert_eq!(
            drone.boot(BOOT),
            Some(&boot_record(BOOT, NOW - s(60), expected))
        );
        assert_eq!(drone.applied_offset(), Some(Offset(3)));
    };
    check(TimeBasis::Paired, Some(60), PowerUpBasis::BothClocks);
    check(TimeBasis::Utc, Some(60), PowerUpBasis::BothClocks);
    check(TimeBasis::Utc, Some(9_000), PowerUpBasis::FirstUtc);
    check(TimeBasis::Utc, None, PowerUpBasis::FirstUtc);
    check(TimeBasis::Received, None, PowerUpBasis::Received);
}

#[test]
fn the_newest_receipt_of_the_boot_is_told_in_any_order() {
    let at = |received| TelemetryRecord {
        received,
        ..record_of(BOOT, NOW - s(60), vec![recorded(1, altitude(1.0))])
    };
    let mut drone = drone();
    drone.apply(Offset(1), &at(NOW), &RuleSet::default());
    drone.apply(Offset(0), &at(NOW - s(5)), &RuleSet::default());
    assert_eq!(drone.live().received, Some(NOW));
    assert_eq!(drone.applied_offset(), Some(Offset(1)));
}
