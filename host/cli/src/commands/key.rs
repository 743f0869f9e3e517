//! `shopwright key`: keys that publishers sign with, in cosign's files.

use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use clap::{Args, Subcommand};
use rand::SeedableRng as _;
use serde_json::json;
use shopwright_registry::signing::{PublicKey, SigningKey};

use super::Context;
use crate::{
    failure::{Failure, Result, at_file},
    output::{self, fields},
    profile,
};

/// Where a passphrase may stand; the second is cosign's own.
const PASSPHRASES: [&str; 2] = ["SHOPWRIGHT_KEY_PASSPHRASE", "COSIGN_PASSWORD"];

/// Keys that publishers sign with.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Make a key pair in cosign's form: NAME.key, which only you can read, and NAME.pub, to give away.
    #[command(
        after_help = "Example:\n  shopwright key new --out acme\n  SHOPWRIGHT_KEY_PASSPHRASE=… shopwright key new --out acme\n  shopwright key new --out ci --no-passphrase\n\nThe passphrase comes from SHOPWRIGHT_KEY_PASSPHRASE or COSIGN_PASSWORD, else it is asked for."
    )]
    New(New),
    /// Show what a key file is: private or public, and its fingerprint.
    #[command(after_help = "Example:\n  shopwright key show acme.pub\n  shopwright key show acme.key")]
    Show {
        /// The key file.
        file: PathBuf,
    },
    /// Print the public key of a private one.
    #[command(after_help = "Example:\n  shopwright key public acme.key > acme.pub")]
    Public {
        /// The private key's file.
        file: PathBuf,
    },
}

/// A new key pair.
#[derive(Debug, Args)]
pub struct New {
    /// What the files are called, without ending.
    #[arg(long, value_name = "NAME", default_value = "shopwright")]
    out: PathBuf,
    /// Do not encrypt it: whoever reads the file can sign.
    #[arg(long)]
    no_passphrase: bool,
}

/// Does it.
pub fn run(context: &Context, command: Key) -> Result {
    match command {
        Key::New(args) => new(context, &args),
        Key::Show { file } => show(context, &file),
        Key::Public { file } => {
            let public = private(&file)?.public();
            let answer = json!({"fingerprint": public.fingerprint(), "key": public.to_pem()});
            context.show(&answer, |_| output::line(public.to_pem().trim_end()));
            Ok(())
        }
    }
}

fn new(context: &Context, args: &New) -> Result {
    // Not `with_extension`: a name may have dots.
    let beside = |ending: &str| PathBuf::from(format!("{}.{ending}", args.out.display()));
    let (secret, public) = (beside("key"), beside("pub"));
    for file in [&secret, &public] {
        if file.exists() {
            return Err(Failure::new("key-exists", format!("{} is there already", file.display()))
                .remedy("Keys are not overwritten: choose another --out, or move the file away."));
        }
    }
    let mut random = rand_chacha::ChaCha20Rng::try_from_rng(&mut rand::rngs::SysRng)
        .map_err(|error| Failure::new("randomness", format!("the system has no randomness: {error}")))?;
    let key = SigningKey::generate(&mut random);
    let failed = |error: shopwright_registry::RegistryError| Failure::new(error.code(), error.to_string());
    let pem = if args.no_passphrase {
        key.to_pem().map_err(failed)?
    } else {
        key.to_encrypted_pem(&new_passphrase()?, &mut random).map_err(failed)?
    };
    profile::write_secret(&secret, &pem)?;
    std::fs::write(&public, key.public().to_pem()).map_err(at_file(&public))?;
    let fingerprint = key.public().fingerprint();
    let answer = json!({"key": secret, "public": public, "fingerprint": fingerprint, "encrypted": !args.no_passphrase});
    context.show(&answer, |_| {
        output::line(format!("{}: sign with it, and keep it secret", secret.display()));
        output::line(format!("{}: give it to those who install your plugins", public.display()));
        output::line(format!("fingerprint {fingerprint}"));
    });
    Ok(())
}

fn show(context: &Context, file: &Path) -> Result {
    let text = std::fs::read_to_string(file).map_err(at_file(file))?;
    let public = text.contains("-----BEGIN PUBLIC KEY-----");
    let encrypted = text.contains("-----BEGIN ENCRYPTED ");
    let key = if public { read_public(file)? } else { private(file)?.public() };
    let kind = match (public, encrypted) {
        (true, _) => "public",
        (false, true) => "private, encrypted",
        (false, false) => "private, not encrypted",
    };
    let answer = json!({"file": file, "kind": kind, "algorithm": "ECDSA P-256", "fingerprint": key.fingerprint(), "key": key.to_pem()});
    context.show(&answer, |_| {
        fields(&[
            ("file", file.display().to_string()),
            ("kind", kind.into()),
            ("algorithm", "ECDSA P-256".into()),
            ("fingerprint", key.fingerprint()),
        ]);
    });
    Ok(())
}

/// A private key's file, its passphrase from the environment or asked for.
pub fn private(file: &Path) -> Result<SigningKey> {
    let text = std::fs::read_to_string(file).map_err(at_file(file))?;
    let passphrase = if text.contains("-----BEGIN ENCRYPTED ") { Some(passphrase()?) } else { None };
    SigningKey::from_pem(&text, passphrase.as_deref())
        .map_err(|error| Failure::new(error.code(), format!("{}: {error}", file.display())))
}

/// A public key's file.
pub fn read_public(file: &Path) -> Result<PublicKey> {
    let text = super::read_text(file)?;
    PublicKey::from_pem(&text).map_err(|error| Failure::new(error.code(), format!("{}: {error}", file.display())))
}

fn from_environment() -> Option<String> {
    PASSPHRASES.into_iter().find_map(|name| std::env::var(name).ok())
}

fn passphrase() -> Result<String> {
    match from_environment() {
        Some(given) => Ok(given),
        None => ask("Passphrase of the key: "),
    }
}

fn new_passphrase() -> Result<String> {
    if let Some(given) = from_environment() {
        return Ok(given);
    }
    let first = ask("Passphrase for the new key: ")?;
    if first.is_empty() {
        return Err(Failure::usage("the passphrase is empty").remedy("Pass --no-passphrase for a key without one."));
    }
    if ask("Again: ")? != first {
        return Err(Failure::usage("the two are not the same"));
    }
    Ok(first)
}

/// Asks without showing what is typed, as far as the terminal can.
fn ask(question: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new("no-passphrase", "there is no terminal to ask for the passphrase")
            .remedy("Set SHOPWRIGHT_KEY_PASSPHRASE, or pass --no-passphrase for a new key without one."));
    }
    let echo = |setting: &str| Command::new("stty").arg(setting).status().is_ok_and(|status| status.success());
    let mut out = std::io::stderr();
    write!(out, "{question}")?;
    out.flush()?;
    let hidden = echo("-echo");
    let mut answer = String::new();
    let read = std::io::stdin().read_line(&mut answer);
    if hidden {
        echo("echo");
        writeln!(out)?;
    }
    read?;
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}
