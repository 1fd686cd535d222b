-- Commands, as a fold of the journal: the same fold that their owners make.
CREATE TABLE command (
    command_id text COLLATE "C" PRIMARY KEY,
    drone_ref int NOT NULL REFERENCES drone,
    name text COLLATE "C" NOT NULL,
    parameters jsonb NOT NULL,
    principal text NOT NULL,
    received_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    emergency boolean NOT NULL,
    command_group bytea,
    log_offset bigint NOT NULL,
    state text COLLATE "C" NOT NULL,
    is_over boolean NOT NULL,
    reason text NOT NULL,
    attempts bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    entry bytea NOT NULL
);
CREATE INDEX command_of_drone ON command (drone_ref, received_at);
CREATE INDEX command_open ON command (drone_ref) WHERE NOT is_over;
COMMENT ON TABLE command IS 'Every command and what became of it.';
COMMENT ON COLUMN command.state IS
    'queued, sent, in_progress, acknowledged; or how it ended: confirmed, unconfirmed, failed, '
    'timed_out, unknown, expired, cancelled, superseded, rejected, unrecorded.';
COMMENT ON COLUMN command.attempts IS 'Times that it went out, as far as is known.';
COMMENT ON COLUMN command.command_group IS 'What commands given at once have in common.';
COMMENT ON COLUMN command.log_offset IS 'Place of its intent in the journal partition of its shard.';
COMMENT ON COLUMN command.entry IS 'The fold''s own state, from which it goes on.';

CREATE TABLE command_event (
    shard int NOT NULL,
    log_offset bigint NOT NULL,
    command_id text COLLATE "C" NOT NULL,
    drone_ref int NOT NULL REFERENCES drone,
    at timestamptz NOT NULL,
    generation bigint,
    epoch_offset bigint,
    who text NOT NULL,
    what text COLLATE "C" NOT NULL,
    detail text NOT NULL,
    counts boolean NOT NULL,
    state text COLLATE "C" NOT NULL,
    PRIMARY KEY (shard, log_offset)
);
CREATE INDEX command_event_of_command ON command_event (command_id, log_offset);
COMMENT ON TABLE command_event IS
    'Every journal record about a command: who, when, what, why; one row each.';
COMMENT ON COLUMN command_event.who IS 'A principal, or owner, or drone, or gateway.';
COMMENT ON COLUMN command_event.counts IS
    'False for what folded to nothing, such as another body of a known id, or a late answer.';
COMMENT ON COLUMN command_event.state IS 'State of the command behind it; empty if it is not known.';
