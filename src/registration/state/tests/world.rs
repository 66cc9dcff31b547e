//! A pod that takes what is written, and events by name.

use std::collections::BTreeMap;

use http::StatusCode;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::*;
use crate::cluster::Denial;
use crate::registry::plan::write::{Ownership, Write};
use crate::registry::record::{Node, Service};
use crate::registry::scheme::Scheme;

pub(super) fn entries(wanted: Option<bool>) -> Vec<Entry> {
    let node = Node {
        id: "greeter-u".into(),
        address: "10.1.0.7:9091".into(),
        metadata: None,
    };
    let record = Service {
        name: "greeter".into(),
        version: "latest".into(),
        metadata: None,
        endpoints: None,
        nodes: Some(vec![node]),
    };
    let keys = [(Scheme::MicroMu, Scheme::MicroMu.keys("greeter").unwrap())];
    vec![Entry {
        record: record.into(),
        schemes: keys.into(),
        wanted,
        ownership: Ownership::Sidecar(Owner::sidecar(8080)),
    }]
}

pub(super) fn settings() -> Settings {
    Settings {
        owner: Owner::sidecar(8080),
        on_foreign: OnForeign::Adopt,
        jitter: Duration::ZERO,
        limit: Duration::from_secs(5),
    }
}

/// A registration and the pod that its writes go to.
pub(super) struct World {
    pub(super) state: State,
    pod: Pod,
    version: u64,
    pub(super) now: Duration,
    sent: Option<Write>,
}

impl World {
    pub(super) fn new() -> Self {
        let metadata = ObjectMeta {
            uid: Some("u".into()),
            resource_version: Some("1".into()),
            ..ObjectMeta::default()
        };
        Self {
            state: State::new(entries(None), settings()),
            pod: Pod {
                metadata,
                status: None,
            },
            version: 1,
            now: Duration::ZERO,
            sent: None,
        }
    }

    /// Applies the event of this name, and returns the result as `phase: action`.
    pub(super) fn row(&mut self, event: &str) -> String {
        let event = self.event(event);
        let actions = self.state.next(event, self.now);
        let action = match actions.into_iter().next() {
            None => "-".to_owned(),
            Some((_, Action::Read)) => "read".to_owned(),
            Some((_, Action::Wait(from, to))) => {
                format!("{} to {} ms", from.as_millis(), to.as_millis())
            }
            Some((_, Action::Write(write, uid))) => {
                assert_eq!(uid, "u");
                let name = write.purpose.name().to_owned();
                self.sent = Some(write);
                name
            }
        };
        format!("{}: {action}", self.state.phase())
    }

    fn observed(&self, source: Source) -> Event {
        Event::Pod(Arc::new(self.pod.clone()), source)
    }

