//! A timer wheel: which drones are to be looked at now.

/// Length of a slot, microseconds.
pub const TICK_US: i64 = 10_000;
/// Slots; a later time waits in the last one and is put in again.
const SLOTS: i64 = 256;

/// Drones by the time at which they are to be looked at.
#[derive(Debug)]
pub struct Wheel {
    slots: Vec<Vec<u32>>,
    /// The first tick that has not passed.
    tick: i64,
}

impl Wheel {
    /// A wheel that begins to turn at a time, microseconds.
    #[must_use]
    pub fn new(now_us: i64) -> Self {
        Self {
            slots: vec![Vec::new(); SLOTS as usize],
            tick: now_us.div_euclid(TICK_US),
        }
    }

    /// Looks at a drone at a time, or soon after it; at most 2.5 s ahead.
    pub fn insert(&mut self, drone: u32, at_us: i64) {
        let tick = at_us
            .div_euclid(TICK_US)
            .clamp(self.tick, self.tick + SLOTS - 1);
        self.slots[tick.rem_euclid(SLOTS) as usize].push(drone);
    }

    /// Moves every drone whose time has come into `due`.
    pub fn advance(&mut self, now_us: i64, due: &mut Vec<u32>) {
        let now = now_us.div_euclid(TICK_US);
        // After a long pause each slot is emptied once; no drone is in two.
        for _ in 0..(now - self.tick + 1).clamp(0, SLOTS) {
            due.append(&mut self.slots[self.tick.rem_euclid(SLOTS) as usize]);
            self.tick += 1;
        }
        self.tick = self.tick.max(now + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drones_come_at_their_time() {
        let mut wheel = Wheel::new(1_000_000);
        wheel.insert(1, 1_050_000);
        wheel.insert(2, 0);
        wheel.insert(3, i64::MAX / 2);
        let due = |wheel: &mut Wheel, now| {
            let mut due = Vec::new();
            wheel.advance(now, &mut due);
            due
        };
        assert_eq!(due(&mut wheel, 1_000_000), [2]);
        assert_eq!(due(&mut wheel, 1_049_999), [0_u32; 0]);
        assert_eq!(due(&mut wheel, 1_050_000), [1]);
        assert_eq!(due(&mut wheel, 900_000), [0_u32; 0]);
        assert_eq!(due(&mut wheel, 60_000_000), [3]);
    }
}
