//! The requests and the waits of the pod's services: at most one for each service.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::time;

use crate::cluster::Refusal;
use crate::registration::state::Event;
use crate::registry::pod::Pod;

/// The request or the wait of each service.
#[derive(Default)]
pub(crate) struct Requests {
    services: Vec<Option<Pending>>,
}

/// A request or a wait, which ends in an event.
struct Pending {
    event: BoxFuture<'static, Event>,
    is_request: bool,
}

/// The time that is left for a request once the end has begun: the removal follows its answer.
const HURRY: Duration = Duration::from_secs(1);

type Answer = Result<Arc<Pod>, Refusal>;

// === impl Requests ===

impl Requests {
    /// Starts the request of a service. It replaces a wait.
    pub(crate) fn start_request(
        &mut self,
        place: usize,
        answer: impl Future<Output = Answer> + Send + 'static,
    ) {
        let event = answer
            .map(move |answer| Event::Answer(place, answer))
            .boxed();
        self.set(
            place,
            Pending {
                event,
                is_request: true,
            },
        );
    }

    /// Starts the wait of a service. It replaces an earlier wait.
    pub(crate) fn start_wait(&mut self, place: usize, wait: Duration) {
        let event = time::sleep(wait).map(move |()| Event::Due(place)).boxed();
        self.set(
            place,
            Pending {
                event,
                is_request: false,
            },
        );
    }

    fn set(&mut self, place: usize, pending: Pending) {
        if self.services.len() <= place {
            self.services.resize_with(place + 1, || None);
        }
        self.services[place] = Some(pending);
    }

    /// Limits the time that is left for the requests in flight.
    pub(crate) fn hurry(&mut self) {
        for (place, service) in self.services.iter_mut().enumerate() {
            let Some(Pending {
                event,
                is_request: true,
            }) = service
            else {
                continue;
            };
            let request = std::mem::replace(event, std::future::pending().boxed());
            *event = time::timeout(HURRY, request)
                .map(move |event| {
                    let late = Refusal::Unreachable(format!("no answer within {HURRY:?}").into());
                    event.unwrap_or(Event::Answer(place, Err(late)))
                })
                .boxed();
        }
    }

    /// Returns the next event, or waits for ever while nothing is sent or waited for.
    pub(crate) async fn next(&mut self) -> Event {
        poll_fn(|cx| {
            for service in &mut self.services {
                let Some(pending) = service else { continue };
                if let Poll::Ready(event) = pending.event.poll_unpin(cx) {
                    *service = None;
                    return Poll::Ready(event);
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.services.iter().flatten().count();
        f.debug_struct("Requests")
            .field("pending", &pending)
            .finish()
    }
}
