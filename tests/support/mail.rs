//! A mail server that speaks as much SMTP as a sender needs, and keeps what it was given.
#![allow(dead_code)] // Each test crate that includes it uses a part.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
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
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let server = Self { address, mails: Arc::default(), refusals: Arc::default() };
        let shared = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(shared.clone().serve(stream));
            }
        });
        server
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

    async fn serve(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut mail = Mail::default();
        let mut reply = "220 mail.test ready".to_owned();
        loop {
            if stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
                return;
            }
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let address = || line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(a, _)| a.to_owned());
            reply = match line.to_ascii_uppercase().split([' ', ':', '\r']).next().unwrap_or_default() {
                "EHLO" => "250-mail.test\r\n250 8BITMIME".into(),
                "MAIL" => {
                    mail = Mail { from: address().unwrap_or_default(), ..Mail::default() };
                    "250 2.1.0 fine".into()
                }
                "RCPT" => {
                    mail.to.extend(address());
                    "250 2.1.5 fine".into()
                }
                "DATA" => {
                    if stream.get_mut().write_all(b"354 go on\r\n").await.is_err() {
                        return;
                    }
                    loop {
                        let mut line = String::new();
                        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                            return;
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
        }
    }
}
