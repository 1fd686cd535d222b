//! Numbers, codes and times of a sample as GraphQL has them; as texts they are those of the JSON.

use std::borrow::Cow;

use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaEnumValue, MetaType, MetaTypeId, Registry};
use async_graphql::{
    ContextSelectionSet, InputValueError, InputValueResult, Name, Number, OutputType, Positioned,
    Scalar, ScalarType, ServerResult, Value,
};

use crate::gateway::json::enums::{Code, Long, Lower, Natural, Real32, Real64, Whole};
use crate::gateway::json::shape::{Base64, Time, parse_time};

/// A whole number of 64 bits.
#[Scalar]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number.as_i64().map(Self),
            _ => None,
        }
        .ok_or_else(|| InputValueError::custom("must be a whole number of 64 bits"))
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

/// A whole number of 64 bits without sign, as decimal text since JavaScript would round it.
#[Scalar(name = "UInt64")]
impl ScalarType for Whole {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_u64(),
            _ => None,
        }
        .map(Self)
        .ok_or_else(|| InputValueError::custom("must be 0 to 2^64 - 1 as decimal text"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A point in time as RFC 3339 text, such as `2026-05-01T12:00:00.5Z`; where one is asked for,
/// microseconds since 1970 will do.
#[Scalar]
impl ScalarType for Time {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => parse_time(text),
            Value::Number(number) => number.as_i64(),
            _ => None,
        }
        .map(Self)
        .ok_or_else(|| {
            let expected = "RFC 3339, such as \"2026-05-01T12:00:00Z\", or microseconds since 1970";
            InputValueError::custom(format!("must be {expected}"))
        })
    }

    /// What is no time is found before anything is asked, as of numbers and texts.
    fn is_valid(value: &Value) -> bool {
        Self::parse(value.clone()).is_ok()
    }

    fn to_value(&self) -> Value {
        serde_json::to_value(self)
            .ok()
            .and_then(|json| Value::from_json(json).ok())
            .unwrap_or_default()
    }
}

/// Bytes as base64 text.
#[Scalar]
impl ScalarType for Base64 {
    fn parse(_: Value) -> InputValueResult<Self> {
        Err(InputValueError::custom("is never asked for"))
    }

    fn to_value(&self) -> Value {
        serde_json::to_value(self)
            .ok()
            .and_then(|json| Value::from_json(json).ok())
            .unwrap_or_default()
    }
}

/// Types that are told as another type of the schema.
macro_rules! told_as {
    ($($type:ty as $known:ty = |$value:ident| $told:expr;)*) => {$(
        impl OutputType for $type {
            fn type_name() -> Cow<'static, str> {
                <$known as OutputType>::type_name()
            }

            fn create_type_info(registry: &mut Registry) -> String {
                <$known as OutputType>::create_type_info(registry)
            }

            async fn resolve(
                &self,
                _: &ContextSelectionSet<'_>,
                _: &Positioned<Field>,
            ) -> ServerResult<Value> {
                let $value = self;
                Ok($told)
            }
        }
    )*};
}

told_as! {
    Real64 as f64 = |real| number(real.0);
    Real32 as f64 = |real| number(shortest(real.0));
    Natural as Long = |natural| Value::Number(natural.0.into());
}

fn number(real: f64) -> Value {
    Number::from_f64(real).map_or(Value::Null, Value::Number)
}

/// The number in double precision that has the same short text: 0.1 and not 0.10000000149011612.
fn shortest(real: f32) -> f64 {
    real.to_string().parse().unwrap_or(f64::from(real))
}

impl<T: Code + Send + Sync> OutputType for Lower<T> {
    fn type_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Enum, |_| {
            let values = Self::all().map(|code| {
                let value = MetaEnumValue {
                    name: code.name(),
                    description: None,
                    deprecation: Default::default(),
                    visible: None,
                    inaccessible: false,
                    tags: Vec::new(),
                    directive_invocations: Vec::new(),
                };
                (code.name(), value)
            });
            MetaType::Enum {
                name: T::NAME.to_owned(),
                description: None,
                enum_values: values.collect(),
                visible: None,
                inaccessible: false,
                tags: Vec::new(),
                rust_typename: Some(std::any::type_name::<Self>()),
                directive_invocations: Vec::new(),
                requires_scopes: Vec::new(),
            }
        })
    }

    async fn resolve(
        &self,
        _: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        Ok(Value::Enum(Name::new(self.name())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_precision_keeps_its_short_text() {
        for real in [0.1_f32, 8.25, -1.5e-7, f32::MAX, 0.0] {
            let told = number(shortest(real)).to_string();
            let told: f64 = told.parse().unwrap();
            assert_eq!(told as f32, real);
        }
        assert_eq!(number(shortest(0.1)).to_string(), "0.1");
        assert_eq!(number(f64::NAN), Value::Null);
    }
}
