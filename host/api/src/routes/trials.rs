//! Trials: what a shadow would have done, backtests, and runs as files to be replayed elsewhere.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use shopwright_model::{Millis, RunId};
use shopwright_store::BacktestRow;
use shopwright_trial::{
    TrialError, backtest::Request, bundle::Bundle, compare::Pair, jobs::ProgressView, mask, replay, report::Report,
    shadow,
};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::{Access, Developer, Operator, Viewer},
    extract::{Json, Path, Query},
    faults::sentence,
    paging::{Page, PageParams, Paging},
    problem::{Fault, Problem, Result, codes},
    state::{ApiState, recorded},
};

const SHADOW: &str = "shadow";
const BACKTESTS: &str = "backtests";
const PAIRS: &str = "pairs";

impl From<TrialError> for Problem {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Engine(error) => error.into(),
            TrialError::Invalid { code, field, reason } => {
                let place = if field.is_empty() { "/" } else { field };
                let detail = format!("At {place}: {reason}.");
                Self::new(codes::INVALID, detail).coded(code).with(vec![Fault::at(field, reason)])
            }
            TrialError::NotFound(what) => Self::new(codes::NOT_FOUND, format!("There is no {what}.")),
            other => Self::new(codes::INVALID, sentence(&other.to_string())),
        }
    }
}

/// Which part of a shadow's time is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Span {
    /// From when, in milliseconds since 1970; a week before the end, or when the shadow was enabled, where absent.
    from: Option<Millis>,
    /// Until before when, in milliseconds since 1970; now where absent.
    to: Option<Millis>,
    /// The live installation to compare with; the one it stands beside where absent.
    beside: Option<String>,
}

/// What a shadow would have done, beside what the live installation did.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShadowReportView {
    /// Totals.
    pub report: Report,
    /// The pairs that are not the same, in the order of events.
    pub items: Vec<Pair>,
    /// Cursor of the next page of pairs: pass it as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Compares a shadow with the live installation beside it
#[utoipa::path(
    get, path = "/api/v1/installations/{id}/shadow-report", tag = "trials",
    params(("id" = String, Path, description = "The shadow"), Span, PageParams),
    responses((status = 200, body = ShadowReportView)),
)]
pub async fn shadow_report(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(id): Path<String>,
    paging: Paging,
    Query(span): Query<Span>,
) -> Result<axum::Json<ShadowReportView>> {
    let begin = paging.after_number(SHADOW)?.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let (report, pairs) =
        shadow::report(state.engine(), &access.shop, &id, span.beside.as_deref(), (span.from, span.to)).await?;
    let numbered = pairs.into_iter().enumerate().skip(begin).take(paging.limit as usize + 1).collect();
    let page = Page::cut(SHADOW, numbered, paging.limit, |(n, _): &(usize, Pair)| vec![(n + 1).to_string()]);
    let Page { items, next } = page.map(|(_, pair)| pair);
    Ok(axum::Json(ShadowReportView { report, items, next }))
}

/// A version to be tried over recorded events.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBacktest {
    /// The installation it is compared with and takes settings and grants from. In
    /// `/installations/{id}/backtests` it is the one of the path.
    #[serde(default)]
    pub installation: Option<String>,
    /// The plugin; that of the installation where absent.
    #[serde(default)]
    pub plugin: Option<String>,
    /// The version; that of the installation, else the highest, where absent.
    #[serde(default)]
    pub version: Option<String>,
    /// The settings; those of the installation, else the defaults, where absent.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub settings: Option<serde_json::Value>,
    /// What it may do; what the installation may (for the same component), else all that it asks for, where absent.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub grants: Option<serde_json::Value>,
    /// Judge by the shop's guardrails as they are now; true where absent.
    #[serde(default)]
    pub guardrails: Option<bool>,
    /// The first moment of the span, in milliseconds since 1970.
    pub from: Millis,
    /// The end of the span, exclusive, in milliseconds since 1970; now where absent.
    #[serde(default)]
    pub to: Option<Millis>,
}

