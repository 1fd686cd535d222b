//! What a run is asked to do.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::autopilot::Obedience;
use crate::error::Error;
use crate::faults;

/// Door that the drones use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// `TelemetryService.Stream`, many drones on each connection.
    #[default]
    Grpc,
    /// `POST /api/v1/telemetry`, one request per batch.
    Rest,
}

/// Body of a REST request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    #[default]
    Protobuf,
    Json,
}

/// Where samples come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Physics {
    /// Every drone flies its own day.
    #[default]
    Integrated,
    /// Drones repeat a few flights worked out beforehand: little processor time per sample.
    Replayed,
}

/// What a drone does when its store is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FullStore {
    /// The oldest sample is overwritten, and counted.
    #[default]
    Overwrite,
    /// It takes no new samples: the run is then as fast as the server acknowledges.
    Pause,
}

/// One run of the simulator.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Drones, 1 to 50 000. Default: 100.
    #[arg(long, default_value_t = 100)]
    pub drones: u32,
    /// Samples per second of each drone, 0.01 to 1000. Default: 1.
    #[arg(long = "rate", default_value_t = 1.0)]
    pub rate_hz: f64,
    /// Samples of a batch at most, 1 to 1000. Default: 50.
    #[arg(long, default_value_t = 50)]
    pub batch: usize,
    /// How long a sample may wait for its batch to fill, milliseconds. Default: 1000.
    #[arg(long, default_value_t = 1000)]
    pub linger_ms: u64,
    /// Seconds until the drain; absent: until the process is asked to stop. Default: absent.
    #[arg(long = "duration")]
    pub duration_s: Option<u64>,
    /// Seconds that the drain may take. Default: 30.
    #[arg(long, default_value_t = 30)]
    pub drain_s: u64,
    /// Seed of flights, faults and scenario. Default: 1.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Door. Default: grpc.
    #[arg(long, value_enum, default_value = "grpc")]
    pub transport: Transport,
    /// Body of REST requests. Default: protobuf.
    #[arg(long, value_enum, default_value = "protobuf")]
    pub encoding: Encoding,
    /// Address of the door. Default: http://127.0.0.1:8081 for gRPC, http://127.0.0.1:8080 for
    /// REST.
    #[arg(long)]
    pub endpoint: Option<String>,
    /// Bearer token of a relay; a command line gives it as other commands do. Default: none.
    #[arg(skip)]
    #[serde(skip_serializing)]
    pub token: Option<String>,
    /// File with the certificates that an https door is trusted by (PEM); a command line gives it
    /// as other commands do. Default: those that this machine trusts.
    #[arg(skip)]
    pub ca: Option<PathBuf>,
    /// File with a token for each drone, a line `DRONE TOKEN`, instead of one token for all. Needs
    /// --transport rest: a gRPC stream carries many drones under one token. Default: none.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing)]
    pub tokens: Option<PathBuf>,
    /// Connections, 1 to 64; each is served by a task of its own. Default: 4.
    #[arg(long, default_value_t = 4)]
    pub connections: usize,
    /// Unanswered batches of a connection at most, 1 to 4096. Default: 128.
    #[arg(long, default_value_t = 128)]
    pub in_flight: usize,
    /// Unanswered batches of a drone at most, 1 to 64. Default: 2.
    #[arg(long, default_value_t = 2)]
    pub in_flight_per_drone: u32,
    /// How long a drone waits for an answer before it sends again, milliseconds. Default: 10 000.
    #[arg(long, default_value_t = 10_000)]
    pub ack_timeout_ms: u64,
    /// Samples that a drone stores at most, at least one batch. Default: 10 000.
    #[arg(long, default_value_t = 10_000)]
    pub store: usize,
    /// What a drone with a full store does. Default: overwrite.
    #[arg(long, value_enum, default_value = "overwrite")]
    pub full_store: FullStore,
    /// Where samples come from. Default: integrated.
    #[arg(long, value_enum, default_value = "integrated")]
    pub physics: Physics,
    /// Integration steps per second; 0: 10, fewer for more than 5000 drones. Default: 0.
    #[arg(long, default_value_t = 0.0)]
    pub step_hz: f64,
    /// Drones with a fixed wing, percent. Default: 20.
    #[arg(long, default_value_t = 20.0)]
    pub fixed_wing_percent: f64,
    /// How drones take commands; a scenario's groups may do otherwise. Default: conforming.
    #[arg(long, value_enum, default_value = "conforming")]
    pub obedience: Obedience,
    /// Drone ids are this and a number. Default: `sim-`.
    #[arg(long, default_value = "sim-")]
    pub prefix: String,
    /// Middle of the fleet, degrees north. Default: 48.137.
    #[arg(long, default_value_t = 48.137, allow_negative_numbers = true)]
    pub latitude_deg: f64,
    /// Middle of the fleet, degrees east. Default: 11.575.
    #[arg(long, default_value_t = 11.575, allow_negative_numbers = true)]
    pub longitude_deg: f64,
    /// Homes lie within this distance, kilometres. Default: 15.
    #[arg(long, default_value_t = 15.0)]
    pub spread_km: f64,
    /// Mean wind 10 m above ground, metres per second. Default: 4.
    #[arg(long, default_value_t = 4.0)]
    pub wind_m_s: f64,
    /// Turbulence as the wind at 20 ft, knots: 15 light, 30 moderate, 45 severe. Default: 15.
    #[arg(long, default_value_t = 15.0)]
    pub turbulence_kt: f64,
    /// Name of a built-in scenario (default, low-battery, store-and-forward) or a file. Default:
    /// default.
    #[arg(long, default_value = "default")]
    pub scenario: String,
    /// File that gets one line per acknowledged sample. Default: none.
    #[arg(long)]
    pub manifest: Option<PathBuf>,
    /// Adds to the manifest instead of replacing it. Default: false.
    #[arg(long)]
    pub manifest_append: bool,
    /// Multiplies the rate for a while. Default: false.
    #[arg(long)]
    pub spike: bool,
    /// By how much. Default: 4.
    #[arg(long, default_value_t = 4.0)]
    pub spike_factor: f64,
    /// When, seconds after the start. Default: 30.
    #[arg(long, default_value_t = 30)]
    pub spike_at_s: u64,
    /// For how long, seconds. Default: 30.
    #[arg(long, default_value_t = 30)]
    pub spike_for_s: u64,
    /// Shows no progress. Default: false.
    #[arg(long)]
    pub quiet: bool,
    /// What goes wrong.
    #[command(flatten)]
    pub faults: faults::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            drones: 100,
            rate_hz: 1.0,
            batch: 50,
            linger_ms: 1000,
            duration_s: None,
            drain_s: 30,
            seed: 1,
            transport: Transport::Grpc,
            encoding: Encoding::Protobuf,
            endpoint: None,
            token: None,
            ca: None,
            tokens: None,
            connections: 4,
            in_flight: 128,
            in_flight_per_drone: 2,
            ack_timeout_ms: 10_000,
            store: 10_000,
            full_store: FullStore::Overwrite,
            physics: Physics::Integrated,
            step_hz: 0.0,
            fixed_wing_percent: 20.0,
            obedience: Obedience::Conforming,
            prefix: "sim-".to_owned(),
            latitude_deg: 48.137,
            longitude_deg: 11.575,
            spread_km: 15.0,
            wind_m_s: 4.0,
            turbulence_kt: 15.0,
            scenario: "default".to_owned(),
            manifest: None,
            manifest_append: false,
            spike: false,
            spike_factor: 4.0,
            spike_at_s: 30,
            spike_for_s: 30,
            quiet: false,
            faults: faults::Config::default(),
        }
    }
}

