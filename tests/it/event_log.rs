//! The event-log contract over a real Kafka broker, and what only a real one shows.

use std::sync::Arc;

use aerostream::event_log::kafka::{Config, KafkaLog, StartError};
use aerostream_domain::ShardCount;
use aerostream_log::{EventLog, contract};

use crate::support::Servers;

/// Settings for the run's lone broker, with topics that no other test has.
async fn config(servers: &Servers) -> Config {
    let kafka = servers.kafka().await;
    Config {
        bootstrap_servers: kafka.bootstrap(),
        topic_prefix: kafka.topic_prefix(),
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

#[tokio::test]
async fn kafka_keeps_to_the_port() {
    let servers = Servers::shared().await;
    let config = config(&servers).await;
    contract::keeps_to_the_port(start(&config).await).await;
}

#[tokio::test]
async fn kafka_keeps_what_it_acknowledged() {
    let servers = Servers::shared().await;
    let config = config(&servers).await;
    let log = start(&config).await;
    contract::keeps_what_it_acknowledged(log, async |log| {
        drop(log);
        start(&config).await
    })
    .await;
}

#[tokio::test]
async fn kafka_is_followed_over_a_kill_and_restart() {
    let servers = Servers::alone().await;
    let kafka = servers.kafka().await;
    let log = start(&config(&servers).await).await;
    contract::survives_restart(log, async || {
        kafka.kill9();
        kafka.start();
    })
    .await;
}

/// A lone broker is refused unless the configuration says that it is meant.
#[tokio::test]
async fn kafka_with_unsafe_settings_is_refused() {
    let servers = Servers::shared().await;
    let mut config = config(&servers).await;
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
    // What another program made shorter is found at the next start.
    config.retention.telemetry_hours += 1;
    match KafkaLog::start(config.clone(), shards()).await.map(|_| ()) {
        Err(StartError::Unsafe(wrong)) => {
            let said = wrong.join("\n");
            assert!(said.contains("telemetry has retention.ms="), "{said}");
            assert!(said.contains("it must be at least"), "{said}");
        }
        other => panic!("expected Unsafe, got {other:?}"),
    }
    config.retention.telemetry_hours -= 2;
    start(&config).await;
    config.retention.telemetry_hours += 1;
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
