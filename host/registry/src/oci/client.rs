//! The OCI distribution protocol, as far as plugins need it: manifests, blobs, tags, and the login dance.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, LINK, LOCATION, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;

use super::auth::{Credentials, DockerConfig};
use super::document::{Descriptor, MANIFEST_TYPE};
use super::reference::{is_internal, is_loopback};
use super::{RawManifest, Reference};
use crate::RegistryError;

/// Manifests are at most 4 MiB, as the specification has it.
const MAX_MANIFEST: u64 = 4 << 20;

/// Tokens, tag lists and errors.
const MAX_ANSWER: u64 = 4 << 20;

/// Pages of a tag list.
const MAX_PAGES: usize = 200;

const MAX_REDIRECTS: usize = 5;

/// Speaks to registries. Cheap to clone; logins are asked for once.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    logins: DockerConfig,
    /// Registries, with port, that are spoken to in plain HTTP though they are not this machine.
    plain: Arc<HashSet<String>>,
    admitted: Arc<Mutex<Admissions>>,
}

/// What registries have let us in with, by registry, repository and action.
type Admissions = HashMap<(String, String, Action), String>;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("logins", &self.logins).finish_non_exhaustive()
    }
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Action {
    Pull,
    Push,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Action::Pull => "pull",
            Action::Push => "push",
        }
    }

    fn scope(self) -> &'static str {
        match self {
            Action::Pull => "pull",
            Action::Push => "pull,push",
        }
    }
}

