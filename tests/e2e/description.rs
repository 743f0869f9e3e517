//! The host's own description of its API, as a guide for tests that go through all of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::host::Client;

/// An operation of the API.
#[derive(Debug, Clone)]
pub struct Operation {
    pub method: Method,
    /// With `{parameters}`.
    pub path: String,
    /// Query parameters: name and schema.
    pub query: Vec<(String, Value)>,
    /// Media type and schema of the body.
    pub body: Option<(String, Value)>,
    /// Some query parameter cannot be left out.
    pub needs_query: bool,
    /// It can be asked without a token.
    pub open: bool,
    /// Its answer does not end.
    pub streams: bool,
}

/// The description.
pub struct Description {
    document: Value,
    pub operations: Vec<Operation>,
}

impl Operation {
    /// `GET /api/v1/runs`
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        self.method != Method::GET && self.method != Method::HEAD
    }

    /// Whether it answers with a page of a list.
    pub fn has_parameters(&self) -> bool {
        self.path.contains('{')
    }
}

impl Description {
    pub async fn of(client: &Client) -> Self {
        let document = client.with_token("").get("/api/v1/openapi.json").await.ok();
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("operations") {
                let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
                let parameters = [&item["parameters"], &operation["parameters"]];
                let parameters = parameters.into_iter().filter_map(Value::as_array).flatten();
                let parameters: Vec<&Value> = parameters.collect();
                let in_query = |parameter: &&Value| parameter["in"] == "query";
                let needs_query =
                    parameters.iter().any(|parameter| in_query(parameter) && parameter["required"] == true);
                let query = parameters.into_iter().filter(|parameter| parameter["in"] == "query").map(|parameter| {
                    (parameter["name"].as_str().expect("a name").to_owned(), parameter["schema"].clone())
                });
                let body = operation["requestBody"]["content"].as_object().and_then(|content| content.iter().next());
                let streams = operation["responses"]
                    .as_object()
                    .expect("responses")
                    .values()
                    .any(|response| response["content"].get("text/event-stream").is_some());
                let needs = operation.get("security").unwrap_or(&document["security"]);
                operations.push(Operation {
                    path: path.clone(),
                    query: query.collect(),
                    needs_query,
                    body: body.map(|(kind, content)| (kind.clone(), content["schema"].clone())),
                    open: needs
                        .as_array()
                        .is_none_or(|needs| needs.iter().any(|need| need == &json!({})) || needs.is_empty()),
                    streams,
                    method,
                });
            }
        }
        assert!(operations.len() > 40, "{}", operations.len());
        Self { document, operations }
    }

    /// Something that fits a schema: strings by their field's name, everything that is named.
    pub fn example(&self, schema: &Value, name: &str, text: &dyn Fn(&str) -> String) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let pointer = reference.strip_prefix('#').expect("inside the document");
            let schema = self.document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"));
            return self.example(schema, name, text);
        }
        for choice in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[choice].as_array() {
                let chosen = choices.iter().find(|choice| choice["type"] != "null");
                return self.example(chosen.unwrap_or(&Value::Null), name, text);
            }
        }
        if let Some(parts) = schema["allOf"].as_array() {
            let mut all = serde_json::Map::new();
            for part in parts {
                if let Value::Object(members) = self.example(part, name, text) {
                    all.extend(members);
                }
            }
            return all.into();
        }
        if let Some(first) = schema["enum"].as_array().and_then(|choices| choices.first()) {
            return first.clone();
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
            _ => Vec::new(),
        };
        match kinds.first().copied() {
            Some("string") => text(name).into(),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
            Some("boolean") => true.into(),
            Some("array") => match self.example(&schema["items"], name, text) {
                // What is not described cannot be made up.
                Value::Object(members) if members.is_empty() => json!([]),
                item => json!([item]),
            },
            _ => {
                let members = schema["properties"].as_object().into_iter().flatten();
                let members = members.map(|(name, schema)| (name.clone(), self.example(schema, name, text)));
                members.collect::<serde_json::Map<_, _>>().into()
            }
        }
    }

    /// All that a token can list in a shop, to compare before and after.
    pub async fn snapshot(&self, client: &Client, shop: &str) -> Vec<(String, Value)> {
        // The chain of changes is one for all shops, so these count them all.
        let chain = ["/api/v1/audit/verify", "/api/v1/audit/export"];
        let mut all = Vec::new();
        for operation in &self.operations {
            let reads =
                operation.method == Method::GET && !operation.open && !operation.streams && !operation.has_parameters();
            if !reads || chain.contains(&&*operation.path) || operation.needs_query {
                continue;
            }
            let answer = client.get(&format!("{}?shop={shop}", operation.path)).await;
            assert!(answer.status.is_success(), "{}: {}", operation.name(), answer.body);
            let mut body = answer.body;
            forget_uses(&mut body);
            all.push((operation.name(), body));
        }
        all
    }
}

/// When a token was last used changes by looking.
fn forget_uses(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.remove("last_used_at");
            members.values_mut().for_each(forget_uses);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_uses),
        _ => {}
    }
}
