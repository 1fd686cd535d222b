//! One subscriber of one drone.

use std::time::Duration;

use aerostream_domain::{DroneId, ShardId};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::hub::Told;
use super::{FeedEvent, FeedSnapshot};
use crate::handle::{Handle, Unavailable};
use crate::message::ShardMsg;

/// How long a subscriber waits for an actor that is being restored.
const JOIN_MAX: Duration = Duration::from_secs(15);
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// A place among those who watch a drone; it is left when this is dropped.
#[derive(Debug)]
pub struct Subscription {
    handle: Handle,
    drone: DroneId,
    /// `None` only while this is dropped.
    receiver: Option<Receiver<Told>>,
}

impl Handle {
    /// Watches a drone, heard or not; what happens from now on is told. Ask for the snapshot next.
    ///
    /// # Errors
    /// Too many watch already, or the drone is not served here.
    pub fn subscribe(&self, drone: &DroneId) -> Result<Subscription, Unavailable> {
        self.check_held()?;
        let receiver = self.feeds.join(drone)?;
        Ok(Subscription {
            handle: self.clone(),
            drone: drone.clone(),
            receiver: Some(receiver),
        })
    }

    fn check_held(&self) -> Result<(), Unavailable> {
        if self.ownership.is_fenced() {
            let reason = "another process has taken over the shard".to_owned();
            return Err(Unavailable::NotOwner { reason });
        }
        Ok(())
    }
}

impl Subscription {
    /// The drone's shard, which is the partition of its records.
    #[must_use]
    pub fn shard(&self) -> ShardId {
        self.handle.count.shard_of(&self.drone)
    }

    /// The drone as it is now; waits for an actor that is being restored. Updates that come later
    /// and lie below the snapshot's cursor are in it already.
    ///
    /// # Errors
    /// The shard is not served here, or nobody answers for long.
    pub async fn snapshot(&self) -> Result<FeedSnapshot, Unavailable> {
        let give_up = Instant::now() + JOIN_MAX;
        loop {
            self.handle.check_held()?;
            match self.ask().await {
                Ok(snapshot) => return Ok(snapshot),
                Err(why) if Instant::now() >= give_up => return Err(why),
                Err(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    async fn ask(&self) -> Result<FeedSnapshot, Unavailable> {
        let (reply, answer) = oneshot::channel();
        let drone = self.drone.clone();
        self.handle
            .cast(self.shard(), ShardMsg::Join { drone, reply })?;
        crate::handle::answered(answer)
            .await
            .map(|snapshot| *snapshot)
    }

    /// What happens next; may be dropped and called again without losing anything.
    pub async fn next(&mut self) -> FeedEvent {
        let Some(receiver) = &mut self.receiver else {
            return FeedEvent::Fenced;
        };
        match receiver.recv().await {
            Ok(Told::Frame(frame)) => FeedEvent::Frame(frame),
            Ok(Told::Interrupted) => FeedEvent::Interrupted,
            Ok(Told::Late) => FeedEvent::Late,
            Ok(Told::Fenced) | Err(RecvError::Closed) => FeedEvent::Fenced,
            Err(RecvError::Lagged(events)) => FeedEvent::Lagged(events),
        }
    }

    /// Drops what waits to be told and says how much that is.
    pub fn skip(&mut self) -> u64 {
        let Some(receiver) = &mut self.receiver else {
            return 0;
        };
        let waiting = receiver.len() as u64;
        *receiver = receiver.resubscribe();
        waiting
    }

    /// True if nothing waits to be told.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.receiver.as_ref().is_none_or(Receiver::is_empty)
    }

    /// False once another process serves the drone, even if nothing was told since.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.handle.ownership.is_fenced()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.receiver = None;
        self.handle.feeds.leave(&self.drone);
    }
}
