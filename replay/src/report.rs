//! What a replay came to, kind by kind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::survey::Survey;

/// Refusals of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refused {
    pub count: u64,
    /// What the first was told.
    pub detail: String,
}

/// What became of the messages of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kind {
    /// Made into samples.
    pub sent: u64,
    pub acknowledged: u64,
    /// By code.
    pub refused: BTreeMap<String, Refused>,
}

impl Kind {
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.values().map(|refused| refused.count).sum()
    }
}

/// What a replay came to.
#[derive(Debug, Clone)]
pub struct Report {
    pub survey: Survey,
    pub drones: Vec<String>,
    pub kinds: BTreeMap<Arc<str>, Kind>,
    /// Acknowledged samples that the server had before.
    pub repeated: u64,
    /// Messages that no sample can hold, by kind.
    pub left_out: BTreeMap<Arc<str>, Refused>,
    /// Batches that were sent again.
    pub retried: u64,
    pub shift_us: i64,
    pub took: Duration,
    pub manifest_lines: Option<u64>,
    /// Why the replay ended before its time.
    pub broke_off: Option<String>,
}

impl Report {
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.kinds.values().map(|kind| kind.sent).sum()
    }

    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.kinds.values().map(|kind| kind.acknowledged).sum()
    }

    #[must_use]
    pub fn refused(&self) -> u64 {
        self.kinds.values().map(Kind::refused).sum()
    }

    /// True if the recording was sound and every message of it was acknowledged.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.survey.damage.is_none()
            && self.left_out.is_empty()
            && self.broke_off.is_none()
            && self.acknowledged() == self.survey.messages
    }

    /// Seconds flown per second.
    #[must_use]
    pub fn speed(&self) -> f64 {
        let flown = self.survey.duration_us() as f64 / 1e6;
        flown / self.took.as_secs_f64().max(1e-9)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        let flown = self.survey.duration_us() as f64 / 1e6;
        writeln!(
            f,
            "replayed {flown:.1} s of flight in {seconds:.1} s ({:.1} x real time), times moved by \
             {:.3} s",
            self.speed(),
            self.shift_us as f64 / 1e6
        )?;
        writeln!(f, "drones: {}", self.drones.join(" "))?;
        let head = ("kind", "sent", "acknowledged", "refused");
        writeln!(
            f,
            "  {:<40} {:>8} {:>13} {:>8}",
            head.0, head.1, head.2, head.3
        )?;
        for (name, kind) in &self.kinds {
            let (sent, acknowledged, refused) = (kind.sent, kind.acknowledged, kind.refused());
            writeln!(f, "  {name:<40} {sent:>8} {acknowledged:>13} {refused:>8}")?;
            for (code, refused) in &kind.refused {
                writeln!(f, "    {code} {}: {}", refused.count, refused.detail)?;
            }
        }
        let (sent, acknowledged) = (self.sent(), self.acknowledged());
        let refused = self.refused();
        writeln!(
            f,
            "  {:<40} {sent:>8} {acknowledged:>13} {refused:>8}",
            "all"
        )?;
        for (name, left_out) in &self.left_out {
            let Refused { count, detail } = left_out;
            writeln!(f, "  left out: {count} of {name}: {detail}")?;
        }
        for (count, what) in [
            (self.repeated, "were there already"),
            (self.retried, "batches were sent again"),
            (self.survey.unknown, "unknown messages were kept as bytes"),
            (
                self.survey.withheld,
                "messages with a secret key were not sent",
            ),
        ] {
            if count > 0 {
                writeln!(f, "  {count} {what}")?;
            }
        }
        self.survey.damage.fmt(f)?;
        if let Some(lines) = self.manifest_lines {
            writeln!(f, "  manifest lines {lines}")?;
        }
        if let Some(reason) = &self.broke_off {
            writeln!(f, "  broke off: {reason}")?;
        }
        match self.is_complete() {
            true => write!(f, "complete"),
            false => write!(f, "NOT complete"),
        }
    }
}
