//! Rollouts: a candidate beside an installation's version, promoting it, taking it back.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shopwright_engine::{Guard, Installation, RollOut, Rollout, Share};
use utoipa::ToSchema;

use super::installations::{InstallationView, find, subject};
use crate::{
    auth::{Operator, Viewer},
    extract::{Json, Path},
    problem::Result,
    state::{ApiState, recorded},
};

/// When the host takes a version back by itself.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GuardBody {
    /// When more than so many in a hundred ended runs failed.
    pub failure_percent: f64,
    /// Not before so many runs have ended within the window; 10 where absent.
    #[serde(default)]
    pub min_runs: Option<u32>,
    /// Over the last so many minutes; 60 where absent. A promoted version is watched for as long.
    #[serde(default)]
    pub window_minutes: Option<u32>,
}

/// A rollout to be begun or changed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RolloutBody {
    /// The candidate's version.
    pub version: String,
    /// Which runs it takes: `"all"`, `{"percent": 10}` of the keys, or `{"keys": ["customer:42"]}`. Who is in at 10
    /// percent is in at 25.
    #[schema(value_type = Object)]
    pub share: serde_json::Value,
    /// The candidate's settings; the installation's where absent.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub settings: Option<serde_json::Value>,
    /// The candidate's grants; the installation's where absent, which must be enough.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub grants: Option<serde_json::Value>,
    /// When the host takes it back by itself; what was set before where absent.
    #[serde(default)]
    pub guard: Option<GuardBody>,
}

/// How an installation's versions follow one another.
#[derive(Debug, Serialize, ToSchema)]
pub struct RolloutView {
    /// The installation.
    pub installation: String,
    /// Version that new runs get which the candidate does not take.
    pub version: String,
    /// `candidate`, `previous`, `guard`, `watched_until` and `rolled_back`, each where there is one.
    #[schema(value_type = Object)]
    pub rollout: Rollout,
    /// Runs of the watched version that ended within the guard's window; none where nothing is watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<u64>,
    /// Of these failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
}

/// Why a version is taken back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RollbackBody {
    /// For the record.
    #[serde(default)]
    pub reason: Option<String>,
}

fn share(value: serde_json::Value) -> Result<Share> {
    serde_json::from_value(value).map_err(|error| {
        shopwright_engine::EngineError::Invalid {
            code: "bad-share",
            field: "/share".into(),
            reason: format!("it is `\"all\"`, {{\"percent\": 10}} or {{\"keys\": [\"customer:42\"]}} ({error})"),
        }
        .into()
    })
}

/// Shows an installation's rollout, and how the new version does
#[utoipa::path(
    get, path = "/api/v1/installations/{id}/rollout", tag = "installations",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = RolloutView)),
)]
pub async fn show(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(id): Path<String>,
) -> Result<axum::Json<RolloutView>> {
    let installed = find(&state, &access, &id)?;
    let figures = state.engine().rollout_figures(&access.shop, &id)?;
    Ok(axum::Json(RolloutView {
        installation: installed.id,
        version: installed.version,
        rollout: installed.rollout,
        ended: figures.map(|figures| figures.ended),
        failed: figures.map(|figures| figures.failed),
    }))
}

/// Begins a rollout, or changes it: another version takes a part of the runs
///
/// Effective for the next event. Runs stay on the version that they began with.
#[utoipa::path(
    put, path = "/api/v1/installations/{id}/rollout", tag = "installations",
    params(("id" = String, Path, description = "Its id")), request_body = RolloutBody,
    responses((status = 200, body = InstallationView)),
)]
pub async fn put(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
    Json(body): Json<RolloutBody>,
) -> Result<axum::Json<InstallationView>> {
    let before = find(&state, &access, &id)?;
    let guard = body.guard.map(|guard| Guard {
        failure_percent: guard.failure_percent,
        min_runs: guard.min_runs.unwrap_or(10),
        window_minutes: guard.window_minutes.unwrap_or(60),
    });
    let request = RollOut {
        version: body.version,
        settings: body.settings,
        grants: body.grants,
        share: share(body.share)?,
        guard,
    };
    let after = state.engine().roll_out(&access.shop, &id, request).await?;
    told(&state, &access, "installation.rolled-out", &before, after).await
}

/// Makes the candidate the version; the one before is kept for a rollback
#[utoipa::path(
    post, path = "/api/v1/installations/{id}/promote", tag = "installations",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = InstallationView)),
)]
pub async fn promote(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
) -> Result<axum::Json<InstallationView>> {
    let before = find(&state, &access, &id)?;
    let after = state.engine().promote(&access.shop, &id).await?;
    told(&state, &access, "installation.promoted", &before, after).await
}

/// Drops the candidate; without one, goes back to the version before with its settings and grants
#[utoipa::path(
    post, path = "/api/v1/installations/{id}/rollback", tag = "installations",
    params(("id" = String, Path, description = "Its id")), request_body = RollbackBody,
    responses((status = 200, body = InstallationView)),
)]
pub async fn rollback(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
    Json(body): Json<RollbackBody>,
) -> Result<axum::Json<InstallationView>> {
    let before = find(&state, &access, &id)?;
    let reason = body.reason.unwrap_or_else(|| format!("rolled back by {}", access.principal.name));
    let after = state.engine().roll_back(&access.shop, &id, &reason).await?;
    told(&state, &access, "installation.rolled-back", &before, after).await
}

async fn told(
    state: &ApiState,
    access: &crate::auth::Access,
    what: &str,
    before: &InstallationView,
    after: Installation,
) -> Result<axum::Json<InstallationView>> {
    let after = InstallationView::from(after);
    state.audit(access, what, subject(&after.id), recorded(before), recorded(&after)).await?;
    Ok(axum::Json(after))
}
