//! Stores what the journal says: power-ups of drones and claims of shards.

use aerostream_domain::{BootRecord, DroneId, Epoch, ShardId, UtcMicros};

use super::alert::{self, AlertFold};
use super::command::{self, CommandFold};
use super::error::StoreError;
use super::offsets::{self, Spans};
use super::row::codes::Code;
use super::session::execute;
use super::writer::Writer;

/// A claim that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub shard: ShardId,
    pub epoch: Epoch,
    pub node: String,
    pub at: UtcMicros,
}

/// Journal records that are stored in one transaction, in log order.
#[derive(Debug, Default)]
pub struct JournalRun {
    pub boots: Vec<(DroneId, BootRecord)>,
    pub claims: Vec<Claim>,
    pub spans: Spans,
}

impl JournalRun {
    /// Rows that it may become.
    #[must_use]
    pub fn len(&self) -> usize {
        self.boots.len() + self.claims.len()
    }

    /// True if it has no rows; it may still move offsets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Stores a run and its offsets. The first record of a boot and of a claim stays.
///
/// # Errors
/// As [`super::telemetry::write_run`].
pub async fn write_run(
    writer: &mut Writer,
    run: &JournalRun,
    commands: &dyn CommandFold,
    alerts: &dyn AlertFold,
) -> Result<(), StoreError> {
    let mut session = writer.session().await?;
    let connection = &mut session.connection;
    let drones: Vec<DroneId> = run.boots.iter().map(|(drone, _)| drone.clone()).collect();
    let refs = writer.refs.resolve(connection, &drones).await?;
    let (commanded, _) = commands.about();
    let commanded = writer.refs.resolve(connection, &commanded).await?;
    let (alarmed, _) = alerts.about();
    let alarmed = writer.refs.resolve(connection, &alarmed).await?;

    execute(connection, "BEGIN").await?;
    offsets::lock_expected(connection, writer.topic(), &run.spans).await?;
    let boots = || run.boots.iter().map(|(_, record)| record);
    sqlx::query(
        "INSERT INTO boot (drone_ref, boot, power_up, basis) \
         SELECT drone_ref, boot, 'epoch'::timestamptz + power_up * interval '1 microsecond', basis \
         FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::smallint[]) WITH ORDINALITY \
         AS new(drone_ref, boot, power_up, basis, place) ORDER BY place ON CONFLICT DO NOTHING",
    )
    .bind(refs)
    .bind(boots().map(|b| b.boot.0 as i64).collect::<Vec<_>>())
    .bind(boots().map(|b| b.power_up.0).collect::<Vec<_>>())
    .bind(boots().map(|b| b.basis.code()).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await
    .map_err(StoreError::on("store boots"))?;
    let claims = || run.claims.iter();
    sqlx::query(
        "INSERT INTO claim (shard, generation, log_offset, node, claimed_at) \
         SELECT shard, generation, log_offset, node, \
         'epoch'::timestamptz + at * interval '1 microsecond' \
         FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::text[], $5::bigint[]) \
         WITH ORDINALITY AS new(shard, generation, log_offset, node, at, place) \
         ORDER BY place ON CONFLICT DO NOTHING",
    )
    .bind(claims().map(|c| i32::from(c.shard.0)).collect::<Vec<_>>())
    .bind(
        claims()
            .map(|c| i64::from(c.epoch.generation))
            .collect::<Vec<_>>(),
    )
    .bind(
        claims()
            .map(|c| c.epoch.offset.0 as i64)
            .collect::<Vec<_>>(),
    )
    .bind(
        claims()
            .map(|c| c.node.replace('\0', ""))
            .collect::<Vec<_>>(),
    )
    .bind(claims().map(|c| c.at.0).collect::<Vec<_>>())
    .execute(&mut *connection)
    .await
    .map_err(StoreError::on("store claims"))?;
    command::write(connection, commands, &commanded).await?;
    alert::write(connection, alerts, &alarmed).await?;
    offsets::advance(connection, writer.topic(), &run.spans).await?;
    execute(connection, "COMMIT").await?;
    writer.put_back(session);
    Ok(())
}
