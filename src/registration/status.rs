//! The status of the registration, for `/statusz`, `/metrics` and `/readyz`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;

/// The status of the registration at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// The name of the pod.
    pub pod: String,
    /// The namespace of the pod.
    pub namespace: String,
    /// The phase of the registration, such as `idle`.
    pub state: &'static str,
    /// The purpose of the write that is still to be made.
    pub pending: Option<&'static str>,
    /// The time since which the services are, or are not, registered as they should be.
    pub since: SystemTime,
    /// The services of the pod.
    pub services: Vec<Service>,
    /// The flag is true if every service is in the registry.
    pub is_registered: bool,
    /// The progress of the registration's end.
    pub end: End,
    /// The flag is true if the pod can be observed.
    pub is_connected: bool,
    /// The time at which the pod was last observed.
    pub verified: Option<SystemTime>,
    /// The time without an observation after which the registration is stale; 0 is never.
    pub ttl: Duration,
    /// The number of times that another writer replaced or removed what we wrote.
    pub foreign_rewrites: u32,
    /// The number of writes, by purpose and outcome.
    pub writes: BTreeMap<(&'static str, &'static str), u64>,
    /// The time of the last successful write.
    pub written: Option<SystemTime>,
    /// The time of the last write that removed a service, if none was registered after it.
    pub removed: Option<SystemTime>,
    /// The last refusal of the API server. `None` after the next success.
    pub refusal: Option<Refused>,
}

/// A refusal of the API server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refused {
    /// The kind of the refusal, from a closed set.
    pub code: &'static str,
    /// The whole text, which may have the API server's own sentence.
    pub text: String,
}

/// The progress of a registration's end.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum End {
    /// The registration is not ending.
    #[cfg_attr(
        all(not(feature = "kubernetes"), not(test)),
        expect(dead_code, reason = "this build has no registration")
    )]
    None,
    /// The pod is being deleted, or the sidecar stops.
    Begun,
    /// No label or annotation of ours is left on the pod, for good.
    Over,
}

/// The registration as the JSON of `/statusz` shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document<'a> {
    state: &'static str,
    doing: &'static str,
    since: String,
    verified: Option<String>,
    connected: bool,
    pod: &'a str,
    namespace: &'a str,
    services: &'a [Service],
    foreign_rewrites: u32,
    last_refusal: Option<&'a str>,
}

/// A service of the registration.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Service {
    /// The name of the service.
    pub name: String,
    /// `unknown`, `absent`, `registered`, `adopted`, `contested` or `refused`.
    pub standing: &'static str,
    /// The address of our node, the id of the adopted node, the key that does not stay, or the
    /// obstacle.
    pub detail: Option<String>,
}

// === impl Status ===

impl Status {
    /// Returns whether the pod could not be observed for longer than the TTL.
    pub fn is_stale(&self, now: SystemTime) -> bool {
        let is_old = |at: SystemTime| now.duration_since(at).is_ok_and(|age| age > self.ttl);
        !self.ttl.is_zero() && !self.is_connected && is_old(self.verified.unwrap_or(self.since))
    }

    /// Returns the status without any text of the API server or of the pod object, for clients that
    /// are not authenticated.
    #[must_use]
    pub fn public(mut self) -> Self {
        for service in &mut self.services {
            if service.standing != "registered" {
                service.detail = None;
            }
        }
        if let Some(refusal) = &mut self.refusal {
            let code = refusal.code;
            refusal.text = format!("{code}; the log has the details");
        }
        self
    }

    /// Returns whether clients may have found the service.
    pub fn was_registered(&self) -> bool {
        self.written.is_some() || self.is_registered
    }

    /// Returns the rest of this time, which clients have to notice the removal. An unknown time of
    /// the removal counts as now.
    pub fn drain_left(&self, drain: Duration, now: SystemTime) -> Duration {
        let since = self.removed.and_then(|at| now.duration_since(at).ok());
        drain.saturating_sub(since.unwrap_or_default())
    }

    /// Returns the status in one or two words.
    pub fn summary(&self, now: SystemTime) -> &'static str {
        if self.end == End::Over {
            "gone"
        } else if self.end == End::Begun {
            "ending"
        } else if self.is_stale(now) {
            "stale"
        } else if self.any("refused") {
            "refused"
        } else if self.any("contested") {
            "contested"
        } else if self.is_registered {
            "registered"
        } else if self.refusal.is_some() {
            "waiting"
        } else {
            match self.pending {
                Some("deregister") => "deregistering",
                Some(_) => "registering",
                None => "not registered",
            }
        }
    }

    fn any(&self, standing: &str) -> bool {
        let mut services = self.services.iter();
        services.any(|service| service.standing == standing)
    }

    /// Returns the status for the JSON of `/statusz`.
    pub fn document(&self, now: SystemTime) -> Document<'_> {
        let at = |at: SystemTime| humantime::format_rfc3339_millis(at).to_string();
        Document {
            state: self.summary(now),
            doing: self.state,
            since: at(self.since),
            verified: self.verified.map(at),
            connected: self.is_connected,
            pod: &self.pod,
            namespace: &self.namespace,
            services: &self.services,
            foreign_rewrites: self.foreign_rewrites,
            last_refusal: self.refusal.as_ref().map(|refusal| &*refusal.text),
        }
    }
}

/// Returns the status of a registration whose pod was last observed in 1970.
#[cfg(test)]
pub(crate) fn example() -> Status {
    Status {
        pod: "own-0".into(),
        namespace: "demo".into(),
        state: "idle",
        pending: None,
        since: SystemTime::UNIX_EPOCH,
        services: Vec::new(),
        is_registered: true,
        end: End::None,
        is_connected: false,
        verified: Some(SystemTime::UNIX_EPOCH),
        ttl: Duration::from_secs(90),
        foreign_rewrites: 0,
        writes: [(("register", "ok"), 1)].into(),
        written: None,
        removed: None,
        refusal: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_that_is_not_observed_for_longer_than_the_ttl_is_stale() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let status = example();
        assert_eq!(
            [at(90), at(91)].map(|now| status.summary(now)),
            ["registered", "stale"]
        );
        let never = Status {
            ttl: Duration::ZERO,
            ..status.clone()
        };
        assert_eq!(never.summary(at(9_000)), "registered");
        let connected = Status {
            is_connected: true,
            ..status
        };
        assert_eq!(connected.summary(at(9_000)), "registered");
    }

    #[test]
    fn the_public_status_has_no_text_of_the_api_server_or_the_pod() {
        let service = |standing| Service {
            name: "greeter".into(),
            standing,
            detail: Some("detail".into()),
        };
        let (code, text) = ("forbidden", "the account".into());
        let status = Status {
            services: ["refused", "adopted", "contested"].map(service).into(),
            refusal: Some(Refused { code, text }),
            ..example()
        };
        let public = status.public();
        assert!(public.services.iter().all(|it| it.detail.is_none()));
        assert!(!public.refusal.unwrap().text.contains("account"));
    }

    #[test]
    fn the_drain_counts_from_the_removal_and_from_now_if_its_time_is_unknown() {
        let drain = Duration::from_secs(5);
        assert_eq!(example().drain_left(drain, SystemTime::now()), drain);
        let removed = Some(SystemTime::UNIX_EPOCH);
        let status = Status {
            removed,
            ..example()
        };
        assert_eq!(status.drain_left(drain, SystemTime::now()), Duration::ZERO);
    }
}
