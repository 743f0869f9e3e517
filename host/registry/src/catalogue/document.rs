//! What a catalogue says, and changing it.

use std::collections::HashSet;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::RegistryError;
use crate::manifest::is_slug;
use crate::oci::{Pulled, Reference};
use crate::permissions::{self, Permission};

/// The format that this version writes, and the newest it reads.
const FORMAT: u64 = 1;

/// A list of plugins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    format: u64,
    /// Lower-case words joined by hyphens.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Who keeps it; whose key signs it.
    pub publisher: String,
    /// Counted up by every change.
    pub revision: u64,
    /// By publisher and name.
    #[serde(default)]
    pub entries: Vec<Entry>,
}

/// A plugin in a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Who publishes it.
    pub publisher: String,
    /// The plugin's name.
    pub name: String,
    /// Of its newest version, as are the next five.
    pub title: String,
    /// What it does.
    pub summary: String,
    /// For finding it.
    #[serde(default)]
    pub categories: Vec<String>,
    /// Where to read more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// SPDX expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Picture, as a `data:` address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// Pictures of it at work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub screenshots: Vec<Screenshot>,
    /// Newest first.
    pub versions: Vec<EntryVersion>,
}

/// A picture of a plugin at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screenshot {
    /// An https address.
    pub url: String,
    /// What it shows.
    pub caption: String,
}

/// A version of a plugin in a catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryVersion {
    /// Semantic version.
    pub version: Version,
    /// Where it is, by digest.
    pub reference: Reference,
    /// The version of the WIT interface that it needs.
    pub wit: String,
    /// What it may do: names such as `messaging.send-email`, in the order of a summary.
    pub permissions: Vec<String>,
    /// Hosts that it wants to call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<String>,
    /// Of its component, in bytes.
    pub size: u64,
    /// What is new in it, in Markdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changelog: Option<String>,
    /// Why nobody should install it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yanked: Option<String>,
}

impl EntryVersion {
    /// Digest of the OCI manifest.
    pub fn digest(&self) -> &str {
        self.reference.digest().unwrap_or_default()
    }

    /// Its permissions, as far as this version knows them.
    pub fn known_permissions(&self) -> Vec<Permission> {
        self.permissions.iter().filter_map(|name| permissions::named(name)).collect()
    }

    /// Its permissions in words, those that this version does not know by name.
    pub fn summary(&self) -> String {
        let unknown: Vec<&str> =
            self.permissions.iter().filter(|name| permissions::named(name).is_none()).map(String::as_str).collect();
        let known = permissions::summary_with_hosts(&self.known_permissions(), &self.http);
        if unknown.is_empty() {
            known
        } else {
            format!("{known}; does what this version does not know: {}", unknown.join(", "))
        }
    }
}

impl Entry {
    /// `publisher/name`.
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.publisher, self.name)
    }

    /// That version.
    pub fn version(&self, version: &Version) -> Option<&EntryVersion> {
        self.versions.iter().find(|known| known.version == *version)
    }

    /// The newest version that is not yanked and whose WIT version `runs` is true for; versions before a
    /// release count only where `previews` says so.
    pub fn newest(&self, runs: &dyn Fn(&str) -> bool, previews: bool) -> Option<&EntryVersion> {
        self.versions
            .iter()
            .filter(|known| known.yanked.is_none() && runs(&known.wit) && (previews || known.version.pre.is_empty()))
            .max_by(|a, b| a.version.cmp(&b.version))
    }
}

impl Catalogue {
    /// A new one, empty.
    ///
    /// # Errors
    /// [`RegistryError::Catalogue`] where name or publisher is not written like a name.
    pub fn new(name: &str, title: &str, publisher: &str) -> Result<Catalogue, RegistryError> {
        let catalogue = Catalogue {
            format: FORMAT,
            name: name.to_owned(),
            title: title.to_owned(),
            publisher: publisher.to_owned(),
            revision: 0,
            entries: Vec::new(),
        };
        catalogue.checked()
    }

    /// Reads one and checks its rules.
    ///
    /// # Errors
    /// [`RegistryError::Catalogue`].
    pub fn from_json(bytes: &[u8]) -> Result<Catalogue, RegistryError> {
        #[derive(Deserialize)]
        struct Head {
            format: u64,
        }
        let wrong = |reason: String| RegistryError::Catalogue { name: "document".into(), reason };
        let head: Head = serde_json::from_slice(bytes).map_err(|error| wrong(format!("it is none: {error}")))?;
        if head.format == 0 || head.format > FORMAT {
            let reason = format!("it has format {}, this version reads {FORMAT}; upgrade shopwright", head.format);
            return Err(wrong(reason));
        }
        let catalogue: Catalogue =
            serde_json::from_slice(bytes).map_err(|error| wrong(format!("it is none: {error}")))?;
        catalogue.checked()
    }

