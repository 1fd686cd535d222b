//! A node that is started again in every state of a command.

use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::command::{
    Answer, Command, CommandId, CommandRecord, Intent, Outcome, Stage,
};
use aerostream_domain::{BootId, BootMicros, Cause, JournalEntry, JournalKind};
use aerostream_log::{Append, EventLog, Topic, encode};
use aerostream_proto::v1;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::support::{Fixture, batch, config, drone, sample, start, start_on};
use crate::clock::utc_now;
use crate::{Dispatch, Heard, SessionLink};

const PATIENCE: Duration = Duration::from_secs(20);

/// The drone alpha at the other end of a connection.
struct Connection {
    link: SessionLink,
    down: mpsc::Receiver<Dispatch>,
}

impl Connection {
    fn open() -> Self {
        let (sender, down) = mpsc::channel(8);
        Self {
            link: SessionLink::new(sender),
            down,
        }
    }

    /// The drone speaks, and its owner looks.
    fn heard(&self, fixture: &Fixture) {
        let heard = Heard {
            boot: BootId(1),
            sent_at_boot: Some(BootMicros(60_000_000)),
            newest_sample: None,
            at: utc_now(),
        };
        let alpha = drone("alpha");
        fixture.handle.sessions().heard(&alpha, &self.link, heard);
        fixture.handle.look_for_commands(&alpha).unwrap();
    }

    /// The next command, while the drone goes on speaking.
    async fn command(&mut self, fixture: &Fixture) -> Dispatch {
        let next = async {
            loop {
                self.heard(fixture);
                let wait = Duration::from_millis(100);
                if let Ok(Some(dispatch)) = tokio::time::timeout(wait, self.down.recv()).await {
                    return dispatch;
                }
            }
        };
        tokio::time::timeout(PATIENCE, next)
            .await
            .expect("a command comes")
    }
}

fn id(fixture: &Fixture) -> CommandId {
    let shard = fixture.handle.shard_of(&drone("alpha"));
    CommandId::of(shard, "olga", &drone("alpha"), "k1")
}

/// Puts a wish into the journal, as a gateway does.
async fn wish(fixture: &Fixture) -> CommandId {
    let id = id(fixture);
    let intent = Intent {
        id,
        command: Command::Hold {},
        principal: "olga".to_owned(),
        received: utc_now(),
        time_to_live: Duration::from_secs(60),
        emergency: false,
        group: None,
    };
    let entry = JournalEntry {
        epoch: None,
        at: utc_now(),
        cause: Cause::default(),
        kind: JournalKind::Command {
            drone: drone("alpha"),
            record: Box::new(CommandRecord::Intent(intent)),
        },
    };
    let append = Append {
        topic: Topic::Journal,
        partition: fixture.partition("alpha"),
        key: Bytes::new(),
        payload: encode(&v1::JournalRecord::from(entry)),
    };
    fixture.log.append(append).await.unwrap();
    id
}

async fn stage(fixture: &Fixture, id: CommandId) -> Option<Stage> {
    let view = fixture.handle.command(id, None, Duration::ZERO).await;
    view.ok().flatten().map(|view| view.entry.stage)
}

async fn reaches(fixture: &Fixture, id: CommandId, wanted: Stage) {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let now = stage(fixture, id).await;
        if now == Some(wanted) {
            return;
        }
        assert!(Instant::now() < give_up, "{now:?}, never {wanted:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The process is gone, or drained; another one takes over.
async fn restarted(fixture: Fixture, incarnation: &str, drained: bool) -> Fixture {
    let Fixture { log, node, .. } = fixture;
    if drained {
        node.drain(PATIENCE).await;
    }
    start_on(Arc::clone(&log), incarnation, config()).await
}

async fn said(fixture: &Fixture, id: CommandId, outcome: Outcome) {
    let answer = Answer {
        outcome,
        progress_percent: None,
        detail: String::new(),
    };
    let alpha = drone("alpha");
    let told = fixture.handle.command_answered(&alpha, id, answer).await;
    told.unwrap();
}

async fn story(drained: bool) {
    let fixture = start(config()).await;
    fixture.insist(batch("alpha", 1, vec![sample(1)])).await;
    let id = wish(&fixture).await;
    reaches(&fixture, id, Stage::Queued).await;

    let fixture = restarted(fixture, "second", drained).await;
    reaches(&fixture, id, Stage::Queued).await;
    let mut connection = Connection::open();
    let first = connection.command(&fixture).await;
    assert_eq!(first.id, id);
    let first_order = first.order;
    first.written();
    reaches(&fixture, id, Stage::Sent).await;

    let fixture = restarted(fixture, "third", drained).await;
    reaches(&fixture, id, Stage::Sent).await;
    let second = connection.command(&fixture).await;
    assert_eq!(second.id, id, "the same command");
    assert!(second.order > first_order, "in a newer order");
    second.written();
    said(&fixture, id, Outcome::InProgress).await;
    reaches(&fixture, id, Stage::InProgress).await;

    let fixture = restarted(fixture, "fourth", drained).await;
    reaches(&fixture, id, Stage::InProgress).await;
    said(&fixture, id, Outcome::Accepted).await;
    reaches(&fixture, id, Stage::Acknowledged).await;

    let fixture = restarted(fixture, "fifth", drained).await;
    reaches(&fixture, id, Stage::Acknowledged).await;
    said(&fixture, id, Outcome::Failed).await;
    let failed = Stage::Ended(aerostream_domain::command::End::Failed);
    reaches(&fixture, id, failed).await;

    let fixture = restarted(fixture, "sixth", drained).await;
    reaches(&fixture, id, failed).await;
    fixture.node.drain(PATIENCE).await;
}

#[tokio::test]
async fn a_command_goes_on_behind_every_crash() {
    story(false).await;
}

#[tokio::test]
async fn a_command_goes_on_behind_every_drain() {
    story(true).await;
}

#[tokio::test]
async fn what_a_connection_drops_spends_no_attempt() {
    let fixture = start(config()).await;
    fixture.insist(batch("alpha", 1, vec![sample(1)])).await;
    let mut connection = Connection::open();
    connection.heard(&fixture);
    let id = wish(&fixture).await;
    drop(connection.command(&fixture).await);
    let again = connection.command(&fixture).await;
    again.written();
    let view = fixture.handle.command(id, None, Duration::ZERO).await;
    let entry = view.unwrap().unwrap().entry;
    assert_eq!((entry.sends >= 2, entry.spent), (true, 1));
    fixture.node.drain(PATIENCE).await;
}
