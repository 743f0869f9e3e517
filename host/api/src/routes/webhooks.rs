//! Where platforms deliver.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::Response,
};
use parking_lot::Mutex;
use serde_json::Value;
use shopwright_connectors::{
    ConnectorError,
    shopify::{self, Delivery, Known, Lookup, Setting, Settled},
};
use shopwright_engine::IncomingEvent;
use shopwright_model::{
    Entity, EntityKind, Millis,
    kinds::{self, Change},
};
use shopwright_store::Store;

use crate::{
    extract::{self, Path},
    problem::{Problem, Result, codes},
    state::ApiState,
};

use super::events;

/// Shopify's payloads are at most about this large (large orders, products with 2,000 variants).
const BODY_LIMIT: usize = 8 << 20;
/// How long it is remembered that no product has an inventory item, in milliseconds.
const ABSENT: Millis = 10_000;

/// What webhooks share.
#[derive(Default)]
pub(crate) struct Webhooks {
    /// Per shop: a delivery is understood in terms of what is stored, so one at a time.
    turns: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    /// (shop, inventory item) → the product that has it, or until when it is known that none has.
    items: Mutex<HashMap<(String, String), Found>>,
}

#[derive(Clone)]
enum Found {
    Product(String),
    Nothing(Millis),
}

impl Webhooks {
    fn turn(&self, shop: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.lock().entry(shop.to_owned()).or_default().clone()
    }

    /// The product with this inventory item.
    async fn product_of(&self, store: &Store, shop: &str, item: &str, now: Millis) -> Result<Option<Entity>> {
        let key = (shop.to_owned(), item.to_owned());
        let known = self.items.lock().get(&key).cloned();
        match known {
            Some(Found::Nothing(until)) if now < until => return Ok(None),
            Some(Found::Product(id)) => {
                let product = stored(store, shop, EntityKind::Product, &id).await?;
                if let Some(product) = product.filter(|product| shopify::variant_of_item(product, item).is_some()) {
                    return Ok(Some(product));
                }
            }
            _ => {}
        }
        let mut after: Option<String> = None;
        loop {
            let page = store.entities_scan(shop, EntityKind::Product, after.as_deref(), 500).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            for doc in &page {
                // Most products do not even hold the number.
                if !doc.doc.contains(item) {
                    continue;
                }
                let product = Entity::parse_text(EntityKind::Product, &doc.doc).map_err(Problem::internal)?;
                if shopify::variant_of_item(&product, item).is_some() {
                    self.items.lock().insert(key, Found::Product(doc.id.clone()));
                    return Ok(Some(product));
                }
            }
        }
        self.items.lock().insert(key, Found::Nothing(now + ABSENT));
        Ok(None)
    }

    /// A product was stored: what was absent may be there now.
    fn products_changed(&self, shop: &str) {
        self.items.lock().retain(|(of, _), found| of != shop || matches!(found, Found::Product(_)));
    }
}

async fn stored(store: &Store, shop: &str, kind: EntityKind, id: &str) -> Result<Option<Entity>> {
    let found = store.entity(shop, kind, id).await?;
    found.map(|found| Entity::parse_text(kind, &found.doc).map_err(Problem::internal)).transpose()
}

