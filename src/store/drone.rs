//! Small numbers of drones, which rows carry in place of their ids.

use std::collections::HashMap;

use aerostream_domain::DroneId;
use sqlx::{PgConnection, Row};

use super::error::StoreError;

/// Numbers known to this process. They never change, so the cache is never stale.
#[derive(Debug)]
pub struct DroneRefs {
    known: HashMap<DroneId, i32>,
    kept_max: usize,
}

impl DroneRefs {
    /// Keeps at most `kept_max` numbers, about 100 bytes each.
    #[must_use]
    pub fn new(kept_max: usize) -> Self {
        Self {
            known: HashMap::new(),
            kept_max,
        }
    }

    /// The numbers of these drones, in their order; new drones get one. Outside any run: a run
    /// that fails leaves drones without rows, which is harmless.
    pub(super) async fn resolve(
        &mut self,
        connection: &mut PgConnection,
        drones: &[DroneId],
    ) -> Result<Vec<i32>, StoreError> {
        let mut missing: Vec<&str> = drones
            .iter()
            .filter(|drone| !self.known.contains_key(*drone))
            .map(DroneId::as_str)
            .collect();
        if !missing.is_empty() {
            // One order for all writers, so that two of them cannot wait for each other.
            missing.sort_unstable();
            missing.dedup();
            if self.known.len() + missing.len() > self.kept_max {
                self.known.clear();
                missing = drones.iter().map(DroneId::as_str).collect();
                missing.sort_unstable();
                missing.dedup();
            }
            self.learn(connection, &missing).await?;
        }
        let found = drones.iter().map(|drone| self.known.get(drone).copied());
        found
            .collect::<Option<_>>()
            .ok_or_else(|| StoreError::Row("a drone has no number after it got one".to_owned()))
    }

    async fn learn(
        &mut self,
        connection: &mut PgConnection,
        ids: &[&str],
    ) -> Result<(), StoreError> {
        if self.read(connection, ids).await? < ids.len() {
            sqlx::query(
                "INSERT INTO drone (drone_id) SELECT id FROM unnest($1::text[]) AS id \
                 WHERE NOT EXISTS (SELECT 1 FROM drone WHERE drone_id = id) ORDER BY id \
                 ON CONFLICT DO NOTHING",
            )
            .bind(ids)
            .execute(&mut *connection)
            .await
            .map_err(StoreError::on("number new drones"))?;
            self.read(connection, ids).await?;
        }
        Ok(())
    }

    async fn read(
        &mut self,
        connection: &mut PgConnection,
        ids: &[&str],
    ) -> Result<usize, StoreError> {
        let rows = sqlx::query("SELECT drone_id, drone_ref FROM drone WHERE drone_id = ANY($1)")
            .bind(ids)
            .fetch_all(connection)
            .await
            .map_err(StoreError::on("read the numbers of drones"))?;
        for row in &rows {
            let id: &str = row.try_get(0).map_err(StoreError::on("read a drone"))?;
            let id = DroneId::parse(id).map_err(|error| StoreError::Row(error.to_string()))?;
            let number = row.try_get(1).map_err(StoreError::on("read a drone"))?;
            self.known.insert(id, number);
        }
        Ok(rows.len())
    }
}
