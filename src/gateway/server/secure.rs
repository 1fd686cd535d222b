//! TLS on a port: the handshake, and a word for those who come without.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aerostream_tls::{Identity, TlsError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::patience::Patient;
use crate::error::{ErrorCode, Problem};

/// First byte of whatever TLS says: the handshake's type of record.
const HANDSHAKE: u8 = 0x16;

/// Most bytes that are read of who does not speak TLS.
const UNREAD_BYTES_MAX: u64 = 64 * 1024;

/// How a port speaks TLS.
pub(super) struct Secure {
    acceptor: TlsAcceptor,
    /// True once somebody came without TLS: it is a mistake to be told once, not at each request.
    was_plain: AtomicBool,
}

impl Secure {
    pub(super) fn new(identity: &Arc<Identity>, names: &[&[u8]]) -> Result<Self, TlsError> {
        Ok(Self {
            acceptor: identity.server(names)?.into(),
            was_plain: AtomicBool::new(false),
        })
    }

    /// Shakes hands; who does not speak TLS is told so in plain HTTP and sent away.
    pub(super) async fn open(&self, mut stream: Patient) -> io::Result<TlsStream<Patient>> {
        let mut first = [0];
        let read = stream.stream().peek(&mut first).await?;
        if read == 0 || first == [HANDSHAKE] {
            return self.acceptor.accept(stream).await;
        }
        if !self.was_plain.swap(true, Ordering::Relaxed) {
            tracing::warn!("a client speaks plain HTTP to a port that has TLS; told once");
        }
        let detail = "this port speaks TLS only; the address must begin with https://";
        let problem = Problem::new(ErrorCode::Malformed, detail);
        stream.write_all(plain(&problem).as_bytes()).await?;
        stream.shutdown().await?;
        // A connection that is closed with something unread takes the answer with it.
        let mut rest = stream.take(UNREAD_BYTES_MAX);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
        Err(io::Error::new(io::ErrorKind::InvalidData, detail))
    }
}

/// An answer in the only words that such a client understands.
fn plain(problem: &Problem) -> String {
    let (status, code) = (problem.code.http_status(), problem.code.as_str());
    let body = format!(
        r#"{{"status":{status},"code":"{code}","detail":"{}"}}"#,
        problem.detail
    );
    format!(
        "HTTP/1.1 {status} Bad Request\r\ncontent-type: application/problem+json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
