//! A run from its first sample to its report.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::clock::utc_now_us;
use crate::config::Config;
use crate::error::Error;
use crate::lane::{Lane, Receipt, Settings, Spike};
use crate::link::{self, Link};
use crate::manifest::Writer;
use crate::report::Report;
use crate::scenario::Scenario;
use crate::status::Status;
use crate::tokens::{self, Tokens};
use crate::wheel::TICK_US;
use crate::{fleet, progress};

/// A run that has been checked and can be watched.
#[derive(Debug)]
pub struct Simulation {
    config: Config,
    scenario: Arc<Scenario>,
    status: Arc<Status>,
}

/// Reports that a lane takes in at once.
const EVENTS_AT_ONCE: usize = 256;

/// Makes a run and runs it. When `shutdown` is done, or after the configured duration, drones take
/// no more samples and the store is drained.
///
/// # Errors
/// If a setting, the scenario, the endpoint or the manifest cannot be used.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<Report, Error> {
    Simulation::new(config)?.run(shutdown).await
}

impl Simulation {
    /// Checks the settings and loads the scenario.
    ///
    /// # Errors
    /// If a setting is out of its range, or the scenario cannot be loaded.
    pub fn new(config: Config) -> Result<Self, Error> {
        config.check()?;
        let scenario = Arc::new(Scenario::load(&config.scenario)?);
        let lanes = config.connections.min(config.drones as usize);
        Ok(Self {
            status: Arc::new(Status::new(lanes)),
            config,
            scenario,
        })
    }

    /// The run's numbers, live.
    #[must_use]
    pub fn status(&self) -> Arc<Status> {
        Arc::clone(&self.status)
    }

    /// The drones' own tokens, if they have some: every drone must have one then.
    fn tokens(&self) -> Result<Option<Tokens>, Error> {
        let Some(path) = &self.config.tokens else {
            return Ok(None);
        };
        let tokens = tokens::load(path)?;
        for number in 0..self.config.drones {
            let drone = fleet::drone_id(&self.config, number)?;
            if !tokens.contains_key(drone.as_str()) {
                return Err(Error::Tokens {
                    path: path.clone(),
                    detail: format!("there is none for drone {drone}"),
                });
            }
        }
        Ok(Some(tokens))
    }

    /// Runs to the end of the drain.
    ///
    /// # Errors
    /// If the endpoint or the manifest cannot be used.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<Report, Error> {
        let config = &self.config;
        tracing::info!(
            seed = config.seed,
            drones = config.drones,
            scenario = config.scenario,
            endpoint = config.door(),
            "simulation begins"
        );
        let path = config.manifest.as_deref();
        let unwritable = |source| Error::Manifest {
            path: path.map(Into::into).unwrap_or_default(),
            source,
        };
        let manifest = path
            .map(|path| Writer::start(path, config.manifest_append))
            .transpose()
            .map_err(unwritable)?;
        let tokens = self.tokens()?;
        let mut links = JoinSet::new();
        let mut lanes = JoinSet::new();
        let (stage_in, stage) = watch::channel(None);
        let started = Instant::now();
        let start_us = utc_now_us();
        for lane in self.lanes(start_us)? {
            let driver = Driver {
                link: link::start(config, tokens.as_ref(), &mut links)?,
                manifest: manifest.as_ref().map(Writer::sender),
                stage: stage.clone(),
                lane,
            };
            lanes.spawn(driver.run());
        }
        let mut shown = JoinSet::new();
        if !config.quiet {
            shown.spawn(progress::show(self.status(), config.duration_s));
        }
        tokio::select! {
            () = shutdown => {}
            () = planned(config.duration_s) => {}
        }
        let deadline = Instant::now() + Duration::from_secs(config.drain_s);
        tracing::info!(drain_s = config.drain_s, "simulation drains");
        stage_in.send_replace(Some(deadline));
        while let Some(ended) = lanes.join_next().await {
            ended.map_err(Error::Task)?;
        }
        let manifest_lines = match manifest {
            Some(writer) => Some(writer.finish().await.map_err(unwritable)?),
            None => None,
        };
        Ok(Report {
            seed: config.seed,
            drones: config.drones,
            took: started.elapsed(),
            manifest_lines,
            numbers: self.status.snapshot(),
        })
    }

    fn lanes(&self, start_us: i64) -> Result<Vec<Lane>, Error> {
        let config = &self.config;
        let spike = config.spike.then(|| Spike {
            factor: config.spike_factor,
            from_us: seconds_us(config.spike_at_s),
            until_us: seconds_us(config.spike_at_s.saturating_add(config.spike_for_s)),
        });
        let settings = Settings {
            batch: config.batch,
            linger_s: config.linger_ms as f64 / 1000.0,
            rate_hz: config.rate_hz,
            in_flight: config.in_flight,
            in_flight_per_drone: config.in_flight_per_drone,
            ack_timeout_us: (config.ack_timeout_ms * 1000).cast_signed(),
            store: config.store,
            full_store: config.full_store,
            spike,
            scenario: Arc::clone(&self.scenario),
            start_us,
        };
        let count = config.connections.min(config.drones as usize);
        (0..count)
            .map(|lane| {
                let drones = fleet::drones(config, &self.scenario, lane, count, start_us)?;
                Ok(Lane::new(lane, settings.clone(), self.status(), drones))
            })
            .collect()
    }
}

fn seconds_us(seconds: u64) -> i64 {
    i64::try_from(seconds.saturating_mul(1_000_000)).unwrap_or(i64::MAX)
}

async fn planned(duration_s: Option<u64>) {
    match duration_s {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Gives a lane its time, its answers and its way out.
struct Driver {
    lane: Lane,
    link: Link,
    manifest: Option<mpsc::Sender<Receipt>>,
    /// When the drain must be over; `None` before it begins.
    stage: watch::Receiver<Option<Instant>>,
}

impl Driver {
    async fn run(mut self) {
        let mut tick = interval(Duration::from_micros(TICK_US.unsigned_abs()));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        let mut deadline = None;
        loop {
            tokio::select! {
                _ = tick.tick() => self.lane.tick(utc_now_us()),
                count = self.link.events.recv_many(&mut events, EVENTS_AT_ONCE) => {
                    if count == 0 {
                        break;
                    }
                    let now_us = utc_now_us();
                    for event in events.drain(..) {
                        self.lane.handle(now_us, event);
                    }
                }
                Ok(()) = self.stage.changed(), if deadline.is_none() => {
                    deadline = *self.stage.borrow_and_update();
                    self.lane.begin_drain(utc_now_us());
                }
            }
            self.send();
            self.write_receipts().await;
            let over = deadline
                .is_some_and(|end| Instant::now() >= end || self.lane.unacknowledged() == 0);
            if over {
                break;
            }
        }
        self.lane.tell();
    }

    fn send(&mut self) {
        let mut undeliverable = Vec::new();
        for next in self.lane.take_outgoing() {
            let batch_id = next.batch_id;
            if self.link.outgoing.try_send(next).is_err() {
                undeliverable.push(batch_id);
            }
        }
        for batch_id in undeliverable.into_iter().rev() {
            self.lane.undeliverable(batch_id);
        }
    }

    async fn write_receipts(&mut self) {
        let receipts = self.lane.take_receipts();
        if let Some(manifest) = &self.manifest {
            for receipt in receipts {
                if manifest.send(receipt).await.is_err() {
                    // The writer's error comes to light when it is finished.
                    self.manifest = None;
                    return;
                }
            }
        }
    }
}
