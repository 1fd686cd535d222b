//! A gateway with real actors over a log in memory, and short names for what tests say often.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aerostream_actors::{Config, Handle, Hooks, Node};
use aerostream_cluster::{NodeIdentity, claim_all};
use aerostream_domain::alert::{Alert, AlertId};
use aerostream_domain::{Batch, DroneId, FleetId, NodeId, ShardCount, UtcMicros};
use aerostream_log::memory::MemoryLog;
use aerostream_log::topic::DEAD_LETTER_PARTITIONS;
use aerostream_log::{Partition, Topic, decode};
use aerostream_proto::v1;
use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::clock;
use crate::gateway::auth::keys::generate;
use crate::gateway::auth::{Algorithm, Claims, KeyConfig, Role, SigningKey, issue};
use crate::gateway::ports::{
    AlertQuestion, FlatRow, History, HistoryError, HistoryRequest, PastAlertsError, PastSample,
    Steps, Summary,
};
use crate::gateway::{Behind, Gateway, GatewayConfig, ReadyCheck, http};
use crate::registry::{
    Credential, Drone, Enrolment, Fleet, Registry, RegistryConfig, RegistryRules, Request as By,
};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A history without anything in it.
struct NoPast;

#[async_trait]
impl History for NoPast {
    async fn knows(&self, _: &DroneId) -> Result<bool, HistoryError> {
        Ok(false)
    }

    async fn samples(&self, _: &HistoryRequest) -> Result<Vec<PastSample>, HistoryError> {
        Ok(Vec::new())
    }

    async fn rows(&self, _: &HistoryRequest) -> Result<Vec<FlatRow>, HistoryError> {
        Ok(Vec::new())
    }

    async fn summaries(&self, _: &DroneId, _: Steps) -> Result<Vec<Summary>, HistoryError> {
        Ok(Vec::new())
    }

    async fn estimate(&self, _: &DroneId, _: Range<UtcMicros>) -> Result<u64, HistoryError> {
        Ok(0)
    }

    async fn kept_from(&self, _: &DroneId) -> Result<UtcMicros, HistoryError> {
        Ok(UtcMicros(0))
    }

    async fn alerts(&self, _: &AlertQuestion) -> Result<Vec<(DroneId, Alert)>, PastAlertsError> {
        Ok(Vec::new())
    }

    async fn alert(&self, _: &DroneId, _: AlertId) -> Result<Option<Alert>, PastAlertsError> {
        Ok(None)
    }
}

pub struct Fixture {
    pub log: Arc<MemoryLog>,
    pub gateway: Arc<Gateway>,
    pub registry: Registry,
    pub router: Router,
    pub key: SigningKey,
    node: Node,
    _directory: TempDir,
}

pub fn key_in(directory: &TempDir) -> KeyConfig {
    let path: PathBuf = directory.path().join("key.pem");
    generate(&path).unwrap();
    KeyConfig {
        kid: "test".to_owned(),
        algorithm: Algorithm::EdDsa,
        path,
    }
}

pub fn drone(text: &str) -> DroneId {
    DroneId::parse(text).unwrap()
}

pub fn fleet(text: &str) -> FleetId {
    FleetId::parse(text).unwrap()
}

pub fn by() -> By<'static> {
    By {
        principal: "test",
        at: clock::utc_now(),
    }
}

/// A token that says as little as it must.
pub fn claims(role: Role, fleets: &[&str]) -> Claims {
    let own = (role == Role::Drone).then(|| "alpha".to_owned());
    Claims {
        sub: format!("{role}-{}", fleets.join("-").replace('*', "all")),
        role,
        fleets: fleets.iter().map(|fleet| (*fleet).to_owned()).collect(),
        drone: own,
        jti: format!("{role}-{}-1", fleets.len()),
        exp: clock::utc_now().0 as u64 / 1_000_000 + 3600,
        iat: None,
        nbf: None,
        iss: None,
    }
}

/// Fleets `red` (auto, 3 drones) and `blue` (closed); `alpha` is of red, `bravo` of blue.
pub async fn start() -> Fixture {
    start_with(|_| {}).await
}

pub async fn start_with(change: impl FnOnce(&mut GatewayConfig)) -> Fixture {
    start_with_parts(Arc::new(NoPast), Vec::new(), change).await
}

/// A gateway that tells this past.
pub async fn start_over(
    history: Arc<dyn History>,
    change: impl FnOnce(&mut GatewayConfig),
) -> Fixture {
    start_with_parts(history, Vec::new(), change).await
}

/// A gateway of which one part says why it is not ready.
pub async fn start_unready(part: &'static str, reason: &'static str) -> Fixture {
    let check: ReadyCheck = Arc::new(move || Err(reason.to_owned()));
    start_with_parts(Arc::new(NoPast), vec![(part, check)], |_| {}).await
}

