//! The connection under a WebSocket of the command line: plain, or TLS where the address says so.

use std::sync::Arc;

use aerostream_tls::Trust;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::{WebSocketStream, client_async};

/// What bytes go over.
pub trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// A WebSocket over whatever is under it.
pub type Stream = WebSocketStream<Box<dyn Wire>>;

/// Opens a WebSocket.
///
/// # Errors
/// The address cannot be used or reached, its server is not trusted, or it says no.
pub async fn connect(request: Request, trust: &Trust) -> Result<Stream, Error> {
    let uri = request.uri();
    let host = uri.host().ok_or(Error::Url(UrlError::NoHostName))?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let is_tls = uri.scheme_str() == Some("wss");
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    stream.set_nodelay(true)?;
    let wire: Box<dyn Wire> = if is_tls {
        let trust = trust.client().map_err(std::io::Error::other)?;
        let name = ServerName::try_from(host).map_err(std::io::Error::other)?;
        let connector = TlsConnector::from(Arc::new(trust));
        Box::new(connector.connect(name, stream).await?)
    } else {
        Box::new(stream)
    };
    Ok(client_async(request, wire).await?.0)
}
