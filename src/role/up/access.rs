//! Keys, tokens and the fleet that `up` makes for itself.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aerostream_domain::FleetId;
use anyhow::Context;

use crate::clock;
use crate::gateway::GatewayConfig;
use crate::gateway::auth::keys::generate;
use crate::gateway::auth::token::{ALL_FLEETS, new_token_id};
use crate::gateway::auth::{Algorithm, Claims, KeyConfig, Role, SigningKey, issue};
use crate::registry::{Enrolment, Fleet, Registry, Request};

/// Life of the tokens that are printed.
const TOKEN_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// Fleet that unknown drones are enrolled into.
const DEFAULT_FLEET: &str = "default";
/// Drones of that fleet.
const DEFAULT_FLEET_DRONES_MAX: u32 = 1_000_000;

/// What callers of this machine need to come in.
pub struct Access {
    /// The gateway's settings with the key and the fleet in them.
    pub gateway: GatewayConfig,
    /// Sends the telemetry of any drone.
    pub relay_token: String,
    directory: PathBuf,
}

impl Access {
    /// Makes the signing key unless there is one, and fresh tokens beside it.
    pub fn prepare(data_dir: &Path, mut gateway: GatewayConfig) -> anyhow::Result<Self> {
        let directory = data_dir.join("tokens");
        fs::create_dir_all(&directory)
            .with_context(|| format!("could not make {}", directory.display()))?;
        let path = data_dir.join("signing-key.pem");
        if !path.exists() {
            generate(&path).context("could not make a signing key")?;
        }
        let key = KeyConfig {
            kid: "up".to_owned(),
            algorithm: Algorithm::EdDsa,
            path,
        };
        let signing = SigningKey::load(&key).context("could not load the signing key")?;
        gateway.auth.keys.push(key);
        gateway
            .ingest
            .enrolment_fleet
            .get_or_insert_with(|| DEFAULT_FLEET.to_owned());
        let mut relay_token = String::new();
        for role in [Role::Relay, Role::Viewer, Role::Operator, Role::Admin] {
            let token = issue(&signing, &claims(role))?;
            write_secret(&directory.join(role.as_str()), &token)?;
            if role == Role::Relay {
                relay_token = token;
            }
        }
        Ok(Self {
            gateway,
            relay_token,
            directory,
        })
    }

    /// Makes the fleet that enrols by itself, unless it is there.
    pub async fn open_default_fleet(&self, registry: &Registry) -> anyhow::Result<()> {
        let id = FleetId::parse(DEFAULT_FLEET).expect("a legal name");
        if registry.read().fleet(&id).is_some() {
            return Ok(());
        }
        let fleet = Fleet {
            id,
            name: "Default fleet".to_owned(),
            enrolment: Enrolment::Auto,
            drones_max: DEFAULT_FLEET_DRONES_MAX,
        };
        let by = Request {
            principal: "up",
            at: clock::utc_now(),
        };
        registry
            .create_fleet(fleet, by)
            .await
            .context("could not make the default fleet")?;
        Ok(())
    }

    /// Tells people where everything is.
    pub fn announce(&self, http: SocketAddr) {
        let directory = self.directory.display();
        let url = match self.gateway.tls.certificate {
            Some(_) => format!("https://{http}"),
            None => format!("http://{http}"),
        };
        eprintln!("\n  REST     {url}/api/v1/drones");
        eprintln!("  tokens   {directory}/viewer, relay, operator, admin");
        eprintln!("  try      curl -H \"Authorization: Bearer $(cat {directory}/viewer)\" \\");
        eprintln!("             {url}/api/v1/drones?limit=3\n");
    }
}

fn claims(role: Role) -> Claims {
    let now = u64::try_from(clock::utc_now().0 / 1_000_000).unwrap_or_default();
    Claims {
        sub: format!("up-{role}"),
        role,
        fleets: vec![ALL_FLEETS.to_owned()],
        drone: None,
        jti: new_token_id(),
        exp: now + TOKEN_LIFE.as_secs(),
        iat: Some(now),
        nbf: None,
        iss: Some("up".to_owned()),
    }
}

/// Writes a file that only its owner may read.
pub fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let open = || {
        fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
    };
    let write = || open()?.write_all(text.as_bytes());
    write().with_context(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_makes_one_key_and_fresh_tokens_that_nobody_else_can_read() {
        let directory = tempfile::tempdir().unwrap();
        let prepare = || Access::prepare(directory.path(), GatewayConfig::default()).unwrap();
        let key = || fs::read(directory.path().join("signing-key.pem")).unwrap();
        let first = prepare();
        let made = key();
        let second = prepare();
        assert_eq!(key(), made, "the key stays");
        assert_ne!(first.relay_token, second.relay_token);
        assert_eq!(second.gateway.auth.keys.len(), 1);
        let files = ["signing-key.pem", "tokens/relay", "tokens/viewer"];
        for file in files.iter().chain(&["tokens/operator", "tokens/admin"]) {
            let meta = fs::metadata(directory.path().join(file)).unwrap();
            assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{file}");
        }
    }
}
