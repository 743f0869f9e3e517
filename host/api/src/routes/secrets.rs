//! Secrets: what plugins write as placeholders into their requests. They can be set, never read.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use shopwright_engine::{NewSecret, SecretInfo};
use shopwright_model::Millis;
use utoipa::ToSchema;

use crate::{
    auth::{Operator, Viewer},
    extract::{Json, Path},
    paging::Page,
    problem::{Problem, Result},
    state::{ApiState, recorded},
};

/// A secret, without its value.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretView {
    /// What plugins call it by: `{{secret:NAME}}`.
    pub name: String,
    /// Hosts that it may be sent to.
    pub hosts: Vec<String>,
    /// Installations whose plugins may use it; absent: every one of the shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installations: Option<Vec<String>>,
    /// When it was first set, in milliseconds since 1970.
    pub created_at: Millis,
    /// When it was last set, in milliseconds since 1970.
    pub updated_at: Millis,
}

impl From<SecretInfo> for SecretView {
    fn from(secret: SecretInfo) -> Self {
        let SecretInfo { name, hosts, installations, created_at, updated_at } = secret;
        Self { name, hosts, installations, created_at, updated_at }
    }
}

/// A secret to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretValue {
    /// 6 to 8,192 bytes, without control characters. No answer ever repeats it.
    #[schema(write_only)]
    pub value: String,
    /// Hosts that it may be sent to, at least one: `api.example.com`, `api.example.com:8443`, `*.example.com`;
    /// `http://…` without TLS.
    pub hosts: Vec<String>,
    /// Installations whose plugins may use it; absent: every one of the shop.
    #[serde(default)]
    pub installations: Option<Vec<String>>,
}

fn subject(name: &str) -> String {
    format!("secret:{name}")
}

/// Lists secrets, without their values
#[utoipa::path(
    get, path = "/api/v1/secrets", tag = "secrets",
    responses((status = 200, body = Page<SecretView>)),
)]
pub async fn list(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<Page<SecretView>>> {
    let secrets = state.engine().secrets(&access.shop).await?;
    Ok(axum::Json(Page::whole(secrets.into_iter().map(Into::into).collect())))
}

/// Sets a secret
///
/// Replaces what was set under the name before, with the hosts and installations it was bound to. It is kept
/// sealed, and used from the next request on.
#[utoipa::path(
    put, path = "/api/v1/secrets/{name}", tag = "secrets", params(("name" = String, Path, description = "Its name")),
    request_body = SecretValue,
    responses((status = 200, body = SecretView)),
)]
pub async fn put(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(name): Path<String>,
    Json(body): Json<SecretValue>,
) -> Result<axum::Json<SecretView>> {
    let SecretValue { value, hosts, installations } = body;
    let before = state.engine().secrets(&access.shop).await?.into_iter().find(|known| known.name == name);
    let new = NewSecret { value, hosts, installations };
    let set = state.engine().set_secret(&access.shop, &name, new).await?;
    state.audit(&access, "secret.set", subject(&name), before.as_ref().and_then(recorded), recorded(&set)).await?;
    Ok(axum::Json(set.into()))
}

/// Removes a secret
#[utoipa::path(
    delete, path = "/api/v1/secrets/{name}", tag = "secrets", params(("name" = String, Path, description = "Its name")),
    responses((status = 204)),
)]
pub async fn remove(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(name): Path<String>,
) -> Result<StatusCode> {
    let before = state.engine().secrets(&access.shop).await?.into_iter().find(|known| known.name == name);
    let before = before.ok_or_else(|| Problem::no_such("secret"))?;
    if !state.engine().remove_secret(&access.shop, &name).await? {
        return Err(Problem::no_such("secret"));
    }
    state.audit(&access, "secret.removed", subject(&name), recorded(&before), None).await?;
    Ok(StatusCode::NO_CONTENT)
}
