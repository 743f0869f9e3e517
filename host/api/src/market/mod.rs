//! Where plugins come from: registries, catalogues, and what the binary carries.
//!
//! The host pulls, not the client: what is installed is what the host itself compared with its digest and
//! its signature. [`find`] turns what an operator typed into a pinned place, [`fetch`] pulls and judges,
//! [`keep`](fetch::keep) takes the version into the shop and pins it there. [`sources`] are the catalogues.

pub(crate) mod fetch;
pub(crate) mod find;
pub(crate) mod sources;
pub(crate) mod trust;

use std::{
    fmt,
    future::Future,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::future::BoxFuture;
use shopwright_engine::Engine;
use shopwright_registry::{
    Catalogue, RegistryError,
    oci::{BUILT_IN, Bundle, Client, DockerConfig, Reference, Source},
};
use tokio::sync::{OnceCell, Semaphore};

use crate::problem::{Problem, Result, codes};

/// Pulls at the same time: each may hold a component of 64 MiB.
const PULLS: usize = 4;
/// The longest that pulling one thing may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// The workflows that the binary carries.
#[derive(Debug, Clone)]
pub struct BuiltIn {
    /// They themselves.
    pub bundle: Bundle,
    /// What they are.
    pub catalogue: Catalogue,
}

/// Makes the catalogue of what the binary carries, when it is first asked for.
pub type BuiltInLoader = Arc<dyn Fn(Engine) -> BoxFuture<'static, std::result::Result<BuiltIn, String>> + Send + Sync>;

/// Where plugins may come from.
#[derive(Clone, Default)]
pub struct MarketOptions {
    /// Registries (host, with port) that are spoken to in plain HTTP; this machine always is.
    pub plain_http: Vec<String>,
    /// The only registries that are spoken to; none: whichever an operator names.
    pub only: Vec<String>,
    /// What the binary carries.
    pub built_in: Option<BuiltInLoader>,
}

impl fmt::Debug for MarketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MarketOptions")
            .field("plain_http", &self.plain_http)
            .field("only", &self.only)
            .field("built_in", &self.built_in.is_some())
            .finish()
    }
}

/// What the routes of the marketplace share.
pub(crate) struct Market {
    client: OnceLock<Client>,
    built_in: OnceCell<BuiltIn>,
    pulls: Semaphore,
}

impl Default for Market {
    fn default() -> Self {
        Self { client: OnceLock::new(), built_in: OnceCell::new(), pulls: Semaphore::new(PULLS) }
    }
}

impl Market {
    /// What the binary carries; none where this host was given nothing.
    pub async fn built_in(&self, options: &MarketOptions, engine: &Engine) -> Result<Option<&BuiltIn>> {
        let Some(load) = &options.built_in else { return Ok(None) };
        self.built_in.get_or_try_init(|| load(engine.clone())).await.map(Some).map_err(Problem::internal)
    }

    /// A client with the logins of the docker configuration as they are now.
    fn client(&self, options: &MarketOptions) -> std::result::Result<Client, RegistryError> {
        let logins = DockerConfig::load()?;
        if self.client.get().is_none() {
            let made = Client::new(DockerConfig::default())?.plain(options.plain_http.iter().cloned());
            let _ = self.client.set(made);
        }
        self.client.get().map(|client| client.with_logins(logins)).ok_or_else(|| RegistryError::Unreachable {
            url: "the registry".into(),
            reason: "there is no client".into(),
        })
    }

    /// Where a reference is read from.
    pub async fn source(&self, options: &MarketOptions, engine: &Engine, reference: &Reference) -> Result<Source> {
        if reference.registry() == BUILT_IN {
            let built_in = self.built_in(options, engine).await?;
            let built_in = built_in.ok_or_else(|| Problem::no_such("plugin that this host carries"))?;
            return Ok(Source::BuiltIn(built_in.bundle.clone()));
        }
        if !options.only.is_empty() && !options.only.iter().any(|known| known == reference.registry()) {
            let detail = format!("This host takes plugins from {} alone.", options.only.join(", "));
            return Err(Problem::new(codes::FORBIDDEN, detail)
                .coded("registry-not-allowed")
                .remedy("Ask whoever runs the host to add the registry to `only` under [registries]."));
        }
        Ok(Source::Registry(self.client(options)?))
    }

    /// Pulls something, not too many at once and not for ever.
    pub async fn patiently<T>(
        &self,
        reference: &Reference,
        pull: impl Future<Output = std::result::Result<T, RegistryError>>,
    ) -> std::result::Result<T, RegistryError> {
        // The semaphore is never closed.
        let _slot = self.pulls.acquire().await;
        tokio::time::timeout(PATIENCE, pull).await.unwrap_or_else(|_| {
            let reason = format!("it took longer than {} s", PATIENCE.as_secs());
            Err(RegistryError::Unreachable { url: reference.to_string(), reason })
        })
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        use RegistryError as E;
        let kind = match &error {
            E::Manifest(_)
            | E::NotAComponent { .. }
            | E::MalformedManifest { .. }
            | E::LaterFormat { .. }
            | E::InvalidManifest { .. }
            | E::UnknownFunctions { .. } => codes::REFUSED,
            E::InvalidReference { .. } | E::Key { .. } | E::Catalogue { .. } => codes::INVALID,
            E::NotFound { .. } => codes::NOT_IN_REGISTRY,
            E::Unreachable { .. } | E::Login { .. } | E::Unauthorized { .. } | E::Refused { .. } => codes::REGISTRY,
            E::Unsigned { .. }
            | E::Untrusted { .. }
            | E::WrongKey { .. }
            | E::WrongNamespace { .. }
            | E::CopiedSignature { .. }
            | E::MalformedSignature { .. }
            | E::WrongPublisher { .. } => codes::NOT_TRUSTED,
            E::Lying { .. }
            | E::Truncated { .. }
            | E::TooLarge { .. }
            | E::WrongArtifact { .. }
            | E::Moved { .. }
            | E::MovedBack { .. } => codes::NOT_GENUINE,
            // A file of ours, and whatever is added later.
            _ => return Problem::internal(error),
        };
        let code = error.code();
        Problem::new(kind, crate::faults::sentence(&error.to_string())).coded(code)
    }
}
