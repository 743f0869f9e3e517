//! A host for one test.

use std::{collections::HashMap, sync::Arc};

use axum::{Router, body::Body, http::Request};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use shopwright_api::{ApiOptions, ApiState, BuiltIn, BuiltInLoader, MarketOptions, ShopifyAccess};
use shopwright_engine::{Engine, EngineLimits, EngineOptions, NewShop, Retention, Senders, Vault};
use shopwright_model::VirtualClock;
use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_store::{Store, StoreOptions};
use tower::ServiceExt as _;

pub const NOW: i64 = 1_790_000_000_000;
pub const SHOPIFY_SECRET: &str = "hush";

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub body: Value,
}

impl Answer {
    /// The body, where the answer was yes.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.body);
        self.body
    }

    /// The problem's code; the body must be a whole problem document.
    #[track_caller]
    pub fn code(&self) -> &str {
        assert!(self.status >= 400, "{} {}", self.status, self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.body);
        for field in ["type", "title", "detail", "instance", "remedy"] {
            assert!(self.body[field].is_string(), "{field} is missing in {}", self.body);
        }
        assert_eq!(self.body["status"], self.status);
        self.body["code"].as_str().expect("a code")
    }

    /// The problem's pointers.
    pub fn pointers(&self) -> Vec<&str> {
        self.body["errors"].as_array().into_iter().flatten().filter_map(|fault| fault["pointer"].as_str()).collect()
    }
}

pub struct Host {
    pub engine: Engine,
    pub clock: VirtualClock,
    router: Router,
    pub api: ApiState,
    /// Good for every shop.
    pub owner: String,
}

/// What is sent.
pub struct Call<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub token: Option<&'a str>,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Vec<u8>,
}

impl Host {
    pub async fn new() -> Self {
        Self::with(EngineLimits::default()).await
    }

    /// Two shops, `a` (the default one) and `b`.
    pub async fn with(limits: EngineLimits) -> Self {
        let clock = VirtualClock::new(NOW);
        let options = StoreOptions { clock: Arc::new(clock.clone()), ..StoreOptions::default() };
        let store = Store::open("sqlite::memory:", options).await.expect("a store");
        let sandbox = Sandbox::new(SandboxOptions { instances: 8, pooling: false, ..SandboxOptions::default() });
        let engine = Engine::open(EngineOptions {
            store,
            sandbox: sandbox.expect("a sandbox"),
            clock: Arc::new(clock.clone()),
            seed: 1,
            senders: Senders { vault: Some(Arc::new(Vault::new(&[7; 32]).expect("a key"))), ..Senders::default() },
            limits,
            retention: Retention::default(),
        })
        .await
        .expect("an engine");
        for id in ["a", "b"] {
            let shop = NewShop { id: id.into(), name: String::new(), currency: "EUR".into(), time_zone: "UTC".into() };
            engine.create_shop(shop).await.expect("a shop");
        }
        engine.start_in_virtual_time();
        let owner = shopwright_api::first_owner(engine.store(), "tok_owner", "first", NOW).await.expect("a token");
        let access = |domain: &str| ShopifyAccess { secrets: vec![SHOPIFY_SECRET.into()], domain: Some(domain.into()) };
        let shopify =
            HashMap::from([("a".to_owned(), access("a.myshopify.com")), ("b".to_owned(), access("b.myshopify.com"))]);
        let options = ApiOptions { default_shop: Some("a".into()), open_metrics: false, shopify, market: market() };
        let api = ApiState::new(engine.clone(), options);
        let router = shopwright_api::router(api.clone());
        Self { engine, clock, router, api, owner }
    }

    pub fn router(&self) -> Router {
        self.router.clone()
    }

    pub async fn call(&self, call: Call<'_>) -> Answer {
        let mut request = Request::builder().method(call.method).uri(call.path);
        if let Some(token) = call.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in call.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(call.body)).expect("a request");
        let (parts, body) = self.router.clone().oneshot(request).await.expect("infallible").into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let body =
            serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into()));
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    /// With the owner's token and a JSON body (none for null).
    pub async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        self.ask_as(&self.owner, method, path, body).await
    }

    pub async fn ask_as(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let (headers, body): (&[(&str, &str)], _) = if body.is_null() {
            (&[], Vec::new())
        } else {
            (&[("content-type", "application/json")], body.to_string().into())
        };
        self.call(Call { method, path, token: Some(token), headers, body }).await
    }

    /// With the owner's token and a body of that media type.
    pub async fn post(&self, path: &str, kind: &str, body: impl Into<Vec<u8>>) -> Answer {
        let headers = [("content-type", kind)];
        self.call(Call { method: "POST", path, token: Some(&self.owner), headers: &headers, body: body.into() }).await
    }

    /// A token's secret.
    pub async fn token(&self, shop: &str, role: &str) -> String {
        let path = format!("/api/v1/tokens?shop={shop}");
        let made = self.ask("POST", &path, json!({"name": format!("{role} of {shop}"), "role": role})).await.ok();
        made["secret"].as_str().expect("a secret").to_owned()
    }
}

/// What the binary carries.
fn market() -> MarketOptions {
    let built_in: BuiltInLoader = Arc::new(|engine| {
        Box::pin(async move {
            let made = shopwright_bundle::market(engine.sandbox()).await;
            made.map(|(bundle, catalogue)| BuiltIn { bundle, catalogue }).map_err(|error| error.to_string())
        })
    });
    MarketOptions { built_in: Some(built_in), ..MarketOptions::default() }
}

/// A cart of a customer.
pub fn cart(id: &str, customer: &str, updated_at: i64) -> Value {
    json!({"id": id, "customer": customer, "email": "ann@example.com", "lines": [],
        "total": {"amount": 1999, "currency": "EUR"}, "step": "shipping", "created_at": 1, "updated_at": updated_at})
}

/// An event as structured CloudEvent.
pub fn event(id: &str, kind: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/test", "type": kind, "data": data})
}
