//! What runs: bind, run, stop.

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

use self::args::{Args, Understood};
use self::registered::Registered;

pub mod args;
pub mod environment;
pub mod go_micro;
pub mod log;
pub mod options;
mod registered;
mod service;
pub mod signals;

/// The sidecar, holding its port.
#[derive(Debug)]
pub struct App {
    server: Server,
    monitors: Arc<[Monitor]>,
    address: SocketAddr,
    args: Args,
    in_pod: bool,
    registered: Registered,
}

/// Why the sidecar ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// A service failed `--exit_after_failures` checks in a row.
    GaveUp(NonZeroU8),
}

/// The kubelet's default patience: an answer that comes later is not seen.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the sidecar until it is told to stop.
///
/// # Errors
///
/// A port that cannot be listened on, and a second signal.
pub fn run(understood: Understood) -> anyhow::Result<Ended> {
    understood.notices.iter().for_each(Notice::log);
    let mut runtime = runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().context("cannot start")?;
    let ended = runtime.block_on(async {
        // First of all: process 1 loses a signal that it does not listen for.
        let mut signals = std::pin::pin!(signals::listen()?);
        match bind_unless_stopped(App::bind(understood), &mut signals).await? {
            Some(app) => app.run(signals).await,
            None => Ok(Ended::Stopped),
        }
    });
    // A resolver that hangs must not hold up the exit.
    runtime.shutdown_background();
    ended
}

/// Awaits the port, or nothing once a signal has come: a lookup may take long, and there is
/// nothing yet to finish.
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

/// Logs why the sidecar could not run.
pub fn could_not_run(error: &anyhow::Error) -> ExitCode {
    error!("{error:#}");
    ExitCode::FAILURE
}

// === impl Ended ===

impl Ended {
    /// What the process ends with.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Stopped => ExitCode::SUCCESS,
            Self::GaveUp(code) => ExitCode::from(code.get()),
        }
    }
}

// === impl App ===

impl App {
    /// Takes the port. Does not ask the target: one that is not up yet is unhealthy,
    /// not an error.
    ///
    /// # Errors
    ///
    /// A port that cannot be listened on, or a file of TLS that cannot be used, named.
    pub async fn bind(understood: Understood) -> anyhow::Result<Self> {
        // The first call decides, and not the first scrape.
        process::started();
        let Understood {
            args,
            hint,
            environment,
            notices: _,
        } = understood;
        let settings = Settings {
            hint,
            ..Settings::default()
        };
        let settings = service::with_resolver(settings, &args, &environment).await?;
        let targets = Targets::new(&args.target, &args.targets, &settings)?;
        let monitor = |target: &Arc<Target>| Monitor::new(Arc::clone(target), args.monitor.clone());
        let monitors: Arc<[Monitor]> = targets.all().iter().map(monitor).collect();
        let registered = Registered::new(&args, &monitors, &environment).await?;
        let server = Server::bind(
            &args.server,
            targets,
            Arc::clone(&monitors),
            registered.probed(),
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
            .context("cannot tell the address listened on")?;
        Ok(Self {
            server,
            monitors,
            address,
            args,
            in_pod: environment.is_pod(),
            registered,
        })
    }

    /// Where probes are answered.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers probes until the first signal, finishes what is in flight within the
    /// grace period, and ends at once at the second.
    ///
    /// # Errors
    ///
    /// A second signal.
    pub async fn run(self, signals: impl Stream<Item = &'static str>) -> anyhow::Result<Ended> {
        tokio::pin!(signals);
        self.say_what_was_understood();
        let Self {
            server,
            monitors,
            args,
            mut registered,
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
        let registering = registered.run(Arc::clone(&handler));
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
                Ended::Stopped
            }
            name = failed(&monitors, exit_after_failures) => {
                error!(service = name, failures = exit_after_failures, %exit_code, "Giving up on the service");
                Ended::GaveUp(exit_code)
            }
            () = &mut serve => bail!("the server ended unasked"),
        };
        let leave = async {
            handler.drain();
            registered.leave().await;
            let _ = stop.send(());
        };
        let finish = async { tokio::join!(serve, leave) };
        tokio::select! {
            finished = time::timeout(grace_period, finish) => {
                if finished.is_err() {
                    warn!(?grace_period, "Stopping before everything has finished");
                }
                Ok(ended)
            }
            Some(signal) = signals.next() => bail!("stopped at once by a second {signal}"),
        }
    }

    fn say_what_was_understood(&self) {
        let target = &self.args.target;
        let loopback = self.address.ip().is_loopback();
        info!(
            health_address = %self.address,
            asked_by = if loopback { "this machine" } else { "anyone who can reach it" },
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
                "A probe with the default timeoutSeconds of 1 gives up before the answer: raise it above --check_timeout"
            );
        }
        if target.tls.tls_no_verify {
            warn!("--tls_no_verify: whoever answers at --server_address is taken for the service");
        }
        if service::asks_replicas(target) {
            warn!(
                "{} may be this pod's own Service: a gate for what depends on it may ask it, but as this pod's own readiness it never becomes ready, and as its liveness another replica's fault restarts this one",
                target.server_address
            );
        }
        if let ServerAddress::Endpoint(Endpoint::Tcp(address)) = &target.server_address
            && address.port == self.address.port()
            && (loopback || self.address.ip().is_unspecified())
        {
            let dialled = address.dialled().unwrap_or_default();
            if dialled.iter().any(|dialled| dialled.ip().is_loopback()) {
                warn!(
                    "--server_address={} is the sidecar itself: it would ask itself",
                    target.server_address
                );
            }
        }
    }
}

/// The name of the first service that has failed so many checks in a row. Never, for
/// 0: then nothing is monitored.
async fn failed(monitors: &[Monitor], failures: u32) -> &str {
    if failures == 0 {
        return pending().await;
    }
    let failed = monitors.iter().map(|monitor| {
        let mut seen = monitor.subscribe();
        async move {
            let _ = seen.wait_for(|seen| seen.failures >= failures).await;
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
