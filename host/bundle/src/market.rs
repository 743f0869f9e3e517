//! The first-party workflows as a catalogue: behind the same door as everybody's.

use shopwright_registry::{
    Catalogue, changelog,
    oci::{self, Bundle, Package, Source},
};
use shopwright_sandbox::Sandbox;

use crate::{BUILT, BundleError, FIRST_PARTY, package};

/// The catalogue's name.
pub const CATALOGUE: &str = "built-in";

/// The workflows that the binary carries, as artifacts and as the catalogue of them.
///
/// # Errors
/// A fault of the build.
pub async fn market(sandbox: &Sandbox) -> Result<(Bundle, Catalogue), BundleError> {
    let mut packages = Vec::new();
    let mut imports = Vec::new();
    for name in FIRST_PARTY {
        let component = package(sandbox, name).await?;
        let asked = sandbox.inspect(&component)?.functions;
        // Durable execution and a plugin's own memory are everybody's: nothing to be granted.
        let asked = asked.into_iter().filter(|function| !matches!(&*function.interface, "workflow" | "memory"));
        imports.push(asked.map(|function| (function.interface, function.function)).collect::<Vec<_>>());
        let files = BUILT.iter().find(|built| built.name == name).map_or(&[][..], |built| built.files);
        let text = |file: &str| files.iter().find(|(known, _)| *known == file).map(|(_, text)| (*text).to_owned());
        let version = shopwright_registry::extract(&component)?.map(|manifest| manifest.version);
        let news = text(changelog::FILE_NAME).zip(version);
        let changelog = news.and_then(|(text, version)| changelog::section(&text, &version));
        packages.push(Package { component, readme: text("README.md"), changelog, icon: None, created: 0 });
    }
    let bundle = Bundle::new(&packages)?;
    let source = Source::BuiltIn(bundle.clone());
    let mut catalogue = Catalogue::new(CATALOGUE, "Carried by this binary", "shopwright")?;
    for (reference, imports) in bundle.references().iter().zip(&imports) {
        let pulled = oci::pull(&source, reference).await?;
        catalogue.add(&pulled, imports, Vec::new())?;
    }
    Ok((bundle, catalogue))
}
