//! A pod of a scenario.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use testkit::cluster::Namespace;
use testkit::within;
use tokio::time::{Instant, sleep, timeout};

use super::{KUBELET, LOOK_AGAIN, Process, Seen, try_get};

/// A pod by its name.
#[derive(Clone)]
pub struct RunningPod {
    pub name: String,
    uid: String,
    pods: Api<Pod>,
    events: Api<Event>,
}

// === impl RunningPod ===

impl RunningPod {
    pub fn new(namespace: &Namespace, pod: &Pod) -> Self {
        Self {
            name: pod.metadata.name.clone().expect("a pod must have a name"),
            uid: pod.metadata.uid.clone().expect("a pod must have a uid"),
            pods: namespace.all(),
            events: namespace.all(),
        }
    }

    /// Waits until the kubelet has reported this.
    pub async fn until(&self, what: &str, is_it: impl Fn(&Seen) -> bool) -> Seen {
        self.until_within(KUBELET, what, is_it).await
    }

    pub async fn until_within(
        &self,
        bound: Duration,
        what: &str,
        is_it: impl Fn(&Seen) -> bool,
    ) -> Seen {
        let mut last = "nothing".to_owned();
        let reported = timeout(bound, async {
            let mut states = pin!(watch_object(self.pods.clone(), &self.name).default_backoff());
            while let Some(state) = states.next().await {
                match state {
                    Ok(Some(pod)) => {
                        let seen = Seen(pod);
                        if is_it(&seen) {
                            return seen;
                        }
                        last = seen.to_string();
                    }
                    Ok(None) => "no pod".clone_into(&mut last),
                    Err(error) => last = error.to_string(),
                }
            }
            panic!("a watch must not end");
        });
        if let Ok(seen) = reported.await {
            return seen;
        }
        panic!(
            "pod {} is not {what} after {bound:?}: {last}\n{}",
            self.name,
            self.events().await.join("\n")
        )
    }

    /// Awaits a future. Returns every state that was reported meanwhile, with the time of its arrival.
    pub async fn states_during(&self, future: impl Future<Output = ()>) -> Vec<(Instant, Seen)> {
        let mut reported = Vec::new();
        let watching = async {
            let mut states = pin!(watch_object(self.pods.clone(), &self.name).default_backoff());
            while let Some(state) = states.next().await {
                if let Ok(Some(pod)) = state {
                    reported.push((Instant::now(), Seen(pod)));
                }
            }
        };
        tokio::select! {
            () = future => {}
            () = watching => panic!("a watch must not end"),
        }
        reported
    }

    /// As it is now.
    pub async fn seen(&self) -> Seen {
        Seen(
            within("a pod", self.pods.get(&self.name))
                .await
                .expect("the pod must exist"),
        )
    }

    /// Waits until there is no such pod. The last that was reported of it since this was called.
    pub async fn gone(&self) -> Option<Seen> {
        let mut last = None;
        let gone = timeout(KUBELET, async {
            let mut states = pin!(watch_object(self.pods.clone(), &self.name).default_backoff());
            while let Some(state) = states.next().await {
                match state {
                    Ok(Some(pod)) => last = Some(Seen(pod)),
                    Ok(None) => return,
                    // The watch is made again.
                    Err(_) => {}
                }
            }
        });
        let gone = gone.await;
        assert!(
            gone.is_ok(),
            "pod {} must go within {KUBELET:?}: {last:?}",
            self.name
        );
        last
    }

    pub async fn delete(&self) {
        let params = DeleteParams::default();
        let deletion = self.pods.delete(&self.name, &params);
        within("a deletion", deletion)
            .await
            .expect("a pod must be deletable");
    }

    /// Where it is reached on this port.
    pub async fn address(&self, port: u16) -> SocketAddr {
        let seen = self
            .until("at an address", |seen| seen.ip().is_some())
            .await;
        let ip = seen.ip().unwrap_or_default().parse();
        SocketAddr::new(ip.expect("a pod's address must be one"), port)
    }

    /// Waits until the sidecar has counted so much, over all series of a metric that have this label.
    pub async fn counts(&self, metric: &str, label: &str, at_least: u64) {
        let address = self.address(8081).await;
        let mut page = String::new();
        let counted = timeout(KUBELET, async {
            loop {
                page = metrics(address).await;
                if sum(&page, metric, label) >= at_least {
                    break;
                }
                sleep(LOOK_AGAIN * 5).await;
            }
        });
        let counted = counted.await;
        assert!(
            counted.is_ok(),
            "pod {}: {metric} not {at_least} after {KUBELET:?}:\n{page}",
            self.name
        );
    }

    /// Waits until the kubelet has got one more answer to this path.
    pub async fn probed_once_more(&self, path: &str) {
        let address = self.address(8081).await;
        let metric = format!("health_sidecar_http_requests_total{{path=\"{path}\"");
        let before = sum(&metrics(address).await, &metric, "kubelet");
        self.counts(&metric, "kubelet", before + 1).await;
    }

    /// The process that a container is.
    pub async fn process(&self, container: &str) -> Process {
        let running = |seen: &Seen| seen.is_running(container);
        let seen = self.until(&format!("running {container}"), running).await;
        let status = seen.container(container);
        let id = status
            .and_then(|it| it.container_id.as_deref())
            .unwrap_or_default();
        Process::of_container(id.trim_start_matches("containerd://")).await
    }

    /// What was said of it, in order: `Unhealthy greeter: Liveness probe failed: … (× 2)`.
    pub async fn events(&self) -> Vec<String> {
        let about = ListParams::default().fields(&format!("involvedObject.uid={}", self.uid));
        let events = within("events", self.events.list(&about)).await;
        let events = events.expect("an administrator must be answered");
        events.iter().map(told).collect()
    }

    /// Waits for an event of this reason about this container whose message holds that. Events are told later than
    /// what they tell of.
    pub async fn event(&self, reason: &str, container: &str, message: &str) -> String {
        let start = format!("{reason} {container}: ");
        let mut events = Vec::new();
        let told = timeout(KUBELET, async {
            loop {
                events = self.events().await;
                let is_it = |event: &&String| event.starts_with(&start) && event.contains(message);
                if let Some(event) = events.iter().find(is_it) {
                    return event.clone();
                }
                sleep(LOOK_AGAIN).await;
            }
        });
        if let Ok(event) = told.await {
            return event;
        }
        panic!(
            "pod {} has no event {start}{message}:\n{}",
            self.name,
            events.join("\n")
        )
    }
}

/// Waits for the sidecar's metrics. A container runs a moment before its port is open.
async fn metrics(address: SocketAddr) -> String {
    within("the sidecar's metrics", async {
        loop {
            match try_get(address, "/metrics").await {
                Ok((_, page)) => return page,
                Err(_) => sleep(LOOK_AGAIN).await,
            }
        }
    })
    .await
}

/// The sum of a metric over all series that have this label.
fn sum(page: &str, metric: &str, label: &str) -> u64 {
    let series = page
        .lines()
        .filter(|it| it.starts_with(metric) && it.contains(label));
    let values = series.filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

fn told(event: &Event) -> String {
    let path = event
        .involved_object
        .field_path
        .as_deref()
        .unwrap_or_default();
    let container = path
        .split_once('{')
        .map_or("", |(_, name)| name.trim_end_matches('}'));
    let reason = event.reason.as_deref().unwrap_or_default();
    let message = event.message.as_deref().unwrap_or_default().trim();
    format!(
        "{reason} {container}: {message} (× {})",
        event.count.unwrap_or(1)
    )
}
