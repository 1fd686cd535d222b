//! Drones that send too much, or everything again and again.

use aerostream_simulator::{Config, faults};

use crate::support::{Load, Servers, System, fleet, prove};

/// More than `up` needs at this load, and far less than an unbounded queue would take.
const RESIDENT_MAX: u64 = 1 << 30;

#[tokio::test(flavor = "multi_thread")]
async fn drones_that_resend_everything_store_it_once() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let mut up = system.start().await;
    let load = Load::start(
        &system,
        Config {
            drones: 8,
            faults: faults::Config {
                resend_percent: Some(100.0),
                ..faults::Config::default()
            },
            ..fleet()
        },
    );
    load.until("samples that were sent again", |now| {
        now.acknowledged > 1_000 && now.resent > 3_000
    })
    .await;
    let (report, manifest) = load.finish().await;
    assert!(report.numbers.refused.is_empty(), "{report}");
    let verdict = prove(&database, &manifest).await;
    assert_eq!(verdict.unacknowledged, 0, "{verdict:?}");
    assert!(up.drain().success(), "{}", up.output());
}

/// From 5,000 to 20,000 samples a second for `spike_for_s`.
pub fn spiking_fleet(spike_at_s: u64, spike_for_s: u64) -> Config {
    Config {
        drones: 500,
        rate_hz: 10.0,
        batch: 50,
        linger_ms: 500,
        connections: 2,
        spike: true,
        spike_factor: 4.0,
        spike_at_s,
        spike_for_s,
        ..fleet()
    }
}

pub async fn survive_spike(spike_at_s: u64, spike_for_s: u64) {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let mut up = system.start().await;
    let config = spiking_fleet(spike_at_s, spike_for_s);
    let calm = u64::from(config.drones) * config.rate_hz as u64;
    let wanted = calm * spike_at_s + calm * 3 * spike_for_s;
    let load = Load::start(&system, config);
    load.until("the spike", |now| now.generated + now.skipped > wanted)
        .await;
    let (report, manifest) = load.finish().await;
    // Refused for now, perhaps; refused for ever, never.
    assert!(report.numbers.refused.is_empty(), "{report}");
    let resident = up.resident_peak();
    assert!(resident < RESIDENT_MAX, "{} MiB resident", resident >> 20);
    let verdict = prove(&database, &manifest).await;
    eprintln!("{verdict:?}, {} MiB resident at the most", resident >> 20);
    assert!(up.drain().success(), "{}", up.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spike_to_four_times_the_rate_loses_nothing() {
    survive_spike(2, 3).await;
}
