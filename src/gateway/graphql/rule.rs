//! Rules and fences: the shapes of the JSON, with conditions and outlines as JSON objects, since
//! nobody wants to ask for a tree level by level.

use aerostream_domain::{FenceId, FleetId, RuleId};
use async_graphql::{
    Context, ID, InputType, InputValueError, InputValueResult, Object, Scalar, ScalarType, Value,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::problem::Answered;
use super::session::Session;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::Action;
use crate::gateway::http::input::{self, PAGE_DEFAULT};
use crate::gateway::json::enums::Long;
use crate::gateway::json::fence::{FenceShape, Geometry};
use crate::gateway::json::rule::condition::ConditionShape;
use crate::gateway::json::rule::{FieldShape, RuleShape, fields};
use crate::gateway::rules::{self, Put, Which};
use crate::gateway::state::allow;
use crate::registry::RuleScope;

fn from_value<T: DeserializeOwned + InputType>(value: Value) -> InputValueResult<T> {
    let json = value.into_json().map_err(InputValueError::custom)?;
    let text = json.to_string();
    input::json(text.as_bytes()).map_err(|problem| {
        let field = problem.field.as_deref().unwrap_or_default();
        let separator = if field.is_empty() { "" } else { ": " };
        InputValueError::custom(format!("{field}{separator}{}", problem.detail))
    })
}

fn to_value<T: Serialize>(shape: &T) -> Value {
    let json = serde_json::to_value(shape).ok();
    let value = json.and_then(|json| Value::from_json(json).ok());
    value.unwrap_or_default()
}

/// A condition as the JSON of REST: `{all: [..]}`, `{any: [..]}`, `{not: ..}`, `{never: true}`, or
/// `{field: "battery.remaining_percent", op: "<", value: 20}`.
#[Scalar(name = "RuleCondition")]
impl ScalarType for ConditionShape {
    fn parse(value: Value) -> InputValueResult<Self> {
        from_value(value)
    }

    fn to_value(&self) -> Value {
        to_value(self)
    }
}

/// An outline as the JSON of REST, longitude first: `{type: "Polygon", coordinates: [[[8.5, 47.4],
/// ..]]}` or `{type: "Circle", center: [8.5, 47.4], radius_m: 500}`.
#[Scalar(name = "FenceGeometry")]
impl ScalarType for Geometry {
    fn parse(value: Value) -> InputValueResult<Self> {
        from_value(value)
    }

    fn to_value(&self) -> Value {
        to_value(self)
    }
}

/// Whose rules: a fleet's or a drone's, one of the two.
fn scope(fleet: Option<&ID>, drone: Option<&ID>) -> Result<RuleScope, Problem> {
    match (fleet, drone) {
        (Some(fleet), None) => input::fleet_id(fleet).map(RuleScope::Fleet),
        (None, Some(drone)) => input::drone_id(drone).map(RuleScope::Drone),
        _ => {
            let detail = "either `fleet` or `drone` must be given";
            Err(Problem::new(ErrorCode::Invalid, detail).at("fleet"))
        }
    }
}

fn rule_id(text: &str) -> Result<RuleId, Problem> {
    RuleId::parse(text)
        .map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at("ruleId"))
}

fn fence_id(text: &str) -> Result<FenceId, Problem> {
    FenceId::parse(text)
        .map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at("fenceId"))
}

/// Names the part at fault as it is called here: `levels[0].for_s` is `levels[0].forS`. What is
/// within a condition or an outline is called as there.
fn camel_case(problem: Problem) -> Problem {
    let Some(field) = problem.field.as_deref() else {
        return problem;
    };
    let mut told = String::with_capacity(field.len());
    let mut raise_next = false;
    for letter in field.chars() {
        match letter {
            '_' => raise_next = true,
            letter if raise_next => {
                told.push(letter.to_ascii_uppercase());
                raise_next = false;
            }
            letter => told.push(letter),
        }
    }
    let is_within = [".raise.", "clear.", "geometry."];
    if is_within.iter().any(|part| field.contains(part)) {
        return problem;
    }
    problem.at(told)
}

/// Questions about rules and fences.
#[derive(Debug, Default)]
pub struct RuleQueries;

