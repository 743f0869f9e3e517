//! Whom a shop trusts to publish plugins.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use shopwright_model::Millis;
use shopwright_registry::signing::{PublicKey, Publisher, TrustedKey};
use shopwright_store::PublisherRow;
use utoipa::ToSchema;

use crate::{
    auth::{Operator, Viewer},
    extract::{Json, Path},
    market::trust,
    paging::Page,
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

/// Keys and namespaces of one publisher are at most so many.
const MOST: usize = 32;

/// Somebody whom a shop trusts to publish plugins.
#[derive(Debug, Serialize, ToSchema)]
pub struct PublisherView {
    /// As manifests name them.
    pub name: String,
    /// Any of them counts.
    pub keys: Vec<KeyView>,
    /// Where they may publish: `ghcr.io/acme` is that repository and everything below it.
    pub namespaces: Vec<String>,
    /// When they were first trusted, in milliseconds since 1970.
    pub created_at: Millis,
    /// When keys or namespaces were last changed, in milliseconds since 1970.
    pub updated_at: Millis,
}

/// A publisher's key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    /// What people call it.
    pub name: String,
    /// `sha256:…`, to compare it by telephone.
    pub fingerprint: String,
    /// PEM.
    pub key: String,
}

/// What is to be trusted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPublisher {
    /// ECDSA P-256 public keys; at least one. A new one is added before the old one goes.
    pub keys: Vec<NewKey>,
    /// Where they may publish, such as `ghcr.io/acme`; at least one.
    pub namespaces: Vec<String>,
}

/// A key to be trusted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What people call it; `main` where absent.
    #[serde(default)]
    pub name: Option<String>,
    /// PEM, as `shopwright key public` and `cosign public-key` print it.
    pub key: String,
}

fn subject(name: &str) -> String {
    format!("publisher:{name}")
}

fn view(row: &PublisherRow) -> Result<PublisherView> {
    let Publisher { name, keys, namespaces } = trust::publisher(row)?;
    let key =
        |known: TrustedKey| KeyView { name: known.name, fingerprint: known.key.fingerprint(), key: known.key.to_pem() };
    let keys = keys.into_iter().map(key).collect();
    Ok(PublisherView { name, keys, namespaces, created_at: row.created_at, updated_at: row.updated_at })
}

async fn find(state: &ApiState, shop: &str, name: &str) -> Result<Option<PublisherRow>> {
    Ok(state.store().publishers_list(shop).await?.into_iter().find(|row| row.name == name))
}

/// Lists the publishers that the shop trusts
#[utoipa::path(
    get, path = "/api/v1/publishers", tag = "market",
    responses((status = 200, body = Page<PublisherView>)),
)]
pub async fn list(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<Page<PublisherView>>> {
    let rows = state.store().publishers_list(&access.shop).await?;
    Ok(axum::Json(Page::whole(rows.iter().map(view).collect::<Result<_>>()?)))
}

/// Trusts a publisher: with these keys, in these namespaces
///
/// In place of what was trusted of them before.
#[utoipa::path(
    put, path = "/api/v1/publishers/{name}", tag = "market",
    params(("name" = String, Path, description = "As manifests name them")), request_body = NewPublisher,
    responses((status = 200, body = PublisherView)),
)]
pub async fn put(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(name): Path<String>,
    Json(new): Json<NewPublisher>,
) -> Result<axum::Json<PublisherView>> {
    let wrong = |pointer: &str, detail: String| Problem::new(codes::INVALID, detail.clone()).at(pointer, detail);
    let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || name.len() > 63 || !name.chars().all(slug) {
        return Err(wrong("/name", format!("`{name}` is not a publisher's name: lower-case words joined by hyphens.")));
    }
    for (pointer, count) in [("/keys", new.keys.len()), ("/namespaces", new.namespaces.len())] {
        if !(1..=MOST).contains(&count) {
            return Err(wrong(pointer, format!("There must be 1 to {MOST} of them, not {count}.")));
        }
    }
    let mut keys = Vec::new();
    for (n, key) in new.keys.into_iter().enumerate() {
        let parsed = PublicKey::from_pem(&key.key)
            .map_err(|error| Problem::from(error).at(format!("/keys/{n}/key"), "it is no ECDSA P-256 public key"))?;
        keys.push(TrustedKey { name: key.name.unwrap_or_else(|| "main".into()), key: parsed });
    }
    for (n, namespace) in new.namespaces.iter().enumerate() {
        // A namespace is a registry, or the beginning of a repository's path in one.
        let host = namespace.split('/').next().unwrap_or_default();
        let is_host = host.contains(['.', ':']) || host == "localhost";
        let place = format!("{}/x", namespace.trim_end_matches('/'));
        if !is_host || place.parse::<shopwright_registry::oci::Reference>().is_err() {
            let detail = format!("`{namespace}` is no namespace: write `registry.example.com/team`.");
            return Err(wrong(&format!("/namespaces/{n}"), detail));
        }
    }
    let before = find(&state, &access.shop, &name).await?;
    let now = state.now();
    let row = PublisherRow {
        shop: access.shop.to_string(),
        name: name.clone(),
        keys: serde_json::to_string(&keys).map_err(Problem::internal)?,
        namespaces: serde_json::to_string(&new.namespaces).map_err(Problem::internal)?,
        created_at: before.as_ref().map_or(now, |row| row.created_at),
        updated_at: now,
    };
    state.store().publisher_put(row.clone()).await?;
    let before = before.as_ref().map(view).transpose()?;
    let after = view(&row)?;
    state
        .audit(&access, "publisher.trusted", subject(&name), before.as_ref().and_then(recorded), recorded(&after))
        .await?;
    Ok(axum::Json(after))
}

/// Trusts a publisher no longer
///
/// What is installed stays; upgrades and new installations of theirs are refused.
#[utoipa::path(
    delete, path = "/api/v1/publishers/{name}", tag = "market",
    params(("name" = String, Path, description = "As manifests name them")),
    responses((status = 204)),
)]
pub async fn remove(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    let before = find(&state, &access.shop, &name).await?.ok_or_else(|| Problem::no_such("publisher"))?;
    if !state.store().publisher_delete(&access.shop, &name).await? {
        return Err(Problem::no_such("publisher"));
    }
    let before = view(&before)?;
    state.audit(&access, "publisher.removed", subject(&name), recorded(&before), None).await?;
    Ok(StatusCode::NO_CONTENT)
}
