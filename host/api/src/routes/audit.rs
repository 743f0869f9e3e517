//! The audit log: every change, who made it, and the proof that nothing was altered since.

use axum::extract::State;
use serde::Serialize;
use shopwright_model::Millis;
use shopwright_store::AuditRow;
use utoipa::ToSchema;

use crate::{
    auth::Operator,
    paging::{Page, PageParams, Paging},
    problem::Result,
    state::ApiState,
};

const LIST: &str = "audit";

/// A change.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditView {
    /// Its number in the chain, over all shops.
    pub n: i64,
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// Who.
    pub who: String,
    /// What was done.
    pub what: String,
    /// On what.
    pub subject: String,
    /// It before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub before: Option<serde_json::Value>,
    /// It after.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub after: Option<serde_json::Value>,
    /// Address and request id.
    pub origin: String,
    /// Hash of the change before it, whichever shop's.
    pub previous: String,
    /// SHA-256 over all of this.
    pub hash: String,
}

impl From<AuditRow> for AuditView {
    fn from(row: AuditRow) -> Self {
        let AuditRow { n, entry, previous, hash } = row;
        let document = |text: String| serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text));
        Self {
            n,
            at: entry.at,
            who: entry.who,
            what: entry.what,
            subject: entry.subject,
            before: entry.before.map(document),
            after: entry.after.map(document),
            origin: entry.origin,
            previous,
            hash,
        }
    }
}

/// Lists changes, the oldest first
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit", params(PageParams),
    responses((status = 200, body = Page<AuditView>)),
)]
pub async fn list(
    State(state): State<ApiState>,
    Operator(access): Operator,
    paging: Paging,
) -> Result<axum::Json<Page<AuditView>>> {
    let after = paging.after_number(LIST)?;
    let rows = state.store().audit_list(&access.shop, after, paging.limit + 1).await?;
    let page = Page::cut(LIST, rows, paging.limit, |row| vec![row.n.to_string()]);
    Ok(axum::Json(page.map(AuditView::from)))
}

/// What checking the chain gave.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verdict {
    /// Every change is as it was written, and none is missing.
    pub intact: bool,
    /// How many were checked, over all shops; only told to tokens that are good for every shop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checked: Option<u64>,
    /// The first that does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<i64>,
}

/// Checks the whole chain
#[utoipa::path(get, path = "/api/v1/audit/verify", tag = "audit", responses((status = 200, body = Verdict)))]
pub async fn verify(State(state): State<ApiState>, Operator(access): Operator) -> Result<axum::Json<Verdict>> {
    let check = state.store().audit_verify().await?;
    let checked = access.principal.shop.is_none().then_some(check.rows);
    Ok(axum::Json(Verdict { intact: check.broken_at.is_none(), checked, broken_at: check.broken_at }))
}
