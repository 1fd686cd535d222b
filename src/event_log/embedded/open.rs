//! Opening a directory: finding its segments, and where each partition goes on.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use aerostream_domain::{ShardCount, UtcMicros};
use aerostream_log::{Partition, Topic};
use fjall::compaction::Leveled;
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::compaction::{Compaction, StateRecord};
use super::layout::{self, SegmentHead};
use super::lock::DirectoryLock;
use super::queue::{Queue, QueueLimits};
use super::retention::Floors;
use super::store::{Segment, Store};
use super::writer::{Cursor, Writer};
use super::{Config, EmbeddedLog, OpenError, Surroundings, WriterCounters};

/// Keyspace of the segments' heads and of what the directory is.
const HEADS: &str = "heads";
/// Key of the format and the number of shards.
const IDENTITY: &str = "identity";
/// The layout that this build reads and writes.
const FORMAT: u8 = 1;
/// Threads of the storage engine for flushing and compaction.
const ENGINE_THREADS: usize = 2;
/// Most bytes of the storage engine's own write-ahead files.
const ENGINE_JOURNAL_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// A segment is never compacted: it ends long before it has so many tables.
const SEGMENT_TABLES_MAX: u8 = 16;

pub(super) fn check(config: &Config) -> Result<(), OpenError> {
    let positive = [
        ("queue_records_max", config.queue_records_max),
        ("group_records_max", config.group_records_max),
        ("group_bytes_max", config.group_bytes_max),
        ("record_bytes_max", config.record_bytes_max),
        ("segment_hours", config.segment_hours as usize),
        ("segment_bytes", config.segment_bytes as usize),
    ];
    for (setting, value) in positive {
        if value == 0 {
            let must = "at least 1".to_owned();
            return Err(OpenError::Setting { setting, must });
        }
    }
    if config.queue_bytes_max < config.record_bytes_max {
        return Err(OpenError::Setting {
            setting: "queue_bytes_max",
            must: format!("at least record_bytes_max, {}", config.record_bytes_max),
        });
    }
    if config.kept_bytes_max < config.segment_bytes.saturating_mul(2) {
        return Err(OpenError::Setting {
            setting: "kept_bytes_max",
            must: format!("at least twice segment_bytes, {}", config.segment_bytes),
        });
    }
    Ok(())
}

fn storage(doing: impl Into<String>) -> impl FnOnce(fjall::Error) -> OpenError {
    let doing = doing.into();
    |source| OpenError::Storage { doing, source }
}

/// Options of a topic's segments.
pub(super) fn segment_options(topic: Topic) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default().manual_journal_persist(true);
    if topic.is_compacted() {
        options
    } else {
        let strategy = Leveled::default().with_l0_threshold(SEGMENT_TABLES_MAX);
        options.compaction_strategy(Arc::new(strategy))
    }
}

struct Opening {
    config: Config,
    shards: ShardCount,
    now: UtcMicros,
    store: Store,
    heads: Keyspace,
    cursors: HashMap<Topic, Vec<Cursor>>,
    compaction: Compaction,
}

pub(super) fn open(
    config: Config,
    shards: ShardCount,
    surroundings: Surroundings,
) -> Result<EmbeddedLog, OpenError> {
    let lock = DirectoryLock::take(&config.directory)?;
    let db = Database::builder(config.directory.join("records"))
        .cache_size(config.cache_bytes)
        .worker_threads(ENGINE_THREADS)
        .max_journaling_size(ENGINE_JOURNAL_BYTES_MAX)
        .journal_compression(CompressionType::None)
        .manual_journal_persist(true)
        .open()
        .map_err(storage("opening its files"))?;
    let heads = db
        .keyspace(HEADS, || {
            KeyspaceCreateOptions::default().manual_journal_persist(true)
        })
        .map_err(storage("opening the list of segments"))?;
    let mut opening = Opening {
        now: (surroundings.clock)(),
        store: Store::new(db, lock, shards),
        config,
        shards,
        heads,
        cursors: HashMap::new(),
        compaction: Compaction::default(),
    };
    opening.check_identity()?;
    opening.open_segments()?;
    opening.drop_orphans()?;
    opening.add_missing_segments()?;
    for topic in Topic::ALL {
        opening.find_ends(topic)?;
    }
    opening.start(surroundings)
}

