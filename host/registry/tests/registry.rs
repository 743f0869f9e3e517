//! Plugins, signatures and catalogues in a real registry, and other people's tools on what we pushed.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use semver::Version;
use shopwright_registry::catalogue::{self, Catalogue, Installed, Screenshot};
use shopwright_registry::oci::{self, Client, DockerConfig, ImageManifest, Layout, Source, pack, publish, pull};
use shopwright_registry::signing::{self, PublicKey, SIGNATURE_ANNOTATION};
use shopwright_registry::{Lock, RegistryError, permissions};
use support::{Registry, client, key, left_out, package, run, source, trust};

#[tokio::test]
async fn a_plugin_is_published_and_pulled_by_tag_and_digest() {
    let Some(registry) = Registry::start(None) else { return };
    let package = package("cart-recovery", "1.2.0");
    let published = publish(&client(), &registry.reference("acme/cart-recovery"), &package).await.unwrap();
    assert_eq!(published.reference.tag(), Some("1.2.0"), "the version is the tag where none is given");
    let again = publish(&client(), &registry.reference("acme/cart-recovery:latest"), &package).await.unwrap();
    assert_eq!(again.digest, published.digest, "the same input gives the same digest");

    let by_tag = pull(&source(), &registry.reference("acme/cart-recovery:1.2.0")).await.unwrap();
    let by_digest = registry.reference(&format!("acme/cart-recovery@{}", published.digest));
    assert_eq!(pull(&source(), &by_digest).await.unwrap().component, package.component);
    assert_eq!(by_tag.component, package.component);
    assert_eq!(by_tag.digest, published.digest);
    assert_eq!(by_tag.reference, published.reference);
    assert_eq!((&by_tag.readme, &by_tag.changelog, &by_tag.icon), (&package.readme, &package.changelog, &package.icon));
    assert_eq!(by_tag.manifest, published.manifest);
    let mut tags = client().tags(&by_digest).await.unwrap();
    tags.sort();
    assert_eq!(tags, ["1.2.0", "latest"]);
    assert!(client().tags(&registry.reference("acme/none")).await.unwrap().is_empty());

    let missing = pull(&source(), &registry.reference("acme/cart-recovery:9.9.9")).await.unwrap_err();
    assert!(matches!(missing, RegistryError::NotFound { .. }), "{missing}");
    let mistagged = publish(&client(), &registry.reference("acme/cart-recovery:2.0.0"), &package).await.unwrap_err();
    assert!(mistagged.to_string().contains("its manifest says 1.2.0"), "{mistagged}");
}

