//! Commands in tables: the same fold as their owners make, across restarts of the worker.

use aerostream_domain::command::{
    Answer, Cancel, Command, CommandId, CommandRecord, End, Intent, Outcome, Transition,
};
use sqlx::Row;

use super::*;

fn id(key: &str) -> CommandId {
    CommandId::of(ShardId(0), "olga", &drone(1), key)
}

fn about(record: CommandRecord) -> JournalKind {
    JournalKind::Command {
        drone: drone(1),
        record: Box::new(record),
    }
}

fn intent(key: &str, command: Command) -> JournalKind {
    about(CommandRecord::Intent(Intent {
        id: id(key),
        command,
        principal: "olga".to_owned(),
        received: utc_now(),
        time_to_live: Duration::from_secs(30),
        emergency: false,
        group: None,
    }))
}

fn moved(key: &str, what: Transition) -> JournalKind {
    about(CommandRecord::Transition { id: id(key), what })
}

fn sent(n: u32) -> Transition {
    Transition::Sent {
        n,
        boot: BootId(1),
        above_seq: None,
    }
}

fn ended(end: End) -> Transition {
    Transition::Ended {
        end,
        reason: "why".to_owned(),
    }
}

#[tokio::test]
async fn tables_say_of_commands_what_their_owners_say() {
    let database = database().await;
    let log = log();
    let stored = |status: &Status, next| {
        let journal = status.partitions.get("journal");
        journal.is_some_and(|partitions| partitions[&0].next == next)
    };
    let mut worker = start(&log, &database.pool, config());
    append_journal(&log, Some(epoch(5)), JournalKind::Claim(claim("a"))).await;
    append_journal(&log, None, intent("a", Command::Hold {})).await;
    append_journal(&log, None, intent("b", Command::Return {})).await;
    append_journal(&log, Some(epoch(5)), moved("a", sent(1))).await;
    worker.until(|status| stored(status, 4)).await;
    worker.kill().await;

    let mut worker = start(&log, &database.pool, config());
    // Of another reign, too late for its state, and of another body: none of them counts.
    append_journal(&log, Some(epoch(4)), moved("a", ended(End::Unknown))).await;
    append_journal(&log, Some(epoch(5)), moved("a", ended(End::Expired))).await;
    append_journal(&log, None, intent("a", Command::Hold {})).await;
    append_journal(&log, Some(epoch(5)), moved("b", sent(1))).await;
    append_journal(&log, Some(epoch(5)), moved("a", ended(End::Superseded))).await;
    let answer = Answer {
        outcome: Outcome::Denied,
        progress_percent: None,
        detail: "no".to_owned(),
    };
    append_journal(
        &log,
        Some(epoch(5)),
        moved("b", Transition::Answered(answer)),
    )
    .await;
    let cancel = Cancel {
        id: id("b"),
        principal: "olga".to_owned(),
        received: utc_now(),
    };
    append_journal(&log, None, about(CommandRecord::Cancel(cancel))).await;
    worker.until(|status| stored(status, 11)).await;
    worker.stop().await;

    check_tables(&database.pool).await;
    let reader =
        crate::store::history::Reader::new(&database.pool, &crate::store::Config::default());
    let stored = reader.command(&id("b").to_string()).await.expect("a read");
    let stored = stored.expect("the command is there");
    let stored: v1::StoredCommand = aerostream_log::decode(&stored).expect("it was encoded");
    assert_eq!(stored.drone_id, drone(1).as_str());
    let entry = stored.entry.expect("an entry");
    let entry = aerostream_domain::command::Entry::try_from(entry).expect("a command");
    assert_eq!((entry.id(), entry.is_over()), (id("b"), true));
    let none = reader.command(&id("c").to_string()).await.expect("a read");
    assert_eq!(none, None);
}

async fn check_tables(pool: &PgPool) {
    let states: Vec<(String, String, bool)> =
        sqlx::query_as("SELECT name, state, is_over FROM command ORDER BY log_offset")
            .fetch_all(pool)
            .await
            .expect("rows");
    let expected = [("hold", "superseded"), ("return", "rejected")];
    let expected = expected.map(|(name, state)| (name.to_owned(), state.to_owned(), true));
    assert_eq!(states, expected);
    let events = sqlx::query("SELECT what, counts FROM command_event ORDER BY log_offset")
        .fetch_all(pool)
        .await
        .expect("rows");
    let events: Vec<(String, bool)> = events
        .into_iter()
        .map(|row| (row.get("what"), row.get("counts")))
        .collect();
    let expected = [
        ("intent", true),
        ("intent", true),
        ("sent", true),
        ("ended", false),
        ("intent", false),
        ("sent", true),
        ("ended", true),
        ("answered", true),
        ("cancel", false),
    ];
    let expected = expected.map(|(what, counts)| (what.to_owned(), counts));
    assert_eq!(events, expected);
    let faults = [
        (
            "a command that is not what its changes made it",
            "UPDATE command SET state = 'confirmed' WHERE name = 'hold'",
        ),
        (
            "a change of a command that is not there",
            "DELETE FROM command WHERE name = 'hold'",
        ),
        (
            "a command that ended and went out again",
            "UPDATE command_event SET log_offset = log_offset + 99 WHERE what = 'sent'",
        ),
    ];
    let faults = faults.map(|(what, fault)| (what, fault.to_owned()));
    check_faults(pool, &faults).await;
}
