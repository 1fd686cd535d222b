//! The event-log contract over a real Kafka broker, and what only a real one shows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aerostream::event_log::kafka::{Config, KafkaLog, Password, StartError};
use aerostream_domain::{Offset, ShardCount};
use aerostream_log::topic::DEAD_LETTER_PARTITIONS;
use aerostream_log::{
    Append, EventLog, GroupEvent, GroupReader, Partition, ReadLimits, Topic, contract,
};
use bytes::Bytes;

use crate::support::{SECURE_PASSWORD, Servers, wait_until};

/// How long brokers may take to say no, on a machine that is busy.
const REFUSED_WITHIN: Duration = Duration::from_secs(120);

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

/// A member of a group that starts at the beginning whatever it is given.
struct Eager {
    reader: Box<dyn GroupReader>,
    held: BTreeSet<Partition>,
}

impl Eager {
    async fn join(log: &dyn EventLog) -> Self {
        let reader = log.join(vec![Topic::DeadLetters], "eager").await;
        Self {
            reader: reader.expect("a healthy log has groups"),
            held: BTreeSet::new(),
        }
    }

    async fn start_all(&mut self) {
        for partition in &self.held {
            let started = self.reader.start(Topic::DeadLetters, *partition, Offset(0));
            started.await.expect("the offset is inside");
        }
    }

    /// One event; the partitions that brought a record.
    async fn step(&mut self) -> Vec<Partition> {
        let limits = ReadLimits {
            records_max: 100,
            bytes_max: 1 << 20,
            wait_max: Duration::from_millis(100),
        };
        match self.reader.next(limits).await.expect("the broker is up") {
            GroupEvent::Assigned(held) => {
                self.held
                    .extend(held.iter().map(|(_, partition)| *partition));
                self.start_all().await;
            }
            GroupEvent::Revoked(held) => {
                let lost: BTreeSet<_> = held.iter().map(|(_, partition)| *partition).collect();
                self.held.retain(|partition| !lost.contains(partition));
            }
            GroupEvent::Records(records) => {
                return records.iter().map(|record| record.partition).collect();
            }
        }
        Vec::new()
    }
}

fn letter(partition: u16) -> Append {
    Append {
        topic: Topic::DeadLetters,
        partition: Partition(partition),
        key: Bytes::new(),
        payload: Bytes::from_static(b"letter"),
    }
}

/// Two members that begin again and again while the group moves partitions between them: what the
/// group says and what its clients do must not come apart.
#[tokio::test(flavor = "multi_thread")]
async fn partitions_that_are_started_while_the_group_moves_them_still_bring_records() {
    let servers = Servers::shared().await;
    let mut config = config(&servers).await;
    config.session_timeout_ms = 6_000;
    let log = start(&config).await;
    let mut first = Eager::join(&*log).await;
    while first.held.len() < usize::from(DEAD_LETTER_PARTITIONS) {
        first.step().await;
    }
    let mut second = Eager::join(&*log).await;
    // The first does not look at what the group wants while it starts its partitions: it does so in
    // the middle of the rebalance, over longer than two heartbeats.
    for _ in 0..40 {
        first.start_all().await;
        second.step().await;
    }
    let wanted: BTreeSet<_> = (0..DEAD_LETTER_PARTITIONS).map(Partition).collect();
    let mut brought = BTreeSet::new();
    wait_until(
        Duration::from_secs(60),
        "a record of every partition",
        async || {
            if brought.is_empty() {
                for partition in &wanted {
                    log.append(letter(partition.0))
                        .await
                        .expect("the broker is up");
                }
            }
            brought.extend(first.step().await);
            brought.extend(second.step().await);
            brought == wanted && !second.held.is_empty()
        },
    )
    .await;
}

/// Settings that the broker's port with TLS and login lets in.
async fn secure_config(servers: &Servers) -> Config {
    let kafka = servers.kafka().await;
    Config {
        bootstrap_servers: kafka.secure_bootstrap(),
        security_protocol: "sasl_ssl".to_owned(),
        sasl_mechanism: "SCRAM-SHA-512".to_owned(),
        username: "fleet".to_owned(),
        password: Password(SECURE_PASSWORD.to_owned()),
        ca_path: Some(kafka.authority()),
        ..config(servers).await
    }
}

#[tokio::test]
async fn kafka_with_tls_and_login_is_used() {
    let servers = Servers::shared().await;
    let log = start(&secure_config(&servers).await).await;
    let appended = log.append(letter(0)).await.expect("it is let in");
    let mut reader = log
        .read(Topic::DeadLetters, vec![(Partition(0), appended.offset)])
        .await
        .expect("it is let in");
    let limits = ReadLimits {
        records_max: 1,
        bytes_max: 1 << 20,
        wait_max: Duration::from_secs(30),
    };
    let records = reader.next(limits).await.expect("it is let in");
    assert_eq!(records[0].payload, letter(0).payload);
}

/// Why a start is refused, which is known long before it would give up.
async fn refused(config: Config) -> StartError {
    let start = KafkaLog::start(config, shards());
    let ended = tokio::time::timeout(REFUSED_WITHIN, start).await;
    let ended = ended.expect("a start that is refused ends").map(|_| ());
    ended.expect_err("it is not let in")
}

#[tokio::test]
async fn kafka_that_does_not_let_in_ends_the_start_and_says_which_setting_is_wrong() {
    let servers = Servers::shared().await;
    let secure = Config {
        start_timeout_ms: u32::try_from(2 * REFUSED_WITHIN.as_millis()).expect("minutes"),
        ..secure_config(&servers).await
    };
    let wrong_password = refused(Config {
        password: Password("hangar-8".to_owned()),
        ..secure.clone()
    });
    let unknown_user = refused(Config {
        username: "nobody".to_owned(),
        ..secure.clone()
    });
    let unknown_authority = refused(Config {
        ca_path: None,
        ..secure.clone()
    });
    let no_tls_there = refused(Config {
        bootstrap_servers: servers.kafka().await.bootstrap(),
        ..secure
    });
    let (wrong_password, unknown_user, unknown_authority, no_tls_there) = tokio::join!(
        wrong_password,
        unknown_user,
        unknown_authority,
        no_tls_there
    );
    for (error, kind, setting) in [
        (wrong_password, "Login", "log.kafka.password"),
        (unknown_user, "Login", "log.kafka.username"),
        (unknown_authority, "Certificate", "log.kafka.ca_path"),
        (no_tls_there, "Tls", "log.kafka.security_protocol"),
    ] {
        assert!(format!("{error:?}").starts_with(kind), "{kind}: {error:?}");
        let said = error.to_string();
        assert!(said.contains(setting), "{said}");
        assert!(!said.contains("hangar"), "{said}");
    }
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
