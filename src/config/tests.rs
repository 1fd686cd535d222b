//! Layers, origins and complaints.

use super::*;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn file(text: &str) -> (tempfile::TempDir, Option<PathBuf>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("aerostream.toml");
    std::fs::write(&path, text).unwrap();
    (directory, Some(path))
}

#[test]
fn later_layers_win_and_every_value_knows_its_origin() {
    let (_directory, file) = file("[shutdown]\ngrace_s = 10\n[observe]\nlog_filter = \"debug\"\n");
    let path = file.clone().unwrap();
    let sources = Sources {
        file,
        variables: pairs(&[
            ("AEROSTREAM_SHUTDOWN__GRACE_S", "1min"),
            ("AEROSTREAM_CONFIG", "elsewhere.toml"),
            ("PATH", "/bin"),
        ]),
        overrides: pairs(&[("observe.log_format", "json")]),
    };
    let loaded = sources.load().unwrap();
    assert_eq!(loaded.config.shutdown.grace_s, 60);
    assert_eq!(loaded.config.observe.log_filter, "debug");
    assert_eq!(loaded.config.observe.log_format, observe::LogFormat::Json);
    let effective = loaded.effective();
    for line in [
        "shutdown.grace_s = 60  # environment AEROSTREAM_SHUTDOWN__GRACE_S".to_owned(),
        format!("observe.log_filter = \"debug\"  # file {}", path.display()),
        "observe.log_format = \"json\"  # command line observe.log_format".to_owned(),
    ] {
        assert!(
            effective.lines().any(|one| one == line),
            "{line} is not in:\n{effective}"
        );
    }
    toml::from_str::<toml::Table>(&effective).unwrap();
    let defaults = Sources::default().load().unwrap().effective();
    assert!(
        defaults.lines().all(|line| line.ends_with("  # default")),
        "{defaults}"
    );
}

#[track_caller]
fn check_complaint(sources: &Sources, parts: &[&str]) {
    let complaint = sources.load().unwrap_err().to_string();
    for part in parts {
        assert!(complaint.contains(part), "{part:?} is not in: {complaint}");
    }
}

#[test]
fn a_complaint_names_key_and_source() {
    let (_directory, file) = file("[shutdown]\ngrace = 10\n");
    let in_file = Sources {
        file,
        ..Sources::default()
    };
    check_complaint(
        &in_file,
        &["shutdown", "`grace`", "`grace_s`", "aerostream.toml"],
    );

    let variable = |name: &str, value: &str| Sources {
        variables: pairs(&[(name, value)]),
        ..Sources::default()
    };
    check_complaint(
        &variable("AEROSTREAM_SHUTDOWN__GRAZE_S", "10"),
        &[
            "shutdown",
            "graze_s",
            "environment AEROSTREAM_SHUTDOWN__GRAZE_S",
        ],
    );
    check_complaint(
        &variable("AEROSTREAM_SHUTDOWN__GRACE_S", "250ms"),
        &[
            "shutdown.grace_s",
            "whole number of s",
            "AEROSTREAM_SHUTDOWN__GRACE_S",
        ],
    );
    check_complaint(
        &variable("AEROSTREAM_OBSERVE__LOG_FORMAT", "xml"),
        &["observe.log_format", "xml", "text", "json"],
    );
    let flag = Sources {
        overrides: pairs(&[("nothing.here", "1")]),
        ..Sources::default()
    };
    check_complaint(&flag, &["nothing", "command line nothing.here"]);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = Sources {
        file: Some(PathBuf::from("not-there.toml")),
        ..Sources::default()
    };
    check_complaint(&missing, &["not-there.toml"]);
    let (_directory, file) = file("= 5");
    let broken = Sources {
        file,
        ..Sources::default()
    };
    check_complaint(&broken, &["aerostream.toml", "line 1"]);
}

#[test]
fn secrets_are_not_shown() {
    let text = |name, value| shown(name, &Value::from(value));
    assert_eq!(
        text("sasl_password", "x").as_deref(),
        Some("\"(not shown)\"")
    );
    assert_eq!(
        text("url", "postgres://me:x@host/db").as_deref(),
        Some("\"postgres://me:***@host/db\"")
    );
    assert_eq!(
        text("url", "http://host:80").as_deref(),
        Some("\"http://host:80\"")
    );
}
