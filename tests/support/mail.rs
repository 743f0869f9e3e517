//! A mail server that speaks as much SMTP as a sender needs, and keeps what it was given.
#![allow(dead_code)] // Each test crate that includes it uses a part.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
};

/// A message as it came over the wire.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    /// Headers and body.
    pub content: String,
}

/// The server.
#[derive(Clone)]
pub struct MailServer {
    address: String,
    mails: Arc<Mutex<Vec<Mail>>>,
    /// What it says to the next messages' content, instead of taking them.
    refusals: Arc<Mutex<Vec<&'static str>>>,
}

impl MailServer {
    /// Listens on a port of its own.
    pub async fn start() -> Self {
        let (server, listener) = Self::bind().await;
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = shared.clone();
                tokio::spawn(async move { server.converse(stream, true, false).await });
            }
        });
        server
    }

    /// A server and its port, for who serves it in another way.
    pub async fn bind() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        (Self { address, mails: Arc::default(), refusals: Arc::default() }, listener)
    }

    /// Its port.
    pub fn port(&self) -> &str {
        self.address.rsplit(':').next().expect("a port")
    }

    /// As the host's configuration has it.
    pub fn url(&self) -> String {
        format!("smtp://{}?tls=none", self.address)
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().expect("not poisoned").clone()
    }

    pub fn refuse_next(&self, answer: &'static str) {
        self.refusals.lock().expect("not poisoned").insert(0, answer);
    }

    /// One conversation, to its end or to the point where it is to go on encrypted: then the stream comes
    /// back. `greet`: it begins here. `upgrades`: it may be encrypted, and must be before any mail.
    pub async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        greet: bool,
        upgrades: bool,
    ) -> Option<S> {
        let mut stream = BufReader::new(stream);
        let mut mail = Mail::default();
        let mut reply = if greet { "220 mail.test ready\r\n".to_owned() } else { String::new() };
        loop {
            stream.get_mut().write_all(reply.as_bytes()).await.ok()?;
            stream.get_mut().flush().await.ok()?;
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return None;
            }
            let address = || line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(a, _)| a.to_owned());
            let answer: String = match line.to_ascii_uppercase().split([' ', ':', '\r']).next().unwrap_or_default() {
                "EHLO" if upgrades => "250-mail.test\r\n250-STARTTLS\r\n250 8BITMIME".into(),
                "EHLO" => "250-mail.test\r\n250 8BITMIME".into(),
                "STARTTLS" if upgrades => {
                    stream.get_mut().write_all(b"220 2.0.0 go on\r\n").await.ok()?;
                    return Some(stream.into_inner());
                }
                _ if upgrades => "530 5.7.0 encrypt first".into(),
                "MAIL" => {
                    mail = Mail { from: address().unwrap_or_default(), ..Mail::default() };
                    "250 2.1.0 fine".into()
                }
                "RCPT" => {
                    mail.to.extend(address());
                    "250 2.1.5 fine".into()
                }
                "DATA" => {
                    stream.get_mut().write_all(b"354 go on\r\n").await.ok()?;
                    stream.get_mut().flush().await.ok()?;
                    loop {
                        let mut line = String::new();
                        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                            return None;
                        }
                        if line == ".\r\n" {
                            break;
                        }
                        mail.content.push_str(line.strip_prefix('.').unwrap_or(&line));
                    }
                    match self.refusals.lock().expect("not poisoned").pop() {
                        Some(answer) => answer.into(),
                        None => {
                            self.mails.lock().expect("not poisoned").push(std::mem::take(&mut mail));
                            "250 2.0.0 queued".into()
                        }
                    }
                }
                "NOOP" | "RSET" => "250 2.0.0 fine".into(),
                "QUIT" => "221 bye".into(),
                _ => "503 5.5.1 out of order".into(),
            };
            reply = answer + "\r\n";
        }
    }
}
