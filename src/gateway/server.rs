//! The accept loop of every public port: how many connections, how long a silent one is kept.

mod patience;
mod secure;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aerostream_tls::Identity;
use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustix::net::sockopt::set_tcp_user_timeout;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tower::ServiceExt;

use self::patience::Patient;
use self::secure::Secure;
use super::metrics;
use crate::origin::{self, Origin};

/// Pause after the system refused to accept, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;

/// HTTP/2 as TLS names it.
const H2: &[u8] = b"h2";
/// Requests at once on an HTTP/2 connection of the REST door.
const STREAMS_MAX: u32 = 128;

/// Connections of one port.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Open connections; one more is closed at once. Default: 10,000.
    pub connections_max: usize,
    /// Longest time until a request's head is whole, idle time before it included, in
    /// milliseconds. Default: 30,000.
    pub header_timeout_ms: u64,
    /// HTTP/2 only: how often a silent peer is asked whether it is there, in milliseconds; it is
    /// dropped if it does not answer as long. Default: 20,000.
    pub keep_alive_ms: u64,
    /// Longest time for which a client may take nothing of what is sent to it, in milliseconds;
    /// then its connection is closed, and what it holds goes with it, such as the place of an
    /// export. Default: 60,000.
    pub stall_timeout_ms: u64,
    /// How long open requests may go on at shutdown, in milliseconds. Default: 10,000.
    pub drain_ms: u64,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            header_timeout_ms: 30_000,
            keep_alive_ms: 20_000,
            stall_timeout_ms: 60_000,
            drain_ms: 10_000,
        }
    }
}

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    /// With at most so many streams at once on a connection.
    Http2 {
        streams_max: u32,
    },
}

impl Protocol {
    /// What is spoken over TLS, the best first.
    const fn names(self) -> &'static [&'static [u8]] {
        match self {
            Self::Http1 => &[H2, b"http/1.1"],
            Self::Http2 { .. } => &[H2],
        }
    }

    /// What is spoken on a connection of this port for which HTTP/2 was chosen.
    const fn chosen_http2(self) -> Self {
        match self {
            Self::Http1 => Self::Http2 {
                streams_max: STREAMS_MAX,
            },
            Self::Http2 { .. } => self,
        }
    }

    const fn door(self) -> &'static str {
        match self {
            Self::Http1 => "http",
            Self::Http2 { .. } => "grpc",
        }
    }

    fn builder(self, config: &ServerConfig) -> auto::Builder<TokioExecutor> {
        let builder = auto::Builder::new(TokioExecutor::new());
        match self {
            Self::Http1 => {
                let mut builder = builder.http1_only();
                builder
                    .http1()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
                    .max_buf_size(HEAD_BYTES_MAX)
                    .max_headers(HEADERS_MAX);
                builder
            }
            Self::Http2 { streams_max } => {
                let keep_alive = Duration::from_millis(config.keep_alive_ms);
                let mut builder = builder.http2_only();
                builder
                    .http2()
                    .timer(TokioTimer::new())
                    .keep_alive_interval(keep_alive)
                    .keep_alive_timeout(keep_alive)
                    .max_concurrent_streams(streams_max)
                    .max_header_list_size(HEAD_BYTES_MAX as u32)
                    .initial_stream_window_size(1 << 20)
                    .initial_connection_window_size(4 << 20);
                builder
            }
        }
    }
}

/// How a port is served.
#[derive(Debug, Clone)]
pub struct Port {
    pub protocol: Protocol,
    pub config: ServerConfig,
    /// With it the port speaks TLS and nothing else.
    pub identity: Option<Arc<Identity>>,
}

/// Serves a port until `shutdown`, then lets open requests end for a while.
///
/// # Errors
/// The listener has no address, which means that it is not bound; or TLS cannot be set up.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    port: Port,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let Port {
        protocol,
        config,
        identity,
    } = port;
    let address = listener.local_addr()?;
    let secure = identity.map(|identity| Secure::new(&identity, protocol.names()));
    let secure = secure.transpose().map_err(io::Error::other)?.map(Arc::new);
    let builder = Arc::new(protocol.builder(&config));
    let http2 = Arc::new(protocol.chosen_http2().builder(&config));
    let free = Arc::new(Semaphore::new(config.connections_max));
    let silence_max = Duration::from_millis(config.header_timeout_ms);
    let (stop, stopped) = watch::channel(false);
    let (alive, mut all_gone) = mpsc::channel::<Infallible>(1);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let is_tls = secure.is_some();
    tracing::info!(door = protocol.door(), server.address = %address, tls = is_tls, "door open");
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(error = %error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let Ok(place) = Arc::clone(&free).try_acquire_owned() else {
            metrics::connection_refused(protocol.door());
            continue;
        };
        let connection = Connection {
            builder: Arc::clone(&builder),
            http2: Arc::clone(&http2),
            secure: secure.clone(),
            door: protocol.door(),
            peer: peer.ip(),
            router: router.clone(),
            silence_max,
            stall_max: Duration::from_millis(config.stall_timeout_ms),
            held: Upgraded {
                stopped: stopped.clone(),
                _place: Arc::new(Place::take(protocol.door(), place, alive.clone())),
            },
        };
        connections.spawn(connection.run(stream));
    }
    drop(listener);
    stop.send_replace(true);
    drop(alive);
    let drained = async {
        while connections.join_next().await.is_some() {}
        // What a connection was upgraded to outlives it.
        while all_gone.recv().await.is_some() {}
    };
    close(protocol.door(), config.drain_ms, drained).await;
    Ok(())
}

