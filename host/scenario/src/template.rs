//! What `shopwright plugin new` writes: a crate that builds outside of this workspace, whose tests and
//! scenario pass at once.

/// The new plugin.
#[derive(Debug, Clone)]
pub struct NewPlugin<'a> {
    /// Lower-case words joined by hyphens.
    pub name: &'a str,
    /// Written like the name.
    pub publisher: &'a str,
    /// Where the SDK comes from, as Cargo.toml has it: `{ path = "…" }`, `{ git = "…" }`, `"0.1"`.
    pub sdk: &'a str,
}

const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../template/Cargo.toml.txt")),
    (".gitignore", include_str!("../template/gitignore.txt")),
    ("README.md", include_str!("../template/README.md")),
    ("plugin.toml", include_str!("../template/plugin.toml")),
    ("src/lib.rs", include_str!("../template/src/lib.rs")),
    ("scenarios/first-order.toml", include_str!("../template/scenarios/first-order.toml")),
    ("templates/thanks.txt", include_str!("../template/templates/thanks.txt")),
];

impl NewPlugin<'_> {
    /// The files: path below the plugin's folder, and text.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let filled = |text: &str| {
            text.replace("@NAME@", self.name)
                .replace("@TITLE@", &self.title())
                .replace("@PUBLISHER@", self.publisher)
                .replace("@SDK@", self.sdk)
        };
        FILES.iter().map(|(path, text)| (*path, filled(text))).collect()
    }

    /// `gift-notes` is `Gift notes`.
    fn title(&self) -> String {
        let words = self.name.replace('-', " ");
        let mut letters = words.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use shopwright_registry::Manifest;

    use super::*;
    use crate::{error::Source, file::Scenario};

    #[test]
    fn the_template_is_a_plugin() {
        let new = NewPlugin { name: "gift-notes", publisher: "acme", sdk: "{ path = \"../sdk\" }" };
        let files = new.files();
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| text.clone());
        for (path, text) in &files {
            assert!(!text.contains("@NAME@") && !text.contains("@TITLE@") && !text.contains("@SDK@"), "{path}");
        }
        let mut load = |path: &str| text(path).ok_or_else(|| std::io::ErrorKind::NotFound.into());
        let manifest = Manifest::parse_toml_with(&text("plugin.toml").unwrap(), "plugin.toml", &mut load).unwrap();
        assert_eq!((manifest.name.as_str(), manifest.title.as_str()), ("gift-notes", "Gift notes"));
        let scenario = Source { file: "s".into(), text: text("scenarios/first-order.toml").unwrap() };
        assert_eq!(Scenario::parse(&scenario).unwrap().step.len(), 4);
        let cargo: toml::Table = text("Cargo.toml").unwrap().parse().unwrap();
        assert_eq!(cargo["package"]["name"].as_str(), Some("gift-notes"));
        assert_eq!(cargo["dependencies"]["shopwright-sdk"]["path"].as_str(), Some("../sdk"));
    }
}
