//! Which connection holds a drone, beside the actors, so that a connection outlives them.
//!
//! One process holds both ends today. In a cluster this table is the gateway's, and what an owner
//! has for a drone goes to the gateway that told of the session: the router's place is
//! [`Sessions::get`].

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aerostream_domain::{BootId, BootMicros, DroneId, UtcMicros};
use tokio::sync::mpsc;

use crate::command::Dispatch;

const STRIPES: usize = 64;

/// One connection of a gateway, which may hold many drones.
#[derive(Debug, Clone)]
pub struct SessionLink {
    id: u64,
    downlink: mpsc::Sender<Dispatch>,
    has_request_ids: bool,
}

impl SessionLink {
    /// A connection that takes commands from the other end of `downlink`.
    #[must_use]
    pub fn new(downlink: mpsc::Sender<Dispatch>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            downlink,
            has_request_ids: true,
        }
    }

    /// Of a protocol whose answers do not name the command.
    #[must_use]
    pub fn without_request_ids(self) -> Self {
        Self {
            has_request_ids: false,
            ..self
        }
    }

    pub(crate) fn has_request_ids(&self) -> bool {
        self.has_request_ids
    }

    pub(crate) fn downlink(&self) -> &mpsc::Sender<Dispatch> {
        &self.downlink
    }
}

/// A word of a drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    pub boot: BootId,
    /// The drone's boot clock when it sent this; only of a power-up that is not over.
    pub sent_at_boot: Option<BootMicros>,
    /// Boot clock of the newest sample in it.
    pub newest_sample: Option<BootMicros>,
    /// The gateway's clock.
    pub at: UtcMicros,
}

/// What the words of a drone say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uplink {
    /// Power-up that it is in.
    pub boot: BootId,
    /// The drone's boot clock, at most, when the gateway's clock showed this.
    pub clock: Option<(BootMicros, UtcMicros)>,
    /// When anything was last heard of it.
    pub heard: UtcMicros,
    tells_clock: bool,
}

impl Uplink {
    fn first(heard: Heard) -> Self {
        let mut uplink = Self {
            boot: heard.boot,
            clock: None,
            heard: heard.at,
            tells_clock: false,
        };
        uplink.hear(heard);
        uplink
    }

    /// A drone that tells its clock does so of its own power-up: what it sends without is of an
    /// earlier one.
    fn hear(&mut self, heard: Heard) {
        self.heard = heard.at;
        if heard.sent_at_boot.is_none() && self.tells_clock {
            return;
        }
        self.tells_clock = heard.sent_at_boot.is_some();
        self.boot = heard.boot;
        let clock = heard.sent_at_boot.or(heard.newest_sample);
        self.clock = clock
            .filter(|clock| *clock <= BootMicros::LATEST_PLAUSIBLE)
            .map(|clock| (clock, heard.at));
    }

    /// A moment in the drone's boot clock, or a little earlier; `None` if that is not known.
    #[must_use]
    pub fn in_boot_clock(&self, moment: UtcMicros) -> Option<BootMicros> {
        let (clock, at) = self.clock?;
        let later = u64::try_from(moment.0.checked_sub(at.0)?).ok()?;
        Some(BootMicros(clock.0.checked_add(later)?))
    }
}

/// A drone's connection and when it was last heard there.
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) link: SessionLink,
    pub uplink: Uplink,
}

impl Session {
    /// True if it is this connection.
    #[must_use]
    pub fn is_on(&self, link: &SessionLink) -> bool {
        self.link.id == link.id
    }
}

/// Every drone that has a connection.
#[derive(Debug)]
pub struct Sessions {
    stripes: Vec<Mutex<HashMap<DroneId, Session>>>,
    hasher: std::hash::RandomState,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: std::hash::RandomState::new(),
        }
    }
}

impl Sessions {
    fn stripe(&self, drone: &DroneId) -> MutexGuard<'_, HashMap<DroneId, Session>> {
        let at = self.hasher.hash_one(drone) as usize % STRIPES;
        let stripe = self.stripes[at].lock();
        stripe.unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a drone was heard on a connection, which holds it from now on.
    pub fn heard(&self, drone: &DroneId, link: &SessionLink, heard: Heard) {
        let mut stripe = self.stripe(drone);
        if let Some(known) = stripe.get_mut(drone) {
            if !known.is_on(link) {
                known.link = link.clone();
            }
            known.uplink.hear(heard);
            return;
        }
        let session = Session {
            link: link.clone(),
            uplink: Uplink::first(heard),
        };
        stripe.insert(drone.clone(), session);
    }

    /// The connection of a drone.
    #[must_use]
    pub fn get(&self, drone: &DroneId) -> Option<Session> {
        self.stripe(drone).get(drone).cloned()
    }

    /// Forgets that a connection holds these drones; one that another connection holds stays.
    pub fn end<'a>(&self, link: &SessionLink, drones: impl IntoIterator<Item = &'a DroneId>) {
        for drone in drones {
            let mut stripe = self.stripe(drone);
            if stripe.get(drone).is_some_and(|it| it.is_on(link)) {
                stripe.remove(drone);
            }
        }
    }
}

/// The table as the handle and every shard share it.
pub(crate) type SharedSessions = Arc<Sessions>;
