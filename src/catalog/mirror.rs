//! What the API server has said so far: slices and pods, as two lists that are kept.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;

use crate::catalog::endpoint::{self, Endpoint};
use crate::catalog::services::{Pod, Services};
use crate::catalog::version::{Source, version};

/// One word of the API server.
#[derive(Debug)]
pub(super) enum Told {
    Slice(Event<EndpointSlice>),
    Pod(Event<PartialObjectMeta<v1::Pod>>),
}

/// Slices and pods.
#[derive(Debug)]
pub(super) struct Mirror {
    sources: Vec<Source>,
    slices: Listed<(String, Vec<Endpoint>)>,
    pods: Listed<Pod>,
}

/// Objects by name.
#[derive(Debug)]
struct Listed<V> {
    now: BTreeMap<String, V>,
    /// What a list has brought so far, which counts once it is whole.
    next: BTreeMap<String, V>,
    is_complete: bool,
}

// === impl Mirror ===

impl Mirror {
    pub(super) fn new(sources: Vec<Source>) -> Self {
        Self {
            sources,
            slices: Listed::default(),
            pods: Listed::default(),
        }
    }

    pub(super) fn take(&mut self, told: Told) {
        match told {
            Told::Slice(event) => self.slices.take(event, |slice| {
                let service = endpoint::service(slice)?.to_owned();
                Some((service, endpoint::endpoints(slice)))
            }),
            Told::Pod(event) => self.pods.take(event, |pod| {
                Some(Pod {
                    uid: pod.metadata.uid.clone(),
                    version: version(&pod.metadata, &self.sources),
                })
            }),
        }
    }

    /// Every service, once both lists were whole.
    pub(super) fn services(&self) -> Option<Services> {
        if !self.slices.is_complete || !self.pods.is_complete {
            return None;
        }
        let slices = self.slices.now.values();
        let endpoints = slices.map(|(service, endpoints)| (service.as_str(), endpoints.as_slice()));
        Some(Services::new(endpoints, &self.pods.now, &self.sources))
    }
}

// === impl Listed ===

impl<V> Default for Listed<V> {
    fn default() -> Self {
        Self {
            now: BTreeMap::new(),
            next: BTreeMap::new(),
            is_complete: false,
        }
    }
}

impl<V> Listed<V> {
    /// Takes in one event; of an object only what `keep` makes of it.
    fn take<K: kube::Resource>(&mut self, event: Event<K>, keep: impl Fn(&K) -> Option<V>) {
        let name = |object: &K| object.meta().name.clone().unwrap_or_default();
        let (list, object) = match event {
            Event::Init => return self.next.clear(),
            Event::InitDone => {
                self.now = std::mem::take(&mut self.next);
                self.is_complete = true;
                return;
            }
            Event::Delete(object) => {
                self.now.remove(&name(&object));
                return;
            }
            Event::InitApply(object) => (&mut self.next, object),
            Event::Apply(object) => (&mut self.now, object),
        };
        match keep(&object) {
            Some(kept) => list.insert(name(&object), kept),
            None => list.remove(&name(&object)),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn slice(name: &str, service: Option<&str>, ip: &str) -> EndpointSlice {
        let labels = service.map(|service| json!({"kubernetes.io/service-name": service}));
        let target = json!({"kind": "Pod", "name": "web-v1-a", "uid": "u"});
        parse(json!({
            "metadata": {"name": name, "labels": labels},
            "addressType": "IPv4",
            "ports": [{"port": 80}],
            "endpoints": [{"addresses": [ip], "targetRef": target}],
        }))
    }

    fn pod(version: &str) -> PartialObjectMeta<v1::Pod> {
        let metadata = json!({"name": "web-v1-a", "uid": "u", "labels": {"version": version}});
        parse(json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata}))
    }

    fn parse<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn told(mirror: &Mirror) -> Option<String> {
        let services = mirror.services()?;
        let one = |(name, all): (&str, &[crate::catalog::instance::Instance])| {
            let all: Vec<_> = all
                .iter()
                .map(|it| format!("{} {}", it.address, it.group()))
                .collect();
            format!("{name}: {}", all.join(" "))
        };
        Some(services.iter().map(one).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn nothing_is_told_before_both_lists_are_whole() {
        let mut mirror = Mirror::new(vec![Source::Label, Source::Owner]);
        let mut take = |event| {
            mirror.take(event);
            told(&mirror)
        };
        for (event, expected) in [
            (Told::Slice(Event::Init), None),
            (
                Told::Slice(Event::InitApply(slice("web-1", Some("web"), "10.0.0.1"))),
                None,
            ),
            (
                Told::Slice(Event::InitApply(slice("alien", None, "10.0.0.9"))),
                None,
            ),
            (Told::Slice(Event::InitDone), None),
            (Told::Pod(Event::Init), None),
            (
                Told::Pod(Event::InitDone),
                Some("web: 10.0.0.1:80 v1,kubernetes"),
            ),
            (
                Told::Pod(Event::Apply(pod("2"))),
                Some("web: 10.0.0.1:80 2,kubernetes"),
            ),
            (
                Told::Slice(Event::Apply(slice("web-1", Some("web"), "10.0.0.2"))),
                Some("web: 10.0.0.2:80 2,kubernetes"),
            ),
            // A list that is under way changes nothing.
            (
                Told::Slice(Event::Init),
                Some("web: 10.0.0.2:80 2,kubernetes"),
            ),
            (
                Told::Slice(Event::InitApply(slice("web-9", Some("w9"), "10.0.0.9"))),
                Some("web: 10.0.0.2:80 2,kubernetes"),
            ),
            (
                Told::Slice(Event::InitDone),
                Some("w9: 10.0.0.9:80 2,kubernetes"),
            ),
            (
                Told::Pod(Event::Delete(pod("2"))),
                Some("w9: 10.0.0.9:80 v1,kubernetes"),
            ),
            (
                Told::Slice(Event::Apply(slice("web-9", None, "10.0.0.9"))),
                Some(""),
            ),
            (
                Told::Slice(Event::Apply(slice("web-9", Some("w9"), "10.0.0.9"))),
                Some("w9: 10.0.0.9:80 v1,kubernetes"),
            ),
            (
                Told::Slice(Event::Delete(slice("web-9", Some("w9"), "10.0.0.9"))),
                Some(""),
            ),
        ] {
            let event_told = format!("{event:?}");
            assert_eq!(take(event).as_deref(), expected, "{event_told}");
        }
    }
}
