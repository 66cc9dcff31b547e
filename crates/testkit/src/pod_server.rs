//! An API server with one pod, on a socket, which can misbehave.

mod answer;
mod connection;
mod request;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

pub use self::answer::{Answer, END_OF_WATCH, answer, refusal, start_of_watch};
pub use self::request::{Request, Verb};
use crate::json::merge;
use crate::service::Script;
use crate::within;

/// The name of the pod.
pub const POD: &str = "greeter-0";

/// A secret in the pod, which must not be in a log.
pub const SECRET: &str = "hunter2";

/// The annotation of the record.
const RECORD: &str = "micro.mu/service-greeter";

/// A pod, and every request for it.
#[derive(Clone, Debug)]
pub struct PodServer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pod: watch::Sender<Value>,
    requests: watch::Sender<Vec<Request>>,
}

// === impl PodServer ===

impl PodServer {
    /// Makes a server whose pod is not registered.
    pub fn new() -> Self {
        let pod = json!({
            "kind": "Pod",
            "apiVersion": "v1",
            "metadata": {
                "name": POD, "namespace": "default", "uid": "uid-0", "resourceVersion": "1",
                "labels": {}, "annotations": {"note": SECRET},
            },
            "spec": {"containers": [{"name": "app", "env": [{"name": "PASSWORD", "value": SECRET}]}]},
            "status": {"phase": "Running", "podIP": "10.1.0.112"},
        });
        Self(Arc::new(Shared {
            pod: watch::Sender::new(pod),
            requests: watch::Sender::default(),
        }))
    }

    /// Returns the script of a healthy API server.
    pub fn healthy(&self) -> Script {
        self.faulty(|_| None)
    }

    /// Returns the script of an API server that answers some requests in another way.
    pub fn faulty(
        &self,
        fault: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static,
    ) -> Script {
        let (this, fault) = (self.clone(), Arc::new(fault));
        Script::new(move |stream| {
            let (this, fault) = (this.clone(), Arc::clone(&fault));
            async move { this.serve(stream, &*fault).await }
        })
    }

    /// Returns the script of an API server that gives this answer to the first requests of a verb.
    pub fn faulty_at_first(&self, count: usize, verb: Verb, answer: &Answer) -> Script {
        let (left, answer) = (AtomicUsize::new(count), answer.clone());
        self.faulty(move |request| {
            let spent = |left: usize| left.checked_sub(1);
            let is_faulty = request.verb == verb
                && left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, spent)
                    .is_ok();
            is_faulty.then(|| answer.clone())
        })
    }

    /// Returns the times at which requests of a verb came.
    pub fn received(&self, verb: Verb) -> Vec<Instant> {
        let requests = self.0.requests.borrow();
        let requests = requests.iter().filter(|request| request.verb == verb);
        requests.map(|request| request.at).collect()
    }

    /// Waits until this number of requests of a verb has come.
    pub async fn receives(&self, count: usize, verb: Verb) {
        let mut requests = self.0.requests.subscribe();
        let enough =
            requests.wait_for(|all| all.iter().filter(|it| it.verb == verb).count() >= count);
        let enough = within(&format!("{count} times {verb:?}"), enough).await;
        enough.expect("the sender must live as long as the server");
    }

    /// Waits until the record is written and announced.
    pub async fn is_registered(&self) {
        let mut pod = self.0.pod.subscribe();
        let registered = pod.wait_for(|pod| {
            let annotations = &pod["metadata"]["annotations"];
            let mark = annotations["registration.micro-health/greeter"].as_str();
            annotations[RECORD].is_string()
                && mark.is_some_and(|mark| mark.contains(r#""announced":true"#))
        });
        let registered = within("the registration", registered).await;
        registered.expect("the sender must live as long as the server");
    }

    /// Removes the record, as a foreign writer would.
    pub fn remove_record(&self) {
        self.merge(&json!({"metadata": {"annotations": {RECORD: null}}}));
    }

    /// Gives the pod a deletionTimestamp.
    pub fn terminate(&self) {
        self.merge(&json!({"metadata": {"deletionTimestamp": "2026-11-21T00:00:00Z"}}));
    }

    /// Removes the record, and returns the line of the watch event, whose pod has one more annotation.
    pub fn drift_event(&self, annotation: &str) -> String {
        let mut pod = self.merge(&json!({"metadata": {"annotations": {RECORD: null}}}));
        pod["metadata"]["annotations"]["large"] = annotation.into();
        format!("{}\n", json!({"type": "MODIFIED", "object": pod}))
    }

    /// Returns the whole pod.
    pub fn pod(&self) -> Value {
        self.0.pod.borrow().clone()
    }

    fn merge(&self, patch: &Value) -> Value {
        self.0.pod.send_modify(|pod| {
            merge(pod, patch);
            let version = version(&pod["metadata"]["resourceVersion"]) + 1;
            pod["metadata"]["resourceVersion"] = version.to_string().into();
        });
        self.pod()
    }
}

impl Default for PodServer {
    fn default() -> Self {
        Self::new()
    }
}

fn version(value: &Value) -> u64 {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}
