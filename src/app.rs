//! The sidecar's run: binding the port, serving and stopping.

use std::future::pending;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::{join_all, select_all};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::oneshot;
use tokio::{runtime, time};
use tracing::{error, info, warn};

use crate::check::Target;
use crate::check::monitor::Monitor;
use crate::check::server_address::ServerAddress;
use crate::check::target::Settings;
use crate::check::targets::Targets;
use crate::flags::notice::Notice;
use crate::net::endpoint::Endpoint;
use crate::server::{Server, process};

use self::args::{Args, Configuration};
use self::pod_registration::PodRegistration;

pub mod args;
pub(crate) mod environment;
pub(crate) mod go_micro;
pub(crate) mod log;
pub(crate) mod options;
mod pod_registration;
mod service;
pub(crate) mod signals;

/// The sidecar, with its port bound.
#[derive(Debug)]
pub struct App {
    server: Server,
    monitors: Arc<[Monitor]>,
    address: SocketAddr,
    args: Args,
    in_pod: bool,
    registration: PodRegistration,
}

/// The reason why the sidecar ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExitReason {
    /// A signal stopped the sidecar.
    Stopped,
    /// A service failed `--exit_after_failures` checks in a row.
    ServiceFailed(NonZeroU8),
}

/// The kubelet's default probe timeout: it discards a later answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the sidecar until a signal stops it.
///
/// # Errors
///
/// Fails if the port cannot be bound, or on a second signal.
pub(crate) fn run(configuration: Configuration) -> anyhow::Result<ExitReason> {
    configuration.notices.iter().for_each(Notice::log);
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().context("cannot start")?;
    let ended = runtime.block_on(async {
        // Listens for signals first: process 1 loses a signal that it does not listen for.
        let mut signals = std::pin::pin!(signals::listen()?);
        match bind_unless_stopped(App::bind(configuration), &mut signals).await? {
            Some(app) => app.run(signals).await,
            None => Ok(ExitReason::Stopped),
        }
    });
    // A DNS lookup that hangs must not delay the exit.
    runtime.shutdown_background();
    ended
}

/// Binds the port, or returns `None` once a signal arrives. A DNS lookup may take long, and no
/// request is in flight yet.
async fn bind_unless_stopped<A>(
    bind: impl Future<Output = anyhow::Result<A>>,
    signals: &mut (impl Stream<Item = &'static str> + Unpin),
) -> anyhow::Result<Option<A>> {
    tokio::select! {
        biased;
        Some(signal) = signals.next() => {
            info!(signal, "Stopping before the port is bound");
            Ok(None)
        }
        app = bind => app.map(Some),
    }
}

// === impl ExitReason ===

impl ExitReason {
    /// Returns the exit code of the process.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Stopped => ExitCode::SUCCESS,
            Self::ServiceFailed(code) => ExitCode::from(code.get()),
        }
    }
}

// === impl App ===

impl App {
    /// Binds the port. Does not check the target: a target that is not up yet is unhealthy, not
    /// an error.
    ///
    /// # Errors
    ///
    /// Fails if the port cannot be bound, or if a TLS file cannot be used. The error names it.
    pub async fn bind(configuration: Configuration) -> anyhow::Result<Self> {
        // The first call sets the start time, so it must not be the first scrape.
        process::started();
        let Configuration {
            args,
            hint,
            environment,
            notices: _,
        } = configuration;
        let settings = Settings {
            hint,
            ..Settings::default()
        };
        let settings = service::with_resolver(settings, &args, &environment).await?;
        let targets = Targets::new(&args.target, &args.targets, &settings)?;
        let monitor = |target: &Arc<Target>| Monitor::new(Arc::clone(target), args.monitor.clone());
        let monitors: Arc<[Monitor]> = targets.all().iter().map(monitor).collect();
        let registration = PodRegistration::new(&args, &monitors, &environment).await?;
        let server = Server::bind(
            &args.server,
            targets,
            Arc::clone(&monitors),
            registration.for_server(),
        )
        .await
        .with_context(|| {
            format!(
                "cannot listen on --health_address={}",
                args.server.health_address
            )
        })?;
        let address = server
            .local_addr()
            .context("cannot read the listening address")?;
        Ok(Self {
            server,
            monitors,
            address,
            args,
            in_pod: environment.is_pod(),
            registration,
        })
    }

