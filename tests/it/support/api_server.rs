//! The API server as a script under a real `kube::Client`: no socket, every request kept.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

/// The namespace of every client here.
pub const NAMESPACE: &str = "demo";

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// `null` if there was none.
    pub body: Value,
}

/// One answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A whole one.
    Json(u16, Value),
    /// Events, after which the server ends the watch.
    Cut(Vec<Value>),
    /// Events, and then nothing for ever.
    Open(Vec<Value>),
}

/// Every request so far.
#[derive(Clone, Debug, Default)]
pub struct Wire(Arc<Mutex<Vec<Asked>>>);

type Answer = Arc<Mutex<dyn FnMut(&Asked) -> Reply + Send>>;

#[derive(Clone)]
struct Script {
    wire: Wire,
    answer: Answer,
}

/// A client whose API server answers by script.
pub fn client(answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> (kube::Client, Wire) {
    let wire = Wire::default();
    let script = Script {
        wire: wire.clone(),
        answer: Arc::new(Mutex::new(answer)),
    };
    (kube::Client::new(script, NAMESPACE), wire)
}

/// The same, one answer after the other; the last one again and again.
pub fn in_turn(replies: impl IntoIterator<Item = Reply>) -> (kube::Client, Wire) {
    let mut replies: VecDeque<_> = replies.into_iter().collect();
    let mut last = refused(500, "the script has no answer");
    client(move |_| {
        if let Some(reply) = replies.pop_front() {
            last = reply;
        }
        last.clone()
    })
}

/// A list of objects at a version.
pub fn list(version: &str, items: impl IntoIterator<Item = Value>) -> Reply {
    let items: Vec<_> = items.into_iter().collect();
    let metadata = json!({"resourceVersion": version});
    Reply::Json(
        200,
        json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": items}),
    )
}

/// An answer that is no success.
pub fn refused(code: u16, message: &str) -> Reply {
    Reply::Json(code, status(code, message))
}

/// One event of a watch.
pub fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

/// The event that a watch is over and the list to be asked for again.
pub fn gone() -> Value {
    event("ERROR", &status(410, "too old resource version: 1 (9)"))
}

fn status(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Scripted", "message": message})
}

/// A pod that is well, at a version.
pub fn pod(name: &str, version: &str, annotations: &Value) -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": format!("uid-{name}"),
            "resourceVersion": version,
            "creationTimestamp": "2026-11-21T03:20:00Z",
            "labels": {"micro.mu/type": "service", "micro.mu/selector-greeter": "service"},
            "annotations": annotations,
        },
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

/// A pod that is well and has no part in the registry.
pub fn bare_pod() -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {"name": "g-0", "namespace": NAMESPACE, "uid": "uid-g-0", "labels": {"app": "g"}},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.7",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    })
}

/// The first with a node of the service greeter.
pub fn greeter(name: &str, version: &str, address: &str) -> Value {
    let record = json!({
        "name": "greeter",
        "version": "latest",
        "nodes": [{"id": format!("greeter-{name}"), "address": address}],
    });
    pod(
        name,
        version,
        &json!({"micro.mu/service-greeter": record.to_string()}),
    )
}

// === impl Asked ===

impl Asked {
    /// A value of its query; empty if there is none.
    pub fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    pub fn is_watch(&self) -> bool {
        self.query("watch") == "true"
    }
}

// === impl Reply ===

impl Reply {
    fn response(self) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        let lines = |events: Vec<Value>| {
            let line = |event| Ok(Frame::data(Bytes::from(format!("{event}\n"))));
            stream::iter(events.into_iter().map(line))
        };
        let (code, body) = match self {
            Self::Json(code, value) => (code, Full::from(value.to_string()).boxed_unsync()),
            Self::Cut(events) => (200, StreamBody::new(lines(events)).boxed_unsync()),
            Self::Open(events) => {
                let open = lines(events).chain(stream::pending());
                (200, StreamBody::new(open).boxed_unsync())
            }
        };
        Response::builder().status(code).body(body).unwrap()
    }
}

// === impl Wire ===

impl Wire {
    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.0.lock().unwrap().clone()
    }

    /// The metadata in the bodies of all patches.
    pub fn patches(&self) -> Vec<Value> {
        let asked = self.asked().into_iter();
        let patches = asked.filter(|asked| asked.method == Method::PATCH);
        patches
            .map(|asked| asked.body["metadata"].clone())
            .collect()
    }
}

// === impl Script ===

impl tower_service::Service<Request<Body>> for Script {
    type Response = Response<UnsyncBoxBody<Bytes, Infallible>>;
    type Error = kube::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let script = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let decoded = |text: &str| {
                let text = text.replace('+', " ");
                percent_decode_str(&text)
                    .decode_utf8()
                    .unwrap()
                    .into_owned()
            };
            let pairs = head.uri.query().unwrap_or_default().split('&');
            let pairs = pairs.filter_map(|pair| pair.split_once('='));
            let asked = Asked {
                method: head.method,
                path: head.uri.path().to_owned(),
                query: pairs
                    .map(|(name, value)| (decoded(name), decoded(value)))
                    .collect(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            let reply = (script.answer.lock().unwrap())(&asked);
            script.wire.0.lock().unwrap().push(asked);
            Ok(reply.response())
        })
    }
}

/// One pod of this content, without what is forbidden; what is written stays written.
pub fn holding(mut held: Value, forbidden: &'static [&'static str]) -> (kube::Client, Wire) {
    client(move |asked| {
        let name = held["metadata"]["name"].as_str().unwrap().to_owned();
        let is_named = asked.path.ends_with(&format!("/pods/{name}"));
        let verb = match asked.method.as_str() {
            "GET" if asked.path.ends_with("/pods") => "list",
            "GET" => "get",
            _ => "patch",
        };
        if forbidden.contains(&verb) {
            let sentence = format!(
                "pods \"{name}\" is forbidden: User \"system:serviceaccount:demo:cli\" cannot {verb} resource \"pods\" in API group \"\" in the namespace \"demo\""
            );
            return refused(403, &sentence);
        }
        if verb == "list" {
            let is_asked = asked.query("fieldSelector") == format!("metadata.name={name}");
            return list("7", is_asked.then(|| held.clone()));
        }
        if !is_named {
            return refused(404, "pods not found");
        }
        if verb == "patch" {
            assert_eq!(asked.body["metadata"]["uid"], held["metadata"]["uid"]);
            merge(&mut held, &asked.body);
        }
        Reply::Json(200, held.clone())
    })
}

/// JSON merge patch, RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let target = target.as_object_mut().unwrap();
    for (key, change) in changes {
        if change.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), change);
        }
    }
}
