//! Names by which people ask for parts of a sample, and the columns that hold them.

use aerostream_domain::sample::{Battery, Content, Gnss};

use super::columns::COLUMNS;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Double,
    Float,
    Small,
    Large,
    Flag,
    Text,
    Json,
    Bytes,
    /// A number that stands for one of these names; the first has number 1.
    Code(&'static [&'static str]),
}

/// A part of a sample that can be asked for by its path in the sample's JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    pub path: &'static str,
    pub column: &'static str,
    pub kind: Kind,
}

const fn field(path: &'static str, column: &'static str, kind: Kind) -> Field {
    Field { path, column, kind }
}

use Kind::{Bytes, Code, Double, Flag, Float, Json, Large, Small, Text};

/// Every field, in the order of `COLUMNS`. `battery.cells_v` and `extras` share a column.
pub const FIELDS: [Field; 70] = [
    field("since_boot_us", "since_boot_us", Large),
    field("kind", "kind", Text),
    field("position.latitude_deg", "latitude_deg", Double),
    field("position.longitude_deg", "longitude_deg", Double),
    field(
        "position.absolute_altitude_m",
        "absolute_altitude_m",
        Double,
    ),
    field(
        "position.ellipsoid_altitude_m",
        "ellipsoid_altitude_m",
        Double,
    ),
    field(
        "position.relative_altitude_m",
        "relative_altitude_m",
        Double,
    ),
    field("position.terrain_altitude_m", "terrain_altitude_m", Double),
    field("velocity.north_m_s", "north_m_s", Float),
    field("velocity.east_m_s", "east_m_s", Float),
    field("velocity.down_m_s", "down_m_s", Float),
    field("velocity.ground_speed_m_s", "ground_speed_m_s", Float),
    field("velocity.air_speed_m_s", "air_speed_m_s", Float),
    field("velocity.heading_deg", "heading_deg", Float),
    field("velocity.course_deg", "course_deg", Float),
    field("attitude.roll_deg", "roll_deg", Float),
    field("attitude.pitch_deg", "pitch_deg", Float),
    field("attitude.yaw_deg", "yaw_deg", Float),
    field("attitude.roll_rate_deg_s", "roll_rate_deg_s", Float),
    field("attitude.pitch_rate_deg_s", "pitch_rate_deg_s", Float),
    field("attitude.yaw_rate_deg_s", "yaw_rate_deg_s", Float),
    field("gnss.id", "gnss_id", Small),
    field("gnss.fix_type", "gnss_fix_type", Code(&FIX_TYPES)),
    field("gnss.fix_type_raw", "gnss_fix_type_raw", Large),
    field("gnss.num_satellites", "gnss_num_satellites", Small),
    field("gnss.hdop", "gnss_hdop", Float),
    field("gnss.vdop", "gnss_vdop", Float),
    field(
        "gnss.horizontal_uncertainty_m",
        "gnss_horizontal_uncertainty_m",
        Float,
    ),
    field(
        "gnss.vertical_uncertainty_m",
        "gnss_vertical_uncertainty_m",
        Float,
    ),
    field(
        "gnss.velocity_uncertainty_m_s",
        "gnss_velocity_uncertainty_m_s",
        Float,
    ),
    field("battery.id", "battery_id", Small),
    field(
        "battery.remaining_percent",
        "battery_remaining_percent",
        Float,
    ),
    field("battery.voltage_v", "battery_voltage_v", Float),
    field("battery.current_battery_a", "battery_current_a", Float),
    field(
        "battery.capacity_consumed_ah",
        "battery_capacity_consumed_ah",
        Float,
    ),
    field(
        "battery.temperature_degc",
        "battery_temperature_degc",
        Float,
    ),
    field(
        "battery.time_remaining_s",
        "battery_time_remaining_s",
        Float,
    ),
    field("link.rssi_dbm", "link_rssi_dbm", Float),
    field("link.remote_rssi_dbm", "link_remote_rssi_dbm", Float),
    field("link.noise_dbm", "link_noise_dbm", Float),
    field("link.loss_percent", "link_loss_percent", Float),
    field("link.latency_ms", "link_latency_ms", Float),
    field("home.latitude_deg", "home_latitude_deg", Double),
    field("home.longitude_deg", "home_longitude_deg", Double),
    field(
        "home.absolute_altitude_m",
        "home_absolute_altitude_m",
        Double,
    ),
    field("home.distance_m", "home_distance_m", Float),
    field("mission.current", "mission_current", Large),
    field("mission.total", "mission_total", Large),
    field("mission.state", "mission_state", Code(&MISSION_STATES)),
    field(
        "mission.distance_to_item_m",
        "mission_distance_to_item_m",
        Float,
    ),
    field("health.sensors_present", "health_sensors_present", Large),
    field("health.sensors_enabled", "health_sensors_enabled", Large),
    field("health.sensors_healthy", "health_sensors_healthy", Large),
    field("health.cpu_load_percent", "health_cpu_load_percent", Float),
    field("health.vibration_m_s2", "health_vibration_m_s2", Float),
    field("health.estimator_flags", "health_estimator_flags", Large),
    field("wind.speed_m_s", "wind_speed_m_s", Float),
    field("wind.direction_from_deg", "wind_direction_from_deg", Float),
    field("wind.vertical_m_s", "wind_vertical_m_s", Float),
    field("state.armed", "armed", Flag),
    field("state.flight_mode", "flight_mode", Code(&FLIGHT_MODES)),
    field("state.flight_mode_raw", "flight_mode_raw", Large),
    field("state.dialect", "dialect", Code(&DIALECTS)),
    field("state.landed_state", "landed_state", Code(&LANDED_STATES)),
    field(
        "state.system_status",
        "system_status",
        Code(&SYSTEM_STATUSES),
    ),
    field("text.severity", "text_severity", Small),
    field("text.text", "text", Text),
    field("battery.cells_v", "rest", Json),
    field("extras", "rest", Json),
    field("raw", "raw", Bytes),
];

