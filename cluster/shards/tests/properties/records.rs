//! Control records, shortly.

use aerostream_cluster::{ControlState, MemberId};
use aerostream_domain::{Epoch, Offset, ShardId};
use aerostream_proto::v1;
use aerostream_proto::v1::control_record::Kind;

pub fn member(node: &str, incarnation: &str) -> MemberId {
    MemberId {
        node: node.to_owned(),
        incarnation: incarnation.to_owned(),
    }
}

pub fn epoch(generation: u32, offset: u64) -> Epoch {
    let offset = Offset(offset);
    Epoch { generation, offset }
}

pub fn record(kind: Kind) -> v1::ControlRecord {
    v1::ControlRecord { kind: Some(kind) }
}

pub fn created(shards: u32) -> v1::ControlRecord {
    record(Kind::Created(v1::Created {
        cluster_id: "test".to_owned(),
        shards,
        hash_version: 1,
        generation: 1,
    }))
}

/// A `Join` of a build that knows `rules`.
pub fn join(id: &MemberId, rules: u32) -> v1::ControlRecord {
    weighty_join(id, rules, 0)
}

pub fn weighty_join(id: &MemberId, rules: u32, capacity: u32) -> v1::ControlRecord {
    record(Kind::Join(v1::Join {
        node: id.node.clone(),
        incarnation: id.incarnation.clone(),
        record_version: rules,
        capacity,
        ..Default::default()
    }))
}

pub fn version(rules: u32) -> v1::ControlRecord {
    record(Kind::Version(v1::Version { rules }))
}

pub fn heartbeat(id: &MemberId, sequence: u64) -> v1::ControlRecord {
    let (node, incarnation) = (id.node.clone(), id.incarnation.clone());
    record(Kind::Heartbeat(v1::Heartbeat {
        node,
        incarnation,
        sequence,
    }))
}

pub fn drain(id: &MemberId) -> v1::ControlRecord {
    let (node, incarnation) = (id.node.clone(), id.incarnation.clone());
    record(Kind::Drain(v1::Drain { node, incarnation }))
}

pub fn leave(id: &MemberId) -> v1::ControlRecord {
    let (node, incarnation) = (id.node.clone(), id.incarnation.clone());
    record(Kind::Leave(v1::Leave { node, incarnation }))
}

pub fn expire(id: &MemberId) -> v1::ControlRecord {
    let (node, incarnation) = (id.node.clone(), id.incarnation.clone());
    record(Kind::Expire(v1::Expire { node, incarnation }))
}

pub fn assign(shard: u16, to: &MemberId, expected: Option<Epoch>) -> v1::ControlRecord {
    record(Kind::Assign(v1::Assign {
        shard: u32::from(shard),
        to_node: to.node.clone(),
        to_incarnation: to.incarnation.clone(),
        expected: expected.map(Into::into),
    }))
}

pub fn active(shard: u16, epoch: Option<Epoch>) -> v1::ControlRecord {
    record(Kind::Active(v1::Active {
        shard: u32::from(shard),
        epoch: epoch.map(Into::into),
    }))
}

pub fn move_to(shard: u16, to: &MemberId, expected: Option<Epoch>) -> v1::ControlRecord {
    record(Kind::Move(v1::Move {
        shard: u32::from(shard),
        to_node: to.node.clone(),
        to_incarnation: to.incarnation.clone(),
        expected: expected.map(Into::into),
    }))
}

pub fn sealed(shard: u16, epoch: Option<Epoch>) -> v1::ControlRecord {
    record(Kind::Sealed(v1::Sealed {
        shard: u32::from(shard),
        epoch: epoch.map(Into::into),
    }))
}

pub fn standby(shard: u16, id: &MemberId, status: v1::StandbyStatus) -> v1::ControlRecord {
    record(Kind::Standby(v1::Standby {
        shard: u32::from(shard),
        node: id.node.clone(),
        incarnation: id.incarnation.clone(),
        status: status.into(),
    }))
}

pub fn raise_generation(expected: u32, to: u32) -> v1::ControlRecord {
    record(Kind::RaiseGeneration(v1::RaiseGeneration { expected, to }))
}

pub fn epoch_of(state: &ControlState, shard: u16) -> Option<Epoch> {
    state.owner(ShardId(shard)).map(|owner| owner.epoch)
}
