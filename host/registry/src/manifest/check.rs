//! The rules for manifests. They are the same for `plugin.toml` and for a component's embedded manifest.

use std::collections::HashSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::{Manifest, Trigger, Workflow};
use crate::settings::Settings;

const MAX_NAME: usize = 64;
const MAX_TITLE: usize = 120;
const MAX_SUMMARY: usize = 1_000;
const MAX_EXPRESSION: usize = 4_096;
const MAX_KIND: usize = 128;
/// Of workflows, triggers, hosts, templates: more is a mistake.
const MAX_ITEMS: usize = 200;
/// A template's text, in bytes.
pub(super) const MAX_TEMPLATE: usize = 256 << 10;
const MAX_RETRIES: u32 = 100;
const DAY: u64 = 86_400;

/// A broken rule of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where, in the words of `plugin.toml`: `workflow[0].retry.max`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
    #[serde(skip)]
    pub(super) steps: Vec<Step>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.path, self.message, self.remedy)
    }
}

/// One step into the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Key(&'static str),
    Index(usize),
}

impl From<&'static str> for Step {
    fn from(key: &'static str) -> Step {
        Step::Key(key)
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Step {
        Step::Index(index)
    }
}

fn path(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        match step {
            Step::Key(key) if text.is_empty() => text.push_str(key),
            Step::Key(key) => {
                text.push('.');
                text.push_str(key);
            }
            Step::Index(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}

/// Collects broken rules at places.
struct Checker {
    found: Vec<Problem>,
}

/// Steps from places of different kinds: `at!["workflow", 0, "name"]`.
macro_rules! at {
    ($($step:expr),*) => { &[$(Step::from($step)),*][..] };
}

impl Checker {
    fn problem(&mut self, steps: &[Step], message: impl Into<String>, remedy: impl Into<String>) {
        self.found.push(Problem {
            path: path(steps),
            message: message.into(),
            remedy: remedy.into(),
            steps: steps.to_vec(),
        });
    }

    fn slug(&mut self, steps: &[Step], text: &str) {
        if !is_slug(text) {
            let remedy = match slug_of(text) {
                Some(proposal) => format!("write it in lower-case words joined by hyphens, such as \"{proposal}\""),
                None => format!("write at most {MAX_NAME} lower-case letters, digits and single hyphens, letter first"),
            };
            self.problem(steps, format!("\"{text}\" is not a name"), remedy);
        }
    }

    fn text(&mut self, steps: &[Step], text: &str, most: usize) {
        if text.trim().is_empty() {
            self.problem(steps, "it is empty", "write a text that people understand");
        } else if text.chars().count() > most {
            let message = format!("it is {} characters long, more than {most}", text.chars().count());
            self.problem(steps, message, "shorten it");
        } else if text.chars().any(|c| c.is_control() && c != '\n') {
            self.problem(steps, "it has control characters", "remove them");
        }
    }

    fn count(&mut self, steps: &[Step], count: usize) {
        if count > MAX_ITEMS {
            self.problem(steps, format!("{count} are more than {MAX_ITEMS}"), "split the plugin");
        }
    }

    fn expression(&mut self, steps: &[Step], text: &str) {
        if text.trim().is_empty() {
            self.problem(steps, "the expression is empty", "write a CEL expression over `event`");
        } else if text.len() > MAX_EXPRESSION {
            let message = format!("the expression is {} bytes long, more than {MAX_EXPRESSION}", text.len());
            self.problem(steps, message, "shorten it, or decide it in the workflow's code");
        }
    }

    fn unique<'a>(&mut self, steps: &[Step], name: &'a str, seen: &mut HashSet<&'a str>, what: &str) {
        if !seen.insert(name) {
            self.problem(steps, format!("there are two {what} called \"{name}\""), "rename one of them");
        }
    }
}

impl Manifest {
    /// Every broken rule, in the order of the manifest; empty for a good one.
    pub fn problems(&self) -> Vec<Problem> {
        let mut check = Checker { found: Vec::new() };
        check.slug(at!["name"], &self.name);
        check.text(at!["title"], &self.title, MAX_TITLE);
        check.text(at!["summary"], &self.summary, MAX_SUMMARY);
        check.slug(at!["publisher"], &self.publisher);
        if !is_interface_version(&self.wit) {
            let message = format!("\"{}\" is not a version of the interface", self.wit);
            check.problem(at!["wit"], message, "write the two numbers of the WIT folder, such as \"0.1\"");
        }
        if let Some(license) = &self.license {
            check.text(at!["license"], license, MAX_TITLE);
        }
        if let Some(homepage) = &self.homepage
            && !(homepage.starts_with("https://") && homepage.len() > 10 && !homepage.contains(char::is_whitespace))
        {
            let message = format!("\"{homepage}\" is not an https address");
            check.problem(at!["homepage"], message, "write the whole address, such as \"https://example.com/plugin\"");
        }
        check.count(at!["categories"], self.categories.len());
        for (index, category) in self.categories.iter().enumerate() {
            check.slug(at!["categories", index], category);
        }
        check.count(at!["http"], self.http.len());
        let mut hosts = HashSet::new();
        for (index, host) in self.http.iter().enumerate() {
            if let Err((message, remedy)) = check_host(host) {
                check.problem(at!["http", index], message, remedy);
            }
            check.unique(at!["http", index], host, &mut hosts, "hosts");
        }
        check.count(at!["secret"], self.secrets.len());
        let mut names = HashSet::new();
        for (index, secret) in self.secrets.iter().enumerate() {
            let known = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if !(1..=MAX_NAME).contains(&secret.name.len()) || !secret.name.bytes().all(known) {
                let message = format!("\"{}\" is not a secret's name", secret.name);
                check.problem(at!["secret", index, "name"], message, "write letters, digits, hyphens and underscores");
            }
            check.unique(at!["secret", index, "name"], &secret.name, &mut names, "secrets");
            check.text(at!["secret", index, "title"], &secret.title, MAX_SUMMARY);
            if secret.hosts.is_empty() {
                let remedy = "name the hosts that it is sent to, as in http";
                check.problem(at!["secret", index, "hosts"], "no host is named", remedy);
            }
            for (place, host) in secret.hosts.iter().enumerate() {
                if !self.http.contains(host) {
                    let message = format!("\"{host}\" is none of the hosts in http");
                    check.problem(at!["secret", index, "hosts", place], message, "add it to http, or remove it here");
                }
            }
        }
        if let Some(schema) = &self.settings
            && let Err(error) = Settings::compile(schema)
        {
            let place = if error.path.is_empty() { String::new() } else { format!(" at {}", error.path) };
            check.problem(
                at!["settings", "schema"],
                format!("the settings schema{place}: {}", error.message),
                error.remedy,
            );
        }
        if self.workflows.is_empty() {
            let remedy = "add a [[workflow]] table with name, title and a [[workflow.trigger]]";
            check.problem(&[], "the plugin has no workflow", remedy);
        }
        check.count(at!["workflow"], self.workflows.len());
        let mut names = HashSet::new();
        for (index, workflow) in self.workflows.iter().enumerate() {
            check.unique(at!["workflow", index, "name"], &workflow.name, &mut names, "workflows");
            check.workflow(index, workflow);
        }
        check.count(at!["template"], self.templates.len());
        let mut names = HashSet::new();
        for (index, template) in self.templates.iter().enumerate() {
            check.slug(at!["template", index, "name"], &template.name);
            check.unique(at!["template", index, "name"], &template.name, &mut names, "templates");
            if template.subject.contains(['\n', '\r']) {
                check.problem(
                    at!["template", index, "subject"],
                    "it has a line break",
                    "write the subject in one line",
                );
            }
            for (key, text) in [("text", Some(&template.text)), ("html", template.html.as_ref())] {
                let bytes = text.map_or(0, |text| text.len());
                if bytes > MAX_TEMPLATE {
                    let message = format!("the template is {bytes} bytes long, more than {MAX_TEMPLATE}");
                    check.problem(at!["template", index, key], message, "shorten it; pictures belong behind links");
                }
            }
        }
        check.found
    }
}

impl Checker {
    fn workflow(&mut self, index: usize, workflow: &Workflow) {
        self.slug(at!["workflow", index, "name"], &workflow.name);
        self.text(at!["workflow", index, "title"], &workflow.title, MAX_TITLE);
        if !workflow.summary.is_empty() {
            self.text(at!["workflow", index, "summary"], &workflow.summary, MAX_SUMMARY);
        }
        if workflow.triggers.is_empty() && !workflow.manual {
            let message = format!("nothing starts the workflow \"{}\"", workflow.name);
            self.problem(at!["workflow", index], message, "add a [[workflow.trigger]], or manual = true");
        }
        self.count(at!["workflow", index, "trigger"], workflow.triggers.len());
        for (number, trigger) in workflow.triggers.iter().enumerate() {
            match trigger {
                Trigger::Event { kinds, condition } => {
                    let steps = at!["workflow", index, "trigger", number, "event"];
                    if kinds.is_empty() {
                        self.problem(steps, "no event kind is given", "name at least one, such as \"cart.updated\"");
                    }
                    self.count(steps, kinds.len());
                    let mut seen = HashSet::new();
                    for (place, kind) in kinds.iter().enumerate() {
                        let steps = at!["workflow", index, "trigger", number, "event", place];
                        if !is_event_kind(kind) {
                            let message = format!("\"{kind}\" is not an event kind");
                            self.problem(steps, message, "write words joined by dots, such as \"cart.updated\"");
                        }
                        self.unique(steps, kind, &mut seen, "kinds");
                    }
                    if let Some(condition) = condition {
                        self.expression(at!["workflow", index, "trigger", number, "when"], condition);
                    }
                }
                Trigger::Schedule { cron, .. } => {
                    let fields = cron.split_whitespace().count();
                    if fields != 5 && !(fields == 1 && cron.trim().starts_with('@')) {
                        let message = format!("\"{cron}\" is not a crontab schedule: it has {fields} fields");
                        let remedy =
                            "write five fields (minute hour day month weekday), such as \"0 6 * * *\", or \"@daily\"";
                        self.problem(at!["workflow", index, "trigger", number, "schedule"], message, remedy);
                    }
                }
            }
        }
        if let Some(concurrency) = &workflow.concurrency {
            self.expression(at!["workflow", index, "concurrency", "key"], &concurrency.key);
        }
        let retries = &workflow.retries;
        if retries.max > MAX_RETRIES {
            let message = format!("{} retries are more than {MAX_RETRIES}", retries.max);
            let remedy = "lower it: with waits that double, few retries span days";
            self.problem(at!["workflow", index, "retry", "max"], message, remedy);
        }
        if !(1..=DAY).contains(&retries.initial_seconds) {
            let message = format!("{} seconds are not between 1 and {DAY}", retries.initial_seconds);
            self.problem(at!["workflow", index, "retry", "initial_seconds"], message, "write a time within a day");
        }
        if !(retries.initial_seconds..=7 * DAY).contains(&retries.max_seconds) {
            let message = format!(
                "{} seconds are not between initial_seconds ({}) and {}",
                retries.max_seconds,
                retries.initial_seconds,
                7 * DAY
            );
            self.problem(
                at!["workflow", index, "retry", "max_seconds"],
                message,
                "write the longest wait, within a week",
            );
        }
        let limits = &workflow.limits;
        for (key, value) in [
            ("fuel", limits.fuel),
            ("memory_bytes", limits.memory_bytes),
            ("log_bytes", limits.log_bytes),
            ("journal_entries", limits.journal_entries),
            ("output_bytes", limits.output_bytes),
        ] {
            if value == Some(0) {
                let steps = at!["workflow", index, "limits", key];
                self.problem(steps, "no run can end within 0", "raise it, or leave it out for the host's limit");
            }
        }
    }
}

/// Lower-case words of letters and digits joined by single hyphens, a letter first.
pub(crate) fn is_slug(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// The name that was probably meant.
fn slug_of(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    Some(words.join("-")).filter(|proposal| is_slug(proposal))
}

/// Two numbers and a dot.
fn is_interface_version(text: &str) -> bool {
    let number = |part: &str| {
        !part.is_empty()
            && part.len() <= 5
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    text.split_once('.').is_some_and(|(major, minor)| number(major) && number(minor))
}

/// Two or more words joined by dots; words of letters, digits, `-`, `_` and `/`.
fn is_event_kind(kind: &str) -> bool {
    kind.len() <= MAX_KIND
        && kind.contains('.')
        && kind.split('.').all(|word| {
            word.starts_with(|c: char| c.is_ascii_alphanumeric())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte))
        })
}

/// `host`, `host:port`, `*.domain` or `*`; an address in place of the host too. What is wrong and what to do otherwise.
fn check_host(text: &str) -> Result<(), (String, String)> {
    let wrong = |why: &str, remedy: &str| Err((format!("\"{text}\" is not a host: {why}"), remedy.to_owned()));
    let name_alone = "write the host alone, such as \"api.example.com\" or \"api.example.com:8443\"";
    if text.contains("://") {
        return wrong("it has a scheme", name_alone);
    }
    if text.contains(['/', '?', '#', '@']) {
        return wrong("it has more than a host", name_alone);
    }
    // Whatever the operator names.
    if text == "*" {
        return Ok(());
    }
    let whole = text;
    let text = text.strip_prefix("*.").unwrap_or(text);
    if text.contains('*') {
        return wrong("it has a wildcard within", "write `*.example.com` for all that is below, or name each host");
    }
    let bare = text.split(':').next().unwrap_or_default();
    if whole != text && (!bare.contains('.') || bare.parse::<Ipv4Addr>().is_ok() || bare.starts_with('[')) {
        return wrong("behind `*.` stands no domain", "write a domain of two labels or more, such as `*.example.com`");
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, tail)) if address.parse::<Ipv6Addr>().is_ok() => {
                if !tail.is_empty() && !tail.starts_with(':') {
                    return wrong("there is something behind the address", name_alone);
                }
                (None, tail.strip_prefix(':'))
            }
            _ => return wrong("it is no IPv6 address in brackets", name_alone),
        },
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    if let Some(port) = port
        && !(port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0))
    {
        return wrong("its port is not a number from 1 to 65535", name_alone);
    }
    let Some(host) = host else { return Ok(()) };
    if host.parse::<Ipv4Addr>().is_ok() {
        return Ok(());
    }
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return wrong("it has capitals", "write it in lower case");
    }
    let labels_fit = host.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    });
    if host.len() > 253 || !labels_fit {
        return wrong(
            "it is no domain name",
            "write letters, digits, hyphens and dots; other scripts in their xn-- form",
        );
    }
    // A last label of digits alone is how malformed addresses look.
    if host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        return wrong("it is neither a domain name nor an address", name_alone);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_what_is_none() {
        for good in [
            "api.example.com",
            "api.example.com:8443",
            "localhost",
            "10.0.0.1:80",
            "[::1]:8080",
            "[2001:db8::1]",
            "*",
            "*.example.com",
        ] {
            assert_eq!(check_host(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("https://api.example.com", "scheme"),
            ("api.example.com/v1", "more than a host"),
            ("user@example.com", "more than a host"),
            ("a.*.example.com", "wildcard"),
            ("*.com", "no domain"),
            ("*.1.2.3.4", "no domain"),
            ("Example.com", "capitals"),
            ("example.com:0", "port"),
            ("example.com:+80", "port"),
            ("example.com:", "port"),
            ("1.2.3.4.5", "neither"),
            ("a..b", "domain name"),
            ("", "domain name"),
            ("-a.com", "domain name"),
            ("[::1", "brackets"),
            ("[::1]x", "behind"),
        ] {
            let (message, _) = check_host(bad).expect_err(bad);
            assert!(message.contains(why), "{bad}: {message}");
        }
    }

    #[test]
    fn event_kinds_and_names_have_a_shape() {
        for good in ["cart.updated", "competitor.price-changed", "shopify.orders/edited", "com.example.Someevent"] {
            assert!(is_event_kind(good), "{good}");
        }
        for bad in ["cart", "cart.", ".updated", "cart updated.x", "cart.*", ""] {
            assert!(!is_event_kind(bad), "{bad}");
        }
        for bad in ["", "Cart", "1cart", "cart--recovery", "cart-", "cart_recovery"] {
            assert!(!is_slug(bad), "{bad}");
        }
        assert_eq!(slug_of("Cart Recovery!").as_deref(), Some("cart-recovery"));
    }
}
