//! What is known of each sequence number of a boot: absent, pending or durable.

use std::collections::VecDeque;

use super::{AppendId, Limits};
use crate::content_hash::Clocks;
use crate::ids::{BootId, Seq};
use crate::sample::Content;

/// Pending numbers for which room is kept between appends.
const PENDING_KEPT: usize = 16;

/// What is known of one sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Never seen, or below the window: it must be appended, and the database key drops a repeat.
    Absent,
    /// In an append that has not ended.
    Pending(AppendId, Fingerprint),
    /// In the event log.
    Durable(Fingerprint),
}

/// Hash of a settled sample; tells a repeat from a conflict. Never 0, which marks an empty slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of(clocks: Clocks, content: &Content, scratch: &mut Vec<u8>) -> Self {
        Self::new(clocks.hash_with(content, scratch))
    }

    pub(super) fn new(hash: u64) -> Self {
        Self(hash.max(1))
    }

    pub(super) fn get(self) -> u64 {
        self.0
    }
}

/// The newest sequence numbers of one boot. It slides with the highest one it has seen.
///
/// A slot is 8 bytes: samples of a boot are nearly contiguous, so a ring of hashes is smaller
/// than any map. Numbers that wait for an append are few and live in a list beside it.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) boot: BootId,
    /// Sequence number of the first slot.
    base: u64,
    /// Fingerprints; 0 is absent.
    slots: VecDeque<u64>,
    /// Sorted by sequence number; each has a slot.
    pending: VecDeque<(u64, AppendId)>,
}

impl Window {
    pub(super) fn new(boot: BootId) -> Self {
        Self {
            boot,
            base: 0,
            slots: VecDeque::new(),
            pending: VecDeque::new(),
        }
    }

    /// First sequence number behind the last slot.
    fn end(&self) -> u64 {
        self.base.saturating_add(self.slots.len() as u64)
    }

    fn index(&self, seq: u64) -> Option<usize> {
        let index = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        (index < self.slots.len()).then_some(index)
    }

    pub(super) fn look_up(&self, seq: Seq) -> Known {
        let Some(fingerprint) = self.index(seq.0).map(|index| self.slots[index]) else {
            return Known::Absent;
        };
        if fingerprint == 0 {
            return Known::Absent;
        }
        let fingerprint = Fingerprint(fingerprint);
        match self.find_pending(seq.0) {
            Ok(at) => Known::Pending(self.pending[at].1, fingerprint),
            Err(_) => Known::Durable(fingerprint),
        }
    }

    fn find_pending(&self, seq: u64) -> Result<usize, usize> {
        // Appends end in order, so a number is mostly the first one or behind the last one.
        match self.pending.front() {
            Some((first, _)) if *first == seq => return Ok(0),
            Some((first, _)) if *first > seq => return Err(0),
            None => return Err(0),
            Some(_) => {}
        }
        self.pending.binary_search_by_key(&seq, |(seq, _)| *seq)
    }

    /// The slot of a sequence number, sliding the window to hold it; `None` below the window.
    fn reach(&mut self, seq: u64, size: usize) -> Option<usize> {
        let size = size.max(1) as u64;
        if self.slots.is_empty() {
            self.base = seq;
        }
        if seq < self.base {
            if self.end() - seq > size {
                return None;
            }
            let more = self.base - seq;
            self.reserve(more as usize, size as usize);
            for _ in 0..more {
                self.slots.push_front(0);
            }
            self.base = seq;
            return Some(0);
        }
        if seq - self.base >= size {
            self.slide(seq - (size - 1));
        }
        if self.slots.is_empty() {
            self.base = seq;
        }
        let index = (seq - self.base) as usize;
        if index >= self.slots.len() {
            self.reserve(index + 1 - self.slots.len(), size as usize);
            self.slots.resize(index + 1, 0);
        }
        Some(index)
    }

    /// Makes room by doubling, but never for more than the window holds.
    fn reserve(&mut self, more: usize, size: usize) {
        let needed = self.slots.len() + more;
        if needed > self.slots.capacity() {
            let room = needed.next_power_of_two().min(size.max(needed));
            self.slots.reserve_exact(room - self.slots.len());
        }
    }

