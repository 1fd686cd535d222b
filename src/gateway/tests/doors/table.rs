//! Tables of rows `door | what is sent | answers`, one a line.

use std::collections::BTreeSet;

/// One row.
#[derive(Debug)]
pub struct Row {
    pub door: &'static str,
    /// What is sent, in the table's own columns.
    pub sent: Vec<&'static str>,
    /// What every caller is to be told, in the callers' order.
    pub answers: Vec<&'static str>,
}

/// Reads a table. A cell `a/b` is the answer to the caller of the own fleet, then to that of the
/// foreign one; a cell alone is for both.
pub fn rows(text: &'static str) -> Vec<Row> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(row).collect()
}

fn row(line: &'static str) -> Row {
    let columns: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let [door, sent @ .., answers] = columns.as_slice() else {
        panic!("a row needs ` | ` between its columns: {line}");
    };
    let cells: Vec<&str> = answers.split_whitespace().collect();
    assert_eq!(cells.len(), 7, "five roles, admin of all, nobody: {line}");
    let (pairs, single) = cells.split_at(5);
    let pairs = pairs.iter().flat_map(|cell| {
        let (own, foreign) = cell.split_once('/').unwrap_or((cell, cell));
        [own, foreign]
    });
    Row {
        door,
        sent: sent.to_vec(),
        answers: pairs.chain(single.iter().copied()).collect(),
    }
}

/// Fails for every door without a row and every row without a door.
pub fn assert_complete(doors: impl IntoIterator<Item = String>, rows: &[Row], file: &str) {
    let doors: BTreeSet<String> = doors.into_iter().collect();
    let told: BTreeSet<String> = rows.iter().map(|row| row.door.to_owned()).collect();
    let missing: Vec<_> = doors.difference(&told).collect();
    assert!(
        missing.is_empty(),
        "doors without a row in {file}: {missing:?}"
    );
    let gone: Vec<_> = told.difference(&doors).collect();
    assert!(gone.is_empty(), "rows without a door in {file}: {gone:?}");
}

/// Collects what is not as it is told, so that one run shows all of it.
#[derive(Default)]
pub struct Findings(Vec<String>);

impl Findings {
    pub fn compare(&mut self, row: &Row, got: &[(&'static str, String)]) {
        for ((caller, got), expected) in got.iter().zip(&row.answers) {
            if got != expected {
                let sent = row.sent.join(" ");
                let door = row.door;
                self.0
                    .push(format!("{door} [{sent}] {caller}: {got}, not {expected}"));
            }
        }
    }

    pub fn assert_none(self) {
        assert!(self.0.is_empty(), "\n{}", self.0.join("\n"));
    }
}