/// Takes a Shopify webhook
///
/// The body is signed by the platform (`X-Shopify-Hmac-Sha256` over the raw body), so there is no token.
/// What it says becomes model changes and events in one transaction; a delivery that comes again changes
/// nothing. Topics that are not known are kept as events `shopify.…`.
#[utoipa::path(
    post, path = "/webhooks/shopify/{shop}", tag = "webhooks", security(()),
    params(("shop" = String, Path, description = "The shop's id")),
    request_body = Object,
    responses((status = 200, body = events::Accepted)),
)]
pub async fn shopify(State(state): State<ApiState>, Path(shop): Path<String>, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let body = extract::read_body(&parts.headers, body, BODY_LIMIT).await?;
    // The same answer for a shop that does not exist, one that takes no webhooks, and a wrong signature.
    let refused = |reason: &str| {
        state.figures().bad_signatures.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        tracing::warn!(reason, "a webhook was refused");
        Problem::new(codes::BAD_SIGNATURE, "The delivery is not signed with a secret of this shop.")
    };
    let Some(access) = state.options().shopify.get(&shop) else {
        return Err(refused("the shop takes no Shopify webhooks"));
    };
    let Some(record) = state.engine().shops().into_iter().find(|known| known.id == shop) else {
        return Err(refused("there is no such shop"));
    };
    let delivery =
        shopify::verify(&parts.headers, &body, &access.secrets).map_err(|error| refused(&error.to_string()))?;
    // An app has one secret for all the stores it is installed in: the store's own name decides.
    if access.domain.as_ref().is_some_and(|domain| !domain.eq_ignore_ascii_case(&delivery.shop_domain)) {
        return Err(refused("the delivery is of another store"));
    }
    let payload: Value = extract::parse(&body)?;
    let setting = Setting { currency: &record.currency, received_at: state.now() };
    let turn = state.webhooks().turn(&shop);
    let _turn = turn.lock().await;
    let settled = match understand(&state, &shop, &delivery.topic, &payload, setting).await? {
        Ok(settled) => settled,
        Err(error) => {
            tracing::warn!(topic = delivery.topic, %error, "a webhook was not understood and is kept as it is");
            let raw = shopify::raw(&delivery.topic, &payload, setting).settle(&Known::default());
            raw.map_err(Problem::internal)?
        }
    };
    let products = settled.puts.iter().any(|entity| entity.kind == EntityKind::Product);
    let events = incoming(&delivery, settled);
    let intake = if events.is_empty() { Vec::new() } else { state.engine().ingest(&shop, events).await? };
    if products {
        state.webhooks().products_changed(&shop);
    }
    let mut response = events::accepted(&intake)?;
    // Platforms take 200 for "received"; 202 is not understood by all of them.
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}

/// What a payload means in terms of what is stored; the inner error is the payload's.
async fn understand(
    state: &ApiState,
    shop: &str,
    topic: &str,
    payload: &Value,
    setting: Setting<'_>,
) -> Result<std::result::Result<Settled, ConnectorError>> {
    let translated = match shopify::translate(topic, payload, setting) {
        Ok(translated) => translated,
        Err(error) => return Ok(Err(error)),
    };
    let mut known = Known::default();
    while let Some(lookup) = translated.missing(&known) {
        let found = match &lookup {
            Lookup::Entity(kind, id) => stored(state.store(), shop, *kind, id).await?,
            Lookup::ProductOfItem(item) => {
                state.webhooks().product_of(state.store(), shop, item, setting.received_at).await?
            }
        };
        known.insert(lookup, found);
    }
    Ok(translated.settle(&known))
}

/// The events of a delivery, the first with all documents that none of them carries itself.
fn incoming(delivery: &Delivery, settled: Settled) -> Vec<IncomingEvent> {
    let Settled { events, mut puts, mut removes } = settled;
    let source = format!("shopify:{}", delivery.shop_domain);
    let key = delivery.key();
    let mut incoming = Vec::with_capacity(events.len());
    for event in events {
        match kinds::carries(&event.kind) {
            Some((kind, Change::Put)) => {
                let id = Entity::id_of(kind, &event.data);
                puts.retain(|put| put.kind != kind || Some(&put.id) != id.as_ref());
            }
            Some((kind, Change::Remove)) => {
                let id = Entity::id_of(kind, &event.data);
                removes.retain(|(of, gone)| *of != kind || Some(gone) != id.as_ref());
            }
            None => {}
        }
        incoming.push(IncomingEvent {
            source: source.clone(),
            id: format!("{key}/{}", event.id_hint),
            kind: event.kind,
            at: Some(event.at),
            concerns: event.concerns,
            data: event.data.to_string(),
            ..IncomingEvent::default()
        });
    }
    if incoming.is_empty() && !(puts.is_empty() && removes.is_empty()) {
        incoming.push(IncomingEvent {
            source,
            id: key,
            kind: "shopify.changed".into(),
            data: serde_json::json!({"topic": delivery.topic}).to_string(),
            ..IncomingEvent::default()
        });
    }
    if let Some(first) = incoming.first_mut() {
        first.puts = puts;
        first.removes = removes;
    }
    incoming
}
