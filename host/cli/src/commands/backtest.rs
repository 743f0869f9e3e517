//! `shopwright backtest`, and the printing of reports.

use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value};

use super::{Context, Limit, items, json_argument, say_more, span};
use crate::{
    client::Client,
    failure::{Failure, Result},
    output::{self, Table, cell, fields, time},
};

/// How often a running backtest is looked at.
const LOOK: Duration = Duration::from_millis(300);

/// Try a version or other settings over what happened: nothing of it touches the shop.
#[derive(Debug, Subcommand)]
pub enum Backtest {
    /// Run one, and print what it found.
    #[command(
        after_help = "Example:\n  shopwright backtest run cart-recovery --from 7d\n  shopwright backtest run dynamic-pricing --try-version 0.3.0 --from 2026-03-01 --to 2026-03-08\n  shopwright backtest run cart-recovery --from 30d --settings @settings.json --no-wait"
    )]
    Run(Start),
    /// List backtests, the newest first.
    #[command(after_help = "Example:\n  shopwright backtest list")]
    List {
        #[command(flatten)]
        limit: Limit,
    },
    /// Show a backtest with its report.
    #[command(after_help = "Example:\n  shopwright backtest show bt_01a2b3c4d5e6f")]
    Show {
        /// Its id.
        id: String,
    },
    /// List what was done differently, event by event.
    #[command(after_help = "Example:\n  shopwright backtest differences bt_01a2b3c4d5e6f --limit 500 --json")]
    Differences {
        /// Its id.
        id: String,
        #[command(flatten)]
        limit: Limit,
    },
    /// Stop a backtest.
    #[command(after_help = "Example:\n  shopwright backtest cancel bt_01a2b3c4d5e6f")]
    Cancel {
        /// Its id.
        id: String,
    },
}

/// What is tried.
#[derive(Debug, Args)]
pub struct Start {
    /// The installation it is compared with; it gives settings and grants.
    #[arg(required_unless_present = "plugin")]
    installation: Option<String>,
    /// The plugin, where it is not that of the installation, or nothing is installed.
    #[arg(long)]
    plugin: Option<String>,
    /// The version [default: that of the installation, else the highest].
    #[arg(long, value_name = "VERSION")]
    try_version: Option<String>,
    /// Other settings: JSON text, `@file`, or `-`.
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// Other grants: JSON text, `@file`, or `-`.
    #[arg(long, value_name = "JSON")]
    grants: Option<String>,
    /// Do not judge by the shop's guardrails.
    #[arg(long)]
    no_guardrails: bool,
    /// The first moment: 2026-03-01, 2026-03-01T10:00:00Z, or 7d (ago).
    #[arg(long, value_name = "TIME", value_parser = span::flag)]
    from: i64,
    /// The end [default: now].
    #[arg(long, value_name = "TIME", value_parser = span::flag)]
    to: Option<i64>,
    /// Print its id and leave it to itself.
    #[arg(long)]
    no_wait: bool,
}

/// Does it.
pub async fn run(context: &Context, command: Backtest) -> Result {
    let client = context.client()?;
    match command {
        Backtest::Run(start) => begin(context, &client, start).await?,
        Backtest::List { limit } => {
            let answer = client.list(&["backtests"], &[], limit.items()).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["BACKTEST", "STATE", "INSTALLATION", "VERSION", "FROM", "TO", "CREATED"]);
                for one in items(answer) {
                    table.row([
                        cell(&one["id"]),
                        cell(&one["state"]),
                        cell(&one["request"]["installation"]),
                        cell(&one["report"]["tested"]["version"]),
                        time(&one["request"]["from"]),
                        time(&one["request"]["to"]),
                        time(&one["created_at"]),
                    ]);
                }
                table.print("No backtests.");
                say_more(answer);
            });
        }
        Backtest::Show { id } => {
            let answer = client.get(&["backtests", &id], &[]).await?;
            context.show(&answer, print_backtest);
        }
        Backtest::Differences { id, limit } => {
            let answer = client.list(&["backtests", &id, "differences"], &[], limit.items()).await?;
            context.show(&answer, |answer| {
                print_pairs(items(answer));
                say_more(answer);
            });
        }
        Backtest::Cancel { id } => {
            let answer = client.post(&["backtests", &id, "cancel"], &Value::Null).await?;
            context.show(&answer, |answer| {
                let what = if answer["cancelled"] == true { "is being stopped" } else { "had ended before" };
                output::line(format!("{id} {what}"));
            });
        }
    }
    Ok(())
}

async fn begin(context: &Context, client: &Client, start: Start) -> Result {
    let mut body = Map::new();
    for (name, text) in [("installation", start.installation), ("plugin", start.plugin), ("version", start.try_version)]
    {
        body.extend(text.map(|text| (name.to_owned(), Value::from(text))));
    }
    for (name, flag, text) in [("settings", "--settings", &start.settings), ("grants", "--grants", &start.grants)] {
        if let Some(text) = text {
            body.insert(name.into(), json_argument(flag, text)?);
        }
    }
    body.insert("guardrails".into(), (!start.no_guardrails).into());
    body.insert("from".into(), start.from.into());
    body.extend(start.to.map(|to| ("to".to_owned(), Value::from(to))));
    let mut answer = client.post(&["backtests"], &Value::Object(body)).await?;
    let id = cell(&answer["id"]);
    if start.no_wait {
        context.show(&answer, |_| output::line(&id));
        return Ok(());
    }
    let bar = if context.global.json { ProgressBar::hidden() } else { ProgressBar::new(0) };
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} events  {elapsed}") {
        bar.set_style(style);
    }
    while matches!(answer["state"].as_str(), Some("queued" | "running")) {
        tokio::time::sleep(LOOK).await;
        answer = client.get(&["backtests", &id], &[]).await?;
        bar.set_message(cell(&answer["state"]));
        bar.set_length(answer["progress"]["events"].as_u64().unwrap_or(0));
        bar.set_position(answer["progress"]["done"].as_u64().unwrap_or(0));
    }
    bar.finish_and_clear();
    context.show(&answer, print_backtest);
    if answer["state"] == "done" { Ok(()) } else { Err(Failure::silent()) }
}

