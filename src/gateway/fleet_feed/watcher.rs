//! One watcher: what it was told, and what is new to it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::Run;
use aerostream_domain::DroneId;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Seat;
use super::mirror::{Drone, Key, Mirror, Shard, Spot, Standing, Tick};
use super::view::View;
use crate::clock;
use crate::gateway::auth::Scope;

/// Where a watcher's news go.
pub trait Sink {
    /// The drone is here now, and was not shown before if it has `entered`.
    fn moved(&mut self, key: Key, drone: &Drone, entered: bool);

    /// The drone was shown and is not any more.
    fn left(&mut self, key: Key, drone: &DroneId, why: Left);
}

/// Why a drone is not shown any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// It is elsewhere, or the view is.
    OutOfView,
    /// It was not heard for long.
    Silent,
    Retired,
    /// It is of another fleet now.
    OtherFleet,
}

impl Left {
    /// Every reason.
    pub const ALL: [Self; 4] = [
        Self::OutOfView,
        Self::Silent,
        Self::Retired,
        Self::OtherFleet,
    ];

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfView => "out_of_view",
            Self::Silent => "silent",
            Self::Retired => "retired",
            Self::OtherFleet => "other_fleet",
        }
    }
}

/// What happens next to a watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// There is news: call [`Watcher::fill`] until it has no more.
    News,
    /// So many shards cannot be asked: their drones stand still, whatever they do.
    Gap { shards: u16, of: u16 },
    /// All shards are asked again.
    Resumed,
    /// Nothing that was told counts any more, keys included; all is told again.
    Resync,
}

/// What one filling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filled {
    /// True if there is more of the same update.
    pub more: bool,
    /// Drones told.
    pub drones: usize,
    /// Updates of drones that were skipped since newer ones of the same drone are told.
    pub conflated: u64,
    /// Drones that are in view and are not told for want of room.
    pub omitted: u64,
}

/// What a watcher was told of a shard.
#[derive(Debug, Default)]
struct Told {
    run: Option<Run>,
    /// By place: how often the drone had been heard when it was told; 0 if it is not shown.
    renewals: Vec<u32>,
}

/// An update that is being told.
#[derive(Debug, Clone, Copy)]
struct Pass {
    /// What is not newer has been told.
    since: u32,
    /// Tick at which it began.
    tick: u32,
    at: Key,
}

/// One watcher.
pub struct Watcher {
    seat: Seat,
    mirror: Arc<Mirror>,
    ticks: watch::Receiver<Tick>,
    scope: Scope,
    view: View,
    /// Which fleets are in scope and view, by their numbers.
    fleets: Vec<bool>,
    told: Vec<Told>,
    shown: usize,
    /// Everything up to this tick has been told.
    seen: u32,
    unanswered: u16,
    due: Instant,
    /// When the view may be told that has changed.
    view_due: Option<Instant>,
    pass: Option<Pass>,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

impl Watcher {
    pub(super) fn new(seat: Seat, mirror: Arc<Mirror>, (scope, view): (Scope, View)) -> Self {
        let now = clock::monotonic_now();
        Self {
            ticks: mirror.tick.subscribe(),
            told: (0..mirror.shards()).map(|_| Told::default()).collect(),
            seat,
            mirror,
            scope,
            view,
            fleets: Vec::new(),
            shown: 0,
            seen: 0,
            unanswered: 0,
            due: now,
            view_due: Some(now),
            pass: None,
        }
    }

    /// What it sees.
    #[must_use]
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// Drones that it is shown.
    #[must_use]
    pub const fn shown(&self) -> usize {
        self.shown
    }

    /// Sees something else from now on; the difference is the next news.
    pub fn look_at(&mut self, view: View) {
        if view.interval != self.view.interval {
            self.seat.set_interval(view.interval);
        }
        self.view = view;
        self.fleets.clear();
        let pause = Duration::from_millis(self.seat.feed.config.view_change_ms);
        self.view_due.get_or_insert(clock::monotonic_now() + pause);
        self.pass = None;
    }

    /// Waits for what happens next; may be dropped and called again without losing anything.
    pub async fn next(&mut self) -> Next {
        loop {
            let tick = *self.ticks.borrow_and_update();
            let now = clock::monotonic_now();
            if let Some(next) = self.what_is(tick, now) {
                return next;
            }
            let wake = match self.view_due {
                Some(due) if tick.number > 0 => Some(due),
                _ => (tick.number > self.seen).then_some(self.due),
            };
            let slept = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The mirror, which has the sender, is held here.
                _ = self.ticks.changed() => {}
                () = slept => {}
            }
        }
    }

    fn what_is(&mut self, tick: Tick, now: Instant) -> Option<Next> {
        if tick.number == 0 {
            return None;
        }
        if tick.unanswered != self.unanswered {
            self.unanswered = tick.unanswered;
            let (shards, of) = (tick.unanswered, self.mirror.shards());
            return Some(match shards {
                0 => Next::Resumed,
                shards => Next::Gap { shards, of },
            });
        }
        if self.is_of_another_run() {
            self.told
                .iter_mut()
                .for_each(|told| *told = Told::default());
            self.shown = 0;
            self.seen = 0;
            self.pass = None;
            return Some(Next::Resync);
        }
        let is_view_due = self.view_due.is_some_and(|due| now >= due);
        if is_view_due || (tick.number > self.seen && now >= self.due) {
            // A view that has changed is looked at whole: also what stands still may be new in it.
            let since = if is_view_due { 0 } else { self.seen };
            if is_view_due {
                self.view_due = None;
            }
            self.due = (self.due + self.view.interval).max(now);
            self.pass = Some(Pass {
                since,
                tick: tick.number,
                at: Key { shard: 0, place: 0 },
            });
            return Some(Next::News);
        }
        None
    }

