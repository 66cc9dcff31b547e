//! The reasons for an unhealthy verdict, and the codes and texts of each.
//!
//! | reason            | `?code=reason` | `health probe` | when                                                |
//! |-------------------|----------------|----------------|-----------------------------------------------------|
//! | `not_serving`     | 503            | 4, an error 3  | the service answered with a bad status or an error  |
//! | `no_debug`        | 501            | 3              | it is up and does not serve the checked method      |
//! | `unknown_service` | 404            | 3              | grpc.health.v1 does not know the name               |
//! | `deadline`        | 504            | 2 or 3         | no answer within `--check_timeout`                  |
//! | `unreachable`     | 503            | 2 or 3         | refused, reset, or closed before the whole answer   |
//! | `tls`             | 502            | 2              | no TLS with the service: certificate, name, CA      |
//! | `denied`          | 502            | 3              | the service wants credentials that it was not given |
//! | `protocol`        | 500            | 3              | something answered that speaks neither wire         |
//! | `no_endpoints`    | 503            | 2              | a Service without an endpoint to check              |
//!
//! 2 or 3 depends on whether there was a connection. [`Unhealthy::failure_step`] decides, and the codes
//! of other tools are in `probe::dialect`. Too few healthy endpoints of a Service have the reason
//! of the worst endpoint.

use std::time::Duration;

use crate::net::stage::Stage;
use crate::text::Excerpt;

/// The reason why a target is unhealthy. The set is closed: every caller matches it whole.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unhealthy {
    /// The service answered with a status other than "ok"; the text says which.
    #[error("service reports {0}")]
    NotServing(Excerpt),

    /// The service answered with an error of its own. Only the exit codes tell it from a bad
    /// status.
    #[error("service reports {0}")]
    Failing(Excerpt),

    /// The service answered that it has no such method.
    #[error("service is up but does not serve {0}")]
    NoDebug(&'static str),

    /// The service does not know this name in grpc.health.v1.
    #[error("service has no health status for {0:?}")]
    UnknownService(String),

    /// The deadline passed; the stage says what it was waiting for.
    #[error("no answer within {0:?}, {1}")]
    Deadline(Duration, Stage),

    /// The connection failed, or ended before the whole answer had arrived.
    #[error("service cannot be reached: {0}")]
    Unreachable(Excerpt),

    /// TLS failed, at either end.
    #[error("no TLS with the service: {0}")]
    Tls(Excerpt),

    /// The service refused the caller.
    #[error("service denies the check: {0}")]
    Denied(Excerpt),

    /// An answer that is neither go-micro's nor gRPC's.
    #[error("the answer is not of the expected protocol: {0}")]
    Protocol(Excerpt),

    /// A Service without an endpoint to check, or whose endpoints are not known.
    #[error("no endpoint to check: {0}")]
    NoEndpoints(Excerpt),

    /// A Service with too few healthy endpoints.
    #[error("{healthy} of {considered} endpoints are healthy, {needed} needed; {address}: {worst}")]
    TooFew {
        /// The number of healthy endpoints.
        healthy: usize,
        /// The number of endpoints that count.
        considered: usize,
        /// The number of endpoints that must be healthy.
        needed: usize,
        /// The address of the worst endpoint.
        address: String,
        /// The reason why that endpoint is unhealthy.
        worst: Box<Unhealthy>,
        /// The stage that its check reached.
        reached: Stage,
    },
}

/// The step at which a check failed, which decides the exit codes of the tools.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FailureStep {
    /// No connection was accepted, or TLS failed on it.
    Connect,
    /// A connection was accepted, and its server sent no SETTINGS: it does not speak HTTP/2.
    Settings,
    /// The call did not succeed, or not in time.
    Call,
    /// The service answered that it is unhealthy.
    Unhealthy,
}

/// The name of an [`Unhealthy`] in bodies, metrics and logs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reason {
    /// The code in snake case, as in JSON and metric labels.
    pub code: &'static str,
    /// The HTTP status of `?code=reason`: the only channel that shows in `kubectl describe pod`.
    pub status: u16,
    /// The next step for the operator.
    pub remedy: &'static str,
}

// === impl Unhealthy ===

impl Unhealthy {
    /// Returns true if the service answered at all, and so is alive.
    pub fn answered(&self) -> bool {
        match self {
            Self::NotServing(_)
            | Self::Failing(_)
            | Self::NoDebug(_)
            | Self::UnknownService(_)
            | Self::Denied(_) => true,
            Self::Deadline(..)
            | Self::Unreachable(_)
            | Self::Tls(_)
            | Self::Protocol(_)
            | Self::NoEndpoints(_) => false,
            Self::TooFew { worst, .. } => worst.answered(),
        }
    }

