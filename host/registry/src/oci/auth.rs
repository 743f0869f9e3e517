//! Logins, as `docker login` keeps them: `config.json` in `$DOCKER_CONFIG` or `~/.docker`, with passwords
//! in it or in a credential helper.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;

use crate::RegistryError;

/// A helper may ask the person for a passphrase, and may hang.
const HELPER_PATIENCE: Duration = Duration::from_secs(60);

/// How to log in at one registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    Anonymous,
    /// With a name and a password, or a token in its place.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// With a refresh token that the registry's token service exchanges.
    IdentityToken(String),
}

impl Credentials {
    /// Who this is, for errors.
    pub(crate) fn user(&self) -> &str {
        match self {
            Credentials::Anonymous => "anybody",
            Credentials::Basic { user, .. } => user,
            Credentials::IdentityToken(_) => "the holder of the identity token",
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({})", self.user())
    }
}

/// The docker configuration, as far as it concerns logins.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DockerConfig {
    auths: HashMap<String, Auth>,
    creds_store: Option<String>,
    cred_helpers: HashMap<String, String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Auth {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl fmt::Debug for DockerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DockerConfig")
            .field("registries", &self.auths.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// What a helper answers to `get`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

impl DockerConfig {
    /// The configuration of the one who runs this; an empty one where there is none.
    ///
    /// # Errors
    /// [`RegistryError::File`] where there is one that cannot be read.
    pub fn load() -> Result<DockerConfig, RegistryError> {
        let folder = std::env::var_os("DOCKER_CONFIG").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let folder = folder.or_else(|| std::env::home_dir().map(|home| home.join(".docker")));
        match folder {
            Some(folder) => DockerConfig::read(&folder.join("config.json")),
            None => Ok(DockerConfig::default()),
        }
    }

    /// The configuration in that file; an empty one where there is no file.
    ///
    /// # Errors
    /// [`RegistryError::File`] where it cannot be read.
    pub fn read(path: &Path) -> Result<DockerConfig, RegistryError> {
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| RegistryError::file(path, error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(DockerConfig::default()),
            Err(error) => Err(RegistryError::file(path, error)),
        }
    }

    /// How to log in at `registry`, a host with its port. A helper of that registry comes before the store for
    /// all, and both before passwords in the file, as docker has it.
    ///
    /// # Errors
    /// [`RegistryError::Login`] where a helper fails or the file's entry makes no sense.
    pub async fn credentials(&self, registry: &str) -> Result<Credentials, RegistryError> {
        let keys = keys(registry);
        let helper = keys.iter().find_map(|key| self.cred_helpers.get(key)).or(self.creds_store.as_ref());
        if let Some(helper) = helper {
            // Docker asks for the key under which the login was stored.
            let server = self.auths.keys().find(|key| keys.contains(&host(key).to_owned())).unwrap_or(&keys[0]);
            let found = ask_helper(helper, server, registry).await?;
            if found != Credentials::Anonymous {
                return Ok(found);
            }
        }
        let entry = self.auths.iter().find(|(key, _)| keys.contains(&host(key).to_owned())).map(|(_, auth)| auth);
        entry.map_or(Ok(Credentials::Anonymous), |entry| entry.credentials(registry))
    }
}

impl Auth {
    fn credentials(&self, registry: &str) -> Result<Credentials, RegistryError> {
        if let Some(token) = self.identitytoken.as_ref().filter(|token| !token.is_empty()) {
            return Ok(Credentials::IdentityToken(token.clone()));
        }
        if let (Some(user), Some(password)) = (&self.username, &self.password) {
            return Ok(Credentials::Basic { user: user.clone(), password: password.clone() });
        }
        let Some(auth) = self.auth.as_ref().filter(|auth| !auth.is_empty()) else { return Ok(Credentials::Anonymous) };
        let text = STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = text.as_deref().and_then(|text| text.trim_end_matches('\0').split_once(':'));
        match pair {
            Some((user, password)) => Ok(Credentials::Basic { user: user.to_owned(), password: password.to_owned() }),
            None => Err(RegistryError::Login {
                registry: registry.to_owned(),
                reason: "its `auth` in docker's config.json is not base64 of user:password; log in again".into(),
            }),
        }
    }
}

/// The host of a key in the configuration, which may be an address such as `https://index.docker.io/v1/`.
fn host(key: &str) -> &str {
    let bare = key.split_once("://").map_or(key, |(_, rest)| rest);
    bare.split('/').next().unwrap_or(bare)
}

/// The hosts under which a login for `registry` may be kept.
fn keys(registry: &str) -> Vec<String> {
    match registry {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => {
            ["index.docker.io", "docker.io", "registry-1.docker.io"].map(str::to_owned).to_vec()
        }
        other => vec![other.to_owned()],
    }
}

/// The protocol of docker's credential helpers: the program `docker-credential-NAME` with the argument `get`
/// reads the server from its input and writes JSON.
async fn ask_helper(helper: &str, server: &str, registry: &str) -> Result<Credentials, RegistryError> {
    let failed = |reason: String| RegistryError::Login { registry: registry.to_owned(), reason };
    let program = format!("docker-credential-{helper}");
    if helper.is_empty() || !helper.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(failed(format!("docker's config.json names \"{helper}\" as helper, which is no program's name")));
    }
    ask_program(&program, server, registry).await
}

async fn ask_program(program: &str, server: &str, registry: &str) -> Result<Credentials, RegistryError> {
    let failed = |reason: String| RegistryError::Login { registry: registry.to_owned(), reason };
    let mut child = tokio::process::Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("{program} cannot be started: {error}; install it, or log in without it")))?;
    let mut input = child.stdin.take().expect("the child was started with a pipe as its input");
    let question = format!("{server}\n");
    let asking = async move {
        // A helper that reads no input closes it: what it answers decides.
        let _ = input.write_all(question.as_bytes()).await;
        drop(input);
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(HELPER_PATIENCE, asking)
        .await
        .map_err(|_| failed(format!("{program} gave no answer within {} s", HELPER_PATIENCE.as_secs())))?
        .map_err(|error| failed(format!("{program}: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        if said.contains("credentials not found") {
            return Ok(Credentials::Anonymous);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let words = if said.trim().is_empty() { complaint.trim() } else { said.trim() };
        return Err(failed(format!("{program}: {}", words.chars().take(200).collect::<String>())));
    }
    // The answer holds a secret: it is not repeated in the error.
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout)
        .map_err(|_| failed(format!("{program} answered something else than Username and Secret")))?;
    Ok(match answer.username.as_str() {
        "<token>" => Credentials::IdentityToken(answer.secret),
        _ => Credentials::Basic { user: answer.username, password: answer.secret },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> DockerConfig {
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn passwords_are_found_as_docker_keeps_them() {
        let config = config(
            r#"{"auths": {
                "registry.example.com:5000": {"auth": "YW5uOnA6dw=="},
                "https://index.docker.io/v1/": {"username": "bob", "password": "x"},
                "id.example.com": {"auth": "YTpi", "identitytoken": "t"},
                "empty.example.com": {},
                "broken.example.com": {"auth": "?"}
            }, "HttpHeaders": {}}"#,
        );
        let basic = |user: &str, password: &str| Credentials::Basic { user: user.into(), password: password.into() };
        for (registry, expected) in [
            ("registry.example.com:5000", basic("ann", "p:w")),
            ("registry.example.com", Credentials::Anonymous),
            ("docker.io", basic("bob", "x")),
            ("id.example.com", Credentials::IdentityToken("t".into())),
            ("empty.example.com", Credentials::Anonymous),
        ] {
            assert!(config.credentials(registry).await.unwrap() == expected, "{registry}");
        }
        let error = config.credentials("broken.example.com").await.unwrap_err().to_string();
        assert!(error.contains("log in again"), "{error}");
    }

    #[tokio::test]
    async fn a_helper_that_is_missing_or_none_is_named() {
        for (helper, words) in [("shopwright-none", "cannot be started"), ("../../bin/sh", "no program's name")] {
            let config = config(&format!(r#"{{"credHelpers": {{"a.example.com": "{helper}"}}}}"#));
            let error = config.credentials("a.example.com").await.unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(config.credentials("b.example.com").await.unwrap() == Credentials::Anonymous);
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_helper_is_asked_by_its_protocol() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docker-credential-test");
        let script = r#"#!/bin/sh
            [ "$1" = get ] || exit 9
            read server
            case "$server" in
                a.example.com) echo '{"ServerURL":"a.example.com","Username":"ann","Secret":"s3"}' ;;
                t.example.com) echo '{"ServerURL":"t.example.com","Username":"<token>","Secret":"t0"}' ;;
                n.example.com) echo 'credentials not found in native keychain'; exit 1 ;;
                j.example.com) echo 'secret-but-no-json' ;;
                *) echo 'the keychain is locked' >&2; exit 1 ;;
            esac"#;
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let program = path.to_str().unwrap();
        let ask = |server: &'static str| ask_program(program, server, server);
        let ann = Credentials::Basic { user: "ann".into(), password: "s3".into() };
        assert!(ask("a.example.com").await.unwrap() == ann);
        assert!(ask("t.example.com").await.unwrap() == Credentials::IdentityToken("t0".into()));
        assert!(ask("n.example.com").await.unwrap() == Credentials::Anonymous);
        assert!(ask("x.example.com").await.unwrap_err().to_string().contains("the keychain is locked"));
        assert!(!ask("j.example.com").await.unwrap_err().to_string().contains("secret-but"));
    }
}
