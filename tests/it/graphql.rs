//! GraphQL over the whole system: what the drone sent comes back, and Postgres is asked for the
//! selected columns only.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Servers, System, ask, client, connect, now_us, wait_until};

const SOON: Duration = Duration::from_secs(60);

async fn query(system: &System, query: &str) -> Value {
    let request = client().request(Method::POST, system.url("/graphql"));
    let request = request.bearer_auth(system.token("viewer"));
    let answer = ask(request.json(&json!({ "query": query }))).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer.json
}

#[tokio::test(flavor = "multi_thread")]
async fn two_fields_of_the_past_are_read_and_no_other() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let mut up = system.start().await;
    let now = now_us();
    let sample = |seq: i64| {
        json!({ "seq": seq, "utc_us": now - 10_000_000 + seq * 1_000_000,
                "position": { "latitude_deg": 47.0 + seq as f64 / 8.0, "longitude_deg": 8.0 },
                "battery": [{ "id": 0, "voltage_v": 12.5 }] })
    };
    let samples: Vec<Value> = (1..=5).map(sample).collect();
    let batch = json!({ "drone_id": "alpha", "boot": 1, "samples": samples });
    let posted = system.post(&system.drone_token("alpha"), &batch).await;
    assert_eq!(posted.status, 200, "{}", posted.json);

    let asked = "{ drone(id: \"alpha\") { telemetry(first: 3) {
        nodes { seq position { latitudeDeg } velocity { northMS } }
        pageInfo { hasNextPage } } } }";
    wait_until(SOON, "the samples are stored", async || {
        let told = query(
            &system,
            "{ drone(id: \"alpha\") { telemetry { nodes { seq } } } }",
        )
        .await;
        told["data"]["drone"]["telemetry"]["nodes"]
            .as_array()
            .map(Vec::len)
            == Some(5)
    })
    .await;
    let told = query(&system, asked).await;
    let page = &told["data"]["drone"]["telemetry"];
    let expected: Vec<Value> = (1..=3)
        .map(|seq| {
            let latitude = 47.0 + f64::from(seq) / 8.0;
            json!({ "seq": seq, "position": { "latitudeDeg": latitude }, "velocity": null })
        })
        .collect();
    assert_eq!(page["nodes"], json!(expected), "{told}");
    assert_eq!(page["pageInfo"]["hasNextPage"], true);

    // What the reader's connections were asked last, as the server itself has it.
    let mut connection = connect(&database).await;
    let statements: Vec<String> = sqlx::query_scalar(
        "SELECT query FROM pg_stat_activity WHERE datname = current_database() \
         AND query LIKE '%FROM telemetry%' AND pid <> pg_backend_pid()",
    )
    .fetch_all(&mut connection)
    .await
    .expect("the database can be asked");
    let wanted = "SELECT ts, boot, seq, basis, latitude_deg, north_m_s FROM telemetry";
    let found = statements
        .iter()
        .any(|statement| statement.starts_with(wanted));
    assert!(found, "{statements:?}");
    assert!(up.drain().success(), "{}", up.output());
}
