//! The troubles.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::api_server::{End, Reply, Request, event, gone, refused};

pub const OPEN: End = End::Open;
pub const RESET: End = End::Reset;

/// A trouble of an API server.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    /// Returns the faulty answer to a request, or `None` if the answer is healthy.
    pub trouble: fn(&Request) -> Option<Reply>,
    pub lasts: Duration,
    /// The largest number of requests of one watch while the trouble lasts.
    pub most: usize,
    /// The longest time after the trouble until the change is noticed.
    pub notices: Duration,
    /// A part of an error that the reader reports. `None` if it must report none.
    pub says: Option<&'static str>,
    pub restored: Restored,
}

/// The way in which the server's storage was restored to an older version.
#[derive(Clone, Copy, Debug)]
pub enum Restored {
    /// The storage was not restored.
    No,
    /// Every open watch stays open.
    Silently,
    /// Every connection is reset.
    WithReset,
    /// The open watch has a bookmark with the older version.
    WithBookmark,
}

/// The name of the trouble after which the own pod is read instead.
pub const FORBIDDEN_WATCH: &str = "403 of the watch";

/// The longest back-off, with the rest of the answer before it.
const BACKOFF: Duration = Duration::from_secs(66);

/// The time after which a silent watch is replaced.
const IDLE: Duration = Duration::from_secs(122);

const ROW: Row = Row {
    name: "",
    trouble: |_| None,
    lasts: Duration::from_mins(10),
    most: 120,
    notices: BACKOFF,
    says: None,
    restored: Restored::No,
};

/// Returns a row for this answer to every request.
const fn always(
    name: &'static str,
    says: &'static str,
    trouble: fn(&Request) -> Option<Reply>,
) -> Row {
    Row {
        name,
        says: Some(says),
        trouble,
        ..ROW
    }
}