/// The layout, field by field, as others' clients expect it.
#[test]
fn the_layout_is_the_one_for_webassembly() {
    let package = package("cart-recovery", "1.2.0");
    let packed = pack(&package).unwrap();
    let image: serde_json::Value = serde_json::from_slice(&packed.image).unwrap();
    let layer = shopwright_registry::digest(&package.component);
    assert_eq!(image["schemaVersion"], 2);
    assert_eq!(image["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(image["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(image["config"]["digest"], shopwright_registry::digest(&packed.config));
    assert_eq!(image["layers"].as_array().unwrap().len(), 1);
    assert_eq!(image["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(image["layers"][0]["digest"], layer);
    assert_eq!(image["layers"][0]["size"], package.component.len());
    assert_eq!(image["annotations"]["org.opencontainers.image.version"], "1.2.0");
    let config: serde_json::Value = serde_json::from_slice(&packed.config).unwrap();
    let expected = serde_json::json!({
        "created": "1970-01-01T00:00:00Z", "author": "acme", "architecture": "wasm", "os": "wasip2",
        "layerDigests": [layer], "component": {"exports": [], "imports": [], "target": null},
    });
    assert_eq!(config, expected);
    assert_eq!(pack(&package).unwrap(), packed);
    // Known for good: another value means that the same plugin gets another digest than it had before.
    assert_eq!(packed.digest, "sha256:cfd2701a248ab106e2ea2f7cf083b3b5570be02079678c7d3030e37926732167");
    let later = oci::Package { created: 1_700_000_000, ..package };
    let config = pack(&later).unwrap().config;
    assert!(String::from_utf8(config).unwrap().contains("2023-11-14T22:13:20Z"));
}

#[tokio::test]
async fn built_in_plugins_come_through_the_same_door() {
    let packages = [package("cart", "1.0.0"), package("pricing", "0.3.0+build")];
    let bundle = oci::Bundle::new(&packages).unwrap();
    let source = Source::BuiltIn(bundle.clone());
    let mut catalogue = Catalogue::new("built-in", "Built in", "acme").unwrap();
    for (reference, package) in bundle.references().iter().zip(&packages) {
        let pulled = pull(&source, reference).await.unwrap();
        assert_eq!(pulled.component, package.component);
        let by_tag = reference.to_string();
        let by_tag = by_tag.split('@').next().unwrap().parse().unwrap();
        assert_eq!(pull(&source, &by_tag).await.unwrap(), pulled);
        catalogue.add(&pulled, &[("orders", "get")], Vec::new()).unwrap();
    }
    let read = Catalogue::from_json(&catalogue.to_json()).unwrap();
    assert_eq!(read, catalogue);
    assert_eq!(read.entry("acme/pricing").unwrap().versions[0].summary(), "reads orders");
    let none = "built-in.invalid/acme/none:1".parse().unwrap();
    assert!(matches!(pull(&source, &none).await, Err(RegistryError::NotFound { .. })));
}

#[tokio::test]
async fn a_signature_is_made_and_verified() {
    let Some(registry) = Registry::start(None) else { return };
    let reference = registry.reference("acme/cart");
    let namespace = format!("{}/acme", registry.address);
    let published = publish(&client(), &reference, &package("cart", "1.0.0")).await.unwrap();
    let verify = async |seed| signing::verify(&source(), &published.reference, &trust(seed, &namespace)).await;

    assert!(matches!(verify(1).await, Err(RegistryError::Unsigned { .. })));
    signing::sign(&client(), &published.reference, &key(2)).await.unwrap();
    assert!(matches!(verify(1).await, Err(RegistryError::WrongKey { .. })));
    signing::sign(&client(), &published.reference, &key(1)).await.unwrap();
    signing::sign(&client(), &published.reference, &key(1)).await.unwrap();
    let verified = verify(1).await.unwrap();
    assert_eq!(verified.publisher, "acme");
    verify(2).await.unwrap();
    let found = signing::signatures(&source(), &published.reference).await.unwrap();
    assert_eq!(found.len(), 2, "signing again with the same key adds nothing");

    let pulled = pull(&source(), &published.reference).await.unwrap();
    verified.published(&pulled).unwrap();
    let mut other = verified;
    other.publisher = "beta".into();
    assert!(matches!(other.published(&pulled), Err(RegistryError::WrongPublisher { .. })));
}

#[tokio::test]
async fn a_signature_copied_from_another_image_is_refused() {
    let Some(registry) = Registry::start(None) else { return };
    let namespace = format!("{}/acme", registry.address);
    let good = publish(&client(), &registry.reference("acme/cart"), &package("cart", "1.0.0")).await.unwrap();
    signing::sign(&client(), &good.reference, &key(1)).await.unwrap();
    let evil = publish(&client(), &registry.reference("acme/cart"), &package("cart", "6.6.6")).await.unwrap();
    // The signature manifest of the good one, under the tag of the other.
    let beside = good.reference.with_tag(&signing::signature_tag(&good.digest));
    let stolen = client().manifest(&beside).await.unwrap();
    let target = good.reference.with_tag(&signing::signature_tag(&evil.digest));
    client().put_manifest(&target, stolen.bytes.into()).await.unwrap();
    let error = signing::verify(&source(), &evil.reference, &trust(1, &namespace)).await.unwrap_err();
    assert!(matches!(&error, RegistryError::CopiedSignature { signed, .. } if *signed == good.digest), "{error}");
}

/// Bytes on the registry's disk are changed behind its back.
#[tokio::test]
async fn a_registry_with_changed_or_short_blobs_is_caught() {
    let Some(registry) = Registry::start(None) else { return };
    let package = package("cart", "1.0.0");
    let published = publish(&client(), &registry.reference("acme/cart"), &package).await.unwrap();
    let blob = registry.blob_path(&published.component_digest);
    let mut changed = package.component.clone();
    *changed.last_mut().unwrap() ^= 1;
    std::fs::write(&blob, &changed).unwrap();
    let error = pull(&source(), &published.reference).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Lying { what, .. } if what == "component"), "{error}");
    std::fs::write(&blob, &package.component[..20]).unwrap();
    let error = pull(&source(), &published.reference).await.unwrap_err();
    assert!(matches!(error, RegistryError::Truncated { found: 20, .. } | RegistryError::Lying { .. }), "{error}");
    std::fs::remove_file(&blob).unwrap();
    let error = pull(&source(), &published.reference).await.unwrap_err();
    assert!(matches!(&error, RegistryError::NotFound { what, .. } if what == "component"), "{error}");
}

#[tokio::test]
async fn a_catalogue_is_published_loaded_searched_and_copied() {
    let Some(registry) = Registry::start(None) else { return };
    let place = registry.reference("acme/catalogue:stable");
    let trust = trust(1, &format!("{}/acme", registry.address));
    let mut catalogue = Catalogue::new("acme", "Acme's plugins", "acme").unwrap();
    for (name, version, imports) in [
        ("cart", "1.0.0", vec![("orders", "get")]),
        ("cart", "1.1.0", vec![("orders", "get"), ("messaging", "send-email")]),
        ("pricing", "0.3.0", vec![("pricing-actions", "set-price")]),
    ] {
        let reference = registry.reference(&format!("acme/{name}"));
        let published = publish(&client(), &reference, &package(name, version)).await.unwrap();
        signing::sign(&client(), &published.reference, &key(1)).await.unwrap();
        let pulled = pull(&source(), &published.reference).await.unwrap();
        catalogue.add(&pulled, &imports, Vec::new()).unwrap();
    }
    let pinned = catalogue::publish(&client(), &place, &catalogue, &key(1)).await.unwrap();
    let loaded = catalogue::load(&source(), &place, &trust, Some(catalogue.revision)).await.unwrap();
    assert_eq!((&loaded.catalogue, &loaded.reference), (&catalogue, &pinned));
    assert_eq!(loaded.verified.publisher, "acme");

    // Somebody else changes it; then the old state is played back.
    let mut newer = loaded.catalogue.clone();
    newer.yank("cart", &Version::new(1, 0, 0), "it wrote twice").unwrap();
    catalogue::publish(&client(), &place, &newer, &key(1)).await.unwrap();
    let stale = catalogue::publish(&client(), &place, &catalogue, &key(1)).await.unwrap_err();
    assert!(stale.to_string().contains("load that one"), "{stale}");
    let old = client().manifest(&pinned).await.unwrap();
    client().put_manifest(&place, old.bytes.into()).await.unwrap();
    let replayed = catalogue::load(&source(), &place, &trust, Some(newer.revision)).await.unwrap_err();
    assert!(matches!(replayed, RegistryError::MovedBack { .. }), "{replayed}");
    catalogue::publish(&client(), &place, &newer, &key(1)).await.unwrap();

    // A copy works when the registry is gone, signatures and all.
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(folder.path()).unwrap();
    catalogue::copy(&source(), &place, &layout, true).await.unwrap();
    drop(registry);
    let offline = Source::Folder(Layout::open(folder.path()).unwrap());
    let loaded = catalogue::load(&offline, &place, &trust, None).await.unwrap();
    assert_eq!(loaded.catalogue, newer);
    let version = &loaded.catalogue.entry("cart").unwrap().versions[0];
    let pulled = pull(&offline, &version.reference).await.unwrap();
    assert_eq!(pulled.manifest.version, Version::new(1, 1, 0));
    signing::verify(&offline, &pulled.reference, &trust).await.unwrap();
    let yanked = &loaded.catalogue.entry("cart").unwrap().versions[1];
    assert!(matches!(pull(&offline, &yanked.reference).await, Err(RegistryError::NotFound { .. })));
    // The copy lies.
    let hex = pulled.component_digest.strip_prefix("sha256:").unwrap();
    std::fs::write(folder.path().join("blobs/sha256").join(hex), b"other").unwrap();
    assert!(pull(&offline, &pulled.reference).await.is_err());

    // What the shop sees.
    let hits = catalogue::search([&loaded.catalogue], "email cart");
    assert_eq!(hits.iter().map(|hit| hit.entry.name.as_str()).collect::<Vec<_>>(), ["cart"]);
    let installed = [Installed {
        publisher: "acme".into(),
        name: "cart".into(),
        version: Version::new(1, 0, 0),
        permissions: permissions::permissions(&[("orders", "get")]).unwrap(),
    }];
    let outdated = catalogue::outdated(&installed, [&loaded.catalogue], &|wit| wit == "0.1");
    assert_eq!(outdated.len(), 1);
    assert_eq!(outdated[0].yanked, Some("it wrote twice"));
    assert_eq!(outdated[0].newest.unwrap().version, Version::new(1, 1, 0));
    assert_eq!(outdated[0].changelog, [(&Version::new(1, 1, 0), "New in 1.1.0.")]);
    assert_eq!(outdated[0].permissions.added[0].name(), "messaging.send-email");
    assert!(catalogue::outdated(&installed, [&loaded.catalogue], &|_| false)[0].newest.is_none());
}

#[tokio::test]
async fn a_version_never_changes_for_lock_and_catalogue() {
    let Some(registry) = Registry::start(None) else { return };
    let place = registry.reference("acme/cart");
    let latest = place.with_tag("latest");
    let first = package("cart", "1.0.0");
    publish(&client(), &place, &first).await.unwrap();
    publish(&client(), &latest, &package("cart", "1.1.0")).await.unwrap();
    let pulled = pull(&source(), &place.with_tag("1.0.0")).await.unwrap();
    let newer = pull(&source(), &latest).await.unwrap();
    let mut lock = Lock::default();
    lock.pin(&pulled, None).unwrap();
    lock.pin(&newer, None).unwrap();
    lock.saw(&latest, 7);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shopwright.lock");
    lock.write(&path).unwrap();
    let lock = Lock::read(&path).unwrap();
    assert_eq!(lock.plugins().len(), 2);
    assert_eq!(lock.revision(&latest), Some(7));
    assert_eq!(lock.get("acme", "cart", &Version::new(1, 0, 0)).unwrap().component, pulled.component_digest);

    // The tag moves back.
    publish(&client(), &latest, &first).await.unwrap();
    let back = pull(&source(), &latest).await.unwrap();
    let error = lock.check(&back).unwrap_err();
    assert!(matches!(&error, RegistryError::MovedBack { known, found, .. } if known == "1.1.0" && found == "1.0.0"));
    // The version has other contents.
    let mut other = first.clone();
    let mut manifest = support::manifest("cart", "1.0.0");
    manifest.summary = "Something else.".into();
    other.component = shopwright_registry::embed(&other.component, &manifest).unwrap();
    publish(&client(), &place, &other).await.unwrap();
    let changed = pull(&source(), &place.with_tag("1.0.0")).await.unwrap();
    assert!(matches!(lock.check(&changed), Err(RegistryError::Moved { .. })));
    let mut catalogue = Catalogue::new("acme", "Acme", "acme").unwrap();
    catalogue.add::<&str, &str>(&pulled, &[], Vec::new()).unwrap();
    let error = catalogue.add::<&str, &str>(&changed, &[], Vec::new()).unwrap_err();
    assert!(error.to_string().contains("a version never changes"), "{error}");
    let shot = Screenshot { url: "javascript:alert(1)".into(), caption: "x".into() };
    assert!(catalogue.add::<&str, &str>(&pulled, &[], vec![shot]).is_err());
}

#[tokio::test]
async fn a_login_is_taken_from_the_docker_configuration() {
    // The password is "secret", hashed by bcrypt.
    let users = "ann:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n";
    let Some(registry) = Registry::start(Some(users)) else { return };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    let client_with = |user: &str, password: &str| {
        let auth = STANDARD.encode(format!("{user}:{password}"));
        let text = serde_json::json!({"auths": {registry.address.to_string(): {"auth": auth}}}).to_string();
        std::fs::write(&config, text).unwrap();
        Client::new(DockerConfig::read(&config).unwrap()).unwrap()
    };
    let place = registry.reference("acme/cart:1.0.0");
    let package = package("cart", "1.0.0");
    let refused = publish(&client(), &place, &package).await.unwrap_err();
    assert!(matches!(&refused, RegistryError::Unauthorized { user, .. } if user == "anybody"), "{refused}");
    let wrong = publish(&client_with("ann", "wrong"), &place, &package).await.unwrap_err();
    assert!(matches!(&wrong, RegistryError::Unauthorized { user, .. } if user == "ann"), "{wrong}");
    let ann = client_with("ann", "secret");
    publish(&ann, &place, &package).await.unwrap();
    pull(&Source::Registry(ann), &place).await.unwrap();
}

#[tokio::test]
async fn openssl_verifies_our_signature_and_we_verify_openssl_s_keys() {
    let folder = tempfile::tempdir().unwrap();
    if run("openssl", &["version"], folder.path()).is_none() {
        return left_out("openssl");
    }
    let Some(registry) = Registry::start(None) else { return };
    let published = publish(&client(), &registry.reference("acme/cart"), &package("cart", "1.0.0")).await.unwrap();
    signing::sign(&client(), &published.reference, &key(1)).await.unwrap();
    // Nothing of our own reading: the payload and the annotation as anybody would fetch them.
    let beside = published.reference.with_tag(&signing::signature_tag(&published.digest));
    let raw = client().manifest(&beside).await.unwrap();
    let layer = ImageManifest::parse(&raw.bytes).unwrap().layers.remove(0);
    std::fs::copy(registry.blob_path(&layer.digest), folder.path().join("payload")).unwrap();
    let signature = STANDARD.decode(&layer.annotations[SIGNATURE_ANNOTATION]).unwrap();
    std::fs::write(folder.path().join("signature"), signature).unwrap();
    std::fs::write(folder.path().join("public.pem"), key(1).public().to_pem()).unwrap();
    let arguments = ["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "payload"];
    let (good, said) = run("openssl", &arguments, folder.path()).unwrap();
    assert!(good && said.contains("Verified OK"), "{said}");

    // The other way round: a key that openssl made.
    let made = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "theirs.pem"];
    assert!(run("openssl", &made, folder.path()).unwrap().0);
    assert!(run("openssl", &["pkey", "-in", "theirs.pem", "-pubout", "-out", "theirs.pub"], folder.path()).unwrap().0);
    let theirs = std::fs::read_to_string(folder.path().join("theirs.pem")).unwrap();
    let theirs = signing::SigningKey::from_pem(&theirs, None).unwrap();
    let public = PublicKey::from_pem(&std::fs::read_to_string(folder.path().join("theirs.pub")).unwrap()).unwrap();
    assert!(public.verifies(b"message", &theirs.sign(b"message")));
}

#[tokio::test]
async fn oras_pulls_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    if !run("python3", &["-c", "import oras"], folder.path()).is_some_and(|(good, _)| good) {
        return left_out("oras (a Python module)");
    }
    let Some(registry) = Registry::start(None) else { return };
    let package = package("cart", "1.0.0");
    let published = publish(&client(), &registry.reference("acme/cart"), &package).await.unwrap();
    let script = r#"
import hashlib, json, sys, oras.client
reference, outdir = sys.argv[1], sys.argv[2]
client = oras.client.OrasClient(insecure=True, tls_verify=False)
manifest = client.get_manifest(reference)
layer, = manifest["layers"]
blob = client.get_blob(reference, layer["digest"])
pulled = client.pull(target=reference, outdir=outdir)
print(json.dumps({"files": [open(file, "rb").read().hex() for file in pulled], "layer": layer, "sha256": hashlib.sha256(blob.content).hexdigest(), "bytes": len(blob.content),
                  "config": manifest["config"]["mediaType"]}))
"#;
    let place = format!("{}:1.0.0", published.reference.name());
    let (good, said) = run("python3", &["-c", script, &place, "."], folder.path()).unwrap();
    assert!(good, "{said}");
    let line = said.lines().rfind(|line| line.starts_with('{')).unwrap();
    let answer: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(format!("sha256:{}", answer["sha256"].as_str().unwrap()), published.component_digest);
    let hex: String = package.component.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(answer["files"], serde_json::json!([hex]), "{said}");
    assert_eq!(answer["bytes"], package.component.len());
    assert_eq!(answer["config"], "application/vnd.wasm.config.v0+json");
}
