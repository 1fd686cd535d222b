//! The harness keeps what it promises to the other tests.

use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use sqlx::{Connection, PgConnection, Row};

use crate::support::{Process, SHARDS, Servers, directory, wait_for, wait_until};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn tests_do_not_see_each_others_databases_or_topics() {
    let servers = Servers::shared().await;
    let postgres = servers.postgres().await;
    let (one, other) = tokio::join!(postgres.database(), postgres.database());
    assert_ne!(one, other);
    let mut connection = PgConnection::connect(&one).await.expect("a database");
    let row = sqlx::query("SELECT current_database()")
        .fetch_one(&mut connection)
        .await
        .expect("an answer");
    assert!(one.ends_with(row.get::<&str, _>(0)));
    let row = sqlx::query("SELECT count(DISTINCT partition) FROM ingest_offset")
        .fetch_one(&mut connection)
        .await
        .expect("a migrated database");
    assert_eq!(row.get::<i64, _>(0), i64::from(SHARDS));
    let kafka = servers.kafka().await;
    assert_ne!(kafka.topic_prefix(), kafka.topic_prefix());
}

#[tokio::test]
async fn killed_servers_come_back_on_their_ports() {
    let servers = Servers::alone().await;
    let kafka = servers.kafka().await;
    let postgres = servers.postgres().await;
    let database = postgres.database().await;
    assert!(TcpStream::connect(kafka.bootstrap()).is_ok());

    kafka.kill9();
    postgres.crash();
    assert!(TcpStream::connect(kafka.bootstrap()).is_err());
    assert!(PgConnection::connect(&database).await.is_err());

    kafka.start();
    kafka.sigstop();

    drop(servers);
    let _servers = Servers::shared().await;
    assert!(TcpStream::connect(kafka.bootstrap()).is_ok());
    assert!(PgConnection::connect(&database).await.is_ok());
}

#[tokio::test]
async fn a_paused_child_does_nothing_until_it_goes_on() {
    let log = directory("counter").join("log");
    let mut counter = Command::new("sh");
    counter.args(["-c", "while :; do echo tick; sleep 0.01; done"]);
    let child = Process::start(&mut counter, &log, "KILL");
    let ticks = || std::fs::read_to_string(&log).unwrap_or_default().len();
    wait_until(SOON, "a first tick", async || ticks() > 0).await;

    child.sigstop();
    let stopped = || {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", child.id()));
        status.unwrap_or_default().contains(") T ")
    };
    wait_until(SOON, "the child to stop", async || stopped()).await;
    let seen = ticks();
    assert_eq!(ticks(), seen);

    child.sigcont();
    wait_until(SOON, "another tick", async || ticks() > seen).await;
}

/// The test's own process cannot be killed to see what is left, so a run of its own is: this
/// test runs the binary again for [`a_run_that_hangs`] and kills that.
#[tokio::test]
async fn nothing_is_left_of_a_run_that_is_killed() {
    let log = directory("run").join("log");
    let mut inner = Command::new(std::env::current_exe().expect("this test has a program"));
    inner
        .args([
            "--ignored",
            "--exact",
            "harness::a_run_that_hangs",
            "--nocapture",
        ])
        .stdin(Stdio::null());
    let mut run = Process::start(&mut inner, &log, "KILL");
    let told = |name: &str| {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        Some(
            said.lines()
                .find_map(|line| line.strip_prefix(name))?
                .to_owned(),
        )
    };
    let server = wait_for(SOON * 2, "the inner run's server", async || {
        told("server: ")
    })
    .await;
    let scratch = told("scratch: ").expect("told before the server");
    assert!(TcpStream::connect(&server).is_ok());

    run.kill9();
    wait_until(SOON, "the end of its server", async || {
        TcpStream::connect(&server).is_err()
    })
    .await;
    wait_until(SOON, "the end of its directory", async || {
        !std::fs::exists(&scratch).unwrap_or(true)
    })
    .await;
}

#[tokio::test]
#[ignore = "half of another test, which runs it"]
async fn a_run_that_hangs() {
    let servers = Servers::shared().await;
    let url = servers.postgres().await.database().await;
    let address = url.split(['@', '/']).nth(3).expect("a URL has an address");
    println!("scratch: {}", directory("mine").display());
    println!("server: {address}");
    std::future::pending::<()>().await;
}
