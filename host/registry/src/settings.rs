//! Settings of a plugin: its JSON Schema (2020-12), and an operator's settings against it.
//!
//! A schema comes from a stranger, so it never leads anywhere: references stay inside the document,
//! patterns run in linear time, and no reference leads back to itself, so that checking has an end.

use std::fmt;

use jsonschema::{PatternOptions, ValidationOptions, Validator, ValidatorMap};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::schema_bounds::{self, OutOfBounds};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema is at most this long as JSON.
const MAX_SCHEMA_BYTES: usize = 256 << 10;

/// A pattern, compiled, takes at most about this much memory.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Settings, and defaults, are at most this deep.
const MAX_DEPTH: usize = 64;

/// What is wrong with a settings schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaError {
    /// Where in the schema, as a JSON pointer (RFC 6901); empty is the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "/" } else { &self.path };
        write!(f, "at {place}: {}; {}", self.message, self.remedy)
    }
}

impl std::error::Error for SchemaError {}

/// What is wrong with an operator's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingsError {
    /// Where in the settings, as a JSON pointer (RFC 6901); empty is the whole.
    pub path: String,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.path.is_empty() { "/" } else { &self.path };
        write!(f, "at {place}: {}", self.message)
    }
}

impl std::error::Error for SettingsError {}

/// A settings schema, checked and compiled.
#[derive(Debug)]
pub struct Settings {
    schema: Value,
    whole: Validator,
    parts: ValidatorMap,
}

impl Settings {
    /// Checks and compiles a schema: a 2020-12 schema of an object whose references stay inside it and
    /// whose defaults satisfy it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn compile(schema: &Value) -> Result<Settings, SchemaError> {
        let error = |path: &str, message: String, remedy: &str| SchemaError {
            path: path.to_owned(),
            message,
            remedy: remedy.to_owned(),
        };
        let bytes = schema.to_string().len();
        if bytes > MAX_SCHEMA_BYTES {
            let message = format!("the schema is {bytes} bytes long, more than {MAX_SCHEMA_BYTES}");
            return Err(error("", message, "describe less, or move data out of the settings"));
        }
        let Some(object) = schema.as_object() else {
            return Err(error("", "the schema is not a JSON object".into(), "begin with {\"type\": \"object\"}"));
        };
        if let Some(dialect) = object.get("$schema")
            && dialect.as_str().map(|text| text.trim_end_matches('#')) != Some(DIALECT)
        {
            let message = format!("the dialect {dialect} is not JSON Schema 2020-12");
            return Err(error("/$schema", message, &format!("write \"{DIALECT}\" or leave it out")));
        }
        match object.get("type").map(Value::as_str) {
            Some(Some("object")) => {}
            Some(_) => {
                let message = "settings are an object, the schema says otherwise".into();
                return Err(error("/type", message, "write \"type\": \"object\""));
            }
            None => {
                return Err(error("", "the schema does not say its type".into(), "add \"type\": \"object\""));
            }
        }
        if let Err(OutOfBounds { path, message, remedy }) = schema_bounds::check(schema) {
            return Err(error(&path, message, remedy));
        }
        if let Err(broken) = jsonschema::draft202012::meta::validate(schema) {
            let path = broken.instance_path().to_string();
            let remedy = if path.ends_with("/type") {
                "write \"string\", \"number\", \"integer\", \"boolean\", \"array\", \"object\" or \"null\""
            } else {
                "see JSON Schema 2020-12 for what this keyword takes"
            };
            return Err(error(&path, broken.to_string(), remedy));
        }
        let uncompilable = |broken: jsonschema::ValidationError<'_>| {
            let path = broken.instance_path().to_string();
            error(&path, broken.to_string(), "correct the reference or pattern (look-around is not supported)")
        };
        let whole = options().build(schema).map_err(uncompilable)?;
        let parts = options().build_map(schema).map_err(uncompilable)?;
        let mut keys: Vec<&str> = parts.keys().collect();
        keys.sort_unstable();
        for key in keys {
            let Some(pointer) = key.strip_prefix('#') else { continue };
            let Some(default) = schema.pointer(pointer).and_then(|part| part.get("default")) else { continue };
            // An object's default may leave out what has a default itself, so it is judged filled in.
            let mut filled = default.clone();
            if depth(default) > MAX_DEPTH {
                let message = format!("the default is more than {MAX_DEPTH} deep");
                return Err(error(&format!("{pointer}/default"), message, "make the settings flatter"));
            }
            Filling { schema, parts: &parts }.fill(pointer, &mut filled);
            let verdict =
                parts.get(key).and_then(|part| part.iter_errors(&filled).next().map(|error| error.to_string()));
            if let Some(reason) = verdict {
                let message = format!("the default does not satisfy its own schema: {reason}");
                return Err(error(&format!("{pointer}/default"), message, "correct the default or the schema"));
            }
        }
        Ok(Settings { schema: schema.clone(), whole, parts })
    }

    /// The settings with every default filled in, if they then satisfy the schema.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn check(&self, settings: &Value) -> Result<Value, Vec<SettingsError>> {
        if depth(settings) > MAX_DEPTH {
            let message = format!("the settings are more than {MAX_DEPTH} deep");
            return Err(vec![SettingsError { path: String::new(), message }]);
        }
        let mut filled = settings.clone();
        Filling { schema: &self.schema, parts: &self.parts }.fill("", &mut filled);
        let errors: Vec<SettingsError> = self
            .whole
            .iter_errors(&filled)
            .map(|error| SettingsError { path: error.instance_path().to_string(), message: error.to_string() })
            .collect();
        if errors.is_empty() { Ok(filled) } else { Err(errors) }
    }

    /// [`Settings::compile`] and [`Settings::check`] in one.
    ///
    /// # Errors
    /// Everything that is wrong with the settings, or the first thing that is wrong with the schema.
    pub fn validate(schema: &Value, settings: &Value) -> Result<Value, Vec<SettingsError>> {
        let compiled = Settings::compile(schema).map_err(|error| {
            vec![SettingsError {
                path: String::new(),
                message: format!("the plugin's settings schema is wrong {error}"),
            }]
        })?;
        compiled.check(settings)
    }
}

