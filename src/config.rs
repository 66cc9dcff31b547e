//! Settings as micro/kubernetes gives them to a service: the environment, and over it the
//! `ConfigMap` `micro`.
//!
//! ```text
//! environment ──▶ env ───────┐
//!                            ├──▶ values: merged, the ConfigMap wins ──▶ get, watch
//! ConfigMap ───▶ configmap ──┘
//! ```
//!
//! A `ConfigMap` that is missing or forbidden is an error that says so, and the
//! environment is served all the same. The original dropped it in silence, for good.

use std::collections::BTreeMap;

use futures_util::{Stream, StreamExt as _};
use http::Request;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher;
use kube::{Api, Client};
use serde::Deserialize;
use serde_json::Value;

use self::sights::Sights;
use crate::cluster::watch::watch;
use crate::cluster::watch_rate::limit_watch_rate;
use crate::cluster::{Refusal, request};

pub(crate) mod configmap;
pub(crate) mod env;
mod sights;
pub(crate) mod values;

pub use self::sights::Event;

/// The environment, and a `ConfigMap` over it once that is read.
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
    /// The `ConfigMap`'s, as last read.
    data: Option<BTreeMap<String, String>>,
    values: Value,
}

/// The variables of a process.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// All of them, in their order.
    pub variables: Vec<(String, String)>,
    /// The beginnings of those that are settings; empty where all are.
    pub prefixes: Vec<String>,
}

/// Something happened to the `ConfigMap`.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What.
    pub event: Event,
    /// What is set since then.
    pub values: Value,
}

/// Why the environment is all there is.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// There is no such `ConfigMap`.
    #[error(
        "no ConfigMap {name} in the namespace {namespace}, so that the environment is all there is: create it, or name another with --config_map and --config_namespace"
    )]
    Missing {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The API server does not let us read it.
    #[error(
        "cannot read the ConfigMap {name} in the namespace {namespace}: {refusal}; a Role needs the verbs list and watch for configmaps with resourceNames [{name}]"
    )]
    Denied {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The server's own sentence.
        refusal: Refusal,
    },
    /// The API server's state, or the way to it.
    #[error("cannot read the ConfigMap {name} in the namespace {namespace}: {refusal}")]
    Refused {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What happened.
        refusal: Refusal,
    },
}

#[derive(Deserialize)]
struct List {
    items: Vec<ConfigMap>,
}

// === impl Config ===

impl Config {
    /// The environment alone. Asks nothing.
    pub fn new(client: Client, namespace: &str, name: &str, environment: Environment) -> Self {
        let mut config = Self {
            client,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            environment,
            data: None,
            values: Value::Null,
        };
        config.values = config.environment.under(None);
        config
    }

    /// Reads the `ConfigMap`. After an error everything is as it was before: at first, the
    /// environment alone.
    ///
    /// # Errors
    ///
    /// [`Error`]: the `ConfigMap` is missing, forbidden, or cannot be asked for.
    pub async fn load(&mut self) -> Result<(), Error> {
        // As the watch asks, so that one permission does for both; whoever may only get it
        // may read it too.
        let data = match self.list().await {
            Err(denied) if denied.is_denied() => match self.get_whole().await {
                Err(refusal) if refusal.is_denied() => Err(denied),
                got => got,
            },
            listed => listed,
        };
        let data = data.map_err(|refusal| self.refused(refusal))?;
        let is_there = data.is_some();
        self.set(data);
        if is_there {
            Ok(())
        } else {
            Err(self.missing())
        }
    }

    /// What is set at a path, such as `["mongodb", "host"]`.
    pub fn get(&self, path: &[impl AsRef<str>]) -> Option<&Value> {
        values::get(&self.values, path)
    }

    /// Everything that is set: an object.
    pub fn values(&self) -> &Value {
        &self.values
    }

    /// Each change of the `ConfigMap` since it was read: made, edited or deleted, one event
    /// each, and none where its data stays the same. Before [`Config::load`] nothing was
    /// read, and one that is there is news. Never ends; an error is told and passes, or
    /// stays until somebody gives the permission.
    pub fn watch(&self) -> impl Stream<Item = Result<Change, Error>> + Send + use<> {
        let api =
            Api::<ConfigMap>::namespaced(limit_watch_rate(self.client.clone()), &self.namespace);
        let only = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let mut config = self.clone();
        let mut sights = Sights::new(self.data.clone());
        watch(api, only)
            .map(move |told| match told {
                Ok(told) => sights.take(told).map(|event| {
                    config.set(sights.data().cloned());
                    let values = config.values.clone();
                    Ok(Change { event, values })
                }),
                Err(refusal) => Some(Err(config.refused(refusal))),
            })
            .filter_map(std::future::ready)
    }

    fn set(&mut self, data: Option<BTreeMap<String, String>>) {
        self.values = self.environment.under(data.as_ref());
        self.data = data;
    }

    async fn list(&self) -> Result<Option<BTreeMap<String, String>>, Refusal> {
        let path = format!(
            "/api/v1/namespaces/{}/configmaps?fieldSelector=metadata.name%3D{}",
            self.namespace, self.name
        );
        let list: List = request::send(&self.client, get(&path)).await?;
        Ok(list.items.into_iter().next().map(data_of))
    }

    async fn get_whole(&self) -> Result<Option<BTreeMap<String, String>>, Refusal> {
        let path = format!(
            "/api/v1/namespaces/{}/configmaps/{}",
            self.namespace, self.name
        );
        match request::send(&self.client, get(&path)).await {
            Ok(config_map) => Ok(Some(data_of(config_map))),
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
    /// Without the values: what is set may be a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

fn get(path: &str) -> Request<Vec<u8>> {
    let request = Request::get(path).body(Vec::new());
    request.expect("a path must make a request")
}

fn data_of(config_map: ConfigMap) -> BTreeMap<String, String> {
    config_map.data.unwrap_or_default()
}

// === impl Environment ===

impl Environment {
    /// Its own settings, and those of a `ConfigMap` over them.
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
