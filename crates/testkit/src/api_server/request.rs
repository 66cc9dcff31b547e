//! The requests that the scripted API server received.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Method;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query, decoded.
    pub query: BTreeMap<String, String>,
    /// The body; `null` if there is none.
    pub body: Value,
}

/// Every request so far.
#[derive(Clone, Debug, Default)]
pub struct RequestLog(Arc<Mutex<Vec<Request>>>);

// === impl Request ===

impl Request {
    pub(super) fn new(head: Parts, body: &[u8]) -> Self {
        let pairs = head.uri.query().unwrap_or_default().split('&');
        let pairs = pairs.filter_map(|pair| pair.split_once('='));
        Self {
            path: head.uri.path().to_owned(),
            query: pairs
                .map(|(name, value)| (decoded(name), decoded(value)))
                .collect(),
            method: head.method,
            body: serde_json::from_slice(body).unwrap_or_default(),
        }
    }

    /// Returns a value of the query; "" if there is none.
    pub fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Decides whether it starts a watch.
    pub fn is_watch(&self) -> bool {
        self.query("watch") == "true"
    }
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8();
    text.expect("a query must be UTF-8").into_owned()
}

// === impl RequestLog ===

impl RequestLog {
    /// Returns every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.lock().clone()
    }

    /// Returns the metadata in the bodies of all patches.
    pub fn patches(&self) -> Vec<Value> {
        let requests = self.lock();
        let patches = requests.iter().filter(|it| it.method == Method::PATCH);
        patches.map(|it| it.body["metadata"].clone()).collect()
    }

    pub(super) fn push(&self, request: Request) {
        self.lock().push(request);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
