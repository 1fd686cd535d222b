//! Commands through their bytes: every kind, every parameter within its range.

use std::time::Duration;

use aerostream_domain::command::{
    Answer, Cancel, Command, CommandId, CommandKind, CommandRecord, Confirm, End, Entry, Intent,
    Ledger, NotSentReason, Order, Outcome, ParameterForm, Sending, Stage, Transition, Unrecorded,
    Value,
};
use aerostream_domain::{BootId, Offset, RefusalCode, Seq, ShardId};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use prost::Message;

use super::strategies;
use crate::v1;

/// Any command: of each parameter whether it is given, and where in its range it is.
pub(super) fn command() -> impl Strategy<Value = Command> {
    let places = vec((any::<bool>(), 0.0..=1.0), 8);
    (select(CommandKind::ALL), places).prop_map(|(kind, places)| {
        let given = kind.parameters().iter().zip(places);
        let given = given.filter(|(spec, (given, _))| spec.required || *given);
        let values = given.map(|(spec, (_, place))| {
            let (min, max) = spec.range.unwrap_or((-1e6, 1e6));
            let number = min + place * (max - min);
            let value = match spec.form {
                ParameterForm::Number => Value::Number(number),
                ParameterForm::WholeNumber => Value::Number(number.floor()),
                ParameterForm::Flag => Value::Flag(place > 0.5),
                ParameterForm::Text => Value::Text("x".repeat(number as usize)),
                ParameterForm::Mode => Value::Text("hold".to_owned()),
            };
            (spec.name.to_owned(), value)
        });
        let values: Vec<_> = values.collect();
        Command::build(kind.as_str(), values).unwrap_or(Command::Hold {})
    })
}

prop_compose! {
    fn id()(shard: u16, hash: u128) -> CommandId {
        CommandId { shard: ShardId(shard), hash }
    }
}

prop_compose! {
    fn intent()(
        id in id(),
        command in command(),
        principal in ".{0,9}",
        received in strategies::utc(),
        ttl_ms in 0..u64::MAX,
        emergency: bool,
        group in option::of(any::<u128>()),
    ) -> Intent {
        let time_to_live = Duration::from_millis(ttl_ms);
        Intent { id, command, principal, received, time_to_live, emergency, group }
    }
}

prop_compose! {
    fn answer()(
        outcome in select(Outcome::ALL.as_slice()),
        progress_percent in option::of(0..=100_u8),
        detail in "[a-z]{0,9}",
    ) -> Answer {
        Answer { outcome, progress_percent, detail }
    }
}

fn transition() -> impl Strategy<Value = Transition> {
    let sent = (any::<u32>(), any::<u64>(), option::of(any::<u64>()));
    prop_oneof![
        sent.prop_map(|(n, boot, seq)| Transition::Sent {
            n,
            boot: BootId(boot),
            above_seq: seq.map(Seq),
        }),
        (any::<u32>(), select(NotSentReason::ALL.as_slice()))
            .prop_map(|(n, reason)| Transition::NotSent { n, reason }),
        answer().prop_map(Transition::Answered),
        (select(End::ALL.as_slice()), ".{0,9}")
            .prop_map(|(end, reason)| Transition::Ended { end, reason }),
    ]
}

pub(super) fn record() -> impl Strategy<Value = CommandRecord> {
    let by = || (id(), ".{0,9}", strategies::utc());
    prop_oneof![
        intent().prop_map(CommandRecord::Intent),
        by().prop_map(|(id, principal, received)| {
            CommandRecord::Cancel(Cancel {
                id,
                principal,
                received,
            })
        }),
        (by(), any::<u64>()).prop_map(|((id, principal, received), digest)| {
            CommandRecord::Confirm(Confirm {
                id,
                principal,
                received,
                digest,
            })
        }),
        (id(), transition()).prop_map(|(id, what)| CommandRecord::Transition { id, what }),
        (intent(), strategies::utc(), option::of(answer())).prop_map(|(intent, sent, answer)| {
            CommandRecord::Unrecorded(Unrecorded {
                intent,
                sent,
                answer,
            })
        }),
    ]
}

prop_compose! {
    fn sending()(
        n: u32,
        at in strategies::utc(),
        boot: u64,
        above_seq in option::of(any::<u64>().prop_map(Seq)),
        epoch in strategies::epoch(),
        counter: u64,
    ) -> Sending {
        Sending { n, at, boot: BootId(boot), above_seq, order: Order { epoch, counter } }
    }
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        select(
            &[
                Stage::Queued,
                Stage::Sent,
                Stage::InProgress,
                Stage::Acknowledged
            ][..]
        ),
        select(End::ALL.as_slice()).prop_map(Stage::Ended),
    ]
}

prop_compose! {
    fn entry()(
        intent in intent(),
        (offset, boot, sends, spent, conflicts) in any::<(u64, Option<u64>, u32, u32, u32)>(),
        (stage, sending, superseded_by) in (stage(), option::of(sending()), option::of(id())),
        (answer, late) in (option::of(answer()), option::of(answer())),
        progress_percent in option::of(0..=100_u8),
        (reason, changed) in (".{0,9}", strategies::utc()),
        cancelled_by in option::of((".{0,9}", strategies::utc())),
        confirmed_by in option::of((".{0,9}", strategies::utc())),
    ) -> Entry {
        Entry {
            intent, offset: Offset(offset), boot: boot.map(BootId), stage, sends, spent, sending,
            progress_percent, answer, reason, changed, cancelled_by, confirmed_by, superseded_by,
            conflicts, late,
        }
    }
}

pub(super) fn ledger() -> impl Strategy<Value = Ledger> {
    prop_oneof![
        Just(Ledger::default()),
        (vec(entry(), 0..3), any::<u64>())
            .prop_map(|(entries, folded)| Ledger::restore(entries, Some(Offset(folded)))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn commands(command in command()) {
        let bytes = v1::Command::from(command.clone()).encode_to_vec();
        let wire = v1::Command::decode(bytes.as_slice()).expect("what was encoded");
        prop_assert_eq!(Command::try_from(wire), Ok(command));
    }
}

#[test]
fn a_wrong_command_of_the_wire_is_told_as_any_other() {
    let goto = v1::command::Goto {
        latitude_deg: 91.0,
        ..Default::default()
    };
    let kind = Some(v1::command::Kind::Goto(goto));
    let refusal = Command::try_from(v1::Command { kind }).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::OutOfRange);
    let told = "goto.latitude_deg: found 91; must be -90 to 90";
    assert_eq!(refusal.to_string(), told);
    let refusal = Command::try_from(v1::Command { kind: None }).unwrap_err();
    assert_eq!(refusal.field, "command");
}

#[test]
fn an_answer_out_of_its_range_is_refused() {
    let check = |outcome, percent, detail: &str, field: &str| {
        let refusal = crate::answer_from_wire(outcome, percent, detail.to_owned()).unwrap_err();
        assert_eq!(refusal.field, field);
    };
    check(0, None, "", "outcome");
    check(99, None, "", "outcome");
    check(1, Some(101), "", "progress_percent");
    check(1, None, &"x".repeat(257), "detail");
}
