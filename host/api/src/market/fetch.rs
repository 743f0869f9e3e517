//! Pulling a plugin, judging it, and taking it into a shop.

use std::time::Instant;

use serde::Serialize;
use shopwright_engine::VersionInfo;
use shopwright_registry::{
    Permission, RegistryError,
    oci::{self, BUILT_IN, Pulled},
    signing::{self, Verified},
};
use shopwright_store::LockRow;

use super::{
    find::Found,
    sources,
    trust::{lock, trust},
};
use crate::{
    auth::Access,
    problem::{Problem, Result, codes},
    state::{ApiState, recorded},
};

/// Who vouches for what was pulled.
#[derive(Debug)]
pub enum Vouched {
    /// It is in the binary: who trusts the binary trusts it.
    BuiltIn,
    /// A publisher whom the shop trusts.
    Publisher(Verified),
    /// Nobody; why.
    Nobody(RegistryError),
}

/// What was pulled, and what is to be thought of it. Nothing of it is kept yet.
pub struct Candidate {
    /// Everything compared with its digest, and with what the shop pinned before.
    pub pulled: Pulled,
    /// Who vouches for it.
    pub vouched: Vouched,
    /// What it asks for.
    pub permissions: Vec<Permission>,
    /// The catalogue it was found in.
    pub catalogue: Option<String>,
    /// Why nobody should install it, where a catalogue says so.
    pub yanked: Option<String>,
}

/// What an operator takes upon themselves, each time anew.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allow {
    /// Nobody whom the shop trusts has signed it.
    pub unsigned: bool,
    /// It was yanked.
    pub yanked: bool,
}

/// Pulls and judges.
pub async fn fetch(state: &ApiState, shop: &str, found: &Found) -> Result<Candidate> {
    let began = Instant::now();
    let market = state.market();
    let source = market.source(&state.options().market, state.engine(), &found.reference).await?;
    let pulled = market.patiently(&found.reference, oci::pull(&source, &found.reference)).await?;
    let manifest = &pulled.manifest;
    if let Some(said) = &found.said {
        let same =
            said.publisher == manifest.publisher && said.name == manifest.name && said.version == manifest.version;
        if !same {
            let reason = format!(
                "the catalogue {} says that it is {}/{} {}, but it is {}/{} {}",
                said.catalogue,
                said.publisher,
                said.name,
                said.version,
                manifest.publisher,
                manifest.name,
                manifest.version
            );
            return Err(RegistryError::WrongArtifact {
                reference: pulled.reference.to_string(),
                what: "plugin",
                reason,
            }
            .into());
        }
    }
    lock(state, shop).await?.check(&pulled)?;
    let vouched = if found.reference.registry() == BUILT_IN {
        Vouched::BuiltIn
    } else {
        let trust = trust(state, shop).await?;
        let verified = market.patiently(&pulled.reference, signing::verify(&source, &pulled.reference, &trust)).await;
        match verified.and_then(|verified| verified.published(&pulled).map(|()| verified)) {
            Ok(verified) => Vouched::Publisher(verified),
            // What the network did says nothing about the signature.
            Err(error) if !is_about_trust(&error) => return Err(error.into()),
            Err(error) => Vouched::Nobody(error),
        }
    };
    let permissions = state.engine().permissions_of(&pulled.component)?;
    let yanked = yanked(state, shop, &pulled).await?;
    let catalogue = found.said.as_ref().map(|said| said.catalogue.clone());
    tracing::info!(
        reference = %pulled.reference, bytes = pulled.component.len(), took_ms = began.elapsed().as_millis() as u64, "pulled"
    );
    Ok(Candidate { pulled, vouched, permissions, catalogue, yanked })
}

fn is_about_trust(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::Unsigned { .. }
            | RegistryError::Untrusted { .. }
            | RegistryError::WrongKey { .. }
            | RegistryError::WrongNamespace { .. }
            | RegistryError::CopiedSignature { .. }
            | RegistryError::MalformedSignature { .. }
            | RegistryError::WrongPublisher { .. }
    )
}

