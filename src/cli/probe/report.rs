//! The output of one check: a line of text, or a JSON object on one line.

use std::time::Duration;

use serde::Serialize;

use crate::check::Check;
use crate::check::row::Row;
use crate::check::unhealthy::{FailureStep, Unhealthy};
use crate::cli::exit::Tool;
use crate::cli::output::Output;
use crate::text::Excerpt;

/// The outcome of a check, with everything that the output contains.
#[derive(Debug)]
pub(crate) struct Outcome<'a> {
    /// The service's name; for `grpc_health_probe` the requested one.
    pub service: &'a str,
    /// The address of the service.
    pub address: String,
    /// The wire of the check.
    pub protocol: &'static str,
    /// The result of the check.
    pub check: &'a Check,
    /// The service's endpoints, if the target is a Service.
    pub rows: Vec<Row>,
    /// The exit code of the process.
    pub exit_code: u8,
}

#[derive(Serialize)]
struct Json<'a> {
    healthy: bool,
    service: &'a str,
    address: &'a str,
    protocol: &'a str,
    took_ms: f64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
    exit_code: u8,
    #[serde(skip_serializing_if = "<[Row]>::is_empty")]
    endpoints: &'a [Row],
}

#[derive(Serialize)]
struct Failure {
    reason: &'static str,
    message: String,
    to_do: &'static str,
}

// === impl Outcome ===

impl Outcome<'_> {
    /// Returns the output line of a tool.
    pub(crate) fn line(&self, tool: Tool, output: Output) -> String {
        match (tool, output) {
            (Tool::GrpcHealth, _) => self.as_grpc_health_probe(),
            (Tool::Health | Tool::Micro, Output::Text) => self.text(),
            (Tool::Health | Tool::Micro, Output::Json) => self.json(),
        }
    }

    fn text(&self) -> String {
        let Self {
            address,
            protocol,
            check,
            ..
        } = self;
        let service = Excerpt::from(self.service);
        let took = rounded(check.took);
        match &check.verdict {
            Ok(()) => format!("{service} at {address} is healthy ({protocol}, {took:?})"),
            Err(unhealthy) => {
                let code = unhealthy.reason().code;
                format!(
                    "{service} at {address} is unhealthy: {unhealthy} ({code}, {protocol}, {took:?})"
                )
            }
        }
    }

    fn json(&self) -> String {
        let unhealthy = self.check.verdict.as_ref().err();
        let json = Json {
            healthy: unhealthy.is_none(),
            service: self.service,
            address: &self.address,
            protocol: self.protocol,
            took_ms: rounded(self.check.took).as_secs_f64() * 1000.0,
            failure: unhealthy.map(|unhealthy| Failure {
                reason: unhealthy.reason().code,
                message: unhealthy.to_string(),
                to_do: unhealthy.reason().remedy,
            }),
            exit_code: self.exit_code,
            endpoints: &self.rows,
        };
        serde_json::to_string(&json).unwrap_or_default()
    }

    /// Returns the line of `grpc_health_probe`, unchanged because log searches match it. Source:
    /// grpc-health-probe main.go.
    fn as_grpc_health_probe(&self) -> String {
        let address = &self.address;
        let Err(unhealthy) = &self.check.verdict else {
            return "status: SERVING".into();
        };
        match (unhealthy.failure_step(self.check.reached), unhealthy) {
            (FailureStep::Connect | FailureStep::Settings, Unhealthy::Deadline(limit, _)) => {
                format!("timeout: failed to connect service {address:?} within {limit:?}")
            }
            (FailureStep::Connect | FailureStep::Settings, _) => {
                format!("error: failed to connect service at {address:?}: {unhealthy}")
            }
            (_, Unhealthy::NotServing(status)) => {
                format!("service unhealthy (responded with \"{status}\")")
            }
            (_, Unhealthy::NoDebug(service)) => {
                format!(
                    "error: this server does not implement the grpc health protocol ({service})"
                )
            }
            (_, Unhealthy::Deadline(limit, _)) => {
                format!("timeout: health rpc did not complete within {limit:?}")
            }
            (FailureStep::Call | FailureStep::Unhealthy, _) => {
                format!("error: health rpc failed: {unhealthy}")
            }
        }
    }
}

/// Rounds to microseconds.
fn rounded(took: Duration) -> Duration {
    Duration::from_micros(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
