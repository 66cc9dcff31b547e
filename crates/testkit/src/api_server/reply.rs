//! The replies of the scripted API server.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Response;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::time;

/// The body of a reply.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A reply.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A whole answer, with its status code.
    Json(u16, Value),
    /// The events of a watch, which the server then ends.
    EndedWatch(Vec<Value>),
    /// The events of a watch, which stays open without another event.
    OpenWatch(Vec<Value>),
    /// A whole answer of any form, with its status code and headers.
    Text(u16, Vec<(&'static str, String)>, String),
    /// The bytes of a watch, each after this time since the ones before it, and its end.
    Timed(Vec<(Duration, String)>, End),
    /// Keeps the request without an answer.
    Hung,
    /// The connection is refused.
    NoConnection,
}

/// The end of a watch.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// The watch stays open.
    Open,
    /// The server ends it.
    Closed,
    /// The connection is reset.
    Reset,
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
    /// Returns the response, or waits for ever.
    ///
    /// # Errors
    ///
    /// Returns the error of a refused connection.
    pub(super) async fn response(self) -> Result<Response<Body>, io::Error> {
        let events = |events: Vec<Value>, end| {
            let line = |event| (Duration::ZERO, format!("{event}\n"));
            timed(events.into_iter().map(line).collect(), end)
        };
        let (code, headers, body) = match self {
            Self::Json(code, value) => (code, Vec::new(), whole(value.to_string())),
            Self::Text(code, headers, text) => (code, headers, whole(text)),
            Self::EndedWatch(lines) => (200, Vec::new(), events(lines, End::Closed)),
            Self::OpenWatch(lines) => (200, Vec::new(), events(lines, End::Open)),
            Self::Timed(chunks, end) => (200, Vec::new(), timed(chunks, end)),
            Self::Hung => std::future::pending().await,
            Self::NoConnection => return Err(io::ErrorKind::ConnectionRefused.into()),
        };
        let response = Response::builder().status(code);
        let response = headers
            .into_iter()
            .fold(response, |response, (name, value)| {
                response.header(name, value)
            });
        Ok(response
            .body(body)
            .expect("a script's status code must be valid"))
    }
}

fn whole(text: String) -> Body {
    Full::from(text)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn timed(chunks: Vec<(Duration, String)>, end: End) -> Body {
    let chunks = stream::iter(chunks).then(|(wait, chunk)| async move {
        if !wait.is_zero() {
            time::sleep(wait).await;
        }
        Ok(Frame::data(Bytes::from(chunk)))
    });
    match end {
        End::Open => StreamBody::new(chunks.chain(stream::pending())).boxed_unsync(),
        End::Closed => StreamBody::new(chunks).boxed_unsync(),
        End::Reset => {
            let reset = async { Err(io::ErrorKind::ConnectionReset.into()) };
            StreamBody::new(chunks.chain(stream::once(reset))).boxed_unsync()
        }
    }
}
