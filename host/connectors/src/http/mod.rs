//! Requests of plugins to servers of others.
//!
//! A plugin is not trusted with the host's network. The way of a request:
//!
//! 1. [`target`]: the URL is taken apart by one parser, and everything after works on what that parser says:
//!    decimal, octal and hex addresses, other scripts and dots at the end have one form from here on.
//! 2. [`shopwright_policy::Reach`]: manifest and grant name the host, with scheme and port.
//! 3. [`secrets`]: placeholders are filled in, for hosts that the secret is bound to.
//! 4. [`client`]: the name is resolved here, every address is looked at ([`address`]), and the connection goes to
//!    the address that was looked at. There is no second look-up that could say something else, no proxy
//!    of the environment, and no pool in which a connection of somebody else could wait.
//! 5. A redirect begins again at 1.
//! 6. The answer is read up to a limit, and secrets in it become placeholders again.

pub mod address;
mod client;
mod redirect;
mod resolve;
pub mod secrets;
mod target;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use shopwright_model::{
    Millis,
    http::{HttpError, Method, Request, Response},
};
use shopwright_policy::Reach;
use tokio_rustls::{TlsConnector, rustls};

pub use address::{AddressRange, Addresses};
pub use redirect::check as check_request;
pub use resolve::{Resolver, SystemResolver};
pub use secrets::Secret;
pub use target::Target;

use crate::ConnectorError;

/// A request with all that decides about it.
#[derive(Debug)]
pub struct Order<'a> {
    /// What the plugin asks for.
    pub request: &'a Request,
    /// For actions: sent as `Idempotency-Key`.
    pub key: Option<&'a str>,
    /// Where it may go.
    pub reach: &'a Reach,
    /// The secrets that it names, see [`secrets::names`].
    pub secrets: &'a [Secret],
    /// Milliseconds since the Unix epoch.
    pub now: Millis,
}

/// What came of a request.
#[derive(Debug)]
pub enum Reply {
    /// An answer, whatever its status.
    Answer {
        /// The answer.
        response: Response,
        /// `Retry-After`, in milliseconds from [`Order::now`].
        retry_after: Option<u64>,
    },
    /// Nothing was carried out.
    NotSent {
        /// Why.
        error: HttpError,
        /// Whether it may succeed later.
        again: bool,
    },
    /// It was sent, and no answer came.
    Lost {
        /// What happened instead.
        error: HttpError,
    },
    /// It was answered, and the answer cannot be handed on.
    Unusable {
        /// Why.
        error: HttpError,
    },
}

/// Who sends requests: [`HttpOut`], or the stand-in of a test.
#[async_trait]
pub trait Remote: Send + Sync {
    /// Sends it once.
    async fn send(&self, order: &Order<'_>) -> Reply;

    /// Whether secrets are to be looked up for it. A stand-in sees placeholders.
    fn takes_secrets(&self) -> bool {
        true
    }
}

/// Limits and permissions that hold for all requests of a host.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Address ranges that are reached although they are private: the host's owner alone knows what is there,
    /// so this is no matter of a shop.
    pub allow: Vec<AddressRange>,
    /// The largest request body, in bytes, secrets filled in.
    pub request_bytes: usize,
    /// The largest response body, in bytes.
    pub response_bytes: usize,
    /// Until a connection stands: resolving, connecting and the TLS handshake together.
    pub connect: Duration,
    /// The whole request with its redirects, unless it says otherwise.
    pub total: Duration,
    /// The most that a request can ask for as its timeout.
    pub longest: Duration,
}

impl Default for HttpOptions {
    /// Nothing private; 1 MiB each way; 5, 30 and 60 seconds.
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            request_bytes: 1 << 20,
            response_bytes: 1 << 20,
            connect: Duration::from_secs(5),
            total: Duration::from_secs(30),
            longest: Duration::from_secs(60),
        }
    }
}

/// Sends requests of plugins.
pub struct HttpOut {
    options: HttpOptions,
    addresses: Addresses,
    resolver: Arc<dyn Resolver>,
    tls: TlsConnector,
}

impl HttpOut {
    /// With the system's resolver and the system's trusted certificates.
    ///
    /// # Errors
    /// [`ConnectorError::Setting`] where the system's certificates cannot be read.
    pub fn new(options: HttpOptions) -> Result<Self, ConnectorError> {
        use rustls_platform_verifier::BuilderVerifierExt as _;
        let fault = |error: rustls::Error| ConnectorError::Setting {
            what: "outgoing HTTP",
            reason: format!("the system's trusted certificates cannot be used ({error}); install `ca-certificates`"),
        };
        let config = tls_builder().with_platform_verifier().map_err(fault)?.with_no_client_auth();
        Ok(Self::with(options, Arc::new(SystemResolver), config))
    }

    /// With another resolver and these trusted certificates.
    #[must_use]
    pub fn trusting(options: HttpOptions, resolver: Arc<dyn Resolver>, roots: rustls::RootCertStore) -> Self {
        Self::with(options, resolver, tls_builder().with_root_certificates(roots).with_no_client_auth())
    }

    fn with(options: HttpOptions, resolver: Arc<dyn Resolver>, mut config: rustls::ClientConfig) -> Self {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let addresses = Addresses::new(options.allow.clone());
        Self { options, addresses, resolver, tls: TlsConnector::from(Arc::new(config)) }
    }
}

fn tls_builder() -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.expect("ring's provider has cipher suites for TLS 1.2 and 1.3")
}

#[async_trait]
impl Remote for HttpOut {
    async fn send(&self, order: &Order<'_>) -> Reply {
        redirect::follow(self, order).await
    }
}

/// Whether a request with this method is a read.
#[must_use]
pub fn is_read(method: Method) -> bool {
    matches!(method, Method::Get | Method::Head)
}

/// As it stands in a request's first line.
#[must_use]
pub fn method_name(method: Method) -> &'static str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Patch => "PATCH",
        Method::Delete => "DELETE",
    }
}

impl std::fmt::Debug for HttpOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOut").field("options", &self.options).finish_non_exhaustive()
    }
}
