//! `plugin.toml`: who a plugin is, which workflows it has and what starts them.
//!
//! The same [`Manifest`] is read from `plugin.toml` by a developer ([`Manifest::read`]) and from the
//! component by a host ([`extract`]); both check the same rules ([`Manifest::problems`]). CEL and cron
//! texts are carried as they are: whoever runs the workflows compiles them.

mod check;
mod section;
mod toml;

use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use check::Problem;
pub(crate) use check::is_slug;
pub use section::{FORMAT, SECTION, embed, extract};
pub use toml::FILE_NAME;

/// A plugin's manifest, complete: the texts of template files and the settings schema are in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Lower-case words joined by hyphens, such as `cart-recovery`. With the publisher it names the plugin.
    pub name: String,
    /// Semantic version.
    pub version: Version,
    /// What people read in lists.
    pub title: String,
    /// What it does, in a sentence or two.
    pub summary: String,
    /// Who publishes it: written like `name`.
    pub publisher: String,
    /// The version of the WIT interface it was written for, such as `0.1`.
    pub wit: String,
    /// SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Where to read more; an https address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// For finding it in a catalogue; written like `name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Hosts it wants to call: each `host`, `host:port`, `*.domain` (all below it), or `*` for those that the
    /// operator names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<String>,
    /// Secrets that it writes as placeholders into its requests.
    #[serde(default, rename = "secret", skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretWanted>,
    /// JSON Schema (2020-12) of its settings, always of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Value>,
    /// What it runs; at least one.
    #[serde(rename = "workflow")]
    pub workflows: Vec<Workflow>,
    /// What its messages are made from.
    #[serde(default, rename = "template", skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Template>,
}

/// One workflow of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// Written like the plugin's name; unique in the plugin.
    pub name: String,
    /// What people read in lists.
    pub title: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Started by hand, by the API or by another workflow, and so in no need of a trigger.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub manual: bool,
    /// What starts it.
    #[serde(default, rename = "trigger", skip_serializing_if = "Vec::is_empty")]
    pub triggers: Vec<Trigger>,
    /// What happens when it is started again while a run of the same key is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// How often a failed run is tried again.
    #[serde(default, rename = "retry")]
    pub retries: Retry,
    /// Limits below the host's own, for one run.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
}

/// What starts a workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "on", deny_unknown_fields)]
pub enum Trigger {
    /// An event of one of `kinds` that satisfies `condition`.
    Event {
        /// Dotted kinds such as `cart.updated`; at least one.
        kinds: Vec<String>,
        /// CEL over `event`; none: every event of these kinds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        condition: Option<String>,
    },
    /// A time in the shop's time zone.
    Schedule {
        /// Five-field crontab text or an alias such as `@daily`.
        cron: String,
        /// What becomes of times that passed while the host was down.
        #[serde(default)]
        missed: Missed,
    },
}

/// What becomes of scheduled times that passed while the host was down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missed {
    /// One run makes up for all of them.
    #[default]
    Once,
    /// They are let go.
    None,
    /// One run each.
    All,
}

/// What a second trigger of the same key does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Concurrency {
    /// CEL over `event` that gives a string, usually an entity.
    pub key: String,
    /// What the second one does.
    pub rule: ConcurrencyRule,
}

/// What a second trigger of the same key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConcurrencyRule {
    /// Runs too.
    #[default]
    Allow,
    /// Waits until the first has ended.
    Queue,
    /// Is dropped.
    Skip,
    /// Ends the first and takes its place (debounce).
    Replace,
}

/// How often, and after how long, a run that failed with `retry` is tried again. The waits double
/// from `initial_seconds` up to `max_seconds`, with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Tries after the first; 0 is none, 100 the most.
    pub max: u32,
    /// Before the first retry, in seconds; 1 to 86,400 (a day).
    pub initial_seconds: u64,
    /// The longest wait, in seconds; at least `initial_seconds`, at most 604,800 (a week).
    pub max_seconds: u64,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { max: 5, initial_seconds: 5, max_seconds: 3_600 }
    }
}

/// Limits of one run that a workflow sets for itself; the host's own apply where they are lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Fuel over the whole run (about one unit an instruction).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// Linear memory and tables, summed, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Log text, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_bytes: Option<u64>,
    /// Host calls in the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal_entries: Option<u64>,
    /// Actions carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effects: Option<u64>,
    /// The outcome, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
}

impl Limits {
    /// True where nothing is limited further than the host limits it.
    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }
}

/// What a message is made from. The texts are templates; whoever renders them compiles them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// What the plugin calls it by; written like the plugin's name.
    pub name: String,
    /// Subject line, for email.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Plain text body.
    pub text: String,
    /// HTML or MJML body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// A secret that a plugin wants to be set. It never sees the value: it writes `{{secret:NAME}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretWanted {
    /// Letters, digits, `-` and `_`; unique in the plugin.
    pub name: String,
    /// What it is and where to get it, for the operator.
    pub title: String,
    /// Where it is sent: hosts among those of `http`.
    pub hosts: Vec<String>,
}

impl Manifest {
    /// The workflow of that name.
    pub fn workflow(&self, name: &str) -> Option<&Workflow> {
        self.workflows.iter().find(|workflow| workflow.name == name)
    }

    /// The template of that name.
    pub fn template(&self, name: &str) -> Option<&Template> {
        self.templates.iter().find(|template| template.name == name)
    }
}

/// What is wrong in `plugin.toml` or a file it names, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManifestError {
    /// The file, as the caller named it or as the manifest names it.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ManifestError { file, line, column, message, remedy } = self;
        write!(f, "{file}:{line}:{column}: {message}\n  remedy: {remedy}")
    }
}

impl std::error::Error for ManifestError {}
