//! The process's settings: every component's own, gathered and loaded in layers.
//!
//! Defaults, then a TOML file, then `AEROSTREAM_` variables (two underscores between levels), then
//! the command line; later layers win, key by key. An unknown key is an error that names it and
//! where it was found. A component declares its settings beside itself and is added to [`Config`]
//! by one line.

mod quantity;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::{Deserialize, Serialize};

use crate::gateway::GatewayConfig;
use crate::role::NodeConfig;
use crate::{event_log, observe, shutdown, store, webhook, worker};

/// Every variable of ours begins so.
const VARIABLES: &str = "AEROSTREAM_";

/// Variables that the command line reads itself: no settings.
const NO_SETTINGS: [&str; 4] = ["CONFIG", "TOKEN", "TOKEN_FILE", "URL"];

/// docs/config-reference.toml: every setting with its meaning and default.
pub const REFERENCE: &str = include_str!("../docs/config-reference.toml");

/// Every setting of the process.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Logs and metrics of the process.
    pub observe: observe::Config,
    /// Who this node is, and what can never change of its cluster.
    pub node: NodeConfig,
    /// The event log.
    pub log: event_log::Config,
    /// The database.
    pub postgres: store::Config,
    /// The doors.
    pub gateway: GatewayConfig,
    /// The drones' actors.
    pub actors: aerostream_actors::Config,
    /// The persistence worker.
    pub worker: worker::Config,
    /// Services that are told of alerts.
    pub webhooks: webhook::Config,
    /// How a process ends.
    pub shutdown: shutdown::Config,
}

/// Why there are no settings.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file is not there or is not TOML.
    #[error("could not read the configuration file {}: {reason}", path.display())]
    File { path: PathBuf, reason: String },
    /// Settings that are unknown or have a value that is not theirs, one a line.
    #[error("the configuration is not valid:\n{0}")]
    Invalid(String),
}

/// Where settings come from.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// A TOML file; none is read unless it is named.
    pub file: Option<PathBuf>,
    /// Environment variables; those of other programs are passed over.
    pub variables: Vec<(String, String)>,
    /// Key (`log.kafka.linger_ms`) and value, in the order of the command line.
    pub overrides: Vec<(String, String)>,
}

impl Sources {
    /// The process's environment under what its command line gave.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, overrides: Vec<(String, String)>) -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            file,
            variables,
            overrides,
        }
    }

    /// Reads and checks every layer.
    pub fn load(&self) -> Result<Loaded, Error> {
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        if let Some(path) = &self.file {
            figment = figment.merge(Measured(read_file(path)?));
        }
        for (name, value) in &self.variables {
            if let Some(key) = key_of_variable(name) {
                let origin = format!("environment {name}");
                figment = figment.merge(Measured(Single { origin, key, value }));
            }
        }
        for (key, value) in &self.overrides {
            let origin = format!("command line {key}");
            let key = key.clone();
            figment = figment.merge(Measured(Single { origin, key, value }));
        }
        let config = figment.extract().map_err(|error| describe(&error))?;
        Ok(Loaded { config, figment })
    }
}

/// The settings, and where each one comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    figment: Figment,
}

impl Loaded {
    /// Every setting as `key = value  # origin`, which is TOML. Secrets are not shown.
    #[must_use]
    pub fn effective(&self) -> String {
        let mut text = String::new();
        let settings = self.figment.data().unwrap_or_default();
        for dict in settings.values() {
            self.write_dict(&mut text, "", dict);
        }
        text
    }

    fn write_dict(&self, text: &mut String, prefix: &str, dict: &Dict) {
        for (name, value) in dict {
            let key = format!("{prefix}{name}");
            if let Value::Dict(_, inner) = value {
                self.write_dict(text, &format!("{key}."), inner);
                continue;
            }
            let origin = self
                .figment
                .get_metadata(value.tag())
                .map_or_else(|| "default".to_owned(), origin_of);
            // Without a value the line is a comment: TOML has no word for nothing.
            let line = match shown(name, value) {
                Some(shown) => format!("{key} = {shown}  # {origin}"),
                None => format!("# {key} is not set  # {origin}"),
            };
            writeln!(text, "{line}").unwrap_or_default();
        }
    }
}

/// One setting from the environment or the command line.
struct Single<'a> {
    origin: String,
    key: String,
    value: &'a str,
}

impl Provider for Single<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let Ok(value) = self.value.parse::<Value>();
        let nested = figment::util::nest(&self.key, value);
        Ok(Profile::Default.collect(nested.into_dict().unwrap_or_default()))
    }
}

/// A layer whose durations and sizes may carry their unit.
struct Measured<P>(P);

impl<P: Provider> Provider for Measured<P> {
    fn metadata(&self) -> Metadata {
        self.0.metadata()
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut data = self.0.data()?;
        for dict in data.values_mut() {
            quantity::convert(dict).map_err(|quantity::Refused { path, reason }| {
                figment::Error::from(reason).with_path(&path)
            })?;
        }
        Ok(data)
    }
}

fn read_file(path: &Path) -> Result<impl Provider + use<>, Error> {
    let failed = |reason: String| Error::File {
        path: path.to_owned(),
        reason,
    };
    // Read here only to tell a missing or broken file from a wrong setting.
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    toml::from_str::<toml::Table>(&text).map_err(|error| failed(error.to_string()))?;
    Ok(Toml::file_exact(path))
}

/// `log.kafka.linger_ms` for `AEROSTREAM_LOG__KAFKA__LINGER_MS`.
fn key_of_variable(name: &str) -> Option<String> {
    let key = name.strip_prefix(VARIABLES)?;
    (!NO_SETTINGS.contains(&key)).then(|| key.replace("__", ".").to_lowercase())
}

fn origin_of(metadata: &Metadata) -> String {
    match metadata
        .source
        .as_ref()
        .and_then(|source| source.file_path())
    {
        Some(path) => format!("file {}", path.display()),
        None if metadata.name.contains(' ') => metadata.name.to_string(),
        None => "default".to_owned(),
    }
}

/// The value as TOML; `None` when there is none.
fn shown(name: &str, value: &Value) -> Option<String> {
    let is_secret = ["password", "secret"]
        .iter()
        .any(|word| name.contains(word));
    match value {
        Value::Empty(..) => None,
        _ if is_secret => Some("\"(not shown)\"".to_owned()),
        Value::String(_, text) => Some(toml::Value::from(without_password(text)).to_string()),
        _ => toml::Value::try_from(value)
            .ok()
            .map(|value| value.to_string()),
    }
}

/// A URL such as `postgres://user:password@host/name` without its password.
fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    match rest
        .split_once('@')
        .and_then(|(login, host)| Some((login.split_once(':')?.0, host)))
    {
        Some((user, host)) => format!("{scheme}://{user}:***@{host}"),
        None => text.to_owned(),
    }
}

/// Every complaint on a line of its own: the key, where it was found, and what would be right.
fn describe(error: &figment::Error) -> Error {
    let mut lines = Vec::new();
    for one in error.clone() {
        let origin = one
            .metadata
            .as_ref()
            .map_or_else(|| "default".to_owned(), origin_of);
        let key = one.path.join(".");
        lines.push(format!("{key} (from {origin}): {}", one.kind));
    }
    Error::Invalid(lines.join("\n"))
}

#[cfg(test)]
mod tests;
