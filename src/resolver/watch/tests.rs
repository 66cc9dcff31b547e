//! The watch against an API server that is a script.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time;

use super::*;
use crate::resolver::{Endpoints, Resolver};

/// An answer of the API server.
enum Reply {
    Whole(u16, Value),
    /// Events, after which the server ends the watch.
    Cut(Vec<Value>),
    /// Events, and then nothing for ever.
    Open(Vec<Value>),
}

type Answer = dyn FnMut(&str) -> Reply + Send;

/// Every query so far, and the answer to the next.
#[derive(Clone)]
struct Script {
    asked: Arc<Mutex<Vec<String>>>,
    answer: Arc<Mutex<Answer>>,
}

impl Script {
    fn new(answer: impl FnMut(&str) -> Reply + Send + 'static) -> Self {
        Self {
            asked: Arc::default(),
            answer: Arc::new(Mutex::new(answer)),
        }
    }

    fn resolver(&self) -> Resolver {
        Resolver::new(kube::Client::new(self.clone(), "shop"), "shop")
    }

    /// `list`, or `watch` and the version it goes on from.
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl tower_service::Service<Request<Body>> for Script {
    type Response = Response<UnsyncBoxBody<Bytes, Infallible>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let query = request.uri().query().unwrap_or_default().to_owned();
        assert!(
            query.contains("labelSelector=kubernetes.io%2Fservice-name%3Dgreeter"),
            "{query}"
        );
        let value = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let asked = match value("watch") {
            Some(_) => format!("watch {}", value("resourceVersion").unwrap_or_default()),
            None => "list".to_owned(),
        };
        self.asked.lock().unwrap().push(asked.clone());
        let reply = (self.answer.lock().unwrap())(&asked);
        let lines = |events: Vec<Value>| {
            let line = |event| Ok(Frame::data(Bytes::from(format!("{event}\n"))));
            stream::iter(events.into_iter().map(line))
        };
        let (code, body) = match reply {
            Reply::Whole(code, value) => (code, Full::from(value.to_string()).boxed_unsync()),
            Reply::Cut(events) => (200, StreamBody::new(lines(events)).boxed_unsync()),
            Reply::Open(events) => {
                let open = lines(events).chain(stream::pending());
                (200, StreamBody::new(open).boxed_unsync())
            }
        };
        let response = Response::builder().status(code).body(body);
        std::future::ready(Ok(response.unwrap()))
    }
}

fn slice(version: u32, name: &str, ip: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": name, "resourceVersion": version.to_string() },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": [ip] }],
        "ports": [{ "name": "grpc", "port": 50051 }, { "name": "metrics", "port": 9090 }],
    })
}

fn list(version: u32, ips: &[&str]) -> Reply {
    let items = ips
        .iter()
        .map(|ip| slice(version, &format!("greeter-{ip}"), ip));
    Reply::Whole(
        200,
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSliceList",
            "metadata": { "resourceVersion": version.to_string() },
            "items": items.collect::<Value>(),
        }),
    )
}

fn event(kind: &str, object: &Value) -> Value {
    json!({ "type": kind, "object": object })
}

fn status(code: u16) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Scripted", "message": "no" })
}

fn greeter(resolver: &Resolver, port: &str) -> Endpoints {
    resolver.endpoints(format!("kubernetes:///greeter:{port}").parse().unwrap())
}

async fn until(endpoints: &mut Endpoints, state: &str, expected: &[&str]) {
    let reached = async {
        loop {
            let union = endpoints.union();
            let found: Vec<_> = union
                .ready()
                .map(|it| it.address.ip().to_string())
                .collect();
            if endpoints.state().name() == state && found == expected {
                return;
            }
            endpoints.changed().await;
        }
    };
    let reached = time::timeout(Duration::from_mins(5), reached).await;
    assert!(reached.is_ok(), "never {state} {expected:?}");
}

/// A failure of a watch that had begun is seen by who asks next.
fn failing(answers: Vec<Reply>) -> impl FnMut(&str) -> Reply + Send {
    let mut answers = answers.into_iter();
    move |_| answers.next().unwrap_or_else(|| Reply::Open(vec![]))
}

