//! `shopwright.toml`: the settings of a host. Flags and environment variables go before it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::failure::{Failure, Result, at_file};

/// The file that is read when none is named and it is there.
pub const FILE: &str = "shopwright.toml";

/// The settings file. Everything may be left out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Address to listen on.
    pub listen: Option<String>,
    /// Where the database and compiled components are.
    pub data_dir: Option<PathBuf>,
    /// `sqlite://…` or `postgres://…`.
    pub database: Option<String>,
    /// This process's name among those that share a database.
    pub node: Option<String>,
    /// How long the runs of a node that died stay with it before the others take them, in seconds.
    pub lease_seconds: Option<u32>,
    /// `open`: `/metrics` needs no token. `token`: it needs one that is good for every shop.
    pub metrics: Option<MetricsAccess>,
    /// The shop that the first start creates.
    pub shop: FirstShop,
    /// The log.
    pub log: Log,
    /// The mail server; without one messages land in the mailbox.
    pub smtp: Option<SmtpServer>,
    /// Where staff notices, text messages and changes are sent.
    pub callback: Option<CallbackEndpoint>,
    /// Shop → its Shopify webhooks.
    pub shopify: BTreeMap<String, Shopify>,
    /// Requests of plugins to servers of others.
    pub http: Http,
    /// What the shops' secrets are sealed with.
    pub secrets: Secrets,
    /// Where plugins may come from.
    pub registries: Registries,
    /// How long things are kept, in days.
    pub retention: Retention,
    /// Limits.
    pub limits: Limits,
}

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum MetricsAccess {
    /// Everybody who can reach the port.
    Open,
    /// Who has a token that is good for every shop.
    Token,
}

/// The shop that the first start creates.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FirstShop {
    /// Its id.
    pub id: String,
    /// For people.
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub time_zone: String,
}

impl Default for FirstShop {
    fn default() -> Self {
        Self { id: "main".into(), name: String::new(), currency: "EUR".into(), time_zone: "UTC".into() }
    }
}

/// The log.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`.
    pub format: Option<LogFormat>,
    /// `info`, `debug`, or what `tracing` understands, such as `info,shopwright_engine=debug`.
    pub level: Option<String>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The mail server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpServer {
    /// `smtp://user:password@host:587`
    pub url: String,
    /// Whom messages are from: `Shop <shop@example.com>`.
    pub from: String,
    /// Certificates (PEM) that the server's may be signed with, besides those of the public authorities.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// Where things are sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackEndpoint {
    /// `https://…`
    pub url: String,
    /// `whsec_…`, the current one first.
    pub secrets: Vec<String>,
}

/// A shop's Shopify webhooks.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shopify {
    /// Secrets that deliveries may be signed with, the current one first.
    pub secrets: Vec<String>,
    /// The store's own name, such as `example.myshopify.com`.
    #[serde(default)]
    pub domain: Option<String>,
}

/// Requests of plugins to servers of others.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Address ranges that plugins reach although they are private, such as `10.1.0.0/16`: every shop's, as far as its
    /// operator grants a host there.
    pub allow: Vec<shopwright_connectors::http::AddressRange>,
    /// The largest request body, in bytes.
    pub request_bytes: Option<usize>,
    /// The largest response body, in bytes.
    pub response_bytes: Option<usize>,
    /// Requests at once.
    pub at_once: Option<usize>,
    /// Requests at once, of one installation.
    pub at_once_per_installation: Option<usize>,
    /// Requests in a second, of one installation to one host.
    pub per_second: Option<u32>,
}

/// What the shops' secrets are sealed with.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// 32 random bytes in Base64 (`openssl rand -base64 32`); without it, a key is made in the data folder.
    pub key: Option<String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").field("key", &self.key.as_ref().map(|_| "…")).finish()
    }
}

/// Where plugins may come from.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Registries {
    /// Registries (host, with port) that are spoken to in plain HTTP; this machine's own always are.
    pub plain_http: Vec<String>,
    /// The only registries that are spoken to; empty: whichever an operator names.
    pub only: Vec<String>,
}

/// How long things are kept, in days.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Events.
    pub events: Option<u32>,
    /// Ended runs with their journals and logs.
    pub runs: Option<u32>,
    /// What documents were before.
    pub history: Option<u32>,
    /// Messages in the mailbox.
    pub messages: Option<u32>,
    /// Versions of plugins that nobody has installed, and that no run needs.
    pub versions: Option<u32>,
}

/// Limits.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Runs that execute at once.
    pub executing: Option<usize>,
    /// Runs that are queued or executing; beyond, events are refused with 429.
    pub queued: Option<usize>,
    /// Host calls of one run.
    pub journal_entries: Option<u32>,
    /// Actions of one run.
    pub effects: Option<u32>,
    /// Instances at the same time.
    pub instances: Option<u32>,
}

/// Reads the settings file: the one named, or `shopwright.toml` if it is there.
///
/// # Errors
/// With file, line and column.
pub fn read(named: Option<&Path>) -> Result<Config> {
    let path = match named {
        Some(path) => path,
        None if Path::new(FILE).exists() => Path::new(FILE),
        None => return Ok(Config::default()),
    };
    let text = std::fs::read_to_string(path).map_err(at_file(path))?;
    parse(&text, &path.display().to_string())
}

fn parse(text: &str, file: &str) -> Result<Config> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map_or_else(String::new, |span| {
            let before = &text[..span.start.min(text.len())];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            format!(":{line}:{column}")
        });
        Failure::new("bad-config", format!("{file}{place}: {}", error.message()))
            .remedy("Correct the line; `shopwright serve --help` and the README list the settings.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_settings_are_read_and_mistakes_are_placed() {
        let config = parse(
            r#"
            listen = "0.0.0.0:80"
            metrics = "token"
            [shop]
            id = "outlet"
            currency = "CHF"
            [log]
            format = "json"
            [shopify.outlet]
            secrets = ["a"]
            domain = "x.myshopify.com"
            [registries]
            only = ["ghcr.io"]
            [retention]
            events = 7
            "#,
            "f",
        )
        .expect("good");
        assert_eq!((&*config.shop.id, &*config.shop.currency, &*config.shop.time_zone), ("outlet", "CHF", "UTC"));
        assert_eq!((config.log.format, config.metrics), (Some(LogFormat::Json), Some(MetricsAccess::Token)));
        assert_eq!(config.shopify["outlet"].secrets, ["a"]);
        assert_eq!(config.retention.events, Some(7));
        assert_eq!((config.registries.only, config.registries.plain_http), (vec!["ghcr.io".to_owned()], Vec::new()));
        for (text, says) in
            [("listen = 3", "f:1:10"), ("\n[log]\nformat = \"xml\"", "f:3:10"), ("lisen = \"x\"", "lisen")]
        {
            let failure = parse(text, "f").expect_err(text);
            assert!(failure.to_string().contains(says), "{failure}");
        }
    }
}
