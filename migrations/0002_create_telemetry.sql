-- One row per sample. Partitions, one per UTC day, are made by the worker; there is no default
-- partition on purpose. A column is null when the sample does not say it.
CREATE TABLE telemetry (
    ts timestamptz NOT NULL,
    boot bigint NOT NULL,
    seq bigint NOT NULL,
    since_boot_us bigint,
    drone_ref int NOT NULL,
    basis smallint NOT NULL,
    armed boolean,
    latitude_deg double precision,
    longitude_deg double precision,
    absolute_altitude_m double precision,
    ellipsoid_altitude_m double precision,
    relative_altitude_m double precision,
    terrain_altitude_m double precision,
    north_m_s real,
    east_m_s real,
    down_m_s real,
    ground_speed_m_s real,
    air_speed_m_s real,
    heading_deg real,
    course_deg real,
    roll_deg real,
    pitch_deg real,
    yaw_deg real,
    roll_rate_deg_s real,
    pitch_rate_deg_s real,
    yaw_rate_deg_s real,
    battery_remaining_percent real,
    battery_voltage_v real,
    battery_current_a real,
    battery_capacity_consumed_ah real,
    battery_temperature_degc real,
    battery_time_remaining_s real,
    gnss_hdop real,
    gnss_vdop real,
    gnss_horizontal_uncertainty_m real,
    gnss_vertical_uncertainty_m real,
    gnss_velocity_uncertainty_m_s real,
    link_rssi_dbm real,
    link_remote_rssi_dbm real,
    link_noise_dbm real,
    link_loss_percent real,
    link_latency_ms real,
    wind_speed_m_s real,
    wind_direction_from_deg real,
    wind_vertical_m_s real,
    battery_id smallint,
    gnss_id smallint,
    gnss_fix_type smallint,
    gnss_num_satellites smallint,
    flight_mode smallint,
    dialect smallint,
    landed_state smallint,
    system_status smallint,
    mission_state smallint,
    text_severity smallint,
    gnss_fix_type_raw bigint,
    flight_mode_raw bigint,
    mission_current bigint,
    mission_total bigint,
    mission_distance_to_item_m real,
    home_distance_m real,
    home_latitude_deg double precision,
    home_longitude_deg double precision,
    home_absolute_altitude_m double precision,
    health_sensors_present bigint,
    health_sensors_enabled bigint,
    health_sensors_healthy bigint,
    health_estimator_flags bigint,
    health_cpu_load_percent real,
    health_vibration_m_s2 real,
    kind text COLLATE "C",
    text text,
    rest jsonb,
    raw bytea,
    PRIMARY KEY (drone_ref, ts, boot, seq)
) PARTITION BY RANGE (ts);

COMMENT ON TABLE telemetry IS
    'Every accepted sample, once. Units are in the names; WGS 84; north-east-down.';
COMMENT ON COLUMN telemetry.ts IS 'Settled time of the sample.';
COMMENT ON COLUMN telemetry.boot IS
    'The id that the drone gave its power-up: 64 bits, shown as a signed number.';
COMMENT ON COLUMN telemetry.seq IS 'Place within the boot.';
COMMENT ON COLUMN telemetry.since_boot_us IS 'The drone''s boot clock, microseconds.';
COMMENT ON COLUMN telemetry.basis IS
    'How ts was settled: 1 the drone''s UTC clock, 2 power-up plus boot clock, 3 receipt.';
COMMENT ON COLUMN telemetry.kind IS
    'Name of the source''s message; null stands for `telemetry`.';
COMMENT ON COLUMN telemetry.gnss_id IS
    'First receiver of the sample; null if it names none. Further ones are in rest.gnss.';
COMMENT ON COLUMN telemetry.gnss_fix_type IS
    '1 no gps, 2 no fix, 3 2d, 4 3d, 5 dgps, 6 rtk float, 7 rtk fixed.';
COMMENT ON COLUMN telemetry.battery_id IS
    'First pack of the sample; null if it names none. Its cells are in rest.battery_cells_v, '
    'further packs in rest.battery.';
COMMENT ON COLUMN telemetry.battery_current_a IS 'Discharge is positive.';
COMMENT ON COLUMN telemetry.down_m_s IS 'Positive is descending.';
COMMENT ON COLUMN telemetry.wind_vertical_m_s IS 'Positive is upward.';
COMMENT ON COLUMN telemetry.flight_mode IS
    '1 ready, 2 takeoff, 3 hold, 4 mission, 5 return to launch, 6 land, 7 offboard, 8 follow me, '
    '9 manual, 10 altctl, 11 posctl, 12 acro, 13 stabilized, 14 orbit, 15 other.';
COMMENT ON COLUMN telemetry.dialect IS
    'Whose numbers flight_mode_raw uses: 1 PX4, 2 ArduPilot, 3 DJI, 4 other.';
COMMENT ON COLUMN telemetry.landed_state IS '1 on ground, 2 in air, 3 taking off, 4 landing.';
COMMENT ON COLUMN telemetry.system_status IS
    '1 boot, 2 calibrating, 3 standby, 4 active, 5 critical, 6 emergency, 7 power off, '
    '8 flight termination.';
COMMENT ON COLUMN telemetry.mission_state IS
    '1 no mission, 2 not started, 3 active, 4 paused, 5 complete.';
COMMENT ON COLUMN telemetry.health_sensors_present IS 'Bits of MAV_SYS_STATUS_SENSOR.';
COMMENT ON COLUMN telemetry.text_severity IS 'MAV_SEVERITY, 0 emergency to 7 debug.';
COMMENT ON COLUMN telemetry.text IS
    'Message to people. Here, in kind and in rest, U+E000 followed by 0 stands for the character '
    'NUL and U+E000 followed by 1 for itself.';
COMMENT ON COLUMN telemetry.rest IS
    'What has no column: gnss and battery (further instances), battery_cells_v, extras '
    '(an integer as {"integer": n}), and present (groups that are there but say nothing).';
COMMENT ON COLUMN telemetry.raw IS 'The source''s bytes of a message that is not understood.';

-- What retention did.
CREATE TABLE retention (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    kept_from date NOT NULL
);
INSERT INTO retention (kept_from) VALUES ('2020-01-01');
COMMENT ON COLUMN retention.kept_from IS
    'First day that is kept. It only grows; rows of earlier days are counted and skipped.';

CREATE TABLE expired_rows (
    day date PRIMARY KEY,
    row_count bigint NOT NULL
);
COMMENT ON TABLE expired_rows IS 'Rows that came when their day had been dropped already.';
