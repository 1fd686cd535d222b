//! Streams an export.

use std::io;

use axum::body::{Body, Bytes};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::stream;

use super::csv::Csv;
use super::geojson::GeoJson;
use super::parquet::Parquet;
use super::source::{Broken, Line, Source};
use crate::gateway::limit::{Permit, Place};

/// How an export is written.
pub enum Writer {
    Csv(Csv),
    GeoJson(GeoJson),
    Parquet(Box<Parquet>),
}

impl Writer {
    fn lines(&mut self, lines: Vec<Line>) -> io::Result<Vec<u8>> {
        match self {
            Self::Csv(csv) => csv.lines(&lines).map_err(io::Error::other),
            Self::GeoJson(track) => Ok(track.lines(&lines)),
            Self::Parquet(file) => file.lines(lines).map_err(io::Error::other),
        }
    }

    fn end(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Csv(csv) => csv.lines(&[]).map_err(io::Error::other),
            Self::GeoJson(track) => Ok(track.end()),
            Self::Parquet(file) => file.end().map_err(io::Error::other),
        }
    }

    const fn media_type(&self) -> &'static str {
        match self {
            Self::Csv(_) => "text/csv; charset=utf-8",
            Self::GeoJson(_) => "application/geo+json",
            Self::Parquet(_) => "application/vnd.apache.parquet",
        }
    }

    const fn extension(&self) -> &'static str {
        match self {
            Self::Csv(_) => "csv",
            Self::GeoJson(_) => "geojson",
            Self::Parquet(_) => "parquet",
        }
    }
}

struct Export {
    source: Source,
    writer: Writer,
    first: Option<Vec<Line>>,
    over: bool,
    _permit: Permit,
    _place: Place,
}

impl Export {
    /// The next bytes; `None` when the document is whole.
    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.over {
            let lines = match self.first.take() {
                Some(lines) => Some(lines),
                None => self.source.next().await.map_err(io::Error::other)?,
            };
            let bytes = match lines {
                Some(lines) => self.writer.lines(lines)?,
                None => {
                    self.over = true;
                    self.writer.end()?
                }
            };
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
        }
        Ok(None)
    }
}

/// Reads the first lines, then answers with them and all others. When something fails later the
/// body is broken off, so that no client takes a part for the whole.
///
/// # Errors
/// The first lines cannot be read.
pub async fn start(
    mut source: Source,
    writer: Writer,
    name: &str,
    (permit, place): (Permit, Place),
) -> Result<Response, Broken> {
    let first = source.next().await?;
    let media_type = HeaderValue::from_static(writer.media_type());
    let file = format!("attachment; filename=\"{name}.{}\"", writer.extension());
    let export = Export {
        source,
        writer,
        first,
        over: false,
        _permit: permit,
        _place: place,
    };
    let body = stream::try_unfold(export, |mut export| async move {
        let next = export.next().await.inspect_err(|error| {
            tracing::warn!(error = %error, "export broken off");
        });
        Ok::<_, io::Error>(next?.map(|bytes| (bytes, export)))
    });
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    if let Ok(file) = HeaderValue::from_str(&file) {
        headers.insert(CONTENT_DISPOSITION, file);
    }
    Ok(response)
}