/// Waits a while for the open requests.
async fn close(door: &'static str, drain_ms: u64, drained: impl Future<Output = ()>) {
    let drain = Duration::from_millis(drain_ms);
    if tokio::time::timeout(drain, drained).await.is_err() {
        tracing::warn!(door, "connections cut off at shutdown");
    }
    tracing::info!(door, "door closed");
}

/// One of the connections that may be open.
#[derive(Debug)]
struct Place {
    door: &'static str,
    _permit: OwnedSemaphorePermit,
    _alive: mpsc::Sender<Infallible>,
}

/// What an upgraded connection holds: it is counted until it drops this, and told when to end.
#[derive(Debug, Clone)]
pub struct Upgraded {
    stopped: watch::Receiver<bool>,
    _place: Arc<Place>,
}

impl Upgraded {
    /// Resolves when the port is closing.
    pub async fn stopping(&mut self) {
        // A port that is gone is closing as well.
        let _ = self.stopped.wait_for(|stopped| *stopped).await;
    }
}

impl Place {
    fn take(
        door: &'static str,
        permit: OwnedSemaphorePermit,
        alive: mpsc::Sender<Infallible>,
    ) -> Self {
        metrics::connection_opened(door);
        Self {
            door,
            _permit: permit,
            _alive: alive,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::connection_closed(self.door);
    }
}

/// How long the other end may leave bytes unacknowledged until the connection is over.
const UNACKNOWLEDGED_MS_MAX: u32 = 20_000;

struct Connection {
    builder: Arc<auto::Builder<TokioExecutor>>,
    http2: Arc<auto::Builder<TokioExecutor>>,
    secure: Option<Arc<Secure>>,
    door: &'static str,
    peer: IpAddr,
    router: Router,
    silence_max: Duration,
    stall_max: Duration,
    held: Upgraded,
}

impl Connection {
    async fn run(mut self, stream: TcpStream) {
        // Answers are small and somebody waits for each.
        let _ = stream.set_nodelay(true);
        // What a silent network holds back is not to arrive much later: commands go this way, too.
        let _ = set_tcp_user_timeout(&stream, UNACKNOWLEDGED_MS_MAX);
        let stream = Patient::new(stream, self.stall_max);
        let Some(secure) = self.secure.take() else {
            return self.serve(stream).await;
        };
        let opening = secure.open(stream);
        let opened = tokio::select! {
            opened = tokio::time::timeout(self.silence_max, opening) => opened,
            () = self.held.stopping() => return,
        };
        match opened {
            Ok(Ok(stream)) => {
                if stream.get_ref().1.alpn_protocol() == Some(H2) {
                    self.builder = Arc::clone(&self.http2);
                }
                self.serve(stream).await;
            }
            Ok(Err(error)) => tracing::debug!(error = %error, "no TLS with a client"),
            Err(_) => tracing::debug!("no TLS with a client in time"),
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut self, stream: S) {
        let heard = Arc::new(AtomicBool::new(false));
        let service = {
            let heard = Arc::clone(&heard);
            let (router, held) = (self.router.clone(), self.held.clone());
            let (door, peer) = (self.door, self.peer);
            service_fn(move |mut request: Request<hyper::body::Incoming>| {
                heard.store(true, Ordering::Relaxed);
                let router = router.clone();
                request.extensions_mut().insert(held.clone());
                let answer = router.oneshot(request.map(Body::new));
                let answer = origin::within(Some(Origin::new(door, peer)), answer);
                async move {
                    let answered = answer.await;
                    answered.map_err(|never: Infallible| match never {})
                }
            })
        };
        let stream = TokioIo::new(stream);
        let serving = self.builder.serve_connection_with_upgrades(stream, service);
        let mut serving = pin!(serving);
        let mut silence = pin!(tokio::time::sleep(self.silence_max));
        let mut judged = false;
        let mut stopping = false;
        loop {
            tokio::select! {
                ended = serving.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error = %error, "connection ended");
                    }
                    return;
                }
                // HTTP/2 has no limit of its own for a peer that never sends a request.
                () = silence.as_mut(), if !judged => {
                    judged = true;
                    if !heard.load(Ordering::Relaxed) {
                        return;
                    }
                }
                () = self.held.stopping(), if !stopping => {
                    stopping = true;
                    serving.as_mut().graceful_shutdown();
                }
            }
        }
    }
}
