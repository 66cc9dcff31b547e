//! What the API server's answers mean to us.
//!
//! | status   | refusal                                                               |
//! |----------|-----------------------------------------------------------------------|
//! | 401      | the token is no longer taken: rotated, or its pod is gone              |
//! | 403      | RBAC; so is a 422 without a field, which is an admission policy        |
//! | 404      | no such object, if a `Status` says so: proxies have a 404 of their own |
//! | 409      | somebody wrote in between                                             |
//! | 413      | the request is too large                                              |
//! | 422      | `metadata.uid`: another object of this name; else the named fields    |
//! | 429, 5xx | later, after `Retry-After` if it says                                 |
//!
//! Matched by status, reason and field: the texts change between versions. A 422 on the
//! field `patch` repeats the whole object, and one on `spec` what differs in it, which may be
//! a secret: only of what we write, the labels and annotations, is the text kept.

use std::error::Error;
use std::io::ErrorKind;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use serde_json::error::Category;

use crate::text::Excerpt;

/// Why a request did not do what it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// 401.
    #[error("the API server does not take our token (401): is it expired, or its pod deleted?")]
    Unauthorized,
    /// 403, with the server's own sentence.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// A policy denied it, with the server's own sentence.
    #[error("denied by an admission policy: {0}")]
    Policy(String),
    /// 404.
    #[error("not found: {0}")]
    NotFound(String),
    /// 409.
    #[error("somebody else wrote at the same time")]
    Conflict,
    /// The object has another uid: deleted, and made again under the same name.
    #[error("the object of this name is another one now")]
    Replaced,
    /// Fields that the server does not take.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Larger than the server takes.
    #[error("too large: {0}")]
    TooLarge(String),
    /// 429 or 5xx: the server's own state.
    #[error("the API server answers {status}: {message}")]
    Unavailable {
        /// The status.
        status: StatusCode,
        /// How long to wait at least.
        retry_after: Option<Duration>,
        /// What it said.
        message: Excerpt,
    },
    /// No answer at all.
    #[error("the API server cannot be reached: {0}")]
    Unreachable(Excerpt),
    /// An answer that is not the object that was asked for.
    #[error("not an answer of an API server: {0}")]
    Answer(String),
}

/// `metav1.Status`, as far as it matters here.
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

/// The field of a cause that repeats the whole object.
const WHOLE_OBJECT: &str = "patch";

/// The field that holds everything we write.
const OURS: &str = "metadata";

// === impl Refusal ===

impl Refusal {
    /// Reads an answer that is not a success.
    pub fn of(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let told: Option<Status> = serde_json::from_slice(body).ok();
        let plain = || Excerpt::from(String::from_utf8_lossy(body)).to_string();
        let message = told
            .as_ref()
            .map_or_else(plain, |told| told.message.clone());
        let is_status = told.as_ref().is_some_and(|told| told.kind == "Status");
        let details = told.and_then(|told| told.details).unwrap_or_default();
        match status.as_u16() {
            401 => Self::Unauthorized,
            403 => Self::Forbidden(one_line(&message)),
            404 if is_status => Self::NotFound(one_line(&message)),
            404 => Self::Answer(format!("404 {}", Excerpt::from(message))),
            409 => Self::Conflict,
            413 => Self::TooLarge(one_line(&message)),
            422 => Self::invalid(&message, details.causes.unwrap_or_default()),
            429 | 500.. => Self::Unavailable {
                status,
                retry_after: retry_after.or(details.retry_after_seconds.map(Duration::from_secs)),
                message: message.into(),
            },
            _ => Self::Invalid(one_line(&message)),
        }
    }

    /// A request that was not answered.
    pub fn unreachable(error: &(dyn Error + 'static)) -> Self {
        // The last one says what happened; those around it, who passed it on.
        let mut cause = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let cut = |error: &std::io::Error| error.kind() == ErrorKind::UnexpectedEof;
        if cause.downcast_ref().is_some_and(cut) {
            // rustls says it with a link.
            return Self::Unreachable("the connection was cut".into());
        }
        Self::Unreachable(cause.to_string().into())
    }

    /// An answer that is not what was asked for. Without its values, which the error may repeat.
    pub fn answer(error: &serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        Self::Answer(match error.classify() {
            Category::Data => format!("something else at line {line} column {column} of the JSON"),
            Category::Io | Category::Syntax | Category::Eof => error.to_string(),
        })
    }

    /// What kube made of an answer, for requests that are kube's.
    pub fn of_kube(error: &kube::Error) -> Self {
        let status = match error {
            kube::Error::Api(status) => status,
            kube::Error::SerdeError(error) => return Self::answer(error),
            error => return Self::unreachable(error),
        };
        let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = serde_json::to_value(status).unwrap_or_default();
        // kube's own word for a body that is no Status.
        if status.reason != "Failed to parse error data" {
            body["kind"] = "Status".into();
        }
        Self::of(code, None, body.to_string().as_bytes())
    }

    /// As metrics label it: a closed set.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::Policy(_) => "policy",
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

    /// What an operator can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unauthorized => {
                "does the pod still exist, and is the folder in --service_account mounted from it?"
            }
            Self::Forbidden(_) => "give the service account the verb that the sentence names",
            Self::Policy(_) => {
                "the admission policy that the sentence names has to let this pod change its own labels and annotations"
            }
            Self::NotFound(_) | Self::Replaced => {
                "is --pod_name the pod that this sidecar runs in?"
            }
            Self::Conflict => "none needed: it is tried again",
            Self::Invalid(_) | Self::TooLarge(_) => {
                "shorten what the message names: the service's name, or its metadata"
            }
            Self::Unavailable { .. } | Self::Unreachable(_) => {
                "none needed: it is tried again, and probes are answered meanwhile"
            }
            Self::Answer(_) => "is --registry_address an API server, or a proxy to one?",
        }
    }

    /// Whether the answer will be the same until somebody changes a permission.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Forbidden(_) | Self::Policy(_))
    }

    /// The four meanings of 422. The server repeats causes.
    fn invalid(message: &str, mut causes: Vec<Cause>) -> Self {
        let field = |name: &str| causes.iter().any(|cause| cause.field == name);
        if field("metadata.uid") {
            return Self::Replaced;
        }
        if field(WHOLE_OBJECT) {
            return Self::Invalid("the server does not take our patch".to_owned());
        }
        if causes.iter().all(|cause| cause.field.is_empty()) {
            return Self::Policy(one_line(message));
        }
        causes.dedup_by(|a, b| a.field == b.field && a.message == b.message);
        let mut told: Vec<String> = Vec::new();
        for cause in &causes {
            let is_ours = cause.field.starts_with(OURS);
            let why = if is_ours {
                &cause.message
            } else {
                &cause.reason
            };
            let cause = one_line(&format!("{}: {why}", cause.field));
            if !told.contains(&cause) {
                told.push(cause);
            }
        }
        Self::Invalid(told.join("; "))
    }
}

/// A sentence of the server, bounded: whole for people, and no line of its own in a log.
fn one_line(message: &str) -> String {
    const SENTENCE: usize = 1000;
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    message.chars().take(SENTENCE).map(clean).collect()
}

#[cfg(test)]
mod tests;
