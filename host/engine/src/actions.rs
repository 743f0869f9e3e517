//! The one place that every action passes: guardrails, ledger, own store, senders.
//!
//! An action on our own model (a price, a discount, a ticket) is buffered and commits with the run's
//! journal. One that leaves the house is written ahead as `sent`, sent with the effect's id as its
//! idempotency key, and its answer commits with the journal; while tries fail, the run waits and asks
//! for the same action again when it is woken, and the ledger tells where it stands.

use std::sync::Arc;

use serde_json::{Value, json};
use shopwright_commerce::{Outgoing, OwnWrites, Performed, Reader as _, Why, changes};
use shopwright_connectors::{Outcome, smtp};
use shopwright_model::{
    EntityKind, Millis,
    catalog::Product,
    customers::Customer,
    messaging::{Email, Purpose, Sms},
    types::ActionError,
};
use shopwright_policy::{
    Action, ActionKind, CustomerFacts, Facts, Grant, Need, PriceChangeFact, Scope, VariantFacts, Verdict,
    counted_facts, judge, needs,
};
use shopwright_store::{
    Beside,
    ops::{EffectRow, EffectState, MessageRow, Own, PriceChangeRow, Put},
};

use crate::{
    calls::workflow::{Question, decide_as, plan_own},
    cx::{RunCx, Stop, Wait},
    intake::IncomingEvent,
    limits,
    notice::Notice,
    reader::RunReader,
    waits::WaitFor,
};

/// How long a person has to say yes to what a guardrail asks about.
const ASK_DEADLINE: Millis = 24 * 3_600_000;

type Answer = wasmtime::Result<Result<Performed, ActionError>>;

/// Judges an action and carries it out.
pub(crate) async fn act(cx: &mut RunCx, kind: ActionKind) -> Answer {
    let action = Action::from(kind);
    let (before, id) = match begin(cx, &action).await? {
        Ok(before) => (before, cx.effect_id()),
        Err(reason) => return Ok(Err(ActionError::Invalid(reason))),
    };
    if let Some(row) = before {
        match row.state {
            EffectState::Intended | EffectState::Sent => return go_on(cx, &action, row).await,
            EffectState::Done => return Ok(Ok(performed(&row))),
            EffectState::Unknown => return Ok(Err(ActionError::Unknown(row.error.unwrap_or_default()))),
            // Denied, failed, recorded: it was refused in a try that was dropped; it is asked for anew.
            _ => {}
        }
    }
    let note = match allowed(cx, &action).await? {
        Ok(note) => note,
        Err(refused) => return Ok(Err(refused)),
    };
    let now = cx.core.clock.now();
    let by = format!("run:{}", cx.run.id);
    let (writes, versions) = {
        let reader = RunReader::new(cx);
        let writes = changes(&action.kind, &reader, now, &id, &by).await;
        (writes, reader.into_versions())
    };
    let writes = match writes {
        Ok(writes) => writes,
        Err(Why::Invalid(reason)) => return Ok(Err(ActionError::Invalid(reason))),
        Err(Why::Unavailable(error)) => return Ok(Err(ActionError::Unavailable(error.reason))),
    };
    let done = Performed { effect: id.clone(), reference: None, code: writes.code.clone() };
    if !cx.is_live() {
        let mut row = new_row(cx, &action, EffectState::Recorded, "trial");
        if let Some(Note { rule, said, words }) = &note {
            row.error = Some(words.clone());
            row.answer = Some(
                json!({"code": writes.code, "rule": rule, "said": said, "before": before_of(&writes)}).to_string(),
            );
        } else {
            row.answer = Some(json!({"code": writes.code, "before": before_of(&writes)}).to_string());
        }
        record(cx, writes, now);
        keep(cx, &action, row);
        return Ok(Ok(done));
    }
    let message = match &writes.outgoing {
        None => None,
        Some(outgoing) => match message(cx, outgoing, &id, now) {
            Ok(message) => Some(message),
            Err(reason) => return Ok(Err(ActionError::Invalid(reason))),
        },
    };
    if let Err(words) = limits::take_effect(cx) {
        let mut row = new_row(cx, &action, EffectState::Denied, "none");
        row.error = Some(words.clone());
        keep(cx, &action, row);
        return Ok(Err(ActionError::Denied(words)));
    }
    let connector = connector(cx, writes.outgoing.as_ref());
    write_own(cx, &writes, &versions, now)?;
    match (connector, message) {
        (connector @ (Connector::Smtp | Connector::Callback), Some(_)) => {
            // Written ahead, then sent.
            let row = new_row(cx, &action, EffectState::Sent, connector.name());
            send(cx, &action, row).await
        }
        (connector, message) => {
            let mut row = new_row(cx, &action, EffectState::Done, connector.name());
            row.answer = Some(match before_of(&writes) {
                Some(before) => json!({"code": writes.code, "before": before}).to_string(),
                None => json!({"code": writes.code}).to_string(),
            });
            if let Some(message) = message {
                cx.pending.own.push(Own::Message(message));
            }
            if connector == Connector::Platform {
                // The platform hears of it after the commit, from the ledger.
                row.state = EffectState::Intended;
                row.next_at = Some(now);
            }
            keep(cx, &action, row);
            Ok(Ok(done))
        }
    }
}

