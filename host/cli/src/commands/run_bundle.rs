//! `shopwright run export` and `shopwright run replay`: a run in a file.

use std::{io::IsTerminal as _, path::PathBuf};

use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};
use shopwright_trial::{
    bundle::Bundle,
    replay::{self, Replay},
};

use super::{Context, plugin_build::sandbox};
use crate::{
    failure::{Failure, Result, at_file},
    output,
};

/// A run to be exported.
#[derive(Debug, Args)]
pub struct Export {
    /// Its id.
    id: String,
    /// The file to write.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
    /// Replace names, addresses, numbers and free text, the same everywhere by the same.
    #[arg(long)]
    mask: bool,
}

/// A run to be replayed.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The file that `run export` wrote.
    file: PathBuf,
    /// Show every call with its arguments and the host's answer; on a terminal one after another.
    #[arg(long)]
    step: bool,
    /// Another build of the plugin, tried against the journal.
    #[arg(long, value_name = "WASM")]
    component: Option<PathBuf>,
}

/// Writes a run's file.
pub async fn export(context: &Context, args: Export) -> Result {
    let client = context.client()?;
    let query: Vec<(&str, String)> = if args.mask { vec![("mask", "true".into())] } else { Vec::new() };
    let response = client.open(client.request(Method::GET, &["runs", &args.id, "bundle"], &query)).await?;
    let replays = response.headers().get("shopwright-replays").and_then(|value| value.to_str().ok());
    let replays = replays.unwrap_or("not known").to_owned();
    let bytes = response.bytes().await.map_err(|error| Failure::new("unreachable", error.to_string()))?;
    std::fs::write(&args.output, &bytes).map_err(at_file(&args.output))?;
    let answer = json!({
        "file": args.output.display().to_string(), "bytes": bytes.len(), "masked": args.mask, "replays": replays,
    });
    context.show(&answer, |_| {
        output::line(format!("{} is written, {} bytes", args.output.display(), bytes.len()));
        if replays == "yes" {
            output::line("It replays to the last byte.");
        } else if args.mask {
            output::line(format!(
                "It does not replay ({replays}): the plugin computes on the characters of what was masked. \
                 Without --mask it may."
            ));
        } else {
            output::line(format!("It does not replay: {replays}."));
        }
    });
    Ok(())
}

/// Runs a file's run again, here.
pub async fn replay(context: &Context, args: ReplayArgs) -> Result {
    let bytes = std::fs::read(&args.file).map_err(at_file(&args.file))?;
    let bad = |error: shopwright_trial::TrialError| Failure::new("bundle", error.to_string());
    let bundle = Bundle::from_bytes(&bytes).map_err(bad)?;
    let component = match &args.component {
        Some(file) => Some(std::fs::read(file).map_err(at_file(file))?),
        None => None,
    };
    let replayed = replay::replay(&sandbox()?, &bundle, component.as_deref()).await.map_err(bad)?;
    if context.global.json {
        let mut answer = serde_json::to_value(&replayed).map_err(|error| Failure::new("answer", error.to_string()))?;
        answer["run"] = json!(bundle.run.id);
        answer["masked"] = bundle.masked.into();
        output::json(&answer);
    } else {
        print(&bundle, &replayed, args.step);
    }
    if replayed.agrees { Ok(()) } else { Err(Failure::silent()) }
}

fn print(bundle: &Bundle, replayed: &Replay, step: bool) {
    output::line(format!("{}, {} of {}", bundle.run.id, bundle.run.workflow, bundle.run.installation));
    if step {
        let pause = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        for step in &replayed.steps {
            output::line(format!("\n{:>4}  {}", step.position, step.call));
            output::line(format!("      asked     {}", step.args));
            output::line(format!("      answered  {}", step.answer));
            output::line(format!("      at        {}", output::time(&step.at.into())));
            if pause && std::io::stdin().read_line(&mut String::new()).is_err() {
                break;
            }
        }
        output::line("");
    }
    for line in &replayed.log {
        output::line(format!("log   {:5} {} {}", line.level, line.message, line.fields));
    }
    output::line(format!("{} of {} calls are the same", replayed.steps.len(), replayed.recorded_steps));
    for note in &replayed.notes {
        output::line(format!("note: {note}"));
    }
    match &replayed.difference {
        None => output::line(format!("{}: the same to the last byte", replayed.state)),
        Some(difference) => {
            let place = difference.position.map_or_else(String::new, |position| format!(" {position}"));
            output::line(format!("the first difference: {}{place}", difference.what));
            output::line(format!("  recorded  {}", shown(&difference.recorded)));
            output::line(format!("  now       {}", shown(&difference.replayed)));
        }
    }
}

fn shown(value: &Value) -> String {
    if value.is_null() { "nothing".into() } else { value.to_string() }
}
