//! A keep-alive HTTP/1.1 connection that costs next to nothing, so that it measures the server.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes read at once.
const READ: usize = 64 * 1024;
/// Bytes of a reply at most.
const REPLY_MAX: usize = 64 * 1024 * 1024;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(READ),
        })
    }

    /// Sends a whole request; the status and the body of its reply.
    pub async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let (status, body, end) = loop {
            anyhow::ensure!(self.buffer.len() < REPLY_MAX, "a reply is too long");
            self.buffer.reserve(READ);
            let read = self.stream.read_buf(&mut self.buffer).await?;
            anyhow::ensure!(read > 0, "the server closed the connection");
            let Some(body) = end_of_head(&self.buffer) else {
                continue;
            };
            let (status, length) = head(&self.buffer[..body])?;
            if self.buffer.len() >= body + length {
                break (status, body, body + length);
            }
        };
        Ok((status, &self.buffer[body..end]))
    }

    /// `GET`; the body of a reply with status 200.
    pub async fn get(&mut self, path: &str, token: &str) -> anyhow::Result<String> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n"
        );
        let (status, body) = self.exchange(request.as_bytes()).await?;
        let body = String::from_utf8_lossy(body).into_owned();
        anyhow::ensure!(status == 200, "GET {path} answered {status}: {body}");
        Ok(body)
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|it| it == b"\r\n\r\n")
        .map(|place| place + 4)
}

/// Status and length of the body.
fn head(head: &[u8]) -> anyhow::Result<(u16, usize)> {
    let text = std::str::from_utf8(head)?;
    let status = text
        .get(9..12)
        .context("a reply without a status")?
        .parse()?;
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .context("a reply without content-length")?
        .parse()?;
    Ok((status, length))
}
