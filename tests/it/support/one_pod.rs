//! An API server with one pod in it, on a real socket, that can be told to misbehave.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{self, Duration, Instant};

use self::answers::chunk;
use super::scripts::{read_request, until_closed};
use super::service::Script;
use super::within;

mod answers;

pub use self::answers::{Answer, WATCHED, answer, refusal, watching};

/// The pod's name.
pub const POD: &str = "greeter-0";

/// What is in the pod and in nobody's log.
pub const SECRET: &str = "hunter2";

/// Where the record is.
const RECORD: &str = "micro.mu/service-greeter";

/// The pod and every request for it.
#[derive(Clone, Debug)]
pub struct OnePod(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pod: watch::Sender<Value>,
    asked: watch::Sender<Vec<Asked>>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub verb: Verb,
    pub at: Instant,
}

/// As RBAC names them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    Get,
    List,
    Watch,
    Patch,
}

// === impl OnePod ===

impl OnePod {
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
        let (pod, asked) = (watch::Sender::new(pod), watch::Sender::default());
        Self(Arc::new(Shared { pod, asked }))
    }

    /// An API server that is well.
    pub fn well(&self) -> Script {
        self.troubled(|_| None)
    }

    /// One that misbehaves where this says how.
    pub fn troubled(
        &self,
        trouble: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static,
    ) -> Script {
        let (this, trouble) = (self.clone(), Arc::new(trouble));
        Script::new(move |stream| {
            let (this, trouble) = (this.clone(), Arc::clone(&trouble));
            async move { this.serve(stream, &*trouble).await }
        })
    }

    /// The same, to the first requests of a kind.
    pub fn troubled_first(&self, count: usize, verb: Verb, answer: &Answer) -> Script {
        let (left, answer) = (Mutex::new(count), answer.clone());
        self.troubled(move |asked| {
            let mut left = left.lock().unwrap();
            let is_meant = asked.verb == verb && *left > 0;
            *left -= usize::from(is_meant);
            is_meant.then(|| answer.clone())
        })
    }

    /// When requests of this kind came.
    pub fn asked(&self, verb: Verb) -> Vec<Instant> {
        let asked = self.0.asked.borrow();
        asked
            .iter()
            .filter(|asked| asked.verb == verb)
            .map(|asked| asked.at)
            .collect()
    }

    /// Waits for so many requests of a kind.
    pub async fn is_asked(&self, count: usize, verb: Verb) {
        let mut asked = self.0.asked.subscribe();
        let enough = asked
            .wait_for(|asked| asked.iter().filter(|asked| asked.verb == verb).count() >= count);
        within(&format!("{count} times {verb:?}"), enough)
            .await
            .unwrap();
    }

    /// Waits until the record stands there and was announced.
    pub async fn is_registered(&self) {
        let mut pod = self.0.pod.subscribe();
        let registered = pod.wait_for(|pod| {
            let annotations = &pod["metadata"]["annotations"];
            let mark = annotations["micro-health/registration"].as_str();
            annotations[RECORD].is_string()
                && mark.is_some_and(|mark| mark.contains(r#""announced":true"#))
        });
        within("the registration", registered).await.unwrap();
    }

    /// Somebody takes the record away.
    pub fn drifts(&self) {
        self.merge(&json!({"metadata": {"annotations": {RECORD: null}}}));
    }

    /// The event of a change that nobody else is told of: the record is gone, and this is there.
    pub fn changed(&self, annotation: &str) -> String {
        let mut pod = self.merge(&json!({"metadata": {"annotations": {RECORD: null}}}));
        pod["metadata"]["annotations"]["large"] = annotation.into();
        format!("{}\n", json!({"type": "MODIFIED", "object": pod}))
    }

    /// The pod with everything in it.
    pub fn whole(&self) -> Value {
        self.0.pod.borrow().clone()
    }

    fn merge(&self, patch: &Value) -> Value {
        self.0.pod.send_modify(|pod| {
            merge(pod, patch);
            let version = version(&pod["metadata"]["resourceVersion"]) + 1;
            pod["metadata"]["resourceVersion"] = version.to_string().into();
        });
        self.whole()
    }

    async fn serve(
        &self,
        mut stream: TcpStream,
        trouble: &(impl Fn(&Asked) -> Option<Answer> + Sync),
    ) {
        while let Some(request) = read_request(&mut stream).await {
            let request = String::from_utf8_lossy(&request).into_owned();
            let (head, body) = request.split_once("\r\n\r\n").unwrap_or_default();
            let line = head.lines().next().unwrap_or_default();
            let verb = match line {
                line if line.starts_with("PATCH ") => Verb::Patch,
                line if line.contains("watch=true") => Verb::Watch,
                line if line.contains("fieldSelector=") => Verb::List,
                _ => Verb::Get,
            };
            let asked = Asked {
                verb,
                at: Instant::now(),
            };
            self.0.asked.send_modify(|all| all.push(asked));
            match trouble(&asked) {
                None if verb == Verb::Watch => return self.watch(stream, line).await,
                None => {
                    let Answer::Bytes(bytes) = self.answer(verb, body) else {
                        return;
                    };
                    let _ = stream.write_all(&bytes).await;
                }
                Some(Answer::Bytes(bytes)) => {
                    let _ = stream.write_all(&bytes).await;
                }
                Some(Answer::Cut(bytes)) => {
                    let _ = stream.write_all(&bytes).await;
                    return;
                }
                Some(Answer::Drip(bytes)) => {
                    for byte in bytes {
                        if stream.write_u8(byte).await.is_err() {
                            return;
                        }
                        time::sleep(Duration::from_secs(1)).await;
                    }
                }
                Some(Answer::Silence) => return until_closed(&mut stream).await,
            }
        }
    }

    fn answer(&self, verb: Verb, body: &str) -> Answer {
        let body = match verb {
            Verb::Patch => self.merge(&serde_json::from_str(body).expect("a patch must be JSON")),
            Verb::List => {
                let pod = self.whole();
                json!({"kind": "PodList", "metadata": {"resourceVersion": pod["metadata"]["resourceVersion"]}, "items": [pod]})
            }
            Verb::Get | Verb::Watch => self.whole(),
        };
        answer(
            "200 OK",
            "Content-Type: application/json\r\n",
            &body.to_string(),
        )
    }

    /// Every change from the version that is asked for.
    async fn watch(&self, mut stream: TcpStream, line: &str) {
        let from = line
            .split_once("resourceVersion=")
            .map_or("", |(_, rest)| rest);
        let from: String = from.chars().take_while(char::is_ascii_digit).collect();
        let mut seen: u64 = from.parse().expect("a watch must have a version");
        let mut changes = self.0.pod.subscribe();
        let _ = stream.write_all(&watching("")).await;
        loop {
            let now = version(&changes.borrow_and_update()["metadata"]["resourceVersion"]);
            if now > seen {
                seen = now;
                let event = json!({"type": "MODIFIED", "object": self.whole()});
                if stream
                    .write_all(chunk(&format!("{event}\n")).as_bytes())
                    .await
                    .is_err()
                {
                    return;
                }
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = until_closed(&mut stream) => return,
            }
        }
    }
}

/// RFC 7396.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().map(|target| target.remove(key));
        } else {
            merge(&mut target[key], value);
        }
    }
}

fn version(value: &Value) -> u64 {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}
