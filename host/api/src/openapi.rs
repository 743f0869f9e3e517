//! The API's description: what the routes say of themselves, and what holds for all of them.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        self, Content, Ref, RefOr, ResponseBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::problem::ProblemBody;

/// What holds for all routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shopwright",
        description = "Runs commerce workflows as WebAssembly components. Times are milliseconds since 1970, UTC, unless \
            they are RFC 3339 text. Every error is a problem document (RFC 9457) with a stable `code`. A token is good for \
            one shop or for every shop; with the latter, `?shop=` or the header `Shopwright-Shop` says which is meant.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemBody)),
    security(("token" = [])),
    modifiers(&Common),
    tags(
        (name = "events", description = "What happened: sending it, looking at it, following it"),
        (name = "model", description = "The shop's documents"),
        (name = "plugins", description = "Versions of plugins, and what they may do"),
        (name = "market", description = "Plugins in catalogues and registries, and whom the shop trusts"),
        (name = "installations", description = "Plugins enabled in the shop"),
        (name = "runs", description = "Executions of workflows, and their effects"),
        (name = "trials", description = "Shadow reports, backtests, runs as files"),
        (name = "schedules", description = "When workflows run next"),
        (name = "guardrails", description = "The shop's rules on actions"),
        (name = "secrets", description = "What plugins use in requests and never see"),
        (name = "mailbox", description = "Messages"),
        (name = "approvals", description = "Questions to people"),
        (name = "tokens", description = "Who may use the API"),
        (name = "shops", description = "The tenants of this host"),
        (name = "audit", description = "Every change, and who made it"),
        (name = "webhooks", description = "What platforms send"),
        (name = "health", description = "For machines that watch"),
    ),
)]
pub struct Api;

struct Common;

impl Modify for Common {
    fn modify(&self, api: &mut openapi::OpenApi) {
        let scheme = SecurityScheme::Http(
            Http::builder().scheme(HttpAuthScheme::Bearer).description(Some("A token, `swt_…`.")).build(),
        );
        api.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// Adds to every operation what every operation can answer. Once, when all routes are there.
pub fn complete(api: &mut openapi::OpenApi) {
    let problem = ResponseBuilder::new()
        .description("A problem, with a stable code and what to do about it")
        .content("application/problem+json", Content::new(Some(Ref::from_schema_name("Problem"))))
        .build();
    for item in api.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
            &mut item.head,
            &mut item.options,
            &mut item.trace,
        ];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.entry("default".into()).or_insert_with(|| RefOr::T(problem.clone()));
        }
    }
}
