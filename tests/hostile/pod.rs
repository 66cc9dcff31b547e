//! The sidecar, the service beside it, and the API server.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde_json::Value;
use testkit::pod_server::{Answer, POD, PodServer, Verb};
use testkit::process::{self, Process};
use testkit::service::Service;
use testkit::{NAME, scripts};
use tokio::process::Command;

use crate::prober::{Expected, NOT_HEALTHY, OK, probe};

/// The usual limit of open descriptors.
const DESCRIPTORS: usize = 1024;

/// A low limit of open descriptors.
const FEW_DESCRIPTORS: usize = 64;

/// The limit of the address space in KiB, so that a fault kills the sidecar and not the machine.
const ADDRESS_SPACE: usize = 1 << 20;

/// The number of targets of a pod with many services.
const TARGETS: usize = 64;

/// The surroundings of the sidecar in a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Setting {
    /// The setting has one healthy service.
    Well,
    /// The setting has a healthy service under 64 names.
    Targets,
    /// The setting has a healthy service, and a limit of 64 descriptors.
    Descriptors,
    /// The setting has a healthy service that is registered at a healthy API server.
    Registered,
    /// The setting has a healthy service that is registered at an API server that answers no GET.
    ApiServerHangs,
    /// The setting has a service that accepts connections and never answers.
    ServiceHangs,
}

/// A running sidecar in its setting.
#[derive(Debug)]
pub struct Pod {
    pub sidecar: Process,
    api: Option<(PodServer, Service)>,
    _service: Service,
}

/// Returns the path of the file under test.
pub fn shipped() -> PathBuf {
    let path = std::env::var_os("MICRO_HEALTH_SHIPPED").filter(|path| !path.is_empty());
    path.expect("MICRO_HEALTH_SHIPPED must name the shipped file: run `just hostile`")
        .into()
}

// === impl Setting ===

impl Setting {
    /// Returns the expected answer of `/health`.
    pub fn health(self) -> Expected {
        if self == Self::ServiceHangs {
            NOT_HEALTHY
        } else {
            OK
        }
    }

    /// Returns the prober's address. It differs from the clients' address where these use up what one address may have.
    pub fn prober(self) -> IpAddr {
        let host = if self == Self::ServiceHangs { 2 } else { 1 };
        Ipv4Addr::new(127, 0, 0, host).into()
    }

    fn targets(self) -> usize {
        if self == Self::Targets { TARGETS } else { 1 }
    }

    fn is_registered(self) -> bool {
        matches!(self, Self::Registered | Self::ApiServerHangs)
    }
}

// === impl Pod ===

impl Pod {
    pub async fn start(setting: Setting) -> Self {
        let service = Service::start(scripts::grpc()).await;
        let descriptors = match setting {
            Setting::Descriptors => FEW_DESCRIPTORS,
            _ => DESCRIPTORS,
        };
        let mut command = limited(descriptors);
        command
            .args([
                "--health_address=127.0.0.1:0",
                "--log_format=json",
                "--protocol=grpc",
            ])
            .arg(format!("--server_name={NAME}"))
            .arg(format!("--server_address={}", service.address));
        let target = |n| format!("--target=service-{n}={}", service.address);
        command.args((1..setting.targets()).map(target));
        let api = if setting.is_registered() {
            let pod = PodServer::new();
            let api = Service::start(pod.healthy()).await;
            command
                .args(["--registry=kubernetes", "--register_jitter=0"])
                // Clients of the service get no time to notice: it would be part of every stop.
                .arg("--drain=0s")
                .arg(format!("--pod_name={POD}"))
                .arg(format!("--registry_address=http://{}", api.address));
            Some((pod, api))
        } else {
            None
        };
        let mut sidecar = Process::spawn(command).await;
        first_probe(&mut sidecar, setting.targets()).await;
        if let Some((pod, api)) = &api {
            sidecar.logged("Registered").await;
            pod.receives(1, Verb::Watch).await;
            if setting == Setting::ApiServerHangs {
                api.replace_script(
                    pod.faulty(|request| (request.verb == Verb::Get).then_some(Answer::Silence)),
                );
                pod.receives(2, Verb::Watch).await;
            }
        }
        if setting == Setting::ServiceHangs {
            service.replace_script(scripts::silent());
        }
        Self {
            sidecar,
            api,
            _service: service,
        }
    }

    /// Returns how many GETs the API server received, if there is one.
    pub fn reads(&self) -> Option<usize> {
        let (pod, _) = self.api.as_ref()?;
        Some(pod.received(Verb::Get).len())
    }

    /// Returns the peak RSS of the sidecar in KiB; `None` if it is dead.
    pub fn peak(&self) -> Option<usize> {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.sidecar.pid())).ok()?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))?;
        peak.trim().strip_suffix(" kB")?.parse().ok()
    }
}

/// Probes once and waits until every target was logged as healthy. The sidecar has then connected to the services
/// and allocated what stays.
async fn first_probe(sidecar: &mut Process, targets: usize) {
    let (from, address) = (Setting::Well.prober(), sidecar.address);
    let first = tokio::task::spawn_blocking(move || probe(from, address, "/health", OK));
    first.await.unwrap().expect("the service is well");
    let is_healthy = |line: &&Value| line["message"] == "Service is healthy";
    let mut log = sidecar.log(0).await;
    while log.iter().filter(is_healthy).count() < targets {
        log = sidecar.log(log.len() + 1).await;
    }
}

/// Returns a command that runs the shipped file with its own limits, because this process has raised those that
/// it would inherit.
fn limited(descriptors: usize) -> Command {
    let script = format!("ulimit -n {descriptors}; ulimit -v {ADDRESS_SPACE}; exec \"$0\" \"$@\"");
    let mut command = process::command("sh");
    command.args(["-c", &script]).arg(shipped());
    command
}
