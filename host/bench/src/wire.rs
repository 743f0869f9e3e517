//! HTTP/1.1, as much of it as is needed to send prepared requests over a kept connection and read the
//! answers: the load must cost little of the processors that it shares with the host.

use std::{io, net::SocketAddr, ops::Range};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection to the host.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer. Its body is in [`Connection::body`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    body: Range<usize>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 << 10) })
    }

    /// Sends a whole request and reads the whole answer.
    pub async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        loop {
            self.read().await?;
            if let Some(answer) = head(&self.buffer)?
                && self.buffer.len() >= answer.body.end
            {
                return Ok(answer);
            }
        }
    }

    /// Sends a request whose answer never ends; gives back what comes, a piece at a time, from
    /// [`Connection::more`].
    pub async fn follow(&mut self, request: &[u8]) -> io::Result<()> {
        self.buffer.clear();
        self.stream.write_all(request).await
    }

    /// What has come and was not taken yet, after waiting for more of it.
    pub async fn more(&mut self) -> io::Result<&mut Vec<u8>> {
        self.read().await?;
        Ok(&mut self.buffer)
    }

    async fn read(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the host closed the connection")),
            _ => Ok(()),
        }
    }

    /// The body of an answer that was just read.
    pub fn body(&self, answer: &Answer) -> &[u8] {
        self.buffer.get(answer.body.clone()).unwrap_or_default()
    }
}

/// The head of an answer, once all of it is there.
fn head(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("the answer is no HTTP: {what}"));
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| bad("its head is no text"))?;
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| bad("it has no status"))?;
    let (mut length, mut retry_after) = (None, None);
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse::<usize>().ok();
        } else if name.eq_ignore_ascii_case("retry-after") {
            retry_after = value.trim().parse().ok();
        }
    }
    let length = match length {
        Some(length) => length,
        None if status == 204 => 0,
        None => return Err(bad("it has no length")),
    };
    Ok(Some(Answer { status, retry_after, body: end + 4..end + 4 + length }))
}

/// A request's head up to the blank line, for a body of this length.
pub fn head_of(method: &str, path: &str, token: &str, kind: &str, length: usize) -> Vec<u8> {
    let content =
        if method == "GET" { String::new() } else { format!("content-type: {kind}\r\ncontent-length: {length}\r\n") };
    format!("{method} {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n{content}\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_whole() {
        let bytes = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\nretry-after: 7\r\n\r\n{}";
        let read = head(bytes).expect("HTTP").expect("whole");
        assert_eq!((read.status, read.retry_after, &bytes[read.body.clone()]), (429, Some(7), &b"{}"[..]));
        assert_eq!(head(&bytes[..30]).expect("so far"), None);
        assert_eq!(head(b"HTTP/1.1 204 No Content\r\n\r\n").expect("HTTP").expect("whole").body.len(), 0);
        for bad in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b"SSH-2.0\r\n\r\n"] {
            assert!(head(bad).is_err());
        }
    }
}
