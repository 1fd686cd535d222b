//! What a watcher wants to see: a part of the map, some fleets, some drones.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use aerostream_domain::{DroneId, FleetId};
use serde::Deserialize;

use super::RATE_HZ_MIN;
use crate::error::{ErrorCode, Problem};
use crate::gateway::auth::{Action, Principal};
use crate::gateway::state::{Gateway, allow};

/// Degrees are kept as so many parts, about a centimetre.
const PARTS_PER_DEGREE: f64 = 1e7;
const HALF_TURN_E7: i32 = 1_800_000_000;

/// A view as a client asks for it; what is not said does not narrow it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asking {
    /// West, south, east, north, degrees, as GeoJSON has it: west is greater than east where the
    /// box crosses the antimeridian.
    pub bbox: Option<Vec<f64>>,
    /// Only drones of these fleets.
    pub fleet_ids: Option<Vec<String>>,
    /// Only these drones.
    pub drone_ids: Option<Vec<String>>,
    /// Updates per second.
    pub rate_hz: Option<f64>,
}

/// A part of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bbox {
    west_e7: i32,
    south_e7: i32,
    east_e7: i32,
    north_e7: i32,
}

impl Bbox {
    /// From west, south, east and north, degrees.
    ///
    /// # Errors
    /// It is no box of four degrees in their ranges.
    pub fn new(degrees: &[f64]) -> Result<Self, Problem> {
        let invalid = |detail: String| Problem::new(ErrorCode::Invalid, detail).at("bbox");
        let [west, south, east, north] = *degrees else {
            let count = degrees.len();
            let detail = format!("must be west, south, east, north; it has {count} numbers");
            return Err(invalid(detail));
        };
        for (what, degrees, most) in [
            ("west", west, 180.0),
            ("south", south, 90.0),
            ("east", east, 180.0),
            ("north", north, 90.0),
        ] {
            if !(-most..=most).contains(&degrees) {
                let detail = format!("{what} must be -{most} to {most} degrees; it is {degrees}");
                return Err(invalid(detail));
            }
        }
        if south > north {
            let detail = format!("south must not be north of north; {south} is, of {north}");
            return Err(invalid(detail));
        }
        Ok(Self {
            west_e7: parts(west),
            south_e7: parts(south),
            east_e7: parts(east),
            north_e7: parts(north),
        })
    }

    /// True if the place is in it, its edges included; 180 degrees east is 180 degrees west.
    #[must_use]
    pub fn contains(&self, latitude_e7: i32, longitude_e7: i32) -> bool {
        let is_between = |longitude_e7: i32| {
            let (behind_west, before_east) =
                (longitude_e7 >= self.west_e7, longitude_e7 <= self.east_e7);
            if self.west_e7 <= self.east_e7 {
                behind_west && before_east
            } else {
                behind_west || before_east
            }
        };
        (self.south_e7..=self.north_e7).contains(&latitude_e7)
            && (is_between(longitude_e7)
                || (longitude_e7.abs() == HALF_TURN_E7 && is_between(-longitude_e7)))
    }
}

/// Degrees within 180 either way, in parts of 10^-7.
#[must_use]
pub fn parts(degrees: f64) -> i32 {
    (degrees * PARTS_PER_DEGREE).round() as i32
}

/// A view that its watcher may have.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub bbox: Option<Bbox>,
    /// `None` for every fleet in scope.
    pub fleets: Option<BTreeSet<FleetId>>,
    /// `None` for every drone.
    pub drones: Option<HashSet<DroneId>>,
    pub interval: Duration,
}

impl View {
    /// Judges a view.
    ///
    /// # Errors
    /// The caller may not have it, or a part of it is wrong or too much.
    pub fn new(gateway: &Gateway, caller: &Principal, asking: &Asking) -> Result<Self, Problem> {
        allow(caller, Action::ReadFleet)?;
        let config = gateway.fleet_feed.config();
        let rate_hz = asking.rate_hz.unwrap_or(config.rate_hz);
        if !(RATE_HZ_MIN..=config.rate_hz_max).contains(&rate_hz) {
            let most = config.rate_hz_max;
            let detail = format!("must be {RATE_HZ_MIN} to {most}; it is {rate_hz}");
            return Err(Problem::new(ErrorCode::Invalid, detail).at("rate_hz"));
        }
        let (fleets, drones) = (&asking.fleet_ids, &asking.drone_ids);
        Ok(Self {
            bbox: asking.bbox.as_deref().map(Bbox::new).transpose()?,
            fleets: fleets
                .as_deref()
                .map(|ids| fleets_of(gateway, caller, ids))
                .transpose()?,
            drones: drones
                .as_deref()
                .map(|ids| drones_of(gateway, caller, ids))
                .transpose()?,
            interval: Duration::from_secs_f64(1.0 / rate_hz),
        })
    }
}

