//! The sparse sample and the records that carry it.
//!
//! A sample holds any subset of the field groups. An absent field is `None` and means *unknown*;
//! no number stands for "not available". Frames: latitude and longitude are WGS 84; velocities are
//! local north-east-down; headings and courses count clockwise from true north.

use crate::content_hash::ContentHash;
use crate::ids::{BootId, DroneId, Epoch, Seq};
use crate::units::{BootMicros, UtcMicros};

/// What a drone sends at once: 1 to 1000 samples of one boot.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Whose samples these are.
    pub drone: DroneId,
    /// The power-up that took them.
    pub boot: BootId,
    /// The drone's boot clock when it sent the batch; absent for a boot that is over.
    pub sent_at_boot: Option<BootMicros>,
    /// True when a gateway chose boot and seq because the client sent none.
    pub received_identity: bool,
    /// The samples, in the drone's order.
    pub samples: Vec<Sample>,
}

/// One observation, already valid in every range that needs no knowledge of the boot.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sample {
    /// Place within the boot.
    pub seq: u64,
    /// When it was taken by the drone's UTC clock.
    pub utc: Option<UtcMicros>,
    /// When it was taken by the drone's boot clock.
    pub since_boot: Option<BootMicros>,
    /// What was observed.
    pub content: Content,
}

impl Sample {
    /// Place within the boot.
    #[must_use]
    pub fn seq(&self) -> Seq {
        Seq(self.seq)
    }
}

/// What a sample says, apart from its identity and time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Content {
    /// `telemetry`, or the name of the source's message; 1 to 64 printable ASCII characters.
    /// Empty stands for `telemetry`.
    pub kind: String,
    pub position: Option<Position>,
    pub velocity: Option<Velocity>,
    pub attitude: Option<Attitude>,
    /// One entry per receiver, at most [`crate::validate::INSTANCES_MAX`].
    pub gnss: Vec<Gnss>,
    /// One entry per pack, at most [`crate::validate::INSTANCES_MAX`].
    pub battery: Vec<Battery>,
    pub link: Option<Link>,
    pub home: Option<Home>,
    pub mission: Option<Mission>,
    pub health: Option<Health>,
    pub wind: Option<Wind>,
    pub state: Option<State>,
    pub text: Option<Text>,
    /// What has no column, sorted by name.
    pub extras: Vec<(String, Extra)>,
    /// The source's own bytes of a message that is not understood.
    pub raw: Option<Vec<u8>>,
}

/// Where the drone is. Latitude and longitude come together or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Position {
    /// Degrees north, WGS 84, -90 to 90.
    pub latitude_deg: Option<f64>,
    /// Degrees east, WGS 84, -180 to 180.
    pub longitude_deg: Option<f64>,
    /// Metres above mean sea level, -1000 to 100 000.
    pub absolute_altitude_m: Option<f64>,
    /// Metres above the WGS 84 ellipsoid, -1000 to 100 000.
    pub ellipsoid_altitude_m: Option<f64>,
    /// Metres above the home position, -10 000 to 100 000.
    pub relative_altitude_m: Option<f64>,
    /// Metres above the ground below, by terrain data or a range finder, -1000 to 100 000.
    pub terrain_altitude_m: Option<f64>,
}

/// How the drone moves. Speeds in metres per second, -1000 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Velocity {
    pub north_m_s: Option<f32>,
    pub east_m_s: Option<f32>,
    /// Positive is descending.
    pub down_m_s: Option<f32>,
    /// Over ground, 0 to 1000.
    pub ground_speed_m_s: Option<f32>,
    /// Through the air, 0 to 1000.
    pub air_speed_m_s: Option<f32>,
    /// Where the nose points, degrees, 0 to 360.
    pub heading_deg: Option<f32>,
    /// Where the track leads, degrees, 0 to 360.
    pub course_deg: Option<f32>,
}

