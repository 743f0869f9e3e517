//! Scenario tests: a component in the real engine, in virtual time.
//!
//! A scenario is a TOML file beside a plugin, in `scenarios/`. It gives a shop, lets things happen and
//! time pass, and says which actions follow, and that no others do:
//!
//! ```toml
//! title = "A cart that was left is remembered after two hours"
//!
//! [[product]]
//! id = "p1"
//! variants = [{ id = "p1-1", price = "20.00 EUR", cost = "8.00 EUR" }]
//!
//! [[customer]]
//! id = "42"
//! consent = ["email"]
//!
//! [[step]]
//! event = "cart.updated"
//! data = { id = "c1", customer = "42", lines = [{ variant_id = "p1-1", quantity = 2 }] }
//! waits = [{ for = "order.placed", until = "+2h" }]
//!
//! [[step]]
//! after = "2h"
//! expect = [{ action = "send-email", customer = "42", template = "cart-reminder", text = "~2 x p1" }]
//!
//! [[run]]
//! outcome = { result = "reminded" }
//! ```
//!
//! # What a file can say
//!
//! - `title`; `base = "_shop.toml"`: another file (its name begins with `_`, so that it is no scenario
//!   itself) whose shop, settings, guardrails and records come first.
//! - `[shop]`: `name`, `currency` (EUR), `time_zone` (Europe/Berlin), `begin` (Monday 2026-03-02, 10:00
//!   in Berlin), `guardrails` (`"default"`: those of a new shop; `"none"`).
//! - `[settings]`: the installation's settings. `[[guardrail]]`: further guardrails of the shop.
//! - Records that are there from the beginning: `[[customer]]`, `[[product]]`, `[[level]]`, `[[cart]]`,
//!   `[[order]]`, `[[ticket]]`, `[[article]]`, `[[review]]`, `[[competitor_price]]`, `[[engagement]]`,
//!   `[[discount]]`, with the field names of the interface. What a test does not care about is left out
//!   and filled in. Money is `"19.99 EUR"`; times are `"-3d"` or `"+2h"`, from the beginning; a customer's
//!   `consent = ["email"]` and a ticket's `text = "…"` are short forms.
//! - `[[step]]`, in order: `after` (time that passes first), then one of `event` with `data` (for an entity
//!   known already, what changes) and `concerns`, `start` (a workflow, by hand) with `input`, or `answer`
//!   (to the one open question). `expect` lists the actions since the step before, in order: none, if it
//!   is left out. `waits` lists what the runs wait for then, if it is there.
//! - `[[http]]`: a server of others, for plugins that call one: part of the `request` (`method`, `url`,
//!   `headers`, `body`) and the `answer` (`status`, `headers`, `body`, or `error`: `connect`, `dns`, `tls`, `lost`,
//!   `timeout`). Each is expected once, or as often as `times` says, or however often with `any = true`. A request
//!   that none expects fails the scenario. Secrets stay placeholders:
//!
//!   ```toml
//!   [[http]]
//!   request = { method = "POST", url = "https://crm.example.com/contacts", body = { email = "ann@example.com" } }
//!   answer = { status = 201, body = { id = "7" } }
//!   ```
//! - `[[run]]`: what became of every run, in the order they began: `workflow`, `state` (`done` unless told),
//!   part of its `outcome` or `error`. Left out, no run may have failed.
//!
//! Expectations name what matters: an action needs only have the fields that are named, among them `action`
//! (`messaging.send-email`, or `send-email`), the arguments of the call, `at` (`"+2h"`), `state` (`done`
//! unless told; `denied` where a guardrail forbids it, with the rule in `error`), and for messages `to`,
//! `subject` and `text` as they were sent. A text that begins with `~` need only be contained.

mod error;
mod file;
mod fill;
mod look;
mod matching;
mod play;
mod remote;
mod report;
mod template;
mod time;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use shopwright_registry::Manifest;
use shopwright_sandbox::Sandbox;

pub use error::ScenarioError;
pub use report::{Failure, Report, Summary, Verdict};
pub use template::NewPlugin;

