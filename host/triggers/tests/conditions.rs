//! Conditions and keys on events.

use std::time::Instant;

use serde_json::{Value, json};
use shopwright_triggers::{Condition, KeyExpr, MAX_EXPRESSION_BYTES, Root, TriggerError};

fn event() -> Value {
    json!({
        "id": "e1", "kind": "cart.updated", "at": 1_790_000_000_000u64, "concerns": ["cart:7", "customer:42"],
        "data": {
            "id": "7", "customer": "42", "email": null, "score": 0.75, "big": u64::MAX, "flag": true,
            "total": {"amount": 4500, "currency": "EUR"},
            "lines": [
                {"sku": "A-1", "quantity": 2, "price": {"amount": 1500, "currency": "EUR"}, "tags": ["sale", "new"]},
                {"sku": "B-2", "quantity": 1, "price": {"amount": 1500, "currency": "EUR"}, "tags": []},
            ],
            "empty": [], "extra": {"note": "a\u{e4}b"},
        },
    })
}

fn check(expression: &str) -> Result<bool, TriggerError> {
    Condition::compile(expression, Root::Event)?.check(&event())
}

#[test]
fn conditions_hold_or_do_not() {
    let holds = [
        "event.data.total.amount > 1000",
        "event.kind == 'cart.updated' && event.data.total.currency == \"EUR\"",
        "event.data.score > 0 && event.data.score < 1",
        "event.data.big > 18446744073709551614u",
        "event.at >= 1790000000000",
        "'customer:42' in event.concerns",
        "!('customer:43' in event.concerns)",
        "event.concerns[1] == 'customer:42'",
        "event.data['total'].amount == 4500",
        "'note' in event.data.extra",
        "size(event.data.lines) == 2 && event.data.lines.size() == 2 && size(event.data.total) == 2",
        "event.data.lines.exists(l, l.sku.startsWith('A'))",
        "event.data.lines.all(l, l.price.amount * l.quantity <= 3000)",
        "event.data.lines.exists(l, l.tags.exists(t, t == 'sale'))",
        "event.data.lines.exists_one(l, l.quantity > 1)",
        "event.data.lines.map(l, l.quantity) == [2, 1]",
        "[2, 1] == event.data.lines.map(l, l.quantity)",
        "event.data.lines.filter(l, l.tags == []).size() == 1",
        "event.data.lines.map(l, l.sku).exists(s, s == 'B-2')",
        "event.data.total == {'amount': 4500, 'currency': 'EUR'}",
        "{'amount': 4500, 'currency': 'EUR'} == event.data.total",
        "event.data.lines[0].price == event.data.lines[1].price",
        "event.data.lines[0].tags == ['sale', 'new']",
        "['sale', 'new'] == event.data.lines[0].tags",
        "event.data.lines[0].tags + ['x'] == ['sale', 'new', 'x']",
        "event.data.total.exists(key, key == 'amount')",
        "event.data.lines[0].sku.matches('^A-[0-9]+$')",
        "has(event.data.total.amount) && !has(event.data.total.missing)",
        "event.data.email == null",
        "event.data.?missing.?amount.orValue(7) == 7",
        "event.data.flag ? event.data.total.amount == 4500 : false",
        "event.data.missing == 1 || event.data.flag",
        "type(event.data.total.amount) == int",
        "double(event.data.total.amount) / 100.0 == 45.0",
        "event.data.extra.note.size() == 3",
    ];
    for expression in holds {
        assert_eq!(check(expression), Ok(true), "{expression}");
    }
    let does_not = [
        "event.data.total.amount > 4500",
        "'cart:8' in event.concerns",
        "event.data.lines[0].price == event.data.total",
        "event.data.empty.exists(x, x == 1)",
        // What is missing or null makes it false.
        "event.data.missing",
        "event.data.missing == 1",
        "event.data.missing.deeper.still > 3",
        "!(event.data.missing == 1)",
        "event.data.email.endsWith('.de')",
        "event.data.email > 'a'",
        "event.data.email.domain == 'x'",
        "event.data.email",
        "event.data.email + 'x' == 'x'",
        "event.data.flag && event.data.missing > 1",
        "event.data.empty[0] == 1",
        "event.data.lines[2].sku == 'x'",
        "event.data.lines.exists(l, l.missing > 1)",
    ];
    for expression in does_not {
        assert_eq!(check(expression), Ok(false), "{expression}");
    }
}

