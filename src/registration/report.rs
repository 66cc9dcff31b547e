//! Reports the registration, in the log and in [`Status`].

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use tracing::{debug, error, info, warn};

use crate::cluster::Refusal;
use crate::registration::own_pod::Observation;
use crate::registration::records::RecordBuilder;
use crate::registration::state::{Phase, State};
use crate::registration::status::{End, Service, Status};
use crate::registry::plan::write::{Purpose, Standing, Write};
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
    rounds: u32,
    standings: Vec<Standing>,
    view: View,
    verified: Option<SystemTime>,
    writing: Option<Purpose>,
    writes: BTreeMap<(&'static str, &'static str), u64>,
    written: Option<SystemTime>,
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
            rounds: 0,
            standings: Vec::new(),
            view: View::None,
            verified: None,
            writing: None,
            writes: BTreeMap::new(),
            written: None,
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
                self.refused(refusal);
            }
        }
    }

    fn set_view(&mut self, view: View) {
        self.view = view;
        self.refusal = None;
        self.verified = Some(SystemTime::now());
    }

    /// Reports a write that is sent.
    pub(crate) fn writing(&mut self, write: &Write) {
        debug!(purpose = write.purpose.name(), keys = ?write.patch.keys(), "Writing the registration");
        self.writing = Some(write.purpose);
    }

    /// Reports the answer to a write. Answers to reads are ignored.
    pub(crate) fn answered(&mut self, answer: &Result<Box<Pod>, Refusal>) {
        let Some(purpose) = self.writing.take() else {
            return;
        };
        let outcome = answer.as_ref().map_or_else(Refusal::code, |_| "ok");
        *self.writes.entry((purpose.name(), outcome)).or_default() += 1;
        match answer {
            Ok(_) => {
                self.written = Some(SystemTime::now());
                self.refusal = None;
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Logs a refusal if it is a new one, with the server's sentence and the remedy.
    fn refused(&mut self, refusal: &Refusal) {
        let is_known = self.refusal.as_ref().is_some_and(|last| match refusal {
            // Another verb may be missing after the first was granted.
            Refusal::Forbidden(_) => last == refusal,
            refusal => last.code() == refusal.code(),
        });
        if is_known {
            return;
        }
        match refusal {
            Refusal::Forbidden(sentence) => {
                let help = rbac::help(sentence, &self.namespace);
                warn!("Registry request failed: {refusal}\n{help}");
            }
            refusal => warn!(
                pod = self.pod,
                remedy = refusal.remedy(),
                "Registry request failed: {refusal}"
            ),
        }
        self.refusal = Some(refusal.clone());
    }

    /// Reports the state after an event.
    pub(crate) fn decided(&mut self, state: &State, records: &RecordBuilder) {
        if self.standings != state.standings {
            let none = Standing::Unknown;
            let before = self.standings.iter().chain(std::iter::repeat(&none));
            for ((name, now), before) in records.names().zip(&state.standings).zip(before) {
                if before != now {
                    log_standing(name, before, now);
                }
            }
            self.standings.clone_from(&state.standings);
        }
        let is_registered = state.is_registered();
        if is_registered != self.was_registered {
            self.since = SystemTime::now();
            self.was_registered = is_registered;
            if is_registered {
                info!(pod = self.pod, namespace = self.namespace, services = ?records.names().collect::<Vec<_>>(), "Registered");
            } else {
                info!(pod = self.pod, namespace = self.namespace, "Not registered");
            }
        }
        if state.tolerates_foreign_writer() && state.rounds != self.rounds {
            warn!(
                pod = self.pod,
                "Another writer keeps registering this unhealthy service; no longer removing it. If the service registers itself, start it with --registry=memory"
            );
        }
        self.rounds = state.rounds;
        if state.phase == Phase::Gone {
            info!(pod = self.pod, "The registration has ended");
        }
    }

    /// Reports that the registration has become stale, if it has.
    pub(crate) fn tick(&mut self, state: &State) {
        let now = SystemTime::now();
        if self.view != View::None {
            self.verified = Some(now);
        }
        let is_stale = self.status_without_services(state).is_stale(now);
        if is_stale && !self.was_stale {
            warn!(ttl = ?self.ttl, "The registration is stale: the pod could not be observed for longer than --register_ttl");
        }
        self.was_stale = is_stale;
    }

    /// Returns the status for the pages and the metrics.
    pub(crate) fn status(&self, state: &State, records: &RecordBuilder) -> Status {
        let services = records
            .names()
            .zip(&state.standings)
            .zip(&state.entries)
            .map(|((name, standing), entry)| {
                let node = entry.record.nodes.iter().flatten().next();
                let (standing, detail) = match standing {
                    Standing::Unknown => ("unknown", None),
                    Standing::Absent => ("absent", None),
                    Standing::Registered => ("registered", node.map(|node| node.address.clone())),
                    Standing::Adopted { node } => ("adopted", Some(node.clone())),
                    Standing::Refused(taken) => ("refused", Some(taken.to_string())),
                };
                let name = name.to_owned();
                Service {
                    name,
                    standing,
                    detail,
                }
            });
        Status {
            services: services.collect(),
            ..self.status_without_services(state)
        }
    }

    fn status_without_services(&self, state: &State) -> Status {
        Status {
            pod: self.pod.clone(),
            namespace: self.namespace.clone(),
            state: state.phase.name(),
            pending: state.pending().map(Purpose::name),
            since: self.since,
            services: Vec::new(),
            is_registered: state.is_registered(),
            end: match (state.phase, state.ending) {
                (Phase::Gone, _) => End::Over,
                (_, true) => End::Begun,
                (_, false) => End::None,
            },
            is_connected: self.view != View::None,
            verified: self.verified,
            ttl: self.ttl,
            foreign_rewrites: state.foreign_rewrites,
            writes: self.writes.clone(),
            written: self.written,
            refusal: self.refusal.as_ref().map(ToString::to_string),
        }
    }
}

fn log_standing(service: &str, before: &Standing, now: &Standing) {
    match now {
        Standing::Refused(taken) => error!(service, "Not registered: {taken}"),
        Standing::Adopted { node } if *before == Standing::Registered => {
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