impl Client {
    /// A client with the logins of the docker configuration.
    ///
    /// # Errors
    /// [`RegistryError::Unreachable`] where the TLS library finds no root certificates.
    pub fn new(logins: DockerConfig) -> Result<Client, RegistryError> {
        // Somebody else in the process may have chosen a provider; ours is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let redirects = reqwest::redirect::Policy::custom(|attempt| {
            let was_https = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
            let inside = |url: &Url| url.host_str().is_some_and(is_internal);
            let was_inside = attempt.previous().first().is_some_and(inside);
            if attempt.previous().len() > MAX_REDIRECTS {
                attempt.error("too many redirects")
            } else if was_https && attempt.url().scheme() != "https" {
                attempt.error("redirected from https to plain http")
            } else if !was_inside && inside(attempt.url()) {
                attempt.error("redirected into a private network")
            } else {
                attempt.follow()
            }
        });
        let http = reqwest::Client::builder()
            .user_agent(concat!("shopwright/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(60))
            .redirect(redirects)
            .build()
            .map_err(|error| RegistryError::Unreachable { url: "https".into(), reason: words(&error) })?;
        Ok(Client { http, logins, plain: Arc::default(), admitted: Arc::default() })
    }

    /// The same, that speaks plain HTTP to these registries (host, with port) too. Who is on the way can then
    /// read the login and what is pulled; what is pulled is compared with digest and signature all the same.
    #[must_use]
    pub fn plain(self, registries: impl IntoIterator<Item = String>) -> Client {
        Client { plain: Arc::new(registries.into_iter().collect()), ..self }
    }

    /// The same with other logins.
    #[must_use]
    pub fn with_logins(&self, logins: DockerConfig) -> Client {
        Client { logins, admitted: Arc::default(), ..self.clone() }
    }

    fn is_plain(&self, registry: &str) -> bool {
        is_loopback(registry) || self.plain.contains(registry)
    }

    /// The manifest that `reference` names, its digest checked: against the reference's own, or against
    /// what the registry says of the tag.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], [`RegistryError::Lying`], and what the network does.
    pub async fn manifest(&self, reference: &Reference) -> Result<RawManifest, RegistryError> {
        let url = self.url(reference, &format!("manifests/{}", reference.selector()))?;
        let answer =
            self.send(reference, Action::Pull, || self.http.get(url.clone()).header(ACCEPT, MANIFEST_TYPE)).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Err(RegistryError::NotFound { what: "artifact".into(), reference: reference.to_string() });
        }
        let answer = accepted(answer, &url).await?;
        let said = header(answer.headers(), "docker-content-digest");
        let bytes = read(answer, MAX_MANIFEST, reference, "manifest").await?;
        let digest = crate::digest(&bytes);
        let expected = reference.digest().map(str::to_owned).or(said.filter(|said| said.starts_with("sha256:")));
        match expected {
            Some(expected) if expected != digest => Err(RegistryError::Lying {
                reference: reference.to_string(),
                what: "manifest".into(),
                expected,
                found: digest,
            }),
            _ => Ok(RawManifest { bytes, digest }),
        }
    }

    /// The bytes of a blob, no more than its descriptor announces plus one. The caller compares them.
    pub(super) async fn blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        what: &str,
    ) -> Result<Vec<u8>, RegistryError> {
        let url = self.url(reference, &format!("blobs/{}", descriptor.digest))?;
        let mut answer = self.send(reference, Action::Pull, || self.http.get(url.clone())).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            let reference = format!("{} ({})", reference, descriptor.digest);
            return Err(RegistryError::NotFound { what: what.to_owned(), reference });
        }
        if !answer.status().is_success() {
            accepted(answer, &url).await?;
            return Err(unexpected(&url, StatusCode::OK));
        }
        let mut bytes = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => return Ok(bytes),
                Err(error) if error.is_timeout() => return Err(unreachable(&url, &error)),
                // The connection ended before its announced length.
                Err(_) => {
                    return Err(RegistryError::Truncated {
                        reference: reference.to_string(),
                        what: what.to_owned(),
                        expected: descriptor.size,
                        found: bytes.len() as u64,
                    });
                }
            }
            if bytes.len() as u64 > descriptor.size {
                return Ok(bytes);
            }
        }
    }

    /// Stores a blob in the repository of `reference`, unless it is there.
    ///
    /// # Errors
    /// [`RegistryError::Unauthorized`], [`RegistryError::Refused`], and what the network does.
    pub async fn put_blob(&self, reference: &Reference, bytes: Bytes) -> Result<(), RegistryError> {
        let digest = crate::digest(&bytes);
        let there = self.url(reference, &format!("blobs/{digest}"))?;
        if self.send(reference, Action::Push, || self.http.head(there.clone())).await?.status().is_success() {
            return Ok(());
        }
        let begin = self.url(reference, "blobs/uploads/")?;
        let begun = self.send(reference, Action::Push, || self.http.post(begin.clone())).await?;
        let begun = accepted(begun, &begin).await?;
        let location = header(begun.headers(), LOCATION.as_str()).and_then(|location| begin.join(&location).ok());
        let Some(mut target) = location else {
            return Err(RegistryError::Refused {
                url: begin.to_string(),
                status: begun.status().as_u16(),
                message: "it began an upload without saying where".into(),
            });
        };
        target.query_pairs_mut().append_pair("digest", &digest);
        let request = || {
            let length = bytes.len();
            let request = self.http.put(target.clone()).header(CONTENT_TYPE, "application/octet-stream");
            request.header(reqwest::header::CONTENT_LENGTH, length).body(bytes.clone())
        };
        // Another host is storage with a signed address: our login is not for it.
        let answer = if target.origin() == begin.origin() {
            self.send(reference, Action::Push, request).await?
        } else {
            request().send().await.map_err(|error| unreachable(&target, &error))?
        };
        accepted(answer, &target).await.map(drop)
    }

    /// Stores a manifest under the tag of `reference`, or by its digest alone, and gives its digest.
    ///
    /// # Errors
    /// [`RegistryError::Unauthorized`], [`RegistryError::Refused`], [`RegistryError::Lying`] where the
    /// registry stored another digest, and what the network does.
    pub async fn put_manifest(&self, reference: &Reference, bytes: Bytes) -> Result<String, RegistryError> {
        let digest = crate::digest(&bytes);
        let url = self.url(reference, &format!("manifests/{}", reference.tag().unwrap_or(&digest)))?;
        let request = || self.http.put(url.clone()).header(CONTENT_TYPE, MANIFEST_TYPE).body(bytes.clone());
        let answer = accepted(self.send(reference, Action::Push, request).await?, &url).await?;
        match header(answer.headers(), "docker-content-digest") {
            Some(stored) if stored.starts_with("sha256:") && stored != digest => Err(RegistryError::Lying {
                reference: reference.to_string(),
                what: "stored manifest".into(),
                expected: digest,
                found: stored,
            }),
            _ => Ok(digest),
        }
    }

    /// The tags of the repository, in the registry's order; none for a repository that is not there.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], and what the network does.
    pub async fn tags(&self, reference: &Reference) -> Result<Vec<String>, RegistryError> {
        #[derive(Deserialize)]
        struct Page {
            #[serde(default)]
            tags: Option<Vec<String>>,
        }
        let mut next = Some(self.url(reference, "tags/list?n=1000")?);
        let mut tags = Vec::new();
        for _ in 0..MAX_PAGES {
            let Some(url) = next.take() else { break };
            let answer = self.send(reference, Action::Pull, || self.http.get(url.clone())).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                break;
            }
            let answer = accepted(answer, &url).await?;
            next = header(answer.headers(), LINK.as_str())
                .filter(|link| link.contains("rel=\"next\""))
                .and_then(|link| url.join(link.split_once('<')?.1.split_once('>')?.0).ok())
                .filter(|next| next.origin() == url.origin());
            let bytes = read(answer, MAX_ANSWER, reference, "list of tags").await?;
            let page: Page = serde_json::from_slice(&bytes).map_err(|error| RegistryError::Refused {
                url: url.to_string(),
                status: 200,
                message: format!("its list of tags is none: {error}"),
            })?;
            tags.extend(page.tags.unwrap_or_default());
        }
        Ok(tags)
    }

    fn url(&self, reference: &Reference, path: &str) -> Result<Url, RegistryError> {
        let scheme = if self.is_plain(reference.registry()) { "http" } else { "https" };
        let host = match reference.registry() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let text = format!("{scheme}://{host}/v2/{}/{path}", reference.repository());
        Url::parse(&text).map_err(|error| RegistryError::InvalidReference {
            text: reference.to_string(),
            reason: format!("no address follows from it: {error}"),
        })
    }

    /// Sends a request, logging in when the registry asks for it.
    async fn send(
        &self,
        reference: &Reference,
        action: Action,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let key = (reference.registry().to_owned(), reference.repository().to_owned(), action);
        let known = self.admitted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&key).cloned();
        let first = self.send_as(&request, known.as_deref()).await?;
        if first.status() == StatusCode::FORBIDDEN {
            return Err(self.unauthorized(reference, action).await);
        }
        if first.status() != StatusCode::UNAUTHORIZED {
            return Ok(first);
        }
        let Some(admission) = self.log_in(reference, action, &challenges(first.headers())).await? else {
            return Err(self.unauthorized(reference, action).await);
        };
        let second = self.send_as(&request, Some(&admission)).await?;
        if matches!(second.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.unauthorized(reference, action).await);
        }
        self.admitted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(key, admission);
        Ok(second)
    }

    async fn send_as(
        &self,
        request: &impl Fn() -> RequestBuilder,
        admission: Option<&str>,
    ) -> Result<Response, RegistryError> {
        let mut request = request();
        if let Some(admission) = admission {
            request = request.header(AUTHORIZATION, admission);
        }
        request.send().await.map_err(|error| {
            let url = error.url().map_or_else(|| "the registry".to_owned(), |url| url.to_string());
            RegistryError::Unreachable { url, reason: words(&error) }
        })
    }

    async fn unauthorized(&self, reference: &Reference, action: Action) -> RegistryError {
        match self.logins.credentials(reference.registry()).await {
            Ok(login) => RegistryError::Unauthorized {
                registry: reference.registry().to_owned(),
                user: login.user().to_owned(),
                action: action.word(),
                repository: reference.repository().to_owned(),
            },
            Err(error) => error,
        }
    }

    /// The value of the `Authorization` header that answers one of the challenges; none where nothing does.
    async fn log_in(
        &self,
        reference: &Reference,
        action: Action,
        challenges: &[Challenge],
    ) -> Result<Option<String>, RegistryError> {
        let login = self.logins.credentials(reference.registry()).await?;
        if let Some(bearer) = challenges.iter().find(|challenge| challenge.scheme == "bearer") {
            return self.token(reference, action, bearer, &login).await.map(|token| Some(format!("Bearer {token}")));
        }
        let asks_basic = challenges.iter().any(|challenge| challenge.scheme == "basic");
        Ok(match login {
            Credentials::Basic { user, password } if asks_basic => Some(basic(&user, &password)),
            _ => None,
        })
    }

    /// A token from the service that the registry names.
    async fn token(
        &self,
        reference: &Reference,
        action: Action,
        challenge: &Challenge,
        login: &Credentials,
    ) -> Result<String, RegistryError> {
        let failed = |reason: String| RegistryError::Login { registry: reference.registry().to_owned(), reason };
        let realm = challenge.parameters.get("realm").and_then(|realm| Url::parse(realm).ok());
        let Some(mut url) = realm else { return Err(failed("it names no token service".into())) };
        let registry = reference.registry();
        let local = url.host_str().is_some_and(|host| {
            let same = registry.split(':').next() == Some(host);
            (reference.is_loopback() && is_loopback(host)) || (self.plain.contains(registry) && same)
        });
        if url.scheme() != "https" && !local {
            return Err(failed(format!("its token service {url} is not https; no password is sent there")));
        }
        let scope = format!("repository:{}:{}", reference.repository(), action.scope());
        let service = challenge.parameters.get("service").map(String::as_str).unwrap_or_default();
        let request = match login {
            Credentials::IdentityToken(token) => {
                let mut form = Url::parse("https://form.invalid/").expect("the text is a valid address");
                form.query_pairs_mut()
                    .append_pair("grant_type", "refresh_token")
                    .append_pair("service", service)
                    .append_pair("client_id", "shopwright")
                    .append_pair("scope", &scope)
                    .append_pair("refresh_token", token);
                let body = form.query().unwrap_or_default().to_owned();
                self.http.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)
            }
            _ => {
                url.query_pairs_mut().append_pair("service", service).append_pair("scope", &scope);
                let request = self.http.get(url.clone());
                match login {
                    Credentials::Basic { user, password } => request.header(AUTHORIZATION, basic(user, password)),
                    _ => request,
                }
            }
        };
        let answer = request.send().await.map_err(|error| unreachable(&url, &error))?;
        if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(self.unauthorized(reference, action).await);
        }
        let answer = accepted(answer, &url).await?;
        let bytes = read(answer, MAX_ANSWER, reference, "token").await?;
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let answer: Option<Answer> = serde_json::from_slice(&bytes).ok();
        answer
            .and_then(|answer| answer.token.or(answer.access_token))
            .ok_or_else(|| failed("its token service answered without a token".into()))
    }
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