/// Checks an action by itself, counts it, and gives the ledger's row of an earlier segment, if it has one. An
/// error: the action makes no sense.
pub(crate) async fn begin(cx: &mut RunCx, action: &Action) -> wasmtime::Result<Result<Option<EffectRow>, String>> {
    if let Err(reason) = action.validate(&cx.shop.facts, cx.now) {
        return Ok(Err(reason));
    }
    let limit = cx.program.workflow(&cx.run.workflow).map_or(u32::MAX, |w| w.effects);
    cx.effects += 1;
    if cx.effects > limit {
        let message = format!("the run asked for more than {limit} actions");
        return Err(cx.stop(Stop::Fail { code: "too-many-effects", message }));
    }
    if !cx.resumed {
        return Ok(Ok(None));
    }
    match cx.core.store.effect(&cx.run.shop, &cx.effect_id()).await {
        Ok(row) => Ok(Ok(row)),
        Err(error) => Err(cx.stop(Stop::Store(error))),
    }
}

/// Who carries it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connector {
    Own,
    Mailbox,
    Smtp,
    /// The run waits for the answer.
    Callback,
    /// The platform is told after the commit; the run goes on.
    Platform,
}

impl Connector {
    fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Mailbox => "mailbox",
            Self::Smtp => "smtp",
            Self::Callback => "callback",
            Self::Platform => crate::outbox::CONNECTOR,
        }
    }
}

fn connector(cx: &RunCx, outgoing: Option<&Outgoing>) -> Connector {
    let senders = &cx.core.senders;
    match outgoing {
        Some(Outgoing::Email { .. }) if senders.smtp.is_some() => Connector::Smtp,
        Some(Outgoing::Email { .. }) => Connector::Mailbox,
        Some(Outgoing::Sms { .. } | Outgoing::Staff { .. }) if senders.callback.is_some() => Connector::Callback,
        _ if senders.callback.is_some() => Connector::Platform,
        Some(_) => Connector::Mailbox,
        None => Connector::Own,
    }
}

/// What a guardrail would have said, in a trial, beyond yes and no.
pub(crate) struct Note {
    pub rule: String,
    /// `ask`, `later`.
    pub said: &'static str,
    pub words: String,
}

/// The price before a change of it: with it, reports tell how much was changed.
fn before_of(writes: &OwnWrites) -> Option<i64> {
    writes.price_change.as_ref().map(|change| change.before.amount)
}

/// What a trial's action would have written: the run reads it, nobody else does.
fn record(cx: &mut RunCx, writes: OwnWrites, now: Millis) {
    let in_world = cx.core.store.world().is_some();
    if let Some(change) = writes.price_change.filter(|_| in_world) {
        cx.pending.own.push(Own::PriceChange(PriceChangeRow {
            id: cx.core.ids.next(),
            shop: cx.run.shop.clone(),
            variant: change.variant_id,
            at: now,
            before: change.before.amount,
            after: change.after.amount,
            currency: change.after.currency,
            reason: change.reason,
            by: change.by,
        }));
    }
    for entity in writes.entities {
        cx.overlay.documents.insert((entity.kind, entity.id.clone()), entity.doc.as_str().into());
        if in_world {
            // Its own store: there the run finds it again when it has waited.
            cx.pending.own.push(Own::Put(Put { entity, expect: None, since: now, newer_only: false }));
        }
    }
}

