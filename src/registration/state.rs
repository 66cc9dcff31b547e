//! Decides what the registration does next. Pure: time, the pod and the server's answers are
//! inputs.
//!
//! Each service of the pod has a [`ServiceState`] of its own, so that a refusal or a wait of one
//! never delays another. This module has what they share: the pod as it was last read, and the end.
//!
//! | what happens                              | what follows                                     |
//! |-------------------------------------------|--------------------------------------------------|
//! | a list or a read                          | it is believed, even if its version goes back    |
//! | a watch event older than our latest write | nothing: a newer one follows                     |
//! | the answer to a write                     | it is believed, unless a list or a newer watch   |
//! |                                           | event came in between                            |
//! | stop, or the pod has a deletionTimestamp  | every service leaves every wait, and is removed  |
//! | nothing of ours is left after that        | gone: nothing is written ever again              |
//! | the pod is no more, or another pod        | gone                                             |
//! | there is no such pod yet                  | nothing: it may come. At the end: gone           |

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Refusal;
use crate::registration::state::action::Action;
use crate::registration::state::service::{Context, Phase, ServiceState};
use crate::registry::mark::Owner;
use crate::registry::plan::departed;
use crate::registry::plan::write::{Entry, OnForeign};
use crate::registry::pod::Pod;

pub(crate) mod action;
pub(crate) mod rate;
pub(crate) mod service;
mod wait;

/// The registration of one pod.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The configured services in their order, then those that were configured before.
    services: Vec<ServiceState>,
    configured: usize,
    owner: Owner,
    on_foreign: OnForeign,
    pod: Option<Arc<Pod>>,
    /// The version of the pod after our latest write since the last list. Older watch events are
    /// ignored. Versions are compared only between two lists, because etcd may be restored.
    written: Option<u64>,
    /// The number of lists and reads so far.
    lists: u32,
    /// The time limit of a removal at the end.
    limit: Duration,
    /// The time by which the removal should be over, once it has begun.
    deadline: Option<Duration>,
    /// The flag is true if there is no such pod yet.
    is_absent: bool,
    is_gone: bool,
}

/// The source of an observed pod.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// A list or a read. It is true even if its version is older than that of our own last write,
    /// because the API server's storage may have been restored.
    Read,
    /// An event of a watch. It may be from before our own last write.
    Watch,
}

/// An input of the state machine.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// The pod as it is.
    Pod(Arc<Pod>, Source),
    /// No pod of our name exists, or no longer.
    Absent,
    /// The pod of our name is another one: ours was deleted.
    Replaced,
    /// The configured services as they should stand: a verdict or a part of a record changed.
    Entries(Vec<Entry>),
    /// The server's answer to the request of the service in this place.
    Answer(usize, Result<Arc<Pod>, Refusal>),
    /// The wait of the service in this place is over.
    Due(usize),
    /// The sidecar is to stop.
    Stop,
}

/// The settings of a registration, which never change.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The sidecar that adds the nodes.
    pub owner: Owner,
    /// The value of `--on_foreign`.
    pub on_foreign: OnForeign,
    /// The longest wait before the first write.
    pub jitter: Duration,
    /// The time limit of the removal at the end.
    pub limit: Duration,
}

// === impl State ===

impl State {
    /// Makes the state before anything has happened.
    pub(crate) fn new(entries: Vec<Entry>, settings: Settings) -> Self {
        Self {
            configured: entries.len(),
            services: entries
                .into_iter()
                .map(|entry| ServiceState::new(entry, settings.jitter))
                .collect(),
            owner: settings.owner,
            on_foreign: settings.on_foreign,
            pod: None,
            written: None,
            lists: 0,
            limit: settings.limit,
            deadline: None,
            is_absent: false,
            is_gone: false,
        }
    }

    /// Returns what to do about an event, for each service. `now` is the time since any fixed
    /// moment.
    pub(crate) fn next(&mut self, event: Event, now: Duration) -> Vec<(usize, Action)> {
        if self.is_gone {
            return Vec::new();
        }
        match event {
            Event::Pod(pod, source) => self.observe(pod, source, now),
            Event::Absent if self.pod.is_none() && !self.is_ending() => self.is_absent = true,
            Event::Entries(entries) => self.set_entries(entries),
            Event::Answer(place, Ok(pod)) => {
                let lists = self.lists;
                let service = self.services.get_mut(place);
                let is_current = service.is_some_and(|service| service.accepted(lists));
                let known = self.pod.as_deref().and_then(version);
                if is_current && version(&pod) >= known {
                    self.written = version(&pod);
                    self.observe(pod, Source::Watch, now);
                }
            }
            Event::Absent
            | Event::Replaced
            | Event::Answer(_, Err(Refusal::NotFound(_) | Refusal::Replaced)) => self.lose(),
            Event::Answer(place, Err(refusal)) => {
                let ending = self.deadline;
                if let Some(service) = self.services.get_mut(place) {
                    return vec![(place, service.refused(refusal, ending, now))];
                }
            }
            Event::Due(place) => {
                let lists = self.lists;
                let service = self.services.get_mut(place);
                if let Some(action) = service.and_then(|service| service.due(lists)) {
                    return vec![(place, action)];
                }
            }
            Event::Stop => self.end(now),
        }
        self.decide(now)
    }

