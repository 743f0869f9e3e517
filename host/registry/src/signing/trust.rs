//! Whom a shop trusts to publish what, and signatures held against it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Payload, PublicKey, Signature};
use crate::RegistryError;
use crate::oci::{Pulled, Reference};

/// The publishers that are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trust {
    /// In no order.
    pub publishers: Vec<Publisher>,
}

/// Somebody who may publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publisher {
    /// As manifests name them.
    pub name: String,
    /// Any of them counts: a new one is added before the old one goes.
    pub keys: Vec<TrustedKey>,
    /// Where they may publish: `ghcr.io/acme` is that repository and everything below it.
    pub namespaces: Vec<String>,
}

/// A publisher's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedKey {
    /// What people call it.
    pub name: String,
    /// The key, as PEM.
    pub key: PublicKey,
}

/// Whose signature an artifact has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// The publisher.
    pub publisher: String,
    /// The name of their key.
    pub key: String,
    /// The key's fingerprint.
    pub fingerprint: String,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signed by {} (key {}, {})", self.publisher, self.key, self.fingerprint)
    }
}

impl Publisher {
    /// Whether `name` (`registry/repository`) is in one of the namespaces.
    pub fn may_publish(&self, name: &str) -> bool {
        self.namespaces.iter().any(|namespace| {
            let namespace = namespace.trim_end_matches('/');
            let tail = name.strip_prefix(namespace);
            !namespace.is_empty() && tail.is_some_and(|tail| tail.is_empty() || tail.starts_with('/'))
        })
    }
}

impl Trust {
    /// Judges the signatures that were found beside the artifact that `reference` is pinned to. One good
    /// one is enough; else the error tells of the one that came nearest.
    ///
    /// # Errors
    /// [`RegistryError::Unsigned`] where there are none; [`RegistryError::CopiedSignature`] where a genuine
    /// one is of another digest or name; [`RegistryError::WrongNamespace`] where its signer may not publish
    /// there; [`RegistryError::MalformedSignature`] where a genuine one makes no sense;
    /// [`RegistryError::WrongKey`] where nobody trusted signed it, though somebody has the namespace;
    /// [`RegistryError::Untrusted`] where nobody has it.
    pub fn judge(&self, reference: &Reference, signatures: &[Signature]) -> Result<Verified, RegistryError> {
        let name = reference.name();
        let digest = reference.digest().unwrap_or_default();
        let text = reference.to_string();
        if signatures.is_empty() || digest.is_empty() {
            return Err(RegistryError::Unsigned { reference: text });
        }
        let mut nearest = None;
        for signature in signatures {
            for publisher in &self.publishers {
                // The payload is read only after somebody we trust is found to have written it.
                let signer = publisher.keys.iter().find(|known| known.key.verifies(&signature.payload, &signature.der));
                let Some(signer) = signer else { continue };
                let refused = match Payload::parse(&signature.payload) {
                    Err(reason) => RegistryError::MalformedSignature { reference: text.clone(), reason },
                    Ok(payload) if payload.digest() != digest => {
                        RegistryError::CopiedSignature { reference: text.clone(), signed: payload.digest().to_owned() }
                    }
                    Ok(payload) if payload.name() != name => {
                        RegistryError::CopiedSignature { reference: text.clone(), signed: payload.name().to_owned() }
                    }
                    Ok(_) if !publisher.may_publish(&name) => RegistryError::WrongNamespace {
                        reference: text.clone(),
                        publisher: publisher.name.clone(),
                        namespaces: publisher.namespaces.clone(),
                    },
                    Ok(_) => {
                        return Ok(Verified {
                            publisher: publisher.name.clone(),
                            key: signer.name.clone(),
                            fingerprint: signer.key.fingerprint(),
                        });
                    }
                };
                nearest.get_or_insert(refused);
            }
        }
        Err(nearest.unwrap_or_else(|| {
            let owner = self.publishers.iter().find(|publisher| publisher.may_publish(&name));
            match owner {
                Some(owner) => RegistryError::WrongKey { reference: text, publisher: owner.name.clone() },
                None => RegistryError::Untrusted { reference: text },
            }
        }))
    }
}

