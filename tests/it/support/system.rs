//! A whole system of real processes: `aerostream up` behind fixed ports, so that it can be killed
//! and come back where its drones look for it, and any number of workers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::aerostream::{Aerostream, command, run_to_end};
use super::kafka::Kafka;
use super::ports::free_port;
use super::postgres::SHARDS;
use super::{Servers, run};

/// Systems that run at once: each is several processes.
static PLACES: Semaphore = Semaphore::const_new(3);

/// Longest wait for an answer to one question.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// How the processes of a system are started; starting again finds its data and ports again.
#[derive(Debug)]
pub struct System {
    pub data: PathBuf,
    pub http: u16,
    pub grpc: u16,
    arguments: Vec<String>,
    settings: Vec<(String, String)>,
    _place: SemaphorePermit<'static>,
}

/// An answer of the REST door.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub json: Value,
}

impl System {
    /// One process with the embedded log and, unless a database is set, a Postgres of its own.
    pub async fn embedded(_servers: &Servers) -> Self {
        let data = run::directory("system");
        let arguments = ["up", "--drones", "0", "--data-dir"].map(str::to_owned);
        let system = Self {
            arguments: arguments.into_iter().chain([path(&data)]).collect(),
            data,
            http: free_port(),
            grpc: free_port(),
            settings: Vec::new(),
            _place: PLACES.acquire().await.expect("never closed"),
        };
        let (http, grpc) = (system.http, system.grpc);
        system
            .set("NODE__SHARDS", SHARDS)
            .set("GATEWAY__HTTP__ADDRESS", format!("127.0.0.1:{http}"))
            .set("GATEWAY__GRPC__ADDRESS", format!("127.0.0.1:{grpc}"))
    }

    /// Gateway and node in one process with topics of their own in Kafka; workers apart.
    pub async fn kafka(servers: &Servers, database: &str) -> Self {
        let kafka = servers.kafka().await;
        let mut system = Self::embedded(servers).await;
        let more = ["--log", "kafka", "--no-worker"].map(str::to_owned);
        system.arguments.extend(more);
        system.with_log_of(kafka).database(database)
    }

    fn with_log_of(self, kafka: &Kafka) -> Self {
        self.set("LOG__KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap())
            .set("LOG__KAFKA__TOPIC_PREFIX", kafka.topic_prefix())
            .set("LOG__KAFKA__SINGLE_BROKER", true)
            // The least that the broker takes: tests wait for it.
            .set("LOG__KAFKA__SESSION_TIMEOUT_MS", 6_000)
    }

    /// Sets one setting for every process that is started from now on, in the spelling of the
    /// environment.
    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_string()));
        self
    }

    /// Stores in this database.
    pub fn database(self, url: &str) -> Self {
        self.set("POSTGRES__URL", url)
    }

    /// Starts `up` and waits until both doors are open.
    pub async fn start(&self) -> Aerostream {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let mut up = self.spawn(&arguments, &[]);
        up.address("http").await;
        up.address("grpc").await;
        up
    }

    /// Starts a worker process; `own` settings are for it alone.
    pub fn start_worker(&self, own: &[(&str, &str)]) -> Aerostream {
        self.spawn(&["worker"], own)
    }

    fn spawn(&self, arguments: &[&str], own: &[(&str, &str)]) -> Aerostream {
        let mut command = command(arguments);
        let common = self.settings.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        for (name, value) in common.chain(own.iter().copied()) {
            command.env(format!("AEROSTREAM_{name}"), value);
        }
        Aerostream::start(command)
    }

    /// A fresh token of a role, from the files that `up` writes.
    pub fn token(&self, role: &str) -> String {
        let file = self.data.join("tokens").join(role);
        std::fs::read_to_string(file).expect("up writes its tokens when it starts")
    }

    /// A token with which this drone can write itself.
    pub fn drone_token(&self, drone: &str) -> String {
        let key = path(&self.data.join("signing-key.pem"));
        let issue = ["token", "issue", "--role", "drone", "--drone", drone];
        let made = run_to_end(&[&issue[..], &["--key", &key]].concat());
        assert!(made.status.success(), "{made:?}");
        String::from_utf8_lossy(&made.stdout).trim().to_owned()
    }

    /// URL of a path of the REST door.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    /// Address of the gRPC door.
    pub fn grpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }

    /// Asks as the viewer.
    pub async fn get(&self, path: &str) -> Answer {
        let request = client().request(Method::GET, self.url(path));
        ask(request.bearer_auth(self.token("viewer"))).await
    }

    /// Posts telemetry as JSON with a token.
    pub async fn post(&self, token: &str, body: &Value) -> Answer {
        let request = client().post(self.url("/api/v1/telemetry"));
        ask(request.bearer_auth(token).json(body)).await
    }
}

/// A client that no proxy setting of the machine leads astray.
pub fn client() -> reqwest::Client {
    let tls = aerostream_tls::Trust::Machine
        .client()
        .expect("TLS can be set up");
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls);
    let client = client.no_proxy().timeout(ANSWER_MAX);
    client.build().expect("a client without special wishes")
}

/// Sends a request of which an answer is expected.
pub async fn ask(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("the door answers");
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let text = response.text().await.expect("a whole answer");
    let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer {
        status,
        headers,
        json,
    }
}

/// The time of day, microseconds since 1970, UTC.
pub fn now_us() -> i64 {
    aerostream::clock::utc_now().0
}

fn path(path: &Path) -> String {
    path.display().to_string()
}
