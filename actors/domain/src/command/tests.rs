//! The catalogue and single stories of the ledger; `tests/commands.rs` makes the random ones.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ledger::Standing;
use super::*;
use crate::drone::live::LiveState;
use crate::ids::{BootId, DroneId, Epoch, Offset, ShardId};
use crate::sample::{LandedState, State};
use crate::units::UtcMicros;

const BOOT: BootId = BootId(7);
const EPOCH: Epoch = Epoch {
    generation: 1,
    offset: Offset(1),
};

fn build(name: &str, parameters: &[(&str, f64)]) -> Result<Command, String> {
    let parameters = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::Number(*value)));
    Command::build(name, parameters).map_err(|refusal| refusal.to_string())
}

#[test]
fn refusals_name_the_parameter_and_what_would_be_right() {
    let check = |name, parameters: &[(&str, f64)], expected: &str| {
        assert_eq!(build(name, parameters), Err(expected.to_owned()));
    };
    check(
        "goto",
        &[
            ("latitude_deg", 91.0),
            ("longitude_deg", 8.0),
            ("altitude_m", 30.0),
        ],
        "latitude_deg: found 91; must be -90 to 90",
    );
    check("takeoff", &[], "altitude_m: found nothing; must be given");
    check(
        "takeoff",
        &[("altitude_m", f64::NAN)],
        "altitude_m: found NaN; must be 1 to 500",
    );
    check("hold", &[("speed", 3.0)], "speed: hold has no parameters");
    check(
        "change_speed",
        &[("speed_m_s", 3.0), ("speed", 3.0)],
        "speed: change_speed has no such parameter; it has speed_m_s",
    );
    check("arm", &[("force", 1.0)], "force: must be true or false");
    check(
        "set_home",
        &[],
        "current: must be true, or latitude_deg and longitude_deg be given",
    );
    assert!(
        build("fly", &[])
            .unwrap_err()
            .contains("one of arm, disarm")
    );
}