/// How the drone is turned. Degrees; roll and yaw -180 to 180, pitch -90 to 90 (-180 to 180 is
/// accepted, since autopilots send it in a loop). Rates in degrees per second, -10 000 to 10 000.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Attitude {
    /// Banking right is positive.
    pub roll_deg: Option<f32>,
    /// Nose up is positive.
    pub pitch_deg: Option<f32>,
    /// From true north, clockwise positive; -180 to 360.
    pub yaw_deg: Option<f32>,
    pub roll_rate_deg_s: Option<f32>,
    pub pitch_rate_deg_s: Option<f32>,
    pub yaw_rate_deg_s: Option<f32>,
}

/// What kind of position solution a receiver has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FixType {
    NoGps,
    NoFix,
    Fix2d,
    Fix3d,
    FixDgps,
    RtkFloat,
    RtkFixed,
}

/// One satellite receiver.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gnss {
    /// Which receiver, 0 to 255.
    pub id: u8,
    pub fix_type: Option<FixType>,
    /// The source's own code of the fix.
    pub fix_type_raw: Option<u32>,
    /// Satellites used, 0 to 255.
    pub num_satellites: Option<u8>,
    /// Horizontal dilution of precision, 0 to 100.
    pub hdop: Option<f32>,
    /// Vertical dilution of precision, 0 to 100.
    pub vdop: Option<f32>,
    /// Metres, 0 to 100 000.
    pub horizontal_uncertainty_m: Option<f32>,
    /// Metres, 0 to 100 000.
    pub vertical_uncertainty_m: Option<f32>,
    /// Metres per second, 0 to 1000.
    pub velocity_uncertainty_m_s: Option<f32>,
}

/// One battery pack.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Battery {
    /// Which pack, 0 to 255.
    pub id: u8,
    /// State of charge, percent, 0 to 100.
    pub remaining_percent: Option<f32>,
    /// Volts, 0 to 1000.
    pub voltage_v: Option<f32>,
    /// Amperes, discharge positive, -10 000 to 10 000.
    pub current_battery_a: Option<f32>,
    /// Ampere-hours since full, 0 to 10 000.
    pub capacity_consumed_ah: Option<f32>,
    /// Degrees Celsius, -100 to 200.
    pub temperature_degc: Option<f32>,
    /// Seconds, 0 to 1 000 000.
    pub time_remaining_s: Option<f32>,
    /// Volts of each cell, 0 to 100; at most 32 cells.
    pub cells_v: Vec<f32>,
}

/// The radio link as the drone sees it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Link {
    /// Received signal strength, dBm, -200 to 50.
    pub rssi_dbm: Option<f32>,
    /// The same at the other end.
    pub remote_rssi_dbm: Option<f32>,
    /// Noise floor, dBm, -200 to 50.
    pub noise_dbm: Option<f32>,
    /// Packets lost, percent, 0 to 100.
    pub loss_percent: Option<f32>,
    /// Round trip, milliseconds, 0 to 600 000.
    pub latency_ms: Option<f32>,
}

/// Where the drone returns to. Same units, ranges and frame as [`Position`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Home {
    pub latitude_deg: Option<f64>,
    pub longitude_deg: Option<f64>,
    pub absolute_altitude_m: Option<f64>,
    /// Metres over ground from the drone to it, 0 to 50 000 000.
    pub distance_m: Option<f32>,
}

/// Where the drone is in its mission.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Mission {
    /// Zero-based item that is flown now.
    pub current: Option<u32>,
    /// Items in all.
    pub total: Option<u32>,
    pub state: Option<MissionState>,
    /// Metres to the current item, 0 to 50 000 000.
    pub distance_to_item_m: Option<f32>,
}

/// What a mission is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MissionState {
    NoMission,
    NotStarted,
    Active,
    Paused,
    Complete,
}

/// How well the drone is. Sensor sets are bit masks of MAV_SYS_STATUS_SENSOR.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Health {
    pub sensors_present: Option<u32>,
    pub sensors_enabled: Option<u32>,
    pub sensors_healthy: Option<u32>,
    /// Main loop load, percent, 0 to 100.
    pub cpu_load_percent: Option<f32>,
    /// Root mean square acceleration of vibration, m/s², 0 to 1000.
    pub vibration_m_s2: Option<f32>,
    /// Estimator status bits, as the source gives them.
    pub estimator_flags: Option<u32>,
}

