//! Making topics, and refusing settings that would break promises.

use std::collections::HashMap;

use aerostream_domain::ShardCount;
use aerostream_log::Topic;
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

use super::client::{Quiet, common_config, start_error, topic_message_bytes};
use super::{Config, StartError};

/// Copies of every record, and how many must have it before it is acknowledged.
const REPLICATION: i32 = 3;
const IN_SYNC_MIN: i32 = 2;

/// What a topic must be.
pub(super) struct Wanted {
    name: String,
    partitions: i32,
    is_compacted: bool,
    settings: Vec<(&'static str, String)>,
}

impl Wanted {
    fn setting(&self, key: &str) -> &str {
        let found = self.settings.iter().find(|(known, _)| *known == key);
        found.map_or("", |(_, value)| value)
    }
}

/// What a topic is.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) partitions: usize,
    /// Copies of the partition that has fewest.
    pub(super) replicas: usize,
    /// Every partition has a leader.
    led: bool,
    settings: HashMap<String, String>,
}

#[cfg(test)]
impl Found {
    /// A topic that is as it must be.
    pub(super) fn as_wanted(wanted: &Wanted, replicas: usize) -> Self {
        let settings = wanted.settings.iter();
        Self {
            partitions: wanted.partitions as usize,
            replicas,
            led: true,
            settings: settings
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
        }
    }

    pub(super) fn set(&mut self, key: &str, value: &str) {
        self.settings.insert(key.to_owned(), value.to_owned());
    }
}

pub(super) async fn prepare(config: &Config, shards: ShardCount) -> Result<(), StartError> {
    let admin: AdminClient<Quiet> = common_config(config)
        .create_with_context(Quiet)
        .map_err(start_error)?;
    let wanted = Topic::ALL.map(|topic| wanted(config, topic, shards));
    let known = metadata(config).await?;
    let missing: Vec<&Wanted> = wanted
        .iter()
        .filter(|topic| !known.contains_key(&topic.name))
        .collect();
    if !missing.is_empty() {
        create(config, &admin, &missing).await?;
    }
    let found = describe(config, &admin, &wanted).await?;
    let mut wrong = Vec::new();
    for topic in &wanted {
        let is = found.get(&topic.name).cloned().unwrap_or_default();
        wrong.extend(judge(topic, &is, config));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(StartError::Unsafe(wrong))
}

pub(super) fn wanted(config: &Config, topic: Topic, shards: ShardCount) -> Wanted {
    let kept = config.retention.of(topic);
    let kept_ms = kept.map_or("-1".to_owned(), |kept| kept.as_millis().to_string());
    let policy = if topic.is_compacted() {
        "compact"
    } else {
        "delete"
    };
    let in_sync_min = if config.single_broker { 1 } else { IN_SYNC_MIN };
    Wanted {
        name: config.topic_name(topic),
        partitions: i32::from(topic.partitions(shards)),
        is_compacted: topic.is_compacted(),
        settings: vec![
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("cleanup.policy", policy.to_owned()),
            ("retention.ms", kept_ms),
            ("retention.bytes", "-1".to_owned()),
            ("min.insync.replicas", in_sync_min.to_string()),
            ("unclean.leader.election.enable", "false".to_owned()),
            ("max.message.bytes", topic_message_bytes(config).to_string()),
        ],
    }
}

/// Why a topic is not safe to use; each says what is set and what would be right.
pub(super) fn judge(wanted: &Wanted, found: &Found, config: &Config) -> Vec<String> {
    let name = &wanted.name;
    let mut wrong = Vec::new();
    if i32::try_from(found.partitions) != Ok(wanted.partitions) {
        wrong.push(format!(
            "topic {name} has {} partitions; it must have {}, and their number is fixed",
            found.partitions, wanted.partitions
        ));
    }
    let set = |key: &str| found.settings.get(key).map_or("", String::as_str);
    let mut check = |key: &str, right: &str, holds: bool| {
        if !holds {
            let is = set(key);
            wrong.push(format!("topic {name} has {key}={is}; it must be {right}"));
        }
    };
    let exact = ["message.timestamp.type", "cleanup.policy"];
    for (key, right) in wanted
        .settings
        .iter()
        .filter(|(key, _)| exact.contains(key))
    {
        check(key, right, set(key) == right);
    }
    let most = topic_message_bytes(config);
    check(
        "max.message.bytes",
        &format!("at least {most}"),
        set("max.message.bytes")
            .parse()
            .is_ok_and(|is: usize| is >= most),
    );
    // In a compacted topic no time and no size drops anything.
    if !wanted.is_compacted {
        for key in ["retention.ms", "retention.bytes"] {
            let right = wanted.setting(key);
            let right = match limit(right) {
                Some(least) => format!("at least {least}, or -1 for ever"),
                None => "-1, which keeps everything".to_owned(),
            };
            check(key, &right, keeps(set(key), wanted.setting(key)));
        }
    }
    if config.single_broker {
        return wrong;
    }
    check(
        "min.insync.replicas",
        &format!("at least {IN_SYNC_MIN}"),
        set("min.insync.replicas")
            .parse()
            .is_ok_and(|is: i32| is >= IN_SYNC_MIN),
    );
    let key = "unclean.leader.election.enable";
    check(key, "false", set(key) == "false");
    if i32::try_from(found.replicas).is_ok_and(|replicas| replicas < REPLICATION) {
        wrong.push(format!(
            "topic {name} has replication factor {}; it must be at least {REPLICATION} \
             (or set single_broker = true and accept that a lost disk loses data)",
            found.replicas
        ));
    }
    wrong
}

/// A retention setting as a number; `None` if it keeps everything.
fn limit(setting: &str) -> Option<u64> {
    setting.parse().ok()
}

/// True if a retention keeps at least what another one does.
fn keeps(is: &str, wanted: &str) -> bool {
    match (is.parse::<i64>(), limit(wanted)) {
        (Ok(-1), _) => true,
        (Ok(is), Some(least)) => u64::try_from(is).is_ok_and(|is| is >= least),
        (Ok(_), None) | (Err(_), _) => false,
    }
}

fn ask(config: &Config, what: &'static str) -> impl FnOnce(KafkaError) -> StartError {
    let servers = config.bootstrap_servers.clone();
    move |source| StartError::Ask {
        servers,
        what,
        source,
    }
}

fn options(config: &Config) -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(config.start_timeout()))
        .operation_timeout(Some(config.start_timeout()))
}

