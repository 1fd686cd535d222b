//! Who is told, and of what: the settings of a target, checked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aerostream_domain::alert::{Alert, Severity};
use aerostream_domain::{FleetId, NodeId};
use aerostream_tls::Trust;
use reqwest::Url;
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};

use super::signature::{Keys, KeysError};
use crate::gateway::alert::severity;
use crate::gateway::auth::issuer::is_private;

/// Largest file of secrets, in bytes.
const SECRET_FILE_BYTES_MAX: u64 = 4096;

/// A service that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// Name, under which is kept how far it is: letters, digits and . _ : -
    pub name: String,
    /// Where messages are posted; https, or http on this machine.
    pub url: String,
    /// File of the secrets that sign messages, one a line: `whsec_` and 24 to 64 bytes in base64.
    /// Each signs, so that a new one can be added before an old one goes.
    pub secret_file: PathBuf,
    /// File with the certificates that its server is trusted by (PEM). Default: those that this
    /// machine trusts.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// Only alerts of drones of these fleets. Default: of every drone.
    #[serde(default)]
    pub fleets: Vec<String>,
    /// Only alerts that are at least as bad. Default: all.
    #[serde(default)]
    pub severity: Option<String>,
    /// Longest time for an answer, in milliseconds. Default: 10,000.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
}

const fn timeout_ms() -> u64 {
    10_000
}

/// Why a target is none.
#[derive(Debug, thiserror::Error)]
#[error("webhooks.targets: {name:?}: {field} {problem}")]
pub struct TargetError {
    name: String,
    field: &'static str,
    problem: String,
}

/// A target, checked.
#[derive(Debug)]
pub(super) struct Target {
    pub name: String,
    pub url: Url,
    pub keys: Keys,
    pub client: reqwest::Client,
    /// Empty for every drone.
    fleets: BTreeSet<FleetId>,
    severity: Option<Severity>,
}

impl Target {
    /// True if it is told of drones of the fleet.
    pub fn is_for(&self, fleet: Option<&FleetId>) -> bool {
        self.fleets.is_empty() || fleet.is_some_and(|fleet| self.fleets.contains(fleet))
    }

    /// True if it is told of the alert.
    pub fn takes(&self, alert: &Alert) -> bool {
        self.severity.is_none_or(|worst| alert.severity <= worst)
    }
}

/// Checks all.
pub(super) fn check(configs: &[TargetConfig]) -> Result<Vec<Target>, TargetError> {
    let mut names = BTreeSet::new();
    let targets = configs.iter().map(|config| {
        if !names.insert(config.name.as_str()) {
            let problem = "is the name of two targets".to_owned();
            return Err(wrong(config, "name", problem));
        }
        target(config)
    });
    targets.collect()
}

fn wrong(config: &TargetConfig, field: &'static str, problem: String) -> TargetError {
    let name = config.name.clone();
    TargetError {
        name,
        field,
        problem,
    }
}

fn target(config: &TargetConfig) -> Result<Target, TargetError> {
    let at = |field| move |problem: String| wrong(config, field, problem);
    // It becomes part of the name of a group, as a node's name becomes part of others.
    NodeId::parse(&config.name).map_err(|error| at("name")(format!("is no name: {error}")))?;
    let fleets = config.fleets.iter().map(|fleet| {
        let parsed = FleetId::parse(fleet);
        parsed.map_err(|error| at("fleets")(format!("has {fleet:?}, no id of a fleet: {error}")))
    });
    let level = config.severity.as_deref();
    let level = level.map(|text| severity(text, "severity")).transpose();
    Ok(Target {
        name: config.name.clone(),
        url: url(&config.url).map_err(at("url"))?,
        keys: keys(&config.secret_file).map_err(at("secret_file"))?,
        client: client(config)?,
        fleets: fleets.collect::<Result<_, _>>()?,
        severity: level.map_err(|problem| at("severity")(problem.detail.into_owned()))?,
    })
}

/// What alerts tell must not be read or changed on its way.
fn url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user and no password; messages are signed".to_owned());
    }
    if is_private(&url) {
        return Ok(url);
    }
    Err("must be https; http is for this machine".to_owned())
}

fn keys(path: &Path) -> Result<Keys, String> {
    let shown = path.display();
    let size = std::fs::metadata(path).map(|about| about.len());
    let size = size.map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if size > SECRET_FILE_BYTES_MAX {
        return Err(format!(
            "{shown} has {size} bytes, more than {SECRET_FILE_BYTES_MAX}: it is no file of secrets"
        ));
    }
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("{shown} cannot be read: {error}"))?;
    Keys::parse(&text).map_err(|error: KeysError| format!("{shown} {error}"))
}

fn client(config: &TargetConfig) -> Result<reqwest::Client, TargetError> {
    let trust = Trust::new(config.ca.as_deref());
    let tls = trust
        .client()
        .map_err(|error| wrong(config, "ca", error.to_string()))?;
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .timeout(Duration::from_millis(config.timeout_ms))
        // Messages go to the address that was configured, and to no other.
        .redirect(Policy::none())
        .build()
        .map_err(|error| wrong(config, "url", format!("cannot be posted to: {error}")))
}
