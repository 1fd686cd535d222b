//! Would this rule have fired? The judge of the actors over rows of the database.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::alert::{Fence, Judged, Rehearsal, RuleSet, Transition, Turn};
use aerostream_domain::{DroneId, FleetId, RuleId, UtcMicros};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Gateway, Principal, RuleScope, reach, show};
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::gateway::http::read::{moment, samples};
use crate::gateway::json::fence::FenceShape;
use crate::gateway::json::rule::{RuleShape, SeverityName};
use crate::gateway::json::shape::Time;
use crate::gateway::ports::{FieldSet, HistoryRequest, Key, Order};
use crate::registry::Credential;

/// How far back is looked unless the caller says otherwise.
const PAST_DEFAULT: Duration = Duration::from_secs(60 * 60);

/// Tests of rules over the past.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleTestConfig {
    /// Longest span of time of a test, in seconds. Default: 86,400, a day.
    pub window_s_max: u64,
    /// Drones of a test. Default: 50.
    pub drones_max: usize,
    /// Stored samples that a test reads, of all its drones. Default: 200,000.
    pub samples_max: usize,
    /// Samples that are held at once. Default: 2000.
    pub chunk_samples: usize,
    /// Events that are told of one drone. Default: 1000.
    pub events_max: usize,
    /// Tests under way in this gateway. Default: 4.
    pub tests_max: usize,
    /// Tests under way of one principal. Default: 2.
    pub principal_tests_max: usize,
}

impl Default for RuleTestConfig {
    fn default() -> Self {
        Self {
            window_s_max: 86_400,
            drones_max: 50,
            samples_max: 200_000,
            chunk_samples: 2000,
            events_max: 1000,
            tests_max: 4,
            principal_tests_max: 2,
        }
    }
}

/// A rule to be tried on the past: one that is not kept yet, or one that is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleTest {
    /// A rule that need not be kept.
    rule: Option<RuleShape>,
    /// In its place: the id of a rule that counts for the fleet.
    rule_id: Option<String>,
    /// Fences that need not be kept, in place of those of the fleet.
    fences: Option<Vec<FenceShape>>,
    /// Drones of the fleet; its active ones unless set, by id, up to the limit.
    drone_ids: Option<Vec<String>>,
    /// First moment, RFC 3339 or microseconds since 1970; an hour before `to` unless set.
    from: Option<String>,
    /// Moment behind the last; now unless set.
    to: Option<String>,
}

/// What a rule would have raised.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleTestResult {
    /// First moment, microseconds since 1970.
    from_us: i64,
    /// Moment behind the last.
    to_us: i64,
    drones: Vec<RuleTestDrone>,
    /// Drones of the fleet that were left out since there are too many.
    drones_left_out: usize,
}

/// What a rule would have raised for one drone.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleTestDrone {
    drone_id: String,
    /// Stored samples that were judged.
    samples: u64,
    /// False if a limit ended it before `to`; the last sample judged is then at `until_us`.
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    until_us: Option<i64>,
    raised: usize,
    cleared: usize,
    events: Vec<RuleTestEvent>,
}

/// One thing that would have happened.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleTestEvent {
    turn: TurnName,
    /// The id that the alert would have had, or has.
    alert_id: String,
    /// Which part or fence: empty, `battery:0`, `gnss:1`, `fence:airport`.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<SeverityName>,
    time_us: i64,
    #[schema(value_type = String)]
    time: Time,
    /// The field that decided; empty if no single one did.
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

/// What would have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RuleTestTurn)]
enum TurnName {
    Raised,
    Escalated,
    Cleared,
}

