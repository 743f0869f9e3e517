//! The live feed: what happens in a shop, as it happens.

use std::convert::Infallible;

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures::Stream;
use shopwright_engine::Notice;
use tokio::sync::broadcast::error::RecvError;

use crate::{auth::Viewer, state::ApiState};

/// Follows what happens, as server-sent events
///
/// Each is JSON with `notice`: `event`, `run_started`, `run_replaced`, `run_waiting`, `run_ended`, `effect`, `log`.
/// Told after it is durable. A listener that is too slow is told how many it missed (`missed`).
#[utoipa::path(
    get, path = "/api/v1/feed", tag = "events",
    responses((status = 200, body = String, content_type = "text/event-stream")),
)]
pub async fn feed(
    State(state): State<ApiState>,
    Viewer(access): Viewer,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let notices = state.engine().subscribe();
    let shop = access.shop;
    let stream = futures::stream::unfold((notices, shop, state), |(mut notices, shop, state)| async move {
        loop {
            let notice = tokio::select! {
                biased;
                () = state.ended() => return None,
                notice = notices.recv() => notice,
            };
            let event = match notice {
                Ok(notice) if shop_of(&notice) == &*shop => match serde_json::to_string(&notice) {
                    Ok(text) => Event::default().data(text),
                    Err(_) => continue,
                },
                Ok(_) => continue,
                // How many of them were of this shop is not known.
                Err(RecvError::Lagged(_)) => Event::default().data("{\"notice\":\"missed\"}"),
                Err(RecvError::Closed) => return None,
            };
            return Some((Ok(event), (notices, shop, state)));
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default())
}

fn shop_of(notice: &Notice) -> &str {
    match notice {
        Notice::Event { shop, .. }
        | Notice::RunStarted { shop, .. }
        | Notice::RunReplaced { shop, .. }
        | Notice::RunWaiting { shop, .. }
        | Notice::RunEnded { shop, .. }
        | Notice::RolledBack { shop, .. }
        | Notice::RunReopened { shop, .. }
        | Notice::Effect { shop, .. }
        | Notice::Log { shop, .. } => shop,
    }
}
