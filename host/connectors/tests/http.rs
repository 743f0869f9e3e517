//! Requests of plugins against real servers on loopback: where they go, what they carry, when they stop.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    slice::from_ref,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use shopwright_connectors::http::{AddressRange, HttpOptions, HttpOut, Order, Remote as _, Reply, Resolver, Secret};
use shopwright_model::http::{Header, HttpError, Method, Request, Response};
use shopwright_policy::Reach;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, RootCertStore,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

const NOW: i64 = 1_772_442_000_000;

/// What a server does with a request (head and body as text).
type Serve = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// A server on loopback.
struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(serve: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(serve), None).await
    }

    async fn listen(serve: Serve, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (serve, log, tls) = (serve.clone(), log.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => answer(stream, serve, log).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                answer(stream, serve, log).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, seen }
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("a log").clone()
    }
}

/// Reads one request, answers it, and goes on writing for as long as the answer is `endless` or holds at `hold`.
async fn answer<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, serve: Serve, log: Arc<Mutex<Vec<String>>>) {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let whole = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = whole.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, length)| length.parse::<usize>().expect("a length"));
            if body.len() >= length {
                break;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(n) => text.extend_from_slice(&chunk[..n]),
        }
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    log.lock().expect("a log").push(text.clone());
    let said = serve(&text);
    if said.is_empty() || stream.write_all(&said).await.is_err() {
        return;
    }
    if text.contains("/endless") {
        let block = [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
        while stream.write_all(&block).await.is_ok() {}
    } else if text.contains("/hold") {
        // Until the other side goes.
        let _ = stream.read(&mut chunk).await;
    }
    let _ = stream.shutdown().await;
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn redirect(status: u16, to: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

/// Names that lead where the test says: a list per look-up, the last one for all further.
#[derive(Default)]
struct Names {
    known: HashMap<&'static str, Vec<Vec<&'static str>>>,
    asked: AtomicUsize,
}

impl Names {
    fn with(mut self, name: &'static str, answers: &[&[&'static str]]) -> Self {
        self.known.insert(name, answers.iter().map(|list| list.to_vec()).collect());
        self
    }
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let n = self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.known.get(name).ok_or_else(|| io::Error::other("no such name"))?;
        Ok(answers[n.min(answers.len() - 1)].iter().map(|text| text.parse().expect("an address")).collect())
    }
}

fn range(text: &str) -> AddressRange {
    text.parse().expect("a range")
}

fn options() -> HttpOptions {
    HttpOptions {
        allow: vec![range("127.0.0.0/8")],
        request_bytes: 1_000,
        response_bytes: 100_000,
        ..HttpOptions::default()
    }
}

fn out_with(options: HttpOptions, names: &Arc<Names>) -> HttpOut {
    HttpOut::trusting(options, names.clone(), RootCertStore::empty())
}

fn out() -> HttpOut {
    out_with(options(), &Arc::default())
}

fn get(url: impl Into<String>) -> Request {
    Request {
        method: Method::Get,
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: None,
        repeatable: false,
        reason: String::new(),
    }
}

fn post(url: impl Into<String>, body: &str) -> Request {
    Request { method: Method::Post, body: body.as_bytes().to_vec(), ..get(url) }
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: value.into() }
}

fn reach(hosts: &[String]) -> Reach {
    Reach::new(&["*".to_owned()], Some(hosts))
}

async fn send_with(out: &HttpOut, request: &Request, hosts: &[String], secrets: &[Secret]) -> Reply {
    let reach = reach(hosts);
    out.send(&Order { request, key: Some("run-1"), reach: &reach, secrets, now: NOW }).await
}

async fn send(out: &HttpOut, request: &Request, hosts: &[String]) -> Reply {
    send_with(out, request, hosts, &[]).await
}

fn answered(reply: Reply) -> Response {
    match reply {
        Reply::Answer { response, .. } => response,
        other => panic!("no answer: {other:?}"),
    }
}

