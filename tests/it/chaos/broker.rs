//! The broker dies again and again while two workers share its partitions.

use crate::support::{Load, Servers, System, fleet, prove};

/// How often.
const KILLS: usize = 12;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make chaos"]
async fn workers_go_on_however_often_kafka_is_killed() {
    let servers = Servers::alone().await;
    let kafka = servers.kafka().await;
    let database = servers.postgres().await.database().await;
    let system = System::kafka(&servers, &database)
        .await
        .set("LOG__KAFKA__STALL_MS", 5_000);
    let mut up = system.start().await;
    let mut workers = [system.start_worker(&[]), system.start_worker(&[])];
    let load = Load::start(&system, fleet());
    load.acknowledged_more(2_000).await;
    for kill in 0..KILLS {
        kafka.kill9();
        // Sometimes shorter and sometimes longer than the session of a member.
        let waits = [200, 4_000, 1_500, 8_000][kill % 4];
        let before = load.now().generated;
        load.until("samples that wait", |now| now.generated > before + waits)
            .await;
        kafka.start();
        load.acknowledged_more(if kill % 3 == 0 { 200 } else { 3_000 })
            .await;
        for process in workers.iter_mut().chain([&mut up]) {
            assert!(!process.has_ended(), "{}", process.output());
        }
    }
    load.acknowledged_more(2_000).await;
    let (_, manifest) = load.finish().await;
    eprintln!("{:?}", prove(&database, &manifest).await);
    for worker in &mut workers {
        let said = worker.output();
        let again: Vec<&str> = said
            .lines()
            .filter(|line| line.contains("joined again") || line.contains("left records out"))
            .collect();
        eprintln!("{}", again.join("\n"));
        assert!(worker.drain().success(), "{}", worker.output());
    }
    assert!(up.drain().success(), "{}", up.output());
}
