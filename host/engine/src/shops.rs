//! Shops and their guardrails.

use std::{collections::BTreeMap, sync::Arc};

use shopwright_policy::{Rule, Rules};
use shopwright_store::GuardrailRow;

use crate::{
    Engine, EngineError, NewShop, Shop,
    core::Core,
    install::{Installed, Mode},
    limits::{self, Meter},
    shop::{Installations, ShopState},
};

/// Loads all shops with their rules and installations.
pub(crate) async fn load(core: &Arc<Core>) -> Result<(), EngineError> {
    for row in core.store.shops_list().await? {
        let mut rules = Vec::new();
        for guardrail in core.store.guardrails_list(&row.id).await? {
            let json = serde_json::from_str(&guardrail.rule).map_err(EngineError::internal)?;
            match Rule::parse(&json) {
                Ok(rule) => rules.push(rule),
                // A rule that is not understood must not simply stop counting.
                Err(error) => {
                    return Err(EngineError::internal(format!(
                        "guardrail `{}` of `{}`: {error}",
                        guardrail.id, row.id
                    )));
                }
            }
        }
        let shop = Shop {
            id: row.id.clone(),
            name: row.name,
            currency: row.currency,
            time_zone: row.time_zone,
            created_at: row.created_at,
        };
        let state = ShopState::new(shop, Rules::from(rules));
        let mut all: BTreeMap<String, Arc<Installed>> = BTreeMap::new();
        for row in core.store.installations_list(&row.id).await? {
            if row.removed_at.is_some() {
                continue;
            }
            match crate::plugins::installed(core, row.clone()).await {
                Ok(mut installed) => {
                    // What it may do is checked now, so that the first event finds it ready.
                    if let Err(error) = core.prepared(&installed.record.digest, &installed.grants).await {
                        tracing::error!(shop = row.shop, installation = row.id, %error, "the installation is paused: its component cannot be used");
                        installed.record.mode = Mode::Paused;
                    }
                    all.insert(row.id, Arc::new(installed));
                }
                Err(error) => {
                    tracing::error!(shop = row.shop, installation = row.id, %error, "the installation is left out: it cannot be loaded");
                }
            }
        }
        *state.installations.write() = Arc::new(Installations::of(all));
        let limits = limits::of_shop(&row.settings)?;
        *state.meter.write() = Meter::of(core, &row.id, None, limits).await?;
        core.shops.write().insert(row.id, Arc::new(state));
    }
    Ok(())
}

impl Engine {
    /// Creates a shop with the default guardrails.
    ///
    /// # Errors
    /// An id, currency or time zone that is none; an id that is taken; the store's.
    pub async fn create_shop(&self, new: NewShop) -> Result<Shop, EngineError> {
        let core = &self.core;
        let invalid = |field: &str, reason: &str| Err(EngineError::invalid("bad-shop", format!("/{field}"), reason));
        let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if new.id.is_empty() || new.id.len() > 63 || !new.id.chars().all(slug) {
            return invalid("id", "it must be 1 to 63 lower-case letters, digits and hyphens");
        }
        if new.currency.len() != 3 || !new.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return invalid("currency", "it must be an ISO 4217 code, such as EUR");
        }
        if new.time_zone.parse::<chrono_tz::Tz>().is_err() {
            return invalid("time_zone", "it must be an IANA name, such as Europe/Berlin");
        }
        let _changing = core.changing.lock().await;
        if core.shops.read().contains_key(&new.id) {
            return Err(EngineError::Conflict {
                code: "shop-exists",
                reason: format!("there is a shop `{}` already", new.id),
            });
        }
        let now = core.clock.now();
        let shop = Shop {
            name: if new.name.is_empty() { new.id.clone() } else { new.name },
            id: new.id,
            currency: new.currency,
            time_zone: new.time_zone,
            created_at: now,
        };
        core.store
            .shop_put(shopwright_store::Shop {
                id: shop.id.clone(),
                name: shop.name.clone(),
                currency: shop.currency.clone(),
                time_zone: shop.time_zone.clone(),
                settings: "{}".into(),
                created_at: now,
            })
            .await?;
        let rules = Rules::default_set();
        for rule in rules.iter() {
            core.store.guardrail_put(row_of(&shop.id, rule, now)?).await?;
        }
        core.shops.write().insert(shop.id.clone(), Arc::new(ShopState::new(shop.clone(), rules)));
        Ok(shop)
    }

    /// All shops, by id.
    #[must_use]
    pub fn shops(&self) -> Vec<Shop> {
        let mut shops: Vec<Shop> = self.core.shops.read().values().map(|state| state.shop.clone()).collect();
        shops.sort_by(|a, b| a.id.cmp(&b.id));
        shops
    }

    /// A shop's guardrails, in the order they are judged.
    ///
    /// # Errors
    /// No such shop.
    pub fn rules(&self, shop: &str) -> Result<Vec<Rule>, EngineError> {
        Ok(self.core.shop(shop)?.rules().iter().cloned().collect())
    }

    /// Adds or replaces a guardrail. It counts from the next action on.
    ///
    /// # Errors
    /// No such shop, a rule in another currency, or the store's.
    pub async fn put_rule(&self, shop: &str, rule: Rule) -> Result<(), EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        rule.check_currency(&state.shop.currency).map_err(|e| EngineError::invalid("bad-rule", "/", e))?;
        let _changing = core.changing.lock().await;
        core.store.guardrail_put(row_of(shop, &rule, core.clock.now())?).await?;
        let mut rules: Vec<Rule> = state.rules().iter().filter(|known| known.id != rule.id).cloned().collect();
        rules.push(rule);
        *state.rules.write() = Arc::new(Rules::from(rules));
        Ok(())
    }

    /// Removes a guardrail; false when there is none such.
    ///
    /// # Errors
    /// No such shop, or the store's.
    pub async fn delete_rule(&self, shop: &str, id: &str) -> Result<bool, EngineError> {
        let core = &self.core;
        let state = core.shop(shop)?;
        let _changing = core.changing.lock().await;
        let before: Vec<Rule> = state.rules().iter().cloned().collect();
        let after: Vec<Rule> = before.iter().filter(|known| known.id != id).cloned().collect();
        if before.len() == after.len() {
            return Ok(false);
        }
        core.store.guardrail_delete(shop, id).await?;
        *state.rules.write() = Arc::new(Rules::from(after));
        Ok(true)
    }
}

fn row_of(shop: &str, rule: &Rule, now: shopwright_model::Millis) -> Result<GuardrailRow, EngineError> {
    let text = serde_json::to_string(rule).map_err(EngineError::internal)?;
    Ok(GuardrailRow { shop: shop.into(), id: rule.id.clone(), rule: text, updated_at: now })
}
