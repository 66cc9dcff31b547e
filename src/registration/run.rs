//! Keeps the pod's registration up to date: receives events and sends requests.
//! [`crate::registration::state`] decides what to do.

use std::ffi::OsString;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::{mpsc, watch};
use tokio::time::{self, Instant, Sleep};
use tracing::{debug, warn};

use crate::check::monitor::Monitor;
use crate::cluster::backoff::jittered;
use crate::cluster::{Cluster, Refusal, Unusable};
use crate::registration::address::{AdvertisedAddress, Unreachable};
use crate::registration::handle::Handle;
use crate::registration::identity::{Identity, NoIdentity, is_local};
use crate::registration::options::Options;
use crate::registration::own_pod::{self, Observation, ObservedPod};
use crate::registration::records::RecordBuilder;
use crate::registration::report::Report;
use crate::registration::state::{Action, Event, Phase, State};
use crate::registration::status::Status;
use crate::registry::plan::write::Entry;
use crate::registry::pod::Pod;
use crate::registry::pod_client::PodClient;
use crate::registry::scheme::UnmappableName;

/// Registers the services of one pod.
#[derive(Debug)]
pub struct Registration {
    own: PodClient,
    identity: Identity,
    records: RecordBuilder,
    monitors: Arc<[Monitor]>,
    interval: Duration,
    ttl: Duration,
    state: State,
    report: Report,
    status: watch::Sender<Status>,
    events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    started: Instant,
    refused_guess: bool,
}

