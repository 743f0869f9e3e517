//! Looking in catalogues: by words, and for newer versions of what is installed.

use semver::Version;
use serde::Serialize;

use super::document::{Catalogue, Entry, EntryVersion};
use crate::permissions::{self, Difference, Permission};

/// A plugin that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Hit<'a> {
    /// The catalogue's name.
    pub catalogue: &'a str,
    /// The plugin.
    pub entry: &'a Entry,
    /// How well it fits; more is better.
    pub score: u32,
}

/// The plugins that have every one of the words, best first: a word in the name counts more than one in the
/// title, the categories, the summary, and what it may do, in this order; a whole word more than its
/// beginning, and that more than its inside. No words: all, by name. Plugins without a version that can be
/// installed come last.
pub fn search<'a>(catalogues: impl IntoIterator<Item = &'a Catalogue>, words: &str) -> Vec<Hit<'a>> {
    let wanted: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let mut hits: Vec<Hit<'a>> = Vec::new();
    for catalogue in catalogues {
        for entry in &catalogue.entries {
            let scores: Option<Vec<u32>> = wanted.iter().map(|word| score(entry, word)).collect();
            if let Some(scores) = scores {
                hits.push(Hit { catalogue: &catalogue.name, entry, score: scores.iter().sum() });
            }
        }
    }
    let gone = |hit: &Hit<'_>| hit.entry.versions.iter().all(|version| version.yanked.is_some());
    hits.sort_by(|a, b| {
        let by_fit = gone(a).cmp(&gone(b)).then(b.score.cmp(&a.score));
        by_fit.then_with(|| {
            (&a.entry.name, &a.entry.publisher, a.catalogue).cmp(&(&b.entry.name, &b.entry.publisher, b.catalogue))
        })
    });
    hits
}

/// How well one word fits; none where it is nowhere.
fn score(entry: &Entry, word: &str) -> Option<u32> {
    let may_do = entry.versions.first().map(EntryVersion::summary).unwrap_or_default();
    let categories = entry.categories.join(" ");
    let fields = [
        (&entry.name, 100),
        (&entry.title, 40),
        (&categories, 30),
        (&entry.publisher, 20),
        (&entry.summary, 10),
        (&may_do, 4),
    ];
    let total: u32 = fields.iter().map(|(text, weight)| weight * fit(&text.to_lowercase(), word) / 4).sum();
    (total > 0).then_some(total)
}

/// 6 for the whole text, 4 for a whole word of it, 2 for a word's beginning, 1 for any part of it.
fn fit(text: &str, word: &str) -> u32 {
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    if text == word {
        6
    } else if words.clone().any(|known| known == word) {
        4
    } else if words.any(|known| known.starts_with(word)) {
        2
    } else {
        u32::from(text.contains(word))
    }
}

/// A version that a shop has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// As its manifest names it.
    pub publisher: String,
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// What its component imports.
    pub permissions: Vec<Permission>,
}

/// A version that a shop has and should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outdated<'a> {
    /// The catalogue that says so.
    pub catalogue: &'a str,
    /// As its manifest names it.
    pub publisher: String,
    /// The plugin's name.
    pub name: String,
    /// What the shop has.
    pub version: Version,
    /// Why nobody should run that any more, where it was yanked.
    pub yanked: Option<&'a str>,
    /// The newest that can take its place; none where there is only the yank to tell.
    pub newest: Option<&'a EntryVersion>,
    /// What is new, newest first: each version's own words.
    pub changelog: Vec<(&'a Version, &'a str)>,
    /// How the newest one's permissions differ.
    pub permissions: Difference,
}

/// Of what is installed, what was yanked or has a newer version: one line each, from the catalogue that has
/// the newest. Versions for other WIT versions than `runs` says yes to are left out, and previews where no
/// preview is installed.
pub fn outdated<'a>(
    installed: &[Installed],
    catalogues: impl IntoIterator<Item = &'a Catalogue>,
    runs: &dyn Fn(&str) -> bool,
) -> Vec<Outdated<'a>> {
    let catalogues: Vec<&Catalogue> = catalogues.into_iter().collect();
    let look = |have: &Installed| {
        let mut found: Option<Outdated<'a>> = None;
        for catalogue in &catalogues {
            let fits = |entry: &&Entry| entry.publisher == have.publisher && entry.name == have.name;
            let Some(entry) = catalogue.entries.iter().find(fits) else { continue };
            let yanked = entry.version(&have.version).and_then(|version| version.yanked.as_deref());
            let newest = entry.newest(runs, !have.version.pre.is_empty());
            let newest = newest.filter(|newest| newest.version > have.version);
            if yanked.is_none() && newest.is_none() {
                continue;
            }
            let better = match &found {
                None => true,
                Some(before) => newest.map(|newest| &newest.version) > before.newest.map(|newest| &newest.version),
            };
            let yanked = yanked.or(found.as_ref().and_then(|before| before.yanked));
            if better {
                found = Some(compare(have, &catalogue.name, entry, yanked, newest));
            } else if let Some(found) = &mut found {
                found.yanked = yanked;
            }
        }
        found
    };
    installed.iter().filter_map(look).collect()
}

