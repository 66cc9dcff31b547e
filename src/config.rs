//! The settings that micro/kubernetes gives to a service: the environment, and over it the
//! `ConfigMap` `micro`.
//!
//! ```text
//! environment ──▶ env ───────┐
//!                            ├──▶ values: merged, the ConfigMap wins ──▶ get, watch
//! ConfigMap ───▶ configmap ──┘
//! ```
//!
//! A missing or forbidden `ConfigMap` is reported as an error, and the environment still
//! applies. The original program dropped such a `ConfigMap` silently and permanently.

use std::collections::BTreeMap;

use futures_util::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use serde_json::Value;
use tracing::warn;

use self::snapshots::Snapshots;
use crate::cluster::watch::{self, Collection, Limits, watch};
use crate::cluster::{Refusal, names, request};

pub(crate) mod configmap;
pub(crate) mod env;
mod snapshots;
pub(crate) mod values;

pub use self::snapshots::Event;

/// The settings from the environment, and from a `ConfigMap` over it once that is read.
///
/// ```no_run
/// use micro_health::config::{Config, Environment};
///
/// # async fn example(client: kube::Client) -> Result<(), micro_health::config::Error> {
/// let environment = Environment { variables: std::env::vars().collect(), prefixes: vec![] };
/// let mut config = Config::new(client, "default", "micro", environment);
/// config.load().await?;
/// println!("{:?}", config.get(&["mongodb", "host"]));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Config {
    client: Client,
    namespace: String,
    name: String,
    environment: Environment,
    /// The `data` of the `ConfigMap`, as last read.
    data: Option<BTreeMap<String, String>>,
    /// The keys of the `binaryData` of the `ConfigMap`, which is not read.
    binary: Vec<String>,
    values: Value,
}

/// The variables of a process.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The names and values of all variables, in their order.
    pub variables: Vec<(String, String)>,
    /// The prefixes of the variables that are settings. If empty, every variable is one.
    pub prefixes: Vec<String>,
}

/// A change of the `ConfigMap`, with the settings after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The kind of change.
    pub event: Event,
    /// The settings after the change.
    pub values: Value,
}

/// The reasons why only the environment applies.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The `ConfigMap` does not exist.
    #[error(
        "no ConfigMap {name} in the namespace {namespace}; only the environment is used: create the ConfigMap, or name another with --config_map and --config_namespace"
    )]
    Missing {
        /// The namespace of the `ConfigMap`.
        namespace: String,
        /// The name of the `ConfigMap`.
        name: String,
    },
    /// The API server does not allow the program to read the `ConfigMap`.
    #[error(
        "cannot read the ConfigMap {name} in the namespace {namespace}: {refusal}; a Role needs the verbs list and watch for configmaps with resourceNames [{name}]"
    )]
    Denied {
        /// The namespace of the `ConfigMap`.
        namespace: String,
        /// The name of the `ConfigMap`.
        name: String,
        /// The refusal with the API server's message.
        refusal: Refusal,
    },
    /// The API server failed, or could not be reached.
    #[error("cannot read the ConfigMap {name} in the namespace {namespace}: {refusal}")]
    Refused {
        /// The namespace of the `ConfigMap`.
        namespace: String,
        /// The name of the `ConfigMap`.
        name: String,
        /// The failure of the request.
        refusal: Refusal,
    },
}

// === impl Config ===

impl Config {
    /// Returns settings from the environment alone, without a request.
    pub fn new(client: Client, namespace: &str, name: &str, environment: Environment) -> Self {
        let mut config = Self {
            client,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            environment,
            data: None,
            binary: Vec::new(),
            values: Value::Null,
        };
        config.values = config.environment.under(None);
        config
    }

    /// Reads the `ConfigMap`. An error leaves the settings unchanged: before the first
    /// success they are the environment alone.
    ///
    /// # Errors
    ///
    /// Returns an [`Error`] if the `ConfigMap` is missing, is forbidden or cannot be read.
    pub async fn load(&mut self) -> Result<(), Error> {
        // The list needs the same permission as the watch, so that one Role covers both.
        // A client that has the verb get alone can still read the ConfigMap.
        let data = match self.list().await {
            Err(denied) if denied.is_denied() => match self.get_whole().await {
                Err(refusal) if refusal.is_denied() => Err(denied),
                got => got,
            },
            listed => listed,
        };
        let config_map = data.map_err(|refusal| self.refused(refusal))?;
        self.note_binary(config_map.as_ref());
        let data = config_map.map(data_of);
        let is_there = data.is_some();
        self.set(data);
        if is_there {
            Ok(())
        } else {
            Err(self.missing())
        }
    }

