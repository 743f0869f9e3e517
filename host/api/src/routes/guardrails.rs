//! Guardrails: the shop's rules on actions.

use axum::{extract::State, http::StatusCode};
use shopwright_policy::Rule;

use crate::{
    auth::{Operator, Viewer},
    extract::{Json, Path},
    faults::sentence,
    paging::Page,
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

fn subject(id: &str) -> String {
    format!("guardrail:{id}")
}

/// Lists guardrails, in the order they are judged
#[utoipa::path(
    get, path = "/api/v1/guardrails", tag = "guardrails",
    responses((status = 200, body = Page<Object>)),
)]
pub async fn list(State(state): State<ApiState>, Viewer(access): Viewer) -> Result<axum::Json<Page<Rule>>> {
    Ok(axum::Json(Page::whole(state.engine().rules(&access.shop)?)))
}

/// Sets a guardrail
///
/// An object with `kind` and the kind's fields: `marketing_consent`, `price_floor`, `minimum_margin`,
/// `largest_price_change`, `discount_ceiling`, `discount_duration`, `message_frequency`, `action_budget`,
/// `quiet_hours`; with `words` (shown with a denial), `enabled`, and `mode` (`deny` or `ask`).
#[utoipa::path(
    put, path = "/api/v1/guardrails/{id}", tag = "guardrails", params(("id" = String, Path, description = "Its id")),
    request_body = Object,
    responses((status = 200, body = Object)),
)]
pub async fn put(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
    Json(mut body): Json<serde_json::Value>,
) -> Result<axum::Json<Rule>> {
    if let Some(object) = body.as_object_mut() {
        match object.get("id").and_then(serde_json::Value::as_str) {
            Some(other) if other != id => {
                let detail = format!("The body says id `{other}`, the path `{id}`.");
                return Err(Problem::new(codes::INVALID, detail).at("/id", "it contradicts the path"));
            }
            _ => object.insert("id".into(), id.clone().into()),
        };
    }
    let rule = Rule::parse(&body).map_err(|error| {
        Problem::new(codes::INVALID, sentence(&format!("`{}` {}", error.field, error.problem)))
            .coded("invalid-guardrail")
            .at(format!("/{}", error.field), format!("it {}", error.problem))
            .remedy(sentence(&error.remedy))
    })?;
    let before = state.engine().rules(&access.shop)?.into_iter().find(|rule| rule.id == id);
    state.engine().put_rule(&access.shop, rule.clone()).await?;
    state.audit(&access, "guardrail.set", subject(&id), before.as_ref().and_then(recorded), recorded(&rule)).await?;
    Ok(axum::Json(rule))
}

/// Removes a guardrail
#[utoipa::path(
    delete, path = "/api/v1/guardrails/{id}", tag = "guardrails", params(("id" = String, Path, description = "Its id")),
    responses((status = 204)),
)]
pub async fn remove(
    State(state): State<ApiState>,
    Operator(access): Operator,
    Path(id): Path<String>,
) -> Result<StatusCode> {
    let before = state.engine().rules(&access.shop)?.into_iter().find(|rule| rule.id == id);
    let before = before.ok_or_else(|| Problem::no_such("guardrail"))?;
    if !state.engine().delete_rule(&access.shop, &id).await? {
        return Err(Problem::no_such("guardrail"));
    }
    state.audit(&access, "guardrail.removed", subject(&id), recorded(&before), None).await?;
    Ok(StatusCode::NO_CONTENT)
}
