CREATE TABLE boot (
    drone_ref int NOT NULL REFERENCES drone,
    boot bigint NOT NULL,
    power_up timestamptz NOT NULL,
    basis smallint NOT NULL,
    PRIMARY KEY (drone_ref, boot)
);
COMMENT ON TABLE boot IS 'Power-ups of drones; the first record of a boot is true for ever.';
COMMENT ON COLUMN boot.basis IS
    'How power_up was found: 1 receipt minus boot clock at sending, 2 first sample with both '
    'clocks, 3 first sample, 4 the gateway chose the boot.';

CREATE TABLE claim (
    shard int NOT NULL,
    generation bigint NOT NULL,
    log_offset bigint NOT NULL,
    node text NOT NULL,
    claimed_at timestamptz NOT NULL,
    PRIMARY KEY (shard, generation, log_offset)
);
COMMENT ON TABLE claim IS 'Who owned a shard, by the journal; (generation, log_offset) is the epoch.';
