-- Who did what: one row for each intent of the journal and each change of the registry.
CREATE TABLE audit (
    topic text COLLATE "C" NOT NULL,
    partition int NOT NULL,
    log_offset bigint NOT NULL,
    at timestamptz NOT NULL,
    principal text NOT NULL,
    role text COLLATE "C" NOT NULL,
    token_id text NOT NULL,
    door text COLLATE "C" NOT NULL,
    address text NOT NULL,
    action text COLLATE "C" NOT NULL,
    fleet_id text COLLATE "C" NOT NULL,
    drone_id text COLLATE "C" NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    result text COLLATE "C" NOT NULL,
    PRIMARY KEY (topic, partition, log_offset)
);
CREATE INDEX audit_by_time ON audit (at, topic, partition, log_offset);
CREATE INDEX audit_of_fleet ON audit (fleet_id, at);
CREATE INDEX audit_of_drone ON audit (drone_id, at);
CREATE INDEX audit_of_principal ON audit (principal, at);
CREATE INDEX audit_newest_version ON audit (subject, log_offset)
    WHERE topic = 'registry' AND result = 'taken';
COMMENT ON TABLE audit IS 'Every intent and every change of the registry, as the event log has it.';
COMMENT ON COLUMN audit.role IS 'Of the token; empty, with token_id, door and address, for what a '
    'process did by itself and for records older than this table.';
COMMENT ON COLUMN audit.fleet_id IS 'Fleet of the drone when it was done; empty if it has none.';
COMMENT ON COLUMN audit.drone_id IS 'Empty for what is not about one drone.';
COMMENT ON COLUMN audit.subject IS 'A command, a fleet, a drone or a token, by its id.';
COMMENT ON COLUMN audit.result IS
    'taken; without_effect for what folded to nothing, such as a known key with another body; '
    'stale for a change of a version of an entity that was not the newest one.';

ALTER TABLE ingest_offset DROP CONSTRAINT ingest_offset_topic_check;
ALTER TABLE ingest_offset ADD CONSTRAINT ingest_offset_topic_check
    CHECK (topic IN ('telemetry', 'journal', 'registry'));
