//! What a watch shows of one `ConfigMap`, as what happened to it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::watcher;

type Data = BTreeMap<String, String>;

/// What happened to a `ConfigMap`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// There was none.
    Created,
    /// Its data are other data.
    Edited,
    /// There is none any more.
    Deleted,
}

/// What was last seen.
#[derive(Debug)]
pub(super) struct Sights {
    data: Option<Data>,
    /// What a list has brought so far.
    listed: Option<Data>,
}

// === impl Event ===

impl Event {
    /// Its name, as the output has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Edited => "edited",
            Self::Deleted => "deleted",
        }
    }
}

// === impl Sights ===

impl Sights {
    pub(super) fn new(data: Option<Data>) -> Self {
        Self { data, listed: None }
    }

    pub(super) fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }

    /// Takes in what the watch says and returns what that means, if anything.
    pub(super) fn take(&mut self, told: watcher::Event<ConfigMap>) -> Option<Event> {
        use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};
        let now = match told {
            Init => {
                self.listed = None;
                return None;
            }
            InitApply(config_map) => {
                self.listed = Some(config_map.data.unwrap_or_default());
                return None;
            }
            InitDone => self.listed.take(),
            Apply(config_map) => Some(config_map.data.unwrap_or_default()),
            Delete(_) => None,
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
    use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};

    fn map(text: &str) -> ConfigMap {
        let data = (!text.is_empty()).then(|| [("a".to_owned(), text.to_owned())].into());
        ConfigMap {
            data,
            ..ConfigMap::default()
        }
    }

    fn events(known: Option<&str>, told: Vec<watcher::Event<ConfigMap>>) -> Vec<&'static str> {
        let mut sights = Sights::new(known.map(|text| map(text).data.unwrap_or_default()));
        let events = told.into_iter().filter_map(|told| sights.take(told));
        events.map(Event::as_str).collect()
    }

    #[test]
    fn each_change_is_one_event() {
        let life = vec![
            Init,
            InitDone,
            Apply(map("1")),
            Apply(map("2")),
            // Labels, or a resync.
            Apply(map("2")),
            Delete(map("2")),
        ];
        assert_eq!(events(None, life), ["created", "edited", "deleted"]);
    }

    #[test]
    fn a_new_list_is_compared_with_what_was_known() {
        let list = |text: &str| vec![Init, InitApply(map(text)), InitDone];
        assert_eq!(events(Some("1"), list("1")), [""; 0]);
        assert_eq!(events(Some("1"), list("2")), ["edited"]);
        assert_eq!(events(None, list("1")), ["created"]);
        assert_eq!(events(Some("1"), vec![Init, InitDone]), ["deleted"]);
        assert_eq!(events(None, vec![Init, InitDone]), [""; 0]);
        // One that broke off says nothing.
        let broken = vec![
            Init,
            InitApply(map("2")),
            Init,
            InitApply(map("1")),
            InitDone,
        ];
        assert_eq!(events(Some("1"), broken), [""; 0]);
        assert_eq!(events(None, list("")), ["created"]);
    }
}
