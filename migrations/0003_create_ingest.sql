-- How far the event log is stored. A row is locked by every transaction that stores records of its
-- partition, and moved in that transaction, so that what is stored and how far never disagree.
CREATE TABLE ingest_offset (
    topic text COLLATE "C" NOT NULL CHECK (topic IN ('telemetry', 'journal')),
    partition int NOT NULL,
    next_offset bigint,
    claim_generation bigint,
    claim_offset bigint,
    holder_pid int,
    holder_started timestamptz,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);

COMMENT ON COLUMN ingest_offset.next_offset IS
    'Offset of the first record that is not stored; null before the first.';
COMMENT ON COLUMN ingest_offset.claim_generation IS 'Highest claim below next_offset.';
COMMENT ON COLUMN ingest_offset.holder_pid IS
    'Backend that writes this partition now. Another backend may not; whoever takes over ends this '
    'one first if it does not let go of the row.';
COMMENT ON COLUMN ingest_offset.holder_started IS
    'Start of that backend, which tells it from a later one with the same number.';