/// Partitions and copies of every topic that the brokers know.
async fn metadata(config: &Config) -> Result<HashMap<String, Found>, StartError> {
    let timeout = config.start_timeout();
    let client: rdkafka::consumer::BaseConsumer<Quiet> = common_config(config)
        .create_with_context(Quiet)
        .map_err(start_error)?;
    let asked = tokio::task::spawn_blocking(move || {
        use rdkafka::consumer::Consumer;
        client
            .fetch_metadata(None, timeout)
            .map(|known| sizes(&known))
    });
    let answer = asked.await.map_err(|error| StartError::Interrupted {
        reason: error.to_string(),
    })?;
    answer.map_err(ask(config, "its topics"))
}

fn sizes(known: &Metadata) -> HashMap<String, Found> {
    let size = |topic: &rdkafka::metadata::MetadataTopic| {
        let replicas = topic.partitions().iter().map(|p| p.replicas().len());
        let found = Found {
            partitions: topic.partitions().len(),
            replicas: replicas.min().unwrap_or(0),
            led: topic.partitions().iter().all(|p| p.leader() >= 0),
            settings: HashMap::new(),
        };
        (topic.name().to_owned(), found)
    };
    known.topics().iter().map(size).collect()
}

async fn create(
    config: &Config,
    admin: &AdminClient<Quiet>,
    missing: &[&Wanted],
) -> Result<(), StartError> {
    let copies = if config.single_broker { 1 } else { REPLICATION };
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|topic| {
            let replication = TopicReplication::Fixed(copies);
            let new = NewTopic::new(&topic.name, topic.partitions, replication);
            topic
                .settings
                .iter()
                .fold(new, |new, (key, value)| new.set(key, value))
        })
        .collect();
    let made = admin
        .create_topics(&new, &options(config))
        .await
        .map_err(ask(config, "new topics"))?;
    for result in made {
        match result {
            // Another process was first.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                let hint = if code == RDKafkaErrorCode::InvalidReplicationFactor {
                    format!(" ({REPLICATION} brokers are needed unless single_broker = true)")
                } else {
                    String::new()
                };
                return Err(StartError::Create {
                    topic,
                    reason: format!("{code}{hint}"),
                });
            }
        }
    }
    let names = missing.iter().map(|topic| topic.name.as_str());
    tracing::info!(
        kafka.topics = names.collect::<Vec<_>>().join(" "),
        "kafka topics made"
    );
    Ok(())
}

/// Sizes and settings of the wanted topics. A topic that was just made may take a moment to be
/// known everywhere.
async fn describe(
    config: &Config,
    admin: &AdminClient<Quiet>,
    wanted: &[Wanted],
) -> Result<HashMap<String, Found>, StartError> {
    let resources: Vec<_> = wanted
        .iter()
        .map(|topic| ResourceSpecifier::Topic(&topic.name))
        .collect();
    let patience = tokio::time::Instant::now() + config.start_timeout();
    let mut look = tokio::time::interval(std::time::Duration::from_millis(100));
    loop {
        look.tick().await;
        let mut found = metadata(config).await?;
        let described = admin
            .describe_configs(&resources, &options(config))
            .await
            .map_err(ask(config, "the settings of its topics"))?;
        let all: Result<Vec<ConfigResource>, RDKafkaErrorCode> = described.into_iter().collect();
        match all {
            Ok(all)
                if wanted
                    .iter()
                    .all(|t| found.get(&t.name).is_some_and(|f| f.led)) =>
            {
                for resource in all {
                    add_settings(&mut found, resource);
                }
                return Ok(found);
            }
            Err(code) if code != RDKafkaErrorCode::UnknownTopicOrPartition => {
                let error = KafkaError::AdminOp(code);
                return Err(ask(config, "the settings of its topics")(error));
            }
            _ if tokio::time::Instant::now() >= patience => {
                let error = KafkaError::AdminOp(RDKafkaErrorCode::UnknownTopicOrPartition);
                return Err(ask(config, "the topics that were made")(error));
            }
            _ => {}
        }
    }
}

fn add_settings(found: &mut HashMap<String, Found>, resource: ConfigResource) {
    let OwnedResourceSpecifier::Topic(name) = resource.specifier else {
        return;
    };
    if let Some(found) = found.get_mut(&name) {
        for entry in resource.entries {
            found
                .settings
                .insert(entry.name, entry.value.unwrap_or_default());
        }
    }
}
