//! The broker dies and comes back.

use std::time::Duration;

use crate::support::{Load, Servers, System, fleet, prove, wait_until};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_while_kafka_is_down_and_nothing_is_lost() {
    let servers = Servers::alone().await;
    let kafka = servers.kafka().await;
    let database = servers.postgres().await.database().await;
    let system = System::kafka(&servers, &database).await;
    let mut up = system.start().await;
    let mut worker = system.start_worker(&[]);
    let load = Load::start(&system, fleet());
    load.acknowledged_more(2_000).await;

    kafka.kill9();
    // Answers that were on their way when it died still arrive.
    let mut last = load.now();
    wait_until(SOON, "drones that hear nothing any more", async || {
        let now = load.now();
        let silent = now.acknowledged == last.acknowledged && now.generated > last.generated + 500;
        if now.acknowledged != last.acknowledged {
            last = now;
        }
        silent
    })
    .await;
    let down = load.now();
    load.until("drones that keep what they measure", |now| {
        now.stored > down.stored + 2_000
    })
    .await;
    assert_eq!(load.now().acknowledged, down.acknowledged);
    assert!(!up.has_ended(), "{}", up.output());
    assert!(!worker.has_ended(), "{}", worker.output());

    kafka.start();
    load.acknowledged_more(4_000).await;
    let (_, manifest) = load.finish().await;
    prove(&database, &manifest).await;
    assert!(worker.drain().success(), "{}", worker.output());
    assert!(up.drain().success(), "{}", up.output());
}
