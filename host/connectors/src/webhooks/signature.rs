//! Signatures of webhooks: the families that platforms use, checked in constant time.
//!
//! - [`body_matches`]: base64 of HMAC-SHA256 over the raw body (Shopify, WooCommerce, Xero, Intuit).
//! - [`Key`]: Standard Webhooks, `v1,base64` over `id.timestamp.body` with a `whsec_` secret; also what
//!   our own callbacks carry.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::ConnectorError;

/// How far a Standard Webhooks timestamp may lie from now, in milliseconds (five minutes, as the
/// specification recommends).
pub const TOLERANCE: i64 = 300_000;

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The base64 of HMAC-SHA256 over `body`.
#[must_use]
pub fn sign_body(secret: &[u8], body: &[u8]) -> String {
    BASE64.encode(hmac(secret, &[body]))
}

/// Whether `signature` is [`sign_body`] under one of `secrets` (several while a secret is replaced).
#[must_use]
pub fn body_matches<S: AsRef<[u8]>>(secrets: &[S], body: &[u8], signature: &str) -> bool {
    let Ok(given) = BASE64.decode(signature.trim()) else { return false };
    // All are tried, so that the time does not tell which one matched.
    secrets
        .iter()
        .fold(false, |found, secret| found | bool::from(hmac(secret.as_ref(), &[body]).as_slice().ct_eq(&given)))
}

/// A Standard Webhooks key.
#[derive(Clone)]
pub struct Key(Vec<u8>);

impl Key {
    /// Reads `whsec_` and the base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// [`ConnectorError::Setting`], without the secret.
    pub fn parse(secret: &str) -> Result<Self, ConnectorError> {
        let fault = |reason: &str| ConnectorError::Setting { what: "webhook secret", reason: reason.into() };
        let text = secret.trim().strip_prefix("whsec_").ok_or_else(|| fault("it must begin with `whsec_`"))?;
        let bytes = BASE64.decode(text).map_err(|_| fault("what follows `whsec_` must be base64"))?;
        if !(24..=64).contains(&bytes.len()) {
            return Err(fault("it must hold 24 to 64 bytes: make one with `openssl rand -base64 32`"));
        }
        Ok(Self(bytes))
    }

    /// The signature, as `v1,base64`. `timestamp` is in seconds.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        format!("v1,{}", BASE64.encode(self.mac(id, timestamp, body)))
    }

    fn mac(&self, id: &str, timestamp: i64, body: &[u8]) -> [u8; 32] {
        hmac(&self.0, &[id.as_bytes(), b".", timestamp.to_string().as_bytes(), b".", body])
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Checks the three Standard Webhooks headers. `signatures` may hold several, with spaces between;
/// `now` is in milliseconds.
///
/// # Errors
/// [`ConnectorError::Signature`].
pub fn verify(
    keys: &[Key],
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: i64,
) -> Result<(), ConnectorError> {
    let fault = |reason| Err(ConnectorError::Signature { reason });
    let Ok(at) = timestamp.trim().parse::<i64>() else { return fault("`webhook-timestamp` is no number of seconds") };
    if at.checked_mul(1_000).is_none_or(|at| now.abs_diff(at) > TOLERANCE.unsigned_abs()) {
        return fault("`webhook-timestamp` lies more than five minutes from now");
    }
    let given: Vec<Vec<u8>> = signatures
        .split_whitespace()
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .filter_map(|signature| BASE64.decode(signature).ok())
        .collect();
    let matches = keys.iter().fold(false, |found, key| {
        let expected = key.mac(id, at, body);
        given.iter().fold(found, |found, given| found | bool::from(expected.as_slice().ct_eq(given)))
    });
    if matches { Ok(()) } else { fault("no `v1` signature matches the body") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hmac_matches_rfc_4231() {
        // Test case 2; hex 5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843.
        let (key, data) = ("Jefe", b"what do ya want for nothing?");
        assert_eq!(sign_body(key.as_bytes(), data), "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
        let signature = sign_body(key.as_bytes(), data);
        assert!(body_matches(&["new", "Jefe"], data, &signature));
        assert!(!body_matches(&["new", "jefe"], data, &signature));
        assert!(!body_matches(&["Jefe"], b"what do ya want for nothing", &signature));
        assert!(!body_matches(&["Jefe"], data, ""));
        assert!(!body_matches(&["Jefe"], data, &signature[..20]));
        assert!(!body_matches::<&str>(&[], data, &signature));
    }

    #[test]
    fn standard_webhooks() {
        // The example of the Standard Webhooks specification's reference libraries.
        let key = Key::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let (id, at, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        let signature = key.sign(id, at, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let now = at * 1_000;
        let keys = [Key::parse("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect("a key"), key];
        let verify = |signatures: &str, timestamp: &str, now| verify(&keys, id, timestamp, signatures, body, now);
        assert_eq!(verify(&signature, "1614265330", now), Ok(()));
        assert_eq!(verify(&format!("v2,abc v1,AAAA {signature}"), "1614265330", now + TOLERANCE), Ok(()));
        assert!(verify(&signature, "1614265330", now + TOLERANCE + 1).is_err());
        assert!(verify(&signature, "1614265330", now - TOLERANCE - 1).is_err());
        assert!(verify(&signature, "1614265331", now).is_err());
        assert!(verify("v1,AAAA", "1614265330", now).is_err());
        assert!(verify(&signature, "x", now).is_err());
        assert!(verify(&signature, &i64::MAX.to_string(), now).is_err());
    }

    #[test]
    fn keys_are_read_or_refused_without_telling_them() {
        for secret in ["MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!", "whsec_c2hvcnQ=", "whsec_"] {
            let error = Key::parse(secret).expect_err(secret).to_string();
            assert!(!error.contains("MfKQ") && !error.contains("c2hv"), "{error}");
        }
    }
}
