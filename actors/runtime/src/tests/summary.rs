//! Summaries beside what one would count by asking every drone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::fleet_summary::{ArmedCounts, BatteryCounts, CellCounts, DroneCounts};
use aerostream_domain::sample::{Battery, FlightMode, LandedState, Position, State};
use aerostream_domain::{Cell, CellSize, FleetSummary, Sample, UtcMicros, View};
use proptest::prelude::*;

use super::support::*;
use crate::{Config, DroneFilter, FleetQuestion, Handle, IngestOutcome, SampleVerdict};

const WITHIN: Duration = Duration::from_secs(7);

#[derive(Debug, Clone)]
enum Step {
    /// A batch of a drone; sent twice if `again`.
    Send {
        drone: u8,
        boot: u64,
        received_s: i64,
        samples: Vec<Sample>,
        again: bool,
    },
    /// The node is gone without a word; the next one replays the log.
    Kill,
    /// The node ends with its snapshots written.
    Drain,
}

fn contents() -> impl Strategy<Value = Sample> {
    let place = prop::option::of((-90.0..=90.0, -180.0..=180.0));
    let battery = prop::option::of(prop::option::of(0.0..=100.0_f32));
    let landed = prop::option::of(prop_oneof![
        Just(LandedState::OnGround),
        Just(LandedState::InAir),
        Just(LandedState::Landing),
    ]);
    let mode = prop::option::of(prop_oneof![
        Just(FlightMode::Mission),
        Just(FlightMode::Other),
        Just(FlightMode::Ready)
    ]);
    let state = (prop::option::of(any::<bool>()), landed, mode);
    (1..40_u64, place, battery, state).prop_map(|(seq, place, battery, state)| {
        let mut it = sample(seq);
        it.content.position = place.map(|(latitude_deg, longitude_deg)| Position {
            latitude_deg: Some(latitude_deg),
            longitude_deg: Some(longitude_deg),
            ..Position::default()
        });
        it.content.battery = Vec::from_iter(battery.map(|remaining_percent| Battery {
            remaining_percent,
            voltage_v: Some(12.0),
            ..Battery::default()
        }));
        it.content.state = Some(State {
            armed: state.0,
            landed_state: state.1,
            flight_mode: state.2,
            ..State::default()
        });
        it
    })
}

fn step() -> impl Strategy<Value = Step> {
    let samples = prop::collection::vec(contents(), 1..4);
    let send = (0..12_u8, 1..4_u64, 0..20_i64, samples, any::<bool>()).prop_map(
        |(drone, boot, received_s, samples, again)| Step::Send {
            drone,
            boot,
            received_s,
            samples,
            again,
        },
    );
    prop_oneof![20 => send, 1 => Just(Step::Kill), 1 => Just(Step::Drain)]
}

fn name(drone: u8) -> String {
    format!("drone-{drone}")
}

fn view() -> View {
    View {
        now: UtcMicros(NOW.0 + 20_000_000),
        within: WITHIN,
        cell: Some(CellSize::new(30.0).unwrap()),
    }
}

async fn ask(handle: &Handle, filter: DroneFilter) -> FleetSummary {
    let question = FleetQuestion {
        view: view(),
        filter,
        cells_max: 1_000,
    };
    handle.summary(question).await.unwrap()
}

/// Asks every drone by itself and counts by the shortest code that does it.
async fn naive(handle: &Handle, drones: impl Iterator<Item = u8>) -> FleetSummary {
    let view = view();
    let (mut counts, mut armed) = (DroneCounts::default(), ArmedCounts::default());
    let (mut battery, mut without_position) = (BatteryCounts::default(), 0);
    let (mut landed, mut modes) = (BTreeMap::new(), BTreeMap::new());
    let mut cells = BTreeMap::new();
    for number in drones {
        let Some(it) = handle.live(&drone(&name(number))).await.unwrap() else {
            continue;
        };
        let age_us = view.now.0 - it.live.received.unwrap().0;
        if age_us <= 7_000_000 {
            counts.heard += 1;
        } else {
            counts.silent += 1;
        }
        counts.hot += u64::from(it.hot);
        counts.passive += u64::from(!it.hot);
        let groups = it.live.groups;
        let state = groups.state.unwrap_or_default();
        armed.armed += u64::from(state.armed == Some(true));
        armed.disarmed += u64::from(state.armed == Some(false));
        armed.unknown += u64::from(state.armed.is_none());
        let known = |code: Option<usize>| code.unwrap_or(usize::MAX);
        let at = known(state.landed_state.map(|it| it as usize));
        landed.entry(at).or_insert((state.landed_state, 0)).1 += 1;
        let at = known(state.flight_mode.map(|it| it as usize));
        modes.entry(at).or_insert((state.flight_mode, 0)).1 += 1;
        match groups
            .battery
            .first()
            .and_then(|pack| pack.remaining_percent)
        {
            Some(percent) if percent >= 90.0 => battery.buckets[9] += 1,
            Some(percent) => battery.buckets[(percent / 10.0) as usize] += 1,
            None => battery.unknown += 1,
        }
        match groups.position {
            Some(it) => {
                let row = ((it.latitude_deg.unwrap() + 90.0) / 30.0) as u32;
                let column = ((it.longitude_deg.unwrap() + 180.0) / 30.0) as u32;
                *cells.entry((row.min(5), column.min(11))).or_insert(0) += 1;
            }
            None => without_position += 1,
        }
    }
    let cell = |((row, column), drones)| Cell {
        row,
        column,
        drones,
    };
    FleetSummary {
        at: view.now,
        within: WITHIN,
        drones: counts,
        armed,
        landed: landed.into_values().collect(),
        modes: modes.into_values().collect(),
        battery,
        cells: CellCounts {
            size: view.cell,
            told: cells.into_iter().map(cell).collect(),
            left_out: 0,
            drones_left_out: 0,
            without_position,
        },
        rate: Default::default(),
    }
}

