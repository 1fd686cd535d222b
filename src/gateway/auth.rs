//! Who is calling and what that caller may do. Whatever is not allowed here is denied.

pub mod cache;
pub mod token;

pub mod issuer;
mod jwks;
mod keep;
pub mod keys;
pub mod ring;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use aerostream_domain::{DroneId, FleetId, UtcMicros};
use serde::{Deserialize, Serialize};

pub use cache::{AuthError, Authenticator, Caller};
pub use issuer::IssuerConfig;
pub use keys::{Algorithm, AuthConfig, KeyConfig, KeyError, SigningKey};
pub use ring::{KeyPrint, KeyRing};
pub use token::{Claims, TokenError, inspect, issue};

/// What kind of caller a token makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sends the telemetry of one drone, and may read that drone.
    Drone,
    /// Sends the telemetry of many drones of its fleets.
    Relay,
    /// Reads its fleets.
    Viewer,
    /// Reads its fleets and commands their drones.
    Operator,
    /// Reads its fleets and changes what the registry says of them.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Drone,
        Self::Relay,
        Self::Viewer,
        Self::Operator,
        Self::Admin,
    ];

    /// The name as tokens have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Drone => "drone",
            Self::Relay => "relay",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// True if any caller of this role may do this to something in its scope.
    #[must_use]
    pub const fn may(self, action: Action) -> bool {
        match action {
            Action::SendTelemetry => matches!(self, Self::Drone | Self::Relay),
            Action::ReadDrone => !matches!(self, Self::Relay),
            Action::ReadFleet => matches!(self, Self::Viewer | Self::Operator | Self::Admin),
            Action::Command | Action::AnswerAlerts => matches!(self, Self::Operator),
            Action::ChangeRegistry | Action::HandleDeadLetters | Action::ReadAudit => {
                matches!(self, Self::Admin)
            }
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| "a role is drone, relay, viewer, operator or admin".to_owned())
    }
}

/// What a caller may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send samples of a drone.
    SendTelemetry,
    /// Read one drone: live state and history.
    ReadDrone,
    /// Read lists of drones and fleets.
    ReadFleet,
    /// Give commands to a drone, take them back, confirm them.
    Command,
    /// Acknowledge alerts and comment on them.
    AnswerAlerts,
    /// Create and change fleets, enrol and retire drones, revoke tokens.
    ChangeRegistry,
    /// Read dead letters, and send them again.
    HandleDeadLetters,
    /// Read who did what.
    ReadAudit,
}

impl Action {
    /// The name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendTelemetry => "send_telemetry",
            Self::ReadDrone => "read_drone",
            Self::ReadFleet => "read_fleet",
            Self::Command => "command",
            Self::AnswerAlerts => "answer_alerts",
            Self::ChangeRegistry => "change_registry",
            Self::HandleDeadLetters => "handle_dead_letters",
            Self::ReadAudit => "read_audit",
        }
    }
}

/// The fleets that a token reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every fleet, those of the future included.
    All,
    /// These and no other.
    Fleets(BTreeSet<FleetId>),
}

impl Scope {
    /// True if the fleet is in it.
    #[must_use]
    pub fn contains(&self, fleet: &FleetId) -> bool {
        match self {
            Self::All => true,
            Self::Fleets(fleets) => fleets.contains(fleet),
        }
    }
}

/// A caller whose token was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who: the `sub` claim; named in audit rows and dead letters.
    pub subject: String,
    pub role: Role,
    pub scope: Scope,
    /// The one drone of a drone token; `None` for every other role.
    pub drone: Option<DroneId>,
    /// The `jti` claim: what a revocation names.
    pub token_id: String,
    /// After this the token is nothing.
    pub expires: UtcMicros,
    /// The key that signed the token: without it the token is nothing either.
    pub key: KeyPrint,
}

impl Principal {
    /// True if the role allows it; whether the target is in scope is another question.
    #[must_use]
    pub const fn may(&self, action: Action) -> bool {
        self.role.may(action)
    }

    /// True if this drone of this fleet is the caller itself or in its scope.
    #[must_use]
    pub fn reaches(&self, drone: &DroneId, fleet: Option<&FleetId>) -> bool {
        match &self.drone {
            Some(own) => own == drone,
            None => match fleet {
                Some(fleet) => self.scope.contains(fleet),
                None => self.scope == Scope::All,
            },
        }
    }
}
