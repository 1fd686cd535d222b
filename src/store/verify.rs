//! Compares what was acknowledged with what is stored, in bounded memory.
//!
//! The manifest goes into a temporary table, so that Postgres sorts it. Then both sides are read in
//! the order of (drone, boot, seq), one drone at a time.

mod ledgers;

use std::cmp::Ordering;

use aerostream_domain::{BootId, DroneId, Seq};
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres, Row};

use super::error::StoreError;
use super::row::columns::{COLUMNS, list};
use super::row::{decode, encode};
use super::session::execute;
pub use ledgers::{Contradiction, Ledgers, ledgers};

/// Who a sample is, whatever its time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    pub drone: DroneId,
    pub boot: BootId,
    pub seq: Seq,
}

/// A sample of which its drone was told that it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    pub identity: Identity,
    /// [`aerostream_domain::ContentHash`] of its content.
    pub hash: u64,
}

/// What the comparison says about one identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Stored once, as acknowledged.
    Right,
    /// Acknowledged and not stored.
    Lost,
    /// Stored at more than one time.
    Doubled,
    /// Stored with other content.
    Changed,
    /// Stored, and not acknowledged as far as the manifest tells.
    Unacknowledged,
}

/// The manifest inside the database.
pub struct Manifest {
    connection: PoolConnection<Postgres>,
}

impl Manifest {
    /// An empty one, gone with its connection.
    pub async fn create(pool: &PgPool) -> Result<Self, StoreError> {
        let mut connection = pool
            .acquire()
            .await
            .map_err(StoreError::on("give a connection for the manifest"))?;
        execute(
            &mut connection,
            "DROP TABLE IF EXISTS pg_temp.manifest; CREATE TEMPORARY TABLE manifest \
             (drone_id text COLLATE \"C\", boot bigint, seq bigint, hash bigint)",
        )
        .await?;
        Ok(Self { connection })
    }

    /// Adds samples, in any order.
    pub async fn add(&mut self, samples: &[Acknowledged]) -> Result<(), StoreError> {
        let mut buffer = BytesMut::with_capacity(64 * samples.len() + 32);
        buffer.put_slice(encode::HEADER);
        for sample in samples {
            let drone = sample.identity.drone.as_str().as_bytes();
            buffer.put_i16(4);
            buffer.put_i32(drone.len() as i32);
            buffer.put_slice(drone);
            for number in [sample.identity.boot.0, sample.identity.seq.0, sample.hash] {
                buffer.put_i32(8);
                buffer.put_u64(number);
            }
        }
        buffer.put_slice(&encode::TRAILER);
        let statement = "COPY pg_temp.manifest FROM STDIN (FORMAT binary)";
        let mut copy = self
            .connection
            .copy_in_raw(statement)
            .await
            .map_err(StoreError::on("begin reading the manifest"))?;
        copy.send(&buffer[..])
            .await
            .map_err(StoreError::on("read the manifest"))?;
        copy.finish()
            .await
            .map(|_| ())
            .map_err(StoreError::on("read the manifest"))
    }

    /// Compares it with everything stored. `found` is called once per identity on either side, in
    /// order.
    pub async fn compare(
        mut self,
        pool: &PgPool,
        mut found: impl FnMut(&Identity, Finding),
    ) -> Result<(), StoreError> {
        let drones = drones(&mut self.connection).await?;
        let statement = "COPY (SELECT drone_id, boot, seq, hash FROM pg_temp.manifest \
             ORDER BY drone_id, boot, seq) TO STDOUT (FORMAT binary)";
        let mut claims = Tuples::new(
            self.connection
                .copy_out_raw(statement)
                .await
                .map_err(StoreError::on("sort the manifest"))?,
        );
        let mut claim = next_claim(&mut claims).await?;
        for (drone, drone_ref) in drones {
            let mut connection = pool
                .acquire()
                .await
                .map_err(StoreError::on("give a connection for rows"))?;
            let mut rows = match drone_ref {
                Some(drone_ref) => Some(Tuples::new(
                    connection
                        .copy_out_raw(&rows_of(drone_ref))
                        .await
                        .map_err(StoreError::on("sort a drone's rows"))?,
                )),
                None => None,
            };
            let mut stored = next_stored(&mut rows, &drone).await?;
            loop {
                let claimed = claim.as_ref().filter(|claim| claim.identity.drone == drone);
                let order = match (claimed, &stored) {
                    (None, None) => break,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(claim), Some(stored)) => place(&claim.identity).cmp(&place(&stored.0)),
                };
                // Several lines may name one sample: each acknowledgement of a repeat is one.
                let mut hashes = Vec::new();
                let identity = match (order, claimed, &stored) {
                    (Ordering::Greater, _, Some((identity, _)))
                    | (_, None, Some((identity, _))) => identity.clone(),
                    (_, Some(claim), _) => claim.identity.clone(),
                    (_, None, None) => break,
                };
                while let Some(same) = claim.take_if(|claim| claim.identity == identity) {
                    hashes.push(same.hash);
                    claim = next_claim(&mut claims).await?;
                }
                let mut contents = Vec::new();
                while let Some((_, hash)) = stored.take_if(|(stored, _)| *stored == identity) {
                    contents.push(hash);
                    stored = next_stored(&mut rows, &drone).await?;
                }
                found(&identity, judge(&hashes, &contents));
            }
        }
        Ok(())
    }
}

