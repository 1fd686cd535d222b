//! Who stands at the doors, and what is behind them.

use axum::http::Method;

use crate::gateway::auth::{Claims, Role, issue};
use crate::gateway::tests::support::{Fixture, claims, start};

/// One who asks.
pub struct Caller {
    pub name: &'static str,
    pub token: String,
}

/// Fleets red with the drone alpha and blue with bravo; alpha was heard, was refused a sample and
/// has a command that waits.
pub struct Place {
    pub fixture: Fixture,
    /// What stands in rows for ids that are only known now.
    names: [(&'static str, String); 3],
}

impl Place {
    pub async fn new() -> Self {
        let fixture = start().await;
        let sample = |wind: u32| format!(r#"{{"drone_id":"alpha","wind":{{"speed_m_s":{wind}}}}}"#);
        assert_eq!(fixture.post(&sample(1)).await.status, 200);
        assert_ne!(fixture.post(&sample(5000)).await.status, 200);
        let root = fixture.token(Role::Admin, &["*"]);
        let letters = fixture.get("/api/v1/dead-letters", &root).await.json();
        let letter = letters["dead_letters"][0]["id"].as_str();
        let letter = letter.expect("a letter with an id").to_owned();
        let operator = fixture.token(Role::Operator, &["red"]);
        let path = "/api/v1/drones/alpha/commands";
        let body = r#"{"command":"hold"}"#;
        let given = fixture.send(Method::POST, path, &operator, body).await;
        let command = given.json()["command_id"].as_str().map(str::to_owned);
        let command = command.expect("a command with an id");
        let path = "/api/v1/commands";
        let body = r#"{"drone_ids":["alpha"],"command":"land"}"#;
        let given = fixture.send(Method::POST, path, &operator, body).await;
        let group = given.json()["group_id"].as_str().map(str::to_owned);
        let group = group.expect("a group with an id");
        let names = [
            ("{command}", command),
            ("{letter}", letter),
            ("{group}", group),
        ];
        Self { fixture, names }
    }

    /// A text of a row with the ids in it.
    pub fn fill(&self, text: &str) -> String {
        let names = self.names.iter();
        names.fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    /// Every caller, in the order of a row's columns: of each role the one of fleet red before the
    /// one of fleet blue.
    pub fn callers(&self) -> Vec<Caller> {
        let caller = |name, claims: &Claims| Caller {
            name,
            token: issue(&self.fixture.key, claims).unwrap(),
        };
        let foreign_drone = Claims {
            sub: "drone-bravo".to_owned(),
            drone: Some("bravo".to_owned()),
            jti: "drone-bravo-1".to_owned(),
            ..claims(Role::Drone, &[])
        };
        let red = |name, role| caller(name, &claims(role, &["red"]));
        let blue = |name, role| caller(name, &claims(role, &["blue"]));
        vec![
            caller("drone", &claims(Role::Drone, &[])),
            caller("foreign drone", &foreign_drone),
            red("relay", Role::Relay),
            blue("foreign relay", Role::Relay),
            red("viewer", Role::Viewer),
            blue("foreign viewer", Role::Viewer),
            red("operator", Role::Operator),
            blue("foreign operator", Role::Operator),
            red("admin", Role::Admin),
            blue("foreign admin", Role::Admin),
            caller("admin of all", &claims(Role::Admin, &["*"])),
            Caller {
                name: "nobody",
                token: "not.a.token".to_owned(),
            },
        ]
    }
}
