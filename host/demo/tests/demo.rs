//! The whole demo, small and fast: real host, real HTTP, the real workflows; and once more on what it kept.

use std::time::Duration;

use shopwright_demo::{DemoError, DemoOptions, Size, run};
use shopwright_sandbox::{Sandbox, SandboxOptions};

const SIZE: Size = Size { products: 60, customers: 600, orders: 6_000 };

async fn components() -> Vec<(String, Vec<u8>)> {
    let sandbox = Sandbox::new(SandboxOptions::default()).expect("a sandbox");
    let mut all = Vec::new();
    for name in shopwright_bundle::FIRST_PARTY {
        all.push((name.to_owned(), shopwright_bundle::package(&sandbox, name).await.expect("the binary carries it")));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn carts_come_back_tickets_are_handled_prices_move_and_a_kept_shop_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DemoOptions {
        seed: Some(3),
        size: SIZE,
        speed: 14_400.0,
        for_: Some(Duration::from_secs(25)),
        keep: Some(folder.path().to_owned()),
        components: components().await,
        ..DemoOptions::default()
    };
    let first = run(options.clone()).await.expect("the show");
    // The show holds its time back where the machine is busy: how far it comes is not for a test to say.
    assert!(first.runs > 10 && first.failed_runs == 0, "{first:?}");
    assert!(first.prices[0] + first.prices[1] > 0, "{first:?}");

    let other = DemoOptions { seed: Some(4), ..options.clone() };
    assert!(matches!(run(other).await, Err(DemoError::Seed { kept: 3, asked: 4, .. })));
    let again = DemoOptions { seed: None, for_: Some(Duration::from_secs(6)), quiet: true, ..options };
    let second = run(again).await.expect("the show goes on");
    assert!(second.from >= first.to.map(|to| to - 60_000), "time does not run backwards: {second:?}");
    assert!(second.failed_runs == 0, "{second:?}");
}
