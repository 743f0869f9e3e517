//! Key files: ECDSA P-256, unencrypted as PKCS#8 PEM, or encrypted as cosign keeps them (PKCS#8 in a NaCl
//! secretbox, its key from the passphrase by scrypt).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Nonce, XSalsa20Poly1305};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding,
};
use rand::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::RegistryError;

/// What cosign writes on an encrypted key, now and formerly.
const ENCRYPTED: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
const ENCRYPTED_BEFORE: &str = "ENCRYPTED COSIGN PRIVATE KEY";

/// scrypt's cost when we encrypt: cosign's own.
const SCRYPT: ScryptParameters = ScryptParameters { n: 65_536, r: 8, p: 1 };

/// The most memory that a key file may make scrypt take (it is 128·N·r): a stranger's file may ask for all.
const MAX_SCRYPT_BYTES: u64 = 512 << 20;

fn unusable(reason: impl Into<String>) -> RegistryError {
    RegistryError::Key { reason: reason.into() }
}

/// A publisher's secret key. It is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct SigningKey(p256::ecdsa::SigningKey);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().fingerprint())
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Kdf {
    name: String,
    params: ScryptParameters,
    salt: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct ScryptParameters {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

impl SigningKey {
    /// A new key, from a source of randomness that nobody can guess.
    pub fn generate(random: &mut impl CryptoRng) -> SigningKey {
        loop {
            let mut bytes = [0u8; 32];
            random.fill_bytes(&mut bytes);
            // Zero and what is beyond the curve's order are no keys: less than one in 2^32.
            if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&bytes) {
                return SigningKey(key);
            }
        }
    }

    /// Reads a key file: unencrypted PKCS#8 PEM, or cosign's encrypted one with its passphrase.
    ///
    /// # Errors
    /// [`RegistryError::Key`], also for a wrong passphrase.
    pub fn from_pem(pem: &str, passphrase: Option<&str>) -> Result<SigningKey, RegistryError> {
        let (label, body) = decode_pem(pem)?;
        match label.as_str() {
            "PRIVATE KEY" => SigningKey::from_pkcs8(&body),
            ENCRYPTED | ENCRYPTED_BEFORE => {
                let passphrase = passphrase.ok_or_else(|| unusable("it is encrypted: give its passphrase"))?;
                SigningKey::from_pkcs8(&decrypt(&body, passphrase)?)
            }
            "PUBLIC KEY" => Err(unusable("it is the public key: signing takes the private one")),
            "EC PRIVATE KEY" => {
                Err(unusable("it is in the older SEC 1 form; convert it with `openssl pkcs8 -topk8 -nocrypt -in KEY`"))
            }
            other => Err(unusable(format!(
                "\"{other}\" is not a key that is known here; make one with `shopwright key new`"
            ))),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<SigningKey, RegistryError> {
        p256::ecdsa::SigningKey::from_pkcs8_der(der)
            .map(SigningKey)
            .map_err(|error| unusable(format!("it is not an ECDSA P-256 key in PKCS#8: {error}")))
    }

    /// As an unencrypted file. Whoever reads it can sign.
    ///
    /// # Errors
    /// [`RegistryError::Key`] where it cannot be written as PKCS#8.
    pub fn to_pem(&self) -> Result<String, RegistryError> {
        let pem = self.0.to_pkcs8_pem(LineEnding::LF).map_err(|error| unusable(error.to_string()))?;
        Ok(pem.to_string())
    }

    /// As cosign's encrypted file.
    ///
    /// # Errors
    /// [`RegistryError::Key`] where it cannot be written as PKCS#8.
    pub fn to_encrypted_pem(&self, passphrase: &str, random: &mut impl CryptoRng) -> Result<String, RegistryError> {
        let plain = self.0.to_pkcs8_der().map_err(|error| unusable(error.to_string()))?;
        let (mut salt, mut nonce) = ([0u8; 32], [0u8; 24]);
        random.fill_bytes(&mut salt);
        random.fill_bytes(&mut nonce);
        let ciphertext = secretbox(passphrase, &salt, SCRYPT)?
            .encrypt(&Nonce::from(nonce), plain.as_bytes())
            .map_err(|_| unusable("it could not be encrypted"))?;
        let envelope = Envelope {
            kdf: Kdf { name: "scrypt".into(), params: SCRYPT, salt: STANDARD.encode(salt) },
            cipher: Cipher { name: "nacl/secretbox".into(), nonce: STANDARD.encode(nonce) },
            ciphertext: STANDARD.encode(ciphertext),
        };
        let json = serde_json::to_vec(&envelope).expect("a struct of strings and numbers is always JSON");
        Ok(encode_pem(ENCRYPTED, &json))
    }

    /// The key that verifies what this one signs.
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// The signature of `message` (SHA-256), DER. The same message gives the same signature (RFC 6979).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}

/// A publisher's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a public key file (PEM).
    ///
    /// # Errors
    /// [`RegistryError::Key`].
    pub fn from_pem(pem: &str) -> Result<PublicKey, RegistryError> {
        let (label, body) = decode_pem(pem)?;
        if label != "PUBLIC KEY" {
            return Err(unusable(format!("\"{label}\" is not a public key; give the file that others may read")));
        }
        VerifyingKey::from_public_key_der(&body)
            .map(PublicKey)
            .map_err(|error| unusable(format!("it is not an ECDSA P-256 public key: {error}")))
    }

    /// As a file (PEM).
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).expect("a point of the curve can always be encoded")
    }

    /// `sha256:…` of the key, to compare it by telephone.
    pub fn fingerprint(&self) -> String {
        let der = self.0.to_public_key_der().expect("a point of the curve can always be encoded");
        crate::digest(der.as_bytes())
    }

    /// Whether `der` is this key's signature of `message`.
    pub fn verifies(&self, message: &[u8], der: &[u8]) -> bool {
        Signature::from_der(der).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_pem())
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        PublicKey::from_pem(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn decrypt(envelope: &[u8], passphrase: &str) -> Result<Vec<u8>, RegistryError> {
    let envelope: Envelope =
        serde_json::from_slice(envelope).map_err(|error| unusable(format!("its envelope is not cosign's: {error}")))?;
    if envelope.kdf.name != "scrypt" || envelope.cipher.name != "nacl/secretbox" {
        let (kdf, cipher) = (envelope.kdf.name, envelope.cipher.name);
        return Err(unusable(format!("it is encrypted by {kdf} and {cipher}, not by scrypt and nacl/secretbox")));
    }
    let decode =
        |text: &str| STANDARD.decode(text).map_err(|_| unusable("its envelope has a field that is not base64"));
    let nonce: [u8; 24] =
        decode(&envelope.cipher.nonce)?.try_into().map_err(|_| unusable("its nonce is not 24 bytes long"))?;
    secretbox(passphrase, &decode(&envelope.kdf.salt)?, envelope.kdf.params)?
        .decrypt(&Nonce::from(nonce), decode(&envelope.ciphertext)?.as_slice())
        .map_err(|_| unusable("the passphrase is wrong, or the file was changed"))
}

fn secretbox(passphrase: &str, salt: &[u8], parameters: ScryptParameters) -> Result<XSalsa20Poly1305, RegistryError> {
    let ScryptParameters { n, r, p } = parameters;
    let memory = n.checked_mul(u64::from(r)).and_then(|blocks| blocks.checked_mul(128));
    let bounded = memory.is_some_and(|memory| memory <= MAX_SCRYPT_BYTES) && p <= 16;
    if !bounded || !n.is_power_of_two() || n < 2 {
        return Err(unusable(format!("its scrypt parameters N={n}, r={r}, p={p} are out of bounds")));
    }
    let params = scrypt::Params::new(n.trailing_zeros() as u8, r, p)
        .map_err(|error| unusable(format!("its scrypt parameters N={n}, r={r}, p={p}: {error}")))?;
    let mut key = [0u8; 32];
    scrypt::scrypt(passphrase.as_bytes(), salt, &params, &mut key)
        .map_err(|error| unusable(format!("scrypt: {error}")))?;
    Ok(XSalsa20Poly1305::new(&crypto_secretbox::Key::from(key)))
}

/// Label and content of the first PEM block.
fn decode_pem(text: &str) -> Result<(String, Vec<u8>), RegistryError> {
    let none = || unusable("it is not a PEM file: it has no -----BEGIN …----- line");
    let (_, rest) = text.split_once("-----BEGIN ").ok_or_else(none)?;
    let (label, rest) = rest.split_once("-----").ok_or_else(none)?;
    let (body, _) = rest
        .split_once(&format!("-----END {label}-----"))
        .ok_or_else(|| unusable(format!("its -----END {label}----- line is missing")))?;
    let body: String = body.split_whitespace().collect();
    let bytes = STANDARD.decode(body).map_err(|_| unusable("what is between its lines is not base64"))?;
    Ok((label.to_owned(), bytes))
}

fn encode_pem(label: &str, bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in encoded.as_bytes().chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn random() -> rand_chacha::ChaCha20Rng {
        rand_chacha::ChaCha20Rng::seed_from_u64(7)
    }

    #[test]
    fn a_key_is_written_and_read_in_both_forms() {
        let key = SigningKey::generate(&mut random());
        let plain = key.to_pem().unwrap();
        let encrypted = key.to_encrypted_pem("correct horse", &mut random()).unwrap();
        assert!(plain.starts_with("-----BEGIN PRIVATE KEY-----"));
        assert!(encrypted.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));
        let before = encrypted.replace("SIGSTORE", "COSIGN");
        for (pem, passphrase) in [(&plain, None), (&encrypted, Some("correct horse")), (&before, Some("correct horse"))]
        {
            let read = SigningKey::from_pem(pem, passphrase).unwrap();
            assert!(key.public().verifies(b"message", &read.sign(b"message")));
        }
        let public = PublicKey::from_pem(&key.public().to_pem()).unwrap();
        assert_eq!(public, key.public());
        assert!(!public.verifies(b"messagf", &key.sign(b"message")));
        assert!(
            !SigningKey::generate(&mut rand_chacha::ChaCha20Rng::seed_from_u64(8))
                .public()
                .verifies(b"message", &key.sign(b"message"))
        );
    }

    #[test]
    fn what_is_no_key_is_refused_with_the_reason() {
        let key = SigningKey::generate(&mut random());
        let encrypted = key.to_encrypted_pem("right", &mut random()).unwrap();
        let public = key.public().to_pem();
        let greedy = encode_pem(
            ENCRYPTED,
            br#"{"kdf":{"name":"scrypt","params":{"N":1099511627776,"r":8,"p":1},"salt":""},"cipher":{"name":"nacl/secretbox","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},"ciphertext":""}"#,
        );
        for (pem, passphrase, words) in [
            ("", None, "not a PEM"),
            ("-----BEGIN PRIVATE KEY-----\nAA==", None, "END"),
            (&encode_pem("PRIVATE KEY", b"x"), None, "PKCS#8"),
            (&encode_pem("RSA PRIVATE KEY", b"x"), None, "not a key that is known"),
            (&public, None, "public key"),
            (&encrypted, None, "passphrase"),
            (&encrypted, Some("wrong"), "passphrase is wrong"),
            (&greedy, Some("x"), "out of bounds"),
        ] {
            let error = SigningKey::from_pem(pem, passphrase).unwrap_err().to_string();
            assert!(error.contains(words), "{words}: {error}");
        }
    }

    /// Encrypted by libsodium's secretbox and OpenSSL's scrypt, the key made by OpenSSL.
    const ENCRYPTED_BY_OTHERS: &str = "\
-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjozMjc2OCwiciI6
OCwicCI6MX0sInNhbHQiOiJuS1QycFNTdFFhVnZJQlM3eWpoWEVIUUtUNnk3NFFZ
MnRvSlo1VlRiTGV3PSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiJBN0lOR0x4aHZtQUpocjF6ZGtJazZsM1RMSXQyZFpqQSJ9LCJj
aXBoZXJ0ZXh0IjoiSFpMVDdSRlJtYncrL3pDNkkyeHZhNEdOT3pxUGVBRHpHb0Z0
RG05eUFNSDZYOVVJSUdjRnZ0UFBRYnVGZnoyby90VjZOeFpaRVpBeUdMeFJ0ZnZB
cDFGS3VSWkhoZjJSVFZmekgvdExhdFozQVcrT0ptUnNsRnAzOUtjQlNpMWFFTXla
QkZJZkdsOW1vRWk1WE9KMVljQUFiN0x6cFo2NWZIMDgyQUdDRWtKVlVKSHBTc1Ew
WlZLT1NCQ0d6MG5hR0JmV3l0cjQ5WWVYTnc9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
";
    const ITS_PUBLIC_KEY: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEp09iocY6Q6/9dCFWCJUoFfJcaWNB
AFdrr0BndWQ7CvT2HJ5iZB5Rt2tgyK/79SW1QfyCu1e5JocfsZTvglDXxw==
-----END PUBLIC KEY-----
";

    #[test]
    fn a_key_that_others_encrypted_is_read() {
        let key = SigningKey::from_pem(ENCRYPTED_BY_OTHERS, Some("pass word")).unwrap();
        assert_eq!(key.public().to_pem(), ITS_PUBLIC_KEY);
    }
}
