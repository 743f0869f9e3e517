//! Email against a listener that speaks SMTP and checks what it hears.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use shopwright_connectors::Outcome;
use shopwright_connectors::smtp::{Email, Smtp, Timeouts};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server answers to a command, instead of accepting it.
#[derive(Clone, Copy, Default)]
struct Script {
    greeting: Option<&'static str>,
    auth: Option<&'static str>,
    mail: Option<&'static str>,
    rcpt: Option<&'static str>,
    data: Option<&'static str>,
    content: Option<&'static str>,
    /// Closes the connection after each message.
    closes: bool,
}

const HANG_UP: &str = "";

/// Every line the server heard, one list for each connection.
type Heard = Arc<Mutex<Vec<Vec<String>>>>;

async fn server(script: Script) -> (String, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = {
                let mut log = log.lock().expect("not poisoned");
                log.push(Vec::new());
                log.len() - 1
            };
            tokio::spawn(serve(stream, script, Arc::clone(&log), connection));
        }
    });
    (address, heard)
}

async fn serve(stream: TcpStream, script: Script, log: Heard, connection: usize) {
    let mut stream = BufReader::new(stream);
    let mut in_data = false;
    let mut from_seen = false;
    let mut reply = script.greeting.unwrap_or("220 mail.test ready").to_owned();
    loop {
        if reply == HANG_UP {
            return;
        }
        if stream.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await.is_err() {
            return;
        }
        // The content up to the lone dot, or one command.
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let line = line.strip_suffix("\r\n").expect("lines end with CR LF").to_owned();
            log.lock().expect("not poisoned")[connection].push(line.clone());
            if in_data && line != "." {
                continue;
            }
            let chosen = |own: Option<&'static str>, usual: &'static str| own.unwrap_or(usual).to_owned();
            reply = match line.split([' ', ':']).next().unwrap_or_default() {
                "." if in_data => {
                    in_data = false;
                    if script.closes {
                        let _ = stream.get_mut().write_all(b"250 2.0.0 queued\r\n").await;
                        return;
                    }
                    chosen(script.content, "250 2.0.0 queued")
                }
                "EHLO" => "250-mail.test\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME".into(),
                "AUTH" => chosen(script.auth, "235 2.7.0 welcome"),
                "MAIL" => {
                    from_seen = true;
                    chosen(script.mail, "250 2.1.0 fine")
                }
                "RCPT" if from_seen => chosen(script.rcpt, "250 2.1.5 fine"),
                "DATA" if from_seen => {
                    let answer = chosen(script.data, "354 go on");
                    in_data = answer.starts_with("354");
                    answer
                }
                "QUIT" => "221 bye".into(),
                _ => "503 5.5.1 out of order".into(),
            };
            break;
        }
    }
}

fn email() -> Email {
    Email {
        from: "Lamps <shop@example.com>".into(),
        to: "Ann <ann@example.org>".into(),
        reply_to: None,
        subject: "Still there?".into(),
        text: "Your lamp waits.\n.\nGrüße".into(),
        html: Some("<p>Your lamp waits.</p>".into()),
    }
}

const QUICK: Timeouts = Timeouts {
    connect: Duration::from_secs(2),
    command: Duration::from_millis(300),
    content: Duration::from_millis(300),
};

fn smtp(address: &str) -> Smtp {
    Smtp::new(&format!("smtp://shop:SECRET@{address}?tls=none"), QUICK).expect("a server")
}

#[tokio::test]
async fn an_email_arrives_whole_and_the_connection_is_kept() {
    let (address, heard) = server(Script::default()).await;
    let smtp = smtp(&address);
    let outcome = smtp.send(&email(), "eff_1", 1_790_000_000_000).await;
    let Outcome::Done { reference: Some(id) } = outcome else { panic!("{outcome:?}") };
    assert!(matches!(smtp.send(&email(), "eff_2", 0).await, Outcome::Done { .. }));
    let heard = heard.lock().expect("not poisoned");
    assert_eq!(heard.len(), 1, "one connection");
    let lines = &heard[0];
    let position = |start: &str| {
        lines.iter().position(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}: {lines:?}"))
    };
    assert!(lines.contains(&"AUTH PLAIN AHNob3AAU0VDUkVU".to_owned()), "{lines:?}");
    assert!(position("MAIL FROM:<shop@example.com>") < position("RCPT TO:<ann@example.org>"));
    assert!(position("RCPT") < position("DATA") && position("DATA") < position(&format!("Message-ID: {id}")));
    for part in ["From: Lamps <shop@example.com>", "To: Ann <ann@example.org>", "Subject: Still there?"] {
        position(part);
    }
    assert!(
        lines.iter().any(|line| line.contains("text/plain")) && lines.iter().any(|line| line.contains("text/html"))
    );
    assert!(
        lines.iter().any(|line| line == ".." || line.contains("=2E"))
            || lines.iter().any(|line| line.contains("base64")),
        "{lines:?}"
    );
    assert_eq!(lines.iter().filter(|line| line.starts_with("MAIL")).count(), 2);
}

