//! The steps of a world: what arrives, and the events of the environment.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::world::{Sidecar, Slot, Strips, World, merge, observed, record};
use crate::cluster::{Denial, Refusal};
use crate::registration::state::{Event, Source};
use crate::registry::scheme::{LABEL_VALUE, Scheme};

// === impl World ===

impl World {
    /// Returns every world that may follow.
    pub(super) fn steps(&self) -> Vec<Self> {
        let mut next = Vec::new();
        for place in 0..self.sidecars.len() {
            let Sidecar {
                watch,
                is_lost,
                slots,
                ..
            } = &self.sidecars[place];
            if *is_lost {
                next.push(self.after(format!("{place} lists"), |world| world.list(place)));
            }
            if !watch.is_empty() {
                next.push(self.after(format!("{place} hears"), |world| world.hear(place)));
            }
            let due = self.earliest_due();
            for (service, slot) in slots {
                let service = *service;
                match slot {
                    Slot::Sent(write, _) => {
                        let name = format!("{place} writes {} {service}", write.purpose.name());
                        next.push(self.after(name, |world| world.apply(place, service)));
                    }
                    Slot::Applied(_) | Slot::Reading => {
                        let name = format!("{place} is answered {service}");
                        next.push(self.after(name, |world| world.answer(place, service)));
                    }
                    Slot::Waiting(due_here) if Some(*due_here) == due => {
                        let name = format!("{place} is due {service}");
                        next.push(self.after(name, |world| world.due(place, service)));
                    }
                    Slot::Waiting(_) => {}
                }
            }
        }
        if self.budget > 0 {
            self.events(&mut next);
        }
        next
    }

    fn after(&self, step: String, change: impl FnOnce(&mut Self)) -> Self {
        let mut world = self.clone();
        world.trace.push(step);
        change(&mut world);
        world
    }

    /// Adds the worlds after each event of the environment.
    fn events(&self, next: &mut Vec<Self>) {
        let mut event = |name: String, change: &dyn Fn(&mut Self)| {
            next.push(self.after(name, |world| {
                world.budget -= 1;
                change(world);
            }));
        };
        for (place, sidecar) in self.sidecars.iter().enumerate() {
            for service in 0..sidecar.wanted.len() {
                let verdict = sidecar.wanted[service] != Some(true);
                event(format!("{place} verdict {service} {verdict}"), &|world| {
                    world.verdict(place, service, verdict);
                });
            }
            for (service, slot) in &sidecar.slots {
                match slot {
                    Slot::Sent(..) => {
                        for refusal in refusals() {
                            let name = format!("{place} is refused {service} {}", refusal.code());
                            event(name, &|world| world.refuse(place, *service, &refusal));
                        }
                    }
                    Slot::Applied(_) => {
                        event(format!("{place} answer {service} is lost"), &|world| {
                            world.refuse(place, *service, &Refusal::Unreachable("lost".into()));
                        });
                    }
                    Slot::Reading | Slot::Waiting(_) => {}
                }
            }
            if !sidecar.watch.is_empty() {
                event(format!("{place} watch is lost"), &|world| {
                    world.sidecars[place].watch.clear();
                    world.sidecars[place].is_lost = true;
                });
            }
            event(format!("{place} stops"), &|world| {
                world.give(place, Event::Stop);
            });
            event(format!("{place} restarts"), &|world| {
                world.sidecars[place] = world.scenario.sidecar(place);
            });
        }
        if self.pod.as_ref().is_some_and(|pod| !pod.is_terminating()) {
            event("another writer registers".into(), &|world| {
                world.change(foreign);
            });
            event("everything is wiped".into(), &|world| world.change(wipe));
            event("the pod is being deleted".into(), &|world| {
                world.change(|metadata| {
                    let at = Time("2026-11-21T00:00:00Z".parse().unwrap());
                    metadata.deletion_timestamp = Some(at);
                });
            });
        }
        for strips in [Strips::Nothing, Strips::Marks, Strips::Records] {
            if strips != self.strips {
                event(format!("a webhook strips {strips:?}"), &|world| {
                    world.strips = strips;
                });
            }
        }
        event("the pod is replaced".into(), &|world| {
            world.change(|metadata| metadata.uid = Some("v".into()));
        });
        event("the backup is restored".into(), &|world| {
            world.pod = Some(Arc::clone(&world.backup));
            for sidecar in &mut world.sidecars {
                sidecar.watch.clear();
                sidecar.is_lost = true;
            }
        });
    }

