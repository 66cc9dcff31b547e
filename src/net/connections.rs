//! The open connections, limited in number. At the limit one connection makes room for the next, so
//! that a flood of connections never delays the answer to the kubelet.
//!
//! 1. A connection that waits for its client goes before one whose request is being answered.
//! 2. Of these, a connection of the client (by IP address) with the most connections goes first.
//! 3. Of these, the connection goes first that has waited, or has been answered, the longest.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{self, Instant};
use tracing::{debug, error, warn};

/// The most connections at a time. A pod has a handful of probers. 240 connections with hyper's
/// buffers of 8 KiB stay below 3 MiB, and far below 1024 descriptors.
pub(crate) const LIMIT: usize = 240;

/// The fewest connections at a time, however few descriptors there are.
const MIN_LIMIT: usize = 8;

/// The descriptors that connections never take: standard streams, epoll, signals, the listener, and
/// the connections to the API server.
const RESERVED: usize = 32;

/// The descriptors reserved for each target: the connection of a check, and the socket of a lookup.
const RESERVED_PER_TARGET: usize = 2;

/// The time that a new connection has to send a request, even in a flood. At [`LIMIT`] connections
/// in that time, the kernel's queue of 4096 is still emptied within the kubelet's second.
const REQUEST_TIME: Duration = Duration::from_millis(50);

/// The time that a new connection has to be answered, even in a flood. A thousand connections that
/// wait for a hanging service are then through within the kubelet's second.
const ANSWER_TIME: Duration = Duration::from_millis(200);

/// The wait after a failed accept when no connection can make room. Retrying at once would spin.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// The time without a failed accept after which the next one is logged again.
const ACCEPT_RECOVERED: Duration = Duration::from_mins(1);

/// The requests that every connection may have open at a time, however many others there are: a
/// Watch for the service, a Watch for the whole, and a few Checks.
pub(crate) const REQUESTS: usize = 8;

/// The requests of all connections beyond which no connection has more than [`REQUESTS`]. Each
/// takes about 4 kB, so all of them together stay below the memory limit of the manifests.
const ALL_REQUESTS: usize = LIMIT * REQUESTS;

/// Returns the most connections at a time for a process that may open so many descriptors.
pub(crate) fn limit(descriptors: Option<usize>, targets: usize) -> usize {
    let reserved = RESERVED + RESERVED_PER_TARGET * targets;
    descriptors.map_or(LIMIT, |most| {
        most.saturating_sub(reserved).clamp(MIN_LIMIT, LIMIT)
    })
}

/// The connections and their tasks.
#[derive(Debug)]
pub(crate) struct Connections {
    limit: usize,
    tasks: JoinSet<()>,
    open: HashMap<Id, OpenConnection>,
    totals: Arc<Totals>,
    /// The time of the latest failed accept.
    failed: Option<Instant>,
}

#[derive(Debug)]
struct OpenConnection {
    task: AbortHandle,
    client: IpAddr,
    activity: Arc<Activity>,
    opened: Instant,
}

/// The requests of one connection.
#[derive(Debug)]
pub(crate) struct Activity {
    /// The event at which the connection last began or ceased to be answered, by its number.
    changed: AtomicU64,
    /// The requests that are being answered. While there are none, the connection waits for its
    /// client.
    answering: AtomicUsize,
    /// The requests that are not over, with those whose body has not arrived or whose answer is a
    /// stream.
    requests: AtomicUsize,
    /// Records whether the connection ever sent a whole request head.
    has_sent_request: AtomicBool,
    totals: Arc<Totals>,
}

/// A request from its head to the end of its answer.
#[derive(Debug)]
pub(crate) struct OpenRequest(Arc<Activity>);

/// A guard held while a request is being answered. Without it the connection waits for its client.
#[derive(Debug)]
pub(crate) struct PendingAnswer(Arc<Activity>);

#[derive(Debug, Default)]
struct Totals {
    clock: AtomicU64,
    answering: AtomicUsize,
    requests: AtomicUsize,
    answered: Notify,
}

// === impl Connections ===

