//! `shopwright installation limits` and `shopwright shop limits`.

use clap::Args;
use serde_json::{Map, Value};

use super::Context;
use crate::{
    failure::{Failure, Result},
    output::{Table, cell},
};

/// Limits to be set; without any they are shown with their use. Those that are not given stay.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// Runs that execute at once, or `none`.
    #[arg(long, value_name = "N")]
    runs_in_flight: Option<String>,
    /// Runs that begin in a minute, or `none`.
    #[arg(long, value_name = "N")]
    runs_per_minute: Option<String>,
    /// Effects in a day of the shop's time zone, or `none`.
    #[arg(long, value_name = "N")]
    effects_per_day: Option<String>,
    /// Bytes that plugins remember, or `none`.
    #[arg(long, value_name = "N")]
    memory_bytes: Option<String>,
}

/// Does it, at the route of an installation or of the shop.
pub async fn run(context: &Context, path: &[&str], limits: LimitArgs) -> Result {
    let client = context.client()?;
    let LimitArgs { runs_in_flight, runs_per_minute, effects_per_day, memory_bytes } = limits;
    let given = [
        ("runs_in_flight", runs_in_flight),
        ("runs_per_minute", runs_per_minute),
        ("effects_per_day", effects_per_day),
        ("memory_bytes", memory_bytes),
    ];
    let mut answer = client.get(path, &[]).await?;
    if given.iter().any(|(_, value)| value.is_some()) {
        let mut body = Map::new();
        for (name, value) in given {
            let limit = match value.as_deref() {
                None => answer[name]["limit"].clone(),
                Some("none") => Value::Null,
                Some(number) => number
                    .parse::<u64>()
                    .map(Value::from)
                    .map_err(|_| Failure::usage(format!("`{number}` is no limit: give a whole number, or `none`")))?,
            };
            body.insert(name.into(), limit);
        }
        answer = client.put(path, &Value::Object(body)).await?;
    }
    context.show(&answer, |limits| {
        let mut table = Table::new(&["LIMIT", "USED", "OF"]);
        for name in ["runs_in_flight", "runs_per_minute", "effects_per_day", "memory_bytes"] {
            let limit = &limits[name]["limit"];
            let limit = if limit.is_null() { "no limit".to_owned() } else { cell(limit) };
            table.row([name.replace('_', " "), cell(&limits[name]["used"]), limit]);
        }
        table.print("");
    });
    Ok(())
}
