//! Components and installations: what the engine keeps ready of them.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shopwright_connectors::templates::Template;
use shopwright_model::Millis;
use shopwright_policy::Grants;
use shopwright_registry::{ConcurrencyRule, Manifest, Missed, Permission, Retry, Trigger};
use shopwright_sandbox::{GuestLimits, Imports, Prepared};
use shopwright_store::ops::Rule;
use shopwright_triggers::{Condition, KeyExpr, Root, Schedule};

use crate::{
    EngineError,
    core::Core,
    cx::RunCx,
    limits::{Limits, Meter},
    rollout::{Rollout, Share, Watch},
};

/// A component with its manifest, compiled: what every run of this digest shares.
pub(crate) struct Program {
    pub manifest: Manifest,
    pub imports: Imports,
    pub workflows: Vec<CompiledWorkflow>,
    templates: HashMap<String, Template>,
}

/// A workflow of a manifest, compiled.
pub(crate) struct CompiledWorkflow {
    pub name: String,
    /// The triggers that are event kinds.
    pub triggers: Vec<EventTrigger>,
    /// The triggers that are times.
    pub schedules: Vec<(Schedule, Missed)>,
    pub key: Option<KeyExpr>,
    pub rule: Rule,
    pub retry: Retry,
    pub guest: GuestLimits,
    pub journal_entries: u32,
    pub effects: u32,
}

/// Event kinds with a condition.
pub(crate) struct EventTrigger {
    pub kinds: Vec<String>,
    pub condition: Option<Condition>,
}

/// A version as an installation runs it.
pub(crate) struct Side {
    pub digest: String,
    pub program: Arc<Program>,
    pub settings: Arc<str>,
    pub grants: Arc<Grants>,
}

/// An installation, ready to take events.
pub(crate) struct Installed {
    pub record: Installation,
    pub program: Arc<Program>,
    pub settings: Arc<str>,
    pub grants: Arc<Grants>,
    /// What is being tried, and on whom.
    pub candidate: Option<(Share, Side)>,
    /// Counts how a new version does.
    pub watch: Option<Arc<Watch>>,
    /// Counts what is limited.
    pub meter: Option<Arc<Meter>>,
}

impl Installed {
    /// With its version alone: no candidate, nothing watched, nothing limited.
    pub fn of(record: Installation, program: Arc<Program>) -> Self {
        Self {
            settings: record.settings.to_string().into(),
            grants: Arc::new(record.grants.clone()),
            candidate: None,
            watch: None,
            meter: None,
            program,
            record,
        }
    }

    /// Whether events and schedules start runs of it.
    pub fn takes_events(&self) -> bool {
        self.record.mode != Mode::Paused
    }
}

/// How an installation treats events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Its runs act.
    Live,
    /// Its runs' actions are judged and recorded, not carried out.
    Shadow,
    /// It starts no runs; those that wait go on.
    Paused,
}

impl Mode {
    /// As the store keeps it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Shadow => "shadow",
            Self::Paused => "paused",
        }
    }

    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "shadow" => Self::Shadow,
            "paused" => Self::Paused,
            _ => Self::Live,
        }
    }
}

/// A plugin enabled in a shop.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Installation {
    /// Unique within the shop.
    pub id: String,
    /// Shop.
    pub shop: String,
    /// Plugin's name.
    pub plugin: String,
    /// Version.
    pub version: String,
    /// Component's digest.
    pub digest: String,
    /// Settings, defaults filled in.
    pub settings: Value,
    /// What it may do.
    pub grants: Grants,
    /// How it treats events.
    pub mode: Mode,
    /// The live installation that a shadow stands beside; none: the one of the same plugin.
    pub beside: Option<String>,
    /// How its versions follow one another.
    pub rollout: Rollout,
    /// How much it may use.
    pub limits: Limits,
    /// First enabled.
    pub created_at: Millis,
    /// Last changed.
    pub updated_at: Millis,
}