impl Connections {
    /// Creates an empty set for at most `limit` connections.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            tasks: JoinSet::new(),
            open: HashMap::new(),
            totals: Arc::default(),
            failed: None,
        }
    }

    /// Spawns the task of a connection, which `serve` makes from the connection's activity.
    pub(crate) fn spawn<F>(&mut self, client: IpAddr, serve: impl FnOnce(Arc<Activity>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let activity = Arc::new(Activity {
            changed: AtomicU64::new(self.totals.tick()),
            answering: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            has_sent_request: AtomicBool::new(false),
            totals: Arc::clone(&self.totals),
        });
        let task = self.tasks.spawn(serve(Arc::clone(&activity)));
        let open = OpenConnection {
            task,
            // A client is the same whether it came to an IPv4 or a dual-stack socket.
            client: client.to_canonical(),
            activity,
            opened: Instant::now(),
        };
        self.open.insert(open.task.id(), open);
    }

    /// Waits until one more connection may be opened, and closes another if need be.
    pub(crate) async fn wait_for_room(&mut self) {
        while let Some(done) = self.tasks.try_join_next_with_id() {
            self.forget(done);
        }
        while self.open.len() >= self.limit {
            self.make_room().await;
        }
        // Closed connections end in the next turn of the runtime. A turn takes long when many
        // connections are busy, so one turn is taken for many accepted connections.
        if self.tasks.len() >= self.limit + self.limit / 8 {
            tokio::task::yield_now().await;
        }
    }

    /// Makes room after a failed accept, usually because descriptors have run out. Logs only the
    /// first failure of many.
    pub(crate) async fn accept_failed(&mut self, error: &io::Error) {
        let now = Instant::now();
        let before = self.failed.replace(now);
        if before.is_none_or(|before| now - before > ACCEPT_RECOVERED) {
            warn!(%error, "Cannot accept a connection; closing the connections that have waited longest for their client");
        }
        if !self.make_room().await {
            time::sleep(ACCEPT_BACKOFF).await;
        }
    }

    /// Closes the connection that has to make room, once its time is over. Otherwise waits until
    /// then, or until an answer or a connection ends, because another may have to make room then.
    /// Returns false if there is no connection.
    async fn make_room(&mut self) -> bool {
        let Some((id, may_close)) = self.next_to_close() else {
            return false;
        };
        if may_close <= Instant::now() {
            self.close(id);
            return true;
        }
        let totals = Arc::clone(&self.totals);
        tokio::select! {
            () = time::sleep_until(may_close) => {}
            () = totals.answered.notified() => {}
            Some(done) = self.tasks.join_next_with_id() => self.forget(done),
        }
        true
    }

    /// Waits until a connection has ended, and forever while there is none.
    pub(crate) async fn join_next(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(done) => self.forget(done),
            None => std::future::pending().await,
        }
    }

    /// Waits until no request is being answered.
    pub(crate) fn wait_until_idle(&self) -> impl Future<Output = ()> + use<> {
        let totals = Arc::clone(&self.totals);
        async move {
            while totals.answering.load(Ordering::Relaxed) > 0 {
                totals.answered.notified().await;
            }
        }
    }

    /// Returns the connection that makes room, and the earliest time for it.
    fn next_to_close(&self) -> Option<(Id, Instant)> {
        let mut held = HashMap::<IpAddr, usize>::new();
        for open in self.open.values() {
            *held.entry(open.client).or_default() += 1;
        }
        let order = |open: &OpenConnection| {
            let fewest = usize::MAX - held.get(&open.client).copied().unwrap_or_default();
            let changed = open.activity.changed.load(Ordering::Relaxed);
            (open.activity.is_answering(), fewest, changed)
        };
        self.open
            .iter()
            .min_by_key(|(_, open)| order(open))
            .map(|(id, open)| (*id, open.may_close()))
    }

    fn close(&mut self, id: Id) {
        debug!(limit = self.limit, "Closing a connection to make room");
        if let Some(open) = self.open.remove(&id) {
            open.task.abort();
        }
    }

    fn forget(&mut self, done: Result<(Id, ()), tokio::task::JoinError>) {
        let id = match done {
            Ok((id, ())) => id,
            Err(error) => {
                if error.is_panic() {
                    error!("A connection's task panicked; please report this line: {error}");
                }
                error.id()
            }
        };
        self.open.remove(&id);
    }
}

// === impl OpenConnection ===

impl OpenConnection {
    /// Returns the earliest time at which the connection may have to make room.
    fn may_close(&self) -> Instant {
        let time = if self.activity.is_answering() {
            ANSWER_TIME
        } else {
            REQUEST_TIME
        };
        self.opened + time
    }
}

// === impl Activity ===