fn error_of(reply: Reply) -> HttpError {
    match reply {
        Reply::Answer { response, .. } => panic!("an answer: {response:?}"),
        Reply::NotSent { error, .. } | Reply::Lost { error } | Reply::Unusable { error } => error,
    }
}

#[tokio::test]
async fn a_request_arrives_with_its_headers_and_the_hosts_own() {
    let server = Server::start(|_| b"HTTP/1.1 201 Created\r\nX-Id: 7\r\ncontent-length: 2\r\n\r\nok".to_vec()).await;
    let host = format!("http://127.0.0.1:{}", server.port);
    let mut request = post(format!("{host}/orders?a=b#part"), "{\"n\":1}");
    request.headers = vec![header("Content-Type", "application/json")];
    let response = answered(send(&out(), &request, from_ref(&host)).await);
    assert_eq!((response.status, response.body.as_slice()), (201, b"ok".as_slice()));
    assert!(response.headers.contains(&header("x-id", "7")));
    let seen = server.seen().remove(0).to_lowercase();
    assert!(seen.starts_with("post /orders?a=b http/1.1\r\n"), "{seen}");
    for line in [
        format!("host: 127.0.0.1:{}", server.port),
        "idempotency-key: run-1".into(),
        "accept-encoding: identity".into(),
    ] {
        assert!(seen.contains(&line), "{line}: {seen}");
    }
    assert!(seen.ends_with("{\"n\":1}"));
    // A read has no key, and the plugin's own key goes before the host's.
    answered(send(&out(), &get(&host), from_ref(&host)).await);
    request.headers.push(header("Idempotency-Key", "mine"));
    answered(send(&out(), &request, &[host]).await);
    let seen = server.seen();
    assert!(!seen[1].contains("idempotency-key") && seen[2].contains("mine") && !seen[2].contains("run-1"));
}

