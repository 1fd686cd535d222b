//! Whatever order, doubling, loss and cutting a drone's samples arrive in: the same rows and the
//! same live state, nothing lost, nothing doubled.

#[path = "streams/flight.rs"]
mod flight;
#[path = "streams/owner.rs"]
mod owner;

use std::time::Duration;

use aerostream_domain::alert::RuleSet;
use aerostream_domain::drone::live::LiveState;
use aerostream_domain::{Drone, DroneSnapshot, Limits, Offset};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::flight::{Flight, Planned, flights};
use crate::owner::{Delivery, Owner, Rest};

const CASES: u32 = 400;

fn delivery() -> impl Strategy<Value = Delivery> {
    (
        any::<Index>(),
        1..40_usize,
        prop_oneof![3 => Just(1_usize), 1 => 2..7_usize],
        any::<bool>(),
        0..10_u8,
        prop_oneof![
            8 => Just(Rest::Stay),
            1 => Just(Rest::Restored),
            1 => Just(Rest::Passive),
        ],
    )
        .prop_map(|(start, len, stride, reversed, outcome, rest)| Delivery {
            start,
            len,
            stride,
            reversed,
            outcome: outcome.into(),
            rest,
        })
}

/// Windows small enough to slide and to be thrown out, and the real ones.
fn limits() -> impl Strategy<Value = Limits> {
    prop_oneof![
        Just(Limits::default()),
        (1..20_usize, 1..3_usize).prop_map(|(window, windows_max)| Limits {
            window,
            windows_max,
            ..Limits::default()
        }),
    ]
}

fn fly(flights: &[Flight], deliveries: &[Delivery], limits: Limits) -> Owner {
    let mut owner = Owner::new(limits);
    let planned: Vec<Planned> = flights.iter().flat_map(Flight::planned).collect();
    for flight in flights {
        owner.learn(flight);
    }
    for delivery in deliveries {
        owner.deliver(&planned, flights, delivery);
    }
    owner.finish(&planned, flights);
    owner
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_arrival_gives_the_same_rows_and_the_same_live_state(
        flights in flights(),
        deliveries in prop::collection::vec(delivery(), 0..30),
        limits in limits(),
    ) {
        let owner = fly(&flights, &deliveries, limits);
        prop_assert_eq!(owner.rows(), flight::rows(&flights));
        flight::check_live(&flights, owner.drone.live());
    }

    #[test]
    fn live_state_is_a_function_of_the_log_in_any_order(
        flights in flights(),
        deliveries in prop::collection::vec(delivery(), 0..15),
        order in any::<prop::sample::Selector>(),
        learnt in any::<bool>(),
    ) {
        let owner = fly(&flights, &deliveries, Limits::default());
        let mut log: Vec<_> = owner.log.iter().chain(&owner.log).collect();
        let mut drone = Drone::new(owner.drone.id().clone(), Limits::default());
        if learnt {
            for flight in &flights {
                drone.learn_boot(flight.record());
            }
        }
        while !log.is_empty() {
            let next = order.select(0..log.len());
            drone.apply(Offset(0), log.swap_remove(next), &RuleSet::default());
        }
        // How many samples were counted depends on what the windows had forgotten.
        let counted = owner.drone.live().samples;
        let live = LiveState { samples: counted, ..drone.live().clone() };
        prop_assert_eq!(&live, owner.drone.live());
    }

    #[test]
    fn a_restored_drone_goes_on_as_if_it_had_never_stopped(
        flights in flights(),
        before in prop::collection::vec(delivery(), 0..10),
        after in prop::collection::vec(delivery(), 0..10),
    ) {
        let planned: Vec<Planned> = flights.iter().flat_map(Flight::planned).collect();
        let mut stayed = Owner::new(Limits::default());
        for flight in &flights {
            stayed.learn(flight);
        }
        for delivery in &before {
            stayed.deliver(&planned, &flights, delivery);
        }
        stayed.settle_all();
        let mut moved = stayed.clone();
        let snapshot: DroneSnapshot = moved.drone.snapshot();
        moved.drone = Drone::restore(snapshot.clone(), Limits::default());
        prop_assert_eq!(moved.drone.snapshot(), snapshot);
        for delivery in &after {
            let delivery = Delivery { rest: Rest::Stay, ..*delivery };
            let expected = stayed.deliver(&planned, &flights, &delivery);
            prop_assert_eq!(moved.deliver(&planned, &flights, &delivery), expected);
        }
        stayed.settle_all();
        moved.settle_all();
        prop_assert_eq!(moved.drone.snapshot(), stayed.drone.snapshot());
    }
}

#[test]
fn an_hour_of_store_and_forward_is_taken_whole() {
    let flight = Flight::steady(3_600, Duration::from_secs(3_600));
    let owner = fly(std::slice::from_ref(&flight), &[], Limits::default());
    assert_eq!(owner.rows(), flight::rows(std::slice::from_ref(&flight)));
    flight::check_live(&[flight], owner.drone.live());
}
