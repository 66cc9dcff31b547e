//! The addresses that flags take: a host and a port.
//!
//! | text                              | to dial               | to listen on            |
//! |-----------------------------------|-----------------------|-------------------------|
//! | `:p`, `0.0.0.0:p`, `[::]:p`       | 127.0.0.1, then ::1   | dual stack, as Go does  |
//! | `localhost:p`                     | 127.0.0.1, then ::1   | 127.0.0.1               |
//! | `10.0.0.7:p`, `[fd00::7]:p`       | that address          | that address            |
//! | `name:p`                          | the platform resolver | the platform resolver   |

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A host and a port, as a flag gives them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Address {
    /// The part before the last colon.
    pub host: Host,
    /// The part after it, 0–65535.
    pub port: u16,
}

/// The host part of an [`Address`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// The host is empty, `0.0.0.0` or `::`: every address to listen on, loopback to dial.
    /// Published manifests give the service's own bind address to the sidecar, and Go dials
    /// loopback for it.
    Any,
    /// `localhost`, which needs no resolver: an image without /etc/hosts has it too.
    Localhost,
    /// An IP address.
    Ip(IpAddr),
    /// A host name for the platform's resolver.
    Name(String),
}

/// The reason why a text is not an [`Address`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidAddress {
    /// The text has no colon between a host and a port.
    #[error("no port; expected host:port such as localhost:9091 or :9091")]
    NoPort,
    /// The port is not a number from 0 to 65535.
    #[error(
        "port {0:?} is not a number from 0 to 65535; expected host:port such as localhost:9091"
    )]
    Port(String),
    /// An IPv6 address stands outside brackets, where its port is ambiguous.
    #[error("an IPv6 address needs brackets, such as [::1]:9091")]
    Brackets,
    /// The host has bytes that no host name has.
    #[error("{0:?} is not a host name; expected host:port such as localhost:9091")]
    Host(String),
    /// A URL where only host and port belong.
    #[error("{0}:// is not part of an address; expected host:port such as localhost:9091")]
    Scheme(String),
    /// A socket where only host and port belong.
    #[error("a unix socket cannot be probed; expected host:port such as localhost:9091")]
    Unix,
}

// === impl Address ===

impl Address {
    /// Returns the addresses to dial, in order; `None` if a name must be resolved first.
    pub fn dial_addresses(&self) -> Option<Vec<SocketAddr>> {
        let loopback = [
            IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(Ipv6Addr::LOCALHOST),
        ];
        let at = |ip: &IpAddr| SocketAddr::new(*ip, self.port);
        match &self.host {
            Host::Any | Host::Localhost => Some(loopback.iter().map(at).collect()),
            Host::Ip(ip) => Some(vec![at(ip)]),
            Host::Name(_) => None,
        }
    }

