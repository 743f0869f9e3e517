//! Registries that lie, break off, or ask for passwords to be sent elsewhere.

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use shopwright_registry::oci::{
    Client, Descriptor, DockerConfig, ImageManifest, Packed, Reference, Source, pack, pull,
};
use shopwright_registry::{RegistryError, digest};
use support::{client, package};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that answers every request with the bytes that `answer` makes of its head, and closes.
struct Server {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (heads.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, answer) = (seen.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    let head = String::from_utf8(head).unwrap();
                    let bytes = answer(&head);
                    seen.lock().unwrap().push(head);
                    // The client may have heard enough.
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Server { address, heads }
    }

    fn reference(&self, rest: &str) -> Reference {
        format!("{}/{rest}", self.address).parse().unwrap()
    }

    fn asked(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        heads.iter().map(|head| head.lines().next().unwrap().to_owned()).collect()
    }
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn ok(body: &[u8]) -> Vec<u8> {
    answer("200 OK", "", body)
}

/// An honest registry with one artifact in it.
fn honest(packed: &Packed, head: &str) -> Vec<u8> {
    let component = digest(&packed.component);
    let config = digest(&packed.config);
    match head.split_whitespace().nth(1).unwrap() {
        path if path.contains("/manifests/sha256-") => answer("404 Not Found", "", b""),
        path if path.contains("/manifests/") => ok(&packed.image),
        path if path.ends_with(&component) => ok(&packed.component),
        path if path.ends_with(&config) => ok(&packed.config),
        _ => answer("404 Not Found", "", b""),
    }
}

/// Pulls by digest from a registry that is honest but for what `lie` says.
async fn pull_from(packed: Packed, lie: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> RegistryError {
    let pinned = format!("acme/cart@{}", packed.digest);
    let server = Server::start(move |head| lie(head).unwrap_or_else(|| honest(&packed, head))).await;
    pull(&Source::Registry(client()), &server.reference(&pinned)).await.unwrap_err()
}

fn packed() -> Packed {
    pack(&package("cart", "1.0.0")).unwrap()
}

#[tokio::test]
async fn other_bytes_for_a_digest_are_caught() {
    let other = pack(&package("cart", "6.6.6")).unwrap();
    let error = pull_from(packed(), {
        let image = other.image.clone();
        move |head| head.contains("/manifests/").then(|| ok(&image))
    })
    .await;
    assert!(matches!(&error, RegistryError::Lying { what, .. } if what == "manifest"), "{error}");

    let component = digest(&packed().component);
    for (body, expected) in [
        (other.component.clone(), "component"),
        ([packed().component, vec![0]].concat(), "component"),
        (vec![b'x'; 5_000_000], "component"),
    ] {
        let component = component.clone();
        let error = pull_from(packed(), move |head| head.contains(&component).then(|| ok(&body))).await;
        assert!(matches!(&error, RegistryError::Lying { what, .. } if what == expected), "{error}");
        assert!(error.to_string().contains("nothing of it was used"), "{error}");
    }
}

#[tokio::test]
async fn a_tag_whose_digest_does_not_fit_is_caught() {
    let packed = packed();
    let server = Server::start(move |head| {
        let lie = format!("Docker-Content-Digest: sha256:{}\r\n", "0".repeat(64));
        if head.contains("/manifests/") { answer("200 OK", &lie, &packed.image) } else { honest(&packed, head) }
    })
    .await;
    let error = pull(&Source::Registry(client()), &server.reference("acme/cart:1.0.0")).await.unwrap_err();
    assert!(matches!(&error, RegistryError::Lying { what, .. } if what == "manifest"), "{error}");
}

#[tokio::test]
async fn a_truncated_layer_is_caught() {
    let whole = packed().component;
    let component = digest(&whole);
    let half = whole[..whole.len() / 2].to_vec();
    // The connection breaks off before the announced length; or less is announced from the start.
    let broken = {
        let mut bytes = ok(&whole);
        bytes.truncate(bytes.len() - whole.len() + half.len());
        bytes
    };
    for body in [broken, ok(&half), ok(b"")] {
        let component = component.clone();
        let error = pull_from(packed(), move |head| head.contains(&component).then(|| body.clone())).await;
        let length = whole.len() as u64;
        assert!(matches!(&error, RegistryError::Truncated { expected, .. } if *expected == length), "{error}");
    }
    let error =
        pull_from(packed(), move |head| head.contains(&component).then(|| answer("404 Not Found", "", b""))).await;
    assert!(matches!(&error, RegistryError::NotFound { what, .. } if what == "component"), "{error}");
}

#[tokio::test]
async fn a_manifest_without_end_is_cut_off() {
    let error = pull_from(packed(), |head| head.contains("/manifests/").then(|| ok(&vec![b' '; 8 << 20]))).await;
    assert!(matches!(&error, RegistryError::TooLarge { what, .. } if what == "manifest"), "{error}");
}

/// Other artifacts, and plugins that are not what they show.
#[tokio::test]
async fn what_is_no_plugin_is_refused_with_the_difference() {
    let good = packed();
    let image = ImageManifest::parse(&good.image).unwrap();
    let changed = |change: &dyn Fn(&mut ImageManifest)| {
        let mut image = image.clone();
        change(&mut image);
        image.to_bytes()
    };
    let other_manifest = serde_json::to_string(&support::manifest("cart", "9.9.9")).unwrap();
    let other_config = br#"{"layerDigests":["sha256:00"]}"#;
    let cases = [
        (changed(&|image| image.layers.push(image.layers[0].clone())), "2 layers"),
        (
            changed(&|image| image.config.media_type = "application/vnd.oci.image.config.v1+json".into()),
            "its config is",
        ),
        (changed(&|image| image.layers[0].media_type = "application/x-tar".into()), "its layer is"),
        (
            changed(&|image| image.media_type = Some("application/vnd.oci.image.index.v1+json".into())),
            "not application",
        ),
        (changed(&|image| image.layers[0].digest = "sha256:../../x".into()), "no sha256 digest"),
        (changed(&|image| image.layers[0].size = 1 << 40), "larger than"),
        (changed(&|image| image.config = Descriptor::of(&image.config.media_type, other_config)), "another layer"),
        (
            changed(&|image| {
                image.annotations.insert("dev.shopwright.plugin.manifest".into(), other_manifest.clone());
            }),
            "is not the one in its component",
        ),
        (
            changed(&|image| {
                image.annotations.insert("dev.shopwright.plugin.icon".into(), "data:text/html;base64,PGI+".into());
            }),
            "PNG",
        ),
        (b"{}".to_vec(), "no image manifest"),
        (b"<html>".to_vec(), "no image manifest"),
    ];
    for (bytes, words) in cases {
        let packed = Packed { digest: digest(&bytes), image: bytes, ..good.clone() };
        let config = digest(other_config);
        let error = pull_from(packed, move |head| head.contains(&config).then(|| ok(other_config))).await;
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}

#[tokio::test]
async fn a_component_that_is_no_plugin_is_refused() {
    let component = b"\0asm\x0d\0\x01\0".to_vec();
    let mut image = ImageManifest::parse(&packed().image).unwrap();
    image.layers = vec![Descriptor::of("application/wasm", &component)];
    image.config = Descriptor::of(&image.config.media_type, b"{}");
    let image = image.to_bytes();
    let packed = Packed { digest: digest(&image), image, component, config: b"{}".to_vec(), ..packed() };
    let error = pull_from(packed, |_| None).await;
    assert!(error.to_string().contains("carries no manifest"), "{error}");
}

fn logged_in(address: SocketAddr) -> Client {
    // ann:secret
    let text = format!(r#"{{"auths": {{"{address}": {{"auth": "YW5uOnNlY3JldA=="}}}}}}"#);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, text).unwrap();
    Client::new(DockerConfig::read(&path).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_service_is_asked_once_and_its_token_used() {
    let packed = packed();
    let server = Server::start(move |head| {
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        let basic = head.contains("authorization: Basic YW5uOnNlY3JldA==");
        if head.starts_with("GET /token?") {
            let asked = head.contains("service=here") && head.contains("scope=repository%3Aacme%2Fcart%3Apull");
            return if basic && asked { ok(br#"{"token":"t0"}"#) } else { answer("403 Forbidden", "", b"") };
        }
        if head.contains("authorization: Bearer t0") {
            return honest(&packed, head);
        }
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"here\"\r\n");
        answer("401 Unauthorized", &challenge, b"")
    })
    .await;
    let source = Source::Registry(logged_in(server.address));
    pull(&source, &server.reference("acme/cart:1.0.0")).await.unwrap();
    let tokens = server.asked().iter().filter(|line| line.contains("/token")).count();
    assert_eq!(tokens, 1, "{:?}", server.asked());
}

#[tokio::test]
async fn a_password_is_sent_to_no_plain_token_service() {
    let server = Server::start(|_| {
        answer("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"http://192.0.2.1/token\",service=\"x\"\r\n", b"")
    })
    .await;
    let source = Source::Registry(logged_in(server.address));
    let error = pull(&source, &server.reference("acme/cart:1.0.0")).await.unwrap_err().to_string();
    assert!(error.contains("is not https") && !error.contains("secret"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_registry_s_words() {
    let body = br#"{"errors":[{"code":"DENIED","message":"the quota is used up"}]}"#;
    let server = Server::start(|_| answer("429 Too Many Requests", "", body)).await;
    let error = pull(&Source::Registry(client()), &server.reference("acme/cart:1.0.0")).await.unwrap_err();
    assert!(error.to_string().contains("429: DENIED the quota is used up"), "{error}");
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    let reference = format!("{nobody}/acme/cart:1.0.0").parse().unwrap();
    let error = pull(&Source::Registry(client()), &reference).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}
