//! A record as Go's `encoding/json` reads it.
//!
//! Unknown fields are ignored, keys match in any case, `null` leaves what was there, and
//! a value of another type is an error, as bad syntax is. A surrogate without its half
//! becomes U+FFFD.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::registry::record::{Endpoint, Node, Service, Value};

/// Why an annotation is no record.
#[derive(Debug, thiserror::Error)]
#[error("not the JSON of a go-micro service: {0}")]
pub struct InvalidRecord(#[source] serde_json::Error);

impl Service {
    /// Reads any generation.
    ///
    /// # Errors
    ///
    /// Text that Go's decoder would refuse too: for a Go client such an annotation spoils
    /// every lookup of its service.
    pub fn from_json(text: &str) -> Result<Self, InvalidRecord> {
        service(text).map_err(InvalidRecord)
    }
}

fn service(text: &str) -> Result<Service, serde_json::Error> {
    let read: Option<Read<Service>> = serde_json::from_str(&whole(text))?;
    Ok(read.map(|Read(service)| service).unwrap_or_default())
}

/// A struct whose fields are read one by one.
trait Fields: Default {
    /// What it is called when something else is found.
    const NAME: &'static str;

    /// Reads the value of one field; the name is in lower case.
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// Such a struct, read.
struct Read<T>(T);

/// A node's number as generation A wrote it, or anything else, which later generations
/// ignore.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Other(IgnoredAny),
}

// === impl Fields ===

impl Fields for Service {
    const NAME: &'static str = "a service";

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "name" => set(&mut self.name, map),
            "version" => set(&mut self.version, map),
            "metadata" => metadata(&mut self.metadata, map),
            "endpoints" => list(&mut self.endpoints, map),
            "nodes" => list(&mut self.nodes, map),
            _ => ignore(map),
        }
    }
}

impl Fields for Endpoint {
    const NAME: &'static str = "an endpoint";

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "name" => set(&mut self.name, map),
            "request" => value(&mut self.request, map),
            "response" => value(&mut self.response, map),
            "metadata" => metadata(&mut self.metadata, map),
            _ => ignore(map),
        }
    }
}

impl Fields for Value {
    const NAME: &'static str = "a value";

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "name" => set(&mut self.name, map),
            "type" => set(&mut self.r#type, map),
            "values" => list(&mut self.values, map),
            _ => ignore(map),
        }
    }
}

/// A node, and its port if it has one.
#[derive(Default)]
struct Ported {
    node: Node,
    port: u16,
}

impl Fields for Ported {
    const NAME: &'static str = "a node";

    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "id" => set(&mut self.node.id, map),
            "address" => set(&mut self.node.address, map),
            "metadata" => metadata(&mut self.node.metadata, map),
            "port" => {
                if let Port::Number(port) = map.next_value()? {
                    self.port = port;
                }
                Ok(())
            }
            _ => ignore(map),
        }
    }
}

impl From<Ported> for Node {
    fn from(Ported { mut node, port }: Ported) -> Self {
        if port > 0 {
            node.address = joined(node.address, port);
        }
        node
    }
}

/// Generation A wrote address and port apart, or `host:port` and a port of 0; later ones
/// dial the address as it is.
fn joined(address: String, port: u16) -> String {
    let is_v6 = address.bytes().filter(|byte| *byte == b':').count() > 1;
    let is_bare = match (address.starts_with('['), is_v6) {
        (true, _) => address.ends_with(']'),
        (false, true) => true,
        (false, false) => !address.contains(':') && !address.is_empty(),
    };
    match (is_bare, is_v6 && !address.starts_with('[')) {
        (true, true) => format!("[{address}]:{port}"),
        (true, false) => format!("{address}:{port}"),
        (false, _) => address,
    }
}

fn set<'de, A: MapAccess<'de>>(field: &mut String, map: &mut A) -> Result<(), A::Error> {
    if let Some(text) = map.next_value()? {
        *field = text;
    }
    Ok(())
}

fn metadata<'de, A: MapAccess<'de>>(
    field: &mut Option<BTreeMap<String, String>>,
    map: &mut A,
) -> Result<(), A::Error> {
    let read: Option<BTreeMap<String, Option<String>>> = map.next_value()?;
    let text = |(name, text): (_, Option<String>)| (name, text.unwrap_or_default());
    *field = read.map(|read| read.into_iter().map(text).collect());
    Ok(())
}

fn value<'de, A: MapAccess<'de>>(field: &mut Option<Value>, map: &mut A) -> Result<(), A::Error> {
    let read: Option<Read<Value>> = map.next_value()?;
    *field = read.map(|Read(value)| value);
    Ok(())
}

/// Go has pointers in its lists; one to nothing means nothing.
fn list<'de, A: MapAccess<'de>, T: Listed>(
    field: &mut Option<Vec<T>>,
    map: &mut A,
) -> Result<(), A::Error> {
    let read: Option<Vec<Option<Read<T::Fields>>>> = map.next_value()?;
    let kept = |read: Vec<Option<Read<T::Fields>>>| {
        let read = read.into_iter().flatten();
        read.map(|Read(fields)| fields.into()).collect()
    };
    *field = read.map(kept);
    Ok(())
}

/// What stands in lists, and what it is read as.
trait Listed: From<Self::Fields> {
    type Fields: Fields;
}

impl Listed for Endpoint {
    type Fields = Self;
}

impl Listed for Value {
    type Fields = Self;
}

impl Listed for Node {
    type Fields = Ported;
}

fn ignore<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value().map(|IgnoredAny| ())
}

// === impl Read ===

impl<'de, T: Fields> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);

        impl<'de, T: Fields> Visitor<'de> for Object<T> {
            type Value = Read<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::NAME)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = T::default();
                while let Some(name) = map.next_key::<String>()? {
                    fields.read(&folded(&name), &mut map)?;
                }
                Ok(Read(fields))
            }
        }

        deserializer.deserialize_map(Object(PhantomData))
    }
}

/// A key as Go compares it: of the letters in our fields' names, only `s` has a variant
/// outside ASCII.
fn folded(name: &str) -> String {
    name.replace('ſ', "s").to_ascii_lowercase()
}

/// Replaces `\ud800` to `\udfff` where the other half is missing: `serde_json` refuses
/// those, and Go does not.
fn whole(text: &str) -> Cow<'_, str> {
    /// Bytes of one escape.
    const ESCAPE: usize = r"\u0000".len();
    let unit = |at: usize| {
        let digits = text.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut whole = Cow::Borrowed(text);
    let mut at = 0;
    while let Some(found) = text[at..].find('\\') {
        at += found;
        match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + ESCAPE), Some(0xdc00..=0xdfff)) => {
                at += 2 * ESCAPE;
            }
            Some(0xd800..=0xdfff) => {
                whole.to_mut().replace_range(at..at + ESCAPE, "\\ufffd");
                at += ESCAPE;
            }
            // Any other escape, or a backslash before a character of any length.
            _ => {
                at += 1;
                at += text[at..].chars().next().map_or(0, char::len_utf8);
            }
        }
    }
    whole
}
