//! Settings: one type, from which the operator's form is derived.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A plugin's settings: a struct with `Deserialize` and `JsonSchema` derives.
///
/// Give every field a default (`#[serde(default)]` on the struct and a `Default` implementation, with
/// `Serialize` derived so that the form shows it) and a doc comment: it is what the operator reads.
pub trait Settings: DeserializeOwned + JsonSchema {}

impl<T: DeserializeOwned + JsonSchema> Settings for T {}

/// The settings of a plugin that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// The JSON Schema (2020-12) of `S`, as the host gets it.
pub fn schema<S: Settings>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<S>().to_value()
}
