//! Calls to a gateway's REST door, for the subcommands that ask or change something.

use aerostream_tls::Trust;
use anyhow::{Context, bail, ensure};
use reqwest::Method;
use serde_json::Value;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;

use super::caller::Caller;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Which gateway, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub struct Door {
    /// REST door of a gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    #[arg(env = "AEROSTREAM_URL")]
    url: String,
    #[command(flatten)]
    caller: Caller,
}

impl Door {
    /// Asks and gives back the answer.
    ///
    /// # Errors
    /// The gateway is out of reach, or says no; its reason is in the error.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        self.ask((method, path), None, body).await
    }

    /// Posts a wish under a key and gives back the answer.
    ///
    /// # Errors
    /// See [`Door::call`].
    pub async fn give(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask((Method::POST, path), Some(key), Some(body)).await
    }

    async fn ask(
        &self,
        (method, path): (Method, &str),
        key: Option<&str>,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let url = self.address(path);
        let client = reqwest::Client::builder().tls_backend_preconfigured(self.trust().client()?);
        let mut request = client.build()?.request(method, &url);
        if let Some(token) = self.caller.token()? {
            request = request.bearer_auth(token.reveal());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await;
        let mut response = response.with_context(|| format!("could not reach {url}"))?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.context("the answer broke off")? {
            if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
                bail!("the answer of {url} is larger than {ANSWER_BYTES_MAX} bytes");
            }
            answer.extend_from_slice(&chunk);
        }
        let answer: Value = serde_json::from_slice(&answer)
            .with_context(|| format!("{url} answered {status} and no JSON"))?;
        if status.is_success() {
            return Ok(answer);
        }
        let detail = answer["detail"].as_str().unwrap_or("no reason given");
        match answer["field"].as_str() {
            Some(field) => bail!("{status}: {field}: {detail}"),
            None => bail!("{status}: {detail}"),
        }
    }

    /// Whom the caller trusts.
    #[must_use]
    pub fn trust(&self) -> Trust {
        Trust::new(self.caller.ca().as_deref())
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.url.trim_end_matches('/'))
    }

    /// What opens a WebSocket of the same gateway.
    ///
    /// # Errors
    /// The URL or the token cannot be used, or there is no token.
    pub fn socket(&self, path: &str) -> anyhow::Result<Request> {
        let url = self.address(path);
        ensure!(
            url.starts_with("http"),
            "--url must begin with http:// or https://; it is {}",
            self.url
        );
        let request = url.replacen("http", "ws", 1).into_client_request();
        let mut request = request.with_context(|| format!("{url} is no address"))?;
        // Without one the gateway would wait for it as the first message.
        let token = self.caller.token()?.context(
            "a feed needs a token: --token-file, AEROSTREAM_TOKEN or AEROSTREAM_TOKEN_FILE",
        )?;
        let bearer = format!("Bearer {}", token.reveal()).parse();
        let bearer = bearer.context("the token has characters that no header may have")?;
        request.headers_mut().insert("authorization", bearer);
        Ok(request)
    }

    /// Asks for every page of a list and prints an entry a line.
    ///
    /// # Errors
    /// See [`Door::call`].
    pub async fn print_list(&self, path: &str, list: &str) -> anyhow::Result<()> {
        let mut after = None::<String>;
        loop {
            let page = match &after {
                Some(after) => format!("{path}?after={after}"),
                None => path.to_owned(),
            };
            let answer = self.call(Method::GET, &page, None).await?;
            for entry in answer[list].as_array().into_iter().flatten() {
                print_json(entry)?;
            }
            after = answer["next_after"].as_str().map(str::to_owned);
            if after.is_none() {
                return Ok(());
            }
        }
    }
}

/// Prints JSON on one line.
///
/// # Errors
/// Nobody reads the output any more.
pub fn print_json(value: &Value) -> anyhow::Result<()> {
    use std::io::Write;
    writeln!(std::io::stdout().lock(), "{value}").context("could not print")
}
