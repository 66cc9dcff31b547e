//! A record as Go's `encoding/json` reads it.
//!
//! Unknown fields are ignored, keys match in any case, and `null` leaves the value as it was. A
//! value of another type is an error, as bad syntax is. A surrogate without its other half becomes
//! U+FFFD.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::registry::record::{Endpoint, Node, Service, Value};

/// The reason why an annotation is not a record.
#[derive(Debug, thiserror::Error)]
#[error("not the JSON of a go-micro service: {0}")]
pub struct InvalidRecord(serde_json::Error);

impl Service {
    /// Reads the JSON of any generation.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`] for text that Go's decoder refuses too. For a Go client such an annotation
    /// makes every lookup of its service fail.
    pub fn from_json(text: &str) -> Result<Self, InvalidRecord> {
        service(text).map_err(InvalidRecord)
    }
}

fn service(text: &str) -> Result<Service, serde_json::Error> {
    let read: Option<GoObject<Service>> = serde_json::from_str(&replace_lone_surrogates(text))?;
    Ok(read.map(|GoObject(service)| service).unwrap_or_default())
}

/// A struct whose fields are read one by one.
trait Fields: Default {
    /// The name of the type in an error message.
    const NAME: &'static str;

    /// Reads the value of one field; the name is in lower case.
    fn read<'de, A: MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// A struct that was read from an object as Go reads it.
struct GoObject<T>(T);

/// The port of a node as generation A wrote it, or any other value, which later generations ignore.
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

/// A node and its port, which is 0 if it has none.
#[derive(Default)]
struct NodeWithPort {
    node: Node,
    port: u16,
}

impl Fields for NodeWithPort {
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

impl From<NodeWithPort> for Node {
    fn from(NodeWithPort { mut node, port }: NodeWithPort) -> Self {
        if port > 0 {
            node.address = join_port(node.address, port);
        }
        node
    }
}

/// Joins an address and a port. Generation A wrote them as two fields, or `host:port` and a port of
/// 0. Later generations dial the address as it is.
fn join_port(address: String, port: u16) -> String {
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
    let read: Option<GoObject<Value>> = map.next_value()?;
    *field = read.map(|GoObject(value)| value);
    Ok(())
}

/// Reads a list. Go has pointers in its lists, and a null pointer is dropped.
fn list<'de, A: MapAccess<'de>, T: ListItem>(
    field: &mut Option<Vec<T>>,
    map: &mut A,
) -> Result<(), A::Error> {
    let read: Option<Vec<Option<GoObject<T::Fields>>>> = map.next_value()?;
    let kept = |read: Vec<Option<GoObject<T::Fields>>>| {
        let read = read.into_iter().flatten();
        read.map(|GoObject(fields)| fields.into()).collect()
    };
    *field = read.map(kept);
    Ok(())
}

/// An item of a list, and the type that it is read as.
trait ListItem: From<Self::Fields> {
    type Fields: Fields;
}

impl ListItem for Endpoint {
    type Fields = Self;
}

impl ListItem for Value {
    type Fields = Self;
}

impl ListItem for Node {
    type Fields = NodeWithPort;
}

fn ignore<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value().map(|IgnoredAny| ())
}

// === impl GoObject ===

impl<'de, T: Fields> Deserialize<'de> for GoObject<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);

        impl<'de, T: Fields> Visitor<'de> for Object<T> {
            type Value = GoObject<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::NAME)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = T::default();
                while let Some(name) = map.next_key::<String>()? {
                    fields.read(&fold_case(&name), &mut map)?;
                }
                Ok(GoObject(fields))
            }
        }

        deserializer.deserialize_map(Object(PhantomData))
    }
}

/// Returns a key as Go compares it: of the letters in our fields' names, only `s` has a variant
/// outside ASCII.
fn fold_case(name: &str) -> String {
    name.replace('ſ', "s").to_ascii_lowercase()
}

/// Replaces the escapes `\ud800` to `\udfff` whose other half is missing: `serde_json` refuses
/// them, and Go does not.
fn replace_lone_surrogates(text: &str) -> Cow<'_, str> {
    /// The length of one escape, in bytes.
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
