//! The events of a watch, and its limits.

use std::time::Duration;

use serde::de::DeserializeOwned;

use super::schedule::INTERVAL;

/// An event of a watch that never ends.
#[derive(Clone, Debug)]
pub(crate) enum Event<T> {
    /// A list begins. The objects of an unfinished list before it are void.
    Listing,
    /// An object of the list.
    Item(T),
    /// The list is complete: an object that is not in it does not exist. It is true even if it is
    /// older than what was known, because the API server's storage may have been restored.
    Listed,
    /// The object was added or changed, and this is its new state.
    Changed(T),
    /// The object was deleted, and this is its last state.
    Deleted(T),
    /// The server accepted the watch: every change from now on is an event.
    Begun,
    /// The server reports that no event is missing (a bookmark).
    Current,
}

/// The limits of a watch, which differ between its readers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest time without an event or a bookmark. A silent watch is replaced by a list,
    /// because its connection may be lost, or a proxy may hold it open. The API server sends a
    /// bookmark each minute.
    pub idle: Duration,
    /// The longest time between the starts of two watches that the server ends at once. It doubles
    /// from one second.
    pub longest_pace: Duration,
}

/// An object that the API server lists.
pub(crate) trait Object: kube::Resource + DeserializeOwned + Send + 'static {}

impl<T: kube::Resource + DeserializeOwned + Send + 'static> Object for T {}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_mins(2),
            longest_pace: INTERVAL,
        }
    }
}
