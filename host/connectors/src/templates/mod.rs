//! Message templates: subject, text and HTML from a plugin, filled with a run's data.
//!
//! The language is a part of Jinja, by minijinja: `{{ field }}`, `for`, `if`, filters. Templates come with
//! plugins, so a template must not be able to use up the host: [what it may contain](check) leaves nothing that
//! makes text longer than its data and itself, the instructions of a rendering are counted, and so is its
//! output. In HTML, every value is escaped. A field that is not there is an error, not an empty place in
//! a message to a customer; write `{{ name | default("there") }}` where it may be missing.

mod check;

use std::io;
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, filters, tests};

use crate::{ConnectorError, money};

/// The longest source of one part, in bytes.
pub const MAX_SOURCE_BYTES: usize = 128 << 10;

/// The longest result of one part, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 512 << 10;

/// The most instructions of one part's rendering. A message with a hundred order lines takes about 5,000.
const FUEL: u64 = 200_000;

/// How deep loops and conditions may nest.
const DEPTH: usize = 64;

/// A template, compiled.
#[derive(Clone)]
pub struct Template {
    environment: Arc<Environment<'static>>,
    name: String,
    html: bool,
}

/// A message, filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// Where the template has it.
    pub html: Option<String>,
}

impl Template {
    /// Compiles the parts of template `name`.
    ///
    /// # Errors
    /// [`ConnectorError::Template`] with part and line.
    pub fn compile(name: &str, subject: &str, text: &str, html: Option<&str>) -> Result<Self, ConnectorError> {
        let mut environment = environment();
        let parts = [("subject", Some(subject)), ("text", Some(text)), ("html", html)];
        for (part, source) in parts.into_iter().filter_map(|(part, source)| source.map(|source| (part, source))) {
            let name = format!("{name}.{part}");
            if source.len() > MAX_SOURCE_BYTES {
                let reason = format!("it has {} bytes; at most {MAX_SOURCE_BYTES} are read", source.len());
                return Err(ConnectorError::Template { name, line: 0, reason });
            }
            check::check(source).map_err(|(line, reason)| ConnectorError::Template {
                name: name.clone(),
                line,
                reason,
            })?;
            environment.add_template_owned(name.clone(), source.to_owned()).map_err(|error| fault(&name, &error))?;
        }
        Ok(Self { environment: Arc::new(environment), name: name.to_owned(), html: html.is_some() })
    }

    /// Fills it in. `data` is an object; its fields are the template's names.
    ///
    /// # Errors
    /// [`ConnectorError::Template`] with part and line: a missing field, too many instructions, too long
    /// a result.
    pub fn render(&self, data: &serde_json::Value) -> Result<Rendered, ConnectorError> {
        let data = value(data);
        let subject = self.part("subject", &data)?;
        Ok(Rendered {
            subject: subject.split_whitespace().collect::<Vec<_>>().join(" "),
            text: self.part("text", &data)?,
            html: if self.html { Some(self.part("html", &data)?) } else { None },
        })
    }

    fn part(&self, part: &str, data: &Value) -> Result<String, ConnectorError> {
        let name = format!("{}.{part}", self.name);
        let template = self.environment.get_template(&name).map_err(|error| fault(&name, &error))?;
        let mut output = Bounded(Vec::new());
        template.render_captured_to(data.clone(), &mut output).map_err(|error| fault(&name, &error))?;
        String::from_utf8(output.0).map_err(|_| ConnectorError::Template {
            name,
            line: 0,
            reason: "it gave no text".into(),
        })
    }
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Template").field(&self.name).finish()
    }
}

/// A JSON document as the template's data.
fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => Value::from(items.iter().map(value).collect::<Vec<_>>()),
        serde_json::Value::Object(fields) => {
            Value::from_pairs(fields.iter().map(|(key, field)| (key.as_str(), value(field))))
        }
    }
}

/// What templates can call: nothing that makes more out of less.
fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(DEPTH);
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
    env.add_filter("upper", filters::upper);
    env.add_filter("lower", filters::lower);
    env.add_filter("title", filters::title);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("trim", filters::trim);
    env.add_filter("default", filters::default);
    env.add_filter("length", filters::length);
    env.add_filter("first", filters::first);
    env.add_filter("last", filters::last);
    env.add_filter("round", filters::round);
    env.add_filter("abs", filters::abs);
    env.add_filter("int", filters::int);
    env.add_filter("join", join);
    env.add_filter("money", money_text);
    env.add_filter("date", date);
    env.add_test("defined", tests::is_defined);
    env.add_test("undefined", tests::is_undefined);
    env.add_test("none", tests::is_none);
    env
}

/// `list | join(", ")`; the separator at most 16 characters.
fn join(list: &Value, separator: Option<String>) -> Result<String, minijinja::Error> {
    let separator = separator.unwrap_or_else(|| ", ".into());
    if separator.chars().count() > 16 {
        return Err(invalid("the separator of `join` has more than 16 characters"));
    }
    let parts: Vec<String> = list.try_iter()?.map(|part| part.to_string()).collect();
    Ok(parts.join(&separator))
}

/// `total | money`: `1999` of `EUR` as `19.99 EUR`.
fn money_text(value: &Value) -> Result<String, minijinja::Error> {
    let amount = value.get_attr("amount")?.as_i64();
    let currency = value.get_attr("currency")?;
    let (Some(amount), Some(currency)) = (amount, currency.as_str()) else {
        return Err(invalid("`money` takes an amount of money: `{amount, currency}`"));
    };
    let places = money::exponent(currency) as usize;
    let sign = if amount < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", amount.unsigned_abs(), width = places + 1);
    let (whole, fraction) = digits.split_at(digits.len() - places);
    let point = if places > 0 { "." } else { "" };
    Ok(format!("{sign}{whole}{point}{fraction} {currency}"))
}

/// `expires_at | date` or `date("%d.%m.%Y")`: milliseconds since the Unix epoch as a date, in UTC.
fn date(value: &Value, format: Option<String>) -> Result<String, minijinja::Error> {
    use std::fmt::Write as _;
    let at = value.as_i64().and_then(chrono::DateTime::from_timestamp_millis);
    let at = at.ok_or_else(|| invalid("`date` takes milliseconds since 1970"))?;
    let format = format.unwrap_or_else(|| "%Y-%m-%d".into());
    if format.len() > 64 {
        return Err(invalid("the format of `date` has more than 64 bytes"));
    }
    let mut text = String::new();
    write!(text, "{}", at.format(&format)).map_err(|_| invalid("`date` does not know this format"))?;
    Ok(text)
}

fn invalid(reason: &'static str) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, reason)
}

fn fault(name: &str, error: &minijinja::Error) -> ConnectorError {
    let line = error.line().unwrap_or(0);
    let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
    let reason = match error.kind() {
        ErrorKind::UndefinedError => format!(
            "a field is not there{detail}; give it, or write `{{{{ field | default(\"…\") }}}}` where it may be missing"
        ),
        ErrorKind::OutOfFuel => format!("it takes more than {FUEL} steps: go over fewer lines"),
        ErrorKind::WriteFailure => format!("its result is longer than {MAX_OUTPUT_BYTES} bytes"),
        kind => format!("{kind}{detail}"),
    };
    ConnectorError::Template { name: name.to_owned(), line, reason }
}

/// Takes [`MAX_OUTPUT_BYTES`] and no more.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_OUTPUT_BYTES {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
