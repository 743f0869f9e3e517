//! What can be typed.

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    approval, audit, backtest, bench, catalogue, demo, event, guardrail, install, installation, key, login, mailbox,
    model, plugin, publisher, run, schedule, secret, serve, shop, token,
};

/// Runs commerce workflows as WebAssembly components that survive crashes and act within guardrails.
#[derive(Debug, Parser)]
#[command(name = "shopwright", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Print JSON, for scripts.
    #[arg(long, global = true)]
    pub json: bool,
    /// The host's address [default: that of the profile, else http://127.0.0.1:8787].
    #[arg(long, global = true, env = "SHOPWRIGHT_URL", value_name = "URL", help_heading = "Host")]
    pub url: Option<String>,
    /// The token to ask with [default: that of the profile].
    #[arg(
        long,
        global = true,
        env = "SHOPWRIGHT_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true,
        help_heading = "Host"
    )]
    pub token: Option<String>,
    /// The shop that is meant, for tokens that are good for every shop.
    #[arg(long, global = true, env = "SHOPWRIGHT_SHOP", value_name = "SHOP", help_heading = "Host")]
    pub shop: Option<String>,
    /// The profile that `shopwright login` wrote.
    #[arg(
        long,
        global = true,
        env = "SHOPWRIGHT_PROFILE",
        value_name = "NAME",
        default_value = "default",
        help_heading = "Host"
    )]
    pub profile: String,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the host.
    Serve(Box<serve::Serve>),
    /// Keep a host's address and a token for later commands.
    Login(login::Login),
    /// Send events, and look at those that were accepted.
    #[command(subcommand)]
    Event(event::Event),
    /// Make, build, test, publish, find and install plugins.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Keys that publishers sign with.
    #[command(subcommand)]
    Key(key::Key),
    /// Whom the shop trusts to publish plugins.
    #[command(subcommand)]
    Publisher(publisher::Publisher),
    /// The catalogues that the shop looks in, and keeping one of one's own.
    #[command(subcommand)]
    Catalogue(catalogue::Catalogue),
    /// Enable a plugin in the shop: the same as `plugin install`.
    Install(install::Install),
    /// Look at, change, pause and remove what is installed.
    #[command(subcommand)]
    Installation(installation::Installation),
    /// Look at runs, start and cancel them.
    #[command(subcommand)]
    Run(run::Run),
    /// Try a version or other settings over what happened.
    #[command(subcommand)]
    Backtest(backtest::Backtest),
    /// The shop's data: import it, look at it, change it.
    #[command(subcommand)]
    Model(model::Model),
    /// The shop's rules on actions.
    #[command(subcommand)]
    Guardrail(guardrail::Guardrail),
    /// What plugins use in their requests and never see.
    #[command(subcommand)]
    Secret(secret::Secret),
    /// Messages that were sent, or would have been.
    #[command(subcommand)]
    Mailbox(mailbox::Mailbox),
    /// Questions that runs ask people.
    #[command(subcommand)]
    Approval(approval::Approval),
    /// When which workflow runs next.
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    /// Who may use the API.
    #[command(subcommand)]
    Token(token::Token),
    /// The tenants of the host.
    #[command(subcommand)]
    Shop(shop::Shop),
    /// Every change, and who made it.
    #[command(subcommand)]
    Audit(audit::Audit),
    /// Watch a shop live: realistic traffic on an accelerated clock.
    Demo(demo::Demo),
    /// Measure this machine: events a second, latency, waiting runs.
    Bench(bench::Bench),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_command_has_help_with_an_example() {
        Cli::command().debug_assert();
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} has no help");
            if command.get_subcommands().next().is_none() {
                let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(example.contains("shopwright "), "{path} has no example");
            }
            command.get_subcommands().for_each(|sub| check(sub, &path));
        }
        check(&Cli::command(), "");
    }
}