impl Activity {
    /// Counts a request whose head has arrived. Returns `None` if the request is to be refused: the
    /// connection has its share, and all connections together have as many as the memory allows.
    pub(crate) fn open(self: &Arc<Self>) -> Option<OpenRequest> {
        self.has_sent_request.store(true, Ordering::Relaxed);
        let others = self.totals.requests.load(Ordering::Relaxed);
        if self.requests.load(Ordering::Relaxed) >= REQUESTS && others >= ALL_REQUESTS {
            return None;
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.totals.requests.fetch_add(1, Ordering::Relaxed);
        Some(OpenRequest(Arc::clone(self)))
    }

    /// Returns true if the connection ever sent a whole request head.
    pub(crate) fn has_sent_request(&self) -> bool {
        self.has_sent_request.load(Ordering::Relaxed)
    }

    fn is_answering(&self) -> bool {
        self.answering.load(Ordering::Relaxed) > 0
    }
}

// === impl OpenRequest ===

impl OpenRequest {
    /// Marks the request as being answered, because every needed part of it has arrived.
    pub(crate) fn begin_answer(&self) -> PendingAnswer {
        let Self(activity) = self;
        if activity.answering.fetch_add(1, Ordering::Relaxed) == 0 {
            activity
                .changed
                .store(activity.totals.tick(), Ordering::Relaxed);
        }
        activity.totals.answering.fetch_add(1, Ordering::Relaxed);
        PendingAnswer(Arc::clone(activity))
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let Self(activity) = self;
        activity.requests.fetch_sub(1, Ordering::Relaxed);
        activity.totals.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl PendingAnswer ===

impl Drop for PendingAnswer {
    fn drop(&mut self) {
        let Self(activity) = self;
        // Over HTTP/2 the connection may have other requests that are still being answered.
        if activity.answering.fetch_sub(1, Ordering::Relaxed) == 1 {
            activity
                .changed
                .store(activity.totals.tick(), Ordering::Relaxed);
        }
        activity.totals.answering.fetch_sub(1, Ordering::Relaxed);
        activity.totals.answered.notify_waiters();
    }
}

// === impl Totals ===

impl Totals {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::future::pending;
    use std::net::Ipv4Addr;
    use tokio::time::timeout;

    const PATIENCE: Duration = Duration::from_secs(5);

    const KUBELET: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    const FLOOD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));

    fn open(connections: &mut Connections, client: IpAddr) -> Arc<Activity> {
        let mut opened = None;
        connections.spawn(client, |activity| {
            opened = Some(activity);
            pending()
        });
        opened.unwrap()
    }

    fn fill(connections: &mut Connections) -> Vec<Arc<Activity>> {
        let left = connections.limit - connections.open.len();
        (0..left).map(|_| open(connections, FLOOD)).collect()
    }

    fn full() -> (Connections, Vec<Arc<Activity>>) {
        let mut connections = Connections::new(LIMIT);
        let activities = fill(&mut connections);
        (connections, activities)
    }

    /// Opens a request and begins to answer it.
    fn answer(activity: &Arc<Activity>) -> (OpenRequest, PendingAnswer) {
        let request = activity.open().unwrap();
        let answering = request.begin_answer();
        (request, answering)
    }

    fn is_open(connections: &Connections, activity: &Arc<Activity>) -> bool {
        let mut open = connections.open.values();
        open.any(|open| Arc::ptr_eq(&open.activity, activity))
    }

    /// Returns the index of the first connection that is no longer open.
    fn closed(connections: &Connections, activities: &[Arc<Activity>]) -> Option<usize> {
        activities
            .iter()
            .position(|activity| !is_open(connections, activity))
    }

    #[tokio::test]
    async fn the_connection_that_has_waited_longest_for_its_client_makes_room() {
        let (mut connections, activities) = full();
        // The first is being answered, the answer of the second has just ended.
        let _first = answer(&activities[0]);
        drop(answer(&activities[1]));

        timeout(PATIENCE, connections.wait_for_room())
            .await
            .unwrap();

        assert_eq!(closed(&connections, &activities), Some(2));
        assert_eq!(connections.open.len(), LIMIT - 1);
    }

    #[tokio::test]
    async fn of_two_requests_on_a_connection_one_is_enough_to_keep_it() {
        let (mut connections, activities) = full();
        let _running = answer(&activities[0]);
        drop(answer(&activities[0]));

        timeout(PATIENCE, connections.wait_for_room())
            .await
            .unwrap();

        assert_eq!(closed(&connections, &activities), Some(1));
    }

