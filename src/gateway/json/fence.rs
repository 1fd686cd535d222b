//! A fence as people write and read it: its outline as GeoJSON has it, longitude first, and a
//! circle, which GeoJSON lacks.

use std::collections::BTreeSet;

use aerostream_domain::alert::{Fence, FenceError, FenceKind, Ground, Height, Point};
use aerostream_domain::{DroneId, FenceId};
use async_graphql::{Enum, InputObject, SimpleObject};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::enums::Long;
use crate::error::{ErrorCode, Problem};
use crate::registry::change::LABEL_BYTES_MAX;
use crate::registry::{FenceOf, Versioned};

/// Most drones that a fence may name.
const DRONES_MAX: usize = 1000;

/// Whether drones must stay inside or outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema, Enum)]
#[serde(rename_all = "snake_case")]
#[schema(as = FenceKind)]
#[graphql(name = "FenceKind")]
pub enum KindName {
    KeepIn,
    KeepOut,
}

/// What floor and ceiling are measured from: mean sea level, the drone's home, or the ground below
/// the drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema, Enum)]
#[serde(rename_all = "snake_case")]
#[schema(as = FenceHeight)]
#[graphql(name = "FenceHeight")]
pub enum HeightName {
    Absolute,
    #[default]
    Relative,
    Terrain,
}

/// A fence.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema, SimpleObject, InputObject)]
#[serde(deny_unknown_fields)]
#[schema(as = Fence)]
#[graphql(name = "Fence", input_name = "FenceInput")]
pub struct FenceShape {
    /// Id within its fleet.
    #[serde(default)]
    #[graphql(default)]
    pub fence_id: String,
    /// For people; at most 256 bytes.
    #[serde(default)]
    #[graphql(default)]
    pub name: String,
    /// False switches it off.
    #[serde(default = "yes")]
    #[graphql(default = true)]
    pub enabled: bool,
    pub kind: KindName,
    /// Its outline; without one, floor and ceiling hold everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geometry: Option<Geometry>,
    /// `relative` unless set.
    #[serde(default)]
    #[graphql(default)]
    pub height: HeightName,
    /// Metres, -1000 to 100000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor_m: Option<f64>,
    /// Metres, -1000 to 100000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling_m: Option<f64>,
    /// The drones that it is for; empty: every drone of the fleet.
    #[serde(default)]
    #[graphql(default)]
    pub drone_ids: Vec<String>,
    /// Grows with every change. Sent with a change, it must be the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub version: Option<Long>,
}

/// An outline. Places are `[longitude, latitude]` in degrees, WGS 84.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", deny_unknown_fields)]
#[schema(as = FenceGeometry)]
pub enum Geometry {
    /// As GeoJSON has it: closed rings, the outer one first, then holes.
    Polygon {
        coordinates: Vec<Vec<[f64; 2]>>,
    },
    Circle {
        center: [f64; 2],
        radius_m: f64,
    },
}

const fn yes() -> bool {
    true
}

fn wrong(at: &str, what: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::Invalid, what.into()).at(at.to_owned())
}

fn point([longitude_deg, latitude_deg]: [f64; 2]) -> Point {
    Point {
        latitude_deg,
        longitude_deg,
    }
}

fn pair(point: Point) -> [f64; 2] {
    [point.longitude_deg, point.latitude_deg]
}

/// A ring without the point that closes it, whether it is there or not.
fn open(ring: Vec<[f64; 2]>) -> Vec<Point> {
    let mut ring: Vec<Point> = ring.into_iter().map(point).collect();
    if ring.len() > 1 && ring.first() == ring.last() {
        ring.pop();
    }
    ring
}

fn closed(ring: &[Point]) -> Vec<[f64; 2]> {
    let first = ring.first();
    ring.iter().chain(first).copied().map(pair).collect()
}