/// Whether the shop's guardrails allow it now. In a trial what they would have said beyond yes and no
/// is given as a note.
pub(crate) async fn allowed(cx: &mut RunCx, action: &Action) -> wasmtime::Result<Result<Option<Note>, ActionError>> {
    let mut rules = cx.shop.rules();
    let grant = cx
        .grants
        .find(action.interface, action.function)
        .cloned()
        // Linked functions are granted; one that was taken back meanwhile is refused here.
        .unwrap_or_else(|| Grant::of("none", "none"));
    loop {
        let mut facts = Facts::new(cx.core.clock.now(), cx.shop.facts.clone());
        for key in counted_facts(action, &rules, &grant, &facts) {
            let key =
                if key.starts_with("effects:installation:") { format!("{key}@{}", cx.run.installation) } else { key };
            // A trial counts for itself: it must not have a live run decide anew.
            let key = if cx.is_live() { key } else { format!("{key}#{}", cx.memory_space()) };
            cx.depend_on(&key).await?;
        }
        let wanted = needs(action, &rules, &grant, &facts);
        if let Err(reason) = gather(cx, &wanted, &mut facts).await {
            return Ok(Err(ActionError::Unavailable(reason)));
        }
        match judge(action, &facts, &rules, &grant) {
            Verdict::Allow => return Ok(Ok(None)),
            Verdict::Deny { words, rule } => {
                let mut row = new_row(cx, action, EffectState::Denied, "none");
                row.error = Some(words.clone());
                row.answer = Some(json!({"rule": rule, "said": "deny"}).to_string());
                keep(cx, action, row);
                return Ok(Err(ActionError::Denied(words)));
            }
            Verdict::Ask { words, rule } if !cx.is_live() => {
                return Ok(Ok(Some(Note { rule, said: "ask", words: format!("a person would be asked: {words}") })));
            }
            Verdict::NotYet { words, until, rule } if !cx.is_live() => {
                let words = format!("it would wait until {until}: {words}");
                return Ok(Ok(Some(Note { rule, said: "later", words })));
            }
            Verdict::NotYet { until, words, .. } => {
                let description = WaitFor::Guardrail { words };
                return Err(cx.stop(Stop::Wait(Wait { due_at: Some(until), description, ..Wait::default() })));
            }
            Verdict::Ask { rule, words } => {
                let question = Question {
                    title: format!("{}: {words}", action.name()),
                    details: json!({"action": action.name(), "subject": action.subject(), "reason": action.reason(),
                        "request": action.kind, "rule": rule})
                    .to_string(),
                    choices: vec!["approve".into(), "refuse".into()],
                    deadline: ASK_DEADLINE,
                    escalate_to: None,
                };
                let id = format!("{}-{rule}", cx.effect_id());
                match decide_as(cx, id, question).await? {
                    Some(choice) if choice == "approve" => rules = Arc::new(rules.approved(&rule)),
                    Some(_) => return Ok(Err(ActionError::NotApproved(words))),
                    None => return Ok(Err(ActionError::NotApproved(format!("nobody answered in time: {words}")))),
                }
            }
        }
    }
}

