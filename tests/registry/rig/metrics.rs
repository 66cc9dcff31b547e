//! The metrics of the API server.

use std::time::Duration;

use http::Request;
use kube::Client;
use testkit::within;

/// The API server's `/metrics` at one moment.
#[derive(Debug, Default)]
pub struct Metrics(String);

// === impl Metrics ===

impl Metrics {
    pub async fn read(admin: &Client) -> Self {
        let request = Request::get("/metrics").body(Vec::new());
        let request = request.expect("a constant request must be valid");
        let text = within("metrics", admin.request_text(request)).await;
        Self(text.expect("an administrator must be answered"))
    }

    /// Returns the number of requests for pods by verb and code. An empty one matches any.
    pub fn requests(&self, verb: &str, code: &str) -> u64 {
        let labels = [
            "resource=\"pods\"",
            "subresource=\"\"",
            &format!("verb=\"{verb}"),
            &format!("code=\"{code}"),
        ];
        self.sum("apiserver_request_total", &labels)
    }

    /// Returns the number of open watches of pods.
    pub fn watches(&self) -> u64 {
        let labels = ["resource=\"pods\"", "verb=\"WATCH\""];
        self.sum("apiserver_longrunning_requests", &labels)
    }

    /// Returns the time that the server spent on writes to pods.
    pub fn milliseconds(&self) -> u64 {
        let labels = ["resource=\"pods\"", "subresource=\"\"", "verb=\"PATCH\""];
        self.values("apiserver_request_duration_seconds_sum", &labels)
            .map(|seconds| Duration::from_secs_f64(seconds.parse().unwrap_or_default()).as_millis())
            .filter_map(|spent| u64::try_from(spent).ok())
            .sum()
    }

    fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        self.values(name, labels)
            .map(|value| value.parse::<u64>().expect("a counter must be a number"))
            .sum()
    }

    fn values<'a>(&'a self, name: &'a str, labels: &'a [&str]) -> impl Iterator<Item = &'a str> {
        let lines = self.0.lines().filter(move |line| {
            let named = line
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('{'));
            named && labels.iter().all(|label| line.contains(label))
        });
        lines.filter_map(|line| line.rsplit(' ').next())
    }
}
