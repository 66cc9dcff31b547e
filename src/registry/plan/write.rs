//! The input and the output of a plan: the wanted services, and one write.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::registry::mark::Owner;
use crate::registry::record::Service;
use crate::registry::scheme::{Keys, LABEL_VALUE, Scheme};

/// A service and whether it should be on a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    /// The whole record, with our nodes and no other. A removal needs only the name and the ids.
    pub(crate) record: Arc<Service>,
    /// The keys of the service in each scheme in which it should be registered.
    pub(crate) schemes: Arc<[(Scheme, Keys)]>,
    /// The wish for this service: `Some(true)` to register it, `Some(false)` to remove it. `None`
    /// until the first verdict: nothing changes.
    pub(crate) wanted: Option<bool>,
    /// The extent of what counts as ours.
    pub(crate) ownership: Ownership,
}

/// The nodes of a service that count as ours, and so may be replaced and removed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Ownership {
    /// The node of the record, and the nodes that the mark lists for this sidecar, in every scheme.
    Sidecar(Owner),
    /// The nodes of the record, whichever program added them; all nodes if the record to remove has
    /// none. Only the schemes of the entry count.
    Command,
}

/// The value of `--on_foreign`: how to treat another writer's node at our address, such as the node
/// of a service that registers itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnForeign {
    /// Leaves the node, and counts it as ours.
    #[default]
    Adopt,
    /// Puts our node in its place, and keeps the rest of the record.
    Merge,
    /// Overwrites the record.
    Take,
    /// Writes nothing and reports an error.
    Fail,
}

/// The next write for one service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Plan {
    /// The next write. `None` if the pod is as it should be.
    pub write: Option<Write>,
    /// The standing of the service on the pod as it was read.
    pub standing: Standing,
}

/// A write to a pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Write {
    /// The purpose, for logs and metrics.
    pub purpose: Purpose,
    /// The labels and annotations to change.
    pub patch: Patch,
    /// The flag is true if the write replaces or removes what another writer wrote.
    pub is_over_foreign: bool,
}

/// The purpose of a write.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Purpose {
    /// A record or a label of ours is added.
    Register,
    /// The mark is completed. This second write makes Go's watchers see the service.
    Announce,
    /// A record or label of ours is corrected, because another writer or our configuration changed.
    Repair,
    /// A record of ours is removed.
    Deregister,
}

/// Labels and annotations to set, or with `None` to remove.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Patch {
    /// The changes of labels, by key.
    pub labels: BTreeMap<String, Option<String>>,
    /// The changes of annotations, by key.
    pub annotations: BTreeMap<String, Option<String>>,
}

/// The standing of one service on a pod, as it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// The pod was not read yet, or it has no record of ours and no verdict is known.
    Unknown,
    /// The pod has no record of ours.
    Absent,
    /// The pod has our record and its labels.
    Registered,
    /// The service is registered by another writer, and its node counts as ours.
    Adopted {
        /// The id of the other writer's node.
        node: String,
    },
    /// The obstacle prevents what is wanted.
    Refused(Obstacle),
}

/// A label or an annotation that prevents a registration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// A label has another value already, perhaps for the pod's controller.
    #[error(
        "the pod's label {key} is {value:?} where the registry needs {LABEL_VALUE:?}; remove the label from the pod's template"
    )]
    Label {
        /// The key of the label.
        key: String,
        /// The value of the label.
        value: String,
    },
    /// The annotation holds another service, whose name maps to the same key.
    #[error("the annotation {key} holds the service {name:?}, whose name maps to the same key")]
    Name {
        /// The key of the annotation.
        key: String,
        /// The name of the other service.
        name: String,
    },
    /// The service is registered by another writer, and `--on_foreign=fail` is set.
    #[error(
        "another writer has registered the service, as node {node:?}, and --on_foreign=fail is set"
    )]
    Writer {
        /// The id of the other writer's node.
        node: String,
    },
}

// === impl Write ===

impl Write {
    /// Returns whether the write removes a record.
    pub(crate) fn is_removal(&self) -> bool {
        self.purpose == Purpose::Deregister
    }
}

// === impl Purpose ===

impl Purpose {
    /// Returns the name of the purpose in metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Announce => "announce",
            Self::Repair => "repair",
            Self::Deregister => "deregister",
        }
    }
}

// === impl Patch ===

impl Patch {
    /// Returns the body of a JSON merge patch. The uid makes the API server refuse the patch if the
    /// pod was replaced by another pod of the same name.
    pub(crate) fn body(&self, uid: &str) -> Vec<u8> {
        let object = |values: &BTreeMap<String, Option<String>>| -> Map<String, Value> {
            values
                .iter()
                .map(|(key, value)| (key.clone(), json!(value)))
                .collect()
        };
        let mut metadata = Map::new();
        metadata.insert("uid".to_owned(), uid.into());
        for (name, values) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            if !values.is_empty() {
                metadata.insert(name.to_owned(), object(values).into());
            }
        }
        json!({ "metadata": metadata }).to_string().into_bytes()
    }

    /// Returns every key that the patch sets or removes, with its value. Annotations come first,
    /// because a label may be set although it is there.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let changes = self.annotations.iter().chain(&self.labels);
        changes.map(|(key, value)| (&**key, value.as_deref()))
    }

    /// Returns every key that the patch sets or removes.
    pub(crate) fn keys(&self) -> BTreeSet<&str> {
        self.changes().map(|(key, _)| key).collect()
    }
}

// === impl OnForeign ===

impl FromStr for OnForeign {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "adopt" => Ok(Self::Adopt),
            "merge" => Ok(Self::Merge),
            "take" => Ok(Self::Take),
            "fail" => Ok(Self::Fail),
            _ => Err("expected adopt, merge, take or fail"),
        }
    }
}
