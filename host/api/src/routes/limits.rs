//! Limits of installations and of whole shops, with how much of each is used.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shopwright_engine::{Limits, Used};
use utoipa::ToSchema;

use super::installations::subject;
use crate::{
    auth::{Access, Operator, Owner, Viewer},
    extract::{Json, Path},
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

/// How much may be used; what is absent or null is not limited.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsBody {
    /// Runs that execute at once, on each node; the others wait in the queue.
    pub runs_in_flight: Option<u32>,
    /// Runs that begin in a minute, on each node; the others begin in a later one.
    pub runs_per_minute: Option<u32>,
    /// Effects in a day of the shop's time zone; more are denied.
    pub effects_per_day: Option<u64>,
    /// Bytes of keys and values that plugins remember; `memory.set` and its like end the run beyond.
    pub memory_bytes: Option<u64>,
}

impl From<LimitsBody> for Limits {
    fn from(body: LimitsBody) -> Self {
        let LimitsBody { runs_in_flight, runs_per_minute, effects_per_day, memory_bytes } = body;
        Self { runs_in_flight, runs_per_minute, effects_per_day, memory_bytes }
    }
}

/// A limit beside its use.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct LimitView {
    /// How much may be used; null: not limited.
    pub limit: Option<u64>,
    /// How much is.
    pub used: u64,
}

/// Every limit beside its use.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct LimitsView {
    /// Runs that execute at this moment, on this node.
    pub runs_in_flight: LimitView,
    /// Runs that began in this minute.
    pub runs_per_minute: LimitView,
    /// Effects of this day of the shop's time zone.
    pub effects_per_day: LimitView,
    /// Bytes of keys and values that plugins remember.
    pub memory_bytes: LimitView,
}

impl From<(Limits, Used)> for LimitsView {
    fn from((limits, used): (Limits, Used)) -> Self {
        let view = |limit: Option<u64>, used| LimitView { limit, used };
        Self {
            runs_in_flight: view(limits.runs_in_flight.map(Into::into), used.runs_in_flight),
            runs_per_minute: view(limits.runs_per_minute.map(Into::into), used.runs_per_minute),
            effects_per_day: view(limits.effects_per_day, used.effects_per_day),
            memory_bytes: view(limits.memory_bytes, used.memory_bytes),
        }
    }
}

async fn read(state: &ApiState, access: &Access, installation: Option<&str>) -> Result<LimitsView> {
    Ok(state.engine().limits_used(&access.shop, installation).await?.into())
}

/// Shows an installation's limits and how much of each is used
#[utoipa::path(
    get, path = "/api/v1/installations/{id}/limits", tag = "installations",
    params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = LimitsView)),
)]
pub async fn of_installation(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(id): Path<String>,
) -> Result<axum::Json<LimitsView>> {
    Ok(axum::Json(read(&state, &access, Some(&id)).await?))
}

/// Sets all limits of an installation; those that are absent end
#[utoipa::path(
    put, path = "/api/v1/installations/{id}/limits", tag = "installations",
    params(("id" = String, Path, description = "Its id")), request_body = LimitsBody,
    responses((status = 200, body = LimitsView)),
)]
pub async fn limit_installation(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
    Json(body): Json<LimitsBody>,
) -> Result<axum::Json<LimitsView>> {
    let (before, _) = state.engine().limits_used(&access.shop, Some(&id)).await?;
    state.engine().limit_installation(&access.shop, &id, body.into()).await?;
    state
        .audit(&access, "installation.limited", subject(&id), recorded(&before), recorded(&Limits::from(body)))
        .await?;
    Ok(axum::Json(read(&state, &access, Some(&id)).await?))
}

/// Shows the shop's limits and how much of each is used
#[utoipa::path(
    get, path = "/api/v1/limits", tag = "shops",
    responses((status = 200, body = LimitsView)),
)]
pub async fn of_shop(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<LimitsView>> {
    Ok(axum::Json(read(&state, &access, None).await?))
}

/// Sets all limits of a shop; needs an owner's token that is good for every shop
#[utoipa::path(
    put, path = "/api/v1/limits", tag = "shops", request_body = LimitsBody,
    responses((status = 200, body = LimitsView)),
)]
pub async fn limit_shop(
    State(state): State<ApiState>,
    Owner(access): Owner,
    Json(body): Json<LimitsBody>,
) -> Result<axum::Json<LimitsView>> {
    if access.principal.shop.is_some() {
        // What a shop could raise by itself would not protect the others.
        let detail = "A shop's limits are for the host's owner to set; the token is good for one shop only.";
        return Err(Problem::new(codes::FORBIDDEN, detail));
    }
    let (before, _) = state.engine().limits_used(&access.shop, None).await?;
    state.engine().limit_shop(&access.shop, body.into()).await?;
    let named = format!("shop:{}", access.shop);
    state.audit(&access, "shop.limited", named, recorded(&before), recorded(&Limits::from(body))).await?;
    Ok(axum::Json(read(&state, &access, None).await?))
}
