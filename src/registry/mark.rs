//! The mark of a service: an annotation that lists what we added for it, so that exactly this can
//! be removed.
//!
//! ```text
//! registration.micro-health/greeter =
//!   {"service":"greeter","nodes":{"greeter-UID":"8080"},"keys":["micro.mu/type"],"announced":true}
//! ```
//!
//! Each service has a mark of its own. Two services, two sidecars of one pod, and the command
//! `health registry` therefore never change each other's marks. The mark is also the second write
//! of a registration: Go's watchers ignore the event of a pod that begins to match their selector,
//! and create the service at the next event.
//!
//! A mark without nodes keeps the labels of a service that has left. They go with the last record,
//! because a selector label that goes earlier makes Go's watchers delete the services that stay.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::registry::pod::Pod;
use crate::registry::scheme::mapped;

/// The value of a service's mark.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mark {
    /// The service's name as clients know it. Two names may map to one key.
    pub service: String,
    /// The ids of the nodes that we added, each with its owner.
    pub nodes: BTreeMap<String, Owner>,
    /// The keys of labels that were absent before us.
    pub keys: BTreeSet<String>,
    /// The flag is true after the second write of the registration.
    pub announced: bool,
}

/// The program that added a node.
///
/// A sidecar is known by the port of its `--health_address`: two sidecars of one pod cannot share
/// it, and it stays the same when a container restarts with other names.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub(crate) struct Owner(String);

/// The beginning of the key of every mark.
const PREFIX: &str = "registration.micro-health/";

// === impl Mark ===

impl Mark {
    /// Returns the key of a service's mark. A key must begin with a letter or a digit.
    pub(crate) fn key(service: &str) -> String {
        let name = mapped(service);
        let begins_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        let filler = if begins_well { "" } else { "x" };
        format!("{PREFIX}{filler}{name}")
    }

    /// Returns all marks of a pod, with their keys.
    pub(crate) fn all(pod: &Pod) -> impl Iterator<Item = (&str, Self)> {
        let annotations = pod.metadata.annotations.iter().flatten();
        let marks = annotations.filter(|(key, _)| key.starts_with(PREFIX));
        marks.filter_map(|(key, text)| Some((&**key, Self::from_json(text)?)))
    }

    /// Returns compact JSON in a fixed order, so that equal marks have equal text.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("sets of strings must be writable")
    }

    /// Reads an annotation. Returns `None` for a text that we cannot have written.
    pub(crate) fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Returns whether the mark lists nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.keys.is_empty()
    }
}

// === impl Owner ===

impl Owner {
    /// Returns the sidecar that listens on this port.
    pub(crate) fn sidecar(port: impl fmt::Display) -> Self {
        Self(port.to_string())
    }

    /// Returns the command `health registry register`, and the library's `Registry::register`.
    pub(crate) fn command() -> Self {
        Self("command".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_written_compactly_and_read_back() {
        let mark = Mark {
            service: "greeter".into(),
            nodes: [("greeter-1".into(), Owner::sidecar(8080))].into(),
            keys: ["micro.mu/type".into(), "micro.mu/selector-greeter".into()].into(),
            announced: false,
        };
        let text = r#"{"service":"greeter","nodes":{"greeter-1":"8080"},"keys":["micro.mu/selector-greeter","micro.mu/type"],"announced":false}"#;
        assert_eq!(mark.to_json(), text);
        assert_eq!(Mark::from_json(text), Some(mark));
        assert!(Mark::default().is_empty());
    }

    #[test]
    fn a_text_that_we_cannot_have_written_is_not_a_mark() {
        for text in [
            "",
            "null",
            "{}",
            "[]",
            r#"{"nodes":{},"keys":[],"announced":true}"#,
            r#"{"service":"g","nodes":[],"keys":[],"announced":true}"#,
            r#"{"service":"g","nodes":{"a":1},"keys":[],"announced":true}"#,
            r#"{"service":"g","nodes":null,"keys":[],"announced":true}"#,
            r#"{"service":"g","nodes":{},"keys":[],"announced":true,"more":1}"#,
        ] {
            assert_eq!(Mark::from_json(text), None, "{text}");
        }
    }

    #[test]
    fn every_name_that_a_scheme_accepts_has_a_key_of_at_most_63_bytes_after_the_slash() {
        let long = "x".repeat(63);
        for (service, name) in [
            ("greeter", "greeter"),
            ("topic:MyTopic", "topic_MyTopic"),
            ("-lead", "x-lead"),
            (&long, &long),
        ] {
            assert_eq!(Mark::key(service), format!("{PREFIX}{name}"));
        }
    }
}