pub const ROWS: [Row; 31] = [
    always("hung", "no answer within", |_| Some(Reply::Hung)),
    always("connection refused", "connection refused", |_| {
        Some(Reply::NoConnection)
    }),
    always("401", "(401)", |_| Some(refused(401, "Unauthorized"))),
    Row {
        most: 30,
        notices: Duration::from_secs(301),
        ..always("403", "cannot list", |_| {
            Some(refused(403, "User \"x\" cannot list resource"))
        })
    },
    Row {
        most: 30,
        notices: Duration::from_secs(301),
        ..always(FORBIDDEN_WATCH, "cannot watch", |request| {
            watch(request, refused(403, "User \"x\" cannot watch resource"))
        })
    },
    always("404 of the API group", "page not found", |_| {
        Some(Reply::Text(
            404,
            Vec::new(),
            "404 page not found\n".to_owned(),
        ))
    }),
    Row {
        most: 90,
        ..always("410 of the list", "too old", |request| {
            let reply = || refused(410, "too old resource version");
            Some(if request.is_watch() {
                Reply::Timed(Vec::new(), End::Reset)
            } else {
                reply()
            })
        })
    },
    always(
        "410 of the watch",
        "the version of its own list",
        |request| watch(request, refused(410, "too old resource version")),
    ),
    always(
        "410 as an event",
        "the version of its own list",
        |request| watch(request, Reply::OpenWatch(vec![gone()])),
    ),
    Row {
        most: 34,
        ..always("429 with Retry-After", "429", |_| busy(429, Some(20)))
    },
    Row {
        most: 5,
        notices: Duration::from_secs(331),
        ..always("429 with a long Retry-After", "429", |_| {
            busy(429, Some(99_999))
        })
    },
    always("429", "429", |_| busy(429, None)),
    always("429 of the watch", "429", |request| {
        busy(429, None).filter(|_| request.is_watch())
    }),
    always("500", "500", |_| busy(500, None)),
    always("500 of the watch", "500", |request| {
        busy(500, None).filter(|_| request.is_watch())
    }),
    always("503", "503", |_| busy(503, None)),
    always("503 of the watch", "503", |request| {
        busy(503, None).filter(|_| request.is_watch())
    }),
    always(
        "504 of the watch",
        "Too large resource version",
        |request| {
            watch(
                request,
                refused(504, "Too large resource version: 10, current: 5"),
            )
        },
    ),
    always("400 of the watch", "invalid resource version", |request| {
        watch(request, refused(400, "invalid resource version"))
    }),
    always("reset mid-stream", "connection reset", |request| {
        let lines = vec![(Duration::from_secs(5), bookmark(10))];
        watch(request, Reply::Timed(lines, End::Reset))
    }),
    always("reset at once", "connection reset", |request| {
        watch(request, Reply::Timed(Vec::new(), End::Reset))
    }),
    Row {
        name: "ends at once",
        lasts: Duration::from_mins(1),
        most: 63,
        notices: Duration::from_secs(32),
        ..ROW_OF_ENDS
    },
    Row {
        name: "half-open",
        most: 20,
        notices: IDLE,
        trouble: |request| watch(request, Reply::Timed(Vec::new(), End::Open)),
        ..ROW
    },
    Row {
        name: "held by a proxy",
        most: 20,
        notices: IDLE,
        trouble: |request| {
            let lines = vec![(Duration::from_secs(10), "\n".to_owned()); 200];
            watch(request, Reply::Timed(lines, End::Open))
        },
        ..ROW
    },
    Row {
        lasts: Duration::from_secs(40),
        ..always("endless line", "a line of more than", |request| {
            watch(request, text("x".repeat(5 << 20)))
        })
    },
    always("a byte a second", "timed out", |request| {
        let lines = vec![(Duration::from_secs(1), "{".to_owned()); 600];
        watch(request, Reply::Timed(lines, End::Open))
    }),
    always("no JSON", "not an answer of an API server", |request| {
        let page = "<html>404</html>\n".to_owned();
        Some(if request.is_watch() {
            text(page)
        } else {
            Reply::Text(200, Vec::new(), page)
        })
    }),
    always(
        "an object without metadata",
        "not an answer of an API server",
        |request| {
            watch(
                request,
                text(format!("{}\n", event("MODIFIED", &json!({})))),
            )
        },
    ),
    Row {
        name: "versions that go back",
        most: 2,
        notices: IDLE,
        restored: Restored::Silently,
        ..ROW
    },
    Row {
        most: 2,
        restored: Restored::WithReset,
        ..always(
            "versions that go back after a reset",
            "connection reset",
            |_| None,
        )
    },
    Row {
        name: "versions that go back in a bookmark",
        most: 2,
        restored: Restored::WithBookmark,
        ..ROW
    },
];

/// A row that must not be reported.
const ROW_OF_ENDS: Row = Row {
    trouble: |request| watch(request, Reply::EndedWatch(Vec::new())),
    ..ROW
};

/// Returns the reply if the request is a watch.
fn watch(request: &Request, reply: Reply) -> Option<Reply> {
    request.is_watch().then_some(reply)
}

fn text(text: String) -> Reply {
    Reply::Timed(vec![(Duration::ZERO, text)], End::Open)
}

#[expect(clippy::unnecessary_wraps, reason = "the result of a row's function")]
fn busy(code: u16, retry_after: Option<u32>) -> Option<Reply> {
    let header = retry_after.map(|seconds| ("retry-after", seconds.to_string()));
    let headers = header.into_iter().collect();
    Some(Reply::Text(code, headers, "by script\n".to_owned()))
}

/// Returns the line of an event.
pub fn line(kind: &str, object: &Value) -> String {
    format!("{}\n", event(kind, object))
}

/// Returns the line of a bookmark.
pub fn bookmark(version: u64) -> String {
    let metadata = json!({"resourceVersion": version.to_string()});
    line(
        "BOOKMARK",
        &json!({"kind": "Pod", "apiVersion": "v1", "metadata": metadata}),
    )
}
