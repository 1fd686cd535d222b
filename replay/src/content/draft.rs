//! A sample while its message is taken apart.

use std::ops::RangeInclusive;
use std::sync::Arc;

use aerostream_domain::sample::Content;

use crate::message::{Message, Value};
use crate::survey::Kinds;

/// Which fields of a message are said already.
#[derive(Debug)]
pub struct Draft<'a> {
    pub message: &'a Message,
    pub content: Content,
    said: Vec<bool>,
    kinds: &'a Kinds,
}

/// What is left for the extras.
pub type Left = Vec<(Arc<str>, Value)>;

impl<'a> Draft<'a> {
    pub fn new(message: &'a Message, kinds: &'a Kinds) -> Self {
        Self {
            message,
            kinds,
            content: Content::default(),
            said: vec![false; message.fields.len()],
        }
    }

    pub fn number(&self, name: &str) -> Option<f64> {
        self.message.field(name)?.number()
    }

    pub fn integer(&self, name: &str) -> Option<i64> {
        self.message.field(name)?.integer()
    }

    /// Whether the sender tells the same group with another message, in full.
    pub fn is_also_told(&self, kind: &str) -> bool {
        self.kinds.contains_key(kind)
    }

    /// The field is in a group now.
    pub fn said(&mut self, name: &str) {
        for (field, said) in self.message.fields.iter().zip(&mut self.said) {
            if &*field.0 == name {
                *said = true;
            }
        }
    }

    /// A number for a column that holds these values; one outside is left for the extras, and
    /// `None` of `convert` stands for unknown.
    pub fn wide(
        &mut self,
        name: &str,
        range: RangeInclusive<f64>,
        convert: impl Fn(f64) -> Option<f64>,
    ) -> Option<f64> {
        let found = self.number(name)?;
        match convert(found).filter(|value| !value.is_nan()) {
            None => {
                self.said(name);
                None
            }
            Some(value) if range.contains(&value) => {
                self.said(name);
                Some(value)
            }
            Some(_) => None,
        }
    }

    /// The same for a column of single precision.
    pub fn narrow(
        &mut self,
        name: &str,
        range: RangeInclusive<f64>,
        convert: impl Fn(f64) -> Option<f64>,
    ) -> Option<f32> {
        let rounded = |value: f64| convert(value).map(|value| f64::from(value as f32));
        self.wide(name, range, rounded).map(|value| value as f32)
    }

    /// A whole number for a column; one that does not fit is left for the extras.
    pub fn whole<T: TryFrom<i64>>(&mut self, name: &str, unknown: Option<i64>) -> Option<T> {
        let found = self.integer(name)?;
        if Some(found) == unknown {
            self.said(name);
            return None;
        }
        let value = T::try_from(found).ok()?;
        self.said(name);
        Some(value)
    }

    /// A code by its meaning; one that has none is left for the extras.
    pub fn code<T>(&mut self, name: &str, meaning: impl Fn(i64) -> Option<T>) -> Option<T> {
        let meant = meaning(self.integer(name)?)?;
        self.said(name);
        Some(meant)
    }

    /// A text that fits into so many bytes.
    pub fn text(&mut self, name: &str, bytes_max: usize) -> Option<String> {
        let Some(Value::Text(text)) = self.message.field(name) else {
            return None;
        };
        if text.len() > bytes_max {
            return None;
        }
        self.said(name);
        Some(text.clone())
    }

    /// What the groups say, and the fields that they do not.
    pub fn finish(self) -> (Content, Left) {
        let clock = self.message.since_boot_us;
        let left = self
            .message
            .fields
            .iter()
            .zip(&self.said)
            .filter(|(field, said)| !**said && !is_boot_clock(field, clock))
            .map(|(field, _)| field.clone());
        let mut left: Left = left.collect();
        if self.message.instance > 0 {
            let instance = i64::from(self.message.instance);
            left.push(("multi_id".into(), Value::Integer(instance)));
        }
        (self.content, left)
    }
}

/// Whether a field says what the sample's boot clock says.
fn is_boot_clock((name, value): &(Arc<str>, Value), clock: Option<u64>) -> bool {
    let Some(clock) = clock else { return false };
    match (&**name, value) {
        ("time_boot_ms", Value::Integer(ms)) => ms.cast_unsigned().checked_mul(1000) == Some(clock),
        ("timestamp", Value::Unsigned(us)) => *us == clock,
        _ => false,
    }
}
