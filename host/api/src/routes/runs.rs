//! Runs: listing them, one with all that it did, starting and cancelling by hand.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use shopwright_engine::Timeline;
use shopwright_model::{Millis, RunId};
use shopwright_store::{
    EffectFilter, RunFilter,
    ops::{EffectRow, RunRow, RunState, TriggerKind},
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::{Developer, Viewer},
    extract::{Json, Path, Query},
    paging::{Page, PageParams, Paging},
    problem::{Problem, Result},
    state::{ApiState, recorded},
};

const LIST: &str = "runs";
const EFFECTS: &str = "effects";

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateView {
    /// Queued or executing.
    Active,
    /// In line behind another of its key.
    Blocked,
    /// Waits for a time, an event, an answer or a retry.
    Waiting,
    /// Ended well.
    Done,
    /// Ended badly.
    Failed,
    /// Ended by a person or by its concurrency rule.
    Cancelled,
}

impl From<RunState> for StateView {
    fn from(state: RunState) -> Self {
        match state {
            RunState::Active => Self::Active,
            RunState::Blocked => Self::Blocked,
            RunState::Waiting => Self::Waiting,
            RunState::Done => Self::Done,
            RunState::Failed => Self::Failed,
            RunState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<StateView> for RunState {
    fn from(state: StateView) -> Self {
        match state {
            StateView::Active => Self::Active,
            StateView::Blocked => Self::Blocked,
            StateView::Waiting => Self::Waiting,
            StateView::Done => Self::Done,
            StateView::Failed => Self::Failed,
            StateView::Cancelled => Self::Cancelled,
        }
    }
}

/// A run.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunView {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RunId,
    /// Its installation.
    pub installation: String,
    /// Workflow of the plugin.
    pub workflow: String,
    /// The component it is pinned to.
    pub digest: String,
    /// `live`, `shadow` or `backtest`.
    pub mode: String,
    /// Where it stands.
    pub state: StateView,
    /// `event`, `schedule`, `manual` or `continued`.
    pub trigger: &'static str,
    /// Number of the event that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<i64>,
    /// For schedules: the time. By hand: the input.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub input: Option<serde_json::Value>,
    /// Its concurrency key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How often it was tried again.
    pub attempt: u32,
    /// Until when it waits at the latest, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<Millis>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub waits_for: Option<serde_json::Value>,
    /// What came of it, in the workflow's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// Stable code of its failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Actions it asked for.
    pub effects: u32,
    /// Host calls in its journal.
    pub journal_entries: u32,
    /// The run that started it, continued into it, or is tried again by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub parent: Option<RunId>,
    /// When it was created, in milliseconds since 1970.
    pub created_at: Millis,
    /// When it last changed, in milliseconds since 1970.
    pub updated_at: Millis,
    /// When it ended, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
}

/// JSON text as a document; other text as a string.
fn document(text: String) -> serde_json::Value {
    serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))
}

impl From<RunRow> for RunView {
    fn from(row: RunRow) -> Self {
        let trigger = match row.trigger {
            TriggerKind::Event => "event",
            TriggerKind::Schedule => "schedule",
            TriggerKind::Manual => "manual",
            TriggerKind::Continued => "continued",
        };
        let waits = matches!(row.state, RunState::Waiting);
        Self {
            id: row.id,
            installation: row.installation,
            workflow: row.workflow,
            digest: row.digest,
            mode: row.mode,
            state: row.state.into(),
            trigger,
            event: row.event_seq,
            input: row.input.map(document),
            key: row.key,
            attempt: row.attempt,
            waits_until: row.due_at.filter(|_| waits),
            waits_for: row.wait.filter(|_| waits).map(document),
            outcome: row.outcome,
            error_code: row.error_code,
            error: row.error,
            effects: row.effects,
            journal_entries: row.entries,
            parent: row.parent,
            created_at: row.created_at,
            updated_at: row.updated_at,
            ended_at: row.ended_at,
        }
    }
}

/// Which runs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only in this state.
    #[param(inline)]
    state: Option<StateView>,
    /// Only of this installation.
    installation: Option<String>,
    /// Only of this workflow.
    workflow: Option<String>,
    /// Only those that failed with this code.
    error_code: Option<String>,
    /// Only those of this component (its digest).
    digest: Option<String>,
}

