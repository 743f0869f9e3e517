//! For machines that watch: is it alive, does it take work, what does it do; and the pages about codes.

use axum::{extract::State, http::header, response::IntoResponse};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    auth::Anyone,
    extract::Path,
    problem::{Problem, Result, codes},
    state::ApiState,
};

/// That all is well.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`
    pub status: String,
    /// The host's version.
    pub version: String,
}

fn ok() -> axum::Json<Health> {
    axum::Json(Health { status: "ok".into(), version: env!("CARGO_PKG_VERSION").into() })
}

/// Says that the process lives
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, body = Health)))]
pub async fn healthz() -> axum::Json<Health> {
    ok()
}

/// Says whether it takes work: the store answers, and it is not about to end
#[utoipa::path(
    get, path = "/readyz", tag = "health", security(()),
    responses((status = 200, body = Health)),
)]
pub async fn readyz(State(state): State<ApiState>) -> Result<axum::Json<Health>> {
    if state.is_ending() {
        return Err(Problem::new(codes::UNAVAILABLE, "The host is about to end."));
    }
    if !state.store().healthy() {
        return Err(Problem::new(codes::UNAVAILABLE, "The store cannot be used now."));
    }
    Ok(ok())
}

/// Figures as Prometheus text
///
/// Without a token on loopback; else with one that is good for every shop.
#[utoipa::path(
    get, path = "/metrics", tag = "health", security((), ("token" = [])),
    responses((status = 200, body = String, content_type = "text/plain")),
)]
pub async fn metrics(State(state): State<ApiState>, holder: Result<Anyone>) -> Result<impl IntoResponse> {
    if !state.options().open_metrics {
        let Anyone(principal) = holder?;
        if principal.shop.is_some() {
            let detail = "The figures are those of the whole host; the token is good for one shop only.";
            return Err(Problem::new(codes::FORBIDDEN, detail));
        }
    }
    let mut text = state.engine().metrics();
    text.truncate(text.trim_end().trim_end_matches("# EOF").len());
    text.push_str(&state.figures().render());
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

/// What a problem's code means.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CodePage {
    /// The code.
    pub code: String,
    /// The HTTP status it comes with.
    pub status: u16,
    /// What it means.
    pub title: String,
    /// What to do.
    pub remedy: String,
}

/// Explains a problem's code
#[utoipa::path(
    get, path = "/problems/{code}", tag = "health", security(()), params(("code" = String, Path, description = "A problem's code")),
    responses((status = 200, body = CodePage)),
)]
pub async fn code(Path(code): Path<String>) -> Result<axum::Json<CodePage>> {
    let known = codes::find(&code).ok_or_else(|| Problem::new(codes::NOT_FOUND, "There is no such code."))?;
    Ok(axum::Json(CodePage {
        code: known.code.into(),
        status: known.status,
        title: known.title.into(),
        remedy: known.remedy.into(),
    }))
}
