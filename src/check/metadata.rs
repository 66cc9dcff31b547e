//! The headers that an operator adds to every request: `--metadata`, `--authority` and
//! `--user_agent`. Metadata is gRPC's word for them.

use std::str::FromStr;

use http::uri::Authority;
use http::{HeaderName, HeaderValue};

/// A `name=value` of `--metadata`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Metadata {
    name: HeaderName,
    /// The value, marked sensitive: it may be a token, and never shows in `{:?}`.
    value: HeaderValue,
}

/// The reason why a text is not [`Metadata`]. It holds no part of the text: if the name or the
/// separator is missing, any part may be the secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidMetadata {
    /// The text has no separator between a name and a value.
    #[error("expected {0}, such as authorization{1}token")]
    Syntax(&'static str, char),
    /// The name is empty, or has characters that gRPC does not allow.
    #[error("the name is empty or has characters other than letters, digits, '-', '_' and '.'")]
    Name,
    /// The name is that of a binary value, which gRPC sends as base64.
    #[error("the name ends in -bin, and binary metadata cannot be sent")]
    Binary,
    /// A header that the check itself sets.
    #[error("{0} is set by the check itself")]
    Reserved(&'static str),
    /// A header of a family that the check itself sets.
    #[error("names that begin with {0} are set by the check itself")]
    Family(&'static str),
    /// A header that a flag of its own sets.
    #[error("{0} is not metadata: use {1}")]
    Flag(&'static str, &'static str),
    /// The value has control characters, or characters beyond ASCII.
    #[error("the value has characters other than printable ASCII")]
    Value,
}

/// The headers that belong to the protocols: gRPC's, mucp's and HTTP's own.
const RESERVED: [&str; 12] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "keep-alive",
    "proxy-connection",
    "te",
    "timeout",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-content-type",
];

/// The families of such headers. go-micro's name the called method.
const RESERVED_FAMILIES: [&str; 9] = [
    "grpc-",
    "micro-endpoint",
    "micro-id",
    "micro-method",
    "micro-service",
    "x-micro-endpoint",
    "x-micro-id",
    "x-micro-method",
    "x-micro-service",
];

/// Parses `--authority`.
///
/// # Errors
///
/// Returns an error for a text that no server takes for a host.
pub(crate) fn authority(text: &str) -> Result<Authority, &'static str> {
    let expected = "expected host or host:port, such as greeter.example or localhost:9091";
    let authority: Authority = text.parse().map_err(|_| expected)?;
    if authority.host().is_empty() || text.contains('@') {
        return Err(expected);
    }
    Ok(authority)
}

/// Parses `--user_agent`.
///
/// # Errors
///
/// Returns an error for an empty text, and for anything but printable ASCII.
pub(crate) fn user_agent(text: &str) -> Result<HeaderValue, &'static str> {
    printable(text)
        .filter(|value| !value.is_empty())
        .ok_or("expected printable ASCII, such as my-probe/1.0")
}

fn printable(text: &str) -> Option<HeaderValue> {
    let fits = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    fits.then(|| HeaderValue::from_str(text.trim()).ok())?
}

// === impl Metadata ===

impl Metadata {
    /// Returns the name of the header.
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Returns the value of the header, marked sensitive.
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// Parses a header as curl and `grpc_health_probe` write it, `name: value`.
    ///
    /// # Errors
    ///
    /// Returns an error for a header that would not arrive as it was meant.
    pub fn from_header(text: &str) -> Result<Self, InvalidMetadata> {
        let pair = text.split_once(':');
        let (name, value) = pair.ok_or(InvalidMetadata::Syntax("name:value", ':'))?;
        Self::new(name, value)
    }

    fn new(name: &str, value: &str) -> Result<Self, InvalidMetadata> {
        let name = name.trim().to_ascii_lowercase();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match name.as_str() {
            "host" | "authority" => return Err(InvalidMetadata::Flag("host", "--authority")),
            "user-agent" => return Err(InvalidMetadata::Flag("user-agent", "--user_agent")),
            name if name.is_empty() || !name.bytes().all(fits) => {
                return Err(InvalidMetadata::Name);
            }
            name if name.ends_with("-bin") => {
                return Err(InvalidMetadata::Binary);
            }
            _ => {}
        }
        if let Some(reserved) = RESERVED.into_iter().find(|reserved| name == *reserved) {
            return Err(InvalidMetadata::Reserved(reserved));
        }
        if let Some(family) = RESERVED_FAMILIES
            .into_iter()
            .find(|family| name.starts_with(family))
        {
            return Err(InvalidMetadata::Family(family));
        }
        let mut value = printable(value).ok_or(InvalidMetadata::Value)?;
        value.set_sensitive(true);
        let name = HeaderName::try_from(&name).map_err(|_| InvalidMetadata::Name)?;
        Ok(Self { name, value })
    }
}

impl FromStr for Metadata {
    type Err = InvalidMetadata;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let pair = text.split_once('=');
        let (name, value) = pair.ok_or(InvalidMetadata::Syntax("name=value", '='))?;
        Self::new(name, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_arrives_as_it_was_meant() {
        for (text, name, value) in [
            (
                "authorization=Bearer a=b:c",
                "authorization",
                "Bearer a=b:c",
            ),
            ("X-Team= a ", "x-team", "a"),
            ("a.b_c=", "a.b_c", ""),
            (
                "micro-from-service=kubelet",
                "micro-from-service",
                "kubelet",
            ),
        ] {
            let metadata: Metadata = text.parse().unwrap();
            assert_eq!(
                (metadata.name.as_str(), metadata.value.to_str().unwrap()),
                (name, value)
            );
            assert!(!format!("{metadata:?}").contains("Bearer"), "{metadata:?}");
        }
        assert_eq!(Metadata::from_header("X-Team: a=b"), "x-team=a=b".parse(),);
    }

    #[test]
    fn other_metadata_is_refused_with_the_reason() {
        for (text, expected) in [
            ("token", "expected name=value, such as authorization=token"),
            ("=x", "the name is empty"),
            (":path=/", "the name is empty or has characters"),
            ("na me=x", "the name is empty or has characters"),
            ("naïve=x", "the name is empty or has characters"),
            ("trace-bin=AA", "the name ends in -bin"),
            ("grpc-timeout=1S", "names that begin with grpc- are set"),
            ("Content-Type=x", "content-type is set by the check itself"),
            (
                "Micro-Method=Greeter.Hello",
                "names that begin with micro-method are set",
            ),
            ("Host=x", "host is not metadata: use --authority"),
            (
                "User-Agent=x",
                "user-agent is not metadata: use --user_agent",
            ),
            (
                "a=x\r\nb: y",
                "the value has characters other than printable ASCII",
            ),
            ("a=ü", "the value has characters other than printable ASCII"),
        ] {
            let refusal = text.parse::<Metadata>().unwrap_err().to_string();
            assert!(refusal.starts_with(expected), "{text}: {refusal}");
        }
    }

    #[test]
    fn an_authority_is_a_host() {
        for good in ["greeter", "greeter.example:443", "[::1]:80", "10.0.0.7:1"] {
            assert!(authority(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            ":80",
            "a b",
            "user@host",
            "http://host",
            "a/b",
            "a\r\nb",
        ] {
            assert!(authority(bad).is_err(), "{bad}");
        }
        assert!(user_agent("my-probe/1.0 (x)").is_ok());
        assert!(user_agent("").is_err() && user_agent(" ").is_err() && user_agent("a\nb").is_err());
    }
}
