//! What every door of a gateway shares.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aerostream_domain::{DroneId, FleetId};
use aerostream_log::{EventLog, Partition, Topic};
use aerostream_tls::Identity;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use super::alert::AlertConfig;
use super::auth::{
    Action, AuthConfig, AuthError, Authenticator, Caller, KeyError, Principal, TokenError,
};
use super::command::{CommandConfig, Commands};
use super::dead_letter::DeadLetters;
use super::fleet_feed::{FleetFeed, FleetFeedConfig};
use super::graphql::{self, GraphqlConfig};
use super::ingest::{Ingest, IngestConfig};
use super::limit::{LimitConfig, Peers, Permit, Place, Places, RETRY_AFTER, SocketPlace, Usage};
use super::ports::{Drones, History};
use super::refused;
use super::rules::rehearse::RuleTestConfig;
use super::server::ServerConfig;
use super::summary::SummaryConfig;
use super::tls::{self, PortError, TlsConfig};
use super::ws::WsConfig;
use crate::clock;
use crate::error::{ErrorCode, Problem};
use crate::origin;
use crate::registry::{Registry, RegistryConfig};

/// How a gateway works.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Keys of tokens.
    pub auth: AuthConfig,
    /// TLS of the public ports.
    pub tls: TlsConfig,
    /// How much may be under way.
    pub limits: LimitConfig,
    /// How batches are taken in.
    pub ingest: IngestConfig,
    /// Fleets in numbers.
    pub summary: SummaryConfig,
    /// Positions of fleets.
    pub fleet_feed: FleetFeedConfig,
    /// The fold of fleets and drones.
    pub registry: RegistryConfig,
    /// Commands to drones.
    pub commands: CommandConfig,
    /// Alerts.
    pub alerts: AlertConfig,
    /// The REST door.
    pub http: HttpConfig,
    /// The gRPC door.
    pub grpc: GrpcConfig,
    /// WebSockets, on the REST door's port.
    pub ws: WsConfig,
    /// The GraphQL door.
    pub graphql: GraphqlConfig,
    /// Tests of rules over the past.
    pub rule_tests: RuleTestConfig,
}

/// The REST door.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Where it listens; port 0 takes a free one. Default: 127.0.0.1:8080.
    pub address: SocketAddr,
    /// Connections.
    pub server: ServerConfig,
    /// Largest body as sent, in bytes. Default: 1 MiB.
    pub body_bytes_max: usize,
    /// Largest body after decompression, in bytes. Default: 4 MiB.
    pub decoded_bytes_max: usize,
    /// Longest time for a whole body to arrive, in milliseconds. Default: 10,000.
    pub body_timeout_ms: u64,
    /// Most entries of a page of drones or fleets. Default: 1000.
    pub page_max: usize,
    /// Most samples of an answer about the past. Default: 10,000.
    pub history_max: usize,
    /// Most rows of an export of the past. Default: 5,000,000.
    pub export_rows_max: usize,
    /// Rows of an export that are held at once. Default: 2000.
    pub export_chunk_rows: usize,
    /// Exports under way in this gateway. Default: 32.
    pub exports_max: usize,
    /// Exports under way of one principal. Default: 4.
    pub principal_exports_max: usize,
    /// Most dead letters that one question looks through; a page that ends for this says where to
    /// go on. Default: 20,000.
    pub dead_letter_scan_max: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8080)),
            server: ServerConfig::default(),
            body_bytes_max: 1 << 20,
            decoded_bytes_max: 4 << 20,
            body_timeout_ms: 10_000,
            page_max: 1000,
            history_max: 10_000,
            export_rows_max: 5_000_000,
            export_chunk_rows: 2000,
            exports_max: 32,
            principal_exports_max: 4,
            dead_letter_scan_max: 20_000,
        }
    }
}

/// The gRPC door.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcConfig {
    /// Where it listens; port 0 takes a free one. Default: 127.0.0.1:8081.
    pub address: SocketAddr,
    /// Connections.
    pub server: ServerConfig,
    /// Largest message after decompression, in bytes. Default: 4 MiB.
    pub message_bytes_max: usize,
    /// Batches of one stream that may be without result; the stream is not read further meanwhile.
    /// Default: 64.
    pub stream_batches_max: usize,
    /// Streams of one connection. Default: 256.
    pub streams_max: u32,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8081)),
            server: ServerConfig::default(),
            message_bytes_max: 4 << 20,
            stream_batches_max: 64,
            streams_max: 256,
        }
    }
}

