//! The commands, one file a group.

pub mod approval;
pub mod audit;
pub mod backtest;
pub mod bench;
pub mod catalogue;
pub mod demo;
pub mod event;
pub mod grants;
pub mod guardrail;
pub mod install;
pub mod installation;
pub mod key;
pub mod limits;
pub mod login;
pub mod mailbox;
pub mod model;
pub mod plugin;
pub mod plugin_build;
pub mod plugin_dev;
pub mod plugin_inspect;
pub mod plugin_market;
pub mod plugin_new;
pub mod plugin_publish;
pub mod plugin_test;
pub mod publisher;
pub mod repair;
pub mod rollout;
pub mod run;
pub mod run_bundle;
pub mod schedule;
pub mod secret;
pub mod serve;
pub mod shop;
pub mod span;
pub mod token;

use std::{future::Future, io::Read as _, path::Path};

use serde_json::Value;

use crate::{
    cli::{Cli, Command, Global},
    client::Client,
    failure::{Failure, Result, at_file},
    output,
};

/// What every command gets.
pub struct Context {
    /// What holds for every command.
    pub global: Global,
}

impl Context {
    /// The host.
    pub fn client(&self) -> Result<Client> {
        Client::of(&self.global)
    }

    /// Prints an answer: as it is for scripts, else by `people`.
    pub fn show(&self, answer: &Value, people: impl FnOnce(&Value)) {
        if self.global.json {
            output::json(answer);
        } else {
            people(answer);
        }
    }
}

/// Does what was typed.
pub fn run(cli: Cli) -> Result {
    let context = Context { global: cli.global };
    match cli.command {
        Command::Serve(args) => serve::run(*args),
        Command::Demo(args) => demo::run(&context, args),
        Command::Bench(args) => bench::run(&context, args),
        Command::Login(args) => client_side(login::run(&context, args)),
        Command::Event(args) => client_side(event::run(&context, args)),
        Command::Plugin(args) => plugin::run(&context, args),
        Command::Key(args) => key::run(&context, args),
        Command::Publisher(args) => client_side(publisher::run(&context, args)),
        Command::Catalogue(args) => catalogue::run(&context, args),
        Command::Install(args) => client_side(install::run(&context, args)),
        Command::Installation(args) => client_side(installation::run(&context, args)),
        Command::Run(args) => client_side(run::run(&context, args)),
        Command::Backtest(args) => client_side(backtest::run(&context, args)),
        Command::Model(args) => client_side(model::run(&context, args)),
        Command::Guardrail(args) => client_side(guardrail::run(&context, args)),
        Command::Secret(args) => client_side(secret::run(&context, args)),
        Command::Mailbox(args) => client_side(mailbox::run(&context, args)),
        Command::Approval(args) => client_side(approval::run(&context, args)),
        Command::Schedule(args) => client_side(schedule::run(&context, args)),
        Command::Token(args) => client_side(token::run(&context, args)),
        Command::Shop(args) => client_side(shop::run(&context, args)),
        Command::Audit(args) => client_side(audit::run(&context, args)),
    }
}

/// Runs a command that only asks a host: one thread is enough.
pub fn client_side(command: impl Future<Output = Result>) -> Result {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// The text of a file, or of standard input for `-`.
pub fn read_text(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(at_file(path))
}

/// JSON given as text, as `@file`, or as `-` for standard input.
pub fn json_argument(what: &str, text: &str) -> Result<Value> {
    let (source, text) = match text.strip_prefix('@') {
        Some(file) => (file.to_owned(), read_text(Path::new(file))?),
        None if text == "-" => ("standard input".into(), read_text(Path::new("-"))?),
        None => (what.to_owned(), text.to_owned()),
    };
    serde_json::from_str(&text).map_err(|error| {
        Failure::usage(format!("{source} is not JSON: {error}"))
            .remedy("Give JSON text, `@file.json`, or `-` for standard input.")
    })
}

/// Asks a question that is answered with yes or no. Without a terminal the answer is no.
pub fn confirm(question: &str) -> Result<bool> {
    use std::io::{IsTerminal as _, Write as _};
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let mut out = std::io::stderr();
    write!(out, "{question} [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// `?limit=` for lists.
#[derive(Debug, Clone, clap::Args)]
pub struct Limit {
    /// The most items to show.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

impl Limit {
    fn items(&self) -> usize {
        self.limit as usize
    }
}

/// The items of a list.
pub fn items(answer: &Value) -> &[Value] {
    answer["items"].as_array().map_or(&[], Vec::as_slice)
}

/// Says that a list goes on.
pub fn say_more(answer: &Value) {
    if answer["next"].is_string() {
        output::line("… there are more: raise --limit");
    }
}