impl Opening {
    fn format(&self, reason: String) -> OpenError {
        OpenError::Format {
            path: self.config.directory.clone(),
            reason,
        }
    }

    /// Checks that the directory is a log of this format and number of shards, or makes it one.
    fn check_identity(&self) -> Result<(), OpenError> {
        let known = self
            .heads
            .get(IDENTITY)
            .map_err(storage("reading what the directory is"))?;
        let Some(known) = known else {
            let [high, low] = self.shards.get().to_be_bytes();
            let mut batch = self.store.db.batch();
            batch.insert(&self.heads, IDENTITY, vec![FORMAT, high, low]);
            let batch = batch.durability(Some(PersistMode::SyncAll));
            return batch
                .commit()
                .map_err(storage("writing what the directory is"));
        };
        match known.as_ref() {
            &[FORMAT, high, low] => {
                let kept = u16::from_be_bytes([high, low]);
                if kept == self.shards.get() {
                    return Ok(());
                }
                Err(OpenError::Shards {
                    path: self.config.directory.clone(),
                    kept,
                    asked: self.shards.get(),
                })
            }
            [format, ..] => {
                Err(self.format(format!("it has format {format}, this build reads {FORMAT}")))
            }
            [] => Err(self.format("it does not say what it is".to_owned())),
        }
    }

    fn open_segments(&self) -> Result<(), OpenError> {
        for guard in self.heads.iter() {
            let (name, head) = guard
                .into_inner()
                .map_err(storage("reading the list of segments"))?;
            if name.as_ref() == IDENTITY.as_bytes() {
                continue;
            }
            let name = String::from_utf8_lossy(&name).into_owned();
            let parsed = layout::parse_segment_name(&name).zip(SegmentHead::decode(&head));
            let Some(((topic, number), head)) = parsed else {
                return Err(self.format(format!("{name:?} is not a segment")));
            };
            if head.base.len() != usize::from(topic.partitions(self.shards)) {
                return Err(self.format(format!("segment {name} has other partitions")));
            }
            if !self.store.db.keyspace_exists(&name) {
                return Err(self.format(format!("segment {name} is missing")));
            }
            let keyspace = self
                .store
                .db
                .keyspace(&name, || segment_options(topic))
                .map_err(storage(format!("opening segment {name}")))?;
            self.store
                .push_segment(segment(topic, number, head, keyspace));
        }
        Ok(())
    }

    /// Deletes segments that a crash left between two steps: made but not listed, or not listed
    /// any more. Neither has records that anybody may see.
    fn drop_orphans(&self) -> Result<(), OpenError> {
        let mut known = HashSet::from([HEADS.to_owned()]);
        for topic in Topic::ALL {
            let segments = self.store.segments_of(topic);
            known.extend(
                segments
                    .iter()
                    .map(|s| layout::segment_name(topic, s.number)),
            );
        }
        for name in self.store.db.list_keyspace_names() {
            if known.contains(&*name) {
                continue;
            }
            let db = &self.store.db;
            db.keyspace(&name, KeyspaceCreateOptions::default)
                .and_then(|orphan| db.delete_keyspace(orphan))
                .map_err(storage(format!("dropping unlisted segment {name}")))?;
        }
        Ok(())
    }