/// The wind as the drone estimates it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Wind {
    /// Horizontal, metres per second, 0 to 150.
    pub speed_m_s: Option<f32>,
    /// Where it comes from, degrees from true north, 0 to 360.
    pub direction_from_deg: Option<f32>,
    /// Vertical part, metres per second, positive upward, -100 to 100.
    pub vertical_m_s: Option<f32>,
}

/// What the drone is doing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct State {
    pub armed: Option<bool>,
    pub flight_mode: Option<FlightMode>,
    /// The source's own number of the mode.
    pub flight_mode_raw: Option<u32>,
    /// Whose numbers `flight_mode_raw` uses.
    pub dialect: Option<Dialect>,
    pub landed_state: Option<LandedState>,
    pub system_status: Option<SystemStatus>,
}

/// Modes that autopilots have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlightMode {
    Ready,
    Takeoff,
    Hold,
    Mission,
    ReturnToLaunch,
    Land,
    Offboard,
    FollowMe,
    Manual,
    Altctl,
    Posctl,
    Acro,
    Stabilized,
    Orbit,
    Other,
}

/// Whose vocabulary a raw code belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    Px4,
    ArduPilot,
    Dji,
    Other,
}

/// Whether the drone touches the ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LandedState {
    OnGround,
    InAir,
    TakingOff,
    Landing,
}

/// MAV_STATE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SystemStatus {
    Boot,
    Calibrating,
    Standby,
    Active,
    Critical,
    Emergency,
    PowerOff,
    FlightTermination,
}

/// A message of the drone to people.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Text {
    /// MAV_SEVERITY, 0 (emergency) to 7 (debug).
    pub severity: Option<u8>,
    /// At most [`crate::validate::TEXT_BYTES_MAX`] bytes.
    pub text: String,
}

/// A value that has no column.
#[derive(Debug, Clone, PartialEq)]
pub enum Extra {
    Number(f64),
    Integer(i64),
    Flag(bool),
    Text(String),
}

/// How a sample got its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TimeBasis {
    /// The drone's own UTC clock.
    Utc,
    /// Power-up time plus the drone's boot clock.
    Paired,
    /// The gateway's clock, for a client that sent neither identity nor time.
    Received,
}

/// How a boot got its power-up time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PowerUpBasis {
    /// Receipt minus the boot clock at sending.
    Sending,
    /// UTC minus boot clock of the first sample that had both.
    BothClocks,
    /// UTC of the first sample; the drone sends no boot clock.
    FirstUtc,
    /// Receipt of the first sample; the gateway chose the boot.
    Received,
}

/// When a boot began. The first one of a boot in the journal is true for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootRecord {
    pub boot: BootId,
    pub power_up: UtcMicros,
    pub basis: PowerUpBasis,
}

/// A sample whose time is settled: what the log carries and the database stores.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedSample {
    pub seq: Seq,
    pub time: UtcMicros,
    pub basis: TimeBasis,
    /// The drone's clocks as sent, kept because live state tells the boot clock.
    pub since_boot: Option<BootMicros>,
    pub content: Content,
}

/// One drone-batch in the event log.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryRecord {
    pub epoch: Epoch,
    pub drone: DroneId,
    pub boot: BootId,
    /// Power-up time of `boot`, by its boot record.
    pub power_up: UtcMicros,
    /// When the gateway had the batch.
    pub received: UtcMicros,
    pub samples: Vec<RecordedSample>,
}

impl Content {
    /// The kind that stands for a plain sample.
    pub const KIND_TELEMETRY: &'static str = "telemetry";

    /// The kind, with the empty one spelt out.
    #[must_use]
    pub fn kind_or_default(&self) -> &str {
        if self.kind.is_empty() {
            Self::KIND_TELEMETRY
        } else {
            &self.kind
        }
    }

    /// Hash of everything the content says; equal contents hash equal on every machine.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        ContentHash::of(self)
    }
}
