//! Requests of plugins to servers of others: reads, and effects with a row in the ledger.
//!
//! What may be reached, with which secrets and over which connection is decided in
//! [`shopwright_connectors::http`]; here is what a run makes of it. A request that has to wait (for its turn, for the
//! next try) unwinds the guest like every wait, so it holds nothing meanwhile.

mod traffic;

use serde_json::json;
use shopwright_connectors::http::{Order, Remote, Reply, Secret, Target, secrets};
use shopwright_model::{
    Millis,
    http::{Header, HttpError, Request, Response},
    types::ActionError,
};
use shopwright_policy::{Action, ActionKind, Reach};
use shopwright_store::ops::{EffectRow, EffectState};
use std::sync::Arc;

pub(crate) use traffic::Traffic;
use traffic::{Pass, Turn};

use crate::{
    actions::{self, Note},
    cx::{RunCx, Stop, Wait},
    waits::WaitFor,
};

type Answer = wasmtime::Result<Result<Response, HttpError>>;

/// How the ledger names this way out.
const CONNECTOR: &str = "http";

/// All that a request needs besides itself.
struct Ready {
    remote: Arc<dyn Remote>,
    reach: Reach,
    secrets: Vec<Secret>,
    _pass: Pass,
}

/// Sends a request that reads.
pub(crate) async fn read(cx: &mut RunCx, request: &Request) -> Answer {
    if cx.run.mode == "backtest" {
        // What a server says today is not what it said then.
        return Ok(Err(HttpError::Trial("a backtest asks nobody outside".into())));
    }
    let ready = match prepare(cx, request).await? {
        Ok(ready) => ready,
        Err(error) => return Ok(Err(error)),
    };
    cx.core.metrics.read(crate::calls::http::READ);
    Ok(match ready.send(request, None, cx.core.clock.now()).await {
        Reply::Answer { response: Response { status: 429, .. }, retry_after } => {
            Err(HttpError::RateLimited(retry_after))
        }
        Reply::Answer { response, .. } => Ok(response),
        Reply::NotSent { error, .. } | Reply::Lost { error } | Reply::Unusable { error } => Err(error),
    })
}

/// Judges a request that acts, writes it ahead, and sends it.
pub(crate) async fn act(cx: &mut RunCx, request: Request) -> Answer {
    let action = Action::from(ActionKind::HttpSend(request.clone()));
    let before = match actions::begin(cx, &action).await? {
        Ok(before) => before,
        Err(reason) => return Ok(Err(HttpError::BadRequest(reason))),
    };
    let mut begun = None;
    if let Some(mut row) = before {
        match row.state {
            EffectState::Done => return Ok(answered_before(&row)),
            EffectState::Unknown => return Ok(Err(HttpError::Unknown(row.error.unwrap_or_default()))),
            EffectState::Sent if !request.repeatable => {
                let reason =
                    "the host stopped while the request was under way: whether it was carried out is not known";
                row.state = EffectState::Unknown;
                row.error = Some(reason.into());
                row.updated_at = cx.core.clock.now();
                actions::keep(cx, &action, row);
                return Ok(Err(HttpError::Unknown(reason.into())));
            }
            EffectState::Intended | EffectState::Sent => {
                row.attempts += u32::from(row.state == EffectState::Intended);
                begun = Some(row);
            }
            // Denied, failed, recorded: refused in a try that was dropped; it is asked for anew.
            _ => {}
        }
    }
    if begun.is_none() {
        if let Err(error) = permitted(cx, &request) {
            let mut row = actions::new_row(cx, &action, EffectState::Denied, "none");
            row.error = Some(words(&error));
            actions::keep(cx, &action, row);
            return Ok(Err(error));
        }
        let note = match actions::allowed(cx, &action).await? {
            Ok(note) => note,
            Err(refused) => return Ok(Err(of_action(refused))),
        };
        if !cx.is_live() {
            let mut row = actions::new_row(cx, &action, EffectState::Recorded, "trial");
            row.answer = Some(match &note {
                Some(Note { rule, said, .. }) => json!({"rule": rule, "said": said}).to_string(),
                None => "{}".into(),
            });
            row.error = note.map(|note| note.words);
            actions::keep(cx, &action, row);
            return Ok(Ok(in_trial()));
        }
    }
    let ready = match prepare(cx, &request).await? {
        Ok(ready) => ready,
        Err(error) => {
            let row = begun.unwrap_or_else(|| actions::new_row(cx, &action, EffectState::Failed, CONNECTOR));
            return fail(cx, &action, row, error).await;
        }
    };
    if begun.is_none()
        && let Err(words) = crate::limits::take_effect(cx)
    {
        let mut row = actions::new_row(cx, &action, EffectState::Denied, "none");
        row.error = Some(words.clone());
        actions::keep(cx, &action, row);
        return Ok(Err(HttpError::Denied(words)));
    }
    let mut row = begun.unwrap_or_else(|| actions::new_row(cx, &action, EffectState::Sent, CONNECTOR));
    row.state = EffectState::Sent;
    row.next_at = None;
    row.updated_at = cx.core.clock.now();
    match cx.pending.effects.iter_mut().find(|known| known.id == row.id) {
        Some(known) => *known = row.clone(),
        None => cx.pending.effects.push(row.clone()),
    }
    cx.flush_and_stay().await?;
    let reply = ready.send(&request, Some(&row.id), cx.core.clock.now()).await;
    drop(ready);
    settle(cx, &action, row, &request, reply).await
}

