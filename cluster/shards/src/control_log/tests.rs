//! What single records do; `tests/properties/fold.rs` tries random ones.

use super::*;

fn created() -> v1::ControlRecord {
    let created = v1::Created {
        cluster_id: "c".to_owned(),
        shards: 4,
        hash_version: 1,
        generation: 1,
    };
    v1::ControlRecord {
        kind: Some(Kind::Created(created)),
    }
}

fn join(node: &str, incarnation: &str) -> v1::ControlRecord {
    let join = v1::Join {
        node: node.to_owned(),
        incarnation: incarnation.to_owned(),
        ..Default::default()
    };
    v1::ControlRecord {
        kind: Some(Kind::Join(join)),
    }
}

fn assign(shard: u32, to: (&str, &str), expected: Option<u64>) -> v1::ControlRecord {
    let assign = v1::Assign {
        shard,
        to_node: to.0.to_owned(),
        to_incarnation: to.1.to_owned(),
        expected: expected.map(|offset| v1::Epoch {
            generation: 1,
            offset,
        }),
    };
    v1::ControlRecord {
        kind: Some(Kind::Assign(assign)),
    }
}

fn stamp(offset: u64) -> Stamp {
    Stamp {
        offset: Offset(offset),
        at: UtcMicros(offset as i64 * 500_000),
    }
}

fn effects(records: &[v1::ControlRecord]) -> Vec<bool> {
    let mut state = ControlState::default();
    (0..)
        .zip(records)
        .map(|(offset, record)| state.fold(stamp(offset), record.clone()) != Effect::Void)
        .collect()
}

#[test]
fn an_assign_counts_only_for_a_member_at_the_expected_epoch() {
    let check = |records: &[v1::ControlRecord], expected: &[bool]| {
        assert_eq!(effects(records), expected, "{records:?}");
    };
    check(&[created(), created()], &[true, false]);
    check(
        &[join("a", "1"), assign(0, ("a", "1"), None)],
        &[true, false],
    );
    check(&[created(), assign(0, ("a", "1"), None)], &[true, false]);
    check(
        &[created(), join("a", "1"), assign(9, ("a", "1"), None)],
        &[true, true, false],
    );
    check(
        &[
            created(),
            join("a", "1"),
            assign(0, ("a", "1"), None),
            assign(0, ("a", "1"), None),
        ],
        &[true, true, true, false],
    );
}

#[test]
fn only_a_newer_incarnation_of_the_owner_takes_over() {
    let start = [created(), join("a", "1"), assign(0, ("a", "1"), None)];
    let with = |more: &[v1::ControlRecord]| effects(&[&start[..], more].concat());
    let other = [join("b", "1"), assign(0, ("b", "1"), Some(2))];
    assert_eq!(with(&other)[3..], [true, false]);
    let same = [join("a", "2"), assign(0, ("a", "2"), Some(2))];
    assert_eq!(with(&same)[3..], [true, true]);
}

/// A log of records that come as far apart as heartbeats, unless told otherwise.
#[derive(Default)]
struct Log {
    state: ControlState,
    offset: u64,
    at_us: i64,
}

impl Log {
    /// Created, with members that know heartbeats; `Version` is in force.
    fn alive(members: &[&str]) -> Self {
        let mut log = Self::default();
        log.write(created().kind.unwrap());
        for node in members {
            log.join(node, RULES_LIFE);
        }
        assert_eq!(log.version(), Effect::RulesRaised(RULES_LIFE));
        log
    }

    fn write(&mut self, kind: Kind) -> Effect {
        self.write_after(HEARTBEAT_EVERY, kind)
    }

    fn write_after(&mut self, passed: Duration, kind: Kind) -> Effect {
        self.at_us += passed.as_micros() as i64;
        let stamp = Stamp {
            offset: Offset(self.offset),
            at: UtcMicros(self.at_us),
        };
        self.offset += 1;
        self.state
            .fold(stamp, v1::ControlRecord { kind: Some(kind) })
    }

    fn join(&mut self, node: &str, record_version: u32) -> Effect {
        self.write(Kind::Join(v1::Join {
            node: node.to_owned(),
            incarnation: "1".to_owned(),
            record_version,
            ..Default::default()
        }))
    }

    fn version(&mut self) -> Effect {
        self.write(Kind::Version(v1::Version { rules: RULES_LIFE }))
    }

    fn expire(&mut self, node: &str) -> Effect {
        self.expire_after(HEARTBEAT_EVERY, node)
    }

    fn expire_after(&mut self, passed: Duration, node: &str) -> Effect {
        let (node, incarnation) = (node.to_owned(), "1".to_owned());
        self.write_after(passed, Kind::Expire(v1::Expire { node, incarnation }))
    }

    fn heartbeat(&mut self, node: &str) -> Effect {
        self.write(Kind::Heartbeat(v1::Heartbeat {
            node: node.to_owned(),
            incarnation: "1".to_owned(),
            sequence: 0,
        }))
    }
}

