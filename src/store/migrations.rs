//! The schema, built into the program.

use aerostream_domain::ShardCount;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{PgPool, SqlSafeStr};

use super::error::StoreError;
use super::offsets::Source;

/// Every file of migrations/, in order: (name without `.sql`, text). Append only.
const FILES: [(&str, &str); 9] = [
    (
        "0001_create_drone",
        include_str!("../../migrations/0001_create_drone.sql"),
    ),
    (
        "0002_create_telemetry",
        include_str!("../../migrations/0002_create_telemetry.sql"),
    ),
    (
        "0003_create_ingest",
        include_str!("../../migrations/0003_create_ingest.sql"),
    ),
    (
        "0004_create_journal",
        include_str!("../../migrations/0004_create_journal.sql"),
    ),
    (
        "0005_create_rollup",
        include_str!("../../migrations/0005_create_rollup.sql"),
    ),
    (
        "0006_create_command",
        include_str!("../../migrations/0006_create_command.sql"),
    ),
    (
        "0007_create_alert",
        include_str!("../../migrations/0007_create_alert.sql"),
    ),
    (
        "0008_create_audit",
        include_str!("../../migrations/0008_create_audit.sql"),
    ),
    (
        "0009_create_webhook",
        include_str!("../../migrations/0009_create_webhook.sql"),
    ),
];

/// Brings the schema up to date and makes the offset rows of every partition. Safe to repeat, and
/// to run in several processes at once.
///
/// # Errors
/// [`StoreError::ShardCount`] if the database was made for another number of shards.
pub async fn migrate(pool: &PgPool, shards: ShardCount) -> Result<(), StoreError> {
    let migrations = FILES.iter().map(|(name, sql)| {
        let version = number(name);
        let description = name[5..].replace('_', " ");
        let sql = sql.into_sql_str();
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql,
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    // A newer build may have migrated already while this one still runs.
    migrator.set_ignore_missing(true);
    migrator.run(pool).await?;

    for topic in Source::ALL {
        let mut transaction = pool
            .begin()
            .await
            .map_err(StoreError::on("begin making offset rows"))?;
        sqlx::query(
            "INSERT INTO ingest_offset (topic, partition) \
             SELECT $1, n FROM generate_series(0, $2 - 1) AS n \
             WHERE NOT EXISTS (SELECT 1 FROM ingest_offset WHERE topic = $1) \
             ON CONFLICT DO NOTHING",
        )
        .bind(topic.as_str())
        .bind(i32::from(topic.partitions(shards)))
        .execute(&mut *transaction)
        .await
        .map_err(StoreError::on("make offset rows"))?;
        let found: i64 = sqlx::query_scalar("SELECT count(*) FROM ingest_offset WHERE topic = $1")
            .bind(topic.as_str())
            .fetch_one(&mut *transaction)
            .await
            .map_err(StoreError::on("count offset rows"))?;
        if found != i64::from(topic.partitions(shards)) {
            return Err(StoreError::ShardCount {
                found,
                wanted: shards.get(),
            });
        }
        transaction
            .commit()
            .await
            .map_err(StoreError::on("commit offset rows"))?;
    }
    Ok(())
}

/// The number that a migration's name begins with.
fn number(name: &str) -> i64 {
    let digits = name.split('_').next().unwrap_or_default();
    digits.parse().expect("a test keeps the names so")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_the_list_in_order() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut found: Vec<String> = std::fs::read_dir(dir)
            .expect("the directory")
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        found.sort();
        let listed: Vec<String> = FILES
            .iter()
            .map(|(name, _)| format!("{name}.sql"))
            .collect();
        assert_eq!(found, listed);
        for (name, sql) in FILES {
            assert!(name.starts_with(&format!("{:04}_", number(name))), "{name}");
            let path = format!("{dir}/{name}.sql");
            assert_eq!(std::fs::read_to_string(path).expect("the file"), sql);
        }
    }
}