    /// Returns the address that answers probes.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers probes until the first signal, then finishes requests in flight within the grace
    /// period. A second signal ends it at once.
    ///
    /// # Errors
    ///
    /// Fails on a second signal.
    pub async fn run(
        self,
        signals: impl Stream<Item = &'static str>,
    ) -> anyhow::Result<ExitReason> {
        tokio::pin!(signals);
        self.log_configuration();
        let Self {
            server,
            monitors,
            args,
            mut registration,
            ..
        } = self;
        let options::Options {
            grace_period,
            drain: _,
            exit_after_failures,
            exit_code,
        } = args.app;
        let grace_period = grace_period.0;
        let (stop, stopped) = oneshot::channel::<()>();
        let handler = server.handler();
        let serve = server.run(async {
            let _ = stopped.await;
        });
        let registering = registration.run(Arc::clone(&handler));
        let serve = async {
            tokio::select! {
                () = serve => {}
                _ = join_all(monitors.iter().map(Monitor::run)) => {}
                () = registering => {}
            }
        };
        tokio::pin!(serve);
        let ended = tokio::select! {
            signal = signals.next() => {
                info!(signal, ?grace_period, "Stopping");
                ExitReason::Stopped
            }
            name = failed(&monitors, exit_after_failures) => {
                error!(service = name, failures = exit_after_failures, %exit_code, "Exiting because the service failed --exit_after_failures checks in a row");
                ExitReason::ServiceFailed(exit_code)
            }
            () = &mut serve => bail!("the server ended unexpectedly"),
        };
        let leave = async {
            handler.drain();
            registration.leave().await;
            let _ = stop.send(());
        };
        let finish = async { tokio::join!(serve, leave) };
        tokio::select! {
            finished = time::timeout(grace_period, finish) => {
                if finished.is_err() {
                    warn!(?grace_period, "Grace period ended; stopping before all work has finished");
                }
                Ok(ended)
            }
            Some(signal) = signals.next() => bail!("stopped at once by a second {signal}"),
        }
    }

    fn log_configuration(&self) {
        let target = &self.args.target;
        let loopback = self.address.ip().is_loopback();
        info!(
            health_address = %self.address,
            reachable_from = if loopback { "this machine" } else { "the network" },
            server_name = %target.server_name.0,
            server_address = %target.server_address,
            protocol = target.protocol.name(),
            tls = target.tls.describe(),
            check_timeout = %target.check_timeout,
            "Answering probes"
        );
        if loopback && self.in_pod {
            warn!(
                "The kubelet cannot reach {}: set --health_address=0.0.0.0:{}",
                self.address,
                self.address.port()
            );
        }
        if target.check_timeout.0 >= PROBE_TIMEOUT {
            warn!(
                check_timeout = %target.check_timeout,
                "The kubelet's default timeoutSeconds of 1 is not above --check_timeout: raise timeoutSeconds, or lower --check_timeout"
            );
        }
        if target.tls.tls_no_verify {
            warn!(
                "--tls_no_verify is set, so any server at --server_address is accepted as the service: prefer --tls_ca_cert"
            );
        }
        if service::is_service(target) {
            warn!(
                "{} may be this pod's own Service: use it only to gate pods that depend on that Service. As this pod's own readiness probe it never becomes ready, and as its liveness probe it restarts this pod for another replica's failure",
                target.server_address
            );
        }
        if let ServerAddress::Endpoint(Endpoint::Tcp(address)) = &target.server_address
            && address.port == self.address.port()
            && (loopback || self.address.ip().is_unspecified())
        {
            let dialled = address.dial_addresses().unwrap_or_default();
            if dialled.iter().any(|dialled| dialled.ip().is_loopback()) {
                warn!(
                    "--server_address={} is the sidecar's own address, so it would check itself: set the service's port",
                    target.server_address
                );
            }
        }
    }
}

/// Returns the name of the first service that has failed this many checks in a row. Never returns
/// for 0, because then nothing is monitored.
async fn failed(monitors: &[Monitor], failures: u32) -> &str {
    if failures == 0 {
        return pending().await;
    }
    let failed = monitors.iter().map(|monitor| {
        let mut record = monitor.subscribe();
        async move {
            let _ = record.wait_for(|record| record.failures >= failures).await;
            monitor.target().name()
        }
        .boxed()
    });
    select_all(failed).await.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_signal_ends_a_start_that_hangs() {
        let hangs = pending::<anyhow::Result<()>>();
        let mut signals = stream::iter(["SIGTERM"]);
        let bound = timeout(PATIENCE, bind_unless_stopped(hangs, &mut signals)).await;
        assert!(bound.unwrap().unwrap().is_none());
    }

    #[tokio::test]
    async fn a_start_without_a_signal_goes_on() {
        let bind = async { Ok(7) };
        let bound = bind_unless_stopped(bind, &mut stream::pending()).await;
        assert_eq!(bound.unwrap(), Some(7));
        let refused = async { bail!("taken") };
        let bound: anyhow::Result<Option<()>> =
            bind_unless_stopped(refused, &mut stream::empty()).await;
        assert!(bound.is_err());
    }
}
