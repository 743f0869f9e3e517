//! How large a settings schema is when every reference is written out.
//!
//! A schema comes from a stranger, and validators follow references by recursion: one that leads back to
//! itself ends the process, and a few that fork take for ever. Settings need neither (no form can be drawn
//! for them), so the written-out schema has a bound, and with it the time that checking settings takes.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// The most values that the written-out schema may have.
const MAX_SIZE: u64 = 50_000;

/// The most values within one another in the written-out schema.
const MAX_DEPTH: usize = 128;

/// What is wrong with a reference, and where it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OutOfBounds {
    /// JSON pointer of the reference, or of the value that is too deep.
    pub path: String,
    pub message: String,
    pub remedy: &'static str,
}

/// Checks that the schema's references are pointers into itself, lead back to nothing, and that the
/// written-out schema is within bounds.
pub(crate) fn check(schema: &Value) -> Result<(), OutOfBounds> {
    let mut walk = Walk { schema, known: HashMap::new(), open: HashSet::new() };
    walk.visit("", schema, 0).map(drop)
}

/// Of a written-out value.
#[derive(Clone, Copy)]
struct Extent {
    size: u64,
    height: usize,
}

struct Walk<'a> {
    schema: &'a Value,
    /// By pointer.
    known: HashMap<String, Extent>,
    /// Pointers of the values that are being visited.
    open: HashSet<String>,
}

impl<'a> Walk<'a> {
    fn visit(&mut self, pointer: &str, value: &'a Value, depth: usize) -> Result<Extent, OutOfBounds> {
        let error = |path: &str, message: String, remedy| Err(OutOfBounds { path: path.to_owned(), message, remedy });
        let known = self.known.get(pointer).copied();
        if depth + known.map_or(0, |known| known.height) > MAX_DEPTH {
            let message = format!("the schema is more than {MAX_DEPTH} deep when its references are written out");
            return error(pointer, message, "make the settings flatter");
        }
        if let Some(known) = known {
            return Ok(known);
        }
        self.open.insert(pointer.to_owned());
        let mut extent = Extent { size: 1, height: 1 };
        let mut add = |part: Extent| {
            extent.size = extent.size.saturating_add(part.size);
            extent.height = extent.height.max(part.height + 1);
        };
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    let here = format!("{pointer}/{}", super::settings::escape(key));
                    add(self.visit(&here, member, depth + 1)?);
                }
                if members.contains_key("$dynamicRef") {
                    let message = "dynamic references are not supported".to_owned();
                    return error(&format!("{pointer}/$dynamicRef"), message, "write a $ref to \"#/$defs/…\"");
                }
                if !pointer.is_empty() && members.get("$id").is_some_and(Value::is_string) {
                    let message = "a part of the schema has an $id of its own".to_owned();
                    return error(
                        &format!("{pointer}/$id"),
                        message,
                        "remove it: references then mean the whole schema",
                    );
                }
                if let Some(Value::String(target)) = members.get("$ref") {
                    let path = format!("{pointer}/$ref");
                    match self.follow(&path, target, depth)? {
                        Some(part) => add(part),
                        None => {
                            let message = format!("the reference \"{target}\" leads nowhere in the schema");
                            return error(&path, message, "write the place of a definition, such as \"#/$defs/name\"");
                        }
                    }
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    add(self.visit(&format!("{pointer}/{index}"), item, depth + 1)?);
                }
            }
            _ => {}
        }
        if extent.size > MAX_SIZE {
            let message = format!("the schema has more than {MAX_SIZE} parts when its references are written out");
            return error(pointer, message, "describe less");
        }
        self.open.remove(pointer);
        self.known.insert(pointer.to_owned(), extent);
        Ok(extent)
    }

    /// What the reference at `path` leads to; none where that is nothing.
    fn follow(&mut self, path: &str, target: &str, depth: usize) -> Result<Option<Extent>, OutOfBounds> {
        let error = |message: String, remedy| Err(OutOfBounds { path: path.to_owned(), message, remedy });
        let Some(pointer) = target.strip_prefix('#') else {
            let message = format!("the reference \"{target}\" leads out of the schema");
            return error(message, "copy what it means into $defs and refer to \"#/$defs/…\"");
        };
        if !(pointer.is_empty() || pointer.starts_with('/')) || pointer.contains('%') {
            let message = format!("the reference \"{target}\" is no plain pointer");
            return error(message, "write the place of a definition, such as \"#/$defs/name\"");
        }
        if self.open.contains(pointer) {
            let message = format!("the reference \"{target}\" leads back to itself");
            return error(message, "write out as many levels as the settings have");
        }
        let schema = self.schema;
        schema.pointer(pointer).map(|value| self.visit(pointer, value, depth + 1)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_that_lead_back_or_out_are_found_where_they_are() {
        for (schema, path, words) in [
            (json!({"$ref": "#"}), "/$ref", "back to itself"),
            (json!({"anyOf": [{"$ref": "#"}]}), "/anyOf/0/$ref", "back to itself"),
            (
                json!({"properties": {"default": {"not": {"$ref": "#/properties/default"}}}}),
                "/properties/default/not/$ref",
                "back",
            ),
            (
                json!({"$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"$ref": "#/$defs/a"}}}),
                "/$defs/b/$ref",
                "back to itself",
            ),
            (json!({"$defs": {"a%25": {}}, "$ref": "#/$defs/a%2525"}), "/$ref", "no plain pointer"),
            (json!({"$ref": "#name", "$anchor": "name"}), "/$ref", "no plain pointer"),
            (json!({"$ref": "#/none"}), "/$ref", "leads nowhere"),
            (json!({"$ref": "https://example.com"}), "/$ref", "out of the schema"),
            (json!({"x": {"$dynamicRef": "#"}}), "/x/$dynamicRef", "dynamic"),
            (json!({"$id": "a", "x": {"$id": "b"}}), "/x/$id", "$id of its own"),
        ] {
            let error = check(&schema).expect_err(&schema.to_string());
            assert_eq!(error.path, path);
            assert!(error.message.contains(words), "{error:?}");
        }
        // Used twice is not in a circle.
        let twice = json!({"$defs": {"a": {}, "b": {"$ref": "#/$defs/a"}}, "allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}]});
        assert_eq!(check(&twice), Ok(()));
    }

    #[test]
    fn forks_and_chains_of_references_have_a_bound() {
        let chain = |length: usize, forks: usize| {
            let defs = (0..length).map(|n| {
                let next = json!({"$ref": format!("#/$defs/d{}", n + 1)});
                (format!("d{n}"), json!({"anyOf": vec![next; forks]}))
            });
            let mut defs: serde_json::Map<String, Value> = defs.collect();
            defs.insert(format!("d{length}"), json!({}));
            json!({"$defs": defs})
        };
        assert_eq!(check(&chain(10, 2)), Ok(()));
        assert!(check(&chain(20, 10)).unwrap_err().message.contains("parts"));
        assert!(check(&chain(5_000, 1)).unwrap_err().message.contains("deep"));
    }
}
