//! The watch of a collection of objects, for every reader of the API server.
//!
//! ```text
//! list, page by page ──▶ watch from the version of the list ──▶ ended: from its last version
//!   ▲                       └─▶ refused, silent, lost, too old ──┐
//!   └────────────────── after the wait of the schedule ──────────┘
//! ```
//!
//! [`schedule`] decides, and this file acts. The watcher of kube starts the next watch at once,
//! ignores `Retry-After`, asks for a refused version for ever, and never notices a silent watch.

use std::io;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use tokio::time::{self, Instant};
use tracing::debug;

use self::collection::Page;
use self::list::{List, NoList, Rest};
use self::schedule::{Next, Outcome, Schedule, Step, is_older};
use crate::cluster::Refusal;
use crate::cluster::events::{Events, Line};

pub(crate) mod collection;
mod event;
mod list;
mod schedule;

pub(crate) use self::collection::Collection;
pub(crate) use self::event::{Event, Limits, Object};

/// Watches a collection.
pub(crate) struct Watcher<T> {
    client: kube::Client,
    collection: Collection,
    idle: Duration,
    schedule: Schedule,
    place: Place<T>,
    /// The version of the last list, event or bookmark.
    version: String,
    /// The start of the last watch.
    started: Option<Instant>,
    /// The range of the wait before the next request.
    wait: [Duration; 2],
}

/// The position of a watch.
enum Place<T> {
    /// A list is to be requested.
    List(Page),
    /// A page of the list has arrived.
    Listing(List<T>),
    /// A watch is to be requested.
    Watch,
    /// The watch is open. The time is that of the last event or bookmark.
    Watching(Events<T>, Instant),
}

/// The range of the requested watch length, in seconds. A random value keeps the watches of clients
/// that started together from ending together.
const LENGTH: std::ops::RangeInclusive<u32> = 290..=580;

/// The timeout for each answer, besides those of the connection. A client that the library's user
/// configured may have none.
const ANSWER: Duration = Duration::from_secs(35);

/// Returns the events of these objects, which begin with a list. The stream never ends: it yields
/// each failure, waits and continues.
pub(crate) fn watch<T: Object>(
    client: kube::Client,
    collection: Collection,
    limits: Limits,
) -> BoxStream<'static, Result<Event<T>, Refusal>> {
    let watcher = Watcher::new(client, collection, limits);
    stream::unfold(watcher, |mut watcher| async move {
        let next = watcher.next().await;
        Some((next, watcher))
    })
    .boxed()
}

// === impl Watcher ===

impl<T: Object> Watcher<T> {
    /// Creates a watcher. Sends no request.
    pub(crate) fn new(client: kube::Client, collection: Collection, limits: Limits) -> Self {
        Self {
            client,
            collection,
            idle: limits.idle,
            schedule: Schedule::new(limits.longest_pace),
            place: Place::List(Page::First),
            version: String::new(),
            started: None,
            wait: [Duration::ZERO; 2],
        }
    }

    /// Waits for the next event. Must not be cancelled.
    ///
    /// # Errors
    ///
    /// The refusal of a request. The next call waits and tries again.
    pub(crate) async fn next(&mut self) -> Result<Event<T>, Refusal> {
        loop {
            let [least, most] = std::mem::take(&mut self.wait);
            // Even a sleep of no time takes a millisecond, and a list has thousands of objects.
            if !most.is_zero() {
                let wait = least + most.saturating_sub(least).mul_f64(fastrand::f64());
                time::sleep(wait).await;
            }
            let place = std::mem::replace(&mut self.place, Place::List(Page::First));
            match self.advance(place).await {
                Ok(Some(event)) => return Ok(event),
                Ok(None) => {}
                Err(outcome) => self.follow(outcome)?,
            }
        }
    }

    /// Forgets every wait, and begins with a list again.
    pub(crate) fn restart(&mut self) {
        self.schedule.reset();
        self.place = Place::List(Page::First);
        self.wait = [Duration::ZERO; 2];
    }

    /// Rejects the last object, which is not what the consumer asked for. Returns the refusal, and
    /// begins with a list after a wait.
    pub(crate) fn reject(&mut self, refusal: Refusal) -> Refusal {
        let outcome = match self.place {
            Place::Watching(..) => Outcome::Broken(refusal.clone()),
            Place::List(_) | Place::Listing(_) | Place::Watch => {
                Outcome::ListRefused(refusal.clone())
            }
        };
        self.follow(outcome).err().unwrap_or(refusal)
    }