#[tokio::test]
async fn faults_mean_what_they_mean_at_their_step() {
    let usual = Script::default();
    let table = [
        ("greeting 421", Script { greeting: Some("421 4.3.2 busy"), ..usual }, "retry", "cannot be reached"),
        ("auth 535", Script { auth: Some("535 5.7.8 no"), ..usual }, "retry", "did not accept the login"),
        ("mail 451", Script { mail: Some("451 4.3.0 later"), ..usual }, "retry", "the sender: 451 4.3.0 later"),
        (
            "mail 553",
            Script { mail: Some("553 5.1.8 no such sender"), ..usual },
            "refused",
            "the sender: 553 5.1.8 no such sender",
        ),
        ("mail lost", Script { mail: Some(HANG_UP), ..usual }, "retry", "broke"),
        ("rcpt 450", Script { rcpt: Some("450 4.2.0 greylisted"), ..usual }, "retry", "the recipient: 450"),
        (
            "rcpt 550",
            Script { rcpt: Some("550 5.1.1 nobody here"), ..usual },
            "refused",
            "the recipient: 550 5.1.1 nobody here",
        ),
        ("data 554", Script { data: Some("554 5.7.1 no"), ..usual }, "refused", "the message: 554"),
        ("data lost", Script { data: Some(HANG_UP), ..usual }, "retry", "broke"),
        ("content 452", Script { content: Some("452 4.3.1 full"), ..usual }, "retry", "the message: 452"),
        ("content 552", Script { content: Some("552 5.3.4 too big"), ..usual }, "refused", "the message: 552"),
        ("content lost", Script { content: Some(HANG_UP), ..usual }, "unknown", "broke while"),
    ];
    for (name, script, expected, because) in table {
        let (address, _) = server(script).await;
        let outcome = smtp(&address).send(&email(), "eff_1", 0).await;
        let (actual, reason) = match &outcome {
            Outcome::Done { .. } => ("done", ""),
            Outcome::Retry { reason, .. } => ("retry", reason.as_str()),
            Outcome::Refused { reason } => ("refused", reason.as_str()),
            Outcome::Unknown { reason } => ("unknown", reason.as_str()),
        };
        assert_eq!(actual, expected, "{name}: {reason}");
        assert!(reason.contains(because), "{name}: {reason}");
        assert!(!reason.contains("SECRET") && !reason.contains("U0VDUkVU"), "{name}: {reason}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    let (address, heard) = server(Script { closes: true, ..Script::default() }).await;
    let smtp = smtp(&address);
    for key in ["eff_1", "eff_2", "eff_3"] {
        let outcome = smtp.send(&email(), key, 0).await;
        assert!(matches!(outcome, Outcome::Done { .. }), "{key}: {outcome:?}");
    }
    assert_eq!(heard.lock().expect("not poisoned").len(), 3);
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_where_encryption_is_asked_for() {
    let (address, heard) = server(Script::default()).await;
    let smtp = Smtp::new(&format!("smtp://shop:SECRET@{address}"), QUICK).expect("a server");
    let outcome = smtp.send(&email(), "eff_1", 0).await;
    assert!(matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("cannot be encrypted")), "{outcome:?}");
    let heard = heard.lock().expect("not poisoned");
    assert!(heard[0].iter().all(|line| !line.starts_with("AUTH") && !line.starts_with("MAIL")), "{heard:?}");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused() {
    let (address, heard) = server(Script::default()).await;
    let outcome = smtp(&address).send(&Email { to: "nobody".into(), ..email() }, "eff_1", 0).await;
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
    assert!(heard.lock().expect("not poisoned").is_empty());
}
