//! A track as GeoJSON (RFC 7946): a collection of legs, each a line with the times of its points.
//!
//! A leg ends after some points, so that none is held whole for long, and at the antimeridian; the
//! next one begins where it ended.

use aerostream_domain::UtcMicros;
use serde_json::{Value, json};

use super::simplify;
use super::source::Line;
use crate::gateway::ports::Cell;

/// Points of a leg, before it is simplified.
const LEG_POINTS: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    time: UtcMicros,
    /// Longitude, latitude.
    at: [f64; 2],
}

/// Writes legs.
pub struct GeoJson {
    drone: String,
    latitude: Option<usize>,
    longitude: Option<usize>,
    simplify_m: Option<f64>,
    leg: Vec<Point>,
    legs: usize,
    began: bool,
}

impl GeoJson {
    /// A track of these columns, which name latitude and longitude.
    pub fn new(drone: String, columns: &[String], simplify_m: Option<f64>) -> Self {
        let place = |name: &str| columns.iter().position(|column| column == name);
        Self {
            drone,
            latitude: place("position.latitude_deg"),
            longitude: place("position.longitude_deg"),
            simplify_m,
            leg: Vec::with_capacity(LEG_POINTS),
            legs: 0,
            began: false,
        }
    }

    /// The next bytes of the document.
    pub fn lines(&mut self, lines: &[Line]) -> Vec<u8> {
        let mut text = Vec::new();
        if !self.began {
            self.began = true;
            text.extend(br#"{"type":"FeatureCollection","features":["#);
        }
        for line in lines {
            if let Some(point) = self.point(line) {
                self.add(point, &mut text);
            }
        }
        text
    }

    /// The last bytes.
    pub fn end(&mut self) -> Vec<u8> {
        let mut text = self.lines(&[]);
        if self.leg.len() > 1 || self.legs == 0 {
            self.end_leg(&mut text);
        }
        text.extend(b"]}");
        text
    }

    fn point(&self, line: &Line) -> Option<Point> {
        let cell = |place: Option<usize>| match line.cells.get(place?)? {
            Cell::Double(value) => Some(*value),
            _ => None,
        };
        let at = [cell(self.longitude)?, cell(self.latitude)?];
        Some(Point {
            time: line.time,
            at,
        })
    }

    fn add(&mut self, point: Point, text: &mut Vec<u8>) {
        let last = self.leg.last().copied();
        let beyond = |last: &Point| (point.at[0] - last.at[0]).abs() > 180.0;
        if let Some(last) = last.filter(beyond) {
            let [here, there] = crossing(last, point);
            self.leg.push(here);
            self.end_leg(text);
            self.leg.clear();
            self.leg.push(there);
        }
        self.leg.push(point);
        if self.leg.len() >= LEG_POINTS {
            self.end_leg(text);
        }
    }

    /// Writes the leg; the next one begins with its last point.
    fn end_leg(&mut self, text: &mut Vec<u8>) {
        let at: Vec<_> = self.leg.iter().map(|point| point.at).collect();
        let keep = match self.simplify_m {
            Some(tolerance_m) => simplify::keep(&at, tolerance_m),
            None => vec![true; at.len()],
        };
        let mut kept = self.leg.iter().zip(keep);
        let kept: Vec<Point> = kept
            .by_ref()
            .filter_map(|(it, keep)| keep.then_some(*it))
            .collect();
        let last = self.leg.pop();
        self.leg.clear();
        self.leg.extend(last);
        if kept.is_empty() {
            return;
        }
        if self.legs > 0 {
            text.push(b',');
        }
        self.legs += 1;
        text.extend(feature(&self.drone, &kept).to_string().into_bytes());
    }
}

fn feature(drone: &str, points: &[Point]) -> Value {
    let at: Vec<_> = points.iter().map(|point| point.at).collect();
    let geometry = match at.as_slice() {
        [one] => json!({ "type": "Point", "coordinates": one }),
        line => json!({ "type": "LineString", "coordinates": line }),
    };
    let times: Vec<_> = points.iter().map(|point| point.time.0).collect();
    let properties = json!({ "drone_id": drone, "times_us": times });
    json!({ "type": "Feature", "geometry": geometry, "properties": properties })
}

/// Where and when the line between two points meets the antimeridian, on either side of it.
fn crossing(from: Point, to: Point) -> [Point; 2] {
    let side = 180.0_f64.copysign(from.at[0]);
    let total = (side - from.at[0]).abs() + (to.at[0] + side).abs();
    let part = if total > 0.0 {
        (side - from.at[0]).abs() / total
    } else {
        0.0
    };
    let latitude = from.at[1] + part * (to.at[1] - from.at[1]);
    let elapsed = to.time.0.saturating_sub(from.time.0) as f64 * part;
    let time = UtcMicros(from.time.0.saturating_add(elapsed as i64));
    [side, -side].map(|longitude| Point {
        time,
        at: [longitude, latitude],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(points: &[[f64; 2]], simplify_m: Option<f64>) -> Value {
        let columns = ["position.latitude_deg", "position.longitude_deg"].map(str::to_owned);
        let mut track = GeoJson::new("alpha".to_owned(), &columns, simplify_m);
        let line = |(place, at): (usize, &[f64; 2])| Line {
            time: UtcMicros(place as i64 * 10),
            cells: vec![Cell::Double(at[1]), Cell::Double(at[0])],
        };
        let lines: Vec<_> = points.iter().enumerate().map(line).collect();
        let mut text = Vec::new();
        for chunk in lines.chunks(7) {
            text.extend(track.lines(chunk));
            assert!(track.leg.len() <= LEG_POINTS);
        }
        text.extend(track.end());
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn a_track_over_the_antimeridian_is_two_legs_that_meet_there() {
        let track = track(
            &[[179.0, 10.0], [179.8, 11.0], [-179.8, 12.0], [-179.0, 13.0]],
            None,
        );
        let features = track["features"].as_array().unwrap();
        assert_eq!(features.len(), 2);
        let west = &features[0]["geometry"]["coordinates"];
        let east = &features[1]["geometry"]["coordinates"];
        assert_eq!(west[2][0], 180.0);
        assert_eq!(east[0][0], -180.0);
        assert!((west[2][1].as_f64().unwrap() - 11.5).abs() < 1e-9);
        assert_eq!(features[0]["properties"]["times_us"], json!([0, 10, 15]));
        assert_eq!(features[1]["properties"]["times_us"], json!([15, 20, 30]));
    }

    #[test]
    fn a_long_track_is_legs_that_share_their_ends() {
        let points: Vec<_> = (0..2500)
            .map(|n| [8.0, 47.0 + f64::from(n) / 1e5])
            .collect();
        let whole = track(&points, None);
        let legs = whole["features"].as_array().unwrap();
        assert_eq!(legs.len(), 3);
        let length = |leg: &Value| leg["geometry"]["coordinates"].as_array().unwrap().len();
        assert_eq!(legs.iter().map(length).sum::<usize>(), 2502);
        let end = &legs[0]["geometry"]["coordinates"][999];
        assert_eq!(*end, legs[1]["geometry"]["coordinates"][0]);
        let simple = track(&points, Some(1.0));
        assert_eq!(
            simple["features"]
                .as_array()
                .unwrap()
                .iter()
                .map(length)
                .sum::<usize>(),
            6
        );
    }

    #[test]
    fn no_point_and_one_point_are_documents_too() {
        assert_eq!(track(&[], None)["features"], json!([]));
        let one = track(&[[8.0, 47.0]], Some(3.0));
        assert_eq!(one["features"][0]["geometry"]["type"], "Point");
    }
}
