//! A replay from the first look at the file to its report.

pub mod reading;

use std::future::Future;

use aerostream_simulator::manifest::Writer;
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::Instant;

use crate::config::Config;
use crate::error::Error;
use crate::progress;
use crate::recording::Recording;
use crate::report::Report;
use crate::sending::{Door, Sending};
use crate::survey::Survey;
use crate::timing::{Names, Timeline, prefix_of};

/// What came of a run.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing was to be sent.
    Surveyed(Survey, Vec<String>),
    Replayed(Box<Report>),
}

/// Chunks of samples that wait to be sent: the file is the store of everything else.
const CHUNKS_MAX: usize = 4;

/// Replays a recording; `now_us` is the time of day. When `shutdown` is done, nothing more is read
/// and what is on its way is waited for a little.
///
/// # Errors
/// See [`Error`].
pub async fn run(
    config: Config,
    now_us: i64,
    shutdown: impl Future<Output = ()>,
) -> Result<Outcome, Error> {
    config.check()?;
    let path = config.file.clone();
    let surveyed = spawn_blocking(move || {
        let recording = Recording::open(&path)?;
        let survey = Survey::of(&recording)?;
        Ok::<_, Error>((recording, survey))
    });
    let (recording, survey) = surveyed.await.map_err(Error::Task)??;
    let prefix = config.drone_id.clone();
    let prefix = prefix.unwrap_or_else(|| prefix_of(&config.file));
    let names = Names::of(&survey, &prefix)?;
    let drones: Vec<String> = names.all().iter().map(ToString::to_string).collect();
    if config.dry_run {
        return Ok(Outcome::Surveyed(survey, drones));
    }
    if survey.messages == 0 {
        return Err(Error::Empty { path: config.file });
    }
    let timeline = if config.keep_time {
        Timeline::as_recorded(&survey)?
    } else {
        Timeline::now(&survey, config.speed, now_us)
    };
    let door = Door::new(&config)?;
    let unwritable = |source| Error::Manifest {
        path: config.manifest.clone().unwrap_or_default(),
        source,
    };
    let manifest = config.manifest.as_deref();
    let manifest = manifest.map(|path| Writer::start(path, false)).transpose();
    let manifest = manifest.map_err(unwritable)?;
    let (chunks, taken) = mpsc::channel(CHUNKS_MAX);
    let reading = reading::Reading {
        recording,
        timeline: timeline.clone(),
        names,
        kinds: survey.kinds.clone(),
        chunks,
    };
    let reading = spawn_blocking(move || reading.run());
    let begun = Instant::now();
    let bar = progress::bar(survey.messages, config.quiet);
    let receipts = manifest.as_ref().map(Writer::sender);
    let sending = Sending::new(&config, door, receipts, bar.clone());
    let sent = sending.run(taken, shutdown).await;
    bar.finish_and_clear();
    let left_out = joined(reading.await)?;
    let manifest_lines = match manifest {
        Some(writer) => Some(writer.finish().await.map_err(unwritable)?),
        None => None,
    };
    let sent = sent?;
    Ok(Outcome::Replayed(Box::new(Report {
        survey,
        drones,
        kinds: sent.kinds,
        repeated: sent.repeated,
        left_out,
        retried: sent.retried,
        shift_us: timeline.shift_us(),
        took: begun.elapsed(),
        manifest_lines,
        broke_off: sent.broke_off,
    })))
}

fn joined<T>(ended: Result<Result<T, Error>, JoinError>) -> Result<T, Error> {
    ended.map_err(Error::Task)?
}

impl Outcome {
    /// True if the recording is sound and, if it was to be sent, everything was acknowledged.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        match self {
            Self::Surveyed(survey, _) => survey.damage.is_none() && survey.messages > 0,
            Self::Replayed(report) => report.is_complete(),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Surveyed(survey, drones) => {
                survey.fmt(f)?;
                write!(f, "drones: {}", drones.join(" "))
            }
            Self::Replayed(report) => report.fmt(f),
        }
    }
}
