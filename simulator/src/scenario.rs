//! Scenarios: what is special about some of the drones, and when their links fail.

use serde::{Deserialize, Serialize};

use crate::autopilot::Obedience;
use crate::error::Error;
use crate::physics::flight::Kind;

/// A story for the fleet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// One sentence for people.
    pub description: String,
    /// Groups take their drones in order; drones that no group takes are ordinary.
    pub group: Vec<Group>,
    /// Links that fail for all drones of a share at once.
    pub outage: Vec<Outage>,
}

/// Some drones and what is special about them; an absent field is as for ordinary drones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Group {
    /// Drones of the group. Default: 0.
    pub drones: u32,
    /// What they are.
    pub kind: Option<Airframe>,
    /// State of charge at the start, percent.
    pub start_percent: Option<f64>,
    /// State of charge at which they fly home, percent; 0: never.
    pub return_percent: Option<f64>,
    /// Seconds on the ground at first.
    pub wait_s: Option<f64>,
    /// Capacity left by age, percent.
    pub health_percent: Option<f64>,
    /// How they take commands.
    pub obedience: Option<Obedience>,
}

/// What a drone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Airframe {
    Multirotor,
    FixedWing,
}

impl From<Airframe> for Kind {
    fn from(airframe: Airframe) -> Self {
        match airframe {
            Airframe::Multirotor => Self::Multirotor,
            Airframe::FixedWing => Self::FixedWing,
        }
    }
}

/// A time in which some drones have no link.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Seconds after the start.
    pub at_s: f64,
    /// Seconds.
    pub for_s: f64,
    /// Drones that it meets, percent; they are spread evenly over the fleet.
    pub share_percent: f64,
}

const BUILT_IN: [(&str, &str); 3] = [
    ("default", include_str!("../scenarios/default.toml")),
    ("low-battery", include_str!("../scenarios/low-battery.toml")),
    (
        "store-and-forward",
        include_str!("../scenarios/store-and-forward.toml"),
    ),
];

impl Scenario {
    /// A built-in scenario by its name, or a file.
    ///
    /// # Errors
    /// If there is no such file, or if it is no scenario.
    pub fn load(name: &str) -> Result<Self, Error> {
        let text = match BUILT_IN.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => (*text).to_owned(),
            None => std::fs::read_to_string(name).map_err(|source| Error::ScenarioFile {
                name: name.to_owned(),
                built_in: BUILT_IN.map(|(known, _)| known).join(", "),
                source,
            })?,
        };
        toml::from_str(&text).map_err(|source| Error::Scenario {
            name: name.to_owned(),
            source: Box::new(source),
        })
    }

    /// The group that takes a drone.
    #[must_use]
    pub fn group_of(&self, drone: u32) -> Option<&Group> {
        let mut first = 0;
        self.group.iter().find(|group| {
            let mine = (first..first + group.drones).contains(&drone);
            first += group.drones;
            mine
        })
    }

    /// Whether a drone has no link at a time of the run.
    #[must_use]
    pub fn is_cut_off(&self, drone: u32, run_s: f64) -> bool {
        self.outage.iter().any(|outage| {
            let hit = f64::from(drone).mul_add(61.803_398_875, 0.0) % 100.0;
            hit < outage.share_percent && run_s >= outage.at_s && run_s < outage.at_s + outage.for_s
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_scenarios_are_scenarios() {
        for (name, _) in BUILT_IN {
            let scenario = Scenario::load(name).unwrap();
            assert!(!scenario.description.is_empty(), "{name}");
        }
        let low = Scenario::load("low-battery").unwrap();
        assert_eq!(low.group_of(0).unwrap().start_percent, Some(17.0));
        assert_eq!(low.group_of(1), None);
        assert!(matches!(
            Scenario::load("nowhere"),
            Err(Error::ScenarioFile { .. })
        ));
    }

    #[test]
    fn an_outage_meets_its_share_for_its_time() {
        let scenario = Scenario {
            outage: vec![Outage {
                at_s: 10.0,
                for_s: 5.0,
                share_percent: 30.0,
            }],
            ..Scenario::default()
        };
        let cut = |at| (0..1000).filter(|d| scenario.is_cut_off(*d, at)).count();
        assert!((290..310).contains(&cut(12.0)), "{}", cut(12.0));
        assert_eq!((cut(9.9), cut(15.0)), (0, 0));
    }
}