/// Tries a rule on the past of drones of a fleet.
///
/// # Errors
/// The rule is none, the database does not answer, or the caller may not see the fleet.
pub async fn rehearse(
    gateway: &Gateway,
    principal: &Principal,
    (fleet, asked): (FleetId, RuleTest),
) -> Result<RuleTestResult, Problem> {
    let scope = RuleScope::Fleet(fleet.clone());
    reach(gateway, principal, (&scope, false))?;
    let _place = gateway.rule_tests.take(&principal.subject)?;
    let config = &gateway.config.rule_tests;
    let range = range(&asked, config)?;
    let (drones, drones_left_out) = drones(gateway, &fleet, (asked.drone_ids, config))?;
    let rule = match (asked.rule, asked.rule_id) {
        (Some(rule), None) => rule,
        (None, Some(id)) => {
            let id = RuleId::parse(&id);
            let id = id.map_err(|error| invalid("rule_id", error.to_string()))?;
            show(gateway, principal, (&scope, &id))?
        }
        _ => return Err(invalid("rule", "either `rule` or `rule_id` must be given")),
    };
    let rule = judged(rule)?;
    let fences = asked.fences.map(fences).transpose()?;
    let mut left = config.samples_max;
    let mut told = Vec::with_capacity(drones.len());
    for drone in drones {
        let fences = match &fences {
            Some(fences) => fences.clone(),
            None => fences_of(gateway, &fleet, &drone),
        };
        let rules = RuleSet::new(None, [Arc::clone(&rule)], fences);
        let one = one_drone(gateway, (drone, range.clone()), (rules, &mut left));
        told.push(one.await?);
    }
    Ok(RuleTestResult {
        from_us: range.start.0,
        to_us: range.end.0,
        drones: told,
        drones_left_out,
    })
}

fn invalid(at: &'static str, what: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Invalid, what.into()).at(at)
}

fn range(asked: &RuleTest, config: &RuleTestConfig) -> Result<Range<UtcMicros>, Problem> {
    let to = moment("to", asked.to.as_ref())?.unwrap_or_else(clock::utc_now);
    let from = moment("from", asked.from.as_ref())?.unwrap_or(to - PAST_DEFAULT);
    if from >= to {
        return Err(invalid("from", "must be earlier than `to`"));
    }
    let longest = Duration::from_secs(config.window_s_max);
    if to.distance(from) > longest {
        let what = format!(
            "must be at most {} s before `to`, the setting gateway.rule_tests.window_s_max",
            longest.as_secs()
        );
        return Err(invalid("from", what));
    }
    Ok(from..to)
}

/// The drones that are asked for, and how many are left out.
fn drones(
    gateway: &Gateway,
    fleet: &FleetId,
    (asked, config): (Option<Vec<String>>, &RuleTestConfig),
) -> Result<(Vec<DroneId>, usize), Problem> {
    let registry = gateway.registry().read();
    let Some(asked) = asked else {
        let members = registry.members(fleet, None);
        let active = members.filter(|drone| drone.entity.credential == Credential::Active);
        let drones = active.take(config.drones_max);
        let drones: Vec<_> = drones.map(|drone| drone.entity.id.clone()).collect();
        let left_out = (registry.active_drones(fleet) as usize).saturating_sub(drones.len());
        return Ok((drones, left_out));
    };
    if asked.len() > config.drones_max {
        let what = format!(
            "may name at most {} drones, the setting gateway.rule_tests.drones_max",
            config.drones_max
        );
        return Err(invalid("drone_ids", what));
    }
    let drones = asked.iter().enumerate().map(|(place, text)| {
        let at = format!("drone_ids[{place}]");
        let drone = DroneId::parse(text)
            .map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at(at.clone()))?;
        let known = registry.drone(&drone);
        match known.filter(|known| known.entity.fleet == *fleet) {
            Some(_) => Ok(drone),
            None => {
                let detail = format!("fleet {fleet} has no drone {drone}");
                Err(Problem::new(ErrorCode::NotFound, detail).at(at))
            }
        }
    });
    Ok((drones.collect::<Result<_, _>>()?, 0))
}

fn judged(mut shape: RuleShape) -> Result<Arc<Judged>, Problem> {
    if shape.rule_id.is_empty() {
        "test".clone_into(&mut shape.rule_id);
    }
    // Whoever tries a rule wants to know what it does.
    shape.enabled = true;
    let rule = shape.into_rule();
    let rule = rule.map_err(|problem| within("rule", problem))?;
    Ok(Arc::new(Judged::new(rule, None)))
}