/// Fetches what judging needs.
async fn gather(cx: &RunCx, wanted: &[Need], facts: &mut Facts) -> Result<(), String> {
    let reader = RunReader::new(cx);
    let store = &cx.core.store;
    let shop = &cx.run.shop;
    let down = |error: shopwright_store::StoreError| error.to_string();
    // A shadow counts what it would have done itself, in the place of what the live one beside it does.
    let in_shadow = !cx.is_live() && store.world().is_none();
    let beside = in_shadow.then(|| cx.shop.beside(&cx.run.installation).map(|live| live.record.id.clone()));
    let beside = beside.map(Option::unwrap_or_default);
    for need in wanted {
        match need {
            Need::Variant { variant } => {
                let doc = reader.variant_product(variant).await.map_err(|e| e.reason)?;
                let product = doc.and_then(|doc| serde_json::from_str::<Product>(&doc).ok());
                facts.variant = product.and_then(|product| {
                    let found = product.variants.iter().find(|v| v.id == *variant)?;
                    Some(VariantFacts {
                        price: found.price.clone(),
                        compare_at: found.compare_at.clone(),
                        cost: found.cost.clone(),
                        category: product.category.clone(),
                        tags: product.tags.clone(),
                    })
                });
            }
            Need::PriceChanges { variant, after } => {
                let mut stored = Vec::new();
                let mut before = None;
                loop {
                    // Newest first; every change within the window counts, however many there are.
                    let rows = store.price_changes(shop, variant, before, 250).await.map_err(down)?;
                    let more = rows.len() == 250 && rows.last().is_some_and(|row| row.at > *after);
                    before = rows.last().map(|row| (row.at, row.id));
                    stored.extend(rows.into_iter().filter(|row| row.at > *after).map(|row| PriceChangeFact {
                        at: row.at,
                        before: shopwright_model::types::Money { amount: row.before, currency: row.currency },
                    }));
                    if !more {
                        break;
                    }
                }
                let own = cx.pending.own.iter().filter_map(|own| match own {
                    Own::PriceChange(row) if row.variant == *variant => Some(PriceChangeFact {
                        at: row.at,
                        before: shopwright_model::types::Money { amount: row.before, currency: row.currency.clone() },
                    }),
                    _ => None,
                });
                stored.extend(own);
                facts.price_changes = Some(stored);
            }
            Need::Customer { id } => {
                let doc = reader.entity(EntityKind::Customer, id).await.map_err(|e| e.reason)?;
                let customer = doc.and_then(|doc| serde_json::from_str::<Customer>(&doc).ok());
                facts.customer = customer.map(|c| CustomerFacts { consents: c.consents, time_zone: c.time_zone });
            }
            Need::MessagesSent { customer, after, purpose, channel } => {
                let subject = format!("customer:{customer}");
                let tag = purpose.map(tag_of);
                let mut count = 0;
                for (over, action) in [
                    (shopwright_model::customers::Channel::Email, "messaging.send-email"),
                    (shopwright_model::customers::Channel::Sms, "messaging.send-sms"),
                ] {
                    if channel.is_some_and(|only| only != over) {
                        continue;
                    }
                    count += match &beside {
                        None => store.effects_counted(shop, &subject, Some(action), tag, after + 1).await,
                        Some(live) => {
                            let beside = beside_of(cx, live, None);
                            store.effects_counted_beside(shop, Some(&subject), action, tag, after + 1, beside).await
                        }
                    }
                    .map_err(down)?;
                    count += pending(cx, |row| {
                        row.subject == subject && row.action == action && tag.is_none_or(|tag| row.tag == tag)
                    });
                }
                facts.counts.push((need.clone(), count));
            }
            Need::Effects { scope, function, after } => {
                let installation = match scope {
                    Scope::Installation => Some(cx.run.installation.as_str()),
                    Scope::Shop => None,
                };
                let stored = match &beside {
                    None => store.effects_since(shop, installation, function, after + 1).await,
                    Some(live) => {
                        let beside = beside_of(cx, live, installation);
                        store.effects_counted_beside(shop, None, function, None, after + 1, beside).await
                    }
                }
                .map_err(down)?;
                let own = pending(cx, |row| row.action == *function);
                facts.counts.push((need.clone(), stored + own));
            }
        }
    }
    Ok(())
}

/// Between whom a shadow counts, since it was enabled.
fn beside_of<'a>(cx: &'a RunCx, live: &'a str, only: Option<&'a str>) -> Beside<'a> {
    Beside { own: &cx.run.installation, live, from: cx.installed.record.created_at, only }
}

