-- Drones get a small number, so that a telemetry row names its drone in 4 bytes.
CREATE TABLE drone (
    drone_ref int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    drone_id text COLLATE "C" NOT NULL UNIQUE
);

COMMENT ON TABLE drone IS 'Every drone of which something is stored.';
COMMENT ON COLUMN drone.drone_ref IS
    'Surrogate of this database alone: another database gives the same drone another number.';