    /// Returns the value at a path, such as `["mongodb", "host"]`.
    pub fn get(&self, path: &[impl AsRef<str>]) -> Option<&Value> {
        values::get(&self.values, path)
    }

    /// Returns all settings as one object.
    pub fn values(&self) -> &Value {
        &self.values
    }

    /// Returns a stream of the changes of the `ConfigMap` since it was read.
    ///
    /// A creation, an edit and a deletion are one event each. An update that leaves the data
    /// the same is none. Without [`Config::load`] before, an existing `ConfigMap` is reported
    /// as created. The stream never ends. It yields an error and then tries again; a missing
    /// permission stays an error until an operator grants it.
    pub fn watch(&self) -> impl Stream<Item = Result<Change, Error>> + Send + use<> {
        let mut config = self.clone();
        let mut snapshots = Snapshots::new(self.data.clone());
        watch(self.client.clone(), self.collection(), Limits::default())
            .map(move |event| match event {
                Ok(event) => {
                    if let watch::Event::Changed(found) | watch::Event::Item(found) = &event {
                        config.note_binary(Some(found));
                    }
                    snapshots.take(event).map(|event| {
                        config.set(snapshots.data().cloned());
                        let values = config.values.clone();
                        Ok(Change { event, values })
                    })
                }
                Err(refusal) => Some(Err(config.refused(refusal))),
            })
            .filter_map(std::future::ready)
    }

    fn set(&mut self, data: Option<BTreeMap<String, String>>) {
        self.values = self.environment.under(data.as_ref());
        self.data = data;
    }

    /// Logs that `binaryData` is not read, once for each set of its keys. A tool puts a file there
    /// that is not UTF-8.
    fn note_binary(&mut self, config_map: Option<&ConfigMap>) {
        let binary = config_map.and_then(|it| it.binary_data.as_ref());
        let binary: Vec<_> = binary
            .into_iter()
            .flat_map(BTreeMap::keys)
            .cloned()
            .collect();
        if !binary.is_empty() && binary != self.binary {
            warn!(
                namespace = self.namespace,
                name = self.name,
                keys = ?binary,
                "The binaryData of the ConfigMap is not read; save the file as UTF-8 and create the ConfigMap again"
            );
        }
        self.binary = binary;
    }

    async fn list(&self) -> Result<Option<ConfigMap>, Refusal> {
        let found = watch::list(&self.client, &self.collection()).await?;
        Ok(found.into_iter().next())
    }

    fn collection(&self) -> Collection {
        Collection::of::<ConfigMap>(&self.namespace).named(&self.name)
    }

    async fn get_whole(&self) -> Result<Option<ConfigMap>, Refusal> {
        let path = format!(
            "/api/v1/namespaces/{}/configmaps/{}",
            names::encoded(&self.namespace),
            names::encoded(&self.name)
        );
        match request::send(&self.client, request::get(&path)).await {
            Ok(config_map) => Ok(Some(config_map)),
            Err(Refusal::NotFound(_)) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    fn missing(&self) -> Error {
        Error::Missing {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
        }
    }

    fn refused(&self, refusal: Refusal) -> Error {
        let (namespace, name) = (self.namespace.clone(), self.name.clone());
        if refusal.is_denied() {
            Error::Denied {
                namespace,
                name,
                refusal,
            }
        } else {
            Error::Refused {
                namespace,
                name,
                refusal,
            }
        }
    }
}

impl std::fmt::Debug for Config {
    /// Formats the namespace and the name only, because a value may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn data_of(config_map: ConfigMap) -> BTreeMap<String, String> {
    config_map.data.unwrap_or_default()
}

// === impl Environment ===

impl Environment {
    /// Merges the settings of a `ConfigMap` over those of the environment.
    fn under(&self, data: Option<&BTreeMap<String, String>>) -> Value {
        let pairs = self
            .variables
            .iter()
            .map(|(name, value)| (&**name, &**value));
        let mut merged = env::values(pairs, &self.prefixes);
        if let Some(data) = data {
            values::merge(&mut merged, configmap::values(data));
        }
        let mut merged = Value::Object(merged);
        values::expand(&mut merged, &self.variables.iter().cloned().collect());
        merged
    }
}