#[test]
fn items_are_seen_as_item() {
    let condition = Condition::compile("item.tags.exists(t, t == 'vip')", Root::Item).expect("compiles");
    assert_eq!(condition.source(), "item.tags.exists(t, t == 'vip')");
    assert_eq!(condition.check(&json!({"tags": ["new", "vip"]})), Ok(true));
    assert_eq!(condition.check(&json!({"tags": []})), Ok(false));
    assert!(Condition::compile("event.kind == 'a'", Root::Item).is_err());
}

#[test]
fn what_does_not_compile_is_refused_with_its_place() {
    let table = [
        ("", 1, 1, "it is empty"),
        ("event.data.a >", 1, 15, ""),
        ("event.data.a\n  && evnt.data.b", 2, 6, "`evnt` is not known: the expression sees `event`"),
        ("true && item.a", 1, 9, "`item` is not known: the expression sees `event`"),
        ("event.data.a.lower() == 'x'", 1, 19, "there is no function `lower`"),
        ("now() > 3", 1, 4, "there is no function `now`"),
        ("event.data.lines.exists(l)", 1, 24, "`exists` takes a name and an expression"),
        ("startsWith(event.kind, 'a')", 1, 11, "`startsWith` is called on a value"),
        ("event.data.lines.exists(l, x > 1)", 1, 28, "`x` is not known"),
        ("event.data.lines.exists(l, true) && l.a", 1, 37, "`l` is not known"),
        ("event.kind.matches('(')", 1, 19, "the regular expression is wrong"),
        ("Money{amount: 1} == event.data", 1, 6, "messages cannot be built here"),
        ("event.`a b`", 1, 0, ""),
    ];
    for (expression, line, column, reason) in table {
        let error = Condition::compile(expression, Root::Event).expect_err(expression);
        let TriggerError::Syntax { line: at_line, column: at_column, reason: because, .. } = &error else {
            panic!("{expression}: {error}");
        };
        assert!(because.starts_with(reason), "{expression}: {because}");
        if column > 0 {
            assert_eq!((*at_line, *at_column), (line, column), "{expression}: {because}");
        }
    }
    let long = Condition::compile(&format!("event.a == '{}'", "x".repeat(MAX_EXPRESSION_BYTES)), Root::Event);
    assert!(matches!(long, Err(TriggerError::TooLong { .. })), "{long:?}");
}

#[test]
fn what_cannot_be_evaluated_says_why() {
    let table = [
        ("event.data.total.amount", "gave int, not true or false"),
        ("event.data.total", "gave map, not true or false"),
        ("event.data.total.amount == 1 ? 'a' : 'b'", "gave string, not true or false"),
        ("event.data.total.amount > 'x'", "`>` does not take int and string"),
        ("event.data.score + 1 > 1", "convert one side"),
        ("event.data.total.amount / 0 > 1", "division by zero"),
        ("event.data.total.amount * 9223372036854775807 > 1", "does not fit"),
        ("int(event.data.extra.note) > 1", "`int`"),
    ];
    for (expression, reason) in table {
        let error = check(expression).expect_err(expression).to_string();
        assert!(error.contains(reason) && error.contains(expression), "{expression}: {error}");
    }
}

#[test]
fn keys_are_texts_numbers_or_nothing() {
    let table = [
        ("event.data.id", Ok(Some("7"))),
        ("event.data.total.amount", Ok(Some("4500"))),
        ("event.data.score", Ok(Some("0.75"))),
        ("event.data.flag", Ok(Some("true"))),
        ("event.kind + ':' + event.data.customer", Ok(Some("cart.updated:42"))),
        ("event.data.email", Ok(None)),
        ("event.data.missing.id", Ok(None)),
        ("event.data.total", Err("gave map, not a text or a number")),
    ];
    for (expression, expected) in table {
        let key = KeyExpr::compile(expression).expect(expression).eval(&event());
        match expected {
            Ok(expected) => assert_eq!(key, Ok(expected.map(String::from)), "{expression}"),
            Err(reason) => assert!(key.expect_err(expression).to_string().contains(reason), "{expression}"),
        }
    }
}