    fn is_of_another_run(&self) -> bool {
        (0..).zip(&self.told).any(|(shard, told)| {
            told.run.is_some() && told.run != self.mirror.shard(shard).known.run
        })
    }

    /// Tells some of the news, at most so many drones.
    pub fn fill(&mut self, sink: &mut impl Sink, drones_max: usize) -> Filled {
        let filled = Filled::default();
        let Some(mut pass) = self.pass.take() else {
            return filled;
        };
        let fleets = self.mirror.fleets_from(self.fleets.len());
        let allowed = fleets.iter().map(|fleet| match (fleet, &self.view.fleets) {
            (None, wanted) => self.scope == Scope::All && wanted.is_none(),
            (Some(fleet), wanted) => {
                let is_wanted = wanted.as_ref().is_none_or(|wanted| wanted.contains(fleet));
                is_wanted && self.scope.contains(fleet)
            }
        });
        let allowed: Vec<bool> = allowed.collect();
        self.fleets.extend(allowed);
        let mirror = Arc::clone(&self.mirror);
        let mut filling = Filling {
            sink,
            filled,
            drones_max,
        };
        while pass.at.shard < mirror.shards() {
            let shard = mirror.shard(pass.at.shard);
            if let ControlFlow::Break(()) = self.fill_from(&shard, &mut pass, &mut filling) {
                filling.filled.more = true;
                self.pass = Some(pass);
                return filling.filled;
            }
            pass.at = Key {
                shard: pass.at.shard + 1,
                place: 0,
            };
        }
        self.seen = pass.tick;
        filling.filled
    }

    fn fill_from<S: Sink>(
        &mut self,
        shard: &Shard,
        pass: &mut Pass,
        filling: &mut Filling<'_, S>,
    ) -> ControlFlow<()> {
        let number = usize::from(pass.at.shard);
        let mut told = std::mem::take(&mut self.told[number]);
        if told.run.is_none() {
            told.run = shard.known.run;
        }
        let mut flow = ControlFlow::Continue(());
        // What was told of another run is taken back before anything is told of this one.
        if told.run == shard.known.run {
            told.renewals.resize(shard.spots.len(), 0);
            let places = pass.at.place as usize..shard.spots.len();
            for place in places {
                let spot = &shard.spots[place];
                if spot.stamp <= pass.since {
                    continue;
                }
                pass.at.place = u32::try_from(place).unwrap_or(u32::MAX);
                if filling.filled.drones == filling.drones_max {
                    flow = ControlFlow::Break(());
                    break;
                }
                if let Some(drone) = &shard.drones[place] {
                    let before = &mut told.renewals[place];
                    self.tell((spot, drone, pass.at), before, filling);
                }
            }
        }
        self.told[number] = told;
        flow
    }

    fn tell<S: Sink>(
        &mut self,
        (spot, drone, key): (&Spot, &Drone, Key),
        before: &mut u32,
        filling: &mut Filling<'_, S>,
    ) {
        let (was_shown, renewals) = (*before != 0, drone.brief.renewals());
        match self.sight(spot, drone) {
            Ok(()) if *before == renewals => return,
            Ok(()) if was_shown => {
                let skipped = renewals.wrapping_sub(*before).saturating_sub(1);
                filling.filled.conflated += u64::from(skipped);
                filling.sink.moved(key, drone, false);
                *before = renewals;
            }
            Ok(()) if self.shown >= self.seat.feed.config.view_drones_max => {
                filling.filled.omitted += 1;
                return;
            }
            Ok(()) => {
                self.shown += 1;
                filling.sink.moved(key, drone, true);
                *before = renewals;
            }
            Err(why) if was_shown => {
                self.shown -= 1;
                filling.sink.left(key, &drone.id, why);
                *before = 0;
            }
            Err(_) => return,
        }
        filling.filled.drones += 1;
    }

    fn sight(&self, spot: &Spot, drone: &Drone) -> Result<(), Left> {
        let fleet = self.fleets.get(spot.fleet as usize);
        if !fleet.copied().unwrap_or_default() {
            return Err(Left::OtherFleet);
        }
        match spot.standing {
            Standing::Here => {}
            Standing::Silent => return Err(Left::Silent),
            Standing::Retired => return Err(Left::Retired),
            Standing::Nowhere => return Err(Left::OutOfView),
        }
        let (bbox, drones) = (&self.view.bbox, &self.view.drones);
        let is_within = bbox.is_none_or(|bbox| bbox.contains(spot.latitude_e7, spot.longitude_e7));
        let is_wanted = drones.as_ref().is_none_or(|it| it.contains(&drone.id));
        if is_within && is_wanted {
            Ok(())
        } else {
            Err(Left::OutOfView)
        }
    }
}

/// Where news go, and how much has gone there.
struct Filling<'a, S> {
    sink: &'a mut S,
    filled: Filled,
    drones_max: usize,
}
