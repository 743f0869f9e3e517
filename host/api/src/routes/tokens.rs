//! Tokens: who may use the API.

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use shopwright_model::Millis;
use shopwright_store::{Store, Token};
use utoipa::ToSchema;

use crate::{
    auth::{self, Access, Anyone, Owner, Role},
    extract::{Json, Path},
    paging::Page,
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

/// The longest a token may be good for, in days.
const MAX_DAYS: u32 = 3_650;
const DAY: Millis = 86_400_000;

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// Its shop; absent: every shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_at: Millis,
    /// When it was last used, to about a minute, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Millis>,
    /// When it ends, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// When it was revoked, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Millis>,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        let Token { id, shop, name, role, created_at, last_used_at, expires_at, revoked_at, .. } = token;
        let shop = if shop.is_empty() { None } else { Some(shop) };
        Self { id, name, role, shop, created_at, last_used_at, expires_at, revoked_at }
    }
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// For people: what it is for.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Good for every shop instead of this one; only with a token that is so itself.
    #[serde(default)]
    pub every_shop: bool,
    /// After how many days it ends; absent: never.
    #[serde(default)]
    pub days: Option<u32>,
}

/// A token that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedToken {
    /// What is kept of it.
    #[serde(flatten)]
    pub token: TokenView,
    /// The secret: shown now and never again.
    pub secret: String,
}

/// Makes a token straight in the store: for the first start, before anybody could be asked. Answers
/// with its secret.
///
/// # Errors
/// The store's, and the system's when it has no randomness.
pub async fn first_owner(store: &Store, id: &str, name: &str, now: Millis) -> Result<String> {
    let (secret, hash) = auth::new_secret().map_err(Problem::internal)?;
    store
        .token_put(Token {
            id: id.into(),
            shop: String::new(),
            name: name.into(),
            role: Role::Owner.as_str().into(),
            hash,
            created_at: now,
            last_used_at: None,
            expires_at: None,
            revoked_at: None,
        })
        .await?;
    Ok(secret)
}

/// Makes a token; its secret is in this answer and nowhere else
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens", request_body = NewToken,
    responses((status = 201, body = CreatedToken)),
)]
pub async fn create(
    State(state): State<ApiState>,
    Owner(access): Owner,
    Json(new): Json<NewToken>,
) -> Result<(StatusCode, axum::Json<CreatedToken>)> {
    if new.name.trim().is_empty() || new.name.chars().count() > 100 {
        let reason = "a name must have 1 to 100 characters";
        return Err(Problem::new(codes::INVALID, format!("At /name: {reason}.")).at("/name", reason));
    }
    if new.days.is_some_and(|days| days == 0 || days > MAX_DAYS) {
        let reason = format!("it must be 1 to {MAX_DAYS}");
        return Err(Problem::new(codes::INVALID, format!("At /days: {reason}.")).at("/days", reason));
    }
    if new.every_shop && access.principal.shop.is_some() {
        let detail = "Only a token that is good for every shop can make another such.";
        return Err(Problem::new(codes::FORBIDDEN, detail).at("/every_shop", detail));
    }
    let (secret, hash) = auth::new_secret().map_err(Problem::internal)?;
    let now = state.now();
    let token = Token {
        id: state.new_id("tok"),
        shop: if new.every_shop { String::new() } else { access.shop.to_string() },
        name: new.name,
        role: new.role.as_str().into(),
        hash,
        created_at: now,
        last_used_at: None,
        expires_at: new.days.map(|days| now + Millis::from(days) * DAY),
        revoked_at: None,
    };
    state.store().token_put(token.clone()).await?;
    let token = TokenView::from(token);
    state.audit(&access, "token.created", format!("token:{}", token.id), None, recorded(&token)).await?;
    Ok((StatusCode::CREATED, axum::Json(CreatedToken { token, secret })))
}

/// The tokens that a token may see: its shop's, and those of every shop if it is one.
async fn visible(state: &ApiState, access: &Access) -> Result<Vec<Token>> {
    let mut tokens = state.store().tokens_list(&access.shop).await?;
    if access.principal.shop.is_none() {
        tokens.extend(state.store().tokens_list("").await?);
    }
    Ok(tokens)
}

/// Lists tokens, without their secrets
#[utoipa::path(
    get, path = "/api/v1/tokens", tag = "tokens",
    responses((status = 200, body = Page<TokenView>)),
)]
pub async fn list(State(state): State<ApiState>, Owner(access): Owner) -> Result<axum::Json<Page<TokenView>>> {
    let tokens = visible(&state, &access).await?;
    Ok(axum::Json(Page::whole(tokens.into_iter().map(Into::into).collect())))
}

/// Revokes a token
///
/// It stops working here at once, and on other nodes of the same database within five seconds.
#[utoipa::path(
    delete, path = "/api/v1/tokens/{id}", tag = "tokens", params(("id" = String, Path, description = "Its id")),
    responses((status = 204)),
)]
pub async fn revoke(State(state): State<ApiState>, Owner(access): Owner, Path(id): Path<String>) -> Result<StatusCode> {
    let token = visible(&state, &access).await?.into_iter().find(|token| token.id == id);
    let token = token.ok_or_else(|| Problem::no_such("token"))?;
    if token.revoked_at.is_none() {
        state.store().token_revoke(&token.shop, &id, state.now()).await?;
        state.tokens().clear();
        let before = recorded(&TokenView::from(token));
        state.audit(&access, "token.revoked", format!("token:{id}"), before, None).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Whose token this is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The token's id.
    pub token: String,
    /// The token's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Its shop; absent: every shop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shop: Option<String>,
    /// When it ends, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Millis>,
    /// The host's version.
    pub version: String,
}

/// Says whose token this is
#[utoipa::path(get, path = "/api/v1/me", tag = "tokens", responses((status = 200, body = Me)))]
pub async fn me(Anyone(principal): Anyone) -> axum::Json<Me> {
    axum::Json(Me {
        token: principal.token.clone(),
        name: principal.name.clone(),
        role: principal.role,
        shop: principal.shop.as_deref().map(Into::into),
        expires_at: principal.expires_at,
        version: env!("CARGO_PKG_VERSION").into(),
    })
}
