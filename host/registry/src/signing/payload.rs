//! What is signed: the simple-signing payload, and the config that cosign keeps beside it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::oci::Descriptor;

/// Media type of a payload, the layer of a signature.
pub const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Media type of a signature's config.
pub const SIGNATURE_TYPE: &str = "application/vnd.oci.image.config.v1+json";
/// The annotation of the layer that has the signature, in base64.
pub const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";

/// What the payload says it is.
const TYPE: &str = "cosign container image signature";

/// The signed statement: the artifact with this digest is published under this name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Payload {
    critical: Critical,
    #[serde(default)]
    optional: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: String,
}

impl Payload {
    /// Of the artifact with `digest` in the repository `name` (`registry/repository`).
    pub fn new(name: &str, digest: &str) -> Payload {
        Payload {
            critical: Critical {
                identity: Identity { docker_reference: name.to_owned() },
                image: Image { docker_manifest_digest: digest.to_owned() },
                kind: TYPE.to_owned(),
            },
            optional: Value::Null,
        }
    }

    /// As it is signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of strings is always JSON")
    }

    /// Reads one.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub fn parse(bytes: &[u8]) -> Result<Payload, String> {
        let payload: Payload =
            serde_json::from_slice(bytes).map_err(|error| format!("its payload is no simple-signing JSON: {error}"))?;
        if payload.critical.kind != TYPE {
            return Err(format!("its payload is of the type \"{}\", not \"{TYPE}\"", payload.critical.kind));
        }
        Ok(payload)
    }

    /// The digest that was signed.
    pub fn digest(&self) -> &str {
        &self.critical.image.docker_manifest_digest
    }

    /// The name that was signed, without a tag or digest that cosign may have put behind it.
    pub fn name(&self) -> &str {
        let text = &self.critical.identity.docker_reference;
        let text = text.split('@').next().unwrap_or(text);
        match text.rsplit_once(':') {
            Some((name, tail)) if !tail.contains('/') && name.contains('/') => name,
            _ => text,
        }
    }
}

/// The config of a signature manifest, with the fields that cosign's has.
pub(super) fn config(layers: &[Descriptor]) -> Vec<u8> {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.digest.as_str()).collect();
    let never = "0001-01-01T00:00:00Z";
    let history: Vec<Value> = layers.iter().map(|_| serde_json::json!({"created": never})).collect();
    let config = serde_json::json!({
        "architecture": "", "created": never, "history": history, "os": "",
        "rootfs": {"type": "layers", "diff_ids": diff_ids}, "config": {},
    });
    config.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_cosign_s_to_the_byte() {
        // As cosign 2 writes it with no annotations.
        let expected = concat!(
            r#"{"critical":{"identity":{"docker-reference":"ghcr.io/acme/cart"},"#,
            r#""image":{"docker-manifest-digest":"sha256:aa"},"#,
            r#""type":"cosign container image signature"},"optional":null}"#
        );
        let payload = Payload::new("ghcr.io/acme/cart", "sha256:aa");
        assert_eq!(payload.to_bytes(), expected.as_bytes());
        assert_eq!(Payload::parse(expected.as_bytes()), Ok(payload));
    }

    #[test]
    fn another_kind_of_payload_is_refused() {
        let other = String::from_utf8(Payload::new("a", "b").to_bytes()).unwrap().replace("container", "other");
        assert!(Payload::parse(other.as_bytes()).unwrap_err().contains("of the type"));
        assert!(Payload::parse(b"{}").unwrap_err().contains("no simple-signing"));
    }

    #[test]
    fn names_are_compared_without_tag() {
        for (text, name) in [
            ("localhost:5000/a/b", "localhost:5000/a/b"),
            ("localhost:5000/a/b:1.0", "localhost:5000/a/b"),
            ("localhost:5000/a/b:1.0@sha256:00", "localhost:5000/a/b"),
            ("localhost:5000", "localhost:5000"),
        ] {
            assert_eq!(Payload::new(text, "").name(), name);
        }
    }
}
