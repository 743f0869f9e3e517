//! The host calls from outside: every call by its WIT name, with JSON parameters, over a shop in memory.

mod actions;
mod interface;
mod lists;
mod reads;
mod shelf;

use std::{collections::BTreeMap, future::Future, pin::Pin};

use serde_json::{Value as Json, json};
use shopwright_commerce::{Params, Performed, ReadFuture, Reader, Returns, Surface, register};
use shopwright_model::types::ReadError;
use shopwright_policy::ActionKind;

use shelf::Shelf;

type Answer<'a> = Pin<Box<dyn Future<Output = Result<Json, ReadError>> + 'a>>;
type Read = Box<dyn for<'a> Fn(&'a dyn Reader, Json) -> Answer<'a>>;
type Ask = Box<dyn Fn(Json) -> Result<ActionKind, String>>;
type Reply = Box<dyn Fn(Performed) -> Json>;

/// Every call by `interface.function`, parameters and answers as JSON.
#[derive(Default)]
struct Calls {
    reads: BTreeMap<String, Read>,
    actions: BTreeMap<String, (Ask, Reply)>,
}

impl Calls {
    fn new() -> Self {
        let mut calls = Self::default();
        register(&mut calls);
        calls
    }
}

impl Surface for Calls {
    fn read<P: Params, R: Returns>(
        &mut self,
        interface: &'static str,
        function: &'static str,
        read: for<'a> fn(&'a dyn Reader, P) -> ReadFuture<'a, R>,
    ) {
        let call: Read = Box::new(move |reader, parameters| {
            Box::pin(async move {
                let parameters = serde_json::from_value(parameters).expect("parameters");
                read(reader, parameters).await.map(|answer| serde_json::to_value(answer).expect("an answer"))
            })
        });
        assert!(self.reads.insert(format!("{interface}.{function}"), call).is_none());
    }

    fn action<P: Params, R: Returns>(
        &mut self,
        interface: &'static str,
        function: &'static str,
        ask: fn(P) -> Result<ActionKind, String>,
        answer: fn(Performed) -> R,
    ) {
        let ask: Ask = Box::new(move |parameters| ask(serde_json::from_value(parameters).expect("parameters")));
        let reply: Reply = Box::new(move |performed| serde_json::to_value(answer(performed)).expect("an answer"));
        assert!(self.actions.insert(format!("{interface}.{function}"), (ask, reply)).is_none());
    }
}

/// Calls a read.
fn call(shelf: &Shelf, name: &str, parameters: Json) -> Result<Json, ReadError> {
    let calls = Calls::new();
    let read = calls.reads.get(name).unwrap_or_else(|| panic!("there is no {name}"));
    wait(read(shelf, parameters))
}

/// Calls a read that answers.
fn ok(shelf: &Shelf, name: &str, parameters: Json) -> Json {
    call(shelf, name, parameters.clone()).unwrap_or_else(|error| panic!("{name}{parameters}: {error:?}"))
}

/// Calls a read that finds its arguments senseless, and gives what it says.
fn invalid(shelf: &Shelf, name: &str, parameters: Json) -> String {
    match call(shelf, name, parameters.clone()) {
        Err(ReadError::Invalid(message)) => message,
        other => panic!("{name}{parameters}: {other:?}"),
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

fn eur(amount: i64) -> Json {
    json!({"amount": amount, "currency": "EUR"})
}

fn customer(id: &str) -> Json {
    json!({"id": id, "email": format!("{id}@Example.com"), "phone": "+4930123456", "name": "Ann", "tags": [],
        "consents": [], "created_at": 5})
}

fn order(id: &str, customer: &str, placed_at: u64, total: i64) -> Json {
    json!({"id": id, "number": format!("#{id}"), "customer": customer, "lines": [], "total": eur(total),
        "payment": "paid", "fulfilment": "fulfilled", "placed_at": placed_at})
}

fn line(variant: &str, quantity: u32, discount: i64) -> Json {
    json!({"variant_id": variant, "quantity": quantity, "price": eur(100), "discount": eur(discount)})
}

fn product(id: &str, variants: &[&str]) -> Json {
    let variants: Vec<Json> = variants
        .iter()
        .map(|variant| {
            json!({"id": variant, "product": id, "price": eur(1_000), "compare_at": eur(1_500), "cost": eur(400),
                "extra": {"colour": "red"}})
        })
        .collect();
    json!({"id": id, "title": "Shoe", "category": "shoes", "tags": [], "publication": "published", "variants": variants})
}

fn ticket(id: &str, status: &str, created_at: u64) -> Json {
    json!({"id": id, "customer": "42", "subject": "Help", "channel": "email", "status": status, "priority": "normal",
        "tags": ["old"], "messages": [], "created_at": created_at, "updated_at": created_at})
}
