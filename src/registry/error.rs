//! Errors of reading and writing the registry.

use crate::cluster::Refusal;
use crate::registry::plan::write::Obstacle;
use crate::registry::rbac::MissingPermission;
use crate::registry::scheme::UnmappableName;

/// The reason why the registry could not be read or written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No matching pod has the service.
    #[error("no service {service:?} in namespace {namespace}{}", hidden(*.not_ready))]
    NotFound {
        /// The name of the service.
        service: String,
        /// The namespace that was searched.
        namespace: String,
        /// The number of pods that have the service and are not Ready.
        not_ready: usize,
    },

    /// No pod of this name exists.
    #[error("no pod {pod:?} in namespace {namespace}")]
    NoPod {
        /// The name of the pod.
        pod: String,
        /// The namespace that was searched.
        namespace: String,
    },

    /// The pod is being deleted, so clients could not use a registration in it.
    #[error("the pod is being deleted")]
    Terminating,

    /// The node has no address: its pod has no IP yet, or it listens on a unix socket.
    #[error(
        "there is no address to register: the pod has no IP yet, or the service listens on a unix socket"
    )]
    NoAddress,

    /// The registration does not have exactly one node. The field is the number of its nodes.
    #[error("a registration must have exactly one node; this one has {0}")]
    Nodes(usize),

    /// A label or an annotation of the pod prevents the registration.
    #[error(transparent)]
    Obstacle(#[from] Obstacle),

    /// The service name has no valid key, so no client could look it up.
    #[error(transparent)]
    Name(#[from] UnmappableName),

    /// The API server answered 403. The text includes a Role that grants the missing verb.
    #[error("{0}")]
    Forbidden(Box<MissingPermission>),

    /// The API server refused the request for another reason, or did not answer.
    #[error(transparent)]
    Refused(Refusal),
}

fn hidden(not_ready: usize) -> String {
    match not_ready {
        0 => String::new(),
        1 => "; 1 pod that has it is not Ready".to_owned(),
        several => format!("; {several} pods that have it are not Ready"),
    }
}

// === impl Error ===

impl Error {
    /// Converts a refusal of a request in this namespace.
    pub(crate) fn of(refusal: Refusal, namespace: &str) -> Self {
        match refusal {
            Refusal::Forbidden(sentence) => {
                Self::Forbidden(MissingPermission::read(&sentence, namespace).into())
            }
            refusal => Self::Refused(refusal),
        }
    }

    /// Returns whether a later retry may succeed although nobody changes anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::NoPod { .. }
            | Self::Terminating
            | Self::NoAddress
            | Self::Nodes(_)
            | Self::Obstacle(_)
            | Self::Name(_)
            | Self::Forbidden(_) => false,
            Self::Refused(refusal) => match refusal {
                Refusal::Unauthorized
                | Refusal::Conflict
                | Refusal::Unavailable { .. }
                | Refusal::Unreachable(_)
                | Refusal::Answer(_) => true,
                Refusal::Forbidden(_)
                | Refusal::Policy(_)
                | Refusal::NotFound(_)
                | Refusal::Replaced
                | Refusal::Invalid(_)
                | Refusal::TooLarge(_) => false,
            },
        }
    }
}
