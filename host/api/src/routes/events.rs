//! Events: sending them, and looking at what was accepted.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use shopwright_engine::Intake;
use shopwright_model::{Millis, RunId};
use shopwright_store::{EventFilter, ops::EventRow};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::{Developer, Viewer},
    cloudevents,
    extract::{self, Path, Query},
    paging::{Page, PageParams, Paging},
    problem::{Problem, Result},
    state::ApiState,
};

/// A batch of 1,000 events of 4 KB each.
const BODY_LIMIT: usize = 4 << 20;
const LIST: &str = "events";

/// A CloudEvents 1.0 event in structured mode.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CloudEvent {
    /// `1.0`
    #[schema(example = "1.0")]
    pub specversion: String,
    /// Unique within the source: a second event of the same source and id does nothing.
    #[schema(example = "7f3c")]
    pub id: String,
    /// Where it happened.
    #[schema(example = "/storefront")]
    pub source: String,
    /// Its kind: dotted, lower case.
    #[serde(rename = "type")]
    #[schema(example = "cart.updated")]
    pub kind: String,
    /// When it happened, RFC 3339; when it is received where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// `type:id` of every entity it concerns; what the data tells is added.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["customer:42"]))]
    pub concerns: Vec<String>,
    /// What happened. For kinds that carry an entity's state (`cart.updated`, `order.placed`, …): its record.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
}

/// What became of the events of a call.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// One for each event, in order.
    pub events: Vec<AcceptedEvent>,
}

/// What became of an event.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AcceptedEvent {
    /// Its source.
    pub source: String,
    /// Its id.
    pub id: String,
    /// Its number in the history.
    pub seq: i64,
    /// It had been accepted before; nothing was done now.
    pub duplicate: bool,
    /// What it triggered.
    pub runs: Vec<AcceptedRun>,
    /// How many waiting runs it woke.
    pub woken: usize,
}

/// What an event did to a workflow.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AcceptedRun {
    /// The run; absent where it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Its installation.
    pub installation: String,
    /// Its workflow.
    pub workflow: String,
    /// `started`, `queued`, `skipped`, `replaced` (it took the place of another).
    pub outcome: String,
}

/// Sends events
///
/// CloudEvents 1.0 in structured mode (`application/cloudevents+json`), batch mode
/// (`application/cloudevents-batch+json`, at most 1,000) or binary mode (the data as body, `ce-` headers).
/// The answer comes when all of them are durable; all or none are accepted. (source, id) is accepted
/// once, so a call that got no answer can be sent again.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "events",
    request_body(content(
        (CloudEvent = "application/cloudevents+json"),
        (Vec<CloudEvent> = "application/cloudevents-batch+json"),
        (Object = "application/json"),
    )),
    responses(
        (status = 202, body = Accepted),
    ),
)]
pub async fn send(State(state): State<ApiState>, Developer(access): Developer, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let body = extract::read_body(&parts.headers, body, BODY_LIMIT).await?;
    let events = cloudevents::read(&parts.headers, &body)?;
    let intake = state.engine().ingest(&access.shop, events).await?;
    accepted(&intake)
}

/// Written without a copy into [`Accepted`]: this is the way of every event.
pub(crate) fn accepted(intake: &[Intake]) -> Result<Response> {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        events: &'a [Intake],
    }
    let text = serde_json::to_vec(&Borrowed { events: intake }).map_err(Problem::internal)?;
    let headers = [(header::CONTENT_TYPE, "application/json")];
    Ok((StatusCode::ACCEPTED, headers, Body::from(text)).into_response())
}

/// An accepted event.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Its number in the history.
    pub seq: i64,
    /// CloudEvents `source`.
    pub source: String,
    /// CloudEvents `id`.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// When it happened, in milliseconds since 1970.
    pub at: Millis,
    /// When it was received, in milliseconds since 1970.
    pub received_at: Millis,
    /// What it concerns.
    pub concerns: Vec<String>,
    /// What happened.
    #[schema(value_type = Object)]
    pub data: serde_json::Value,
    /// The run that emitted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
}

impl From<EventRow> for EventView {
    fn from(row: EventRow) -> Self {
        let data = serde_json::from_str(&row.data).unwrap_or(serde_json::Value::String(row.data));
        let EventRow { seq, source, id, kind, at, received_at, concerns, run, .. } = row;
        Self { seq, source, id, kind, at, received_at, concerns, data, run }
    }
}

/// Which events to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only of this kind.
    kind: Option<String>,
    /// Only those that concern this entity, such as `customer:42`.
    entity: Option<String>,
}

/// Lists events, the newest first
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events", params(Filter, PageParams),
    responses((status = 200, body = Page<EventView>)),
)]
pub async fn list(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    paging: Paging,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<EventView>>> {
    let before = paging.after_number(LIST)?;
    let filter = EventFilter { kind: filter.kind, entity: filter.entity, before, limit: paging.limit + 1 };
    let rows = state.store().events_list(&access.shop, &filter).await?;
    let page = Page::cut(LIST, rows, paging.limit, |row| vec![row.seq.to_string()]);
    Ok(axum::Json(page.map(EventView::from)))
}

/// Shows an event
#[utoipa::path(
    get, path = "/api/v1/events/{seq}", tag = "events", params(("seq" = i64, Path, description = "Its number")),
    responses((status = 200, body = EventView)),
)]
pub async fn show(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(seq): Path<i64>,
) -> Result<axum::Json<EventView>> {
    let row = state.store().event(&access.shop, seq).await?.ok_or_else(|| Problem::no_such("event"))?;
    Ok(axum::Json(row.into()))
}
