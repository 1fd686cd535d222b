//! Finds dead letters in the event log: one by its place, or page by page, newest first.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use aerostream_domain::{DroneId, Offset, UtcMicros};
use aerostream_log::topic::DEAD_LETTER_PARTITIONS;
use aerostream_log::{
    Bounds, DecodeError, EventLog, LogError, Partition, ReadLimits, Record, Topic, decode,
};
use aerostream_proto::v1;

use crate::error::{ErrorCode, Problem};
use crate::gateway::limit::RETRY_AFTER;

/// Letters of the first block that is read backwards; each further one is larger.
const BLOCK_FIRST: u64 = 128;
/// Letters of the largest block; only their lines are kept, without what was refused.
const BLOCK_MAX: u64 = 1024;
/// Bytes read at once.
const READ_BYTES_MAX: usize = 1 << 20;
/// How long one read waits for a record that must be there.
const READ_WAIT: Duration = Duration::from_millis(500);

/// Where a letter is: `PARTITION-OFFSET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterId {
    pub partition: Partition,
    pub offset: Offset,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.offset.0)
    }
}

impl FromStr for LetterId {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let parsed = text.split_once('-').and_then(|(partition, offset)| {
            Some(Self {
                partition: Partition(number(partition)?),
                offset: Offset(number(offset)?),
            })
        });
        parsed
            .filter(|id| id.partition.0 < DEAD_LETTER_PARTITIONS)
            .ok_or_else(|| {
                let detail = format!(
                    "a dead letter is named PARTITION-OFFSET, such as `0-17`, with a partition \
                     below {DEAD_LETTER_PARTITIONS}"
                );
                Problem::new(ErrorCode::Invalid, detail).at("id")
            })
    }
}

/// A number without sign or spaces.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// A letter as it is in the log.
#[derive(Debug)]
pub struct Found {
    pub id: LetterId,
    /// The log's time of the append.
    pub at: UtcMicros,
    pub letter: Result<v1::DeadLetter, DecodeError>,
}

impl Found {
    fn of(record: &Record) -> Self {
        Self {
            id: LetterId {
                partition: record.partition,
                offset: record.offset,
            },
            at: record.at,
            letter: decode(&record.payload),
        }
    }

    /// Whose it is, if that can be told.
    #[must_use]
    pub fn drone(&self) -> Option<DroneId> {
        let letter = self.letter.as_ref().ok()?;
        DroneId::parse(&letter.drone_id).ok()
    }
}

/// Reads one letter.
///
/// # Errors
/// It is not there, or not any more; the log does not answer.
pub async fn one(log: &dyn EventLog, id: LetterId) -> Result<Found, Problem> {
    let bounds = log.bounds(Topic::DeadLetters, id.partition).await;
    let bounds = bounds.map_err(|error| unread(&error))?;
    if id.offset >= bounds.end {
        return Err(not_there(id, bounds, "was never written"));
    }
    if id.offset < bounds.start {
        return Err(not_there(id, bounds, "is older than what is kept"));
    }
    let below = Offset(id.offset.0 + 1);
    let records = range(log, id.partition, id.offset..below).await;
    let records = records.map_err(|error| unread(&error))?;
    let record = records.iter().find(|record| record.offset == id.offset);
    record
        .map(Found::of)
        .ok_or_else(|| not_there(id, bounds, "is not there"))
}

fn not_there(id: LetterId, bounds: Bounds, why: &str) -> Problem {
    let detail = format!(
        "dead letter {id} {why}: partition {} holds offsets {} to {}",
        id.partition,
        bounds.start.0,
        bounds.end.0.saturating_sub(1)
    );
    Problem::new(ErrorCode::NotFound, detail).at("id")
}

fn unread(error: &LogError) -> Problem {
    let detail = format!("the dead letters cannot be read now: {error}");
    Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER)
}

/// Every record of a range that the partition held when it was asked.
async fn range(
    log: &dyn EventLog,
    partition: Partition,
    offsets: std::ops::Range<Offset>,
) -> Result<Vec<Record>, LogError> {
    let mut reader = log
        .read(Topic::DeadLetters, vec![(partition, offsets.start)])
        .await?;
    let mut records = Vec::new();
    let mut next = offsets.start;
    while next < offsets.end {
        let limits = ReadLimits {
            records_max: (offsets.end.0 - next.0) as usize,
            bytes_max: READ_BYTES_MAX,
            wait_max: READ_WAIT,
        };
        for record in reader.next(limits).await? {
            next = Offset(record.offset.0 + 1);
            if record.offset < offsets.end {
                records.push(record);
            }
        }
    }
    Ok(records)
}

/// Which letters.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub drone: Option<DroneId>,
    pub code: Option<String>,
    /// First moment.
    pub from: Option<UtcMicros>,
    /// Moment behind the last.
    pub to: Option<UtcMicros>,
}

impl Wanted {
    fn takes(&self, found: &Found) -> bool {
        let letter = found.letter.as_ref().ok();
        let drone = self
            .drone
            .as_ref()
            .is_none_or(|wanted| letter.is_some_and(|letter| letter.drone_id == wanted.as_str()));
        let code = self
            .code
            .as_ref()
            .is_none_or(|wanted| letter.is_some_and(|letter| letter.code == *wanted));
        drone && code && self.to.is_none_or(|to| found.at < to)
    }
}