/// Tells whether a part of this process is ready, or why it is not.
pub type ReadyCheck = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// Why a gateway cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A key of tokens cannot be used.
    #[error("a key of tokens cannot be used")]
    Key(#[from] KeyError),
    /// The certificate cannot be used.
    #[error("the ports cannot be served")]
    Port(#[from] PortError),
}

/// What stands behind a gateway.
#[derive(Clone)]
pub struct Behind {
    pub drones: Arc<dyn Drones>,
    /// `None` where no database is configured: questions about the past are answered 503.
    pub history: Option<Arc<dyn History>>,
    pub log: Arc<dyn EventLog>,
    pub registry: Registry,
    /// Asked by `/readyz` beside the log and the registry, such as "owns its shards".
    pub ready: Vec<(&'static str, ReadyCheck)>,
    /// Text of `/metrics`.
    pub metrics_page: Arc<dyn Fn() -> String + Send + Sync>,
}

/// A gateway; its doors share it.
pub struct Gateway {
    pub(super) config: GatewayConfig,
    pub(super) behind: Behind,
    pub(super) ingest: Ingest,
    pub(super) commands: Commands,
    pub(super) fleet_feed: Arc<FleetFeed>,
    /// Resumed feeds that may read the event log at once.
    pub(super) replays: Semaphore,
    unknown: Arc<Usage>,
    pub(super) graphql: graphql::Door,
    auth: Authenticator,
    usage: Arc<Usage>,
    pub(super) exports: Arc<Places>,
    pub(super) rule_tests: Arc<Places>,
    streams: Arc<Places>,
    peers: Peers,
    identity: Option<Arc<Identity>>,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// Loads the keys and puts the doors' common parts together.
    ///
    /// # Errors
    /// A key cannot be used.
    pub fn build(config: GatewayConfig, behind: Behind) -> Result<Arc<Self>, BuildError> {
        let identity = config.tls.load()?;
        let ingest = Ingest::new(
            Arc::clone(&behind.drones),
            behind.registry.clone(),
            DeadLetters::new(Arc::clone(&behind.log)),
            config.ingest.clone(),
        );
        let commands = Commands::new(
            Arc::clone(&behind.drones),
            Arc::clone(&behind.log),
            config.commands.clone(),
        );
        let fleet_feed = FleetFeed::new(
            Arc::clone(&behind.drones),
            behind.registry.clone(),
            config.fleet_feed.clone(),
        );
        Ok(Arc::new(Self {
            commands,
            fleet_feed,
            auth: Authenticator::new(&config.auth, config.limits.clone())?,
            usage: Arc::new(Usage::of_gateway(&config.limits)),
            exports: Places::new(
                "exports",
                config.http.exports_max,
                config.http.principal_exports_max,
            ),
            rule_tests: Places::new(
                "rule tests",
                config.rule_tests.tests_max,
                config.rule_tests.principal_tests_max,
            ),
            streams: Places::new(
                "gRPC streams",
                config.limits.streams_max,
                config.limits.principal_streams_max,
            ),
            peers: Peers::new(&config.limits),
            unknown: Arc::new(Usage::of_unknown(&config.limits)),
            replays: Semaphore::new(config.ws.replays_max),
            ingest,
            graphql: graphql::Door::new(&config.graphql),
            identity,
            behind,
            config,
        }))
    }

    /// The caller behind an `authorization` header.
    ///
    /// # Errors
    /// There is none who may be served.
    pub async fn caller(&self, authorization: Option<&str>) -> Result<Arc<Caller>, Problem> {
        let known = self.known(authorization)?;
        let unknown = match known {
            Err(AuthError::Token(TokenError::UnknownKeyOf { issuer })) => issuer,
            other => return other.map_err(|error| not_let_in(&error)),
        };
        // Issuers change their keys when they like: the first token of a new key tells it.
        if self.auth.read_again(&unknown).await {
            return self
                .known(authorization)?
                .map_err(|error| not_let_in(&error));
        }
        let error = AuthError::Token(TokenError::UnknownKeyOf { issuer: unknown });
        Err(not_let_in(&error))
    }

    fn known(
        &self,
        authorization: Option<&str>,
    ) -> Result<Result<Arc<Caller>, AuthError>, Problem> {
        let registry = self.registry();
        if !registry.has_caught_up() {
            let detail = "the registry is not read to its end yet, so that revoked tokens cannot \
                          be told";
            return Err(Problem::new(ErrorCode::Unavailable, detail).retry_after(RETRY_AFTER));
        }
        let peer = origin::current().map(|origin| origin.address());
        let now = clock::monotonic_now();
        if let Some(wait) = peer.and_then(|peer| self.peers.wait(peer, now))
            && !self.auth.remembers(authorization)
        {
            let detail = "too many tokens from this address were none";
            return Err(Problem::new(ErrorCode::QuotaExceeded, detail).retry_after(wait));
        }
        let state = registry.read();
        let known = self
            .auth
            .authenticate(authorization, &state, clock::utc_now());
        match (&known, peer) {
            (Ok(caller), _) => {
                let principal = &caller.principal;
                origin::tell_token(&principal.token_id, principal.role.as_str());
            }
            (Err(AuthError::Token(error)), Some(peer)) if error.is_bad() => {
                self.peers.note(peer, now);
            }
            (Err(_), _) => {}
        }
        Ok(known)
    }

    /// Judges again a caller who was let in before.
    ///
    /// # Errors
    /// The caller may not stay.
    pub fn recheck(&self, principal: &Principal) -> Result<(), Problem> {
        let judged = self
            .auth
            .recheck(principal, &self.registry().read(), clock::utc_now());
        judged.map_err(|error| not_let_in(&error))
    }

    /// Follows the keys of tokens, in files and at issuers, and the certificate, for ever; each
    /// value of `asked` has the files read at once. Whoever is let in by a key that goes has to go
    /// with it.
    pub async fn keep_keys(&self, asked: watch::Receiver<u64>) {
        let look_again = || self.registry().look_again();
        let certificate = async {
            if let Some(identity) = &self.identity {
                tls::keep(identity, self.config.tls.watch_ms, asked.clone()).await;
            }
        };
        tokio::join!(self.auth.keep(asked.clone(), look_again), certificate);
    }

    /// The certificate of the public ports; without one they speak no TLS.
    #[must_use]
    pub fn identity(&self) -> Option<Arc<Identity>> {
        self.identity.clone()
    }

    /// Counts what a caller sends while it is under way.
    #[must_use]
    pub fn permit(&self, caller: &Caller) -> Permit {
        Permit::for_body(Arc::clone(&self.usage), Arc::clone(&caller.usage))
    }

    /// Counts a WebSocket while it is open; `None` is a caller who has not told its token yet.
    ///
    /// # Errors
    /// The gateway or the caller has too many.
    pub fn socket(&self, caller: Option<&Caller>) -> Result<SocketPlace, Problem> {
        let usage = caller.map_or(&self.unknown, |caller| &caller.usage);
        SocketPlace::take(&self.usage, usage)
    }

    /// Counts a gRPC stream while it is open.
    ///
    /// # Errors
    /// The gateway or the caller has too many.
    pub fn stream(&self, caller: &Caller) -> Result<Place, Problem> {
        self.streams.take(&caller.principal.subject)
    }

    /// Fleets, drones and revocations.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.behind.registry
    }

    /// Lets a caller do something to a fleet of its scope. Whoever may not see a fleet is told that
    /// it is not there.
    ///
    /// # Errors
    /// The role or the scope does not allow it.
    pub fn allow_fleet(
        &self,
        principal: &Principal,
        action: Action,
        fleet: &FleetId,
    ) -> Result<(), Problem> {
        allow(principal, action)?;
        if principal.scope.contains(fleet) {
            return Ok(());
        }
        Err(Problem::new(ErrorCode::NotFound, "there is no such fleet").at("fleet_id"))
    }

    /// Lets a caller do something to a drone of its scope and tells the drone's fleet.
    ///
    /// # Errors
    /// The role or the scope does not allow it.
    pub fn allow_drone(
        &self,
        principal: &Principal,
        action: Action,
        drone: &DroneId,
    ) -> Result<Option<FleetId>, Problem> {
        allow(principal, action)?;
        let fleet = self.registry().fleet_of(drone);
        if principal.reaches(drone, fleet.as_ref()) {
            return Ok(fleet);
        }
        refused::note(principal, action);
        Err(no_drone())
    }

    /// Says whether the gateway can serve: each part with its reason if it cannot.
    pub async fn readiness(&self) -> Vec<(&'static str, Result<(), String>)> {
        const WAIT: Duration = Duration::from_secs(1);
        let bounds = self.behind.log.bounds(Topic::Registry, Partition(0));
        let log = match tokio::time::timeout(WAIT, bounds).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the event log does not answer within a second".to_owned()),
        };
        let mut parts = vec![("event_log", log), ("registry", self.registry().ready())];
        let checks = self.behind.ready.iter();
        parts.extend(checks.map(|(name, check)| (*name, check())));
        parts
    }
}

/// Lets a caller do something by its role.
///
/// # Errors
/// The role does not allow it.
pub fn allow(principal: &Principal, action: Action) -> Result<(), Problem> {
    if principal.may(action) {
        return Ok(());
    }
    refused::note(principal, action);
    let detail = format!("a token of role {} may not do this", principal.role);
    Err(Problem::new(ErrorCode::Forbidden, detail))
}

/// What is told of a drone that is not there, or not for the caller to see.
#[must_use]
pub fn no_drone() -> Problem {
    Problem::new(ErrorCode::NotFound, "there is no such drone").at("drone_id")
}

fn not_let_in(error: &AuthError) -> Problem {
    let code = match error {
        AuthError::Retired => ErrorCode::Retired,
        AuthError::Token(TokenError::NoKeysOf { .. }) => {
            let problem = Problem::new(ErrorCode::Unavailable, error.to_string());
            return problem.at("authorization").retry_after(RETRY_AFTER);
        }
        AuthError::NoToken | AuthError::Token(_) | AuthError::Revoked | AuthError::KeyGone => {
            ErrorCode::Unauthenticated
        }
    };
    Problem::new(code, error.to_string()).at("authorization")
}
