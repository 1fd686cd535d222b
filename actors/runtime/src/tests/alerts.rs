//! Alerts through the journal: raised once, whatever is killed or fails in between.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aerostream_domain::alert::{
    Alert, AlertRecord, Compare, Condition, Judged, Level, Remark, Rule, RuleSet, Severity,
    Trigger, When,
};
use aerostream_domain::sample::{Battery, State};
use aerostream_domain::{Cause, DroneId, JournalEntry, JournalKind, RuleId, Sample};
use aerostream_log::memory::Fault;
use aerostream_log::{Append, EventLog, Topic, encode};
use aerostream_proto::v1;
use bytes::Bytes;

use super::support::*;
use crate::clock::utc_now;
use crate::{Config, RuleSource};

/// Rules that a test changes.
#[derive(Debug, Default)]
struct Rules {
    version: AtomicU64,
    set: Mutex<Arc<RuleSet>>,
}

impl Rules {
    fn of(rules: Vec<Rule>) -> Arc<Self> {
        let it = Self::default();
        it.change(rules);
        Arc::new(it)
    }

    fn change(&self, rules: Vec<Rule>) {
        let rules = rules
            .into_iter()
            .map(|rule| Arc::new(Judged::new(rule, None)));
        *self.set.lock().unwrap() = Arc::new(RuleSet::new(None, rules, []));
        self.version.fetch_add(1, Ordering::SeqCst);
    }
}

impl RuleSource for Rules {
    fn version(&self) -> u64 {
        self.version.load(Ordering::SeqCst)
    }

    fn rules_of(&self, _: &DroneId) -> Arc<RuleSet> {
        Arc::clone(&self.set.lock().unwrap())
    }
}

fn rule(id: &str, when: When, trigger: Trigger) -> Rule {
    Rule {
        id: RuleId::parse(id).unwrap(),
        title: id.to_owned(),
        enabled: true,
        when,
        trigger,
        repeat_after: Duration::ZERO,
    }
}

fn charge() -> Rule {
    let field = "battery.remaining_percent";
    let level = |severity, limit| Level {
        severity,
        raise: Condition::of(field, Compare::AtMost, limit),
        lasts: Duration::ZERO,
    };
    let trigger = Trigger::Levels {
        levels: vec![
            level(Severity::Warning, 15.0),
            level(Severity::Critical, 7.0),
        ],
        clear: Condition::of(field, Compare::AtLeast, 18.0),
        clear_lasts: Duration::ZERO,
    };
    rule("charge", When::Always, trigger)
}

fn link() -> Rule {
    let trigger = Trigger::Silence {
        levels: vec![(Severity::Critical, Duration::from_millis(500))],
        clear_samples: 2,
    };
    rule("link", When::Armed, trigger)
}

fn charged(seq: u64, percent: f32) -> Sample {
    let mut sample = sample(seq);
    sample.content.battery.push(Battery {
        remaining_percent: Some(percent),
        ..Battery::default()
    });
    sample
}

fn armed(seq: u64) -> Sample {
    let mut sample = sample(seq);
    sample.content.state = Some(State {
        armed: Some(true),
        ..State::default()
    });
    sample
}

fn alerts(it: &Fixture, name: &str) -> Vec<Alert> {
    it.handle
        .alerts()
        .of(it.handle.shard_of(&drone(name)), &drone(name))
}

async fn until_alerts(it: &Fixture, name: &str, what: &str, holds: impl Fn(&[Alert]) -> bool) {
    until(what, async || holds(&alerts(it, name))).await;
}

