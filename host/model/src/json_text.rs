//! Serde for WIT's `json` fields: text in Rust, an embedded document in JSON.
//!
//! In self-describing text formats (`is_human_readable`) the field is the document itself; in binary
//! formats (the journal) it stays a string, so that it survives byte for byte.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What stands for an absent document: the empty object.
#[must_use]
pub fn empty() -> String {
    "{}".into()
}

/// Writes `text` as an embedded document. Text that is no JSON is written as a JSON string, so that
/// nothing is lost.
///
/// # Errors
/// What the serializer says.
pub fn serialize<S: Serializer>(text: &str, to: S) -> Result<S::Ok, S::Error> {
    if !to.is_human_readable() {
        return to.serialize_str(text);
    }
    if text == "{}" {
        return serde_json::Map::new().serialize(to);
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => value.serialize(to),
        Err(_) => to.serialize_str(text),
    }
}

/// Reads an embedded document back into text.
///
/// # Errors
/// What the deserializer says.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    if !from.is_human_readable() {
        return String::deserialize(from);
    }
    let value = serde_json::Value::deserialize(from)?;
    if value.is_null() {
        return Ok(empty());
    }
    serde_json::to_string(&value).map_err(D::Error::custom)
}
