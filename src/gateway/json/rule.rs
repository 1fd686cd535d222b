//! A rule as people write and read it: one shape for REST and GraphQL.
//!
//! What is read is checked as a whole, and what is wrong is told by its path.

pub mod condition;

mod field;

use std::time::Duration;

use aerostream_domain::RuleId;
use aerostream_domain::alert::{Judged, Level, Rule, RuleError, Severity, Trigger, When};
use async_graphql::{Enum, InputObject, SimpleObject};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::condition::ConditionShape;
use super::enums::Long;
use crate::error::{ErrorCode, Problem};
use crate::registry::Origin;

pub use field::{FieldShape, fields};

/// How bad an alert is, the worst first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, Enum,
)]
#[serde(rename_all = "snake_case")]
#[schema(as = Severity)]
#[graphql(name = "Severity")]
pub enum SeverityName {
    Emergency,
    Alert,
    Critical,
    Error,
    Warning,
    Notice,
    Info,
    Debug,
}

impl From<SeverityName> for Severity {
    fn from(name: SeverityName) -> Self {
        Self::ALL[name as usize]
    }
}

impl From<Severity> for SeverityName {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Emergency => Self::Emergency,
            Severity::Alert => Self::Alert,
            Severity::Critical => Self::Critical,
            Severity::Error => Self::Error,
            Severity::Warning => Self::Warning,
            Severity::Notice => Self::Notice,
            Severity::Info => Self::Info,
            Severity::Debug => Self::Debug,
        }
    }
}

/// When a rule is judged, by what the drone says of itself; what it does not say counts as flying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Enum)]
#[serde(rename_all = "snake_case")]
#[schema(as = RuleWhen)]
#[graphql(name = "RuleWhen")]
pub enum WhenName {
    #[default]
    Always,
    Armed,
    Airborne,
}

impl From<WhenName> for When {
    fn from(name: WhenName) -> Self {
        match name {
            WhenName::Always => Self::Always,
            WhenName::Armed => Self::Armed,
            WhenName::Airborne => Self::Airborne,
        }
    }
}

impl From<When> for WhenName {
    fn from(when: When) -> Self {
        match when {
            When::Always => Self::Always,
            When::Armed => Self::Armed,
            When::Airborne => Self::Airborne,
        }
    }
}

/// Whose a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, Enum)]
#[serde(rename_all = "snake_case")]
#[schema(as = RuleOrigin)]
#[graphql(name = "RuleOrigin")]
pub enum OriginName {
    BuiltIn,
    Fleet,
    Drone,
}

impl From<Origin> for OriginName {
    fn from(origin: Origin) -> Self {
        match origin {
            Origin::BuiltIn => Self::BuiltIn,
            Origin::Fleet => Self::Fleet,
            Origin::Drone => Self::Drone,
        }
    }
}

/// A rule: either `levels` with `clear`, or `silence`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, SimpleObject, InputObject)]
#[serde(deny_unknown_fields)]
#[schema(as = Rule)]
#[graphql(name = "Rule", input_name = "RuleInput")]
pub struct RuleShape {
    /// Id within its fleet or drone; that of a built-in rule stands in its place.
    #[serde(default)]
    #[graphql(default)]
    pub rule_id: String,
    /// What an alert of it says to people, 1 to 128 bytes.
    pub title: String,
    /// False switches the rule off, and with it the one below it of the same id.
    #[serde(default = "yes")]
    #[graphql(default = true)]
    pub enabled: bool,
    /// `always` unless set.
    #[serde(default)]
    #[graphql(default)]
    pub when: WhenName,
    /// 1 to 4 levels, the mildest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub levels: Option<Vec<LevelShape>>,
    /// What ends the alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear: Option<ConditionShape>,
    /// Seconds that `clear` must hold; 0 unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clear_for_s: Option<f64>,
    /// In place of `levels`: the drone says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silence: Option<SilenceShape>,
    /// No new alert of the rule within so many seconds of the last one's beginning.
    #[serde(default)]
    #[graphql(default)]
    pub repeat_after_s: f64,
    /// Grows with every change; null of a built-in rule. Sent with a change, it must be the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub version: Option<Long>,
    /// Whose it is; told, and passed over when it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[graphql(skip_input)]
    pub origin: Option<OriginName>,
}

/// One level of a rule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, SimpleObject, InputObject)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleLevel)]
#[graphql(name = "RuleLevel", input_name = "RuleLevelInput")]
pub struct LevelShape {
    pub severity: SeverityName,
    pub raise: ConditionShape,
    /// Seconds that `raise` must hold, by the drone's clock.
    #[serde(default)]
    #[graphql(default)]
    pub for_s: f64,
}

/// Nothing is heard of the drone.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, SimpleObject, InputObject)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleSilence)]
#[graphql(name = "RuleSilence", input_name = "RuleSilenceInput")]
pub struct SilenceShape {
    /// 1 to 4 levels, the mildest and shortest first.
    pub levels: Vec<SilenceLevelShape>,
    /// So many samples end the alert, 1 to 1000.
    pub clear_samples: u32,
}

/// One level of silence.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, SimpleObject, InputObject)]
#[serde(deny_unknown_fields)]
#[schema(as = RuleSilenceLevel)]
#[graphql(name = "RuleSilenceLevel", input_name = "RuleSilenceLevelInput")]
pub struct SilenceLevelShape {
    pub severity: SeverityName,
    /// Seconds of silence; three usual intervals of the drone if that is longer.
    pub after_s: f64,
}