#[Object]
impl RuleQueries {
    /// Rules of a fleet or a drone, by id.
    async fn rules(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Of this fleet.")] fleet: Option<ID>,
        #[graphql(desc = "Or of this drone.")] drone: Option<ID>,
        #[graphql(
            desc = "All that count, those of the fleet and the built-in ones included; else only \
                    its own.",
            default = true
        )]
        effective: bool,
    ) -> Answered<Vec<RuleShape>> {
        let session = Session::of(context);
        let which = if effective {
            Which::Effective
        } else {
            Which::Own
        };
        let list = |scope| rules::list(&session.gateway, session.principal(), (&scope, which));
        Some(scope(fleet.as_ref(), drone.as_ref()).and_then(list))
    }

    /// What a rule may compare.
    async fn rule_fields(&self, context: &Context<'_>) -> Answered<Vec<FieldShape>> {
        let allowed = allow(Session::of(context).principal(), Action::ReadFleet);
        Some(allowed.map(|()| fields()))
    }

    /// Fences of a fleet, by id.
    async fn fences(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The fleet.")] fleet: ID,
        #[graphql(desc = "Entries of the page; 100 if not said.")] first: Option<i32>,
        #[graphql(desc = "The id of the last fence of the page before.")] after: Option<ID>,
    ) -> Answered<Vec<FenceShape>> {
        let session = Session::of(context);
        Some(page(session, &fleet, (first, after)))
    }
}

fn page(
    session: &Session,
    fleet: &str,
    (first, after): (Option<i32>, Option<ID>),
) -> Result<Vec<FenceShape>, Problem> {
    let fleet = input::fleet_id(fleet)?;
    let first = first.map(|first| usize::try_from(first).unwrap_or(0));
    let limit = input::limit(first, PAGE_DEFAULT, session.gateway.config.http.page_max);
    let limit = limit.map_err(|problem| problem.at("first"))?;
    let after = after.as_deref().map(|id| fence_id(id)).transpose()?;
    let behind = (after.as_ref(), limit);
    rules::fences(&session.gateway, session.principal(), &fleet, behind)
}

/// Changes of rules and fences.
#[derive(Debug, Default)]
pub struct RuleChanges;

#[Object]
impl RuleChanges {
    /// Makes or replaces a rule of a fleet or a drone. With `version`, only if nobody changed it
    /// since that version.
    async fn put_rule(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Of this fleet.")] fleet: Option<ID>,
        #[graphql(desc = "Or of this drone.")] drone: Option<ID>,
        #[graphql(desc = "The rule.")] rule: RuleShape,
    ) -> Answered<RuleShape> {
        let Session {
            gateway, caller, ..
        } = Session::of(context);
        let put = async {
            let scope = scope(fleet.as_ref(), drone.as_ref())?;
            rules::put(gateway, caller, scope, (rule, None, Put::Replace)).await
        };
        Some(put.await.map_err(camel_case))
    }

    /// Takes a rule away; what lies below it counts again. Answers the version of the removal.
    async fn delete_rule(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Of this fleet.")] fleet: Option<ID>,
        #[graphql(desc = "Or of this drone.")] drone: Option<ID>,
        #[graphql(desc = "The rule's id.")] rule_id: ID,
        #[graphql(desc = "Only if nobody changed it since.")] version: Option<Long>,
    ) -> Answered<Long> {
        let Session {
            gateway, caller, ..
        } = Session::of(context);
        let remove = async {
            let scope = scope(fleet.as_ref(), drone.as_ref())?;
            let id = self::rule_id(&rule_id)?;
            rules::remove(gateway, caller, (scope, id), version).await
        };
        Some(remove.await.map_err(camel_case))
    }

    /// Makes or replaces a fence of a fleet. With `version`, only if nobody changed it since that
    /// version.
    async fn put_fence(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The fleet.")] fleet: ID,
        #[graphql(desc = "The fence.")] fence: FenceShape,
    ) -> Answered<FenceShape> {
        let Session {
            gateway, caller, ..
        } = Session::of(context);
        let put = async {
            let fleet: FleetId = input::fleet_id(&fleet)?;
            rules::put_fence(gateway, caller, fleet, (fence, None, Put::Replace)).await
        };
        Some(put.await.map_err(camel_case))
    }

    /// Takes a fence away; alerts about it end. Answers the version of the removal.
    async fn delete_fence(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The fleet.")] fleet: ID,
        #[graphql(desc = "The fence's id.")] fence_id: ID,
        #[graphql(desc = "Only if nobody changed it since.")] version: Option<Long>,
    ) -> Answered<Long> {
        let Session {
            gateway, caller, ..
        } = Session::of(context);
        let remove = async {
            let of = (input::fleet_id(&fleet)?, self::fence_id(&fence_id)?);
            rules::remove_fence(gateway, caller, of, version).await
        };
        Some(remove.await.map_err(camel_case))
    }
}