/// Names that the answer always holds; asking for them is no mistake.
const ALWAYS: [&str; 5] = ["boot", "seq", "time", "time_us", "basis"];

const FIX_TYPES: [&str; 7] = [
    "no_gps",
    "no_fix",
    "fix_2d",
    "fix_3d",
    "fix_dgps",
    "rtk_float",
    "rtk_fixed",
];
const MISSION_STATES: [&str; 5] = ["no_mission", "not_started", "active", "paused", "complete"];
const FLIGHT_MODES: [&str; 15] = [
    "ready",
    "takeoff",
    "hold",
    "mission",
    "return_to_launch",
    "land",
    "offboard",
    "follow_me",
    "manual",
    "altctl",
    "posctl",
    "acro",
    "stabilized",
    "orbit",
    "other",
];
const DIALECTS: [&str; 4] = ["px4", "ardu_pilot", "dji", "other"];
const LANDED_STATES: [&str; 4] = ["on_ground", "in_air", "taking_off", "landing"];
const SYSTEM_STATUSES: [&str; 8] = [
    "boot",
    "calibrating",
    "standby",
    "active",
    "critical",
    "emergency",
    "power_off",
    "flight_termination",
];
/// Names of how a sample's time was settled, by their number less one.
pub const BASES: [&str; 3] = ["utc", "paired", "received"];

/// A name that no field and no group of fields has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no field `{path}`; did you mean `{nearest}`?")]
pub struct UnknownField {
    pub path: String,
    pub nearest: &'static str,
}

/// Which fields of samples are wanted; their identity and time always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldSet(u128);

impl FieldSet {
    /// Nothing beside identity and time.
    pub const NONE: Self = Self(0);
    /// Everything that a sample says.
    pub const ALL: Self = Self((1 << FIELDS.len()) - 1);

    /// The fields of these paths: `position.latitude_deg`, or `position` for the whole group.
    ///
    /// # Errors
    /// A path that is not known.
    pub fn from_paths<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownField> {
        let mut set = Self::NONE;
        for path in paths {
            let path = path.trim();
            let before = set;
            for (place, field) in FIELDS.iter().enumerate() {
                if field.path == path || group_of(field.path) == path {
                    set.0 |= 1 << place;
                }
            }
            let nothing_found = set == before && !before.names(path);
            if nothing_found && !ALWAYS.contains(&path) {
                return Err(UnknownField {
                    path: path.to_owned(),
                    nearest: nearest(path),
                });
            }
        }
        Ok(set)
    }

    /// True if a field of this path, or of this group, is in the set.
    #[must_use]
    pub fn names(self, path: &str) -> bool {
        self.fields()
            .any(|field| field.path == path || group_of(field.path) == path)
    }