    fn event(&mut self, name: &str) -> Event {
        let refused = |refusal| Event::Answer(0, Err(refusal));
        match name {
            "healthy" => Event::Entries(entries(Some(true))),
            "unhealthy" => Event::Entries(entries(Some(false))),
            "listed" => self.observed(Source::Read),
            "restored" => {
                self.version = 1;
                self.change(|metadata| (metadata.labels, metadata.annotations) = (None, None));
                self.observed(Source::Read)
            }
            "seen" => self.observed(Source::Watch),
            "wiped" => {
                self.change(|metadata| (metadata.labels, metadata.annotations) = (None, None));
                self.observed(Source::Watch)
            }
            "foreign" => {
                let theirs = r#"{"name":"greeter","version":"1","nodes":[{"id":"greeter-go","address":"10.1.0.7:9091"}]}"#;
                let keys = Scheme::MicroMu.keys("greeter").unwrap();
                self.change(|metadata| {
                    metadata.annotations = Some([(keys.annotation, theirs.to_owned())].into());
                    metadata.labels = Some(
                        [keys.type_label, &keys.selector_label]
                            .map(|key| (key.to_owned(), "service".to_owned()))
                            .into(),
                    );
                });
                self.observed(Source::Watch)
            }
            "drifted" => {
                let keys = Scheme::MicroMu.keys("greeter").unwrap();
                let old = r#"{"name":"greeter","version":"0","nodes":[{"id":"greeter-u","address":"10.1.0.7:9091"}]}"#;
                self.change(|metadata| {
                    let annotations = metadata.annotations.get_or_insert_default();
                    annotations.insert(keys.annotation, old.to_owned());
                });
                self.observed(Source::Watch)
            }
            "terminating" => {
                self.change(|metadata| {
                    metadata.deletion_timestamp =
                        Some(Time("2026-11-21T00:00:00Z".parse().unwrap()));
                });
                self.observed(Source::Watch)
            }
            "another" => {
                self.change(|metadata| metadata.uid = Some("v".into()));
                self.observed(Source::Watch)
            }
            "older" => {
                let mut pod = Pod {
                    metadata: ObjectMeta {
                        uid: Some("u".into()),
                        ..ObjectMeta::default()
                    },
                    status: None,
                };
                pod.metadata.resource_version = Some("1".into());
                Event::Pod(Arc::new(pod), Source::Watch)
            }
            "vanished" => Event::Absent,
            "replaced" => Event::Replaced,
            "due" => Event::Due(0),
            "stop" => Event::Stop,
            "done" => {
                let patch = self.sent.take().expect("something must be sent").patch;
                self.change(|metadata| {
                    apply(&mut metadata.labels, patch.labels);
                    apply(&mut metadata.annotations, patch.annotations);
                });
                Event::Answer(0, Ok(Arc::new(self.pod.clone())))
            }
            "stripped" => {
                let patch = self.sent.take().expect("something must be sent").patch;
                self.change(|metadata| apply(&mut metadata.labels, patch.labels));
                Event::Answer(0, Ok(Arc::new(self.pod.clone())))
            }
            "read" => Event::Answer(0, Ok(Arc::new(self.pod.clone()))),
            "ignored" => {
                self.sent.take().expect("something must be sent");
                self.change(|_| {});
                Event::Answer(0, Ok(Arc::new(self.pod.clone())))
            }
            refusal if Self::refusal(refusal).is_some() => refused(Self::refusal(refusal).unwrap()),
            seconds => {
                self.now +=
                    Duration::from_secs(seconds.strip_suffix(" s later").unwrap().parse().unwrap());
                Event::Due(0)
            }
        }
    }

    /// Returns the refusal of this name, if it is one.
    fn refusal(name: &str) -> Option<Refusal> {
        let unavailable = |status, seconds: Option<u64>| Refusal::Unavailable {
            status,
            retry_after: seconds.map(Duration::from_secs),
            message: "".into(),
        };
        Some(match name {
            "401" => Refusal::Unauthorized,
            "403" => Refusal::Forbidden("no".into()),
            "404" => Refusal::NotFound("pod".into()),
            "409" => Refusal::Conflict,
            "422 uid" => Refusal::Replaced,
            "409 hook" | "422 policy" => Refusal::Policy(Denial::Policy("no".into())),
            "422 labels" => Refusal::Invalid("metadata.labels".into()),
            "429 after 0" => unavailable(StatusCode::TOO_MANY_REQUESTS, Some(0)),
            "429 after 7" => unavailable(StatusCode::TOO_MANY_REQUESTS, Some(7)),
            "429 after ever" => unavailable(StatusCode::TOO_MANY_REQUESTS, Some(u64::MAX)),
            "429 after 45" => unavailable(StatusCode::TOO_MANY_REQUESTS, Some(45)),
            "503" => unavailable(StatusCode::SERVICE_UNAVAILABLE, None),
            "away" => Refusal::Unreachable("refused".into()),
            _ => return None,
        })
    }

    fn change(&mut self, change: impl FnOnce(&mut ObjectMeta)) {
        change(&mut self.pod.metadata);
        self.version += 1;
        self.pod.metadata.resource_version = Some(self.version.to_string());
    }

    #[track_caller]
    pub(super) fn rows(&mut self, rows: &[(&str, &str)]) {
        for (event, expected) in rows {
            assert_eq!(self.row(event), *expected, "after {event:?}");
        }
    }
}

fn apply(to: &mut Option<BTreeMap<String, String>>, values: BTreeMap<String, Option<String>>) {
    let to = to.get_or_insert_default();
    for (key, value) in values {
        match value {
            Some(value) => drop(to.insert(key, value)),
            None => drop(to.remove(&key)),
        }
    }
}
