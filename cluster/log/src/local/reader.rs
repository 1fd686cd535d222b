//! Readers over a [`LocalStore`]: they sleep until the store or the group changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use aerostream_domain::Offset;
use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::sleep;

use super::group::{Change, Member};
use super::{FetchLimits, LocalStore, Position, check_inside};
use crate::port::{GroupEvent, GroupReader, LogError, ReadLimits, Reader, Record};
use crate::topic::{Partition, Topic};

/// Places in some partitions and how to get on from there.
pub(super) struct Tail<S> {
    store: Arc<S>,
    changes: watch::Receiver<u64>,
    places: BTreeMap<(Topic, Partition), Offset>,
    /// Which partition comes first next time, so that a busy one does not starve the others.
    turn: usize,
}

impl<S: LocalStore> Tail<S> {
    pub(super) fn new(store: Arc<S>) -> Self {
        Self {
            changes: store.changes(),
            store,
            places: BTreeMap::new(),
            turn: 0,
        }
    }

    /// Begins, or begins again, at a position inside the partition.
    pub(super) fn place(&mut self, at: Position) -> Result<(), LogError> {
        check_inside(at, self.store.bounds(at.topic, at.partition)?)?;
        self.places.insert((at.topic, at.partition), at.next);
        Ok(())
    }

    /// What there is now. Dropping the future loses nothing.
    async fn take(&mut self, limits: ReadLimits) -> Result<Vec<Record>, LogError> {
        self.changes.borrow_and_update();
        let mut behind = Vec::new();
        for (&(topic, partition), &next) in &self.places {
            let position = Position {
                topic,
                partition,
                next,
            };
            let bounds = self.store.bounds(topic, partition)?;
            check_inside(position, bounds)?;
            if next < bounds.end {
                behind.push(position);
            }
        }
        if behind.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.turn % behind.len();
        behind.rotate_left(first);
        let limits = FetchLimits {
            records_max: limits.records_max.max(1),
            bytes_max: limits.bytes_max,
        };
        let fetched = self.store.fetch(behind, limits).await?;
        self.turn = self.turn.wrapping_add(1);
        for at in fetched.positions {
            self.places.insert((at.topic, at.partition), at.next);
        }
        Ok(fetched.records)
    }
}

fn closed() -> LogError {
    LogError::Failed {
        doing: "following its tail".to_owned(),
        reason: "the log was closed".to_owned(),
    }
}

/// Follows partitions that were named at its start.
pub(super) struct TailReader<S> {
    tail: Tail<S>,
}

impl<S> TailReader<S> {
    pub(super) fn new(tail: Tail<S>) -> Self {
        Self { tail }
    }
}

#[async_trait]
impl<S: LocalStore> Reader for TailReader<S> {
    async fn next(&mut self, limits: ReadLimits) -> Result<Vec<Record>, LogError> {
        let mut patience = std::pin::pin!(sleep(limits.wait_max));
        loop {
            let records = self.tail.take(limits).await?;
            if !records.is_empty() {
                return Ok(records);
            }
            tokio::select! {
                changed = self.tail.changes.changed() => changed.map_err(|_| closed())?,
                () = &mut patience => return Ok(Vec::new()),
            }
        }
    }
}

/// Follows the partitions that its group gives it.
pub(super) struct MemberReader<S> {
    tail: Tail<S>,
    group_changes: watch::Receiver<u64>,
    member: Member,
}

impl<S> MemberReader<S> {
    pub(super) fn new(tail: Tail<S>, member: Member) -> Self {
        Self {
            tail,
            group_changes: member.changes(),
            member,
        }
    }
}

#[async_trait]
impl<S: LocalStore> GroupReader for MemberReader<S> {
    async fn next(&mut self, limits: ReadLimits) -> Result<GroupEvent, LogError> {
        let mut patience = std::pin::pin!(sleep(limits.wait_max));
        loop {
            self.group_changes.borrow_and_update();
            match self.member.poll() {
                Some(Change::Assigned(held)) => return Ok(GroupEvent::Assigned(held)),
                Some(Change::Revoked(held)) => {
                    for place in &held {
                        self.tail.places.remove(place);
                    }
                    return Ok(GroupEvent::Revoked(held));
                }
                None => {}
            }
            let records = self.tail.take(limits).await?;
            if !records.is_empty() {
                return Ok(GroupEvent::Records(records));
            }
            tokio::select! {
                changed = self.tail.changes.changed() => changed.map_err(|_| closed())?,
                changed = self.group_changes.changed() => changed.map_err(|_| closed())?,
                () = &mut patience => return Ok(GroupEvent::Records(Vec::new())),
            }
        }
    }

    async fn start(
        &mut self,
        topic: Topic,
        partition: Partition,
        offset: Offset,
    ) -> Result<(), LogError> {
        self.tail.place(Position {
            topic,
            partition,
            next: offset,
        })
    }

    fn report(&mut self, topic: Topic, partition: Partition, next: Offset) {
        self.member.report(topic, partition, next);
    }
}
