use std::collections::{HashMap, HashSet};

use aerostream_domain::command::Command;
use aerostream_domain::sample::Sample;
use aerostream_proto::v1::{
    self, BatchResult, CommandOutcome, IngestRequest, Retry, SampleRefusal, StreamRequest,
    stream_request,
};
use prost::Message;

use super::*;
use crate::config::Config;
use crate::faults;
use crate::fleet;
use crate::link::LinkEvent;
use crate::physics::noise::Noise;

const START_US: i64 = 1_800_000_000_000_000;
const STEP_US: i64 = 10_000;

type Key = (String, u64, u64);

/// A door that answers, refuses, asks for patience, keeps silent or answers late, as its seed says.
struct Door {
    noise: Noise,
    durable: HashMap<Key, u64>,
    refused: HashSet<Key>,
    late: Vec<(i64, LinkEvent)>,
    sequence: Vec<Vec<u8>>,
}

impl Door {
    fn new(seed: u64) -> Self {
        Self {
            noise: Noise::new(seed, 99),
            durable: HashMap::new(),
            refused: HashSet::new(),
            late: Vec::new(),
            sequence: Vec::new(),
        }
    }

    fn take(&mut self, now_us: i64, next: &Outgoing) {
        self.sequence.push(next.frame.to_vec());
        let request = IngestRequest::decode(next.frame.clone()).unwrap();
        let batch = &request.batches[0];
        let mut result = BatchResult {
            batch_id: batch.batch_id,
            drone_id: batch.drone_id.clone(),
            ..BatchResult::default()
        };
        let mood = self.noise.between(0.0, 1.0);
        if mood < 0.1 {
            return;
        }
        if mood < 0.25 {
            result.retry = Some(Retry {
                code: "overloaded".to_owned(),
                detail: String::new(),
                after_ms: 30,
            });
        } else {
            for (index, sample) in batch.samples.iter().enumerate() {
                let seq = sample.seq.unwrap();
                let key = (batch.drone_id.clone(), batch.boot.unwrap(), seq);
                // What is refused once is always refused, as a door does it.
                if seq % 53 == 7 {
                    self.refused.insert(key);
                    result.refused.push(SampleRefusal {
                        index: index as u32,
                        seq: Some(seq),
                        code: "out_of_range".to_owned(),
                        ..SampleRefusal::default()
                    });
                    continue;
                }
                let hash = Sample::try_from(sample.clone()).unwrap().content.hash().0;
                let before = self.durable.insert(key, hash);
                assert!(
                    before.is_none_or(|b| b == hash),
                    "content of a resend differs"
                );
                result.acknowledged += 1;
                result.repeated_samples += u32::from(before.is_some());
            }
        }
        let delay_us = micros(self.noise.between(0.0, 0.4));
        self.late
            .push((now_us + delay_us, LinkEvent::Answer(result)));
    }

    fn answers(&mut self, now_us: i64) -> Vec<LinkEvent> {
        let (now, later) = self.late.drain(..).partition(|(at, _)| *at <= now_us);
        self.late = later;
        let now: Vec<(i64, LinkEvent)> = now;
        now.into_iter().map(|(_, event)| event).collect()
    }
}

fn lane(config: &Config, scenario: Scenario) -> (Lane, Arc<Status>) {
    let status = Arc::new(Status::new(1));
    let drones = fleet::drones(config, &scenario, 0, 1, START_US).unwrap();
    let settings = Settings {
        batch: config.batch,
        linger_s: 0.5,
        rate_hz: config.rate_hz,
        in_flight: config.in_flight,
        in_flight_per_drone: config.in_flight_per_drone,
        ack_timeout_us: 300_000,
        store: config.store,
        full_store: config.full_store,
        spike: None,
        scenario: Arc::new(scenario),
        start_us: START_US,
    };
    let lane = Lane::new(0, settings, Arc::clone(&status), drones);
    (lane, status)
}

fn harsh(seed: u64) -> Config {
    Config {
        drones: 12,
        rate_hz: 10.0,
        batch: 20,
        seed,
        in_flight: 16,
        faults: faults::Config {
            profile: faults::Profile::Harsh,
            reboot_every_s: Some(30.0),
            outage_every_s: Some(20.0),
            outage_s: Some(5.0),
            ..faults::Config::default()
        },
        ..Config::default()
    }
}

/// Runs for so many simulated seconds and then drains; the link breaks now and then.
fn fly(lane: &mut Lane, door: &mut Door, seconds: i64) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    let mut now_us = START_US;
    let end_us = START_US + seconds * 1_000_000;
    lane.handle(now_us, LinkEvent::Up);
    while now_us < end_us + 120_000_000 {
        if now_us == end_us {
            lane.begin_drain(now_us);
        }
        if now_us > end_us && lane.unacknowledged() == 0 {
            return receipts;
        }
        let since = now_us - START_US;
        if since % 7_000_000 == 5_000_000 {
            door.late.clear();
            lane.handle(now_us, LinkEvent::Down);
        }
        if since % 7_000_000 == 6_000_000 {
            lane.handle(now_us, LinkEvent::Up);
        }
        lane.tick(now_us);
        for event in door.answers(now_us) {
            lane.handle(now_us, event);
        }
        for next in lane.take_outgoing() {
            door.take(now_us, &next);
        }
        receipts.extend(lane.take_receipts());
        now_us += STEP_US;
    }
    panic!(
        "the drain did not end: {} samples are left",
        lane.unacknowledged()
    );
}