    /// Returns true if only this machine can reach a listener at this address.
    pub fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Localhost => true,
            Host::Ip(ip) => ip.is_loopback(),
            Host::Any | Host::Name(_) => false,
        }
    }

    /// Returns the HTTP authority of a request to this address. The host is never empty, a wildcard
    /// or bare IPv6, because servers refuse a host such as `:5000`.
    pub fn authority(&self) -> String {
        match &self.host {
            Host::Any | Host::Localhost => format!("localhost:{}", self.port),
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).to_string(),
            Host::Name(name) => format!("{name}:{}", self.port),
        }
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("unix:") || text.starts_with('/') {
            return Err(InvalidAddress::Unix);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(InvalidAddress::Scheme(scheme.to_owned()));
        }
        let (host, port) = text.rsplit_once(':').ok_or(InvalidAddress::NoPort)?;
        let host = parse_host(host)?;
        // u16's own parser takes "+80", which no other reader of ports does.
        let port = Some(port)
            .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|port| port.parse().ok())
            .ok_or_else(|| InvalidAddress::Port(port.to_owned()))?;
        Ok(Self { host, port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Any => write!(f, ":{}", self.port),
            Host::Localhost => write!(f, "localhost:{}", self.port),
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

fn parse_host(host: &str) -> Result<Host, InvalidAddress> {
    let ip = if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(InvalidAddress::Brackets)?;
        let ip: Ipv6Addr = inner.parse().map_err(|_| InvalidAddress::Brackets)?;
        Some(IpAddr::V6(ip))
    } else if host.contains(':') {
        return Err(InvalidAddress::Brackets);
    } else {
        host.parse().ok().map(IpAddr::V4)
    };
    match ip {
        Some(ip) if ip.is_unspecified() => Ok(Host::Any),
        Some(ip) => Ok(Host::Ip(ip)),
        None if host.is_empty() => Ok(Host::Any),
        None if host.eq_ignore_ascii_case("localhost") => Ok(Host::Localhost),
        None if is_host_name(host) => Ok(Host::Name(host.to_owned())),
        None => Err(InvalidAddress::Host(host.to_owned())),
    }
}

/// Returns true for letters, digits, hyphens, dots, and the underscores that resolvers accept.
pub(super) fn is_host_name(host: &str) -> bool {
    host.len() <= 253
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Address, InvalidAddress> {
        text.parse()
    }

    fn dialled(text: &str) -> Vec<String> {
        let address = parse(text).unwrap();
        address.dial_addresses().map_or_else(
            || vec![format!("resolve {}", address.authority())],
            |addresses| addresses.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn wildcards_dial_loopback_as_go_does() {
        for text in [
            ":9091",
            "0.0.0.0:9091",
            "[::]:9091",
            "localhost:9091",
            "LOCALHOST:9091",
        ] {
            assert_eq!(dialled(text), ["127.0.0.1:9091", "[::1]:9091"], "{text}");
        }
    }

    #[test]
    fn other_hosts_are_dialled_as_given() {
        assert_eq!(dialled("10.0.0.7:80"), ["10.0.0.7:80"]);
        assert_eq!(dialled("[fd00::7]:80"), ["[fd00::7]:80"]);
        assert_eq!(
            dialled("greeter.default.svc:80"),
            ["resolve greeter.default.svc:80"]
        );
        assert_eq!(dialled("my_host-1:80"), ["resolve my_host-1:80"]);
    }

    #[test]
    fn refuses_with_the_reason() {
        use InvalidAddress as E;
        for (text, expected) in [
            ("", E::NoPort),
            ("9091", E::NoPort),
            ("localhost", E::NoPort),
            ("localhost:", E::Port(String::new())),
            ("localhost:http", E::Port("http".into())),
            ("localhost:65536", E::Port("65536".into())),
            ("localhost:+80", E::Port("+80".into())),
            ("localhost:-1", E::Port("-1".into())),
            ("::1:9091", E::Brackets),
            ("[::1:9091", E::Brackets),
            ("[localhost]:9091", E::Brackets),
            ("http://localhost:9091", E::Scheme("http".into())),
            ("kubernetes://greeter:grpc", E::Scheme("kubernetes".into())),
            ("unix:/run/greeter.sock", E::Unix),
            ("gree ter:9091", E::Host("gree ter".into())),
            ("a/b:9091", E::Host("a/b".into())),
        ] {
            assert_eq!(parse(text), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn the_authority_is_never_empty_or_a_wildcard() {
        for (text, expected) in [
            (":80", "localhost:80"),
            ("0.0.0.0:80", "localhost:80"),
            ("[::1]:80", "[::1]:80"),
            ("greeter:80", "greeter:80"),
        ] {
            assert_eq!(parse(text).unwrap().authority(), expected);
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_printed_address_parses_back(host in "[a-z][a-z0-9.-]{0,20}|[0-9]{1,3}\\.0\\.0\\.1|\\[::[0-9]\\]|", port in 1u16..) {
            if let Ok(address) = parse(&format!("{host}:{port}")) {
                prop_assert_eq!(parse(&address.to_string()), Ok(address));
            }
        }
    }
}
