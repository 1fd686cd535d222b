//! The REST door keeps what its OpenAPI document promises: schemathesis reads the document from a
//! real gateway and sends what it allows and what it forbids.

use std::process::Command;

use crate::support::{Servers, System, directory};

/// Longest run of one role, in seconds.
const TIME_S: u32 = 25;
/// Generated cases per call and phase.
const CASES: u32 = 12;

#[tokio::test]
async fn the_door_keeps_what_its_document_promises() {
    let servers = Servers::shared().await;
    let system = System::embedded(&servers).await;
    let _up = system.start().await;
    let seed = seed();
    println!("schemathesis --seed {seed}; set SCHEMATHESIS_SEED={seed} to run it again");
    // An administrator may ask all; a relay sends samples.
    for (calls, role) in [("telemetry", "relay"), ("other", "admin")] {
        let said = run(&system, calls, role, seed).await;
        println!("{said}");
        // A warning may say "generated" as well.
        let cases = said.lines().find_map(|line| {
            let (cases, _) = line.trim().split_once(" generated")?;
            cases.parse::<u32>().ok()
        });
        assert!(
            cases.is_some_and(|cases| cases > 50),
            "{calls} as {role}, seed {seed}: hardly anything was tested\n{said}"
        );
    }
}

/// Runs schemathesis over the calls that send samples, or over all others.
async fn run(system: &System, calls: &str, role: &str, seed: u32) -> String {
    let root = env!("CARGO_MANIFEST_DIR");
    let home = directory("schemathesis");
    let mut command = Command::new(format!("{root}/scripts/python.sh"));
    command
        .args(["run", "-m", "schemathesis.cli"])
        .args([
            "--config-file",
            &format!("{root}/tests/it/openapi/schemathesis.toml"),
        ])
        .args(["run", &system.url("/api/v1/openapi.json")])
        .args(["--seed", &seed.to_string()])
        .args(["--max-examples", &CASES.to_string()])
        .args(["--max-time", &TIME_S.to_string()])
        .args(["--no-color"])
        .env("TOKEN", system.token(role))
        .env("NO_PROXY", "127.0.0.1")
        .current_dir(&home);
    match calls {
        "telemetry" => command.args(["--include-tag", "telemetry"]),
        _ => command.args(["--exclude-tag", "telemetry"]),
    };
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("a task that does not panic");
    let output = output.expect("scripts/python.sh can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{calls} as {role}, seed {seed}:\n{said}\n{wrong}"
    );
    said
}

/// Another one each time, unless one is asked for.
fn seed() -> u32 {
    let asked = std::env::var("SCHEMATHESIS_SEED").ok();
    asked.map_or_else(rand::random, |text| {
        text.parse().expect("a seed is a number")
    })
}
