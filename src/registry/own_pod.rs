//! Our own pod on the API server: read, watched, written.
//!
//! | verbs that the Role gives         | seen by                                        |
//! |-----------------------------------|------------------------------------------------|
//! | `list, watch`, `patch`: the seed's | a watch of this one name                       |
//! | `get`, `patch`                    | a GET per interval, said once in the log       |

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use http::{Request, header};
use kube::Resource as _;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use serde::Deserialize;
use tokio::time;
use tracing::info;

use super::pod::Pod;
use crate::cluster::watch::{jittered, refusal};
use crate::cluster::{Refusal, request};

/// One pod.
#[derive(Clone)]
pub struct OwnPod {
    client: kube::Client,
    namespace: String,
    name: String,
}

/// What is seen of the pod.
#[derive(Clone, Debug)]
pub enum Sight {
    /// The pod, now.
    Pod(Box<Pod>),
    /// There is none of this name.
    Absent,
    /// Nothing, for now.
    Blind(Refusal),
}

/// The first wait after a watch that failed, and the last.
const BACKOFF: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The same where a permission is missing, which somebody has to give first.
const DENIED: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(5)];

/// Reads after which a watch is tried again: the Role may have changed.
const READS: u32 = 20;

/// Between two reads when `--register_interval=0`.
const READ_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct List {
    items: Vec<Pod>,
}

// === impl OwnPod ===

impl OwnPod {
    /// Asks nothing.
    pub fn new(client: kube::Client, namespace: &str, name: &str) -> Self {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Self {
            client,
            namespace,
            name,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Reads it: by GET, and where that is forbidden by a list of one name.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn read(&self) -> Result<Option<Box<Pod>>, Refusal> {
        match self.get().await {
            Err(Refusal::NotFound(_)) => Ok(None),
            Err(forbidden @ Refusal::Forbidden(_)) => match self.list().await {
                Err(Refusal::Forbidden(_)) => Err(forbidden),
                listed => listed,
            },
            got => got.map(Some),
        }
    }

    async fn get(&self) -> Result<Box<Pod>, Refusal> {
        let path = format!("{}/{}", self.collection(), self.name);
        request::send(&self.client, get(&path)).await
    }

    async fn list(&self) -> Result<Option<Box<Pod>>, Refusal> {
        let path = format!(
            "{}?fieldSelector=metadata.name%3D{}",
            self.collection(),
            self.name
        );
        let list: List = request::send(&self.client, get(&path)).await?;
        Ok(list.items.into_iter().next().map(Box::new))
    }

    /// Writes a JSON merge patch and brings the pod as it is then.
    ///
    /// # Errors
    ///
    /// The server's.
    pub async fn patch(&self, body: Vec<u8>) -> Result<Box<Pod>, Refusal> {
        let path = format!(
            "{}/{}?fieldManager=micro-health",
            self.collection(),
            self.name
        );
        let mut request = Request::patch(path)
            .body(body)
            .expect("a path must make a request");
        let merge = http::HeaderValue::from_static("application/merge-patch+json");
        request.headers_mut().insert(header::CONTENT_TYPE, merge);
        request::send(&self.client, request).await
    }

    fn collection(&self) -> String {
        Pod::url_path(&(), Some(&self.namespace))
    }

    /// Every state of the pod from now on, and each failure to see it. Never ends.
    pub fn sights(&self, interval: Duration) -> BoxStream<'static, Sight> {
        let watching = Watching::new(self.clone(), interval);
        stream::unfold(watching, |mut watching| async move {
            let sight = watching.next().await;
            Some((sight, watching))
        })
        .boxed()
    }
}

fn get(path: &str) -> Request<Vec<u8>> {
    let request = Request::get(path).body(Vec::new());
    request.expect("a path must make a request")
}

impl std::fmt::Debug for OwnPod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnPod({}/{})", self.namespace, self.name)
    }
}

/// A watch, or where it is forbidden reads.
struct Watching {
    pod: OwnPod,
    interval: Duration,
    events: BoxStream<'static, watcher::Result<Event<Pod>>>,
    /// What a list has brought so far.
    listed: Option<Box<Pod>>,
    failures: u32,
    /// Reads left before the watch is tried again.
    reads: u32,
    said: bool,
}

// === impl Watching ===

impl Watching {
    fn new(pod: OwnPod, interval: Duration) -> Self {
        let api = Api::namespaced(pod.client.clone(), &pod.namespace);
        let config = watcher::Config::default().fields(&format!("metadata.name={}", pod.name));
        Self {
            pod,
            interval: if interval.is_zero() {
                READ_INTERVAL
            } else {
                interval
            },
            events: watcher(api, config).boxed(),
            listed: None,
            failures: 0,
            reads: 0,
            said: false,
        }
    }

    async fn next(&mut self) -> Sight {
        loop {
            if self.reads > 0 {
                return self.read().await;
            }
            if self.failures > 0 {
                time::sleep(jittered(self.delay(BACKOFF))).await;
            }
            let event = self.events.next().await;
            let event = event.unwrap_or(Err(watcher::Error::NoResourceVersion));
            match event {
                Ok(event) => {
                    if let Some(sight) = self.seen(event) {
                        self.failures = 0;
                        return sight;
                    }
                }
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    let refusal = refusal(&error);
                    if !refusal.is_denied() {
                        return Sight::Blind(refusal);
                    }
                    self.reads = READS;
                    self.failures = 0;
                    return self.sight(refusal).await;
                }
            }
        }
    }

    fn seen(&mut self, event: Event<Pod>) -> Option<Sight> {
        match event {
            Event::Init => self.listed = None,
            Event::InitApply(pod) => self.listed = Some(Box::new(pod)),
            Event::InitDone => return Some(self.listed.take().map_or(Sight::Absent, Sight::Pod)),
            Event::Apply(pod) => return Some(Sight::Pod(Box::new(pod))),
            Event::Delete(_) => return Some(Sight::Absent),
        }
        None
    }

    /// A read in the watch's place, after its time.
    async fn read(&mut self) -> Sight {
        let delay = if self.failures > 0 {
            self.delay(DENIED)
        } else {
            self.interval
        };
        time::sleep(jittered(delay)).await;
        self.reads -= 1;
        let denied = Refusal::Forbidden("neither get nor list and watch of pods".to_owned());
        self.sight(denied).await
    }

    async fn sight(&mut self, denied: Refusal) -> Sight {
        match self.pod.get().await {
            Ok(pod) => {
                self.failures = 0;
                if !self.said {
                    self.said = true;
                    info!(every = ?self.interval, "The watch is forbidden: reading the pod instead");
                }
                Sight::Pod(pod)
            }
            Err(Refusal::NotFound(_)) => Sight::Absent,
            Err(refusal) => {
                self.failures = self.failures.saturating_add(1);
                // What the watch was told names what a Role should give.
                let is_told =
                    matches!(&denied, Refusal::Forbidden(told) if told.contains("cannot"));
                Sight::Blind(if refusal.is_denied() && is_told {
                    denied
                } else {
                    refusal
                })
            }
        }
    }

    fn delay(&self, [first, last]: [Duration; 2]) -> Duration {
        let times = self.failures.saturating_sub(1);
        first.saturating_mul(2_u32.saturating_pow(times)).min(last)
    }
}