    /// As it is pushed: the same catalogue gives the same bytes.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of strings and numbers is always JSON")
    }

    fn wrong(&self, reason: String) -> RegistryError {
        RegistryError::Catalogue { name: self.name.clone(), reason }
    }

    fn checked(self) -> Result<Catalogue, RegistryError> {
        for name in [&self.name, &self.publisher] {
            if !is_slug(name) {
                return Err(self.wrong(format!("\"{name}\" is not a name: write lower-case words joined by hyphens")));
            }
        }
        let mut seen = HashSet::new();
        for entry in &self.entries {
            if !is_slug(&entry.name) || !is_slug(&entry.publisher) || !seen.insert(entry.full_name()) {
                return Err(
                    self.wrong(format!("its entry {} is there twice, or has no proper name", entry.full_name()))
                );
            }
            if entry.versions.is_empty() {
                return Err(self.wrong(format!("its entry {} has no version", entry.full_name())));
            }
            let mut versions = HashSet::new();
            for version in &entry.versions {
                if version.reference.digest().is_none() || !versions.insert(&version.version) {
                    let reason = format!("{} {} is there twice, or is not pinned", entry.full_name(), version.version);
                    return Err(self.wrong(reason));
                }
            }
        }
        Ok(self)
    }

    /// The entry called `name`, or `publisher/name` where several publishers use it.
    ///
    /// # Errors
    /// [`RegistryError::Catalogue`] where there is none, or more than one.
    pub fn entry(&self, name: &str) -> Result<&Entry, RegistryError> {
        self.place(name).map(|place| &self.entries[place])
    }

    fn place(&self, name: &str) -> Result<usize, RegistryError> {
        let places: Vec<usize> = (0..self.entries.len())
            .filter(|place| self.entries[*place].name == name || self.entries[*place].full_name() == name)
            .collect();
        match places.as_slice() {
            [] => Err(self.wrong(format!("it has no plugin called {name}"))),
            [place] => Ok(*place),
            several => {
                let names: Vec<String> = several.iter().map(|place| self.entries[*place].full_name()).collect();
                Err(self.wrong(format!("several plugins are called {name}: write {}", names.join(" or "))))
            }
        }
    }

    /// Adds the version that was pulled, with its component's imports (interface, function) as its
    /// permissions. Adding the same again changes its texts alone.
    ///
    /// # Errors
    /// [`RegistryError::Catalogue`] where this version is there with another digest: publish a new one;
    /// [`RegistryError::UnknownFunctions`].
    pub fn add<I, F>(
        &mut self,
        pulled: &Pulled,
        imports: &[(I, F)],
        screenshots: Vec<Screenshot>,
    ) -> Result<(), RegistryError>
    where
        I: AsRef<str>,
        F: AsRef<str>,
    {
        let manifest = &pulled.manifest;
        if let Some(picture) = screenshots.iter().find(|picture| !picture.url.starts_with("https://")) {
            return Err(self.wrong(format!("the screenshot {} is not an https address", picture.url)));
        }
        let mut version = EntryVersion {
            version: manifest.version.clone(),
            reference: pulled.reference.clone(),
            wit: manifest.wit.clone(),
            permissions: permissions::permissions(imports)?.iter().map(Permission::name).collect(),
            http: manifest.http.clone(),
            size: pulled.component.len() as u64,
            changelog: pulled.changelog.clone(),
            yanked: None,
        };
        let full_name = format!("{}/{}", manifest.publisher, manifest.name);
        let mut entry = Entry {
            publisher: manifest.publisher.clone(),
            name: manifest.name.clone(),
            title: manifest.title.clone(),
            summary: manifest.summary.clone(),
            categories: manifest.categories.clone(),
            homepage: manifest.homepage.clone(),
            license: manifest.license.clone(),
            icon: pulled.icon.as_ref().map(crate::oci::Icon::data_url),
            screenshots,
            versions: Vec::new(),
        };
        if let Ok(place) = self.place(&full_name) {
            let known = &self.entries[place];
            if let Some(same) = known.version(&manifest.version) {
                if same.digest() != pulled.digest {
                    let (version, before, now) = (&manifest.version, same.digest(), &pulled.digest);
                    let reason =
                        format!("{full_name} {version} is there as {before}, not {now}: a version never changes");
                    return Err(self.wrong(reason));
                }
                version.yanked = same.yanked.clone();
            }
            let mut versions = known.versions.clone();
            versions.retain(|known| known.version != version.version);
            if versions.iter().any(|known| known.version > version.version) {
                entry = Entry { versions: Vec::new(), ..known.clone() };
            }
            entry.versions = versions;
            self.entries.remove(place);
        }
        entry.versions.push(version);
        entry.versions.sort_by(|a, b| b.version.cmp(&a.version));
        self.entries.push(entry);
        self.entries.sort_by(|a, b| (&a.publisher, &a.name).cmp(&(&b.publisher, &b.name)));
        self.revision += 1;
        Ok(())
    }

    /// Removes a plugin with all its versions. Those who have it keep it, and no longer hear of it: yanking
    /// is kinder.
    ///
    /// # Errors
    /// As [`Catalogue::entry`].
    pub fn remove(&mut self, name: &str) -> Result<(), RegistryError> {
        let place = self.place(name)?;
        self.entries.remove(place);
        self.revision += 1;
        Ok(())
    }

    /// Marks a version as one that nobody should install, with the reason that operators read.
    ///
    /// # Errors
    /// As [`Catalogue::entry`], and where there is no such version or no reason.
    pub fn yank(&mut self, name: &str, version: &Version, reason: &str) -> Result<(), RegistryError> {
        if reason.trim().is_empty() {
            return Err(self.wrong("give a reason: operators who have this version read it".into()));
        }
        self.mark(name, version, Some(reason.trim().to_owned()))
    }

    /// Takes a yank back.
    ///
    /// # Errors
    /// As [`Catalogue::entry`], and where there is no such version.
    pub fn unyank(&mut self, name: &str, version: &Version) -> Result<(), RegistryError> {
        self.mark(name, version, None)
    }

    fn mark(&mut self, name: &str, version: &Version, yanked: Option<String>) -> Result<(), RegistryError> {
        let place = self.place(name)?;
        let missing = self.wrong(format!("{name} has no version {version}"));
        let known = self.entries[place].versions.iter_mut().find(|known| known.version == *version);
        known.ok_or(missing)?.yanked = yanked;
        self.revision += 1;
        Ok(())
    }
}