const fn yes() -> bool {
    true
}

fn wrong(at: &str, what: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Invalid, what.into()).at(at.to_owned())
}

/// Seconds to the microsecond.
fn duration(at: &str, seconds: f64) -> Result<Duration, Problem> {
    let micros = seconds * 1e6;
    if (0.0..=9e15).contains(&micros) {
        return Ok(Duration::from_micros(micros.round() as u64));
    }
    Err(wrong(at, format!("must be 0 s or more; it is {seconds}")))
}

impl RuleShape {
    /// A rule as it is told.
    #[must_use]
    pub fn told(judged: &Judged, origin: Origin) -> Self {
        let rule = &judged.rule;
        let mut shape = Self {
            rule_id: rule.id.to_string(),
            title: rule.title.clone(),
            enabled: rule.enabled,
            when: rule.when.into(),
            levels: None,
            clear: None,
            clear_for_s: None,
            silence: None,
            repeat_after_s: rule.repeat_after.as_secs_f64(),
            version: judged.version.map(|version| Long(version.0 as i64)),
            origin: Some(origin.into()),
        };
        match &rule.trigger {
            Trigger::Levels {
                levels,
                clear,
                clear_lasts,
            } => {
                let levels = levels.iter().map(|level| LevelShape {
                    severity: level.severity.into(),
                    raise: ConditionShape::told(&level.raise),
                    for_s: level.lasts.as_secs_f64(),
                });
                shape.levels = Some(levels.collect());
                shape.clear = Some(ConditionShape::told(clear));
                shape.clear_for_s = Some(clear_lasts.as_secs_f64());
            }
            Trigger::Silence {
                levels,
                clear_samples,
            } => {
                let levels = levels.iter().map(|(severity, after)| SilenceLevelShape {
                    severity: (*severity).into(),
                    after_s: after.as_secs_f64(),
                });
                shape.silence = Some(SilenceShape {
                    levels: levels.collect(),
                    clear_samples: *clear_samples,
                });
            }
        }
        shape
    }

    /// The rule that it says.
    ///
    /// # Errors
    /// No drone could be judged by it; the problem names the part that is wrong.
    pub fn into_rule(self) -> Result<Rule, Problem> {
        let id =
            RuleId::parse(&self.rule_id).map_err(|error| wrong("rule_id", error.to_string()))?;
        let is_silence = self.silence.is_some();
        let repeat_after = duration("repeat_after_s", self.repeat_after_s)?;
        let rule = Rule {
            id,
            title: self.title.clone(),
            enabled: self.enabled,
            when: self.when.into(),
            trigger: self.trigger()?,
            repeat_after,
        };
        rule.check().map_err(|error| told(error, is_silence))?;
        Ok(rule)
    }

    fn trigger(self) -> Result<Trigger, Problem> {
        match (self.levels, self.clear, self.silence) {
            (Some(levels), Some(clear), None) => {
                let levels = levels.into_iter().enumerate().map(|(place, level)| {
                    let at = format!("levels[{place}]");
                    Ok(Level {
                        severity: level.severity.into(),
                        raise: level.raise.into_condition(&format!("{at}.raise"))?,
                        lasts: duration(&format!("{at}.for_s"), level.for_s)?,
                    })
                });
                Ok(Trigger::Levels {
                    levels: levels.collect::<Result<_, Problem>>()?,
                    clear: clear.into_condition("clear")?,
                    clear_lasts: duration("clear_for_s", self.clear_for_s.unwrap_or_default())?,
                })
            }
            (None, None, Some(silence)) => {
                let levels = silence.levels.iter().enumerate().map(|(place, level)| {
                    let at = format!("silence.levels[{place}].after_s");
                    Ok((level.severity.into(), duration(&at, level.after_s)?))
                });
                Ok(Trigger::Silence {
                    levels: levels.collect::<Result<_, Problem>>()?,
                    clear_samples: silence.clear_samples,
                })
            }
            (Some(_), None, None) => Err(wrong(
                "clear",
                "must say what ends the alert: a condition, or {\"never\":true} for one that ends \
                 with the flight",
            )),
            (None, Some(_), None) => Err(wrong("levels", "must be given beside `clear`")),
            (None, None, None) => Err(wrong(
                "levels",
                "a rule has either `levels` with `clear`, or `silence`",
            )),
            (_, _, Some(_)) => Err(wrong(
                "silence",
                "a rule over silence has no `levels` and no `clear` beside it",
            )),
        }
    }
}

/// What is wrong with a rule, by the path that the shape has for it.
fn told(error: RuleError, is_silence: bool) -> Problem {
    let mut at = match error.at.as_str() {
        "repeat_after" => "repeat_after_s".to_owned(),
        "clear_for" => "clear_for_s".to_owned(),
        at => at.to_owned(),
    };
    for part in [".for", ".after"] {
        if at.ends_with(part) {
            at.push_str("_s");
        }
    }
    if is_silence && (at.starts_with("levels") || at == "clear_samples") {
        at = format!("silence.{at}");
    }
    wrong(&at, error.what)
}

#[cfg(test)]
mod tests;