/// Whether an operator may take it all the same: nobody vouches for it. A signature that is wrong is another
/// matter: somebody was at work.
pub fn may_be_allowed(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Unsigned { .. } | RegistryError::Untrusted { .. })
}

/// The reason with which a catalogue of the shop yanked this very version.
async fn yanked(state: &ApiState, shop: &str, pulled: &Pulled) -> Result<Option<String>> {
    let manifest = &pulled.manifest;
    for held in sources::all(state, shop).await? {
        let fits = |entry: &&shopwright_registry::catalogue::Entry| {
            entry.publisher == manifest.publisher && entry.name == manifest.name
        };
        let version = held.catalogue.entries.iter().find(fits).and_then(|entry| entry.version(&manifest.version));
        if let Some(reason) = version.and_then(|version| version.yanked.clone()) {
            return Ok(Some(reason));
        }
    }
    Ok(None)
}

/// Takes a candidate into the shop: compiled, pinned, written down. Nothing runs of it yet.
pub async fn keep(state: &ApiState, access: &Access, candidate: Candidate, allow: Allow) -> Result<VersionInfo> {
    let Candidate { pulled, vouched, yanked, catalogue, .. } = candidate;
    let manifest = &pulled.manifest;
    if let (Some(reason), false) = (&yanked, allow.yanked) {
        let detail = format!("{} {} was yanked: {reason}.", manifest.name, manifest.version);
        return Err(Problem::new(codes::YANKED, detail));
    }
    let (signed_by, signed_with) = match vouched {
        Vouched::BuiltIn => (Some("built-in".to_owned()), None),
        Vouched::Publisher(verified) => (Some(verified.publisher), Some(verified.fingerprint)),
        Vouched::Nobody(error) if allow.unsigned && may_be_allowed(&error) => (None, None),
        Vouched::Nobody(error) => return Err(error.into()),
    };
    let theirs = state.engine().versions(&access.shop).await?;
    let other =
        theirs.iter().find(|known| known.plugin == manifest.name && known.manifest.publisher != manifest.publisher);
    if let Some(other) = other {
        let detail = format!(
            "This shop has a plugin called `{}` by {}; this one is by {}. A plugin does not change its publisher.",
            manifest.name, other.manifest.publisher, manifest.publisher
        );
        return Err(Problem::new(codes::CONFLICT, detail).coded("other-publisher"));
    }
    let (publisher, plugin, version) =
        (manifest.publisher.clone(), manifest.name.clone(), manifest.version.to_string());
    let reference = pulled.reference.to_string();
    let known = theirs.iter().any(|known| known.plugin == plugin && known.version == version);
    let info = state.engine().add_component(&access.shop, pulled.component, &reference).await?;
    #[derive(Serialize)]
    struct Taken<'a> {
        reference: &'a str,
        component: &'a str,
        permissions: &'a str,
        signed_by: Option<&'a str>,
        signed_with: Option<&'a str>,
        catalogue: Option<&'a str>,
        unsigned_allowed: bool,
        yanked: Option<&'a str>,
    }
    let taken = Taken {
        reference: &reference,
        component: &info.digest,
        permissions: &info.summary,
        signed_by: signed_by.as_deref(),
        signed_with: signed_with.as_deref(),
        catalogue: catalogue.as_deref(),
        unsigned_allowed: signed_by.is_none(),
        yanked: yanked.as_deref(),
    };
    if !known || signed_by.is_none() || yanked.is_some() {
        let subject = format!("plugin:{plugin}@{version}");
        state.audit(access, "plugin.pulled", subject, None, recorded(&taken)).await?;
    }
    let row = LockRow {
        shop: access.shop.to_string(),
        publisher,
        plugin,
        version,
        reference,
        component: info.digest.clone(),
        signed_by,
        signed_with,
        created_at: state.now(),
    };
    state.store().lock_put(row).await?;
    Ok(info)
}
