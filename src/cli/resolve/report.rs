//! The output of `health resolve`.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::output::Output;
use crate::cluster::Refusal;
use crate::resolver::no_endpoints::{NoEndpoints, Unlisted};
use crate::resolver::slices::Endpoint;
use crate::resolver::target::Target;
use crate::resolver::view::State;

/// The endpoints of a target, and the problem with them.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// The target, with its namespace.
    pub target: Target,
    /// The state of the watch behind the endpoints.
    pub state: State,
    /// The endpoints to show, sorted by address.
    pub endpoints: Vec<Endpoint>,
    /// The reason why there are no endpoints.
    pub absence: Option<NoEndpoints>,
    /// The problem with the port.
    pub unlisted: Option<Unlisted>,
}

#[derive(Serialize)]
struct Json<'a> {
    target: String,
    state: &'a str,
    endpoints: &'a [Endpoint],
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

// === impl Report ===

impl Report {
    /// Returns the whole report.
    pub(crate) fn whole(&self, output: Output) -> String {
        match output {
            Output::Text => {
                let lines = self.endpoints.iter().map(|it| format!("{}\n", line(it)));
                lines.collect()
            }
            Output::Json => self.json(),
        }
    }

    /// Returns the changes since an earlier report.
    pub(crate) fn since(&self, before: Option<&Self>, output: Output) -> String {
        match output {
            Output::Text => self.changes(before.map_or(&[], |before| &before.endpoints)),
            // Prints nothing before the first answer of the API server.
            Output::Json if matches!(self.state, State::Pending(_)) => String::new(),
            Output::Json => {
                let json = self.json();
                if before.is_some_and(|before| before.json() == json) {
                    String::new()
                } else {
                    json
                }
            }
        }
    }

    /// Returns the problem, as a sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        let refusal = self.state.refusal().map(ToString::to_string);
        let absence = || self.absence.as_ref().map(ToString::to_string);
        let unlisted = || self.unlisted.as_ref().map(ToString::to_string);
        refusal.or_else(absence).or_else(unlisted)
    }

    fn changes(&self, before: &[Endpoint]) -> String {
        let mut text = String::new();
        let lines = |endpoints: &[Endpoint]| endpoints.iter().map(line).collect::<Vec<_>>();
        let (before, now) = (lines(before), lines(&self.endpoints));
        let [was, is] = [&before, &now].map(|lines| lines.iter().collect::<HashSet<_>>());
        for gone in before.iter().filter(|line| !is.contains(line)) {
            let _ = writeln!(text, "- {gone}");
        }
        for new in now.iter().filter(|line| !was.contains(line)) {
            let _ = writeln!(text, "+ {new}");
        }
        text
    }

    fn json(&self) -> String {
        let json = Json {
            target: self.target.to_string(),
            state: self.state.name(),
            endpoints: &self.endpoints,
            problem: self.problem(),
        };
        let mut text = serde_json::to_string(&json).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Returns the address, with a note if the endpoint is not ready.
fn line(endpoint: &Endpoint) -> String {
    let note = if endpoint.ready { "" } else { "  not ready" };
    format!("{}{note}", endpoint.address)
}

/// Returns the refusal's text, with the missing permission.
pub(crate) fn refused(refusal: &Refusal, namespace: &str) -> String {
    let Refusal::Forbidden(sentence) = refusal else {
        return refusal.to_string();
    };
    let verb = sentence
        .split_once("cannot ")
        .and_then(|(_, rest)| rest.split_once(' '))
        .map_or("list", |(verb, _)| verb);
    format!(
        "may not {verb} endpointslices in namespace {namespace}: give the service account list and watch of endpointslices (API group discovery.k8s.io) there; the API server says: {sentence}"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn endpoint(address: &str, ready: bool) -> Endpoint {
        Endpoint {
            address: address.parse().unwrap(),
            ready,
            serving: ready,
            terminating: false,
            pod: None,
            node: None,
            zone: None,
            slices: vec!["greeter-a".into()],
        }
    }

    fn report(endpoints: &[(&str, bool)]) -> Report {
        let endpoints = endpoints.iter();
        Report {
            target: "kubernetes:///greeter.shop:grpc".parse().unwrap(),
            state: State::Synced,
            endpoints: endpoints
                .map(|(address, ready)| endpoint(address, *ready))
                .collect(),
            absence: None,
            unlisted: None,
        }
    }

    #[test]
    fn only_an_endpoint_that_is_not_ready_has_a_note() {
        let report = report(&[("10.0.0.1:80", true), ("[fd00::1]:80", false)]);
        assert_eq!(
            report.whole(Output::Text),
            "10.0.0.1:80\n[fd00::1]:80  not ready\n"
        );
    }

    #[test]
    fn json_has_every_field() {
        let report = report(&[("10.0.0.1:80", true)]);
        let text: Value = serde_json::from_str(&report.whole(Output::Json)).unwrap();
        assert_eq!(
            text,
            json!({
                "target": "kubernetes://shop/greeter:grpc",
                "state": "synced",
                "endpoints": [{
                    "address": "10.0.0.1:80", "ready": true, "serving": true,
                    "terminating": false, "slices": ["greeter-a"],
                }],
            })
        );
    }

    #[test]
    fn a_watch_prints_each_change_once() {
        let one = report(&[("10.0.0.1:80", true), ("10.0.0.2:80", true)]);
        let two = report(&[("10.0.0.2:80", false), ("10.0.0.3:80", true)]);
        assert_eq!(
            one.since(None, Output::Text),
            "+ 10.0.0.1:80\n+ 10.0.0.2:80\n"
        );
        assert_eq!(
            two.since(Some(&one), Output::Text),
            "- 10.0.0.1:80\n- 10.0.0.2:80\n+ 10.0.0.2:80  not ready\n+ 10.0.0.3:80\n"
        );
        for output in [Output::Text, Output::Json] {
            assert_eq!(one.since(Some(&one), output), "");
        }
        assert_eq!(two.since(Some(&one), Output::Json).lines().count(), 1);
    }

    #[test]
    fn a_refusal_names_the_verb_the_resource_and_the_namespace() {
        let sentence = "endpointslices.discovery.k8s.io is forbidden: User \"system:serviceaccount:shop:x\" cannot watch resource \"endpointslices\"";
        let text = refused(&Refusal::Forbidden(sentence.to_owned()), "shop");
        assert!(
            text.starts_with("may not watch endpointslices in namespace shop: "),
            "{text}"
        );
        assert!(text.ends_with(sentence), "{text}");
        assert_eq!(
            refused(&Refusal::Conflict, "shop"),
            Refusal::Conflict.to_string()
        );
    }
}
