//! `shopwright model`.

use std::{
    io::{BufRead as _, BufReader, Read},
    path::PathBuf,
};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Context, Limit, confirm, items, json_argument, say_more};
use crate::{
    failure::{Failure, Result, at_file},
    output::{self, Table, cell},
};

/// About so many bytes go in one request, so that a cut-off import loses little.
const PIECE: usize = 4 << 20;

/// The shop's data: import it, look at it, change it.
#[derive(Debug, Subcommand)]
pub enum Model {
    /// Import a file of JSON Lines. An import that was cut off goes on where it stopped.
    #[command(
        after_help = "Example:\n  shopwright model import shop.jsonl\n  shopwright model import customers.jsonl --kind customer\n\nWithout --kind each line is {\"kind\": \"customer\", \"document\": {…}}."
    )]
    Import(Import),
    /// Count the documents by kind, or list those of a kind.
    #[command(after_help = "Example:\n  shopwright model list\n  shopwright model list order --owner 42")]
    List(List),
    /// Show a document.
    #[command(after_help = "Example:\n  shopwright model get customer 42")]
    Get {
        /// Its kind, such as `customer`.
        kind: String,
        /// Its id.
        id: String,
    },
    /// Store a document.
    #[command(after_help = "Example:\n  shopwright model put customer 42 @customer.json")]
    Put {
        /// Its kind, such as `customer`.
        kind: String,
        /// Its id.
        id: String,
        /// The document: JSON text, `@file`, or `-`.
        document: String,
    },
    /// Remove a document.
    #[command(after_help = "Example:\n  shopwright model remove article shipping --yes")]
    Remove {
        /// Its kind, such as `article`.
        kind: String,
        /// Its id.
        id: String,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

/// A file to be imported.
#[derive(Debug, Args)]
pub struct Import {
    /// The file; `-` for standard input.
    file: PathBuf,
    /// The kind of every line.
    #[arg(long)]
    kind: Option<String>,
    /// The import's id: the same id goes on with the same import [default: made from the file's beginning and size].
    #[arg(long)]
    id: Option<String>,
}

/// Which documents to list.
#[derive(Debug, Args)]
pub struct List {
    /// Their kind; without it the kinds are counted.
    kind: Option<String>,
    /// Only what belongs to this: a customer's orders, a variant's stock levels.
    #[arg(long, value_name = "ID", requires = "kind")]
    owner: Option<String>,
    /// The one with this e-mail address or order number.
    #[arg(long, value_name = "TEXT", requires = "kind", conflicts_with = "owner")]
    alt: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

/// Does it.
pub async fn run(context: &Context, command: Model) -> Result {
    let client = context.client()?;
    match command {
        Model::Import(args) => return import(context, args).await,
        Model::List(List { kind: None, .. }) => {
            let answer = client.get(&["model"], &[]).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["KIND", "DOCUMENTS"]);
                for kind in items(answer) {
                    table.row([cell(&kind["kind"]), cell(&kind["count"])]);
                }
                table.print("");
            });
        }
        Model::List(List { kind: Some(kind), owner, alt, limit }) => {
            let query = [("owner", owner), ("alt", alt)];
            let answer = client.list(&["model", &kind], &query, limit.items()).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["ID", "VERSION", "DOCUMENT"]);
                for document in items(answer) {
                    table.row([cell(&document["id"]), cell(&document["version"]), cell(&document["document"])]);
                }
                table.print("None.");
                say_more(answer);
            });
        }
        Model::Get { kind, id } => {
            let answer = client.get(&["model", &kind, &id], &[]).await?;
            context.show(&answer, |document| output::json(&document["document"]));
        }
        Model::Put { kind, id, document } => {
            let document = json_argument("the document", &document)?;
            let answer = client.put(&["model", &kind, &id], &document).await?;
            context
                .show(&answer, |stored| output::line(format!("{kind} {id} is stored, version {}", stored["version"])));
        }
        Model::Remove { kind, id, yes } => {
            if !yes && !confirm(&format!("Remove {kind} {id}?"))? {
                return Err(Failure::new("not-confirmed", "nothing was removed").remedy("Say yes, or pass --yes."));
            }
            client.delete(&["model", &kind, &id]).await?;
            context.show(&json!({"removed": {"kind": kind, "id": id}}), |_| {
                output::line(format!("{kind} {id} is removed"))
            });
        }
    }
    Ok(())
}

async fn import(context: &Context, args: Import) -> Result {
    let client = context.client()?;
    let (mut input, size): (Box<dyn Read>, u64) = if args.file.as_os_str() == "-" {
        (Box::new(std::io::stdin()), 0)
    } else {
        let file = std::fs::File::open(&args.file).map_err(at_file(&args.file))?;
        let size = file.metadata().map_err(at_file(&args.file))?.len();
        (Box::new(file), size)
    };
    let mut beginning = Vec::new();
    input.by_ref().take(64 << 10).read_to_end(&mut beginning)?;
    let id = match args.id {
        Some(id) => id,
        None if size == 0 => format!("import-{:016x}", rand::random::<u64>()),
        None => {
            let digest = Sha256::new().chain_update(&beginning).chain_update(size.to_le_bytes()).finalize();
            format!("import-{}", hex::encode(&digest[..8]))
        }
    };
    let mut done = match client.get(&["imports", &id], &[]).await {
        Ok(state) => state["lines"].as_u64().unwrap_or(0),
        Err(failure) if failure.code() == "not-found" => 0,
        Err(failure) => return Err(failure),
    };
    let bar = if context.global.json { ProgressBar::hidden() } else { ProgressBar::new(size) };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {msg}") {
        bar.set_style(style);
    }
    if done > 0 {
        bar.println(format!("Going on behind line {done} of import {id}."));
    }
    let mut lines = BufReader::new(std::io::Cursor::new(beginning).chain(input));
    let (mut number, mut piece, mut state) = (0_u64, Vec::new(), Value::Null);
    loop {
        let before = piece.len();
        let read = lines.read_until(b'\n', &mut piece)?;
        bar.inc(read as u64);
        let end = read == 0;
        if !end {
            number += 1;
            if number <= done {
                piece.truncate(before);
                continue;
            }
        }
        if end || piece.len() >= PIECE {
            let mut query = vec![("id", id.clone()), ("from_line", (done + 1).to_string()), ("last", end.to_string())];
            query.extend(args.kind.clone().map(|kind| ("kind", kind)));
            let request = client
                .request(Method::POST, &["model", "import"], &query)
                .header("content-type", "application/x-ndjson")
                .body(std::mem::take(&mut piece));
            state = client.send(request).await.inspect_err(|_| {
                bar.println(format!("{done} lines are read. The same command goes on behind them."));
            })?;
            done = number.max(done);
            bar.set_message(format!("{} stored, {} refused", cell(&state["stored"]), cell(&state["refused"])));
        }
        if end {
            break;
        }
    }
    bar.finish_and_clear();
    context.show(&state, |state| {
        output::line(format!(
            "{} lines read, {} stored, {} refused",
            state["lines"], state["stored"], state["refused"]
        ));
        for error in state["errors"].as_array().into_iter().flatten() {
            output::line(format!("  line {}: {}", error["line"], cell(&error["detail"])));
        }
    });
    if state["refused"].as_u64().unwrap_or(0) > 0 { Err(Failure::silent()) } else { Ok(()) }
}
