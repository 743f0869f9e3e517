//! Whom a shop trusts, between the store and the registry's words for it.

use semver::Version;
use shopwright_registry::{
    Lock,
    lock::Locked,
    signing::{Publisher, Trust, TrustedKey},
};
use shopwright_store::PublisherRow;

use crate::{
    problem::{Problem, Result},
    state::ApiState,
};

/// A row as the registry knows it.
pub fn publisher(row: &PublisherRow) -> Result<Publisher> {
    let keys: Vec<TrustedKey> = serde_json::from_str(&row.keys).map_err(Problem::internal)?;
    let namespaces: Vec<String> = serde_json::from_str(&row.namespaces).map_err(Problem::internal)?;
    Ok(Publisher { name: row.name.clone(), keys, namespaces })
}

/// Everybody whom a shop trusts.
pub async fn trust(state: &ApiState, shop: &str) -> Result<Trust> {
    let rows = state.store().publishers_list(shop).await?;
    Ok(Trust { publishers: rows.iter().map(publisher).collect::<Result<_>>()? })
}

/// What a shop has pinned.
pub async fn lock(state: &ApiState, shop: &str) -> Result<Lock> {
    let mut locked = Vec::new();
    for row in state.store().locks_list(shop).await? {
        locked.push(Locked {
            version: row.version.parse::<Version>().map_err(Problem::internal)?,
            reference: row.reference.parse().map_err(Problem::internal)?,
            publisher: row.publisher,
            name: row.plugin,
            component: row.component,
            signed_with: row.signed_with,
        });
    }
    Ok(Lock::of(locked))
}
