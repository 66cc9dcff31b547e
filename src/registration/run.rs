//! Keeps the pod's registration up to date: receives events and sends requests.
//! [`crate::registration::state`] decides what to do.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{self, Instant};
use tracing::{debug, warn};

use crate::check::monitor::Monitor;
use crate::cluster::backoff::jittered;
use crate::cluster::{Cluster, Refusal, Unusable};
use crate::registration::address::{AdvertisedAddress, Unreachable};
use crate::registration::handle::Handle;
use crate::registration::identity::{Identity, NoIdentity, is_local, pod_ip};
use crate::registration::options::Options;
use crate::registration::own_pod::{self, Notice, Observation, ObservedPod};
use crate::registration::records::RecordBuilder;
use crate::registration::report::Report;
use crate::registration::requests::Requests;
use crate::registration::state::action::Action;
use crate::registration::state::{Event, Settings, State};
use crate::registration::status::Status;
use crate::registry::mark::Owner;
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
    requests: Requests,
    report: Report,
    status: watch::Sender<Status>,
    notices: (mpsc::Sender<Notice>, mpsc::Receiver<Notice>),
    started: Instant,
    refused_guess: bool,
}

/// The reason why the registration cannot start, whatever the API server answers.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No API server is configured, or its credentials cannot be read.
    #[error(transparent)]
    Cluster(#[from] Unusable),
    /// The name of the pod is in no source, or a variable of the pod cannot be used.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// No key can hold the service's name.
    #[error("--server_name: {0}")]
    Name(#[from] UnmappableName),
    /// No client can dial the service's address.
    #[error("--server_address: {0}")]
    Address(#[from] Unreachable),
}

/// The capacity for notices of the rest of the sidecar.
const NOTICES: usize = 16;

// === impl Registration ===

impl Registration {
    /// Finds the API server and the pod. Sends no request. `port` is the sidecar's own, and `limit`
    /// the longest time for the removal at the end.
    ///
    /// # Errors
    ///
    /// [`SetupError`], which names the setting.
    pub async fn new(
        options: &Options,
        monitors: Arc<[Monitor]>,
        (port, limit): (u16, Duration),
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SetupError> {
        let cluster = Cluster::new(&options.cluster, &variable).await?;
        let token = cluster
            .credentials()
            .and_then(|credentials| credentials.token().ok());
        let identity = Identity::find(options.pod_name.as_deref(), token.as_deref(), &variable)?;
        let pod_ip = pod_ip(&variable)?;
        let services = monitors.iter().enumerate().map(|(place, monitor)| {
            // The flag advertises the main service only.
            let advertise = options.server_advertise.as_ref().filter(|_| place == 0);
            let address = AdvertisedAddress::new(advertise, monitor.target().address())?;
            Ok::<_, Unreachable>((monitor.target().name().to_owned(), address))
        });
        // A sidecar that takes any free port has another one after a restart.
        let owner = match port {
            0 => Owner::sidecar(format_args!("0-{:08x}", fastrand::u32(..))),
            port => Owner::sidecar(port),
        };
        let services = services.collect::<Result<_, _>>()?;
        let records = RecordBuilder::new(options, services, pod_ip, owner.clone())?;
        let entries = records.entries(&vec![None; monitors.len()], None);
        let settings = Settings {
            owner,
            on_foreign: options.on_foreign,
            jitter: options.register_jitter.0,
            limit,
        };
        let state = State::new(entries, settings);
        let own = PodClient::new(cluster.client(), cluster.namespace(), &identity.pod);
        let report = Report::new(&own, options.register_ttl.0);
        let status = watch::Sender::new(report.status(&state));
        Ok(Self {
            own,
            identity,
            records,
            monitors,
            interval: options.register_interval.0,
            ttl: options.register_ttl.0,
            state,
            requests: Requests::default(),
            report,
            status,
            notices: mpsc::channel(NOTICES),
            started: Instant::now(),
            refused_guess: false,
        })
    }

    /// Returns a handle for the rest of the sidecar.
    pub fn handle(&self) -> Handle {
        Handle::new(
            self.status.subscribe(),
            self.notices.0.clone(),
            self.own.clone(),
        )
    }

    /// Registers, verifies and deregisters. Ends when nothing of ours is left on the pod for good.
    pub async fn run(mut self) {
        let mut observations = own_pod::observe(self.own.clone(), self.interval, self.ttl);
        let mut verdicts = verdicts(&self.monitors);
        let mut wanted = vec![None; self.monitors.len()];
        let mut tick = Box::pin(time::sleep(self.tick()));
        while !self.state.is_gone() {
            let event = tokio::select! {
                Some(observation) = observations.next() => self.observation(observation, &wanted),
                Some((place, verdict)) = verdicts.next() => {
                    wanted[place] = verdict;
                    Some(Event::Entries(self.entries(&wanted)))
                }
                Some(notice) = self.notices.1.recv() => match notice {
                    Notice::Stop => Some(Event::Stop),
                    Notice::Observed(observation) => self.observation(observation, &wanted),
                },
                event = self.requests.next() => Some(event),
                () = &mut tick => {
                    tick = Box::pin(time::sleep(self.tick()));
                    self.report.tick(&self.state);
                    Some(Event::Entries(self.entries(&wanted)))
                }
            };
            let Some(event) = event else { continue };
            self.next(event);
        }
    }

    /// Applies an event, and starts the requests and the waits that follow.
    fn next(&mut self, event: Event) {
        if let Event::Answer(place, answer) = &event {
            self.report.answered(&self.state, *place, answer);
        }
        let was_ending = self.state.is_ending();
        let actions = self.state.next(event, self.started.elapsed());
        if self.state.is_ending() && !was_ending {
            self.requests.hurry();
        }
        for (place, action) in actions {
            self.start(place, action);
        }
        self.report.decided(&self.state);
        self.status.send_replace(self.report.status(&self.state));
    }

    fn start(&mut self, place: usize, action: Action) {
        let own = self.own.clone();
        match action {
            Action::Write(write, uid) => {
                debug!(purpose = write.purpose.name(), keys = ?write.patch.keys(), "Writing the registration");
                let body = write.patch.body(&uid);
                let answer = async move { own.patch(body).await.map(Arc::from) };
                self.requests.start_request(place, answer);
            }
            Action::Read => {
                let missing = Refusal::NotFound(own.name().to_owned());
                let answer = async move { own.read().await?.map(Arc::from).ok_or(missing) };
                self.requests.start_request(place, answer);
            }
            Action::Wait(from, to) => {
                let wait = from + to.saturating_sub(from).mul_f64(fastrand::f64());
                self.requests.start_wait(place, wait);
            }
        }
    }

    /// Returns an observation as an event. A pod that cannot be ours gives none.
    fn observation(&mut self, observation: Observation, wanted: &[Option<bool>]) -> Option<Event> {
        self.report.observed(&observation);
        let event = match observation {
            Observation::Lost(_) | Observation::Begun => None,
            Observation::Absent => Some(Event::Absent),
            Observation::Pod(ObservedPod { pod, source }) => {
                let uid = self.identity.uid.as_deref();
                if uid.is_some() && uid != pod.metadata.uid.as_deref() {
                    Some(Event::Replaced)
                } else if self.identity.is_guess && !pod.ips().into_iter().any(is_local) {
                    self.not_ours(&pod);
                    None
                } else {
                    // The records contain the pod's IP.
                    self.records.update_from(&pod);
                    let entries = self.entries(wanted);
                    self.state.set_entries(entries);
                    Some(Event::Pod(pod.into(), source))
                }
            }
        };
        if event.is_none() {
            self.status.send_replace(self.report.status(&self.state));
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
