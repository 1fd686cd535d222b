//! Fences: where a drone must stay, and where it must not come.
//!
//! Edges are straight in latitude and longitude. Longitudes are taken relative to the fence's first
//! point, so that a fence may lie across the antimeridian; none spans half the globe. Distances are
//! metres on a local plane, right to a few parts in a thousand for a fence of some kilometres.

use crate::ids::FenceId;
use crate::sample::Position;

/// Most points of one ring.
pub const POINTS_MAX: usize = 500;
/// Most holes of one polygon.
pub const HOLES_MAX: usize = 16;
/// Largest radius, metres.
pub const RADIUS_MAX_M: f64 = 100_000.0;
/// Largest extent in longitude, degrees.
const SPAN_MAX_DEG: f64 = 90.0;
/// Metres of one degree of latitude.
const DEGREE_M: f64 = 111_194.926_644;

/// A place on the globe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Degrees north, WGS 84, -90 to 90.
    pub latitude_deg: f64,
    /// Degrees east, WGS 84, -180 to 180.
    pub longitude_deg: f64,
}

/// Whether the drone must be inside or outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FenceKind {
    KeepIn,
    KeepOut,
}

impl FenceKind {
    /// Stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeepIn => "keep_in",
            Self::KeepOut => "keep_out",
        }
    }
}

/// Its outline on the ground.
#[derive(Debug, Clone, PartialEq)]
pub enum Ground {
    /// No outline: floor and ceiling hold everywhere.
    Everywhere,
    Circle {
        center: Point,
        /// Metres.
        radius_m: f64,
    },
    /// At least 3 points, not closed; holes are not part of it.
    Polygon {
        outer: Vec<Point>,
        holes: Vec<Vec<Point>>,
    },
}

/// What floor and ceiling are measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Height {
    /// Mean sea level.
    Absolute,
    /// The drone's home.
    Relative,
    /// The ground below the drone.
    Terrain,
}

impl Height {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Absolute, Self::Relative, Self::Terrain];

    /// Stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Relative => "relative",
            Self::Terrain => "terrain",
        }
    }

    fn read(self, position: &Position) -> Option<f64> {
        match self {
            Self::Absolute => position.absolute_altitude_m,
            Self::Relative => position.relative_altitude_m,
            Self::Terrain => position.terrain_altitude_m,
        }
    }
}

/// A fence: an outline, a floor and a ceiling.
#[derive(Debug, Clone, PartialEq)]
pub struct Fence {
    pub id: FenceId,
    /// For people.
    pub name: String,
    pub enabled: bool,
    pub kind: FenceKind,
    pub ground: Ground,
    pub height: Height,
    /// Metres; `None`: it has none.
    pub floor_m: Option<f64>,
    /// Metres; `None`: it has none.
    pub ceiling_m: Option<f64>,
}

/// Why a fence is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {what}")]
pub struct FenceError {
    /// Which part, such as `outer[3]`.
    pub at: String,
    pub what: String,
}

fn wrong(at: impl Into<String>, what: impl Into<String>) -> FenceError {
    FenceError {
        at: at.into(),
        what: what.into(),
    }
}

impl Fence {
    /// How deep the drone is within what the fence allows, metres; negative: in breach. `None` if
    /// the position does not tell. An unknown height counts as between floor and ceiling of a
    /// fence to keep out of, and says nothing about one to keep in.
    #[must_use]
    pub fn depth_m(&self, position: &Position) -> Option<f64> {
        let inside = self.ground_depth_m(position);
        let height = self.height.read(position);
        let over_floor = self
            .floor_m
            .map(|floor| height.map(|height| height - floor));
        let under_ceiling = self
            .ceiling_m
            .map(|ceiling| height.map(|height| ceiling - height));
        let vertical = [over_floor, under_ceiling].into_iter().flatten();
        match self.kind {
            FenceKind::KeepIn => {
                let known = vertical.flatten().chain(inside);
                known.min_by(f64::total_cmp)
            }
            FenceKind::KeepOut => {
                let known = vertical.flatten().chain(inside);
                let within = known.min_by(f64::total_cmp)?;
                // Without a position nothing is known of an outline.
                (inside.is_some() || self.ground == Ground::Everywhere).then_some(-within)
            }
        }
    }

