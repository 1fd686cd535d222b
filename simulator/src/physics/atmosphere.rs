//! International Standard Atmosphere below 11 km.

use super::vector::GRAVITY_M_S2;

/// Air density at sea level in the standard atmosphere, kg/m³.
pub const SEA_LEVEL_DENSITY: f64 = 1.225;

const SEA_LEVEL_TEMPERATURE_K: f64 = 288.15;
const SEA_LEVEL_PRESSURE_PA: f64 = 101_325.0;
const LAPSE_K_PER_M: f64 = 0.0065;
const GAS_CONSTANT: f64 = 287.052_87;

/// Temperature, °C, at an altitude above mean sea level, on a day this much warmer than standard.
#[must_use]
pub fn temperature_degc(altitude_m: f64, warmer_k: f64) -> f64 {
    SEA_LEVEL_TEMPERATURE_K - LAPSE_K_PER_M * altitude_m + warmer_k - 273.15
}

/// Density, kg/m³, at an altitude above mean sea level, on a day this much warmer than standard.
#[must_use]
pub fn density(altitude_m: f64, warmer_k: f64) -> f64 {
    let standard = SEA_LEVEL_TEMPERATURE_K - LAPSE_K_PER_M * altitude_m;
    let exponent = GRAVITY_M_S2 / (GAS_CONSTANT * LAPSE_K_PER_M);
    let pressure = SEA_LEVEL_PRESSURE_PA * (standard / SEA_LEVEL_TEMPERATURE_K).powf(exponent);
    pressure / (GAS_CONSTANT * (standard + warmer_k))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn density_matches_the_published_table() {
        // ICAO Doc 7488, by geopotential altitude.
        for (altitude, expected) in [(0.0, 1.2250), (1000.0, 1.1116), (5000.0, 0.7361)] {
            let found = density(altitude, 0.0);
            assert!((found - expected).abs() < 2e-4, "{altitude}: {found}");
        }
        assert!(density(0.0, 15.0) < SEA_LEVEL_DENSITY);
        assert!((temperature_degc(1000.0, 0.0) - 8.5).abs() < 1e-9);
    }
}
