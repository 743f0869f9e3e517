//! Scenarios of plugins that call servers of others.

use std::path::Path;

use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_scenario::{Runner, Verdict};

#[path = "../../../tests/support/probe.rs"]
mod probe;

const WORKFLOW: &str = r#"
http = ["crm.example.com"]

[[secret]]
name = "token"
title = "A token of the CRM"
hosts = ["crm.example.com"]

[[workflow]]
name = "script"
title = "Script"
[[workflow.trigger]]
event = ["probe.go"]
"#;

const STEP: &str = r#"
title = "A contact is made"

[[step]]
event = "probe.go"
data = { steps = [
    { do = "http", url = "https://crm.example.com/contacts" },
    { do = "http", method = "post", url = "https://crm.example.com/contacts", body = '{"email": "ann@example.com"}', headers = [["authorization", "Bearer {{secret:token}}"]] },
] }
expect = [{ action = "http.send", method = "post", url = "~/contacts" }]
"#;

const SERVERS: &str = r#"
[[http]]
request = { method = "get", url = "https://crm.example.com/contacts" }
answer = { status = 200, body = [] }

[[http]]
request = { method = "post", body = { email = "ann@example.com" }, headers = { authorization = "Bearer {{secret:token}}" } }
answer = { status = 201, body = { id = "7" } }

[[run]]
outcome = [{ status = 200, body = "[]" }, { status = 201, body = "~7" }]
"#;

async fn play(folder: &Path, text: &str) -> Verdict {
    let sandbox = Sandbox::new(SandboxOptions::default()).expect("a sandbox");
    let component = probe::package_as(&probe::manifest("1.0.0", WORKFLOW));
    let runner = Runner::new(sandbox, component).expect("a component");
    let file = folder.join("contact.toml");
    std::fs::write(&file, text).expect("written");
    runner.run_file(&file).await.verdict
}

fn texts(verdict: Verdict) -> String {
    match verdict {
        Verdict::Failed { failures, .. } => failures.into_iter().map(|failure| failure.text + "\n").collect(),
        other => panic!("it did not fail: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scenario_answers_for_the_servers_and_expects_their_requests() {
    let folder = tempfile::tempdir().expect("a folder");
    let verdict = play(folder.path(), &format!("{STEP}{SERVERS}")).await;
    assert!(matches!(verdict, Verdict::Passed), "{verdict:?}");
    // Nobody answers: the scenario says what was asked for.
    let said = texts(play(folder.path(), &STEP.replace("expect =", "expect = [] #")).await);
    assert!(said.contains("no [[http]] expects") && said.contains("https://crm.example.com/contacts"), "{said}");
    // Another body, one request too few, and one that was put off until the server answered.
    let said = texts(play(folder.path(), &format!("{STEP}{}", SERVERS.replace("ann@", "bob@"))).await);
    assert!(said.contains("body.email") && said.contains("was not made"), "{said}");
    let again = format!("{STEP}[[step]]\nafter = \"3h\"\n{SERVERS}").replace(
        "[[http]]\nrequest = { method = \"post\"",
        "[[http]]\nrequest = { method = \"post\" }\nanswer = { error = \"connect\" }\ntimes = 2\n\n[[http]]\nrequest = { method = \"post\"",
    );
    let verdict = play(folder.path(), &again).await;
    assert!(matches!(verdict, Verdict::Passed), "{verdict:?}");
}
