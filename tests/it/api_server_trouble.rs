//! Every trouble of an API server, for every reader that watches it. A script answers under a real
//! `kube::Client`; time is paused, so that the ten minutes of a trouble take no time.
//!
//! Each reader lists its object and then has the trouble. While it lasts, the requests are
//! bounded. After it the object has changed, and the reader must notice.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use testkit::api_server::{Reply, Request, client, list, refused};
use tokio::time::{self, Instant};

use self::readers::Reader;
use self::rows::{ROWS, Restored, Row};

mod readers;
mod rows;

/// The host number and the resource version of the object before the trouble ends.
const BEFORE: (u8, u64) = (1, 10);

/// An API server with one object of a reader.
struct Server {
    row: &'static Row,
    started: Instant,
    /// The requests during the trouble.
    requests: Arc<AtomicUsize>,
}

// === impl Server ===

impl Server {
    fn answer(&self, request: &Request) -> Reply {
        let passed = self.started.elapsed();
        if passed >= self.row.lasts {
            return self.healthy(request, self.after(), None);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let is_first_list = passed.is_zero() && !request.is_watch();
        let trouble = (self.row.trouble)(request).filter(|_| !is_first_list);
        let rest = self.row.lasts.saturating_sub(passed);
        trouble.unwrap_or_else(|| self.healthy(request, BEFORE, Some(rest)))
    }

    /// Returns the object after the trouble.
    fn after(&self) -> (u8, u64) {
        match self.row.restored {
            Restored::No => (2, 20),
            Restored::Silently | Restored::WithReset | Restored::WithBookmark => (2, 5),
        }
    }

    /// Answers as a healthy server with this object, until the trouble ends in `rest`.
    fn healthy(&self, request: &Request, now: (u8, u64), rest: Option<Duration>) -> Reply {
        let object = readers::object(&request.path, now);
        if request.path.ends_with("/a") {
            return Reply::Json(200, object);
        }
        if !request.is_watch() {
            return list(&now.1.to_string(), [object]);
        }
        let from: u64 = request.query("resourceVersion").parse().unwrap();
        if from > now.1 {
            return refused(504, "Too large resource version");
        }
        let event = |(host, version)| {
            let object = readers::object(&request.path, (host, version));
            rows::line("MODIFIED", &object)
        };
        let mut lines = Vec::new();
        if from < now.1 {
            lines.push((Duration::ZERO, event(now)));
        }
        let minutes = rest.unwrap_or(Duration::from_mins(30)).as_secs() / 60;
        let minute = Duration::from_mins(1);
        lines.extend((0..minutes).map(|_| (minute, rows::bookmark(now.1))));
        let Some(rest) = rest else {
            return Reply::Timed(lines, rows::OPEN);
        };
        let rest = rest.saturating_sub(minute * u32::try_from(minutes).unwrap());
        match self.row.restored {
            Restored::No => lines.push((rest, event(self.after()))),
            Restored::Silently => {}
            Restored::WithBookmark => lines.push((rest, rows::bookmark(self.after().1))),
            Restored::WithReset => {
                lines.push((rest, "\n".to_owned()));
                return Reply::Timed(lines, rows::RESET);
            }
        }
        Reply::Timed(lines, rows::OPEN)
    }
}

/// Lets a reader have one trouble. Returns every fault of the reader.
async fn faults(reader: Reader, row: &'static Row) -> Vec<String> {
    let requests = Arc::new(AtomicUsize::new(0));
    let server = Mutex::new(Server {
        row,
        started: Instant::now(),
        requests: Arc::clone(&requests),
    });
    let (client, _) = client(move |request| server.lock().unwrap().answer(request));
    let mut states = reader.states(client);
    let mut errors = Vec::new();
    let noticed = async {
        loop {
            match states.next().await.expect("the stream must go on") {
                Ok(2) => return,
                Ok(host) => assert_eq!(host, 1, "{reader:?}, {}", row.name),
                Err(error) => errors.push(error),
            }
        }
    };
    let noticed = time::timeout(row.lasts + row.notices, noticed).await;
    let mut faults = Vec::new();
    let mut fault = |text: String| faults.push(format!("{}, {reader:?}: {text}", row.name));
    if noticed.is_err() {
        fault(format!("not noticed, {errors:?}"));
    }
    let requests = requests.load(Ordering::Relaxed);
    if requests > row.most * reader.watches() {
        fault(format!("{requests} requests"));
    }
    // The own pod is read instead.
    let is_read = row.name == rows::FORBIDDEN_WATCH && reader.is_own_pod();
    let says = row.says.filter(|_| !is_read);
    if let Some(expected) = says.filter(|it| !errors.iter().any(|e| e.contains(it))) {
        fault(format!("{expected:?} is in none of {errors:?}"));
    }
    if says.is_none() && !errors.is_empty() {
        fault(format!("reports {errors:?}"));
    }
    let since = "discovery.k8s.io/v1 needs Kubernetes 1.21";
    let is_explained = errors.iter().any(|error| error.contains(since));
    if row.name.starts_with("404") && is_explained != reader.needs_slices() {
        fault(format!("{errors:?}"));
    }
    faults
}

async fn survives_every_trouble(reader: Reader) {
    let mut all = Vec::new();
    for row in &ROWS {
        all.extend(faults(reader, row).await);
    }
    assert!(all.is_empty(), "{all:#?}");
}

#[tokio::test(start_paused = true)]
async fn the_own_pod_survives_every_trouble() {
    survives_every_trouble(Reader::OwnPod).await;
}

#[tokio::test(start_paused = true)]
async fn the_registry_survives_every_trouble() {
    survives_every_trouble(Reader::Registry).await;
}

#[tokio::test(start_paused = true)]
async fn the_resolver_survives_every_trouble() {
    survives_every_trouble(Reader::Resolver).await;
}

#[tokio::test(start_paused = true)]
async fn the_config_survives_every_trouble() {
    survives_every_trouble(Reader::Config).await;
}

#[tokio::test(start_paused = true)]
async fn the_catalog_survives_every_trouble() {
    survives_every_trouble(Reader::Catalog).await;
}