/// A backtest.
#[derive(Debug, Serialize, ToSchema)]
pub struct BacktestView {
    /// Its id.
    pub id: String,
    /// What was asked for.
    pub request: Option<Request>,
    /// `queued`, `running`, `done`, `failed`, `cancelled`.
    pub state: String,
    /// How far it is.
    pub progress: ProgressView,
    /// What came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Who asked for it.
    pub by: String,
    /// When it was asked for, in milliseconds since 1970.
    pub created_at: Millis,
    /// When it ended, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Millis>,
}

impl From<BacktestRow> for BacktestView {
    fn from(row: BacktestRow) -> Self {
        Self {
            id: row.id,
            request: serde_json::from_str(&row.request).ok(),
            state: row.state,
            progress: serde_json::from_str(&row.progress).unwrap_or_default(),
            report: row.report.and_then(|text| serde_json::from_str(&text).ok()),
            error: row.error,
            by: row.by,
            created_at: row.created_at,
            ended_at: row.ended_at,
        }
    }
}

async fn begin(state: &ApiState, access: &Access, new: NewBacktest) -> Result<(StatusCode, axum::Json<BacktestView>)> {
    let request = Request {
        installation: new.installation,
        plugin: new.plugin,
        version: new.version,
        settings: new.settings,
        grants: new.grants,
        guardrails: new.guardrails.unwrap_or(true),
        from: new.from,
        to: new.to,
    };
    let row = state.backtests().start(&access.shop, state.new_id("bt"), access.who(), request).await?;
    let view = BacktestView::from(row);
    state.audit(access, "backtest.started", format!("backtest:{}", view.id), None, recorded(&view.request)).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(view)))
}

/// Tries a version over recorded events
///
/// Nothing of it touches the shop. It runs beside the host's other work, one at a time; `GET /api/v1/backtests/{id}`
/// tells how far it is and, at the end, what came of it. Reads see the shop as it was at the virtual moment, with each
/// run's own changes over it. Guardrails that count messages and actions count those of others, those of the compared
/// installation from before the span, and the backtest's own instead of what the compared installation did in the span.
/// Rules are those of today; the plugin's memory begins empty. It takes memory for the shop's whole model.
#[utoipa::path(
    post, path = "/api/v1/backtests", tag = "trials", request_body = NewBacktest,
    responses((status = 202, body = BacktestView)),
)]
pub async fn start(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Json(new): Json<NewBacktest>,
) -> Result<(StatusCode, axum::Json<BacktestView>)> {
    begin(&state, &access, new).await
}

/// Tries other settings or another version of an installation over recorded events
#[utoipa::path(
    post, path = "/api/v1/installations/{id}/backtests", tag = "trials",
    params(("id" = String, Path, description = "The installation it is compared with")), request_body = NewBacktest,
    responses((status = 202, body = BacktestView)),
)]
pub async fn start_for(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
    Json(new): Json<NewBacktest>,
) -> Result<(StatusCode, axum::Json<BacktestView>)> {
    begin(&state, &access, NewBacktest { installation: Some(id), ..new }).await
}

/// Lists backtests, the newest first
#[utoipa::path(
    get, path = "/api/v1/backtests", tag = "trials", params(PageParams),
    responses((status = 200, body = Page<BacktestView>)),
)]
pub async fn list(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    paging: Paging,
) -> Result<axum::Json<Page<BacktestView>>> {
    let before = paging.after::<1>(BACKTESTS)?.map(|[id]| id);
    let rows = state.store().backtests_list(&access.shop, before.as_deref(), paging.limit + 1).await?;
    let page = Page::cut(BACKTESTS, rows, paging.limit, |row| vec![row.id.clone()]);
    Ok(axum::Json(page.map(BacktestView::from)))
}

/// Shows a backtest with its report
#[utoipa::path(
    get, path = "/api/v1/backtests/{id}", tag = "trials", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = BacktestView)),
)]
pub async fn show(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(id): Path<String>,
) -> Result<axum::Json<BacktestView>> {
    Ok(axum::Json(state.backtests().find(&access.shop, &id).await?.into()))
}

