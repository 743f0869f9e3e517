//! Who may do what: bearer tokens with a role, good for one shop or for all.
//!
//! A handler takes one of [`Viewer`], [`Developer`], [`Operator`], [`Owner`], [`HostOwner`]: the least
//! role it needs, and with it the shop that the request is about. There is no other way to a shop's
//! name in a handler, so that none can forget to ask.
//!
//! A token of one shop that names another gets the same 404 as for a shop that does not exist.

use std::{collections::HashMap, fmt, str::FromStr, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parking_lot::RwLock;
use rand::{TryRng as _, rngs::SysRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shopwright_model::Millis;
use shopwright_store::Token;
use utoipa::ToSchema;

use crate::{
    context::RequestId,
    extract::query_pairs,
    problem::{Problem, Result, codes},
    serve::Peer,
    state::ApiState,
};

/// How secrets begin, so that scanners recognise a leaked one.
pub const PREFIX: &str = "swt_";
/// How long a token that was looked up is trusted without looking again, in milliseconds: the longest
/// that a token revoked on another node goes on working here.
const TRUST: Millis = 5_000;
/// A token's last use is written down at most this often, in milliseconds.
const NOTE_USE: Millis = 60_000;
/// Tokens that are remembered at most.
const REMEMBERED: usize = 10_000;

/// What a token may do; each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads everything of the shop but its tokens and its audit log.
    Viewer,
    /// Sends events and model data, uploads plugins, starts and cancels runs.
    Developer,
    /// Installs and configures plugins, sets guardrails, answers approvals, reads the audit log.
    Operator,
    /// Makes and revokes tokens.
    Owner,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Developer, Self::Operator, Self::Owner];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Developer => "developer",
            Self::Operator => "operator",
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no role; roles are {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// A token's holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token's id.
    pub token: String,
    /// The token's name, for people.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Its shop; none: every shop.
    pub shop: Option<Arc<str>>,
    /// When it ends.
    pub expires_at: Option<Millis>,
}

/// A new secret and its hash. The secret is shown once and never stored.
///
/// # Errors
/// When the system has no randomness to give.
pub fn new_secret() -> Result<(String, String), rand::rngs::SysError> {
    let mut bytes = [0; 32];
    SysRng.try_fill_bytes(&mut bytes)?;
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let hash = hash(&secret);
    Ok((secret, hash))
}

/// What the store keeps of a secret: SHA-256 in hex. Secrets have 256 bits of randomness, so there is
/// nothing to be gained by a slow hash.
#[must_use]
pub fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret))
}

/// Tokens that were looked up lately, by the hash of their secret.
#[derive(Debug, Default)]
pub(crate) struct TokenCache {
    known: RwLock<HashMap<[u8; 32], Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    principal: Arc<Principal>,
    until: Millis,
    noted: Millis,
}

impl TokenCache {
    /// Forgets everything: a token was made or revoked here.
    pub fn clear(&self) {
        self.known.write().clear();
    }
}

/// Finds the holder of the token that a request carries.
async fn authenticate(state: &ApiState, parts: &Parts) -> Result<Arc<Principal>> {
    let Some(value) = parts.headers.get(header::AUTHORIZATION) else {
        return Err(Problem::new(codes::UNAUTHORIZED, "The request has no token."));
    };
    let secret = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim())
        .ok_or_else(|| Problem::new(codes::UNAUTHORIZED, "The header `Authorization` is not `Bearer swt_…`."))?;
    let invalid = || Problem::new(codes::UNAUTHORIZED, "The token is unknown, revoked or expired.");
    if !secret.starts_with(PREFIX) || secret.len() > 128 {
        return Err(invalid());
    }
    let key: [u8; 32] = Sha256::digest(secret).into();
    let now = state.now();
    let known = state.tokens().known.read().get(&key).cloned();
    let mut noted = 0;
    if let Some(known) = known {
        if now < known.until {
            let live = known.principal.expires_at.is_none_or(|end| now < end);
            return if live { Ok(known.principal) } else { Err(invalid()) };
        }
        noted = known.noted;
    }
    let Some(token) = state.store().token_by_hash(&hex::encode(key)).await? else {
        return Err(invalid());
    };
    if token.revoked_at.is_some() || token.expires_at.is_some_and(|end| end <= now) {
        state.tokens().known.write().remove(&key);
        return Err(invalid());
    }
    let principal = Arc::new(
        principal(&token)
            .ok_or_else(|| Problem::internal(format!("token {} has the unknown role {}", token.id, token.role)))?,
    );
    if now - noted >= NOTE_USE {
        noted = now;
        if token.last_used_at.is_none_or(|last| now - last >= NOTE_USE) {
            // Not worth a failure, nor a wait.
            let (store, id) = (state.store().clone(), token.id.clone());
            tokio::spawn(async move {
                if let Err(error) = store.token_used(&id, now).await {
                    tracing::debug!(%error, "a token's use was not noted");
                }
            });
        }
    }
    let mut known = state.tokens().known.write();
    if known.len() >= REMEMBERED {
        known.clear();
    }
    known.insert(key, Known { principal: principal.clone(), until: now + TRUST, noted });
    Ok(principal)
}

fn principal(token: &Token) -> Option<Principal> {
    Some(Principal {
        token: token.id.clone(),
        name: token.name.clone(),
        role: token.role.parse().ok()?,
        shop: if token.shop.is_empty() { None } else { Some(token.shop.as_str().into()) },
        expires_at: token.expires_at,
    })
}