/// What a reply means for the ledger and the guest.
async fn settle(cx: &mut RunCx, action: &Action, mut row: EffectRow, request: &Request, reply: Reply) -> Answer {
    row.updated_at = cx.core.clock.now();
    match reply {
        Reply::Answer { response, retry_after } if response.status == 429 => {
            again(cx, action, row, retry_after, "answered 429", Err(HttpError::RateLimited(retry_after))).await
        }
        // 503 alone does not say that nothing was done; with the time to come back it does.
        Reply::Answer { response, retry_after }
            if response.status == 503 && (retry_after.is_some() || request.repeatable) =>
        {
            again(cx, action, row, retry_after, "answered 503", Ok(response)).await
        }
        Reply::Answer { response, .. } if response.status >= 400 => {
            row.state = EffectState::Failed;
            row.error = Some(format!("the server answered {}", response.status));
            row.answer = Some(brief(&response));
            cx.note(vec![row.clone()]).await;
            actions::keep(cx, action, row);
            Ok(Ok(response))
        }
        Reply::Answer { response, .. } => {
            row.state = EffectState::Done;
            row.error = None;
            row.answer = Some(brief(&response));
            // Texts, numbers and bytes: cannot fail.
            let whole = json!({"status": response.status, "response": response}).to_string();
            cx.whole_answer = Some((row.id.clone(), whole));
            cx.settled = true;
            actions::keep(cx, action, row);
            Ok(Ok(response))
        }
        Reply::NotSent { error, again: true } => again(cx, action, row, None, &words(&error), Err(error)).await,
        Reply::NotSent { error, again: false } => fail(cx, action, row, error).await,
        Reply::Lost { error } => {
            let unknown = Err(HttpError::Unknown(words(&error)));
            if request.repeatable {
                return again(cx, action, row, None, &words(&error), unknown).await;
            }
            row.state = EffectState::Unknown;
            row.error = Some(words(&error));
            cx.settled = true;
            actions::keep(cx, action, row);
            Ok(unknown)
        }
        Reply::Unusable { error } => {
            row.state = EffectState::Done;
            row.error = Some(words(&error));
            row.answer = Some(json!({"error": error}).to_string());
            cx.settled = true;
            actions::keep(cx, action, row);
            Ok(Err(error))
        }
    }
}

/// The next try later, or what the last one gave.
async fn again(
    cx: &mut RunCx,
    action: &Action,
    mut row: EffectRow,
    after: Option<u64>,
    reason: &str,
    last: Result<Response, HttpError>,
) -> Answer {
    if row.attempts < cx.core.limits.effect_attempts {
        let next_at = cx.core.clock.now() + crate::outbox::pause(&cx.core, row.attempts, after);
        row.state = EffectState::Intended;
        row.error = Some(reason.into());
        let stop = actions::wait_for_try(cx, &row, next_at);
        actions::keep(cx, action, row);
        return Err(stop);
    }
    let lost = matches!(last, Err(HttpError::Unknown(_)));
    row.state = if lost { EffectState::Unknown } else { EffectState::Failed };
    row.error = Some(format!("given up after {} tries: {reason}", row.attempts));
    if lost {
        cx.settled = true;
    } else {
        cx.note(vec![row.clone()]).await;
    }
    actions::keep(cx, action, row);
    Ok(last)
}

/// It cannot be sent. Asked for anew if the run is tried again, so this does not go by the run's own flush.
async fn fail(cx: &mut RunCx, action: &Action, mut row: EffectRow, error: HttpError) -> Answer {
    row.state = EffectState::Failed;
    row.error = Some(words(&error));
    row.updated_at = cx.core.clock.now();
    cx.note(vec![row.clone()]).await;
    actions::keep(cx, action, row);
    Ok(Err(error))
}

/// Where the run's requests may go.
fn reach(cx: &RunCx) -> Reach {
    let granted = cx.grants.find("http", "send");
    // Linked functions are granted; one that was taken back meanwhile reaches nothing.
    let hosts = granted.map_or(Some(&[][..]), |grant| grant.hosts.as_deref());
    Reach::new(&cx.program.manifest.http, hosts)
}

