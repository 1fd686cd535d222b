//! Where the lines of an export come from, chunk by chunk.

use std::sync::Arc;

use aerostream_domain::{DroneId, UtcMicros};

use crate::gateway::ports::{
    Cell, FieldSet, FlatRow, History, HistoryError, HistoryRequest, Kind, SUMMED, Steps, Summary,
};

/// One sample, or one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub time: UtcMicros,
    /// By the order of [`Source::columns`].
    pub cells: Vec<Cell>,
}

/// Why an export ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("retention took samples away that the export had not reached")]
    Expired,
    #[error("there are more than the {0} rows of an export")]
    TooLarge(usize),
}

/// What is exported.
#[derive(Debug, Clone)]
pub enum Wanted {
    Samples(HistoryRequest),
    Steps(DroneId, FieldSet, Steps),
}

/// How much is exported.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Rows read at once.
    pub chunk: usize,
    /// Rows that the caller wants at most.
    pub limit: Option<usize>,
    /// Rows of any export.
    pub max: usize,
}

/// Reads what is exported.
pub struct Source {
    history: Arc<dyn History>,
    wanted: Wanted,
    extent: Extent,
    told: usize,
    /// First moment that was kept when the export began.
    kept_from: Option<UtcMicros>,
    done: bool,
}

impl Source {
    /// Nothing is read yet.
    pub fn new(history: Arc<dyn History>, wanted: Wanted, extent: Extent) -> Self {
        Self {
            history,
            wanted,
            extent,
            told: 0,
            kept_from: None,
            done: false,
        }
    }

    /// Names of the cells.
    pub fn columns(&self) -> Vec<String> {
        match &self.wanted {
            Wanted::Samples(request) => ["boot", "seq", "basis"]
                .into_iter()
                .chain(request.fields.fields().map(|field| field.path))
                .map(str::to_owned)
                .collect(),
            Wanted::Steps(_, fields, _) => {
                let mut columns = vec!["samples".to_owned()];
                for path in POSITION {
                    if fields.names(path) {
                        columns.push(path.to_owned());
                    }
                }
                for path in SUMMED.into_iter().filter(|path| fields.names(path)) {
                    columns.extend(["average", "min", "max"].map(|it| format!("{path}.{it}")));
                }
                columns
            }
        }
    }

    /// What the cells hold.
    pub fn kinds(&self) -> Vec<Kind> {
        match &self.wanted {
            Wanted::Samples(request) => [Kind::Text, Kind::Large, Kind::Text]
                .into_iter()
                .chain(request.fields.fields().map(|field| field.kind))
                .collect(),
            Wanted::Steps(..) => std::iter::once(Kind::Large)
                .chain(self.columns().iter().skip(1).map(|_| Kind::Double))
                .collect(),
        }
    }

    /// The next lines; none when all are told.
    ///
    /// # Errors
    /// The rest cannot be told.
    pub async fn next(&mut self) -> Result<Option<Vec<Line>>, Broken> {
        if self.done {
            return Ok(None);
        }
        // One more than allowed tells whether there is more.
        let most = self.extent.limit.unwrap_or(self.extent.max + 1);
        let asked = self.extent.chunk.min(most.saturating_sub(self.told)).max(1);
        let lines = match &mut self.wanted {
            Wanted::Samples(request) => {
                let before = self.kept_from;
                let (lines, kept_from) = samples(&*self.history, request, asked, before).await?;
                self.kept_from = Some(kept_from);
                lines
            }
            Wanted::Steps(drone, fields, steps) => {
                steps.limit = asked as u32;
                let summaries = self.history.summaries(drone, *steps).await?;
                if let Some(last) = summaries.last() {
                    let step_us = i64::from(steps.step_s) * 1_000_000;
                    steps.from = UtcMicros(last.start.0 + step_us);
                }
                let fields = *fields;
                summaries.into_iter().map(|it| step(it, fields)).collect()
            }
        };
        self.told += lines.len();
        self.done = lines.len() < asked || Some(self.told) == self.extent.limit;
        if self.told > self.extent.max {
            return Err(Broken::TooLarge(self.extent.max));
        }
        Ok(Some(lines))
    }
}

const POSITION: [&str; 2] = ["position.latitude_deg", "position.longitude_deg"];

/// The next samples, and the first moment that was kept when they had been read.
async fn samples(
    history: &dyn History,
    request: &mut HistoryRequest,
    limit: usize,
    kept_before: Option<UtcMicros>,
) -> Result<(Vec<Line>, UtcMicros), Broken> {
    let kept_before = match kept_before {
        Some(before) => before,
        None => history.kept_from(&request.drone).await?,
    };
    request.limit = limit;
    let rows = history.rows(request).await?;
    // The mark moves before anything is taken away.
    let kept_from = history.kept_from(&request.drone).await?;
    let position = request.after.map_or(request.range.start, |key| key.time);
    if kept_from > kept_before && kept_from > position.max(kept_before) {
        return Err(Broken::Expired);
    }
    if let Some(last) = rows.last() {
        request.after = Some(last.key);
    }
    Ok((rows.into_iter().map(sample).collect(), kept_from))
}

fn sample(row: FlatRow) -> Line {
    // A boot is 64 bits of any value, which many readers of tables would round.
    let identity = [
        Cell::Text(row.key.boot.0.to_string()),
        Cell::Integer(row.key.seq.0 as i64),
        Cell::Name(row.basis),
    ];
    Line {
        time: row.key.time,
        cells: identity.into_iter().chain(row.cells).collect(),
    }
}

fn step(summary: Summary, fields: FieldSet) -> Line {
    let double = |value: Option<f64>| value.map_or(Cell::Empty, Cell::Double);
    let mut cells = vec![Cell::Integer(summary.samples as i64)];
    let position = [summary.latitude_deg, summary.longitude_deg];
    for (path, value) in POSITION.into_iter().zip(position) {
        if fields.names(path) {
            cells.push(double(value));
        }
    }
    for (path, spread) in SUMMED.into_iter().zip(summary.fields) {
        if fields.names(path) {
            cells.push(double(spread.map(|it| it.average)));
            cells.push(double(spread.map(|it| it.min)));
            cells.push(double(spread.map(|it| it.max)));
        }
    }
    Line {
        time: summary.start,
        cells,
    }
}
