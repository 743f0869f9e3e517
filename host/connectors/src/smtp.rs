//! Email by SMTP.
//!
//! The conversation is driven step by step, because what an error means depends on how far it came:
//! until the server has been given the message's content, nothing was sent and the attempt can be
//! repeated; once the content is on its way, a lost connection leaves it open whether the server took
//! it ([`Outcome::Unknown`]). SMTP knows no idempotency key; the `Message-ID` is derived from ours, so a
//! repetition is at least recognisable (many mailboxes show it once).

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use lettre::transport::smtp::{Error as SmtpError, response::Severity};
use reqwest::Url;
use sha2::{Digest, Sha256};
use shopwright_model::Millis;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::outcome::excerpt;
use crate::{ConnectorError, Outcome};

/// How many connections are kept for the next message.
const KEPT: usize = 4;

/// How long a connection is kept.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protection {
    /// Begins in the clear and must be upgraded.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// In the clear: for a server on the same machine.
    None,
}

/// How long the steps may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Connecting, encrypting and logging in, together.
    pub connect: Duration,
    /// Each command.
    pub command: Duration,
    /// From the content's first byte to the server's answer.
    pub content: Duration,
}

impl Default for Timeouts {
    /// 10 seconds, 30 seconds and 2 minutes.
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), command: Duration::from_secs(30), content: Duration::from_secs(120) }
    }
}

/// An email to one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    /// `Shop <shop@example.com>` or an address alone.
    pub from: String,
    /// As `from`.
    pub to: String,
    /// Where answers go, if not to `from`.
    pub reply_to: Option<String>,
    /// One line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML, if there is one.
    pub html: Option<String>,
}

/// A mail server.
pub struct Smtp {
    host: String,
    port: u16,
    credentials: Option<Credentials>,
    protection: Protection,
    tls: Option<TlsParameters>,
    timeouts: Timeouts,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

/// How far the conversation came before it failed.
enum Fault {
    /// Before the content: nothing was sent.
    Before(Outcome),
    /// Before the content, and the connection is dead (a kept one may just have been closed).
    Dead(Outcome),
    /// With the content on its way.
    During(Outcome),
}

impl Smtp {
    /// A server: `smtp://user:password@host:port?tls=starttls`. `tls` is `starttls` (the default of `smtp:`,
    /// port 587), `implicit` (the default of `smtps:`, port 465) or `none` (port 25). User and password are
    /// percent-encoded where needed.
    ///
    /// # Errors
    /// [`ConnectorError::Setting`] without the password. A password over `tls=none` is refused unless the
    /// server is on this machine.
    pub fn new(url: &str, timeouts: Timeouts) -> Result<Self, ConnectorError> {
        let fault = |reason: String| ConnectorError::Setting { what: "SMTP URL", reason };
        let url = Url::parse(url).map_err(|error| fault(format!("it cannot be read ({error})")))?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(fault("it names no host: write `smtp://user:password@host:587`".into()));
        }
        let chosen = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
        let protection = match (url.scheme(), chosen.as_deref()) {
            ("smtp", None | Some("starttls")) => Protection::StartTls,
            ("smtps", None | Some("implicit")) | ("smtp", Some("implicit")) => Protection::Implicit,
            ("smtp", Some("none")) => Protection::None,
            ("smtp" | "smtps", Some(_)) => {
                return Err(fault("`tls` must be `starttls`, `implicit` or `none` (smtps: is always implicit)".into()));
            }
            _ => return Err(fault("it must begin with `smtp://` or `smtps://`".into())),
        };
        let port = url.port().unwrap_or(match protection {
            Protection::StartTls => 587,
            Protection::Implicit => 465,
            Protection::None => 25,
        });
        let user = decoded(url.username());
        let credentials = match (user, url.password().map(decoded)) {
            (Some(user), Some(Some(password))) if !user.is_empty() => Some(Credentials::new(user, password)),
            (Some(user), None) if user.is_empty() => None,
            (Some(_), None) => return Err(fault("it names a user and no password".into())),
            _ => return Err(fault("user or password is not well percent-encoded".into())),
        };
        let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if credentials.is_some() && protection == Protection::None && !here {
            return Err(fault("`tls=none` would send the password in the clear: use `starttls` or `implicit`".into()));
        }
        let tls = match protection {
            Protection::None => None,
            _ => Some(
                TlsParameters::new_rustls(host.clone())
                    .map_err(|error| fault(format!("TLS cannot be set up ({})", excerpt(&error.to_string()))))?,
            ),
        };
        Ok(Self { host, port, credentials, protection, tls, timeouts, idle: Mutex::default() })
    }

