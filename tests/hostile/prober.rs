//! The kubelet's probes while the sidecar is attacked: each on a new connection, within a second.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::time::Instant;

/// The default `timeoutSeconds` of a probe.
pub const TIMEOUT: Duration = Duration::from_secs(1);

/// The interval between two probes of a path. With two paths the sidecar is probed every 50 ms.
const PERIOD: Duration = Duration::from_millis(100);

/// The status of an answer, and the start of its body.
pub type Expected = (u16, &'static str);

pub const OK: Expected = (200, "OK");
pub const NOT_HEALTHY: Expected = (500, "NOT_HEALTHY");

/// The answer of `/livez`, whose body differs.
pub const ALIVE: Expected = (200, "");

/// A prober of one path on a thread of its own.
#[derive(Debug)]
pub struct Prober {
    end: mpsc::Sender<()>,
    thread: JoinHandle<Probes>,
}

/// The outcome of all probes of a path.
#[derive(Clone, Debug, Default)]
pub struct Probes {
    pub count: usize,
    /// The longest time to an answer, or to the timeout.
    pub worst: Duration,
    /// The failed probes.
    pub wrong: Vec<String>,
}

// === impl Prober ===

impl Prober {
    pub fn start(
        from: IpAddr,
        sidecar: SocketAddr,
        path: &'static str,
        expected: Expected,
    ) -> Self {
        let (end, ended) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut probes = Probes::default();
            loop {
                let started = Instant::now();
                let outcome = probe(from, sidecar, path, expected);
                probes.count += 1;
                probes.worst = probes.worst.max(started.elapsed());
                probes.wrong.extend(outcome.err());
                let rest = PERIOD.saturating_sub(started.elapsed());
                if ended.recv_timeout(rest) != Err(RecvTimeoutError::Timeout) {
                    return probes;
                }
            }
        });
        Self { end, thread }
    }

    /// Ends the prober after the probe under way.
    pub fn end(self) -> Probes {
        drop(self.end);
        self.thread.join().expect("a prober must not panic")
    }
}

/// Probes a path once. Any other answer than the expected one is an error.
pub fn probe(
    from: IpAddr,
    sidecar: SocketAddr,
    path: &str,
    expected: Expected,
) -> Result<(), String> {
    let answer = ask(from, sidecar, path).map_err(|error| format!("{path}: {error}"))?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .unwrap_or((&answer, "no end of the head"));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    if status == Some(expected.0) && body.starts_with(expected.1) {
        return Ok(());
    }
    Err(format!("{path}: {:?}", answer.get(..60).unwrap_or(&answer)))
}

fn ask(from: IpAddr, sidecar: SocketAddr, path: &str) -> io::Result<String> {
    let end = Instant::now() + TIMEOUT;
    let left = || {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut)
        } else {
            Ok(left)
        }
    };
    let socket = Socket::new(Domain::for_address(sidecar), Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&sidecar.into(), left()?)?;
    let mut stream = TcpStream::from(socket);
    stream.write_all(
        format!(
            "GET {path} HTTP/1.1\r\nHost: {sidecar}\r\nUser-Agent: kube-probe/1.36\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        )
        .as_bytes(),
    )?;
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    loop {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut part) {
            Ok(0) => return Ok(String::from_utf8_lossy(&answer).into_owned()),
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
}