use error::Source;
use file::Scenario;
use play::Script;

/// Runs the scenarios of one component.
pub struct Runner {
    sandbox: Sandbox,
    component: Vec<u8>,
    manifest: Manifest,
}

/// Why a component cannot be tested.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// It is no component that the host runs.
    #[error(transparent)]
    Sandbox(#[from] shopwright_sandbox::SandboxError),
    /// Its manifest cannot be used.
    #[error(transparent)]
    Registry(#[from] shopwright_registry::RegistryError),
    /// It has no manifest.
    #[error("the component carries no manifest: build it with `shopwright plugin build`")]
    NoManifest,
    /// The folder of scenarios cannot be read.
    #[error("{}: {reason}; scenarios are files that end in .toml, in the folder `scenarios` of a plugin", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Runner {
    /// For a component with its manifest in it.
    ///
    /// # Errors
    /// A component without a manifest.
    pub fn new(sandbox: Sandbox, component: Vec<u8>) -> Result<Runner, RunnerError> {
        let manifest = shopwright_registry::extract(&component)?.ok_or(RunnerError::NoManifest)?;
        Ok(Runner { sandbox, component, manifest })
    }

    /// Runs one scenario.
    pub async fn run_file(&self, path: &Path) -> Report {
        let began = Instant::now();
        let mut report = Report {
            path: path.to_owned(),
            title: String::new(),
            verdict: Verdict::Passed,
            took: Duration::ZERO,
            passed: Duration::ZERO,
            used: std::collections::BTreeMap::new(),
        };
        match self.play(path, &mut report.title).await {
            Ok(played) => {
                report.used = played.used;
                report.passed = Duration::from_millis(played.passed.unsigned_abs());
                if !played.failures.is_empty() {
                    report.verdict = Verdict::Failed { failures: played.failures, timelines: played.timelines };
                }
            }
            Err(error) => report.verdict = Verdict::Broken(error),
        }
        report.took = began.elapsed();
        report
    }

    /// Runs every scenario of a folder, by name; with `only`, those whose file name contains it. Files
    /// that begin with `_` are bases of others.
    ///
    /// # Errors
    /// A folder that cannot be read or has no scenario.
    pub async fn run_dir(&self, folder: &Path, only: Option<&str>) -> Result<Summary, RunnerError> {
        let began = Instant::now();
        let problem = |reason: String| RunnerError::Folder { folder: folder.to_owned(), reason };
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .map_err(|error| problem(error.to_string()))?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
            .filter(|path| {
                let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                !name.starts_with('_') && only.is_none_or(|part| name.contains(part))
            })
            .collect();
        files.sort();
        if files.is_empty() {
            return Err(problem(match only {
                Some(part) => format!("no scenario's name contains \"{part}\""),
                None => "there is no scenario".into(),
            }));
        }
        let mut reports = Vec::with_capacity(files.len());
        for path in &files {
            reports.push(self.run_file(path).await);
        }
        let imported = play::imported(&self.sandbox, &self.component)?;
        Ok(Summary { reports, imported, took: began.elapsed() })
    }

    async fn play(&self, path: &Path, title: &mut String) -> Result<play::Played, ScenarioError> {
        let source = Source::read(path)?;
        let scenario = Scenario::parse(&source)?;
        title.clone_from(&scenario.title);
        let base = match &scenario.base {
            None => None,
            Some(name) => {
                let path = path.with_file_name(name.get_ref());
                let base = Source::read(&path).map_err(|error| {
                    source.error(name.span().start, format!("the base {}: {}", error.file, error.message), error.remedy)
                })?;
                let parsed = Scenario::parse(&base)?;
                if let Some(step) = parsed.step.first() {
                    return Err(base.error(
                        step.span().start,
                        "a base has no steps",
                        "move the steps into the scenario",
                    ));
                }
                Some((base, parsed))
            }
        };
        let base = base.as_ref().map(|(source, scenario)| (source, scenario));
        play::play(
            &self.sandbox,
            &self.component,
            &self.manifest,
            &Script { source: &source, scenario: &scenario, base },
        )
        .await
    }
}
