//! `plugin.toml` to a [`Manifest`], every error with its line.

use std::io;
use std::ops::Range;
use std::path::{Component, Path};

use semver::Version;
use serde::Deserialize;
use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::check::{MAX_TEMPLATE, Step};
use super::{Concurrency, Limits, Manifest, ManifestError, Missed, Retry, SecretWanted, Template, Trigger, Workflow};
use crate::json_place;
use crate::settings::Settings;

/// What the manifest's file is called.
pub const FILE_NAME: &str = "plugin.toml";

/// A `plugin.toml` is at most this long.
const MAX_TOML: usize = 1 << 20;

/// How the file is written. What a workflow or template carries differs from what the manifest keeps, so
/// it has types of its own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    version: String,
    title: String,
    summary: String,
    publisher: String,
    wit: String,
    license: Option<String>,
    homepage: Option<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    http: Vec<String>,
    #[serde(default)]
    secret: Vec<SecretWanted>,
    #[serde(default)]
    settings: SettingsTable,
    #[serde(default)]
    workflow: Vec<WorkflowTable>,
    #[serde(default)]
    template: Vec<TemplateTable>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct SettingsTable {
    schema: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorkflowTable {
    name: String,
    title: String,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    manual: bool,
    #[serde(default)]
    trigger: Vec<TriggerTable>,
    concurrency: Option<Concurrency>,
    #[serde(default)]
    retry: Retry,
    #[serde(default)]
    limits: Limits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerTable {
    event: Option<Vec<String>>,
    when: Option<String>,
    schedule: Option<String>,
    missed: Option<Missed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateTable {
    name: String,
    #[serde(default)]
    subject: String,
    text: String,
    html: Option<String>,
}

impl Manifest {
    /// Reads `plugin.toml` in `folder`, and the schema and templates that it names.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file, line and remedy.
    pub fn read(folder: &Path) -> Result<Manifest, ManifestError> {
        let path = folder.join(FILE_NAME);
        let file = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|error| ManifestError {
            file: file.clone(),
            line: 1,
            column: 1,
            message: format!("it cannot be read: {error}"),
            remedy: "run the command in the plugin's folder, or begin one with `shopwright plugin new`".into(),
        })?;
        Manifest::parse_toml_with(&text, &file, &mut |name| std::fs::read_to_string(folder.join(name)))
    }

    /// Reads a manifest from the text of `plugin.toml`; `file_name` stands in the errors. There is no
    /// folder, so a manifest that names other files (schema, templates) is refused.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and remedy.
    pub fn parse_toml(text: &str, file_name: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse_toml_with(text, file_name, &mut |_| {
            Err(io::Error::new(io::ErrorKind::NotFound, "there is no folder to read it from"))
        })
    }

    /// Reads a manifest from the text of `plugin.toml`; `load` gives the text of a file that it names, by
    /// its relative path with slashes.
    ///
    /// # Errors
    /// The first thing that is wrong, with its file, line and remedy.
    pub fn parse_toml_with(
        text: &str,
        file_name: &str,
        load: &mut dyn FnMut(&str) -> io::Result<String>,
    ) -> Result<Manifest, ManifestError> {
        Manifest::check_toml(text, file_name, load)
            .map_err(|mut errors| errors.drain(..).next().expect("a refusal has at least one error"))
    }

    /// As [`Manifest::parse_toml_with`], with everything that is wrong where it can be told apart.
    ///
    /// # Errors
    /// At least one error, in the order of the file.
    pub fn check_toml(
        text: &str,
        file_name: &str,
        load: &mut dyn FnMut(&str) -> io::Result<String>,
    ) -> Result<Manifest, Vec<ManifestError>> {
        let source = Source { text, file_name };
        if text.len() > MAX_TOML {
            let message = format!("it is {} bytes long, more than {MAX_TOML}", text.len());
            return Err(vec![source.error(0..0, message, "shorten it")]);
        }
        let document = DeTable::parse(text).map_err(|error| vec![source.syntax(&error)])?;
        let file: File = toml::from_str(text).map_err(|error| vec![source.shape(&error)])?;
        let mut reading = Reading { source, document: document.get_ref(), load, errors: Vec::new() };
        let manifest = reading.manifest(file);
        if reading.errors.is_empty()
            && let Some(manifest) = &manifest
        {
            for problem in manifest.problems() {
                let span = locate(reading.document, &problem.steps);
                reading.errors.push(source.error(span, problem.message, problem.remedy));
            }
        }
        match manifest {
            Some(manifest) if reading.errors.is_empty() => Ok(manifest),
            _ => {
                reading.errors.sort_by_key(|error| (error.file != file_name, error.line, error.column));
                Err(reading.errors)
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Source<'a> {
    text: &'a str,
    file_name: &'a str,
}

impl Source<'_> {
    fn error(&self, span: Range<usize>, message: impl Into<String>, remedy: impl Into<String>) -> ManifestError {
        let (line, column) = json_place::line_and_column(self.text, span.start);
        ManifestError { file: self.file_name.to_owned(), line, column, message: message.into(), remedy: remedy.into() }
    }

    /// The text is no TOML.
    fn syntax(&self, error: &toml::de::Error) -> ManifestError {
        let message = error.message().to_owned();
        let remedy = if message.contains("duplicate key") {
            "remove one of the two, or begin a new [[workflow]] or [[template]]"
        } else {
            "write it as TOML 1.0: texts in double quotes, lists in brackets"
        };
        self.error(error.span().unwrap_or(0..0), message, remedy)
    }

    /// The text is TOML, but no manifest.
    fn shape(&self, error: &toml::de::Error) -> ManifestError {
        let message = error.message().trim();
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let remedy = if message.starts_with("missing field") {
            match quoted.first() {
                Some(&"version") => "add version = \"0.1.0\"".to_owned(),
                Some(&"wit") => "add wit = \"0.1\"".to_owned(),
                Some(name) => format!("add {name} = \"…\""),
                None => "add it".to_owned(),
            }
        } else if let (true, Some((written, known))) = (message.starts_with("unknown"), quoted.split_first()) {
            match nearest(written, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("remove it; what can stand here: {}", known.join(", ")),
            }
        } else if message.contains("expected a sequence") {
            "write a list in brackets, such as [\"cart.updated\"]; tables that repeat have double brackets, such as [[workflow]]"
                .to_owned()
        } else if message.contains("expected a string") {
            "write a text in double quotes".to_owned()
        } else {
            "write what is expected".to_owned()
        };
        self.error(error.span().unwrap_or(0..0), message, remedy)
    }
}

/// The word among `known` that `written` is a slip of.
fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|word| (edit_distance(written, word), *word));
    scored.min().filter(|(distance, word)| *distance <= 2.max(word.len() / 3)).map(|(_, word)| word)
}

/// Levenshtein distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// Where in the document the steps lead; the last table or value on the way where they lead nowhere.
fn locate(document: &DeTable<'_>, steps: &[Step]) -> Range<usize> {
    let mut span = 0..0;
    let mut table = Some(document);
    let mut value: Option<&DeValue<'_>> = None;
    for step in steps {
        let next = match step {
            Step::Key(key) => {
                table.and_then(|table| table.iter().find(|(name, _)| name.get_ref() == *key)).map(|(_, value)| value)
            }
            Step::Index(index) => value.and_then(|value| value.as_array()).and_then(|array| array.get(*index)),
        };
        let Some(next) = next else { break };
        span = next.span();
        value = Some(next.get_ref());
        table = next.get_ref().as_table();
    }
    span
}

/// Turns the file's tables into the manifest and collects what only the file can have wrong.
struct Reading<'a, 'l> {
    source: Source<'a>,
    document: &'a DeTable<'a>,
    load: &'l mut dyn FnMut(&str) -> io::Result<String>,
    errors: Vec<ManifestError>,
}

impl Reading<'_, '_> {
    fn wrong(&mut self, steps: &[Step], message: impl Into<String>, remedy: impl Into<String>) {
        let span = locate(self.document, steps);
        self.errors.push(self.source.error(span, message, remedy));
    }

    /// None where an error was recorded that leaves no manifest.
    fn manifest(&mut self, file: File) -> Option<Manifest> {
        let version = match Version::parse(&file.version) {
            Ok(version) => Some(version),
            Err(error) => {
                let message = format!("\"{}\" is not a semantic version: {error}", file.version);
                self.wrong(&["version".into()], message, "write three numbers, such as \"0.1.0\"");
                None
            }
        };
        let settings = match &file.settings.schema {
            Some(name) => self.schema(name),
            None => None,
        };
        let workflows =
            file.workflow.into_iter().enumerate().map(|(index, table)| self.workflow(index, table)).collect();
        let templates =
            file.template.into_iter().enumerate().map(|(index, table)| self.template(index, table)).collect();
        Some(Manifest {
            name: file.name,
            version: version?,
            title: file.title,
            summary: file.summary,
            publisher: file.publisher,
            wit: file.wit,
            license: file.license,
            homepage: file.homepage,
            categories: file.categories,
            http: file.http,
            secrets: file.secret,
            settings,
            workflows,
            templates,
        })
    }

    fn workflow(&mut self, index: usize, table: WorkflowTable) -> Workflow {
        let triggers = table
            .trigger
            .into_iter()
            .enumerate()
            .filter_map(|(number, trigger)| {
                let steps = ["workflow".into(), index.into(), "trigger".into(), number.into()];
                self.trigger(&steps, trigger)
            })
            .collect();
        Workflow {
            name: table.name,
            title: table.title,
            summary: table.summary,
            manual: table.manual,
            triggers,
            concurrency: table.concurrency,
            retries: table.retry,
            limits: table.limits,
        }
    }

    fn trigger(&mut self, steps: &[Step], table: TriggerTable) -> Option<Trigger> {
        let below = |key: &'static str| [steps, &[Step::Key(key)]].concat();
        match table {
            TriggerTable { event: Some(kinds), when, schedule: None, missed: None } => {
                Some(Trigger::Event { kinds, condition: when })
            }
            TriggerTable { event: None, when: None, schedule: Some(cron), missed } => {
                Some(Trigger::Schedule { cron, missed: missed.unwrap_or_default() })
            }
            TriggerTable { event: Some(_), schedule: Some(_), .. } => {
                let remedy = "write two [[workflow.trigger]] tables, one with event and one with schedule";
                self.wrong(&below("schedule"), "a trigger is an event or a schedule, not both", remedy);
                None
            }
            TriggerTable { event: None, schedule: None, .. } => {
                let remedy = "add event = [\"cart.updated\"] or schedule = \"0 6 * * *\"";
                self.wrong(steps, "the trigger has neither event nor schedule", remedy);
                None
            }
            TriggerTable { event: Some(_), .. } => {
                self.wrong(&below("missed"), "only a schedule can miss its time", "remove `missed`");
                None
            }
            TriggerTable { .. } => {
                self.wrong(&below("when"), "a schedule has no event that a condition could look at", "remove `when`");
                None
            }
        }
    }

    fn template(&mut self, index: usize, table: TemplateTable) -> Template {
        let steps = |key: &'static str| ["template".into(), index.into(), key.into()];
        let text = self.file(&steps("text"), &table.text).unwrap_or_default();
        let html = table.html.and_then(|name| self.file(&steps("html"), &name));
        Template { name: table.name, subject: table.subject, text, html }
    }

    /// The text of a file that the manifest names, which must lie in the plugin's folder.
    fn file(&mut self, steps: &[Step], name: &str) -> Option<String> {
        let inside = !name.is_empty()
            && !name.contains(['\\', ':', '\0'])
            && Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !inside {
            let message = format!("\"{name}\" is not a file in the plugin's folder");
            self.wrong(steps, message, "write its path from the folder of plugin.toml, with slashes and without `..`");
            return None;
        }
        match (self.load)(name) {
            Ok(text) if text.len() > MAX_TEMPLATE => {
                let message = format!("\"{name}\" is {} bytes long, more than {MAX_TEMPLATE}", text.len());
                self.wrong(steps, message, "shorten it");
                None
            }
            Ok(text) => Some(text),
            Err(error) => {
                let remedy = "write the path from the folder of plugin.toml, or create the file in UTF-8";
                self.wrong(steps, format!("\"{name}\" cannot be read: {error}"), remedy);
                None
            }
        }
    }

    /// The settings schema; its errors point into its own file.
    fn schema(&mut self, name: &str) -> Option<Value> {
        let text = self.file(&["settings".into(), "schema".into()], name)?;
        let folder = Path::new(self.source.file_name).parent();
        let file = folder.map_or_else(|| name.to_owned(), |folder| folder.join(name).display().to_string());
        let schema: Value = match serde_json::from_str(&text) {
            Ok(schema) => schema,
            Err(error) => {
                self.errors.push(ManifestError {
                    file,
                    line: error.line().max(1),
                    column: error.column().max(1),
                    message: format!("it is not JSON: {error}"),
                    remedy: "write a JSON Schema, beginning with {\"type\": \"object\"}".into(),
                });
                return None;
            }
        };
        if let Err(error) = Settings::compile(&schema) {
            let (line, column) = json_place::line_and_column(&text, json_place::offset_of(&text, &error.path));
            let place = if error.path.is_empty() { String::new() } else { format!("{}: ", error.path) };
            let message = format!("{place}{}", error.message);
            self.errors.push(ManifestError { file, line, column, message, remedy: error.remedy });
            return None;
        }
        Some(schema)
    }
}
