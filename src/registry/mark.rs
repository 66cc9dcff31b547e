//! The mark: an annotation that lists what we added to a pod, so that exactly this can be removed.
//!
//! The mark is also the second write of a registration. Go's watchers ignore the event of a pod
//! that begins to match their selector, and create the service at the next event.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The value of the annotation [`Mark::KEY`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Mark {
    /// The ids of our nodes.
    pub nodes: BTreeSet<String>,
    /// The keys of labels that were absent before us.
    pub keys: BTreeSet<String>,
    /// The flag is true after the second write of the registration.
    pub announced: bool,
}

/// The JSON of a mark, in the order of its fields.
#[derive(Deserialize, Serialize)]
struct MarkJson {
    v: u32,
    nodes: BTreeSet<String>,
    keys: BTreeSet<String>,
    announced: bool,
}

/// The only version that we write and read.
const VERSION: u32 = 1;

// === impl Mark ===

impl Mark {
    /// The key of the annotation.
    pub(crate) const KEY: &'static str = "micro-health/registration";

    /// Returns compact JSON in a fixed order, so that equal marks have equal text.
    pub(crate) fn to_json(&self) -> String {
        let written = MarkJson {
            v: VERSION,
            nodes: self.nodes.clone(),
            keys: self.keys.clone(),
            announced: self.announced,
        };
        serde_json::to_string(&written).expect("sets of strings must be writable")
    }

    /// Reads an annotation. Returns `None` for a text that we cannot have written.
    pub(crate) fn from_json(text: &str) -> Option<Self> {
        let written: MarkJson = serde_json::from_str(text).ok()?;
        (written.v == VERSION).then_some(Self {
            nodes: written.nodes,
            keys: written.keys,
            announced: written.announced,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_written_compactly_and_read_back() {
        let mark = Mark {
            nodes: ["greeter-1".into()].into(),
            keys: ["micro.mu/type".into(), "micro.mu/selector-greeter".into()].into(),
            announced: false,
        };
        let text = r#"{"v":1,"nodes":["greeter-1"],"keys":["micro.mu/selector-greeter","micro.mu/type"],"announced":false}"#;
        assert_eq!(mark.to_json(), text);
        assert_eq!(Mark::from_json(text), Some(mark));
        let empty = Mark::default().to_json();
        assert_eq!(empty, r#"{"v":1,"nodes":[],"keys":[],"announced":false}"#);
    }

    #[test]
    fn a_text_that_we_cannot_have_written_is_not_a_mark() {
        for text in [
            "",
            "null",
            "{}",
            "[]",
            r#"{"nodes":[],"keys":[],"announced":true}"#,
            r#"{"v":2,"nodes":[],"keys":[],"announced":true}"#,
            r#"{"v":1,"nodes":[1],"keys":[],"announced":true}"#,
            r#"{"v":1,"nodes":null,"keys":[],"announced":true}"#,
        ] {
            assert_eq!(Mark::from_json(text), None, "{text}");
        }
    }
}
