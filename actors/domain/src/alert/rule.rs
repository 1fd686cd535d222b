//! A rule: what raises an alert, how bad it is, and what ends it.

use std::time::Duration;

use super::condition::{Compare, Condition, Reads};
use super::field::{Field, Per, group};
use crate::ids::RuleId;

/// Most levels of one rule.
pub const LEVELS_MAX: usize = 4;
/// Longest `for`, `after` and repeat interval.
pub const DURATION_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest title, in bytes.
pub const TITLE_BYTES_MAX: usize = 128;

/// How bad it is: MAV_SEVERITY, where a lower number is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Severity {
    /// Every severity, the worst first.
    pub const ALL: [Self; 8] = [
        Self::Emergency,
        Self::Alert,
        Self::Critical,
        Self::Error,
        Self::Warning,
        Self::Notice,
        Self::Info,
        Self::Debug,
    ];

    /// Its number, 0 (worst) to 7.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The severity of a number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// Stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::Alert => "alert",
            Self::Critical => "critical",
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// When a rule is judged, by what the drone says of itself; what it does not say counts as flying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    Always,
    /// Unless it says that it is disarmed.
    Armed,
    /// Unless it says that it is on the ground.
    Airborne,
}

impl When {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Always, Self::Armed, Self::Airborne];

    /// Stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Armed => "armed",
            Self::Airborne => "airborne",
        }
    }
}

/// One severity of a rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    pub severity: Severity,
    pub raise: Condition,
    /// How long it must hold, by the drone's time.
    pub lasts: Duration,
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// Values of live state. An alert begins at the worst level that holds, only ever gets worse,
    /// and ends when `clear` held for `clear_lasts`.
    Levels {
        /// The mildest first; 1 to [`LEVELS_MAX`].
        levels: Vec<Level>,
        clear: Condition,
        clear_lasts: Duration,
    },
    /// Nothing was heard of the drone for so long, or for three of its usual intervals if that is
    /// longer. It ends when so many samples have come.
    Silence {
        /// (severity, after), the mildest and shortest first; 1 to [`LEVELS_MAX`].
        levels: Vec<(Severity, Duration)>,
        clear_samples: u32,
    },
}

/// A rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub id: RuleId,
    /// For people: what an alert of it says.
    pub title: String,
    pub enabled: bool,
    pub when: When,
    pub trigger: Trigger,
    /// No new alert of the rule and instance within this time of the last one's beginning.
    pub repeat_after: Duration,
}

/// Why a rule is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct RuleError {
    /// Which part, such as `levels[1].raise`.
    pub at: String,
    pub what: String,
}

impl RuleError {
    /// Says what is wrong, and where.
    #[must_use]
    pub fn new(at: &str, what: String) -> Self {
        Self {
            at: at.to_owned(),
            what,
        }
    }
}

impl Rule {
    /// What its conditions look at; of a rule over silence, nothing.
    #[must_use]
    pub fn reads(&self) -> Reads {
        let mut reads = Reads {
            groups: 0,
            per: Per::Drone,
        };
        if self.when != When::Always {
            reads.groups |= group::STATE;
        }
        if let Trigger::Levels { levels, clear, .. } = &self.trigger {
            let conditions = levels.iter().map(|level| &level.raise).chain([clear]);
            for condition in conditions {
                condition.each(&mut |field, _, _| {
                    reads.groups |= field.groups();
                    if field.per() != Per::Drone {
                        reads.per = field.per();
                    }
                });
            }
        }
        reads
    }

    /// Refuses what no drone could be judged by.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn check(&self) -> Result<(), RuleError> {
        let title = self.title.len();
        if title == 0 || title > TITLE_BYTES_MAX {
            let what = format!("must have 1 to {TITLE_BYTES_MAX} bytes; it has {title}");
            return Err(RuleError::new("title", what));
        }
        check_duration("repeat_after", self.repeat_after)?;
        match &self.trigger {
            Trigger::Levels {
                levels,
                clear,
                clear_lasts,
            } => {
                check_count(levels.len())?;
                check_duration("clear_for", *clear_lasts)?;
                clear.check("clear")?;
                if *clear == Condition::Never && self.when == When::Always {
                    let what = "never holds, so the rule must be judged `armed` or `airborne` only";
                    return Err(RuleError::new("clear", what.to_owned()));
                }
                for (index, level) in levels.iter().enumerate() {
                    level.raise.check(&format!("levels[{index}].raise"))?;
                    check_duration(&format!("levels[{index}].for"), level.lasts)?;
                }
                check_worse(levels.iter().map(|level| level.severity))?;
                self.check_parts()?;
                check_contradictions(levels, clear)
            }
            Trigger::Silence {
                levels,
                clear_samples,
            } => {
                check_count(levels.len())?;
                check_worse(levels.iter().map(|(severity, _)| *severity))?;
                check_silence(levels, *clear_samples)
            }
        }
    }

    /// All fields that speak of parts must speak of the same ones.
    fn check_parts(&self) -> Result<(), RuleError> {
        let Trigger::Levels { levels, clear, .. } = &self.trigger else {
            return Ok(());
        };
        let mut parts: Option<(Per, String)> = None;
        let mut wrong = None;
        for condition in levels.iter().map(|level| &level.raise).chain([clear]) {
            condition.each(&mut |field, _, _| match (&parts, field.per()) {
                (_, Per::Drone) => {}
                (None, per) => parts = Some((per, field.name())),
                (Some((known, _)), per) if *known == per => {}
                (Some((_, first)), _) => {
                    wrong.get_or_insert_with(|| {
                        format!(
                            "{first} and {} speak of different parts; a rule speaks of one",
                            field.name()
                        )
                    });
                }
            });
        }
        wrong.map_or(Ok(()), |what| Err(RuleError::new("levels", what)))
    }
}

