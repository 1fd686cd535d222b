//! The harness: one real Kafka broker and one real Postgres server per run, started by the first
//! test that asks, gone when the run ends, however it ends. Every test has its own database and
//! its own topics.
//!
//! ```ignore
//! let servers = Servers::shared().await;              // or Servers::alone() to break them
//! let url = servers.postgres().await.database().await; // migrated, this test's own
//! let kafka = servers.kafka().await;
//! let (bootstrap, prefix) = (kafka.bootstrap(), kafka.topic_prefix());
//! ```

pub mod aerostream;
mod kafka;
mod load;
mod ports;
mod postgres;
mod process;
mod proof;
mod run;
mod servers;
mod system;
mod wait;

pub use kafka::SECURE_PASSWORD;
pub use load::{Load, fleet};
pub use postgres::SHARDS;
pub use process::Process;
pub use proof::{connect, prove, rows, verify};
pub use run::directory;
pub use servers::Servers;
pub use system::{Answer, System, ask, client, now_us};
pub use wait::{wait_for, wait_until};
