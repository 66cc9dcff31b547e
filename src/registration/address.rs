//! The address that the registry gives to clients. Pure.
//!
//! | `--server_advertise` | `--server_address`         | registered address                |
//! |----------------------|----------------------------|-----------------------------------|
//! | `host:port`          | any                        | `host:port`                       |
//! | `host`               | has a port                 | that host and the service's port  |
//! | `:port`              | any                        | the pod's IP and that port        |
//! | none                 | loopback, wildcard         | the pod's IP and its port         |
//! | none                 | another host               | that host and its port            |
//! | none                 | a socket, `kubernetes://`  | refused: clients cannot dial it   |
//!
//! Loopback is registered only if `--server_advertise` names it. Go-micro up to 4.10 registered it
//! by mistake for a pod without a private address (micro/go-micro#2673).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::check::server_address::ServerAddress;
use crate::net::address::{Address, Host, InvalidAddress};
use crate::net::endpoint::Endpoint;

/// The value of `--server_advertise`: a host, a port or both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advertise {
    host: Host,
    port: Option<u16>,
}

/// An address for clients, in which the pod's IP may be left out because it may change while the
/// pod lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct AdvertisedAddress {
    host: Option<String>,
    port: u16,
}

/// The error for a service address that no client can dial.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "clients cannot dial {0}; set --server_advertise=host:port to an address that they can dial"
)]
pub struct Unreachable(String);

// === impl AdvertisedAddress ===

impl AdvertisedAddress {
    /// Makes the address from the flags.
    ///
    /// # Errors
    ///
    /// [`Unreachable`] for a service on a unix socket or behind `kubernetes://`, if
    /// `--server_advertise` does not give a port, and a host where one is needed.
    pub(crate) fn new(
        advertise: Option<&Advertise>,
        server: &ServerAddress,
    ) -> Result<Self, Unreachable> {
        let server_port = match server {
            ServerAddress::Endpoint(Endpoint::Tcp(address)) => Some(address.port),
            ServerAddress::Endpoint(Endpoint::Unix(_)) | ServerAddress::Service(_) => None,
        };
        if let Some(Advertise { host, port }) = advertise {
            let port = port.or(server_port);
            let port = port.ok_or_else(|| Unreachable(server.to_string()))?;
            let host = match host {
                Host::Any => None,
                Host::Localhost => Some("localhost".to_owned()),
                Host::Ip(ip) => Some(ip.to_string()),
                Host::Name(name) => Some(name.clone()),
            };
            return Ok(Self { host, port });
        }
        let ServerAddress::Endpoint(Endpoint::Tcp(address)) = server else {
            return Err(Unreachable(server.to_string()));
        };
        let host = match &address.host {
            Host::Any | Host::Localhost => None,
            Host::Ip(ip) if ip.is_loopback() => None,
            Host::Ip(ip) => Some(ip.to_string()),
            Host::Name(name) => Some(name.clone()),
        };
        let port = address.port;
        Ok(Self { host, port })
    }

    /// Returns the address, as Go's `net.JoinHostPort` writes it. Returns `None` if it needs the
    /// pod's IP and the pod has none yet.
    pub(crate) fn with_pod_ip(&self, pod_ip: Option<&str>) -> Option<String> {
        let host = self.host.as_deref().or(pod_ip)?;
        Some(match host.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, self.port).to_string(),
            Err(_) => format!("{host}:{}", self.port),
        })
    }
}

// === impl Advertise ===

impl FromStr for Advertise {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            let host = Host::Ip(ip);
            return Ok(Self { host, port: None });
        }
        if !text.contains(':') {
            let Address { host, .. } = format!("{text}:1").parse()?;
            return Ok(Self { host, port: None });
        }
        let Address { host, port } = text.parse()?;
        Ok(Self {
            host,
            port: Some(port),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_address_is_one_that_clients_can_dial() {
        for (advertise, server, ip, expected) in [
            (None, "localhost:9091", "10.1.0.7", Some("10.1.0.7:9091")),
            (None, ":9091", "fd00::7", Some("[fd00::7]:9091")),
            (None, "127.0.0.1:9091", "10.1.0.7", Some("10.1.0.7:9091")),
            (None, "10.9.9.9:9091", "10.1.0.7", Some("10.9.9.9:9091")),
            (None, "greeter:9091", "10.1.0.7", Some("greeter:9091")),
            (
                Some("lb.example.com:443"),
                "unix:/run/g.sock",
                "10.1.0.7",
                Some("lb.example.com:443"),
            ),
            (Some("10.2.0.1"), ":9091", "10.1.0.7", Some("10.2.0.1:9091")),
            (Some("fd00::1"), ":9091", "10.1.0.7", Some("[fd00::1]:9091")),
            (
                Some(":80"),
                "unix:/run/g.sock",
                "10.1.0.7",
                Some("10.1.0.7:80"),
            ),
            (
                Some("127.0.0.1:80"),
                ":9091",
                "10.1.0.7",
                Some("127.0.0.1:80"),
            ),
            (None, "localhost:9091", "", None),
        ] {
            let advertise = advertise.map(|text: &str| text.parse().unwrap());
            let address =
                AdvertisedAddress::new(advertise.as_ref(), &server.parse().unwrap()).unwrap();
            let ip = Some(ip).filter(|ip| !ip.is_empty());
            assert_eq!(
                address.with_pod_ip(ip).as_deref(),
                expected,
                "{advertise:?} {server}"
            );
        }
    }

    #[test]
    fn a_socket_needs_an_advertised_address() {
        let socket = "unix:/run/g.sock".parse().unwrap();
        for advertise in [None, Some("10.2.0.1".parse().unwrap())] {
            let refused = AdvertisedAddress::new(advertise.as_ref(), &socket).unwrap_err();
            assert!(
                refused.to_string().contains("--server_advertise"),
                "{refused}"
            );
        }
        assert!("a b".parse::<Advertise>().is_err() && "x:99999".parse::<Advertise>().is_err());
    }
}
