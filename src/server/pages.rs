//! The rendered pages. Each is rendered at most once a second, for any number of clients.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use tokio::time::Instant;

/// The time for which a rendered page is sent to every client. A page of many targets takes
/// milliseconds of the only thread to render. No client needs it more often: Prometheus scrapes
/// every 15 s or so, and the page for a person reloads itself every 5 s.
pub const FRESH: Duration = Duration::from_secs(1);

/// The pages that the sidecar renders.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    /// The page `/metrics`.
    pub metrics: Page,
    /// The page `/statusz` for a person.
    pub html: Page,
    /// The page `/statusz` for a program.
    pub json: Page,
}

/// A page, as it was last rendered.
#[derive(Debug, Default)]
pub(crate) struct Page(Mutex<Option<(Instant, Bytes)>>);

// === impl Page ===

impl Page {
    /// Returns the page, which `render` makes if the last rendering is older than [`FRESH`].
    pub(crate) fn get(&self, now: Instant, render: impl FnOnce() -> String) -> Bytes {
        let mut rendered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*rendered {
            Some((at, page)) if now.saturating_duration_since(*at) < FRESH => page.clone(),
            _ => {
                let page = Bytes::from(render());
                *rendered = Some((now, page.clone()));
                page
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_rendered_once_a_second() {
        let (page, start) = (Page::default(), Instant::now());
        let mut renderings = 0;
        let pages: Vec<_> = [0, 1, 999, 1000, 1999, 2000]
            .into_iter()
            .map(|millis| {
                page.get(start + Duration::from_millis(millis), || {
                    renderings += 1;
                    renderings.to_string()
                })
            })
            .collect();
        assert_eq!(pages, ["1", "1", "1", "2", "2", "3"]);
    }
}
