//! Every WebSocket, and every other door that holds its connection.

use super::callers::Place;
use super::table::{Findings, assert_complete, rows};
use crate::gateway::http::table::routes;
use crate::gateway::tests::server::serve_fixture;
use crate::gateway::tests::ws::{Client, Token};

const TABLE: &str = include_str!("socket.txt");

/// True if the door cannot be asked without a connection.
pub fn is_socket(path: &str) -> bool {
    path.starts_with("/ws/") || path.ends_with("/ws") || path.starts_with("/events/")
}

#[tokio::test]
async fn every_socket_with_every_role() {
    let rows = rows(TABLE);
    let doors = routes().into_iter().map(|route| route.path);
    let doors = doors.filter(|path| is_socket(path)).map(str::to_owned);
    assert_complete(doors, &rows, "socket.txt");
    let mut findings = Findings::default();
    for row in &rows {
        let place = Place::new().await;
        let callers = place.callers();
        let served = serve_fixture(place.fixture).await;
        let mut got = Vec::new();
        for caller in callers {
            let token = Token::Header(&caller.token);
            let status = match Client::try_open(&served, row.sent[0], token).await {
                Ok(_) => "101".to_owned(),
                Err((status, _)) => status.to_string(),
            };
            got.push((caller.name, status));
        }
        findings.compare(row, &got);
    }
    findings.assert_none();
}
