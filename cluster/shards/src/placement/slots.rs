//! How many shards each member has, and who has room for one more.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use aerostream_domain::ShardId;

use super::layout::{Candidate, Held, Layout, Place};
use super::score::score;
use crate::control_log::members::MemberId;

/// A member that may get shards.
struct Slot {
    id: MemberId,
    weight: u32,
    version: u32,
    load: u64,
    /// Its share rounded down: with less it is underfull.
    floor: u64,
    /// With more it is overfull.
    cap: u64,
}

impl Slot {
    const fn is_over(&self) -> bool {
        self.load > self.cap
    }

    const fn has_room(&self) -> bool {
        self.load < self.cap
    }

    const fn lacks(&self) -> bool {
        self.load < self.floor
    }

    /// Shards per weight, in units of 2^-32.
    fn fullness(&self) -> u64 {
        (self.load << 32) / u64::from(self.weight.max(1))
    }
}

/// What may be given to whom while proposals are made.
pub(super) struct Slots {
    open: Vec<Slot>,
    /// Draining members, whose shards need a refuge; empty if there is none.
    leaving: BTreeSet<MemberId>,
    /// Only draining members are there: they take orphans, which is better than nobody.
    is_last_resort: bool,
    /// Members of two versions run.
    is_mixed: bool,
    /// Shards that a proposal moves already.
    moved: BTreeSet<ShardId>,
}

impl Slots {
    pub fn of(layout: &Layout) -> Self {
        let (draining, staying): (Vec<_>, Vec<_>) =
            layout.members.iter().partition(|member| member.draining);
        let is_last_resort = staying.is_empty();
        let candidates = if is_last_resort { &draining } else { &staying };
        let mut slots = Self {
            open: open(candidates, layout.shards.len()),
            leaving: BTreeSet::new(),
            is_last_resort,
            is_mixed: layout
                .members
                .iter()
                .any(|member| member.version != layout.members[0].version),
            moved: BTreeSet::new(),
        };
        if !is_last_resort {
            slots.leaving = draining.iter().map(|member| member.id.clone()).collect();
        }
        for held in &layout.shards {
            if let Some(slot) = holder(held).and_then(|id| slots.find(id)) {
                slots.open[slot].load += 1;
            }
        }
        slots
    }

    /// Who gets a shard that nobody has; `None` if somebody has it, or nobody can.
    pub fn next_owner(&mut self, held: &Held) -> Option<MemberId> {
        match &held.place {
            Place::Sealed { to: Some(to) } if self.find(to).is_some() => Some(to.clone()),
            Place::Orphan | Place::Sealed { .. } => self.take_in(held),
            Place::Settling(_) | Place::Serving(_) | Place::Moving { .. } => None,
        }
    }

    /// Who gets a shard that a draining member serves; `None` if it need not move.
    pub fn refuge(&mut self, held: &Held) -> Option<MemberId> {
        match &held.place {
            Place::Serving(owner) if self.leaving.contains(owner) => {
                self.moved.insert(held.shard);
                self.take_in(held)
            }
            _ => None,
        }
    }

