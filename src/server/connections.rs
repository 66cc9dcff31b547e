//! The open connections: never more than [`LIMIT`], and when there are that many the
//! one that has been idle longest makes room, so that a flood of idle, half-header or
//! zero-byte connections never costs the kubelet its answer.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{self, Instant};
use tracing::{debug, error};

/// Most connections at a time. A pod has a handful of probers; 256 connections with
/// hyper's buffers of 8 KiB stay below 3 MiB, and far below 1024 descriptors.
pub const LIMIT: usize = 256;

/// Time to ask that a new connection has in any flood. [`LIMIT`] of them in that time
/// still empties the kernel's queue of 4096 within the kubelet's second.
const TO_ASK: Duration = Duration::from_millis(50);

/// The connections and their tasks.
#[derive(Debug, Default)]
pub struct Connections {
    tasks: JoinSet<()>,
    open: HashMap<Id, Open>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Open {
    task: AbortHandle,
    activity: Arc<Activity>,
    at: Instant,
}

/// What one connection is doing.
#[derive(Debug)]
pub struct Activity {
    /// When it became idle, counted in such events; [`BUSY`] inside a request.
    idle_since: AtomicU64,
    /// Whether it ever sent a whole request head.
    has_asked: AtomicBool,
    shared: Arc<Shared>,
}

/// A request being answered; its connection is idle again when this is dropped.
#[derive(Debug)]
pub struct Busy(Arc<Activity>);

#[derive(Debug, Default)]
struct Shared {
    clock: AtomicU64,
    in_flight: AtomicUsize,
    became_idle: Notify,
}

const BUSY: u64 = u64::MAX;

// === impl Connections ===

impl Connections {
    /// Runs a connection made by `serve` from its activity.
    pub fn spawn<F>(&mut self, serve: impl FnOnce(Arc<Activity>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let activity = Arc::new(Activity {
            idle_since: AtomicU64::new(self.shared.tick()),
            has_asked: AtomicBool::new(false),
            shared: Arc::clone(&self.shared),
        });
        let task = self.tasks.spawn(serve(Arc::clone(&activity)));
        let open = Open {
            task,
            activity,
            at: Instant::now(),
        };
        self.open.insert(open.task.id(), open);
    }

    /// Waits until one more connection may be opened, closing the one that has been
    /// idle longest if need be. Where all are busy, waits for the first to finish,
    /// which the check's deadline bounds.
    pub async fn room(&mut self) {
        while let Some(done) = self.tasks.try_join_next_with_id() {
            self.forget(done);
        }
        while self.open.len() >= LIMIT {
            // Whatever has arrived is read first: who has asked is not idle.
            tokio::task::yield_now().await;
            let oldest = self.oldest_idle();
            if let Some((id, may_close)) = oldest
                && may_close <= Instant::now()
            {
                self.close(id);
                continue;
            }
            // Until then it may have asked, and another be the oldest.
            let later = async {
                match oldest {
                    Some((_, may_close)) => time::sleep_until(may_close).await,
                    None => std::future::pending().await,
                }
            };
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                () = later => {}
                () = shared.became_idle.notified() => {}
                Some(done) = self.tasks.join_next_with_id() => self.forget(done),
            }
        }
    }

    /// Waits until a connection has ended; never, while there is none.
    pub async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(done) => self.forget(done),
            None => std::future::pending().await,
        }
    }

    /// Waits until no request is being answered.
    pub fn quiet(&self) -> impl Future<Output = ()> + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            while shared.in_flight.load(Ordering::Relaxed) > 0 {
                shared.became_idle.notified().await;
            }
        }
    }

    /// The connection that has been idle longest, and when it may be closed; `None`
    /// while all are busy.
    fn oldest_idle(&self) -> Option<(Id, Instant)> {
        self.open
            .iter()
            .filter(|(_, open)| !open.activity.is_busy())
            .min_by_key(|(_, open)| open.activity.idle_since.load(Ordering::Relaxed))
            .map(|(id, open)| (*id, open.at + TO_ASK))
    }

    fn close(&mut self, id: Id) {
        debug!(
            limit = LIMIT,
            "Closing the connection that has been idle longest"
        );
        if let Some(open) = self.open.remove(&id) {
            open.task.abort();
        }
    }

    fn forget(&mut self, done: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match done {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    error!("A connection ended in a panic: {error}");
                }
                error.id()
            }
        };
        self.open.remove(&id);
    }
}