    /// Returns the row of the table above.
    pub fn reason(&self) -> Reason {
        let (code, status, remedy) = match self {
            Self::NotServing(_) | Self::Failing(_) => (
                "not_serving",
                503,
                "ask the service why: its own log or status says more",
            ),
            Self::NoDebug(_) => (
                "no_debug",
                501,
                "register debug/handler in the service (go-micro 4.8 and later do not), or start with --without_debug=healthy",
            ),
            Self::UnknownService(_) => (
                "unknown_service",
                404,
                "set --health_service to a name the service has set a status for",
            ),
            Self::Deadline(..) => (
                "deadline",
                504,
                "the service hangs or is slower than --check_timeout: look for a deadlock or a starved CPU",
            ),
            Self::Unreachable(_) => (
                "unreachable",
                503,
                "is the service running, and is --server_address the address it listens on?",
            ),
            Self::Tls(_) => (
                "tls",
                502,
                "is TLS spoken at both ends or at neither, and do --tls_ca_cert, --tls_server_name and --tls_client_cert fit the service's certificates?",
            ),
            Self::Denied(_) => (
                "denied",
                502,
                "exempt Debug.Health from the service's authentication",
            ),
            Self::Protocol(_) => (
                "protocol",
                500,
                "is --server_address the service's RPC port, and --protocol what it speaks there?",
            ),
            Self::NoEndpoints(_) => (
                "no_endpoints",
                503,
                "does `health resolve` with the same --server_address show an endpoint?",
            ),
            Self::TooFew { worst, .. } => return worst.reason(),
        };
        Reason {
            code,
            status,
            remedy,
        }
    }
}

impl Unhealthy {
    /// Returns the step at which the check failed, given the stage that it reached.
    pub fn failure_step(&self, reached: Stage) -> FailureStep {
        match self {
            Self::NotServing(_) => FailureStep::Unhealthy,
            Self::Failing(_) | Self::NoDebug(_) | Self::UnknownService(_) | Self::Denied(_) => {
                FailureStep::Call
            }
            // gRPC's own connection includes the handshake.
            Self::Tls(_) | Self::NoEndpoints(_) => FailureStep::Connect,
            Self::TooFew { worst, reached, .. } => worst.failure_step(*reached),
            Self::Deadline(..) | Self::Unreachable(_) | Self::Protocol(_) => match reached {
                Stage::Resolving | Stage::Connecting | Stage::TlsHandshake => FailureStep::Connect,
                Stage::AwaitingSettings => FailureStep::Settings,
                Stage::Waiting => FailureStep::Call,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_code_and_an_error_status() {
        let all = [
            Unhealthy::NotServing("x".into()),
            Unhealthy::Failing("x".into()),
            Unhealthy::NoDebug("Debug.Health"),
            Unhealthy::UnknownService("x".into()),
            Unhealthy::Deadline(Duration::from_secs(1), Stage::Waiting),
            Unhealthy::Unreachable("x".into()),
            Unhealthy::Tls("x".into()),
            Unhealthy::Denied("x".into()),
            Unhealthy::Protocol("x".into()),
            Unhealthy::NoEndpoints("x".into()),
        ];
        let table: Vec<_> = all
            .iter()
            .map(|unhealthy| (unhealthy.reason().code, unhealthy.reason().status))
            .collect();
        assert_eq!(
            table,
            [
                ("not_serving", 503),
                ("not_serving", 503),
                ("no_debug", 501),
                ("unknown_service", 404),
                ("deadline", 504),
                ("unreachable", 503),
                ("tls", 502),
                ("denied", 502),
                ("protocol", 500),
                ("no_endpoints", 503),
            ]
        );
    }

    #[test]
    fn a_failure_without_an_answer_depends_on_the_stage() {
        use Stage::{AwaitingSettings, Connecting, Resolving, Waiting};
        let deadline = Unhealthy::Deadline(Duration::from_secs(1), Waiting);
        for (unhealthy, reached, expected) in [
            (
                Unhealthy::NotServing("x".into()),
                Waiting,
                FailureStep::Unhealthy,
            ),
            (Unhealthy::Failing("x".into()), Waiting, FailureStep::Call),
            (Unhealthy::NoDebug("x"), Waiting, FailureStep::Call),
            (
                Unhealthy::UnknownService("x".into()),
                Waiting,
                FailureStep::Call,
            ),
            (Unhealthy::Denied("x".into()), Waiting, FailureStep::Call),
            (deadline.clone(), Resolving, FailureStep::Connect),
            (deadline.clone(), Connecting, FailureStep::Connect),
            (deadline.clone(), AwaitingSettings, FailureStep::Settings),
            (deadline, Waiting, FailureStep::Call),
            (
                Unhealthy::Unreachable("x".into()),
                Connecting,
                FailureStep::Connect,
            ),
            (
                Unhealthy::Unreachable("x".into()),
                Waiting,
                FailureStep::Call,
            ),
            (
                Unhealthy::Protocol("x".into()),
                AwaitingSettings,
                FailureStep::Settings,
            ),
            (Unhealthy::Protocol("x".into()), Waiting, FailureStep::Call),
        ] {
            assert_eq!(
                unhealthy.failure_step(reached),
                expected,
                "{unhealthy} {reached}"
            );
        }
    }
}