#[tokio::test(start_paused = true)]
async fn defect_11_users_of_one_service_share_one_watch() {
    let script = Script::new(failing(vec![list(1, &["10.0.0.1"])]));
    let resolver = script.resolver();
    let (mut one, mut other) = (greeter(&resolver, "grpc"), greeter(&resolver, "metrics"));
    until(&mut one, "synced", &["10.0.0.1"]).await;
    until(&mut other, "synced", &["10.0.0.1"]).await;
    let port = |endpoints: &Endpoints| endpoints.union().endpoints.keys().next().unwrap().port();
    assert_eq!((port(&one), port(&other)), (50051, 9090));
    time::sleep(Duration::from_mins(1)).await;
    assert_eq!(script.asked(), ["list", "watch 1"]);
}

#[tokio::test(start_paused = true)]
async fn defect_10_a_watch_that_was_taken_up_often_still_stops() {
    let script = Script::new(|asked| match asked {
        "list" => list(1, &["10.0.0.1"]),
        _ => Reply::Cut(vec![]),
    });
    let resolver = script.resolver();
    let mut endpoints = greeter(&resolver, "grpc");
    until(&mut endpoints, "synced", &["10.0.0.1"]).await;
    time::sleep(Duration::from_millis(4500)).await;
    assert_eq!(
        script.asked().len(),
        6,
        "one watch a second: {:?}",
        script.asked()
    );
    drop(endpoints);
    time::sleep(Duration::from_mins(1)).await;
    assert_eq!(script.asked().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn defect_13_a_watch_that_ends_goes_on_where_it_was() {
    let script = Script::new(failing(vec![
        list(1, &["10.0.0.1"]),
        Reply::Cut(vec![event("ADDED", &slice(5, "greeter-b", "10.0.0.2"))]),
        Reply::Cut(vec![event(
            "BOOKMARK",
            &json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": { "resourceVersion": "9" },
            }),
        )]),
    ]));
    let mut endpoints = greeter(&script.resolver(), "grpc");
    until(&mut endpoints, "synced", &["10.0.0.1", "10.0.0.2"]).await;
    time::sleep(Duration::from_mins(1)).await;
    assert_eq!(script.asked(), ["list", "watch 1", "watch 5", "watch 9"]);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_too_old_is_listed_again_however_that_is_said() {
    let gone = || event("ERROR", &status(410));
    let told = [
        vec![Reply::Cut(vec![gone()])],
        vec![Reply::Whole(410, status(410))],
        vec![
            Reply::Whole(410, status(410)),
            list(2, &["10.0.0.2"]),
            Reply::Whole(410, status(410)),
        ],
    ];
    for mut told in told {
        let mut answers = vec![list(1, &["10.0.0.1"])];
        answers.append(&mut told);
        answers.push(list(3, &["10.0.0.3"]));
        let script = Script::new(failing(answers));
        let mut endpoints = greeter(&script.resolver(), "grpc");
        until(&mut endpoints, "synced", &["10.0.0.3"]).await;
        time::sleep(Duration::from_mins(1)).await;
        assert_eq!(script.asked().last().unwrap(), "watch 3");
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_changes_no_endpoint_and_is_noticed_when_back() {
    let script = Script::new(failing(vec![
        list(1, &["10.0.0.1"]),
        Reply::Cut(vec![]),
        Reply::Whole(503, status(503)),
        Reply::Whole(503, status(503)),
    ]));
    let mut endpoints = greeter(&script.resolver(), "grpc");
    until(&mut endpoints, "synced", &["10.0.0.1"]).await;
    until(&mut endpoints, "stale", &["10.0.0.1"]).await;
    // Nothing has happened meanwhile: no event will tell.
    until(&mut endpoints, "synced", &["10.0.0.1"]).await;
    assert_eq!(
        script.asked(),
        ["list", "watch 1", "watch 1", "watch 1", "watch 1"]
    );
}

#[tokio::test(start_paused = true)]
async fn who_may_not_list_is_told_so_and_tried_again() {
    let script = Script::new(failing(vec![
        Reply::Whole(403, status(403)),
        list(1, &["10.0.0.1"]),
    ]));
    let mut endpoints = greeter(&script.resolver(), "grpc");
    let known = time::timeout(Duration::from_secs(1), endpoints.known()).await;
    assert_eq!(known.unwrap(), Err(Refusal::Forbidden("no".to_owned())));
    until(&mut endpoints, "synced", &["10.0.0.1"]).await;
    assert!(endpoints.known().await.is_ok());
}
