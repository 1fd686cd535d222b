//! Power that rotors draw: profile, induced and parasite power of a rotary wing.

use super::atmosphere::SEA_LEVEL_DENSITY;
use super::vector::GRAVITY_M_S2;

/// Constants of a rotary wing. Powers in watts at sea level and rated weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RotorPower {
    /// Blade profile power in hover.
    pub profile_w: f64,
    /// Induced power in hover.
    pub induced_w: f64,
    /// Speed of the blade tips, m/s.
    pub tip_speed_m_s: f64,
    /// Mean induced velocity in hover, m/s.
    pub induced_velocity_m_s: f64,
    /// Drag area of the fuselage, m²: drag ratio times solidity times disc area.
    pub drag_area_m2: f64,
    /// Share of the power that becomes climb.
    pub climb_efficiency: f64,
}

/// What the rotors have to do at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Demand {
    /// Horizontal speed through the air, m/s.
    pub airspeed_m_s: f64,
    /// Upward speed through the air, m/s.
    pub climb_m_s: f64,
    /// Vertical thrust over weight; 1 in unaccelerated flight.
    pub load: f64,
    /// Weight, kg.
    pub mass_kg: f64,
    /// Air density, kg/m³.
    pub density: f64,
}

/// Descending saves nothing beyond this share of hover power.
const DESCENT_FLOOR: f64 = 0.8;

impl RotorPower {
    /// The published example of Zeng and Zhang's rotary-wing model: 20 N of weight, 0.503 m² of
    /// disc.
    pub const REFERENCE: Self = Self {
        profile_w: 79.8563,
        induced_w: 88.6279,
        tip_speed_m_s: 120.0,
        induced_velocity_m_s: 4.03,
        drag_area_m2: 0.6 * 0.05 * 0.503,
        climb_efficiency: 0.7,
    };

    /// Power of level flight at sea level and rated weight, watts.
    #[must_use]
    pub fn level_w(&self, airspeed_m_s: f64) -> f64 {
        self.loaded_w(airspeed_m_s, 1.0, SEA_LEVEL_DENSITY)
    }

    /// Power of hovering at sea level and rated weight, watts.
    #[must_use]
    pub fn hover_w(&self) -> f64 {
        self.profile_w + self.induced_w
    }

    fn loaded_w(&self, v: f64, load: f64, density: f64) -> f64 {
        let thinness = SEA_LEVEL_DENSITY / density;
        let profile = self.profile_w / thinness * (1.0 + 3.0 * (v / self.tip_speed_m_s).powi(2));
        // Momentum theory: induced velocity grows with the root of the disc loading over density.
        let v0_2 = self.induced_velocity_m_s.powi(2) * load * thinness;
        let ratio = v * v / (2.0 * v0_2);
        let induced = self.induced_w
            * load.powf(1.5)
            * thinness.sqrt()
            * ((1.0 + ratio * ratio).sqrt() - ratio).max(0.0).sqrt();
        let parasite = 0.5 * density * self.drag_area_m2 * v.powi(3);
        profile + induced + parasite
    }

    /// Power for any demand, watts. Climbing costs its potential energy; descending gives none
    /// back.
    #[must_use]
    pub fn demand_w(&self, demand: Demand) -> f64 {
        let load = demand.load.clamp(0.1, 4.0);
        let level = self.loaded_w(demand.airspeed_m_s, load, demand.density);
        if demand.climb_m_s >= 0.0 {
            let lift = demand.mass_kg * GRAVITY_M_S2 * demand.climb_m_s;
            level + lift / self.climb_efficiency
        } else {
            level.max(DESCENT_FLOOR * self.hover_w())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argmin(cost: impl Fn(f64) -> f64) -> (f64, f64) {
        (1..3000)
            .map(|i| f64::from(i) * 0.01)
            .map(|v| (v, cost(v)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .expect("the range has elements")
    }

    #[test]
    fn reference_rotor_has_the_cited_figures() {
        let rotor = RotorPower::REFERENCE;
        assert!((rotor.level_w(0.0) - 168.5).abs() < 0.05);
        assert!((rotor.hover_w() - 168.5).abs() < 0.05);
        let (v, watts) = argmin(|v| rotor.level_w(v));
        assert!((watts - 126.0).abs() < 0.05, "{watts}");
        assert!((v - 10.2).abs() < 0.1, "{v}");
        let (v, joules_per_m) = argmin(|v| rotor.level_w(v) / v);
        assert!((v - 18.3).abs() < 0.1, "{v}");
        assert!((joules_per_m - 8.83).abs() < 0.01, "{joules_per_m}");
        assert!((rotor.level_w(25.0) - 249.0).abs() < 0.5);
    }

    #[test]
    fn climbing_pays_for_its_height_and_descending_gives_nothing_back() {
        let rotor = RotorPower::REFERENCE;
        let demand = |climb_m_s| Demand {
            airspeed_m_s: 0.0,
            climb_m_s,
            load: 1.0,
            mass_kg: 2.0,
            density: SEA_LEVEL_DENSITY,
        };
        let extra = rotor.demand_w(demand(3.0)) - rotor.demand_w(demand(0.0));
        assert!((extra - 2.0 * GRAVITY_M_S2 * 3.0 / 0.7).abs() < 1e-9);
        assert!((rotor.demand_w(demand(-2.0)) - rotor.hover_w()).abs() < 1e-9);
        let fast = Demand {
            airspeed_m_s: 10.2,
            ..demand(-2.0)
        };
        assert!((rotor.demand_w(fast) - 0.8 * rotor.hover_w()).abs() < 1e-9);
    }

    #[test]
    fn thin_air_and_load_cost_induced_power_as_momentum_theory_says() {
        let rotor = RotorPower {
            profile_w: 0.0,
            ..RotorPower::REFERENCE
        };
        let at = |load, density| rotor.loaded_w(0.0, load, density) / rotor.induced_w;
        assert!((at(1.0, SEA_LEVEL_DENSITY / 4.0) - 2.0).abs() < 1e-9);
        assert!((at(4.0, SEA_LEVEL_DENSITY) - 8.0).abs() < 1e-9);
    }
}
