//! The flags that select the API server.

use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

use crate::cluster::names;

/// The folder in which a pod finds the token, the CA and the namespace of its service account.
pub(crate) const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The flags that select the API server.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The API server")]
pub struct Options {
    /// The API server, if not the pod's own, such as `http://127.0.0.1:8001` for kubectl
    /// proxy; a token is sent over https only
    #[arg(long = "registry_address", value_name = "URL")]
    pub registry_address: Option<ApiServer>,

    /// The namespace [default: the pod's own, or default]
    #[arg(long = "registry_namespace", value_name = "NAMESPACE", value_parser = namespace)]
    pub registry_namespace: Option<String>,

    /// The folder of the service account's token, ca.crt and namespace, read again
    /// when they rotate
    #[arg(long = "service_account", value_name = "DIR", default_value = SERVICE_ACCOUNT)]
    pub service_account: PathBuf,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            registry_address: None,
            registry_namespace: None,
            service_account: SERVICE_ACCOUNT.into(),
        }
    }
}

/// The API server's address: a scheme, a host and an optional port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApiServer(pub Uri);

/// The error for a text that is not an [`ApiServer`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "expected http:// or https:// with a host and nothing after it, such as http://127.0.0.1:8001"
)]
pub struct InvalidApiServer;

impl FromStr for ApiServer {
    type Err = InvalidApiServer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|_| InvalidApiServer)?;
        let scheme = uri.scheme_str();
        let is_bare = uri.path_and_query().is_none_or(|path| path == "/");
        let has_user = uri.authority().is_some_and(|it| it.as_str().contains('@'));
        if matches!(scheme, Some("http" | "https")) && is_bare && !has_user {
            Ok(Self(uri))
        } else {
            Err(InvalidApiServer)
        }
    }
}

/// Parses a namespace, which is a DNS label. Source: Kubernetes' RFC 1123 label rule.
///
/// # Errors
///
/// Returns the expected form.
pub(crate) fn namespace(text: &str) -> Result<String, &'static str> {
    if names::is_label(text) {
        Ok(text.to_owned())
    } else {
        Err("expected the name of a namespace: 1 to 63 of a-z, 0-9 and -, no - at either end")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_scheme_and_a_host() {
        for (text, fits) in [
            ("http://127.0.0.1:8001", true),
            ("http://localhost:8001/", true),
            ("https://[fd00::1]:6443", true),
            ("https://k8s.example.com", true),
            ("127.0.0.1:8001", false),
            ("consul:8500", false),
            ("ftp://host", false),
            ("http://host/api", false),
            ("http://user:secret@host", false),
            ("http://", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<ApiServer>().is_ok(), fits, "{text}");
        }
    }

    #[test]
    fn a_namespace_is_a_dns_label() {
        for (text, fits) in [
            ("demo", true),
            ("a-1", true),
            ("", false),
            ("-a", false),
            ("A", false),
            ("a.b", false),
        ] {
            assert_eq!(namespace(text).is_ok(), fits, "{text}");
        }
        assert!(namespace(&"x".repeat(64)).is_err());
    }
}
