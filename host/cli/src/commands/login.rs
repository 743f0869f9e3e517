//! `shopwright login`.

use clap::Args;
use serde_json::json;

use super::Context;
use crate::{
    client::{Client, DEFAULT_URL},
    failure::{Failure, Result},
    output::{self, cell},
    profile::{self, Profile},
};

/// Which host, and with which token.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  shopwright login --url http://127.0.0.1:8787 --token swt_…\n  echo $TOKEN | shopwright login --token-stdin"
)]
pub struct Login {
    /// Read the token from standard input, so that it is not in the shell's history.
    #[arg(long)]
    token_stdin: bool,
}

/// Tries the token and keeps it.
pub async fn run(context: &Context, args: Login) -> Result {
    let token = if args.token_stdin {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        line.trim().to_owned()
    } else {
        context.global.token.clone().ok_or_else(|| Failure::usage("which token? Pass --token or --token-stdin"))?
    };
    let url = context.global.url.clone().unwrap_or_else(|| DEFAULT_URL.into());
    let client = Client::new(&url, &token, context.global.shop.clone())?;
    let me = client.get(&["me"], &[]).await?;
    let profile = Profile { url: client.url().into(), token, shop: context.global.shop.clone() };
    let path = profile::write(&context.global.profile, profile)?;
    let answer = json!({"profile": context.global.profile, "file": path, "me": me});
    context.show(&answer, |_| {
        let shop = me["shop"].as_str().map_or_else(|| "every shop".to_owned(), |shop| format!("the shop {shop}"));
        output::line(format!("{} of {shop} at {url}; kept in {}", cell(&me["role"]), path.display()));
    });
    Ok(())
}