fn first(node: &str) -> MemberId {
    id(node.to_owned(), "1".to_owned())
}

#[test]
fn a_member_that_knows_no_heartbeats_is_never_expired_and_keeps_the_first_rules() {
    let mut log = Log::default();
    log.write(created().kind.unwrap());
    log.join("one", RULES_FIRST);
    log.join("other", RULES_LIFE);
    assert_eq!(log.version(), Effect::Void, "one does not know them");
    for _ in 0..20 {
        assert_eq!(log.expire("one"), Effect::Void);
    }
    log.join("one", RULES_LIFE);
    assert_eq!(log.version(), Effect::RulesRaised(RULES_LIFE));
    assert_eq!(log.join("late", RULES_FIRST), Effect::Void, "too old");
}

#[test]
fn a_member_that_was_never_heard_expires_as_late_as_one_that_was() {
    let mut log = Log::alive(&["a", "b"]);
    for _ in 0..5 {
        assert_eq!(log.expire("a"), Effect::Void);
    }
    assert_eq!(
        log.expire("a"),
        Effect::Expired(first("a")),
        "3 s from Version"
    );
    assert_eq!(log.expire("a"), Effect::Void, "it ended");
    let mut log = Log::alive(&["a"]);
    log.join("b", RULES_LIFE);
    for _ in 0..5 {
        assert_eq!(log.expire("b"), Effect::Void);
    }
    assert_eq!(
        log.expire("b"),
        Effect::Expired(first("b")),
        "3 s from Join"
    );
}

#[test]
fn an_outage_of_the_log_expires_nobody() {
    let mut log = Log::alive(&["a"]);
    log.heartbeat("a");
    let hour = Duration::from_secs(3600);
    assert_eq!(log.expire_after(hour, "a"), Effect::Void);
    assert!(!log.state.may_expire(&first("a")));
    for _ in 0..2 {
        assert_eq!(log.expire_after(hour, "a"), Effect::Void);
    }
    assert_eq!(log.expire_after(hour, "a"), Effect::Expired(first("a")));
}

#[test]
fn a_raised_generation_ends_every_member_and_is_above_every_epoch() {
    let mut log = Log::alive(&["a"]);
    let take = |log: &mut Log, node: &str, incarnation: &str| {
        let expected = log.state.owner(ShardId(0)).map(|owner| owner.epoch.into());
        log.write(Kind::Assign(v1::Assign {
            shard: 0,
            to_node: node.to_owned(),
            to_incarnation: incarnation.to_owned(),
            expected,
        }))
    };
    assert!(matches!(take(&mut log, "a", "1"), Effect::Assigned { .. }));
    let before = log.state.owner(ShardId(0)).unwrap().epoch;
    let raise = |log: &mut Log, expected: u32, to: u32| {
        log.write(Kind::RaiseGeneration(v1::RaiseGeneration { expected, to }))
    };
    assert_eq!(raise(&mut log, 2, 3), Effect::Void, "not in force");
    assert_eq!(raise(&mut log, 1, 1), Effect::Void, "not above");
    assert_eq!(raise(&mut log, 1, 5), Effect::GenerationRaised(5));
    assert_eq!(log.heartbeat("a"), Effect::Void);
    assert_eq!(take(&mut log, "a", "1"), Effect::Void);
    assert_eq!(log.join("a", RULES_LIFE), Effect::Void, "it ended");
    log.join("b", RULES_LIFE);
    assert!(matches!(take(&mut log, "b", "1"), Effect::Assigned { .. }));
    let after = log.state.owner(ShardId(0)).unwrap().epoch;
    assert!(after > before && after.generation == 5, "{after}");
}

#[test]
fn unknown_rules_end_the_fold() {
    let mut log = Log::default();
    log.write(created().kind.unwrap());
    log.join("a", RULES_KNOWN + 1);
    let version = Kind::Version(v1::Version {
        rules: RULES_KNOWN + 1,
    });
    let unknown = Effect::RulesUnknown(RULES_KNOWN + 1);
    assert_eq!(log.write(version), unknown);
    assert_eq!(log.join("b", RULES_KNOWN + 1), unknown);
    assert_eq!(ControlState::restore(log.state.checkpoint()), None);
}

#[test]
fn the_state_is_written_down_every_thousand_records_and_every_five_minutes() {
    let mut log = Log::alive(&["a"]);
    let write_down = |log: &mut Log| {
        let made = log.state.checkpoint();
        log.write(Kind::Checkpoint(made));
    };
    write_down(&mut log);
    let until_due = |log: &mut Log, passed: Duration| {
        let mut records = 0;
        while !log.state.is_checkpoint_due() {
            log.write_after(passed, Kind::Version(v1::Version { rules: 0 }));
            records += 1;
        }
        records
    };
    assert_eq!(until_due(&mut log, Duration::from_millis(1)), 1000);
    write_down(&mut log);
    assert_eq!(until_due(&mut log, Duration::from_millis(500)), 600);
}
