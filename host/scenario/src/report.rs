//! What came of scenarios, for people.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    time::Duration,
};

use crate::ScenarioError;

/// A difference between what was expected and what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The line of the scenario file that expected something else.
    pub line: usize,
    /// The difference.
    pub text: String,
}

/// How a scenario ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As expected.
    Passed,
    /// Otherwise.
    Failed {
        /// Where and how.
        failures: Vec<Failure>,
        /// Every run, call by call.
        timelines: Vec<String>,
    },
    /// The file could not be read or carried out.
    Broken(ScenarioError),
}

/// What came of one scenario.
#[derive(Debug, Clone)]
pub struct Report {
    /// The file.
    pub path: PathBuf,
    /// What it shows.
    pub title: String,
    /// How it ended.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
    /// How much virtual time passed in it.
    pub passed: Duration,
    /// The journaled host calls that were made, by workflow: `orders.get`.
    pub used: BTreeMap<String, BTreeSet<String>>,
}

impl Report {
    /// True if it ended as expected.
    pub fn is_passed(&self) -> bool {
        self.verdict == Verdict::Passed
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.path.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        let title = if self.title.is_empty() { &name } else { self.title.as_str() };
        let word = if self.is_passed() { "ok    " } else { "FAILED" };
        write!(f, "{word} {title}")?;
        if self.is_passed() {
            let days = self.passed.as_secs_f64() / 86_400.0;
            return write!(f, " ({days:.1} days in {} ms)", self.took.as_millis());
        }
        match &self.verdict {
            Verdict::Passed => Ok(()),
            Verdict::Broken(error) => write!(f, "\n  {}", error.to_string().replace('\n', "\n  ")),
            Verdict::Failed { failures, timelines } => {
                for Failure { line, text } in failures {
                    write!(f, "\n  {}:{line}: {text}", self.path.display())?;
                }
                for timeline in timelines {
                    write!(f, "\n\n  {}", timeline.replace('\n', "\n  "))?;
                }
                Ok(())
            }
        }
    }
}

/// What came of all scenarios of a plugin.
#[derive(Debug, Clone)]
pub struct Summary {
    /// One for each file, by name.
    pub reports: Vec<Report>,
    /// The host calls that the component imports and whose use leaves a trace: `orders.get`.
    pub imported: BTreeSet<String>,
    /// How long all of it took.
    pub took: Duration,
}

impl Summary {
    /// How many ended otherwise than expected.
    pub fn failed(&self) -> usize {
        self.reports.iter().filter(|report| !report.is_passed()).count()
    }

    /// The host calls that were made, by workflow.
    pub fn used(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (workflow, calls) in self.reports.iter().flat_map(|report| &report.used) {
            used.entry(workflow.clone()).or_default().extend(calls.iter().cloned());
        }
        used
    }

    /// The host calls that the component imports and no scenario made.
    pub fn unused(&self) -> BTreeSet<String> {
        let used: BTreeSet<String> = self.used().into_values().flatten().collect();
        self.imported.difference(&used).cloned().collect()
    }

    /// The coverage in words.
    pub fn coverage(&self) -> String {
        let mut text = String::from("host calls made by the scenarios");
        for (workflow, calls) in self.used() {
            let calls: Vec<String> = calls.into_iter().collect();
            text.push_str(&format!("\n  {workflow}: {}", calls.join(", ")));
        }
        let unused: Vec<String> = self.unused().into_iter().collect();
        let covered = self.imported.len() - unused.len();
        text.push_str(&format!("\n{covered} of {} imported functions were called", self.imported.len()));
        if !unused.is_empty() {
            text.push_str(&format!("; no scenario called {}", unused.join(", ")));
        }
        text
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for report in &self.reports {
            writeln!(f, "{report}")?;
        }
        let failed = self.failed();
        write!(f, "{} passed, {failed} failed in {} ms", self.reports.len() - failed, self.took.as_millis())
    }
}