/// What is asked for when a plugin is enabled.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// The installation's id; the plugin's name where absent.
    #[serde(default)]
    pub id: Option<String>,
    /// Plugin's name.
    pub plugin: String,
    /// Version; the highest that was uploaded where absent.
    #[serde(default)]
    pub version: Option<String>,
    /// Settings; what is absent takes the schema's default.
    #[serde(default)]
    pub settings: Value,
    /// What it may do: `[{"function": "orders.get"}, …]`; all that it asks for where absent.
    #[serde(default)]
    pub grants: Option<Value>,
    /// `live` where absent.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// For a shadow: the live installation it stands beside; that of the same plugin where absent.
    #[serde(default)]
    pub beside: Option<String>,
}

/// What is changed of an installation: what is absent stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// All settings anew.
    #[serde(default)]
    pub settings: Option<Value>,
    /// All grants anew.
    #[serde(default)]
    pub grants: Option<Value>,
    /// Mode.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// The live installation it stands beside; empty: that of the same plugin.
    #[serde(default)]
    pub beside: Option<String>,
    /// Another version of the plugin; runs in flight stay on theirs.
    #[serde(default)]
    pub version: Option<String>,
}

/// A version of a plugin that was uploaded.
#[derive(Debug, Clone, Serialize)]
pub struct VersionInfo {
    /// Plugin's name.
    pub plugin: String,
    /// Semantic version.
    pub version: String,
    /// Component's digest.
    pub digest: String,
    /// What it says of itself.
    pub manifest: Manifest,
    /// What it asks for.
    pub permissions: Vec<Permission>,
    /// The same in a sentence.
    pub summary: String,
    /// Where it came from.
    pub source: String,
    /// When.
    pub created_at: Millis,
}

impl Program {
    /// Compiles what a manifest carries as text.
    ///
    /// # Errors
    /// The first CEL or cron text that does not compile, with its place.
    pub fn new(core: &Core, manifest: Manifest, imports: Imports) -> Result<Self, EngineError> {
        let mut workflows = Vec::new();
        for (w, workflow) in manifest.workflows.iter().enumerate() {
            let place = |rest: &str| format!("/workflow/{w}{rest}");
            let mut triggers = Vec::new();
            let mut schedules = Vec::new();
            for (t, trigger) in workflow.triggers.iter().enumerate() {
                match trigger {
                    Trigger::Event { kinds, condition } => {
                        let condition =
                            condition.as_ref().map(|text| Condition::compile(text, Root::Event)).transpose().map_err(
                                |e| EngineError::invalid("bad-condition", place(&format!("/trigger/{t}/when")), e),
                            )?;
                        triggers.push(EventTrigger { kinds: kinds.clone(), condition });
                    }
                    Trigger::Schedule { cron, missed } => {
                        let schedule = Schedule::parse(cron).map_err(|e| {
                            EngineError::invalid("bad-schedule", place(&format!("/trigger/{t}/schedule")), e)
                        })?;
                        schedules.push((schedule, *missed));
                    }
                }
            }
            let (key, rule) = match &workflow.concurrency {
                None => (None, Rule::Allow),
                Some(concurrency) => {
                    let key = KeyExpr::compile(&concurrency.key)
                        .map_err(|e| EngineError::invalid("bad-key", place("/concurrency/key"), e))?;
                    let rule = match concurrency.rule {
                        ConcurrencyRule::Allow => Rule::Allow,
                        ConcurrencyRule::Queue => Rule::Queue,
                        ConcurrencyRule::Skip => Rule::Skip,
                        ConcurrencyRule::Replace => Rule::Replace,
                    };
                    (Some(key), rule)
                }
            };
            let own = &workflow.limits;
            let mut guest = core.limits.guest;
            let small =
                |own: Option<u64>, host: usize| own.and_then(|n| usize::try_from(n).ok()).map_or(host, |n| n.min(host));
            guest.fuel = own.fuel.map_or(guest.fuel, |n| n.min(guest.fuel));
            guest.memory_bytes = small(own.memory_bytes, guest.memory_bytes);
            guest.log_bytes = small(own.log_bytes, guest.log_bytes);
            guest.output_bytes = small(own.output_bytes, guest.output_bytes);
            let few =
                |own: Option<u64>, host: u32| own.and_then(|n| u32::try_from(n).ok()).map_or(host, |n| n.min(host));
            workflows.push(CompiledWorkflow {
                name: workflow.name.clone(),
                triggers,
                schedules,
                key,
                rule,
                retry: workflow.retries,
                guest,
                journal_entries: few(own.journal_entries, core.limits.journal_entries),
                effects: few(own.effects, core.limits.effects),
            });
        }
        let mut templates = HashMap::new();
        for (t, template) in manifest.templates.iter().enumerate() {
            let compiled =
                Template::compile(&template.name, &template.subject, &template.text, template.html.as_deref())
                    .map_err(|e| EngineError::invalid("bad-template", format!("/template/{t}"), e))?;
            templates.insert(template.name.clone(), compiled);
        }
        Ok(Self { manifest, imports, workflows, templates })
    }

