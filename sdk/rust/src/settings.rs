//! Settings: one type, from which the operator's form is derived.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// A plugin's settings, as [`settings!`](crate::settings!) makes them. Any type with `Deserialize` and
/// `JsonSchema` will do, as long as its schema is that of an object.
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

/// Declares settings: the type, the defaults and the texts of the operator's form in one place.
///
/// The doc comments are what the operator reads; `#[schemars(title = "…")]` is the field's label, and
/// `range`, `length` and the like are checked before a workflow sees the value.
///
/// ```
/// use shopwright_sdk::prelude::*;
///
/// settings! {
///     /// Settings of a reminder.
///     pub struct Settings {
///         /// How long after the last change of a cart the reminder goes out.
///         #[schemars(title = "Wait")]
///         pub wait: Duration = hours(2),
///         /// The discount offered, in per cent.
///         #[schemars(title = "Discount", range(min = 0.0, max = 50.0))]
///         pub percent: f64 = 10.0,
///     }
/// }
///
/// assert_eq!(Settings::default().wait, hours(2));
/// let schema = shopwright_sdk::settings::schema::<Settings>();
/// assert_eq!(schema["properties"]["percent"]["default"], 10.0);
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[$field_meta:meta])* $field_vis:vis $field:ident: $type:ty = $default:expr),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(
            Debug, Clone, $crate::serde::Serialize, $crate::serde::Deserialize, $crate::schemars::JsonSchema,
        )]
        #[serde(crate = "shopwright_sdk::serde", default, deny_unknown_fields)]
        #[schemars(crate = "shopwright_sdk::schemars")]
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $type,)+
        }

        impl ::core::default::Default for $name {
            fn default() -> $name {
                $name { $($field: $default,)+ }
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    settings! {
        /// Settings of a test.
        struct Example {
            /// How long.
            #[schemars(title = "Wait")]
            wait: Duration = hours(2),
            /// From what.
            from: Amount = Amount(49.5),
        }
    }

    #[test]
    fn the_form_is_derived_from_the_type() {
        let schema = super::schema::<Example>();
        assert_eq!(schema["type"], "object");
        assert_eq!(schema["additionalProperties"], false);
        let wait = &schema["properties"]["wait"];
        assert_eq!((&wait["default"], &wait["title"]), (&json!("2h"), &json!("Wait")));
        assert_eq!(wait["description"], "How long.");
        assert_eq!(schema["properties"]["from"]["default"], 49.5);
        assert!(schema.get("required").is_none(), "everything has a default");
        let parsed: Example = serde_json::from_value(json!({ "wait": "3d" })).unwrap();
        assert_eq!((parsed.wait, parsed.from), (days(3), Amount(49.5)));
    }
}
