//! `shopwright event`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Context, Limit, items, json_argument, read_text, say_more};
use crate::{
    failure::{Failure, Result},
    output::{self, Table, cell, fields, time},
};

/// Send events, and look at those that were accepted.
#[derive(Debug, Subcommand)]
pub enum Event {
    /// Send an event, or a file of them.
    #[command(
        after_help = "Example:\n  shopwright event send cart.updated --data @cart.json\n  shopwright event send shop.opened --concerns customer:42 --data '{\"day\": 1}'\n  shopwright event send --file events.json"
    )]
    Send(Send),
    /// List events, the newest first.
    #[command(after_help = "Example:\n  shopwright event list --kind order.placed --entity customer:42")]
    List(List),
    /// Show an event.
    #[command(after_help = "Example:\n  shopwright event show 1042")]
    Show {
        /// Its number.
        seq: i64,
    },
    /// Follow what happens in the shop, as it happens.
    #[command(after_help = "Example:\n  shopwright event tail")]
    Tail,
}

/// An event to be sent.
#[derive(Debug, Args)]
pub struct Send {
    /// Its kind, such as `order.placed`.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    kind: Option<String>,
    /// Its data: JSON text, `@file`, or `-`.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    data: String,
    /// Its id; a second event of the same id and source does nothing [default: random].
    #[arg(long)]
    id: Option<String>,
    /// Where it happened.
    #[arg(long, default_value = "shopwright-cli")]
    source: String,
    /// When it happened, RFC 3339 [default: now].
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// What it concerns, such as `customer:42`; can be repeated.
    #[arg(long, value_name = "TYPE:ID")]
    concerns: Vec<String>,
    /// A file with a CloudEvent, a JSON array of them, or one a line; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Which events to list.
#[derive(Debug, Args)]
pub struct List {
    /// Only of this kind.
    #[arg(long)]
    kind: Option<String>,
    /// Only those that concern this, such as `customer:42`.
    #[arg(long, value_name = "TYPE:ID")]
    entity: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// Does it.
pub async fn run(context: &Context, command: Event) -> Result {
    match command {
        Event::Send(send) => send_events(context, send).await,
        Event::List(list) => {
            let query = [("kind", list.kind), ("entity", list.entity)];
            let answer = context.client()?.list(&["events"], &query, list.limit.items()).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["SEQ", "AT", "KIND", "CONCERNS", "SOURCE", "ID"]);
                for event in items(answer) {
                    table.row([
                        cell(&event["seq"]),
                        time(&event["at"]),
                        cell(&event["kind"]),
                        joined(&event["concerns"]),
                        cell(&event["source"]),
                        cell(&event["id"]),
                    ]);
                }
                table.print("No events.");
                say_more(answer);
            });
            Ok(())
        }
        Event::Show { seq } => {
            let answer = context.client()?.get(&["events", &seq.to_string()], &[]).await?;
            context.show(&answer, |event| {
                fields(&[
                    ("seq", cell(&event["seq"])),
                    ("kind", cell(&event["kind"])),
                    ("at", time(&event["at"])),
                    ("received", time(&event["received_at"])),
                    ("source", cell(&event["source"])),
                    ("id", cell(&event["id"])),
                    ("concerns", joined(&event["concerns"])),
                    ("by run", cell(&event["run"])),
                ]);
                output::json(&event["data"]);
            });
            Ok(())
        }
        Event::Tail => tail(context).await,
    }
}

fn joined(list: &Value) -> String {
    list.as_array().into_iter().flatten().map(cell).collect::<Vec<_>>().join(" ")
}

