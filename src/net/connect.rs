//! Connects to the first of several addresses that accepts. Each has a share of the time, so that an
//! address from which no answer comes does not take the time of the others.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{self, Instant};

/// The bounds of the time for one of several addresses. Within them, the addresses that are left
/// share the time that is left. The last address has all of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Shares {
    /// The least time for an address, even if the addresses behind it then have none.
    pub least: Duration,
    /// The longest time for an address before the next is tried.
    pub most: Duration,
}

/// Connects to the first of several addresses that accepts. The deadline only divides the time; the
/// caller enforces it.
///
/// # Errors
///
/// Returns the error of the first address.
pub(crate) async fn connect_first(
    addresses: &[SocketAddr],
    deadline: Instant,
    shares: Shares,
) -> io::Result<TcpStream> {
    let mut first_error = None;
    for (address, after) in addresses.iter().zip((0..addresses.len()).rev()) {
        let connect = TcpStream::connect(address);
        let connected = if after == 0 {
            connect.await
        } else {
            let left = deadline.saturating_duration_since(Instant::now());
            time::timeout(shares.share(left, after), connect)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match connected {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => first_error = first_error.or(Some((address, error))),
        }
    }
    Err(match first_error {
        Some((address, error)) => io::Error::new(error.kind(), format!("{address}: {error}")),
        None => io::Error::new(io::ErrorKind::NotFound, "the host name has no address"),
    })
}

// === impl Shares ===

impl Shares {
    /// Returns the time for an address, so that each of the `after` addresses behind it has as much.
    fn share(self, left: Duration, after: usize) -> Duration {
        let shares = u32::try_from(after).unwrap_or(u32::MAX).saturating_add(1);
        (left / shares).max(self.least).min(self.most)
    }
}

#[cfg(test)]
mod tests {
    use socket2::{Domain, SockAddr, Socket, Type};
    use tokio::net::TcpListener;

    use super::*;

    const SHARES: Shares = Shares {
        least: Duration::ZERO,
        most: Duration::from_millis(250),
    };

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(900)
    }

    #[test]
    fn the_addresses_share_the_time_between_two_bounds() {
        let seconds = Duration::from_secs;
        let (least, most) = (seconds(2), seconds(30));
        for (left, after, expected) in [
            (10, 1, 5),
            (10, 4, 2),
            (10, 9, 2),
            (1, 1, 2),
            (0, 1, 2),
            (90, 1, 30),
            (10, usize::MAX, 2),
        ] {
            let share = Shares { least, most }.share(seconds(left), after);
            assert_eq!(share, seconds(expected), "{left} s for {after} more");
        }
    }

    #[tokio::test]
    async fn tries_the_next_address_when_one_refuses() {
        // The tests of the address cover both loopback addresses of a wildcard, so that this test
        // needs no IPv6.
        let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refused = refusing.local_addr().unwrap();
        drop(refusing);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();

        let addresses = [refused, address];
        let stream = connect_first(&addresses, soon(), SHARES).await.unwrap();

        assert_eq!(stream.peer_addr().unwrap(), address);
    }

    #[tokio::test]
    async fn every_address_has_its_turn_before_the_deadline() {
        // A listener with room for one connection in its queue, which another one takes.
        let hole = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let any = SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
        hole.bind(&any).unwrap();
        hole.listen(0).unwrap();
        let waiting = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        waiting.connect(&hole.local_addr().unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut addresses = vec![hole.local_addr().unwrap().as_socket().unwrap(); 7];
        addresses.push(listener.local_addr().unwrap());

        let connect = connect_first(&addresses, soon(), SHARES);
        let stream = time::timeout_at(soon(), connect).await.unwrap().unwrap();

        assert_eq!(stream.peer_addr().unwrap(), addresses[7]);
    }
}
