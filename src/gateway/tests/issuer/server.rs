//! An issuer: a server that describes itself and tells its keys, and the keys to sign with.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A key of the issuer.
#[derive(Clone)]
pub struct Key {
    pub kid: String,
    algorithm: Algorithm,
    signing: EncodingKey,
    /// As the issuer tells it.
    public: Value,
}

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Key {
    pub fn ed25519(kid: &str) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&rand::random());
        let x = base64(key.verifying_key().as_bytes());
        Self {
            kid: kid.to_owned(),
            algorithm: Algorithm::EdDSA,
            signing: EncodingKey::from_ed_der(key.to_pkcs8_der().unwrap().as_bytes()),
            public: json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "use": "sig", "x": x }),
        }
    }

    pub fn p256(kid: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let point = &key.public_key_raw()[1..];
        let (x, y) = (base64(&point[..32]), base64(&point[32..]));
        let public = json!({ "kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y });
        Self {
            kid: kid.to_owned(),
            algorithm: Algorithm::ES256,
            signing: EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap(),
            public,
        }
    }

    pub fn rsa(kid: &str) -> Self {
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let (n, e) = (base64(key.n().to_bytes_be()), base64(key.e().to_bytes_be()));
        let pem = rsa::pkcs1::EncodeRsaPrivateKey::to_pkcs1_pem(&key, Default::default()).unwrap();
        Self {
            kid: kid.to_owned(),
            algorithm: Algorithm::RS256,
            signing: EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap(),
            public: json!({ "kty": "RSA", "alg": "RS256", "kid": kid, "n": n, "e": e }),
        }
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.kid, claims)
    }

    /// Signs under the name of another key.
    pub fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(kid.to_owned());
        jsonwebtoken::encode(&header, claims, &self.signing).unwrap()
    }

    /// Signs by HMAC with what everybody knows of the key.
    pub fn confused(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.kid.clone());
        let public = self.public["n"].as_str().unwrap();
        let secret = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(public).unwrap());
        jsonwebtoken::encode(&header, claims, &secret).unwrap()
    }
}

/// A token with `alg` none.
pub fn unsigned(claims: &Value, kid: &str) -> String {
    let header = json!({ "alg": "none", "kid": kid, "typ": "JWT" });
    format!(
        "{}.{}.",
        base64(header.to_string()),
        base64(claims.to_string())
    )
}

#[derive(Default)]
struct Shared {
    url: Mutex<String>,
    keys: Mutex<Vec<Key>>,
    answer: Mutex<String>,
    fails: AtomicBool,
    reads: AtomicUsize,
    failures: AtomicUsize,
}

pub struct Server {
    shared: Arc<Shared>,
}

impl Server {
    pub async fn start(keys: &[Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        *shared.url.lock().unwrap() = format!("http://{address}");
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(tell))
            .with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let server = Self { shared };
        server.tell(keys);
        server
    }

    pub fn url(&self) -> String {
        self.shared.url.lock().unwrap().clone()
    }

    pub fn keys(&self) -> Vec<Key> {
        self.shared.keys.lock().unwrap().clone()
    }

    /// Has other keys from now on.
    pub fn tell(&self, keys: &[Key]) {
        *self.shared.keys.lock().unwrap() = keys.to_vec();
        let public: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
        self.say(&json!({ "keys": public }).to_string());
    }

    /// Answers so when it is asked for its keys.
    pub fn say(&self, answer: &str) {
        *self.shared.answer.lock().unwrap() = answer.to_owned();
    }

    pub fn fail(&self, fails: bool) {
        self.shared.fails.store(fails, Ordering::SeqCst);
    }

    /// How often the keys were told, and how often not.
    pub fn reads(&self) -> usize {
        self.shared.reads.load(Ordering::SeqCst)
    }

    pub fn failures(&self) -> usize {
        self.shared.failures.load(Ordering::SeqCst)
    }
}

async fn describe(State(shared): State<Arc<Shared>>) -> Result<String, StatusCode> {
    if shared.fails.load(Ordering::SeqCst) {
        shared.failures.fetch_add(1, Ordering::SeqCst);
        return Err(StatusCode::BAD_GATEWAY);
    }
    let url = shared.url.lock().unwrap().clone();
    Ok(json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string())
}

async fn tell(State(shared): State<Arc<Shared>>) -> String {
    shared.reads.fetch_add(1, Ordering::SeqCst);
    shared.answer.lock().unwrap().clone()
}
