//! The shop's model: its documents, one by one and in bulk.

use axum::{
    body::Body,
    extract::{Request, State},
};
use http_body_util::BodyExt as _;
use serde::{Deserialize, Serialize};
use shopwright_engine::IncomingEvent;
use shopwright_model::{Entity, EntityKind, Millis};
use shopwright_store::{ImportBatch, ImportRow, ops::Put};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::{Access, Developer, Viewer},
    extract::{Json, Path, Query, media_type},
    paging::{Page, PageParams, Paging},
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

const BY_OWNER: &str = "model_owned";
const BY_ID: &str = "model";
/// Lines of an import that share a transaction.
const STEP: usize = 500;
/// The longest line of an import.
const LINE_LIMIT: usize = 1 << 20;
/// The most bytes of one import request; longer files go in several, with `from_line`.
const IMPORT_LIMIT: usize = 1 << 30;
/// How long an import may pause between two pieces of its body.
const PIECE_TIME: std::time::Duration = std::time::Duration::from_secs(60);

/// A document of the model.
#[derive(Debug, Serialize, ToSchema)]
pub struct DocumentView {
    /// `customer`, `product`, `level`, `order`, `cart`, `ticket`, `article`, `review`, `competitor_price`,
    /// `engagement`, `discount`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// Rises with every change.
    pub version: i64,
    /// The record, as the WIT interface defines it, in snake_case.
    #[schema(value_type = Object)]
    pub document: Box<serde_json::value::RawValue>,
}

fn view(kind: EntityKind, id: String, version: i64, text: &str) -> Result<DocumentView> {
    let document = serde_json::from_str(text).map_err(Problem::internal)?;
    Ok(DocumentView { kind: kind.as_str().into(), id, version, document })
}

fn kind_of(text: &str) -> Result<EntityKind> {
    text.parse().map_err(|error: shopwright_model::ModelError| {
        Problem::new(codes::NOT_FOUND, crate::faults::sentence(&error.to_string()))
    })
}

/// How many documents of a kind there are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KindView {
    /// The kind.
    pub kind: String,
    /// How many.
    pub count: u64,
}

/// Counts the model's documents by kind
#[utoipa::path(
    get, path = "/api/v1/model", tag = "model",
    responses((status = 200, body = Page<KindView>)),
)]
pub async fn kinds(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<Page<KindView>>> {
    let mut items = Vec::new();
    for kind in EntityKind::ALL {
        let count = state.store().entity_count(&access.shop, kind).await?;
        items.push(KindView { kind: kind.as_str().into(), count });
    }
    Ok(axum::Json(Page::whole(items)))
}

/// Which documents to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only what belongs to this: a customer's orders, a variant's stock levels. The latest first.
    owner: Option<String>,
    /// The one with this second name: a customer's e-mail address, an order's number.
    alt: Option<String>,
}