#[tokio::test]
async fn no_notation_and_no_name_leads_to_an_address_that_is_not_public() {
    let server = Server::start(|_| ok("inside")).await;
    let port = server.port;
    let none = HttpOptions { allow: Vec::new(), ..options() };
    let names = Names::default()
        .with("rebound.test", &[&["127.0.0.1"]])
        .with("mixed.test", &[&["93.184.216.34", "10.0.0.7"]])
        .with("mapped.test", &[&["::ffff:127.0.0.1"]])
        .with("metadata.test", &[&["169.254.169.254"]]);
    let out = out_with(none, &Arc::new(names));
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0x7f.1",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "①②⑦.⓪.⓪.①",
        "169.254.169.254",
        "0.0.0.0",
        "[fd00:ec2::254]",
        "rebound.test",
        "mixed.test",
        "mapped.test",
        "metadata.test.",
    ] {
        let url = format!("http://{host}:{port}/");
        // The operator has granted the very host: the address is another question.
        let name = shopwright_connectors::http::Target::parse(&url).expect(host).host;
        let error = error_of(send(&out, &get(&url), &[format!("http://{name}:{port}")]).await);
        assert!(matches!(&error, HttpError::BlockedAddress(_)), "{host}: {error:?}");
    }
    // Not granted is said before anybody is asked for an address.
    let error = error_of(send(&out, &get("https://rebound.test/"), &["api.test".into()]).await);
    assert!(matches!(error, HttpError::NotGranted(_)), "{error:?}");
    for url in [format!("http://api.test@127.0.0.1:{port}/"), format!("http://api.test:80@127.0.0.1:{port}/")] {
        let error = error_of(send(&out, &get(&url), &["http://api.test".into()]).await);
        assert!(matches!(error, HttpError::BadRequest(_)), "{error:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn the_address_that_was_looked_at_is_the_one_that_is_connected_to() {
    let server = Server::start(|text| if text.contains("/again") { redirect(302, "/") } else { ok("here") }).await;
    // The first answer is the good one, every later one would lead inside.
    let names = Arc::new(Names::default().with("api.test", &[&["127.0.0.1"], &["10.0.0.1"]]));
    let out = out_with(options(), &names);
    let hosts = [format!("http://api.test:{}", server.port)];
    assert_eq!(answered(send(&out, &get(&hosts[0]), &hosts).await).body, b"here");
    assert_eq!(names.asked.load(Ordering::SeqCst), 1, "one look-up, and none by the connection itself");
    assert!(matches!(error_of(send(&out, &get(&hosts[0]), &hosts).await), HttpError::BlockedAddress(_)));
    // The same on a redirect: it is a new connection, with a look-up of its own.
    let names = Arc::new(Names::default().with("api.test", &[&["127.0.0.1"], &["10.0.0.1"]]));
    let out = out_with(options(), &names);
    let error = error_of(send(&out, &get(format!("{}/again", hosts[0])), &hosts).await);
    assert!(matches!(error, HttpError::BlockedAddress(_)), "{error:?}");
}

#[tokio::test]
async fn redirects_are_judged_like_requests() {
    let other = Server::start(|_| ok("other")).await;
    let there = format!("http://b.test:{}", other.port);
    let moved = there.clone();
    let server = Server::start(move |text| {
        let path = text.split([' ', '?']).nth(1).unwrap_or_default().to_owned();
        match path.as_str() {
            "/inside" => redirect(302, "http://inside.test/"),
            "/stranger" => redirect(302, "https://stranger.test/"),
            "/round" => redirect(302, "/round"),
            "/scheme" => redirect(302, "file:///etc/passwd"),
            "/made" => redirect(303, "/new"),
            "/made-elsewhere" => redirect(303, "https://stranger.test/"),
            "/other" => redirect(307, &moved),
            "/leak" => redirect(302, &format!("{moved}/?k=value-of-k")),
            _ => ok(&path),
        }
    })
    .await;
    let here = format!("http://a.test:{}", server.port);
    let names = Names::default()
        .with("a.test", &[&["127.0.0.1"]])
        .with("b.test", &[&["127.0.0.1"]])
        .with("inside.test", &[&["10.0.0.1"]]);
    let out = out_with(options(), &Arc::new(names));
    let hosts = [here.clone(), there.clone(), "http://inside.test".into()];
    let to = |path: &str| get(format!("{here}{path}"));
    assert!(matches!(error_of(send(&out, &to("/inside"), &hosts).await), HttpError::BlockedAddress(_)));
    for (path, says) in
        [("/stranger", "has not granted stranger.test"), ("/round", "more than 5"), ("/scheme", "begins with")]
    {
        match send(&out, &to(path), &hosts).await {
            Reply::NotSent { error: HttpError::Redirect(why), again: false } => assert!(why.contains(says), "{why}"),
            other => panic!("{path}: {other:?}"),
        }
    }
    assert_eq!(server.seen().iter().filter(|text| text.contains("/round")).count(), 6);
    // What was made is fetched, without its body; that it was made is known even where it cannot be fetched.
    assert_eq!(answered(send(&out, &post(format!("{here}/made"), "x"), &hosts).await).body, b"/new");
    assert!(
        server.seen().last().is_some_and(|text| text.starts_with("GET /new ") && !text.contains("idempotency-key"))
    );
    let reply = send(&out, &post(format!("{here}/made-elsewhere"), "x"), &hosts).await;
    assert!(matches!(reply, Reply::Unusable { error: HttpError::Redirect(_) }), "{reply:?}");
    // To another host: with body and key, without anything that says who is asking.
    let secret = Secret { name: "K".into(), value: "value-of-k".into(), hosts: vec![here.clone(), there.clone()] };
    let mut request = post(format!("{here}/other"), "the body");
    request.headers =
        vec![header("authorization", "Bearer me"), header("x-token", "{{secret:K}}"), header("x-plain", "stays")];
    answered(send_with(&out, &request, &hosts, from_ref(&secret)).await);
    let seen = other.seen().remove(0);
    assert!(
        seen.contains("x-plain: stays") && seen.contains("idempotency-key") && seen.ends_with("the body"),
        "{seen}"
    );
    assert!(!seen.contains("authorization") && !seen.contains("x-token") && !seen.contains("value-of-k"), "{seen}");
    // A body with a secret does not move on, nor does an address that repeats one.
    let request = post(format!("{here}/other"), "k={{secret:K}}");
    let error = error_of(send_with(&out, &request, &hosts, from_ref(&secret)).await);
    assert!(matches!(error, HttpError::Redirect(_)), "{error:?}");
    let request = get(format!("{here}/leak?k={{{{secret:K}}}}"));
    let error = error_of(send_with(&out, &request, &hosts, &[secret]).await);
    assert!(matches!(&error, HttpError::Redirect(why) if !why.contains("value-of-k")), "{error:?}");
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn reading_stops_at_the_limit_and_at_the_deadline() {
    let server = Server::start(|text| match text.split(' ').nth(1) {
        Some("/announced") => b"HTTP/1.1 200 OK\r\ncontent-length: 100001\r\n\r\nx".to_vec(),
        Some("/endless") => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec(),
        Some("/hold") => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec(),
        Some("/hold/head") => b"HTTP/1.1 200 OK\r\n".to_vec(),
        Some("/garbage") => b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec(),
        Some("/cut") => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf".to_vec(),
        Some("/gone") => Vec::new(),
        _ => ok("fine"),
    })
    .await;
    let host = format!("http://127.0.0.1:{}", server.port);
    let hosts = [host.clone()];
    let out = out();
    for path in ["/announced", "/endless"] {
        let reply = send(&out, &post(format!("{host}{path}"), "x"), &hosts).await;
        assert!(matches!(reply, Reply::Unusable { error: HttpError::TooLarge(100_000) }), "{reply:?}");
    }
    let begun = Instant::now();
    for path in ["/hold", "/hold/head"] {
        let reply = send(&out, &Request { timeout: Some(200), ..get(format!("{host}{path}")) }, &hosts).await;
        assert!(matches!(reply, Reply::Lost { error: HttpError::Timeout(_) }), "{reply:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
    for path in ["/gone", "/cut"] {
        let reply = send(&out, &post(format!("{host}{path}"), "x"), &hosts).await;
        assert!(matches!(reply, Reply::Lost { error: HttpError::Connect(_) }), "{reply:?}");
    }
    let reply = send(&out, &get(format!("{host}/garbage")), &hosts).await;
    assert!(matches!(reply, Reply::Lost { error: HttpError::BadAnswer(_) }), "{reply:?}");
    // Nobody listens: nothing was sent, and it may go later.
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let closed = format!("http://127.0.0.1:{free}");
    let reply = send(&out, &get(&closed), from_ref(&closed)).await;
    assert!(matches!(reply, Reply::NotSent { error: HttpError::Connect(_), again: true }), "{reply:?}");
    let reply = send(&out, &get("https://nowhere.test/"), &["nowhere.test".into()]).await;
    assert!(matches!(reply, Reply::NotSent { error: HttpError::Dns(_), again: true }), "{reply:?}");
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_not_sent() {
    let server = Server::start(|_| ok("")).await;
    let host = format!("http://127.0.0.1:{}", server.port);
    let hosts = [host.clone()];
    let with = |name: &str, value: &str| Request { headers: vec![header(name, value)], ..get(&host) };
    for request in [
        with("host", "other.test"),
        with("Content-Length", "5"),
        with("transfer-encoding", "chunked"),
        with("accept-encoding", "gzip"),
        with("x-line", "a\r\nx-other: b"),
        with("a b", "c"),
        with("x", "{{secret:}}"),
        Request { body: b"x".to_vec(), ..get(&host) },
        post(&host, &"x".repeat(1_001)),
        Request { timeout: Some(0), ..get(&host) },
        Request { timeout: Some(60_001), ..get(&host) },
        Request { headers: vec![header("x", "y"); 65], ..get(&host) },
        get("file:///etc/passwd"),
    ] {
        let error = error_of(send(&out(), &request, &hosts).await);
        assert!(matches!(error, HttpError::BadRequest(_)), "{request:?}: {error:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_secret_goes_out_and_does_not_come_back() {
    let server = Server::start(|text| {
        let echo = text.replace("\r\n", "|");
        let token = text.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or_default();
        format!("HTTP/1.1 200 OK\r\nx-echo: {token}\r\ncontent-length: {}\r\n\r\n{echo}", echo.len()).into_bytes()
    })
    .await;
    let host = format!("http://127.0.0.1:{}", server.port);
    let secrets = [("TOKEN", "s3cr3t-\"token\""), ("USER", "shop-user")].map(|(name, value)| Secret {
        name: name.into(),
        value: value.into(),
        hosts: vec![host.clone()],
    });
    let mut request = post(format!("{host}/?t={{{{secret:TOKEN}}}}"), "{\"t\":\"{{secret:TOKEN}}\"}");
    request.headers = vec![
        header("authorization", "Bearer {{secret:TOKEN}}"),
        header("x-basic", "Basic {{basic:USER:TOKEN}}"),
        header("content-type", "application/json"),
    ];
    let response = answered(send_with(&out(), &request, from_ref(&host), &secrets).await);
    let seen = server.seen().remove(0);
    assert!(seen.contains("authorization: Bearer s3cr3t-\"token\"\r\n"), "{seen}");
    assert!(
        seen.starts_with("POST /?t=s3cr3t-%22token%22 ") && seen.ends_with("{\"t\":\"s3cr3t-\\\"token\\\"\"}"),
        "{seen}"
    );
    let told = format!("{response:?} {}", String::from_utf8_lossy(&response.body));
    assert!(!told.contains("s3cr3t") && !told.contains("c2hvcC11c2VyOnMzY3IzdC0"), "{told}");
    assert!(response.headers.contains(&header("x-echo", "Bearer {{secret:TOKEN}}")), "{told}");
    // Bound to another host: not sent, and the error names it alone.
    let elsewhere = [Secret { hosts: vec!["other.test".into()], ..secrets[0].clone() }];
    let error = error_of(send_with(&out(), &request, &[host], &elsewhere).await);
    assert!(
        matches!(&error, HttpError::Secret(why) if why.contains("`TOKEN`") && !why.contains("s3cr3t")),
        "{error:?}"
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn tls_is_checked_and_not_left() {
    let pem = |name: &str| std::fs::read(format!("tests/fixtures/tls/{name}")).expect("a fixture");
    let certificate = |name: &str| CertificateDer::from_pem_slice(&pem(name)).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(&pem("api.test-key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate("api.test.pem")], key)
        .expect("a server");
    let serve: Serve =
        Arc::new(|text| if text.contains("/plain") { redirect(302, "http://api.test/") } else { ok("safe") });
    let server = Server::listen(serve, Some(TlsAcceptor::from(Arc::new(config)))).await;
    let mut roots = RootCertStore::empty();
    roots.add(certificate("ca.pem")).expect("a root");
    let names = Names::default().with("api.test", &[&["127.0.0.1"]]).with("other.test", &[&["127.0.0.1"]]);
    let names = Arc::new(names);
    let out = HttpOut::trusting(options(), names.clone(), roots);
    let hosts: Vec<String> = ["api.test", "other.test"]
        .map(|host| format!("{host}:{}", server.port))
        .into_iter()
        .chain(["http://api.test".into()])
        .collect();
    assert_eq!(answered(send(&out, &get(format!("https://{}/", hosts[0])), &hosts).await).body, b"safe");
    let reply = send(&out, &get(format!("https://{}/plain", hosts[0])), &hosts).await;
    assert!(
        matches!(&reply, Reply::NotSent { error: HttpError::Redirect(why), .. } if why.contains("away from HTTPS")),
        "{reply:?}"
    );
    // Another name than the certificate's, and a certificate that nobody trusts.
    let strangers = HttpOut::trusting(options(), names, RootCertStore::empty());
    for (out, host) in [(&out, &hosts[1]), (&strangers, &hosts[0])] {
        let reply = send(out, &get(format!("https://{host}/")), &hosts).await;
        assert!(matches!(reply, Reply::NotSent { error: HttpError::Tls(_), again: false }), "{reply:?}");
    }
}