    fn add_missing_segments(&self) -> Result<(), OpenError> {
        let mut batch = self.store.db.batch();
        for topic in Topic::ALL {
            if self.store.active(topic).is_some() {
                continue;
            }
            let head = SegmentHead {
                created_at: self.now,
                closed: None,
                base: vec![0; usize::from(topic.partitions(self.shards))],
            };
            let name = layout::segment_name(topic, 0);
            let keyspace = self
                .store
                .db
                .keyspace(&name, || segment_options(topic))
                .map_err(storage(format!("making segment {name}")))?;
            batch.insert(&self.heads, name, head.encode());
            self.store.push_segment(segment(topic, 0, head, keyspace));
        }
        let batch = batch.durability(Some(PersistMode::SyncAll));
        batch
            .commit()
            .map_err(storage("listing the first segments"))
    }

    /// Reads a topic's newest segment: it says where every partition ends.
    fn find_ends(&mut self, topic: Topic) -> Result<(), OpenError> {
        let Some(active) = self.store.active(topic) else {
            return Err(self.format(format!("{topic} has no segment")));
        };
        let fresh = |&next: &u64| Cursor {
            next,
            newest_at: active.created_at,
        };
        let mut cursors: Vec<Cursor> = active.base.iter().map(fresh).collect();
        let mut bytes = 0;
        for guard in active.keyspace.iter() {
            let (place, value) = guard
                .into_inner()
                .map_err(storage(format!("reading the newest segment of {topic}")))?;
            let record = layout::record(topic, &place, &value)
                .ok_or_else(|| self.format(format!("a record of {topic} is damaged")))?;
            let counted = layout::counted(value.len());
            bytes += counted;
            let cursor = cursors
                .get_mut(usize::from(record.partition.0))
                .ok_or_else(|| self.format(format!("{topic} has too many partitions")))?;
            *cursor = Cursor {
                next: record.offset.0 + 1,
                newest_at: record.at.max(cursor.newest_at),
            };
            if topic.is_compacted() {
                self.compaction.note(StateRecord {
                    partition: record.partition,
                    offset: record.offset.0,
                    at: record.at,
                    key: record.key,
                    bytes: counted,
                    deletes: record.payload.is_empty(),
                });
            }
        }
        active
            .bytes
            .store(bytes, std::sync::atomic::Ordering::Relaxed);
        for (cursor, partition) in cursors.iter().zip(0..) {
            self.store.publish(topic, Partition(partition), cursor.next);
        }
        self.cursors.insert(topic, cursors);
        Ok(())
    }

    fn start(self, surroundings: Surroundings) -> Result<EmbeddedLog, OpenError> {
        let config = &self.config;
        let queue = Arc::new(Queue::new(QueueLimits {
            records_max: config.queue_records_max,
            bytes_max: config.queue_bytes_max,
            group_records_max: config.group_records_max,
            group_bytes_max: config.group_bytes_max,
        }));
        let store = Arc::new(self.store);
        let floors = Arc::new(Floors::default());
        let counters = Arc::new(WriterCounters::default());
        let writer = Writer {
            config: self.config.clone(),
            store: Arc::clone(&store),
            queue: Arc::clone(&queue),
            heads: self.heads,
            floors: Arc::clone(&floors),
            counters: Arc::clone(&counters),
            cursors: self.cursors,
            compaction: self.compaction,
            surroundings,
        };
        let thread = std::thread::Builder::new()
            .name("event-log".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| OpenError::Writer { source })?;
        Ok(EmbeddedLog {
            config: self.config,
            store,
            queue,
            groups: aerostream_log::local::Groups::default(),
            floors,
            counters,
            writer: Some(thread),
        })
    }
}

/// A segment with its head and keyspace.
pub(super) fn segment(topic: Topic, number: u64, head: SegmentHead, keyspace: Keyspace) -> Segment {
    let (closed_at, bytes) = head
        .closed
        .map_or((None, 0), |(at, bytes)| (Some(at), bytes));
    Segment {
        topic,
        number,
        created_at: head.created_at,
        base: head.base,
        closed_at: closed_at.map_or_else(OnceLock::new, OnceLock::from),
        bytes: bytes.into(),
        keyspace,
    }
}