    /// The wanted fields.
    pub fn fields(self) -> impl Iterator<Item = &'static Field> {
        let wanted = move |place: usize| self.0 & (1 << place) != 0;
        FIELDS
            .iter()
            .enumerate()
            .filter_map(move |(place, field)| wanted(place).then_some(field))
    }

    /// Which of [`COLUMNS`] must be read, but for the drone's number. A receiver or a pack needs
    /// its id, and further ones of a sample are in `rest`.
    pub(in crate::store) fn columns(self) -> Vec<&'static str> {
        const IDENTITY: [&str; 4] = ["ts", "boot", "seq", "basis"];
        let listed = |group| self.names(group);
        COLUMNS
            .into_iter()
            .filter(|&column| {
                IDENTITY.contains(&column)
                    || self.fields().any(|field| field.column == column)
                    || match column {
                        "gnss_id" => listed("gnss"),
                        "battery_id" => listed("battery"),
                        "rest" => listed("gnss") || listed("battery"),
                        _ => false,
                    }
            })
            .collect()
    }

    /// Takes out of a content what came along in a shared column and was not asked for.
    pub(in crate::store) fn trim(self, content: &mut Content) {
        macro_rules! drop_unnamed {
            ($($group:ident),*) => {
                $(if !self.names(stringify!($group)) {
                    content.$group = Default::default();
                })*
            };
        }
        if self == Self::ALL {
            return;
        }
        drop_unnamed!(
            position, velocity, attitude, gnss, battery, link, home, mission, health, wind, state,
            text, extras
        );
        for gnss in &mut content.gnss {
            self.trim_gnss(gnss);
        }
        for battery in &mut content.battery {
            self.trim_battery(battery);
        }
    }

    fn trim_gnss(self, gnss: &mut Gnss) {
        macro_rules! drop_unnamed {
            ($($field:ident),*) => {
                $(if !self.names(concat!("gnss.", stringify!($field))) {
                    gnss.$field = Default::default();
                })*
            };
        }
        drop_unnamed!(
            fix_type,
            fix_type_raw,
            num_satellites,
            hdop,
            vdop,
            horizontal_uncertainty_m,
            vertical_uncertainty_m,
            velocity_uncertainty_m_s
        );
    }

    fn trim_battery(self, battery: &mut Battery) {
        macro_rules! drop_unnamed {
            ($($field:ident),*) => {
                $(if !self.names(concat!("battery.", stringify!($field))) {
                    battery.$field = Default::default();
                })*
            };
        }
        drop_unnamed!(
            remaining_percent,
            voltage_v,
            current_battery_a,
            capacity_consumed_ah,
            temperature_degc,
            time_remaining_s,
            cells_v
        );
    }
}

/// The part before the point, or the whole.
fn group_of(path: &str) -> &str {
    path.split_once('.').map_or(path, |(group, _)| group)
}

fn nearest(path: &str) -> &'static str {
    let fields = FIELDS
        .iter()
        .flat_map(|field| [field.path, group_of(field.path)]);
    // Whoever leaves the group out means the field, not a name of like length.
    let likeness = |known: &str| {
        let last = known.rsplit('.').next().unwrap_or(known);
        strsim::jaro_winkler(known, path).max(strsim::jaro_winkler(last, path))
    };
    // Of equals the last one is the most like; position shall be asked for before home.
    let known: Vec<_> = fields.chain(ALWAYS).collect();
    known
        .into_iter()
        .rev()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .unwrap_or("position")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_of_content_has_a_field_and_every_field_a_column() {
        let identity = ["drone_ref", "ts", "boot", "seq", "basis"];
        for column in COLUMNS {
            let has = FIELDS.iter().any(|field| field.column == column);
            assert_ne!(has, identity.contains(&column), "{column}");
        }
        for field in FIELDS {
            assert!(COLUMNS.contains(&field.column), "{field:?}");
        }
        assert_eq!(FieldSet::ALL.columns(), COLUMNS[1..]);
        assert_eq!(FieldSet::ALL.fields().count(), FIELDS.len());
    }

    #[test]
    fn only_what_is_named_is_read() {
        let few = FieldSet::from_paths(["position.latitude_deg", "velocity", "seq"]).unwrap();
        let columns = few.columns().join(" ");
        assert_eq!(
            columns,
            "ts boot seq basis latitude_deg north_m_s east_m_s down_m_s ground_speed_m_s \
             air_speed_m_s heading_deg course_deg"
        );
        let pack = FieldSet::from_paths(["battery.voltage_v"]).unwrap();
        assert_eq!(
            pack.columns().join(" "),
            "ts boot seq basis battery_id battery_voltage_v rest"
        );
        assert_eq!(FieldSet::from_paths(["time"]).unwrap(), FieldSet::NONE);
    }

    #[test]
    fn an_unknown_name_is_told_with_the_nearest() {
        for (path, nearest) in [
            ("position.latitude", "position.latitude_deg"),
            ("latitude_deg", "position.latitude_deg"),
            ("batery", "battery"),
            ("remaining_percent", "battery.remaining_percent"),
            ("tme", "time"),
        ] {
            let unknown = FieldSet::from_paths(["seq", path]).expect_err("it is not known");
            assert_eq!((unknown.path.as_str(), unknown.nearest), (path, nearest));
        }
        assert!(FieldSet::from_paths(["position", "position.latitude_deg"]).is_ok());
        assert!(FieldSet::from_paths([""]).is_err());
    }
}
