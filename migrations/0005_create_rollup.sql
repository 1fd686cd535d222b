-- Summaries for charts over long spans. A bucket is recomputed from all its rows, so that repeats
-- and late samples leave it right. Sums go with counts, so that coarser buckets can be made of finer.
CREATE TABLE rollup_10s (
    drone_ref int NOT NULL,
    bucket timestamptz NOT NULL,
    samples bigint NOT NULL,
    latitude_deg double precision,
    longitude_deg double precision,
    relative_altitude_m_count bigint NOT NULL,
    relative_altitude_m_sum double precision,
    relative_altitude_m_min double precision,
    relative_altitude_m_max double precision,
    ground_speed_m_s_count bigint NOT NULL,
    ground_speed_m_s_sum double precision,
    ground_speed_m_s_min double precision,
    ground_speed_m_s_max double precision,
    battery_remaining_percent_count bigint NOT NULL,
    battery_remaining_percent_sum double precision,
    battery_remaining_percent_min double precision,
    battery_remaining_percent_max double precision,
    battery_voltage_v_count bigint NOT NULL,
    battery_voltage_v_sum double precision,
    battery_voltage_v_min double precision,
    battery_voltage_v_max double precision,
    link_rssi_dbm_count bigint NOT NULL,
    link_rssi_dbm_sum double precision,
    link_rssi_dbm_min double precision,
    link_rssi_dbm_max double precision,
    PRIMARY KEY (drone_ref, bucket)
);
CREATE TABLE rollup_1m (LIKE rollup_10s INCLUDING ALL);
CREATE TABLE rollup_1h (LIKE rollup_10s INCLUDING ALL);

COMMENT ON COLUMN rollup_10s.bucket IS 'Begin of the bucket, UTC.';
COMMENT ON COLUMN rollup_10s.latitude_deg IS 'Of the last sample in the bucket that has a position.';

CREATE TABLE rollup_dirty (
    minute timestamptz NOT NULL,
    drone_refs int[] NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
COMMENT ON TABLE rollup_dirty IS
    'Minutes of drones that got rows since their buckets were made. Only appended to and emptied.';
