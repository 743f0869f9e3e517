//! `plugin.toml`, and the manifest inside a component.

use std::collections::HashMap;
use std::io;

use shopwright_registry::{
    Concurrency, ConcurrencyRule, Manifest, ManifestError, Missed, RegistryError, Retry, Trigger, embed, extract,
};

const GOOD: &str = r#"name = "cart-recovery"
version = "0.1.0"
title = "Cart recovery"
summary = "Writes to customers who left their cart."
publisher = "shopwright"
wit = "0.1"
license = "Apache-2.0"
categories = ["marketing"]
http = ["api.example.com"]

[settings]
schema = "settings.schema.json"

[[workflow]]
name = "recover"
title = "Recover a cart"
[[workflow.trigger]]
event = ["cart.updated"]
when = "event.data.total.amount > 0"
[[workflow.trigger]]
schedule = "0 6 * * MON"
missed = "none"
[workflow.concurrency]
key = "event.data.id"
rule = "replace"
[workflow.retry]
max = 3

[[workflow]]
name = "by-hand"
title = "By hand"
manual = true

[[template]]
name = "cart-reminder"
subject = "You left something"
text = "templates/reminder.txt"
html = "templates/reminder.html"
"#;

const SCHEMA: &str =
    "{\n  \"type\": \"object\",\n  \"properties\": {\"hours\": {\"type\": \"integer\", \"default\": 2}}\n}";

fn check(text: &str, schema: &str) -> Result<Manifest, Vec<ManifestError>> {
    let files: HashMap<&str, &str> = HashMap::from([
        ("settings.schema.json", schema),
        ("templates/reminder.txt", "Hello {{ customer.name }}"),
        ("templates/reminder.html", "<p>Hello</p>"),
    ]);
    Manifest::check_toml(text, "shop/plugin.toml", &mut |name| {
        files.get(name).map(|text| (*text).to_owned()).ok_or_else(|| io::ErrorKind::NotFound.into())
    })
}

fn good() -> Manifest {
    check(GOOD, SCHEMA).unwrap()
}

#[test]
fn a_manifest_carries_everything_it_names() {
    let manifest = good();
    assert_eq!(manifest.version.to_string(), "0.1.0");
    let recover = manifest.workflow("recover").unwrap();
    assert_eq!(
        recover.triggers,
        [
            Trigger::Event {
                kinds: vec!["cart.updated".into()],
                condition: Some("event.data.total.amount > 0".into())
            },
            Trigger::Schedule { cron: "0 6 * * MON".into(), missed: Missed::None },
        ]
    );
    let concurrency = Concurrency { key: "event.data.id".into(), rule: ConcurrencyRule::Replace };
    assert_eq!(recover.concurrency, Some(concurrency));
    assert_eq!(recover.retries, Retry { max: 3, ..Retry::default() });
    assert!(manifest.workflow("by-hand").unwrap().manual);
    let template = manifest.template("cart-reminder").unwrap();
    assert_eq!(template.text, "Hello {{ customer.name }}");
    assert_eq!(template.html.as_deref(), Some("<p>Hello</p>"));
    assert_eq!(manifest.settings.unwrap()["properties"]["hours"]["default"], 2);
}

/// What stands in the good manifest, what stands there instead, and the place, words and remedy that follow.
#[test]
fn every_mistake_has_its_place_and_remedy() {
    let cases = [
        ("name = \"cart-recovery\"", "name = \"Cart Recovery\"", (1, 8), "is not a name", "\"cart-recovery\""),
        ("\"0.1.0\"", "\"0.1\"", (2, 11), "not a semantic version", "\"0.1.0\""),
        ("wit = \"0.1\"", "wit = \"0.1.0\"", (6, 7), "not a version of the interface", "\"0.1\""),
        (
            "title = \"Cart recovery\"",
            "titel = \"Cart recovery\"",
            (3, 1),
            "unknown field `titel`",
            "did you mean `title`",
        ),
        ("publisher = \"shopwright\"\n", "", (1, 1), "missing field `publisher`", "add publisher"),
        ("\"0.1.0\"", "0.1.0", (2, 14), "invalid float", "double quotes"),
        ("[\"api.example.com\"]", "[\"https://api.example.com/v1\"]", (9, 9), "it has a scheme", "host alone"),
        (
            "[\"cart.updated\"]",
            "[\"cart.updated\", \"cart\"]",
            (18, 26),
            "\"cart\" is not an event kind",
            "words joined by dots",
        ),
        ("[\"cart.updated\"]", "[]", (18, 9), "no event kind", "at least one"),
        ("[\"cart.updated\"]", "\"cart.updated\"", (18, 9), "expected a sequence", "list in brackets"),
        ("\"0 6 * * MON\"", "\"0 6 * *\"", (21, 12), "it has 4 fields", "five fields"),
        ("schedule = \"0 6 * * MON\"", "event = [\"a.b\"]", (22, 10), "only a schedule can miss", "remove `missed`"),
        ("\"none\"", "\"never\"", (22, 10), "unknown variant `never`", "once, none, all"),
        ("rule = \"replace\"", "rule = \"replaces\"", (25, 8), "unknown variant", "did you mean `replace`"),
        ("max = 3", "max = 101", (27, 7), "more than 100", "lower it"),
        ("max = 3", "max_seconds = 1", (27, 15), "between initial_seconds (5)", "within a week"),
        ("manual = true\n", "", (29, 1), "nothing starts the workflow \"by-hand\"", "manual = true"),
        ("name = \"by-hand\"", "name = \"recover\"", (30, 8), "two workflows called \"recover\"", "rename"),
        ("templates/reminder.txt", "templates/none.txt", (37, 8), "cannot be read", "create the file"),
        ("templates/reminder.html", "../../etc/passwd", (38, 8), "not a file in the plugin's folder", "without `..`"),
        ("templates/reminder.html", "/etc/passwd", (38, 8), "not a file in the plugin's folder", "without `..`"),
        ("key = \"event.data.id\"", "key = \"  \"", (24, 7), "expression is empty", "CEL"),
    ];
    for (from, to, place, message, remedy) in cases {
        assert!(GOOD.contains(from), "{from}");
        let errors = check(&GOOD.replacen(from, to, 1), SCHEMA).expect_err(to);
        let [error] = errors.as_slice() else { panic!("{to}: {errors:#?}") };
        assert_eq!((error.line, error.column), place, "{to}: {error}");
        assert_eq!(error.file, "shop/plugin.toml");
        assert!(error.message.contains(message), "{to}: {error}");
        assert!(error.remedy.contains(remedy), "{to}: {error}");
    }
}

