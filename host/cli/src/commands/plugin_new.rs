//! `shopwright plugin new`: a crate that builds, with one workflow, settings, a scenario and a README.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use super::Context;
use crate::failure::{Failure, Result};

/// What to make.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  shopwright plugin new gift-notes\n  cd gift-notes && shopwright plugin test")]
pub struct New {
    /// The plugin's name: lower-case words joined by hyphens.
    pub name: String,
    /// The folder to make [default: the name].
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// Who publishes it: written like the name.
    #[arg(long, default_value = "me")]
    pub publisher: String,
    /// The SDK's folder [default: the SDK that this binary carries, written into `vendor/`].
    #[arg(long, value_name = "FOLDER")]
    pub sdk: Option<PathBuf>,
}

/// What is written, by its path.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../../template/Cargo.toml.txt")),
    ("plugin.toml", include_str!("../../template/plugin.toml")),
    ("src/lib.rs", include_str!("../../template/src/lib.rs")),
    ("templates/thank-you.txt", include_str!("../../template/templates/thank-you.txt")),
    ("scenarios/thanks.toml", include_str!("../../template/scenarios/thanks.toml")),
    ("README.md", include_str!("../../template/README.md")),
    (".gitignore", "/target\n/*.wasm\n"),
];

/// Makes it.
pub fn run(_context: &Context, args: New) -> Result {
    for (what, word) in [("name", &args.name), ("publisher", &args.publisher)] {
        let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if word.len() > 63 || !word.split('-').all(part) || !word.starts_with(|c: char| c.is_ascii_lowercase()) {
            let detail =
                format!("the {what} `{word}` must be lower-case words joined by hyphens, such as `gift-notes`");
            return Err(Failure::new("bad-name", detail));
        }
    }
    let folder = args.folder.unwrap_or_else(|| PathBuf::from(&args.name));
    if folder.exists() {
        let detail =
            format!("{} is there already: give another name, or another place with --folder", folder.display());
        return Err(Failure::new("folder-exists", detail));
    }
    let title = args.name.replace('-', " ");
    let title = title[..1].to_uppercase() + &title[1..];
    let sdk = match &args.sdk {
        Some(path) => {
            let path = fs::canonicalize(path)
                .ok()
                .filter(|path| path.join("Cargo.toml").is_file())
                .ok_or_else(|| Failure::new("no-sdk", format!("there is no SDK in {}", path.display())))?;
            path.display().to_string()
        }
        None => "vendor/sdk/rust".into(),
    };
    for (name, text) in FILES {
        let text = text
            .replace("{name}", &args.name)
            .replace("{title}", &title)
            .replace("{publisher}", &args.publisher)
            .replace("{sdk}", &sdk);
        write(&folder.join(name), &text)?;
    }
    if args.sdk.is_none() {
        for (name, text) in shopwright_bundle::sdk_files() {
            write(&folder.join("vendor").join(name), &text)?;
        }
    }
    println!("Made {}: a workflow that thanks customers, its settings, and a scenario.", folder.display());
    println!("Next:\n  cd {}\n  shopwright plugin test", folder.display());
    Ok(())
}

fn write(path: &Path, text: &str) -> Result {
    let io = |error: std::io::Error| Failure::new("cannot-write", format!("{}: {error}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io)?;
    }
    fs::write(path, text).map_err(io)
}
