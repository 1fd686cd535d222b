//! Reads bodies: within their limits, in time, decompressed, and counted while they are held.

use std::io::Read;
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;

use crate::error::{ErrorCode, Problem};
use crate::gateway::limit::Permit;
use crate::gateway::state::HttpConfig;

/// Bytes that a decompressor makes between two looks at the limits.
const CHUNK_BYTES: usize = 16 * 1024;
/// How much of a body that is too large is read and dropped, in limits: a client that still sends
/// when the connection is closed loses the answer that tells it why.
const DROPPED_LIMITS: usize = 4;
/// Largest window of a zstd body, as a power of two: 8 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Reads a whole body, decompressed.
///
/// # Errors
/// It is too large, too slow, in an unknown encoding or broken; too much is under way.
pub async fn read(
    headers: &HeaderMap,
    mut body: Body,
    config: &HttpConfig,
    permit: &mut Permit,
) -> Result<Bytes, Problem> {
    let encoding = encoding(headers)?;
    let wait = Duration::from_millis(config.body_timeout_ms);
    let limit = config.body_bytes_max;
    let whole = tokio::time::timeout(wait, collect(headers, &mut body, limit, permit));
    let whole = whole.await.map_err(|_| {
        let detail = format!("the body must arrive within {} ms", wait.as_millis());
        Problem::new(ErrorCode::TooSlow, detail)
    })?;
    if whole
        .as_ref()
        .is_err_and(|problem| problem.code == ErrorCode::TooLarge)
    {
        // A client that is too slow even for this is closed upon.
        let _ = tokio::time::timeout(wait, discard(&mut body, limit * DROPPED_LIMITS)).await;
    }
    let body = whole?;
    match encoding {
        Encoding::Identity => Ok(body),
        Encoding::Gzip => {
            let decoder = flate2::read::MultiGzDecoder::new(&body[..]);
            decompress(decoder, config.decoded_bytes_max, permit)
        }
        Encoding::Zstd => {
            let decoder = zstd::stream::read::Decoder::new(&body[..]).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Ok(decoder)
            });
            let decoder = decoder.map_err(|error| broken(&error))?;
            decompress(decoder, config.decoded_bytes_max, permit)
        }
    }
}

enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let Some(value) = headers.get(CONTENT_ENCODING) else {
        return Ok(Encoding::Identity);
    };
    match value.as_bytes() {
        b"identity" => Ok(Encoding::Identity),
        b"gzip" => Ok(Encoding::Gzip),
        b"zstd" => Ok(Encoding::Zstd),
        _ => {
            let detail = "the content encoding must be gzip, zstd or none";
            let problem = Problem::new(ErrorCode::UnsupportedMedia, detail);
            Err(problem.at("content-encoding"))
        }
    }
}

fn too_large(what: &str, limit: usize) -> Problem {
    let detail = format!("{what} must have at most {limit} bytes");
    Problem::new(ErrorCode::TooLarge, detail)
}

fn broken(error: &std::io::Error) -> Problem {
    let detail = format!("the body cannot be decompressed: {error}");
    Problem::new(ErrorCode::Malformed, detail).at("content-encoding")
}

/// Reads and drops what is left of a body, up to some bytes.
async fn discard(body: &mut Body, bytes_max: usize) {
    let mut dropped = 0;
    while let Some(Ok(frame)) = body.frame().await {
        dropped += frame.data_ref().map_or(0, Bytes::len);
        if dropped > bytes_max {
            return;
        }
    }
}

async fn collect(
    headers: &HeaderMap,
    body: &mut Body,
    limit: usize,
    permit: &mut Permit,
) -> Result<Bytes, Problem> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|announced| announced > limit) {
        return Err(too_large("the body", limit));
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            let detail = "the body ended before its announced length";
            Problem::new(ErrorCode::Malformed, detail)
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + whole.len() + data.len() > limit {
            return Err(too_large("the body", limit));
        }
        permit.grow(data.len())?;
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    if whole.is_empty() {
        return Ok(first);
    }
    Ok(whole.freeze())
}

fn decompress(mut decoder: impl Read, limit: usize, permit: &mut Permit) -> Result<Bytes, Problem> {
    let mut whole = Vec::new();
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let count = decoder.read(&mut chunk).map_err(|error| broken(&error))?;
        if count == 0 {
            return Ok(whole.into());
        }
        if whole.len() + count > limit {
            return Err(too_large("the decompressed body", limit));
        }
        permit.grow(count)?;
        whole.extend_from_slice(&chunk[..count]);
    }
}