/// How many effects of this segment, not yet in the store, count.
fn pending(cx: &RunCx, which: impl Fn(&EffectRow) -> bool) -> u64 {
    let counts = |row: &&EffectRow| {
        // A trial's are recorded only; among themselves they count.
        matches!(
            row.state,
            EffectState::Intended
                | EffectState::Sent
                | EffectState::Done
                | EffectState::Unknown
                | EffectState::Recorded
        ) && which(row)
    };
    cx.pending.effects.iter().filter(counts).count() as u64
}

fn tag_of(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Transactional => "transactional",
        Purpose::Marketing => "marketing",
    }
}

pub(crate) fn new_row(cx: &RunCx, action: &Action, state: EffectState, connector: &str) -> EffectRow {
    let now = cx.core.clock.now();
    let tag = match &action.kind {
        ActionKind::SendEmail(Email { purpose, .. }) | ActionKind::SendSms(Sms { purpose, .. }) => tag_of(*purpose),
        _ => "",
    };
    EffectRow {
        id: cx.effect_id(),
        shop: cx.run.shop.clone(),
        run: cx.run.id,
        position: cx.journal.position(),
        installation: cx.run.installation.clone(),
        action: action.name().into(),
        subject: action.subject(),
        // Typed data of ours: cannot fail.
        request: serde_json::to_string(&action.kind).unwrap_or_default(),
        state,
        connector: connector.into(),
        answer: None,
        attempts: u32::from(state != EffectState::Denied),
        next_at: None,
        error: None,
        tag: tag.into(),
        created_at: now,
        updated_at: now,
    }
}

/// Puts a row into the next flush, and into the feed once that is durable.
pub(crate) fn keep(cx: &mut RunCx, action: &Action, row: EffectRow) {
    cx.core.metrics.effect(&row.action, row.state);
    if cx.core.is_heard() {
        cx.pending.notices.push(Notice::Effect {
            shop: row.shop.clone(),
            run: row.run,
            installation: row.installation.clone(),
            workflow: cx.run.workflow.clone(),
            effect: row.id.clone(),
            action: row.action.clone(),
            subject: row.subject.clone(),
            state: state_name(row.state),
            reason: action.reason().into(),
            request: Arc::new(serde_json::from_str(&row.request).unwrap_or_default()),
            error: row.error.clone(),
            at: row.updated_at,
        });
    }
    match cx.pending.effects.iter_mut().find(|known| known.id == row.id) {
        Some(known) => *known = row,
        None => cx.pending.effects.push(row),
    }
}

/// A state's name, as the API and the feed have it.
pub(crate) fn state_name(state: EffectState) -> &'static str {
    match state {
        EffectState::Intended => "intended",
        EffectState::Sent => "sent",
        EffectState::Done => "done",
        EffectState::Failed => "failed",
        EffectState::Unknown => "unknown",
        EffectState::Denied => "denied",
        EffectState::Recorded => "recorded",
    }
}

fn performed(row: &EffectRow) -> Performed {
    let answer: Value = row.answer.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let text = |field: &str| answer.get(field).and_then(Value::as_str).map(str::to_owned);
    Performed { effect: row.id.clone(), reference: text("reference"), code: text("code") }
}

/// What an action changes in our own store, into the next flush.
fn write_own(
    cx: &mut RunCx,
    writes: &OwnWrites,
    versions: &std::collections::HashMap<(EntityKind, String), i64>,
    now: Millis,
) -> wasmtime::Result<()> {
    for entity in &writes.entities {
        let key = (entity.kind, entity.id.clone());
        cx.overlay.documents.insert(key.clone(), entity.doc.as_str().into());
        let earlier = cx.pending.own.iter_mut().find_map(|own| match own {
            Own::Put(put) if put.entity.kind == entity.kind && put.entity.id == entity.id => Some(put),
            _ => None,
        });
        match earlier {
            Some(put) => put.entity = entity.clone(),
            None => cx.pending.own.push(Own::Put(Put {
                entity: entity.clone(),
                expect: versions.get(&key).copied(),
                since: now,
                newer_only: false,
            })),
        }
    }
    if let Some(change) = &writes.price_change {
        cx.pending.own.push(Own::PriceChange(PriceChangeRow {
            id: cx.core.ids.next(),
            shop: cx.run.shop.clone(),
            variant: change.variant_id.clone(),
            at: now,
            before: change.before.amount,
            after: change.after.amount,
            currency: change.after.currency.clone(),
            reason: change.reason.clone(),
            by: change.by.clone(),
        }));
    }
    for (n, event) in writes.events.iter().enumerate() {
        let event = IncomingEvent {
            source: "/shopwright".into(),
            id: format!("{}-{n}", cx.effect_id()),
            kind: event.kind.into(),
            at: Some(now),
            concerns: event.concerns.clone(),
            data: event.data.clone(),
            ..IncomingEvent::default()
        };
        match plan_own(cx, event) {
            Ok(mut event) => {
                // The document is written above, under the version that it rests on.
                event.puts.clear();
                cx.pending.events.push(event);
            }
            Err(error) => {
                let message = format!("an event of ours is not acceptable: {error}");
                return Err(cx.stop(Stop::Fail { code: "internal", message }));
            }
        }
    }
    Ok(())
}