    /// The same, trusting certificates signed by these (PEM) as well: for a mail server of one's own.
    ///
    /// # Errors
    /// [`ConnectorError::Setting`] for what holds no certificate, or where the connection is not encrypted.
    pub fn trust(mut self, pem: &[u8]) -> Result<Self, ConnectorError> {
        let fault = |reason: String| ConnectorError::Setting { what: "SMTP CA", reason };
        if self.tls.is_none() {
            return Err(fault("the URL says `tls=none`: no certificate is looked at".into()));
        }
        if !String::from_utf8_lossy(pem).contains("-----BEGIN CERTIFICATE-----") {
            return Err(fault("it holds no `-----BEGIN CERTIFICATE-----`".into()));
        }
        let certificates = Certificate::from_pem(pem)
            .map_err(|error| fault(format!("the certificates cannot be read ({})", excerpt(&error.to_string()))))?;
        let parameters = TlsParameters::builder(self.host.clone()).add_root_certificate(certificates);
        self.tls = Some(
            parameters
                .build_rustls()
                .map_err(|error| fault(format!("TLS cannot be set up ({})", excerpt(&error.to_string()))))?,
        );
        Ok(self)
    }

    /// Sends once. `key` is the idempotency key; `now` is in milliseconds since the Unix epoch. The reference of
    /// [`Outcome::Done`] is the `Message-ID`.
    ///
    /// [`Outcome::Refused`]: an address that is none, or the server refuses this message (5xx).
    /// [`Outcome::Retry`]: the server cannot be reached or logged into, or puts it off (4xx).
    pub async fn send(&self, email: &Email, key: &str, now: Millis) -> Outcome {
        let (message, id) = match compose(email, key, now) {
            Ok(message) => message,
            Err(reason) => return Outcome::Refused { reason },
        };
        let content = message.formatted();
        if let Some(mut connection) = self.kept().await {
            match self.hand_over(&mut connection, message.envelope(), &content).await {
                Ok(()) => return self.done(connection, id).await,
                // It was closed meanwhile: a new one follows.
                Err(Fault::Dead(_)) => {}
                Err(Fault::Before(outcome) | Fault::During(outcome)) => return self.close(connection, outcome).await,
            }
        }
        let mut connection = match timeout(self.timeouts.connect, self.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(reason)) => return Outcome::Retry { after: None, reason },
            Err(_) => return Outcome::Retry { after: None, reason: "the mail server did not answer in time".into() },
        };
        match self.hand_over(&mut connection, message.envelope(), &content).await {
            Ok(()) => self.done(connection, id).await,
            Err(Fault::Before(outcome) | Fault::Dead(outcome) | Fault::During(outcome)) => {
                self.close(connection, outcome).await
            }
        }
    }

    /// Connects, encrypts and logs in. Every failure here can be tried again: none is about the message.
    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let hello = ClientId::default();
        let implicit = self.tls.clone().filter(|_| self.protection == Protection::Implicit);
        let address = (self.host.as_str(), self.port);
        let limit = Some(self.timeouts.connect);
        let mut connection = AsyncSmtpConnection::connect_tokio1(address, limit, &hello, implicit, None)
            .await
            .map_err(|error| format!("the mail server cannot be reached ({})", excerpt(&error.to_string())))?;
        if let Some(tls) = self.tls.clone().filter(|_| self.protection == Protection::StartTls) {
            connection
                .starttls(tls, &hello)
                .await
                .map_err(|error| format!("the connection cannot be encrypted ({})", excerpt(&error.to_string())))?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await.map_err(|error| {
                format!("the mail server did not accept the login ({})", excerpt(&error.to_string()))
            })?;
        }
        Ok(connection)
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        envelope: &lettre::address::Envelope,
        content: &[u8],
    ) -> Result<(), Fault> {
        self.command(connection, Mail::new(envelope.from().cloned(), Vec::new()), "the sender").await?;
        for recipient in envelope.to() {
            self.command(connection, Rcpt::new(recipient.clone(), Vec::new()), "the recipient").await?;
        }
        self.command(connection, Data, "the message").await?;
        match timeout(self.timeouts.content, connection.message(content)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Fault::During(answered(&error, "the message").unwrap_or_else(|| Outcome::Unknown {
                reason: format!("the connection broke while the message was sent ({})", excerpt(&error.to_string())),
            }))),
            Err(_) => Err(Fault::During(Outcome::Unknown {
                reason: "the mail server gave no answer to the message in time".into(),
            })),
        }
    }

    async fn command<C: std::fmt::Display>(
        &self,
        connection: &mut AsyncSmtpConnection,
        command: C,
        what: &str,
    ) -> Result<Response, Fault> {
        let broken = |reason: String| Fault::Dead(Outcome::Retry { after: None, reason });
        match timeout(self.timeouts.command, connection.command(command)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(match answered(&error, what) {
                // 421: the server is closing the connection.
                Some(outcome) if error.status().is_some_and(|code| code.to_string() == "421") => Fault::Dead(outcome),
                Some(outcome) => Fault::Before(outcome),
                None => broken(format!("the connection broke ({})", excerpt(&error.to_string()))),
            }),
            Err(_) => Err(broken("the mail server did not answer in time".into())),
        }
    }

    async fn kept(&self) -> Option<AsyncSmtpConnection> {
        let mut idle = self.idle.lock().await;
        idle.retain(|(_, since)| since.elapsed() < KEPT_FOR);
        idle.pop().map(|(connection, _)| connection)
    }

    async fn done(&self, connection: AsyncSmtpConnection, id: String) -> Outcome {
        let mut idle = self.idle.lock().await;
        if idle.len() < KEPT && !connection.has_broken() {
            idle.push((connection, Instant::now()));
        }
        Outcome::Done { reference: Some(id) }
    }

    /// Says goodbye, without waiting long.
    async fn close(&self, mut connection: AsyncSmtpConnection, outcome: Outcome) -> Outcome {
        let _ = timeout(Duration::from_secs(1), connection.abort()).await;
        outcome
    }
}

