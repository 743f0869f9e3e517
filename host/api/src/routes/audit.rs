//! The audit log: every change, who made it, and the proof that nothing was altered since.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};
use serde::{Deserialize, Serialize};
use shopwright_model::Millis;
use shopwright_store::{AUDIT_EXPORT, AuditFault, AuditLine, AuditRow, StoreError};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::{Operator, Role},
    extract::Query,
    paging::{Page, PageParams, Paging},
    problem::{Problem, Result, codes},
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
    /// The first that does not fit, or is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<i64>,
    /// What is wrong with it: `edited`, `removed` (the one before is missing), `truncated` (it and what followed).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// Whether the entry that was asked for is there with that hash. Where it is not, the log was rewritten or cut
    /// off after the export that said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<bool>,
}

/// An entry as an export said it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Held {
    /// The number of an entry.
    n: Option<i64>,
    /// Its hash.
    hash: Option<String>,
}

/// Checks the whole chain
///
/// With `n` and `hash` of an entry, as an export from before has them, also that this entry is still there: who
/// can write to the database can cut the log off and set its end back, but cannot reach what was exported.
#[utoipa::path(
    get, path = "/api/v1/audit/verify", tag = "audit", params(Held),
    responses((status = 200, body = Verdict)),
)]
pub async fn verify(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Query(held): Query<Held>,
) -> Result<axum::Json<Verdict>> {
    let holds = match (held.n, &held.hash) {
        (Some(n), Some(hash)) => Some(state.store().audit_has(n, hash).await?),
        (None, None) => None,
        _ => return Err(Problem::new(codes::INVALID_QUERY, "`n` and `hash` belong together.")),
    };
    let check = state.store().audit_verify().await?;
    let checked = access.principal.shop.is_none().then_some(check.rows);
    let intact = check.broken_at.is_none() && holds != Some(false);
    let fault = check.fault.map(AuditFault::as_str);
    Ok(axum::Json(Verdict { intact, checked, broken_at: check.broken_at, fault, holds }))
}

/// Whose entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Export {
    /// Every shop's; needs an owner's token that is good for every shop.
    #[serde(default)]
    all: bool,
}

/// Exports the log as JSON Lines that can be verified without this host
///
/// A head, every entry of the chain in order, an end. Entries of other shops are there as number and hashes
/// alone, so that the chain can be followed. `shopwright audit verify --file` verifies it.
#[utoipa::path(
    get, path = "/api/v1/audit/export", tag = "audit", params(Export),
    responses((status = 200, body = String, content_type = "application/x-ndjson")),
)]
pub async fn export(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Query(Export { all }): Query<Export>,
) -> Result<Response> {
    if all && (access.principal.shop.is_some() || access.principal.role < Role::Owner) {
        let detail = "Every shop's entries take an owner's token that is good for every shop.";
        return Err(Problem::new(codes::FORBIDDEN, detail));
    }
    let shop = (!all).then(|| access.shop.to_string());
    let head = AuditLine::Head { format: AUDIT_EXPORT.into(), shop: shop.clone(), exported_at: state.now() };
    let lines = futures::stream::try_unfold(Exporting::Head(head), move |step| {
        let (state, shop) = (state.clone(), shop.clone());
        async move { next(&state, shop.as_deref(), step).await }
    });
    let mut response = Response::new(Body::from_stream(lines));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// Rows of one piece of an export.
const PIECE: u32 = 500;

/// How far an export is.
enum Exporting {
    Head(AuditLine),
    /// Behind this row.
    Rows(i64, String),
    Done,
}

async fn next(
    state: &ApiState,
    shop: Option<&str>,
    step: Exporting,
) -> std::result::Result<Option<(String, Exporting)>, StoreError> {
    let mut text = String::new();
    let mut line = |line: &AuditLine| {
        text.push_str(&serde_json::to_string(line).unwrap_or_default());
        text.push('\n');
    };
    let then = match step {
        Exporting::Done => return Ok(None),
        Exporting::Head(head) => {
            line(&head);
            Exporting::Rows(0, String::new())
        }
        Exporting::Rows(n, hash) => {
            let rows = state.store().audit_chain(n, PIECE).await?;
            match rows.last().map(|last| (last.n, last.hash.clone())) {
                Some((n, hash)) => {
                    rows.into_iter().for_each(|row| line(&AuditLine::of(row, shop)));
                    Exporting::Rows(n, hash)
                }
                None => {
                    line(&AuditLine::End { end: n, last: hash });
                    Exporting::Done
                }
            }
        }
    };
    Ok(Some((text, then)))
}
