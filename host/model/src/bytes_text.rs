//! Bytes in JSON and in the journal: text where they are UTF-8 (`"hello"`), else `{"base64": "…"}`. People
//! read both, and almost all bodies are text.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept<'a> {
    Text(std::borrow::Cow<'a, str>),
    Bytes { base64: String },
}

/// Writes bytes.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Kept::Text(text.into()).serialize(to),
        Err(_) => Kept::Bytes { base64: STANDARD.encode(bytes) }.serialize(to),
    }
}

/// Reads what [`serialize`] wrote.
///
/// # Errors
/// What is neither text nor Base64.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    match Kept::deserialize(from)? {
        Kept::Text(text) => Ok(text.into_owned().into_bytes()),
        Kept::Bytes { base64 } => STANDARD.decode(base64).map_err(D::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use crate::http::Response;

    #[test]
    fn a_body_is_text_where_it_can_be_and_comes_back_the_same() {
        for (body, json) in [(b"ok \xc3\xa9".to_vec(), "\"ok é\""), (vec![0xff, 0], "{\"base64\":\"/wA=\"}")] {
            let response = Response { status: 200, headers: Vec::new(), body: body.clone() };
            let text = serde_json::to_string(&response).expect("JSON");
            assert!(text.contains(json), "{text}");
            let back: Response = serde_json::from_str(&text).expect("it is read");
            assert_eq!(back.body, body);
        }
    }
}