/// Lists the pairs that a backtest found different, in the order of events
#[utoipa::path(
    get, path = "/api/v1/backtests/{id}/differences", tag = "trials",
    params(("id" = String, Path, description = "Its id"), PageParams),
    responses((status = 200, body = Page<Pair>)),
)]
pub async fn differences(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(id): Path<String>,
    paging: Paging,
) -> Result<axum::Json<Page<Pair>>> {
    state.backtests().find(&access.shop, &id).await?;
    let after = paging.after_number(PAIRS)?.unwrap_or(-1);
    let rows = state.store().backtest_pairs(&access.shop, &id, after, paging.limit + 1).await?;
    let mut pairs = Vec::with_capacity(rows.len());
    for (n, text) in rows {
        pairs.push((n, serde_json::from_str::<Pair>(&text).map_err(Problem::internal)?));
    }
    let page = Page::cut(PAIRS, pairs, paging.limit, |(n, _): &(i64, Pair)| vec![n.to_string()]);
    Ok(axum::Json(page.map(|(_, pair)| pair)))
}

/// What cancelling did.
#[derive(Debug, Serialize, ToSchema)]
pub struct CancelledView {
    /// False: it had ended before.
    pub cancelled: bool,
}

/// Stops a backtest
#[utoipa::path(
    post, path = "/api/v1/backtests/{id}/cancel", tag = "trials", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = CancelledView)),
)]
pub async fn cancel(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
) -> Result<axum::Json<CancelledView>> {
    let cancelled = state.backtests().cancel(&access.shop, &id).await?;
    if cancelled {
        state.audit(&access, "backtest.cancelled", format!("backtest:{id}"), None, None).await?;
    }
    Ok(axum::Json(CancelledView { cancelled }))
}

/// How a run is exported.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Export {
    /// Replace names, addresses, numbers and free text; false where absent.
    mask: Option<bool>,
}

/// Exports a run as a file that `shopwright run replay` runs again
///
/// The file holds the component, settings, journal, ledger and log. The header `Shopwright-Replays` says whether it
/// replays to the last byte (`yes`), or why not; masking can make a difference where a program computes on the
/// characters of what was masked.
#[utoipa::path(
    get, path = "/api/v1/runs/{id}/bundle", tag = "trials",
    params(("id" = String, Path, description = "Its id"), Export),
    responses((status = 200, description = "The file", content_type = "application/vnd.shopwright.run")),
)]
pub async fn export(
    State(state): State<ApiState>,
    Developer(access): Developer,
    Path(id): Path<String>,
    Query(export): Query<Export>,
) -> Result<Response> {
    let run: RunId = id.parse().map_err(|_| Problem::no_such("run"))?;
    let mut bundle = Bundle::collect(state.engine(), &access.shop, run).await?;
    let masked = export.mask.unwrap_or(false);
    if masked {
        bundle = mask::mask(&bundle)?;
    }
    let replayed = replay::replay(state.engine().sandbox(), &bundle, None).await?;
    let says = match &replayed.difference {
        None => "yes".to_owned(),
        Some(difference) => match difference.position {
            Some(position) => format!("no; {} {position} differs", difference.what),
            None => format!("no; the {} differs", difference.what),
        },
    };
    let bytes = bundle.to_bytes()?;
    let what = if masked { "run.exported-masked" } else { "run.exported" };
    state.audit(&access, what, format!("run:{run}"), None, None).await?;
    let name = format!("attachment; filename=\"{run}.swrun\"");
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/vnd.shopwright.run")),
        (header::CONTENT_DISPOSITION, HeaderValue::try_from(name).map_err(Problem::internal)?),
        (
            header::HeaderName::from_static("shopwright-replays"),
            HeaderValue::try_from(says).map_err(Problem::internal)?,
        ),
    ];
    Ok((headers, bytes).into_response())
}
