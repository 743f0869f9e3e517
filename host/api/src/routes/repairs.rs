//! Runs that are to go on although they failed, wait or are stuck: moved to another version, tried again, one or many.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shopwright_engine::{Bulk, Move, Moved, Rehearsed, Repair, RepairOutcome, Repaired, RetryFrom, SettingsOf};
use shopwright_model::RunId;
use utoipa::ToSchema;

use super::runs::{StateView, run_id};
use crate::{
    auth::Operator,
    extract::{Json, Path},
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

/// The settings that a moved run goes on with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingsFrom {
    /// Those that it began with.
    #[default]
    Run,
    /// Those that the installation has now.
    Installation,
}

/// How a run is moved.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MoveBody {
    /// To which version of its plugin; the installation's where absent.
    pub version: Option<String>,
    /// With which settings; its own where absent.
    pub settings: SettingsFrom,
    /// Only see whether its journal agrees.
    pub dry_run: bool,
}

impl From<MoveBody> for Move {
    fn from(body: MoveBody) -> Self {
        let settings = match body.settings {
            SettingsFrom::Run => SettingsOf::Run,
            SettingsFrom::Installation => SettingsOf::Installation,
        };
        Self { version: body.version, settings, dry_run: body.dry_run }
    }
}

/// What replaying a run with another version showed, without doing anything.
#[derive(Debug, Serialize, ToSchema)]
pub struct RehearsalView {
    /// `agrees`: with the whole journal. `differs`: it asks for something else. `fails`: before it asks for anything new.
    pub verdict: &'static str,
    /// `agrees`: how many entries the journal has. Else: the place in the journal, from 0.
    pub step: u32,
    /// `differs`: what the journal says there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// `differs`: what it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    /// `fails`: the stable code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// `fails`: for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// `fails`: as the run failed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub same: Option<bool>,
    /// The same in words.
    pub words: String,
}

impl From<Rehearsed> for RehearsalView {
    fn from(rehearsed: Rehearsed) -> Self {
        let words = rehearsed.to_string();
        let mut view = Self {
            verdict: "agrees",
            step: 0,
            recorded: None,
            asked: None,
            error_code: None,
            error: None,
            same: None,
            words,
        };
        match rehearsed {
            Rehearsed::Agrees { steps } => view.step = steps,
            Rehearsed::Differs { step, recorded, asked } => {
                (view.verdict, view.step) = ("differs", step);
                (view.recorded, view.asked) = (Some(recorded), Some(asked));
            }
            Rehearsed::Fails { step, code, message, same } => {
                (view.verdict, view.step) = ("fails", step);
                (view.error_code, view.error, view.same) = (Some(code), Some(message), Some(same));
            }
        }
        view
    }
}

/// What moving a run came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct MovedView {
    /// The run.
    #[schema(value_type = String)]
    pub run: RunId,
    /// It was moved; else its journal does not agree, or this was a dry run.
    pub moved: bool,
    /// The version it was to be moved to.
    pub version: String,
    /// Its component before.
    pub from: String,
    /// That version's component.
    pub to: String,
    /// What replaying it there showed.
    pub rehearsal: RehearsalView,
}

impl From<Moved> for MovedView {
    fn from(moved: Moved) -> Self {
        let Moved { run, from, to, version, rehearsal, moved } = moved;
        Self { run, moved, version, from, to, rehearsal: rehearsal.into() }
    }
}

/// Where a run is tried again from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetryFromView {
    /// A new run for the same trigger, with the installation's version and settings.
    Start,
    /// The run itself: what it did stays done; what it read since its last effect or wait is read anew.
    LastGoodPoint,
}

impl From<RetryFromView> for RetryFrom {
    fn from(from: RetryFromView) -> Self {
        match from {
            RetryFromView::Start => Self::Start,
            RetryFromView::LastGoodPoint => Self::LastGoodPoint,
        }
    }
}

/// How a run is tried again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryBody {
    /// From where.
    pub from: RetryFromView,
    /// From the start: also if the old run has carried out effects, which the new one may do a second time.
    #[serde(default)]
    pub again: bool,
}

/// The run that goes on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RetriedView {
    /// The same run, or from the start: the new one.
    pub run: String,
}

/// Moves a run that failed, waits or is stuck to another version, if that agrees with its journal
///
/// The host replays it there first: every call is answered from the journal, nothing is done, nothing is written. Where
/// it asks for something else than the journal says, the first difference is shown and the run stays as it is.
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/move", tag = "runs", params(("id" = String, Path, description = "Its id")),
    request_body = MoveBody,
    responses((status = 200, body = MovedView)),
)]
pub async fn move_run(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
    Json(body): Json<MoveBody>,
) -> Result<axum::Json<MovedView>> {
    let moved = MovedView::from(state.engine().move_run(&access.shop, run_id(&id)?, &body.into()).await?);
    if moved.moved {
        let before = recorded(&serde_json::json!({"digest": moved.from}));
        let after = recorded(&serde_json::json!({"digest": moved.to, "version": moved.version}));
        state.audit(&access, "run.moved", id, before, after).await?;
    }
    Ok(axum::Json(moved))
}

