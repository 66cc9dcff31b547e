//! The address that clients are told. Pure.
//!
//! | `--server_advertise` | `--server_address`         | told                              |
//! |----------------------|----------------------------|-----------------------------------|
//! | `host:port`          | any                        | that                              |
//! | `host`               | has a port                 | that host and the service's port  |
//! | `:port`              | any                        | the pod's IP and that port        |
//! | none                 | loopback, wildcard         | the pod's IP and its port         |
//! | none                 | another host               | that                              |
//! | none                 | a socket, `kubernetes://`  | refused: nobody else can dial it  |
//!
//! Loopback is told only to whoever asks for it: go-micro up to 4.10 told it by accident
//! where a pod has no private address (micro/go-micro#2673).

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::check::server_address::ServerAddress;
use crate::net::address::{Address, Host, InvalidAddress};
use crate::net::endpoint::Endpoint;

/// `--server_advertise`: a host, a port or both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advertise {
    host: Host,
    port: Option<u16>,
}

/// An address without the pod's IP, which may change while the pod lives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Told {
    host: Option<String>,
    port: u16,
}

/// The service cannot be told to anybody.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no client can dial {0}: tell them where the service is with --server_advertise=host:port")]
pub struct Unreachable(String);

// === impl Told ===

impl Told {
    /// What the flags say.
    ///
    /// # Errors
    ///
    /// [`Unreachable`], for a service on a socket.
    pub fn new(advertise: Option<&Advertise>, server: &ServerAddress) -> Result<Self, Unreachable> {
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

    /// The address, as Go's `net.JoinHostPort` writes it; `None` while the pod has no IP.
    pub fn with(&self, pod_ip: Option<&str>) -> Option<String> {
        let host = self.host.as_deref().or(pod_ip)?;
        Some(match host.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, self.port).to_string(),
            Err(_) => format!("{host}:{}", self.port),
        })
    }

    /// Whether only the pod itself can dial it.
    pub fn is_loopback(&self) -> bool {
        self.host.as_deref().is_some_and(|host| {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
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
    fn clients_are_told_what_they_can_dial() {
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
            let told = Told::new(advertise.as_ref(), &server.parse().unwrap()).unwrap();
            let ip = Some(ip).filter(|ip| !ip.is_empty());
            assert_eq!(told.with(ip).as_deref(), expected, "{advertise:?} {server}");
        }
    }

    #[test]
    fn a_socket_needs_another_address() {
        let socket = "unix:/run/g.sock".parse().unwrap();
        for advertise in [None, Some("10.2.0.1".parse().unwrap())] {
            let refused = Told::new(advertise.as_ref(), &socket).unwrap_err();
            assert!(
                refused.to_string().contains("--server_advertise"),
                "{refused}"
            );
        }
        assert!("a b".parse::<Advertise>().is_err() && "x:99999".parse::<Advertise>().is_err());
    }
}
