//! Between metres around a home and WGS 84 degrees.

const SEMI_MAJOR_M: f64 = 6_378_137.0;
const FLATTENING: f64 = 1.0 / 298.257_223_563;
const ECCENTRICITY_2: f64 = FLATTENING * (2.0 - FLATTENING);

/// A point of the ellipsoid with its radii of curvature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Origin {
    /// Degrees north.
    pub latitude_deg: f64,
    /// Degrees east.
    pub longitude_deg: f64,
    meridian_m: f64,
    normal_m: f64,
    tangent: f64,
}

impl Origin {
    /// Latitude is best within ±85°, where a degree of longitude still has a length.
    #[must_use]
    pub fn new(latitude_deg: f64, longitude_deg: f64) -> Self {
        let latitude = latitude_deg.to_radians();
        let w2 = 1.0 - ECCENTRICITY_2 * latitude.sin().powi(2);
        Self {
            latitude_deg,
            longitude_deg,
            meridian_m: SEMI_MAJOR_M * (1.0 - ECCENTRICITY_2) / (w2 * w2.sqrt()),
            normal_m: SEMI_MAJOR_M / w2.sqrt(),
            tangent: latitude.tan(),
        }
    }

    /// Degrees north and east of the point that is so many metres north and east along the ground.
    /// Good to a metre within 20 km.
    #[must_use]
    pub fn degrees(&self, north_m: f64, east_m: f64) -> (f64, f64) {
        // A straight line eastwards leaves its parallel; this is the first term of by how much.
        let bent = east_m * east_m * self.tangent / (2.0 * self.normal_m);
        let latitude = self.latitude_deg + ((north_m - bent) / self.meridian_m).to_degrees();
        let across = self.normal_m * latitude.to_radians().cos();
        let longitude = self.longitude_deg + (east_m / across).to_degrees();
        (latitude, (longitude + 540.0).rem_euclid(360.0) - 180.0)
    }

    /// Metres north and east of a point given in degrees; undoes [`Origin::degrees`].
    #[must_use]
    pub fn metres(&self, latitude_deg: f64, longitude_deg: f64) -> (f64, f64) {
        let apart = (longitude_deg - self.longitude_deg + 540.0).rem_euclid(360.0) - 180.0;
        let across = self.normal_m * latitude_deg.to_radians().cos();
        let east = apart.to_radians() * across;
        let bent = east * east * self.tangent / (2.0 * self.normal_m);
        let north = (latitude_deg - self.latitude_deg).to_radians() * self.meridian_m + bent;
        (north, east)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Exact local coordinates through earth-centred ones.
    fn exact(origin: Origin, latitude_deg: f64, longitude_deg: f64) -> (f64, f64) {
        let centred = |lat: f64, lon: f64| {
            let (lat, lon) = (lat.to_radians(), lon.to_radians());
            let n = SEMI_MAJOR_M / (1.0 - ECCENTRICITY_2 * lat.sin().powi(2)).sqrt();
            (
                n * lat.cos() * lon.cos(),
                n * lat.cos() * lon.sin(),
                n * (1.0 - ECCENTRICITY_2) * lat.sin(),
            )
        };
        let from = centred(origin.latitude_deg, origin.longitude_deg);
        let to = centred(latitude_deg, longitude_deg);
        let (x, y, z) = (to.0 - from.0, to.1 - from.1, to.2 - from.2);
        let lat = origin.latitude_deg.to_radians();
        let lon = origin.longitude_deg.to_radians();
        let north = -lat.sin() * lon.cos() * x - lat.sin() * lon.sin() * y + lat.cos() * z;
        (north, -lon.sin() * x + lon.cos() * y)
    }

    #[test]
    fn agrees_with_earth_centred_coordinates() {
        for (latitude, longitude) in [(48.1, 11.5), (-33.9, 151.2), (0.0, 179.99), (64.1, -21.9)] {
            let origin = Origin::new(latitude, longitude);
            for (north, east) in [(5000.0, 0.0), (0.0, 5000.0), (-3000.0, 4000.0)] {
                let (lat, lon) = origin.degrees(north, east);
                let (n, e) = exact(origin, lat, lon);
                assert!((n - north).abs() < 0.2, "{latitude} {north} {east}: {n}");
                assert!((e - east).abs() < 0.2, "{latitude} {north} {east}: {e}");
                let (n, e) = origin.metres(lat, lon);
                assert!((n - north).abs() < 1e-6 && (e - east).abs() < 1e-6);
            }
        }
    }
}
