//! `shopwright secret`.

use std::io::{IsTerminal as _, Read as _};

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Context, items};
use crate::{
    failure::{Failure, Result},
    output::{self, Table, cell, time},
};

/// What plugins use in their requests and never see.
#[derive(Debug, Subcommand)]
pub enum Secret {
    /// Set a secret: an API key or a password. The value is asked for, or read from standard input.
    #[command(
        after_help = "Example:\n  shopwright secret set crm-token --host crm.example.com --installation crm-sync\n  pass show crm | shopwright secret set crm-token --host '*.crm.example.com' --every-installation\n\nA plugin writes {{secret:crm-token}}; the host fills the value in, towards these hosts only."
    )]
    Set(Set),
    /// List secrets, without their values.
    #[command(after_help = "Example:\n  shopwright secret list")]
    List,
    /// Remove a secret. Requests that need it fail from now on.
    #[command(after_help = "Example:\n  shopwright secret remove crm-token")]
    Remove {
        /// Its name.
        name: String,
    },
}

/// A secret to be set.
#[derive(Debug, Args)]
pub struct Set {
    /// What plugins call it by: letters, digits, `-` and `_`.
    name: String,
    /// A host that it may be sent to; may be given several times. `api.example.com`, `api.example.com:8443`,
    /// `*.example.com`, or `http://…` without TLS.
    #[arg(long = "host", value_name = "HOST", required = true)]
    hosts: Vec<String>,
    /// An installation whose plugin may use it; may be given several times.
    #[arg(long = "installation", value_name = "ID", required_unless_present = "every_installation")]
    installations: Vec<String>,
    /// Every plugin of the shop may use it.
    #[arg(long, conflicts_with = "installations")]
    every_installation: bool,
}

/// Does it.
pub async fn run(context: &Context, command: Secret) -> Result {
    let client = context.client()?;
    match command {
        Secret::Set(Set { name, hosts, installations, every_installation }) => {
            let mut body = json!({"value": value(&name)?, "hosts": hosts});
            if !every_installation {
                body["installations"] = json!(installations);
            }
            let answer = client.put(&["secrets", &name], &body).await?;
            context.show(&answer, |secret| {
                output::line(format!("{name} is set, for {}", joined(&secret["hosts"])));
            });
        }
        Secret::List => {
            let answer = client.get(&["secrets"], &[]).await?;
            context.show(&answer, |answer| {
                let mut table = Table::new(&["NAME", "HOSTS", "INSTALLATIONS", "SET"]);
                for secret in items(answer) {
                    let who = if secret["installations"].is_null() {
                        "every one".into()
                    } else {
                        joined(&secret["installations"])
                    };
                    table.row([cell(&secret["name"]), joined(&secret["hosts"]), who, time(&secret["updated_at"])]);
                }
                table.print("No secrets.");
            });
        }
        Secret::Remove { name } => {
            client.delete(&["secrets", &name]).await?;
            context.show(&json!({"removed": name}), |_| output::line(format!("{name} is removed")));
        }
    }
    Ok(())
}

fn joined(list: &serde_json::Value) -> String {
    list.as_array().map_or(&[][..], Vec::as_slice).iter().map(cell).collect::<Vec<_>>().join(", ")
}

/// The value: never from the command line, where other users of the machine and the shell's history see it.
fn value(name: &str) -> Result<String> {
    let text = if std::io::stdin().is_terminal() {
        // Typed in the dark where the terminal allows it.
        console::Term::stderr().write_str(&format!("Value of {name} (not shown): "))?;
        console::Term::stderr().read_secure_line()?
    } else {
        let mut text = String::new();
        // One byte more than a value may have, and a line's end.
        std::io::stdin().take(8_195).read_to_string(&mut text)?;
        text
    };
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(Failure::usage("there is no value")
            .remedy("Type it, or pipe it in: `pass show crm | shopwright secret set …`."));
    }
    Ok(text.to_owned())
}