/// One challenge of a `WWW-Authenticate` header.
#[derive(Debug, PartialEq, Eq)]
struct Challenge {
    /// Lower case.
    scheme: String,
    /// Names in lower case.
    parameters: HashMap<String, String>,
}

fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    headers
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(parse_challenges)
        .collect()
}

/// `Bearer realm="…",service="…", Basic realm="…"`.
fn parse_challenges(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c == ',' || c.is_whitespace()).unwrap_or(rest.len());
        let word = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        if let Some(value) = rest.strip_prefix('=') {
            let value = value.trim_start();
            let (value, after) = match value.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => value.split_at(value.find(',').unwrap_or(value.len())),
            };
            if let Some(challenge) = found.last_mut() {
                challenge.parameters.insert(word, value.trim().to_owned());
            }
            rest = after.trim_start();
        } else if !word.is_empty() {
            found.push(Challenge { scheme: word, parameters: HashMap::new() });
        }
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
    }
    found
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The answer, if it is a good one.
async fn accepted(mut answer: Response, url: &Url) -> Result<Response, RegistryError> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let mut bytes = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > 16 << 10 {
            break;
        }
    }
    let message = match serde_json::from_slice::<Errors>(&bytes) {
        Ok(Errors { errors }) => {
            errors.iter().map(|error| format!("{} {}", error.code, error.message)).collect::<Vec<_>>().join("; ")
        }
        Err(_) if status == StatusCode::TOO_MANY_REQUESTS => "too many requests; wait and try again".to_owned(),
        Err(_) => status.canonical_reason().unwrap_or("no reason given").to_owned(),
    };
    let message = message.chars().filter(|c| !c.is_control()).take(500).collect();
    Err(RegistryError::Refused { url: without_query(url), status: status.as_u16(), message })
}

