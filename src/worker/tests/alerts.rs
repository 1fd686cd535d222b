//! Alerts in tables: every change that counts, once, across restarts of the worker, also of alerts
//! that their owners have forgotten.

use aerostream_domain::RuleId;
use aerostream_domain::alert::{
    AlertId, AlertLimits, AlertRecord, Evidence, Instance, Remark, Severity, Transition, Turn,
};

use super::*;

fn about(record: AlertRecord) -> JournalKind {
    JournalKind::Alert {
        drone: drone(1),
        record: Box::new(record),
    }
}

fn transition(id: u128, turn: Turn) -> Transition {
    Transition {
        id: AlertId(id),
        turn,
        evidence: Evidence {
            boot: BootId(u64::MAX),
            seq: Seq(id as u64),
            time: UtcMicros(1_700_000_000_000_000 + id as i64),
            field: "battery.remaining_percent".to_owned(),
            value: Some(14.5),
            note: String::new(),
        },
    }
}

fn raised(id: u128) -> Transition {
    let turn = Turn::Raised {
        rule: RuleId::parse("battery").expect("an id"),
        rule_version: None,
        instance: Instance::Battery(0),
        title: "Battery\0low".to_owned(),
        severity: Severity::Warning,
    };
    transition(id, turn)
}

fn worse(id: u128) -> Transition {
    let severity = Severity::Critical;
    transition(id, Turn::Escalated { severity })
}

fn cleared(id: u128) -> Transition {
    let reason = String::new();
    transition(id, Turn::Cleared { reason })
}

fn changed(transitions: &[Transition]) -> JournalKind {
    about(AlertRecord::Transitions(transitions.to_vec()))
}

fn remark(id: u128, principal: &str) -> Remark {
    Remark {
        id: AlertId(id),
        principal: principal.to_owned(),
        received: UtcMicros(1_700_000_001_000_000),
        comment: "seen".to_owned(),
    }
}

async fn until(worker: &mut Running, next: u64) {
    let stored = |status: &Status| {
        let journal = status.partitions.get("journal");
        journal.is_some_and(|partitions| partitions[&0].next == next)
    };
    worker.until(stored).await;
}

#[tokio::test]
async fn tables_have_each_change_of_an_alert_once() {
    let database = database().await;
    let log = log();
    let mut worker = start(&log, &database.pool, config());
    append_journal(&log, Some(epoch(5)), JournalKind::Claim(claim("a"))).await;
    append_journal(&log, Some(epoch(5)), changed(&[raised(1)])).await;
    until(&mut worker, 2).await;
    worker.kill().await;

    let mut worker = start(&log, &database.pool, config());
    let acknowledge = |id, who| about(AlertRecord::Acknowledge(remark(id, who)));
    // Of another reign, a repeat, of an alert that there is not, and by somebody who comes second.
    append_journal(&log, Some(epoch(4)), changed(&[cleared(1)])).await;
    append_journal(
        &log,
        Some(epoch(5)),
        changed(&[raised(1), raised(2), worse(1)]),
    )
    .await;
    append_journal(&log, None, acknowledge(7, "olga")).await;
    append_journal(&log, None, acknowledge(1, "olga")).await;
    append_journal(&log, None, acknowledge(1, "otto")).await;
    append_journal(&log, Some(epoch(5)), changed(&[cleared(1), raised(2)])).await;
    until(&mut worker, 8).await;
    worker.stop().await;

    let alerts: Vec<(String, i16, bool, i64, Option<String>)> = sqlx::query_as(
        "SELECT alert_id, severity, is_active, turns, acknowledged_by FROM alert ORDER BY alert_id",
    )
    .fetch_all(&database.pool)
    .await
    .expect("rows");
    let id = |id| AlertId(id).to_string();
    let first = (id(1), 2, false, 3, Some("olga".to_owned()));
    assert_eq!(alerts, [first, (id(2), 4, true, 1, None)]);
    let events: Vec<(i64, i32, String, String, Option<i64>)> = sqlx::query_as(
        "SELECT log_offset, place, what, who, boot FROM alert_event ORDER BY log_offset, place",
    )
    .fetch_all(&database.pool)
    .await
    .expect("rows");
    let expected = [
        (1, 0, "raised", "owner", Some(-1)),
        (3, 2, "escalated", "owner", Some(-1)),
        (5, 0, "acknowledged", "olga", None),
        (7, 0, "cleared", "owner", Some(-1)),
        (7, 1, "raised", "owner", Some(-1)),
    ];
    let expected = expected.map(|(offset, place, what, who, boot)| {
        (offset, place, what.to_owned(), who.to_owned(), boot)
    });
    assert_eq!(events, expected);
}

