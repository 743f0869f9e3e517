//! Why a command failed, as it is shown: what, a code for scripts, where, and what to do.

use std::{fmt, io::Write as _, process::ExitCode};

use serde_json::{Value, json};

/// What commands return.
pub type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// Why a command failed. Boxed, since every command returns one.
#[derive(Debug)]
pub struct Failure(Box<Inner>);

#[derive(Debug, Default)]
struct Inner {
    message: String,
    code: String,
    remedy: Option<String>,
    places: Vec<String>,
    /// The problem document that the host sent.
    problem: Option<Value>,
    usage: bool,
    shown: bool,
}

impl Failure {
    /// A failure with its code.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { message: message.into(), code: code.into(), ..Inner::default() }))
    }

    /// The command was used wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        let mut failure = Self::new("usage", message);
        failure.0.usage = true;
        failure
    }

    /// What there is to say has been printed: only the exit code is left.
    pub fn silent() -> Self {
        let mut failure = Self::new("failed", "");
        failure.0.shown = true;
        failure
    }

    /// The same with what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.0.remedy = Some(remedy.into());
        self
    }

    /// A problem document from a host.
    pub fn of_problem(problem: Value) -> Self {
        let text = |field: &str| problem[field].as_str().map(str::to_owned);
        let places = problem["errors"].as_array().into_iter().flatten().map(|fault| {
            let pointer = fault["pointer"].as_str().filter(|pointer| !pointer.is_empty()).unwrap_or("/");
            let line = match (fault["line"].as_u64(), fault["column"].as_u64()) {
                (Some(line), Some(column)) => format!(" (line {line}, column {column})"),
                _ => String::new(),
            };
            format!("{pointer}{line}: {}", fault["detail"].as_str().unwrap_or_default())
        });
        let mut failure =
            Self::new(&text("code").unwrap_or_else(|| "failed".into()), text("detail").unwrap_or_default());
        failure.0.places = places.collect();
        failure.0.remedy = text("remedy");
        failure.0.problem = Some(problem);
        failure
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// Writes it to standard error: for people, or as one JSON document.
    pub fn print(&self, json: bool) {
        if self.0.shown {
            return;
        }
        let mut out = std::io::stderr().lock();
        // Nobody is left to tell when standard error is closed.
        let _ = if json {
            let own = json!({"code": self.0.code, "detail": self.0.message, "remedy": self.0.remedy});
            writeln!(out, "{}", self.0.problem.as_ref().unwrap_or(&own))
        } else {
            write!(out, "{self}")
        };
    }

    /// 2 for wrong use, else 1.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.0.usage { 2 } else { 1 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error[{}]: {}", self.0.code, self.0.message)?;
        // A single place is in the message already.
        if self.0.places.len() > 1 {
            for place in &self.0.places {
                writeln!(f, "  {place}")?;
            }
        }
        if let Some(remedy) = &self.0.remedy {
            writeln!(f, "  remedy: {remedy}")?;
        }
        if let Some(instance) = self.0.problem.as_ref().and_then(|problem| problem["instance"].as_str()) {
            writeln!(f, "  request: {instance}")?;
        }
        Ok(())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new("io", error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::new("json", error.to_string())
    }
}

/// Adds the file to an error of the system.
pub fn at_file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Failure + '_ {
    move |error| Failure::new("io", format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_shown_with_code_places_remedy_and_request() {
        let failure = Failure::of_problem(json!({
            "code": "invalid-event", "detail": "At /0/id: it is missing. There are 1 more faults.", "remedy": "Correct it.",
            "instance": "req_1", "status": 400,
            "errors": [{"pointer": "/0/id", "detail": "it is missing"}, {"pointer": "", "detail": "bad", "line": 2, "column": 3}],
        }));
        assert_eq!(
            failure.to_string(),
            "error[invalid-event]: At /0/id: it is missing. There are 1 more faults.\n  /0/id: it is missing\n  \
             / (line 2, column 3): bad\n  remedy: Correct it.\n  request: req_1\n"
        );
        assert_eq!(failure.exit_code(), ExitCode::from(1));
        assert_eq!(Failure::usage("no").exit_code(), ExitCode::from(2));
    }
}
