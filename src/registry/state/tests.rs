use std::collections::BTreeMap;

use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::super::record::{Node, Service};
use super::super::scheme::Scheme;
use super::*;

fn entries(wanted: Option<bool>) -> Vec<Entry> {
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
struct World {
    state: State,
    pod: Pod,
    version: u64,
    now: Duration,
    sent: Option<Write>,
}

impl World {
    fn new() -> Self {
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

    /// One row: the event by name, and what became of it as `phase: action`.
    fn row(&mut self, event: &str) -> String {
        let event = self.event(event);
        let state = std::mem::replace(
            &mut self.state,
            State::new(Vec::new(), OnForeign::Adopt, Duration::ZERO),
        );
        let (state, action) = state.next(event, self.now);
        self.state = state;
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
    fn rows(&mut self, rows: &[(&str, &str)]) {
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

/// Registered, and nothing to do.
fn registered() -> World {
    let mut world = World::new();
    world.rows(&[
        ("seen", "idle: -"),
        ("healthy", "register: register"),
        ("done", "announce: announce"),
        ("done", "idle: -"),
    ]);
    assert!(world.state.is_registered());
    world
}

#[test]
fn registers_once_the_pod_is_seen_and_the_service_is_healthy() {
    registered();
    World::new().rows(&[("healthy", "unseen: -"), ("seen", "register: register")]);
    World::new().rows(&[
        ("seen", "idle: -"),
        ("unhealthy", "idle: -"),
        ("seen", "idle: -"),
    ]);
}

#[test]
fn the_first_write_is_spread() {
    let mut world = World::new();
    world.state = State::new(entries(None), OnForeign::Adopt, Duration::from_secs(1));
    world.rows(&[
        ("seen", "idle: -"),
        ("healthy", "waiting: 0 to 1000 ms"),
        ("seen", "waiting: -"),
        ("due", "register: register"),
    ]);
}

#[test]
fn steady_is_silent_and_drift_is_repaired() {
    let mut world = registered();
    world.rows(&[
        ("seen", "idle: -"),
        ("older", "idle: -"),
        ("healthy", "idle: -"),
        ("wiped", "register: register"),
        ("seen", "register: -"),
        ("done", "announce: announce"),
        ("done", "idle: -"),
    ]);
}

#[test]
fn a_fight_is_slowed_down() {
    let mut world = registered();
    for _ in 0..2 {
        world.rows(&[
            ("wiped", "register: register"),
            ("done", "announce: announce"),
            ("done", "idle: -"),
        ]);
    }
    world.rows(&[
        ("wiped", "waiting: 5000 to 5000 ms"),
        ("wiped", "waiting: -"),
        ("5 s later", "register: register"),
    ]);
}

#[test]
fn an_unhealthy_service_is_taken_away_and_comes_back() {
    let mut world = registered();
    world.rows(&[
        ("unhealthy", "deregister: deregister"),
        ("healthy", "deregister: -"),
        ("done", "register: register"),
        ("unhealthy", "register: -"),
        ("done", "waiting: 5000 to 5000 ms"),
        ("5 s later", "deregister: deregister"),
        ("done", "idle: -"),
    ]);
    assert!(!world.state.is_registered());
}

#[test]
fn every_answer_has_its_wait() {
    for (answer, expected) in [
        ("401", "waiting: 0 to 0 ms"),
        ("403", "waiting: 5000 to 5500 ms"),
        ("422 policy", "waiting: 5000 to 5500 ms"),
        ("422 labels", "waiting: 300000 to 330000 ms"),
        ("409", "waiting: 10 to 100 ms"),
        ("429 after 7", "waiting: 7000 to 7500 ms"),
        ("503", "waiting: 50 to 500 ms"),
        ("away", "waiting: 50 to 500 ms"),
        ("404", "gone: -"),
        ("422 uid", "gone: -"),
    ] {
        World::new().rows(&[
            ("seen", "idle: -"),
            ("healthy", "register: register"),
            (answer, expected),
        ]);
    }
}

#[test]
fn waits_grow_to_a_limit_and_start_again() {
    let mut world = World::new();
    world.rows(&[
        ("seen", "idle: -"),
        ("healthy", "register: register"),
        ("away", "waiting: 50 to 500 ms"),
    ]);
    for (answer, wait) in [
        ("503", "waiting: 100 to 1000 ms"),
        ("401", "waiting: 200 to 2000 ms"),
        ("away", "waiting: 400 to 4000 ms"),
        ("403", "waiting: 80000 to 88000 ms"),
    ] {
        world.now += Duration::from_mins(1);
        world.rows(&[("due", "register: register"), (answer, wait)]);
    }
    world.now += Duration::from_mins(1);
    world.rows(&[
        ("due", "register: register"),
        ("done", "announce: announce"),
        ("away", "waiting: 50 to 500 ms"),
    ]);
}

#[test]
fn a_write_that_failed_is_none_of_the_repairs_allowed() {
    let mut world = World::new();
    world.rows(&[("seen", "idle: -"), ("healthy", "register: register")]);
    for wait in [
        "waiting: 50 to 500 ms",
        "waiting: 100 to 1000 ms",
        "waiting: 200 to 2000 ms",
        "waiting: 400 to 4000 ms",
    ] {
        world.rows(&[("503", wait), ("due", "register: register")]);
    }
}

#[test]
fn a_conflict_is_read_before_it_is_tried_again() {
    World::new().rows(&[
        ("seen", "idle: -"),
        ("healthy", "register: register"),
        ("409", "waiting: 10 to 100 ms"),
        ("due", "waiting: read"),
        ("read", "register: register"),
    ]);
}

#[test]
fn a_pod_that_goes_is_taken_away_for_good() {
    for event in ["terminating", "stop"] {
        let mut world = registered();
        world.rows(&[
            (event, "deregister: deregister"),
            ("healthy", "deregister: -"),
            ("done", "gone: -"),
            ("healthy", "gone: -"),
            ("wiped", "gone: -"),
        ]);
    }
    let mut world = World::new();
    world.rows(&[("seen", "idle: -"), ("stop", "gone: -")]);
}

#[test]
fn a_stop_waits_for_nothing() {
    World::new().rows(&[
        ("seen", "idle: -"),
        ("healthy", "register: register"),
        ("403", "waiting: 5000 to 5500 ms"),
        ("stop", "gone: -"),
    ]);
    let mut world = registered();
    world.rows(&[
        ("stop", "deregister: deregister"),
        ("503", "waiting: 100 to 500 ms"),
        ("due", "deregister: deregister"),
        ("done", "gone: -"),
    ]);
}

#[test]
fn another_pod_of_the_name_is_not_ours() {
    registered().rows(&[("another", "gone: -")]);
    registered().rows(&[("vanished", "gone: -")]);
    registered().rows(&[("replaced", "gone: -")]);
    World::new().rows(&[
        ("healthy", "unseen: -"),
        ("vanished", "unseen: -"),
        ("seen", "register: register"),
    ]);
}

#[test]
fn a_writer_that_registers_an_unhealthy_service_again_is_let_be() {
    let mut world = World::new();
    world.rows(&[("foreign", "idle: -"), ("healthy", "idle: -")]);
    assert!(world.state.is_registered());
    world.rows(&[("unhealthy", "deregister: deregister"), ("done", "idle: -")]);
    for _ in 0..2 {
        world.now += Duration::from_secs(30);
        world.rows(&[("foreign", "deregister: deregister"), ("done", "idle: -")]);
    }
    world.now += Duration::from_secs(30);
    world.rows(&[("foreign", "idle: -"), ("seen", "idle: -")]);
    assert_eq!(world.state.foreign_rewrites, 3);
    // Once it is well there is nothing to take away, and the count begins again.
    world.rows(&[
        ("healthy", "idle: -"),
        ("unhealthy", "deregister: deregister"),
    ]);
}
