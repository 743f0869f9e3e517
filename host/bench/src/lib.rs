//! `shopwright bench`: what a host reaches on this machine.
//!
//! This process makes the load; the host is a process of its own (the same binary's `serve`, on loopback,
//! with its data in a temporary folder), reached by HTTP as anybody reaches it. So its processor time,
//! its memory and what it writes are read from the operating system ([`process`]), its own counters from
//! `/metrics` ([`figures`]), and whether anything was lost or done twice from its database, after it has
//! ended ([`database`]).
//!
//! One file a measurement: [`throughput`], [`latency`], [`waiting`], [`due`], [`start`]; [`trial`] measures
//! backtests and shadows in this process.

mod database;
mod due;
mod error;
mod figures;
mod host;
mod latency;
mod load;
mod machine;
mod process;
mod report;
mod shop;
mod start;
mod throughput;
mod trial;
mod waiting;
mod wire;

use std::path::{Path, PathBuf};

use crate::{
    database::{Cluster, Kind, Place},
    host::Components,
};
pub use crate::{
    error::BenchError,
    machine::Machine,
    report::{Figure, Report, Target, Unit},
};

/// Something that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measurement {
    /// Events a second, from the request to the end of the run.
    Throughput,
    /// From the request to the end of the run, at 200 events a second.
    Latency,
    /// What 100,000 waiting runs cost.
    Waiting,
    /// 10,000 runs due in the same second.
    Due,
    /// From the start of the process to the first answer.
    Start,
    /// A backtest of a day of 50,000 events.
    Backtest,
    /// What a shadow adds to the cost of an event.
    Shadow,
}

impl Measurement {
    /// All of them, in the order they are made.
    pub const ALL: [Self; 7] =
        [Self::Throughput, Self::Latency, Self::Waiting, Self::Due, Self::Start, Self::Backtest, Self::Shadow];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::Latency => "latency",
            Self::Waiting => "waiting",
            Self::Due => "due",
            Self::Start => "start",
            Self::Backtest => "backtest",
            Self::Shadow => "shadow",
        }
    }
}

impl std::str::FromStr for Measurement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|one| one.as_str() == text)
            .ok_or_else(|| format!("`{text}` is no measurement; there are {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// What is measured, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// The host's binary.
    pub program: PathBuf,
    /// How long the throughput's load is kept up, in seconds.
    pub seconds: u64,
    /// Only these; all of them when empty.
    pub only: Vec<Measurement>,
    /// Small sizes: whether it works at all, not what is reached.
    pub quick: bool,
    /// Measure on SQLite.
    pub sqlite: bool,
    /// Measure on PostgreSQL.
    pub postgres: Postgres,
    /// Connections that send one event a request.
    pub connections: usize,
    /// Where the temporary folders are made: it decides which disk is measured.
    pub folder: PathBuf,
}

/// Which PostgreSQL server is measured on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Postgres {
    /// None.
    No,
    /// One of our own if `initdb` is on the PATH, started for the measurement.
    Own,
    /// This one; its user must be allowed to create databases.
    At(String),
}

/// How large the measurements are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub load_seconds: u64,
    pub warm_up: u64,
    pub paced_seconds: u64,
    pub waiting: u64,
    pub due: u64,
    pub due_in_seconds: u64,
    pub starts: usize,
    /// Events of a backtest's span.
    pub backtest: u64,
    /// Events with a shadow, and without.
    pub shadow: u64,
}

impl Options {
    fn sizes(&self) -> Sizes {
        if self.quick {
            let load_seconds = self.seconds.min(2);
            return Sizes {
                load_seconds,
                warm_up: 200,
                paced_seconds: 2,
                waiting: 2_000,
                due: 500,
                due_in_seconds: 4,
                starts: 2,
                backtest: 1_000,
                shadow: 500,
            };
        }
        Sizes {
            load_seconds: self.seconds,
            warm_up: 5_000,
            paced_seconds: 10,
            waiting: 100_000,
            due: 10_000,
            due_in_seconds: 20,
            starts: 5,
            backtest: 50_000,
            shadow: 20_000,
        }
    }
}

/// What every measurement gets.
pub(crate) struct Bench<'a> {
    pub options: &'a Options,
    pub sizes: Sizes,
    pub components: Components,
    pub say: &'a dyn Fn(&str),
}

impl Bench<'_> {
    fn folder(&self) -> &Path {
        &self.options.folder
    }
}

/// Measures. `say` is told what is going on, a line at a time.
///
/// Must run on a runtime with one thread, so that the load costs the host as little as possible.
///
/// # Errors
/// When something cannot be measured. What is measured and wrong (an event lost, an effect done twice) is
/// in the report's faults.
pub async fn run(options: &Options, say: &dyn Fn(&str)) -> Result<Report, BenchError> {
    let machine = Machine::look(&options.folder)?;
    let components = Components::package().await?;
    let bench = Bench { options, sizes: options.sizes(), components, say };
    let mut report = Report::new(machine, options.quick);
    if options.sqlite {
        measure(&bench, Kind::Sqlite, None, &mut report).await?;
    }
    match &options.postgres {
        Postgres::No => {}
        Postgres::At(url) => measure(&bench, Kind::Postgres, Some(&Cluster::at(url)), &mut report).await?,
        Postgres::Own => match Cluster::start(bench.folder()).await? {
            Some(cluster) => {
                measure(&bench, Kind::Postgres, Some(&cluster), &mut report).await?;
                cluster.stop().await;
            }
            None => say("no PostgreSQL: there is no initdb on the PATH, and none was given with --postgres"),
        },
    }
    Ok(report)
}

async fn measure(
    bench: &Bench<'_>,
    kind: Kind,
    cluster: Option<&Cluster>,
    report: &mut Report,
) -> Result<(), BenchError> {
    let wanted = |one: Measurement| bench.options.only.is_empty() || bench.options.only.contains(&one);
    for measurement in Measurement::ALL.into_iter().filter(|one| wanted(*one)) {
        (bench.say)(&format!("{} on {kind}", measurement.as_str()));
        let place = Place::new(bench.folder(), cluster).await?;
        let made = match measurement {
            Measurement::Throughput => throughput::measure(bench, &place).await,
            Measurement::Latency => latency::measure(bench, &place).await,
            Measurement::Waiting => waiting::measure(bench, &place).await,
            Measurement::Due => due::measure(bench, &place).await,
            Measurement::Start => start::measure(bench, &place).await,
            Measurement::Backtest => trial::backtests(bench, &place).await,
            Measurement::Shadow => trial::shadows(bench, &place).await,
        }?;
        place.remove().await?;
        report.add(measurement, kind, made);
    }
    Ok(())
}
