//! What an operator tells the aircraft: home, fence, what takes time, and what it has no words for.

use aerostream_domain::command::{Command, Outcome};

use super::*;

const TAKEOFF: Command = Command::Takeoff {
    altitude_m: 30.0,
    heading_deg: None,
};

fn waiting(kind: Kind) -> Flight {
    let start = Start {
        wait_s: 1e6,
        ..start(kind)
    };
    Flight::new(start, Noise::new(5, 5))
}

fn goto(flight: &Flight, north_m: f64, altitude_m: f64) -> Command {
    let (latitude_deg, longitude_deg) = flight.start.home.degrees(north_m, 0.0);
    Command::Goto {
        latitude_deg,
        longitude_deg,
        altitude_m,
        speed_m_s: None,
        heading_deg: None,
    }
}

fn home_at(flight: &Flight, north_m: f64, absolute_altitude_m: Option<f64>) -> Command {
    let (latitude_deg, longitude_deg) = flight.start.home.degrees(north_m, 0.0);
    Command::SetHome {
        current: false,
        latitude_deg: Some(latitude_deg),
        longitude_deg: Some(longitude_deg),
        absolute_altitude_m,
    }
}

fn hovering() -> Flight {
    let mut flight = waiting(Kind::Multirotor);
    flight.obey(&TAKEOFF).unwrap();
    until(&mut flight, 60.0, |it| it.mission.phase == Phase::Hold);
    flight
}

fn progress(flight: &Flight) -> Option<Progress> {
    flight.mission.errand().1
}

/// Follows an order to its end and tells each percentage.
fn follow(flight: &mut Flight, command: &Command) -> Vec<u8> {
    flight.obey(command).unwrap();
    let mut told = Vec::new();
    until(flight, 600.0, |it| match progress(it) {
        Some(Progress::Going(percent)) => {
            told.push(percent);
            false
        }
        other => {
            assert_eq!(other, Some(Progress::Done), "{command:?}");
            true
        }
    });
    assert!(told.is_sorted(), "it went back: {told:?}");
    told
}

#[test]
fn what_takes_time_is_told_in_percent_until_it_is_there() {
    for kind in [Kind::Multirotor, Kind::FixedWing] {
        let mut flight = waiting(kind);
        let mut orders = vec![TAKEOFF, goto(&flight, 300.0, 50.0)];
        orders.push(Command::ChangeAltitude { altitude_m: 70.0 });
        let (latitude_deg, longitude_deg) = flight.start.home.degrees(600.0, 0.0);
        orders.push(Command::Orbit {
            latitude_deg,
            longitude_deg,
            altitude_m: 60.0,
            radius_m: 40.0,
            speed_m_s: None,
            counter_clockwise: true,
        });
        orders.push(Command::Return {});
        for order in orders {
            let told = follow(&mut flight, &order);
            assert_eq!(told.first(), Some(&0), "{kind:?} {order:?}");
            let half = told.iter().filter(|percent| (30..70).contains(*percent));
            assert!(half.count() > 0, "{kind:?} {order:?}: {told:?}");
        }
        assert_eq!(flight.mission.phase, Phase::Landed);
        flight.obey(&TAKEOFF).unwrap();
        until(&mut flight, 60.0, |it| it.mission.phase == Phase::Hold);
        follow(&mut flight, &Command::Land {});
        assert_eq!(flight.mission.phase, Phase::Landed);
        let mission = Command::StartMission {
            first_item: None,
            last_item: None,
        };
        follow(&mut flight, &mission);
        let leg = [Phase::Turn, Phase::Cruise];
        assert!(leg.contains(&flight.mission.phase), "{kind:?}");
    }
}

#[test]
fn what_cannot_be_finished_has_failed() {
    let mut flight = hovering();
    flight.obey(&goto(&flight, 1_500.0, 50.0)).unwrap();
    flight.start.return_soc = 1.0;
    flight.advance(1.0, 0.1);
    let failed = Some(Progress::Failed("its battery is low"));
    assert_eq!(progress(&flight), failed);

    let mut flight = hovering();
    flight.obey(&Command::Return {}).unwrap();
    flight.start.return_soc = 1.0;
    flight.advance(1.0, 0.1);
    assert!(matches!(progress(&flight), Some(Progress::Going(_))));
}

