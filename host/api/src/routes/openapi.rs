//! The API's description of itself.

use axum::{extract::State, http::header, response::IntoResponse};
use bytes::Bytes;

/// The finished document.
#[derive(Debug, Clone)]
pub struct Document(pub Bytes);

/// Answers with the description; described itself in [`crate::description`].
pub async fn openapi(State(document): State<Document>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], document.0)
}
