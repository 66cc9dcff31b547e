//! Every exit code of every command.
//!
//! | command                             | code                                                        |
//! |-------------------------------------|-------------------------------------------------------------|
//! | the sidecar                         | 0 stopped, 1 could not run, 2 usage, `--exit_code` gave up  |
//! | `registry`, `resolve`, `services`, `config` | 0 done, 1 refused, not found or unreachable, 2 usage |
//! | `health probe`                      | 0 healthy, 1 usage, 2 no connection, 3 the call failed, 4 unhealthy |
//! | `probe` of micro/kubernetes         | 0 healthy, 1 usage, 2 no connection or the call failed, 4 unhealthy |
//! | `grpc_health_probe`                 | 0 serving, 1 usage, 2 no connection, 3 the call failed, 4 not serving |

use crate::check::Check;
use crate::check::unhealthy::FailureStep;

/// The exit code of a command that succeeded, `--help` included.
pub(crate) const DONE: u8 = 0;

/// The exit code of a command that was refused, found nothing or could not start.
pub(crate) const REFUSED: u8 = 1;

/// The exit code of a command line or an environment that cannot be used.
pub(crate) const USAGE: u8 = 2;

/// The exit code of a one-shot check whose command line cannot be used.
pub(crate) const PROBE_USAGE: u8 = 1;

/// The one-shot checks, each with its own flags and exit codes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tool {
    /// `health probe`.
    Health,
    /// `probe`, the exec probe of micro/kubernetes.
    Micro,
    /// `grpc_health_probe` of grpc-ecosystem, for grpc.health.v1 alone.
    GrpcHealth,
}

// === impl Tool ===

impl Tool {
    /// Returns the exit code of a check.
    pub fn exit_code(self, check: &Check) -> u8 {
        match &check.verdict {
            Ok(()) => DONE,
            Err(unhealthy) => self.failed(unhealthy.failure_step(check.reached)),
        }
    }

    /// Returns the exit code of a failure.
    pub fn failed(self, failed: FailureStep) -> u8 {
        match (self, failed) {
            (_, FailureStep::Unhealthy) => 4,
            // The original tool knows only that the call failed. grpc-go counts a connection as
            // made once SETTINGS have arrived, this program once it was accepted.
            (_, FailureStep::Connect)
            | (Self::Micro, FailureStep::Settings | FailureStep::Call)
            | (Self::GrpcHealth, FailureStep::Settings) => 2,
            (Self::Health, FailureStep::Settings | FailureStep::Call)
            | (Self::GrpcHealth, FailureStep::Call) => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tool_has_its_own_exit_codes() {
        use FailureStep::{Call, Connect, Settings, Unhealthy};
        for (tool, expected) in [
            (Tool::Health, [2, 3, 3, 4]),
            (Tool::Micro, [2, 2, 2, 4]),
            (Tool::GrpcHealth, [2, 2, 3, 4]),
        ] {
            let codes = [Connect, Settings, Call, Unhealthy].map(|failed| tool.failed(failed));
            assert_eq!(codes, expected, "{tool:?}");
        }
    }
}
