//! JSON answers.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer as JSON.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let text = serde_json::to_vec(&self.0)
            .expect("an answer of texts and numbers under text keys is always JSON");
        let json = HeaderValue::from_static("application/json");
        ([(CONTENT_TYPE, json)], text).into_response()
    }
}
