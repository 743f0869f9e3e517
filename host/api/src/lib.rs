//! The admin API, and where platforms deliver their webhooks.
//!
//! One file a resource in [`routes`]. What they share: [`auth`] (who may), [`extract`] (bodies, queries and
//! paths whose faults are told with their place), [`paging`], [`problem`] (every error is an RFC 9457
//! document with a stable code), [`context`] (request ids, spans, figures, panics), [`serve`].
//!
//! A handler gets the shop it works on from its [`auth`] extractor alone, and passes it to every call of
//! the engine and the store: nothing can be reached across shops.

pub mod auth;
pub mod cloudevents;
pub mod context;
pub mod extract;
pub mod openapi;
pub mod paging;
pub mod problem;
pub mod routes;
pub mod serve;

mod faults;
mod figures;
mod market;
mod state;

use axum::{Router, middleware};
use utoipa::OpenApi as _;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use market::{BuiltIn, BuiltInLoader, MarketOptions};
pub use routes::tokens::first_owner;
pub use serve::serve;
pub use state::{ApiOptions, ApiState, ShopifyAccess};

use routes::openapi::Document;

fn described() -> OpenApiRouter<ApiState> {
    use routes::{
        approvals, audit, catalogues, events, feed, guardrails, health, installations, limits, mailbox, market, model,
        plugins, publishers, repairs, rollouts, runs, schedules, secrets, shops, tokens, trials, upgrades, webhooks,
    };
    OpenApiRouter::with_openapi(openapi::Api::openapi())
        .routes(routes!(events::send, events::list))
        .routes(routes!(events::show))
        .routes(routes!(feed::feed))
        .routes(routes!(model::kinds))
        .routes(routes!(model::list))
        .routes(routes!(model::show, model::put, model::remove))
        .routes(routes!(model::import))
        .routes(routes!(model::import_state))
        .routes(routes!(plugins::upload, plugins::list))
        .routes(routes!(plugins::versions))
        .routes(routes!(plugins::show))
        .routes(routes!(plugins::permissions))
        .routes(routes!(installations::create, installations::list))
        .routes(routes!(installations::show, installations::change, installations::remove))
        .routes(routes!(installations::pause))
        .routes(routes!(installations::resume))
        .routes(routes!(rollouts::show, rollouts::put))
        .routes(routes!(rollouts::promote))
        .routes(routes!(rollouts::rollback))
        .routes(routes!(limits::of_installation, limits::limit_installation))
        .routes(routes!(limits::of_shop, limits::limit_shop))
        .routes(routes!(repairs::bulk))
        .routes(routes!(repairs::move_run))
        .routes(routes!(repairs::retry))
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::counts))
        .routes(routes!(runs::show))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::effects))
        .routes(routes!(trials::shadow_report))
        .routes(routes!(trials::start, trials::list))
        .routes(routes!(trials::start_for))
        .routes(routes!(trials::show))
        .routes(routes!(trials::differences))
        .routes(routes!(trials::cancel))
        .routes(routes!(trials::export))
        .routes(routes!(schedules::list))
        .routes(routes!(guardrails::list))
        .routes(routes!(guardrails::put, guardrails::remove))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::put, secrets::remove))
        .routes(routes!(mailbox::list))
        .routes(routes!(mailbox::show))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::show))
        .routes(routes!(approvals::answer))
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::revoke))
        .routes(routes!(tokens::me))
        .routes(routes!(shops::create, shops::list))
        .routes(routes!(audit::list))
        .routes(routes!(audit::verify))
        .routes(routes!(audit::export))
        .routes(routes!(publishers::list))
        .routes(routes!(publishers::put, publishers::remove))
        .routes(routes!(catalogues::list))
        .routes(routes!(catalogues::put, catalogues::remove))
        .routes(routes!(catalogues::refresh))
        .routes(routes!(market::search))
        .routes(routes!(market::show))
        .routes(routes!(market::preview))
        .routes(routes!(market::install))
        .routes(routes!(upgrades::outdated))
        .routes(routes!(upgrades::upgrade))
        .routes(routes!(webhooks::shopify))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(health::code))
}

/// The description of the whole API, as `/api/v1/openapi.json` gives it.
#[must_use]
pub fn description() -> utoipa::openapi::OpenApi {
    let (_, mut api) = described().routes(routes!(described_here)).split_for_parts();
    openapi::complete(&mut api);
    api
}

/// Stands for [`routes::openapi::openapi`] in the description: its own state differs from the others'.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "health", security(()),
    responses((status = 200, description = "This description, OpenAPI 3.1", body = Object)),
)]
async fn described_here() {}

/// All routes, ready to be served.
pub fn router(state: ApiState) -> Router {
    let text = description().to_json().unwrap_or_default();
    let document = Router::new()
        .route("/api/v1/openapi.json", axum::routing::get(routes::openapi::openapi))
        .with_state(Document(text.into()));
    let (router, _) = described().split_for_parts();
    router
        .with_state(state.clone())
        .merge(document)
        .fallback(context::no_route)
        .layer(middleware::from_fn_with_state(state.around().clone(), context::surround))
}
