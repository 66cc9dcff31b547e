//! The pod, as its environment describes it.

use std::ffi::OsString;

/// What the environment says of the pod.
#[derive(Clone, Debug, Default)]
pub struct Environment(Vec<(&'static str, OsString)>);

/// Its variables: Kubernetes' own, and those that a downward API is asked for.
const POD: [&str; 5] = [
    "HOSTNAME",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "POD_IP",
    "POD_NAME",
];

// === impl Environment ===

impl Environment {
    /// Keeps what is set.
    pub fn new(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        Self(
            POD.into_iter()
                .filter_map(|name| Some((name, variable(name)?)))
                .collect(),
        )
    }

    /// One of them.
    pub fn get(&self, name: &str) -> Option<OsString> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    }

    /// Whether this is a pod: Kubernetes tells every container where its API server is.
    pub fn is_pod(&self) -> bool {
        self.get("KUBERNETES_SERVICE_HOST").is_some()
    }
}