#[test]
fn a_command_is_built_again_from_its_parameters() {
    let goto = build(
        "goto",
        &[
            ("latitude_deg", 47.0),
            ("longitude_deg", 8.0),
            ("altitude_m", 30.0),
        ],
    );
    let goto = goto.unwrap();
    let told = goto.parameters().into_iter();
    let again = Command::build("goto", told.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!(again.unwrap(), goto);
    assert_ne!(goto.digest(), build("land", &[]).unwrap().digest());
}

/// A ledger with a drone that is there and stands on the ground, and a clock in seconds.
struct Story {
    ledger: Ledger,
    live: LiveState,
    boot: BootId,
    connected: bool,
    next: u64,
    now: UtcMicros,
}

impl Story {
    fn new() -> Self {
        let now = UtcMicros(1_800_000_000_000_000);
        let mut live = LiveState {
            boot: Some(BOOT),
            received: Some(now),
            ..LiveState::default()
        };
        live.groups.state = Some(State {
            landed_state: Some(LandedState::OnGround),
            ..State::default()
        });
        Self {
            ledger: Ledger::default(),
            live,
            boot: BOOT,
            connected: true,
            next: 0,
            now,
        }
    }

    fn id(key: &str) -> CommandId {
        CommandId::of(ShardId(3), "olga", &DroneId::parse("alpha").unwrap(), key)
    }

    fn fold(&mut self, record: CommandRecord) -> Folded {
        let epoch = matches!(record, CommandRecord::Transition { .. }).then_some(EPOCH);
        let standing = Standing {
            offset: Offset(self.next),
            at: self.now,
            epoch,
            boot: Some(self.boot),
        };
        self.next += 1;
        self.ledger.fold(standing, &record)
    }

    fn wish(&mut self, key: &str, command: Command) -> Folded {
        let intent = Intent {
            id: Self::id(key),
            command,
            principal: "olga".to_owned(),
            received: self.now,
            time_to_live: Duration::from_secs(30),
            emergency: false,
            group: None,
        };
        self.fold(CommandRecord::Intent(intent))
    }

    fn cancel(&mut self, key: &str) {
        self.fold(CommandRecord::Cancel(Cancel {
            id: Self::id(key),
            principal: "olga".to_owned(),
            received: self.now,
        }));
    }

    fn tell(&mut self, key: &str, what: Transition) -> Folded {
        let id = Self::id(key);
        self.fold(CommandRecord::Transition { id, what })
    }

    fn answer(&mut self, key: &str, outcome: Outcome) {
        self.tell(
            key,
            Transition::Answered(Answer {
                outcome,
                progress_percent: None,
                detail: String::new(),
            }),
        );
    }

    /// Writes what the owner decides until it decides nothing more; tells what went out.
    fn settle(&mut self) -> Vec<CommandId> {
        let mut sent = Vec::new();
        for _ in 0..100 {
            let writing = BTreeSet::new();
            let facts = Facts {
                now: self.now,
                live: &self.live,
                boot: Some(self.boot),
                session: self.connected.then_some(SessionFacts {
                    boot: self.boot,
                    heard: self.now,
                    has_clock: true,
                    has_request_ids: true,
                }),
                may_send: true,
                writing: &writing,
                emergency: None,
            };
            let plan = self.ledger.decide(&facts, &Profile::default());
            if plan.decisions.is_empty() {
                return sent;
            }
            for Decision { id, what } in plan.decisions {
                if let Folded::Sent(id) = self.fold(CommandRecord::Transition { id, what }) {
                    sent.push(id);
                }
            }
        }
        panic!("the owner never comes to an end: {:#?}", self.ledger);
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.live.received = Some(self.now);
    }

    fn stage(&self, key: &str) -> Stage {
        self.ledger.get(Self::id(key)).expect("it is known").stage
    }
}

#[test]
fn a_newer_command_supersedes_at_its_own_sent() {
    let mut story = Story::new();
    story.connected = false;
    story.wish("a", Command::Hold {});
    story.wish("b", Command::Return {});
    assert_eq!(story.settle(), vec![]);
    assert_eq!(story.stage("a"), Stage::Queued);
    story.connected = true;
    assert_eq!(story.settle(), vec![Story::id("b")]);
    assert_eq!(story.stage("a"), Stage::Ended(End::Superseded));
    assert_eq!(story.stage("b"), Stage::Sent);
}

#[test]
fn the_first_body_of_an_id_counts_and_the_other_is_told() {
    let mut story = Story::new();
    story.wish("a", Command::Hold {});
    assert_eq!(story.wish("a", Command::Hold {}), Folded::Nothing);
    story.wish("a", Command::Land {});
    let entry = story.ledger.get(Story::id("a")).unwrap();
    assert_eq!(
        (entry.conflicts, &entry.intent.command),
        (1, &Command::Hold {})
    );
}

#[test]
fn a_cancel_behind_a_sent_ends_only_the_retries() {
    let mut story = Story::new();
    story.wish("a", Command::Hold {});
    story.cancel("a");
    assert_eq!(story.settle(), vec![]);
    assert_eq!(story.stage("a"), Stage::Ended(End::Cancelled));

    story.wish("b", Command::Hold {});
    assert_eq!(story.settle().len(), 1);
    story.cancel("b");
    story.wait(10);
    assert_eq!(story.settle(), vec![]);
    assert_eq!(story.stage("b"), Stage::Sent);
    story.wait(30);
    story.settle();
    assert_eq!(story.stage("b"), Stage::Ended(End::Unknown));
    story.answer("b", Outcome::Accepted);
    assert_eq!(story.stage("b"), Stage::Ended(End::Unknown));
    let late = story.ledger.get(Story::id("b")).unwrap().late.clone();
    assert_eq!(late.map(|answer| answer.outcome), Some(Outcome::Accepted));
}

#[test]
fn what_was_not_written_spends_no_attempt() {
    let mut story = Story::new();
    story.wish("a", Command::Hold {});
    story.settle();
    let not_sent = |n| Transition::NotSent {
        n,
        reason: NotSentReason::Silent,
    };
    story.tell("a", not_sent(1));
    assert_eq!(story.tell("a", not_sent(1)), Folded::Nothing);
    let entry = story.ledger.get(Story::id("a")).unwrap();
    assert_eq!(
        (entry.stage, entry.sends, entry.spent),
        (Stage::Queued, 1, 0)
    );
    story.wait(1);
    assert_eq!(story.settle().len(), 1);
    let entry = story.ledger.get(Story::id("a")).unwrap();
    assert_eq!((entry.stage, entry.sends, entry.spent), (Stage::Sent, 2, 1));
}

#[test]
fn nothing_crosses_a_change_of_boot() {
    let mut story = Story::new();
    story.wish("sent", Command::Fence { enabled: true });
    story.settle();
    story.connected = false;
    story.wish("arm", Command::Arm { force: false });
    let request = Command::RequestMessage {
        message: "HOME_POSITION".to_owned(),
        interval_ms: None,
    };
    story.wish("request", request);
    story.boot = BootId(8);
    story.connected = true;
    assert_eq!(story.settle(), vec![Story::id("request")]);
    assert_eq!(story.stage("arm"), Stage::Ended(End::Expired));
    assert_eq!(story.stage("sent"), Stage::Ended(End::Unknown));
}

#[test]
fn danger_is_judged_when_it_is_sent() {
    let mut story = Story::new();
    story.connected = false;
    let disarm = Command::Disarm { force: false };
    story.wish("a", disarm.clone());
    story.connected = true;
    story.live.groups.state = Some(State {
        landed_state: Some(LandedState::InAir),
        ..State::default()
    });
    assert_eq!(story.settle(), vec![]);
    let confirm = |digest, now| {
        CommandRecord::Confirm(Confirm {
            id: Story::id("a"),
            principal: "olga".to_owned(),
            received: now,
            digest,
        })
    };
    let now = story.now;
    story.fold(confirm(1, now));
    assert_eq!(story.settle(), vec![]);
    story.fold(confirm(disarm.digest(), now));
    assert_eq!(story.settle(), vec![Story::id("a")]);
    // Stale telemetry counts as in the air.
    let live = LiveState {
        received: Some(UtcMicros(now.0 - 6_000_000)),
        ..Story::new().live
    };
    assert!(is_dangerous(&disarm, &live, now));
    assert!(!is_dangerous(&disarm, &Story::new().live, now));
}

#[test]
fn a_command_that_waits_ends_with_its_time() {
    let mut story = Story::new();
    story.connected = false;
    story.wish("a", Command::Hold {});
    story.wait(29);
    story.settle();
    assert_eq!(story.stage("a"), Stage::Queued);
    story.wait(1);
    story.settle();
    assert_eq!(story.stage("a"), Stage::Ended(End::Expired));
    let entry = story.ledger.get(Story::id("a")).unwrap();
    assert_eq!(entry.reason, "the drone was not connected");
}

#[test]
fn ended_commands_are_forgotten_after_a_day() {
    let mut story = Story::new();
    story.wish("a", Command::Hold {});
    story.cancel("a");
    story.settle();
    story.wait(24 * 3600 + 1);
    story.wish("b", Command::Hold {});
    assert_eq!(story.ledger.entries().len(), 1);
    assert!(story.ledger.get(Story::id("a")).is_none());
}

#[test]
fn ids_are_told_and_read_again() {
    let id = Story::id("k");
    assert_eq!(CommandId::parse(&id.to_string()), Ok(id));
    assert_eq!(CommandId::from_bytes(&id.to_bytes()), Some(id));
    assert_ne!(id, Story::id("l"));
    for wrong in [
        "",
        "0003",
        "0003-zz",
        "00030000-1",
        "+003-00000000000000000000000000000000",
    ] {
        assert!(CommandId::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn an_emergency_takes_the_place_of_older_wishes() {
    let mut story = Story::new();
    story.connected = false;
    story.wish("older", Command::Return {});
    story.wait(1);
    let intent = Intent {
        id: Story::id("emergency"),
        command: Command::Hold {},
        principal: "olga".to_owned(),
        received: story.now,
        time_to_live: Duration::from_secs(30),
        emergency: true,
        group: None,
    };
    let sent = story.now;
    story.wait(1);
    story.wish("newer", Command::Land {});
    story.fold(CommandRecord::Unrecorded(Unrecorded {
        intent,
        sent,
        answer: None,
    }));
    story.connected = true;
    assert_eq!(story.settle(), vec![Story::id("newer")]);
    assert_eq!(story.stage("older"), Stage::Ended(End::Superseded));
    assert_eq!(story.stage("emergency"), Stage::Ended(End::Unrecorded));
}

#[test]
fn orders_beside_the_log_lie_between_two_of_the_log() {
    let order = |offset: u64| Order {
        epoch: EPOCH,
        counter: offset << 10,
    };
    let beside = order(5).beside_the_log().unwrap();
    assert!(order(5) < beside && beside < order(6));
    let mut last = order(5);
    let many = std::iter::from_fn(|| {
        last = last.beside_the_log()?;
        Some(last)
    });
    assert_eq!(many.count(), 1023);
}

#[test]
fn a_return_that_is_told_at_its_end_is_confirmed_by_where_it_ended() {
    use crate::drone::live::Stamp;
    use crate::ids::Seq;
    use crate::sample::{Home, Position};

    let stamp = Some(Stamp {
        seq: Seq(9),
        time: UtcMicros(1_800_000_000_000_000),
    });
    for (latitude_deg, end) in [(47.0005, End::Confirmed), (47.01, End::Unconfirmed)] {
        let mut story = Story::new();
        story.wish("a", Command::Return {});
        story.settle();
        story.answer("a", Outcome::InProgress);
        story.live.groups.home = Some(Home {
            latitude_deg: Some(47.0),
            longitude_deg: Some(8.0),
            ..Home::default()
        });
        story.live.groups.position = Some(Position {
            latitude_deg: Some(latitude_deg),
            longitude_deg: Some(8.0),
            ..Position::default()
        });
        story.live.stamps.position = stamp;
        story.live.stamps.state = stamp;
        story.settle();
        assert_eq!(story.stage("a"), Stage::InProgress);
        story.answer("a", Outcome::Accepted);
        story.settle();
        story.wait(16);
        story.settle();
        assert_eq!(story.stage("a"), Stage::Ended(end), "{latitude_deg}");
    }
}

#[test]
fn progress_never_goes_back() {
    let mut story = Story::new();
    story.wish("a", Command::Return {});
    story.settle();
    for (percent, told) in [(Some(20), 20), (Some(10), 20), (None, 20), (Some(60), 60)] {
        let answer = Answer {
            outcome: Outcome::InProgress,
            progress_percent: percent,
            detail: String::new(),
        };
        story.tell("a", Transition::Answered(answer));
        let entry = story.ledger.get(Story::id("a")).unwrap();
        assert_eq!(entry.progress_percent, Some(told));
    }
}
