//! The denials of a request by the API server's admission, which no permission changes.
//!
//! | denied by | status, as the API server sends it | message |
//! |---|---|---|
//! | a validating or mutating webhook | any of 400 to 499, which the webhook chooses | `admission webhook "NAME" denied the request: …` |
//! | a `ValidatingAdmissionPolicy` | 401, 403, 413 or 422, which the policy chooses | `pods "g-0" is forbidden: ValidatingAdmissionPolicy 'NAME' with binding 'NAME' denied request: …` |
//! | a plugin of the API server, such as `PodSecurity` | 403 | `pods "g-0" is forbidden: violates PodSecurity …` |
//! | RBAC or another authorizer: no denial of admission | 403 | `pods "g-0" is forbidden: User "NAME" cannot patch …` |
//!
//! Source: Kubernetes v1.36, `apiserver/pkg/admission/plugin/webhook/errors/statuserror.go`,
//! `…/plugin/policy/validating/dispatcher.go` and `…/endpoints/handlers/responsewriters/errors.go`.

/// The reason why the API server's admission denied a request.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// A webhook denied the request. Has the server's own sentence.
    #[error("denied by an admission webhook: {0}")]
    Webhook(String),
    /// A policy or a plugin of the API server denied the request. Has the server's own sentence.
    #[error("denied by an admission policy: {0}")]
    Policy(String),
    /// A webhook added its own change to the request, which no client may make.
    #[error(
        "the pod's spec was changed while its labels were written: a mutating webhook for UPDATE of pods"
    )]
    ChangedSpec,
}

/// The beginning of every webhook's denial.
const WEBHOOK: &str = "admission webhook \"";

/// The texts by which a policy's denial is known, whatever its status.
const POLICY: [&str; 2] = ["ValidatingAdmissionPolicy '", "' denied request"];

// === impl Denial ===

impl Denial {
    /// Finds the denial in the message of an answer with the status 400 to 499.
    pub(super) fn find(status: u16, message: &str) -> Option<Self> {
        if message.starts_with(WEBHOOK) {
            return Some(Self::Webhook(message.to_owned()));
        }
        // The first colon ends the name of the object.
        let why = message.split_once("is forbidden: ").map(|(_, why)| why);
        // An authorizer begins with the user, whose name may be any text.
        if why.is_some_and(|why| why.starts_with("User \"")) {
            return None;
        }
        let is_plugin = status == 403 && why.is_some_and(|why| !why.is_empty());
        let is_policy = POLICY.iter().any(|text| message.contains(text));
        (is_plugin || is_policy).then(|| Self::Policy(message.to_owned()))
    }

    /// Reads the message of a 422 that names no field.
    pub(super) fn without_field(message: &str) -> Self {
        let found = Self::find(422, message);
        found.unwrap_or_else(|| Self::Policy(message.to_owned()))
    }

    /// Returns the label for metrics, from a closed set.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Policy(_) => "policy",
            Self::ChangedSpec => "changed_spec",
        }
    }

    /// Returns the step that an operator can take.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Webhook(_) => {
                "the admission webhook that the sentence names has to let this pod change its own labels and annotations"
            }
            Self::Policy(_) => {
                "the admission policy that the sentence names has to let this pod change its own labels and annotations"
            }
            Self::ChangedSpec => {
                "exclude this pod from the webhook, or UPDATE from the webhook's rules"
            }
        }
    }
}

#[cfg(test)]
impl From<&str> for Denial {
    fn from(message: &str) -> Self {
        Self::without_field(message)
    }
}
