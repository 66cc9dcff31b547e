//! Asks the API server whether the pod is being deleted: one request at a time and at most one a
//! second, for any number of clients.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::sync::mpsc;
use tokio::time::{self, Instant};
use tracing::warn;

use crate::cluster::Refusal;
use crate::registration::own_pod::{Notice, Observation, ObservedPod, Source};
use crate::registry::pod_client::PodClient;

/// Reads whether the pod is being deleted.
#[derive(Debug)]
pub(super) struct Deletion {
    own: PodClient,
    notices: mpsc::Sender<Notice>,
    latest: Mutex<Latest>,
}

/// The API server's answer about the pod.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// The pod has no deletionTimestamp.
    None,
    /// The pod has a deletionTimestamp.
    Begun,
    /// The pod does not exist any more.
    Over,
    /// The API server refused, or did not answer in time.
    Unknown(Refusal),
}

/// The latest read.
#[derive(Debug, Default)]
struct Latest {
    read: Option<(Instant, Read)>,
    /// The kind of the answer that was logged last, because only a change is logged.
    logged: Option<&'static str>,
}

type Read = Shared<BoxFuture<'static, Answer>>;

/// The least time from the start of one read to the start of the next. No older answer is used.
const APART: Duration = Duration::from_secs(1);

/// The time limit of one read.
const TIMEOUT: Duration = Duration::from_secs(2);

// === impl Deletion ===

impl Deletion {
    /// Makes a reader. If it finds the pod being deleted or gone, it also sends that to the
    /// registration.
    pub(super) fn new(own: PodClient, notices: mpsc::Sender<Notice>) -> Self {
        Self {
            own,
            notices,
            latest: Mutex::default(),
        }
    }

    /// Reads the pod, or takes the answer of a read that another client began less than a second
    /// ago.
    pub(super) async fn read(&self) -> Answer {
        let answer = self.latest_or_next().await;
        self.log(&answer);
        answer
    }

    fn latest_or_next(&self) -> Read {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_good = |(begun, read): &&(Instant, Read)| {
            read.peek().is_none() || now.saturating_duration_since(*begun) < APART
        };
        if let Some((_, read)) = latest.read.as_ref().filter(is_good) {
            return read.clone();
        }
        // The read runs as a task of its own. Otherwise a client that goes would end it, and the
        // next client would start another.
        let task = tokio::spawn(read(self.own.clone(), self.notices.clone()));
        let ended = Refusal::Unreachable("the sidecar is stopping".into());
        let read = task.map(|answer| answer.unwrap_or(Answer::Unknown(ended)));
        let read = read.boxed().shared();
        latest.read = Some((now, read.clone()));
        read
    }

    /// Logs an answer for which a preStop hook fails, if the last one was another.
    fn log(&self, answer: &Answer) {
        let kind = match answer {
            Answer::None => "none",
            Answer::Unknown(_) => "unknown",
            Answer::Begun | Answer::Over => "deleted",
        };
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.logged.replace(kind) == Some(kind) {
            return;
        }
        match answer {
            Answer::None => warn!(
                "/prestop was called, but the pod is not being deleted: a container restarts, or another client sent the request. Keeping the registration"
            ),
            Answer::Unknown(refusal) => warn!(
                "/prestop was called, but the API server did not say whether the pod is being deleted: {refusal}"
            ),
            Answer::Begun | Answer::Over => {}
        }
    }
}

async fn read(own: PodClient, notices: mpsc::Sender<Notice>) -> Answer {
    match time::timeout(TIMEOUT, own.read()).await {
        Ok(Ok(Some(pod))) if pod.is_terminating() => {
            let source = Source::Read;
            let observation = Observation::Pod(ObservedPod { pod, source });
            let _ = notices.send(Notice::Observed(observation)).await;
            Answer::Begun
        }
        Ok(Ok(Some(_))) => Answer::None,
        Ok(Ok(None)) => {
            let _ = notices.send(Notice::Observed(Observation::Absent)).await;
            Answer::Over
        }
        Ok(Err(refusal)) => Answer::Unknown(refusal),
        Err(_) => Answer::Unknown(Refusal::Unreachable(
            format!("no answer within {TIMEOUT:?}").into(),
        )),
    }
}
