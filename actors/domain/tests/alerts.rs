//! Promise 6 over random flights, owners and crashes: an alert condition raises exactly one alert;
//! it clears by its clear condition; it survives a restart and a move.

#[path = "alerts/oracle.rs"]
mod oracle;
#[path = "alerts/world.rs"]
mod world;

use std::collections::BTreeSet;

use aerostream_domain::alert::AlertLimits;
use proptest::prelude::*;

use crate::world::{Outcome, Sent, Step, World};

fn charge() -> impl Strategy<Value = Option<u8>> {
    prop_oneof![
        1 => Just(None),
        6 => prop::sample::select(vec![4_u8, 6, 9, 14, 16, 17, 20, 29, 33, 60]).prop_map(Some),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    let one = (charge(), prop::sample::select(vec![0_u32, 1, 2, 5, 11]));
    let samples = prop::collection::vec(one, 1..4);
    prop_oneof![
        10 => samples.prop_map(Sent::Next),
        2 => any::<prop::sample::Index>().prop_map(Sent::Again),
        2 => (charge(), 1_u64..12).prop_map(|(charge, back)| Sent::Late { charge, back }),
        1 => Just(Sent::NewBoot),
        1 => charge().prop_map(Sent::OldBoot),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let outcome = prop::sample::select(vec![
        Outcome::Written,
        Outcome::Written,
        Outcome::Written,
        Outcome::Lost,
        Outcome::WrittenUnheard,
    ]);
    prop_oneof![
        8 => sent().prop_map(Step::Send),
        6 => Just(Step::Apply),
        6 => outcome.prop_map(Step::Write),
        6 => Just(Step::ReadBack),
        2 => Just(Step::Snapshot),
        2 => any::<prop::sample::Index>().prop_map(|from| Step::Restart(Some(from))),
        1 => Just(Step::ZombieWrites),
        1 => any::<prop::sample::Index>().prop_map(Step::Acknowledge),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    /// Whatever is killed and lost, the alerts are those that a look at the whole log gives.
    #[test]
    fn alerts_are_a_function_of_the_log(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.settle();
        let expected = oracle::alerts(world.telemetry(), &world::rules());
        let found: BTreeSet<_> = world.alerts().iter().map(oracle::Expected::of).collect();
        if expected.len() <= AlertLimits::DEFAULT.ended_max {
            prop_assert_eq!(found, expected);
        } else {
            prop_assert!(found.is_subset(&expected));
            let active = |alerts: &BTreeSet<oracle::Expected>| {
                alerts.iter().filter(|it| it.cleared.is_none()).count()
            };
            prop_assert_eq!(active(&found), active(&expected));
        }
    }

    /// Owners with other rules take over from each other: still one alert per condition.
    #[test]
    fn other_rules_raise_no_second_alert(
        steps in prop::collection::vec(
            prop_oneof![6 => step(), 1 => Just(Step::OtherRules)], 1..60,
        ),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.settle();
        world.check_one_per_condition();
        world.check_end();
    }

    /// An owner that goes on from a snapshot decides what one that never stopped decides.
    #[test]
    fn a_restart_changes_no_decision(
        steps in prop::collection::vec(step(), 1..40),
        at in any::<prop::sample::Index>(),
    ) {
        let mut stopped = World::new();
        let mut went_on = World::new();
        let at = at.index(steps.len());
        for (index, step) in steps.iter().enumerate() {
            if matches!(step, Step::Restart(_)) {
                continue;
            }
            if index == at {
                stopped.step(&Step::Snapshot);
                stopped.step(&Step::Restart(None));
            }
            stopped.step(step);
            went_on.step(step);
        }
        stopped.settle();
        went_on.settle();
        let ids = |world: &World| {
            let alerts = world.alerts().iter();
            alerts.map(oracle::Expected::of).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(ids(&stopped), ids(&went_on));
    }
}