fn compare<'a>(
    have: &Installed,
    catalogue: &'a str,
    entry: &'a Entry,
    yanked: Option<&'a str>,
    newest: Option<&'a EntryVersion>,
) -> Outdated<'a> {
    let between = |version: &&EntryVersion| {
        version.version > have.version && newest.is_some_and(|newest| version.version <= newest.version)
    };
    let changelog = entry
        .versions
        .iter()
        .filter(between)
        .filter_map(|version| version.changelog.as_deref().map(|text| (&version.version, text)))
        .collect();
    let permissions = newest
        .map(|newest| permissions::difference(&have.permissions, &newest.known_permissions()))
        .unwrap_or_default();
    Outdated {
        catalogue,
        publisher: have.publisher.clone(),
        name: have.name.clone(),
        version: have.version.clone(),
        yanked,
        newest,
        changelog,
        permissions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue(name: &str, entries: &[(&str, &str, &[&str])]) -> Catalogue {
        let mut catalogue = Catalogue::new(name, name, "acme").unwrap();
        for (entry, title, versions) in entries {
            let version = |text: &&str| {
                let (version, yanked) = text.split_once('!').unwrap_or((text, ""));
                EntryVersion {
                    version: version.parse().unwrap(),
                    reference: format!("ghcr.io/acme/x@sha256:{}", "0".repeat(64)).parse().unwrap(),
                    wit: if version.starts_with('9') { "9.0".into() } else { "0.1".into() },
                    permissions: vec!["messaging.send-email".into()],
                    http: Vec::new(),
                    size: 1,
                    changelog: Some(format!("c{version}")),
                    yanked: (!yanked.is_empty()).then(|| yanked.to_owned()),
                }
            };
            catalogue.entries.push(Entry {
                publisher: "acme".into(),
                name: (*entry).into(),
                title: (*title).into(),
                summary: "Writes to customers who left.".into(),
                categories: vec!["marketing".into()],
                homepage: None,
                license: None,
                icon: None,
                screenshots: Vec::new(),
                versions: versions.iter().map(version).collect(),
            });
        }
        catalogue
    }

    #[test]
    fn better_fits_come_first_and_every_word_counts() {
        let all = catalogue(
            "a",
            &[
                ("win-back", "Carts won back", &["1.0.0"]),
                ("cart", "Recovery", &["1.0.0"]),
                ("cart-recovery", "Cart recovery", &["1.0.0"]),
                ("old-cart", "Cart", &["1.0.0!leaks"]),
            ],
        );
        let found = |words: &str| search([&all], words).iter().map(|hit| hit.entry.name.as_str()).collect::<Vec<_>>();
        assert_eq!(found("cart"), ["cart", "cart-recovery", "win-back", "old-cart"]);
        assert_eq!(found("CART recov"), ["cart-recovery", "cart"]);
        assert_eq!(found("sends email back"), ["win-back"]);
        assert_eq!(found(""), ["cart", "cart-recovery", "win-back", "old-cart"]);
        assert!(found("cart zebra").is_empty());
    }

    #[test]
    fn the_newest_that_runs_is_offered_and_a_yank_is_told() {
        let stable = catalogue("stable", &[("cart", "Cart", &["1.2.0", "1.1.0", "1.0.0!it wrote twice"])]);
        let edge = catalogue("edge", &[("cart", "Cart", &["9.0.0", "1.5.0!broken", "1.4.0-rc.1", "1.3.0", "1.0.0"])]);
        let have = |version: &str| {
            [Installed {
                publisher: "acme".into(),
                name: "cart".into(),
                version: version.parse().unwrap(),
                permissions: Vec::new(),
            }]
        };
        let runs = |wit: &str| wit == "0.1";
        let both = [&stable, &edge];
        let offered = |version: &str| {
            let found = outdated(&have(version), both, &runs);
            found.first().and_then(|line| line.newest).map(|newest| newest.version.to_string())
        };
        assert_eq!(offered("1.0.0").as_deref(), Some("1.3.0"));
        assert_eq!(offered("1.3.0-rc.1").as_deref(), Some("1.4.0-rc.1"));
        assert_eq!(offered("1.3.0"), None);
        let line = &outdated(&have("1.0.0"), both, &runs)[0];
        assert_eq!((line.catalogue, line.yanked), ("edge", Some("it wrote twice")));
        assert_eq!(line.permissions.added.len(), 1);
        let changes: Vec<&str> =
            outdated(&have("1.0.0"), [&stable], &runs)[0].changelog.iter().map(|(_, text)| *text).collect();
        assert_eq!(changes, ["c1.2.0", "c1.1.0"]);
        let broken = &outdated(&have("1.5.0"), both, &runs)[0];
        assert_eq!((broken.yanked, broken.newest), (Some("broken"), None));
        let nobody = [Installed { publisher: "beta".into(), ..have("1.0.0")[0].clone() }];
        assert!(outdated(&nobody, both, &runs).is_empty());
    }
}