    /// Gives back what a burst of appends needed.
    fn settle_pending(&mut self) {
        if self.pending.is_empty() && self.pending.capacity() > PENDING_KEPT {
            self.pending = VecDeque::new();
        }
    }

    fn slide(&mut self, floor: u64) {
        let gone = usize::try_from(floor - self.base).unwrap_or(usize::MAX);
        self.slots.drain(..gone.min(self.slots.len()));
        self.base = floor;
        while self.pending.front().is_some_and(|(seq, _)| *seq < floor) {
            self.pending.pop_front();
        }
    }

    /// An absent number is now in an append.
    pub(super) fn mark_pending(
        &mut self,
        seq: Seq,
        fingerprint: Fingerprint,
        append: AppendId,
        size: usize,
    ) {
        let Some(index) = self.reach(seq.0, size) else {
            return;
        };
        if self.slots[index] != 0 {
            return;
        }
        self.slots[index] = fingerprint.get();
        if let Err(at) = self.find_pending(seq.0) {
            self.pending.insert(at, (seq.0, append));
        }
    }

    /// A number is in the event log. True if it was before; the first one there stays.
    pub(super) fn mark_durable(&mut self, seq: Seq, fingerprint: Fingerprint, size: usize) -> bool {
        let Some(index) = self.reach(seq.0, size) else {
            return false;
        };
        let waiting = match self.find_pending(seq.0) {
            Ok(at) => self.pending.remove(at).is_some(),
            Err(_) => false,
        };
        self.settle_pending();
        if self.slots[index] != 0 && !waiting {
            return true;
        }
        self.slots[index] = fingerprint.get();
        false
    }

    /// A number whose append failed is absent again, unless it became durable by another one.
    pub(super) fn forget(&mut self, append: AppendId, seq: Seq) {
        let Ok(at) = self.find_pending(seq.0) else {
            return;
        };
        if self.pending[at].1 != append {
            return;
        }
        self.pending.remove(at);
        self.settle_pending();
        if let Some(index) = self.index(seq.0) {
            self.slots[index] = 0;
        }
        // The window ends at the highest number that is known, as it does after a restart.
        while self.slots.back() == Some(&0) {
            self.slots.pop_back();
        }
    }

    /// Keeps the newest half, since a later boot is under way: of this one only what the drone
    /// stored is still to come, and a repeat that is not known is merely appended again.
    fn retire(&mut self, size: usize) {
        let half = (size / 2).max(1);
        if self.slots.len() > half {
            self.slide(self.end() - half as u64);
            self.slots.shrink_to(half);
        }
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Durable numbers, ascending.
    pub(super) fn durable(&self) -> impl Iterator<Item = (Seq, Fingerprint)> {
        (self.base..)
            .zip(self.slots.iter())
            .filter(|(seq, slot)| **slot != 0 && self.find_pending(*seq).is_err())
            .map(|(seq, slot)| (Seq(seq), Fingerprint(*slot)))
    }
}

/// Windows of the boots that were used last.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows {
    /// Least recently used first.
    windows: Vec<Window>,
}

impl Windows {
    pub(super) fn get(&self, boot: BootId) -> Option<&Window> {
        self.windows.iter().find(|window| window.boot == boot)
    }

    pub(super) fn get_mut(&mut self, boot: BootId) -> Option<&mut Window> {
        self.windows.iter_mut().find(|window| window.boot == boot)
    }

    /// Least recently used first.
    pub(super) fn restore(windows: Vec<Window>) -> Self {
        Self { windows }
    }

    /// The window of a boot as the most recently used one, made if it is not there.
    pub(super) fn touch(&mut self, boot: BootId, limits: &Limits) -> &mut Window {
        match self.windows.iter().position(|window| window.boot == boot) {
            Some(at) => self.windows[at..].rotate_left(1),
            None => {
                if self.windows.len() >= limits.windows_max.max(1) {
                    self.windows.remove(0);
                }
                for window in &mut self.windows {
                    window.retire(limits.window);
                }
                self.windows.push(Window::new(boot));
            }
        }
        self.windows.last_mut().expect("one was just put last")
    }

    pub(super) fn pending(&self) -> usize {
        self.windows.iter().map(Window::pending).sum()
    }

    /// Least recently used first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter()
    }
}
