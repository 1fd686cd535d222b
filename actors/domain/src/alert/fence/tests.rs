use super::*;

fn point(latitude_deg: f64, longitude_deg: f64) -> Point {
    Point {
        latitude_deg,
        longitude_deg,
    }
}

fn ring(points: &[(f64, f64)]) -> Vec<Point> {
    points.iter().map(|(lat, lon)| point(*lat, *lon)).collect()
}

fn fence(kind: FenceKind, ground: Ground) -> Fence {
    Fence {
        id: FenceId::parse("field").expect("an id"),
        name: String::new(),
        enabled: true,
        kind,
        ground,
        height: Height::Relative,
        floor_m: None,
        ceiling_m: None,
    }
}

fn polygon(outer: &[(f64, f64)], holes: &[&[(f64, f64)]]) -> Ground {
    Ground::Polygon {
        outer: ring(outer),
        holes: holes.iter().map(|hole| ring(hole)).collect(),
    }
}

fn at(latitude_deg: f64, longitude_deg: f64, relative: Option<f64>) -> Position {
    Position {
        latitude_deg: Some(latitude_deg),
        longitude_deg: Some(longitude_deg),
        relative_altitude_m: relative,
        ..Position::default()
    }
}

const SQUARE: &[(f64, f64)] = &[(0.0, 0.0), (0.0, 0.01), (0.01, 0.01), (0.01, 0.0)];

#[test]
fn inside_is_positive_and_outside_negative_by_metres() {
    let fence = fence(FenceKind::KeepIn, polygon(SQUARE, &[]));
    let depth = |lat, lon| fence.depth_m(&at(lat, lon, None)).expect("a position");
    assert!((depth(0.005, 0.005) - 556.0).abs() < 1.0);
    assert!((depth(0.005, 0.011) + 111.2).abs() < 0.5);
    assert!(depth(-0.001, 0.005) < 0.0);
    assert_eq!(fence.depth_m(&Position::default()), None);
}

#[test]
fn a_hole_is_not_part_of_it() {
    let hole: &[(f64, f64)] = &[
        (0.004, 0.004),
        (0.004, 0.006),
        (0.006, 0.006),
        (0.006, 0.004),
    ];
    let keep_in = fence(FenceKind::KeepIn, polygon(SQUARE, &[hole]));
    keep_in.check().expect("a fence");
    assert!(keep_in.depth_m(&at(0.005, 0.005, None)).expect("known") < 0.0);
    assert!(keep_in.depth_m(&at(0.002, 0.002, None)).expect("known") > 0.0);
}

#[test]
fn the_antimeridian_is_no_border() {
    let outer: &[(f64, f64)] = &[(-1.0, 179.0), (-1.0, -179.0), (1.0, -179.0), (1.0, 179.0)];
    let keep_in = fence(FenceKind::KeepIn, polygon(outer, &[]));
    keep_in.check().expect("a fence");
    let is_inside = |lon| keep_in.depth_m(&at(0.0, lon, None)).expect("known") > 0.0;
    assert!(is_inside(179.9) && is_inside(-179.9) && is_inside(180.0) && is_inside(-180.0));
    assert!(!is_inside(178.9) && !is_inside(-178.9) && !is_inside(0.0));
    let center = point(0.0, 180.0);
    let circle = fence(
        FenceKind::KeepOut,
        Ground::Circle {
            center,
            radius_m: 1000.0,
        },
    );
    let depth = circle.depth_m(&at(0.0, -179.995, None)).expect("known");
    assert!((depth + 444.0).abs() < 1.0, "{depth}");
}

#[test]
fn floor_and_ceiling_are_of_the_named_height() {
    let mut keep_in = fence(FenceKind::KeepIn, Ground::Everywhere);
    keep_in.ceiling_m = Some(100.0);
    assert_eq!(keep_in.depth_m(&at(0.0, 0.0, Some(90.0))), Some(10.0));
    assert_eq!(keep_in.depth_m(&at(0.0, 0.0, Some(130.0))), Some(-30.0));
    assert_eq!(keep_in.depth_m(&at(0.0, 0.0, None)), None);
    let mut keep_out = fence(FenceKind::KeepOut, polygon(SQUARE, &[]));
    keep_out.floor_m = Some(50.0);
    let depth = |height| keep_out.depth_m(&at(0.005, 0.005, height)).expect("known");
    assert_eq!(depth(Some(40.0)), 10.0);
    assert!(depth(Some(60.0)) < 0.0);
    assert!(depth(None) < 0.0, "an unknown height counts as within");
}

#[test]
fn what_is_no_fence_says_why() {
    let check = |ground: Ground, at: &str, what: &str| {
        let error = fence(FenceKind::KeepIn, ground)
            .check()
            .expect_err("no fence");
        assert_eq!(error.at, at);
        assert!(error.what.contains(what), "{error}");
    };
    let bow_tie: &[(f64, f64)] = &[(0.0, 0.0), (0.01, 0.01), (0.0, 0.01), (0.01, 0.0)];
    check(polygon(bow_tie, &[]), "outer", "crosses itself");
    check(polygon(&SQUARE[..2], &[]), "outer", "3 to 500");
    check(
        polygon(&[(0.0, 0.0), (0.0, 0.0), (1.0, 1.0)], &[]),
        "outer[1]",
        "same point",
    );
    check(
        polygon(&[(0.0, -60.0), (0.0, 60.0), (1.0, 0.0)], &[]),
        "outer",
        "spans",
    );
    check(
        polygon(&[(91.0, 0.0), (0.0, 1.0), (1.0, 0.0)], &[]),
        "outer[0]",
        "latitude 91",
    );
    let stray: &[(f64, f64)] = &[(0.02, 0.02), (0.02, 0.03), (0.03, 0.03)];
    check(polygon(SQUARE, &[stray]), "holes[0][0]", "outside");
    check(Ground::Everywhere, "ground", "needs an outline");
    let radius_m = f64::NAN;
    let center = point(0.0, 0.0);
    check(Ground::Circle { center, radius_m }, "radius_m", "above 0");
}
