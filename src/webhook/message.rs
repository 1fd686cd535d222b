//! What a target is told of one change of an alert.

use aerostream_domain::alert::{Alert, AlertId};
use aerostream_domain::{DroneId, FleetId, Offset, UtcMicros};
use bytes::Bytes;
use serde::Serialize;

use crate::gateway::alert::{Happened, SeenAlert};
use crate::gateway::json::alert::AlertReply;
use crate::gateway::json::shape::Time;

/// Which change of the journal it tells: what is posted again is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub offset: Offset,
    /// Which of the changes that the record tells.
    pub place: usize,
}

/// A change of an alert.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub shard: u16,
    pub key: Key,
    pub what: Happened,
    pub alert_id: AlertId,
    pub drone: DroneId,
    pub fleet: Option<FleetId>,
    /// When it was written, by its writer.
    pub at: UtcMicros,
    /// The alert behind it; `None` if it was raised before this process began.
    pub alert: Option<Alert>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    timestamp: Time,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    drone_id: &'a str,
    fleet_id: Option<&'a str>,
    alert_id: String,
    what: &'static str,
    at_us: i64,
    alert: Option<AlertReply>,
}

impl Message {
    /// The value of `webhook-id`.
    pub fn id(&self) -> String {
        let Key { offset, place } = self.key;
        format!("{}_{}_{offset}_{place}", self.alert_id, self.shard)
    }

    /// JSON.
    pub fn body(&self) -> Result<Bytes, serde_json::Error> {
        let alert = self.alert.clone().map(|alert| {
            let seen = SeenAlert {
                drone: self.drone.clone(),
                fleet: self.fleet.clone(),
                alert,
            };
            AlertReply::from(&seen)
        });
        let body = Body {
            r#type: format!("alert.{}", self.what.as_str()),
            timestamp: Time(self.at.0),
            data: Data {
                drone_id: self.drone.as_str(),
                fleet_id: self.fleet.as_ref().map(FleetId::as_str),
                alert_id: self.alert_id.to_string(),
                what: self.what.as_str(),
                at_us: self.at.0,
                alert,
            },
        };
        serde_json::to_vec(&body).map(Bytes::from)
    }
}
