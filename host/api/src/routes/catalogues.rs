//! The catalogues that a shop looks in.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use shopwright_model::Millis;
use shopwright_registry::oci::Reference;
use shopwright_store::CatalogueRow;
use utoipa::ToSchema;

use crate::{
    auth::{Access, Operator, Role, Viewer},
    extract::{Json, Path},
    market::sources::{self, Held},
    paging::Page,
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

/// A catalogue that a shop looks in.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogueView {
    /// What it is called here.
    pub name: String,
    /// What it calls itself.
    pub title: String,
    /// Who keeps it.
    pub publisher: String,
    /// Where it is; absent: in the binary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Every shop of the host looks in it.
    pub host: bool,
    /// Counted up by every change of it.
    pub revision: u64,
    /// Of the copy's OCI manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Plugins in it.
    pub plugins: usize,
    /// When the copy that is looked in was made, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetched_at: Option<Millis>,
    /// How old the copy is, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<Millis>,
    /// Why there is no newer copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl CatalogueView {
    pub(crate) fn of(held: &Held, now: Millis) -> Self {
        let row = held.row.as_ref();
        Self {
            name: held.name().to_owned(),
            title: held.catalogue.title.clone(),
            publisher: held.catalogue.publisher.clone(),
            reference: row.map(|row| row.reference.clone()),
            host: row.is_none_or(|row| row.shop.is_empty()),
            revision: held.catalogue.revision,
            digest: row.map(|row| row.digest.clone()),
            plugins: held.catalogue.entries.len(),
            fetched_at: row.map(|row| row.fetched_at),
            age_ms: row.map(|row| (now - row.fetched_at).max(0)),
            error: row.and_then(|row| row.error.clone()),
        }
    }
}

/// A catalogue to look in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCatalogue {
    /// `registry/repository[:tag]`; the tag `latest` where absent.
    pub reference: String,
    /// The key that signs it, PEM; where absent, a trusted publisher's has to.
    #[serde(default)]
    pub key: Option<String>,
    /// For every shop of the host; needs an owner's token that is good for every shop.
    #[serde(default)]
    pub host: bool,
}

fn subject(name: &str) -> String {
    format!("catalogue:{name}")
}

/// What the audit log keeps: not the whole document.
fn note(row: &CatalogueRow) -> Option<String> {
    #[derive(Serialize)]
    struct Note<'a> {
        reference: &'a str,
        publisher: &'a str,
        key: Option<&'a str>,
        revision: i64,
        digest: &'a str,
        host: bool,
        error: Option<&'a str>,
    }
    let CatalogueRow { reference, publisher, key, revision, digest, error, shop, .. } = row;
    let (key, error, host) = (key.as_deref(), error.as_deref(), shop.is_empty());
    recorded(&Note { reference, publisher, key, revision: *revision, digest, host, error })
}

fn held(row: CatalogueRow) -> Result<Held> {
    let catalogue = shopwright_registry::Catalogue::from_json(row.document.as_bytes()).map_err(Problem::internal)?;
    Ok(Held { catalogue, row: Some(row) })
}

/// What concerns every shop is for owners of the whole host.
fn may_change(access: &Access, host: bool) -> Result<()> {
    if !host || (access.principal.shop.is_none() && access.principal.role >= Role::Owner) {
        return Ok(());
    }
    let detail = "This catalogue is every shop's: it takes an owner's token that is good for every shop.";
    Err(Problem::new(codes::FORBIDDEN, detail))
}