/// Tries a run again: from its last good point, or from the start as a new run
#[utoipa::path(
    post, path = "/api/v1/runs/{id}/retry", tag = "runs", params(("id" = String, Path, description = "Its id")),
    request_body = RetryBody,
    responses((status = 200, body = RetriedView)),
)]
pub async fn retry(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
    Json(body): Json<RetryBody>,
) -> Result<axum::Json<RetriedView>> {
    let run = run_id(&id)?;
    let goes_on = match body.from {
        RetryFromView::LastGoodPoint => {
            state.engine().reopen_run(&access.shop, run).await?;
            run
        }
        RetryFromView::Start => state.engine().restart_run(&access.shop, run, body.again).await?,
    };
    let after = recorded(&serde_json::json!({"from": body.from, "again": body.again, "run": goes_on}));
    state.audit(&access, "run.retried", id, None, after).await?;
    Ok(axum::Json(RetriedView { run: goes_on.to_string() }))
}

/// What is done to many runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BulkAction {
    /// Each is moved.
    Move,
    /// Each is tried again.
    Retry,
}

/// Which runs are repaired, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BulkBody {
    /// What is done.
    pub action: BulkAction,
    /// `retry`: from where.
    #[serde(default)]
    pub from: Option<RetryFromView>,
    /// `retry` from the start: also those that have carried out effects.
    #[serde(default)]
    pub again: bool,
    /// `move`: to which version; the installation's where absent.
    #[serde(default)]
    pub to_version: Option<String>,
    /// `move`: with which settings.
    #[serde(default)]
    pub settings: SettingsFrom,
    /// Only see what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Only runs in this state; failed ones where absent.
    #[serde(default)]
    pub state: Option<StateView>,
    /// Only of this installation.
    #[serde(default)]
    pub installation: Option<String>,
    /// Only of this workflow.
    #[serde(default)]
    pub workflow: Option<String>,
    /// Only those that failed with this code.
    #[serde(default)]
    pub error_code: Option<String>,
    /// Only those of this version of the installation's plugin.
    #[serde(default)]
    pub version: Option<String>,
    /// Only older ones than this run: the `next` of the answer before.
    #[serde(default)]
    pub before: Option<String>,
    /// At most so many, the newest first; 100 where absent, 1,000 at most.
    #[serde(default)]
    pub limit: Option<u32>,
}

/// What came of one run.
#[derive(Debug, Serialize, ToSchema)]
pub struct RepairedView {
    /// The run.
    #[schema(value_type = String)]
    pub run: RunId,
    /// `moved`, `reopened`, `restarted`, `would` (a dry run), `refused`.
    pub outcome: &'static str,
    /// The new run, where one was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub new_run: Option<RunId>,
    /// What replaying it showed, where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<RehearsalView>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<Repaired> for RepairedView {
    fn from(repaired: Repaired) -> Self {
        let Repaired { run, outcome, new_run, rehearsal, reason } = repaired;
        let outcome = match outcome {
            RepairOutcome::Moved => "moved",
            RepairOutcome::Reopened => "reopened",
            RepairOutcome::Restarted => "restarted",
            RepairOutcome::Would => "would",
            RepairOutcome::Refused => "refused",
        };
        Self { run, outcome, new_run, rehearsal: rehearsal.map(Into::into), reason }
    }
}

/// What came of many runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct BulkView {
    /// Run by run, the newest first.
    pub items: Vec<RepairedView>,
    /// There may be more: pass it as `before`.
    #[schema(value_type = Option<String>)]
    pub next: Option<RunId>,
}

/// Moves or retries many runs: all failed ones of an installation, a workflow, an error code, a version
///
/// Each is as by itself; one that is refused stops nothing.
#[utoipa::path(
    post, path = "/api/v1/runs/bulk", tag = "runs", request_body = BulkBody,
    responses((status = 200, body = BulkView)),
)]
pub async fn bulk(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Json(body): Json<BulkBody>,
) -> Result<axum::Json<BulkView>> {
    let how = match (body.action, body.from) {
        (BulkAction::Move, _) => Repair::Move(
            MoveBody { version: body.to_version.clone(), settings: body.settings, dry_run: body.dry_run }.into(),
        ),
        (BulkAction::Retry, Some(from)) => {
            Repair::Retry { from: from.into(), again: body.again, dry_run: body.dry_run }
        }
        (BulkAction::Retry, None) => {
            let detail = "At /from: a retry needs to be told from where: `start` or `last_good_point`.";
            return Err(Problem::new(codes::INVALID, detail).at("/from", "it is missing"));
        }
    };
    let which = Bulk {
        state: body.state.map(Into::into),
        installation: body.installation.clone(),
        workflow: body.workflow.clone(),
        error_code: body.error_code.clone(),
        version: body.version.clone(),
        before: body.before.as_deref().map(run_id).transpose()?,
        limit: body.limit.unwrap_or(100),
    };
    let result = state.engine().repair(&access.shop, &which, &how).await?;
    let view = BulkView { items: result.runs.into_iter().map(Into::into).collect(), next: result.next };
    let done: Vec<&RepairedView> =
        view.items.iter().filter(|one| !matches!(one.outcome, "would" | "refused")).collect();
    if !done.is_empty() {
        let runs: Vec<_> = done
            .iter()
            .map(|one| serde_json::json!({"run": one.run, "outcome": one.outcome, "new_run": one.new_run}))
            .collect();
        let after = recorded(&serde_json::json!({"action": body.action, "runs": runs}));
        state.audit(&access, "runs.repaired", format!("{} runs", done.len()), None, after).await?;
    }
    Ok(axum::Json(view))
}
