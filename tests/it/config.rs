//! `aerostream config`, and the reference file that is written from the code.

mod reference;

use std::path::Path;

use aerostream::config::{Config, REFERENCE, Sources};

use crate::support::aerostream::{command, run_to_end};

const FILE: &str = "docs/config-reference.toml";

/// Set by `make config-reference`: write the file in place of comparing it.
const UPDATE: &str = "UPDATE_CONFIG_REFERENCE";

#[test]
fn the_reference_file_is_what_the_code_says() {
    let defaults = serde_json::to_value(Config::default()).expect("settings are plain values");
    let expected = reference::render(&defaults);
    if std::env::var_os(UPDATE).is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        std::fs::write(path, &expected).expect("the reference file can be written");
        return;
    }
    assert!(
        expected == REFERENCE,
        "{FILE} is not up to date: make config-reference"
    );
}

#[test]
fn the_reference_file_sets_every_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let sources = Sources {
        file: Some(path),
        ..Sources::default()
    };
    let config = sources.load().expect("the reference file is valid").config;
    let as_json = |config| serde_json::to_value(config).expect("settings are plain values");
    assert_eq!(as_json(config), as_json(Config::default()));
}

#[test]
fn the_effective_settings_are_printed_with_their_origin() {
    let output = command(&["config", "--set", "observe.log_format=json"])
        .env("AEROSTREAM_SHUTDOWN__GRACE_S", "1min")
        .output()
        .expect("the binary can be started");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for line in [
        "shutdown.grace_s = 60  # environment AEROSTREAM_SHUTDOWN__GRACE_S",
        "observe.log_format = \"json\"  # command line observe.log_format",
        "observe.log_filter = \"info,ractor=warn\"  # default",
    ] {
        assert!(
            printed.lines().any(|one| one == line),
            "{line} is not in:\n{printed}"
        );
    }

    let reference = run_to_end(&["config", "--reference"]);
    assert_eq!(String::from_utf8_lossy(&reference.stdout), REFERENCE);
}

#[test]
fn an_unknown_setting_ends_the_start() {
    let output = run_to_end(&["config", "--set", "shutdown.grase_s=1"]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(complaint.contains("grase_s"), "{complaint}");
    assert!(complaint.contains("command line"), "{complaint}");
}
