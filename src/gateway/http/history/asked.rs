//! Puts an export together as it was asked for.

use std::sync::Arc;

use axum::response::Response;
use parquet::errors::ParquetError;

use super::Format;
use super::csv::Csv;
use super::export::{self, Writer};
use super::geojson::GeoJson;
use super::parquet::Parquet;
use super::source::{Broken, Extent, Source, Wanted};
use crate::error::{ErrorCode, Problem};
use crate::gateway::http::problem::Refusal;
use crate::gateway::http::read::{not_read, stored};
use crate::gateway::limit::{Permit, Place, RETRY_AFTER};
use crate::gateway::ports::{FieldSet, HistoryRequest, Order, Steps};
use crate::gateway::state::Gateway;

/// What is to be exported.
pub struct Export {
    pub request: HistoryRequest,
    pub steps: Option<Steps>,
    pub limit: Option<usize>,
    pub format: Format,
    /// How far a track may be off.
    pub simplify_m: Option<f64>,
}

/// Answers with an export.
///
/// # Errors
/// It is too large, or its first lines cannot be read.
pub async fn export(
    gateway: &Gateway,
    export: Export,
    held: (Permit, Place),
) -> Result<Response, Refusal> {
    let history = stored(gateway)?;
    let (max, drone) = (
        gateway.config.http.export_rows_max,
        export.request.drone.clone(),
    );
    if export.limit.is_none() && export.steps.is_none() {
        let range = export.request.range.clone();
        let estimate = history.estimate(&drone, range).await.map_err(not_read)?;
        if estimate > max as u64 {
            return Err(Problem::new(
                ErrorCode::Invalid,
                format!(
                    "there are about {estimate} samples and an export has at most {max}: ask for \
                     a shorter range, or for a `step` such as `1m`, or name a `limit`"
                ),
            )
            .at("from")
            .into());
        }
    }
    let mut request = export.request;
    request.order = Order::Oldest;
    if export.format == Format::GeoJson {
        let track = ["position.latitude_deg", "position.longitude_deg"];
        request.fields = FieldSet::from_paths(track).unwrap_or(FieldSet::ALL);
    }
    let wanted = match export.steps {
        Some(steps) => Wanted::Steps(drone.clone(), request.fields, steps),
        None => Wanted::Samples(request),
    };
    let extent = Extent {
        chunk: gateway.config.http.export_chunk_rows.max(1),
        limit: export.limit,
        max,
    };
    let source = Source::new(Arc::clone(history), wanted, extent);
    let columns = source.columns();
    let writer = match export.format {
        Format::GeoJson => {
            Writer::GeoJson(GeoJson::new(drone.to_string(), &columns, export.simplify_m))
        }
        Format::Parquet => {
            let file = Parquet::new(&columns, source.kinds());
            let wrong = |error: ParquetError| Problem::new(ErrorCode::Internal, error.to_string());
            Writer::Parquet(Box::new(file.map_err(wrong)?))
        }
        Format::Csv | Format::Json => Writer::Csv(Csv::new(columns)),
    };
    let response = export::start(source, writer, drone.as_str(), held).await;
    response.map_err(|broken| match broken {
        Broken::History(error) => not_read(error).into(),
        other => Problem::new(ErrorCode::Unavailable, other.to_string())
            .retry_after(RETRY_AFTER)
            .into(),
    })
}
