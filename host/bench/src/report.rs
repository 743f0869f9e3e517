//! What was measured, beside what is aimed at: as a table for people and as JSON.

use std::fmt;

use serde_json::{Value, json};

use crate::{Machine, Measurement, database::Kind};

/// What a value is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 1/s.
    PerSecond,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Of a hundred.
    Percent,
    /// A number.
    Count,
}

impl Unit {
    const fn as_str(self) -> &'static str {
        match self {
            Self::PerSecond => "/s",
            Self::Micros => "µs",
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::Bytes => "B",
            Self::Percent => "%",
            Self::Count => "",
        }
    }

    fn show(self, value: f64) -> String {
        let digits = match self {
            Self::PerSecond | Self::Bytes | Self::Percent => 0,
            Self::Seconds => 2,
            Self::Micros | Self::Millis | Self::Count => 1,
        };
        format!("{} {}", grouped(value, digits), self.as_str()).trim_end().to_owned()
    }
}

/// A number with a comma between thousands.
fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (sign, text) = text.strip_prefix('-').map_or(("", &*text), |rest| ("-", rest));
    let (whole, fraction) = text.split_once('.').map_or((text, String::new()), |(w, f)| (w, format!(".{f}")));
    let mut out = String::new();
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    format!("{sign}{out}{fraction}")
}

/// What a value should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    limit: f64,
    at_least: bool,
    aim: Option<f64>,
}

impl Target {
    /// As much or more.
    #[must_use]
    pub const fn at_least(limit: f64) -> Self {
        Self { limit, at_least: true, aim: None }
    }

    /// Less.
    #[must_use]
    pub const fn below(limit: f64) -> Self {
        Self { limit, at_least: false, aim: None }
    }

    /// The same with what one would like to see.
    #[must_use]
    pub const fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    /// Whether a value meets it.
    #[must_use]
    pub fn is_met(&self, value: f64) -> bool {
        if self.at_least { value >= self.limit } else { value < self.limit }
    }

    fn show(&self, unit: Unit) -> String {
        let aim = self.aim.map_or_else(String::new, |aim| format!(" (aim {})", grouped(aim, 0)));
        let sign = if self.at_least { '≥' } else { '<' };
        let digits = usize::from(self.limit.fract() != 0.0);
        format!("{sign} {} {}{aim}", grouped(self.limit, digits), unit.as_str())
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name: two words with a dot, the same on every database.
    pub name: String,
    /// What it is, for people.
    pub what: String,
    /// How much.
    pub value: f64,
    /// Counted in what.
    pub unit: Unit,
    /// What it should be.
    pub target: Option<Target>,
}

impl Figure {
    pub(crate) fn new(group: &str, key: &str, what: &str, value: f64, unit: Unit, target: Option<Target>) -> Self {
        Self { name: format!("{group}.{key}"), what: what.to_owned(), value, unit, target }
    }
}

/// What one measurement gave on one database.
#[derive(Debug, Default)]
pub(crate) struct Made {
    lines: Vec<Line>,
    /// What is wrong.
    pub faults: Vec<String>,
}

#[derive(Debug)]
enum Line {
    Heading(String),
    Figure(Figure),
}

impl Made {
    /// What the figures that follow are about.
    pub fn heading(&mut self, text: String) {
        self.lines.push(Line::Heading(text));
    }

    /// A figure.
    pub fn add(&mut self, figure: Figure) {
        self.lines.push(Line::Figure(figure));
    }
}

/// What was measured.
#[derive(Debug)]
pub struct Report {
    machine: Machine,
    quick: bool,
    parts: Vec<(Measurement, Kind, Made)>,
}

impl Report {
    pub(crate) const fn new(machine: Machine, quick: bool) -> Self {
        Self { machine, quick, parts: Vec::new() }
    }

    pub(crate) fn add(&mut self, measurement: Measurement, kind: Kind, made: Made) {
        self.parts.push((measurement, kind, made));
    }