    pub fn template(&self, name: &str) -> Option<&Template> {
        self.templates.get(name)
    }

    pub fn workflow(&self, name: &str) -> Option<&CompiledWorkflow> {
        self.workflows.iter().find(|w| w.name == name)
    }

    /// The functions it imports, as (interface, function).
    pub fn asks_for(&self) -> impl Iterator<Item = (&str, &str)> {
        self.imports.functions.iter().map(|f| (f.interface.as_str(), f.function.as_str()))
    }
}

/// Functions that every plugin may use: durable execution itself and its own memory.
pub(crate) fn is_free(interface: &str) -> bool {
    matches!(interface, "workflow" | "memory")
}

impl Core {
    /// The program of a digest, loaded from the store if need be.
    pub async fn program(&self, digest: &str) -> Result<Arc<Program>, EngineError> {
        if let Some(program) = self.programs.read().get(digest) {
            return Ok(program.clone());
        }
        let bytes = self.store.component(digest).await?.ok_or_else(|| EngineError::not_found("component", digest))?;
        let manifest = shopwright_registry::extract(&bytes)
            .map_err(EngineError::internal)?
            .ok_or_else(|| EngineError::internal(format!("component {digest} has no manifest")))?;
        let imports = self.sandbox.inspect(&bytes).map_err(EngineError::internal)?;
        let program = Arc::new(Program::new(self, manifest, imports)?);
        self.programs.write().insert(digest.to_owned(), program.clone());
        Ok(program)
    }

    /// The component of a digest, compiled and linked with these grants.
    pub async fn prepared(&self, digest: &str, grants: &Grants) -> Result<Arc<Prepared<RunCx>>, EngineError> {
        let mut hasher = DefaultHasher::new();
        for grant in grants.iter() {
            grant.function.hash(&mut hasher);
        }
        let key = (digest.to_owned(), hasher.finish());
        if let Some(prepared) = self.prepared.read().get(&key) {
            return Ok(prepared.clone());
        }
        let compiled = match self.sandbox.load(digest) {
            Some(compiled) => compiled,
            None => {
                let bytes =
                    self.store.component(digest).await?.ok_or_else(|| EngineError::not_found("component", digest))?;
                let (sandbox, digest) = (self.sandbox.clone(), digest.to_owned());
                tokio::task::spawn_blocking(move || sandbox.compile(&bytes, &digest))
                    .await
                    .map_err(EngineError::internal)?
                    .map_err(EngineError::internal)?
            }
        };
        let allowed = |interface: &str, function: &str| is_free(interface) || grants.allows(interface, function);
        let prepared = self
            .sandbox
            .prepare(&compiled, &self.functions, &allowed)
            .map_err(|error| EngineError::Refused { code: "not-granted", reason: error.to_string() })?;
        let prepared = Arc::new(prepared);
        self.prepared.write().insert(key, prepared.clone());
        Ok(prepared)
    }
}
