//! What a scenario says when it does not end as expected.

use std::path::Path;

use shopwright_sandbox::{Sandbox, SandboxOptions};
use shopwright_scenario::{Report, Runner, Verdict};

const CART: &str = r#"
[[product]]
id = "p"
variants = [{ id = "v", price = "40.00 EUR", cost = "10.00 EUR" }]

[[customer]]
id = "1"
consent = ["email"]

[[step]]
event = "cart.updated"
data = { id = "c", customer = "1", lines = [{ variant_id = "v" }] }
"#;

async fn report(scenarios: &[&str]) -> Vec<Report> {
    let sandbox = Sandbox::new(SandboxOptions::default()).expect("a sandbox");
    let component = shopwright_bundle::package(&sandbox, "cart-recovery").await.expect("a component");
    let runner = Runner::new(sandbox, component).expect("it has a manifest");
    let folder = tempfile::tempdir().expect("a folder");
    let mut reports = Vec::new();
    for scenario in scenarios {
        let path = folder.path().join("scenario.toml");
        std::fs::write(&path, scenario).expect("a file");
        reports.push(runner.run_file(&path).await);
    }
    reports
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn differences_name_the_line_and_show_the_run() {
    let with = |rest: &str| format!("{CART}{rest}");
    let cases = [
        // An action too many.
        ("[[step]]\nafter = \"4h\"\n", vec![":13: step 2: the actions differ", "+ +4h messaging.send-email"]),
        // One that is missing.
        (
            "expect = [{ action = \"send-sms\" }]\n",
            vec![":10: step 1: the actions differ", "- {\"action\":\"send-sms\"} (line 13)"],
        ),
        // One that is otherwise.
        (
            "[[step]]\nafter = \"4h\"\nexpect = [{ action = \"send-email\", template = \"cart-offer\" }]\n",
            vec![
                "template: expected \"cart-offer\", got \"cart-reminder\"",
                "workflow.wait-for",
                "messaging.send-email [",
            ],
        ),
        // Another wait.
        (
            "waits = [{ for = \"time\" }]\n",
            vec!["what waits differs", "- {\"for\":\"time\"}", "\"for\":\"order.placed\"", "\"until\":\"+4h\""],
        ),
        // Another end.
        (
            "[[run]]\noutcome = { result = \"ordered\" }\n",
            vec![":13: run 1: state: expected \"done\", got \"waiting\""],
        ),
        ("[[run]]\n[[run]]\n", vec!["expected 2 runs, there are 1"]),
    ];
    let scenarios: Vec<String> = cases.iter().map(|(rest, _)| with(rest)).collect();
    let reports = report(&scenarios.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for ((rest, parts), report) in cases.iter().zip(reports) {
        let text = report.to_string();
        assert!(matches!(report.verdict, Verdict::Failed { .. }), "{rest}: {text}");
        for part in parts {
            assert!(text.contains(part), "{rest} lacks {part:?}:\n{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_in_a_file_name_place_and_remedy() {
    let cases = [
        ("title = \"a\"\n[[stepp]]\n", 2, "unknown field `stepp`", "format"),
        ("[[step]]\nafter = \"2 hours\"\n", 2, "\"2 hours\" is not a time", "2h"),
        ("[[step]]\nevent = \"cart.updated\"\n", 2, "carries an entity", "data = { id"),
        ("[[step]]\nevent = \"x.y\"\nanswer = \"yes\"\n", 1, "more than one thing", "a step of each"),
        ("[[step]]\nanswer = \"yes\"\n", 2, "0 questions are open", "exactly one"),
        ("[[customer]]\nid = \"1\"\ncreated_at = \"long ago\"\n", 1, "\"long ago\" is not a time", "correct"),
        ("[[customer]]\nid = \"1\"\ntags = 3\n", 1, "this is no customer", "wit/0.1"),
        ("[settings]\nquick_wait = \"soon\"\n", 1, "quick_wait", "[settings]"),
        ("[[guardrail]]\nkind = \"nonsense\"\n", 1, "nonsense", "guardrails"),
        ("base = \"_none.toml\"\n", 1, "_none.toml", "check that it is there"),
        ("[shop]\nbegin = \"now\"\n", 2, "\"now\" is not a time", "RFC 3339"),
        ("[[step]]\nstart = \"nothing\"\n", 2, "nothing", "plugin.toml"),
    ];
    let reports = report(&cases.map(|(text, ..)| text)).await;
    for ((text, line, message, remedy), report) in cases.into_iter().zip(reports) {
        let Verdict::Broken(error) = &report.verdict else { panic!("{text}: {report}") };
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
        assert!(error.remedy.contains(remedy), "{text}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_days_take_no_time() {
    let scenario = format!(
        "{CART}expect = []\n[[step]]\nafter = \"4h\"\nexpect = [{{ action = \"send-email\" }}]\n[[step]]\nafter = \"1d\"\nexpect = [{{ action = \"create\" }}, {{ action = \"send-email\" }}]\n[[step]]\nafter = \"30d\"\n"
    );
    // The first compiles the component.
    let reports = report(&[&scenario, &scenario]).await;
    assert!(reports[1].is_passed(), "{}", reports[1]);
    assert!(reports[1].passed > std::time::Duration::from_secs(30 * 86_400));
    // Well under a second where nothing else runs; a busy machine must not fail the test.
    assert!(reports[1].took < std::time::Duration::from_secs(30), "{:?}", reports[1].took);
    assert!(!Path::new(&reports[1].path).as_os_str().is_empty());
}