    /// The most useful move of a layout that is not settled; `None` if there is none.
    pub fn better_place<'a>(
        &mut self,
        layout: &'a Layout,
        target_version: u32,
    ) -> Option<(&'a Held, MemberId)> {
        let mut best = None::<Choice<'a>>;
        for held in &layout.shards {
            let Some(from) = self.giver(held) else {
                continue;
            };
            for to in 0..self.open.len() {
                if self.may_move(from, to, target_version) {
                    let choice = self.choice(held, from, to);
                    if best
                        .as_ref()
                        .is_none_or(|best| choice.is_better(best, self))
                    {
                        best = Some(choice);
                    }
                }
            }
        }
        let Choice { held, from, to, .. } = best?;
        self.open[from].load -= 1;
        self.open[to].load += 1;
        self.moved.insert(held.shard);
        Some((held, self.open[to].id.clone()))
    }

    fn giver(&self, held: &Held) -> Option<usize> {
        match &held.place {
            Place::Serving(_) if self.is_last_resort => None,
            Place::Serving(owner) if !self.moved.contains(&held.shard) => self.find(owner),
            _ => None,
        }
    }

    /// True if a move makes what is above a bound or what is lacking less, and nothing worse.
    fn may_move(&self, from: usize, to: usize, target_version: u32) -> bool {
        let (from, to) = (&self.open[from], &self.open[to]);
        let helps = from.is_over() || (to.lacks() && from.load > from.floor);
        let suits =
            !self.is_mixed || (to.version == target_version && from.version != target_version);
        helps && to.has_room() && suits
    }

    fn choice<'a>(&self, held: &'a Held, from: usize, to: usize) -> Choice<'a> {
        let (giver, taker) = (&self.open[from], &self.open[to]);
        let use_of_it = Use {
            relieves: giver.is_over(),
            fills: taker.lacks(),
            is_warm: held.warm.contains(&taker.id),
            fullness: giver.fullness(),
            emptiness: u64::MAX - taker.fullness(),
        };
        Choice {
            held,
            from,
            to,
            use_of_it,
        }
    }

    /// Finds room for a shard: where a warm copy is, else where shards are lacking, else anywhere.
    fn take_in(&mut self, held: &Held) -> Option<MemberId> {
        let is_warm = |slot: &Slot| slot.has_room() && held.warm.contains(&slot.id);
        let place = self
            .best(held, is_warm)
            .or_else(|| self.best(held, Slot::lacks))
            .or_else(|| self.best(held, Slot::has_room))?;
        self.open[place].load += 1;
        Some(self.open[place].id.clone())
    }

    fn best(&self, held: &Held, may: impl Fn(&Slot) -> bool) -> Option<usize> {
        let places = (0..self.open.len()).filter(|place| may(&self.open[*place]));
        places.max_by(|a, b| self.likes(held, *a).total_cmp(&self.likes(held, *b)))
    }

    fn likes(&self, held: &Held, place: usize) -> f64 {
        let slot = &self.open[place];
        score(held.shard, &slot.id.node, slot.weight)
    }

    fn find(&self, id: &MemberId) -> Option<usize> {
        self.open.iter().position(|slot| slot.id == *id)
    }
}

/// Who has a shard, or is about to.
const fn holder(held: &Held) -> Option<&MemberId> {
    match &held.place {
        Place::Settling(owner) | Place::Serving(owner) => Some(owner),
        Place::Moving { to } | Place::Sealed { to: Some(to) } => Some(to),
        Place::Orphan | Place::Sealed { to: None } => None,
    }
}

fn open(candidates: &[&Candidate], shards: usize) -> Vec<Slot> {
    let weights: u64 = candidates
        .iter()
        .map(|member| u64::from(member.weight.max(1)))
        .sum();
    let slot = |member: &&Candidate| {
        let shards_weighted = shards as u64 * u64::from(member.weight.max(1));
        Slot {
            id: member.id.clone(),
            weight: member.weight.max(1),
            version: member.version,
            load: 0,
            floor: shards_weighted / weights,
            cap: shards_weighted
                .div_ceil(weights)
                .max(shards_weighted * 115 / (weights * 100)),
        }
    };
    candidates.iter().map(slot).collect()
}

/// What a move is good for, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Use {
    relieves: bool,
    fills: bool,
    is_warm: bool,
    fullness: u64,
    emptiness: u64,
}

/// A move that could be made.
struct Choice<'a> {
    held: &'a Held,
    from: usize,
    to: usize,
    use_of_it: Use,
}

impl Choice<'_> {
    /// The hashes are looked at only where all else is equal.
    fn is_better(&self, other: &Self, slots: &Slots) -> bool {
        match self.use_of_it.cmp(&other.use_of_it) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal => {
                let (own, others) = (
                    slots.likes(self.held, self.to),
                    slots.likes(other.held, other.to),
                );
                own.total_cmp(&others) == Ordering::Greater
            }
        }
    }
}
