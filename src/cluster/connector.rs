//! A connector to the API server over TCP, with TLS that the service account's CA verifies.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::{ServerName, pem};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net;
use tokio::time::{self, Instant};
use tokio_rustls::TlsConnector;

use crate::cluster::credentials::Credentials;
use crate::net::authorities::{Authorities, NoAuthorities};
use crate::net::connect::{Shares, connect_first};

/// The timeout for the TCP connection and the TLS handshake together.
const CONNECT: Duration = Duration::from_secs(5);

/// The time for one of several addresses of the API server's name, as Go's dialer divides it.
const SHARES: Shares = Shares {
    least: Duration::from_secs(2),
    most: CONNECT,
};

/// The idle time after which the kernel probes the connection. Through a kubectl proxy there is
/// no HTTP/2 ping that could do it.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Connects to the API server.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    credentials: Option<Credentials>,
}

/// A connection, with or without TLS.
pub(crate) struct Stream {
    io: TokioIo<Pin<Box<dyn Io>>>,
    is_http2: bool,
}

trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

// === impl Connector ===

impl Connector {
    /// Creates a connector. The CA of the credentials, if there are any, verifies the server.
    pub(crate) fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials }
    }

    async fn connect(self, uri: Uri) -> io::Result<Stream> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let is_tls = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let deadline = Instant::now() + CONNECT;
        let addresses: Vec<_> = match host.parse::<IpAddr>() {
            Ok(ip) => vec![(ip, port).into()],
            Err(_) => net::lookup_host((host, port)).await?.collect(),
        };
        let stream = connect_first(&addresses, deadline, SHARES).await?;
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE / 3);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let Some(credentials) = self.credentials.filter(|_| is_tls) else {
            return Ok(Stream {
                io: TokioIo::new(Box::pin(stream)),
                is_http2: false,
            });
        };
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = TlsConnector::from(config(&credentials)?)
            .connect(name, stream)
            .await?;
        let is_http2 = tls.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Stream {
            io: TokioIo::new(Box::pin(tls)),
            is_http2,
        })
    }
}

/// Builds the TLS configuration of one connection. Reads the CA each time, because it rotates too.
fn config(credentials: &Credentials) -> io::Result<Arc<ClientConfig>> {
    let path = credentials.ca_path();
    let file = |why: String| io::Error::other(format!("{}: {why}", path.display()));
    let pem = credentials.ca().map_err(|error| file(error.to_string()))?;
    let found = Authorities::read(&path, &pem).map_err(|error| {
        file(match error {
            NoAuthorities::Pem(pem::Error::NoItemsFound) => {
                "the file has no certificate".to_owned()
            }
            NoAuthorities::Pem(error) => format!("no certificate in it can be used: {error}"),
            NoAuthorities::Certificate(error) => {
                format!("no certificate in it can be used: {error}")
            }
        })
    })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(found.roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl tower_service::Service<Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connect = self.clone().connect(uri);
        Box::pin(async move {
            let late = |_| {
                io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no connection within {CONNECT:?}"),
                )
            };
            time::timeout(CONNECT, connect).await.map_err(late)?
        })
    }
}

// === impl Stream ===

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("is_http2", &self.is_http2)
            .finish_non_exhaustive()
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.is_http2 {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, to)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
