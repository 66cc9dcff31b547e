//! How we reach the API server, and what each refusal means.
//!
//! ```text
//! kube::Client ──▶ service: address, token ──▶ lanes ──▶ connector: TCP, TLS by ca.crt ──▶ API server
//! ```
//!
//! kube's own connector would add 2.9 MB to the file and 2.7 MB of memory, so the
//! service below [`kube::Client`] is ours. It never retries: who sends decides.

use std::ffi::OsString;

use http::Uri;

use self::credentials::{Credentials, Given};
use self::options::Options;

pub mod backoff;
pub mod connector;
pub mod credentials;
pub mod events;
mod lanes;
pub mod options;
pub mod pace;
pub mod refusal;
pub mod request;
pub mod service;
pub mod unusable;
pub mod watch;

pub use self::refusal::Refusal;
pub use self::unusable::Unusable;

/// An API server and the namespace to work in.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    namespace: String,
    server: String,
    credentials: Option<Credentials>,
}

// === impl Cluster ===

impl Cluster {
    /// Finds the API server: `--registry_address`, then the pod's own, then (with the
    /// feature `kubeconfig`) what kubectl would use. Asks it nothing. Wants a runtime.
    ///
    /// # Errors
    ///
    /// [`Unusable`], which names the setting.
    pub async fn new(
        options: &Options,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Unusable> {
        Self::with(options, Given::default(), variable).await
    }

    /// The same, with what is given in the place of the service account's files.
    ///
    /// # Errors
    ///
    /// [`Unusable`], which names the setting.
    pub async fn with(
        options: &Options,
        given: Given,
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
            .then(|| Credentials::with(&options.service_account, given))
            .transpose()?;
        let namespace = options.registry_namespace.clone().or_else(|| {
            // An address leads to another cluster, or to this one by a proxy: the
            // namespace of the pod means something only where its token does.
            credentials.as_ref().and_then(Credentials::namespace)
        });
        let namespace = namespace.unwrap_or_else(|| "default".to_owned());
        let service = service::Service::new(server.clone(), credentials.clone());
        Ok(Self {
            client: kube::Client::new(service, namespace.clone()),
            namespace,
            server: server.to_string(),
            credentials,
        })
    }

    /// A cluster that `kube` itself knows how to reach.
    pub fn with_client(client: kube::Client, namespace: impl Into<String>) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            server: "the given client's".to_owned(),
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
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
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

    /// The client.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// The namespace that requests go to.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The API server's address, for people.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The service account whose token is sent; `None` where something else vouches
    /// for us.
    pub fn credentials(&self) -> Option<&Credentials> {
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

/// The address that every pod is told.
fn in_pod(host: &str, port: Option<String>) -> Result<Uri, Unusable> {
    let port = port.unwrap_or_else(|| "443".to_owned());
    // IPv6 comes without the brackets that a URL needs.
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
    fn a_pod_is_told_where_its_api_server_is() {
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
