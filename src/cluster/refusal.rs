//! The meaning of the API server's error answers.
//!
//! | status           | refusal                                                               |
//! |------------------|-----------------------------------------------------------------------|
//! | 400 to 499       | a webhook's or a policy's denial, if the message is one               |
//! | 401              | the token is no longer accepted: rotated, or its pod is gone          |
//! | 403              | RBAC                                                                  |
//! | 404              | no such object, if a `Status` says so: proxies have a 404 of their own |
//! | 409              | another client changed the object in between                          |
//! | 413, 500 by etcd | the request is too large                                              |
//! | 422              | [another object, a denial, or invalid fields](Refusal::of_422)        |
//! | all others       | retry later, after `Retry-After` if the answer has it                 |
//!
//! Answers are matched by status, reason and field, because the texts change between versions.
//! A denial has no reason or field of its own, so its text is matched. A 422 on the field `patch`
//! repeats the whole object. A 422 on `spec` repeats the difference, which may be a secret. For
//! this reason the text is kept only for the labels and annotations, which we write.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::error::Category;

use crate::text::Excerpt;

mod denial;

pub use self::denial::Denial;

/// The reason why a request failed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The API server refused the token (401).
    #[error("the API server does not accept the token (401): is it expired, or its pod deleted?")]
    Unauthorized,
    /// The service account lacks a permission (403). Has the server's own sentence.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// A webhook or a policy of the server's admission denied the request.
    #[error(transparent)]
    Policy(Denial),
    /// The object does not exist (404).
    #[error("not found: {0}")]
    NotFound(String),
    /// The object was changed by another client at the same time (409).
    #[error("another client wrote at the same time")]
    Conflict,
    /// The object has another uid: it was deleted, and created again under the same name.
    #[error("the object was deleted and created again under the same name")]
    Replaced,
    /// The server does not accept some fields.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The request is larger than the server accepts.
    #[error("too large: {0}")]
    TooLarge(String),
    /// The server is overloaded or has failed (429 or 5xx), or has another status that says
    /// nothing about the object (such as 400 or 302).
    #[error("the API server answers {status}: {message}")]
    Unavailable {
        /// The HTTP status of the answer.
        status: StatusCode,
        /// The minimum delay that the server asks for.
        retry_after: Option<Duration>,
        /// The message of the answer.
        message: Excerpt,
    },
    /// No answer arrived.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(Excerpt),
    /// The answer is not the requested object.
    #[error("not an answer of an API server: {0}")]
    Answer(String),
}

/// The fields of `metav1.Status` that are read here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    kind: String,
    message: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    causes: Option<Vec<Cause>>,
    retry_after_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    field: String,
    reason: String,
    message: String,
}

/// The longest `Retry-After` that is honoured.
const RETRY_AFTER: Duration = Duration::from_mins(5);

/// The field of a cause that repeats the whole object.
const WHOLE_OBJECT: &str = "patch";

/// The field that has everything that we write.
const OURS: &str = "metadata";

/// The field that we never write.
const SPEC: &str = "spec";

/// The texts of a 500 that the API server passes on from etcd's server or client, for an object
/// above 1.5 or 2 MiB. Source: kubernetes/kubernetes#112152.
const TOO_LARGE: [&str; 2] = [
    "etcdserver: request is too large",
    "trying to send message larger than max",
];

// === impl Refusal ===

