//! Listens on a port as Go does.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::net::address::{Address, Host};

/// The connections that may wait to be accepted: as many as the kernel allows by default.
const BACKLOG: i32 = 4096;

/// Binds an address and listens on it.
///
/// # Errors
///
/// Returns the errors of the system, above all for a port in use.
pub(crate) async fn listen(address: &Address) -> io::Result<TcpListener> {
    let port = address.port;
    let at = match &address.host {
        Host::Any => {
            // Dual stack, as Go listens on a wildcard; IPv4 where there is no IPv6.
            return listen_on((Ipv6Addr::UNSPECIFIED, port).into()).or_else(|error| {
                match error.kind() {
                    io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
                    _ => listen_on((Ipv4Addr::UNSPECIFIED, port).into()),
                }
            });
        }
        Host::Localhost => (Ipv4Addr::LOCALHOST, port).into(),
        Host::Ip(ip) => (*ip, port).into(),
        Host::Name(name) => {
            let mut found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), port))
                .await?
                .collect();
            // IPv4 comes first, as in Go.
            found.sort_by_key(SocketAddr::is_ipv6);
            *found.first().ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, "the host name has no address")
            })?
        }
    };
    listen_on(at)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
