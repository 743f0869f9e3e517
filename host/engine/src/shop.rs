//! A shop while the host runs: its rules and installations, ready to be used without a query.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use shopwright_model::Millis;
use shopwright_policy::{Rules, ShopFacts};

use crate::{
    install::{Installed, Program},
    limits::Meter,
};

/// A shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shop {
    /// Lower-case letters, digits and hyphens.
    pub id: String,
    /// For people.
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub time_zone: String,
    /// When it was created.
    pub created_at: Millis,
}

/// A shop to be created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewShop {
    /// Lower-case letters, digits and hyphens, at most 63.
    pub id: String,
    /// For people; the id where empty.
    #[serde(default)]
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub time_zone: String,
}

/// A trigger of an installation's workflow.
pub(crate) struct Triggered {
    pub installed: Arc<Installed>,
    /// It is the candidate's.
    pub candidate: bool,
    pub workflow: usize,
    pub trigger: usize,
}

impl Triggered {
    pub fn program(&self) -> &Program {
        match &self.installed.candidate {
            Some((_, side)) if self.candidate => &side.program,
            _ => &self.installed.program,
        }
    }
}

/// The installations of a shop, with an index by what triggers them.
#[derive(Default)]
pub(crate) struct Installations {
    pub by_id: BTreeMap<String, Arc<Installed>>,
    /// Event kind → what it may trigger, in the order of ids.
    pub by_kind: HashMap<String, Vec<Triggered>>,
}

impl Installations {
    pub fn of(all: BTreeMap<String, Arc<Installed>>) -> Self {
        let mut by_kind: HashMap<String, Vec<_>> = HashMap::new();
        for installed in all.values().filter(|i| i.takes_events()) {
            let candidate = installed.candidate.as_ref().map(|(_, side)| (true, &side.program));
            for (candidate, program) in [(false, &installed.program)].into_iter().chain(candidate) {
                for (w, workflow) in program.workflows.iter().enumerate() {
                    for (t, trigger) in workflow.triggers.iter().enumerate() {
                        for kind in &trigger.kinds {
                            by_kind.entry(kind.clone()).or_default().push(Triggered {
                                installed: installed.clone(),
                                candidate,
                                workflow: w,
                                trigger: t,
                            });
                        }
                    }
                }
            }
        }
        Self { by_id: all, by_kind }
    }
}

/// A shop with what is needed at every event.
pub(crate) struct ShopState {
    pub shop: Shop,
    pub facts: ShopFacts,
    pub zone: chrono_tz::Tz,
    pub rules: RwLock<Arc<Rules>>,
    pub installations: RwLock<Arc<Installations>>,
    /// Counts what is limited for the whole shop.
    pub meter: RwLock<Option<Arc<Meter>>>,
}

impl ShopState {
    pub fn new(shop: Shop, rules: Rules) -> Self {
        let facts =
            ShopFacts { id: shop.id.clone(), currency: shop.currency.clone(), time_zone: shop.time_zone.clone() };
        // Checked when the shop was created; a zone that a later database no longer has means UTC.
        let zone = shop.time_zone.parse().unwrap_or(chrono_tz::UTC);
        Self {
            shop,
            facts,
            zone,
            rules: RwLock::new(Arc::new(rules)),
            installations: RwLock::default(),
            meter: RwLock::default(),
        }
    }

    pub fn rules(&self) -> Arc<Rules> {
        self.rules.read().clone()
    }

    pub fn meter(&self) -> Option<Arc<Meter>> {
        self.meter.read().clone()
    }

    pub fn installations(&self) -> Arc<Installations> {
        self.installations.read().clone()
    }

    pub fn installed(&self, id: &str) -> Option<Arc<Installed>> {
        self.installations.read().by_id.get(id).cloned()
    }

    /// The live installation that a shadow stands beside: the one it names, else one of the same plugin.
    pub fn beside(&self, id: &str) -> Option<Arc<Installed>> {
        let installations = self.installations.read();
        let own = installations.by_id.get(id)?;
        match &own.record.beside {
            Some(named) => installations.by_id.get(named).cloned(),
            None => installations
                .by_id
                .values()
                .find(|other| {
                    other.record.id != id
                        && other.record.plugin == own.record.plugin
                        && other.record.mode == crate::install::Mode::Live
                })
                .cloned(),
        }
    }

    /// Replaces or (none) removes one installation.
    pub fn set_installed(&self, id: &str, installed: Option<Arc<Installed>>) {
        let mut slot = self.installations.write();
        let mut all = slot.by_id.clone();
        match installed {
            Some(installed) => all.insert(id.to_owned(), installed),
            None => all.remove(id),
        };
        *slot = Arc::new(Installations::of(all));
    }
}
