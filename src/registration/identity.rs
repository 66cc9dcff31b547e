//! Finds the name of our own pod.
//!
//! | source                | certain                                                     |
//! |-----------------------|-------------------------------------------------------------|
//! | `--pod_name`          | yes, by the operator                                        |
//! | the token's claims    | yes: the API server bound it to the pod, uid and all        |
//! | `POD_NAME`            | yes, by the downward API                                    |
//! | `HOSTNAME`            | no: under hostNetwork it is the node's, and it may be cut at 63 bytes or set by `spec.hostname` |
//!
//! An uncertain name is used only if its pod has an address of this machine.

use std::ffi::OsString;
use std::net::{IpAddr, UdpSocket};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::cluster::Cluster;

/// The identity of our pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The name of the pod.
    pub pod: String,
    /// The uid of the pod, if the token has it.
    pub uid: Option<String>,
    /// The flag is true if the name comes from `HOSTNAME`, which may be another pod's name or none.
    pub is_guess: bool,
}

/// The error if no source names the pod.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the name of this pod is unknown; set --pod_name, or POD_NAME by the downward API (fieldRef: metadata.name)"
)]
pub struct NoIdentity;

/// The claims of a bound token. Source: Kubernetes, `pkg/serviceaccount/claims.go`.
#[derive(Debug, Deserialize)]
struct Claims {
    #[serde(rename = "kubernetes.io")]
    kubernetes: Kubernetes,
}

#[derive(Debug, Deserialize)]
struct Kubernetes {
    pod: Option<Reference>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    name: String,
    uid: String,
}

// === impl Identity ===

impl Identity {
    /// Finds the pod that this program runs in: by the service account's token, then by the
    /// variables `POD_NAME` and `HOSTNAME`. Sends no request.
    ///
    /// # Errors
    ///
    /// [`NoIdentity`].
    pub fn from_env(cluster: &Cluster) -> Result<Self, NoIdentity> {
        let token = cluster.credentials().and_then(|it| it.token().ok());
        Self::find(None, token.as_deref(), |name| std::env::var_os(name))
    }

    /// Finds the pod from the flag, the token or a variable. Sends no request.
    ///
    /// # Errors
    ///
    /// [`NoIdentity`] if no source names the pod.
    pub(crate) fn find(
        given: Option<&str>,
        token: Option<&str>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, NoIdentity> {
        let named = |pod: &str| Self {
            pod: pod.to_owned(),
            uid: None,
            is_guess: false,
        };
        let variable = |name: &str| {
            let text = variable(name)?.into_string().ok()?;
            Some(text).filter(|text| !text.is_empty())
        };
        if let Some(pod) = given {
            return Ok(named(pod));
        }
        if let Some(pod) = token.and_then(pod_of) {
            return Ok(Self {
                uid: Some(pod.uid),
                ..named(&pod.name)
            });
        }
        if let Some(pod) = variable("POD_NAME") {
            return Ok(named(&pod));
        }
        let pod = variable("HOSTNAME").ok_or(NoIdentity)?;
        Ok(Self {
            is_guess: true,
            ..named(&pod)
        })
    }
}

/// Returns the pod that a token is bound to. Does not check the signature, which is the API
/// server's task.
fn pod_of(token: &str) -> Option<Reference> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    claims.kubernetes.pod
}

/// Returns whether an address is one of this machine's, which is so if a socket can bind it.
pub(crate) fn is_local(ip: &str) -> bool {
    ip.parse::<IpAddr>()
        .is_ok_and(|ip| UdpSocket::bind((ip, 0)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn token(claims: &serde_json::Value) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn find(
        given: Option<&str>,
        token: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Option<(String, Option<String>, bool)> {
        let variable = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        };
        let found = Identity::find(given, token, variable).ok()?;
        Some((found.pod, found.uid, found.is_guess))
    }

    #[test]
    fn the_host_name_is_used_last() {
        let bound = token(
            &json!({"kubernetes.io": {"namespace": "demo", "pod": {"name": "own-0", "uid": "u-1"}}}),
        );
        let unbound = token(&json!({"kubernetes.io": {"namespace": "demo"}}));
        let variables = [("POD_NAME", "env-0"), ("HOSTNAME", "host")];
        let sure =
            |pod: &str, uid: Option<&str>| Some((pod.to_owned(), uid.map(str::to_owned), false));
        for (given, token, variables, expected) in [
            (
                Some("flag-0"),
                Some(&*bound),
                &variables[..],
                sure("flag-0", None),
            ),
            (None, Some(&bound), &variables, sure("own-0", Some("u-1"))),
            (None, Some(&unbound), &variables, sure("env-0", None)),
            (None, Some("no token"), &variables, sure("env-0", None)),
            (
                None,
                None,
                &variables[1..],
                Some(("host".into(), None, true)),
            ),
            (None, Some("a.%%%.b"), &[("POD_NAME", "")], None),
            (None, None, &[], None),
        ] {
            assert_eq!(find(given, token, variables), expected);
        }
    }

    #[test]
    fn an_address_of_another_machine_is_not_local() {
        assert!(is_local("127.0.0.1"));
        assert!(!is_local("192.0.2.1") && !is_local("greeter"));
    }
}
