//! Where an artifact is: registry, repository, and a tag or a digest.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::RegistryError;

/// `registry/repository:tag`, `registry/repository@sha256:…`, or both. The registry is always named:
/// which one a plugin comes from decides who is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// Host, with the port if one was given.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if there is one.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if there is one. It decides where a tag is given too.
    pub fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }

    /// `registry/repository`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same repository by tag alone.
    pub fn with_tag(&self, tag: &str) -> Reference {
        Reference { tag: Some(tag.to_owned()), digest: None, ..self.clone() }
    }

    /// The same, pinned to a digest.
    pub fn with_digest(&self, digest: &str) -> Reference {
        Reference { digest: Some(digest.to_owned()), ..self.clone() }
    }

    /// What the distribution protocol asks for: the digest, else the tag, else `latest`.
    pub(crate) fn selector(&self) -> &str {
        self.digest.as_deref().or(self.tag.as_deref()).unwrap_or("latest")
    }

    /// Whether the registry is this machine, which is spoken to in plain HTTP.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.registry)
    }
}

/// Whether `host`, or `host:port`, is this machine.
pub(crate) fn is_loopback(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => authority.split(':').next().unwrap_or(authority),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether `host` names this machine or a network of its own: where an answer from elsewhere has no business
/// to lead.
pub(crate) fn is_internal(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(v4)) => is_internal_v4(v4),
        Ok(IpAddr::V6(v6)) => {
            let mapped = v6.to_ipv4_mapped().is_some_and(is_internal_v4);
            mapped || v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost") || host.ends_with(".local"),
    }
}

fn is_internal_v4(v4: std::net::Ipv4Addr) -> bool {
    v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified()
}

/// `sha256:` and 64 lower-case hexadecimal digits.
pub(crate) fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// Lower-case letters and digits, joined by `.`, `_`, `__` or hyphens.
fn is_path_part(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = text.bytes().next().is_some_and(fits) && text.bytes().next_back().is_some_and(fits);
    let joined = text.bytes().all(|byte| fits(byte) || b"._-".contains(&byte));
    edges && joined && !["..", "___", "._", "_.", ".-", "-.", "_-", "-_"].iter().any(|bad| text.contains(bad))
}

fn is_registry(text: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(&format!("https://{text}/")) else { return false };
    let bare = url.username().is_empty() && url.password().is_none() && url.path() == "/";
    bare && url.query().is_none() && !text.contains(['/', '@', '?', '#']) && text == text.to_lowercase()
}

impl FromStr for Reference {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Reference, RegistryError> {
        let wrong = |reason: &str| RegistryError::InvalidReference { text: text.to_owned(), reason: reason.to_owned() };
        if text.len() > 1_024 || text.bytes().any(|byte| byte <= b' ' || byte >= 127) {
            return Err(wrong("it has spaces, or characters that no reference has"));
        }
        if text.contains("://") {
            return Err(wrong("it has a scheme"));
        }
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        let Some((registry, rest)) = named.split_once('/') else {
            return Err(wrong("it names no registry"));
        };
        if !(registry.contains(['.', ':']) || registry == "localhost") {
            return Err(wrong("its first part is no registry host"));
        }
        if !is_registry(registry) {
            return Err(wrong("its registry is no host"));
        }
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if repository.len() > 255 || !repository.split('/').all(is_path_part) {
            return Err(wrong("its repository is not lower-case letters, digits, `.`, `_`, `-` and slashes"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("its tag is not letters, digits, `.`, `_` and `-`, at most 128"));
        }
        if digest.is_some_and(|digest| !is_digest(digest)) {
            return Err(wrong("its digest is not sha256: and 64 hexadecimal digits"));
        }
        Ok(Reference {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_written() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for text in [
            "ghcr.io/acme/cart-recovery".to_owned(),
            "localhost/x:1.0.0".into(),
            "127.0.0.1:5000/a/b__c/d:v1".into(),
            "[::1]:5000/a:1".into(),
            format!("ghcr.io/acme/cart:1.0@{digest}"),
            format!("ghcr.io/acme/cart@{digest}"),
        ] {
            assert_eq!(text.parse::<Reference>().expect(&text).to_string(), text);
        }
        for (text, reason) in [
            ("cart-recovery", "no registry"),
            ("acme/cart", "no registry host"),
            ("https://ghcr.io/acme/cart", "scheme"),
            ("user@ghcr.io/acme", "registry"),
            ("ghcr.io/Acme/cart", "repository"),
            ("ghcr.io/acme//cart", "repository"),
            ("ghcr.io/acme/../cart", "repository"),
            ("ghcr.io/acme/cart:", "tag"),
            ("ghcr.io/acme/cart:a b", "spaces"),
            ("ghcr.io/acme/cart@sha256:12", "digest"),
            ("ghcr.io/acme/cart@sha512:12", "digest"),
            ("gh:x/acme", "no host"),
        ] {
            let error = text.parse::<Reference>().expect_err(text).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn networks_of_ones_own_are_known() {
        for host in [
            "localhost",
            "127.0.0.1",
            "[::1]",
            "10.1.2.3",
            "192.168.0.1",
            "169.254.169.254",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "nas.local",
        ] {
            assert!(is_internal(host), "{host}");
        }
        for host in ["ghcr.io", "8.8.8.8", "[2606:4700::1]", "localhost.example.com", "172.32.0.1"] {
            assert!(!is_internal(host), "{host}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "localhost:5000", "127.0.0.1:1", "127.8.8.8", "[::1]:5000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example.com", "10.0.0.1", "example.com:5000", "127.0.0.1.example.com", "[::2]"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
