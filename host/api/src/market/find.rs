//! From what an operator typed to the one place where it is.

use semver::Version;
use shopwright_registry::{
    catalogue::{Entry, EntryVersion},
    oci::Reference,
};

use super::sources::{self, Held};
use crate::{
    problem::{Problem, Result, codes},
    state::ApiState,
};

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// `registry/repository[:tag][@digest]`, `publisher/name` or `name`.
    pub plugin: String,
    /// Its version; the newest that runs here where absent.
    pub version: Option<String>,
    /// The digest that it has to have.
    pub digest: Option<String>,
}

/// Where it is.
#[derive(Debug, Clone)]
pub struct Found {
    /// By digest where a catalogue or the operator says it.
    pub reference: Reference,
    /// What a catalogue says it is.
    pub said: Option<Said>,
}

/// What a catalogue says of a version.
#[derive(Debug, Clone)]
pub struct Said {
    /// Which catalogue.
    pub catalogue: String,
    /// Publisher.
    pub publisher: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: Version,
}

/// Whether this host offers that version of the interface.
pub fn runs_here(wit: &str) -> bool {
    wit == shopwright_engine::WIT_VERSION
}

/// Finds it: a reference by itself, a name in the catalogues.
pub async fn find(state: &ApiState, shop: &str, wanted: &Wanted) -> Result<Found> {
    let mut found = match reference(&wanted.plugin) {
        Some(reference) => {
            let reference = reference?;
            let by_version = |version: &String| match reference.digest() {
                Some(_) => reference.clone(),
                None => reference.with_tag(&version.replace('+', "_")),
            };
            let reference = wanted.version.as_ref().map_or_else(|| reference.clone(), by_version);
            Found { reference, said: None }
        }
        None => {
            let held = sources::all(state, shop).await?;
            let (catalogue, entry) = named(&held, &wanted.plugin)?;
            let version = choose(entry, wanted.version.as_deref())?;
            Found { reference: version.reference.clone(), said: Some(said(catalogue, entry, version)) }
        }
    };
    if let Some(digest) = &wanted.digest {
        if found.reference.digest().is_some_and(|known| known != digest) {
            let detail = format!("`{}` is not `{digest}`.", found.reference);
            return Err(Problem::new(codes::INVALID, detail).at("/digest", "it is another version"));
        }
        let pinned: Reference = format!("{}@{digest}", bare(&found.reference)).parse()?;
        found.reference = pinned;
    }
    Ok(found)
}

fn bare(reference: &Reference) -> String {
    match reference.tag() {
        Some(tag) => format!("{}:{tag}", reference.name()),
        None => reference.name(),
    }
}

/// What a catalogue says of one of its versions.
pub fn said(catalogue: &Held, entry: &Entry, version: &EntryVersion) -> Said {
    Said {
        catalogue: catalogue.name().to_owned(),
        publisher: entry.publisher.clone(),
        name: entry.name.clone(),
        version: version.version.clone(),
    }
}

/// The text as a reference, where it names a registry: a host has a dot or a port, or is `localhost`.
fn reference(text: &str) -> Option<Result<Reference>> {
    let (first, _) = text.split_once('/')?;
    let is_host = first.contains(['.', ':']) || first == "localhost";
    is_host.then(|| text.parse().map_err(Problem::from))
}

/// The entry of that name (`name` or `publisher/name`): in the first catalogue that has it, what the binary
/// carries before all others. One name for two publishers' plugins is no name.
pub fn named<'a>(held: &'a [Held], name: &str) -> Result<(&'a Held, &'a Entry)> {
    let fits = |entry: &&Entry| entry.name == name || entry.full_name() == name;
    let mut all =
        held.iter().flat_map(|held| held.catalogue.entries.iter().filter(fits).map(move |entry| (held, entry)));
    let first = all.next().ok_or_else(|| sources::nothing_called(name))?;
    if first.0.row.is_none() {
        return Ok(first);
    }
    match all.find(|(_, other)| other.publisher != first.1.publisher) {
        None => Ok(first),
        Some((_, other)) => {
            let detail = format!(
                "Several publishers have a plugin called `{name}`: write `{}` or `{}`.",
                first.1.full_name(),
                other.full_name()
            );
            Err(Problem::new(codes::CONFLICT, detail).coded("ambiguous-name"))
        }
    }
}

/// The version that is asked for, or the newest that runs here.
pub fn choose<'a>(entry: &'a Entry, version: Option<&str>) -> Result<&'a EntryVersion> {
    if let Some(version) = version {
        let known = version.parse::<Version>().ok().and_then(|version| entry.version(&version));
        return known.ok_or_else(|| {
            let known: Vec<String> = entry.versions.iter().map(|known| known.version.to_string()).collect();
            let detail = format!("{} has no version {version}; it has {}.", entry.full_name(), known.join(", "));
            Problem::new(codes::NOT_FOUND, detail)
        });
    }
    entry.newest(&runs_here, false).or_else(|| entry.newest(&runs_here, true)).ok_or_else(|| {
        let detail = format!(
            "{} has no version for this host: they were yanked, or need another interface than {}.",
            entry.full_name(),
            shopwright_engine::WIT_VERSION
        );
        Problem::new(codes::NOT_FOUND, detail).coded("no-version-for-this-host")
    })
}