/// Lists runs, the newest first
#[utoipa::path(
    get, path = "/api/v1/runs", tag = "runs", params(Filter, PageParams),
    responses((status = 200, body = Page<RunView>)),
)]
pub async fn list(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    paging: Paging,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<RunView>>> {
    let filter = RunFilter {
        state: filter.state.map(Into::into),
        installation: filter.installation,
        workflow: filter.workflow,
        error_code: filter.error_code,
        digest: filter.digest,
        before: paging.after_number(LIST)?.map(RunId),
        limit: paging.limit + 1,
    };
    let rows = state.store().runs_list(&access.shop, &filter).await?;
    let page = Page::cut(LIST, rows, paging.limit, |row| vec![row.id.0.to_string()]);
    Ok(axum::Json(page.map(RunView::from)))
}

/// How many runs are in which state.
#[derive(Debug, Serialize, ToSchema)]
#[allow(missing_docs)] // The fields are the states.
pub struct CountsView {
    pub active: u64,
    pub blocked: u64,
    pub waiting: u64,
    pub done: u64,
    pub failed: u64,
    pub cancelled: u64,
}

/// Counts runs by state
#[utoipa::path(
    get, path = "/api/v1/run-counts", tag = "runs",
    responses((status = 200, body = CountsView)),
)]
pub async fn counts(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<CountsView>> {
    let counts = state.store().run_counts(&access.shop).await?;
    Ok(axum::Json(CountsView {
        active: counts.active,
        blocked: counts.blocked,
        waiting: counts.waiting,
        done: counts.done,
        failed: counts.failed,
        cancelled: counts.cancelled,
    }))
}

/// An action that a run asked for, and what became of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EffectView {
    /// Its id, and its idempotency key at the receiving side.
    pub id: String,
    /// Its run.
    #[schema(value_type = String)]
    pub run: RunId,
    /// Its place in the run's journal.
    pub position: u32,
    /// Its installation.
    pub installation: String,
    /// The function, such as `messaging.send-email`.
    pub action: String,
    /// What it concerns.
    pub subject: String,
    /// The action as it was asked for.
    #[schema(value_type = Object)]
    pub request: serde_json::Value,
    /// `intended`, `sent`, `done`, `failed`, `unknown`, `denied`, `recorded`.
    pub state: &'static str,
    /// Who carries it out.
    pub connector: String,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub answer: Option<serde_json::Value>,
    /// Tries so far.
    pub attempts: u32,
    /// When it is tried next, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Millis>,
    /// Why it was denied or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was asked for, in milliseconds since 1970.
    pub created_at: Millis,
    /// When it last changed, in milliseconds since 1970.
    pub updated_at: Millis,
}

/// The name of an effect's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // As the ledger has them.
pub enum EffectStateView {
    Intended,
    Sent,
    Done,
    Failed,
    Unknown,
    Denied,
    Recorded,
}

mod effect_state {
    use super::EffectStateView as View;
    use shopwright_store::ops::EffectState as Row;

    const PAIRS: [(View, Row, &str); 7] = [
        (View::Intended, Row::Intended, "intended"),
        (View::Sent, Row::Sent, "sent"),
        (View::Done, Row::Done, "done"),
        (View::Failed, Row::Failed, "failed"),
        (View::Unknown, Row::Unknown, "unknown"),
        (View::Denied, Row::Denied, "denied"),
        (View::Recorded, Row::Recorded, "recorded"),
    ];

    pub fn name(state: Row) -> &'static str {
        PAIRS.iter().find(|(_, row, _)| *row == state).map_or("unknown", |(.., name)| name)
    }

    pub fn row(view: View) -> Row {
        PAIRS.iter().find(|(known, ..)| *known == view).map_or(Row::Unknown, |(_, row, _)| *row)
    }
}

impl From<EffectRow> for EffectView {
    fn from(row: EffectRow) -> Self {
        Self {
            id: row.id,
            run: row.run,
            position: row.position,
            installation: row.installation,
            action: row.action,
            subject: row.subject,
            request: document(row.request),
            state: effect_state::name(row.state),
            connector: row.connector,
            answer: row.answer.map(document),
            attempts: row.attempts,
            next_at: row.next_at,
            error: row.error,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A run with all that it did.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineView {
    /// The run.
    #[serde(flatten)]
    pub run: RunView,
    /// What it asked the host and what the host answered, in order.
    #[schema(value_type = Vec<Object>)]
    pub journal: Vec<shopwright_engine::TimelineEntry>,
    /// The actions it asked for.
    #[serde(rename = "ledger")]
    pub effects: Vec<EffectView>,
    /// What it logged.
    #[schema(value_type = Vec<Object>)]
    pub log: Vec<shopwright_engine::LogEntry>,
}

pub(super) fn run_id(text: &str) -> Result<RunId> {
    // What is no id names no run.
    text.parse().map_err(|_| Problem::no_such("run"))
}

/// Shows a run with its journal, effects and log
#[utoipa::path(
    get, path = "/api/v1/runs/{id}", tag = "runs", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = TimelineView)),
)]
pub async fn show(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(id): Path<String>,
) -> Result<axum::Json<TimelineView>> {
    let timeline = state.engine().timeline(&access.shop, run_id(&id)?).await?;
    let Timeline { run, entries, effects, log } = timeline.ok_or_else(|| Problem::no_such("run"))?;
    let effects = effects.into_iter().map(Into::into).collect();
    Ok(axum::Json(TimelineView { run: run.into(), journal: entries, effects, log }))
}

