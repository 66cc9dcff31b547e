//! The flags of the registration.

use std::str::FromStr;

use crate::cluster;
use crate::cluster::names::pod_name;
use crate::flags::duration::{GoDuration, InvalidDuration};
use crate::flags::env::list;
use crate::registration::address::Advertise;
use crate::registry::plan::write::OnForeign;
use crate::registry::scheme::Schemes;

/// The flags that say whether and how the pod is registered.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(next_help_heading = "The registry")]
pub struct Options {
    /// The registry: kubernetes registers the service in go-micro's registry, as labels and an
    /// annotation of the pod; none registers nothing
    #[arg(long = "registry", value_name = "REGISTRY", default_value = "none")]
    pub registry: Kind,

    /// The name of this pod [default: from the token, then `POD_NAME`, then `HOSTNAME`]
    #[arg(long = "pod_name", value_name = "NAME", value_parser = pod_name)]
    pub pod_name: Option<String>,

    /// The service's version in the registry
    #[arg(
        long = "server_version",
        value_name = "VERSION",
        default_value = "latest",
        value_parser = one_line
    )]
    pub server_version: String,

    /// The node's id, which follows the service's name and a dash [default: the pod's uid, which
    /// stays the same when a container restarts]
    #[arg(long = "server_id", value_name = "ID", value_parser = one_line)]
    pub server_id: Option<String>,

    /// The address that clients dial [default: the pod's IP and the port of `--server_address`]
    #[arg(long = "server_advertise", value_name = "HOST:PORT")]
    pub server_advertise: Option<Advertise>,

    /// Metadata of the node; repeat the flag for each key
    #[arg(long = "server_metadata", value_name = "KEY=VALUE", value_parser = pair, action = clap::ArgAction::Append)]
    pub server_metadata: Vec<(String, String)>,

    /// The longest time without an observation of the pod before its registration is called stale:
    /// seconds or a duration; 0 is never. Keep it at twice `--register_interval` or more
    #[arg(long = "register_ttl", value_name = "DURATION", default_value = "90s", value_parser = seconds)]
    pub register_ttl: GoDuration,

    /// The time, ± 10 %, between two comparisons of the pod with what should stand on it, besides
    /// the watch: seconds or a duration; 0 relies on the watch alone
    #[arg(long = "register_interval", value_name = "DURATION", default_value = "30s", value_parser = seconds)]
    pub register_interval: GoDuration,

    /// The longest delay before the first registration; the delay is random, so that pods that
    /// start together do not write together
    #[arg(
        long = "register_jitter",
        value_name = "DURATION",
        default_value = "1s"
    )]
    pub register_jitter: GoDuration,

    /// The keys to write: micro.mu (go-plugins, go-micro v3 to v5), go.micro (go-micro v2.0 to
    /// v2.4), or both
    #[arg(
        long = "register_scheme",
        value_name = "SCHEME",
        default_value = "micro.mu"
    )]
    pub register_scheme: Schemes,

    /// What to do if another writer has registered the service's address: adopt leaves its record,
    /// merge puts our node in its place, take overwrites the record, fail writes nothing and logs
    /// an error
    #[arg(long = "on_foreign", value_name = "POLICY", default_value = "adopt")]
    pub on_foreign: OnForeign,

    /// Answer `/readyz` with 503 until the service is registered
    #[arg(long = "require_registered")]
    pub require_registered: bool,

    #[command(flatten)]
    pub cluster: cluster::options::Options,
}

/// The value of `--registry`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Kind {
    /// No service is registered.
    #[default]
    None,
    /// The services are registered by labels and annotations of the pod.
    Kubernetes,
}

// === impl Kind ===

impl FromStr for Kind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "kubernetes" => Ok(Self::Kubernetes),
            // A Deployment may pass the service's own flags to both containers.
            "none" | "" | "cache" | "consul" | "etcd" | "etcdv3" | "eureka" | "gossip" | "mdns"
            | "memory" | "multi" | "nats" | "proxy" | "service" | "static" | "zookeeper" => {
                Ok(Self::None)
            }
            _ => {
                Err("expected kubernetes or none; the name of another go-micro registry means none")
            }
        }
    }
}

/// Checks a value that comes from the service's own variable.
///
/// # Errors
///
/// The reason why the value cannot be used here.
pub(crate) fn check(flag: &str, value: &str) -> Result<(), String> {
    fn check_parsed<T, E: ToString>(parsed: Result<T, E>) -> Result<(), String> {
        parsed.map(drop).map_err(|error| error.to_string())
    }
    match flag {
        "register_interval" | "register_ttl" => check_parsed(seconds(value)),
        "registry_address" => check_parsed(value.parse::<cluster::options::ApiServer>()),
        "server_advertise" => check_parsed(value.parse::<Advertise>()),
        "server_id" | "server_version" => check_parsed(one_line(value)),
        "server_metadata" => list(value).try_for_each(|each| check_parsed(pair(each))),
        _ => Ok(()),
    }
}

/// Parses a duration, or whole seconds as go-micro takes them.
fn seconds(text: &str) -> Result<GoDuration, InvalidDuration> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{text}s").parse();
    }
    text.parse()
}

/// Parses `key=value`. Blanks around the key and the value are no part of them, and neither is the
/// comma at the end of a list.
///
/// # Errors
///
/// A sentence for the operator, if there is no `=` or no key.
pub(crate) fn pair(text: &str) -> Result<(String, String), &'static str> {
    let text = text.trim().trim_end_matches(',');
    let (key, value) = text.split_once('=').ok_or("expected key=value")?;
    let key = one_line(key.trim())?;
    if key.is_empty() {
        return Err("expected key=value, with a key");
    }
    Ok((key, one_line(value.trim())?))
}

/// Parses text for a record, which clients print and compare.
///
/// # Errors
///
/// A sentence for the operator, if there are control characters.
pub(crate) fn one_line(text: &str) -> Result<String, &'static str> {
    if text.contains(char::is_control) {
        Err("expected one line of text, without line breaks and other control characters")
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bare_number_is_go_micros_seconds() {
        for (text, expected) in [("30", 30_000), ("0", 0), ("1m30s", 90_000), ("500ms", 500)] {
            assert_eq!(
                seconds(text).map(|it| it.0),
                Ok(Duration::from_millis(expected)),
                "{text}"
            );
        }
        assert!(seconds("").is_err() && seconds("-1").is_err() && seconds("3x").is_err());
    }

    #[test]
    fn metadata_is_a_key_and_a_value() {
        assert_eq!(pair("a=b=c"), Ok(("a".into(), "b=c".into())));
        for text in [" a = b ", "a=b,", "a=b, ", "a=b\n"] {
            assert_eq!(pair(text), Ok(("a".into(), "b".into())), "{text:?}");
        }
        assert_eq!(pair("a="), Ok(("a".into(), String::new())));
        for text in ["a", "", ",", "=b", " =b", "a\nb=c", "a=b\u{1b}c"] {
            assert!(pair(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_shared_variable_is_checked_as_its_flag_is() {
        for (flag, value, fits) in [
            ("server_metadata", "a=b, c=d,", true),
            ("server_metadata", ",", true),
            ("server_metadata", "a=b,c", false),
            ("server_version", "v1", true),
            ("server_version", "v1\n", false),
            ("server_id", "a\tb", false),
        ] {
            assert_eq!(check(flag, value).is_ok(), fits, "{flag}={value:?}");
        }
    }
}
