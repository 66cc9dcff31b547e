//! The settings that name no usable API server.

use std::path::PathBuf;

use http::uri::InvalidUri;

/// The reason why a setting names no usable API server; never the server's own state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Nothing says where it is.
    #[error(
        "no API server to ask: outside a pod (KUBERNETES_SERVICE_HOST is not set) give --registry_address, such as http://127.0.0.1:8001 with kubectl proxy"
    )]
    Nowhere,
    /// The pod's variables do not make an address.
    #[error("KUBERNETES_SERVICE_HOST={host:?} and KUBERNETES_SERVICE_PORT={port:?} are no address")]
    Variables {
        /// The first.
        host: String,
        /// The second.
        port: String,
        /// Why.
        source: InvalidUri,
    },
    /// A file of the service account.
    #[error(
        "cannot read {}: {source}; mount the pod's service account there (automountServiceAccountToken, or a projected volume), or name its folder in --service_account", path.display()
    )]
    ServiceAccount {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that was named.
    #[error("cannot read {}, which --k8s_ca_file names: {source}", path.display())]
    Authority {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// kube's own configuration.
    #[cfg(feature = "kubeconfig")]
    #[error("cannot use the kubeconfig: {0}")]
    Kubeconfig(#[source] Box<dyn std::error::Error + Send + Sync>),
}
