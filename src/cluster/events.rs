//! A watch: an answer that goes on, with a line for each event.
//!
//! kube's own watcher follows a watch that ends by the next at once, however soon it ended, drops the
//! `Retry-After` of a refusal, and asks for ever for a version that the status 410 calls too old.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::core::WatchEvent;
use serde::de::DeserializeOwned;
use tokio::time::{self, Instant};

use crate::cluster::{Refusal, request};

/// The events of one watch.
pub struct Events<T> {
    body: Body,
    unread: Vec<u8>,
    of: PhantomData<fn() -> T>,
}

/// One of them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event<T> {
    /// The object is like this now.
    Changed(T),
    /// The object is no more.
    Deleted,
    /// Nothing happened up to this version.
    Reached(String),
    /// Nobody knows any more what happened since the version: list again.
    Expired,
    /// The server ended the watch: go on from the last version.
    Ended,
}

/// Longest line: an object is at most 1.5 MB in etcd, and its JSON may be longer.
const LINE: usize = request::ANSWER;

/// Time for a line that has begun to end: between two lines there may be minutes.
const REST_OF_LINE: Duration = Duration::from_secs(20);

// === impl Events ===

impl<T: DeserializeOwned> Events<T> {
    /// Begins a watch. `None` if its version is too old already.
    ///
    /// # Errors
    ///
    /// The server's, or that there is none.
    pub async fn begin(
        client: &kube::Client,
        watch: Request<Vec<u8>>,
    ) -> Result<Option<Self>, Refusal> {
        let response = request::begin(client, watch).await?;
        if response.status() == StatusCode::GONE {
            return Ok(None);
        }
        if !response.status().is_success() {
            return Err(request::refusal(response).await);
        }
        Ok(Some(Self {
            body: response.into_body(),
            unread: Vec::new(),
            of: PhantomData,
        }))
    }

    /// Waits for the next one.
    ///
    /// # Errors
    ///
    /// A connection that was lost, and a line that is no event.
    pub async fn next(&mut self) -> Result<Event<T>, Refusal> {
        let mut searched = 0;
        let mut late = Instant::now() + REST_OF_LINE;
        loop {
            if let Some(length) = self.unread[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let rest = self.unread.split_off(searched + length + 1);
                let line = std::mem::replace(&mut self.unread, rest);
                searched = 0;
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return event(&line);
            }
            searched = self.unread.len();
            if searched > LINE {
                return Err(Refusal::Answer(format!("a line of more than {LINE} bytes")));
            }
            let frame = if searched == 0 {
                let frame = self.body.frame().await;
                late = Instant::now() + REST_OF_LINE;
                frame
            } else {
                let frame = time::timeout_at(late, self.body.frame()).await;
                frame
                    .map_err(|_| Refusal::unreachable(&io::Error::from(io::ErrorKind::TimedOut)))?
            };
            match frame {
                // Half a line is nothing: the next watch brings it whole.
                None => return Ok(Event::Ended),
                Some(Ok(frame)) => {
                    if let Some(bytes) = frame.data_ref() {
                        self.unread.extend_from_slice(bytes);
                    }
                }
                Some(Err(error)) => return Err(Refusal::unreachable(&error)),
            }
        }
    }
}

fn event<T: DeserializeOwned>(line: &[u8]) -> Result<Event<T>, Refusal> {
    let event = serde_json::from_slice(line).map_err(|error| Refusal::answer(&error))?;
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => Ok(Event::Changed(object)),
        WatchEvent::Deleted(_) => Ok(Event::Deleted),
        WatchEvent::Bookmark(bookmark) => Ok(Event::Reached(bookmark.metadata.resource_version)),
        WatchEvent::Error(status) if status.code == StatusCode::GONE => Ok(Event::Expired),
        WatchEvent::Error(status) => Err(Refusal::of_kube(&kube::Error::Api(status))),
    }
}

impl<T> std::fmt::Debug for Events<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events")
            .field("unread", &self.unread.len())
            .finish_non_exhaustive()
    }
}
