//! One request over a connection of its own, to an address that was looked at.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use shopwright_model::http::HttpError;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::rustls::{self, pki_types::ServerName};

use super::{HttpOut, Target};
use crate::outcome::excerpt;

/// The most that a response's head may have, in bytes and in lines.
const HEAD_BYTES: usize = 64 << 10;
const HEAD_LINES: usize = 128;

/// Addresses of a name that are tried.
const TRIED: usize = 4;

/// Why there is no answer.
pub(super) enum Failed {
    /// Nothing was sent.
    Before { error: HttpError, again: bool },
    /// It was sent, and the answer did not come, or not whole.
    Lost { error: HttpError },
    /// The answer is too large.
    Unusable { error: HttpError },
}

/// An answer.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// Sends a request, and reads the answer.
pub(super) async fn exchange(
    out: &HttpOut,
    target: &Target,
    request: hyper::Request<Full<Bytes>>,
    deadline: Instant,
) -> Result<Answer, Failed> {
    let within = out.options.connect.min(deadline.saturating_duration_since(Instant::now()));
    let slow = || Failed::Before {
        error: HttpError::Connect(format!(
            "no connection to {} came about within {} ms",
            target.host,
            within.as_millis()
        )),
        again: true,
    };
    let begun = Instant::now();
    let stream = timeout(within, connect(out, target, within)).await.map_err(|_| slow())??;
    let limit = out.options.response_bytes;
    if target.plain {
        return talk(stream, target, request, deadline, limit).await;
    }
    let name = target.host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(|_| Failed::Before {
        error: HttpError::BadRequest(format!("{} is no name that a certificate could have", target.host)),
        again: false,
    })?;
    let left = within.saturating_sub(begun.elapsed());
    let stream = match timeout(left, out.tls.connect(name, stream)).await {
        Err(_) => return Err(slow()),
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            // What TLS itself says will be said again; a connection that broke may hold the next time.
            let again = !error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
            let error = HttpError::Tls(format!("no TLS with {}: {}", target.host, excerpt(&error.to_string())));
            return Err(Failed::Before { error, again });
        }
    };
    talk(stream, target, request, deadline, limit).await
}

/// Resolves, looks at every address, and connects to one that was looked at.
async fn connect(out: &HttpOut, target: &Target, within: Duration) -> Result<TcpStream, Failed> {
    let before = |error, again| Failed::Before { error, again };
    let addresses = match target.address() {
        Some(address) => vec![address],
        None => out.resolver.resolve(&target.host).await.map_err(|error| {
            before(
                HttpError::Dns(format!("{} cannot be resolved ({})", target.host, excerpt(&error.to_string()))),
                true,
            )
        })?,
    };
    if addresses.is_empty() {
        return Err(before(HttpError::Dns(format!("{} has no address", target.host)), true));
    }
    // All of them: a name that has one public address and one that is not is a trick, or a mistake.
    if let Some(what) = addresses.iter().find_map(|address| out.addresses.blocked(*address)) {
        // Which address it is stays here: it would tell of the host's network.
        let reason = format!(
            "{} leads to {what}, which plugins may not reach; the host's owner can allow it (`[http] allow` in shopwright.toml)",
            target.host
        );
        return Err(before(HttpError::BlockedAddress(reason), false));
    }
    let tried = addresses.len().min(TRIED);
    let each = within / u32::try_from(tried).unwrap_or(1);
    let mut last = String::from("no answer");
    for address in addresses.into_iter().take(TRIED) {
        let address = address.to_canonical();
        match timeout(each, TcpStream::connect(SocketAddr::new(address, target.port))).await {
            Ok(Ok(stream)) if stream.peer_addr().is_ok_and(|peer| peer.ip().to_canonical() == address) => {
                // Small requests need not wait for more; without it they are only slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Ok(_)) => last = "the connection went elsewhere".into(),
            Ok(Err(error)) => last = excerpt(&error.to_string()),
            Err(_) => last = "no answer in time".into(),
        }
    }
    Err(before(HttpError::Connect(format!("no connection to {} on port {}: {last}", target.host, target.port)), true))
}

/// Ends the task that drives a connection, however its request ends.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    target: &Target,
    request: hyper::Request<Full<Bytes>>,
    deadline: Instant,
    limit: usize,
) -> Result<Answer, Failed> {
    let host = &target.host;
    let shaken = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await;
    let (mut sender, connection) = shaken.map_err(|error| Failed::Before {
        error: HttpError::Connect(format!("the connection to {host} broke ({})", excerpt(&error.to_string()))),
        again: true,
    })?;
    let _driver = Driver(tokio::spawn(async move {
        // Its end, good or bad, is what the request says too.
        let _ = connection.await;
    }));
    let late = |what: &str| Failed::Lost { error: HttpError::Timeout(format!("{host} {what} in time")) };
    let response = match timeout_at(deadline, sender.send_request(request)).await {
        Err(_) => return Err(late("gave no answer")),
        Ok(Ok(response)) => response,
        Ok(Err(error)) if error.is_canceled() => {
            let error = HttpError::Connect(format!("the connection to {host} broke before the request was sent"));
            return Err(Failed::Before { error, again: true });
        }
        Ok(Err(error)) if error.is_parse() => {
            let error =
                HttpError::BadAnswer(format!("{host} answered what is no HTTP ({})", excerpt(&error.to_string())));
            return Err(Failed::Lost { error });
        }
        Ok(Err(error)) => {
            let reason = format!("the connection to {host} broke before it answered ({})", excerpt(&error.to_string()));
            return Err(Failed::Lost { error: HttpError::Connect(reason) });
        }
    };
    let (head, mut body) = response.into_parts();
    let too_large = || Failed::Unusable { error: HttpError::TooLarge(limit as u64) };
    let announced =
        head.headers.get(hyper::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    let mut read = Vec::new();
    // An answer to HEAD announces what it does not have.
    if announced.is_some_and(|bytes| bytes > limit) && !hyper::body::Body::is_end_stream(&body) {
        return Err(too_large());
    }
    loop {
        match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(late(&format!("answered {}, but its body did not come", head.status.as_u16()))),
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                let reason = format!(
                    "{host} answered {}, but its body broke off ({})",
                    head.status.as_u16(),
                    excerpt(&error.to_string())
                );
                return Err(Failed::Lost { error: HttpError::Connect(reason) });
            }
            Ok(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    if read.len() + data.len() > limit {
                        return Err(too_large());
                    }
                    read.extend_from_slice(data);
                }
            }
        }
    }
    Ok(Answer { status: head.status, headers: head.headers, body: read })
}
