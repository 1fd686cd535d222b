//! Leaves out points of a track that say nothing.

/// Metres of a degree of latitude.
const METRES_PER_DEGREE: f64 = 111_195.0;

/// Which of the points (longitude, latitude, degrees) stay, so that none that goes is further than
/// `tolerance_m` from the line through those that stay (Douglas and Peucker). Ends stay.
pub fn keep(points: &[[f64; 2]], tolerance_m: f64) -> Vec<bool> {
    let mut keep = vec![false; points.len()];
    let Some(last) = points.len().checked_sub(1) else {
        return keep;
    };
    (keep[0], keep[last]) = (true, true);
    let mut open = vec![(0, last)];
    while let Some((first, last)) = open.pop() {
        let inner = points.iter().enumerate().take(last).skip(first + 1);
        let off = |point: [f64; 2]| off_m(point, points[first], points[last]);
        let furthest = inner
            .map(|(place, &point)| (place, off(point)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        if let Some((place, _)) = furthest.filter(|(_, off)| *off > tolerance_m) {
            keep[place] = true;
            open.extend([(first, place), (place, last)]);
        }
    }
    keep
}

/// Metres from a point to the line between two others, on a plane that touches the Earth there.
pub fn off_m(point: [f64; 2], from: [f64; 2], to: [f64; 2]) -> f64 {
    let east = METRES_PER_DEGREE * from[1].to_radians().cos();
    let plane = |it: [f64; 2]| {
        [
            (it[0] - from[0]) * east,
            (it[1] - from[1]) * METRES_PER_DEGREE,
        ]
    };
    let ([x, y], [to_x, to_y]) = (plane(point), plane(to));
    let length = to_x * to_x + to_y * to_y;
    let along = if length > 0.0 {
        ((x * to_x + y * to_y) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (x - along * to_x).hypot(y - along * to_y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_within_the_tolerance_and_corners_stay() {
        let straight: Vec<_> = (0..100).map(|n| [8.0, 47.0 + f64::from(n) / 1e4]).collect();
        assert_eq!(keep(&straight, 0.5).iter().filter(|it| **it).count(), 2);
        let wavy: Vec<_> = (0..1000)
            .map(|n| {
                let n = f64::from(n);
                [8.0 + (n / 40.0).sin() / 1e3, 47.0 + n / 1e5]
            })
            .collect();
        let stays = keep(&wavy, 5.0);
        let kept: Vec<_> = (0..1000).filter(|&place| stays[place]).collect();
        assert!((10..300).contains(&kept.len()), "{}", kept.len());
        for pair in kept.windows(2) {
            for place in pair[0]..pair[1] {
                assert!(off_m(wavy[place], wavy[pair[0]], wavy[pair[1]]) <= 5.0);
            }
        }
        assert!(keep(&[], 1.0).is_empty());
        assert_eq!(keep(&[[1.0, 2.0]], 1.0), [true]);
    }
}
