//! Alerts through their bytes.

use aerostream_domain::alert::{
    AlertBook, AlertId, AlertLedger, AlertRecord, AlertStanding, Evidence, Instance, Memory,
    Remark, Severity, Since, Transition, Turn,
};
use aerostream_domain::{BootId, FenceId, Offset, RuleId, Seq, UtcMicros};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn offset() -> impl Strategy<Value = Offset> {
    any::<u64>().prop_map(Offset)
}

fn time() -> impl Strategy<Value = UtcMicros> {
    (i64::MIN + 1..=i64::MAX).prop_map(UtcMicros)
}

fn rule() -> impl Strategy<Value = RuleId> {
    select(vec!["battery", "fence", "x"]).prop_map(|id| RuleId::parse(id).expect("an id"))
}

fn instance() -> impl Strategy<Value = Instance> {
    prop_oneof![
        Just(Instance::Drone),
        any::<u8>().prop_map(Instance::Battery),
        any::<u8>().prop_map(Instance::Gnss),
        Just(Instance::Fence(FenceId::parse("air:port").expect("an id"))),
    ]
}

fn evidence() -> impl Strategy<Value = Evidence> {
    let what = ("[a-z.]{0,8}", option::of(-1e9..1e9_f64), "[a-z ]{0,8}");
    (any::<u64>(), any::<u64>(), time(), what).prop_map(
        |(boot, seq, time, (field, value, note))| Evidence {
            boot: BootId(boot),
            seq: Seq(seq),
            time,
            field,
            value,
            note,
        },
    )
}

fn id() -> impl Strategy<Value = AlertId> {
    any::<u128>().prop_map(AlertId)
}

prop_compose! {
    fn raised()(
        rule in rule(),
        rule_version in option::of(offset()),
        instance in instance(),
        title in "[a-z ]{0,8}",
        severity in select(&Severity::ALL[..]),
    ) -> Turn {
        Turn::Raised { rule, rule_version, instance, title, severity }
    }
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        2 => raised(),
        1 => select(&Severity::ALL[..]).prop_map(|severity| Turn::Escalated { severity }),
        1 => "[a-z ]{0,8}".prop_map(|reason| Turn::Cleared { reason }),
    ]
}

prop_compose! {
    fn transition()(id in id(), turn in turn(), evidence in evidence()) -> Transition {
        Transition { id, turn, evidence }
    }
}

prop_compose! {
    fn remark()(id in id(), principal in "[a-z]{0,8}", received in time(), comment in ".{0,8}")
    -> Remark {
        Remark { id, principal, received, comment }
    }
}

/// Any record about alerts.
pub(super) fn record() -> impl Strategy<Value = AlertRecord> {
    prop_oneof![
        vec(transition(), 0..4).prop_map(AlertRecord::Transitions),
        remark().prop_map(AlertRecord::Acknowledge),
        remark().prop_map(AlertRecord::Comment),
    ]
}

prop_compose! {
    fn since()(
        rule in rule(),
        version in option::of(offset()),
        instance in instance(),
        levels in vec(option::of(time()), 0..4),
        clear in option::of(time()),
        heard: u32,
    ) -> Since {
        Since { rule, version, instance, levels, clear, heard }
    }
}

/// What a drone may have of its alerts: a ledger that was folded, anything remembered.
pub(super) fn book() -> impl Strategy<Value = AlertBook> {
    let told = vec(record(), 0..4);
    let remembered = (
        option::of(any::<u64>().prop_map(BootId)),
        vec(since(), 0..3),
    );
    let pending = vec((option::of(offset()), transition()), 0..3);
    (told, remembered, pending).prop_map(|(told, (boot, since), pending)| {
        let mut ledger = AlertLedger::default();
        for (at, record) in told.iter().enumerate() {
            let standing = AlertStanding {
                offset: Offset(at as u64),
                at: UtcMicros(at as i64),
                cause: Some(Offset(at as u64)),
            };
            ledger.fold(standing, record);
            // What is known gets a word and an end, so that those fields are met too.
            let id = ledger.alerts().last().map(|alert| alert.id);
            let remark = |id| Remark {
                id,
                principal: "someone".to_owned(),
                received: UtcMicros(1),
                comment: "seen".to_owned(),
            };
            if let Some(id) = id {
                for (more, record) in [
                    AlertRecord::Acknowledge(remark(id)),
                    AlertRecord::Comment(remark(id)),
                ]
                .iter()
                .enumerate()
                {
                    let offset = Offset((100 * (at + 1) + more) as u64);
                    ledger.fold(AlertStanding { offset, ..standing }, record);
                }
            }
        }
        let memory = Memory { boot, since };
        let memory = if memory.since.is_empty() {
            Memory::default()
        } else {
            memory
        };
        let folded = ledger.folded().is_some();
        let book = AlertBook::restore(ledger, memory, pending);
        if folded || !book.is_empty() {
            book
        } else {
            AlertBook::default()
        }
    })
}
