//! What a drone costs in memory, counted at the allocator. One test, so that nothing else counts.

#![expect(unsafe_code, reason = "only an allocator can count what is allocated")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use aerostream_domain::alert::RuleSet;
use aerostream_domain::sample::{Attitude, Battery, Content, Gnss, Position, Velocity};
use aerostream_domain::{
    AppendId, Batch, BootId, BootMicros, Drone, DroneId, Epoch, Limits, Offset, Receipt, Sample,
    UtcMicros,
};

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// 2026-06-01T00:00:00Z.
const SEASON: UtcMicros = UtcMicros(1_780_272_000_000_000);
const HOUR: u64 = 3_600_000_000;

fn bytes_of<T>(make: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let made = make();
    let heap = LIVE_BYTES.load(Ordering::Relaxed) - before;
    (made, heap + size_of::<T>())
}

fn content(seq: u64) -> Content {
    Content {
        position: Some(Position {
            latitude_deg: Some(47.0),
            longitude_deg: Some(8.0),
            relative_altitude_m: Some(seq as f64 / 10_000.0),
            ..Position::default()
        }),
        velocity: Some(Velocity::default()),
        attitude: Some(Attitude::default()),
        gnss: vec![Gnss {
            hdop: Some(0.8),
            ..Gnss::default()
        }],
        battery: vec![Battery {
            remaining_percent: Some(70.0),
            cells_v: vec![4.0; 6],
            ..Battery::default()
        }],
        ..Content::default()
    }
}

/// A drone that has sent `batches` batches of 50 in each of `boots` boots.
fn flown(boots: u64, batches: u64) -> Drone {
    let id = DroneId::parse("alpha").expect("a legal id");
    let mut drone = Drone::new(id.clone(), Limits::default());
    for boot in 0..boots {
        let power_up = SEASON.plus_boot(BootMicros(boot * HOUR));
        for number in 0..batches {
            let seqs = number * 50..(number + 1) * 50;
            let mut batch = Batch {
                drone: id.clone(),
                boot: BootId(boot),
                sent_at_boot: Some(BootMicros(seqs.end * 1_000)),
                received_identity: false,
                samples: seqs
                    .clone()
                    .map(|seq| Sample {
                        seq,
                        utc: None,
                        since_boot: Some(BootMicros(seq * 1_000)),
                        content: content(seq),
                    })
                    .collect(),
            };
            let at = power_up.plus_boot(BootMicros(seqs.end * 1_000));
            if let Ok(Some(record)) = drone.boot_needed(&batch, at) {
                drone.learn_boot(record);
            }
            let epoch = Epoch {
                generation: 1,
                offset: Offset(1),
            };
            let append = AppendId(number);
            let record = drone
                .admit(&mut batch, Receipt { at, epoch, append })
                .record;
            drone.apply(
                Offset(number),
                &record.expect("new samples"),
                &RuleSet::default(),
            );
        }
    }
    drone
}

#[test]
fn a_drone_stays_small() {
    let check = |boots, batches, hot_max, passive_max| {
        let (drone, hot) = bytes_of(|| flown(boots, batches));
        let (_snapshot, passive) = bytes_of(|| drone.snapshot_compact());
        println!("{boots} boots of {batches} batches: hot {hot} B, passive {passive} B");
        assert!(
            hot <= hot_max,
            "{boots} boots of {batches} batches: {hot} B hot"
        );
        assert!(passive <= passive_max, "{boots} boots: {passive} B passive");
    };
    check(1, 1, 4 * 1024, 2 * 1024);
    check(1, 100, 7 * 1024, 2 * 1024);
    check(10, 100, 12 * 1024, 2 * 1024);
    // More boots than are remembered, and each window full.
    check(1_000, 20, 18 * 1024, 8 * 1024);
}