/// Lists documents of a kind
#[utoipa::path(
    get, path = "/api/v1/model/{kind}", tag = "model",
    params(("kind" = String, Path, description = "Such as `customer`"), Filter, PageParams),
    responses((status = 200, body = Page<DocumentView>)),
)]
pub async fn list(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(kind): Path<String>,
    paging: Paging,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<DocumentView>>> {
    let kind = kind_of(&kind)?;
    let (store, shop, limit) = (state.store(), &*access.shop, paging.limit + 1);
    let page = match (filter.owner, filter.alt) {
        (Some(_), Some(_)) => {
            return Err(Problem::new(codes::INVALID_QUERY, "Of `owner` and `alt` only one can be given."));
        }
        (None, Some(alt)) => {
            let alt =
                if kind == EntityKind::Order { alt.trim_start_matches('#').to_owned() } else { alt.to_lowercase() };
            Page::whole(store.entity_by_alt(shop, kind, &alt).await?.into_iter().collect())
        }
        (Some(owner), None) => {
            let after = match paging.after::<2>(BY_OWNER)? {
                None => None,
                Some([sort, id]) => match sort.parse::<i64>() {
                    Ok(sort) => Some((sort, id)),
                    Err(_) => {
                        return Err(Problem::new(codes::INVALID_CURSOR, "The cursor in `after` names no document."));
                    }
                },
            };
            let after = after.as_ref().map(|(sort, id)| (*sort, id.as_str()));
            let docs = store.entities_owned(shop, kind, &owner, after, limit).await?;
            Page::cut(BY_OWNER, docs, paging.limit, |doc| vec![doc.sort.to_string(), doc.id.clone()])
        }
        (None, None) => {
            let after = paging.after::<1>(BY_ID)?.map(|[id]| id);
            let docs = store.entities_scan(shop, kind, after.as_deref(), limit).await?;
            Page::cut(BY_ID, docs, paging.limit, |doc| vec![doc.id.clone()])
        }
    };
    let Page { items, next } = page;
    let items = items.into_iter().map(|doc| view(kind, doc.id, doc.version, &doc.doc)).collect::<Result<_>>()?;
    Ok(axum::Json(Page { items, next }))
}

/// Shows a document
#[utoipa::path(
    get, path = "/api/v1/model/{kind}/{id}", tag = "model",
    params(("kind" = String, Path, description = "Such as `customer`"), ("id" = String, Path, description = "Its id")),
    responses((status = 200, body = DocumentView)),
)]
pub async fn show(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path((kind, id)): Path<(String, String)>,
) -> Result<axum::Json<DocumentView>> {
    let kind = kind_of(&kind)?;
    let stored = state.store().entity(&access.shop, kind, &id).await?;
    let stored = stored.ok_or_else(|| Problem::no_such(kind.as_str()))?;
    view(kind, id, stored.version, &stored.doc).map(axum::Json)
}

/// Stores a document
///
/// The change is also an event of kind `model.changed`, so it is in the history and workflows can be
/// triggered by it. A document whose own time (`updated_at`, `placed_at`, …) lies before that of the one
/// stored is a conflict.
#[utoipa::path(
    put, path = "/api/v1/model/{kind}/{id}", tag = "model",
    params(("kind" = String, Path, description = "Such as `customer`"), ("id" = String, Path, description = "Its id")),
    request_body = Object,
    responses((status = 200, body = DocumentView)),
)]
pub async fn put(
    State(state): State<ApiState>,
    Developer(access): Developer,
    Path((kind, id)): Path<(String, String)>,
    Json(document): Json<serde_json::Value>,
) -> Result<axum::Json<DocumentView>> {
    let kind = kind_of(&kind)?;
    let entity = Entity::parse(kind, &document).map_err(|error| unfit(&error))?;
    if entity.id != id {
        let reason = format!("the document's id is `{}`, the path says `{id}`", entity.id);
        return Err(Problem::new(codes::INVALID, crate::faults::sentence(&reason)).at("/id", reason));
    }
    let text = entity.doc.clone();
    changed(&state, &access, kind, &id, "put", |event| event.puts.push(entity)).await?;
    let stored = state.store().entity(&access.shop, kind, &id).await?;
    let stored = stored.ok_or_else(|| Problem::no_such(kind.as_str()))?;
    if *stored.doc != *text {
        let detail = format!("A later state of this {kind} is stored; this one was not taken.");
        return Err(Problem::new(codes::CONFLICT, detail).coded("later-state"));
    }
    view(kind, id, stored.version, &stored.doc).map(axum::Json)
}

/// Removes a document
#[utoipa::path(
    delete, path = "/api/v1/model/{kind}/{id}", tag = "model",
    params(("kind" = String, Path, description = "Such as `customer`"), ("id" = String, Path, description = "Its id")),
    responses((status = 204)),
)]
pub async fn remove(
    State(state): State<ApiState>,
    Developer(access): Developer,
    Path((kind, id)): Path<(String, String)>,
) -> Result<axum::http::StatusCode> {
    let kind = kind_of(&kind)?;
    if state.store().entity(&access.shop, kind, &id).await?.is_none() {
        return Err(Problem::no_such(kind.as_str()));
    }
    changed(&state, &access, kind, &id, "remove", |event| event.removes.push((kind, id.clone()))).await?;
    Ok(axum::http::StatusCode::NO_CONTENT)
}

fn unfit(error: &shopwright_model::ModelError) -> Problem {
    let reason = error.to_string();
    Problem::new(codes::INVALID, crate::faults::sentence(&reason)).coded("bad-data").at("", reason)
}

