//! Message templates: what they give, and what they cannot do.

use serde_json::{Value, json};
use shopwright_connectors::ConnectorError;
use shopwright_connectors::templates::{MAX_SOURCE_BYTES, Template};

fn data() -> Value {
    json!({
        "name": "Ann & Co <b>", "total": {"amount": 123_456, "currency": "EUR"}, "yen": {"amount": -500, "currency": "JPY"},
        "dinar": {"amount": 5, "currency": "KWD"}, "until": 1_790_000_000_000i64, "note": null,
        "lines": [{"title": "Lamp", "quantity": 2}, {"title": "Shade", "quantity": 1}], "tags": ["a", "b"], "pairs": [[1, 2], [3, 4]],
        "big": "x".repeat(10_000), "many": (0..1000).collect::<Vec<_>>(),
    })
}

/// The text, and the HTML of the same source.
fn render(source: &str) -> Result<(String, String), ConnectorError> {
    let rendered = Template::compile("t", "s", source, Some(source))?.render(&data())?;
    Ok((rendered.text, rendered.html.expect("there is HTML")))
}

#[test]
fn templates_are_filled_in() {
    let table = [
        ("Hello {{ name }}!", "Hello Ann & Co <b>!", "Hello Ann &amp; Co &lt;b&gt;!"),
        (
            "{{ total|money }} {{ yen|money }} {{ dinar|money }}",
            "1234.56 EUR -500 JPY 0.005 KWD",
            "1234.56 EUR -500 JPY 0.005 KWD",
        ),
        ("{{ until|date }} {{ until|date('%d.%m.%Y') }}", "2026-09-21 21.09.2026", "2026-09-21 21.09.2026"),
        (
            "{% for l in lines -%} {{ l.quantity }} x {{ l.title }};{% endfor %}",
            "2 x Lamp;1 x Shade;",
            "2 x Lamp;1 x Shade;",
        ),
        ("{% if missing %}a{% elif lines|length == 2 %}b{% else %}c{% endif %}", "b", "b"),
        (
            "{{ missing|default('there') }} {{ lines[1].title }} {{ tags|join(' / ') }}",
            "there Shade a / b",
            "there Shade a &#x2f; b",
        ),
        ("{% raw %}{{ a * b }}{% endraw %}{# {{ a * b }} #} * ~ + [", "{{ a * b }} * ~ + [", "{{ a * b }} * ~ + ["),
        ("{{ '}} * {%' }}", "}} * {%", "}} * {%"),
        ("{% if (missing or name) and not (yen.amount > 0) %}yes{% endif %}", "yes", "yes"),
        ("{% for a, b in pairs %}{{ a }}{{ b|default('x', true) }} {% endfor %}", "12 34 ", "12 34 "),
        ("{% for n in many if n == 999 %}{{ n }}{% endfor %}{{- ' x' -}} ", "999 x", "999 x"),
    ];
    for (source, text, html) in table {
        assert_eq!(render(source).expect(source), (text.to_owned(), html.to_owned()), "{source}");
    }
    let subject = Template::compile("t", " Your\n cart,\t{{ name }} ", "", None).expect("compiles");
    let rendered = subject.render(&data()).expect("renders");
    assert_eq!((rendered.subject.as_str(), rendered.html), ("Your cart, Ann & Co <b>", None));
}

#[test]
fn faults_name_part_line_and_reason() {
    let table = [
        ("a\n{{ missing }}", 2, "a field is not there"),
        ("a\n\n{{ lines[0].color }}", 3, "a field is not there"),
        ("{{ name", 1, "syntax error"),
        ("a\n{% if name %}", 2, "syntax error"),
        ("{{ name|shout }}", 1, "unknown filter"),
        ("{{ range(5) }}", 1, ""),
        ("{{ name|money }}", 1, ""),
        ("{{ tags|join(big) }}", 1, "more than 16 characters"),
        ("{{ until|date('%Q') }}", 1, "does not know this format"),
        ("a\n{% set x = name %}", 2, "`set` is not allowed"),
        ("{% include 'x' %}", 1, "`include` is not allowed"),
        ("{% macro m() %}{% endmacro %}", 1, "`macro` is not allowed"),
        ("{% with a = name %}{% endwith %}", 1, "`with` is not allowed"),
        ("{{ 'a' * 100000000 }}", 1, "`*` is not allowed"),
        ("{{ name\n ~ name }}", 2, "`~` is not allowed"),
        ("{% if 1 + 1 == 2 %}{% endif %}", 1, "`+` is not allowed"),
        ("{% for x in [big, big] %}{% endfor %}", 1, "`[` takes a number"),
        ("{% for x in (big, big) %}{% endfor %}", 1, "`,` is not allowed"),
        ("{% for x in big, big %}{% endfor %}", 1, "`,` is not allowed"),
        ("{% for x\tin\tbig, big %} in {% endfor %}", 1, "`,` is not allowed"),
        ("{% for x in(big, big) %} in {% endfor %}", 1, "`,` is not allowed"),
        ("{{ (big, big)|join }}", 1, "`,` is not allowed"),
        ("{{ {big: 1}|join }}", 1, "`{` is not allowed"),
        ("{% for a in many %}{% for b in many %}{{ b }}{% endfor %}{% endfor %}", 1, "steps"),
        ("{% for a in many %}{{ big }}{% endfor %}", 0, "longer than"),
    ];
    for (source, line, reason) in table {
        let error = render(source).expect_err(source);
        let ConnectorError::Template { name, line: at, reason: because } = &error else { panic!("{source}: {error}") };
        assert_eq!((name.as_str(), *at), ("t.text", line), "{source}: {because}");
        assert!(because.contains(reason), "{source}: {because}");
    }
    let long = "x".repeat(MAX_SOURCE_BYTES + 1);
    assert!(Template::compile("t", "s", &long, None).is_err());
    let deep = format!("{}{}", "{% if name %}".repeat(5_000), "{% endif %}".repeat(5_000));
    assert!(render(&deep).is_err());
}
