//! The database is down for five minutes.

use std::time::{Duration, Instant};

use aerostream_simulator::Config;

use crate::support::{Load, Servers, System, fleet, prove};

/// How long Postgres stays down.
const DOWN: Duration = Duration::from_secs(300);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes 6 minutes: make chaos"]
async fn postgres_is_down_for_five_minutes_and_drones_do_not_notice() {
    let servers = Servers::alone().await;
    let postgres = servers.postgres().await;
    let database = postgres.database().await;
    let system = System::kafka(&servers, &database).await;
    let mut up = system.start().await;
    let mut workers = [system.start_worker(&[]), system.start_worker(&[])];
    let load = Load::start(
        &system,
        Config {
            drones: 100,
            rate_hz: 20.0,
            ack_timeout_ms: 60_000,
            ..fleet()
        },
    );
    load.acknowledged_more(10_000).await;

    postgres.crash();
    let began = Instant::now();
    while began.elapsed() < DOWN {
        // Half of the fleet's rate, for as long as it takes.
        load.acknowledged_more(10_000).await;
        let now = load.now();
        assert_eq!((now.timed_out, now.retry_codes.len()), (0, 0), "{now:?}");
    }
    postgres.start();

    load.acknowledged_more(20_000).await;
    let (report, manifest) = load.finish().await;
    assert_eq!(report.numbers.timed_out, 0, "{report}");
    eprintln!("{:?}", prove(&database, &manifest).await);
    for worker in &mut workers {
        assert!(worker.drain().success(), "{}", worker.output());
    }
    assert!(up.drain().success(), "{}", up.output());
}
