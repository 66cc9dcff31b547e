//! Keeps the slices and pods that the API server has sent, as two lists.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::PartialObjectMeta;

use crate::catalog::endpoint::{self, Endpoint};
use crate::catalog::services::{Pod, Services};
use crate::catalog::version::{Source, version};
use crate::cluster::watch::Event;

/// An event of one of the two watches.
#[derive(Debug)]
pub(super) enum Update {
    Slice(Event<EndpointSlice>),
    Pod(Event<PartialObjectMeta<v1::Pod>>),
}

/// The current slices and pods of the namespace.
#[derive(Debug)]
pub(super) struct Mirror {
    sources: Vec<Source>,
    slices: Listed<(String, Vec<Endpoint>)>,
    pods: Listed<Pod>,
}

/// The objects of one watch by name.
#[derive(Debug)]
struct Listed<V> {
    now: BTreeMap<String, V>,
    /// The objects of an unfinished list. They replace `now` once the list is complete.
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

    pub(super) fn take(&mut self, update: Update) {
        match update {
            Update::Slice(event) => self.slices.take(event, |slice| {
                let service = endpoint::service(slice)?.to_owned();
                Some((service, endpoint::endpoints(slice)))
            }),
            Update::Pod(event) => self.pods.take(event, |pod| {
                Some(Pod {
                    uid: pod.metadata.uid.clone(),
                    version: version(&pod.metadata, &self.sources),
                })
            }),
        }
    }

    /// Returns every service, or `None` until both lists have been complete once.
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
    /// Takes one event. Of an object, the list keeps only the value that `keep` returns.
    fn take<K: kube::Resource>(&mut self, event: Event<K>, keep: impl Fn(&K) -> Option<V>) {
        let name = |object: &K| object.meta().name.clone().unwrap_or_default();
        let (list, object) = match event {
            Event::Listing => return self.next.clear(),
            Event::Listed => {
                self.now = std::mem::take(&mut self.next);
                self.is_complete = true;
                return;
            }
            Event::Deleted(object) => {
                self.now.remove(&name(&object));
                return;
            }
            Event::Begun | Event::Current => return,
            Event::Item(object) => (&mut self.next, object),
            Event::Changed(object) => (&mut self.now, object),
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

    fn summary(mirror: &Mirror) -> Option<String> {
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
    fn nothing_is_returned_before_both_lists_are_complete() {
        let mut mirror = Mirror::new(vec![Source::Label, Source::Owner]);
        let mut take = |event| {
            mirror.take(event);
            summary(&mirror)
        };
        for (event, expected) in [
            (Update::Slice(Event::Listing), None),
            (
                Update::Slice(Event::Item(slice("web-1", Some("web"), "10.0.0.1"))),
                None,
            ),
            (
                Update::Slice(Event::Item(slice("alien", None, "10.0.0.9"))),
                None,
            ),
            (Update::Slice(Event::Listed), None),
            (Update::Pod(Event::Listing), None),
            (
                Update::Pod(Event::Listed),
                Some("web: 10.0.0.1:80 v1,kubernetes"),
            ),
            (
                Update::Pod(Event::Changed(pod("2"))),
                Some("web: 10.0.0.1:80 2,kubernetes"),
            ),
            (
                Update::Slice(Event::Changed(slice("web-1", Some("web"), "10.0.0.2"))),
                Some("web: 10.0.0.2:80 2,kubernetes"),
            ),
            // An unfinished list changes nothing.
            (
                Update::Slice(Event::Listing),
                Some("web: 10.0.0.2:80 2,kubernetes"),
            ),
            (
                Update::Slice(Event::Item(slice("web-9", Some("w9"), "10.0.0.9"))),
                Some("web: 10.0.0.2:80 2,kubernetes"),
            ),
            (
                Update::Slice(Event::Listed),
                Some("w9: 10.0.0.9:80 2,kubernetes"),
            ),
            (
                Update::Pod(Event::Deleted(pod("2"))),
                Some("w9: 10.0.0.9:80 v1,kubernetes"),
            ),
            (
                Update::Slice(Event::Changed(slice("web-9", None, "10.0.0.9"))),
                Some(""),
            ),
            (
                Update::Slice(Event::Changed(slice("web-9", Some("w9"), "10.0.0.9"))),
                Some("w9: 10.0.0.9:80 v1,kubernetes"),
            ),
            (
                Update::Slice(Event::Deleted(slice("web-9", Some("w9"), "10.0.0.9"))),
                Some(""),
            ),
        ] {
            let case = format!("{event:?}");
            assert_eq!(take(event).as_deref(), expected, "{case}");
        }
    }
}
