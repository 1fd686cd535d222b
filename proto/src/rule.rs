//! Rules and fences of the registry. What is read is checked as what a person wrote is: a rule that
//! no drone could be judged by is none, wherever it comes from.

mod fence;

use std::time::Duration;

use aerostream_domain::alert::condition::{COMPARISONS_MAX, DEPTH_MAX};
use aerostream_domain::alert::{Compare, Condition, Field, Level, Rule, Trigger, When};
use aerostream_domain::{Refusal, RefusalCode};

use crate::alert::{severity, severity_to_wire};
use crate::refuse::{each, required, rule_id, specified, under};
use crate::v1;
use crate::v1::rule::Trigger as WireTrigger;
use crate::v1::rule_condition::Condition as WireCondition;

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl From<v1::RuleWhen> for Option<When> {
    fn from(wire: v1::RuleWhen) -> Self {
        match wire {
            v1::RuleWhen::Unspecified => None,
            v1::RuleWhen::Always => Some(When::Always),
            v1::RuleWhen::Armed => Some(When::Armed),
            v1::RuleWhen::Airborne => Some(When::Airborne),
        }
    }
}

impl From<When> for v1::RuleWhen {
    fn from(when: When) -> Self {
        match when {
            When::Always => Self::Always,
            When::Armed => Self::Armed,
            When::Airborne => Self::Airborne,
        }
    }
}

impl From<v1::RuleOperator> for Option<Compare> {
    fn from(wire: v1::RuleOperator) -> Self {
        match wire {
            v1::RuleOperator::Unspecified => None,
            v1::RuleOperator::Below => Some(Compare::Below),
            v1::RuleOperator::AtMost => Some(Compare::AtMost),
            v1::RuleOperator::Above => Some(Compare::Above),
            v1::RuleOperator::AtLeast => Some(Compare::AtLeast),
            v1::RuleOperator::Is => Some(Compare::Is),
            v1::RuleOperator::IsNot => Some(Compare::IsNot),
        }
    }
}

impl From<Compare> for v1::RuleOperator {
    fn from(compare: Compare) -> Self {
        match compare {
            Compare::Below => Self::Below,
            Compare::AtMost => Self::AtMost,
            Compare::Above => Self::Above,
            Compare::AtLeast => Self::AtLeast,
            Compare::Is => Self::Is,
            Compare::IsNot => Self::IsNot,
        }
    }
}

impl TryFrom<v1::Rule> for Rule {
    type Error = Refusal;

    fn try_from(wire: v1::Rule) -> Result<Self, Refusal> {
        let trigger = match required("trigger", wire.trigger)? {
            WireTrigger::Levels(levels) => levels.try_into()?,
            WireTrigger::Silence(silence) => silence.try_into().map_err(under("silence"))?,
        };
        let rule = Self {
            id: rule_id("rule_id", &wire.rule_id)?,
            title: wire.title,
            enabled: wire.enabled,
            when: specified::<v1::RuleWhen, When>("when", wire.when)?,
            trigger,
            repeat_after: Duration::from_micros(wire.repeat_after_us),
        };
        rule.check()
            .map_err(|error| Refusal::new(RefusalCode::OutOfRange, &error.at, error.what))?;
        Ok(rule)
    }
}

impl From<&Rule> for v1::Rule {
    fn from(rule: &Rule) -> Self {
        Self {
            rule_id: rule.id.as_str().to_owned(),
            title: rule.title.clone(),
            enabled: rule.enabled,
            when: v1::RuleWhen::from(rule.when).into(),
            repeat_after_us: micros(rule.repeat_after),
            trigger: Some((&rule.trigger).into()),
        }
    }
}

impl TryFrom<v1::RuleLevels> for Trigger {
    type Error = Refusal;

    fn try_from(wire: v1::RuleLevels) -> Result<Self, Refusal> {
        let clear = required("clear", wire.clear)?;
        Ok(Self::Levels {
            levels: each("levels", wire.levels, |level| {
                let raise = required("raise", level.raise)?;
                Ok(Level {
                    severity: severity("severity", level.severity)?,
                    raise: condition(raise).map_err(under("raise"))?,
                    lasts: Duration::from_micros(level.lasts_us),
                })
            })?,
            clear: condition(clear).map_err(under("clear"))?,
            clear_lasts: Duration::from_micros(wire.clear_lasts_us),
        })
    }
}

impl TryFrom<v1::RuleSilence> for Trigger {
    type Error = Refusal;

