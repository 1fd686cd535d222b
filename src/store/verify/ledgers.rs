//! Holds what the tables say of alerts and commands against every change of them that is stored.

use sqlx::{AssertSqlSafe, PgPool, Row};

use crate::store::error::StoreError;

/// A rule that alerts or commands break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contradiction {
    /// What is wrong.
    pub what: &'static str,
    /// How many alerts or commands it is about.
    pub count: u64,
    /// Ids of the first of them.
    pub examples: Vec<String>,
}

/// Alerts and commands, held against their changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledgers {
    pub alerts: u64,
    pub commands: u64,
    /// Empty if all is right.
    pub contradictions: Vec<Contradiction>,
}

/// What must not be, and the ids of what is so.
const RULES: [(&str, &str); 7] = [
    (
        "an alert that was not raised once",
        "SELECT a.alert_id FROM alert AS a LEFT JOIN alert_event AS e USING (alert_id) \
         GROUP BY a.alert_id HAVING count(*) FILTER (WHERE e.what = 'raised') <> 1",
    ),
    (
        "an alert that is not what its changes made it",
        "SELECT a.alert_id FROM alert AS a JOIN alert_event AS e USING (alert_id) \
         GROUP BY a.alert_id \
         HAVING a.is_active <> (count(*) FILTER (WHERE e.what = 'cleared') = 0) \
         OR count(*) FILTER (WHERE e.what = 'cleared') > 1 \
         OR a.turns <> count(*) FILTER (WHERE e.what IN ('raised', 'escalated', 'cleared')) \
         OR a.severity <> min(e.severity) \
         OR (a.acknowledged_at IS NULL) <> (count(*) FILTER (WHERE e.what = 'acknowledged') = 0)",
    ),
    (
        "a change of an alert that is not there",
        "SELECT DISTINCT alert_id FROM alert_event \
         WHERE NOT EXISTS (SELECT 1 FROM alert WHERE alert.alert_id = alert_event.alert_id)",
    ),
    (
        "an alert that was raised while another of its condition was active",
        "SELECT alert_id FROM (SELECT a.alert_id, r.log_offset, \
         lag(a.alert_id) OVER conditions IS NOT NULL AS is_later, \
         lag(c.log_offset) OVER conditions AS ended \
         FROM alert AS a \
         JOIN alert_event AS r ON r.alert_id = a.alert_id AND r.what = 'raised' \
         LEFT JOIN alert_event AS c ON c.alert_id = a.alert_id AND c.what = 'cleared' \
         WINDOW conditions AS (PARTITION BY a.drone_ref, a.rule_id, a.instance \
         ORDER BY r.log_offset, r.place)) AS each \
         WHERE is_later AND (ended IS NULL OR ended > log_offset)",
    ),
    (
        "a command that is not what its changes made it",
        "SELECT command_id FROM command AS c WHERE c.state IS DISTINCT FROM \
         (SELECT e.state FROM command_event AS e WHERE e.command_id = c.command_id AND e.counts \
         ORDER BY e.log_offset DESC LIMIT 1)",
    ),
    (
        "a change of a command that is not there",
        "SELECT DISTINCT command_id FROM command_event AS e WHERE counts \
         AND NOT EXISTS (SELECT 1 FROM command WHERE command.command_id = e.command_id)",
    ),
    (
        "a command that ended and went out again",
        "SELECT DISTINCT s.command_id FROM command_event AS s JOIN command_event AS e \
         ON e.command_id = s.command_id AND e.log_offset < s.log_offset \
         AND e.counts AND s.counts WHERE s.what = 'sent' AND e.state IN ('confirmed', \
         'unconfirmed', 'failed', 'timed_out', 'unknown', 'expired', 'cancelled', 'superseded', \
         'rejected', 'unrecorded')",
    ),
];

/// Holds alerts and commands against their changes; at most `examples_max` ids of each rule.
///
/// # Errors
/// The database cannot be asked.
pub async fn ledgers(pool: &PgPool, examples_max: usize) -> Result<Ledgers, StoreError> {
    let mut connection = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(StoreError::on("look at alerts and commands"))?;
    let mut found = Ledgers::default();
    let counts = "SELECT (SELECT count(*) FROM alert), (SELECT count(*) FROM command)";
    let row = sqlx::query(counts).fetch_one(&mut *connection).await;
    let row = row.map_err(StoreError::on("count alerts and commands"))?;
    let number = |column: usize| row.try_get::<i64, _>(column).map(|count| count as u64);
    let read = StoreError::on("count alerts and commands");
    (found.alerts, found.commands) = number(0)
        .and_then(|alerts| Ok((alerts, number(1)?)))
        .map_err(read)?;
    for (what, rule) in RULES {
        let statement =
            format!("SELECT count(*) OVER (), id FROM ({rule}) AS broken(id) ORDER BY id LIMIT $1");
        let rows: Vec<(i64, String)> = sqlx::query_as(AssertSqlSafe(statement))
            .bind(examples_max as i64)
            .fetch_all(&mut *connection)
            .await
            .map_err(StoreError::on("look at alerts and commands"))?;
        if let Some(&(count, _)) = rows.first() {
            found.contradictions.push(Contradiction {
                what,
                count: count as u64,
                examples: rows.into_iter().map(|(_, id)| id).collect(),
            });
        }
    }
    Ok(found)
}
