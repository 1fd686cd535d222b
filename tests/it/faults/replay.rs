//! What is in Postgres is a function of the event log: a second, empty database gets the same rows.

use std::time::Duration;

use aerostream_simulator::faults;
use sqlx::{Executor, Row};

use crate::support::{Load, Servers, System, connect, fleet, prove, rows, wait_until};

const PATIENCE: Duration = Duration::from_secs(30);

/// All rows in one number per drone, by the drone's own id, since another database numbers drones
/// as it meets them.
const ROWS_OF_DRONES: &str = "SELECT drone_id, count(*), \
     md5(string_agg((to_jsonb(t) - 'drone_ref')::text, ',' ORDER BY boot, seq, ts)) \
     FROM telemetry AS t JOIN drone USING (drone_ref) GROUP BY drone_id ORDER BY drone_id";

/// The same of the boots.
const BOOTS_OF_DRONES: &str = "SELECT drone_id, count(*), \
     md5(string_agg((to_jsonb(b) - 'drone_ref')::text, ',' ORDER BY boot)) \
     FROM boot AS b JOIN drone USING (drone_ref) GROUP BY drone_id ORDER BY drone_id";

/// The same of alerts and of their changes.
const ALERTS_OF_DRONES: &str = "SELECT drone_id, count(*), \
     md5(string_agg((to_jsonb(a) - 'drone_ref')::text, ',' ORDER BY alert_id)) \
     FROM alert AS a JOIN drone USING (drone_ref) GROUP BY drone_id ORDER BY drone_id";
const ALERT_EVENTS_OF_DRONES: &str = "SELECT drone_id, count(*), \
     md5(string_agg((to_jsonb(e) - 'drone_ref')::text, ',' ORDER BY shard, log_offset, place)) \
     FROM alert_event AS e JOIN drone USING (drone_ref) GROUP BY drone_id ORDER BY drone_id";

async fn contents(database: &str, query: &'static str) -> Vec<(String, i64, String)> {
    let mut connection = connect(database).await;
    let rows = connection.fetch_all(query).await.expect("an answer");
    let rows = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2)));
    rows.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_stored_in_an_empty_database_gives_the_same_rows() {
    let servers = Servers::shared().await;
    let postgres = servers.postgres().await;
    let (first, second) = (postgres.database().await, postgres.database().await);
    let system = System::kafka(&servers, &first).await;
    let mut up = system.start().await;
    let mut worker = system.start_worker(&[]);
    let load = Load::start(
        &system,
        aerostream_simulator::Config {
            faults: faults::Config {
                profile: faults::Profile::Harsh,
                reboot_every_s: Some(10.0),
                outage_s: Some(1.0),
                ..faults::Config::default()
            },
            ..fleet()
        },
    );
    load.acknowledged_more(3_000).await;
    let (_, manifest) = load.finish().await;
    prove(&first, &manifest).await;
    assert!(up.drain().success(), "{}", up.output());

    let own = [
        ("POSTGRES__URL", second.as_str()),
        ("WORKER__GROUP", "replay"),
    ];
    let mut again = system.start_worker(&own);
    prove(&second, &manifest).await;
    let all = rows(&mut connect(&first).await).await;
    let mut connection = connect(&second).await;
    wait_until(PATIENCE, "all rows", async || {
        rows(&mut connection).await == all
    })
    .await;
    // Rows, boots and alerts come by topics of their own, any may be first, at either worker.
    for query in [
        ROWS_OF_DRONES,
        BOOTS_OF_DRONES,
        ALERTS_OF_DRONES,
        ALERT_EVENTS_OF_DRONES,
    ] {
        wait_until(PATIENCE, query, async || {
            contents(&first, query).await == contents(&second, query).await
        })
        .await;
    }
    let heard = contents(&second, ROWS_OF_DRONES).await;
    assert!(heard.len() > 30, "every drone that was heard has some");
    assert!(worker.drain().success(), "{}", worker.output());
    assert!(again.drain().success(), "{}", again.output());
}