async fn changed(
    state: &ApiState,
    access: &Access,
    kind: EntityKind,
    id: &str,
    change: &str,
    fill: impl FnOnce(&mut IncomingEvent),
) -> Result<()> {
    let reference = format!("{kind}:{id}");
    let mut event = IncomingEvent {
        source: "/api/v1/model".into(),
        id: state.new_id("evt"),
        kind: "model.changed".into(),
        concerns: vec![reference.clone()],
        data: serde_json::json!({"kind": kind.as_str(), "id": id, "change": change}).to_string(),
        ..IncomingEvent::default()
    };
    fill(&mut event);
    state.engine().ingest(&access.shop, vec![event]).await?;
    state.audit(access, &format!("model.{change}"), reference, None, None).await
}

/// How to import.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportParams {
    /// The import's id, chosen by the caller: the same id goes on with the same import.
    id: String,
    /// The kind of every line. Without it each line is `{"kind": "customer", "document": {…}}`.
    kind: Option<String>,
    /// Which line of the whole file the body begins with; 1 where absent.
    from_line: Option<i64>,
    /// False: more of the file follows in another request.
    last: Option<bool>,
}

/// How far an import is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ImportView {
    /// Its id.
    pub id: String,
    /// Lines read so far: go on behind them.
    pub lines: i64,
    /// Documents stored.
    pub stored: i64,
    /// Lines refused.
    pub refused: i64,
    /// The first 100 of them.
    pub errors: Vec<LineError>,
    /// The whole file was read.
    pub done: bool,
    /// When it last went on, in milliseconds since 1970.
    pub updated_at: Millis,
}

/// A line that was refused.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LineError {
    /// Its number, from 1.
    pub line: i64,
    /// Why.
    pub detail: String,
}

impl From<ImportRow> for ImportView {
    fn from(row: ImportRow) -> Self {
        let ImportRow { id, lines, ok, failed, errors, done, updated_at, .. } = row;
        let errors = errors.into_iter().map(|(line, detail)| LineError { line, detail }).collect();
        Self { id, lines, stored: ok, refused: failed, errors, done, updated_at }
    }
}

/// Imports documents in bulk
///
/// JSON Lines, stored in steps of 500 lines as they arrive. Documents of an id that is there replace it.
/// Bad lines are refused one by one and listed; the others are stored. An import that was cut off goes on
/// when the same file, or the rest of it with `from_line`, is sent again under the same id: lines that were
/// read before are skipped.
#[utoipa::path(
    post, path = "/api/v1/model/import", tag = "model", params(ImportParams),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 200, body = ImportView)),
)]
pub async fn import(
    State(state): State<ApiState>,
    Developer(access): Developer,
    Query(query): Query<ImportParams>,
    request: Request,
) -> Result<axum::Json<ImportView>> {
    let (parts, body) = request.into_parts();
    let kind = media_type(&parts.headers);
    if !matches!(
        &*kind,
        "application/x-ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/json-lines"
            | "text/plain"
    ) {
        return Err(Problem::new(codes::MEDIA_TYPE, "This route takes JSON Lines as `application/x-ndjson`."));
    }
    if query.id.is_empty() || query.id.len() > 128 {
        let reason = "it must have 1 to 128 characters";
        return Err(Problem::new(codes::INVALID_QUERY, format!("`id`: {reason}.")).at("id", reason));
    }
    let only = query.kind.as_deref().map(kind_of).transpose()?;
    let before = state.store().import_get(&access.shop, &query.id).await?;
    let read = before.as_ref().map_or(0, |row| row.lines);
    let from = query.from_line.unwrap_or(1);
    if from < 1 || from > read + 1 {
        let detail = format!("The import `{}` has read {read} lines; go on with line {}.", query.id, read + 1);
        return Err(Problem::new(codes::CONFLICT, detail).coded("import-gap"));
    }
    let importer = Importer { state: &state, access: &access, id: &query.id, only, read, next: from };
    let last = query.last.unwrap_or(true);
    let row = importer.run(body, last).await?;
    let view = ImportView::from(row);
    let after = recorded(&serde_json::json!({"lines": view.lines, "stored": view.stored, "refused": view.refused}));
    state.audit(&access, "model.imported", format!("import:{}", view.id), None, after).await?;
    Ok(axum::Json(view))
}

