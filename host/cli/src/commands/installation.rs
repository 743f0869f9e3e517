//! `shopwright installation`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use super::{Context, Limit, backtest, confirm, grants, items, json_argument, limits, rollout, say_more, span};
use crate::{
    failure::{Failure, Result},
    output::{self, Table, cell, fields, time},
};

/// Look at, change, pause and remove what is installed.
#[derive(Debug, Subcommand)]
pub enum Installation {
    /// List installations.
    #[command(after_help = "Example:\n  shopwright installation list")]
    List,
    /// Show an installation: version, settings, grants.
    #[command(after_help = "Example:\n  shopwright installation show cart-recovery")]
    Show {
        /// Its id.
        id: String,
    },
    /// Change settings, grants, mode or version. What is not given stays.
    #[command(
        after_help = "Example:\n  shopwright installation set cart-recovery --settings @settings.json\n  shopwright installation set cart-recovery --grant messaging.send-email:per_day=200\n  shopwright installation set cart-recovery --to-version 0.3.0 --mode shadow"
    )]
    Set(Set),
    /// Set a shadow beside what is live: what it would have done, event by event.
    #[command(
        after_help = "Example:\n  shopwright installation report recovery-test\n  shopwright installation report recovery-test --from 2d --to 1d --beside cart-recovery"
    )]
    Report(Report),
    /// Pause an installation: it starts no runs, those that wait go on.
    #[command(after_help = "Example:\n  shopwright installation pause cart-recovery")]
    Pause {
        /// Its id.
        id: String,
    },
    /// Resume a paused installation.
    #[command(after_help = "Example:\n  shopwright installation resume cart-recovery")]
    Resume {
        /// Its id.
        id: String,
    },
    /// Try another version on a part of the runs, or show how that goes.
    #[command(
        after_help = "Example:\n  shopwright installation rollout cart-recovery --to-version 0.3.0 --percent 10 --max-failures 5\n  shopwright installation rollout cart-recovery"
    )]
    Rollout(rollout::Rollout),
    /// Make the candidate the version; the one before is kept for a rollback.
    #[command(after_help = "Example:\n  shopwright installation promote cart-recovery")]
    Promote {
        /// Its id.
        id: String,
    },
    /// Drop the candidate; without one, go back to the version before.
    #[command(after_help = "Example:\n  shopwright installation rollback cart-recovery --reason 'too many mails'")]
    Rollback {
        /// Its id.
        id: String,
        /// Why, for the record.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Show how much an installation uses of its limits, or set them.
    #[command(
        after_help = "Example:\n  shopwright installation limits cart-recovery\n  shopwright installation limits cart-recovery --effects-per-day 500 --runs-per-minute none"
    )]
    Limits {
        /// Its id.
        id: String,
        #[command(flatten)]
        limits: limits::LimitArgs,
    },
    /// Remove an installation: its waiting runs are cancelled, its history stays.
    #[command(after_help = "Example:\n  shopwright installation remove cart-recovery --yes")]
    Remove {
        /// Its id.
        id: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

/// What to change.
#[derive(Debug, Args)]
pub struct Set {
    /// The installation's id.
    id: String,
    /// All settings anew: JSON text, `@file`, or `-`.
    #[arg(long, value_name = "JSON")]
    settings: Option<String>,
    /// All grants anew: JSON text, `@file`, or `-`.
    #[arg(long, value_name = "JSON", conflicts_with = "grant")]
    grants: Option<String>,
    #[arg(long, value_name = "GRANT", help = grants::HELP)]
    grant: Vec<String>,
    /// How it treats events.
    #[arg(long, value_parser = ["live", "shadow", "paused"])]
    mode: Option<String>,
    /// Another version for new runs; those in flight stay on theirs.
    #[arg(long, value_name = "VERSION")]
    to_version: Option<String>,
    /// For a shadow: the live installation it stands beside; empty: that of the same plugin.
    #[arg(long, value_name = "ID")]
    beside: Option<String>,
    /// Take that version though nobody whom the shop trusts has signed it. This time; it is written down.
    #[arg(long, requires = "to_version")]
    allow_unsigned: bool,
}

/// Which part of a shadow's time is meant.
#[derive(Debug, Args)]
pub struct Report {
    /// The shadow's id.
    id: String,
    /// From when: 2026-03-01, 2026-03-01T10:00:00Z, or 7d (ago) [default: a week, or since it was enabled].
    #[arg(long, value_name = "TIME", value_parser = span::flag)]
    from: Option<i64>,
    /// Until when [default: now].
    #[arg(long, value_name = "TIME", value_parser = span::flag)]
    to: Option<i64>,
    /// The live installation to compare with [default: the one it stands beside].
    #[arg(long, value_name = "ID")]
    beside: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// Does it.
pub async fn run(context: &Context, command: Installation) -> Result {
    let client = context.client()?;
    let said = |what: &str| {
        let what = what.to_owned();
        move |installed: &Value| output::line(format!("{} {what}", cell(&installed["id"])))
    };
    match command {
        Installation::List => {
            let answer = client.get(&["installations"], &[]).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["ID", "PLUGIN", "VERSION", "MODE", "CHANGED"]);
                for installed in items(answer) {
                    table.row([
                        cell(&installed["id"]),
                        cell(&installed["plugin"]),
                        cell(&installed["version"]),
                        cell(&installed["mode"]),
                        time(&installed["updated_at"]),
                    ]);
                }
                table.print("Nothing is installed. Try: shopwright install PLUGIN");
            });
        }
        Installation::Show { id } => {
            let answer = client.get(&["installations", &id], &[]).await?;
            context.show(&answer, |installed| {
                let mut all = vec![
                    ("id", cell(&installed["id"])),
                    ("plugin", format!("{} {}", cell(&installed["plugin"]), cell(&installed["version"]))),
                    ("digest", cell(&installed["digest"])),
                    ("mode", cell(&installed["mode"])),
                    ("beside", cell(&installed["beside"])),
                    ("installed", time(&installed["created_at"])),
                    ("changed", time(&installed["updated_at"])),
                ];
                all.extend(rollout::lines(&installed["rollout"]));
                fields(&all);
                let grants = installed["grants"].as_array().map_or(&[][..], Vec::as_slice);
                for grant in grants {
                    output::line(format!("may        {}", grants::words(grant)));
                }
                output::line("settings");
                output::json(&installed["settings"]);
            });
        }
        Installation::Set(set) => {
            let mut body = Map::new();
            if let Some(settings) = &set.settings {
                body.insert("settings".into(), json_argument("--settings", settings)?);
            }
            if let Some(grants) = &set.grants {
                body.insert("grants".into(), json_argument("--grants", grants)?);
            }
            if !set.grant.is_empty() {
                let installed = client.get(&["installations", &set.id], &[]).await?;
                let mut present = installed["grants"].as_array().cloned().unwrap_or_default();
                grants::narrow(&mut present, &set.grant)?;
                body.insert("grants".into(), Value::Array(present));
            }
            body.extend(set.mode.map(|mode| ("mode".into(), mode.into())));
            body.extend(set.to_version.map(|version| ("version".into(), version.into())));
            body.extend(set.beside.map(|beside| ("beside".into(), beside.into())));
            if set.allow_unsigned {
                body.insert("allow_unsigned".into(), true.into());
            }
            if body.is_empty() {
                return Err(Failure::usage(
                    "nothing to change: give --settings, --grants, --grant, --mode, --beside or --to-version",
                ));
            }
            let answer = client.patch(&["installations", &set.id], &Value::Object(body)).await?;
            context.show(&answer, said("is changed"));
        }
        Installation::Report(report) => {
            let query = [
                ("from", report.from.map(|at| at.to_string())),
                ("to", report.to.map(|at| at.to_string())),
                ("beside", report.beside),
            ];
            let segments = ["installations", &report.id, "shadow-report"];
            let mut answer = client.list(&segments, &query, report.limit.items()).await?;
            let pairs: Vec<(&str, String)> = query
                .iter()
                .filter_map(|(name, value)| value.clone().map(|value| (*name, value)))
                .chain([("limit", "1".into())])
                .collect();
            answer["report"] = client.get(&segments, &pairs).await?["report"].take();
            context.show(&answer, |answer| {
                backtest::print_report(&answer["report"]);
                output::line("");
                backtest::print_pairs(items(answer));
                say_more(answer);
            });
        }
        Installation::Pause { id } => {
            let answer = client.post(&["installations", &id, "pause"], &Value::Null).await?;
            context.show(&answer, said("is paused"));
        }
        Installation::Resume { id } => {
            let answer = client.post(&["installations", &id, "resume"], &Value::Null).await?;
            context.show(&answer, said("is live"));
        }
        Installation::Rollout(rollout) => rollout::run(context, rollout).await?,
        Installation::Promote { id } => {
            let answer = client.post(&["installations", &id, "promote"], &Value::Null).await?;
            context.show(&answer, |installed| {
                output::line(format!("{} runs {} now", cell(&installed["id"]), cell(&installed["version"])));
            });
        }
        Installation::Rollback { id, reason } => {
            let body = reason.map_or_else(|| serde_json::json!({}), |reason| serde_json::json!({"reason": reason}));
            let answer = client.post(&["installations", &id, "rollback"], &body).await?;
            context.show(&answer, |installed| {
                let back = cell(&installed["rollout"]["rolled_back"]["version"]);
                output::line(format!(
                    "{back} is taken back: {} runs {}",
                    cell(&installed["id"]),
                    cell(&installed["version"])
                ));
            });
        }
        Installation::Limits { id, limits } => {
            limits::run(context, &["installations", &id, "limits"], limits).await?;
        }
        Installation::Remove { id, yes } => {
            if !yes && !confirm(&format!("Remove {id} and cancel its waiting runs?"))? {
                return Err(Failure::new("not-confirmed", "nothing was removed").remedy("Say yes, or pass --yes."));
            }
            client.delete(&["installations", &id]).await?;
            context.show(&serde_json::json!({"removed": id}), |_| output::line(format!("{id} is removed")));
        }
    }
    Ok(())
}