fn unexpected(url: &Url, status: StatusCode) -> RegistryError {
    RegistryError::Refused {
        url: without_query(url),
        status: status.as_u16(),
        message: "an answer without sense".into(),
    }
}

fn unreachable(url: &Url, error: &reqwest::Error) -> RegistryError {
    RegistryError::Unreachable { url: without_query(url), reason: words(error) }
}

/// Signed addresses keep their secrets in the query.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

/// An error with its causes: reqwest's own words alone do not say why.
fn words(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

/// The whole answer, bounded.
async fn read(mut answer: Response, limit: u64, reference: &Reference, what: &str) -> Result<Vec<u8>, RegistryError> {
    let url = answer.url().clone();
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unreachable(&url, &error))? {
        if (bytes.len() + chunk.len()) as u64 > limit {
            return Err(RegistryError::TooLarge { reference: reference.to_string(), what: what.to_owned(), limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_told_apart() {
        let found = parse_challenges(
            r#"Bearer realm="https://auth.example.com/token",service="registry, the", scope="a:b:pull", Basic realm=x"#,
        );
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].scheme, "bearer");
        assert_eq!(found[0].parameters["realm"], "https://auth.example.com/token");
        assert_eq!(found[0].parameters["service"], "registry, the");
        assert_eq!(found[1].scheme, "basic");
        assert_eq!(found[1].parameters["realm"], "x");
        for text in ["", "=", "\"", "Bearer realm=\"open", ",,,", "Basic"] {
            parse_challenges(text);
        }
    }
}
