//! Who did what, in rows: from the journal's intents and the registry's changes.

use aerostream_domain::FleetId;
use aerostream_domain::command::{Command, CommandId, CommandRecord, Intent};

use super::*;
use crate::store::audit::{AuditQuestion, AuditRow};
use crate::store::history::Reader;

fn origin(fleet: &str) -> Option<v1::Origin> {
    Some(v1::Origin {
        token_id: "token-1".to_owned(),
        role: "operator".to_owned(),
        door: "http".to_owned(),
        address: "192.0.2.7".to_owned(),
        fleet_id: fleet.to_owned(),
    })
}

async fn wish(log: &MemoryLog, key: &str, command: Command) {
    let intent = Intent {
        id: CommandId::of(ShardId(0), "olga", &drone(1), key),
        command,
        principal: "olga".to_owned(),
        received: utc_now(),
        time_to_live: Duration::from_secs(30),
        emergency: false,
        group: None,
    };
    let entry = JournalEntry {
        epoch: None,
        at: utc_now(),
        cause: Default::default(),
        kind: JournalKind::Command {
            drone: drone(1),
            record: Box::new(CommandRecord::Intent(intent)),
        },
    };
    let mut record = v1::JournalRecord::from(entry);
    record.origin = origin("red");
    append(log, Topic::Journal, 0, encode(&record)).await;
}

async fn change(log: &MemoryLog, replaces: Option<u64>, entity: v1::registry_record::Entity) {
    let record = v1::RegistryRecord {
        replaces,
        at_us: utc_now().0,
        principal: "root".to_owned(),
        origin: origin(""),
        entity: Some(entity),
    };
    append(log, Topic::Registry, 0, encode(&record)).await;
}

fn fleet(drones_max: u32) -> v1::registry_record::Entity {
    v1::registry_record::Entity::Fleet(v1::Fleet {
        fleet_id: "red".to_owned(),
        name: "Red".to_owned(),
        enrolment: v1::Enrolment::Closed.into(),
        drones_max,
    })
}

fn revocation(token: &str) -> v1::registry_record::Entity {
    v1::registry_record::Entity::Revocation(v1::Revocation {
        token_id: token.to_owned(),
        token_expires_us: utc_now().0 + 1_000_000,
        reason: "lost".to_owned(),
    })
}

fn everything() -> AuditQuestion {
    AuditQuestion {
        from: None,
        to: None,
        fleets: None,
        drone: None,
        principal: None,
        after: None,
        limit: 100,
    }
}

fn brief(row: &AuditRow) -> (&str, &str, &str) {
    (&row.action, &row.subject, &row.result)
}

async fn audit(pool: &PgPool, question: &AuditQuestion) -> Vec<AuditRow> {
    let reader = Reader::new(pool, &crate::store::Config::default());
    reader.audit(question).await.expect("rows")
}

#[tokio::test]
async fn every_wish_and_every_change_has_one_row() {
    let database = database().await;
    let log = log();
    let stored = |status: &Status, topic: &str, next| {
        let partitions = status.partitions.get(topic);
        partitions.is_some_and(|partitions| partitions[&0].next == next)
    };
    let mut worker = start(&log, &database.pool, config());
    change(&log, None, fleet(3)).await;
    wish(&log, "a", Command::Hold {}).await;
    wish(&log, "a", Command::Return {}).await;
    worker
        .until(|status| stored(status, "registry", 1) && stored(status, "journal", 2))
        .await;
    worker.kill().await;

    let mut worker = start(&log, &database.pool, config());
    change(&log, Some(0), fleet(4)).await;
    change(&log, Some(0), fleet(5)).await;
    change(&log, None, revocation("token-9")).await;
    change(&log, None, revocation("token-9")).await;
    worker.until(|status| stored(status, "registry", 5)).await;
    worker.stop().await;

    let rows = audit(&database.pool, &everything()).await;
    let command = CommandId::of(ShardId(0), "olga", &drone(1), "a").to_string();
    let mut told: Vec<_> = rows.iter().map(brief).collect();
    told.reverse();
    let expected = [
        ("create_fleet", "fleet/red", "taken"),
        ("command", command.as_str(), "taken"),
        ("command", command.as_str(), "without_effect"),
        ("change_fleet", "fleet/red", "taken"),
        ("change_fleet", "fleet/red", "stale"),
        ("revoke_token", "revocation/token-9", "taken"),
        ("revoke_token", "revocation/token-9", "taken"),
    ];
    assert_eq!(told, expected);
    let hold = &rows[5];
    let words = [&hold.principal, &hold.role, &hold.token_id, &hold.door];
    assert_eq!(words, ["olga", "operator", "token-1", "http"]);
    let words = [&hold.address, &hold.fleet, &hold.drone, &hold.detail];
    assert_eq!(words, ["192.0.2.7", "red", "drone-1", "hold"]);
    questions(&database.pool, &rows).await;
}

