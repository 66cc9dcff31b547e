//! Reports the registration, in the log and in [`Status`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{debug, error, info, warn};

use crate::cluster::Refusal;
use crate::registration::own_pod::Observation;
use crate::registration::state::State;
use crate::registration::state::service::{Phase, ServiceState};
use crate::registration::status::{End, Refused, Service, Status};
use crate::registry::plan::write::{Purpose, Standing};
use crate::registry::pod::Pod;
use crate::registry::pod_client::PodClient;
use crate::registry::rbac;

/// The state that was reported last, so that each change is logged once.
#[derive(Debug)]
pub(crate) struct Report {
    pod: String,
    namespace: String,
    ttl: Duration,
    since: SystemTime,
    was_registered: bool,
    was_stale: bool,
    services: Vec<ServiceReport>,
    view: View,
    verified: Option<SystemTime>,
    writes: BTreeMap<(&'static str, &'static str), u64>,
    written: Option<SystemTime>,
    removed: Option<SystemTime>,
    /// The refusal of the last observation.
    refusal: Option<Refusal>,
}

/// The part that concerns one service.
#[derive(Debug, Default)]
struct ServiceReport {
    standing: Option<Standing>,
    is_contested: bool,
    refusal: Option<Refusal>,
}

/// The latest observation of the pod.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum View {
    None,
    Pod,
    Absent,
}

// === impl Report ===

impl Report {
    /// Makes a report of a registration that has not begun.
    pub(crate) fn new(own: &PodClient, ttl: Duration) -> Self {
        Self {
            pod: own.name().to_owned(),
            namespace: own.namespace().to_owned(),
            ttl,
            since: SystemTime::now(),
            was_registered: false,
            was_stale: false,
            services: Vec::new(),
            view: View::None,
            verified: None,
            writes: BTreeMap::new(),
            written: None,
            removed: None,
            refusal: None,
        }
    }

    /// Reports an observation of the pod.
    pub(crate) fn observed(&mut self, observation: &Observation) {
        match observation {
            Observation::Pod(_) | Observation::Begun => {
                if self.view == View::None && self.refusal.is_some() {
                    info!(pod = self.pod, "The pod can be observed again");
                }
                // The beginning of a watch does not end an absence.
                if matches!(observation, Observation::Pod(_)) || self.view == View::None {
                    self.set_view(View::Pod);
                }
            }
            Observation::Absent => {
                if self.view != View::Absent {
                    warn!(
                        pod = self.pod,
                        namespace = self.namespace,
                        "No pod has this name; was it deleted, or is --pod_name wrong?"
                    );
                }
                self.set_view(View::Absent);
            }
            Observation::Lost(refusal) => {
                self.view = View::None;
                if !is_known(self.refusal.as_ref(), refusal) {
                    self.log_refusal(refusal, None);
                }
                self.refusal = Some(refusal.clone());
            }
        }
    }

    fn set_view(&mut self, view: View) {
        self.view = view;
        self.refusal = None;
        self.verified = Some(SystemTime::now());
    }

    fn service(&mut self, place: usize) -> &mut ServiceReport {
        if self.services.len() <= place {
            self.services.resize_with(place + 1, ServiceReport::default);
        }
        &mut self.services[place]
    }

    /// Reports the answer to a write, before the state takes it. Answers to reads are ignored.
    pub(crate) fn answered(
        &mut self,
        state: &State,
        place: usize,
        answer: &Result<Arc<Pod>, Refusal>,
    ) {
        let Some(service) = state.all().nth(place) else {
            return;
        };
        let (Phase::Writing(purpose), name) = (service.phase(), service.name()) else {
            return;
        };
        let service = self.service(place);
        let last = match answer {
            Ok(_) => service.refusal.take(),
            Err(refusal) => service.refusal.replace(refusal.clone()),
        };
        let outcome = answer.as_ref().map_or_else(Refusal::code, |_| "ok");
        *self.writes.entry((purpose.name(), outcome)).or_default() += 1;
        if purpose == Purpose::Deregister && answer.as_ref().is_err_and(Refusal::is_uncertain) {
            // The server may have removed the record just now.
            self.removed = None;
        }
        match answer {
            Ok(_) => {
                let now = Some(SystemTime::now());
                self.written = now;
                match purpose {
                    Purpose::Deregister => self.removed = now,
                    Purpose::Register => self.removed = None,
                    Purpose::Announce | Purpose::Repair => {}
                }
            }
            Err(refusal) if is_known(last.as_ref(), refusal) => {}
            Err(refusal) => self.log_refusal(refusal, Some(name)),
        }
    }

    /// Logs a refusal, with the server's sentence and the remedy.
    fn log_refusal(&self, refusal: &Refusal, service: Option<&str>) {
        if let Refusal::Forbidden(sentence) = refusal {
            let help = rbac::help(sentence, &self.namespace);
            warn!(service, "Registry request failed: {refusal}\n{help}");
        } else {
            let (pod, remedy) = (&self.pod, refusal.remedy());
            warn!(service, pod, remedy, "Registry request failed: {refusal}");
        }
    }

