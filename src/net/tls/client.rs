//! Handshakes with one service, by files that are re-read when they change.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

use crate::net::no_connection::{Http, NoConnection};
use crate::net::stream::{Io, Stream};
use crate::net::tls::files::{Files, Stamps};
use crate::net::tls::invalid::InvalidTls;
use crate::net::tls::options::Options;
use crate::net::tls::refusal::Facts;
use crate::text::Excerpt;

/// TLS to one service.
#[derive(Debug)]
pub struct Tls {
    name: ServerName<'static>,
    files: Files,
    facts: Arc<Facts>,
    current: Mutex<Current>,
}

/// What the files said when they were last good.
#[derive(Debug)]
struct Current {
    /// The versions last looked at, good or not.
    stamps: Stamps,
    configs: Configs,
    /// Whether a newer version was no good, which is said once.
    outdated: bool,
}

#[derive(Clone, Debug)]
struct Configs {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

// === impl Tls ===

impl Tls {
    /// Reads the files, if the options ask for TLS. The name is expected in the service's
    /// certificate unless the options name another.
    ///
    /// # Errors
    ///
    /// [`InvalidTls`]: later on a bad file is only warned about.
    pub fn new(options: &Options, certificate_name: &str) -> Result<Option<Self>, InvalidTls> {
        if !options.tls {
            return Ok(None);
        }
        let name = options.tls_server_name.clone();
        let name = name.unwrap_or_else(|| certificate_name.to_owned());
        let files = Files::new(options)?;
        let stamps = files.stamps();
        let configs = Configs::new(&files.read()?);
        Ok(Some(Self {
            facts: Arc::new(Facts {
                name: name.clone(),
                client_certificate: files.has_client_certificate(),
            }),
            name: ServerName::try_from(name.clone()).map_err(|_| InvalidTls::Name(name))?,
            files,
            current: Mutex::new(Current {
                stamps,
                configs,
                outdated: false,
            }),
        }))
    }

    /// Shakes hands. The caller bounds the time.
    ///
    /// # Errors
    ///
    /// What is wrong at either end; or a connection that was closed meanwhile.
    pub async fn secure(&self, io: Box<dyn Io>, http: Http) -> Result<Stream, NoConnection> {
        let configs = self.configs();
        let config = match http {
            Http::One => configs.http1,
            Http::Two => configs.http2,
        };
        let connect = TlsConnector::from(config).connect(self.name.clone(), io);
        match connect.await {
            // Whether a protocol was selected does not matter: a server that does not
            // know ALPN (go-micro's server.TLSConfig) speaks what it speaks.
            Ok(stream) => {
                let facts = Arc::clone(&self.facts);
                let explain = move |error: &io::Error| tls_error(error).map(|e| facts.explain(e));
                Ok(Stream::secured(Box::new(stream), Box::new(explain)))
            }
            Err(error) => Err(match tls_error(&error) {
                Some(error) => self.facts.no_connection(error, http),
                None => NoConnection::Unreachable(Excerpt::from(format!(
                    "closed in the TLS handshake: {error}; does the service speak TLS?"
                ))),
            }),
        }
    }

    /// Whether a file has changed since the last handshake began.
    pub fn has_changed(&self) -> bool {
        self.lock().stamps != self.files.stamps()
    }

    /// Until when the service's certificate is valid, by the latest handshake that came
    /// to one.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        self.files.shown().until()
    }

    /// What the files say, or said when they were last good.
    fn configs(&self) -> Configs {
        let mut current = self.lock();
        // Before reading: a change in between is seen at the next handshake.
        let stamps = self.files.stamps();
        if stamps != current.stamps {
            current.stamps = stamps;
            match self.files.read() {
                Ok(config) => {
                    info!("TLS files have changed and are in use");
                    current.configs = Configs::new(&config);
                    current.outdated = false;
                }
                Err(error) => {
                    if !current.outdated {
                        warn!("TLS files have changed and are of no use, keeping the old: {error}");
                    }
                    current.outdated = true;
                }
            }
        }
        current.configs.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The TLS error inside; `None` if the connection failed below it.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

// === impl Configs ===

impl Configs {
    fn new(config: &ClientConfig) -> Self {
        let speaking = |http: Http| {
            let mut config = config.clone();
            config.alpn_protocols = vec![http.alpn().to_vec()];
            Arc::new(config)
        };
        Self {
            http1: speaking(Http::One),
            http2: speaking(Http::Two),
        }
    }
}