#[tokio::test]
async fn what_an_owner_has_forgotten_can_still_be_acknowledged() {
    let database = database().await;
    let log = log();
    let mut worker = start(&log, &database.pool, config());
    append_journal(&log, Some(epoch(5)), JournalKind::Claim(claim("a"))).await;
    let count = AlertLimits::DEFAULT.ended_max as u128 + 2;
    for id in 1..=count {
        append_journal(&log, Some(epoch(5)), changed(&[raised(id), cleared(id)])).await;
    }
    append_journal(
        &log,
        None,
        about(AlertRecord::Acknowledge(remark(1, "olga"))),
    )
    .await;
    append_journal(&log, None, about(AlertRecord::Comment(remark(1, "otto")))).await;
    until(&mut worker, count as u64 + 3).await;
    worker.stop().await;
    let (alerts, acknowledged, events): (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(acknowledged_by), (SELECT count(*) FROM alert_event) FROM alert",
    )
    .fetch_one(&database.pool)
    .await
    .expect("a row");
    let count = count as i64;
    assert_eq!((alerts, acknowledged, events), (count, 1, 2 * count + 2));

    let reader = crate::store::history::Reader::new(&database.pool, &Default::default());
    let question = crate::store::alert::AlertQuestion {
        active: Some(false),
        acknowledged: Some(false),
        severity: Some(Severity::Warning),
        drone: Some(drone(1)),
        rule: RuleId::parse("battery").ok(),
        raised: UtcMicros(0)..UtcMicros(i64::MAX),
        after: None,
        limit: 2,
    };
    let mut told = Vec::new();
    let mut after = None;
    loop {
        let question = crate::store::alert::AlertQuestion {
            after,
            ..question.clone()
        };
        let page = reader.alerts(&question).await.expect("a page");
        for (_, entry) in &page {
            let wire: v1::Alert = aerostream_log::decode(entry).expect("an alert");
            let alert = aerostream_domain::alert::Alert::try_from(wire).expect("an alert");
            after = Some(crate::store::alert::AlertKey {
                raised: alert.raised.time,
                id: alert.id,
            });
            told.push(alert.id.0);
        }
        if page.len() < 2 {
            break;
        }
    }
    let newest_first: Vec<u128> = (2..=count as u128).rev().collect();
    assert_eq!(told, newest_first);
    let one = reader.alert(&drone(1), AlertId(1)).await.expect("read");
    assert!(one.is_some());
    let others = reader.alert(&drone(2), AlertId(1)).await.expect("read");
    assert!(others.is_none());
}

/// What `aerostream verify` finds in tables that somebody put his hands on.
#[tokio::test]
async fn alerts_that_contradict_their_changes_are_found() {
    let database = database().await;
    let pool = &database.pool;
    let log = log();
    let mut worker = start(&log, pool, config());
    append_journal(&log, Some(epoch(5)), JournalKind::Claim(claim("a"))).await;
    let condition_again = [raised(1), worse(1), cleared(1), raised(2)];
    append_journal(&log, Some(epoch(5)), changed(&condition_again[..3])).await;
    append_journal(&log, Some(epoch(5)), changed(&condition_again[3..])).await;
    let acknowledge = about(AlertRecord::Acknowledge(remark(2, "olga")));
    append_journal(&log, None, acknowledge).await;
    until(&mut worker, 4).await;
    worker.stop().await;
    let one = AlertId(1);
    let faults = [
        (
            "not what its changes made it",
            format!("UPDATE alert SET turns = 9 WHERE alert_id = '{one}'"),
        ),
        (
            "not what its changes made it",
            "UPDATE alert SET acknowledged_at = NULL".to_owned(),
        ),
        (
            "not what its changes made it",
            "UPDATE alert SET is_active = NOT is_active".to_owned(),
        ),
        (
            "not raised once",
            format!("DELETE FROM alert_event WHERE what = 'raised' AND alert_id = '{one}'"),
        ),
        (
            "a change of an alert that is not there",
            format!("DELETE FROM alert WHERE alert_id = '{one}'"),
        ),
        (
            "another of its condition was active",
            "UPDATE alert_event SET log_offset = 9 WHERE what = 'cleared'".to_owned(),
        ),
    ];
    check_faults(pool, &faults).await;
}