async fn send_events(context: &Context, send: Send) -> Result {
    let events = match &send.file {
        Some(file) => events_of(&read_text(file)?)?,
        None => {
            let mut event = json!({
                "specversion": "1.0",
                "id": send.id.unwrap_or_else(|| format!("cli-{:016x}", rand::random::<u64>())),
                "source": send.source,
                "type": send.kind,
                "data": json_argument("--data", &send.data)?,
            });
            if let Some(time) = send.time {
                event["time"] = time.into();
            }
            if !send.concerns.is_empty() {
                event["concerns"] = send.concerns.into();
            }
            vec![event]
        }
    };
    let client = context.client()?;
    let mut accepted: Vec<Value> = Vec::new();
    // A file longer than a batch goes in several; each is all or nothing.
    for (n, batch) in events.chunks(1_000).enumerate() {
        let request = client
            .request(Method::POST, &["events"], &[])
            .header("content-type", "application/cloudevents-batch+json")
            .body(serde_json::to_vec(batch)?);
        let mut answer = client.send(request).await.inspect_err(|_| {
            if n > 0 {
                output::line(format!("The first {} events were accepted.", n * 1_000));
            }
        })?;
        if let Some(Value::Array(events)) = answer.get_mut("events").map(Value::take) {
            accepted.extend(events);
        }
    }
    let answer = json!({"events": accepted});
    context.show(&answer, |answer| {
        for event in answer["events"].as_array().into_iter().flatten() {
            let again = if event["duplicate"] == true { " (had been accepted before)" } else { "" };
            output::line(format!("event {} accepted as {}{again}", cell(&event["id"]), cell(&event["seq"])));
            for run in event["runs"].as_array().into_iter().flatten() {
                let (workflow, installation) = (cell(&run["workflow"]), cell(&run["installation"]));
                output::line(format!("  {} {workflow} of {installation} {}", cell(&run["outcome"]), cell(&run["run"])));
            }
            if event["woken"].as_u64().unwrap_or(0) > 0 {
                output::line(format!("  woke {} waiting runs", event["woken"]));
            }
        }
    });
    Ok(())
}

/// One event, an array of them, or one a line.
fn events_of(text: &str) -> Result<Vec<Value>> {
    let wrong = |error: serde_json::Error| Failure::usage(format!("the file holds no events: {error}"));
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(events)) => Ok(events),
        Ok(event) => Ok(vec![event]),
        Err(whole) => {
            let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
            if lines.len() < 2 {
                return Err(wrong(whole));
            }
            lines.into_iter().map(serde_json::from_str).collect::<std::result::Result<_, _>>().map_err(wrong)
        }
    }
}

async fn tail(context: &Context) -> Result {
    let client = context.client()?;
    follow(&client, |notice| {
        if context.global.json {
            output::line(notice.to_string());
        } else {
            output::line(told(notice));
        }
        true
    })
    .await
}

/// Reads the live feed until `each` says false or the host ends it.
pub async fn follow(client: &crate::client::Client, mut each: impl FnMut(&Value) -> bool) -> Result {
    let mut response = client.open(client.request(Method::GET, &["feed"], &[])).await?;
    let mut buffer: Vec<u8> = Vec::new();
    loop {
        let chunk =
            response.chunk().await.map_err(|error| Failure::new("feed", format!("the feed broke off: {error}")))?;
        let Some(chunk) = chunk else { return Ok(()) };
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            let Some(data) = line.strip_prefix(b"data:") else { continue };
            if let Ok(notice) = serde_json::from_slice::<Value>(data.trim_ascii())
                && !each(&notice)
            {
                return Ok(());
            }
        }
    }
}

/// A notice in a line.
pub fn told(notice: &Value) -> String {
    let text = |field: &str| cell(&notice[field]);
    let what = match notice["notice"].as_str().unwrap_or_default() {
        "event" => format!("event    {} {}", text("kind"), joined(&notice["concerns"])),
        "run_started" => format!("started  {} {} ({})", text("workflow"), text("run"), text("trigger")),
        "run_replaced" => format!("replaced {} by {}", text("run"), text("by")),
        "run_waiting" => {
            let until = time(&notice["until"]);
            let until = if until.is_empty() { until } else { format!(" until {until}") };
            format!("waits    {} {} for {}{until}", text("workflow"), text("run"), cell(&notice["waits_for"]["for"]))
        }
        "run_ended" => format!("{:8} {} {} {}", text("state"), text("workflow"), text("run"), text("outcome")),
        "effect" => format!(
            "effect   {} {} {} {}{}",
            text("state"),
            text("action"),
            text("subject"),
            text("reason"),
            notice["error"].as_str().map_or_else(String::new, |error| format!(" ({error})")),
        ),
        "log" => format!("log      {} {}: {}", text("workflow"), text("level"), text("message")),
        "missed" => "… some were missed: this terminal is too slow".into(),
        _ => notice.to_string(),
    };
    format!("{}  {what}", time(&notice["at"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_one_event_a_list_or_one_a_line() {
        for (text, n) in [("{\"id\": 1}", 1), ("[{}, {}]", 2), ("{}\n\n{}\n{}\n", 3), ("[]", 0)] {
            assert_eq!(events_of(text).expect(text).len(), n, "{text}");
        }
        for bad in ["", "x", "{}\nx\n"] {
            assert!(events_of(bad).is_err(), "{bad}");
        }
    }
}