    /// What was found wrong: an event lost, an effect done twice.
    pub fn faults(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().flat_map(|(_, _, made)| made.faults.iter().map(String::as_str))
    }

    /// For scripts.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let machine = &self.machine;
        let figures = self.parts.iter().flat_map(|(measurement, kind, made)| {
            made.lines.iter().filter_map(move |line| {
                let Line::Figure(figure) = line else { return None };
                Some(json!({
                    "measurement": measurement.as_str(), "database": kind.to_string().to_lowercase(), "name": figure.name,
                    "what": figure.what.trim(), "value": figure.value, "unit": figure.unit.as_str(),
                    "target": figure.target.map(|target| target.limit), "met": figure.target.map(|target| target.is_met(figure.value)),
                }))
            })
        });
        json!({
            "version": env!("CARGO_PKG_VERSION"), "quick": self.quick,
            "machine": {
                "cores": machine.cores, "processor": machine.processor, "memory_bytes": machine.memory, "kernel": machine.kernel,
                "file_system": machine.file_system, "fdatasync_ms": machine.sync_ms, "load_average": machine.load,
                "optimised": machine.optimised,
            },
            "figures": figures.collect::<Vec<_>>(), "faults": self.faults().collect::<Vec<_>>(),
        })
    }

    fn databases(&self) -> Vec<Kind> {
        [Kind::Sqlite, Kind::Postgres]
            .into_iter()
            .filter(|kind| self.parts.iter().any(|part| part.1 == *kind))
            .collect()
    }

    fn header(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.machine;
        #[allow(clippy::cast_precision_loss)]
        let memory = machine.memory as f64 / f64::from(1 << 30);
        writeln!(f, "shopwright {} on {} cores of {}", env!("CARGO_PKG_VERSION"), machine.cores, machine.processor)?;
        writeln!(
            f,
            "{memory:.0} GiB of memory, Linux {}, {}, fdatasync of 4 KB {:.2} ms, load average before {:.1}",
            machine.kernel, machine.file_system, machine.sync_ms, machine.load
        )?;
        writeln!(f, "The load is made on the same machine; everything that is counted is durable.")?;
        if !machine.optimised {
            writeln!(f, "NOTE: this binary was built without optimisation; its figures say little.")?;
        }
        if machine.forgets() {
            writeln!(f, "NOTE: the data lies in memory ({}), so writing it costs nothing here.", machine.file_system)?;
        }
        if self.quick {
            writeln!(f, "NOTE: a quick run of small sizes; its figures say little.")?;
        }
        Ok(())
    }
}

/// The table.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WHAT: usize = 54;
        const VALUE: usize = 16;
        self.header(f)?;
        let databases = self.databases();
        write!(f, "\n{:WHAT$}", "")?;
        for kind in &databases {
            write!(f, "{:>VALUE$}", kind.to_string())?;
        }
        writeln!(f, "   target")?;
        for measurement in Measurement::ALL {
            let of =
                |kind: Kind| self.parts.iter().find(|part| part.0 == measurement && part.1 == kind).map(|part| &part.2);
            let made: Vec<Option<&Made>> = databases.iter().map(|kind| of(*kind)).collect();
            for row in rows(&made) {
                match row {
                    Row::Heading(text) => writeln!(f, "\n{} — {text}", measurement.as_str())?,
                    Row::Figures(figures) => {
                        let Some(first) = figures.iter().copied().flatten().next() else { continue };
                        write!(f, "{:WHAT$}", first.what)?;
                        for figure in &figures {
                            write!(f, "{:>VALUE$}", figure.map_or_else(|| "–".into(), |one| one.unit.show(one.value)))?;
                        }
                        if let Some(target) = &first.target {
                            let verdicts = figures
                                .iter()
                                .copied()
                                .flatten()
                                .map(|one| if target.is_met(one.value) { "met" } else { "MISSED" });
                            write!(f, "   {}: {}", target.show(first.unit), verdicts.collect::<Vec<_>>().join(", "))?;
                        }
                        writeln!(f)?;
                    }
                }
            }
        }
        let faults: Vec<&str> = self.faults().collect();
        if faults.is_empty() {
            writeln!(f, "\nNothing was lost, and nothing was done twice.")
        } else {
            writeln!(f, "\nWRONG:")?;
            faults.iter().try_for_each(|fault| writeln!(f, "  {fault}"))
        }
    }
}