impl Verified {
    /// Compares the signer with the publisher that the plugin's manifest names.
    ///
    /// # Errors
    /// [`RegistryError::WrongPublisher`] where they differ.
    pub fn published(&self, pulled: &Pulled) -> Result<(), RegistryError> {
        if pulled.manifest.publisher == self.publisher {
            return Ok(());
        }
        Err(RegistryError::WrongPublisher {
            reference: pulled.reference.to_string(),
            signed_by: self.publisher.clone(),
            named: pulled.manifest.publisher.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signing::SigningKey;
    use rand::SeedableRng as _;

    fn key(seed: u64) -> SigningKey {
        SigningKey::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(seed))
    }

    fn signed(key: &SigningKey, payload: Vec<u8>) -> Signature {
        Signature { der: key.sign(&payload), payload }
    }

    #[test]
    fn every_way_to_be_wrong_has_its_own_error() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let other = format!("sha256:{}", "cd".repeat(32));
        let reference: Reference = format!("ghcr.io/acme/cart@{digest}").parse().unwrap();
        let publisher = |name: &str, seed, namespace: &str| Publisher {
            name: name.into(),
            keys: vec![TrustedKey { name: "2025".into(), key: key(seed).public() }],
            namespaces: vec![namespace.into()],
        };
        let trust =
            Trust { publishers: vec![publisher("beta", 2, "ghcr.io/beta/"), publisher("acme", 1, "ghcr.io/acme")] };
        let judge = |signatures: &[Signature]| trust.judge(&reference, signatures);
        let good = Payload::new("ghcr.io/acme/cart", &digest).to_bytes();

        let verified = judge(&[signed(&key(3), good.clone()), signed(&key(1), good.clone())]).unwrap();
        assert_eq!((verified.publisher.as_str(), verified.key.as_str()), ("acme", "2025"));
        assert_eq!(verified.fingerprint, key(1).public().fingerprint());

        assert!(matches!(judge(&[]), Err(RegistryError::Unsigned { .. })));
        let stranger = judge(&[signed(&key(3), good.clone())]);
        assert!(matches!(stranger, Err(RegistryError::WrongKey { publisher, .. }) if publisher == "acme"));
        let elsewhere: Reference = format!("ghcr.io/gamma/cart@{digest}").parse().unwrap();
        let nobody = trust.judge(&elsewhere, &[signed(&key(3), good.clone())]);
        assert!(matches!(nobody, Err(RegistryError::Untrusted { .. })));
        let outside = judge(&[signed(&key(2), good.clone())]);
        assert!(matches!(outside, Err(RegistryError::WrongNamespace { publisher, .. }) if publisher == "beta"));
        let copied = judge(&[signed(&key(1), Payload::new("ghcr.io/acme/cart", &other).to_bytes())]);
        assert!(matches!(copied, Err(RegistryError::CopiedSignature { signed, .. }) if signed == other));
        let renamed = judge(&[signed(&key(1), Payload::new("ghcr.io/acme/other", &digest).to_bytes())]);
        assert!(
            matches!(renamed, Err(RegistryError::CopiedSignature { signed, .. }) if signed == "ghcr.io/acme/other")
        );
        let typed = String::from_utf8(good.clone()).unwrap().replace("cosign container", "another");
        assert!(matches!(judge(&[signed(&key(1), typed.into())]), Err(RegistryError::MalformedSignature { .. })));
        let mut broken = signed(&key(1), good);
        broken.payload.push(b' ');
        assert!(matches!(judge(&[broken]), Err(RegistryError::WrongKey { .. })));
    }

    #[test]
    fn a_namespace_ends_at_a_slash() {
        let acme =
            Publisher { name: "acme".into(), keys: vec![], namespaces: vec!["ghcr.io/acme".into(), String::new()] };
        assert!(acme.may_publish("ghcr.io/acme"));
        assert!(acme.may_publish("ghcr.io/acme/cart/x"));
        assert!(!acme.may_publish("ghcr.io/acme-evil/cart"));
        assert!(!acme.may_publish("ghcr.io/other"));
    }
}
