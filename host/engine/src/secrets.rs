//! Secrets of shops: set, listed without their values, removed, and looked up for a request.

use serde::{Deserialize, Serialize};
use shopwright_connectors::http::{Secret, secrets as placeholders};
use shopwright_model::Millis;
use shopwright_policy::HostPattern;
use shopwright_store::{SecretRow, StoreError};

use crate::{Engine, EngineError, core::Core, vault::VaultError};

/// Secrets of one shop, hosts of one secret: more is a mistake.
const MOST: usize = 200;

/// A secret to be set.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewSecret {
    /// 6 to 8,192 bytes, without control characters.
    pub value: String,
    /// Hosts that it may be sent to, at least one, as grants write them.
    pub hosts: Vec<String>,
    /// Installations whose plugins may use it; none: every one of the shop.
    pub installations: Option<Vec<String>>,
}

impl std::fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { value: _, hosts, installations } = self;
        f.debug_struct("NewSecret").field("hosts", hosts).field("installations", installations).finish_non_exhaustive()
    }
}

/// What is shown of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretInfo {
    /// What plugins call it by: `{{secret:NAME}}`.
    pub name: String,
    /// Hosts that it may be sent to.
    pub hosts: Vec<String>,
    /// Installations whose plugins may use it; none: every one.
    pub installations: Option<Vec<String>>,
    /// When it was first set.
    pub created_at: Millis,
    /// When it was last set.
    pub updated_at: Millis,
}

fn info(row: &SecretRow) -> Result<SecretInfo, EngineError> {
    Ok(SecretInfo {
        name: row.name.clone(),
        hosts: serde_json::from_str(&row.hosts).map_err(EngineError::internal)?,
        installations: serde_json::from_str(&row.installations).map_err(EngineError::internal)?,
        created_at: row.created_at,
        updated_at: row.updated_at,
    })
}

/// What a value is sealed together with.
fn bound(row: &SecretRow) -> Vec<u8> {
    serde_json::json!(["secret", row.shop, row.name, row.hosts, row.installations]).to_string().into_bytes()
}

fn check(name: &str, new: &NewSecret) -> Result<(), EngineError> {
    let invalid = |field: &str, reason: String| Err(EngineError::invalid("bad-secret", field, reason));
    if !placeholders::is_name(name) {
        return invalid("/name", format!("a name has 1 to {} letters, digits, `-` and `_`", placeholders::NAME_BYTES));
    }
    if let Some(reason) = placeholders::value_objection(&new.value) {
        return invalid("/value", reason);
    }
    if new.hosts.is_empty() || new.hosts.len() > MOST {
        return invalid("/hosts", format!("name 1 to {MOST} hosts that it may be sent to"));
    }
    for (n, host) in new.hosts.iter().enumerate() {
        match HostPattern::parse(host) {
            Ok(pattern) if pattern.is_any() => {
                return invalid(&format!("/hosts/{n}"), "name the hosts that it may be sent to, not `*`".into());
            }
            Ok(_) => {}
            Err(reason) => return invalid(&format!("/hosts/{n}"), reason),
        }
    }
    match &new.installations {
        Some(named) if named.is_empty() || named.len() > MOST => {
            invalid("/installations", format!("name 1 to {MOST} installations, or leave it out for every one"))
        }
        _ => Ok(()),
    }
}

impl Engine {
    /// Sets a secret. What was set under the name before is replaced, with all that it was bound to.
    ///
    /// # Errors
    /// A name, value or host that cannot be, no key to seal with, or the store's.
    pub async fn set_secret(&self, shop: &str, name: &str, new: NewSecret) -> Result<SecretInfo, EngineError> {
        let core = &self.core;
        core.shop(shop)?;
        check(name, &new)?;
        let vault = core.senders.vault.as_ref().ok_or_else(|| EngineError::Refused {
            code: "no-secrets-key",
            reason: "this host has no key to seal secrets with: set `[secrets] key` in shopwright.toml".into(),
        })?;
        let now = core.clock.now();
        let known = core.store.secrets_list(shop).await?;
        let before = known.iter().find(|row| row.name == name);
        if before.is_none() && known.len() >= MOST {
            let reason = format!("a shop has at most {MOST} secrets: remove one first");
            return Err(EngineError::Conflict { code: "too-many-secrets", reason });
        }
        let mut row = SecretRow {
            shop: shop.into(),
            name: name.into(),
            value: String::new(),
            hosts: serde_json::to_string(&new.hosts).map_err(EngineError::internal)?,
            installations: serde_json::to_string(&new.installations).map_err(EngineError::internal)?,
            created_at: before.map_or(now, |row| row.created_at),
            updated_at: now,
        };
        row.value = vault.seal(&bound(&row), &new.value).map_err(EngineError::internal)?;
        let shown = info(&row)?;
        core.store.secret_put(row).await?;
        Ok(shown)
    }

    /// A shop's secrets by name, without their values.
    ///
    /// # Errors
    /// No such shop, or the store's.
    pub async fn secrets(&self, shop: &str) -> Result<Vec<SecretInfo>, EngineError> {
        self.core.shop(shop)?;
        self.core.store.secrets_list(shop).await?.iter().map(info).collect()
    }

    /// Removes a secret; false when there is none such.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove_secret(&self, shop: &str, name: &str) -> Result<bool, EngineError> {
        self.core.shop(shop)?;
        Ok(self.core.store.secret_delete(shop, name).await?)
    }
}

/// The secrets of these names, for an installation. The inner error is for the plugin: which one is missing, and
/// what the operator can do.
///
/// # Errors
/// The store's.
pub(crate) async fn look_up(
    core: &Core,
    shop: &str,
    installation: &str,
    names: &[String],
    host: &str,
) -> Result<Result<Vec<Secret>, String>, StoreError> {
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let command = format!("shopwright secret set {name} --host {host} --installation {installation}");
        let Some(row) = core.store.secret(shop, name).await? else {
            return Ok(Err(format!("there is no secret `{name}`: set it with `{command}`")));
        };
        let broken = |error: &dyn std::fmt::Display| {
            tracing::error!(secret = name, %error, "a secret cannot be read");
            format!("the secret `{name}` cannot be read: set it again with `{command}`")
        };
        let bound_to = match info(&row) {
            Ok(info) => info,
            Err(error) => return Ok(Err(broken(&error))),
        };
        if bound_to.installations.is_some_and(|may| !may.iter().any(|id| id == installation)) {
            return Ok(Err(format!(
                "the secret `{name}` is not meant for the installation `{installation}`: set it again with `{command}`"
            )));
        }
        let opened = match &core.senders.vault {
            Some(vault) => vault.open(&bound(&row), &row.value),
            None => Err(VaultError::Key { bytes: 0 }),
        };
        match opened {
            Ok(value) => found.push(Secret { name: name.clone(), value, hosts: bound_to.hosts }),
            Err(error) => return Ok(Err(broken(&error))),
        }
    }
    Ok(Ok(found))
}