// === impl Activity ===

impl Activity {
    /// Marks a request as being answered.
    pub fn begin(self: &Arc<Self>) -> Busy {
        self.has_asked.store(true, Ordering::Relaxed);
        self.idle_since.store(BUSY, Ordering::Relaxed);
        self.shared.in_flight.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Whether the connection ever sent a whole request head.
    pub fn has_asked(&self) -> bool {
        self.has_asked.load(Ordering::Relaxed)
    }

    fn is_busy(&self) -> bool {
        self.idle_since.load(Ordering::Relaxed) == BUSY
    }
}

// === impl Busy ===

impl Drop for Busy {
    fn drop(&mut self) {
        let Self(activity) = self;
        // Over h2 several requests may share the connection: the first to finish marks
        // it idle, which only makes it the last choice among the idle ones.
        activity
            .idle_since
            .store(activity.shared.tick(), Ordering::Relaxed);
        activity.shared.in_flight.fetch_sub(1, Ordering::Relaxed);
        activity.shared.became_idle.notify_waiters();
    }
}

// === impl Shared ===

impl Shared {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::future::pending;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn fill(connections: &mut Connections) -> Vec<Arc<Activity>> {
        let mut activities = Vec::new();
        for _ in 0..LIMIT {
            connections.spawn(|activity| {
                activities.push(activity);
                pending()
            });
        }
        activities
    }

    /// The first that is no longer open.
    fn closed(connections: &Connections, activities: &[Arc<Activity>]) -> Option<usize> {
        activities.iter().position(|activity| {
            let mut open = connections.open.values();
            !open.any(|open| Arc::ptr_eq(&open.activity, activity))
        })
    }

    #[tokio::test]
    async fn the_connection_that_has_been_idle_longest_makes_room() {
        let mut connections = Connections::default();
        let activities = fill(&mut connections);
        // The first is in a request, the second has just finished one.
        let _busy = activities[0].begin();
        drop(activities[1].begin());

        timeout(PATIENCE, connections.room()).await.unwrap();

        assert_eq!(closed(&connections, &activities), Some(2));
        assert_eq!(connections.open.len(), LIMIT - 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_has_time_to_ask_and_is_kept_if_it_does() {
        let mut connections = Connections::default();
        let activities = fill(&mut connections);
        let started = Instant::now();

        assert!(timeout(TO_ASK / 2, connections.room()).await.is_err());
        let _busy = activities[0].begin();
        timeout(PATIENCE, connections.room()).await.unwrap();

        assert!(started.elapsed() >= TO_ASK);
        assert_eq!(closed(&connections, &activities), Some(1));
    }

    #[tokio::test]
    async fn where_all_are_busy_the_first_to_finish_makes_room() {
        let mut connections = Connections::default();
        let activities = fill(&mut connections);
        let mut busy: Vec<_> = activities.iter().map(Activity::begin).collect();

        let room = connections.room();
        tokio::pin!(room);
        assert!(room.as_mut().now_or_never().is_none());
        drop(busy.pop());

        timeout(PATIENCE, room).await.unwrap();
    }

    #[tokio::test]
    async fn quiet_is_when_no_request_is_being_answered() {
        let mut connections = Connections::default();
        let activity = fill(&mut connections).remove(0);
        let busy = activity.begin();

        let quiet = connections.quiet();
        tokio::pin!(quiet);
        assert!(quiet.as_mut().now_or_never().is_none());
        drop(busy);

        timeout(PATIENCE, quiet).await.unwrap();
    }
}
