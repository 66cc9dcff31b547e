//! The variables that describe the pod.

use std::ffi::OsString;

/// The variables that describe the pod, with their values.
#[derive(Clone, Debug, Default)]
pub struct Environment(Vec<(&'static str, OsString)>);

/// The names of these variables: those of Kubernetes, and those that a manifest sets by the
/// downward API.
const POD: [&str; 5] = [
    "HOSTNAME",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "POD_IP",
    "POD_NAME",
];

// === impl Environment ===

impl Environment {
    /// Copies the variables that are set.
    pub fn new(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        Self(
            POD.into_iter()
                .filter_map(|name| Some((name, variable(name)?)))
                .collect(),
        )
    }

    /// Returns the value of one variable.
    pub fn get(&self, name: &str) -> Option<OsString> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    }

    /// Returns whether this is a pod: Kubernetes sets the address of its API server in every
    /// container.
    pub fn is_pod(&self) -> bool {
        self.get("KUBERNETES_SERVICE_HOST").is_some()
    }
}
