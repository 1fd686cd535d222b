//! What can be told without a broker; the contract runs against a real one in tests/it.

use aerostream_domain::ShardCount;
use aerostream_log::Topic;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::BaseConsumer;

use super::client::{Quiet, common_config, consumer_config, producer_config};
use super::topics::{self, Found};
use super::{Config, Password};

fn secured() -> Config {
    Config {
        security_protocol: "sasl_ssl".to_owned(),
        sasl_mechanism: "SCRAM-SHA-512".to_owned(),
        username: "fleet".to_owned(),
        password: Password("hangar-7".to_owned()),
        ca_path: Some("/etc/ssl/certs/ca-certificates.crt".into()),
        ..Config::default()
    }
}

#[test]
fn security_settings_reach_the_client() {
    let client = common_config(&secured());
    let check = |key: &str, value: &str| assert_eq!(client.get(key), Some(value), "{key}");
    check("security.protocol", "sasl_ssl");
    check("sasl.mechanism", "SCRAM-SHA-512");
    check("sasl.username", "fleet");
    check("sasl.password", "hangar-7");
    check("ssl.ca.location", "/etc/ssl/certs/ca-certificates.crt");
    // The library is built with TLS and SCRAM and takes all of these.
    let native = client
        .create_native_config()
        .expect("librdkafka takes them");
    let protocol = native.get("security.protocol").expect("it is known");
    assert_eq!(protocol.trim_end_matches('\0'), "sasl_ssl");
    let without_file = Config {
        ca_path: None,
        ..secured()
    };
    let made = BaseConsumer::from_config_and_context(&common_config(&without_file), Quiet);
    assert!(made.is_ok(), "{:?}", made.err());
}

#[test]
fn a_password_is_never_printed() {
    let printed = format!("{:?}", secured());
    assert!(!printed.contains("hangar"), "{printed}");
    let dumped = serde_json::to_string(&secured()).expect("it is plain data");
    assert!(!dumped.contains("hangar"), "{dumped}");
    assert!(dumped.contains("(hidden)"), "{dumped}");
}

#[test]
fn durability_settings_reach_the_client() {
    let config = Config::default();
    let producer = producer_config(&config, 5_000, 0);
    for (key, value) in [
        ("acks", "all"),
        ("enable.idempotence", "true"),
        ("compression.type", "lz4"),
        ("linger.ms", "0"),
        ("message.timeout.ms", "5000"),
        ("reconnect.backoff.max.ms", "500"),
    ] {
        assert_eq!(producer.get(key), Some(value), "{key}");
    }
    let consumer = consumer_config(&config, "workers");
    for (key, value) in [
        ("auto.offset.reset", "error"),
        ("enable.auto.commit", "false"),
        ("group.id", "workers"),
    ] {
        assert_eq!(consumer.get(key), Some(value), "{key}");
    }
}

/// What a check says about a telemetry topic of three copies after `change`.
fn judged(config: &Config, change: impl FnOnce(&mut Found)) -> String {
    let wanted = topics::wanted(config, Topic::Telemetry, ShardCount::DEFAULT);
    let mut found = Found::as_wanted(&wanted, 3);
    change(&mut found);
    topics::judge(&wanted, &found, config).join("\n")
}

#[test]
fn unsafe_settings_say_what_is_set_and_what_is_right() {
    let three = Config::default();
    let one = Config {
        single_broker: true,
        ..Config::default()
    };
    let set =
        |key: &'static str, value: &'static str| move |found: &mut Found| found.set(key, value);
    assert_eq!(judged(&three, |_| ()), "");
    let check = |config: &Config, change: &dyn Fn(&mut Found), parts: [&str; 3]| {
        let said = judged(config, change);
        for part in parts {
            assert!(said.contains(part), "{said:?} lacks {part:?}");
        }
    };
    let fewer = |found: &mut Found| found.partitions = 32;
    let create_time = set("message.timestamp.type", "CreateTime");
    for config in [&three, &one] {
        check(
            config,
            &fewer,
            ["aerostream.telemetry", "32 partitions", "64"],
        );
        let right = "LogAppendTime";
        check(
            config,
            &create_time,
            ["message.timestamp.type", "CreateTime", right],
        );
    }
    let in_sync = set("min.insync.replicas", "1");
    check(&three, &in_sync, ["min.insync.replicas=1", "at least", "2"]);
    assert_eq!(judged(&one, in_sync), "");
    let unclean = set("unclean.leader.election.enable", "true");
    check(
        &three,
        &unclean,
        ["unclean.leader.election.enable", "true", "false"],
    );
    assert_eq!(judged(&one, unclean), "");
    for (key, short, why) in [
        ("retention.ms", "3600000", "604800000"),
        ("retention.bytes", "1073741824", "-1"),
    ] {
        for config in [&three, &one] {
            check(config, &set(key, short), [key, short, why]);
            assert_eq!(judged(config, set(key, "-1")), "", "for ever is fine");
        }
    }
    assert_eq!(judged(&three, set("retention.ms", "604800001")), "");
    let unknown = set("retention.ms", "");
    check(
        &three,
        &unknown,
        ["retention.ms=;", "at least", "604800000"],
    );
    let alone = |found: &mut Found| found.replicas = 1;
    check(
        &three,
        &alone,
        ["replication factor 1", "3", "single_broker"],
    );
    assert_eq!(judged(&one, alone), "");
}
