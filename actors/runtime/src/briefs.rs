//! The briefs of one shard's drones: written by the drones as they apply, read by the shard when it
//! tallies, so that nobody has to be asked.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aerostream_domain::drone::live::LiveState;
use aerostream_domain::{Brief, UtcMicros};

/// Room that is added when there is none: a doubling would leave half of it empty.
const GROWTH: usize = 64;

/// Where a drone has its brief, as long as the shard runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(u32);

impl Place {
    /// Counted from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Shared by a shard and its drones. A lock is held for one brief at a time, whatever is counted.
#[derive(Debug, Default)]
pub(crate) struct Briefs {
    all: Mutex<Vec<Brief>>,
}

impl Briefs {
    fn lock(&self) -> MutexGuard<'_, Vec<Brief>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a drone that has none.
    pub fn add(&self) -> Place {
        let mut all = self.lock();
        let place = Place(u32::try_from(all.len()).expect("a shard has fewer drones than 2^32"));
        if all.len() == all.capacity() {
            let growth = GROWTH.max(all.len() / 16);
            all.reserve_exact(growth);
        }
        all.push(Brief::default());
        place
    }

    /// The drone's live state is this now.
    pub fn renew(&self, place: Place, live: &LiveState) {
        self.lock()[place.0 as usize].renew(live);
    }

    /// A record was applied: its samples count, and the live state is this now.
    pub fn applied(&self, place: Place, live: &LiveState, (at, samples): (UtcMicros, usize)) {
        let brief = &mut self.lock()[place.0 as usize];
        brief.renew(live);
        brief.count(at, samples);
    }

    pub fn get(&self, place: Place) -> Brief {
        self.lock()[place.0 as usize]
    }
}