/// What a handler learns of the request's sender.
#[derive(Debug, Clone)]
pub struct Access {
    /// The shop that the request is about.
    pub shop: Arc<str>,
    /// Whose token it is.
    pub principal: Arc<Principal>,
    /// Where it came from, for the audit log: address and request id.
    pub origin: String,
}

impl Access {
    /// The sender, as the audit log names it.
    #[must_use]
    pub fn who(&self) -> String {
        format!("token:{} ({})", self.principal.token, self.principal.name)
    }
}

/// The shop that a request names in `?shop=` or the header `Shopwright-Shop`.
fn named_shop(parts: &Parts) -> Result<Option<String>> {
    let header = match parts.headers.get("shopwright-shop") {
        None => None,
        Some(value) => {
            let text = value.to_str().map_err(|_| no_such_shop())?;
            Some(text.to_owned())
        }
    };
    let query = query_pairs(parts.uri.query()).find(|(name, _)| name == "shop").map(|(_, value)| value.into_owned());
    match (header, query) {
        (Some(header), Some(query)) if header != query => Err(Problem::new(
            codes::INVALID_QUERY,
            format!("The header `Shopwright-Shop` says `{header}` and `?shop=` says `{query}`."),
        )
        .at("shop", "it contradicts the header")),
        (header, query) => Ok(header.or(query)),
    }
}

fn no_such_shop() -> Problem {
    Problem::new(codes::NOT_FOUND, "There is no such shop.")
}

fn shop_of(state: &ApiState, principal: &Principal, named: Option<String>) -> Result<Arc<str>> {
    match (&principal.shop, named) {
        (Some(own), None) => Ok(own.clone()),
        (Some(own), Some(named)) if **own == *named => Ok(own.clone()),
        (Some(_), Some(_)) => Err(no_such_shop()),
        (None, Some(named)) => state.known_shop(&named).ok_or_else(no_such_shop),
        (None, None) => state.default_shop().ok_or_else(|| {
            Problem::new(codes::SHOP_REQUIRED, "This token is good for every shop, and the request names none.")
        }),
    }
}

async fn admit(parts: &Parts, state: &ApiState, needs: Role) -> Result<Access> {
    let principal = authenticate(state, parts).await?;
    allow(&principal, needs)?;
    let shop = shop_of(state, &principal, named_shop(parts)?)?;
    tracing::Span::current().record("shop", &*shop);
    Ok(Access { shop, principal, origin: origin(parts) })
}

fn allow(principal: &Principal, needs: Role) -> Result<()> {
    if principal.role >= needs {
        return Ok(());
    }
    let detail = format!("This needs the role {needs}; the token `{}` is a {}.", principal.name, principal.role);
    Err(Problem::new(codes::FORBIDDEN, detail))
}

/// Where a request came from, for the audit log.
pub(crate) fn origin(parts: &Parts) -> String {
    let request = parts.extensions.get::<RequestId>().map_or("", |id| id.as_str());
    match parts.extensions.get::<Peer>() {
        Some(Peer(address)) => format!("{} {request}", address.ip()),
        None => request.to_owned(),
    }
}

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub Access);

        impl FromRequestParts<ApiState> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self> {
                admit(parts, state, Role::$name).await.map(Self)
            }
        }
    )*};
}

roles! {
    /// Needs at least the role viewer.
    Viewer
    /// Needs at least the role developer.
    Developer
    /// Needs at least the role operator.
    Operator
    /// Needs the role owner.
    Owner
}

/// Needs the role owner on a token that is good for every shop. `shop` is the one named, if any.
#[derive(Debug)]
pub struct HostOwner(pub Access);

impl FromRequestParts<ApiState> for HostOwner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self> {
        let principal = authenticate(state, parts).await?;
        allow(&principal, Role::Owner)?;
        if principal.shop.is_some() {
            let detail = "This concerns the whole host; the token is good for one shop only.";
            return Err(Problem::new(codes::FORBIDDEN, detail));
        }
        Ok(Self(Access { shop: "".into(), principal, origin: origin(parts) }))
    }
}

/// Any valid token; no shop is looked for.
#[derive(Debug)]
pub struct Anyone(pub Arc<Principal>);

impl FromRequestParts<ApiState> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self> {
        authenticate(state, parts).await.map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_random_and_known_by_hash_only() {
        let (one, hash_of_one) = new_secret().expect("randomness");
        let (two, _) = new_secret().expect("randomness");
        assert!(one.starts_with("swt_") && one.len() == 47, "{one}");
        assert_ne!(one, two);
        assert_eq!(hash(&one), hash_of_one);
        // printf swt_test | sha256sum
        assert_eq!(hash("swt_test"), "9d1f6f346d07bfba0012cf8180c86ef95f1d266338318d12edf3ffcf8750b5c9");
    }

    #[test]
    fn roles_include_those_below() {
        for (n, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role.as_str().parse::<Role>().expect("its own name"), role);
            for (m, needs) in Role::ALL.into_iter().enumerate() {
                let principal = Principal { token: "t".into(), name: "n".into(), role, shop: None, expires_at: None };
                assert_eq!(allow(&principal, needs).is_ok(), n >= m, "{role} where {needs} is needed");
            }
        }
        assert!("root".parse::<Role>().expect_err("no role").contains("viewer"));
    }
}