/// What a negative reply means; none where the error is no reply.
fn answered(error: &SmtpError, what: &str) -> Option<Outcome> {
    let code = error.status()?;
    let reason = format!("the mail server answered to {what}: {}", excerpt(&reply(error)));
    Some(match code.severity {
        Severity::PermanentNegativeCompletion => Outcome::Refused { reason },
        _ => Outcome::Retry { after: None, reason },
    })
}

/// Code and text of the reply.
fn reply(error: &SmtpError) -> String {
    let code = error.status().map(|code| code.to_string()).unwrap_or_default();
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{code} {text}")
}

/// The message and its `Message-ID`.
fn compose(email: &Email, key: &str, now: Millis) -> Result<(lettre::Message, String), String> {
    let mailbox = |what: &str, text: &str| {
        // The address may be personal: it is not repeated.
        Mailbox::from_str(text.trim()).map_err(|error| format!("{what} is no email address ({error})"))
    };
    let (from, to) = (mailbox("the sender", &email.from)?, mailbox("the recipient", &email.to)?);
    let id = format!("<{}@{}>", &hex::encode(Sha256::digest(key.as_bytes()))[..40], from.email.domain());
    let sent_at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(now).unwrap_or(0));
    // A line break would begin another header.
    let subject: String = email.subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut builder =
        lettre::Message::builder().from(from).to(to).subject(subject.trim()).date(sent_at).message_id(Some(id.clone()));
    if let Some(reply_to) = &email.reply_to {
        builder = builder.reply_to(mailbox("the address for answers", reply_to)?);
    }
    let message = match &email.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(email.text.clone(), html.clone())),
        None => builder.singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(email.text.clone())),
    };
    Ok((message.map_err(|error| format!("the message cannot be written ({error})"))?, id))
}

