//! Rows of many drones at 1 Hz, in the order in which the worker writes them.

use std::collections::BTreeSet;

use aerostream::store::partition::Day;
use aerostream_domain::UtcMicros;
use bytes::{BufMut, BytesMut};
use sqlx::postgres::PgPoolCopyExt;
use sqlx::{Executor, PgPool};

pub const DRONES: i32 = 500;
/// Bytes of rows that are sent at once.
const CHUNK: usize = 256 * 1024;
const SECOND_US: i64 = 1_000_000;
/// 2000-01-01T00:00:00Z, from which Postgres counts, microseconds since 1970.
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;
const HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
const COLUMNS: [&str; 25] = [
    "drone_ref",
    "ts",
    "boot",
    "seq",
    "since_boot_us",
    "basis",
    "armed",
    "latitude_deg",
    "longitude_deg",
    "absolute_altitude_m",
    "relative_altitude_m",
    "north_m_s",
    "east_m_s",
    "down_m_s",
    "ground_speed_m_s",
    "heading_deg",
    "roll_deg",
    "pitch_deg",
    "yaw_deg",
    "battery_remaining_percent",
    "battery_voltage_v",
    "battery_current_a",
    "gnss_hdop",
    "link_rssi_dbm",
    "gnss_num_satellites",
];

pub fn drone_id(number: i32) -> String {
    format!("history-{number}")
}

/// As many seconds before midnight as after it.
#[derive(Debug, Clone, Copy)]
pub struct Days {
    newer: Day,
    seconds: i64,
}

impl Days {
    /// As many rows in all, at least ten minutes of each day and at most the whole of it.
    pub fn around(newer: Day, rows: u64) -> Self {
        let seconds = rows.div_ceil(2 * DRONES as u64) as i64;
        Self {
            newer,
            seconds: seconds.clamp(600, 86_400),
        }
    }

    pub fn all(self) -> BTreeSet<Day> {
        [self.newer.plus(-1), self.newer].into()
    }

    /// Time behind the newest row.
    pub fn end(self) -> UtcMicros {
        UtcMicros(self.newer.start().0 + self.seconds * SECOND_US)
    }

    pub fn seconds_of_newer(self) -> u64 {
        self.seconds as u64
    }

    /// Copies the rows, each day on a connection of its own.
    pub async fn fill(self, pool: &PgPool) -> anyhow::Result<()> {
        let drones = format!(
            "INSERT INTO drone (drone_ref, drone_id) OVERRIDING SYSTEM VALUE \
             SELECT n, 'history-' || n FROM generate_series(1, {DRONES}) AS n"
        );
        pool.execute(sqlx::AssertSqlSafe(drones)).await?;
        tokio::try_join!(
            self.copy(pool, -self.seconds..0),
            self.copy(pool, 0..self.seconds)
        )?;
        Ok(())
    }

    async fn copy(self, pool: &PgPool, seconds: std::ops::Range<i64>) -> anyhow::Result<()> {
        let columns = COLUMNS.join(", ");
        let statement = format!("COPY telemetry ({columns}) FROM STDIN (FORMAT binary)");
        let mut copy = pool.copy_in_raw(&statement).await?;
        let mut rows = BytesMut::with_capacity(2 * CHUNK);
        rows.put_slice(HEADER);
        for second in seconds {
            for drone in 1..=DRONES {
                self.put_row(&mut rows, drone, second);
                if rows.len() >= CHUNK {
                    copy.send(&rows[..]).await?;
                    rows.clear();
                }
            }
        }
        rows.put_slice(&TRAILER);
        copy.send(&rows[..]).await?;
        copy.finish().await?;
        Ok(())
    }

    fn put_row(self, rows: &mut BytesMut, drone: i32, second: i64) {
        let ts = self.newer.start().0 + second * SECOND_US - POSTGRES_EPOCH_US;
        let seq = second + self.seconds;
        // Somewhere within a kilometre, different in every digit, as positions are.
        let turn = (f64::from(drone) + seq as f64 / 60.0).sin();
        rows.put_i16(COLUMNS.len() as i16);
        put_field(rows, &drone.to_be_bytes());
        for number in [ts, 0x5eed_0000 + i64::from(drone), seq, seq * SECOND_US] {
            put_field(rows, &number.to_be_bytes());
        }
        put_field(rows, &1_i16.to_be_bytes());
        put_field(rows, &[1]);
        for number in [
            48.137 + turn / 100.0,
            11.575 + turn / 70.0,
            590.0 + turn,
            70.0 + turn,
        ] {
            put_field(rows, &number.to_be_bytes());
        }
        for number in [
            3.5, 1.25, -0.25, 8.0, 90.0, 1.5, -4.0, 92.0, 73.0, 15.6, 18.0, 0.7, -61.0,
        ] {
            put_field(rows, &(number + turn as f32).to_be_bytes());
        }
        put_field(rows, &17_i16.to_be_bytes());
    }
}

fn put_field(rows: &mut BytesMut, bytes: &[u8]) {
    rows.put_i32(bytes.len() as i32);
    rows.put_slice(bytes);
}
