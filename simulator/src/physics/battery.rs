//! A lithium-polymer pack as an equivalent circuit.

/// Open-circuit voltage of one cell over its state of charge, ascending; straight in between.
/// A lithium-polymer shape of our own: steep below 5 %, flat around 3.75 V, 4.2 V when full.
const CELL_OCV: [(f64, f64); 14] = [
    (0.0, 3.00),
    (0.02, 3.24),
    (0.05, 3.44),
    (0.10, 3.58),
    (0.15, 3.65),
    (0.20, 3.69),
    (0.30, 3.74),
    (0.40, 3.77),
    (0.50, 3.81),
    (0.60, 3.87),
    (0.70, 3.93),
    (0.80, 4.01),
    (0.90, 4.10),
    (1.00, 4.20),
];

const REFERENCE_DEGC: f64 = 25.0;
/// Resistance grows by this share per kelvin below the reference.
const COLD_PER_K: f64 = 0.015;
/// Heat that a pack of 1 kg takes per kelvin, J/K.
const HEAT_J_PER_KG_K: f64 = 1000.0;

/// What a pack is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pack {
    pub cells: u8,
    /// Ampere-hours when new and full.
    pub capacity_ah: f64,
    /// Ohms of the whole pack, warm and full.
    pub resistance_ohm: f64,
    /// Ohms and seconds of the slow part of the sag.
    pub slow_ohm: f64,
    pub slow_s: f64,
    pub mass_kg: f64,
    /// Share of the capacity that age has left, 0 to 1.
    pub health: f64,
    /// Seconds in which heat goes into the air.
    pub cooling_s: f64,
}

impl Pack {
    /// 6 cells of 5 Ah: half an hour of hovering for 2 kg.
    pub const SIX_CELLS: Self = Self {
        cells: 6,
        capacity_ah: 5.0,
        resistance_ohm: 0.036,
        slow_ohm: 0.012,
        slow_s: 20.0,
        mass_kg: 0.7,
        health: 1.0,
        cooling_s: 240.0,
    };
    /// 4 cells of 6 Ah, for a wing of 2 kg.
    pub const FOUR_CELLS: Self = Self {
        cells: 4,
        capacity_ah: 6.0,
        resistance_ohm: 0.024,
        slow_ohm: 0.008,
        slow_s: 20.0,
        mass_kg: 0.55,
        health: 1.0,
        cooling_s: 180.0,
    };
}

/// A pack in use.
#[derive(Debug, Clone, PartialEq)]
pub struct Battery {
    pack: Pack,
    soc: f64,
    current_a: f64,
    slow_v: f64,
    voltage_v: f64,
    consumed_ah: f64,
    temperature_degc: f64,
}

impl Battery {
    /// A rested pack at a state of charge of 0 to 1.
    #[must_use]
    pub fn new(pack: Pack, soc: f64, temperature_degc: f64) -> Self {
        let soc = soc.clamp(0.0, 1.0);
        Self {
            pack,
            soc,
            current_a: 0.0,
            slow_v: 0.0,
            voltage_v: f64::from(pack.cells) * cell_ocv_v(soc),
            consumed_ah: (1.0 - soc) * pack.capacity_ah * pack.health,
            temperature_degc,
        }
    }

    /// State of charge, 0 to 1.
    #[must_use]
    pub fn soc(&self) -> f64 {
        self.soc
    }

    /// Volts at the terminals.
    #[must_use]
    pub fn voltage_v(&self) -> f64 {
        self.voltage_v
    }

    /// Amperes, discharge positive.
    #[must_use]
    pub fn current_a(&self) -> f64 {
        self.current_a
    }

    /// Ampere-hours since full.
    #[must_use]
    pub fn consumed_ah(&self) -> f64 {
        self.consumed_ah
    }

    /// Degrees Celsius in the middle of the pack.
    #[must_use]
    pub fn temperature_degc(&self) -> f64 {
        self.temperature_degc
    }

    /// The pack's make.
    #[must_use]
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// Seconds to empty at the present current; `None` without one.
    #[must_use]
    pub fn time_remaining_s(&self) -> Option<f64> {
        let left_ah = self.soc * self.pack.capacity_ah * self.pack.health;
        (self.current_a > 0.1).then(|| left_ah / self.current_a * 3600.0)
    }

    /// Ohms now: more in the cold and when nearly empty.
    #[must_use]
    pub fn resistance_ohm(&self) -> f64 {
        let cold = 1.0 + COLD_PER_K * (REFERENCE_DEGC - self.temperature_degc).max(0.0);
        let empty = 1.0 + 0.8 * (1.0 - self.soc / 0.2).max(0.0).powi(2);
        self.pack.resistance_ohm * cold * empty
    }

