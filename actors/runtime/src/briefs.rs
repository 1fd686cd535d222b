//! The briefs of one shard's drones: written by the drones as they apply, read by the shard when it
//! tallies or tells where they are, so that nobody has to be asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aerostream_domain::drone::live::LiveState;
use aerostream_domain::{Brief, DroneId, Epoch, UtcMicros};

use crate::shard::moves::Run;

/// Room that is added when there is none: a doubling would leave half of it empty.
const GROWTH: usize = 64;

/// Runs of shards in this process.
static RUNS: AtomicU64 = AtomicU64::new(0);

/// Where a drone has its brief, as long as the shard runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place(u32);

impl Place {
    /// Counted from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Shared by a shard and its drones. A lock is held for some briefs at a time, whatever is counted.
#[derive(Debug)]
pub(crate) struct Briefs {
    run: Run,
    all: Mutex<All>,
}

#[derive(Debug)]
struct All {
    briefs: Vec<Brief>,
    /// Whose brief is at the same place.
    drones: Vec<DroneId>,
    /// What briefs are renewed in; 2^32 of them are 27 years of five a second.
    round: u32,
}

impl Briefs {
    /// None yet, of a shard that begins to run under this reign.
    pub fn new(epoch: Epoch) -> Self {
        let all = All {
            briefs: Vec::new(),
            drones: Vec::new(),
            round: 1,
        };
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        Self {
            run: Run { epoch, number },
            all: Mutex::new(all),
        }
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a drone that has none.
    pub fn add(&self, drone: &DroneId) -> Place {
        let All { briefs, drones, .. } = &mut *self.lock();
        let place = Place(u32::try_from(briefs.len()).expect("a shard has fewer drones than 2^32"));
        if briefs.len() == briefs.capacity() {
            let growth = GROWTH.max(briefs.len() / 16);
            briefs.reserve_exact(growth);
            drones.reserve_exact(growth);
        }
        briefs.push(Brief::default());
        drones.push(drone.clone());
        place
    }

    /// The drone's live state is this now.
    pub fn renew(&self, place: Place, live: &LiveState) {
        let all = &mut *self.lock();
        all.briefs[place.0 as usize].renew(live, all.round);
    }

    /// A record was applied: its samples count, and the live state is this now.
    pub fn applied(&self, place: Place, live: &LiveState, (at, samples): (UtcMicros, usize)) {
        let all = &mut *self.lock();
        let brief = &mut all.briefs[place.0 as usize];
        brief.renew(live, all.round);
        brief.count(at, samples);
    }

    pub fn get(&self, place: Place) -> Brief {
        self.lock().briefs[place.0 as usize]
    }

    /// Differs from that of the shard's earlier run, where drones had other places.
    pub const fn run(&self) -> Run {
        self.run
    }

    /// Begins a round: what is renewed from now on is of a later one than the one returned.
    pub fn begin_round(&self) -> u32 {
        let mut all = self.lock();
        let round = all.round;
        all.round = round.saturating_add(1);
        round
    }

    /// Looks at `limit` places from `from` on and shows the briefs that were renewed after the
    /// round; where to go on, if that was not the end.
    pub fn renewed_after(
        &self,
        round: u32,
        (from, limit): (u32, u32),
        mut visit: impl FnMut(u32, &DroneId, &Brief),
    ) -> Option<u32> {
        let all = self.lock();
        let places = u32::try_from(all.briefs.len()).unwrap_or(u32::MAX);
        let to = from.saturating_add(limit).min(places);
        for place in from..to {
            let brief = &all.briefs[place as usize];
            if brief.round() > round {
                visit(place, &all.drones[place as usize], brief);
            }
        }
        (to < places).then_some(to)
    }
}
