//! `aerostream dlq`: lists, shows and replays dead letters.

use std::io::Write;

use anyhow::{Context, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use reqwest::{Method, Url};
use serde_json::Value;

use super::client::{Door, print_json};
use crate::error::Problem;
use crate::gateway::dead_letter::find::LetterId;

/// Bytes on a line of hexadecimal.
const HEX_BYTES: usize = 16;
/// Most that one page of the gateway is asked for.
const PAGE: usize = 500;

/// Of `aerostream dlq`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    door: Door,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists dead letters, newest first, one JSON object a line
    List(Filter),
    /// Shows why something was refused, and what it was
    Show {
        /// PARTITION-OFFSET, as `list` tells it
        id: String,
    },
    /// Sends what was refused again, to be judged as it is now; the letters stay
    Replay {
        /// PARTITION-OFFSET, as `list` tells it
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Filter {
    /// Of this drone only
    #[arg(long)]
    drone: Option<String>,
    /// Refused with this code only, such as `out_of_range`
    #[arg(long)]
    code: Option<String>,
    /// From this moment on: RFC 3339 or microseconds since 1970
    #[arg(long)]
    from: Option<String>,
    /// Before this moment
    #[arg(long)]
    to: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// Asks the gateway and prints its answer.
///
/// # Errors
/// The gateway is out of reach or says no.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let Options { door, command } = options;
    match command {
        Command::List(filter) => list(&door, &filter).await,
        Command::Show { id } => show(&door.call(Method::GET, &path(&id)?, None).await?),
        Command::Replay { ids } => replay(&door, &ids).await,
    }
}

/// Path of a letter: what is no id must not become another path.
fn path(id: &str) -> anyhow::Result<String> {
    let id: LetterId = id
        .parse()
        .map_err(|problem: Problem| anyhow!("{}", problem.detail))?;
    Ok(format!("/api/v1/dead-letters/{id}"))
}

async fn list(door: &Door, filter: &Filter) -> anyhow::Result<()> {
    let mut left = filter.limit;
    let mut after = None::<String>;
    while left > 0 {
        let limit = left.min(PAGE).to_string();
        let parameters = [
            ("limit", Some(limit.as_str())),
            ("drone", filter.drone.as_deref()),
            ("code", filter.code.as_deref()),
            ("from", filter.from.as_deref()),
            ("to", filter.to.as_deref()),
            ("after", after.as_deref()),
        ];
        let given = parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        // Only its query is used; the door knows the host.
        let url = Url::parse_with_params("http://door/api/v1/dead-letters", given)?;
        let path = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let answer = door.call(Method::GET, &path, None).await?;
        for letter in answer["dead_letters"].as_array().into_iter().flatten() {
            print_json(letter)?;
            left -= 1;
        }
        after = answer["next_after"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

/// Tries every letter, so that one that is still refused does not hide the others.
async fn replay(door: &Door, ids: &[String]) -> anyhow::Result<()> {
    let mut failed = 0;
    for id in ids {
        let path = format!("{}/replay", path(id)?);
        match door.call(Method::POST, &path, None).await {
            Ok(answer) => print_json(&answer)?,
            Err(error) => {
                failed += 1;
                tracing::warn!(
                    dead_letter.id = id,
                    error = format!("{error:#}"),
                    "not taken"
                );
            }
        }
    }
    anyhow::ensure!(failed == 0, "{failed} of {} were not taken", ids.len());
    Ok(())
}

fn show(letter: &Value) -> anyhow::Result<()> {
    print(&page(letter)?)
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).context("could not print")
}

/// The letter's head, then what was refused in the clearest form that it has.
fn page(letter: &Value) -> anyhow::Result<String> {
    let mut page = String::new();
    let head = [
        "id",
        "at",
        "drone_id",
        "boot",
        "seq",
        "principal",
        "code",
        "field",
        "detail",
        "encoding",
        "content",
        "raw_bytes",
        "replayable",
        "not_replayable_since",
    ];
    for name in head {
        let told = match &letter[name] {
            Value::Null => continue,
            Value::String(text) if text.is_empty() => continue,
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        page += &format!("{name:<22}{told}\n");
    }
    page += "\n";
    let raw = STANDARD.decode(letter["raw"].as_str().unwrap_or_default());
    let raw = raw.context("the gateway's answer has no bytes")?;
    let text = letter["raw_text"].as_str();
    let json = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
    let json = json.and_then(|json| serde_json::to_string_pretty(&json).ok());
    let is_json = letter["encoding"] == "json";
    match (json, letter["decoded"].as_str(), text) {
        (Some(json), ..) if is_json => page += &format!("{json}\n"),
        (_, Some(decoded), _) => page += &format!("{decoded}\n\n{}", hex(&raw)),
        (_, _, Some(text)) if is_json => page += &format!("{text}\n"),
        _ => page += &hex(&raw),
    }
    Ok(page)
}

fn hex(raw: &[u8]) -> String {
    let mut dump = String::new();
    for (line, bytes) in raw.chunks(HEX_BYTES).enumerate() {
        let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let shown = |byte: &u8| match byte {
            0x20..=0x7e => char::from(*byte),
            _ => '.',
        };
        let text: String = bytes.iter().map(shown).collect();
        dump += &format!(
            "{:08x}  {:<47}  {text}\n",
            line * HEX_BYTES,
            digits.join(" ")
        );
    }
    dump
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_refused_is_shown_in_its_clearest_form() {
        let raw = |bytes: &[u8]| STANDARD.encode(bytes);
        let letter = json!({
            "id": "1-7", "code": "out_of_range", "field": "", "encoding": "json",
            "raw": raw(b"{\"seq\":1}"), "raw_text": "{\"seq\":1}",
        });
        let shown = page(&letter).unwrap();
        assert!(
            shown.contains("code                  out_of_range\n"),
            "{shown}"
        );
        assert!(shown.ends_with("{\n  \"seq\": 1\n}\n"), "{shown}");
        assert!(!shown.contains("field"), "{shown}");
        let letter = json!({
            "id": "1-8", "encoding": "protobuf", "decoded": "Sample {}", "raw": raw(&[8, 65]),
        });
        let shown = page(&letter).unwrap();
        assert!(shown.contains("Sample {}\n\n00000000  08 41"), "{shown}");
        assert!(shown.ends_with("  .A\n"), "{shown}");
        assert!(page(&json!({ "raw": "not base64" })).is_err());
    }
}