/// Lists the catalogues that the shop looks in
#[utoipa::path(
    get, path = "/api/v1/catalogues", tag = "market",
    responses((status = 200, body = Page<CatalogueView>)),
)]
pub async fn list(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<Page<CatalogueView>>> {
    let all = sources::all(&state, &access.shop).await?;
    let now = state.now();
    Ok(axum::Json(Page::whole(all.iter().map(|held| CatalogueView::of(held, now)).collect())))
}

/// Adds a catalogue to look in
///
/// It is loaded and its signature verified at once; a copy is kept and used when its registry is away.
#[utoipa::path(
    put, path = "/api/v1/catalogues/{name}", tag = "market",
    params(("name" = String, Path, description = "What to call it here")), request_body = NewCatalogue,
    responses((status = 200, body = CatalogueView)),
)]
pub async fn put(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(name): Path<String>,
    Json(new): Json<NewCatalogue>,
) -> Result<axum::Json<CatalogueView>> {
    may_change(&access, new.host)?;
    let wrong = |pointer: &str, detail: String| Problem::new(codes::INVALID, detail.clone()).at(pointer, detail);
    let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(slug) || name == sources::BUILT_IN {
        return Err(wrong(
            "/name",
            format!("`{name}` is not a name for a catalogue: lower-case words joined by hyphens."),
        ));
    }
    if new.host && new.key.is_none() {
        return Err(wrong("/key", "A catalogue of every shop needs its key: shops trust different publishers.".into()));
    }
    let shop = if new.host { "" } else { &*access.shop };
    let rows = sources::rows(&state, &access.shop).await?;
    let before = rows.into_iter().find(|row| row.name == name);
    if let Some(other) = before.as_ref().filter(|row| row.shop != shop) {
        let whose = if other.shop.is_empty() { "every shop's" } else { "this shop's own" };
        let detail = format!("There is a catalogue `{name}` already, {whose}: give this one another name.");
        return Err(Problem::new(codes::CONFLICT, detail).coded("catalogue-exists"));
    }
    let reference: Reference = new.reference.parse()?;
    let reference = reference.with_tag(reference.tag().unwrap_or("latest"));
    // The same place again goes on from the revision that was seen: adding anew is no way back.
    let same = before.as_ref().filter(|row| row.reference == reference.to_string());
    let seen = same.map(|row| row.revision);
    let loaded = sources::load(&state, &access.shop, &reference, new.key.as_deref(), seen).await?;
    let now = state.now();
    let row = CatalogueRow {
        shop: shop.to_owned(),
        name: name.clone(),
        reference: reference.to_string(),
        key: new.key,
        publisher: loaded.catalogue.publisher.clone(),
        revision: i64::try_from(loaded.catalogue.revision).unwrap_or(i64::MAX),
        digest: loaded.reference.digest().unwrap_or_default().to_owned(),
        document: String::from_utf8_lossy(&loaded.catalogue.to_json()).into_owned(),
        fetched_at: now,
        tried_at: now,
        error: None,
        created_at: before.as_ref().map_or(now, |row| row.created_at),
    };
    state.store().catalogue_put(row.clone()).await?;
    state.audit(&access, "catalogue.added", subject(&name), before.as_ref().and_then(note), note(&row)).await?;
    Ok(axum::Json(CatalogueView::of(&held(row)?, now)))
}

/// Looks in a catalogue no longer
#[utoipa::path(
    delete, path = "/api/v1/catalogues/{name}", tag = "market",
    params(("name" = String, Path, description = "What it is called here")),
    responses((status = 204)),
)]
pub async fn remove(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    let row = sources::row(&state, &access.shop, &name).await?;
    may_change(&access, row.shop.is_empty())?;
    if !state.store().catalogue_delete(&row.shop, &name).await? {
        return Err(Problem::no_such("catalogue"));
    }
    state.audit(&access, "catalogue.removed", subject(&name), note(&row), None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Looks for a newer copy of a catalogue
///
/// An older one than was seen before is refused, and the copy stays.
#[utoipa::path(
    post, path = "/api/v1/catalogues/{name}/refresh", tag = "market",
    params(("name" = String, Path, description = "What it is called here")),
    responses((status = 200, body = CatalogueView)),
)]
pub async fn refresh(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(name): Path<String>,
) -> Result<axum::Json<CatalogueView>> {
    let before = sources::row(&state, &access.shop, &name).await?;
    let (row, problem) = sources::refreshed(&state, &access.shop, &before).await;
    state.audit(&access, "catalogue.refreshed", subject(&name), note(&before), note(&row)).await?;
    match problem {
        Some(problem) => Err(problem),
        None => Ok(axum::Json(CatalogueView::of(&held(row)?, state.now()))),
    }
}
