//! The scenarios of the first-party workflows.

use std::path::Path;

use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_scenario::Runner;

async fn all_pass(plugin: &str) {
    let sandbox = Sandbox::new(SandboxOptions::default()).expect("a sandbox");
    let component = shopwright_bundle::package(&sandbox, plugin).await.expect("a component");
    let runner = Runner::new(sandbox, component).expect("it has a manifest");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins").join(plugin).join("scenarios");
    let summary = runner.run_dir(&folder, None).await.expect("scenarios");
    assert_eq!(summary.failed(), 0, "{summary}");
    assert!(summary.unused().is_empty(), "every host call is made in a scenario: {}", summary.coverage());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cart_recovery() {
    all_pass("cart-recovery").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ticket_router() {
    all_pass("ticket-router").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dynamic_pricing() {
    all_pass("dynamic-pricing").await;
}
