//! The settings that name no usable API server.

use std::path::PathBuf;

use http::uri::InvalidUri;

/// The reason why a setting names no usable API server; never the server's own state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// The API server's address is in no setting, variable or kubeconfig.
    #[error(
        "no API server is configured: outside a pod (KUBERNETES_SERVICE_HOST is not set) give --registry_address, such as http://127.0.0.1:8001 with kubectl proxy"
    )]
    Nowhere,
    /// The pod's variables do not form an address.
    #[error(
        "KUBERNETES_SERVICE_HOST={host:?} and KUBERNETES_SERVICE_PORT={port:?} do not form an address: correct them"
    )]
    Variables {
        /// The value of `KUBERNETES_SERVICE_HOST`.
        host: String,
        /// The value of `KUBERNETES_SERVICE_PORT`.
        port: String,
        /// The error of parsing the address.
        source: InvalidUri,
    },
    /// A file of the service account cannot be read.
    #[error(
        "cannot read {}: {error}; mount the pod's service account there (automountServiceAccountToken, or a projected volume), or name its folder in --service_account", path.display()
    )]
    ServiceAccount {
        /// The path of the file.
        path: PathBuf,
        /// The error of reading the file.
        error: std::io::Error,
    },
    /// A CA file that a flag names cannot be read.
    #[error("cannot read {}, which --k8s_ca_file names: {error}", path.display())]
    Authority {
        /// The path of the file.
        path: PathBuf,
        /// The error of reading the file.
        error: std::io::Error,
    },
    /// The service account, the kubeconfig or the builder has a namespace that cannot exist.
    #[error(
        "{0:?} is not the name of a namespace: expected 1 to 63 of a-z, 0-9 and -, no - at either end; correct the file namespace in --service_account, or give --registry_namespace"
    )]
    Namespace(String),
    /// The kubeconfig cannot be used.
    #[cfg(feature = "kubeconfig")]
    #[error("cannot use the kubeconfig: {0}")]
    Kubeconfig(Box<dyn std::error::Error + Send + Sync>),
}