    async fn advance(&mut self, place: Place<T>) -> Result<Option<Event<T>>, Outcome> {
        match place {
            Place::List(page) => {
                let list = read_page(&self.client, &self.collection, &page).await;
                let list = list.map_err(|no_list| Outcome::ListRefused(no_list.into()))?;
                self.place = Place::Listing(list);
                Ok(Some(Event::Listing))
            }
            Place::Listing(mut list) => {
                if let Some(item) = list.items.next() {
                    self.place = Place::Listing(list);
                    return Ok(Some(Event::Item(item)));
                }
                self.after_page(list.rest).await
            }
            Place::Watch => {
                self.started = Some(Instant::now());
                let request = self.collection.watch(&self.version, fastrand::u32(LENGTH));
                let begun = timely(Events::begin(&self.client, request)).await;
                let events = begun.map_err(Outcome::WatchRefused)?;
                let events = events.ok_or(Outcome::Expired)?;
                self.schedule.begun();
                self.place = Place::Watching(events, Instant::now());
                Ok(Some(Event::Begun))
            }
            Place::Watching(mut events, heard) => {
                let line = time::timeout_at(heard + self.idle, events.next()).await;
                let line = line.map_err(|_| Outcome::Idle)?;
                let event = self.read(line.map_err(Outcome::Broken)?)?;
                self.place = Place::Watching(events, Instant::now());
                Ok(Some(event))
            }
        }
    }

    async fn after_page(&mut self, rest: Rest) -> Result<Option<Event<T>>, Outcome> {
        match rest {
            Rest::Version(version) => {
                let is_new = self.version != version;
                self.version = version;
                let outcome = Outcome::Listed { is_new };
                let next = self.schedule.next(outcome, self.since());
                self.take(&next);
                Ok(Some(Event::Listed))
            }
            Rest::Token(token) => {
                let next = Page::Next(token);
                self.place = match read_page(&self.client, &self.collection, &next).await {
                    Ok(list) => Place::Listing(list),
                    Err(NoList::Expired(_)) => Place::List(Page::Whole),
                    Err(NoList::Refused(refusal)) => return Err(Outcome::ListRefused(refusal)),
                };
                Ok(None)
            }
        }
    }

    fn read(&mut self, line: Line<T>) -> Result<Event<T>, Outcome> {
        let version_of = |object: &T| object.meta().resource_version.clone();
        let (version, event) = match line {
            Line::Changed(object) => (version_of(&object), Event::Changed(object)),
            Line::Deleted(object) => {
                // An old server sends the last version of the object itself.
                let version = version_of(&object).map(|version| {
                    if is_older(&version, &self.version) {
                        self.version.clone()
                    } else {
                        version
                    }
                });
                (version, Event::Deleted(object))
            }
            Line::Bookmark(version) => (Some(version), Event::Current),
            Line::Expired => return Err(Outcome::Expired),
            Line::Ended => return Err(Outcome::Ended),
        };
        let Some(version) = version.filter(|version| !version.is_empty()) else {
            let text = "an event without a resource version";
            return Err(Outcome::Broken(Refusal::Answer(text.to_owned())));
        };
        if is_older(&version, &self.version) {
            return Err(Outcome::Expired);
        }
        self.version = version;
        Ok(event)
    }

    /// Plans the next request. Returns the refusal, if the consumer must be told.
    fn follow(&mut self, outcome: Outcome) -> Result<(), Refusal> {
        debug!(?outcome, "A list or a watch is over");
        let mut next = self.schedule.next(outcome, self.since());
        self.take(&next);
        match next.refusal.take() {
            None => Ok(()),
            Some(refusal) => Err(self.collection.explain(refusal)),
        }
    }

    fn take(&mut self, next: &Next) {
        self.wait = next.wait;
        self.place = match next.step {
            Step::List => Place::List(Page::First),
            Step::Watch => Place::Watch,
        };
    }

    /// Returns the time since the start of the last watch.
    fn since(&self) -> Duration {
        self.started
            .map_or(Duration::MAX, |started| started.elapsed())
    }
}

impl<T> std::fmt::Debug for Watcher<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("collection", &self.collection)
            .finish_non_exhaustive()
    }
}

/// Returns the objects of a collection as they are now.
///
/// # Errors
///
/// The API server's refusal, or [`Refusal::Unreachable`] if it does not answer.
pub(crate) async fn list<T: Object>(
    client: &kube::Client,
    collection: &Collection,
) -> Result<Vec<T>, Refusal> {
    let mut page = Page::First;
    let mut objects = Vec::new();
    loop {
        let list = match read_page(client, collection, &page).await {
            Ok(list) => list,
            Err(NoList::Expired(_)) if matches!(page, Page::Next(_)) => {
                objects.clear();
                page = Page::Whole;
                continue;
            }
            Err(no_list) => return Err(no_list.into()),
        };
        objects.extend(list.items);
        match list.rest {
            Rest::Token(token) => page = Page::Next(token),
            Rest::Version(_) => return Ok(objects),
        }
    }
}

async fn read_page<T: Object>(
    client: &kube::Client,
    collection: &Collection,
    page: &Page,
) -> Result<List<T>, NoList> {
    let read = list::read(client, collection.list(page), collection.page_size());
    let list = time::timeout(ANSWER, read).await;
    list.unwrap_or_else(|_| Err(NoList::Refused(late())))
}

fn late() -> Refusal {
    Refusal::unreachable(&io::Error::new(
        io::ErrorKind::TimedOut,
        format!("no answer within {ANSWER:?}"),
    ))
}

async fn timely<V>(answer: impl Future<Output = Result<V, Refusal>>) -> Result<V, Refusal> {
    let answer = time::timeout(ANSWER, answer).await;
    answer.unwrap_or_else(|_| Err(late()))
}