/// Percent-decoded; none where the result is no UTF-8 or an escape is broken.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.protection)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_or_refused_without_the_password() {
        let table = [
            ("smtp://mail.example.com", Ok((587, Protection::StartTls, false))),
            ("smtp://user:p%40ss@mail.example.com:2525", Ok((2525, Protection::StartTls, true))),
            ("smtps://user:secret@mail.example.com", Ok((465, Protection::Implicit, true))),
            ("smtp://user:secret@mail.example.com?tls=implicit", Ok((465, Protection::Implicit, true))),
            ("smtp://127.0.0.1:1025?tls=none", Ok((1025, Protection::None, false))),
            ("smtp://user:secret@[::1]:1025?tls=none", Ok((1025, Protection::None, true))),
            ("smtp://user:secret@mail.example.com?tls=none", Err("in the clear")),
            ("smtp://user:secret@mail.example.com?tls=maybe", Err("`tls` must be")),
            ("smtps://user:secret@mail.example.com?tls=none", Err("`tls` must be")),
            ("smtp://user@mail.example.com", Err("no password")),
            ("smtp://user:secret%4@mail.example.com", Err("percent-encoded")),
            ("http://mail.example.com", Err("must begin with")),
            ("mail.example.com:25", Err("")),
            ("", Err("cannot be read")),
        ];
        for (url, expected) in table {
            match (Smtp::new(url, Timeouts::default()), expected) {
                (Ok(smtp), Ok((port, protection, login))) => {
                    assert_eq!(
                        (smtp.port, smtp.protection, smtp.credentials.is_some()),
                        (port, protection, login),
                        "{url}"
                    );
                    assert!(!format!("{smtp:?}").contains("secret"), "{smtp:?}");
                }
                (Err(error), Err(reason)) => {
                    let error = error.to_string();
                    assert!(error.contains(reason) && !error.contains("secret"), "{url}: {error}");
                }
                (made, expected) => panic!("{url}: {made:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn the_message_id_follows_the_key() {
        let email = Email {
            from: "Shop <shop@example.com>".into(),
            to: "Ann <ann@example.org>".into(),
            reply_to: Some("help@example.com".into()),
            subject: "Hello\r\nBcc: all@example.org".into(),
            text: "Grüße".into(),
            html: Some("<p>Grüße</p>".into()),
        };
        let (message, id) = compose(&email, "eff_1", 1_790_000_000_000).expect("a message");
        let text = String::from_utf8(message.formatted()).expect("ASCII");
        assert!(id.ends_with("@example.com>") && text.contains(&format!("Message-ID: {id}\r\n")), "{text}");
        assert_eq!(id, compose(&email, "eff_1", 0).expect("a message").1);
        assert_ne!(id, compose(&email, "eff_2", 0).expect("a message").1);
        assert!(text.contains("Subject: Hello  Bcc: all@example.org\r\n"), "{text}");
        assert!(text.contains("Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n"), "{text}");
        assert!(text.contains("multipart/alternative") && text.contains("Reply-To: help@example.com"), "{text}");
        let error = compose(&Email { to: "nobody".into(), ..email }, "eff_1", 0).expect_err("no address");
        assert!(error.contains("the recipient") && !error.contains("nobody"), "{error}");
    }
}
