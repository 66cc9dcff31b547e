//! The content of `/metrics`, as Prometheus text.
//!
//! Labels come from the configuration and from closed sets, never from a request, so that no client
//! can create a series.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::check::record::{BUCKETS, Record};
use crate::registration::status;
use crate::server::process::Process;

use self::encode::{add, counter, gauge, unix_seconds};

mod encode;
mod registration;

/// The type of the body: the classic text format, which every scraper reads.
pub(crate) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The values of all metrics at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The targets.
    pub targets: Vec<Target>,
    /// Requests answered so far.
    pub requests: Requests,
    /// The values of this process. `None` if /proc is not mounted.
    pub process: Option<Process>,
    /// The registration, if there is one.
    pub registration: Option<status::Status>,
}

/// The values of one target.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The name of the target.
    pub name: String,
    /// The protocol that it was found to speak.
    pub protocol: &'static str,
    /// The end of the certificate's validity, if the target has presented one.
    pub certificate_expiry: Option<SystemTime>,
    /// The record of the target's checks.
    pub record: Record,
}

/// Requests by route, status and client.
pub(crate) type Requests = BTreeMap<(&'static str, u16, Client), u64>;

/// The client of a request, by the beginning of its user agent.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Client {
    /// `kube-probe/1.36`.
    Kubelet,
    /// `Prometheus/3.0`.
    Prometheus,
    /// A client with any other user agent, or with none.
    Other,
}

/// Returns the text.
pub(crate) fn text(snapshot: Snapshot) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = text::encode_registry(&mut text, &registry);
    text
}

// === impl Client ===

impl Client {
    /// Returns the client that has this user agent.
    pub(crate) fn of(agent: Option<&[u8]>) -> Self {
        match agent.unwrap_or_default() {
            agent if agent.starts_with(b"kube-probe/") => Self::Kubelet,
            agent if agent.starts_with(b"Prometheus/") => Self::Prometheus,
            _ => Self::Other,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Kubelet => "kubelet",
            Self::Prometheus => "prometheus",
            Self::Other => "other",
        }
    }
}

// === impl Snapshot ===

impl Collector for Snapshot {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        encode_build(&mut to)?;
        self.encode_targets(&mut to)?;
        self.encode_requests(&mut to)?;
        if let Some(status) = &self.registration {
            registration::encode(status, &mut to)?;
        }
        self.process
            .as_ref()
            .map_or(Ok(()), |process| encode_process(process, &mut to))
    }
}

impl Snapshot {
    fn encode_targets(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut healthy = gauge(
            to,
            "health_sidecar_target_healthy",
            "Whether the latest check was healthy",
        )?;
        for Target {
            name,
            protocol,
            record,
            ..
        } in &self.targets
        {
            if let Some(latest) = &record.latest {
                let labels = [("target", name.as_str()), ("protocol", protocol)];
                healthy
                    .encode_family(&labels)?
                    .encode_gauge(&i64::from(latest.verdict.is_ok()))?;
            }
        }
        let mut checks = counter(
            to,
            "health_sidecar_checks_total",
            "Checks by result: ok, or the reason",
        )?;
        for Target { name, record, .. } in &self.targets {
            for (result, count) in &record.results {
                add(&mut checks, &[("target", name), ("result", result)], *count)?;
            }
        }
        let mut transitions = counter(
            to,
            "health_sidecar_state_transitions_total",
            "Changes of the verdict",
        )?;
        for Target { name, record, .. } in &self.targets {
            for (state, count) in ["healthy", "unhealthy"].into_iter().zip(record.transitions) {
                add(&mut transitions, &[("target", name), ("to", state)], count)?;
            }
        }
        let help = "Unhealthy checks since the last healthy one";
        let mut failures = gauge(to, "health_sidecar_consecutive_failures", help)?;
        for Target { name, record, .. } in &self.targets {
            failures
                .encode_family(&[("target", name.as_str())])?
                .encode_gauge(&record.consecutive_failures)?;
        }
        self.encode_times(
            to,
            "health_sidecar_last_success_timestamp_seconds",
            "When a check was last healthy",
            |target| target.record.last_success,
        )?;
        self.encode_times(
            to,
            "health_sidecar_tls_certificate_expiry_timestamp_seconds",
            "When the certificate expires that the service presented last",
            |target| target.certificate_expiry,
        )?;
        self.encode_durations(to)
    }

    /// Writes a time of each target that has one.
    fn encode_times(
        &self,
        to: &mut DescriptorEncoder<'_>,
        name: &'static str,
        help: &str,
        time: fn(&Target) -> Option<SystemTime>,
    ) -> fmt::Result {
        let mut times = gauge(to, name, help)?;
        for target in &self.targets {
            if let Some(at) = time(target) {
                times
                    .encode_family(&[("target", target.name.as_str())])?
                    .encode_gauge(&unix_seconds(at))?;
            }
        }
        Ok(())
    }

    fn encode_durations(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (name, help) = (
            "health_sidecar_check_duration_seconds",
            "Time that a check took",
        );
        let mut durations = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for Target { name, record, .. } in &self.targets {
            let bounds = BUCKETS.into_iter().chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(record.durations).collect();
            let (sum, count) = (record.total.as_secs_f64(), record.durations.iter().sum());
            durations
                .encode_family(&[("target", name.as_str())])?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
        Ok(())
    }

    fn encode_requests(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut requests = counter(
            to,
            "health_sidecar_http_requests_total",
            "Requests answered",
        )?;
        for ((path, code, client), count) in &self.requests {
            let code = code.to_string();
            add(
                &mut requests,
                &[("path", path), ("code", &code), ("client", client.label())],
                *count,
            )?;
        }
        Ok(())
    }
}

fn encode_build(to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let labels = [
        ("version", env!("CARGO_PKG_VERSION")),
        ("commit", env!("MICRO_HEALTH_COMMIT")),
    ];
    let mut build = gauge(
        to,
        "health_sidecar_build_info",
        "Version and commit of the build, always 1",
    )?;
    build.encode_family(&labels)?.encode_gauge(&1)
}

fn encode_process(process: &Process, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
    gauge(to, "process_resident_memory_bytes", "Resident memory")?
        .encode_gauge(&process.resident_bytes)?;
    gauge(to, "process_open_fds", "Open file descriptors")?.encode_gauge(&process.open_fds)?;
    let started = unix_seconds(process.started);
    gauge(to, "process_start_time_seconds", "When the process started")?.encode_gauge(&started)?;
    let help = "User and system time spent";
    counter(to, "process_cpu_seconds_total", help)?.encode_gauge(&process.cpu_seconds)
}

#[cfg(test)]
mod tests;
