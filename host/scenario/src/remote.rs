//! Stands in for the servers that a plugin calls: `[[http]]` of a scenario.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shopwright_connectors::http::{HttpOptions, Order, Remote, Reply, Target, check_request, method_name, secrets};
use shopwright_model::http::{Header, HttpError, Request, Response};
use shopwright_registry::Manifest;
use toml::{Spanned, Table};

use crate::{
    error::{ScenarioError, Source},
    fill::{json_of, json_of_table},
    matching::{difference, short},
    report::Failure,
};

/// A request that is expected, and what answers it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    /// Part of it: `method`, `url`, `headers` (names in lower case), `body` (JSON where it is).
    request: Spanned<Table>,
    answer: Answer,
    /// How often; once unless told.
    times: Option<u32>,
    /// However often, also never.
    #[serde(default)]
    any: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: Option<u16>,
    /// Text, or a table that becomes JSON.
    body: Option<toml::Value>,
    #[serde(default)]
    headers: Table,
    error: Option<Fault>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fault {
    /// Nobody listens.
    Connect,
    /// The name leads nowhere.
    Dns,
    /// The certificate is wrong.
    Tls,
    /// It was sent, and no answer came.
    Lost,
    /// It was sent, and the answer did not come in time.
    Timeout,
}

/// An expected request, while the scenario is played.
struct Expected {
    line: usize,
    request: Value,
    answer: Result<(u16, Vec<Header>, Vec<u8>), Fault>,
    /// None: however often.
    left: Option<u32>,
    /// Of the scenario itself, not of its base.
    own: bool,
}

#[derive(Default)]
struct State {
    expected: Vec<Expected>,
    failures: Vec<Failure>,
}

/// All servers.
pub(crate) struct Servers {
    state: Mutex<State>,
    /// The secrets that the manifest names.
    declared: Vec<String>,
}

impl Servers {
    pub fn new(manifest: &Manifest) -> Arc<Self> {
        let declared = manifest.secrets.iter().map(|secret| secret.name.clone()).collect();
        Arc::new(Self { state: Mutex::default(), declared })
    }

    /// Takes in what a file expects.
    pub fn expect(&self, source: &Source, all: &[Spanned<Exchange>], own: bool) -> Result<(), ScenarioError> {
        let mut state = self.state();
        for one in all {
            let offset = one.span().start;
            let Exchange { request, answer, times, any } = one.get_ref();
            let wrong = |message: &str, remedy: &str| source.error(offset, message, remedy);
            if *any && times.is_some() {
                return Err(wrong("`any` and `times` contradict each other", "remove one of them"));
            }
            let mut request = Value::Object(json_of_table(request.get_ref()));
            if let Some(method) = request.get_mut("method") {
                *method = method.as_str().unwrap_or_default().to_ascii_uppercase().into();
            }
            let answer = match (answer.status, answer.error) {
                (Some(_), Some(_)) | (None, None) => {
                    return Err(wrong("an answer has a status or an error", "write answer = { status = 200 }"));
                }
                (None, Some(fault)) => Err(fault),
                (Some(status), None) => {
                    let (kind, body) = match &answer.body {
                        None => (None, Vec::new()),
                        Some(toml::Value::String(text)) => (None, text.clone().into_bytes()),
                        Some(other) => (Some("application/json"), json_of(other).to_string().into_bytes()),
                    };
                    let mut headers: Vec<Header> = Vec::new();
                    for (name, value) in json_of_table(&answer.headers) {
                        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                        headers.push(Header { name: name.to_ascii_lowercase(), value });
                    }
                    if let Some(kind) = kind.filter(|_| !headers.iter().any(|header| header.name == "content-type")) {
                        headers.push(Header { name: "content-type".into(), value: kind.into() });
                    }
                    Ok((status, headers, body))
                }
            };
            let left = if *any { None } else { Some(times.unwrap_or(1)) };
            let line = source.place(offset).0;
            // Those of the scenario before those of its base, each in their order.
            let place =
                if own { state.expected.iter().filter(|known| known.own).count() } else { state.expected.len() };
            state.expected.insert(place, Expected { line, request, answer, left, own });
        }
        Ok(())
    }