impl FenceShape {
    /// A fence as it is told.
    #[must_use]
    pub fn told(known: &Versioned<FenceOf>) -> Self {
        let fence = &known.entity.fence;
        Self {
            fence_id: fence.id.to_string(),
            name: fence.name.clone(),
            enabled: fence.enabled,
            kind: match fence.kind {
                FenceKind::KeepIn => KindName::KeepIn,
                FenceKind::KeepOut => KindName::KeepOut,
            },
            geometry: match &fence.ground {
                Ground::Everywhere => None,
                Ground::Circle { center, radius_m } => Some(Geometry::Circle {
                    center: pair(*center),
                    radius_m: *radius_m,
                }),
                Ground::Polygon { outer, holes } => Some(Geometry::Polygon {
                    coordinates: [outer]
                        .into_iter()
                        .chain(holes)
                        .map(|it| closed(it))
                        .collect(),
                }),
            },
            height: match fence.height {
                Height::Absolute => HeightName::Absolute,
                Height::Relative => HeightName::Relative,
                Height::Terrain => HeightName::Terrain,
            },
            floor_m: fence.floor_m,
            ceiling_m: fence.ceiling_m,
            drone_ids: known
                .entity
                .drones
                .iter()
                .map(ToString::to_string)
                .collect(),
            version: Some(Long(known.version.0 as i64)),
        }
    }

    /// The fence that it says, and the drones that it is for.
    ///
    /// # Errors
    /// It is none; the problem names the part that is wrong.
    pub fn into_fence(self) -> Result<(Fence, BTreeSet<DroneId>), Problem> {
        let id = FenceId::parse(&self.fence_id);
        let id = id.map_err(|error| wrong("fence_id", error.to_string()))?;
        if self.name.len() > LABEL_BYTES_MAX {
            let what = format!("must have at most {LABEL_BYTES_MAX} bytes");
            return Err(wrong("name", what));
        }
        if self.drone_ids.len() > DRONES_MAX {
            let what = format!("may name at most {DRONES_MAX} drones; without any it is for all");
            return Err(wrong("drone_ids", what));
        }
        let drones = self.drone_ids.iter().enumerate().map(|(place, drone)| {
            let drone = DroneId::parse(drone);
            drone.map_err(|error| wrong(&format!("drone_ids[{place}]"), error.to_string()))
        });
        let drones = drones.collect::<Result<_, Problem>>()?;
        let fence = Fence {
            id,
            name: self.name,
            enabled: self.enabled,
            kind: match self.kind {
                KindName::KeepIn => FenceKind::KeepIn,
                KindName::KeepOut => FenceKind::KeepOut,
            },
            ground: ground(self.geometry)?,
            height: match self.height {
                HeightName::Absolute => Height::Absolute,
                HeightName::Relative => Height::Relative,
                HeightName::Terrain => Height::Terrain,
            },
            floor_m: self.floor_m,
            ceiling_m: self.ceiling_m,
        };
        fence.check().map_err(told)?;
        Ok((fence, drones))
    }
}

fn ground(geometry: Option<Geometry>) -> Result<Ground, Problem> {
    match geometry {
        None => Ok(Ground::Everywhere),
        Some(Geometry::Circle { center, radius_m }) => Ok(Ground::Circle {
            center: point(center),
            radius_m,
        }),
        Some(Geometry::Polygon { coordinates }) => {
            let mut rings = coordinates.into_iter().map(open);
            let outer = rings.next().ok_or_else(|| {
                wrong("geometry.coordinates", "must have at least the outer ring")
            })?;
            Ok(Ground::Polygon {
                outer,
                holes: rings.collect(),
            })
        }
    }
}