async fn start_with_parts(
    history: Arc<dyn History>,
    ready: Vec<(&'static str, ReadyCheck)>,
    change: impl FnOnce(&mut GatewayConfig),
) -> Fixture {
    let shards = ShardCount::new(4).unwrap();
    let log = Arc::new(MemoryLog::new(shards));
    let identity = NodeIdentity {
        node: NodeId::parse("node-1").unwrap(),
        incarnation: "first".to_owned(),
        address: String::new(),
        cluster_id: "test".to_owned(),
    };
    let ownership = claim_all(&*log, identity, shards).await.unwrap();
    let (registry, follower) = Registry::start(log.clone(), RegistryConfig::default());
    tokio::spawn(follower.run(std::future::pending()));
    registry.caught_up().await;
    let rules = Arc::new(RegistryRules::new(registry.clone()));
    let node = Node::start(Config::default(), log.clone(), ownership, (rules, hooks()));
    let node = node.await.unwrap();
    seed(&registry).await;
    let directory = TempDir::new().unwrap();
    let key = key_in(&directory);
    let mut config = GatewayConfig::default();
    config.auth.keys = vec![key.clone()];
    config.ingest.enrolment_fleet = Some("red".to_owned());
    change(&mut config);
    let behind = Behind {
        drones: Arc::new(node.handle()),
        history: Some(history),
        log: log.clone(),
        registry: registry.clone(),
        ready,
        metrics_page: Arc::new(|| "aerostream_up 1\n".to_owned()),
    };
    let gateway = Gateway::build(config, behind).unwrap();
    Fixture {
        router: http::router(Arc::clone(&gateway)),
        key: SigningKey::load(&key).unwrap(),
        log,
        gateway,
        registry,
        node,
        _directory: directory,
    }
}

/// What a drone says that ends its actor.
pub const ACTOR_ENDS: &str = "the actor ends";
/// What a drone says that ends its shard.
pub const SHARD_ENDS: &str = "the shard ends";

fn hooks() -> Hooks {
    fn says(batch: &Batch, wanted: &str) -> bool {
        let mut texts = batch
            .samples
            .iter()
            .filter_map(|it| it.content.text.as_ref());
        texts.any(|text| text.text == wanted)
    }
    Hooks {
        on_batch: |batch| assert!(!says(batch, ACTOR_ENDS), "told to by the test"),
        in_shard: |batch| assert!(!says(batch, SHARD_ENDS), "told to by the test"),
        ..Hooks::default()
    }
}

async fn seed(registry: &Registry) {
    for (id, enrolment, drones_max) in
        [("red", Enrolment::Auto, 3), ("blue", Enrolment::Closed, 10)]
    {
        let fleet = Fleet {
            id: fleet(id),
            name: id.to_owned(),
            enrolment,
            drones_max,
        };
        registry.create_fleet(fleet, by()).await.unwrap();
    }
    for (id, of) in [("alpha", "red"), ("bravo", "blue")] {
        let drone = Drone {
            id: drone(id),
            fleet: fleet(of),
            name: String::new(),
            kind: String::new(),
            credential: Credential::Active,
        };
        registry.enrol(drone, by()).await.unwrap();
    }
}

/// An answer of the REST door.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub response: Response<()>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Status, code, field: what a client's program looks at.
    pub fn problem(&self) -> (u16, String, String) {
        let json = self.json();
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        (self.status, text("code"), text("field"))
    }
}

impl Fixture {
    /// The actors behind the gateway.
    pub fn node(&self) -> Handle {
        self.node.handle()
    }

    pub fn token(&self, role: Role, fleets: &[&str]) -> String {
        issue(&self.key, &claims(role, fleets)).unwrap()
    }

    pub async fn call(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            status: parts.status.as_u16(),
            response: Response::from_parts(parts, ()),
            body,
        }
    }

    pub async fn send(&self, method: Method, path: &str, token: &str, body: &str) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .unwrap();
        self.call(request).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, token, "").await
    }

    /// Posts telemetry as the drone alpha.
    pub async fn post(&self, body: &str) -> Answer {
        let token = self.token(Role::Drone, &[]);
        self.send(Method::POST, "/api/v1/telemetry", &token, body)
            .await
    }

    /// Every dead letter.
    pub fn letters(&self) -> Vec<v1::DeadLetter> {
        let partitions = (0..DEAD_LETTER_PARTITIONS).map(Partition);
        let records = partitions.flat_map(|one| self.log.records(Topic::DeadLetters, one));
        records
            .map(|record| decode(&record.payload).unwrap())
            .collect()
    }
}

/// Now, in microseconds since 1970.
pub fn now_us() -> i64 {
    clock::utc_now().0
}

/// Waits until a condition holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, holds).await.is_ok(),
        "{what}"
    );
}