    /// Draws a power for a while.
    pub fn draw(&mut self, power_w: f64, dt_s: f64, ambient_degc: f64) {
        let open_v = f64::from(self.pack.cells) * cell_ocv_v(self.soc) - self.slow_v;
        let resistance = self.resistance_ohm();
        self.current_a = current_a(open_v, resistance, power_w);
        self.voltage_v = open_v - self.current_a * resistance;
        let slow_target = self.current_a * self.pack.slow_ohm;
        self.slow_v +=
            (slow_target - self.slow_v) * super::vector::lag_share(dt_s, self.pack.slow_s);
        let drawn_ah = self.current_a * dt_s / 3600.0;
        self.consumed_ah += drawn_ah;
        let full_ah = self.pack.capacity_ah * self.pack.health;
        self.soc = (self.soc - drawn_ah / full_ah).max(0.0);
        let heat_w = self.current_a.powi(2) * (resistance + self.pack.slow_ohm);
        let heating = heat_w * dt_s / (self.pack.mass_kg * HEAT_J_PER_KG_K);
        let cooling = (self.temperature_degc - ambient_degc)
            * super::vector::lag_share(dt_s, self.pack.cooling_s);
        self.temperature_degc += heating - cooling;
    }
}

/// Open-circuit voltage of a cell at a state of charge of 0 to 1.
#[must_use]
pub fn cell_ocv_v(soc: f64) -> f64 {
    let soc = soc.clamp(0.0, 1.0);
    let above = CELL_OCV
        .iter()
        .position(|(s, _)| *s >= soc)
        .unwrap_or(CELL_OCV.len() - 1)
        .max(1);
    let ((s0, v0), (s1, v1)) = (CELL_OCV[above - 1], CELL_OCV[above]);
    v0 + (v1 - v0) * (soc - s0) / (s1 - s0)
}

/// Current that takes a power out of a source behind a resistance; at most what gives most power.
#[must_use]
pub fn current_a(open_v: f64, resistance_ohm: f64, power_w: f64) -> f64 {
    let under_root = open_v * open_v - 4.0 * power_w * resistance_ohm;
    (open_v - under_root.max(0.0).sqrt()) / (2.0 * resistance_ohm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn current_solves_the_quadratic() {
        let i = current_a(22.2, 0.05, 300.0);
        assert!(((22.2 - i * 0.05) * i - 300.0).abs() < 1e-9);
        // More than the source can give: the current of most power.
        assert!((current_a(10.0, 1.0, 1000.0) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn the_curve_never_falls_and_ends_at_3_and_4_2() {
        let mut last = 0.0;
        for i in 0..=1000 {
            let v = cell_ocv_v(f64::from(i) / 1000.0);
            assert!(v > last);
            last = v;
        }
        assert!((cell_ocv_v(0.0) - 3.0).abs() < 1e-12 && (last - 4.2).abs() < 1e-12);
    }

    #[test]
    fn charge_is_counted_and_sag_recovers() {
        let mut battery = Battery::new(Pack::SIX_CELLS, 1.0, 20.0);
        let rested = battery.voltage_v();
        let mut coulombs = 0.0;
        for _ in 0..600 {
            battery.draw(170.0, 0.1, 20.0);
            coulombs += battery.current_a() * 0.1;
        }
        assert!((battery.soc() - (1.0 - coulombs / 3600.0 / 5.0)).abs() < 1e-9);
        assert!((battery.consumed_ah() - coulombs / 3600.0).abs() < 1e-9);
        let loaded = battery.voltage_v();
        assert!(loaded < rested - 0.3);
        for _ in 0..1200 {
            battery.draw(0.0, 0.1, 20.0);
        }
        assert!(battery.voltage_v() > loaded + 0.2);
        assert!(battery.temperature_degc() > 20.0);
    }

    #[test]
    fn hovers_about_half_an_hour() {
        let mut battery = Battery::new(Pack::SIX_CELLS, 1.0, 20.0);
        let mut seconds = 0.0;
        while battery.soc() > 0.05 {
            battery.draw(168.5 + 15.0, 1.0, 20.0);
            seconds += 1.0;
        }
        assert!((1600.0..2600.0).contains(&seconds), "{seconds}");
    }

    #[test]
    fn cold_and_empty_packs_sag_more() {
        let warm = Battery::new(Pack::SIX_CELLS, 0.8, 25.0).resistance_ohm();
        assert!(Battery::new(Pack::SIX_CELLS, 0.8, -10.0).resistance_ohm() > 1.4 * warm);
        assert!(Battery::new(Pack::SIX_CELLS, 0.05, 25.0).resistance_ohm() > 1.3 * warm);
    }
}