/// Samples that went into the log and were received within the two newest windows.
fn counted(outcome: &IngestOutcome, received_s: i64) -> u64 {
    let IngestOutcome::Settled(verdicts) = outcome else {
        panic!("sent back: {outcome:?}");
    };
    let new = SampleVerdict::Acknowledged { repeat: false };
    let appended = verdicts.iter().filter(|verdict| **verdict == new).count() as u64;
    // The view's own moment begins a window, so that the one before it is all there is.
    appended * u64::from(received_s >= 15)
}

async fn run(steps: Vec<Step>, idle_after_s: u64) {
    let config = Config {
        idle_after_s,
        ..config()
    };
    let mut it = start(config.clone()).await;
    let mut rate = 0;
    for (number, step) in steps.into_iter().enumerate() {
        let incarnation = number.to_string();
        match step {
            Step::Send {
                drone,
                boot,
                received_s,
                samples,
                again,
            } => {
                let received = UtcMicros(NOW.0 + received_s * 1_000_000);
                for _ in 0..=usize::from(again) {
                    let batch = batch(&name(drone), boot, samples.clone());
                    let outcome = send_at(&it.handle, batch, received).await;
                    rate += counted(&outcome, received_s);
                }
            }
            Step::Kill => {
                it = start_on(Arc::clone(&it.log), &incarnation, config.clone()).await;
                rate = 0;
            }
            Step::Drain => {
                let log = Arc::clone(&it.log);
                it.node.drain(Duration::from_secs(10)).await;
                it = start_on(log, &incarnation, config.clone()).await;
                rate = 0;
            }
        }
    }
    if idle_after_s == 0 {
        until("every drone is passive", async || {
            ask(&it.handle, DroneFilter::All).await.drones.hot == 0
        })
        .await;
    }
    let odd: BTreeSet<String> = (0..12).filter(|drone| drone % 2 == 1).map(name).collect();
    let is_odd = DroneFilter::Where(Arc::new(move |drone| odd.contains(drone.as_str())));
    let all = ask(&it.handle, DroneFilter::All).await;
    assert_eq!(all.rate.samples, rate);
    for (told, counted) in [
        (all, naive(&it.handle, 0..12).await),
        (
            ask(&it.handle, is_odd).await,
            naive(&it.handle, (0..12).filter(|drone| drone % 2 == 1)).await,
        ),
    ] {
        let rate = told.rate;
        assert_eq!(told, FleetSummary { rate, ..counted });
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn summaries_are_what_asking_every_drone_gives(
        steps in prop::collection::vec(step(), 1..60),
        idle_after_s in prop_oneof![Just(600_u64), Just(0)],
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(run(steps, idle_after_s));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_drone_stays_in_the_summary() {
    let config = Config {
        restart_backoff_min_ms: 3_600_000,
        restart_backoff_max_ms: 3_600_000,
        ..config()
    };
    let it = start(config).await;
    it.insist(batch("a", 1, vec![sample(1)])).await;
    it.insist(batch("b", 1, vec![sample(1)])).await;
    it.send(batch("a", 1, vec![text_sample(2, "crash")])).await;
    until("the failure is known", async || {
        ask(&it.handle, DroneFilter::All).await.drones.failed == 1
    })
    .await;
    let summary = ask(&it.handle, DroneFilter::All).await;
    assert_eq!((summary.drones.hot, summary.drones.total()), (1, 2));
    assert_eq!(summary.cells.told.len(), 1);
    assert_eq!(summary.cells.told[0].drones, 2);
    // A list asks nobody either.
    let page = it.handle.list(None, 10).await.unwrap();
    assert_eq!(page.drones.len(), 2);
    assert_eq!(page.drones[0].relative_altitude_m, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_with_many_drones_counts_each_once() {
    let it = start(config()).await;
    let send = |number: u32| it.insist(batch(&format!("d{number:05}"), 1, vec![sample(1)]));
    futures::future::join_all((0..5_000).map(send)).await;
    let summary = ask(&it.handle, DroneFilter::All).await;
    assert_eq!(summary.drones.total(), 5_000);
    let (mut after, mut listed) = (None, Vec::new());
    loop {
        let page = it.handle.list(after, 700).await.unwrap();
        assert!(page.drones.len() <= 700);
        listed.extend(page.drones.into_iter().map(|line| line.drone));
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    assert!(listed.is_sorted());
    assert_eq!(BTreeSet::from_iter(&listed).len(), 5_000);
    assert_eq!(listed.len(), 5_000);
}