    /// Metres inside the outline; negative: outside; `None`: unknown or no outline.
    fn ground_depth_m(&self, position: &Position) -> Option<f64> {
        let point = Point {
            latitude_deg: position.latitude_deg?,
            longitude_deg: position.longitude_deg?,
        };
        match &self.ground {
            Ground::Everywhere => None,
            Ground::Circle { center, radius_m } => {
                let (east, north) = plane(point, *center);
                Some(radius_m - east.hypot(north))
            }
            Ground::Polygon { outer, holes } => {
                let outside = ring_depth_m(outer, point);
                let holes = holes.iter().map(|hole| -ring_depth_m(hole, point));
                holes.chain([outside]).min_by(f64::total_cmp)
            }
        }
    }

    /// Refuses what is no fence.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn check(&self) -> Result<(), FenceError> {
        for (at, metres) in [("floor_m", self.floor_m), ("ceiling_m", self.ceiling_m)] {
            if metres.is_some_and(|metres| !(-1000.0..=100_000.0).contains(&metres)) {
                return Err(wrong(at, "must be -1000 to 100000 m"));
            }
        }
        if let (Some(floor), Some(ceiling)) = (self.floor_m, self.ceiling_m)
            && floor >= ceiling
        {
            let what = format!("is {ceiling} m; it must lie above floor_m, {floor} m");
            return Err(wrong("ceiling_m", what));
        }
        match &self.ground {
            Ground::Everywhere if self.floor_m.is_none() && self.ceiling_m.is_none() => Err(wrong(
                "ground",
                "a fence needs an outline, a floor or a ceiling",
            )),
            Ground::Everywhere => Ok(()),
            Ground::Circle { center, radius_m } => {
                check_point("center", *center)?;
                if *radius_m > 0.0 && *radius_m <= RADIUS_MAX_M {
                    return Ok(());
                }
                let what = format!("must be above 0 and at most {RADIUS_MAX_M} m");
                Err(wrong("radius_m", what))
            }
            Ground::Polygon { outer, holes } => check_polygon(outer, holes),
        }
    }
}

fn check_point(at: &str, point: Point) -> Result<(), FenceError> {
    if !(-90.0..=90.0).contains(&point.latitude_deg) {
        let what = format!("latitude {} must be -90 to 90", point.latitude_deg);
        return Err(wrong(at, what));
    }
    if !(-180.0..=180.0).contains(&point.longitude_deg) {
        let what = format!("longitude {} must be -180 to 180", point.longitude_deg);
        return Err(wrong(at, what));
    }
    Ok(())
}

fn check_polygon(outer: &[Point], holes: &[Vec<Point>]) -> Result<(), FenceError> {
    check_ring("outer", outer)?;
    if holes.len() > HOLES_MAX {
        let what = format!("are {}; at most {HOLES_MAX} are allowed", holes.len());
        return Err(wrong("holes", what));
    }
    for (index, hole) in holes.iter().enumerate() {
        let at = format!("holes[{index}]");
        check_ring(&at, hole)?;
        let stray = hole
            .iter()
            .position(|point| ring_depth_m(outer, *point) < 0.0);
        if let Some(stray) = stray {
            return Err(wrong(
                format!("{at}[{stray}]"),
                "lies outside of the outer ring",
            ));
        }
        let crossing = edges(hole).any(|hole| edges(outer).any(|edge| cross(hole, edge)));
        if crossing {
            return Err(wrong(at, "crosses the outer ring"));
        }
    }
    Ok(())
}

fn check_ring(at: &str, ring: &[Point]) -> Result<(), FenceError> {
    if ring.len() < 3 || ring.len() > POINTS_MAX {
        let what = format!("must have 3 to {POINTS_MAX} points; it has {}", ring.len());
        return Err(wrong(at, what));
    }
    for (index, point) in ring.iter().enumerate() {
        check_point(&format!("{at}[{index}]"), *point)?;
    }
    let first = ring[0];
    let east = ring
        .iter()
        .map(|point| wrapped(point.longitude_deg - first.longitude_deg));
    let (least, most) = east.fold((0.0_f64, 0.0_f64), |(least, most), east| {
        (least.min(east), most.max(east))
    });
    if most - least > SPAN_MAX_DEG {
        let what = format!(
            "spans {:.1} degrees of longitude; at most {SPAN_MAX_DEG} are allowed",
            most - least
        );
        return Err(wrong(at, what));
    }
    check_crossings(at, ring)
}