fn judge(acknowledged: &[u64], stored: &[u64]) -> Finding {
    match stored {
        [] => Finding::Lost,
        [_, _, ..] => Finding::Doubled,
        [_] if acknowledged.is_empty() => Finding::Unacknowledged,
        [content] if acknowledged.iter().all(|hash| hash == content) => Finding::Right,
        [_] => Finding::Changed,
    }
}

/// Postgres' order within a drone: its numbers are signed.
fn place(identity: &Identity) -> (i64, i64) {
    (identity.boot.0 as i64, identity.seq.0 as i64)
}

/// Drones of either side with their numbers, in the manifest's order.
async fn drones(
    connection: &mut sqlx::PgConnection,
) -> Result<Vec<(DroneId, Option<i32>)>, StoreError> {
    let rows = sqlx::query(
        "SELECT drone_id COLLATE \"C\", drone_ref FROM drone \
         FULL JOIN (SELECT DISTINCT drone_id FROM pg_temp.manifest) AS m USING (drone_id) \
         ORDER BY 1",
    )
    .fetch_all(connection)
    .await
    .map_err(StoreError::on("list drones"))?;
    rows.iter()
        .map(|row| {
            let id: &str = row.try_get(0).map_err(StoreError::on("read a drone"))?;
            let id = DroneId::parse(id).map_err(|error| StoreError::Row(error.to_string()))?;
            let number = row.try_get(1).map_err(StoreError::on("read a drone"))?;
            Ok((id, number))
        })
        .collect()
}

fn rows_of(drone_ref: i32) -> String {
    let columns = list(&COLUMNS[1..], "");
    format!(
        "COPY (SELECT {columns} FROM telemetry WHERE drone_ref = {drone_ref} \
         ORDER BY boot, seq, ts) TO STDOUT (FORMAT binary)"
    )
}

async fn next_claim(claims: &mut Tuples<'_>) -> Result<Option<Acknowledged>, StoreError> {
    let Some(tuple) = claims.next().await? else {
        return Ok(None);
    };
    let read = || {
        let mut fields = decode::Fields::of_copy(&tuple);
        let drone = fields.text()?.ok_or("a manifest line without drone")?;
        let drone = DroneId::parse(drone).map_err(|error| error.to_string())?;
        let mut number = || -> Result<u64, String> {
            let number = fields.int8()?.ok_or("a manifest line without a number")?;
            Ok(number as u64)
        };
        Ok(Acknowledged {
            identity: Identity {
                drone,
                boot: BootId(number()?),
                seq: Seq(number()?),
            },
            hash: number()?,
        })
    };
    read().map(Some).map_err(StoreError::Row)
}

async fn next_stored(
    rows: &mut Option<Tuples<'_>>,
    drone: &DroneId,
) -> Result<Option<(Identity, u64)>, StoreError> {
    let Some(rows) = rows else {
        return Ok(None);
    };
    let Some(tuple) = rows.next().await? else {
        return Ok(None);
    };
    let row = decode::row(&mut decode::Fields::of_copy(&tuple)).map_err(StoreError::Row)?;
    let identity = Identity {
        drone: drone.clone(),
        boot: row.boot,
        seq: row.sample.seq,
    };
    Ok(Some((identity, row.sample.content.hash().0)))
}

/// Rows of a binary COPY, one by one, without the count of their fields.
struct Tuples<'a> {
    chunks: BoxStream<'a, Result<Bytes, sqlx::Error>>,
    buffer: BytesMut,
    past_header: bool,
}

impl<'a> Tuples<'a> {
    fn new(chunks: BoxStream<'a, Result<Bytes, sqlx::Error>>) -> Self {
        Self {
            chunks: chunks.boxed(),
            buffer: BytesMut::new(),
            past_header: false,
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        loop {
            if !self.past_header && self.buffer.len() >= encode::HEADER.len() {
                let _header = self.buffer.split_to(encode::HEADER.len());
                self.past_header = true;
            }
            if self.past_header {
                if self.buffer.starts_with(&encode::TRAILER) {
                    self.buffer.clear();
                } else if let Some(length) = tuple_length(&self.buffer) {
                    let tuple = self.buffer.split_to(length).freeze();
                    return Ok(Some(tuple.slice(2..)));
                }
            }
            match self.chunks.try_next().await {
                Ok(Some(chunk)) => self.buffer.extend_from_slice(&chunk),
                Ok(None) => return Ok(None),
                Err(source) => {
                    return Err(StoreError::Database {
                        doing: "read rows",
                        source,
                    });
                }
            }
        }
    }
}

/// Bytes of the first row, if all of it is there.
fn tuple_length(buffer: &[u8]) -> Option<usize> {
    let (count, mut rest) = buffer.split_first_chunk::<2>()?;
    for _ in 0..i16::from_be_bytes(*count) {
        let (length, behind) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0);
        rest = behind.get(length..)?;
    }
    Some(buffer.len() - rest.len())
}
