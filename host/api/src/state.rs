//! What the routes share.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parking_lot::RwLock;
use serde::Serialize;
use shopwright_engine::Engine;
use shopwright_model::Millis;
use shopwright_store::{AuditEntry, Store};
use shopwright_trial::jobs::Backtests;
use tokio::sync::watch;

use crate::{
    auth::{Access, TokenCache},
    context::{RequestIds, Surroundings},
    figures::HttpFigures,
    market::{Market, MarketOptions},
    problem::Result,
    routes::webhooks::Webhooks,
};

/// What the API is told at start.
#[derive(Debug, Clone, Default)]
pub struct ApiOptions {
    /// The shop that a request means that names none and whose token is good for every shop.
    pub default_shop: Option<String>,
    /// Answer `/metrics` without a token (sensible on loopback only).
    pub open_metrics: bool,
    /// Shop → how its Shopify webhooks are verified.
    pub shopify: HashMap<String, ShopifyAccess>,
    /// Where plugins may come from.
    pub market: MarketOptions,
}

/// How a shop's Shopify webhooks are verified and understood.
#[derive(Clone, Default)]
pub struct ShopifyAccess {
    /// Secrets that may have signed: the current one and, while it is being changed, the one before.
    pub secrets: Vec<String>,
    /// The store's own name, such as `example.myshopify.com`: deliveries of others are refused.
    pub domain: Option<String>,
}

impl std::fmt::Debug for ShopifyAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShopifyAccess").field("secrets", &self.secrets.len()).field("domain", &self.domain).finish()
    }
}

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub struct ApiState(Arc<Shared>);

struct Shared {
    engine: Engine,
    options: ApiOptions,
    tokens: TokenCache,
    shops: RwLock<HashSet<Arc<str>>>,
    default_shop: Option<Arc<str>>,
    around: Surroundings,
    webhooks: Webhooks,
    backtests: Backtests,
    market: Market,
    ending: watch::Sender<bool>,
}

impl ApiState {
    /// The state of an API over an engine.
    #[must_use]
    pub fn new(engine: Engine, options: ApiOptions) -> Self {
        let around = Surroundings { ids: Arc::new(RequestIds::new()), figures: Arc::new(HttpFigures::default()) };
        let default_shop = options.default_shop.as_deref().map(Arc::from);
        Self(Arc::new(Shared {
            backtests: Backtests::new(engine.clone()),
            engine,
            options,
            tokens: TokenCache::default(),
            shops: RwLock::default(),
            default_shop,
            around,
            webhooks: Webhooks::default(),
            market: Market::default(),
            ending: watch::Sender::new(false),
        }))
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The engine's store.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.0.engine.store()
    }

    /// Now, by the engine's clock.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.0.engine.clock().now()
    }

    /// What the API was told at start.
    #[must_use]
    pub fn options(&self) -> &ApiOptions {
        &self.0.options
    }

    /// From now on `/readyz` says no, so that no new work is sent here, and live feeds end.
    pub fn end(&self) {
        self.0.ending.send_replace(true);
    }

    pub(crate) fn is_ending(&self) -> bool {
        *self.0.ending.borrow()
    }

    /// Completes when the host is about to end: what would go on for ever ends then.
    pub(crate) async fn ended(&self) {
        // The sender lives as long as this state.
        let _ = self.0.ending.subscribe().wait_for(|ending| *ending).await;
    }

    pub(crate) fn tokens(&self) -> &TokenCache {
        &self.0.tokens
    }

    pub(crate) fn around(&self) -> &Surroundings {
        &self.0.around
    }

    pub(crate) fn webhooks(&self) -> &Webhooks {
        &self.0.webhooks
    }

    pub(crate) fn backtests(&self) -> &Backtests {
        &self.0.backtests
    }

    pub(crate) fn market(&self) -> &Market {
        &self.0.market
    }

    pub(crate) fn figures(&self) -> &HttpFigures {
        &self.0.around.figures
    }

    /// A new id that nobody else has, with a prefix.
    pub(crate) fn new_id(&self, prefix: &str) -> String {
        format!("{prefix}_{}", shopwright_model::ids::encode(self.0.engine.next_id()))
    }

    /// The shop of that id, if there is one. Shops are never removed, so those seen need no second look.
    pub(crate) fn known_shop(&self, id: &str) -> Option<Arc<str>> {
        if let Some(known) = self.0.shops.read().get(id) {
            return Some(known.clone());
        }
        let known: HashSet<Arc<str>> = self.0.engine.shops().into_iter().map(|shop| shop.id.into()).collect();
        let found = known.get(id).cloned();
        *self.0.shops.write() = known;
        found
    }

    /// The shop that is meant when none is named: the one set, or the only one.
    pub(crate) fn default_shop(&self) -> Option<Arc<str>> {
        if let Some(shop) = &self.0.default_shop
            && let Some(known) = self.known_shop(shop)
        {
            return Some(known);
        }
        let shops = self.0.engine.shops();
        match &*shops {
            [only] => Some(only.id.as_str().into()),
            _ => None,
        }
    }

    /// Writes down a change.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn audit(
        &self,
        access: &Access,
        what: &str,
        subject: String,
        before: Option<String>,
        after: Option<String>,
    ) -> Result<()> {
        let entry = AuditEntry {
            shop: access.shop.to_string(),
            at: self.now(),
            who: access.who(),
            what: what.to_owned(),
            subject,
            before,
            after,
            origin: access.origin.clone(),
        };
        tracing::info!(target: "shopwright::audit", shop = %entry.shop, who = %entry.who, what, subject = %entry.subject, "changed");
        self.store().audit_append(entry).await?;
        Ok(())
    }
}

/// A value as the audit log keeps it.
pub(crate) fn recorded(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}
