//! `kill -9` under load, at moments that a seed chooses: what was accepted happens, and happens once.

use std::time::Instant;

use serde_json::json;
use shopwright_store::testing::postgres_url;

use crate::{
    host::Host,
    mail::MailServer,
    receiver::{Receiver, SECRET},
    traffic::{self, Dice, Doing},
};

const KILLS: usize = 10;

async fn killed_again_and_again(doing: Doing, database: Option<&str>, seed: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut args: Vec<String> = Vec::new();
    let mut add = |name: &str, value: &str| args.extend([name.to_owned(), value.to_owned()]);
    if let Doing::Outside { receiver, mail } = &doing {
        add("--callback-url", receiver.url());
        add("--callback-secret", SECRET);
        if let Some(mail) = mail {
            add("--smtp-url", &mail.url());
            add("--smtp-from", "Shop <shop@example.com>");
        }
    }
    if let Some(url) = database {
        add("--database", url);
    }
    let mut host = Host::start(folder.path(), &args.iter().map(String::as_str).collect::<Vec<_>>());
    let client = host.client();
    traffic::prepare(&client).await;

    let began = Instant::now();
    let traffic = traffic::begin(doing.clone(), std::slice::from_ref(&client), u64::MAX);
    // Moments are counted in what is there to be lost: deliveries at the receiving side, accepted events.
    let mut dice = Dice::new(seed);
    for _ in 0..KILLS {
        match (&doing, dice.roll(2)) {
            (Doing::Outside { receiver, .. }, 0) => receiver.until(receiver.seen().len() + 1 + dice.roll(12)).await,
            _ => traffic.until_accepted(traffic.accepted() + 1 + dice.roll(12) as u64).await,
        }
        host.kill();
        host.restart();
    }
    traffic.stop();
    // At most what was in flight at a kill.
    let events = traffic.settle(&client, KILLS as u64 * 32).await;
    println!("{events} events and {KILLS} kills in {:.1} s", began.elapsed().as_secs_f64());
    host.end();
}

async fn outside() -> Doing {
    Doing::Outside { receiver: Receiver::start().await, mail: Some(MailServer::start().await) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_agree_on_both_sides_however_often_the_host_is_killed() {
    killed_again_and_again(outside().await, None, 20_260_302).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_store_has_everything_once_however_often_the_host_is_killed() {
    killed_again_and_again(Doing::Own, None, 20_260_303).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sums_agree_on_postgres_however_often_the_host_is_killed() {
    let Some(url) = postgres_url().await else { return };
    killed_again_and_again(outside().await, Some(&url), 20_260_304).await;
}

/// Killed before anything could be done: nothing is lost by being interrupted again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_without_work_between_them_lose_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = Host::start(folder.path(), &[]);
    let client = host.client();
    client.install_probe().await;
    let add = json!({"do": "add", "key": "k", "by": 1});
    let run = client.trigger("probe.go", "1", json!({"steps": [add, {"do": "sleep", "ms": 300}, add]})).await;
    for _ in 0..3 {
        host.kill();
        host.restart();
    }
    assert_eq!(client.said(&run).await, json!([1, 2]));
    host.end();
}
