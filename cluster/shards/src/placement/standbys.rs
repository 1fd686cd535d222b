//! Who follows a shard, so that its next owner need not begin cold.

use std::collections::BTreeMap;

use aerostream_domain::ShardId;
use aerostream_proto::v1;
use aerostream_proto::v1::control_record::Kind;

use super::layout::{Candidate, Held, Layout, Place};
use super::score::score;
use crate::control_log::members::MemberId;

/// A change of who follows a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Which shard.
    pub shard: ShardId,
    /// Who shall follow it, or shall no more.
    pub member: MemberId,
    /// It shall.
    pub is_wanted: bool,
}

impl From<Listing> for v1::ControlRecord {
    fn from(listing: Listing) -> Self {
        let status = if listing.is_wanted {
            v1::StandbyStatus::Listed
        } else {
            v1::StandbyStatus::Removed
        };
        let standby = v1::Standby {
            shard: u32::from(listing.shard.0),
            node: listing.member.node,
            incarnation: listing.member.incarnation,
            status: status.into(),
        };
        Self {
            kind: Some(Kind::Standby(standby)),
        }
    }
}

/// What to write next so that every shard that is served has one standby: in another zone than its
/// owner if there is one, then where a copy is already, then where few are.
///
/// A copy elsewhere is given up only when that standby is caught up.
#[must_use]
pub fn propose_standbys(layout: &Layout) -> Vec<Listing> {
    let mut copies = copies(layout);
    let fair = layout.shards.len().div_ceil(layout.members.len().max(1));
    let mut listings = Vec::new();
    for held in &layout.shards {
        let Place::Serving(owner) = &held.place else {
            continue;
        };
        let Some(best) = best(layout, held, owner, &|id| copies[id] < fair) else {
            continue;
        };
        if !follows(held, &best.id) {
            if let Some(count) = copies.get_mut(&best.id) {
                *count += 1;
            }
            listings.push(listing(held, &best.id, true));
        } else if held.warm.contains(&best.id) {
            let others = held.warm.iter().chain(&held.cold);
            listings.extend(
                others
                    .filter(|id| **id != best.id)
                    .map(|id| listing(held, id, false)),
            );
        }
    }
    listings
}

fn best<'a>(
    layout: &'a Layout,
    held: &Held,
    owner: &MemberId,
    has_room: &dyn Fn(&MemberId) -> bool,
) -> Option<&'a Candidate> {
    let zone_of = |id: &MemberId| {
        let mut members = layout.members.iter();
        members
            .find(|member| member.id == *id)
            .map_or("", |member| member.zone.as_str())
    };
    let owners_zone = zone_of(owner);
    let use_of = |member: &Candidate| {
        let is_apart =
            !member.zone.is_empty() && !owners_zone.is_empty() && member.zone != owners_zone;
        (
            is_apart,
            held.warm.contains(&member.id),
            held.cold.contains(&member.id),
            has_room(&member.id),
        )
    };
    let likes = |member: &Candidate| score(held.shard, &member.id.node, member.weight);
    layout
        .members
        .iter()
        .filter(|member| !member.draining && member.id != *owner)
        .max_by(|a, b| {
            use_of(a)
                .cmp(&use_of(b))
                .then_with(|| likes(a).total_cmp(&likes(b)))
        })
}

/// Copies that each member has.
fn copies(layout: &Layout) -> BTreeMap<MemberId, usize> {
    let members = layout.members.iter();
    let mut copies: BTreeMap<_, _> = members.map(|member| (member.id.clone(), 0)).collect();
    for held in &layout.shards {
        for id in held.warm.iter().chain(&held.cold) {
            if let Some(count) = copies.get_mut(id) {
                *count += 1;
            }
        }
    }
    copies
}

fn follows(held: &Held, id: &MemberId) -> bool {
    held.warm.contains(id) || held.cold.contains(id)
}

fn listing(held: &Held, member: &MemberId, is_wanted: bool) -> Listing {
    Listing {
        shard: held.shard,
        member: member.clone(),
        is_wanted,
    }
}
