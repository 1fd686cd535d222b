//! State records come back as they were, and a window that cannot be is refused.

use aerostream_domain::drone::Pulse;
use aerostream_domain::drone::live::{LiveState, Newest, Stamp, Stamps};
use aerostream_domain::{
    BootMicros, DroneSnapshot, Offset, Refusal, Seq, ShardMark, StateEntry, StateKind,
    WindowSnapshot,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use prost::Message;

use super::{examples, strategies};
use crate::v1;

prop_compose! {
    fn stamp()(seq in any::<u64>().prop_map(Seq), time in strategies::utc()) -> Stamp {
        Stamp { seq, time }
    }
}

prop_compose! {
    fn listed()(
        gnss in btree_map(any::<u8>(), stamp(), 0..3),
        battery in btree_map(any::<u8>(), stamp(), 0..3),
        extras in btree_map("[a-z_]{1,8}", stamp(), 0..3),
    ) -> Stamps {
        Stamps {
            gnss: gnss.into_iter().collect(),
            battery: battery.into_iter().collect(),
            extras: extras.into_iter().collect(),
            ..Stamps::default()
        }
    }
}

prop_compose! {
    fn stamps()(
        listed in listed(),
        [position, velocity, attitude, link, home] in
            proptest::array::uniform5(option::of(stamp())),
        [mission, health, wind, state, text] in proptest::array::uniform5(option::of(stamp())),
    ) -> Stamps {
        Stamps {
            position, velocity, attitude, link, home, mission, health, wind, state, text, ..listed
        }
    }
}

prop_compose! {
    fn newest()(
        seq in any::<u64>().prop_map(Seq),
        time in strategies::utc(),
        basis in strategies::basis(),
        since_boot in option::of(any::<u64>().prop_map(BootMicros)),
    ) -> Newest {
        Newest { seq, time, basis, since_boot }
    }
}

prop_compose! {
    fn live()(
        boot in option::of(strategies::boot_id()),
        power_up in option::of(strategies::utc()),
        newest in option::of(newest()),
        groups in strategies::content(),
        stamps in stamps(),
        received in option::of(strategies::utc()),
        samples: u64,
    ) -> LiveState {
        LiveState { boot, power_up, newest, groups, stamps, received, samples }
    }
}

prop_compose! {
    fn window()(
        boot in strategies::boot_id(),
        floor: u64,
        durable in btree_map(any::<u64>(), any::<u64>(), 0..5),
    ) -> WindowSnapshot {
        let numbers = durable.range(floor..);
        WindowSnapshot {
            boot,
            floor: Seq(floor),
            durable: numbers.map(|(seq, fingerprint)| (Seq(*seq), *fingerprint)).collect(),
        }
    }
}

prop_compose! {
    fn snapshot()(
        drone in strategies::drone(),
        boots in vec(strategies::boot(), 0..3),
        boots_forgotten: bool,
        live in live(),
        applied in option::of(any::<u64>().prop_map(Offset)),
        windows in vec(window(), 0..3),
        commands in super::commands::ledger(),
        (alerts, interval_ms) in (super::alerts::book(), any::<u32>()),
    ) -> DroneSnapshot {
        let pulse = Pulse { interval_ms };
        DroneSnapshot {
            drone, boots, boots_forgotten, live, applied, windows, commands, alerts, pulse,
        }
    }
}

fn kind() -> impl Strategy<Value = StateKind> {
    let mark = |(telemetry, journal)| ShardMark {
        telemetry: Offset(telemetry),
        journal: Offset(journal),
    };
    prop_oneof![
        4 => snapshot().prop_map(|drone| StateKind::Drone(Box::new(drone))),
        1 => any::<(u64, u64)>().prop_map(mark).prop_map(StateKind::Mark),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn state_records(epoch in strategies::epoch(), kind in kind()) {
        let entry = StateEntry { epoch, kind };
        let bytes = v1::StateRecord::from(entry.clone()).encode_to_vec();
        let wire = v1::StateRecord::decode(bytes.as_slice()).expect("what was encoded");
        prop_assert_eq!(StateEntry::try_from(wire), Ok(entry));
    }
}

fn check(change: impl FnOnce(&mut v1::DroneSnapshot), expected: Result<(), &str>) {
    let mut wire = v1::StateRecord::from(examples::state());
    let Some(v1::state_record::Kind::Drone(drone)) = &mut wire.kind else {
        panic!("the example is a snapshot");
    };
    change(drone);
    let field = |refusal: Refusal| refusal.field;
    let result = StateEntry::try_from(wire).map(|_| ()).map_err(field);
    assert_eq!(result, expected.map_err(str::to_owned));
}

#[test]
fn windows_ascend_and_are_complete() {
    check(|_| {}, Ok(()));
    check(
        |drone| drone.windows[0].steps = vec![0, 0],
        Err("drone.windows[0].steps[1]"),
    );
    check(
        |drone| drone.windows[0].steps[1] = u64::MAX,
        Err("drone.windows[0].steps[1]"),
    );
    check(
        |drone| drone.windows[0].steps.truncate(1),
        Err("drone.windows[0].fingerprints"),
    );
}

#[test]
fn live_state_names_what_is_wrong_in_it() {
    let live = |drone: &mut v1::DroneSnapshot, change: fn(&mut v1::LiveState)| {
        change(drone.live.get_or_insert_default());
    };
    check(|drone| drone.live = None, Err("drone.live"));
    check(|drone| drone.drone_id.clear(), Err("drone.drone_id"));
    check(
        |drone| drone.boots[0].basis = 5,
        Err("drone.boots[0].basis"),
    );
    check(
        |drone| live(drone, |live| live.newest.get_or_insert_default().basis = 0),
        Err("drone.live.newest.basis"),
    );
    check(
        |drone| {
            live(drone, |live| {
                live.groups.get_or_insert_default().gnss[0].id = 256
            })
        },
        Err("drone.live.groups.gnss[0].id"),
    );
    check(
        |drone| {
            live(drone, |live| {
                live.stamps.get_or_insert_default().battery[0].id = 256
            })
        },
        Err("drone.live.stamps.battery[0].id"),
    );
    check(
        |drone| {
            live(drone, |live| {
                live.stamps.get_or_insert_default().extras[0].stamp = None
            })
        },
        Err("drone.live.stamps.extras[0].stamp"),
    );
}
