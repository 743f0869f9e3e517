//! Schedules: when which workflow runs next.

use axum::extract::State;
use serde::Serialize;
use shopwright_model::Millis;
use shopwright_store::ScheduleRow;
use utoipa::ToSchema;

use crate::{auth::Viewer, paging::Page, problem::Result, state::ApiState};

/// A schedule of an installation's workflow.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScheduleView {
    /// Installation.
    pub installation: String,
    /// Workflow.
    pub workflow: String,
    /// Its text in the manifest, in the shop's time zone.
    pub cron: String,
    /// The same in words.
    pub words: String,
    /// When it fires next, in milliseconds since 1970; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Millis>,
    /// Which time it fired for last, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_at: Option<Millis>,
}

impl From<ScheduleRow> for ScheduleView {
    fn from(row: ScheduleRow) -> Self {
        let words =
            shopwright_triggers::Schedule::parse(&row.cron).map(|schedule| schedule.words()).unwrap_or_default();
        let ScheduleRow { installation, workflow, cron, next_at, last_at, .. } = row;
        Self { installation, workflow, cron, words, next_at, last_at }
    }
}

/// Lists schedules
#[utoipa::path(
    get, path = "/api/v1/schedules", tag = "schedules",
    responses((status = 200, body = Page<ScheduleView>)),
)]
pub async fn list(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<Page<ScheduleView>>> {
    let rows = state.store().schedules_list(&access.shop).await?;
    Ok(axum::Json(Page::whole(rows.into_iter().map(Into::into).collect())))
}
