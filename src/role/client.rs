//! Calls to a gateway's REST door, for the subcommands that ask or change something.

use std::path::PathBuf;

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::Value;

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Which gateway, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub struct Door {
    /// REST door of a gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    #[arg(env = "AEROSTREAM_URL")]
    url: String,
    /// File with the token of the caller
    #[arg(long, value_name = "FILE", env = "AEROSTREAM_TOKEN_FILE")]
    token_file: Option<PathBuf>,
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
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        let mut request = reqwest::Client::new().request(method, &url);
        if let Some(file) = &self.token_file {
            let token = std::fs::read_to_string(file)
                .with_context(|| format!("could not read the token file {}", file.display()))?;
            request = request.bearer_auth(token.trim());
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
