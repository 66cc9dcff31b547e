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
    services: Vec<Slot>,
    is_ending: bool,
}

/// The place of one service.
#[derive(Default)]
struct Slot {
    pending: Option<Pending>,
    /// The number of requests with a time limit of the end.
    limited: u32,
}

/// A request or a wait, which ends in an event.
struct Pending {
    event: BoxFuture<'static, Event>,
    is_request: bool,
}

/// The time limit of a request that is in flight when the end begins, and of the first one after
/// it. Each further request has twice the time, because the API server may be slow.
///
/// The connection may be dead. The pool does not use a connection again after a request of this
/// time in vain, so that the next attempt dials.
const HURRY: Duration = Duration::from_secs(1);

/// The number of times that the limit is doubled at most.
const DOUBLED: u32 = 3;

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
        let is_ending = self.is_ending;
        let slot = self.slot(place);
        slot.pending = Some(Pending {
            event,
            is_request: true,
        });
        if is_ending {
            slot.limit(place);
        }
    }

    /// Starts the wait of a service. It replaces an earlier wait.
    pub(crate) fn start_wait(&mut self, place: usize, wait: Duration) {
        let event = time::sleep(wait).map(move |()| Event::Due(place)).boxed();
        self.slot(place).pending = Some(Pending {
            event,
            is_request: false,
        });
    }

    fn slot(&mut self, place: usize) -> &mut Slot {
        if self.services.len() <= place {
            self.services.resize_with(place + 1, Slot::default);
        }
        &mut self.services[place]
    }

    /// Limits the time of the requests in flight, and of those that follow.
    pub(crate) fn hurry(&mut self) {
        self.is_ending = true;
        for (place, slot) in self.services.iter_mut().enumerate() {
            slot.limit(place);
        }
    }

    /// Returns the next event, or waits for ever while nothing is sent or waited for.
    pub(crate) async fn next(&mut self) -> Event {
        poll_fn(|cx| {
            for slot in &mut self.services {
                let Some(pending) = &mut slot.pending else {
                    continue;
                };
                if let Poll::Ready(event) = pending.event.poll_unpin(cx) {
                    slot.pending = None;
                    return Poll::Ready(event);
                }
            }
            Poll::Pending
        })
        .await
    }
}

// === impl Slot ===

impl Slot {
    /// Limits the time of the request, if there is one.
    fn limit(&mut self, place: usize) {
        let Some(Pending {
            event,
            is_request: true,
        }) = &mut self.pending
        else {
            return;
        };
        let limit = HURRY * 2_u32.pow(self.limited.min(DOUBLED));
        self.limited = self.limited.saturating_add(1);
        let request = std::mem::replace(event, std::future::pending().boxed());
        *event = time::timeout(limit, request)
            .map(move |event| {
                let late = Refusal::Unreachable(format!("no answer within {limit:?}").into());
                event.unwrap_or(Event::Answer(place, Err(late)))
            })
            .boxed();
    }
}

impl fmt::Debug for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.services.iter().filter_map(|it| it.pending.as_ref());
        let pending = pending.count();
        f.debug_struct("Requests")
            .field("pending", &pending)
            .finish_non_exhaustive()
    }
}
