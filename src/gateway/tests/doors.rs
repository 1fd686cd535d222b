//! Every door with every role: what is not allowed is denied.
//!
//! The doors are taken from the code: the routes, the descriptors of the RPCs, the schema of
//! GraphQL. A door without a row in its table fails here, and so does a row without a door. To add
//! one, write a line into `doors/http.txt`, `doors/rpc.txt`, `doors/graphql.txt` or
//! `doors/socket.txt`; their heads tell the columns.

mod callers;
mod graphql;
mod http;
mod rpc;
mod socket;
mod table;

use axum::http::Method;

use super::support::start;
use crate::gateway::auth::Role;

#[tokio::test]
async fn a_token_without_fleets_reaches_nothing() {
    let fixture = start().await;
    let token = fixture.token(Role::Admin, &[]);
    let fleets = fixture.get("/api/v1/fleets", &token).await.json();
    assert_eq!(fleets["fleets"].as_array().map(Vec::len), Some(0));
    for path in ["/api/v1/drones/alpha", "/api/v1/drones/nobody"] {
        assert_eq!(fixture.get(path, &token).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let fixture = start().await;
    let answer = fixture.get("/api/v2/drones", "").await;
    assert_eq!(answer.problem().1, "not_found");
    let answer = fixture.send(Method::DELETE, "/api/v1/drones", "", "").await;
    assert_eq!(answer.problem().1, "method_not_allowed");
}
