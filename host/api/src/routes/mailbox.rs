//! The mailbox: messages that were sent, or would have been if a sender were configured.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use shopwright_model::{Millis, RunId};
use shopwright_store::{MessageFilter, ops::MessageRow};
use utoipa::{IntoParams, ToSchema};

use crate::{
    auth::Viewer,
    extract::{Path, Query},
    paging::{Page, PageParams, Paging},
    problem::{Problem, Result},
    state::ApiState,
};

const LIST: &str = "mailbox";

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageView {
    /// The effect's id.
    pub id: String,
    /// `email`, `sms`, `staff`, `ticket`.
    pub channel: String,
    /// Address, number or staff channel.
    pub recipient: String,
    /// Customer's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Subject line, may be empty.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// When, in milliseconds since 1970.
    pub at: Millis,
    /// By which run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub run: Option<RunId>,
}

impl From<MessageRow> for MessageView {
    fn from(row: MessageRow) -> Self {
        let MessageRow { id, channel, recipient, customer, subject, text, html, at, run, .. } = row;
        Self { id, channel, recipient, customer, subject, text, html, at, run }
    }
}

/// Which messages to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// `email`, `sms`, `staff`, `ticket`.
    channel: Option<String>,
    /// Address, number or staff channel.
    recipient: Option<String>,
    /// Customer's id.
    customer: Option<String>,
    /// Of this run.
    run: Option<String>,
}

/// Lists messages, the newest first
#[utoipa::path(
    get, path = "/api/v1/mailbox", tag = "mailbox", params(Filter, PageParams),
    responses((status = 200, body = Page<MessageView>)),
)]
pub async fn list(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    paging: Paging,
    Query(filter): Query<Filter>,
) -> Result<axum::Json<Page<MessageView>>> {
    let run = filter.run.map(|run| run.parse::<RunId>().map_err(|_| Problem::no_such("run"))).transpose()?;
    let filter = MessageFilter { channel: filter.channel, recipient: filter.recipient, customer: filter.customer, run };
    let before = paging.after_number(LIST)?;
    let rows = state.store().messages_list(&access.shop, before, paging.limit + 1, &filter).await?;
    let page = Page::cut(LIST, rows, paging.limit, |row| vec![row.seq.to_string()]);
    Ok(axum::Json(page.map(MessageView::from)))
}

/// Shows a message
#[utoipa::path(
    get, path = "/api/v1/mailbox/{id}", tag = "mailbox", params(("id" = String, Path, description = "Its id")),
    responses((status = 200, body = MessageView)),
)]
pub async fn show(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
    Path(id): Path<String>,
) -> Result<axum::Json<MessageView>> {
    // A message's id is its effect's: the run's id and the position.
    let run = id.rsplit_once('-').and_then(|(run, _)| run.parse::<RunId>().ok());
    let run = run.ok_or_else(|| Problem::no_such("message"))?;
    let filter = MessageFilter { run: Some(run), ..MessageFilter::default() };
    let rows = state.store().messages_list(&access.shop, None, 10_000, &filter).await?;
    let row = rows.into_iter().find(|row| row.id == id).ok_or_else(|| Problem::no_such("message"))?;
    Ok(axum::Json(row.into()))
}