    /// Reports the state after an event.
    pub(crate) fn decided(&mut self, state: &State) {
        for (place, service) in state.all().enumerate() {
            let report = self.service(place);
            if report.standing.as_ref() != Some(service.standing()) {
                let before = report.standing.replace(service.standing().clone());
                log_standing(service.name(), before.as_ref(), service.standing());
            }
            let is_contested = service.rate().is_contested();
            let was_contested = std::mem::replace(&mut report.is_contested, is_contested);
            if is_contested && !was_contested {
                warn!(
                    service = service.name(),
                    key = service.rate().contested_key(),
                    times = service.rate().rewrites(),
                    "The registration does not stay: an admission webhook or a controller removes it, or another writer replaces it. Trying again every 5 minutes. If the service registers itself, start it with --registry=memory"
                );
            }
        }
        let is_registered = state.is_registered();
        if is_registered != self.was_registered {
            self.since = SystemTime::now();
            self.was_registered = is_registered;
            if is_registered {
                let services: Vec<_> = state.services().iter().map(ServiceState::name).collect();
                info!(
                    pod = self.pod,
                    namespace = self.namespace,
                    ?services,
                    "Registered"
                );
            } else {
                info!(pod = self.pod, namespace = self.namespace, "Not registered");
            }
        }
        if state.is_gone() {
            info!(pod = self.pod, "The registration has ended");
        }
    }

    /// Reports that the registration has become stale, if it has.
    pub(crate) fn tick(&mut self, state: &State) {
        let now = SystemTime::now();
        let is_stale = self.status_without_services(state).is_stale(now);
        if is_stale && !self.was_stale {
            warn!(ttl = ?self.ttl, "The registration is stale: the pod could not be observed for longer than --register_ttl");
        }
        self.was_stale = is_stale;
    }

    /// Returns the status for the pages and the metrics.
    pub(crate) fn status(&self, state: &State) -> Status {
        Status {
            services: state.services().iter().map(service_status).collect(),
            ..self.status_without_services(state)
        }
    }

    fn status_without_services(&self, state: &State) -> Status {
        let mut services = state.all();
        let refusal = services.find_map(ServiceState::refusal);
        let refusal = refusal.or(self.refusal.as_ref());
        Status {
            pod: self.pod.clone(),
            namespace: self.namespace.clone(),
            state: state.phase(),
            pending: state
                .all()
                .find_map(ServiceState::pending)
                .map(Purpose::name),
            since: self.since,
            services: Vec::new(),
            is_registered: state.is_registered(),
            end: match (state.is_gone(), state.is_ending()) {
                (true, _) => End::Over,
                (_, true) => End::Begun,
                (_, false) => End::None,
            },
            is_connected: self.view != View::None,
            verified: self.verified,
            ttl: self.ttl,
            foreign_rewrites: state.all().map(ServiceState::foreign_rewrites).sum(),
            writes: self.writes.clone(),
            written: self.written,
            removed: self.removed,
            refusal: refusal.map(|refusal| Refused {
                code: refusal.code(),
                text: refusal.to_string(),
            }),
        }
    }
}

/// Returns whether a refusal was logged already.
fn is_known(last: Option<&Refusal>, refusal: &Refusal) -> bool {
    last.is_some_and(|last| match refusal {
        // Another verb may be missing after the first was granted.
        Refusal::Forbidden(_) => last == refusal,
        refusal => last.code() == refusal.code(),
    })
}

fn service_status(service: &ServiceState) -> Service {
    let address = || {
        let node = service.entry().record.nodes().first();
        node.map(|node| node.address.clone())
    };
    let (standing, detail) = match service.standing() {
        Standing::Refused(obstacle) => ("refused", Some(obstacle.to_string())),
        _ if service.is_contested() => {
            let key = service.rate().contested_key();
            ("contested", key.map(str::to_owned))
        }
        Standing::Unknown => ("unknown", None),
        Standing::Absent => ("absent", None),
        Standing::Registered => ("registered", address()),
        Standing::Adopted { node } => ("adopted", Some(node.clone())),
    };
    Service {
        name: service.name().to_owned(),
        standing,
        detail,
    }
}

fn log_standing(service: &str, before: Option<&Standing>, now: &Standing) {
    match now {
        Standing::Refused(obstacle) => error!(service, "Not registered: {obstacle}"),
        Standing::Adopted { node } if before == Some(&Standing::Registered) => {
            warn!(
                service,
                node,
                "Another writer replaced our registration; keeping theirs because of --on_foreign=adopt"
            );
        }
        Standing::Adopted { node } => info!(service, node, "Already registered by another writer"),
        Standing::Unknown | Standing::Absent | Standing::Registered => {
            debug!(service, ?before, ?now, "The registration changed");
        }
    }
}
