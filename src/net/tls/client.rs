//! The TLS client of one service, which reads its files again when they change.

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

/// The TLS client of one service.
#[derive(Debug)]
pub struct Tls {
    name: ServerName<'static>,
    files: Files,
    facts: Arc<Facts>,
    current: Mutex<Current>,
}

/// The configurations of the latest files that could be used.
#[derive(Debug)]
struct Current {
    /// The versions of the files that were read last, good or bad.
    stamps: Stamps,
    configs: Configs,
    /// Records whether a warning about newer files has been logged.
    outdated: bool,
}

#[derive(Clone, Debug)]
struct Configs {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

// === impl Tls ===

impl Tls {
    /// Reads the files, if the options ask for TLS. `certificate_name` is expected in the service's
    /// certificate unless the options name another.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidTls`] for a file that cannot be used. Later, a bad file only causes a
    /// warning.
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

    /// Performs the TLS handshake. The caller bounds the time.
    ///
    /// # Errors
    ///
    /// Returns the fault at either end, or that the connection was closed meanwhile.
    pub async fn secure(&self, io: Box<dyn Io>, http: Http) -> Result<Stream, NoConnection> {
        let configs = self.configs();
        let config = match http {
            Http::One => configs.http1,
            Http::Two => configs.http2,
        };
        let connect = TlsConnector::from(config).connect(self.name.clone(), io);
        match connect.await {
            // The selected protocol does not matter, because a server that does not know ALPN
            // (go-micro's server.TLSConfig) uses its own protocol anyway.
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

    /// Returns true if a file has changed since the last handshake began.
    pub fn has_changed(&self) -> bool {
        self.lock().stamps != self.files.stamps()
    }

    /// Returns the end of validity of the service's certificate, from the latest handshake that got
    /// so far.
    pub fn certificate_expiry(&self) -> Option<SystemTime> {
        self.files.shown().until()
    }

    /// Returns the configurations of the files, or of the latest files that could be used.
    fn configs(&self) -> Configs {
        let mut current = self.lock();
        // The versions are taken before reading: the next handshake notices a change in between.
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

/// Returns the TLS error inside; `None` if the connection failed below it.
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
