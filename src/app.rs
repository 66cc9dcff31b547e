//! What runs: bind, run, stop.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{Stream, StreamExt as _};
use tokio::time;
use tracing::{info, warn};

use crate::args::{Args, Understood};
use crate::server::Server;
use crate::target::Target;
use crate::target::endpoint::Endpoint;

pub mod options;

/// The sidecar, holding its port.
#[derive(Debug)]
pub struct App {
    server: Server,
    address: SocketAddr,
    args: Args,
    in_pod: bool,
}

/// The kubelet's default patience: an answer that comes later is not seen.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

// === impl App ===

impl App {
    /// Takes the port. Does not ask the target: one that is not up yet is unhealthy,
    /// not an error.
    ///
    /// # Errors
    ///
    /// A port that cannot be listened on, or a file of TLS that cannot be used, named.
    pub async fn bind(understood: Understood) -> anyhow::Result<Self> {
        let Understood {
            args,
            hint,
            in_pod,
            notices: _,
        } = understood;
        let target = Target::new(args.target.clone(), hint)?;
        let server = Server::bind(&args.server, target).await.with_context(|| {
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
            address,
            args,
            in_pod,
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
    pub async fn run(self, signals: impl Stream<Item = &'static str>) -> anyhow::Result<()> {
        tokio::pin!(signals);
        self.say_what_was_understood();
        let Self { server, args, .. } = self;
        let grace_period = args.app.grace_period.0;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serve = server.run(async {
            let _ = stopped.await;
        });
        tokio::pin!(serve);
        let signal = tokio::select! {
            signal = signals.next() => signal.unwrap_or("the end of signals"),
            () = &mut serve => bail!("the server ended unasked"),
        };
        info!(signal, ?grace_period, "Stopping");
        let _ = stop.send(());
        tokio::select! {
            finished = time::timeout(grace_period, serve) => {
                if finished.is_err() {
                    warn!(?grace_period, "Stopping before everything has finished");
                }
                Ok(())
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
        if let Endpoint::Tcp(address) = &target.server_address
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