fn check_count(levels: usize) -> Result<(), RuleError> {
    if (1..=LEVELS_MAX).contains(&levels) {
        return Ok(());
    }
    let what = format!("must be 1 to {LEVELS_MAX}; there are {levels}");
    Err(RuleError::new("levels", what))
}

fn check_duration(at: &str, duration: Duration) -> Result<(), RuleError> {
    if duration <= DURATION_MAX {
        return Ok(());
    }
    let (found, most) = (duration.as_secs_f64(), DURATION_MAX.as_secs());
    Err(RuleError::new(
        at,
        format!("is {found} s; at most {most} s are allowed"),
    ))
}

fn check_worse(severities: impl Iterator<Item = Severity>) -> Result<(), RuleError> {
    let mut before: Option<Severity> = None;
    for (index, severity) in severities.enumerate() {
        if let Some(before) = before.filter(|before| *before <= severity) {
            let what = format!(
                "is {}, which is not worse than {} of the level before it; \
                 levels go from the mildest to the worst",
                severity.as_str(),
                before.as_str()
            );
            return Err(RuleError::new(&format!("levels[{index}].severity"), what));
        }
        before = Some(severity);
    }
    Ok(())
}

fn check_silence(levels: &[(Severity, Duration)], clear_samples: u32) -> Result<(), RuleError> {
    let mut before = Duration::from_millis(499);
    for (index, (_, after)) in levels.iter().enumerate() {
        let at = format!("levels[{index}].after");
        check_duration(&at, *after)?;
        if *after <= before {
            let what = "must be at least 0.5 s and longer than that of the level before it";
            return Err(RuleError::new(&at, what.to_owned()));
        }
        before = *after;
    }
    if (1..=1000).contains(&clear_samples) {
        return Ok(());
    }
    let what = format!("must be 1 to 1000; it is {clear_samples}");
    Err(RuleError::new("clear_samples", what))
}

/// A level whose raising limit lies within the clearing one would raise and clear by turns: told
/// where both are plain comparisons of one field in opposite directions.
fn check_contradictions(levels: &[Level], clear: &Condition) -> Result<(), RuleError> {
    let Condition::Compare {
        field: clear_field,
        compare: clear_compare,
        limit: clear_limit,
    } = clear
    else {
        return Ok(());
    };
    for (index, level) in levels.iter().enumerate() {
        let Condition::Compare {
            field,
            compare,
            limit,
        } = &level.raise
        else {
            continue;
        };
        if field == clear_field && overlap((*compare, *limit), (*clear_compare, *clear_limit)) {
            let what = format!(
                "{} {} {limit} raises while clear ({} {clear_limit}) holds too; \
                 the clearing limit must lie beyond the raising one",
                Field::name(field),
                compare.as_str(),
                clear_compare.as_str(),
            );
            return Err(RuleError::new(&format!("levels[{index}].raise"), what));
        }
    }
    Ok(())
}

/// True if some value satisfies both.
fn overlap((one, a): (Compare, f64), (two, b): (Compare, f64)) -> bool {
    use Compare::{Above, AtLeast, AtMost, Below, Is, IsNot};
    match (one, two) {
        (Below | AtMost, Below | AtMost) | (Above | AtLeast, Above | AtLeast) => true,
        (AtMost, AtLeast) => b <= a,
        (AtLeast, AtMost) => a <= b,
        (Below | AtMost, Above | AtLeast) => b < a,
        (Above | AtLeast, Below | AtMost) => a < b,
        (Is, Is) => a == b,
        (IsNot, IsNot) => true,
        (Is, IsNot) | (IsNot, Is) => a != b,
        (Is, other) => other.holds(a, b),
        (other, Is) => other.holds(b, a),
        (IsNot, _) | (_, IsNot) => true,
    }
}
