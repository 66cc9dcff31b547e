//! The answer to a watch, which has a line for each event and does not end.

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
pub(crate) struct Events<T> {
    body: Body,
    unread: Vec<u8>,
    of: PhantomData<fn() -> T>,
}

/// A line of the answer, or its end.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Line<T> {
    /// The object was added or changed, and this is its new state.
    Changed(T),
    /// The object was deleted, and this is its last state.
    Deleted(T),
    /// The server reports that no event is missing up to this version.
    Bookmark(String),
    /// The version is too old for the server, so the caller must list again.
    Expired,
    /// The server ended the watch, so the caller continues from the last version.
    Ended,
}

/// The maximum length of a line. An object is at most 1.5 MB in etcd, and its JSON may be longer.
const LINE: usize = request::ANSWER;

/// The timeout for the rest of a line that has begun. Between two lines there may be minutes.
const REST_OF_LINE: Duration = Duration::from_secs(20);

// === impl Events ===

impl<T: DeserializeOwned> Events<T> {
    /// Begins a watch. Returns `None` if its version is too old already.
    ///
    /// # Errors
    ///
    /// Returns the server's refusal, or [`Refusal::Unreachable`] if no answer arrives.
    pub(crate) async fn begin(
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

    /// Waits for the next event.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection is lost, or if a line is not an event.
    pub(crate) async fn next(&mut self) -> Result<Line<T>, Refusal> {
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
                return parse(&line);
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
                // A partial line is discarded: the next watch sends the whole line.
                None => return Ok(Line::Ended),
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

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<Line<T>, Refusal> {
    let event = serde_json::from_slice(line).map_err(|error| Refusal::answer(&error))?;
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => Ok(Line::Changed(object)),
        WatchEvent::Deleted(object) => Ok(Line::Deleted(object)),
        WatchEvent::Bookmark(bookmark) => Ok(Line::Bookmark(bookmark.metadata.resource_version)),
        WatchEvent::Error(status) if status.code == StatusCode::GONE => Ok(Line::Expired),
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
