//! Fences.

use aerostream_domain::alert::{Fence, FenceKind, Ground, Height, Point};
use aerostream_domain::{Refusal, RefusalCode};

use crate::refuse::{fence_id, required, specified};
use crate::v1;
use crate::v1::fence::Ground as Wire;

impl From<v1::FenceKind> for Option<FenceKind> {
    fn from(wire: v1::FenceKind) -> Self {
        match wire {
            v1::FenceKind::Unspecified => None,
            v1::FenceKind::KeepIn => Some(FenceKind::KeepIn),
            v1::FenceKind::KeepOut => Some(FenceKind::KeepOut),
        }
    }
}

impl From<FenceKind> for v1::FenceKind {
    fn from(kind: FenceKind) -> Self {
        match kind {
            FenceKind::KeepIn => Self::KeepIn,
            FenceKind::KeepOut => Self::KeepOut,
        }
    }
}

impl From<v1::FenceHeight> for Option<Height> {
    fn from(wire: v1::FenceHeight) -> Self {
        match wire {
            v1::FenceHeight::Unspecified => None,
            v1::FenceHeight::Absolute => Some(Height::Absolute),
            v1::FenceHeight::Relative => Some(Height::Relative),
            v1::FenceHeight::Terrain => Some(Height::Terrain),
        }
    }
}

impl From<Height> for v1::FenceHeight {
    fn from(height: Height) -> Self {
        match height {
            Height::Absolute => Self::Absolute,
            Height::Relative => Self::Relative,
            Height::Terrain => Self::Terrain,
        }
    }
}

impl From<v1::FencePoint> for Point {
    fn from(wire: v1::FencePoint) -> Self {
        Self {
            latitude_deg: wire.latitude_deg,
            longitude_deg: wire.longitude_deg,
        }
    }
}

impl From<Point> for v1::FencePoint {
    fn from(point: Point) -> Self {
        Self {
            latitude_deg: point.latitude_deg,
            longitude_deg: point.longitude_deg,
        }
    }
}

fn ring(wire: v1::FenceRing) -> Vec<Point> {
    wire.points.into_iter().map(Into::into).collect()
}

fn ring_to_wire(ring: &[Point]) -> v1::FenceRing {
    v1::FenceRing {
        points: ring.iter().copied().map(Into::into).collect(),
    }
}

impl TryFrom<v1::Fence> for Fence {
    type Error = Refusal;

    fn try_from(wire: v1::Fence) -> Result<Self, Refusal> {
        let ground = match wire.ground {
            None => Ground::Everywhere,
            Some(Wire::Circle(circle)) => Ground::Circle {
                center: required("center", circle.center)?.into(),
                radius_m: circle.radius_m,
            },
            Some(Wire::Polygon(polygon)) => Ground::Polygon {
                outer: ring(required("outer", polygon.outer)?),
                holes: polygon.holes.into_iter().map(ring).collect(),
            },
        };
        let fence = Self {
            id: fence_id("fence_id", &wire.fence_id)?,
            name: wire.name,
            enabled: wire.enabled,
            kind: specified::<v1::FenceKind, FenceKind>("kind", wire.kind)?,
            ground,
            height: specified::<v1::FenceHeight, Height>("height", wire.height)?,
            floor_m: wire.floor_m,
            ceiling_m: wire.ceiling_m,
        };
        fence
            .check()
            .map_err(|error| Refusal::new(RefusalCode::OutOfRange, &error.at, error.what))?;
        Ok(fence)
    }
}

impl From<&Fence> for v1::Fence {
    fn from(fence: &Fence) -> Self {
        let ground = match &fence.ground {
            Ground::Everywhere => None,
            Ground::Circle { center, radius_m } => Some(Wire::Circle(v1::FenceCircle {
                center: Some((*center).into()),
                radius_m: *radius_m,
            })),
            Ground::Polygon { outer, holes } => Some(Wire::Polygon(v1::FencePolygon {
                outer: Some(ring_to_wire(outer)),
                holes: holes.iter().map(|hole| ring_to_wire(hole)).collect(),
            })),
        };
        Self {
            fence_id: fence.id.as_str().to_owned(),
            name: fence.name.clone(),
            enabled: fence.enabled,
            kind: v1::FenceKind::from(fence.kind).into(),
            ground,
            height: v1::FenceHeight::from(fence.height).into(),
            floor_m: fence.floor_m,
            ceiling_m: fence.ceiling_m,
        }
    }
}
