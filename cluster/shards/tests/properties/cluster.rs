//! Nodes that fold late, stop and die: no two of them would acknowledge for a shard at a time, and
//! one of them does in the end.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::nodes::{Node, Shared, cluster};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 600,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// How often each node reads and writes within a round.
const ANSWERS: usize = 6;

#[derive(Debug, Clone)]
enum Op {
    Pass {
        ms: u64,
    },
    Read {
        node: usize,
        count: usize,
    },
    ReadClaims {
        node: usize,
        count: usize,
    },
    Tend {
        node: usize,
    },
    Ask {
        node: usize,
    },
    Resolve {
        node: usize,
    },
    Drain {
        node: usize,
    },
    Restart {
        node: usize,
    },
    /// Everybody does everything for a while.
    Calm {
        rounds: usize,
        ms: u64,
    },
    /// All but one do everything for a while; that one is stopped.
    Stopped {
        node: usize,
        rounds: usize,
        ms: u64,
    },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let node = || 0..3_usize;
    let count = || prop_oneof![2 => 1..4_usize, 1 => Just(1000)];
    let op = prop_oneof![
        6 => (1..800_u64).prop_map(|ms| Op::Pass { ms }),
        6 => (node(), count()).prop_map(|(node, count)| Op::Read { node, count }),
        4 => (node(), count()).prop_map(|(node, count)| Op::ReadClaims { node, count }),
        6 => node().prop_map(|node| Op::Tend { node }),
        4 => node().prop_map(|node| Op::Ask { node }),
        3 => node().prop_map(|node| Op::Resolve { node }),
        1 => node().prop_map(|node| Op::Drain { node }),
        1 => node().prop_map(|node| Op::Restart { node }),
        3 => (1..8_usize, 1..500_u64).prop_map(|(rounds, ms)| Op::Calm { rounds, ms }),
        3 => (node(), 1..40_usize, 1..500_u64).prop_map(|(node, rounds, ms)| {
            Op::Stopped { node, rounds, ms }
        }),
    ];
    prop::collection::vec(op, 0..60)
}

struct Run {
    shared: Shared,
    nodes: Vec<Node>,
}

impl Run {
    fn new() -> Self {
        let (shared, nodes) = cluster();
        Self { shared, nodes }
    }

    fn apply(&mut self, op: &Op) {
        let Self { shared, nodes } = self;
        match op {
            Op::Pass { ms } => shared.now_us += ms * 1000,
            Op::Read { node, count } => nodes[*node].read(shared, *count),
            Op::ReadClaims { node, count } => nodes[*node].read_claims(shared, *count),
            Op::Tend { node } => nodes[*node].tend(shared),
            Op::Ask { node } => nodes[*node].ask(shared),
            Op::Resolve { node } => nodes[*node].resolve(shared),
            Op::Drain { node } => nodes[*node].drain(shared),
            Op::Restart { node } => nodes[*node].restart(),
            Op::Calm { rounds, ms } => self.calm((*rounds, *ms), None),
            Op::Stopped { node, rounds, ms } => self.calm((*rounds, *ms), Some(*node)),
        }
        self.check();
    }

    /// Rounds that take some milliseconds each, in which what is written is answered at once: no
    /// successor could be quicker.
    fn calm(&mut self, (rounds, ms): (usize, u64), stopped: Option<usize>) {
        let awake = (0..self.nodes.len()).filter(|number| Some(*number) != stopped);
        let awake: Vec<_> = awake.collect();
        for _ in 0..rounds {
            self.shared.now_us += ms * 1000;
            for number in awake.iter().copied().cycle().take(ANSWERS * awake.len()) {
                let (shared, node) = (&mut self.shared, &mut self.nodes[number]);
                node.read(shared, 1000);
                node.read_claims(shared, 1000);
                node.tend(shared);
                node.ask(shared);
                node.resolve(shared);
                self.check();
            }
        }
    }

    /// No two would acknowledge now.
    fn check(&self) {
        let would = |node: &&Node| node.would_release(&self.shared);
        let epochs: Vec<_> = self.nodes.iter().filter(would).map(Node::epoch).collect();
        assert!(epochs.len() <= 1, "{epochs:?} at {} us", self.shared.now_us);
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_two_nodes_acknowledge_at_a_time_and_one_does_in_the_end(ops in ops()) {
        let mut run = Run::new();
        for op in &ops {
            run.apply(op);
        }
        run.calm((60, 250), None);
        let mut would = run.nodes.iter().filter(|node| node.would_release(&run.shared));
        prop_assert!(would.next().is_some(), "nobody serves");
        let released = run.nodes.iter().flat_map(|node| node.released.iter().copied());
        let epochs: BTreeSet<_> = released.collect();
        prop_assert!(!epochs.is_empty());
        // What a reign released, only its one owner did.
        for epoch in epochs {
            let owners = run.nodes.iter().filter(|node| node.released.contains(&epoch));
            prop_assert_eq!(owners.count(), 1);
        }
    }
}

#[test]
fn a_node_that_stops_is_replaced_and_comes_back_as_another() {
    let mut run = Run::new();
    run.calm((20, 250), None);
    let owner = |run: &Run| {
        let mut nodes = run.nodes.iter();
        nodes.position(|node| node.would_release(&run.shared))
    };
    let first = owner(&run).unwrap();
    let epoch = run.nodes[first].epoch();
    // Four seconds: the promise, with heartbeats, assignment and claims read every 250 ms.
    run.calm((16, 250), Some(first));
    let second = owner(&run).unwrap();
    assert_ne!(first, second);
    assert!(run.nodes[second].epoch() > epoch);
    assert_eq!(run.nodes[first].epoch(), epoch, "it does not know yet");
    run.calm((20, 250), None);
    assert_eq!(owner(&run), Some(second));
    assert_eq!(run.nodes[first].epoch(), None);
    run.nodes[second].drain(&mut run.shared);
    run.calm((20, 250), None);
    let third = owner(&run).unwrap();
    assert_ne!(second, third);
}