/// Deep, long and broken text: an error or an expression, never a crash; checks included.
#[test]
fn hostile_text_is_refused_or_bounded() {
    let open = [
        "(",
        "[",
        "{",
        "-",
        "!",
        "event.data.lines[",
        "event.data.lines.map(x,",
        "a?",
        "'",
        "\"\\",
        "b'",
        "1+",
        "event.",
        "has(",
    ];
    let mut texts: Vec<String> = open.iter().map(|part| part.repeat(MAX_EXPRESSION_BYTES / part.len())).collect();
    for (start, middle, end) in [
        ("(", "true", ")"),
        ("[", "1", "]"),
        ("!", "true", ""),
        ("true?", "true", ":false"),
        ("{'a':", "1", "}"),
        ("", "event", ".a"),
        ("", "event", "[0]"),
        ("", "event.data.lines", ".map(x, x)"),
        ("", "1", "+1"),
        ("", "true", "&&true"),
        ("[1].exists(x, ", "true", ")"),
    ] {
        for fill in [50, 90, 200, MAX_EXPRESSION_BYTES] {
            let count = fill.min((MAX_EXPRESSION_BYTES - middle.len()) / (start.len() + end.len()));
            texts.push(format!("{}{middle}{}", start.repeat(count), end.repeat(count)));
        }
    }
    texts.extend(
        [
            "\u{0}",
            "\u{feff}event",
            "event.data.\u{202e}a",
            "'\\ud800' == 'a'",
            "\\",
            "$",
            "#",
            "`",
            "a b",
            "1..2",
            "99999999999999999999",
            "1e999",
            "0x",
        ]
        .map(String::from),
    );
    // A worker thread's stack, not the main thread's.
    let work = move || {
        for text in texts {
            if let Ok(condition) = Condition::compile(&text, Root::Event) {
                let _ = condition.check(&event());
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread").join().expect("no panic");
}

#[test]
fn loops_end_by_the_step_limit() {
    let long: Vec<Value> = (0..20_000).map(|n| json!({"n": n, "text": "x".repeat(100)})).collect();
    let event = json!({"data": {"list": long, "text": "x".repeat(1 << 20)}});
    let doubling = format!("['a']{}.size() > 0", ".map(a, a + a)".repeat(45));
    let nesting = format!("[1]{}.size() > 0", ".map(a, [a, a])".repeat(45));
    let table = [
        "event.data.list.exists(a, event.data.list.exists(b, a.n + b.n < 0))",
        "event.data.list.all(a, event.data.text.contains('y') == false)",
        "event.data.list.map(a, event.data.text + event.data.text).size() > 0",
        "event.data.list.map(a, bytes(event.data.text)).size() > 0",
        "[event.data.text].exists(t, event.data.list.all(a, !t.contains('yy')))",
        "[event.data.list.map(a, a.n)].exists(m, m.map(x, m).size() > 0)",
        "event.data.list.all(a, a.text.matches('^x+$'))",
        doubling.as_str(),
        nesting.as_str(),
    ];
    for expression in table {
        let condition = Condition::compile(expression, Root::Event).expect(expression);
        let start = Instant::now();
        let answer = condition.check(&event);
        assert!(matches!(answer, Err(TriggerError::TooManySteps { .. })), "{expression}: {answer:?}");
        assert!(start.elapsed().as_secs() < 10, "{expression} took {:?}", start.elapsed());
    }
    // The next check has its own steps.
    let fine = Condition::compile("event.data.list.all(a, a.n >= 0)", Root::Event).expect("compiles");
    assert_eq!(fine.check(&event), Ok(true));
}

#[test]
fn conditions_cross_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Condition>();
    shared::<KeyExpr>();
}

/// Prints what a check costs: `cargo test -p shopwright-triggers --test conditions -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn cost_of_a_check() {
    let mut large = event();
    large["data"]["extra"] =
        (0..2000).map(|n| (format!("k{n}"), json!({"n": n}))).collect::<serde_json::Map<_, _>>().into();
    for (name, event) in [("1 KB", event()), ("40 KB", large)] {
        for expression in ["event.data.total.amount > 1000", "event.data.lines.exists(l, l.sku.startsWith('B'))"] {
            let condition = Condition::compile(expression, Root::Event).expect("compiles");
            let count = 100_000;
            let start = Instant::now();
            for _ in 0..count {
                assert_eq!(condition.check(&event), Ok(true));
            }
            println!("{name}: {expression}: {:?}", start.elapsed() / count);
        }
    }
}
