//! `aerostream verify`: proves from a manifest that every acknowledged sample is stored exactly
//! once with the same content, and that alerts and commands are what their changes made them.
//!
//! A manifest is a text file: the line `# aerostream-manifest v1`, then one line
//! `drone boot seq hash` per acknowledged sample, in any order; boot and hash are 16 hexadecimal
//! digits, seq is decimal.

use std::fmt;
use std::io::BufRead;

use aerostream_domain::{BootId, DroneId, Seq};
use sqlx::PgPool;

use crate::store::StoreError;
use crate::store::verify::{Acknowledged, Finding, Identity, Ledgers, Manifest, ledgers};

/// First line of a manifest.
pub const HEADER: &str = "# aerostream-manifest v1";
/// Examples kept of each kind of finding.
pub const EXAMPLES_MAX: usize = 20;
/// Manifest lines that are handed to Postgres at once.
const LINES_MAX: usize = 50_000;
/// Bytes of one line, at most: an id, three numbers and three spaces.
const LINE_BYTES_MAX: usize = 128;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("could not read the manifest")]
    Read(#[source] std::io::Error),
    #[error("line {line} of the manifest is wrong: {detail}")]
    Line { line: u64, detail: String },
    #[error("could not compare the manifest with the database")]
    Store(#[from] StoreError),
}

/// How many, and the first of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    pub count: u64,
    /// At most [`EXAMPLES_MAX`].
    pub examples: Vec<Identity>,
}

/// What the comparison found; counts are of identities (drone, boot, seq), whatever the time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Stored once, as acknowledged.
    pub right: u64,
    /// Acknowledged and not stored.
    pub lost: Tally,
    /// Stored at more than one time.
    pub doubled: Tally,
    /// Stored with other content.
    pub changed: Tally,
    /// Stored and not in the manifest: its acknowledgement was lost, or is in another manifest.
    pub unacknowledged: Tally,
    /// Alerts and commands, of every drone.
    pub ledgers: Ledgers,
}

impl Report {
    /// True if nothing is lost, doubled or changed, and nothing contradicts itself.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lost.count == 0
            && self.doubled.count == 0
            && self.changed.count == 0
            && self.ledgers.contradictions.is_empty()
    }

    fn add(&mut self, identity: &Identity, finding: Finding) {
        let tally = match finding {
            Finding::Right => {
                self.right += 1;
                return;
            }
            Finding::Lost => &mut self.lost,
            Finding::Doubled => &mut self.doubled,
            Finding::Changed => &mut self.changed,
            Finding::Unacknowledged => &mut self.unacknowledged,
        };
        tally.count += 1;
        if tally.examples.len() < EXAMPLES_MAX {
            tally.examples.push(identity.clone());
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<16} {}", "right", self.right)?;
        for (name, tally) in [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("changed", &self.changed),
            ("unacknowledged", &self.unacknowledged),
        ] {
            writeln!(f, "{name:<16} {}", tally.count)?;
            for Identity { drone, boot, seq } in &tally.examples {
                writeln!(f, "    {drone} {:016x} {seq}", boot.0)?;
            }
        }
        writeln!(f, "{:<16} {}", "alerts", self.ledgers.alerts)?;
        writeln!(f, "{:<16} {}", "commands", self.ledgers.commands)?;
        let wrong = &self.ledgers.contradictions;
        let count: u64 = wrong.iter().map(|wrong| wrong.count).sum();
        writeln!(f, "{:<16} {count}", "contradictions")?;
        for wrong in wrong {
            writeln!(f, "    {}: {}", wrong.what, wrong.count)?;
            for id in &wrong.examples {
                writeln!(f, "        {id}")?;
            }
        }
        Ok(())
    }
}

/// Compares a manifest with everything stored.
///
/// # Errors
/// If the manifest is malformed or unreadable, or the database out of reach.
pub async fn verify(pool: &PgPool, mut manifest: impl BufRead) -> Result<Report, VerifyError> {
    let mut table = Manifest::create(pool).await?;
    let mut line = String::new();
    let mut number = 0;
    let mut samples = Vec::with_capacity(LINES_MAX);
    while read_line(&mut manifest, &mut line, number)? {
        number += 1;
        if number == 1 {
            if line.trim_end() != HEADER {
                let detail = format!("the first line is not `{HEADER}`");
                return Err(VerifyError::Line { line: 1, detail });
            }
            continue;
        }
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        samples.push(parse(&line).map_err(|detail| VerifyError::Line {
            line: number,
            detail,
        })?);
        if samples.len() == LINES_MAX {
            table.add(&samples).await?;
            samples.clear();
        }
    }
    if number == 0 {
        let detail = "there is no line".to_owned();
        return Err(VerifyError::Line { line: 1, detail });
    }
    table.add(&samples).await?;
    let mut report = Report {
        ledgers: ledgers(pool, EXAMPLES_MAX).await?,
        ..Report::default()
    };
    table
        .compare(pool, |identity, finding| report.add(identity, finding))
        .await?;
    Ok(report)
}

fn read_line(
    manifest: &mut impl BufRead,
    line: &mut String,
    number: u64,
) -> Result<bool, VerifyError> {
    line.clear();
    let mut limited = std::io::Read::take(&mut *manifest, LINE_BYTES_MAX as u64);
    let read = limited.read_line(line).map_err(VerifyError::Read)?;
    if read == LINE_BYTES_MAX && !line.ends_with('\n') {
        return Err(VerifyError::Line {
            line: number + 1,
            detail: format!("it is longer than {LINE_BYTES_MAX} bytes"),
        });
    }
    Ok(read > 0)
}

fn parse(line: &str) -> Result<Acknowledged, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [drone, boot, seq, hash] = words[..] else {
        return Err(format!("it has {} words, not 4", words.len()));
    };
    let hexadecimal = |text: &str| match text.len() {
        16 => u64::from_str_radix(text, 16).map_err(|error| format!("{text}: {error}")),
        _ => Err(format!("{text} does not have 16 digits")),
    };
    let seq: i64 = seq.parse().map_err(|error| format!("{seq}: {error}"))?;
    Ok(Acknowledged {
        identity: Identity {
            drone: DroneId::parse(drone).map_err(|error| error.to_string())?,
            boot: BootId(hexadecimal(boot)?),
            seq: Seq(u64::try_from(seq).map_err(|error| format!("{seq}: {error}"))?),
        },
        hash: hexadecimal(hash)?,
    })
}
