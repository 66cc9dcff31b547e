//! The connection to the API server, and the meaning of each refusal.
//!
//! ```text
//! kube::Client ──▶ service: address, token ──▶ connection_pool ──▶ connector: TCP, TLS by ca.crt ──▶ API server
//! ```
//!
//! The connector of kube would add 2.9 MB to the file and 2.7 MB of memory. For this reason the
//! service below [`kube::Client`] is our own. It never retries: the caller decides.

use std::ffi::OsString;
use std::path::PathBuf;

use http::Uri;

use self::credentials::{CredentialOverrides, Credentials};
use self::options::Options;

pub(crate) mod backoff;
mod connection_pool;
pub(crate) mod connector;
pub(crate) mod credentials;
pub(crate) mod events;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod service;
pub(crate) mod unusable;
pub(crate) mod watch;

pub use self::options::{ApiServer, InvalidApiServer};
pub use self::refusal::{Denial, Refusal};
pub use self::unusable::Unusable;

/// An API server and the namespace to work in.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    namespace: String,
    server: String,
    credentials: Option<Credentials>,
}

/// The settings of a [`Cluster`], each with the default that a pod needs.
#[derive(Clone, Debug)]
pub struct Builder {
    options: Options,
}

// === impl Builder ===

impl Builder {
    /// Sends requests to this API server instead of the pod's own.
    #[must_use]
    pub fn api_server(mut self, address: ApiServer) -> Self {
        self.options.registry_address = Some(address);
        self
    }

    /// Works in this namespace instead of the pod's own.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.options.registry_namespace = Some(namespace.into());
        self
    }

    /// Reads the service account's token, `ca.crt` and namespace from this folder. The default is
    /// the folder into which Kubernetes mounts them.
    #[must_use]
    pub fn service_account(mut self, folder: impl Into<PathBuf>) -> Self {
        self.options.service_account = folder.into();
        self
    }

    /// Finds the API server and reads its credentials. Sends no request. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// Returns [`Unusable`], which names the setting.
    pub async fn build(self) -> Result<Cluster, Unusable> {
        Cluster::new(&self.options, |name| std::env::var_os(name)).await
    }
}

// === impl Cluster ===

impl Cluster {
    /// Finds the API server of the pod that this program runs in. Outside a pod, with the feature
    /// `kubeconfig`, it is the API server that kubectl would use. Sends no request. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// Returns [`Unusable`], which names the setting.
    pub async fn from_env() -> Result<Self, Unusable> {
        Self::builder().build().await
    }

    /// Returns the settings that [`Cluster::from_env`] uses, to change some of them.
    pub fn builder() -> Builder {
        Builder {
            options: Options::default(),
        }
    }

    /// Finds the API server: `--registry_address`, then the pod's own, then (with the feature
    /// `kubeconfig`) the API server that kubectl would use. Sends no request. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// Returns [`Unusable`], which names the setting.
    pub(crate) async fn new(
        options: &Options,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Unusable> {
        Self::with(options, CredentialOverrides::default(), variable).await
    }

    /// Finds the API server like [`Cluster::new`], with overrides for the service account's files.
    ///
    /// # Errors
    ///
    /// Returns [`Unusable`], which names the setting.
    pub(crate) async fn with(
        options: &Options,
        overrides: CredentialOverrides,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Unusable> {
        let text = |name: &str| {
            let text = variable(name).filter(|text| !text.is_empty());
            text.map(|text| text.to_string_lossy().into_owned())
        };
        let in_cluster = text("KUBERNETES_SERVICE_HOST");
        let server = match (&options.registry_address, &in_cluster) {
            (Some(address), _) => address.0.clone(),
            (None, Some(host)) => in_pod(host, text("KUBERNETES_SERVICE_PORT"))?,
            (None, None) => return Box::pin(Self::outside(options)).await,
        };
        let wants_credentials = server.scheme() == Some(&http::uri::Scheme::HTTPS);
        let credentials = wants_credentials
            .then(|| Credentials::with(&options.service_account, overrides))
            .transpose()?;
        let namespace = options.registry_namespace.clone().or_else(|| {
            // The address may lead to another cluster, or to this one through a proxy. The
            // pod's namespace is meaningful only where its token is.
            credentials.as_ref().and_then(Credentials::namespace)
        });
        let namespace = usable(namespace.unwrap_or_else(|| "default".to_owned()))?;
        let service = service::Service::new(server.clone(), credentials.clone());
        Ok(Self {
            client: kube::Client::new(service, namespace.clone()),
            namespace,
            server: server.to_string(),
            credentials,
        })
    }

    /// Creates a cluster from a client that `kube` has configured.
    pub fn with_client(client: kube::Client, namespace: impl Into<String>) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            server: "the given client's API server".to_owned(),
            credentials: None,
        }
    }

    #[cfg(feature = "kubeconfig")]
    async fn outside(options: &Options) -> Result<Self, Unusable> {
        use kube::config::KubeConfigOptions;
        let config = match kube::Config::from_kubeconfig(&KubeConfigOptions::default()).await {
            Ok(config) => config,
            Err(kube::config::KubeconfigError::ReadConfig(..)) => return Err(Unusable::Nowhere),
            Err(error) => return Err(Unusable::Kubeconfig(error.into())),
        };
        let namespace = options.registry_namespace.clone();
        let namespace = usable(namespace.unwrap_or_else(|| config.default_namespace.clone()))?;
        let server = config.cluster_url.to_string();
        let client = kube::Client::try_from(config);
        let client = client.map_err(|error| Unusable::Kubeconfig(error.into()))?;
        Ok(Self {
            server,
            ..Self::with_client(client, namespace)
        })
    }

    #[cfg(not(feature = "kubeconfig"))]
    #[expect(clippy::unused_async, reason = "only a kubeconfig may run a command")]
    async fn outside(_: &Options) -> Result<Self, Unusable> {
        Err(Unusable::Nowhere)
    }

    /// Returns the client for the API server.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// Returns the namespace of the requests.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the API server's address, for messages.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Returns the service account whose token is sent. It is `None` if a proxy or a kubeconfig
    /// authenticates the requests, or if the connection is not TLS.
    pub(crate) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("namespace", &self.namespace)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Refuses the name of a namespace that is in no path of the API server.
fn usable(namespace: String) -> Result<String, Unusable> {
    if names::is_label(&namespace) {
        Ok(namespace)
    } else {
        Err(Unusable::Namespace(namespace))
    }
}

/// Returns the API server's address from the variables that Kubernetes sets in every pod.
fn in_pod(host: &str, port: Option<String>) -> Result<Uri, Unusable> {
    let port = port.unwrap_or_else(|| "443".to_owned());
    // An IPv6 address comes without the brackets that a URL needs.
    let bracketed = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    format!("https://{bracketed}:{port}/")
        .parse()
        .map_err(|source| Unusable::Variables {
            host: host.to_owned(),
            port,
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_a_pod_form_the_address() {
        let address = |host, port: &str| in_pod(host, Some(port.into())).map(|uri| uri.to_string());
        assert_eq!(
            address("10.96.0.1", "443").unwrap(),
            "https://10.96.0.1:443/"
        );
        assert_eq!(
            address("fd00::1", "6443").unwrap(),
            "https://[fd00::1]:6443/"
        );
        let error = address("10.96.0.1", "x y").unwrap_err().to_string();
        assert!(error.contains("KUBERNETES_SERVICE_PORT=\"x y\""), "{error}");
    }
}
