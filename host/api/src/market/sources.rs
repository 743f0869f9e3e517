//! The catalogues that a shop looks in: what the binary carries, its own, and the host's, each with the
//! newest copy whose signature was verified. A registry that is away does not matter: the copy is used, and
//! its age is told.

use std::time::Duration;

use shopwright_model::Millis;
use shopwright_registry::{
    Catalogue, RegistryError,
    catalogue::{self, Loaded},
    oci::Reference,
    signing::PublicKey,
};
use shopwright_store::CatalogueRow;

use super::trust::trust;
use crate::{
    problem::{Problem, Result, codes},
    state::ApiState,
};

/// The name of the catalogue of what the binary carries.
pub const BUILT_IN: &str = "built-in";
/// A copy that is older is made anew before it is looked in.
const FRESH: Millis = 15 * 60_000;
/// After a failure the registry is left in peace for so long.
const PAUSE: Millis = 60_000;
/// A search waits no longer for a newer copy.
const SEARCH_PATIENCE: Duration = Duration::from_secs(5);

/// A catalogue with what is known of its copy.
pub struct Held {
    /// The catalogue.
    pub catalogue: Catalogue,
    /// Its row; none: carried by the binary.
    pub row: Option<CatalogueRow>,
}

impl Held {
    /// What it is called here.
    pub fn name(&self) -> &str {
        self.row.as_ref().map_or(BUILT_IN, |row| &row.name)
    }
}

/// A shop's rows and the host's, the shop's own first.
pub async fn rows(state: &ApiState, shop: &str) -> Result<Vec<CatalogueRow>> {
    let mut rows = state.store().catalogues_list(shop).await?;
    rows.extend(state.store().catalogues_list("").await?);
    Ok(rows)
}

/// The row of that name.
pub async fn row(state: &ApiState, shop: &str, name: &str) -> Result<CatalogueRow> {
    let found = rows(state, shop).await?.into_iter().find(|row| row.name == name);
    found.ok_or_else(|| Problem::no_such("catalogue"))
}

/// Everything that a shop looks in: what the binary carries, then its own, then the host's.
pub async fn all(state: &ApiState, shop: &str) -> Result<Vec<Held>> {
    let mut held = Vec::new();
    if let Some(built_in) = state.market().built_in(&state.options().market, state.engine()).await? {
        held.push(Held { catalogue: built_in.catalogue.clone(), row: None });
    }
    for mut row in rows(state, shop).await? {
        let now = state.now();
        if now - row.fetched_at > FRESH && now - row.tried_at > PAUSE {
            // A failure is kept in the row and shown with the copy; the copy serves.
            row = match tokio::time::timeout(SEARCH_PATIENCE, refreshed(state, shop, &row)).await {
                Ok((row, _)) => row,
                Err(_) => failed(state, &row, "the registry did not answer in time").await?,
            };
        }
        let mut catalogue = Catalogue::from_json(row.document.as_bytes()).map_err(Problem::internal)?;
        // What it calls itself may be what another calls itself too.
        catalogue.name.clone_from(&row.name);
        held.push(Held { catalogue, row: Some(row) });
    }
    Ok(held)
}

/// Loads what `reference` names and verifies it.
pub async fn load(
    state: &ApiState,
    shop: &str,
    reference: &Reference,
    key: Option<&str>,
    seen: Option<i64>,
) -> Result<Loaded> {
    let market = state.market();
    let source = market.source(&state.options().market, state.engine(), reference).await?;
    let seen = seen.and_then(|seen| u64::try_from(seen).ok());
    let loaded = match key {
        Some(pem) => {
            let key = PublicKey::from_pem(pem)?;
            market.patiently(reference, catalogue::load_signed_with(&source, reference, &key, seen)).await?
        }
        None => {
            let trust = trust(state, shop).await?;
            market.patiently(reference, catalogue::load(&source, reference, &trust, seen)).await?
        }
    };
    Ok(loaded)
}

/// Looks for a newer copy. The row as it is kept now, and why it is no newer where that failed.
pub async fn refreshed(state: &ApiState, shop: &str, row: &CatalogueRow) -> (CatalogueRow, Option<Problem>) {
    match refresh(state, shop, row).await {
        Ok(row) => (row, None),
        Err(problem) => match failed(state, row, problem.detail()).await {
            Ok(row) => (row, Some(problem)),
            Err(_) => (row.clone(), Some(problem)),
        },
    }
}

async fn refresh(state: &ApiState, shop: &str, row: &CatalogueRow) -> Result<CatalogueRow> {
    let reference: Reference = row.reference.parse()?;
    let Loaded { catalogue, reference: pinned, .. } =
        load(state, shop, &reference, row.key.as_deref(), Some(row.revision)).await?;
    if catalogue.publisher != row.publisher {
        let reason = format!("{} kept it, and now it says that {} does", row.publisher, catalogue.publisher);
        return Err(RegistryError::Catalogue { name: row.name.clone(), reason }.into());
    }
    let digest = pinned.digest().unwrap_or_default();
    let revision = i64::try_from(catalogue.revision).unwrap_or(i64::MAX);
    if revision == row.revision && digest != row.digest {
        let (expected, found) = (row.digest.clone(), digest.to_owned());
        return Err(
            RegistryError::Moved { reference: format!("{reference} (revision {revision})"), expected, found }.into()
        );
    }
    let now = state.now();
    let new = CatalogueRow {
        revision,
        digest: digest.to_owned(),
        document: String::from_utf8_lossy(&catalogue.to_json()).into_owned(),
        fetched_at: now,
        tried_at: now,
        error: None,
        ..row.clone()
    };
    state.store().catalogue_put(new.clone()).await?;
    Ok(new)
}

async fn failed(state: &ApiState, row: &CatalogueRow, reason: &str) -> Result<CatalogueRow> {
    tracing::warn!(catalogue = row.name, reason, "no newer copy of a catalogue");
    let row = CatalogueRow { tried_at: state.now(), error: Some(reason.to_owned()), ..row.clone() };
    state.store().catalogue_put(row.clone()).await?;
    Ok(row)
}

/// Why nothing is called so.
pub fn nothing_called(name: &str) -> Problem {
    Problem::new(codes::NOT_FOUND, format!("No catalogue of this shop has a plugin called `{name}`."))
        .coded("not-in-catalogues")
        .remedy("Look with `shopwright plugin search`, add a catalogue, or name the plugin with its registry.")
}
