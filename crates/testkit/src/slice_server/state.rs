//! The state of the slice server, and its answers.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// The slices of all Services, and the requests so far.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) services: Mutex<HashMap<String, watch::Sender<Service>>>,
    /// The only token that is accepted; any, if there is none.
    pub(super) token: Mutex<Option<String>>,
    pub(super) connections: AtomicUsize,
    pub(super) open: Mutex<JoinSet<()>>,
    pub(super) requests: AtomicUsize,
    pub(super) refused: AtomicUsize,
    pub(super) watches: watch::Sender<usize>,
}

/// The slices of one Service.
#[derive(Debug, Default)]
pub(super) struct Service {
    version: u64,
    /// The version of the last change and the JSON, by name.
    slices: BTreeMap<String, (u64, String)>,
    /// A number that grows when its watches must end.
    watch_generation: u64,
}

// === impl State ===

impl State {
    pub(super) fn service(&self, service: &str) -> watch::Sender<Service> {
        let mut services = lock(&self.services);
        services.entry(service.to_owned()).or_default().clone()
    }

    /// Answers a request.
    pub(super) fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let token = lock(&self.token).clone();
        let sent = request.headers().get(header::AUTHORIZATION);
        if token.is_some_and(|token| sent.is_none_or(|it| *it != format!("Bearer {token}"))) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure",
                "code": 401, "reason": "Unauthorized", "message": "Unauthorized",
            });
            let mut response = whole(&status.to_string());
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            return response;
        }
        let query = request.uri().query().unwrap_or_default();
        let after = |key: &str| {
            let (_, rest) = query.split_once(key)?;
            rest.split('&').next()
        };
        let service = after("labelSelector=kubernetes.io%2Fservice-name%3D");
        let service = self.service(service.expect("a request must be about one Service"));
        if after("watch=").is_none() {
            return whole(&service.borrow().list());
        }
        self.watches.send_modify(|begun| *begun += 1);
        let version = after("resourceVersion=").and_then(|version| version.parse().ok());
        let version = version.expect("a watch must go on from a version");
        let changes = service.subscribe();
        let generation = changes.borrow().watch_generation;
        let events = stream::unfold(
            (changes, version),
            move |(mut changes, version)| async move {
                let changed =
                    changes.wait_for(|it| it.version > version || it.watch_generation > generation);
                let (lines, version) = {
                    let service = changed.await.ok()?;
                    (service.lines(version), service.version)
                };
                // Without a change, the watch must end.
                let more = !lines.is_empty();
                more.then(|| (Ok(Frame::data(lines.into())), (changes, version)))
            },
        );
        Response::new(StreamBody::new(events).boxed_unsync())
    }
}

// === impl Service ===

impl Service {
    /// Creates or replaces a slice.
    pub(super) fn set(&mut self, name: &str, mut slice: Value) {
        self.version += 1;
        slice["metadata"]["name"] = json!(name);
        slice["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let changed = (self.version, slice.to_string());
        self.slices.insert(name.to_owned(), changed);
    }

    /// Ends the watches.
    pub(super) fn end_watches(&mut self) {
        self.watch_generation += 1;
    }

    fn list(&self) -> String {
        let items: Vec<_> = self
            .slices
            .values()
            .map(|(_, json)| json.as_str())
            .collect();
        format!(
            r#"{{"kind":"EndpointSliceList","apiVersion":"discovery.k8s.io/v1","metadata":{{"resourceVersion":"{}"}},"items":[{}]}}"#,
            self.version,
            items.join(",")
        )
    }

    /// Returns the events since a version, in the order of their versions.
    fn lines(&self, version: u64) -> String {
        let changed = self.slices.values().filter(|(since, _)| *since > version);
        let mut changed: Vec<_> = changed.collect();
        changed.sort_by_key(|(since, _)| *since);
        let line =
            |(_, json): &(u64, String)| format!("{{\"type\":\"MODIFIED\",\"object\":{json}}}\n");
        changed.into_iter().map(line).collect::<Vec<_>>().concat()
    }
}

fn whole(json: &str) -> Response<Body> {
    Response::new(Full::from(json.to_owned()).boxed_unsync())
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
