//! Recorded flights through the whole path: what PostgreSQL holds is what independent readers read
//! in the files, message by message and value by value.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::support::aerostream::command;
use crate::support::{Servers, System, ask, client, connect, directory, wait_until};

const SOON: Duration = Duration::from_secs(60);
const TLOG: &str = "tests/flights/ardusub-2024-04-22.tlog";
const ULOG: &str = "tests/flights/px4-sitl-events.ulg";

/// A row as the readers want it: what is null is left out.
const ROWS: &str = "
    SELECT (jsonb_strip_nulls(to_jsonb(t) - ARRAY['drone_ref', 'boot', 'basis', 'ts', 'raw'])
        || jsonb_build_object('drone', d.drone_id,
            'ts_us', (extract(epoch FROM t.ts) * 1000000)::bigint))::text
    FROM telemetry t JOIN drone d USING (drone_ref) WHERE d.drone_id LIKE $1";

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

async fn replay(system: &System, arguments: &[&str], path: &Path) -> Output {
    let mut command = command(&["replay", "--quiet", "--endpoint", &system.grpc_url()]);
    command.args(arguments).arg(path);
    command.env("AEROSTREAM_TOKEN", system.token("relay"));
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("a task that does not panic");
    output.expect("the binary can be started")
}

fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Waits for as many rows and writes them down.
async fn write_down(connection: &mut PgConnection, drones: &str, count: usize) -> PathBuf {
    let mut rows: Vec<String> = Vec::new();
    wait_until(SOON, "all rows of the recording", async || {
        let found = sqlx::query_scalar(ROWS).bind(drones);
        rows = found.fetch_all(&mut *connection).await.expect("rows");
        rows.len() >= count
    })
    .await;
    assert_eq!(rows.len(), count, "rows of {drones}");
    let path = directory("replay").join("rows.jsonl");
    std::fs::write(&path, rows.join("\n")).expect("a file of rows");
    path
}

/// Whether a reader finds the rows to be what the recording says, and its words.
async fn compare(reader: &str, recording: &str, rows: &Path) -> (bool, String) {
    let mut python = Command::new(file("scripts/python.sh"));
    python.arg("run").arg(file("tests/readers").join(reader));
    python.arg(file(recording)).arg(rows);
    // The source tree stays as it is.
    python.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::task::spawn_blocking(move || python.output());
    let output = output.await.expect("a task that does not panic");
    let output = output.expect("scripts/python.sh can be started");
    (output.status.success(), said(&output))
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_what_independent_readers_read_in_both_recordings() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    let mut up = system.start().await;
    let mut connection = connect(&database).await;
    let cases = [
        ("sub", TLOG, "tlog.py", "VFR_HUD"),
        ("px4", ULOG, "ulog.py", "cpuload"),
    ];
    for (name, recording, reader, kind) in cases {
        let arguments = ["--speed", "max", "--drone", name];
        let report = replay(&system, &arguments, &file(recording)).await;
        let text = said(&report);
        assert!(report.status.success(), "{text}");
        println!("{text}");
        let count = text.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            (words.next() == Some("all")).then(|| words.next()?.parse().ok())?
        });
        let count: usize = count.expect("a line of sums");
        let drones = format!("{name}%");
        let rows = write_down(&mut connection, &drones, count).await;
        let (same, words) = compare(reader, recording, &rows).await;
        println!("{words}");
        assert!(same, "{words}");

        // A value too many is found, and one that is missing.
        for extras in [json!({"planted": 1}), json!({})] {
            let planted = plant(&rows, kind, &extras);
            let (same, words) = compare(reader, recording, &planted).await;
            assert!(!same, "{words}");
            assert!(words.contains(&format!("WRONG {kind}")), "{words}");
        }
    }
    // The one that has positions, as a track.
    let path = "/api/v1/drones/px4/telemetry?format=geojson";
    let request = client().get(system.url(path));
    let track = ask(request.bearer_auth(system.token("viewer"))).await;
    let points = points(&track.json);
    println!("track: {points} points");
    assert!((100..=109).contains(&points), "{}", track.json);
    assert!(up.drain().success(), "{}", up.output());
}

fn points(track: &Value) -> usize {
    let features = track["features"].as_array().expect("a collection");
    let lines = features
        .iter()
        .filter_map(|leg| leg["geometry"]["coordinates"].as_array());
    lines.map(Vec::len).sum()
}

/// The rows, one of them with other extras.
fn plant(rows: &Path, kind: &str, extras: &Value) -> PathBuf {
    let text = std::fs::read_to_string(rows).expect("rows");
    let rows = text.lines().map(serde_json::from_str);
    let mut rows: Vec<Value> = rows.collect::<Result<_, _>>().expect("rows");
    let changed = rows.iter_mut().find(|row| row["kind"] == kind);
    changed.expect("a row of the kind")["rest"]["extras"] = extras.clone();
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    let path = directory("replay").join("planted.jsonl");
    std::fs::write(&path, lines.join("\n")).expect("a file of rows");
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_ends_early_is_sent_up_to_there_and_says_where() {
    let servers = Servers::shared().await;
    let system = System::embedded(&servers).await;
    let mut up = system.start().await;
    for (recording, name) in [(TLOG, "cut.tlog"), (ULOG, "cut.ulg")] {
        let whole = std::fs::read(file(recording)).expect("a recording");
        let cut = directory("replay").join(name);
        std::fs::write(&cut, &whole[..200_001]).expect("a file");
        let report = replay(&system, &["--speed", "max"], &cut).await;
        let text = said(&report);
        assert_eq!(report.status.code(), Some(1), "{text}");
        assert!(text.contains("ends inside a message"), "{text}");
        assert!(text.contains("at byte "), "{text}");
        assert!(text.contains("NOT complete"), "{text}");
    }
    let words = directory("replay").join("words.tlog");
    std::fs::write(&words, "no recording at all").expect("a file");
    let report = replay(&system, &[], &words).await;
    assert!(said(&report).contains("is neither"), "{}", said(&report));
    assert!(up.drain().success(), "{}", up.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_times_are_kept_and_replaying_them_again_doubles_nothing() {
    let servers = Servers::shared().await;
    let database = servers.postgres().await.database().await;
    let system = System::embedded(&servers).await.database(&database);
    // The recording is years old.
    let system = system
        .set("ACTORS__RETENTION_DAYS", 2_000)
        .set("WORKER__RETENTION_DAYS", 2_000);
    let mut up = system.start().await;
    let first = replay(&system, &["--keep-time"], &file(ULOG)).await;
    assert!(first.status.success(), "{}", said(&first));
    let again = replay(&system, &["--keep-time"], &file(ULOG)).await;
    let text = said(&again);
    assert!(again.status.success(), "{text}");
    assert!(text.contains("were there already"), "{text}");
    assert!(text.contains("times moved by 0.000 s"), "{text}");
    assert!(up.drain().success(), "{}", up.output());
}