    pub(super) fn earliest_due(&self) -> Option<Duration> {
        let slots = self
            .sidecars
            .iter()
            .flat_map(|sidecar| sidecar.slots.values());
        let waits = slots.filter_map(|slot| match slot {
            Slot::Waiting(due) => Some(*due),
            _ => None,
        });
        waits.min()
    }

    pub(super) fn list(&mut self, place: usize) {
        let sidecar = &mut self.sidecars[place];
        sidecar.is_lost = false;
        sidecar.watch.clear();
        let event = self
            .pod
            .as_ref()
            .map_or(Event::Absent, |pod| observed(pod, Source::Read));
        self.give(place, event);
    }

    pub(super) fn hear(&mut self, place: usize) {
        if let Some(pod) = self.sidecars[place].watch.pop_front() {
            self.give(place, observed(&pod, Source::Watch));
        }
    }

    /// Lets a write reach the server.
    pub(super) fn apply(&mut self, place: usize, service: usize) {
        let Some(Slot::Sent(write, uid)) = self.sidecars[place].slots.remove(&service) else {
            return;
        };
        let is_same = |pod: &Arc<_>| {
            let pod: &crate::registry::pod::Pod = pod;
            pod.metadata.uid.as_deref() == Some(&uid)
        };
        if !self.pod.as_ref().is_some_and(is_same) {
            self.give(place, Event::Answer(service, Err(Refusal::Replaced)));
            return;
        }
        let (strips, stripped) = (self.strips, self.scenario.stripped());
        self.change(|metadata| {
            merge(&mut metadata.labels, &write.patch.labels);
            merge(&mut metadata.annotations, &write.patch.annotations);
            let annotations = metadata.annotations.get_or_insert_default();
            annotations.retain(|key, _| match strips {
                Strips::Nothing => true,
                Strips::Marks => !key.starts_with("registration."),
                Strips::Records => !stripped.is_annotation(key),
            });
        });
        let pod = self.pod.clone().expect("the server must have the pod");
        self.sidecars[place]
            .slots
            .insert(service, Slot::Applied(pod));
    }

    pub(super) fn answer(&mut self, place: usize, service: usize) {
        let slot = self.sidecars[place].slots.remove(&service);
        let answer = match (slot, &self.pod) {
            (Some(Slot::Applied(pod)), _) => Ok(pod),
            (_, Some(pod)) if pod.metadata.uid.as_deref() == Some("u") => Ok(Arc::clone(pod)),
            _ => Err(Refusal::Replaced),
        };
        self.give(place, Event::Answer(service, answer));
    }

    pub(super) fn due(&mut self, place: usize, service: usize) {
        if let Some(Slot::Waiting(due)) = self.sidecars[place].slots.remove(&service) {
            self.now = self.now.max(due);
            self.give(place, Event::Due(service));
        }
    }

    pub(super) fn refuse(&mut self, place: usize, service: usize, refusal: &Refusal) {
        self.sidecars[place].slots.remove(&service);
        self.give(place, Event::Answer(service, Err(refusal.clone())));
    }

    fn verdict(&mut self, place: usize, service: usize, verdict: bool) {
        let sidecar = &mut self.sidecars[place];
        sidecar.wanted[service] = Some(verdict);
        let entries = self.scenario.entries(place, &sidecar.wanted);
        self.give(place, Event::Entries(entries));
    }
}

fn refusals() -> Vec<Refusal> {
    let busy = |seconds: Option<u64>| Refusal::Unavailable {
        status: StatusCode::TOO_MANY_REQUESTS,
        retry_after: seconds.map(Duration::from_secs),
        message: "".into(),
    };
    vec![
        Refusal::Unauthorized,
        Refusal::Forbidden("no".into()),
        Refusal::Policy(Denial::Policy("no".into())),
        Refusal::Conflict,
        Refusal::Invalid("no".into()),
        busy(Some(45)),
        busy(None),
    ]
}

/// Registers the service at our address, as a Go service does by itself.
fn foreign(metadata: &mut ObjectMeta) {
    let keys = Scheme::MicroMu.keys("greeter").unwrap();
    let labels = metadata.labels.get_or_insert_default();
    for key in [keys.type_label, &keys.selector_label] {
        labels.insert(key.to_owned(), LABEL_VALUE.to_owned());
    }
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(
        keys.annotation,
        record("greeter", &["greeter-go"]).to_json(),
    );
}

fn wipe(metadata: &mut ObjectMeta) {
    let is_ours = |key: &String| key.contains("micro");
    metadata
        .labels
        .get_or_insert_default()
        .retain(|key, _| !is_ours(key));
    metadata
        .annotations
        .get_or_insert_default()
        .retain(|key, _| !is_ours(key));
}
