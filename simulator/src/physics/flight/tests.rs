mod orders;

use super::*;

fn start(kind: Kind) -> Start {
    Start {
        kind,
        home: Origin::new(48.1, 11.5),
        ground_m: 520.0,
        climate: Climate {
            speed_10m_m_s: 4.0,
            from_rad: 1.0,
            turbulence_kt: 15.0,
        },
        soc: 0.9,
        health: 1.0,
        wait_s: 2.0,
        return_soc: 0.25,
        warmer_k: 0.0,
    }
}

/// Flies for some hours and tells each phase in the order of its entry.
fn day(kind: Kind, seed: u64, step_s: f64) -> Vec<Phase> {
    let mut flight = Flight::new(start(kind), Noise::new(seed, 0));
    let mut phases = vec![Phase::Idle];
    for _ in 0..3 * 3600 {
        flight.advance(1.0, step_s);
        let at = flight.position();
        assert!(
            at.norm().is_finite() && at.up >= 0.0 && at.up < 125.0,
            "{at:?}"
        );
        assert!(
            at.horizontal() < 2500.0,
            "{at:?} in {:?}",
            flight.mission.phase
        );
        assert!(flight.velocity().norm() < 30.0);
        let v = flight.battery.voltage_v();
        assert!((8.0..26.0).contains(&v), "{v}");
        if phases.last() != Some(&flight.mission.phase) {
            phases.push(flight.mission.phase);
        }
    }
    phases
}

#[test]
fn days_go_through_every_phase_and_begin_again() {
    for (kind, step_s) in [
        (Kind::Multirotor, 0.1),
        (Kind::Multirotor, 0.25),
        (Kind::FixedWing, 0.1),
        (Kind::FixedWing, 0.25),
    ] {
        for seed in 0..4 {
            let phases = day(kind, seed, step_s);
            let flown = phases.iter().filter(|p| **p == Phase::Takeoff).count();
            assert!(flown >= 3, "{kind:?} {seed}: {phases:?}");
            for phase in [Phase::Cruise, Phase::Return, Phase::Land, Phase::Swap] {
                assert!(phases.contains(&phase), "{kind:?} {seed} lacks {phase:?}");
            }
            assert_eq!(kind == Kind::Multirotor, phases.contains(&Phase::Turn));
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_day() {
    let fly = |seed| {
        let mut flight = Flight::new(start(Kind::Multirotor), Noise::new(seed, 1));
        flight.advance(300.0, 0.1);
        (flight.position(), flight.battery.voltage_v())
    };
    assert_eq!(fly(1), fly(1));
    assert_ne!(fly(1), fly(2));
}

#[test]
fn an_empty_battery_brings_it_down_where_it_is() {
    let start = Start {
        soc: 0.17,
        return_soc: 0.0,
        ..start(Kind::Multirotor)
    };
    let mut flight = Flight::new(start, Noise::new(4, 0));
    let mut told = Vec::new();
    for _ in 0..1200 {
        flight.advance(1.0, 0.1);
        told.extend(flight.mission.take_event());
    }
    assert!(told.contains(&Event::CriticalBattery) && told.contains(&Event::BatteryChanged));
}

/// Lives on until something is so; how long that took, seconds.
fn until(flight: &mut Flight, limit_s: f64, mut holds: impl FnMut(&Flight) -> bool) -> f64 {
    let from_s = flight.time_s();
    while !holds(flight) {
        assert!(
            flight.time_s() < from_s + limit_s,
            "never: {:?}",
            flight.mission.phase
        );
        flight.advance(0.1, 0.1);
    }
    flight.time_s() - from_s
}

#[test]
fn an_operator_flies_it() {
    use aerostream_domain::command::{Command, Outcome};

    let waiting = Start {
        wait_s: 1e6,
        ..start(Kind::Multirotor)
    };
    let mut flight = Flight::new(waiting, Noise::new(5, 5));
    let denied = flight.obey(&Command::Hold {}).unwrap_err();
    assert_eq!(denied.0, Outcome::Denied, "it is on the ground");
    flight.obey(&Command::Arm { force: false }).unwrap();
    let takeoff = Command::Takeoff {
        altitude_m: 30.0,
        heading_deg: None,
    };
    flight.obey(&takeoff).unwrap();
    until(&mut flight, 60.0, |it| it.mission.phase == Phase::Hold);
    assert!((flight.position().up - 30.0).abs() < 2.0);

    let home = flight.start.home;
    let (latitude_deg, longitude_deg) = home.degrees(200.0, 100.0);
    let goto = Command::Goto {
        latitude_deg,
        longitude_deg,
        altitude_m: 50.0,
        speed_m_s: Some(8.0),
        heading_deg: None,
    };
    flight.obey(&goto).unwrap();
    let took_s = until(&mut flight, 120.0, |it| it.mission.phase == Phase::Hold);
    assert!(took_s > 20.0, "it took {took_s} s");
    let there = flight.position() - Vec3::new(200.0, 100.0, 50.0);
    assert!(there.norm() < 5.0, "{there:?}");

    let orbit = Command::Orbit {
        latitude_deg,
        longitude_deg,
        altitude_m: 50.0,
        radius_m: 30.0,
        speed_m_s: None,
        counter_clockwise: false,
    };
    flight.obey(&orbit).unwrap();
    flight.advance(40.0, 0.1);
    let off = (flight.position() - Vec3::new(200.0, 100.0, 50.0)).horizontal();
    assert!((20.0..40.0).contains(&off), "{off}");

    flight.obey(&Command::Return {}).unwrap();
    until(&mut flight, 300.0, |it| it.mission.phase == Phase::Land);
    assert!(
        flight.mission.is_returning(),
        "coming down is of the return"
    );
    until(&mut flight, 300.0, |it| it.mission.phase == Phase::Idle);
    assert!(!flight.mission.is_returning());
    assert!(flight.position().horizontal() < 5.0);
    assert!(flight.position().up <= 0.0);
}

#[test]
fn terminated_it_falls_and_flies_no_more() {
    use aerostream_domain::command::Command;

    let mut flight = Flight::new(start(Kind::Multirotor), Noise::new(5, 5));
    until(&mut flight, 60.0, |it| it.position().up > 20.0);
    flight.obey(&Command::Terminate {}).unwrap();
    until(&mut flight, 10.0, |it| it.position().up <= 0.0);
    assert!(flight.obey(&Command::Arm { force: true }).is_err());
}
