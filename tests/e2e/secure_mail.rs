//! Mail over TLS: with a certificate that only a certificate authority of the shop's own has signed.

use std::{path::Path, process::Command, sync::Arc};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use crate::{host::Host, mail::MailServer};

/// How the conversation is encrypted.
#[derive(Clone, Copy, PartialEq)]
enum Encryption {
    StartTls,
    Implicit,
}

fn openssl(folder: &Path, args: &str) {
    let output = Command::new("openssl").args(args.split(' ')).current_dir(folder).output().expect("openssl runs");
    assert!(output.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority (`ca.pem`) and a certificate for `localhost` that it has signed.
fn certificates(folder: &Path) -> TlsAcceptor {
    openssl(
        folder,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=authority",
    );
    openssl(
        folder,
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout mail.key -out mail.csr -subj /CN=localhost",
    );
    std::fs::write(folder.join("mail.ext"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
        .expect("written");
    openssl(
        folder,
        "x509 -req -in mail.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out mail.pem -days 2 -extfile mail.ext",
    );
    let chain = CertificateDer::pem_file_iter(folder.join("mail.pem"))
        .expect("a file")
        .collect::<Result<_, _>>()
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("mail.key")).expect("a key");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("they fit");
    TlsAcceptor::from(Arc::new(config))
}

async fn server(encryption: Encryption, acceptor: TlsAcceptor) -> MailServer {
    let (server, listener) = MailServer::bind().await;
    let shared = server.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (server, acceptor) = (shared.clone(), acceptor.clone());
            tokio::spawn(async move {
                let stream = match encryption {
                    Encryption::Implicit => stream,
                    Encryption::StartTls => server.converse(stream, true, true).await?,
                };
                let stream = acceptor.accept(stream).await.ok()?;
                server.converse(stream, encryption == Encryption::Implicit, false).await
            });
        }
    });
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_goes_out_encrypted_to_who_is_trusted_and_to_nobody_else() {
    for encryption in [Encryption::StartTls, Encryption::Implicit] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = server(encryption, certificates(folder.path())).await;
        let scheme = if encryption == Encryption::Implicit { "smtps" } else { "smtp" };
        let url = format!("{scheme}://localhost:{}", server.port());
        let ca = folder.path().join("ca.pem").display().to_string();
        let trusting = ["--smtp-url", &url, "--smtp-from", "Shop <shop@example.com>", "--smtp-ca", &ca];
        let host = Host::start(folder.path(), &trusting);
        let client = host.client();
        client.install_probe().await;
        client.add_customer("42").await;
        let email = json!({"steps": [{"do": "email", "customer": "42", "note": "Grüße"}]});
        let run = client.trigger("probe.go", "1", email.clone()).await;
        assert_eq!(client.said(&run).await, json!(["done"]));
        let mails = server.mails();
        assert_eq!((mails.len(), mails[0].to[0].as_str()), (1, "42@example.com"));
        host.end();

        // The same server for a host that was not told of the authority: nothing goes out, and the run waits.
        let host = Host::start(folder.path(), &trusting[..4]);
        let client = host.client();
        let run = client.trigger("probe.go", "2", email).await;
        let waiting = client.run_when(&run, |run| run["state"] != "active").await;
        assert_eq!(
            (&waiting["state"], &waiting["waits_for"]["for"]),
            (&json!("waiting"), &json!("effect")),
            "{waiting:#}"
        );
        assert!(
            waiting["ledger"][0]["error"]
                .as_str()
                .is_some_and(|why| why.contains("ertificate") || why.contains("encrypted")),
            "{waiting:#}"
        );
        assert_eq!(server.mails().len(), 1);
        host.end();
    }
}