    #[tokio::test]
    async fn a_request_whose_body_has_not_arrived_keeps_no_connection() {
        let (mut connections, activities) = full();
        let _without_body = activities[0].open().unwrap();

        timeout(PATIENCE, connections.wait_for_room())
            .await
            .unwrap();

        assert_eq!(closed(&connections, &activities), Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_has_time_to_send_a_request_and_is_then_kept() {
        let (mut connections, activities) = full();
        let started = Instant::now();

        assert!(
            timeout(REQUEST_TIME / 2, connections.wait_for_room())
                .await
                .is_err()
        );
        let _answering = answer(&activities[0]);
        timeout(PATIENCE, connections.wait_for_room())
            .await
            .unwrap();

        assert!(started.elapsed() >= REQUEST_TIME);
        assert_eq!(closed(&connections, &activities), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_are_being_answered_the_client_with_the_most_connections_makes_room() {
        let mut connections = Connections::new(LIMIT);
        let kubelet = open(&mut connections, KUBELET);
        let _longest = answer(&kubelet);
        let flood = fill(&mut connections);
        let mut answers: Vec<_> = flood.iter().map(answer).collect();

        // No connection makes room before its time is over.
        assert!(
            timeout(ANSWER_TIME / 2, connections.wait_for_room())
                .await
                .is_err()
        );
        timeout(PATIENCE, connections.wait_for_room())
            .await
            .unwrap();
        assert_eq!(closed(&connections, &flood), Some(0));
        assert!(is_open(&connections, &kubelet));

        // An answer that ends makes room before any that is still being made.
        let flood = [&flood[1..], &fill(&mut connections)].concat();
        let last = flood.len() - 1;
        let _newest = answer(&flood[last]);
        drop(answers.pop());
        timeout(PATIENCE, connections.wait_for_room())
            .await
            .unwrap();
        assert_eq!(closed(&connections, &flood), Some(last - 1));
    }

    #[tokio::test]
    async fn the_flood_makes_room_before_a_client_with_one_connection() {
        let mut connections = Connections::new(LIMIT);
        let prometheus = open(&mut connections, KUBELET);
        let flood = fill(&mut connections);

        timeout(PATIENCE, connections.wait_for_room())
            .await
            .unwrap();

        assert_eq!(closed(&connections, &flood), Some(0));
        assert!(is_open(&connections, &prometheus));
    }

    #[test]
    fn a_connection_always_has_its_share_of_requests_and_more_while_there_is_memory() {
        let totals = Arc::<Totals>::default();
        let activity = || {
            Arc::new(Activity {
                changed: AtomicU64::default(),
                answering: AtomicUsize::default(),
                requests: AtomicUsize::default(),
                has_sent_request: AtomicBool::default(),
                totals: Arc::clone(&totals),
            })
        };
        let (greedy, modest) = (activity(), activity());
        let mut requests: Vec<_> = (0..ALL_REQUESTS).filter_map(|_| greedy.open()).collect();
        assert_eq!(requests.len(), ALL_REQUESTS);
        assert!(greedy.open().is_none());

        requests.extend((0..REQUESTS).filter_map(|_| modest.open()));
        assert_eq!(requests.len(), ALL_REQUESTS + REQUESTS);
        assert!(modest.open().is_none());

        drop(requests);
        assert!(greedy.open().is_some());
        assert_eq!(totals.requests.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn idle_means_that_no_request_is_being_answered() {
        let (connections, activities) = full();
        let _without_body = activities[1].open().unwrap();
        let answering = answer(&activities[0]);

        let idle = connections.wait_until_idle();
        tokio::pin!(idle);
        assert!(idle.as_mut().now_or_never().is_none());
        drop(answering);

        timeout(PATIENCE, idle).await.unwrap();
    }

    #[test]
    fn few_descriptors_mean_few_connections() {
        for (descriptors, targets, expected) in [
            (None, 1, LIMIT),
            (Some(usize::MAX), 64, LIMIT),
            (Some(1024), 64, LIMIT),
            (Some(274), 1, LIMIT),
            (Some(273), 1, LIMIT - 1),
            (Some(64), 1, 30),
            (Some(10), 1, MIN_LIMIT),
            (Some(0), 64, MIN_LIMIT),
        ] {
            assert_eq!(limit(descriptors, targets), expected, "{descriptors:?}");
        }
    }
}
