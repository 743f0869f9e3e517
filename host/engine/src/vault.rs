//! Secrets at rest: sealed with AES-256-GCM under a key that is not in the database.
//!
//! What a secret is bound to (shop, name, hosts, installations) is authenticated with it: whoever can write to
//! the database, but has no key, cannot have a secret sent elsewhere by changing its row.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest,
    rand::{SecureRandom as _, SystemRandom},
};

/// Why a secret cannot be sealed or opened. Never holds one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key is no key.
    #[error("the key for secrets has {bytes} bytes and must have 32: make one with `openssl rand -base64 32`")]
    Key {
        /// How many it has.
        bytes: usize,
    },
    /// It was sealed under another key.
    #[error(
        "it was sealed with another key (`{theirs}`, ours is `{ours}`): give back that key, or set the secret again"
    )]
    OtherKey {
        /// Which.
        theirs: String,
        /// Which we have.
        ours: String,
    },
    /// It is damaged, or was put where it does not belong.
    #[error("what is kept of it is damaged or was changed outside of this program: set the secret again")]
    Damaged,
    /// The system has no randomness.
    #[error("the system gives no random numbers")]
    Random,
}

/// Seals and opens secrets.
pub struct Vault {
    key: LessSafeKey,
    id: String,
}

impl Vault {
    /// With a key of 32 random bytes.
    ///
    /// # Errors
    /// [`VaultError::Key`]
    pub fn new(key: &[u8]) -> Result<Self, VaultError> {
        let unbound = UnboundKey::new(&AES_256_GCM, key).map_err(|_| VaultError::Key { bytes: key.len() })?;
        // A name for the key, to tell keys apart by; says nothing of it.
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"shopwright secrets key name 1");
        context.update(key);
        let id = hex::encode(&context.finish().as_ref()[..4]);
        Ok(Self { key: LessSafeKey::new(unbound), id })
    }

    /// With a key as text, Base64.
    ///
    /// # Errors
    /// [`VaultError::Key`]
    pub fn from_text(text: &str) -> Result<Self, VaultError> {
        Self::new(&STANDARD.decode(text.trim()).map_err(|_| VaultError::Key { bytes: text.trim().len() })?)
    }

    /// A new key, as text.
    ///
    /// # Errors
    /// [`VaultError::Random`]
    pub fn new_key() -> Result<String, VaultError> {
        let mut key = [0; 32];
        SystemRandom::new().fill(&mut key).map_err(|_| VaultError::Random)?;
        Ok(STANDARD.encode(key))
    }

    /// Seals a value that is bound to `bound`.
    pub(crate) fn seal(&self, bound: &[u8], value: &str) -> Result<String, VaultError> {
        // 96 random bits: safe for 2^32 values under one key (NIST SP 800-38D, 8.3).
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| VaultError::Random)?;
        let mut sealed = value.as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut sealed)
            .map_err(|_| VaultError::Damaged)?;
        Ok(format!("1.{}.{}", self.id, STANDARD.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens what [`Vault::seal`] gave, if it is bound to the same.
    pub(crate) fn open(&self, bound: &[u8], sealed: &str) -> Result<String, VaultError> {
        let mut parts = sealed.splitn(3, '.');
        let (Some("1"), Some(key), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(VaultError::Damaged);
        };
        if key != self.id {
            return Err(VaultError::OtherKey { theirs: key.into(), ours: self.id.clone() });
        }
        let mut bytes = STANDARD.decode(text).map_err(|_| VaultError::Damaged)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(VaultError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Damaged)?;
        let value = self.key.open_in_place(nonce, Aad::from(bound), sealed).map_err(|_| VaultError::Damaged)?;
        String::from_utf8(value.to_vec()).map_err(|_| VaultError::Damaged)
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("key", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_under_its_key_and_binding_alone() {
        let vault = Vault::from_text(&Vault::new_key().expect("a key")).expect("a vault");
        let other = Vault::new(&[7; 32]).expect("a vault");
        let sealed = vault.seal(b"shop a", "value").expect("sealed");
        assert_eq!(vault.open(b"shop a", &sealed).as_deref(), Ok("value"));
        assert_ne!(sealed, vault.seal(b"shop a", "value").expect("sealed"), "nonces differ");
        assert_eq!(vault.open(b"shop b", &sealed), Err(VaultError::Damaged));
        assert!(matches!(other.open(b"shop a", &sealed), Err(VaultError::OtherKey { .. })));
        for damaged in ["", "1.x", &sealed[..sealed.len() - 8], &format!("2{}", &sealed[1..])] {
            assert!(vault.open(b"shop a", damaged).is_err(), "{damaged}");
        }
        assert!(Vault::new(&[1; 31]).is_err() && Vault::from_text("short").is_err());
    }
}