fn print_backtest(backtest: &Value) {
    let progress = &backtest["progress"];
    let took = progress["seconds"].as_f64().filter(|seconds| *seconds > 0.0);
    fields(&[
        ("backtest", cell(&backtest["id"])),
        ("state", cell(&backtest["state"])),
        ("error", cell(&backtest["error"])),
        (
            "progress",
            format!(
                "{} of {} events{}",
                cell(&progress["done"]),
                cell(&progress["events"]),
                took.map_or_else(String::new, |seconds| format!(", {seconds:.1} s"))
            ),
        ),
    ]);
    if backtest["report"].is_object() {
        output::line("");
        print_report(&backtest["report"]);
        output::line(format!(
            "\nWhat differs, event by event: shopwright backtest differences {}",
            cell(&backtest["id"])
        ));
    }
}

/// A report's totals, for people.
pub fn print_report(report: &Value) {
    let side = |side: &Value| {
        let name = format!("{} {}", cell(&side["plugin"]), cell(&side["version"]));
        match side["installation"].as_str() {
            Some(installation) => format!("{name} ({installation})"),
            None => name,
        }
    };
    let totals = &report["totals"];
    fields(&[
        ("tried", side(&report["tested"])),
        ("live", if report["live"].is_object() { side(&report["live"]) } else { String::new() }),
        ("span", format!("{} to {}", time(&report["from"]), time(&report["to"]))),
        ("events", cell(&report["events"])),
        ("pairs", cell(&totals["pairs"])),
        ("  same", format!("{} (and {} asked for nothing)", cell(&totals["same"]), cell(&totals["neither"]))),
        ("  different", cell(&totals["different"])),
        ("  only tried", cell(&totals["only_tested"])),
        ("  only live", cell(&totals["only_live"])),
        ("  not ended", cell(&totals["open"])),
    ]);
    let list = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    let both = |one: &Value, name: &str| [cell(&one["tested"][name]), cell(&one["live"][name])];
    let mut table = Table::new(&["RUNS", "STARTED", "DONE", "FAILED", "CANCELLED", "WAITING"]);
    for (name, runs) in [("tried", &report["tested_runs"]), ("live", &report["live_runs"])] {
        let count = |what: &str| cell(&runs[what]);
        table.row([
            name.into(),
            count("started"),
            count("done"),
            count("failed"),
            count("cancelled"),
            count("waiting"),
        ]);
    }
    output::line("");
    table.print("");
    let mut table = Table::new(&["ACTION", "TRIED", "DENIED", "LIVE", "DENIED"]);
    for action in list("actions") {
        let ([tested, live], [denied, live_denied]) = (both(&action, "asked"), both(&action, "denied"));
        table.row([cell(&action["action"]), tested, denied, live, live_denied]);
    }
    output::line("");
    table.print("Nothing was asked for.");
    let mut table = Table::new(&["MONEY", "CURRENCY", "TRIED", "LIVE"]);
    for sum in list("money") {
        let amount = |side: &str| format!("{} in {}", minor(&sum[side]), cell(&sum[format!("{side}_count").as_str()]));
        table.row([cell(&sum["what"]), cell(&sum["currency"]), amount("tested"), amount("live")]);
    }
    for (name, head, columns) in [
        ("guardrails", ["GUARDRAIL", "SAID", "WORDS", "TRIED", "LIVE"], ["rule", "said", "words", "tested", "live"]),
        ("failures", ["FAILURE", "", "MESSAGE", "TRIED", "LIVE"], ["code", "", "message", "tested", "live"]),
    ] {
        let rows = list(name);
        if !rows.is_empty() {
            let mut table = Table::new(&head);
            for row in rows {
                table.row(columns.map(|column| cell(&row[column])));
            }
            output::line("");
            table.print("");
        }
    }
    if !list("money").is_empty() {
        output::line("");
        table.print("");
    }
    for note in list("notes") {
        output::line(format!("\nNote: {}.", cell(&note)));
    }
}

/// Minor units as people write them, for currencies of two digits; the sum is as exact.
fn minor(value: &Value) -> String {
    let n = value.as_i64().unwrap_or_default();
    let sign = if n < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", n.unsigned_abs() / 100, n.unsigned_abs() % 100)
}

/// Pairs with what differs, for people.
pub fn print_pairs(pairs: &[Value]) {
    let mut table = Table::new(&["EVENT", "WORKFLOW", "VERDICT", "FIELD", "TRIED", "LIVE"]);
    for pair in pairs {
        let place = match pair["event"].as_i64() {
            Some(seq) => seq.to_string(),
            None => time(&pair["scheduled_at"]),
        };
        let verdict = cell(&pair["verdict"]).replace('_', " ");
        for (n, difference) in pair["differences"].as_array().into_iter().flatten().enumerate() {
            let [place, workflow, verdict] =
                if n == 0 { [place.clone(), cell(&pair["workflow"]), verdict.clone()] } else { Default::default() };
            table.row([
                place,
                workflow,
                verdict,
                cell(&difference["field"]),
                cell(&difference["tested"]),
                cell(&difference["live"]),
            ]);
        }
    }
    table.print("Nothing differs.");
}
