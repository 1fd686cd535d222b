//! Every route of the REST door that is no WebSocket.

use axum::body::Body;
use axum::http::Request;
use tower::ServiceExt;

use super::callers::Place;
use super::table::{Findings, assert_complete, rows};
use crate::gateway::http::table::routes;

const TABLE: &str = include_str!("http.txt");

/// Only the head is read: some answers never end.
async fn status(place: &Place, door: &str, (path, body): (&str, &str), token: &str) -> String {
    let (method, _) = door.split_once(' ').expect("a method and a path");
    let request = Request::builder()
        .method(method)
        .uri(place.fill(path))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(place.fill(body)))
        .unwrap();
    let response = place.fixture.router.clone().oneshot(request).await.unwrap();
    response.status().as_u16().to_string()
}

#[tokio::test]
async fn every_route_with_every_role() {
    let rows = rows(TABLE);
    let doors = routes().into_iter();
    let doors = doors.filter(|route| !super::socket::is_socket(route.path));
    let doors = doors.map(|route| format!("{} {}", route.method, route.path));
    assert_complete(doors, &rows, "http.txt");
    let mut findings = Findings::default();
    for row in &rows {
        let place = Place::new().await;
        let sent = match *row.sent.as_slice() {
            [path] => (path, ""),
            [path, body] => (path, body),
            _ => panic!("a path, then perhaps a body: {row:?}"),
        };
        let mut got = Vec::new();
        for caller in place.callers() {
            let status = status(&place, row.door, sent, &caller.token).await;
            got.push((caller.name, status));
        }
        findings.compare(row, &got);
    }
    findings.assert_none();
}