#[test]
fn store_and_forward_loses_nothing_and_receipts_are_true() {
    for seed in [1, 2] {
        let (mut lane, status) = lane(&harsh(seed), Scenario::load("store-and-forward").unwrap());
        let mut door = Door::new(seed);
        let receipts = fly(&mut lane, &mut door, 90);
        let told = status.snapshot();
        assert!(told.generated > 8_000, "{told:?}");
        let refused: u64 = told.refused.values().sum();
        assert_eq!(
            told.generated,
            told.acknowledged + refused + told.overwritten
        );
        assert_eq!(told.overwritten, 0);
        assert!(
            told.repeated > 0 && told.retried > 0 && told.timed_out > 0,
            "{told:?}"
        );
        assert!(told.reboots > 0 && told.resent > 0 && told.bad_answers == 0);
        let mut seen = HashSet::new();
        for receipt in &receipts {
            for (seq, hash) in &receipt.samples {
                let key = (receipt.drone.to_string(), receipt.boot.0, *seq);
                assert_eq!(door.durable.get(&key), Some(hash));
                assert!(seen.insert(key), "a sample has two lines");
            }
        }
        assert_eq!(seen.len() as u64, told.acknowledged);
        assert_eq!(seen.len(), door.durable.len());
        assert_eq!(door.refused.len() as u64, refused);
    }
}

#[test]
fn a_seed_repeats_a_whole_run_byte_for_byte() {
    let tell = |seed| {
        let (mut lane, _) = lane(&harsh(seed), Scenario::default());
        let mut door = Door::new(seed);
        fly(&mut lane, &mut door, 20);
        door.sequence
    };
    let first = tell(3);
    assert!(first == tell(3));
    assert!(first != tell(4));
}

#[test]
fn a_full_store_overwrites_the_oldest_and_counts_it() {
    let config = Config {
        drones: 1,
        rate_hz: 100.0,
        batch: 50,
        store: 100,
        ..Config::default()
    };
    let (mut lane, status) = lane(&config, Scenario::default());
    for step in 0..500 {
        lane.tick(START_US + step * STEP_US);
    }
    let told = status.snapshot();
    assert_eq!(lane.unacknowledged(), 100);
    assert_eq!(told.generated, told.overwritten + 100);
}

#[test]
fn a_paused_store_takes_nothing_new() {
    let config = Config {
        drones: 1,
        rate_hz: 100.0,
        batch: 50,
        store: 100,
        full_store: FullStore::Pause,
        ..Config::default()
    };
    let (mut lane, status) = lane(&config, Scenario::default());
    for step in 0..500 {
        lane.tick(START_US + step * STEP_US);
    }
    let told = status.snapshot();
    assert_eq!((told.generated, told.overwritten), (100, 0));
    assert!(told.skipped > 300);
}

#[test]
fn a_spike_multiplies_the_rate_for_its_time() {
    let config = Config {
        drones: 4,
        rate_hz: 10.0,
        ..Config::default()
    };
    let (mut lane, status) = lane(&config, Scenario::default());
    lane.settings.spike = Some(Spike {
        factor: 4.0,
        from_us: 2_000_000,
        until_us: 4_000_000,
    });
    let mut at = Vec::new();
    for step in 0..600 {
        lane.tick(START_US + step * STEP_US);
        if step % 200 == 199 {
            at.push(status.get(Count::Generated));
        }
    }
    let (before, during, after) = (at[0], at[1] - at[0], at[2] - at[1]);
    assert!(before.abs_diff(80) <= 4, "{at:?}");
    assert!(during.abs_diff(320) <= 16, "{at:?}");
    assert!(after.abs_diff(80) <= 8, "{at:?}");
}

#[test]
fn an_answer_waits_for_the_link() {
    let config = Config {
        drones: 1,
        rate_hz: 5.0,
        fixed_wing_percent: 0.0,
        ..Config::default()
    };
    let (mut lane, _) = lane(&config, Scenario::default());
    let takeoff = Command::Takeoff {
        altitude_m: 10.0,
        heading_deg: None,
    };
    let down = v1::DownCommand {
        drone_id: lane.drones[0].id.to_string(),
        command_id: "a".to_owned(),
        boot: lane.drones[0].boot().0,
        valid_until_boot_us: u64::MAX,
        command: Some(takeoff.into()),
        ..v1::DownCommand::default()
    };
    let answers = |lane: &mut Lane| -> Vec<CommandOutcome> {
        let sent = lane.take_outgoing();
        sent.filter_map(
            |next| match StreamRequest::decode(next.frame).unwrap().kind {
                Some(stream_request::Kind::Answer(answer)) => Some(answer.outcome()),
                _ => None,
            },
        )
        .collect()
    };
    lane.handle(START_US, LinkEvent::Up);
    lane.handle(START_US, LinkEvent::Command(Box::new(down)));
    assert_eq!(answers(&mut lane), [CommandOutcome::InProgress]);
    lane.handle(START_US, LinkEvent::Down);
    let mut now_us = START_US;
    while now_us < START_US + 60_000_000 {
        now_us += STEP_US;
        lane.tick(now_us);
    }
    assert_eq!(answers(&mut lane), []);
    lane.handle(now_us, LinkEvent::Up);
    assert_eq!(answers(&mut lane), [CommandOutcome::Accepted]);
}
