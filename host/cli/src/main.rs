//! `shopwright`: the host, and everything one does with it, in one binary.
//!
//! [`cli`] is what can be typed; each command group is one file of [`commands`]. Commands that talk to a
//! host do so over its API ([`client`]); nothing here has another way in. Exit codes: 0 done, 1 failed,
//! 2 used wrongly.

mod cli;
mod client;
mod commands;
mod config;
mod failure;
mod output;
mod profile;
mod secrets_key;

use std::process::ExitCode;

use clap::Parser as _;

/// A run allocates several hundred times, on any thread, and frees on another: with the system's allocator
/// that was a quarter of all processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let json = cli.global.json;
    match commands::run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(json);
            failure.exit_code()
        }
    }
}
