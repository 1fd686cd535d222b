//! The messages of `graphql-transport-ws`.

use async_graphql::{Response, ServerError};
use axum::extract::ws::Utf8Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::gateway::graphql;
use crate::gateway::ws::frame::json;

/// What a client says. Members that it adds say nothing.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Up {
    ConnectionInit { payload: Option<Value> },
    Ping,
    Pong,
    Subscribe { id: String, payload: Asked },
    Complete { id: String },
}

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Asked {
    query: String,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
}

impl From<Asked> for graphql::Asked {
    fn from(asked: Asked) -> Self {
        Self::new(asked.query, asked.operation_name, asked.variables)
    }
}

/// The token as `connection_init` has it.
pub(super) fn authorization(payload: &Value) -> Option<&str> {
    let names = ["authorization", "Authorization"];
    names.iter().find_map(|name| payload.get(name)?.as_str())
}

/// What a client is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Down<'a> {
    ConnectionAck,
    Pong,
    Next {
        id: &'a str,
        payload: &'a Response,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

impl Down<'_> {
    pub fn text(&self) -> Utf8Bytes {
        json(self).into()
    }
}

/// Why a connection is closed: the protocol has codes of its own.
#[derive(Debug)]
pub(super) struct Goodbye {
    pub code: u16,
    pub reason: String,
}

impl Goodbye {
    pub fn new(code: u16, reason: &str) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
        }
    }
}
