//! The HTTP server: HTTP/1.1, one task a connection, Nagle's algorithm off, pipelined answers written
//! together, slow senders cut off, and an end that lets requests in flight finish.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};
use tower::Service as _;

/// Connections at once; beyond, new ones wait in the system's backlog.
const MAX_CONNECTIONS: usize = 8_192;
/// A client that takes longer to send a request's headers is cut off.
const HEADER_TIME: Duration = Duration::from_secs(30);
/// How long requests in flight may take after the end was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// The address of the other side of a connection, in a request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Serves until `shutdown` completes; then takes no new connection or request, lets those in flight
/// finish (for at most ten seconds), and returns.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (ending, ended) = watch::channel(());
    // Every connection holds a receiver: when all are gone, so are the connections.
    let (alive, all_gone) = watch::channel(());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).pipeline_flush(true).half_close(true);
    tokio::pin!(shutdown);
    loop {
        // The semaphore is never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else { break };
        let (stream, address) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: give connections time to end.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        // Without it small answers would wait for the client's acknowledgement, up to 40 ms.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let router = router.clone();
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(Peer(address));
            router.clone().call(request)
        });
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let (mut ended, alive) = (ended.clone(), alive.subscribe());
        tokio::spawn(async move {
            let _held = (slot, alive);
            tokio::pin!(connection);
            let outcome = tokio::select! {
                outcome = connection.as_mut() => outcome,
                _ = ended.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = outcome {
                tracing::debug!(%error, %address, "a connection ended early");
            }
        });
    }
    drop(listener);
    drop(all_gone);
    // Dropping the sender wakes every connection.
    drop(ending);
    if tokio::time::timeout(GRACE, alive.closed()).await.is_err() {
        tracing::warn!(connections = alive.receiver_count(), "requests in flight were cut off");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{extract::Extension, routing::get};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::{Notify, oneshot},
    };

    #[tokio::test]
    async fn a_request_in_flight_is_answered_and_then_the_server_ends() {
        let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (seen, gate) = (entered.clone(), release.clone());
        let router = Router::new().route(
            "/",
            get(move |Extension(Peer(peer)): Extension<Peer>| async move {
                seen.notify_one();
                gate.notified().await;
                format!("from {}", peer.ip())
            }),
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(serve(listener, router, async move {
            let _ = stopped.await;
        }));
        let mut client = TcpStream::connect(address).await.expect("connects");
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("writes");
        entered.notified().await;
        stop.send(()).expect("the server runs");
        tokio::task::yield_now().await;
        assert!(!server.is_finished());
        release.notify_one();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("reads to the end");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("from 127.0.0.1"), "{answer}");
        server.await.expect("ends");
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }
}