/// How far each partition was told, newest first: everything below these offsets is still to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(Vec<u64>);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&places.join("."))
    }
}

impl FromStr for Cursor {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let places: Option<Vec<u64>> = text.split('.').map(number).collect();
        places
            .filter(|places| places.len() == usize::from(DEAD_LETTER_PARTITIONS))
            .map(Self)
            .ok_or_else(|| {
                let detail = "must be the `next_after` of the page before";
                Problem::new(ErrorCode::Invalid, detail).at("after")
            })
    }
}

/// A page of letters, newest first.
#[derive(Debug)]
pub struct Page<T> {
    pub lines: Vec<T>,
    /// Where the next one begins; `None` if nothing is left.
    pub next_after: Option<Cursor>,
}

/// How much one page may take.
#[derive(Debug, Clone, Copy)]
pub struct PageLimits {
    pub lines_max: usize,
    pub scan_max: usize,
}

/// Reads a page. `tell` makes a line of a letter, or leaves it out.
///
/// # Errors
/// The log does not answer.
pub async fn page<T>(
    log: &dyn EventLog,
    wanted: &Wanted,
    after: Option<Cursor>,
    limits: PageLimits,
    tell: impl Fn(Found) -> Option<T>,
) -> Result<Page<T>, Problem> {
    let mut lanes = Vec::new();
    for partition in (0..DEAD_LETTER_PARTITIONS).map(Partition) {
        let bounds = log.bounds(Topic::DeadLetters, partition).await;
        let bounds = bounds.map_err(|error| unread(&error))?;
        let place = after
            .as_ref()
            .map(|after| after.0[usize::from(partition.0)]);
        lanes.push(Lane::new(partition, bounds, place));
    }
    let mut lines = Vec::new();
    let mut scanned = 0;
    while lines.len() < limits.lines_max {
        for lane in &mut lanes {
            while lane.is_hungry() && scanned < limits.scan_max {
                scanned += lane.refill(log, wanted, &tell).await?;
            }
        }
        if lanes.iter().any(Lane::is_hungry) {
            break;
        }
        let newest = lanes.iter_mut().max_by_key(|lane| lane.newest());
        let Some((_, _, line)) = newest.and_then(|lane| lane.lines.pop()) else {
            return Ok(Page {
                lines,
                next_after: None,
            });
        };
        lines.push(line);
    }
    let over = lanes.iter().all(Lane::is_over);
    let next_after = (!over).then(|| Cursor(lanes.iter().map(Lane::place).collect()));
    Ok(Page { lines, next_after })
}

/// One partition, read backwards in blocks.
struct Lane<T> {
    partition: Partition,
    start: u64,
    /// Everything from here on was read.
    read_from: u64,
    block: u64,
    /// Read and not yet told, oldest first.
    lines: Vec<(u64, UtcMicros, T)>,
}

impl<T> Lane<T> {
    fn new(partition: Partition, bounds: Bounds, place: Option<u64>) -> Self {
        let end = place.map_or(bounds.end.0, |place| place.min(bounds.end.0));
        Self {
            partition,
            start: bounds.start.0,
            read_from: end,
            block: BLOCK_FIRST,
            lines: Vec::new(),
        }
    }

    fn is_hungry(&self) -> bool {
        self.lines.is_empty() && self.read_from > self.start
    }

    fn is_over(&self) -> bool {
        self.lines.is_empty() && self.read_from <= self.start
    }

    fn newest(&self) -> Option<UtcMicros> {
        self.lines.last().map(|(_, at, _)| *at)
    }

    /// Everything below it is still to be told.
    fn place(&self) -> u64 {
        let waiting = self.lines.last().map(|(offset, ..)| offset + 1);
        waiting.unwrap_or(if self.is_over() { 0 } else { self.read_from })
    }

    /// Reads the next older block; tells how many letters were looked at.
    async fn refill(
        &mut self,
        log: &dyn EventLog,
        wanted: &Wanted,
        tell: &impl Fn(Found) -> Option<T>,
    ) -> Result<usize, Problem> {
        let first = self.read_from.saturating_sub(self.block).max(self.start);
        let offsets = Offset(first)..Offset(self.read_from);
        let records = match range(log, self.partition, offsets).await {
            Ok(records) => records,
            // Retention was faster.
            Err(LogError::OutOfRange { start, .. }) => {
                self.start = start.0.min(self.read_from);
                return Ok(1);
            }
            Err(error) => return Err(unread(&error)),
        };
        self.read_from = first;
        self.block = (self.block * 2).min(BLOCK_MAX);
        let from = wanted.from.unwrap_or(UtcMicros(i64::MIN));
        if records.first().is_some_and(|oldest| oldest.at < from) {
            // What is older still cannot be wanted.
            self.start = self.read_from;
        }
        let scanned = records.len().max(1);
        for record in records.iter().filter(|record| record.at >= from) {
            let found = Found::of(record);
            if wanted.takes(&found)
                && let Some(line) = tell(found)
            {
                self.lines.push((record.offset.0, record.at, line));
            }
        }
        Ok(scanned)
    }
}
