use std::os::unix::fs::MetadataExt;

use sqlx::{Connection, PgConnection};

use super::*;

fn reachable_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o711);
    std::fs::set_permissions(dir.path(), open).expect("permissions set");
    dir
}

fn config(dir: &Path) -> Config {
    Config {
        data_dir: dir.join("pg"),
        ..Config::default()
    }
    .without_durability()
}

async fn ask(url: &str, sql: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.expect("a connection");
    let answer = sqlx::query_scalar(sql)
        .fetch_one(&mut connection)
        .await
        .expect("an answer");
    connection.close().await.expect("closed");
    answer
}

#[tokio::test]
async fn keeps_its_data_and_never_runs_as_root() {
    let dir = reachable_dir();
    let first = PrivatePostgres::start(&config(dir.path())).expect("a server");
    let owner = std::fs::metadata(format!("/proc/{}", first.pid()))
        .expect("a process")
        .uid();
    assert_ne!(owner, 0);
    let made = ask(
        first.url(),
        "WITH t AS (SELECT 1) SELECT set_config('a.b', 'c', false)",
    )
    .await;
    assert_eq!(made, "c");
    ask(first.url(), "SELECT lo_from_bytea(4711, 'kept')::text").await;

    let second = PrivatePostgres::start(&config(dir.path()));
    assert!(matches!(second, Err(Error::InUse(_))), "{second:?}");

    first.stop().expect("stopped");
    let again = PrivatePostgres::start(&config(dir.path())).expect("a server");
    let kept = ask(again.url(), "SELECT convert_from(lo_get(4711), 'UTF8')").await;
    assert_eq!(kept, "kept");
}

#[tokio::test]
async fn a_stale_pid_file_and_a_left_over_server_are_cleared() {
    let dir = reachable_dir();
    let config = config(dir.path());
    PrivatePostgres::start(&config)
        .expect("a server")
        .stop()
        .expect("stopped");
    let pid_file = dir.path().join("pg/cluster/postmaster.pid");
    // Our own number: alive, but not a server in that directory.
    std::fs::write(&pid_file, format!("{}\n", std::process::id())).expect("written");
    let server = PrivatePostgres::start(&config).expect("a server");
    assert_eq!(ask(server.url(), "SELECT 'alive'").await, "alive");
}

#[test]
fn wrong_places_are_named() {
    let dir = reachable_dir();
    let missing = Config {
        bin_dir: Some(dir.path().to_owned()),
        ..config(dir.path())
    };
    let result = PrivatePostgres::start(&missing);
    assert!(
        matches!(result, Err(Error::NoBinaries { .. })),
        "{result:?}"
    );
}
