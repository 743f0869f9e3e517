//! Serde for WIT's `json` fields: text in the record, an embedded document in JSON.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What stands for an absent document: the empty object.
pub(crate) fn empty() -> String {
    "{}".into()
}

/// Writes the text as an embedded document; text that is no JSON as a JSON string.
pub(crate) fn serialize<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => value.serialize(to),
        Err(_) => to.serialize_str(text),
    }
}

/// Reads an embedded document back into text.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let value = serde_json::Value::deserialize(from)?;
    if value.is_null() {
        return Ok(empty());
    }
    serde_json::to_string(&value).map_err(D::Error::custom)
}
