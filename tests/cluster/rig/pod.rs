//! A pod of a scenario.

use std::future::ready;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, WatchEvent, WatchParams};
use testkit::cluster::Namespace;
use testkit::within;
use tokio::time::{Instant, sleep, timeout};

use super::{KUBELET, POLL, PodState, Process, try_get};

/// A pod, known by its name.
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

    /// Returns the pod as it is and after each change, and `None` while it does not exist. After an
    /// error or the end of a watch it lists the pod again.
    fn states(&self) -> BoxStream<'static, kube::Result<Option<Pod>>> {
        let (pods, name) = (self.pods.clone(), self.name.clone());
        let watches = stream::unfold(false, move |is_next| {
            let (pods, name) = (pods.clone(), name.clone());
            async move {
                if is_next {
                    sleep(POLL).await;
                }
                Some((watch(pods, &name).await, true))
            }
        });
        watches.flatten().boxed()
    }

    /// Waits until the kubelet has reported such a state.
    pub async fn until(&self, what: &str, is_it: impl Fn(&PodState) -> bool) -> PodState {
        self.until_within(KUBELET, what, is_it).await
    }

    pub async fn until_within(
        &self,
        bound: Duration,
        what: &str,
        is_it: impl Fn(&PodState) -> bool,
    ) -> PodState {
        let mut last = "nothing".to_owned();
        let reported = timeout(bound, async {
            let mut states = self.states();
            while let Some(state) = states.next().await {
                match state {
                    Ok(Some(pod)) => {
                        let state = PodState(pod);
                        if is_it(&state) {
                            return state;
                        }
                        last = state.to_string();
                    }
                    Ok(None) => "no pod".clone_into(&mut last),
                    Err(error) => last = error.to_string(),
                }
            }
            panic!("a watch must not end");
        });
        if let Ok(state) = reported.await {
            return state;
        }
        panic!(
            "pod {} is not {what} after {bound:?}: {last}\n{}",
            self.name,
            self.events().await.join("\n")
        )
    }

    /// Awaits a future. Returns every state that was reported meanwhile, with the time of its
    /// arrival.
    pub async fn states_during(
        &self,
        future: impl Future<Output = ()>,
    ) -> Vec<(Instant, PodState)> {
        let mut reported = Vec::new();
        let watching = async {
            let mut states = self.states();
            while let Some(state) = states.next().await {
                if let Ok(Some(pod)) = state {
                    reported.push((Instant::now(), PodState(pod)));
                }
            }
        };
        tokio::select! {
            () = future => {}
            () = watching => panic!("a watch must not end"),
        }
        reported
    }

    /// Returns the current state.
    pub async fn state(&self) -> PodState {
        PodState(
            within("a pod", self.pods.get(&self.name))
                .await
                .expect("the pod must exist"),
        )
    }

    /// Waits until the pod is gone. Returns the last state that was reported since this call.
    pub async fn gone(&self) -> Option<PodState> {
        let mut last = None;
        let gone = timeout(KUBELET, async {
            let mut states = self.states();
            while let Some(state) = states.next().await {
                match state {
                    Ok(Some(pod)) => last = Some(PodState(pod)),
                    Ok(None) => return,
                    // A failed watch is started again.
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

    /// Returns the pod's address with this port.
    pub async fn address(&self, port: u16) -> SocketAddr {
        let state = self
            .until("at an address", |state| state.ip().is_some())
            .await;
        let ip = state.ip().unwrap_or_default().parse();
        SocketAddr::new(ip.expect("a pod's address must be one"), port)
    }

    /// Waits until the sum of a metric over all series with this label reaches this value.
    pub async fn counts(&self, metric: &str, label: &str, at_least: u64) {
        let address = self.address(8081).await;
        let mut page = String::new();
        let counted = timeout(KUBELET, async {
            loop {
                page = metrics(address).await;
                if sum(&page, metric, label) >= at_least {
                    break;
                }
                sleep(POLL * 5).await;
            }
        });
        let counted = counted.await;
        assert!(
            counted.is_ok(),
            "pod {}: {metric} not {at_least} after {KUBELET:?}:\n{page}",
            self.name
        );
    }

    /// Waits until the kubelet has received one more answer to this path.
    pub async fn probed_once_more(&self, path: &str) {
        let address = self.address(8081).await;
        let metric = format!("health_sidecar_http_requests_total{{path=\"{path}\"");
        let before = sum(&metrics(address).await, &metric, "kubelet");
        self.counts(&metric, "kubelet", before + 1).await;
    }

    /// Returns the process of a container.
    pub async fn process(&self, container: &str) -> Process {
        let running = |state: &PodState| state.is_running(container);
        let state = self.until(&format!("running {container}"), running).await;
        let status = state.container(container);
        let id = status
            .and_then(|it| it.container_id.as_deref())
            .unwrap_or_default();
        Process::of_container(id.trim_start_matches("containerd://")).await
    }

    /// Returns its events in order: `Unhealthy greeter: Liveness probe failed: … (× 2)`.
    pub async fn events(&self) -> Vec<String> {
        let about = ListParams::default().fields(&format!("involvedObject.uid={}", self.uid));
        let events = within("events", self.events.list(&about)).await;
        let events = events.expect("an administrator must be answered");
        events.iter().map(described).collect()
    }

    /// Waits for an event of this reason about this container whose message contains this text.
    /// Events arrive later than the states that they are about.
    pub async fn event(&self, reason: &str, container: &str, message: &str) -> String {
        let start = format!("{reason} {container}: ");
        let mut events = Vec::new();
        let described = timeout(KUBELET, async {
            loop {
                events = self.events().await;
                let is_it = |event: &&String| event.starts_with(&start) && event.contains(message);
                if let Some(event) = events.iter().find(is_it) {
                    return event.clone();
                }
                sleep(POLL).await;
            }
        });
        if let Ok(event) = described.await {
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
                Err(_) => sleep(POLL).await,
            }
        }
    })
    .await
}

/// Returns the sum of a metric over all series with this label.
fn sum(page: &str, metric: &str, label: &str) -> u64 {
    let series = page
        .lines()
        .filter(|it| it.starts_with(metric) && it.contains(label));
    let values = series.filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok());
    values.sum()
}

fn described(event: &Event) -> String {
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

/// Lists a pod and watches it until the watch ends.
async fn watch(pods: Api<Pod>, name: &str) -> BoxStream<'static, kube::Result<Option<Pod>>> {
    let only = format!("metadata.name={name}");
    let list = match pods.list(&ListParams::default().fields(&only)).await {
        Ok(list) => list,
        Err(error) => return stream::once(ready(Err(error))).boxed(),
    };
    let version = list.metadata.resource_version.unwrap_or_default();
    let first = stream::once(ready(Ok(list.items.into_iter().next())));
    let only = WatchParams::default().fields(&only);
    let events = match pods.watch(&only, &version).await {
        Ok(events) => events,
        Err(error) => return first.chain(stream::once(ready(Err(error)))).boxed(),
    };
    let state = |event| match event {
        Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod)) => Some(Ok(Some(pod))),
        Ok(WatchEvent::Deleted(_)) => Some(Ok(None)),
        Ok(WatchEvent::Bookmark(_)) => None,
        Ok(WatchEvent::Error(status)) => Some(Err(kube::Error::Api(status))),
        Err(error) => Some(Err(error)),
    };
    first
        .chain(events.filter_map(move |event| ready(state(event))))
        .boxed()
}
