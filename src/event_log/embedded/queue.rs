//! The bounded queue between callers and the one thread that writes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aerostream_log::{Append, AppendError, Appended};
use tokio::sync::oneshot;

/// What became of an append.
pub(super) type Outcome = Result<Appended, AppendError>;

/// An append and whoever waits for it.
pub(super) struct Queued {
    pub(super) append: Append,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// How much the queue takes, and how much of it is written at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueLimits {
    pub(super) records_max: usize,
    pub(super) bytes_max: usize,
    pub(super) group_records_max: usize,
    pub(super) group_bytes_max: usize,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Queued>,
    bytes: usize,
    /// Why nothing is taken any more.
    shut: Option<String>,
}

pub(super) struct Queue {
    limits: QueueLimits,
    inner: Mutex<Inner>,
    filled: Condvar,
}

/// What the writer finds.
pub(super) enum Next {
    Group(Vec<Queued>),
    /// Nothing came in time.
    Idle,
    /// Shut, and empty.
    Shut,
}

pub(super) fn size_of(append: &Append) -> usize {
    append.key.len() + append.payload.len()
}

impl Queue {
    pub(super) fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            inner: Mutex::default(),
            filled: Condvar::new(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves a queue that is still whole: every change is one step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an append, or says why not.
    pub(super) fn push(&self, append: Append) -> Result<oneshot::Receiver<Outcome>, String> {
        let size = size_of(&append);
        let mut inner = self.inner();
        if let Some(reason) = &inner.shut {
            return Err(reason.clone());
        }
        let limits = &self.limits;
        if inner.waiting.len() >= limits.records_max || inner.bytes + size > limits.bytes_max {
            return Err(format!(
                "its queue is full: {} of {} records, {} of {} bytes",
                inner.waiting.len(),
                limits.records_max,
                inner.bytes,
                limits.bytes_max
            ));
        }
        let (reply, outcome) = oneshot::channel();
        inner.bytes += size;
        inner.waiting.push_back(Queued { append, reply });
        let first = inner.waiting.len() == 1;
        drop(inner);
        if first {
            self.filled.notify_one();
        }
        Ok(outcome)
    }

    /// Waits for a group to write, up to `patience`.
    pub(super) fn next(&self, patience: Duration) -> Next {
        let (mut inner, _) = self
            .filled
            .wait_timeout_while(self.inner(), patience, |inner| {
                inner.waiting.is_empty() && inner.shut.is_none()
            })
            .unwrap_or_else(PoisonError::into_inner);
        if inner.waiting.is_empty() {
            return if inner.shut.is_some() {
                Next::Shut
            } else {
                Next::Idle
            };
        }
        let mut bytes = 0;
        let mut records = 0;
        for queued in inner.waiting.iter().take(self.limits.group_records_max) {
            let size = size_of(&queued.append);
            if records > 0 && bytes + size > self.limits.group_bytes_max {
                break;
            }
            bytes += size;
            records += 1;
        }
        inner.bytes -= bytes;
        Next::Group(inner.waiting.drain(..records).collect())
    }

    /// True if the writer has taken everything.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.inner().waiting.is_empty()
    }

    /// Takes nothing more; what waits is still written.
    pub(super) fn shut(&self, reason: &str) {
        let mut inner = self.inner();
        inner.shut.get_or_insert_with(|| reason.to_owned());
        drop(inner);
        self.filled.notify_all();
    }

    /// Takes nothing more and hands out what was never written.
    pub(super) fn abandon(&self, reason: &str) -> Vec<Queued> {
        let mut inner = self.inner();
        // The first reason is the cause; later ones follow from it.
        inner.shut.get_or_insert_with(|| reason.to_owned());
        inner.bytes = 0;
        inner.waiting.drain(..).collect()
    }
}
