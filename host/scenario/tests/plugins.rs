//! The scenarios of the first-party workflows.

use std::path::Path;

use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_scenario::Runner;

/// Runs all scenarios of a plugin and gives what it imports and how big it is.
async fn all_pass(plugin: &str) -> Vec<String> {
    let sandbox = Sandbox::new(SandboxOptions::default()).expect("a sandbox");
    let component = shopwright_bundle::package(&sandbox, plugin).await.expect("a component");
    assert!(component.len() < 600_000, "{plugin} has grown to {} bytes", component.len());
    let imports = sandbox.inspect(&component).expect("it is a component");
    let runner = Runner::new(sandbox, component).expect("it has a manifest");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(plugin).join("scenarios");
    let summary = runner.run_dir(&folder, None).await.expect("scenarios");
    assert_eq!(summary.failed(), 0, "{summary}");
    assert!(summary.unused().is_empty(), "every host call is made in a scenario: {}", summary.coverage());
    imports.functions.into_iter().map(|one| format!("{}.{}", one.interface, one.function)).collect()
}

/// What a component imports is what it may do: exactly the functions its code calls, although the SDK
/// has all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cart_recovery() {
    let imports = all_pass("cart-recovery").await;
    let expected = [
        "carts.get",
        "catalog.get-product",
        "catalog.get-variant",
        "customers.engagement-of",
        "customers.find-by-email",
        "customers.get",
        "customers.get-standing",
        "discount-actions.create",
        "inventory.levels",
        "messaging.notify-staff",
        "messaging.send-email",
        "messaging.send-sms",
        "orders.of-customer",
        "reviews.summary-of",
        "support.open-of-customer",
        "workflow.log",
        "workflow.now",
        "workflow.wait-for",
    ];
    assert_eq!(imports, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticket_router() {
    let imports = all_pass("ticket-router").await;
    assert!(!imports.iter().any(|name| name.starts_with("messaging.send")), "{imports:?}");
    assert!(imports.contains(&"support-actions.reply".to_owned()), "{imports:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamic_pricing() {
    let imports = all_pass("dynamic-pricing").await;
    let actions: Vec<&str> =
        imports.iter().map(String::as_str).filter(|name| name.contains("actions.") || name.contains("send-")).collect();
    assert_eq!(actions, ["pricing-actions.set-price"]);
}