fn fences(shapes: Vec<FenceShape>) -> Result<Vec<Arc<Fence>>, Problem> {
    let fences = shapes.into_iter().enumerate().map(|(place, shape)| {
        let fence = shape.into_fence();
        let fence = fence.map_err(|problem| within(&format!("fences[{place}]"), problem))?;
        Ok(Arc::new(fence.0))
    });
    fences.collect()
}

fn within(parent: &str, problem: Problem) -> Problem {
    let field = problem.field.as_deref().unwrap_or_default();
    let path = format!("{parent}.{field}");
    problem.at(path)
}

fn fences_of(gateway: &Gateway, fleet: &FleetId, drone: &DroneId) -> Vec<Arc<Fence>> {
    let state = gateway.registry().read();
    let fences = state.rules().fences(fleet, None).map(|fence| &fence.entity);
    let for_it = fences.filter(|fence| fence.is_for(drone));
    for_it.map(|fence| Arc::clone(&fence.fence)).collect()
}

async fn one_drone(
    gateway: &Gateway,
    (drone, range): (DroneId, Range<UtcMicros>),
    (rules, left): (RuleSet, &mut usize),
) -> Result<RuleTestDrone, Problem> {
    let config = &gateway.config.rule_tests;
    let mut rehearsal = Rehearsal::new(drone.clone(), rules);
    let mut after: Option<Key> = None;
    let mut complete = false;
    while *left > 0 && rehearsal.transitions().len() < config.events_max {
        let request = HistoryRequest {
            drone: drone.clone(),
            range: range.clone(),
            limit: config.chunk_samples.min(*left).max(1),
            fields: FieldSet::ALL,
            order: Order::Oldest,
            after,
        };
        let chunk = samples(gateway, &request).await?;
        *left -= chunk.len().min(*left);
        let is_last = chunk.len() < request.limit;
        if let Some(last) = chunk.last() {
            after = Some(Key {
                time: last.sample.time,
                boot: last.boot,
                seq: last.sample.seq,
            });
        }
        let end = range.end.min(clock::utc_now());
        // Thousands of samples are milliseconds of work: not where others wait for their answers.
        let judging = tokio::task::spawn_blocking(move || {
            for past in chunk {
                rehearsal.sample(past.boot, past.sample);
            }
            if is_last {
                rehearsal.silence_until(end);
            }
            rehearsal
        });
        rehearsal = judging.await.map_err(|_| {
            let detail = "the test of the rule ended before it was done";
            Problem::new(ErrorCode::Internal, detail)
        })?;
        if is_last {
            complete = true;
            break;
        }
    }
    let until = after.filter(|_| !complete).map(|key| key.time.0);
    Ok(told(&rehearsal, (drone, complete, until)))
}

fn told(
    rehearsal: &Rehearsal,
    (drone, complete, until_us): (DroneId, bool, Option<i64>),
) -> RuleTestDrone {
    let events: Vec<_> = rehearsal.transitions().map(event).collect();
    let count = |turn| events.iter().filter(|event| event.turn == turn).count();
    RuleTestDrone {
        drone_id: drone.to_string(),
        samples: rehearsal.samples(),
        complete,
        until_us,
        raised: count(TurnName::Raised),
        cleared: count(TurnName::Cleared),
        events,
    }
}

fn event(transition: &Transition) -> RuleTestEvent {
    let evidence = &transition.evidence;
    let (turn, instance, severity) = match &transition.turn {
        Turn::Raised {
            instance, severity, ..
        } => (
            TurnName::Raised,
            Some(instance.to_string()),
            Some((*severity).into()),
        ),
        Turn::Escalated { severity } => (TurnName::Escalated, None, Some((*severity).into())),
        Turn::Cleared { .. } => (TurnName::Cleared, None, None),
    };
    let note = match &transition.turn {
        Turn::Cleared { reason } if !reason.is_empty() => reason.clone(),
        _ => evidence.note.clone(),
    };
    RuleTestEvent {
        turn,
        alert_id: transition.id.to_string(),
        instance,
        severity,
        time_us: evidence.time.0,
        time: Time(evidence.time.0),
        field: evidence.field.clone(),
        value: evidence.value,
        note,
    }
}
