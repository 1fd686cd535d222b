//! The process with the doors and the actors dies; its drones find it again and resend.

use crate::support::aerostream::Aerostream;
use crate::support::{Load, Servers, System, fleet, prove};

/// Kills it in the middle of its work, several times.
const KILLS: u32 = 2;

async fn kill_and_start_again(system: &System, up: &mut Aerostream, load: &Load) {
    for _ in 0..KILLS {
        load.acknowledged_more(1_500).await;
        up.kill9();
        load.until("connections that broke", |now| now.links_up == 0)
            .await;
        *up = system.start().await;
    }
    load.acknowledged_more(3_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn up_with_its_embedded_log_is_killed_and_started_again() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let mut up = system.start().await;
    let load = Load::start(&system, fleet());
    kill_and_start_again(&system, &mut up, &load).await;
    let (_, manifest) = load.finish().await;
    prove(&database, &manifest).await;
    assert!(up.drain().success(), "{}", up.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_and_node_over_kafka_are_killed_and_started_again() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::kafka(&servers, &database).await;
    let mut up = system.start().await;
    let mut worker = system.start_worker(&[]);
    let load = Load::start(&system, fleet());
    kill_and_start_again(&system, &mut up, &load).await;
    let (_, manifest) = load.finish().await;
    prove(&database, &manifest).await;
    assert!(worker.drain().success(), "{}", worker.output());
    assert!(up.drain().success(), "{}", up.output());
}

/// Everything that `up` starts itself is killed with it: the database is left behind without a
/// master and must be found again.
#[tokio::test(flavor = "multi_thread")]
async fn up_finds_its_own_postgres_again_after_a_kill() {
    let servers = Servers::shared().await;
    let system = System::embedded(&servers).await;
    let mut up = system.start().await;
    let load = Load::start(&system, fleet());
    load.acknowledged_more(1_500).await;
    up.kill9();
    let mut up = system.start().await;
    load.acknowledged_more(1_500).await;
    let (_, manifest) = load.finish().await;
    let url = aerostream::role::up::database_url(&system.data);
    prove(&url.expect("up wrote it"), &manifest).await;
    assert!(up.drain().success(), "{}", up.output());
}