impl Refusal {
    /// Reads the refusal from an answer that is not a success.
    pub(crate) fn of(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let parsed: Option<Status> = serde_json::from_slice(body).ok();
        let plain = || Excerpt::from(String::from_utf8_lossy(body)).to_string();
        let message = parsed
            .as_ref()
            .map_or_else(plain, |status| status.message.clone());
        let is_status = parsed.as_ref().is_some_and(|it| it.kind == "Status");
        let details = parsed.and_then(|status| status.details).unwrap_or_default();
        let denial = status
            .is_client_error()
            .then(|| Denial::find(status.as_u16(), &one_line(&message)))
            .flatten();
        if let Some(denial) = denial {
            return Self::Policy(denial);
        }
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Forbidden(one_line(&message)),
            404 if is_status => Self::NotFound(one_line(&message)),
            404 => Self::Answer(format!("404 {}", Excerpt::from(message))),
            409 => Self::Conflict,
            413 => Self::TooLarge(one_line(&message)),
            422 => Self::of_422(&message, details.causes.unwrap_or_default()),
            500 if TOO_LARGE.iter().any(|text| message.contains(text)) => {
                Self::TooLarge(one_line(&message))
            }
            _ => Self::Unavailable {
                status,
                retry_after: retry_after.or(details.retry_after_seconds.map(Duration::from_secs)),
                message: message.into(),
            },
        }
    }

    /// Creates the refusal of a request that was not answered.
    pub(crate) fn unreachable(error: &(dyn Error + 'static)) -> Self {
        // The innermost error has the cause; the others only passed it on.
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let cut = |error: &std::io::Error| error.kind() == ErrorKind::UnexpectedEof;
        if cause.downcast_ref().is_some_and(cut) {
            // The text of rustls has a link.
            return Self::Unreachable("the connection was cut".into());
        }
        Self::Unreachable(cause.to_string().into())
    }

    /// Creates the refusal of an answer that is not the requested object. Omits the values, which
    /// the error may repeat.
    pub(crate) fn answer(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        Self::Answer(match error.classify() {
            Category::Data => {
                format!("an unexpected value at line {line} column {column} of the JSON")
            }
            Category::Io | Category::Syntax | Category::Eof => error.to_string(),
        })
    }

    /// Converts the error of a request that `kube` itself sent.
    pub(crate) fn of_kube(error: &kube::Error) -> Self {
        let status = match error {
            kube::Error::Api(status) => status,
            kube::Error::SerdeError(error) => return Self::answer(error),
            error => return Self::unreachable(error),
        };
        let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = serde_json::to_value(status).unwrap_or_default();
        // kube uses this text for a body that is no Status.
        if status.reason != "Failed to parse error data" {
            body["kind"] = "Status".into();
        }
        Self::of(code, None, body.to_string().as_bytes())
    }

    /// Returns the label for metrics, from a closed set.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::Policy(denial) => denial.code(),
            Self::NotFound(_) => "not_found",
            Self::Conflict => "conflict",
            Self::Replaced => "replaced",
            Self::Invalid(_) => "invalid",
            Self::TooLarge(_) => "too_large",
            Self::Unavailable { .. } => "unavailable",
            Self::Unreachable(_) => "unreachable",
            Self::Answer(_) => "answer",
        }
    }

    /// Returns the step that an operator can take.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unauthorized => {
                "does the pod still exist, and is the folder in --service_account mounted from it?"
            }
            Self::Forbidden(_) => "give the service account the verb that the sentence names",
            Self::Policy(denial) => denial.remedy(),
            Self::NotFound(_) | Self::Replaced => {
                "is --pod_name the pod that this sidecar runs in?"
            }
            Self::Conflict => "none needed: the request is sent again",
            Self::Invalid(_) | Self::TooLarge(_) => {
                "shorten what the message names: the service's name, or its metadata"
            }
            Self::Unavailable { status, .. } if !is_busy(*status) => {
                "the request is sent again; if the answer stays, is --registry_address an API server, or a proxy to one?"
            }
            Self::Unavailable { .. } | Self::Unreachable(_) => {
                "none needed: the request is sent again, and probes are answered meanwhile"
            }
            Self::Answer(_) => "is --registry_address an API server, or a proxy to one?",
        }
    }

    /// Tells whether the answer stays the same until an operator changes a permission, a webhook or
    /// a policy.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Forbidden(_) | Self::Policy(_))
    }

    /// Returns the delay that the server asks for, at most [`RETRY_AFTER`].
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => retry_after.map(|it| it.min(RETRY_AFTER)),
            _ => None,
        }
    }

    /// Tells whether the server may have done what the request asked for.
    pub(crate) fn is_uncertain(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::Unreachable(_) | Self::Answer(_)
        )
    }

    /// Decides between the meanings of 422. The server may repeat a cause.
    ///
    /// | fields of the causes | refusal |
    /// |---|---|
    /// | `metadata.uid` | another object of this name |
    /// | `patch`, the whole object | invalid, without the text |
    /// | none | a policy's denial |
    /// | only `spec` | a webhook changed the pod's spec |
    /// | any other | invalid fields |
    fn of_422(message: &str, mut causes: Vec<Cause>) -> Self {
        let has = |name: &str| causes.iter().any(|cause| cause.field == name);
        if has("metadata.uid") {
            return Self::Replaced;
        }
        if has(WHOLE_OBJECT) {
            return Self::Invalid("the server does not accept the patch".to_owned());
        }
        causes.retain(|cause| !cause.field.is_empty());
        if causes.is_empty() {
            return Self::Policy(Denial::without_field(&one_line(message)));
        }
        if causes.iter().all(|cause| is_in(&cause.field, SPEC)) {
            return Self::Policy(Denial::ChangedSpec);
        }
        let mut lines: Vec<String> = Vec::new();
        for cause in &causes {
            let why = if is_in(&cause.field, OURS) {
                &cause.message
            } else {
                &cause.reason
            };
            let cause = one_line(&format!("{}: {why}", cause.field));
            if !lines.contains(&cause) {
                lines.push(cause);
            }
        }
        Self::Invalid(lines.join("; "))
    }
}

/// Tells whether a cause's field is this one, or is inside it.
fn is_in(field: &str, outer: &str) -> bool {
    field
        .strip_prefix(outer)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Tells whether the status asks for a retry.
fn is_busy(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// Returns the server's sentence on one line for the log, cut at a length that keeps it readable.
fn one_line(message: &str) -> String {
    const SENTENCE: usize = 1000;
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    message.chars().take(SENTENCE).map(clean).collect()
}

#[cfg(test)]
mod tests;
