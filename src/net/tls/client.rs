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
use crate::net::tls::files::{FileVersions, Files};
use crate::net::tls::invalid::InvalidTls;
use crate::net::tls::options::Options;
use crate::net::tls::refusal::ErrorContext;
use crate::text::Excerpt;

/// The TLS client of one service.
#[derive(Debug)]
pub(crate) struct Tls {
    name: ServerName<'static>,
    files: Files,
    context: Arc<ErrorContext>,
    current: Mutex<ConfigState>,
}

/// The configurations of the latest files that could be used.
#[derive(Debug)]
struct ConfigState {
    /// The versions of the files that were read last, good or bad.
    versions: FileVersions,
    configs: Configs,
    /// Records whether a warning about newer files has been logged.
    has_warned: bool,
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
    pub(crate) fn new(
        options: &Options,
        certificate_name: &str,
    ) -> Result<Option<Self>, InvalidTls> {
        if !options.tls {
            return Ok(None);
        }
        let name = options.tls_server_name.clone();
        let name = name.unwrap_or_else(|| certificate_name.to_owned());
        let files = Files::new(options)?;
        let versions = files.versions();
        let configs = Configs::new(&files.read()?);
        Ok(Some(Self {
            context: Arc::new(ErrorContext {
                name: name.clone(),
                client_certificate: files.has_client_certificate(),
            }),
            name: ServerName::try_from(name.clone()).map_err(|_| InvalidTls::Name(name))?,
            files,
            current: Mutex::new(ConfigState {
                versions,
                configs,
                has_warned: false,
            }),
        }))
    }

    /// Performs the TLS handshake. The caller bounds the time.
    ///
    /// # Errors
    ///
    /// Returns the fault at either end, or that the connection was closed meanwhile.
    pub(crate) async fn secure(&self, io: Box<dyn Io>, http: Http) -> Result<Stream, NoConnection> {
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
                let context = Arc::clone(&self.context);
                let explain = move |error: &io::Error| tls_error(error).map(|e| context.explain(e));
                Ok(Stream::secured(Box::new(stream), Box::new(explain)))
            }
            Err(error) => Err(match tls_error(&error) {
                Some(error) => self.context.no_connection(error, http),
                None => NoConnection::Unreachable(Excerpt::from(format!(
                    "closed in the TLS handshake: {error}; does the service speak TLS?"
                ))),
            }),
        }
    }

    /// Returns true if a file has changed since the last handshake began.
    pub(crate) fn has_changed(&self) -> bool {
        self.lock().versions != self.files.versions()
    }

    /// Returns the end of validity of the service's certificate, from the latest handshake that got
    /// so far.
    pub(crate) fn certificate_expiry(&self) -> Option<SystemTime> {
        self.files.last_expiry().get()
    }

    /// Returns the configurations of the files, or of the latest files that could be used.
    fn configs(&self) -> Configs {
        let mut current = self.lock();
        // The versions are taken before reading: the next handshake notices a change in between.
        let versions = self.files.versions();
        if versions != current.versions {
            current.versions = versions;
            match self.files.read() {
                Ok(config) => {
                    info!("TLS files changed; using the new ones");
                    current.configs = Configs::new(&config);
                    current.has_warned = false;
                }
                Err(error) => {
                    if !current.has_warned {
                        warn!(
                            "TLS files changed but cannot be used; keeping the old ones: {error}"
                        );
                    }
                    current.has_warned = true;
                }
            }
        }
        current.configs.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ConfigState> {
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
