//! `shopwright plugin publish`: a plugin, signed, into a registry.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use shopwright_registry::{
    RegistryError, changelog,
    oci::{self, Client, DockerConfig, Icon, Package, Reference},
    signing,
};

use super::{
    Context, client_side, key,
    plugin_build::{self, sandbox, size},
};
use crate::{
    failure::{Failure, Result, at_file},
    output,
};

/// What to publish, and where.
#[derive(Debug, Args)]
pub struct Publish {
    /// `registry/repository[:tag]`; the tag is the version where absent. Log in with `docker login` before.
    #[arg(value_name = "REF")]
    reference: String,
    /// The plugin's folder, which is built; or a finished component, as `plugin build` makes it.
    #[arg(default_value = ".", value_name = "PLUGIN")]
    plugin: PathBuf,
    /// Take this component instead of running cargo: for plugins in other languages.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// The key to sign with, of `shopwright key new` or of cosign.
    #[arg(long, env = "SHOPWRIGHT_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// Publish without a signature: operators are warned, and have to allow it each time.
    #[arg(long, conflicts_with = "key")]
    unsigned: bool,
    /// Speak plain HTTP to the registry. This machine's own need no such flag.
    #[arg(long)]
    plain_http: bool,
}

/// A failure of the registry's.
pub fn registry_failure(error: RegistryError) -> Failure {
    Failure::new(error.code(), error.to_string())
}

/// A reference as it was typed.
pub fn reference(text: &str) -> Result<Reference> {
    text.parse().map_err(registry_failure)
}

/// A client with the user's own logins.
pub fn client(reference: &Reference, plain_http: bool) -> Result<Client> {
    let logins = DockerConfig::load().map_err(registry_failure)?;
    let plain = plain_http.then(|| reference.registry().to_owned());
    Ok(Client::new(logins).map_err(registry_failure)?.plain(plain))
}

/// Does it.
pub fn run(context: &Context, args: Publish) -> Result {
    let place = reference(&args.reference)?;
    let secret = match &args.key {
        Some(file) => Some(key::private(file)?),
        None if args.unsigned => None,
        None => {
            return Err(Failure::usage("it is not said which key signs").remedy(
                "Pass --key (make one with `shopwright key new`), or --unsigned, which every operator has to allow.",
            ));
        }
    };
    let finished = args.plugin.is_file();
    let folder = if finished { args.plugin.parent().unwrap_or(Path::new(".")) } else { &*args.plugin };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let component = match (finished, &args.component) {
        (true, _) => std::fs::read(&args.plugin).map_err(at_file(&args.plugin))?,
        (false, Some(file)) => std::fs::read(file).map_err(at_file(file))?,
        (false, None) => plugin_build::compile(folder, "release")?,
    };
    client_side(async {
        let component = if finished {
            plugin_build::inspect(&sandbox()?, &component)?;
            component
        } else {
            plugin_build::package(&sandbox()?, folder, &component, None).await?.bytes
        };
        let package = packed(folder, component)?;
        let bytes = package.component.len();
        let client = client(&place, args.plain_http)?;
        let mut signed_with = None;
        if let Some(secret) = &secret {
            // Before the tag is set: nobody sees an unsigned version in between.
            let digest = oci::pack(&package).map_err(registry_failure)?.digest;
            signing::sign(&client, &place.with_digest(&digest), secret).await.map_err(registry_failure)?;
            signed_with = Some(secret.public().fingerprint());
        }
        let published = oci::publish(&client, &place, &package).await.map_err(registry_failure)?;
        let manifest = &published.manifest;
        let answer = json!({
            "plugin": manifest.name, "version": manifest.version.to_string(), "publisher": manifest.publisher,
            "reference": published.reference.to_string(), "digest": published.digest,
            "component": published.component_digest, "size": bytes, "signed_with": signed_with,
        });
        context.show(&answer, |_| {
            output::line(format!("{} {} is published, {}", manifest.name, manifest.version, size(bytes)));
            output::line(format!("digest      {}", published.digest));
            match &signed_with {
                Some(fingerprint) => output::line(format!("signed with {fingerprint}")),
                None => output::line("It is not signed: operators have to allow it each time."),
            }
            output::line(format!("Install it with: shopwright plugin install {}", published.reference));
        });
        Ok(())
    })
}

/// The component with what lies beside it: `README.md`, this version's section of `CHANGELOG.md`, `icon.png` or
/// `icon.webp`.
fn packed(folder: &Path, component: Vec<u8>) -> Result<Package> {
    let manifest = shopwright_registry::extract(&component).map_err(registry_failure)?;
    let manifest = manifest.ok_or_else(|| {
        Failure::new("no-manifest", "the component carries no manifest")
            .remedy("Build it with `shopwright plugin build`, or name the plugin's folder.")
    })?;
    let text = |name: &str| {
        let path = folder.join(name);
        if path.is_file() { std::fs::read_to_string(&path).map(Some).map_err(at_file(&path)) } else { Ok(None) }
    };
    let news = text(changelog::FILE_NAME)?;
    let changelog = news.as_ref().and_then(|text| changelog::section(text, &manifest.version));
    if news.is_some() && changelog.is_none() {
        let file = folder.join(changelog::FILE_NAME);
        return Err(Failure::new("no-changelog", format!("{} says nothing of {}", file.display(), manifest.version))
            .remedy(format!("Add a section `## {}`: operators read it before they upgrade.", manifest.version)));
    }
    let mut icon = None;
    for name in ["icon.png", "icon.webp"] {
        let path = folder.join(name);
        if path.is_file() {
            let bytes = std::fs::read(&path).map_err(at_file(&path))?;
            let made = Icon::new(bytes);
            icon = Some(made.map_err(|error| Failure::new("bad-icon", format!("{}: {error}", path.display())))?);
            break;
        }
    }
    Ok(Package { component, readme: text("README.md")?, changelog, icon, created: oci::created_from_env() })
}