/// A run to be started by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRun {
    /// The installation.
    pub installation: String,
    /// The workflow.
    pub workflow: String,
    /// What the workflow gets; `{}` where absent.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub input: Option<serde_json::Value>,
    /// A name under which it is started at most once: a second call answers the first run's id.
    #[serde(default)]
    pub key: Option<String>,
}

/// The run that was started.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StartedRun {
    /// Its id.
    pub run: String,
}

/// Starts a run by hand
#[utoipa::path(
    post, path = "/api/v1/runs", tag = "runs", request_body = NewRun,
    responses((status = 202, body = StartedRun)),
)]
pub async fn start(
    State(state): State<ApiState>,
    Developer(access): Developer,
    Json(new): Json<NewRun>,
) -> Result<(StatusCode, axum::Json<StartedRun>)> {
    let input = new.input.unwrap_or_else(|| serde_json::Value::Object(serde_json::Map::new()));
    let after =
        recorded(&serde_json::json!({"installation": new.installation, "workflow": new.workflow, "input": input}));
    let run =
        state.engine().start_run(&access.shop, &new.installation, &new.workflow, &input, new.key.as_deref()).await?;
    state.audit(&access, "run.started", run.to_string(), None, after).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(StartedRun { run: run.to_string() })))
}

/// Why a run is cancelled.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// For the record.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Whether a run was cancelled.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Cancelled {
    /// False: it had ended before.
    pub cancelled: bool,
}

/// Cancels a run
///
/// What it did stays done; it does nothing more.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/cancel", tag = "runs", params(("id" = String, Path, description = "Its id")),
    request_body = Cancel,
    responses((status = 200, body = Cancelled)),
)]
pub async fn cancel(
    State(state): State<ApiState>,
    Developer(access): Developer,
    Path(id): Path<String>,
    Json(cancel): Json<Cancel>,
) -> Result<axum::Json<Cancelled>> {
    let run = run_id(&id)?;
    if state.store().run(&access.shop, run).await?.is_none() {
        return Err(Problem::no_such("run"));
    }
    let reason = cancel.reason.unwrap_or_else(|| format!("cancelled by {}", access.principal.name));
    let cancelled = state.engine().cancel(&access.shop, run, &reason).await?;
    if cancelled {
        let after = recorded(&serde_json::json!({"reason": reason}));
        state.audit(&access, "run.cancelled", run.to_string(), None, after).await?;
    }
    Ok(axum::Json(Cancelled { cancelled }))
}

/// Which effects to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EffectsFilter {
    /// Only in this state.
    #[param(inline)]
    state: Option<EffectStateView>,
    /// Only of this installation.
    installation: Option<String>,
    /// Only on this subject, such as `customer:42`.
    subject: Option<String>,
    /// Only this action, such as `messaging.send-email`.
    action: Option<String>,
}

/// Lists effects: the ledger of all actions, newest runs first
#[utoipa::path(
    get, path = "/api/v1/effects", tag = "runs", params(EffectsFilter, PageParams),
    responses((status = 200, body = Page<EffectView>)),
)]
pub async fn effects(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    paging: Paging,
    Query(filter): Query<EffectsFilter>,
) -> Result<axum::Json<Page<EffectView>>> {
    let before = match paging.after::<2>(EFFECTS)? {
        None => None,
        Some([run, position]) => match (run.parse(), position.parse()) {
            (Ok(run), Ok(position)) => Some((RunId(run), position)),
            _ => {
                return Err(Problem::new(
                    crate::problem::codes::INVALID_CURSOR,
                    "The cursor in `after` names no effect.",
                ));
            }
        },
    };
    let filter = EffectFilter {
        state: filter.state.map(effect_state::row),
        installation: filter.installation,
        subject: filter.subject,
        action: filter.action,
        before,
        limit: paging.limit + 1,
    };
    let rows = state.store().effects_list(&access.shop, &filter).await?;
    let page = Page::cut(EFFECTS, rows, paging.limit, |row| vec![row.run.0.to_string(), row.position.to_string()]);
    Ok(axum::Json(page.map(EffectView::from)))
}
