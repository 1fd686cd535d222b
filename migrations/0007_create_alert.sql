-- Alerts, as a fold of the journal: the same fold that their owners make, without its limits.
CREATE TABLE alert (
    alert_id text COLLATE "C" PRIMARY KEY,
    drone_ref int NOT NULL REFERENCES drone,
    rule_id text COLLATE "C" NOT NULL,
    rule_version bigint,
    instance text COLLATE "C" NOT NULL,
    title text NOT NULL,
    severity smallint NOT NULL,
    raised_at timestamptz NOT NULL,
    field text COLLATE "C" NOT NULL,
    value double precision,
    is_active boolean NOT NULL,
    changed_at timestamptz NOT NULL,
    turns bigint NOT NULL,
    cleared_at timestamptz,
    cleared_reason text,
    acknowledged_at timestamptz,
    acknowledged_by text,
    entry bytea NOT NULL
);
CREATE INDEX alert_newest ON alert (raised_at, alert_id);
CREATE INDEX alert_of_drone ON alert (drone_ref, raised_at, alert_id);
CREATE INDEX alert_active ON alert (drone_ref) WHERE is_active;
COMMENT ON TABLE alert IS 'Every alert and what became of it.';
COMMENT ON COLUMN alert.rule_version IS 'Place of the rule in the registry; null if it is built in.';
COMMENT ON COLUMN alert.instance IS
    'What of the drone it is about: empty for the drone, or such as battery:0, gnss:1, '
    'fence:airport.';
COMMENT ON COLUMN alert.severity IS
    'The worst so far: 0 emergency, 1 alert, 2 critical, 3 error, 4 warning, 5 notice, 6 info, '
    '7 debug.';
COMMENT ON COLUMN alert.raised_at IS 'Time of the sample that raised it.';
COMMENT ON COLUMN alert.field IS
    'The field that decided, with its unit; empty if no single one did.';
COMMENT ON COLUMN alert.value IS 'Its value when the alert was raised.';
COMMENT ON COLUMN alert.turns IS 'How often it changed, the raising included.';
COMMENT ON COLUMN alert.entry IS 'The fold''s own state, from which it goes on.';

CREATE TABLE alert_event (
    shard int NOT NULL,
    log_offset bigint NOT NULL,
    place int NOT NULL,
    alert_id text COLLATE "C" NOT NULL,
    drone_ref int NOT NULL REFERENCES drone,
    at timestamptz NOT NULL,
    who text NOT NULL,
    what text COLLATE "C" NOT NULL,
    detail text NOT NULL,
    severity smallint NOT NULL,
    sample_at timestamptz,
    boot bigint,
    seq bigint,
    field text COLLATE "C",
    value double precision,
    note text,
    PRIMARY KEY (shard, log_offset, place)
);
CREATE INDEX alert_event_of_alert ON alert_event (alert_id, log_offset, place);
COMMENT ON TABLE alert_event IS
    'Every change of an alert that counts: raised, escalated, cleared, acknowledged, commented.';
COMMENT ON COLUMN alert_event.place IS 'Which of the changes that its journal record tells.';
COMMENT ON COLUMN alert_event.at IS 'When it was written, by its writer.';
COMMENT ON COLUMN alert_event.who IS 'A principal, or owner.';
COMMENT ON COLUMN alert_event.detail IS
    'Why it was cleared, empty if its clear condition held; or what the principal said.';
COMMENT ON COLUMN alert_event.severity IS 'Severity of the alert behind it.';
COMMENT ON COLUMN alert_event.seq IS 'With boot: the sample by which the owner judged.';
