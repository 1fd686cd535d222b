//! Everything bad that the doors are known to be sent, against the running binary: what exactly the
//! sender is told, what the dead letters keep, and that nothing else of a batch is lost.

mod grpc;
mod http;

use std::time::Duration;

use aerostream::event_log::embedded::{Config, EmbeddedLog};
use aerostream_domain::{Offset, ShardCount};
use aerostream_log::topic::DEAD_LETTER_PARTITIONS;
use aerostream_log::{EventLog, Partition, ReadLimits, Topic, decode};
use aerostream_proto::v1;

use crate::support::aerostream::Aerostream;
use crate::support::{SHARDS, Servers, System, wait_until};

const SOON: Duration = Duration::from_secs(60);

/// How long the doors wait for a slow client in these tests, milliseconds.
const PATIENCE_MS: u64 = 1_500;

/// Dead letters that one caller may cause at once in these tests.
const LETTERS_MAX: usize = 40;

struct Door {
    system: System,
    up: Aerostream,
    token: String,
}

async fn open() -> Door {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let system = system
        .set("GATEWAY__HTTP__BODY_TIMEOUT_MS", PATIENCE_MS)
        .set("GATEWAY__HTTP__SERVER__HEADER_TIMEOUT_MS", PATIENCE_MS)
        .set("GATEWAY__GRPC__SERVER__HEADER_TIMEOUT_MS", PATIENCE_MS)
        .set("GATEWAY__LIMITS__DEAD_LETTERS_BURST", LETTERS_MAX)
        .set("GATEWAY__LIMITS__DEAD_LETTERS_PER_MINUTE", 1);
    let up = system.start().await;
    let token = system.drone_token("alpha");
    Door { system, up, token }
}

impl Door {
    /// Waits until so many samples of the drone are stored, and no more.
    async fn stored(&self, samples: usize) {
        let path = "/api/v1/drones/alpha/telemetry";
        let mut last = serde_json::Value::Null;
        let what = format!("{samples} stored samples");
        wait_until(SOON, &what, async || {
            last = self.system.get(path).await.json;
            last["samples"]
                .as_array()
                .is_some_and(|found| found.len() >= samples)
        })
        .await;
        assert_eq!(
            last["samples"].as_array().map(Vec::len),
            Some(samples),
            "{last}"
        );
    }

    /// Ends the process and reads what it kept.
    async fn letters(mut self) -> Vec<v1::DeadLetter> {
        assert!(self.up.drain().success(), "{}", self.up.output());
        let config = Config {
            directory: self.system.data.join("log"),
            ..Config::default()
        };
        let shards = ShardCount::new(SHARDS).expect("a legal number");
        let log = EmbeddedLog::open(config, shards).expect("nobody else has it");
        let mut from = Vec::new();
        let mut expected = 0;
        for partition in (0..DEAD_LETTER_PARTITIONS).map(Partition) {
            let bounds = log
                .bounds(Topic::DeadLetters, partition)
                .await
                .expect("bounds");
            expected += (bounds.end.0 - bounds.start.0) as usize;
            from.push((partition, Offset(bounds.start.0)));
        }
        let mut reader = log.read(Topic::DeadLetters, from).await.expect("a reader");
        let limits = ReadLimits {
            records_max: 1_000,
            bytes_max: 1 << 24,
            wait_max: SOON,
        };
        let mut letters = Vec::new();
        while letters.len() < expected {
            for record in reader.next(limits).await.expect("records") {
                letters.push(decode(&record.payload).expect("a dead letter"));
            }
        }
        letters
    }
}