/// What is sent, as the mailbox shows it.
fn message(cx: &RunCx, outgoing: &Outgoing, effect: &str, now: Millis) -> Result<MessageRow, String> {
    let row =
        |channel: &str, recipient: String, customer: Option<String>, subject: String, text: String, html| MessageRow {
            id: effect.into(),
            shop: cx.run.shop.clone(),
            channel: channel.into(),
            recipient,
            customer,
            subject,
            text,
            html,
            at: now,
            run: Some(cx.run.id),
            seq: cx.core.ids.next(),
        };
    Ok(match outgoing {
        Outgoing::Email { customer, to, email } => {
            let template = cx.program.template(&email.template).ok_or_else(|| {
                let known: Vec<&str> = cx.program.manifest.templates.iter().map(|t| t.name.as_str()).collect();
                format!("there is no template `{}`; this plugin brings: {}", email.template, known.join(", "))
            })?;
            let mut data: Value = serde_json::from_str(&email.data).map_err(|e| format!("`data` is no JSON: {e}"))?;
            if let Some(object) = data.as_object_mut() {
                object.insert("customer".into(), serde_json::to_value(customer).unwrap_or_default());
                object.insert("shop".into(), json!({"id": cx.shop.shop.id, "name": cx.shop.shop.name}));
            }
            let rendered = template.render(&data).map_err(|e| format!("template `{}`: {e}", email.template))?;
            row("email", to.clone(), Some(customer.id.clone()), rendered.subject, rendered.text, rendered.html)
        }
        Outgoing::Sms { customer, to, sms } => {
            row("sms", to.clone(), Some(customer.id.clone()), String::new(), sms.text.clone(), None)
        }
        Outgoing::Staff { channel, text, data } => {
            let text = if data == "{}" || data.is_empty() { text.clone() } else { format!("{text}\n\n{data}") };
            row("staff", channel.clone(), None, String::new(), text, None)
        }
        Outgoing::Reply { ticket, text } => {
            row("ticket", ticket.id.clone(), ticket.customer.clone(), ticket.subject.clone(), text.clone(), None)
        }
    })
}

/// An effect that an earlier segment began.
async fn go_on(cx: &mut RunCx, action: &Action, mut row: EffectRow) -> Answer {
    let now = cx.core.clock.now();
    let own = matches!(action.kind, ActionKind::Reply { .. })
        || !matches!(action.kind, ActionKind::SendEmail(_) | ActionKind::SendSms(_) | ActionKind::NotifyStaff { .. });
    if own {
        // Our part is done; the platform is told from the ledger.
        return Ok(Ok(performed(&row)));
    }
    if row.state == EffectState::Sent && row.connector == "smtp" {
        // The host died between sending and hearing the answer, and mail has no key to ask with.
        row.state = EffectState::Unknown;
        row.error = Some("the host stopped while the message was being sent: whether it went out is not known".into());
        row.updated_at = now;
        let reason = row.error.clone().unwrap_or_default();
        keep(cx, action, row);
        return Ok(Err(ActionError::Unknown(reason)));
    }
    row.attempts += u32::from(row.state == EffectState::Intended);
    row.state = EffectState::Sent;
    row.updated_at = now;
    send(cx, action, row).await
}

