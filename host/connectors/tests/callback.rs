//! Callbacks against a real listener.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use shopwright_connectors::Outcome;
use shopwright_connectors::callback::{Callback, Message, Timeouts};
use shopwright_connectors::webhooks::signature::{Key, verify};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const OLD: &str = "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk";
const NEW: &str = "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3";
const NOW: i64 = 1_790_000_000_123;

/// What the receiver does with the connection.
#[derive(Clone, Copy)]
enum Behaviour {
    /// Answers with this.
    Answer(&'static str),
    /// Reads the request and closes.
    Hang,
    /// Reads the request and says nothing.
    Silent,
}

type Requests = Arc<Mutex<Vec<String>>>;

/// A receiver; gives its URL and what it got.
async fn receiver(behaviour: Behaviour) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/hook?token=SECRET", listener.local_addr().expect("an address"));
    let requests = Requests::default();
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let mut chunk = [0; 4096];
            loop {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head
                        .lines()
                        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
                    if body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0) {
                        break;
                    }
                }
                let count = stream.read(&mut chunk).await.expect("the request");
                bytes.extend_from_slice(&chunk[..count]);
            }
            seen.lock().expect("not poisoned").push(String::from_utf8(bytes).expect("text"));
            match behaviour {
                Behaviour::Answer(answer) => stream.write_all(answer.as_bytes()).await.expect("the answer"),
                Behaviour::Hang => {}
                Behaviour::Silent => {
                    let _ = stream.read(&mut chunk).await;
                }
            }
        }
    });
    (url, requests)
}

async fn send(url: &str, timeouts: Timeouts) -> Outcome {
    let data = json!({"text": "Grüße", "to": "#orders"});
    let message = Message { kind: "staff.notify", id: "eff_1", shop: "lamps", at: 1_789_999_999_000, data: &data };
    Callback::new(url, &[NEW, OLD], timeouts).expect("a callback").send(&message, NOW).await
}

#[tokio::test]
async fn a_callback_is_signed_with_each_secret() {
    let (url, requests) =
        receiver(Behaviour::Answer("HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"reference\": \"r7\"}")).await;
    let outcome = send(&url, Timeouts::default()).await;
    assert_eq!(outcome, Outcome::Done { reference: Some("r7".into()) });

    let requests = requests.lock().expect("not poisoned");
    let (head, body) = requests[0].split_once("\r\n\r\n").expect("a request");
    let header = |name: &str| {
        head.lines()
            .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
            .expect(name)
            .1
    };
    assert!(head.starts_with("POST /hook?token=SECRET HTTP/1.1\r\n"), "{head}");
    assert_eq!(
        (header("webhook-id"), header("webhook-timestamp"), header("content-type")),
        ("eff_1", "1790000000", "application/json")
    );
    let sent: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        sent,
        json!({"type": "staff.notify", "id": "eff_1", "shop": "lamps", "at": 1_789_999_999_000i64, "data": {"text": "Grüße", "to": "#orders"}})
    );
    for secret in [OLD, NEW] {
        let keys = [Key::parse(secret).expect("a key")];
        let check = |body: &str| {
            verify(&keys, "eff_1", header("webhook-timestamp"), header("webhook-signature"), body.as_bytes(), NOW)
        };
        assert_eq!(check(body), Ok(()), "{secret}");
        assert!(check(&body.replace("#orders", "#others")).is_err());
    }
}

#[tokio::test]
async fn answers_are_told_apart() {
    fn refused(reason: &str) -> Outcome {
        Outcome::Refused { reason: reason.into() }
    }
    fn retry(after: Option<u64>, reason: &str) -> Outcome {
        Outcome::Retry { after, reason: reason.into() }
    }
    let table = [
        ("HTTP/1.1 204 No Content\r\n\r\n", Outcome::Done { reference: None }),
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nokay", Outcome::Done { reference: None }),
        ("HTTP/1.1 200 OK\r\ncontent-length: 16\r\n\r\n{\"reference\": 12}", Outcome::Done { reference: None }),
        (
            "HTTP/1.1 201 Created\r\ncontent-length: 17\r\n\r\n{\"reference\": 12}",
            Outcome::Done { reference: Some("12".into()) },
        ),
        (
            "HTTP/1.1 500 Oops\r\ncontent-length: 8\r\n\r\nno\r\nluck",
            retry(None, "the callback answered 500: no  luck"),
        ),
        (
            "HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n",
            retry(Some(7_000), "the callback answered 503"),
        ),
        (
            "HTTP/1.1 429 Slow\r\nretry-after: Mon, 21 Sep 2026 14:14:00 GMT\r\ncontent-length: 0\r\n\r\n",
            retry(Some(39_877), "the callback answered 429"),
        ),
        ("HTTP/1.1 408 Late\r\ncontent-length: 0\r\n\r\n", retry(None, "the callback answered 408")),
        ("HTTP/1.1 400 Bad\r\ncontent-length: 7\r\n\r\nunknown", refused("the callback answered 400: unknown")),
        ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", refused("the callback answered 410")),
        (
            "HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n",
            refused("the callback answered 302: redirects are not followed, give the final URL"),
        ),
    ];
    for (answer, expected) in table {
        let (url, _) = receiver(Behaviour::Answer(answer)).await;
        assert_eq!(send(&url, Timeouts::default()).await, expected, "{answer}");
    }
}

#[tokio::test]
async fn without_an_answer_it_counts_whether_it_was_sent() {
    let short = Timeouts { connect: Duration::from_secs(1), total: Duration::from_millis(200) };
    for (behaviour, reason) in [(Behaviour::Hang, "broke"), (Behaviour::Silent, "no answer in time")] {
        let (url, requests) = receiver(behaviour).await;
        let outcome = send(&url, short).await;
        assert!(matches!(&outcome, Outcome::Unknown { reason: because } if because.contains(reason)), "{outcome:?}");
        assert!(outcome.again(true) && !outcome.again(false));
        assert!(!format!("{outcome:?}").contains("SECRET"), "{outcome:?}");
        assert!(!requests.lock().expect("not poisoned").is_empty());
    }
    // Nobody listens on a port that was just given back.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/SECRET", listener.local_addr().expect("an address"));
    drop(listener);
    let outcome = send(&url, short).await;
    assert!(
        matches!(&outcome, Outcome::Retry { after: None, reason } if reason.contains("cannot be reached")),
        "{outcome:?}"
    );
    assert!(!format!("{outcome:?}").contains("SECRET"), "{outcome:?}");
}

#[test]
fn settings_are_checked() {
    let timeouts = Timeouts::default();
    for url in ["", "example.com/hook", "ftp://example.com", "http://"] {
        assert!(Callback::new(url, &[NEW], timeouts).is_err(), "{url}");
    }
    assert!(Callback::new("https://example.com", &["secret"], timeouts).is_err());
    let none: [&str; 0] = [];
    assert!(Callback::new("https://example.com", &none, timeouts).is_err());
    let shown = format!("{:?}", Callback::new("https://example.com/SECRET", &[NEW], timeouts).expect("a callback"));
    assert!(!shown.contains("SECRET") && !shown.contains("bmV3"), "{shown}");
}