    /// Requests that nobody expected, and expectations of the scenario that nobody met.
    pub fn failures(&self) -> Vec<Failure> {
        let mut state = self.state();
        let mut failures = std::mem::take(&mut state.failures);
        for Expected { line, request, left, own, .. } in &state.expected {
            if *own && left.is_some_and(|left| left > 0) {
                let text = format!("a request that is expected was not made: {}", short(request));
                failures.push(Failure { line: *line, text });
            }
        }
        failures
    }

    /// The hosts of all URLs that are expected, as grants write them.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts: Vec<String> = Vec::new();
        for one in &self.state().expected {
            let Some(Ok(target)) = one.request["url"].as_str().map(Target::parse) else { continue };
            let host = format!("{}{}:{}", if target.plain { "http://" } else { "" }, target.host, target.port);
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic while it is held ends the test anyway.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> Reply {
        let refused = |error| Reply::NotSent { error, again: false };
        let limits = HttpOptions::default();
        if let Err(reason) = check_request(request, limits.request_bytes) {
            return refused(HttpError::BadRequest(reason));
        }
        let mut state = self.state();
        for name in secrets::names(request).unwrap_or_default() {
            if !self.declared.contains(&name) {
                let text = format!("a request uses the secret `{name}`, which plugin.toml has no [[secret]] for");
                state.failures.push(Failure { line: 1, text });
            }
        }
        let seen = shown(request);
        let open = state.expected.iter_mut().filter(|one| one.left != Some(0));
        let Some(found) = open.into_iter().find(|one| difference(&one.request, &seen).is_none()) else {
            // What the nearest one differs in helps most where there is one for the same place.
            let near = state.expected.iter().filter(|one| one.left != Some(0));
            let near: Vec<String> = near
                .filter_map(|one| {
                    Some(format!("\n        not that of line {}: {}", one.line, difference(&one.request, &seen)?))
                })
                .take(3)
                .collect();
            let text = format!("a request that no [[http]] expects: {}{}", short(&seen), near.concat());
            state.failures.push(Failure { line: 1, text });
            return refused(HttpError::BadRequest("the scenario expects no such request".into()));
        };
        if let Some(left) = &mut found.left {
            *left -= 1;
        }
        let host = || "the scenario's server".to_owned();
        match &found.answer {
            Ok((status, headers, body)) => {
                let wait = headers.iter().find(|header| header.name == "retry-after");
                let retry_after =
                    wait.and_then(|header| header.value.parse::<u64>().ok()).map(|seconds| seconds * 1_000);
                let response = Response { status: *status, headers: headers.clone(), body: body.clone() };
                Reply::Answer { response, retry_after }
            }
            Err(Fault::Connect) => Reply::NotSent { error: HttpError::Connect(host()), again: true },
            Err(Fault::Dns) => Reply::NotSent { error: HttpError::Dns(host()), again: true },
            Err(Fault::Tls) => refused(HttpError::Tls(host())),
            Err(Fault::Lost) => Reply::Lost { error: HttpError::Connect(host()) },
            Err(Fault::Timeout) => Reply::Lost { error: HttpError::Timeout(host()) },
        }
    }
}

#[async_trait]
impl Remote for Servers {
    async fn send(&self, order: &Order<'_>) -> Reply {
        self.answer(order.request)
    }

    fn takes_secrets(&self) -> bool {
        false
    }
}

/// A request as expectations name it.
fn shown(request: &Request) -> Value {
    let mut headers = Map::new();
    for Header { name, value } in &request.headers {
        headers.insert(name.to_ascii_lowercase(), value.as_str().into());
    }
    let body: Value = serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&request.body).into_owned()));
    json!({"method": method_name(request.method), "url": request.url, "headers": headers, "body": body,
        "repeatable": request.repeatable, "reason": request.reason})
}