/// What is wrong with a fence, by the path that the shape has for it.
fn told(error: FenceError) -> Problem {
    let at = error.at.as_str();
    let path = if let Some(point) = at.strip_prefix("outer") {
        format!("geometry.coordinates[0]{point}")
    } else if let Some(rest) = at.strip_prefix("holes[") {
        let (hole, point) = rest.split_once(']').unwrap_or((rest, ""));
        let ring = hole.parse::<usize>().map_or(1, |hole| hole + 1);
        format!("geometry.coordinates[{ring}]{point}")
    } else {
        match at {
            "holes" => "geometry.coordinates".to_owned(),
            "ground" => "geometry".to_owned(),
            "center" | "radius_m" => format!("geometry.{at}"),
            _ => at.to_owned(),
        }
    };
    wrong(&path, error.what)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::http::input;

    fn read(json: &Value) -> Result<(Fence, BTreeSet<DroneId>), Problem> {
        input::json::<FenceShape>(json.to_string().as_bytes())?.into_fence()
    }

    fn square() -> Value {
        json!([
            [8.0, 47.0],
            [8.1, 47.0],
            [8.1, 47.1],
            [8.0, 47.1],
            [8.0, 47.0]
        ])
    }

    fn airport(geometry: Value) -> Value {
        json!({ "fence_id": "airport", "kind": "keep_out", "geometry": geometry,
            "height": "absolute", "ceiling_m": 500, "drone_ids": ["a", "b"] })
    }

    #[test]
    fn a_fence_is_read_back_as_it_is_told() {
        let hole = json!([[8.02, 47.02], [8.04, 47.02], [8.03, 47.04], [8.02, 47.02]]);
        for geometry in [
            json!({ "type": "Polygon", "coordinates": [square(), hole] }),
            json!({ "type": "Circle", "center": [8.5, 47.5], "radius_m": 300.0 }),
        ] {
            let (fence, drones) = read(&airport(geometry.clone())).unwrap();
            let known = Versioned {
                version: aerostream_domain::Offset(7),
                entity: FenceOf {
                    fence: std::sync::Arc::new(fence.clone()),
                    drones: drones.clone(),
                },
            };
            let told = serde_json::to_value(FenceShape::told(&known)).unwrap();
            assert_eq!(told["geometry"], geometry);
            assert_eq!(told["version"], 7);
            assert_eq!(read(&told), Ok((fence, drones)));
        }
    }

    #[track_caller]
    fn check(fence: &Value, field: &str, says: &str) {
        let problem = read(fence).expect_err("it is no fence");
        assert_eq!(problem.field.as_deref(), Some(field), "{problem}");
        assert!(problem.detail.contains(says), "{}", problem.detail);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_path() {
        let polygon = |rings: Value| airport(json!({ "type": "Polygon", "coordinates": rings }));
        let bow_tie = json!([
            [8.0, 47.0],
            [8.1, 47.1],
            [8.1, 47.0],
            [8.0, 47.1],
            [8.0, 47.0]
        ]);
        check(
            &polygon(json!([bow_tie])),
            "geometry.coordinates[0]",
            "crosses itself",
        );
        let north = json!([[8.0, 47.0], [8.1, 97.0], [8.1, 47.1]]);
        check(
            &polygon(json!([north])),
            "geometry.coordinates[0][1]",
            "latitude 97",
        );
        let far = json!([[9.0, 47.0], [9.1, 47.0], [9.1, 47.1]]);
        check(
            &polygon(json!([square(), far])),
            "geometry.coordinates[1][0]",
            "outside of the outer ring",
        );
        check(&polygon(json!([])), "geometry.coordinates", "outer ring");
        let flat = json!({ "type": "Circle", "center": [8, 47], "radius_m": 0 });
        check(&airport(flat), "geometry.radius_m", "above 0");
        let nothing = json!({ "fence_id": "x", "kind": "keep_in" });
        check(&nothing, "geometry", "outline");
        let upside_down =
            json!({ "fence_id": "x", "kind": "keep_in", "floor_m": 9, "ceiling_m": 1 });
        check(&upside_down, "ceiling_m", "above floor_m");
        let nobody = json!({ "fence_id": "x", "kind": "keep_in", "ceiling_m": 1,
            "drone_ids": ["a", "-"] });
        check(&nobody, "drone_ids[1]", "an id may have");
    }
}
