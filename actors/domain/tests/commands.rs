//! Promise 5, over the pure ledger: random operators, a drone, links and owners that crash. A
//! command is executed at most once, never late, and always ends; and its end is no lie.

#[path = "commands/drone.rs"]
mod drone;
#[path = "commands/wishes.rs"]
mod wishes;
#[path = "commands/world.rs"]
mod world;

use proptest::prelude::*;

use self::world::{Step, World};

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5_u8, 0..8_u8, 1..40_u64).prop_map(|(key, what, ttl_s)| Step::Wish {
            key,
            what,
            ttl_s
        }),
        1 => (0..5_u8).prop_map(Step::Cancel),
        1 => (0..5_u8).prop_map(Step::Confirm),
        8 => (1..4_000_u64).prop_map(Step::Wait),
        1 => (4_000..40_000_u64).prop_map(Step::Wait),
        6 => (0..200_u64).prop_map(Step::Uplink),
        6 => any::<prop::sample::Index>().prop_map(Step::Down),
        4 => any::<prop::sample::Index>().prop_map(Step::Up),
        1 => any::<prop::sample::Index>().prop_map(Step::LoseDown),
        1 => any::<prop::sample::Index>().prop_map(Step::LoseUp),
        1 => Just(Step::LinkDown),
        1 => Just(Step::Reboot),
        2 => (0..4_u8).prop_map(Step::Append),
        1 => Just(Step::Appear),
        1 => Just(Step::Snapshot),
        2 => any::<bool>().prop_map(Step::Crash),
        1 => Just(Step::Zombie),
        1 => any::<bool>().prop_map(Step::Airborne),
    ]
}

proptest! {
    #[test]
    fn a_command_is_executed_at_most_once_never_late_and_always_ends(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(&step);
            world.check_executions();
        }
        world.run_out();
        world.check_executions();
        world.check_ends();
    }
}

/// The random steps reach what they are meant to reach.
#[test]
fn every_end_is_reached() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut ends = std::collections::BTreeSet::new();
    let mut executed = 0;
    for _ in 0..2_000 {
        let steps = prop::collection::vec(step(), 1..80);
        let steps = steps.new_tree(&mut runner).unwrap().current();
        let mut world = World::new();
        steps.iter().for_each(|step| world.step(step));
        world.run_out();
        executed += world.executed();
        ends.extend(world.ends());
    }
    assert!(executed > 1_000, "{executed} commands were executed");
    let names: Vec<_> = ends.iter().map(|end| end.as_str()).collect();
    assert!(ends.len() >= 8, "only {names:?}");
}

/// 25 seconds of silence with bytes in flight: what arrives behind them is not executed.
#[test]
fn nothing_late_is_executed_behind_a_blackout() {
    let mut world = World::new();
    world.step(&Step::Uplink(0));
    world.step(&Step::Wish {
        key: 0,
        what: 0,
        ttl_s: 10,
    });
    assert_eq!(world.in_flight(), 1, "it went out at once");
    world.step(&Step::Wait(25_000));
    world.deliver_everything();
    assert_eq!(world.executed(), 0);
    world.run_out();
    world.check_ends();
}

/// A goto and then a return, and the goto arrives last.
#[test]
fn an_older_command_that_comes_late_is_rejected() {
    let mut world = World::new();
    for key in 0..2 {
        world.step(&Step::Uplink(0));
        world.step(&Step::Wish {
            key,
            what: key,
            ttl_s: 30,
        });
    }
    assert_eq!(world.in_flight(), 2);
    world.deliver_last_first();
    assert_eq!(world.executed(), 1, "only the newer one");
    world.run_out();
    world.check_ends();
}