/// More drones than this get a coarser step, unless one is named.
const FINE_DRONES_MAX: u32 = 5000;
const FINE_STEP_HZ: f64 = 10.0;
const COARSE_STEP_HZ: f64 = 4.0;

fn within<T: PartialOrd + std::fmt::Display>(
    name: &'static str,
    value: &T,
    low: T,
    high: T,
) -> Result<(), Error> {
    if *value >= low && *value <= high {
        return Ok(());
    }
    Err(Error::Setting {
        name,
        expected: format!("{low} to {high}, not {value}"),
    })
}

impl Config {
    /// Refuses what cannot be simulated.
    ///
    /// # Errors
    /// Names the first setting outside its range.
    pub fn check(&self) -> Result<(), Error> {
        within("drones", &self.drones, 1, 50_000)?;
        within("rate", &self.rate_hz, 0.01, 1000.0)?;
        within("batch", &self.batch, 1, 1000)?;
        within("connections", &self.connections, 1, 64)?;
        within("in-flight", &self.in_flight, 1, 4096)?;
        within("in-flight-per-drone", &self.in_flight_per_drone, 1, 64)?;
        within("store", &self.store, self.batch, 10_000_000)?;
        within("step-hz", &self.step_hz, 0.0, 1000.0)?;
        within("ack-timeout-ms", &self.ack_timeout_ms, 10, 3_600_000)?;
        within("fixed-wing-percent", &self.fixed_wing_percent, 0.0, 100.0)?;
        within("latitude-deg", &self.latitude_deg, -80.0, 80.0)?;
        within("longitude-deg", &self.longitude_deg, -180.0, 180.0)?;
        within("spread-km", &self.spread_km, 0.0, 200.0)?;
        within("wind-m-s", &self.wind_m_s, 0.0, 12.0)?;
        within("turbulence-kt", &self.turbulence_kt, 0.0, 45.0)?;
        if self.tokens.is_some() && self.transport != Transport::Rest {
            return Err(Error::Setting {
                name: "tokens",
                expected: "used with transport rest".to_owned(),
            });
        }
        within("spike-factor", &self.spike_factor, 0.1, 100.0)?;
        within("prefix", &self.prefix.len(), 1, 48)
    }

    /// Address of the door.
    #[must_use]
    pub fn door(&self) -> &str {
        self.endpoint.as_deref().unwrap_or(match self.transport {
            Transport::Grpc => "http://127.0.0.1:8081",
            Transport::Rest => "http://127.0.0.1:8080",
        })
    }

    /// Longest integration step, seconds.
    #[must_use]
    pub fn step_s(&self) -> f64 {
        if self.step_hz > 0.0 {
            1.0 / self.step_hz
        } else if self.drones > FINE_DRONES_MAX {
            1.0 / COARSE_STEP_HZ
        } else {
            1.0 / FINE_STEP_HZ
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        config: Config,
    }

    #[test]
    fn command_line_and_file_have_the_same_defaults() {
        let line = Line::parse_from(["simulate"]).config;
        let text = toml::to_string(&Config::default()).unwrap();
        assert_eq!(toml::to_string(&line).unwrap(), text);
        let file: Config = toml::from_str(&text).unwrap();
        assert_eq!(toml::to_string(&file).unwrap(), text);
        assert!(toml::from_str::<Config>("dornes = 3").is_err());
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let config = Config {
            drones: 0,
            ..Config::default()
        };
        let error = config.check().unwrap_err();
        assert!(error.to_string().contains("drones"), "{error}");
        Config::default().check().unwrap();
    }
}