fn rule_scope() -> Option<v1::RuleScope> {
    let scope = v1::rule_scope::Scope::FleetId("red".to_owned());
    Some(v1::RuleScope { scope: Some(scope) })
}

fn rule() -> v1::registry_record::Entity {
    let rule = v1::Rule {
        rule_id: "hot".to_owned(),
        ..v1::Rule::default()
    };
    v1::registry_record::Entity::Rule(v1::RuleEntry {
        scope: rule_scope(),
        rule: Some(rule),
        scope_max: 10,
    })
}

#[tokio::test]
async fn what_was_deleted_may_be_made_again() {
    let database = database().await;
    let log = log();
    let mut worker = start(&log, &database.pool, config());
    let removal = v1::registry_record::Entity::RuleRemoval(v1::RuleRemoval {
        scope: rule_scope(),
        rule_id: "hot".to_owned(),
    });
    change(&log, None, rule()).await;
    change(&log, None, rule()).await;
    change(&log, Some(0), removal.clone()).await;
    change(&log, Some(0), removal).await;
    change(&log, None, rule()).await;
    worker
        .until(|status| {
            let partitions = status.partitions.get("registry");
            partitions.is_some_and(|partitions| partitions[&0].next == 5)
        })
        .await;
    worker.stop().await;
    let rows = audit(&database.pool, &everything()).await;
    let mut told: Vec<_> = rows.iter().map(brief).collect();
    told.reverse();
    let subject = "rule/fleet/red/hot";
    let expected = [
        ("create_rule", subject, "taken"),
        ("create_rule", subject, "stale"),
        ("delete_rule", subject, "taken"),
        ("delete_rule", subject, "stale"),
        ("create_rule", subject, "taken"),
    ];
    assert_eq!(told, expected);
}

async fn questions(pool: &PgPool, rows: &[AuditRow]) {
    let red = FleetId::parse("red").expect("an id");
    let question = AuditQuestion {
        fleets: Some(vec![red]),
        ..everything()
    };
    let of_red = audit(pool, &question).await;
    assert_eq!(of_red, rows[2..], "the end of a token is about no fleet");
    let question = AuditQuestion {
        drone: Some(drone(1)),
        principal: Some("olga".to_owned()),
        ..everything()
    };
    assert_eq!(audit(pool, &question).await, rows[4..6]);
    let question = AuditQuestion {
        to: Some(rows[4].place.at),
        from: Some(rows[6].place.at),
        ..everything()
    };
    assert_eq!(audit(pool, &question).await, rows[5..]);
    let mut pages = Vec::new();
    let mut question = AuditQuestion {
        limit: 3,
        ..everything()
    };
    loop {
        let page = audit(pool, &question).await;
        let Some(last) = page.last() else { break };
        question.after = Some(last.place.clone());
        pages.extend(page);
    }
    assert_eq!(pages, rows, "pages in a row are the whole");
}