enum Row<'a> {
    Heading(&'a str),
    Figures(Vec<Option<&'a Figure>>),
}

/// The lines of one measurement on all databases, each figure beside those of its name: in the order of the
/// first database, what only later ones have behind what it follows there.
fn rows<'a>(made: &[Option<&'a Made>]) -> Vec<Row<'a>> {
    let mut order: Vec<&Line> = Vec::new();
    let same = |a: &Line, b: &Line| match (a, b) {
        (Line::Figure(a), Line::Figure(b)) => a.name == b.name,
        (Line::Heading(a), Line::Heading(b)) => a == b,
        _ => false,
    };
    for made in made.iter().flatten() {
        let mut at = 0;
        for line in &made.lines {
            match order.iter().position(|known| same(known, line)) {
                Some(found) => at = found + 1,
                None => {
                    order.insert(at, line);
                    at += 1;
                }
            }
        }
    }
    let find = |name: &str, made: &Option<&'a Made>| {
        made.and_then(|made| {
            made.lines.iter().find_map(|line| match line {
                Line::Figure(figure) if figure.name == name => Some(figure),
                _ => None,
            })
        })
    };
    let row = |line: &'a Line| match line {
        Line::Heading(text) => Row::Heading(text),
        Line::Figure(figure) => Row::Figures(made.iter().map(|made| find(&figure.name, made)).collect()),
    };
    order.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let machine = Machine {
            cores: 2,
            processor: "Some processor".into(),
            memory: 24 << 30,
            kernel: "6.18.0".into(),
            file_system: "ext4".into(),
            sync_ms: 0.25,
            load: 0.1,
            optimised: true,
        };
        let mut report = Report::new(machine, false);
        let figure = |key: &str, value, target| Figure::new("x", key, key, value, Unit::PerSecond, target);
        let target = Some(Target::at_least(5_000.0).aim(10_000.0));
        for (kind, value) in [(Kind::Sqlite, 12_345.6), (Kind::Postgres, 4_999.4)] {
            let mut made = Made::default();
            made.heading("a load".into());
            made.add(figure("rate", value, target));
            if kind == Kind::Postgres {
                made.add(figure("server", 1.0, None));
                made.faults.push("an event was lost".into());
            }
            made.add(figure("last", 2.0, None));
            report.add(Measurement::Throughput, kind, made);
        }
        report
    }

    #[test]
    fn figures_stand_beside_their_like_with_what_was_met_and_what_is_wrong() {
        let text = report().to_string();
        let line = |begin: &str| {
            let line =
                text.lines().find(|line| line.starts_with(begin)).unwrap_or_else(|| panic!("{begin} in\n{text}"));
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(line("rate"), "rate 12,346 /s 4,999 /s ≥ 5,000 /s (aim 10,000): met, MISSED");
        assert_eq!(line("server"), "server – 1 /s");
        let (server, last) = (text.find("\nserver"), text.find("\nlast"));
        assert!(server < last, "{text}");
        assert!(text.contains("WRONG:\n  an event was lost"), "{text}");
    }

    #[test]
    fn scripts_get_the_same() {
        let json = report().to_json();
        let figures = json["figures"].as_array().expect("a list");
        assert_eq!(figures.len(), 5);
        assert_eq!((&figures[0]["name"], &figures[0]["met"]), (&json!("x.rate"), &json!(true)));
        assert_eq!((&figures[2]["database"], &figures[2]["met"]), (&json!("postgresql"), &json!(false)));
        assert_eq!(json["faults"][0], "an event was lost");
    }
}
