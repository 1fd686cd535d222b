//! The event-log contract over a real Kafka broker, and what only a real one shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aerostream::event_log::kafka::{Config, KafkaLog, StartError};
use aerostream_domain::ShardCount;
use aerostream_log::{EventLog, contract};

/// Settings for one broker, with topics that no other test has.
pub fn config(bootstrap_servers: &str) -> Config {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Config {
        bootstrap_servers: bootstrap_servers.to_owned(),
        topic_prefix: format!("log-{}-{number}.", std::process::id()),
        single_broker: true,
        ..Config::default()
    }
}

fn shards() -> ShardCount {
    ShardCount::new(contract::SHARDS_MIN).expect("in range")
}

async fn start(config: &Config) -> Arc<dyn EventLog> {
    let log = KafkaLog::start(config.clone(), shards()).await;
    Arc::new(log.expect("the broker is up"))
}

/// Needs a broker that answers.
pub async fn keeps_to_the_port(bootstrap_servers: &str) {
    contract::keeps_to_the_port(start(&config(bootstrap_servers)).await).await;
}

/// Needs a broker that answers.
pub async fn keeps_what_it_acknowledged(bootstrap_servers: &str) {
    let config = config(bootstrap_servers);
    let log = start(&config).await;
    contract::keeps_what_it_acknowledged(log, async |log| {
        drop(log);
        start(&config).await
    })
    .await;
}

/// `restart` kills the broker and starts it again on the same address.
pub async fn survives_restart(bootstrap_servers: &str, restart: impl AsyncFn()) {
    contract::survives_restart(start(&config(bootstrap_servers)).await, restart).await;
}

/// A lone broker is refused unless the configuration says that it is meant.
pub async fn refuses_unsafe_settings(bootstrap_servers: &str) {
    let mut config = config(bootstrap_servers);
    start(&config).await;
    let other = ShardCount::new(contract::SHARDS_MIN * 2).expect("in range");
    let other = KafkaLog::start(config.clone(), other).await.map(|_| ());
    match other {
        Err(StartError::Unsafe(wrong)) => {
            let said = wrong.join("\n");
            assert!(said.contains("has 8 partitions; it must have 16"), "{said}");
        }
        other => panic!("expected Unsafe, got {other:?}"),
    }
    config.single_broker = false;
    match KafkaLog::start(config.clone(), shards()).await.map(|_| ()) {
        Err(StartError::Unsafe(wrong)) => {
            let said = wrong.join("\n");
            assert!(said.contains("replication factor 1"), "{said}");
            assert!(said.contains("min.insync.replicas=1"), "{said}");
        }
        other => panic!("expected Unsafe, got {other:?}"),
    }
    config.topic_prefix.insert_str(0, "new-");
    match KafkaLog::start(config, shards()).await.map(|_| ()) {
        Err(StartError::Create { reason, .. }) => {
            assert!(reason.contains("single_broker"), "{reason}");
        }
        other => panic!("expected Create, got {other:?}"),
    }
}