fn never_snapshots() -> Config {
    Config {
        snapshot_every_ms: 3_600_000,
        ..config()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_condition_is_one_alert_through_repeats_and_restarts() {
    for config in [config(), never_snapshots()] {
        let it = start_with(config.clone(), Rules::of(vec![charge()])).await;
        it.insist(batch("a", 1, vec![charged(1, 30.0), charged(2, 14.0)]))
            .await;
        it.insist(batch("a", 1, vec![charged(2, 14.0), charged(3, 13.0)]))
            .await;
        until_alerts(&it, "a", "it is raised", |alerts| alerts.len() == 1).await;
        let raised = alerts(&it, "a").remove(0);
        assert_eq!(
            (raised.severity, raised.raised.seq.0),
            (Severity::Warning, 2)
        );
        let log = Arc::clone(&it.log);
        let it = start_again(log, "second", (config.clone(), Rules::of(vec![charge()]))).await;
        assert_eq!(alerts(&it, "a"), std::slice::from_ref(&raised));
        it.insist(batch("a", 1, vec![charged(4, 6.0), charged(5, 6.0)]))
            .await;
        until_alerts(&it, "a", "it is worse", |alerts| {
            alerts[0].severity == Severity::Critical
        })
        .await;
        it.node.drain(Duration::from_secs(10)).await;
        let it = start_again(it.log, "third", (config, Rules::of(vec![charge()]))).await;
        it.insist(batch("a", 1, vec![charged(6, 80.0)])).await;
        until_alerts(&it, "a", "it is over", |alerts| !alerts[0].is_active()).await;
        let all = alerts(&it, "a");
        assert_eq!((all.len(), all[0].id, all[0].turns), (1, raised.id, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_did_not_take_is_written_again() {
    let faults = [
        Fault::Refused,
        Fault::UnknownWritten,
        Fault::UnknownNotWritten,
        Fault::UnknownWrittenLate,
    ];
    for fault in faults {
        let it = start_with(config(), Rules::of(vec![charge()])).await;
        it.insist(batch("a", 1, vec![charged(1, 30.0)])).await;
        it.log.fail_next(Topic::Journal, 2, fault);
        it.insist(batch("a", 1, vec![charged(2, 14.0)])).await;
        it.insist(batch("a", 1, vec![charged(3, 13.0)])).await;
        until_alerts(&it, "a", "it is raised", |alerts| alerts.len() == 1).await;
        assert_eq!(alerts(&it, "a")[0].raised.seq.0, 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_raises_one_alert_and_samples_end_it() {
    let it = start_with(config(), Rules::of(vec![link()])).await;
    it.insist(batch("a", 1, vec![armed(1)])).await;
    until_alerts(&it, "a", "silence is told", |alerts| alerts.len() == 1).await;
    let silent = alerts(&it, "a").remove(0);
    assert_eq!(silent.raised.seq.0, 1, "the last sample that was seen");
    let it = start_again(it.log, "second", (config(), Rules::of(vec![link()]))).await;
    it.insist(batch("a", 1, vec![armed(2)])).await;
    assert!(alerts(&it, "a")[0].is_active(), "one sample is not enough");
    it.insist(batch("a", 1, vec![armed(3)])).await;
    until_alerts(&it, "a", "it is over", |alerts| !alerts[0].is_active()).await;
    assert_eq!(alerts(&it, "a")[0].id, silent.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_stands_still_is_no_silence() {
    let it = start_with(config(), Rules::of(vec![link()])).await;
    it.insist(batch("a", 1, vec![armed(1)])).await;
    it.log.hold(Topic::Telemetry);
    let handle = it.handle.clone();
    let waits = tokio::spawn(async move { send(&handle, batch("a", 1, vec![armed(2)])).await });
    // Twice the silence that would be told.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(alerts(&it, "a"), []);
    it.log.release(Topic::Telemetry);
    waits.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_gone_ends_its_alerts() {
    let rules = Rules::of(vec![charge()]);
    let it = start_with(config(), Arc::clone(&rules) as _).await;
    it.insist(batch("a", 1, vec![charged(1, 3.0)])).await;
    until_alerts(&it, "a", "it is raised", |alerts| alerts.len() == 1).await;
    rules.change(Vec::new());
    until_alerts(&it, "a", "it is over", |alerts| !alerts[0].is_active()).await;
    let reason = alerts(&it, "a")[0].cleared.clone().unwrap().0;
    assert_eq!(reason, "the rule was removed or switched off");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_is_folded_and_told() {
    let it = start_with(config(), Rules::of(vec![charge()])).await;
    let mut view = it.handle.alerts().watch(|_, alert| alert.is_active());
    assert_eq!(view.alerts, []);
    it.insist(batch("a", 1, vec![charged(1, 3.0)])).await;
    let news = view.news.recv().await.unwrap();
    assert_eq!((news.drone.as_str(), news.alerts.len()), ("a", 1));
    let id = news.alerts[0].id;
    let remark = Remark {
        id,
        principal: "olga".to_owned(),
        received: utc_now(),
        comment: "seen".to_owned(),
    };
    for _ in 0..2 {
        let entry = JournalEntry {
            epoch: None,
            at: utc_now(),
            cause: Cause::default(),
            kind: JournalKind::Alert {
                drone: drone("a"),
                record: Box::new(AlertRecord::Acknowledge(remark.clone())),
            },
        };
        let append = Append {
            topic: Topic::Journal,
            partition: it.partition("a"),
            key: Bytes::new(),
            payload: encode(&v1::JournalRecord::from(entry)),
        };
        it.log.append(append).await.unwrap();
    }
    let news = view.news.recv().await.unwrap();
    assert_eq!(news.alerts[0].acknowledged.as_ref(), Some(&remark));
    assert!(news.alerts[0].is_active(), "seen is not over");
    let it = start_again(it.log, "second", (config(), Rules::of(vec![charge()]))).await;
    assert_eq!(alerts(&it, "a")[0].acknowledged, Some(remark));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_log_is_down_an_alert_is_shown_under_the_id_that_it_will_have() {
    let it = start_with(config(), Rules::of(vec![charge()])).await;
    it.insist(batch("a", 1, vec![charged(1, 30.0)])).await;
    let mut view = it.handle.alerts().watch(|_, _| true);
    it.log.hold(Topic::Telemetry);
    let handle = it.handle.clone();
    let falls =
        tokio::spawn(async move { send(&handle, batch("a", 1, vec![charged(2, 3.0)])).await });
    let shown = view.news.recv().await.unwrap();
    assert!(!shown.is_recorded);
    assert_eq!(alerts(&it, "a"), [], "it is not recorded");
    it.log.release(Topic::Telemetry);
    falls.await.unwrap();
    let recorded = view.news.recv().await.unwrap();
    assert!(recorded.is_recorded);
    assert_eq!(recorded.alerts[0].id, shown.alerts[0].id);
}