#[test]
fn a_schema_s_mistake_points_into_the_schema_s_file() {
    for (from, to, place, message) in [
        ("\"integer\"", "\"integr\"", (3, 36), "/properties/hours/type"),
        ("2}", "\"two\"}", (3, 58), "does not satisfy"),
        ("}}", "}", (4, 1), "not JSON"),
        ("\"object\"", "\"string\"", (2, 11), "settings are an object"),
    ] {
        let errors = check(GOOD, &SCHEMA.replacen(from, to, 1)).expect_err(to);
        let [error] = errors.as_slice() else { panic!("{to}: {errors:#?}") };
        assert_eq!((error.line, error.column), place, "{error}");
        assert_eq!(error.file, "shop/settings.schema.json");
        assert!(error.message.contains(message), "{error}");
    }
}

#[test]
fn several_mistakes_are_told_at_once_in_order() {
    let text = GOOD.replace("wit = \"0.1\"", "wit = \"one\"").replace("max = 3", "max = 1000").replace("MON\"", "\"");
    let lines: Vec<usize> = check(&text, SCHEMA).unwrap_err().iter().map(|error| error.line).collect();
    assert_eq!(lines, [6, 21, 27]);
}

/// The least component: a preamble, and here an empty type section.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0\x07\x01\0";

#[test]
fn a_component_gives_back_the_manifest_it_got() {
    let manifest = good();
    let once = embed(COMPONENT, &manifest).unwrap();
    assert_eq!(extract(&once).unwrap(), Some(manifest.clone()));
    assert_eq!(embed(COMPONENT, &manifest).unwrap(), once, "the same input gives the same bytes");
    assert_eq!(embed(&once, &manifest).unwrap(), once, "a manifest that is there is replaced");
    let mut other = manifest;
    other.title = "Another".into();
    assert_eq!(extract(&embed(&once, &other).unwrap()).unwrap(), Some(other));
    assert_eq!(extract(COMPONENT).unwrap(), None);
    wasmparser::validate(&once).unwrap();
}

fn with_section(name: &str, json: &[u8]) -> Vec<u8> {
    let mut body = vec![name.len() as u8];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(json);
    let mut out = COMPONENT.to_vec();
    out.extend_from_slice(&[0, (body.len() & 0x7f) as u8 | 0x80, (body.len() >> 7) as u8]);
    out.extend_from_slice(&body);
    out
}

#[test]
fn a_component_with_a_bad_manifest_is_refused_with_the_reason() {
    let embedded = embed(COMPONENT, &good()).unwrap();
    let text = |from: &str, to: &str| {
        let json = serde_json::to_string(&serde_json::json!({"format": 1, "manifest": good()})).unwrap();
        assert!(json.contains(from), "{from}");
        extract(&with_section("shopwright:manifest", json.replacen(from, to, 1).as_bytes())).unwrap_err()
    };
    assert!(matches!(text("\"format\":1", "\"format\":2"), RegistryError::LaterFormat { found: 2, known: 1 }));
    for (from, to, words) in [
        ("\"cart-recovery\"", "\"Cart\"", "name: \"Cart\" is not a name"),
        ("\"cart-recovery\"", "7", "invalid type"),
        ("\"title\"", "\"titles\"", "unknown field"),
        ("\"max\":3", "\"max\":3000", "workflow[0].retry.max"),
        ("\"integer\"", "\"integr\"", "settings.schema"),
        ("api.example.com", "http://169.254.169.254", "scheme"),
        ("\"format\":1,", "", "format"),
    ] {
        let error = text(from, to).to_string();
        assert!(error.contains(words), "{to}: {error}");
    }
    let mut twice = embedded.clone();
    twice.extend_from_slice(&embedded[COMPONENT.len()..]);
    assert!(extract(&twice).unwrap_err().to_string().contains("two of them"));
    for end in COMPONENT.len() + 1..embedded.len() {
        let error = extract(&embedded[..end]).unwrap_err();
        assert!(matches!(error, RegistryError::NotAComponent { .. }), "{end}: {error}");
    }
    for (bytes, words) in [(&b"\0asm\x01\0\0\0"[..], "core module"), (b"#!/bin/sh\n", "magic"), (b"", "0 bytes")] {
        assert!(extract(bytes).unwrap_err().to_string().contains(words));
    }
}