pub(crate) fn wait_for_try(cx: &mut RunCx, row: &EffectRow, next_at: Millis) -> wasmtime::Error {
    let reason = row.error.clone().unwrap_or_default();
    let description = WaitFor::Effect { effect: row.id.clone(), reason };
    cx.stop(Stop::Wait(Wait { due_at: Some(next_at), description, ..Wait::default() }))
}

/// Sends once: writes ahead, sends, and notes what came of it.
async fn send(cx: &mut RunCx, action: &Action, mut row: EffectRow) -> Answer {
    row.next_at = None;
    match cx.pending.effects.iter_mut().find(|known| known.id == row.id) {
        Some(known) => *known = row.clone(),
        None => cx.pending.effects.push(row.clone()),
    }
    cx.flush_and_stay().await?;
    let outcome = hand_over(cx, action, &row).await;
    let now = cx.core.clock.now();
    row.updated_at = now;
    let keyed = row.connector == "callback";
    let answer = match outcome {
        Outcome::Done { reference } => {
            row.state = EffectState::Done;
            row.error = None;
            row.answer = Some(json!({"reference": reference}).to_string());
            cx.settled = true;
            Ok(Performed { effect: row.id.clone(), reference, code: None })
        }
        Outcome::Refused { reason } => {
            row.state = EffectState::Failed;
            row.error = Some(reason.clone());
            Err(ActionError::Unavailable(reason))
        }
        Outcome::Unknown { reason } if !keyed => {
            row.state = EffectState::Unknown;
            row.error = Some(reason.clone());
            cx.settled = true;
            Err(ActionError::Unknown(reason))
        }
        Outcome::Unknown { reason } | Outcome::Retry { reason, .. }
            if row.attempts >= cx.core.limits.effect_attempts =>
        {
            row.state = EffectState::Failed;
            let reason = format!("given up after {} tries: {reason}", row.attempts);
            row.error = Some(reason.clone());
            Err(ActionError::Unavailable(reason))
        }
        outcome @ (Outcome::Unknown { .. } | Outcome::Retry { .. }) => {
            let (after, reason) = match outcome {
                Outcome::Retry { after, reason } => (after, reason),
                Outcome::Unknown { reason } => (None, reason),
                Outcome::Done { .. } | Outcome::Refused { .. } => (None, String::new()),
            };
            let next_at = now + crate::outbox::pause(&cx.core, row.attempts, after);
            row.state = EffectState::Intended;
            row.error = Some(reason);
            // The run's own due time brings the next try: `next_at` is for the outbox alone.
            let stop = wait_for_try(cx, &row, next_at);
            keep(cx, action, row);
            return Err(stop);
        }
    };
    if !cx.settled {
        // Refused: asked for anew if the run is tried again, so this does not go by the run's own flush.
        cx.note(vec![row.clone()]).await;
    }
    keep(cx, action, row);
    Ok(answer)
}

async fn hand_over(cx: &RunCx, action: &Action, row: &EffectRow) -> Outcome {
    let now = cx.core.clock.now();
    match row.connector.as_str() {
        "smtp" => {
            let Some(sender) = cx.core.senders.smtp.clone() else {
                return Outcome::Retry { after: None, reason: "no mail server is configured any more".into() };
            };
            let outgoing = {
                let reader = RunReader::new(cx);
                changes(&action.kind, &reader, now, &row.id, "").await.map(|writes| writes.outgoing)
            };
            let message = match outgoing {
                Ok(Some(outgoing)) => message(cx, &outgoing, &row.id, now),
                Ok(None) => Err("there is nothing to send".into()),
                Err(why) => Err(why.to_string()),
            };
            match message {
                Ok(message) => {
                    let email = smtp::Email {
                        from: cx.core.senders.from.clone(),
                        to: message.recipient,
                        reply_to: None,
                        subject: message.subject,
                        text: message.text,
                        html: message.html,
                    };
                    sender.send(&email, &row.id, now).await
                }
                Err(reason) => Outcome::Refused { reason },
            }
        }
        _ => crate::outbox::call_back(&cx.core, row).await,
    }
}
