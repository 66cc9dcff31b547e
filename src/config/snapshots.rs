//! The snapshots that a watch delivers of one `ConfigMap`, compared to find its changes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;

use crate::cluster::watch;

type Data = BTreeMap<String, String>;

/// The kinds of change of a `ConfigMap`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// The `ConfigMap` was created.
    Created,
    /// The data of the `ConfigMap` changed.
    Edited,
    /// The `ConfigMap` was deleted.
    Deleted,
}

/// The last known data of the `ConfigMap`, and the data of a list in progress.
#[derive(Debug)]
pub(super) struct Snapshots {
    data: Option<Data>,
    /// The data that the unfinished list has delivered.
    listed: Option<Data>,
}

// === impl Event ===

impl Event {
    /// Returns the name of the event, as the output prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Edited => "edited",
            Self::Deleted => "deleted",
        }
    }
}

// === impl Snapshots ===

impl Snapshots {
    pub(super) fn new(data: Option<Data>) -> Self {
        Self { data, listed: None }
    }

    pub(super) fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }

    /// Takes one event of the watch, and returns the change of the `ConfigMap` if there is one.
    pub(super) fn take(&mut self, event: watch::Event<ConfigMap>) -> Option<Event> {
        use watch::Event::{Begun, Changed, Current, Deleted, Item, Listed, Listing};
        let now = match event {
            Listing => {
                self.listed = None;
                return None;
            }
            Item(config_map) => {
                self.listed = Some(config_map.data.unwrap_or_default());
                return None;
            }
            Listed => self.listed.take(),
            Changed(config_map) => Some(config_map.data.unwrap_or_default()),
            Deleted(_) => None,
            Begun | Current => return None,
        };
        let event = match (&self.data, &now) {
            (None, Some(_)) => Event::Created,
            (Some(_), None) => Event::Deleted,
            (Some(before), Some(now)) if before != now => Event::Edited,
            _ => return None,
        };
        self.data = now;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watch::Event::{Changed, Deleted, Item, Listed, Listing};

    fn map(text: &str) -> ConfigMap {
        let data = (!text.is_empty()).then(|| [("a".to_owned(), text.to_owned())].into());
        ConfigMap {
            data,
            ..ConfigMap::default()
        }
    }

    fn events(known: Option<&str>, watched: Vec<watch::Event<ConfigMap>>) -> Vec<&'static str> {
        let mut snapshots = Snapshots::new(known.map(|text| map(text).data.unwrap_or_default()));
        let events = watched
            .into_iter()
            .filter_map(|event| snapshots.take(event));
        events.map(Event::as_str).collect()
    }

    #[test]
    fn each_change_is_one_event() {
        let life = vec![
            Listing,
            Listed,
            Changed(map("1")),
            Changed(map("2")),
            // A change of labels, or a resync.
            Changed(map("2")),
            Deleted(map("2")),
        ];
        assert_eq!(events(None, life), ["created", "edited", "deleted"]);
    }

    #[test]
    fn a_new_list_is_compared_with_what_was_known() {
        let list = |text: &str| vec![Listing, Item(map(text)), Listed];
        assert_eq!(events(Some("1"), list("1")), [""; 0]);
        assert_eq!(events(Some("1"), list("2")), ["edited"]);
        assert_eq!(events(None, list("1")), ["created"]);
        assert_eq!(events(Some("1"), vec![Listing, Listed]), ["deleted"]);
        assert_eq!(events(None, vec![Listing, Listed]), [""; 0]);
        // An interrupted list changes nothing.
        let broken = vec![Listing, Item(map("2")), Listing, Item(map("1")), Listed];
        assert_eq!(events(Some("1"), broken), [""; 0]);
        assert_eq!(events(None, list("")), ["created"]);
    }
}
