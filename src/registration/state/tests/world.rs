//! A pod that takes what is written, and events by name.

use std::collections::BTreeMap;

use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::*;
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
    let keys = vec![(Scheme::MicroMu, Scheme::MicroMu.keys("greeter").unwrap())];
    vec![Entry {
        record,
        keys,
        wanted,
    }]
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
            state: State::new(entries(None), OnForeign::Adopt, Duration::ZERO),
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
    fn row(&mut self, event: &str) -> String {
        let event = self.event(event);
        let action = self.state.next(event, self.now);
        let action = match action {
            Action::Nothing => "-".to_owned(),
            Action::Read => "read".to_owned(),
            Action::Wait(from, to) => format!("{} to {} ms", from.as_millis(), to.as_millis()),
            Action::Write(write, uid) => {
                assert_eq!(uid, "u");
                let name = write.purpose.name().to_owned();
                self.sent = Some(write);
                name
            }
        };
        format!("{}: {action}", self.state.phase.name())
    }

    fn event(&mut self, name: &str) -> Event {
        let refused = |refusal| Event::Answered(Err(refusal));
        let unavailable = |status, seconds: Option<u64>| {
            refused(Refusal::Unavailable {
                status,
                retry_after: seconds.map(Duration::from_secs),
                message: "".into(),
            })
        };
        match name {
            "healthy" => Event::Entries(entries(Some(true))),
            "unhealthy" => Event::Entries(entries(Some(false))),
            "seen" => Event::Seen(Box::new(self.pod.clone())),
            "wiped" => {
                self.change(|metadata| (metadata.labels, metadata.annotations) = (None, None));
                Event::Seen(Box::new(self.pod.clone()))
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
                Event::Seen(Box::new(self.pod.clone()))
            }
            "terminating" => {
                self.change(|metadata| {
                    metadata.deletion_timestamp =
                        Some(Time("2026-11-21T00:00:00Z".parse().unwrap()));
                });
                Event::Seen(Box::new(self.pod.clone()))
            }
            "another" => {
                self.change(|metadata| metadata.uid = Some("v".into()));
                Event::Seen(Box::new(self.pod.clone()))
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
                Event::Seen(Box::new(pod))
            }
            "vanished" => Event::Vanished,
            "replaced" => Event::Replaced,
            "due" => Event::Due,
            "stop" => Event::Stop,
            "done" => {
                let patch = self.sent.take().expect("something must be sent").patch;
                self.change(|metadata| {
                    apply(&mut metadata.labels, patch.labels);
                    apply(&mut metadata.annotations, patch.annotations);
                });
                Event::Answered(Ok(Box::new(self.pod.clone())))
            }
            "read" => Event::Answered(Ok(Box::new(self.pod.clone()))),
            "401" => refused(Refusal::Unauthorized),
            "403" => refused(Refusal::Forbidden("no".into())),
            "404" => refused(Refusal::NotFound("pod".into())),
            "409" => refused(Refusal::Conflict),
            "422 uid" => refused(Refusal::Replaced),
            "422 policy" => refused(Refusal::Policy("no".into())),
            "422 labels" => refused(Refusal::Invalid("metadata.labels".into())),
            "429 after 7" => unavailable(StatusCode::TOO_MANY_REQUESTS, Some(7)),
            "503" => unavailable(StatusCode::SERVICE_UNAVAILABLE, None),
            "away" => refused(Refusal::Unreachable("refused".into())),
            seconds => {
                self.now +=
                    Duration::from_secs(seconds.strip_suffix(" s later").unwrap().parse().unwrap());
                Event::Due
            }
        }
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
