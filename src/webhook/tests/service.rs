//! A service that takes messages, and checks them as its own programmer would.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::time::timeout;

use super::{PATIENCE, SECRET, spawn};

/// One post.
#[derive(Debug, Clone)]
pub struct Post {
    pub id: String,
    pub body: Value,
    pub answer: StatusCode,
}

impl Post {
    /// Drone and what happened.
    pub fn told(&self) -> (String, String) {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        (
            text(&self.body["data"]["drone_id"]),
            text(&self.body["data"]["what"]),
        )
    }
}

type Judge = Box<dyn Fn(&Value) -> StatusCode + Send + Sync>;

struct Inner {
    judge: Mutex<Judge>,
    posts: Mutex<Vec<Post>>,
}

#[derive(Clone)]
pub struct Service {
    inner: Arc<Inner>,
    port: u16,
}

impl Service {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            judge: Mutex::new(Box::new(|_| StatusCode::NO_CONTENT)),
            posts: Mutex::default(),
        });
        let router = axum::Router::new()
            .route("/hook", axum::routing::post(take))
            .with_state(Arc::clone(&inner));
        spawn(async move { axum::serve(listener, router).await });
        Self { inner, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// From now on it answers so.
    pub fn answers(&self, judge: impl Fn(&Value) -> StatusCode + Send + Sync + 'static) {
        *self.inner.judge.lock().unwrap() = Box::new(judge);
    }

    /// Every post so far.
    pub fn posts(&self) -> Vec<Post> {
        self.inner.posts.lock().unwrap().clone()
    }

    /// What it took, in order.
    pub fn taken(&self) -> Vec<Post> {
        let posts = self.posts().into_iter();
        posts.filter(|post| post.answer.is_success()).collect()
    }

    pub async fn until_taken(&self, count: usize) -> Vec<Post> {
        self.until("taken", || self.taken().len() >= count).await;
        self.taken()
    }

    pub async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let look = async {
            while !condition() {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let in_time = timeout(PATIENCE, look).await;
        in_time.unwrap_or_else(|_| panic!("{what}: {:?}", self.posts()));
    }
}

async fn take(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let id = header("webhook-id");
    let signed = [
        format!("{id}.{}.", header("webhook-timestamp")).as_bytes(),
        &body,
    ]
    .concat();
    let key = STANDARD
        .decode(SECRET.trim_start_matches("whsec_"))
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(&signed);
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(header("webhook-signature"), expected);
    assert_eq!(header("content-type"), "application/json");
    let body: Value = serde_json::from_slice(&body).unwrap();
    let answer = inner.judge.lock().unwrap()(&body);
    inner.posts.lock().unwrap().push(Post { id, body, answer });
    answer
}
