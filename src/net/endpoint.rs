//! The address of one listening service, as text.
//!
//! | text                              | dialled                                        |
//! |-----------------------------------|------------------------------------------------|
//! | `host:port`                       | TCP, see [`crate::net::address`]                    |
//! | `unix:/run/x.sock`, `unix:///run/x.sock` | that socket                             |
//! | `unix:x.sock`                     | a socket below the working directory           |
//!
//! The forms of a socket are gRPC's own: its naming document, "Unix domain sockets".

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::net::address::{Address, Host, InvalidAddress};

/// The address on which a service listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// A host and a port other than 0.
    Tcp(Address),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// The reason why a text is not an [`Endpoint`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidEndpoint {
    /// The text is neither a socket nor an address.
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    /// The port is 0, which can be listened on but not dialled.
    #[error("port 0 cannot be dialled; expected the service's port, such as localhost:9091")]
    PortZero,
    /// A socket without a path.
    #[error("no path; expected a socket such as unix:/run/greeter.sock")]
    NoPath,
    /// A path alone.
    #[error("a path alone is not an address; expected a socket such as unix:/run/greeter.sock")]
    BarePath,
    /// `unix://run/x.sock`, where `run` would be a host.
    #[error("{0:?} would be read as a host; expected a socket such as unix:///run/greeter.sock")]
    SocketHost(String),
    /// A path that the kernel has no room for.
    #[error("the path has {0} bytes; the system takes at most {LONGEST_PATH} for a socket")]
    LongPath(usize),
}

/// The longest path of a socket in bytes: `sun_path` less its terminator, unix(7).
const LONGEST_PATH: usize = 107;

// === impl Endpoint ===

impl Endpoint {
    /// Returns the HTTP authority of a request to it; `localhost` over a socket, as gRPC's clients
    /// send.
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp(address) => address.authority(),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Returns the name to expect in its certificate: the host, or `localhost` where no host is
    /// named.
    pub fn certificate_name(&self) -> String {
        match self {
            Self::Tcp(address) => match &address.host {
                Host::Any | Host::Localhost => "localhost".to_owned(),
                Host::Ip(ip) => ip.to_string(),
                // A certificate has no trailing dot, whatever the resolver takes.
                Host::Name(name) => name.strip_suffix('.').unwrap_or(name).to_owned(),
            },
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(socket) = text.strip_prefix("unix:") {
            return parse_socket(socket).map(Self::Unix);
        }
        if text.starts_with('/') {
            return Err(InvalidEndpoint::BarePath);
        }
        let address: Address = text.parse()?;
        if address.port == 0 {
            return Err(InvalidEndpoint::PortZero);
        }
        Ok(Self::Tcp(address))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Parses the text behind `unix:`.
fn parse_socket(text: &str) -> Result<PathBuf, InvalidEndpoint> {
    let path = match text.strip_prefix("//") {
        Some(path) if path.is_empty() || path.starts_with('/') => path,
        Some(path) => {
            let host = path.split('/').next().unwrap_or_default();
            return Err(InvalidEndpoint::SocketHost(host.to_owned()));
        }
        None => text,
    };
    let below = path.trim_start_matches('/');
    // Several leading slashes mean one, and would not be read back.
    let path = if below.len() < path.len() {
        format!("/{below}")
    } else {
        path.to_owned()
    };
    match path.len() {
        _ if below.is_empty() => Err(InvalidEndpoint::NoPath),
        length if length > LONGEST_PATH => Err(InvalidEndpoint::LongPath(length)),
        _ => Ok(path.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_sockets_as_grpc_does() {
        for (text, path) in [
            ("unix:/run/greeter.sock", "/run/greeter.sock"),
            ("unix:///run/greeter.sock", "/run/greeter.sock"),
            ("unix:greeter.sock", "greeter.sock"),
            ("unix:run/greeter:1.sock", "run/greeter:1.sock"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint, Endpoint::Unix(path.into()), "{text}");
            assert_eq!(endpoint.to_string(), format!("unix:{path}"));
        }
    }

    #[test]
    fn refuses_with_the_reason() {
        use InvalidEndpoint as E;
        let address = |error| E::Address(error);
        for (text, expected) in [
            ("", address(InvalidAddress::NoPort)),
            ("localhost", address(InvalidAddress::NoPort)),
            ("localhost:0", E::PortZero),
            (
                "dns://greeter:grpc",
                address(InvalidAddress::Scheme("dns".into())),
            ),
            (
                "kubernetes:///greeter:grpc",
                address(InvalidAddress::Scheme("kubernetes".into())),
            ),
            ("unix:", E::NoPath),
            ("unix://", E::NoPath),
            ("unix://run/greeter.sock", E::SocketHost("run".into())),
            ("/run/greeter.sock", E::BarePath),
        ] {
            assert_eq!(text.parse::<Endpoint>(), Err(expected), "{text:?}");
        }
        let long = format!("unix:/{}", "x".repeat(LONGEST_PATH));
        assert_eq!(long.parse::<Endpoint>(), Err(E::LongPath(LONGEST_PATH + 1)));
    }

    #[test]
    fn authority_and_certificate_name_follow_the_address() {
        for (text, authority, certificate_name) in [
            (":80", "localhost:80", "localhost"),
            ("localhost:80", "localhost:80", "localhost"),
            ("127.0.0.1:80", "127.0.0.1:80", "127.0.0.1"),
            ("[::1]:80", "[::1]:80", "::1"),
            ("greeter.svc.:80", "greeter.svc.:80", "greeter.svc"),
            ("unix:/run/x.sock", "localhost", "localhost"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.authority(), authority, "{text}");
            assert_eq!(endpoint.certificate_name(), certificate_name, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "(unix:)?\\PC{0,40}") {
            let _ = text.parse::<Endpoint>();
        }

        #[test]
        fn a_printed_endpoint_parses_back(text in "unix:/?/?/?[a-z/:]{0,12}|[a-z.]{0,8}:[0-9]{1,5}") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
            }
        }
    }
}