    fn try_from(wire: v1::RuleSilence) -> Result<Self, Refusal> {
        Ok(Self::Silence {
            levels: each("levels", wire.levels, |level| {
                let severity = severity("severity", level.severity)?;
                Ok((severity, Duration::from_micros(level.after_us)))
            })?,
            clear_samples: wire.clear_samples,
        })
    }
}

impl From<&Trigger> for WireTrigger {
    fn from(trigger: &Trigger) -> Self {
        match trigger {
            Trigger::Levels {
                levels,
                clear,
                clear_lasts,
            } => Self::Levels(v1::RuleLevels {
                levels: levels
                    .iter()
                    .map(|level| v1::RuleLevel {
                        severity: severity_to_wire(level.severity),
                        raise: Some(condition_to_wire(&level.raise)),
                        lasts_us: micros(level.lasts),
                    })
                    .collect(),
                clear: Some(condition_to_wire(clear)),
                clear_lasts_us: micros(*clear_lasts),
            }),
            Trigger::Silence {
                levels,
                clear_samples,
            } => Self::Silence(v1::RuleSilence {
                levels: levels
                    .iter()
                    .map(|(severity, after)| v1::RuleSilenceLevel {
                        severity: severity_to_wire(*severity),
                        after_us: micros(*after),
                    })
                    .collect(),
                clear_samples: *clear_samples,
            }),
        }
    }
}

/// The condition of a message that is no deeper and no larger than any that is taken.
fn condition(wire: v1::RuleCondition) -> Result<Condition, Refusal> {
    let mut left = COMPARISONS_MAX;
    part(wire, DEPTH_MAX, &mut left)
}

fn part(wire: v1::RuleCondition, depth: usize, left: &mut usize) -> Result<Condition, Refusal> {
    let Some(depth) = depth.checked_sub(1) else {
        let detail = format!("may be at most {DEPTH_MAX} deep");
        return Err(Refusal::new(RefusalCode::OutOfRange, "condition", detail));
    };
    let mut parts = |list: &str, wire: v1::RuleConditions| {
        let parts = wire.conditions.into_iter().enumerate();
        let parts = parts.map(|(index, wire)| {
            part(wire, depth, left).map_err(under(format_args!("{list}[{index}]")))
        });
        parts.collect::<Result<Vec<_>, _>>()
    };
    Ok(match required("condition", wire.condition)? {
        WireCondition::All(all) => Condition::All(parts("all", all)?),
        WireCondition::Any(any) => Condition::Any(parts("any", any)?),
        WireCondition::Not(not) => {
            let inner = part(*not, depth, left).map_err(under("not"))?;
            Condition::Not(Box::new(inner))
        }
        WireCondition::Compare(compare) => {
            *left = left.checked_sub(1).ok_or_else(|| {
                let detail = format!("may have at most {COMPARISONS_MAX} comparisons");
                Refusal::new(RefusalCode::OutOfRange, "compare", detail)
            })?;
            comparison(&compare).map_err(under("compare"))?
        }
        WireCondition::Never(_) => Condition::Never,
    })
}

fn comparison(wire: &v1::RuleComparison) -> Result<Condition, Refusal> {
    let field = Field::parse(&wire.field).ok_or_else(|| {
        let detail = format!("found {:?}; must be a field of live state", wire.field);
        Refusal::new(RefusalCode::Malformed, "field", detail)
    })?;
    Ok(Condition::Compare {
        field,
        compare: specified::<v1::RuleOperator, Compare>("operator", wire.operator)?,
        limit: wire.value,
    })
}

fn condition_to_wire(condition: &Condition) -> v1::RuleCondition {
    let parts = |parts: &[Condition]| v1::RuleConditions {
        conditions: parts.iter().map(condition_to_wire).collect(),
    };
    let condition = match condition {
        Condition::All(all) => WireCondition::All(parts(all)),
        Condition::Any(any) => WireCondition::Any(parts(any)),
        Condition::Not(not) => WireCondition::Not(Box::new(condition_to_wire(not))),
        Condition::Compare {
            field,
            compare,
            limit,
        } => WireCondition::Compare(v1::RuleComparison {
            field: field.name(),
            operator: v1::RuleOperator::from(*compare).into(),
            value: *limit,
        }),
        Condition::Never => WireCondition::Never(v1::RuleNever {}),
    };
    v1::RuleCondition {
        condition: Some(condition),
    }
}
