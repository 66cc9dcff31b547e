//! Why the registry could not be read or written.

use crate::cluster::Refusal;
use crate::registry::plan::write::Taken;
use crate::registry::rbac::Missing;
use crate::registry::scheme::UnmappableName;

/// Why the registry could not be read or written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// No pod has the service.
    #[error("no service {service:?} in namespace {namespace}{}", hidden(*.not_ready))]
    NotFound {
        /// The service.
        service: String,
        /// Where it was looked for.
        namespace: String,
        /// How many pods have it and are not Ready.
        not_ready: usize,
    },

    /// There is no such pod.
    #[error("no pod {pod:?} in namespace {namespace}")]
    NoPod {
        /// The pod.
        pod: String,
        /// Where it was looked for.
        namespace: String,
    },

    /// A pod that is about to go: nobody would hear of a service of it.
    #[error("the pod is being deleted")]
    Terminating,

    /// A node that nobody could call: its pod has no IP yet, or it listens on a socket.
    #[error("there is no address to tell clients: the pod has no IP yet, or it is a socket's")]
    NoAddress,

    /// A registration with another number of nodes than one.
    #[error("a registration is one node of a service; this one has {0}")]
    Nodes(usize),

    /// Something on the pod is in the way.
    #[error(transparent)]
    Taken(#[from] Taken),

    /// A name that nobody could find.
    #[error(transparent)]
    Name(#[from] UnmappableName),

    /// 403: shown with the role that grants what is missing.
    #[error("{0}")]
    Forbidden(Box<Missing>),

    /// Another answer of the API server, or none.
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
    /// What a refusal means in this namespace.
    pub fn of(refusal: Refusal, namespace: &str) -> Self {
        match refusal {
            Refusal::Forbidden(sentence) => {
                Self::Forbidden(Missing::read(&sentence, namespace).into())
            }
            refusal => Self::Refused(refusal),
        }
    }

    /// Whether asking again later may help without anybody changing anything.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::NoPod { .. }
            | Self::Terminating
            | Self::NoAddress
            | Self::Nodes(_)
            | Self::Taken(_)
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
