//! Comparison trees, with three answers: what a drone did not tell makes a comparison unknown.

use super::field::{Field, FieldKind, Per, View};
use super::rule::RuleError;

/// Most comparisons in one condition.
pub const COMPARISONS_MAX: usize = 32;
/// Deepest nesting of a condition.
pub const DEPTH_MAX: usize = 8;

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compare {
    Below,
    AtMost,
    Above,
    AtLeast,
    Is,
    IsNot,
}

impl Compare {
    /// Every way.
    pub const ALL: [Self; 6] = [
        Self::Below,
        Self::AtMost,
        Self::Above,
        Self::AtLeast,
        Self::Is,
        Self::IsNot,
    ];

    /// The sign that stands for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
            Self::Is => "==",
            Self::IsNot => "!=",
        }
    }

    pub(super) fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Is => value == limit,
            Self::IsNot => value != limit,
        }
    }
}

/// What a rule waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Every part holds; at least one.
    All(Vec<Self>),
    /// Some part holds; at least one.
    Any(Vec<Self>),
    /// The part does not hold.
    Not(Box<Self>),
    /// A value compares so with a limit.
    Compare {
        field: Field,
        compare: Compare,
        limit: f64,
    },
    /// Holds never: an alert that ends with the flight.
    Never,
}

/// Three-valued logic after Kleene.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown,
}

/// What a condition looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reads {
    /// Bits of the groups.
    pub groups: u16,
    pub per: Per,
}

impl Condition {
    /// A comparison of a field of the model.
    ///
    /// # Panics
    /// There is no such field.
    #[must_use]
    pub fn of(name: &str, compare: Compare, limit: f64) -> Self {
        let field = Field::parse(name).expect("a field of the model");
        Self::Compare {
            field,
            compare,
            limit,
        }
    }

    /// Whether it holds.
    #[must_use]
    pub fn judge(&self, view: &View<'_>) -> Truth {
        match self {
            Self::All(parts) => {
                let truths = parts.iter().map(|part| part.judge(view));
                fold(truths, Truth::False, Truth::True)
            }
            Self::Any(parts) => {
                let truths = parts.iter().map(|part| part.judge(view));
                fold(truths, Truth::True, Truth::False)
            }
            Self::Not(part) => match part.judge(view) {
                Truth::True => Truth::False,
                Truth::False => Truth::True,
                Truth::Unknown => Truth::Unknown,
            },
            Self::Compare {
                field,
                compare,
                limit,
            } => match field.read(view) {
                Some(value) if compare.holds(value, *limit) => Truth::True,
                Some(_) => Truth::False,
                None => Truth::Unknown,
            },
            Self::Never => Truth::False,
        }
    }

    /// The first comparison that decides why it holds, with its value.
    #[must_use]
    pub fn evidence(&self, view: &View<'_>) -> Option<(&Field, f64)> {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                let holding = parts.iter().filter(|part| part.judge(view) == Truth::True);
                holding.filter_map(|part| part.evidence(view)).next()
            }
            Self::Not(part) => part.first(view),
            Self::Compare { field, .. } => Some((field, field.read(view)?)),
            Self::Never => None,
        }
    }

    /// The first value that there is, whatever it says.
    fn first(&self, view: &View<'_>) -> Option<(&Field, f64)> {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().find_map(|part| part.first(view)),
            Self::Not(part) => part.first(view),
            Self::Compare { field, .. } => Some((field, field.read(view)?)),
            Self::Never => None,
        }
    }

    /// Every comparison in it.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Field, Compare, f64)) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.each(visit)),
            Self::Not(part) => part.each(visit),
            Self::Compare {
                field,
                compare,
                limit,
            } => visit(field, *compare, *limit),
            Self::Never => {}
        }
    }

    /// Refuses what can never be judged. `at` names the condition, such as `clear`.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn check(&self, at: &str) -> Result<(), RuleError> {
        let mut count = 0;
        self.check_depth(at, 1)?;
        let mut wrong = None;
        self.each(&mut |field, compare, limit| {
            count += 1;
            if wrong.is_none() {
                wrong = check_limit(field, compare, limit);
            }
        });
        if count > COMPARISONS_MAX {
            let what = format!("has {count} comparisons; at most {COMPARISONS_MAX} are allowed");
            return Err(RuleError::new(at, what));
        }
        wrong.map_or(Ok(()), |what| Err(RuleError::new(at, what)))
    }

    fn check_depth(&self, at: &str, depth: usize) -> Result<(), RuleError> {
        if depth > DEPTH_MAX {
            let what = format!("is nested deeper than {DEPTH_MAX}");
            return Err(RuleError::new(at, what));
        }
        match self {
            Self::All(parts) | Self::Any(parts) if parts.is_empty() => {
                Err(RuleError::new(at, "needs at least one part".to_owned()))
            }
            Self::All(parts) | Self::Any(parts) => {
                let mut parts = parts.iter();
                parts.try_for_each(|part| part.check_depth(at, depth + 1))
            }
            Self::Not(part) => part.check_depth(at, depth + 1),
            Self::Compare { .. } | Self::Never => Ok(()),
        }
    }
}

fn check_limit(field: &Field, compare: Compare, limit: f64) -> Option<String> {
    let name = field.name();
    match field.kind() {
        _ if !limit.is_finite() => Some(format!("{name}: the value must be a finite number")),
        FieldKind::Number(_) => None,
        FieldKind::Flag if !matches!(compare, Compare::Is | Compare::IsNot) => {
            Some(format!("{name} is true or false; compare it with == or !="))
        }
        FieldKind::Flag if limit != 0.0 && limit != 1.0 => {
            Some(format!("{name}: the value must be true or false"))
        }
        FieldKind::Name(names)
            if limit < 0.0 || limit.fract() != 0.0 || limit >= names.len() as f64 =>
        {
            Some(format!(
                "{name}: the value must be one of {}",
                names.join(", ")
            ))
        }
        FieldKind::Flag | FieldKind::Name(_) => None,
    }
}

/// `decides` ends it; without it, one unknown makes it unknown, else it is `otherwise`.
fn fold(truths: impl Iterator<Item = Truth>, decides: Truth, otherwise: Truth) -> Truth {
    let mut result = otherwise;
    for truth in truths {
        if truth == decides {
            return decides;
        }
        if truth == Truth::Unknown {
            result = Truth::Unknown;
        }
    }
    result
}