fn check_crossings(at: &str, ring: &[Point]) -> Result<(), FenceError> {
    let edges: Vec<_> = edges(ring).collect();
    for (one, (start, end)) in edges.iter().enumerate() {
        if start == end {
            let next = (one + 1) % ring.len();
            return Err(wrong(
                format!("{at}[{next}]"),
                "is the same point as the one before it; the ring is closed by itself",
            ));
        }
        for (two, other) in edges.iter().enumerate().skip(one + 1) {
            let are_neighbours = two == one + 1 || (one == 0 && two == edges.len() - 1);
            if !are_neighbours && cross((*start, *end), *other) {
                let what = format!(
                    "crosses itself: the edge from point {one} meets the edge from point {two}"
                );
                return Err(wrong(at, what));
            }
        }
    }
    Ok(())
}

/// Its edges; the last one leads back to the first point.
fn edges(ring: &[Point]) -> impl Iterator<Item = (Point, Point)> + '_ {
    let ends = ring.iter().cycle().skip(1);
    ring.iter().copied().zip(ends.copied())
}

/// A longitude difference between -180 and 180.
fn wrapped(degrees: f64) -> f64 {
    (degrees + 540.0).rem_euclid(360.0) - 180.0
}

/// (east, north) in degrees, relative to another point.
fn degrees(point: Point, from: Point) -> (f64, f64) {
    (
        wrapped(point.longitude_deg - from.longitude_deg),
        point.latitude_deg - from.latitude_deg,
    )
}

/// (east, north) in metres, relative to another point.
fn plane(point: Point, from: Point) -> (f64, f64) {
    let (east, north) = degrees(point, from);
    let shrink = ((point.latitude_deg + from.latitude_deg) / 2.0)
        .to_radians()
        .cos();
    (east * shrink * DEGREE_M, north * DEGREE_M)
}

/// True if two edges touch or cross.
fn cross((a, b): (Point, Point), (c, d): (Point, Point)) -> bool {
    let (b, c, d) = (degrees(b, a), degrees(c, a), degrees(d, a));
    let a = (0.0, 0.0);
    let sides = [side(c, d, a), side(c, d, b), side(a, b, c), side(a, b, d)];
    if sides[0] * sides[1] < 0.0 && sides[2] * sides[3] < 0.0 {
        return true;
    }
    let touches = [
        (sides[0], (c, d), a),
        (sides[1], (c, d), b),
        (sides[2], (a, b), c),
        (sides[3], (a, b), d),
    ];
    let mut touches = touches.into_iter();
    touches.any(|(side, (start, end), point)| side == 0.0 && between(start, end, point))
}

type Plane = (f64, f64);

/// On which side of the line through two points a third lies: positive is left, 0 is on it.
fn side(start: Plane, end: Plane, point: Plane) -> f64 {
    (end.0 - start.0) * (point.1 - start.1) - (end.1 - start.1) * (point.0 - start.0)
}

/// True if a point on the line lies between its ends.
fn between(start: Plane, end: Plane, point: Plane) -> bool {
    let within = |a: f64, b: f64, x: f64| x >= a.min(b) && x <= a.max(b);
    within(start.0, end.0, point.0) && within(start.1, end.1, point.1)
}

/// Metres inside a ring; negative: outside.
fn ring_depth_m(ring: &[Point], point: Point) -> f64 {
    let first = ring[0];
    let (x, y) = degrees(point, first);
    let mut is_inside = false;
    let mut distance = f64::INFINITY;
    for (start, end) in edges(ring) {
        let (a, b) = (degrees(start, first), degrees(end, first));
        if (a.1 > y) != (b.1 > y) && x < (b.0 - a.0) * (y - a.1) / (b.1 - a.1) + a.0 {
            is_inside = !is_inside;
        }
        distance = distance.min(edge_distance_m(plane(start, point), plane(end, point)));
    }
    if is_inside { distance } else { -distance }
}

/// Metres from the origin to an edge.
fn edge_distance_m(start: Plane, end: Plane) -> f64 {
    let (east, north) = (end.0 - start.0, end.1 - start.1);
    let length = east * east + north * north;
    let along = if length > 0.0 {
        (-(start.0 * east + start.1 * north) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (start.0 + along * east).hypot(start.1 + along * north)
}

#[cfg(test)]
mod tests;
