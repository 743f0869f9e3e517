//! Versions that nobody needs go, with their components and compiled code.
//!
//! A version of a shop goes when it was added longer ago than it is to be kept, a newer one of its plugin is there,
//! no installation has it (as its version, its candidate, or the one before), and no run refers to its component:
//! neither one that lives nor one whose journal is kept. A component goes with the last version of any shop; its
//! compiled code in memory and on disk with it.

use std::{collections::HashSet, sync::Arc};

use shopwright_model::{Millis, RunId};

use crate::{EngineError, core::Core};

/// Removes what is not needed, of what was added before; how many versions and components. Runs are looked through
/// `step` at a time, beside the writer.
pub(crate) async fn sweep(core: &Arc<Core>, before: Millis, step: u32) -> Result<u64, EngineError> {
    let store = &core.store;
    let mut old = Vec::new();
    for row in store.versions_before(before).await? {
        let Some(version) = row.2.parse::<semver::Version>().ok() else { continue };
        old.push((row, version));
    }
    let mut candidates = Vec::new();
    for ((shop, plugin, version, digest), number) in old {
        let newer = store.versions_list(&shop).await?.into_iter().any(|other| {
            other.plugin == plugin && other.version.parse::<semver::Version>().is_ok_and(|other| other > number)
        });
        if newer && !is_installed(core, &digest) {
            candidates.push((shop, plugin, version, digest));
        }
    }
    let versions = store.versions_all_digests().await?;
    let loose: Vec<String> = store
        .components_list()
        .await?
        .into_iter()
        .filter(|(digest, at)| *at < before && !versions.contains(digest) && !is_installed(core, digest))
        .map(|(digest, _)| digest)
        .collect();
    if candidates.is_empty() && loose.is_empty() {
        return Ok(0);
    }
    let mut needed = HashSet::new();
    let mut after = RunId(0);
    loop {
        let (digests, next) = store.digests_of_runs(after, step).await?;
        needed.extend(digests);
        match next {
            Some(last) => after = last,
            None => break,
        }
        if core.is_stopping() {
            return Ok(0);
        }
        tokio::task::yield_now().await;
    }
    let mut removed = 0;
    let mut digests: Vec<String> = loose;
    for (shop, plugin, version, digest) in candidates {
        if needed.contains(&digest) {
            continue;
        }
        // Nobody installs it, or moves a run to it, meanwhile.
        let _changing = core.changing.lock().await;
        if !is_installed(core, &digest) && store.version_delete(&shop, &plugin, &version).await? {
            tracing::info!(shop, plugin, version, "an old version is removed: nobody needs it");
            removed += 1;
            digests.push(digest);
        }
    }
    for digest in digests {
        if needed.contains(&digest) {
            continue;
        }
        let _changing = core.changing.lock().await;
        if !is_installed(core, &digest) && store.component_delete(&digest).await? {
            core.sandbox.evict(&digest);
            core.programs.write().remove(&digest);
            core.prepared.write().retain(|(known, _), _| *known != digest);
            removed += 1;
        }
    }
    core.metrics.removed.inc_by(removed);
    Ok(removed)
}

/// Whether an installation of any shop has the component, or its rollout speaks of it.
fn is_installed(core: &Core, digest: &str) -> bool {
    core.shops.read().values().any(|shop| {
        shop.installations().by_id.values().any(|installed| {
            let rollout = &installed.record.rollout;
            installed.record.digest == digest
                || rollout.candidate.as_ref().is_some_and(|candidate| candidate.release.digest == digest)
                || rollout.previous.as_ref().is_some_and(|previous| previous.digest == digest)
        })
    })
}

impl crate::Engine {
    /// Removes versions and components that nobody needs, of those added before; how many. The host does it every
    /// hour by itself.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove_old_versions(&self, before: Millis) -> Result<u64, EngineError> {
        sweep(&self.core, before, 500).await
    }
}