#[test]
fn it_returns_to_the_home_that_it_is_told() {
    let mut flight = hovering();
    flight.obey(&home_at(&flight, 200.0, None)).unwrap();
    follow(&mut flight, &Command::Return {});
    let off = flight.position() - Vec3::new(200.0, 0.0, 0.0);
    assert!(off.norm() < 5.0, "{off:?}");

    // Heights are above home, wherever that is.
    let ground_m = flight.start.ground_m;
    let above = home_at(&flight, 200.0, Some(ground_m + 40.0));
    flight.obey(&above).unwrap();
    follow(&mut flight, &TAKEOFF);
    assert!((flight.position().up - 70.0).abs() < 2.0);

    let here = Command::SetHome {
        current: true,
        latitude_deg: None,
        longitude_deg: None,
        absolute_altitude_m: None,
    };
    flight.obey(&here).unwrap();
    assert_eq!(flight.home, flight.position());
    for impossible in [
        home_at(&flight, 20_500.0, None),
        home_at(&flight, 0.0, Some(ground_m + 1_001.0)),
        home_at(&flight, 0.0, Some(ground_m - 101.0)),
    ] {
        let before = flight.home;
        let (outcome, _) = flight.obey(&impossible).unwrap_err();
        assert_eq!((outcome, flight.home), (Outcome::Denied, before));
    }
}

#[test]
fn a_fence_that_is_on_lets_nothing_be_sent_outside() {
    let mut flight = hovering();
    let outside = [goto(&flight, 2_100.0, 50.0), goto(&flight, 10.0, 121.0)];
    flight.obey(&Command::Fence { enabled: true }).unwrap();
    for order in &outside {
        let (outcome, _) = flight.obey(order).unwrap_err();
        assert_eq!(outcome, Outcome::Denied, "{order:?}");
    }
    flight.obey(&goto(&flight, 1_900.0, 119.0)).unwrap();
    flight.obey(&Command::Fence { enabled: false }).unwrap();
    for order in &outside {
        flight.obey(order).unwrap();
    }
}

#[test]
fn it_holds_rather_than_leave_its_fence() {
    let mut flight = hovering();
    flight.obey(&goto(&flight, 1_500.0, 50.0)).unwrap();
    flight.mission.take_event();
    flight.obey(&Command::Fence { enabled: true }).unwrap();
    // The fence lies around home: this one ends 100 m ahead.
    let home = home_at(&flight, -1_900.0, None);
    flight.obey(&home).unwrap();
    until(&mut flight, 60.0, |it| it.mission.phase == Phase::Hold);
    assert_eq!(flight.mission.take_event(), Some(Event::FenceBreached));
    let failed = Some(Progress::Failed("its fence stopped it"));
    assert_eq!(progress(&flight), failed);
    flight.advance(30.0, 0.1);
    let from_home = flight.position() - flight.home;
    let at_m = from_home.horizontal();
    assert!((1_950.0..2_000.0).contains(&at_m), "{at_m}");
    // It may be told to come back, and comes.
    let back = goto(&flight, 0.0, 50.0);
    follow(&mut flight, &back);
}

#[test]
fn the_fence_stops_what_is_outside_when_it_is_turned_on() {
    let mut flight = hovering();
    flight.obey(&goto(&flight, 400.0, 200.0)).unwrap();
    until(&mut flight, 120.0, |it| it.position().up > 130.0);
    flight.obey(&Command::Fence { enabled: true }).unwrap();
    flight.advance(0.2, 0.1);
    assert_eq!(flight.mission.phase, Phase::Hold);
    // Once: then its operator flies it.
    flight.obey(&Command::Return {}).unwrap();
    flight.advance(5.0, 0.1);
    assert_eq!(flight.mission.phase, Phase::Return);
}

#[test]
fn missions_stay_within_the_fence() {
    for kind in [Kind::Multirotor, Kind::FixedWing] {
        for seed in 0..3 {
            let mut flight = Flight::new(start(kind), Noise::new(seed, 0));
            flight.obey(&Command::Fence { enabled: true }).unwrap();
            for _ in 0..3600 {
                flight.advance(1.0, 0.1);
                let told = flight.mission.take_event();
                assert_ne!(told, Some(Event::FenceBreached), "{kind:?} {seed}");
            }
        }
    }
}

#[test]
fn a_custom_command_does_not_go_around_the_catalogue() {
    let mut flight = waiting(Kind::Multirotor);
    let custom = |code| Command::Custom {
        code,
        param1: Some(1.0),
        param2: None,
        param3: None,
        param4: None,
        param5: None,
        param6: None,
        param7: None,
    };
    for code in [185, 400, 2000] {
        let (outcome, _) = flight.obey(&custom(code)).unwrap_err();
        assert_eq!(outcome, Outcome::Unsupported, "{code}");
    }
    assert_eq!(flight.mission.phase, Phase::Idle);
    assert_eq!(flight.obey(&custom(401)), Ok(()));
    flight.obey(&TAKEOFF).unwrap();
    let armed = (Outcome::TemporarilyRejected, "it is armed");
    assert_eq!(flight.obey(&custom(401)), Err(armed));
}