    /// Returns whether the registration has ended for good.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Returns whether the registration is to be removed for good.
    pub(crate) fn is_ending(&self) -> bool {
        self.deadline.is_some()
    }

    /// Returns the configured services in their order.
    pub(crate) fn services(&self) -> &[ServiceState] {
        &self.services[..self.configured]
    }

    /// Returns the configured services, and those that were configured before.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ServiceState> {
        self.services.iter()
    }

    /// Returns the name of the phase, for the status page and its JSON.
    pub(crate) fn phase(&self) -> &'static str {
        if self.is_gone {
            return "gone";
        }
        if self.pod.is_none() {
            return "unseen";
        }
        let mut services = self.services.iter().map(ServiceState::phase);
        let busy = services.find(|phase| *phase != Phase::Idle);
        busy.unwrap_or(Phase::Idle).name()
    }

    /// Returns whether the pod, as it was last read, carries every configured service.
    pub(crate) fn is_registered(&self) -> bool {
        self.services().iter().all(ServiceState::is_registered)
    }

    /// Replaces the configured services. A plan follows at the next event.
    pub(crate) fn set_entries(&mut self, entries: Vec<Entry>) {
        let is_ending = self.is_ending();
        for (service, mut entry) in self.services.iter_mut().zip(entries) {
            if is_ending {
                entry.wanted = Some(false);
            }
            service.set_entry(entry);
        }
    }

    fn observe(&mut self, pod: Arc<Pod>, source: Source, now: Duration) {
        if let Some(known) = &self.pod {
            if known.metadata.uid != pod.metadata.uid {
                self.lose();
                return;
            }
            // Versions of one object can be compared as numbers since Kubernetes 1.35.
            if source == Source::Watch && version(&pod) < self.written {
                return;
            }
        }
        if source == Source::Read {
            self.written = None;
            self.lists = self.lists.wrapping_add(1);
        }
        let names = self.services.iter().map(ServiceState::name);
        let known: Vec<_> = names.collect();
        let departed = departed(&pod, &self.owner, &known);
        let more = departed
            .into_iter()
            .map(|entry| ServiceState::new(entry, Duration::ZERO));
        let more: Vec<_> = more.collect();
        self.services.extend(more);
        if pod.is_terminating() && !self.is_ending() {
            self.end(now);
        }
        self.pod = Some(pod);
        self.is_absent = false;
    }

    /// Ends the registration, because the pod does not exist any more.
    fn lose(&mut self) {
        self.is_gone = true;
        self.services.iter_mut().for_each(ServiceState::lose);
    }

    /// Begins the end, or gives it a new deadline.
    fn end(&mut self, now: Duration) {
        if self.is_absent {
            self.lose();
        }
        if self.deadline.replace(now + self.limit).is_none() {
            for service in &mut self.services {
                service.end();
            }
        }
    }

    fn decide(&mut self, now: Duration) -> Vec<(usize, Action)> {
        let Some(pod) = self.pod.clone().filter(|_| !self.is_gone) else {
            return Vec::new();
        };
        let mut context = Context {
            pod: &pod,
            on_foreign: self.on_foreign,
            is_ending: self.is_ending(),
            is_departing: false,
            lists: self.lists,
            now,
        };
        let (configured, departed) = self.services.split_at_mut(self.configured);
        let mut actions = Vec::new();
        for (place, service) in (self.configured..).zip(&mut *departed) {
            actions.extend(service.decide(&context).map(|action| (place, action)));
        }
        let mut phases = departed.iter().map(ServiceState::phase);
        context.is_departing = phases.any(|phase| matches!(phase, Phase::Writing(_)));
        for (place, service) in configured.iter_mut().enumerate() {
            actions.extend(service.decide(&context).map(|action| (place, action)));
        }
        // Removals go first: clients should not be led to an unhealthy service.
        actions.sort_by_key(
            |(_, action)| !matches!(action, Action::Write(write, _) if write.is_removal()),
        );
        self.is_gone |= self.is_ending() && self.services.iter().all(ServiceState::is_over);
        actions
    }
}

/// Returns the version of the pod.
fn version(pod: &Pod) -> Option<u64> {
    pod.metadata.resource_version.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests;