/// Whether manifest and grant name the place; the place.
fn permitted(cx: &RunCx, request: &Request) -> Result<(Target, Reach), HttpError> {
    let target = Target::parse(&request.url).map_err(HttpError::BadRequest)?;
    let reach = reach(cx);
    match reach.objection(target.plain, &target.host, target.port) {
        Some(reason) => Err(HttpError::NotGranted(reason)),
        None => Ok((target, reach)),
    }
}

/// Looks up what a request needs, and waits for its turn. The inner error is for the guest.
async fn prepare(cx: &mut RunCx, request: &Request) -> wasmtime::Result<Result<Ready, HttpError>> {
    let (target, reach) = match permitted(cx, request) {
        Ok(place) => place,
        Err(error) => return Ok(Err(error)),
    };
    let Some(remote) = cx.core.senders.http.clone() else {
        return Ok(Err(HttpError::Connect("this host sends no requests of plugins".into())));
    };
    let names = match secrets::names(request) {
        Ok(names) => names,
        Err(reason) => return Ok(Err(HttpError::BadRequest(reason))),
    };
    let mut secrets = Vec::new();
    if remote.takes_secrets() && !names.is_empty() {
        let (shop, installation) = (&cx.run.shop, &cx.run.installation);
        match crate::secrets::look_up(&cx.core, shop, installation, &names, &target.host).await {
            Ok(Ok(found)) => secrets = found,
            Ok(Err(reason)) => return Ok(Err(HttpError::Secret(reason))),
            Err(error) => return Err(cx.stop(Stop::Store(error))),
        }
    }
    let call = cx.effect_id();
    let of = (cx.run.shop.as_str(), cx.run.installation.as_str());
    match cx.core.traffic.enter(of, &target.host, &call, cx.core.clock.now(), cx.core.jitter()) {
        Turn::Now(pass) => Ok(Ok(Ready { remote, reach, secrets, _pass: pass })),
        Turn::At(at) => {
            let reason = format!("{} takes no more requests of this plugin for now", target.host);
            let description = WaitFor::Effect { effect: call, reason };
            Err(cx.stop(Stop::Wait(Wait { due_at: Some(at), description, ..Wait::default() })))
        }
    }
}

impl Ready {
    async fn send(&self, request: &Request, key: Option<&str>, now: Millis) -> Reply {
        let order = Order { request, key, reach: &self.reach, secrets: &self.secrets, now };
        self.remote.send(&order).await
    }
}

/// What the ledger shows of an answer; the whole of it is in the journal.
fn brief(response: &Response) -> String {
    json!({"status": response.status, "bytes": response.body.len()}).to_string()
}

/// The answer to a request that was carried out by a segment which could not write its journal any more.
fn answered_before(row: &EffectRow) -> Result<Response, HttpError> {
    #[derive(serde::Deserialize)]
    struct Kept {
        response: Option<Response>,
        error: Option<HttpError>,
    }
    let kept = row.answer.as_deref().and_then(|text| serde_json::from_str::<Kept>(text).ok());
    match kept {
        Some(Kept { response: Some(response), .. }) => Ok(response),
        Some(Kept { error: Some(error), .. }) => Err(error),
        _ => Err(HttpError::BadAnswer("it was carried out, and the answer was not kept".into())),
    }
}

/// What a trial gives in place of an answer.
fn in_trial() -> Response {
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    let headers = vec![header("content-type", "application/json"), header("shopwright-trial", "recorded")];
    Response { status: 202, headers, body: b"{}".to_vec() }
}

fn of_action(error: ActionError) -> HttpError {
    match error {
        ActionError::Denied(words) => HttpError::Denied(words),
        ActionError::NotApproved(words) => HttpError::NotApproved(words),
        ActionError::Invalid(reason) => HttpError::BadRequest(reason),
        ActionError::Unavailable(reason) => HttpError::Connect(reason),
        ActionError::Unknown(reason) => HttpError::Unknown(reason),
    }
}

/// An error for the ledger.
fn words(error: &HttpError) -> String {
    match error {
        HttpError::BadRequest(text)
        | HttpError::NotGranted(text)
        | HttpError::Denied(text)
        | HttpError::NotApproved(text)
        | HttpError::Secret(text)
        | HttpError::BlockedAddress(text)
        | HttpError::Dns(text)
        | HttpError::Connect(text)
        | HttpError::Tls(text)
        | HttpError::Timeout(text)
        | HttpError::Redirect(text)
        | HttpError::BadAnswer(text)
        | HttpError::Unknown(text)
        | HttpError::Trial(text) => text.clone(),
        HttpError::TooLarge(bytes) => format!("the answer has more than {bytes} bytes"),
        HttpError::RateLimited(_) => "the server answered 429".into(),
    }
}
