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
use crate::cluster::names::{POD_NAME, is_subdomain, pod_name};
use crate::flags::env;

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

/// The error if no source names the pod, or if a source has no name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoIdentity {
    /// The name of the pod is in no source.
    #[error(
        "the name of this pod is unknown; set --pod_name, or POD_NAME by the downward API (fieldRef: metadata.name)"
    )]
    Unknown,
    /// A variable has a text that no pod can have as its name.
    #[error("{variable}={value:?} is not the name of a pod; {POD_NAME}")]
    Name {
        /// The variable.
        variable: &'static str,
        /// The value of the variable.
        value: String,
    },
    /// The variable `POD_IP` has a text that is no address.
    #[error(
        "POD_IP={0:?} is not an IP address; expected one by the downward API (fieldRef: status.podIP), or a list with commas (status.podIPs)"
    )]
    Address(String),
}

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

    /// Finds the pod from the flag, the token or a variable, and checks its variables. Sends no
    /// request.
    ///
    /// # Errors
    ///
    /// [`NoIdentity`] if no source names the pod, or if a variable of the pod cannot be used.
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
        pod_ip(&variable)?;
        let pod_of = |name: &'static str| {
            let checked = |value: String| {
                pod_name(&value).map_err(|_| NoIdentity::Name {
                    variable: name,
                    value,
                })
            };
            filled(variable(name)).map(checked).transpose()
        };
        if let Some(pod) = given {
            return Ok(named(pod));
        }
        if let Some(pod) = token.and_then(bound_pod) {
            return Ok(Self {
                uid: Some(pod.uid),
                ..named(&pod.name)
            });
        }
        if let Some(pod) = pod_of("POD_NAME")? {
            return Ok(named(&pod));
        }
        let pod = pod_of("HOSTNAME")?.ok_or(NoIdentity::Unknown)?;
        Ok(Self {
            is_guess: true,
            ..named(&pod)
        })
    }
}

/// Returns the pod that a token is bound to. Does not check the signature, which is the API
/// server's task.
fn bound_pod(token: &str) -> Option<Reference> {
    let payload = token.split('.').nth(1)?;
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    let pod = claims.kubernetes.pod;
    pod.filter(|pod| is_subdomain(&pod.name))
}

/// Returns the address in the variable `POD_IP`, or `None` if it is not set.
///
/// # Errors
///
/// [`NoIdentity::Address`] if the variable has a text that is no address.
pub(crate) fn pod_ip(
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<IpAddr>, NoIdentity> {
    let address = |list: String| main_ip(&list).ok_or(NoIdentity::Address(list));
    filled(variable("POD_IP")).map(address).transpose()
}

/// Returns the value of a variable, unless it is blank.
fn filled(variable: Option<OsString>) -> Option<String> {
    let text = variable?.to_string_lossy().into_owned();
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Returns the pod's main address from `status.podIP`, or from `status.podIPs`, whose first address
/// is of the pod's main family. Returns `None` if a text in the list is no address.
fn main_ip(list: &str) -> Option<IpAddr> {
    let addresses: Result<Vec<IpAddr>, _> = env::list(list).map(str::parse).collect();
    addresses.ok()?.into_iter().next()
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

    /// Returns a variable of this environment.
    fn of(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        }
    }

    fn find(
        given: Option<&str>,
        token: Option<&str>,
        variables: &[(&str, &str)],
    ) -> Option<(String, Option<String>, bool)> {
        let found = Identity::find(given, token, of(variables)).ok()?;
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

    fn refused(variables: &[(&str, &str)]) -> String {
        Identity::find(None, None, of(variables))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_name_is_trimmed_and_one_that_cannot_exist_is_refused_by_its_source() {
        for text in ["own-0", " own-0", "own-0\n", "\town-0 \r\n"] {
            let found = find(None, None, &[("POD_NAME", text)]);
            assert_eq!(found, Some(("own-0".into(), None, false)), "{text:?}");
        }
        let found = find(None, None, &[("POD_NAME", " \n"), ("HOSTNAME", "host\n")]);
        assert_eq!(found, Some(("host".into(), None, true)));
        for (variable, value) in [
            ("POD_NAME", "own 0"),
            ("POD_NAME", "own-0\nx"),
            ("POD_NAME", "$(POD_NAME)"),
            ("POD_NAME", "own/0"),
            ("POD_NAME", ".."),
            ("HOSTNAME", "My_Laptop"),
        ] {
            let error = refused(&[(variable, value)]);
            let expected = format!("{variable}={value:?} is not the name of a pod; expected ");
            assert!(error.starts_with(&expected), "{error}");
        }
        let unusable = token(&json!({"kubernetes.io": {"pod": {"name": "a b", "uid": "u"}}}));
        let found = find(None, Some(&unusable), &[("POD_NAME", "own-0")]);
        assert_eq!(found, Some(("own-0".into(), None, false)));
    }

    #[test]
    fn the_first_address_of_a_list_is_the_main_one() {
        for (list, expected) in [
            ("10.0.0.1", Some("10.0.0.1")),
            ("10.0.0.1,fd00::1", Some("10.0.0.1")),
            (" fd00::1 , 10.0.0.1,\n", Some("fd00::1")),
            ("", None),
            (",", None),
            ("greeter", None),
            ("10.0.0.1,greeter", None),
            ("10.0.0.1 fd00::1", None),
            ("[fd00::1]", None),
            ("10.0.0.1:80", None),
        ] {
            let found = main_ip(list).map(|ip| ip.to_string());
            assert_eq!(found.as_deref(), expected, "{list:?}");
        }
        let error = refused(&[("POD_NAME", "own-0"), ("POD_IP", "$(POD_IP)")]);
        assert!(
            error.starts_with("POD_IP=\"$(POD_IP)\" is not an IP address; "),
            "{error}"
        );
        let blank = [("POD_NAME", "own-0"), ("POD_IP", " ")];
        assert!(find(None, None, &blank).is_some());
    }

    #[test]
    fn an_address_of_another_machine_is_not_local() {
        assert!(is_local("127.0.0.1"));
        assert!(!is_local("192.0.2.1") && !is_local("greeter"));
    }
}
