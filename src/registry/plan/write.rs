//! The input and the output of a plan: services that are wanted, and one write.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::registry::record::Service;
use crate::registry::scheme::{Keys, LABEL_VALUE, Scheme};

/// A service of the pod and whether it should be in the registry.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The whole record, with our node and no other.
    pub record: Service,
    /// Its keys in each scheme.
    pub keys: Vec<(Scheme, Keys)>,
    /// `None` until the first verdict: what stands there stays.
    pub wanted: Option<bool>,
}

/// `--on_foreign`: what to do about somebody else's node at our address, such as that of
/// a service that registers itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum OnForeign {
    /// Leave it, and count it as ours.
    #[default]
    Adopt,
    /// Put our node in its place, and keep the rest of the record.
    Merge,
    /// Overwrite the record.
    Take,
    /// Write nothing and say so.
    Fail,
}

/// The writes for one pod.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// What to write next, if anything.
    pub write: Option<Write>,
    /// How each entry stands once that is written, in their order.
    pub standings: Vec<Standing>,
}

/// One write, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Write {
    /// Why.
    pub purpose: Purpose,
    /// What.
    pub patch: Patch,
    /// Whether it replaces or removes what somebody else wrote.
    pub is_over_foreign: bool,
}

/// Why something is written.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Purpose {
    /// Something of ours appears.
    Register,
    /// The second write, for watchers.
    Announce,
    /// Something of ours was changed by somebody, or our own facts did.
    Repair,
    /// Something of ours goes.
    Deregister,
}

/// Labels and annotations to set, or with `None` to remove.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Patch {
    /// Of the labels.
    pub labels: BTreeMap<String, Option<String>>,
    /// Of the annotations.
    pub annotations: BTreeMap<String, Option<String>>,
}

/// How one service stands in the registry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Standing {
    /// No verdict yet.
    Unknown,
    /// Not there, as it should be.
    Absent,
    /// There.
    Registered,
    /// There, by somebody else's hand.
    Adopted {
        /// The id of the other's node.
        node: String,
    },
    /// Wanted, and not written.
    Refused(Taken),
}

/// What is in our way.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Taken {
    /// A label means something else already, perhaps to the pod's controller.
    #[error(
        "the pod's label {key}={value:?} is not ours to change; the registry needs {LABEL_VALUE:?} there"
    )]
    Label {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Another name is mapped to the same key.
    #[error("the annotation {key} holds the service {name:?}, whose name maps to the same key")]
    Name {
        /// The key.
        key: String,
        /// The name in it.
        name: String,
    },
    /// Somebody else's node, and `--on_foreign=fail`.
    #[error("the service is registered by somebody else, as node {node:?}, and --on_foreign=fail")]
    Writer {
        /// The other's node.
        node: String,
    },
}

// === impl Purpose ===

impl Purpose {
    /// As metrics and logs name it.
    pub fn name(self) -> &'static str {
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
    /// The body of a JSON merge patch. With the uid, a pod that was made again under the
    /// same name refuses it.
    pub fn body(&self, uid: &str) -> Vec<u8> {
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

    /// Every key that it sets or removes.
    pub fn keys(&self) -> BTreeSet<&str> {
        self.labels
            .keys()
            .chain(self.annotations.keys())
            .map(String::as_str)
            .collect()
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
