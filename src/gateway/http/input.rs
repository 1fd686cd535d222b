//! Reads what requests carry beside telemetry, and says which part of it is wrong.

use aerostream_domain::{DroneId, FleetId, IdError};
use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use serde::de::DeserializeOwned;

use crate::error::{ErrorCode, Problem};

/// Entries of a page when the caller does not say.
pub const PAGE_DEFAULT: usize = 100;

/// The parameters behind the question mark.
///
/// # Errors
/// One is unknown or wrong.
pub fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query
        .map(|Query(parameters)| parameters)
        .map_err(|error| Problem::new(ErrorCode::Invalid, error.body_text()).at("query"))
}

/// A JSON body.
///
/// # Errors
/// It is not JSON, or not the JSON that is asked for.
pub fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let deserializer = &mut serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        let code = if error.is_data() {
            ErrorCode::Invalid
        } else {
            ErrorCode::Malformed
        };
        let problem = Problem::new(code, error.to_string());
        if path == "." {
            problem
        } else {
            problem.at(path)
        }
    })
}

/// A drone's id.
///
/// # Errors
/// It is not one.
pub fn drone_id(text: &str) -> Result<DroneId, Problem> {
    DroneId::parse(text).map_err(|error| bad_id("drone_id", &error))
}

/// A fleet's id.
///
/// # Errors
/// It is not one.
pub fn fleet_id(text: &str) -> Result<FleetId, Problem> {
    FleetId::parse(text).map_err(|error| bad_id("fleet_id", &error))
}

fn bad_id(field: &str, error: &IdError) -> Problem {
    Problem::new(ErrorCode::Invalid, error.to_string()).at(field)
}

/// How many entries are wanted: the caller's number, or the default, within 1 and the limit.
///
/// # Errors
/// The caller's number is not within.
pub fn limit(asked: Option<usize>, default: usize, max: usize) -> Result<usize, Problem> {
    let limit = asked.unwrap_or_else(|| default.min(max));
    if (1..=max).contains(&limit) {
        return Ok(limit);
    }
    let detail = format!("must be 1 to {max}; it is {limit}");
    Err(Problem::new(ErrorCode::Invalid, detail).at("limit"))
}
