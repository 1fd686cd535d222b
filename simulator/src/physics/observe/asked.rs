//! Messages that an operator asks for: each with its groups and nothing else.

use aerostream_domain::command::Outcome;
use aerostream_domain::sample::Content;

use super::{
    Observer, attitude, battery, due, gnss, health, home, link, mission, position, state, velocity,
    wind,
};
use crate::physics::flight::{Flight, Refused};
use crate::physics::vector::Vec3;

/// What a message tells; `None` if there is nothing to tell now.
type Telling = fn(&Flight) -> Option<Content>;

/// Messages by the names of MAVLink and of the groups, in one message each (docs/adr/009).
const MESSAGES: [([&str; 2], Telling); 10] = [
    (["GLOBAL_POSITION_INT", "position"], |flight| {
        Some(Content {
            position: Some(position(flight, measured(flight))),
            velocity: Some(velocity(flight)),
            ..Content::default()
        })
    }),
    (["ATTITUDE", "attitude"], |flight| {
        Some(Content {
            attitude: Some(attitude(flight)),
            ..Content::default()
        })
    }),
    (["GPS_RAW_INT", "gnss"], |flight| {
        Some(Content {
            gnss: vec![gnss(flight)],
            ..Content::default()
        })
    }),
    (["HEARTBEAT", "state"], |flight| {
        Some(Content {
            state: Some(state(flight)),
            ..Content::default()
        })
    }),
    (["BATTERY_STATUS", "battery"], |flight| {
        Some(Content {
            battery: vec![battery(flight)],
            ..Content::default()
        })
    }),
    (["SYS_STATUS", "health"], |flight| {
        Some(Content {
            health: Some(health(flight)),
            ..Content::default()
        })
    }),
    (["HOME_POSITION", "home"], |flight| {
        Some(Content {
            home: Some(home(flight, measured(flight))),
            ..Content::default()
        })
    }),
    (["MISSION_CURRENT", "mission"], |flight| {
        Some(Content {
            mission: Some(mission(flight)?),
            ..Content::default()
        })
    }),
    (["RADIO_STATUS", "link"], |flight| {
        Some(Content {
            link: Some(link(measured(flight))),
            ..Content::default()
        })
    }),
    (["WIND_COV", "wind"], |flight| {
        let is_known = flight.mission.phase.is_flying();
        is_known.then(|| Content {
            wind: Some(wind(flight)),
            ..Content::default()
        })
    }),
];

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Asked {
    /// The name by which it was asked for.
    name: String,
    /// Its place in [`MESSAGES`].
    message: usize,
    /// Seconds between two of them; `None`: once.
    every_s: Option<f64>,
    /// Seconds of the flight's time.
    due_s: f64,
    /// It was not sent since it was asked for.
    is_new: bool,
}

/// What was asked for and is due.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Due {
    pub contents: Vec<Content>,
    /// Somebody waits for one of them.
    pub is_awaited: bool,
}

fn measured(flight: &Flight) -> Vec3 {
    flight.position() + flight.gps.position_error()
}

impl Observer {
    /// Sends a message with the next sample, and again and again if an interval says so.
    ///
    /// # Errors
    /// It knows no such message, or nothing to say in it now.
    pub fn ask(
        &mut self,
        flight: &Flight,
        name: &str,
        interval_ms: Option<f64>,
    ) -> Result<(), Refused> {
        let mut known = MESSAGES.iter();
        let Some(message) = known.position(|(names, _)| names.contains(&name)) else {
            return Err((Outcome::Unsupported, "it has no message of that name"));
        };
        if MESSAGES[message].1(flight).is_none() {
            let nothing = "it has nothing to say in that message now";
            return Err((Outcome::TemporarilyRejected, nothing));
        }
        let before = self.asked.iter().position(|asked| asked.name == name);
        let before = before.map(|at| self.asked.swap_remove(at));
        self.asked.push(Asked {
            name: name.to_owned(),
            message,
            // Asked once, it goes on as it was asked for before.
            every_s: interval_ms
                .map(|ms| ms / 1000.0)
                .or(before.and_then(|before| before.every_s)),
            due_s: flight.time_s(),
            is_new: true,
        });
        Ok(())
    }

    /// What was asked for and is due now; at most one of each message, however short its interval.
    pub fn take_asked(&mut self, flight: &Flight) -> Due {
        let mut now = Due::default();
        let now_s = flight.time_s();
        self.asked.retain_mut(|asked| {
            let every_s = asked.every_s.unwrap_or_default();
            if !due(&mut asked.due_s, now_s, every_s) {
                return true;
            }
            if let Some(content) = MESSAGES[asked.message].1(flight) {
                now.contents.push(Content {
                    kind: asked.name.clone(),
                    ..content
                });
                now.is_awaited |= std::mem::take(&mut asked.is_new);
            }
            asked.every_s.is_some()
        });
        now
    }
}
