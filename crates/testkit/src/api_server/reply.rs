//! The replies of the scripted API server.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

/// A reply.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A whole answer, with its status code.
    Json(u16, Value),
    /// The events of a watch, which the server then ends.
    EndedWatch(Vec<Value>),
    /// The events of a watch, which stays open without another event.
    OpenWatch(Vec<Value>),
}

/// Returns a list of objects at a resource version.
pub fn list(version: &str, items: impl IntoIterator<Item = Value>) -> Reply {
    let items: Vec<_> = items.into_iter().collect();
    let metadata = json!({"resourceVersion": version});
    Reply::Json(
        200,
        json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}),
    )
}

/// Returns a refusal with this status code.
pub fn refused(code: u16, message: &str) -> Reply {
    Reply::Json(code, status(code, message))
}

/// Returns an event of a watch.
pub fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

/// Returns the event 410 Gone: the watch is over, and the client must list again.
pub fn gone() -> Value {
    event("ERROR", &status(410, "too old resource version: 1 (9)"))
}

fn status(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Scripted", "message": message})
}

// === impl Reply ===

impl Reply {
    pub(super) fn response(self) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let lines = |events: Vec<Value>| {
            let line = |event| Ok(Frame::data(Bytes::from(format!("{event}\n"))));
            stream::iter(events.into_iter().map(line))
        };
        let (code, body) = match self {
            Self::Json(code, value) => (code, Full::from(value.to_string()).boxed_unsync()),
            Self::EndedWatch(events) => (200, StreamBody::new(lines(events)).boxed_unsync()),
            Self::OpenWatch(events) => {
                let open = lines(events).chain(stream::pending());
                (200, StreamBody::new(open).boxed_unsync())
            }
        };
        let response = Response::builder().status(code).body(body);
        response.expect("a script's status code must be valid")
    }
}
