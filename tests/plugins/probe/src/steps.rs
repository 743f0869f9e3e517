//! The steps of a script, and what a well-meaning plugin never does.

use std::hint::black_box;

use shopwright_sdk::{
    Event,
    bindings::shopwright::plugin::{http as host_http, workflow},
    event::EventFilter,
    http::{Header, Method, Request},
    serde::Deserialize,
    serde_json::{Value, json},
};

/// One step.
#[derive(Debug, Clone, Deserialize)]
#[serde(crate = "shopwright_sdk::serde", tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Step {
    /// Says the customer's name.
    Customer {
        id: String,
    },
    /// Says the cart's total.
    Cart {
        id: String,
    },
    /// Says the order's number.
    Order {
        id: String,
    },
    /// Says the variant's price.
    Variant {
        id: String,
    },
    /// Says how long ago `since` is by the run's clock.
    Now {
        #[serde(default)]
        since: u64,
    },
    /// Draws a number and remembers it.
    Random {},
    /// Says which try it is.
    Attempt {},
    Sleep {
        ms: u64,
    },
    SleepUntil {
        at: u64,
    },
    /// Says the event's id.
    Wait {
        kinds: Vec<String>,
        #[serde(default)]
        entity: Option<String>,
        #[serde(default)]
        when: Option<String>,
        ms: u64,
    },
    Emit {
        kind: String,
        #[serde(default)]
        concerns: Vec<String>,
        #[serde(default)]
        data: Value,
    },
    Start {
        workflow: String,
        key: String,
        #[serde(default)]
        input: Value,
    },
    /// Says the choice.
    Ask {
        title: String,
        choices: Vec<String>,
        ms: u64,
        #[serde(default)]
        escalate: Option<String>,
    },
    Get {
        key: String,
    },
    Set {
        key: String,
        value: Value,
    },
    Remove {
        key: String,
    },
    Add {
        key: String,
        by: i64,
    },
    Cas {
        key: String,
        #[serde(default)]
        expected: Option<Value>,
        value: Value,
    },
    Email {
        customer: String,
        #[serde(default)]
        marketing: bool,
        #[serde(default)]
        note: String,
    },
    Sms {
        customer: String,
        #[serde(default)]
        marketing: bool,
        text: String,
    },
    Staff {
        channel: String,
        text: String,
    },
    Price {
        variant: String,
        amount: i64,
    },
    Discount {
        customer: String,
        percent: f64,
        days: u64,
    },
    Priority {
        ticket: String,
        high: bool,
    },
    Reply {
        ticket: String,
        text: String,
    },
    /// Says the answer's status and body, or the error.
    Http {
        #[serde(default)]
        method: String,
        url: String,
        #[serde(default)]
        headers: Vec<(String, String)>,
        #[serde(default)]
        body: String,
        #[serde(default)]
        timeout: Option<u64>,
        #[serde(default)]
        repeatable: bool,
    },
    Log {
        message: String,
    },
    Print {
        text: String,
    },
    /// Asks for another try of the run until it is this one.
    RetryBelow {
        attempt: u32,
    },
    Fatal {
        message: String,
    },
    Trap {},
    Loop {},
    Recurse {},
    Bomb {
        megabytes: usize,
    },
    WasiSleep {},
    Output {
        bytes: usize,
    },
    Continue {
        state: Value,
    },
    Repeat {
        times: u32,
        steps: Vec<Step>,
    },
    /// What no plugin may do: something else at another try.
    OnAttempt {
        attempt: u32,
        #[serde(default)]
        then: Vec<Step>,
        #[serde(default)]
        otherwise: Vec<Step>,
    },
    Saga(Saga),
}

/// Steps with compensations.
#[derive(Debug, Clone, Deserialize)]
#[serde(crate = "shopwright_sdk::serde")]
pub(crate) struct Saga {
    pub(crate) parts: Vec<Part>,
    pub(crate) give_up_after: u32,
}

/// An action and what takes it back.
#[derive(Debug, Clone, Deserialize)]
#[serde(crate = "shopwright_sdk::serde")]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) act: Box<Step>,
    pub(crate) undo: Box<Step>,
}

/// Waits for events of kinds that only the script knows.
pub(crate) fn wait(kinds: &[String], entity: Option<&str>, when: Option<&str>, ms: u64) -> Option<Event> {
    let filter =
        EventFilter { kinds: kinds.to_vec(), entity: entity.map(str::to_owned), condition: when.map(str::to_owned) };
    workflow::wait_for(&filter, ms)
}

/// Never ends.
pub(crate) fn spin() {
    let mut n = 0u64;
    while black_box(true) {
        n = black_box(n.wrapping_add(1));
    }
}

/// Goes as deep as the stack is.
pub(crate) fn recurse(depth: u64) -> u64 {
    let ballast = black_box([depth; 64]);
    if black_box(depth) == u64::MAX { 0 } else { recurse(depth + 1).wrapping_add(ballast[0]) }
}

/// Takes memory.
pub(crate) fn bomb(megabytes: usize) -> usize {
    let blocks: Vec<Vec<u8>> = (0..megabytes).map(|_| black_box(vec![1; 1 << 20])).collect();
    black_box(blocks).len()
}

/// Sends a request; what came of it, in JSON.
pub(crate) fn http(step: &Step) -> Option<Value> {
    let Step::Http { method, url, headers, body, timeout, repeatable } = step else { return None };
    let method = match method.as_str() {
        "" | "get" => Method::Get,
        "head" => Method::Head,
        "put" => Method::Put,
        "patch" => Method::Patch,
        "delete" => Method::Delete,
        _ => Method::Post,
    };
    let headers = headers.iter().map(|(name, value)| Header { name: name.clone(), value: value.clone() }).collect();
    let request = Request {
        method,
        url: url.clone(),
        headers,
        body: body.clone().into_bytes(),
        timeout: *timeout,
        repeatable: *repeatable,
        reason: "the script says so".into(),
    };
    Some(match host_http::send(&request) {
        Ok(answer) => json!({ "status": answer.status, "body": answer.text(), "trial": answer.is_trial() }),
        Err(error) => shopwright_sdk::serde_json::to_value(error).unwrap_or_default(),
    })
}
