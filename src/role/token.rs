//! `aerostream token`: issues, inspects and revokes tokens.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::json;

use super::client::{Door, print_json};
use crate::clock;
use crate::gateway::auth::token::{TOKEN_BYTES_MAX, new_token_id};
use crate::gateway::auth::{Algorithm, Claims, KeyConfig, Role, SigningKey, inspect, issue};

/// Of `aerostream token`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Signs a new token with a key file and prints it
    Issue(Issue),
    /// Shows what a token says; its signature is not checked
    Inspect {
        /// File with the token; standard input if absent
        file: Option<PathBuf>,
    },
    /// Ends a token before its expiry
    Revoke {
        #[command(flatten)]
        door: Door,
        /// File with the token to end
        file: PathBuf,
        /// Why, for people
        #[arg(long, default_value = "")]
        reason: String,
    },
}

#[derive(Debug, Clone, Args)]
struct Issue {
    /// Key file: an Ed25519 private key in PKCS#8 PEM, or an HS256 secret
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Name of the key in the gateways' configuration; `up` calls its own key `up`
    #[arg(long, default_value = "up")]
    kid: String,
    /// Algorithm of the key
    #[arg(long, value_enum, default_value_t = Algorithm::EdDsa)]
    algorithm: Algorithm,
    /// drone, relay, viewer, operator or admin
    #[arg(long)]
    role: Role,
    /// Who holds it; for a drone its id unless given
    #[arg(long, required_unless_present_any = ["drone", "drones"])]
    subject: Option<String>,
    /// The one drone of a drone token
    #[arg(long)]
    drone: Option<String>,
    /// File with ids of drones, one a line, `-` for standard input: a token for each, printed as
    /// lines `DRONE TOKEN`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["drone", "subject", "fleets"])]
    drones: Option<PathBuf>,
    /// A fleet that it reaches, `*` for all; may be repeated
    #[arg(long = "fleet")]
    fleets: Vec<String>,
    /// Life, days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: u64,
}

impl Issue {
    fn load_key(&self) -> anyhow::Result<SigningKey> {
        SigningKey::load(&KeyConfig {
            kid: self.kid.clone(),
            algorithm: self.algorithm,
            path: self.key.clone(),
        })
        .context("could not load the key")
    }

    fn claims(self, now: u64) -> Claims {
        Claims {
            sub: self
                .subject
                .or_else(|| self.drone.clone())
                .unwrap_or_default(),
            role: self.role,
            fleets: self.fleets,
            drone: self.drone,
            jti: new_token_id(),
            exp: now + self.days * 86_400,
            iat: Some(now),
            nbf: None,
            iss: None,
        }
    }
}

/// Does it and prints the result.
///
/// # Errors
/// A file cannot be read, the claims contradict each other, or the gateway says no.
pub async fn run(options: Options) -> anyhow::Result<()> {
    match options.command {
        Command::Issue(issue) => match issue.drones.clone() {
            Some(list) => sign_many(&issue, &list),
            None => print_line(&sign(issue)?),
        },
        Command::Inspect { file } => {
            let (kid, claims) = inspect(&read(file)?)?;
            print_json(&json!({ "kid": kid, "claims": claims }))
        }
        Command::Revoke { door, file, reason } => {
            let (_, claims) = inspect(&read(Some(file))?)?;
            let body = json!({
                "token_id": claims.jti, "expires": claims.exp, "reason": reason,
            });
            let path = "/api/v1/tokens/revoke";
            print_json(&door.call(Method::POST, path, Some(&body)).await?)
        }
    }
}

fn sign(asked: Issue) -> anyhow::Result<String> {
    let key = asked.load_key()?;
    issue(&key, &asked.claims(now_s())).context("could not issue the token")
}

fn now_s() -> u64 {
    u64::try_from(clock::utc_now().0 / 1_000_000).unwrap_or_default()
}

/// A token for each drone of a list; nothing is printed unless all can be signed.
fn sign_many(asked: &Issue, list: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(asked.role == Role::Drone, "--drones needs --role drone");
    let ids = if list == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).context("could not read standard input")?
    } else {
        std::fs::read_to_string(list)
            .with_context(|| format!("could not read {}", list.display()))?
    };
    let (key, now) = (asked.load_key()?, now_s());
    let mut lines = String::new();
    for (id, line) in ids.lines().zip(1..).filter(|(id, _)| !id.trim().is_empty()) {
        let one = Issue {
            drone: Some(id.trim().to_owned()),
            ..asked.clone()
        };
        let token = issue(&key, &one.claims(now))
            .with_context(|| format!("could not issue the token of line {line}"))?;
        writeln!(lines, "{} {token}", id.trim()).context("could not make a line")?;
    }
    print_line(lines.trim_end())
}

fn read(file: Option<PathBuf>) -> anyhow::Result<String> {
    let mut token = String::new();
    let limit = TOKEN_BYTES_MAX as u64 + 2;
    match file {
        Some(file) => std::fs::File::open(&file)
            .and_then(|open| open.take(limit).read_to_string(&mut token))
            .with_context(|| format!("could not read {}", file.display()))?,
        None => std::io::stdin()
            .take(limit)
            .read_to_string(&mut token)
            .context("could not read standard input")?,
    };
    Ok(token.trim().to_owned())
}

fn print_line(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("could not print")
}