/// How many values are within one another; a number or a text is 1.
fn depth(value: &Value) -> usize {
    1 + match value {
        Value::Object(members) => members.values().map(depth).max().unwrap_or(0),
        Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn options<'i>() -> ValidationOptions<'i> {
    jsonschema::draft202012::options()
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN_BYTES))
}

/// A key as a token of a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Fills in defaults. It has an end because the schema has no reference that leads back to itself.
struct Filling<'a> {
    schema: &'a Value,
    parts: &'a ValidatorMap,
}

impl Filling<'_> {
    /// Fills `value` by the schema at `pointer`: absent properties that have a default get it, a required
    /// object without one begins empty, and what is there is filled within. Of alternatives (`anyOf`,
    /// `oneOf`) the first that the value satisfies counts.
    fn fill(&self, pointer: &str, value: &mut Value) {
        let Some(Value::Object(rules)) = self.schema.pointer(pointer) else { return };
        if let Some(target) = self.target(pointer) {
            self.fill(&target, value);
        }
        if let Some(Value::Array(all)) = rules.get("allOf") {
            for index in 0..all.len() {
                self.fill(&format!("{pointer}/allOf/{index}"), value);
            }
        }
        for word in ["anyOf", "oneOf"] {
            let Some(Value::Array(alternatives)) = rules.get(word) else { continue };
            let chosen = (0..alternatives.len()).map(|index| format!("{pointer}/{word}/{index}")).find(|alternative| {
                self.parts.get(&format!("#{alternative}")).is_some_and(|validator| validator.is_valid(value))
            });
            if let Some(alternative) = chosen {
                self.fill(&alternative, value);
            }
        }
        match value {
            Value::Object(members) => self.fill_object(pointer, rules, members),
            Value::Array(items) => self.fill_array(pointer, rules, items),
            _ => {}
        }
    }

    fn fill_object(&self, pointer: &str, rules: &Map<String, Value>, members: &mut Map<String, Value>) {
        let properties = rules.get("properties").and_then(Value::as_object);
        let required: Vec<&str> =
            rules.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for name in properties.into_iter().flat_map(Map::keys) {
            let part = format!("{pointer}/properties/{}", escape(name));
            if !members.contains_key(name)
                && let Some(default) = self.default_of(&part, required.contains(&name.as_str()))
            {
                members.insert(name.clone(), default);
            }
            if let Some(member) = members.get_mut(name) {
                self.fill(&part, member);
            }
        }
        if rules.get("additionalProperties").is_some_and(Value::is_object) {
            let part = format!("{pointer}/additionalProperties");
            for (name, member) in members.iter_mut() {
                if !properties.is_some_and(|known| known.contains_key(name)) {
                    self.fill(&part, member);
                }
            }
        }
    }

    fn fill_array(&self, pointer: &str, rules: &Map<String, Value>, items: &mut [Value]) {
        let first = rules.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
        for (index, item) in items.iter_mut().enumerate() {
            let part =
                if index < first { format!("{pointer}/prefixItems/{index}") } else { format!("{pointer}/items") };
            self.fill(&part, item);
        }
    }

    /// The default of the property whose schema is at `pointer`: its own, or that of what it refers to.
    fn default_of(&self, pointer: &str, required: bool) -> Option<Value> {
        let rules = self.schema.pointer(pointer)?;
        if let Some(default) = rules.get("default") {
            return Some(default.clone());
        }
        if let Some(target) = self.target(pointer) {
            return self.default_of(&target, required);
        }
        let object = rules.get("type").and_then(Value::as_str) == Some("object");
        (required && object).then(|| Value::Object(Map::new()))
    }

    /// Where the `$ref` at `pointer` leads, if there is one and it is a pointer of this document.
    fn target(&self, pointer: &str) -> Option<String> {
        let target = self.schema.pointer(pointer)?.get("$ref")?.as_str()?.strip_prefix('#')?;
        (target.is_empty() || target.starts_with('/')).then(|| target.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["quiet"],
            "properties": {
                "wait_hours": {"type": "integer", "minimum": 1, "default": 2},
                "sender": {"$ref": "#/$defs/sender"},
                "quiet": {"type": "object", "properties": {"from": {"type": "string", "default": "21:00"}}},
                "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}},
                "offer": {"oneOf": [
                    {"type": "object", "required": ["percent"], "properties": {
                        "percent": {"type": "number"}, "days": {"type": "integer", "default": 3}}},
                    {"type": "null"}
                ]},
                "optional": {"type": "object", "properties": {"x": {"default": 1}}}
            },
            "additionalProperties": false,
            "$defs": {
                "sender": {"type": "string", "minLength": 1, "default": "shop"},
                "step": {"type": "object", "properties": {"channel": {"enum": ["email", "sms"], "default": "email"}}}
            }
        })
    }

    #[test]
    fn defaults_are_filled_in_at_every_depth() {
        let filled =
            Settings::validate(&schema(), &json!({"steps": [{}, {"channel": "sms"}], "offer": {"percent": 5}}));
        let expected = json!({
            "steps": [{"channel": "email"}, {"channel": "sms"}],
            "offer": {"percent": 5, "days": 3},
            "wait_hours": 2, "sender": "shop", "quiet": {"from": "21:00"}
        });
        assert_eq!(filled, Ok(expected));
    }

    #[test]
    fn every_wrong_setting_is_named_with_its_place() {
        let wrong = json!({"wait_hours": 0, "steps": [{"channel": "fax"}], "unknown": 1});
        let errors = Settings::validate(&schema(), &wrong).unwrap_err();
        let mut paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
        paths.sort_unstable();
        assert_eq!(paths, ["", "/steps/0/channel", "/wait_hours"]);
        assert!(errors.iter().any(|error| error.message.contains("unknown")), "{errors:?}");
    }

    #[test]
    fn a_schema_that_cannot_be_trusted_is_refused_with_its_place() {
        for (schema, path, words) in [
            (json!([]), "", "not a JSON object"),
            (json!({"properties": {}}), "", "does not say its type"),
            (json!({"type": "array"}), "/type", "settings are an object"),
            (json!({"type": "object", "$schema": "http://json-schema.org/draft-07/schema#"}), "/$schema", "2020-12"),
            (json!({"type": "object", "properties": {"a": {"type": "nmber"}}}), "/properties/a/type", "nmber"),
            (
                json!({"type": "object", "properties": {"a": {"$ref": "https://example.com/s.json"}}}),
                "/properties/a/$ref",
                "leads out of the schema",
            ),
            (
                json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}),
                "/properties/a/$ref",
                "out",
            ),
            (
                json!({"type": "object", "properties": {"a": {"type": "integer", "default": "x"}}}),
                "/properties/a/default",
                "does not satisfy",
            ),
        ] {
            let error = Settings::compile(&schema).expect_err(&schema.to_string());
            assert_eq!(error.path, path, "{error}");
            assert!(error.message.contains(words), "{error}");
        }
        for schema in [
            json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/none"}}}),
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=a)b"}}}),
        ] {
            assert!(Settings::compile(&schema).is_err(), "{schema}");
        }
    }

    /// Each of these ends a process, or takes for ever, where validators follow references blindly.
    #[test]
    fn a_schema_that_goes_in_circles_is_refused() {
        for schema in [
            json!({"type": "object", "properties": {"a": {"$ref": "#", "default": {}}, "b": {"$ref": "#", "default": {}}}}),
            json!({"type": "object", "$ref": "#"}),
            json!({"type": "object", "anyOf": [{"$ref": "#"}]}),
            json!({"type": "object", "not": {"$ref": "#"}}),
        ] {
            let error = Settings::compile(&schema).unwrap_err();
            assert!(error.message.contains("leads back to itself"), "{error}");
        }
    }

    #[test]
    fn settings_without_an_end_are_refused() {
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({"x": deep});
        }
        let errors = Settings::validate(&json!({"type": "object"}), &deep).unwrap_err();
        assert!(errors[0].message.contains("deep"), "{errors:?}");
    }
}