fn fleets_of(
    gateway: &Gateway,
    caller: &Principal,
    ids: &[String],
) -> Result<BTreeSet<FleetId>, Problem> {
    let most = gateway.fleet_feed.config().named_fleets_max;
    let judged = |(place, id): (usize, &String)| {
        let field = format!("fleet_ids[{place}]");
        let fleet = FleetId::parse(id)
            .map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at(&field))?;
        // Whoever may not see a fleet is told what is told of one that is not there.
        if caller.scope.contains(&fleet) && gateway.registry().read().fleet(&fleet).is_some() {
            return Ok(fleet);
        }
        Err(Problem::new(ErrorCode::NotFound, "there is no such fleet").at(&field))
    };
    within("fleet_ids", ids, most)?;
    ids.iter().enumerate().map(judged).collect()
}

fn drones_of(
    gateway: &Gateway,
    caller: &Principal,
    ids: &[String],
) -> Result<HashSet<DroneId>, Problem> {
    let most = gateway.fleet_feed.config().named_drones_max;
    let judged = |(place, id): (usize, &String)| {
        let field = format!("drone_ids[{place}]");
        let drone = DroneId::parse(id)
            .map_err(|error| Problem::new(ErrorCode::Invalid, error.to_string()).at(&field))?;
        let allowed = gateway.allow_drone(caller, Action::ReadFleet, &drone);
        allowed.map_err(|problem| problem.at(&field))?;
        Ok(drone)
    };
    within("drone_ids", ids, most)?;
    ids.iter().enumerate().map(judged).collect()
}

fn within(field: &'static str, ids: &[String], most: usize) -> Result<(), Problem> {
    if (1..=most).contains(&ids.len()) {
        return Ok(());
    }
    let detail = format!("must name 1 to {most}; it names {}", ids.len());
    Err(Problem::new(ErrorCode::Invalid, detail).at(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(degrees: [f64; 4], (latitude, longitude): (f64, f64), expected: bool) {
        let bbox = Bbox::new(&degrees).unwrap();
        let contains = bbox.contains(parts(latitude), parts(longitude));
        assert_eq!(contains, expected, "{degrees:?} {latitude} {longitude}");
    }

    #[test]
    fn a_box_contains_its_edges_and_nothing_beyond() {
        let zurich = [8.0, 47.0, 9.0, 48.0];
        check(zurich, (47.5, 8.5), true);
        check(zurich, (47.0, 9.0), true);
        check(zurich, (48.000_000_1, 8.5), false);
        check(zurich, (47.5, 7.999_999_9), false);
        check([-180.0, -90.0, 180.0, 90.0], (-90.0, 180.0), true);
    }

    #[test]
    fn a_box_may_cross_the_antimeridian() {
        let fiji = [177.0, -20.0, -178.0, -16.0];
        check(fiji, (-18.0, 179.9), true);
        check(fiji, (-18.0, -179.9), true);
        check(fiji, (-18.0, 180.0), true);
        check(fiji, (-18.0, -180.0), true);
        check(fiji, (-18.0, 0.0), false);
        check(fiji, (-18.0, 176.9), false);
        check(fiji, (-18.0, -177.9), false);
        // The antimeridian has two names and is one place.
        check([179.0, -1.0, 180.0, 1.0], (0.0, -180.0), true);
        check([-180.0, -1.0, -179.0, 1.0], (0.0, 180.0), true);
        check([-180.0, -1.0, -179.0, 1.0], (0.0, 179.5), false);
    }

    #[test]
    fn what_is_no_box_is_refused() {
        for wrong in [
            &[8.0, 47.0, 9.0][..],
            &[8.0, 48.0, 9.0, 47.0],
            &[8.0, 47.0, 181.0, 48.0],
            &[8.0, f64::NAN, 9.0, 48.0],
            &[8.0, -90.1, 9.0, 48.0],
        ] {
            let problem = Bbox::new(wrong).unwrap_err();
            assert_eq!(problem.field.as_deref(), Some("bbox"), "{wrong:?}");
        }
    }
}