/// The reason why the registration cannot start, whatever the API server answers.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No API server is configured, or its credentials cannot be read.
    #[error(transparent)]
    Cluster(#[from] Unusable),
    /// No source names the pod.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// No key can hold the service's name.
    #[error("--server_name: {0}")]
    Name(#[from] UnmappableName),
    /// No client can dial the service's address.
    #[error("--server_address: {0}")]
    Address(#[from] Unreachable),
}

/// The capacity for events from the rest of the sidecar: a stop, and a pod that a preStop hook
/// read.
const EVENTS: usize = 16;

type Answer = Pin<Box<dyn Future<Output = Result<Box<Pod>, Refusal>> + Send>>;

// === impl Registration ===

impl Registration {
    /// Finds the API server and the pod. Sends no request.
    ///
    /// # Errors
    ///
    /// [`SetupError`], which names the setting.
    pub async fn new(
        options: &Options,
        monitors: Arc<[Monitor]>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SetupError> {
        let cluster = Cluster::new(&options.cluster, &variable).await?;
        let token = cluster
            .credentials()
            .and_then(|credentials| credentials.token().ok());
        let identity = Identity::find(options.pod_name.as_deref(), token.as_deref(), &variable)?;
        let pod_ip = variable("POD_IP")
            .and_then(|ip| ip.into_string().ok())
            .filter(|ip| !ip.is_empty());
        let services = monitors.iter().enumerate().map(|(place, monitor)| {
            // The flag advertises the main service only.
            let advertise = options.server_advertise.as_ref().filter(|_| place == 0);
            let address = AdvertisedAddress::new(advertise, monitor.target().address())?;
            Ok::<_, Unreachable>((monitor.target().name().to_owned(), address))
        });
        let records = RecordBuilder::new(options, services.collect::<Result<_, _>>()?, pod_ip)?;
        let entries = records.entries(&vec![None; monitors.len()], None);
        let state = State::new(entries, options.on_foreign, options.register_jitter.0);
        let own = PodClient::new(cluster.client(), cluster.namespace(), &identity.pod);
        let report = Report::new(&own, options.register_ttl.0);
        let status = watch::Sender::new(report.status(&state, &records));
        Ok(Self {
            own,
            identity,
            records,
            monitors,
            interval: options.register_interval.0,
            ttl: options.register_ttl.0,
            state,
            report,
            status,
            events: mpsc::channel(EVENTS),
            started: Instant::now(),
            refused_guess: false,
        })
    }

    /// Returns a handle for the rest of the sidecar.
    pub fn handle(&self) -> Handle {
        Handle::new(
            self.status.subscribe(),
            self.events.0.clone(),
            self.own.clone(),
        )
    }

    /// Registers, verifies and deregisters. Ends when nothing of ours is left on the pod for good.
    pub async fn run(mut self) {
        let mut observations = own_pod::observe(self.own.clone(), self.interval, self.ttl);
        let mut verdicts = verdicts(&self.monitors);
        let mut wanted = vec![None; self.monitors.len()];
        let mut answer: Option<Answer> = None;
        let mut due: Option<Pin<Box<Sleep>>> = None;
        let mut tick = Box::pin(time::sleep(self.tick()));
        while self.state.phase != Phase::Gone {
            let event = tokio::select! {
                Some(observation) = observations.next() => self.observation(observation, &wanted),
                Some((place, verdict)) = verdicts.next() => {
                    wanted[place] = verdict;
                    Some(Event::Entries(self.entries(&wanted)))
                }
                Some(event) = self.events.1.recv() => Some(event),
                answered = ready(&mut answer) => {
                    answer = None;
                    self.report.answered(&answered);
                    Some(Event::Answered(answered))
                }
                () = ready(&mut due) => {
                    due = None;
                    Some(Event::Due)
                }
                () = &mut tick => {
                    tick = Box::pin(time::sleep(self.tick()));
                    self.report.tick(&self.state);
                    Some(Event::Entries(self.entries(&wanted)))
                }
            };
            let Some(event) = event else { continue };
            match self.next(event) {
                Action::Nothing => {}
                Action::Write(write, uid) => {
                    self.report.writing(&write);
                    let (own, body) = (self.own.clone(), write.patch.body(&uid));
                    answer = Some(async move { own.patch(body).await }.boxed());
                    due = None;
                }
                Action::Read => {
                    let own = self.own.clone();
                    let missing = Refusal::NotFound(own.name().to_owned());
                    answer = Some(async move { own.read().await?.ok_or(missing) }.boxed());
                }
                Action::Wait(from, to) => {
                    let wait = from + to.saturating_sub(from).mul_f64(fastrand::f64());
                    due = Some(Box::pin(time::sleep(wait)));
                }
            }
        }
    }

    fn next(&mut self, event: Event) -> Action {
        let action = self.state.next(event, self.started.elapsed());
        self.report.decided(&self.state, &self.records);
        self.status
            .send_replace(self.report.status(&self.state, &self.records));
        action
    }

    /// Returns an observation as an event. A pod that cannot be ours gives none.
    fn observation(&mut self, observation: Observation, wanted: &[Option<bool>]) -> Option<Event> {
        self.report.observed(&observation);
        let event = match observation {
            Observation::Lost(_) | Observation::Begun => None,
            Observation::Absent => Some(Event::Vanished),
            Observation::Pod(ObservedPod { pod, source }) => {
                debug!(?source, version = ?pod.metadata.resource_version, "The pod was observed");
                let uid = self.identity.uid.as_deref();
                if uid.is_some() && uid != pod.metadata.uid.as_deref() {
                    Some(Event::Replaced)
                } else if self.identity.is_guess && !pod.ips().into_iter().any(is_local) {
                    self.not_ours(&pod);
                    None
                } else {
                    // The records contain the pod's IP.
                    self.records.update_from(&pod);
                    self.state.entries = self.entries(wanted);
                    Some(Event::Seen(pod))
                }
            }
        };
        if event.is_none() {
            self.status
                .send_replace(self.report.status(&self.state, &self.records));
        }
        event
    }

    fn not_ours(&mut self, pod: &Pod) {
        if !std::mem::replace(&mut self.refused_guess, true) {
            warn!(
                pod = self.own.name(),
                ips = ?pod.ips(),
                "HOSTNAME names a pod with none of this machine's addresses; not registering it. Set POD_NAME by the downward API (fieldRef: metadata.name), or --pod_name"
            );
        }
    }

    fn entries(&self, wanted: &[Option<bool>]) -> Vec<Entry> {
        let speaks: Vec<_> = self
            .monitors
            .iter()
            .map(|monitor| monitor.target().protocol())
            .collect();
        self.records.entries(wanted, Some(&speaks))
    }

    fn tick(&self) -> Duration {
        // Without an interval the watch decides, and the tick only updates the times.
        let interval = if self.interval.is_zero() {
            Duration::from_secs(30)
        } else {
            self.interval
        };
        jittered(interval)
    }
}

/// Awaits the future, or for ever if there is none.
async fn ready<F: Future + Unpin>(future: &mut Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

/// Returns each change of a verdict, with the index of its service.
fn verdicts(monitors: &[Monitor]) -> BoxStream<'static, (usize, Option<bool>)> {
    let each = monitors.iter().enumerate().map(|(place, monitor)| {
        let (seen, fall) = (monitor.subscribe(), monitor.fall());
        stream::unfold((seen, None), move |(mut seen, last)| async move {
            let verdict = |seen: &crate::check::monitor::MonitorState| seen.settled(fall);
            let changed = seen.wait_for(|seen| verdict(seen) != last).await;
            let verdict = verdict(&*changed.ok()?);
            Some(((place, verdict), (seen, verdict)))
        })
        .boxed()
    });
    stream::select_all(each).boxed()
}