/// Shows how far an import is
#[utoipa::path(
    get, path = "/api/v1/imports/{id}", tag = "model", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = ImportView)),
)]
pub async fn import_state(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(id): Path<String>,
) -> Result<axum::Json<ImportView>> {
    let row = state.store().import_get(&access.shop, &id).await?.ok_or_else(|| Problem::no_such("import"))?;
    Ok(axum::Json(row.into()))
}

/// One request of an import.
struct Importer<'a> {
    state: &'a ApiState,
    access: &'a Access,
    id: &'a str,
    only: Option<EntityKind>,
    /// Lines of the file that were read before this request.
    read: i64,
    /// Number of the next line of the body.
    next: i64,
}

#[derive(Deserialize)]
struct Line<'a> {
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    document: &'a serde_json::value::RawValue,
}

impl Importer<'_> {
    async fn run(mut self, mut body: Body, last: bool) -> Result<ImportRow> {
        let mut buffer: Vec<u8> = Vec::new();
        let mut step = self.step();
        let mut total = 0;
        loop {
            let frame = tokio::time::timeout(PIECE_TIME, body.frame()).await.map_err(|_| {
                Problem::new(codes::TIMEOUT, format!("Nothing more of the body came for {} s.", PIECE_TIME.as_secs()))
            })?;
            let Some(frame) = frame else { break };
            // What was read up to here stays stored.
            let frame =
                frame.map_err(|error| Problem::new(codes::INVALID_BODY, format!("The body ended early: {error}.")))?;
            let Ok(data) = frame.into_data() else { continue };
            total += data.len();
            if total > IMPORT_LIMIT {
                return Err(Problem::new(
                    codes::TOO_LARGE,
                    "The body is larger than 1 GiB; send the rest with `from_line`.",
                ));
            }
            buffer.extend_from_slice(&data);
            let mut begin = 0;
            while let Some(length) = buffer[begin..].iter().position(|byte| *byte == b'\n') {
                self.line(&buffer[begin..begin + length], &mut step);
                begin += length + 1;
                if step.lines >= STEP as i64 {
                    self.store(&mut step).await?;
                }
            }
            buffer.drain(..begin);
            if buffer.len() > LINE_LIMIT {
                let detail = format!("Line {} is longer than {LINE_LIMIT} bytes.", self.next);
                return Err(Problem::new(codes::TOO_LARGE, detail));
            }
        }
        if !buffer.is_empty() {
            self.line(&buffer, &mut step);
        }
        step.done = last;
        self.store(&mut step).await
    }

    fn step(&self) -> ImportBatch {
        ImportBatch {
            shop: self.access.shop.to_string(),
            import: self.id.to_owned(),
            from_line: self.next.max(self.read + 1),
            now: self.state.now(),
            ..ImportBatch::default()
        }
    }

    fn line(&mut self, bytes: &[u8], step: &mut ImportBatch) {
        let number = self.next;
        self.next += 1;
        if number <= self.read {
            return;
        }
        if step.lines == 0 {
            step.from_line = number;
        }
        step.lines += 1;
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() {
            return;
        }
        match self.entity(bytes) {
            Ok(entity) => step.puts.push(Put { entity, expect: None, since: step.now, newer_only: false }),
            Err(reason) => step.errors.push((number, reason)),
        }
    }

    fn entity(&self, bytes: &[u8]) -> Result<Entity, String> {
        let text =
            std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8 from byte {}", error.valid_up_to()))?;
        if let Some(kind) = self.only {
            return Entity::parse_text(kind, text).map_err(|error| error.to_string());
        }
        let line: Line<'_> =
            serde_json::from_str(text).map_err(|error| format!("no {{\"kind\", \"document\"}} object: {error}"))?;
        let kind: EntityKind = line.kind.parse().map_err(|error: shopwright_model::ModelError| error.to_string())?;
        Entity::parse_text(kind, line.document.get()).map_err(|error| error.to_string())
    }

    async fn store(&self, step: &mut ImportBatch) -> Result<ImportRow> {
        let next = self.step();
        let step = std::mem::replace(step, next);
        Ok(self.state.store().import_batch(step).await?)
    }
}
