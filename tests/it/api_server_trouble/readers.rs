//! The readers of the API server.

use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, future};
use micro_health::catalog::Catalog;
use micro_health::config::{Config, Environment};
use micro_health::internal::PodClient;
use micro_health::internal::own_pod::{Observation, ObservedPod, Source, observe};
use micro_health::registry::{Registry, Schemes};
use micro_health::resolver::Resolver;
use serde_json::{Value, json};
use testkit::api_server::{NAMESPACE, greeter_pod};

/// A reader of the API server, by what it watches.
#[derive(Clone, Copy, Debug)]
pub enum Reader {
    OwnPod,
    Registry,
    Resolver,
    Config,
    Catalog,
}

/// The host number of the object, or an error.
pub type State = Result<u8, String>;

/// The default of `--register_ttl`.
const TTL: Duration = Duration::from_secs(90);

// === impl Reader ===

impl Reader {
    /// Returns the number of its watches.
    pub fn watches(self) -> usize {
        match self {
            Self::Catalog => 2,
            Self::OwnPod | Self::Registry | Self::Resolver | Self::Config => 1,
        }
    }

    pub fn is_own_pod(self) -> bool {
        matches!(self, Self::OwnPod)
    }

    pub fn needs_slices(self) -> bool {
        matches!(self, Self::Resolver | Self::Catalog)
    }

    /// Returns every state that the reader reports.
    pub fn states(self, client: kube::Client) -> BoxStream<'static, State> {
        match self {
            Self::OwnPod => own_pod(client),
            Self::Registry => {
                let registry = Registry::new(client, NAMESPACE, Schemes::MicroMu);
                let events = registry.watch(Some("greeter"));
                events
                    .map(|event| {
                        let event = event.map_err(|error| error.to_string())?;
                        let nodes = event.service.nodes.iter().flatten();
                        Ok(host(nodes.map(|it| &*it.address)))
                    })
                    .boxed()
            }
            Self::Resolver => resolver(client),
            Self::Config => {
                let config = Config::new(client, NAMESPACE, "micro", Environment::default());
                let changes = config.watch();
                changes
                    .map(|change| {
                        let values = change.map_err(|error| error.to_string())?.values;
                        Ok(host(values["mongodb"]["host"].as_str()))
                    })
                    .boxed()
            }
            Self::Catalog => {
                let services = Catalog::new(client, NAMESPACE).watch();
                services
                    .map(|services| {
                        let services = services.map_err(|error| error.to_string())?;
                        let up = services.up("web").unwrap_or_default();
                        let address = up.first().map(|it| it.address.to_string());
                        Ok(host(address.as_deref()))
                    })
                    .boxed()
            }
        }
    }
}

/// Returns the object at a path, with a host number and a resource version.
pub fn object(path: &str, (host, version): (u8, u64)) -> Value {
    let version = version.to_string();
    if path.contains("/pods") {
        return greeter_pod("a", &version, &format!("10.0.0.{host}:80"));
    }
    if path.ends_with("/configmaps") {
        return json!({
            "metadata": {"name": "micro", "resourceVersion": version},
            "data": {"mongodb": format!("host=10.0.0.{host}")},
        });
    }
    json!({
        "metadata": {
            "name": "web-1", "resourceVersion": version,
            "labels": {"kubernetes.io/service-name": "web"},
        },
        "addressType": "IPv4",
        "ports": [{"port": 80}],
        "endpoints": [{"addresses": [format!("10.0.0.{host}")]}],
    })
}

fn own_pod(client: kube::Client) -> BoxStream<'static, State> {
    let pod = PodClient::new(client, NAMESPACE, "a");
    let observations = observe(pod, Duration::from_secs(30), TTL);
    let mut newest = 0;
    let mut state = move |observation| match observation {
        Observation::Pod(ObservedPod { pod, source }) => {
            let version = pod.metadata.resource_version.as_ref()?;
            let version = version.parse::<u64>().ok()?;
            // Only a list may be older than what was observed before.
            assert!(version >= newest || source == Source::Read);
            newest = version;
            let record = pod.annotation("micro.mu/service-greeter").unwrap_or("");
            let record: Value = serde_json::from_str(record).unwrap_or_default();
            Some(Ok(host(record["nodes"][0]["address"].as_str())))
        }
        Observation::Absent => Some(Err("absent".to_owned())),
        Observation::Begun => None,
        Observation::Lost(refusal) => Some(Err(refusal.to_string())),
    };
    observations
        .filter_map(move |it| future::ready(state(it)))
        .boxed()
}

fn resolver(client: kube::Client) -> BoxStream<'static, State> {
    let resolver = Resolver::new(client, NAMESPACE);
    let endpoints = resolver.endpoints("kubernetes:///web".parse().unwrap());
    stream::unfold((resolver, endpoints), |(resolver, mut endpoints)| async {
        loop {
            endpoints.changed().await;
            let state = match endpoints.state().refusal() {
                Some(refusal) => Err(refusal.to_string()),
                None if endpoints.state().name() == "pending" => continue,
                None => {
                    let union = endpoints.union();
                    let addresses: Vec<_> =
                        union.ready().map(|it| it.address.to_string()).collect();
                    Ok(host(addresses.iter().map(String::as_str)))
                }
            };
            return Some((state, (resolver, endpoints)));
        }
    })
    .boxed()
}

/// Returns the host number of the only address, or 0, which no reader may report.
fn host<'a>(addresses: impl IntoIterator<Item = &'a str>) -> u8 {
    let addresses: Vec<_> = addresses.into_iter().collect();
    let [address] = addresses[..] else {
        return 0;
    };
    let host = address
        .strip_prefix("10.0.0.")
        .and_then(|rest| rest.get(..1));
    host.and_then(|host| host.parse().ok()).unwrap_or(0)
}
