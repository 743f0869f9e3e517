//! Approvals: questions that runs ask people.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shopwright_model::{Millis, RunId};
use shopwright_store::{ApprovalFilter, ops::ApprovalRow};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::{Operator, Viewer},
    extract::{Json, Path, Query},
    paging::{Page, PageParams, Paging},
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

const LIST: &str = "approvals";

/// A question to a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApprovalView {
    /// Its id.
    pub id: String,
    /// The run that waits for the answer.
    #[schema(value_type = String)]
    pub run: RunId,
    /// The question in one line.
    pub title: String,
    /// What there is to know for the answer.
    #[schema(value_type = Object)]
    pub details: serde_json::Value,
    /// What can be answered.
    pub choices: Vec<String>,
    /// `open`, `escalated`, `answered`, `expired`.
    pub state: String,
    /// The staff channel that it stands with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// The staff channel that is asked after the deadline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalate_to: Option<String>,
    /// When it is passed on or expires, in milliseconds since 1970.
    pub deadline_at: Millis,
    /// When it was asked, in milliseconds since 1970.
    pub created_at: Millis,
    /// What was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// When, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Millis>,
}

impl From<ApprovalRow> for ApprovalView {
    fn from(row: ApprovalRow) -> Self {
        Self {
            id: row.id,
            run: row.run,
            title: row.title,
            details: serde_json::from_str(&row.details).unwrap_or_default(),
            choices: serde_json::from_str(&row.choices).unwrap_or_default(),
            state: row.state,
            asked: row.asked,
            escalate_to: row.escalate_to,
            deadline_at: row.deadline_at,
            created_at: row.created_at,
            choice: row.choice,
            answered_by: row.answered_by,
            answered_at: row.answered_at,
        }
    }
}

/// Which approvals to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// `open`, `escalated`, `answered`, `expired`.
    state: Option<String>,
    /// Of this run.
    run: Option<String>,
}

/// Lists approvals, the newest first
#[utoipa::path(
    get, path = "/api/v1/approvals", tag = "approvals", params(Filter, PageParams),
    responses((status = 200, body = Page<ApprovalView>)),
)]
pub async fn list(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    paging: Paging,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<ApprovalView>>> {
    let run = filter.run.map(|run| run.parse::<RunId>().map_err(|_| Problem::no_such("run"))).transpose()?;
    let before = match paging.after::<2>(LIST)? {
        None => None,
        Some([at, id]) => match at.parse() {
            Ok(at) => Some((at, id)),
            Err(_) => return Err(Problem::new(codes::INVALID_CURSOR, "The cursor in `after` names no approval.")),
        },
    };
    let filter = ApprovalFilter { state: filter.state, run, before, limit: paging.limit + 1 };
    let rows = state.store().approvals_list(&access.shop, &filter).await?;
    let page = Page::cut(LIST, rows, paging.limit, |row| vec![row.created_at.to_string(), row.id.clone()]);
    Ok(axum::Json(page.map(ApprovalView::from)))
}

async fn find(state: &ApiState, shop: &str, id: &str) -> Result<ApprovalView> {
    let row = state.store().approval(shop, id).await?;
    row.map(Into::into).ok_or_else(|| Problem::no_such("approval"))
}

/// Shows an approval
#[utoipa::path(
    get, path = "/api/v1/approvals/{id}", tag = "approvals", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = ApprovalView)),
)]
pub async fn show(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(id): Path<String>,
) -> Result<axum::Json<ApprovalView>> {
    find(&state, &access.shop, &id).await.map(axum::Json)
}

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// One of the choices.
    pub choice: String,
}

/// Answers an approval: the run that asked goes on
#[utoipa::path(
    post, path = "/api/v1/approvals/{id}/answer", tag = "approvals", params(("id" = String, Path, description = "Its id")),
    request_body = Answer,
    responses((status = 200, body = ApprovalView)),
)]
pub async fn answer(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
    Json(answer): Json<Answer>,
) -> Result<axum::Json<ApprovalView>> {
    let before = find(&state, &access.shop, &id).await?;
    if !before.choices.is_empty() && !before.choices.contains(&answer.choice) {
        let reason = format!("`{}` is no choice; the choices are {}", answer.choice, before.choices.join(", "));
        return Err(Problem::new(codes::INVALID, format!("At /choice: {reason}.")).at("/choice", reason));
    }
    state.engine().answer(&access.shop, &id, &answer.choice, &access.principal.name).await?;
    let after = find(&state, &access.shop, &id).await?;
    let choice = recorded(&serde_json::json!({"title": after.title, "choice": answer.choice}));
    state.audit(&access, "approval.answered", format!("approval:{id}"), None, choice).await?;
    Ok(axum::Json(after))
}
