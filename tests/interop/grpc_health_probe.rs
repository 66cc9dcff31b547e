//! The same questions to the crate `grpc_health_probe` and to this binary under that name.
//!
//! Scripts branch on the exit code, so the codes are compared; where they differ, [`TABLE`] says why.
//! The crate spells three things its own way, and is asked its way: `--addr` is a URL, timeouts are
//! numbers of milliseconds, and without `--service` it asks for the name `""`, quotes included.
//! `just interop` installs it and names it in `MICRO_HEALTH_PEER_PROBE`.

use std::fmt::Write as _;
use std::net::SocketAddr;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tonic_health::ServingStatus::{NotServing, Serving};
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};
use tower_service::Service as _;

use crate::one_shot::OneShot;

/// What both are asked, the codes of the crate and of ours, and why they differ.
const TABLE: &[(Peer, Asked, i32, i32, &str)] = {
    use Asked::{Addr, Bare, NoRpcTime, NotAFlag, Service, TlsFlagAlone, Whole};
    use Peer::{Full, Health, NoHealth, Nothing, Silent, Web};
    &[
        (Health, Whole, 0, 0, ""),
        (Health, Service("up"), 0, 0, ""),
        (Health, Service("down"), 4, 4, ""),
        (Health, Service("gone"), 3, 3, ""),
        (
            Health,
            Addr,
            3,
            0,
            "the crate's default service is two quotes, the Go tool's and ours the server",
        ),
        (NoHealth, Whole, 3, 3, ""),
        (Nothing, Whole, 2, 2, ""),
        (Full, Whole, 2, 2, ""),
        (
            Silent,
            Whole,
            3,
            2,
            "tonic is connected when TCP is; grpc-go and so we wait for SETTINGS",
        ),
        (
            Web,
            Whole,
            3,
            2,
            "the same: HTTP/1.1 is no connection to grpc-go",
        ),
        (
            Health,
            NotAFlag,
            2,
            1,
            "clap's code for usage, against the tool's own for bad arguments",
        ),
        (Health, Bare, 2, 1, "the same"),
        (Health, NoRpcTime, 1, 1, ""),
        (Health, TlsFlagAlone, 1, 1, ""),
    ]
};

/// What listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Peer {
    /// grpc.health.v1, with the server and `up` serving, `down` not.
    Health,
    /// gRPC, without grpc.health.v1.
    NoHealth,
    /// Nobody.
    Nothing,
    /// A queue that is full.
    Full,
    /// Accepts, and that is all.
    Silent,
    /// A web server: HTTP/1.1.
    Web,
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Asked {
    /// For the server as a whole, said aloud.
    Whole,
    /// For a name.
    Service(&'static str),
    /// For nothing in particular.
    Addr,
    /// Without an address.
    Bare,
    /// With a flag that neither has.
    NotAFlag,
    /// With no time for the call.
    NoRpcTime,
    /// With a flag that needs another.
    TlsFlagAlone,
}

#[tokio::test]
async fn exit_codes_are_those_of_grpc_health_probe() {
    let (crates, ours) = (OneShot::the_crate(), OneShot::ours());
    let mut text = format!("{:<32}{:>6}{:>6}\n", "", "crate", "ours");
    let mut wrong = Vec::new();
    for (peer, asked, expected_theirs, expected_ours, why) in TABLE {
        let (address, _open) = peer.listen().await;
        let theirs = crates.run(&asked.to_the_crate(address)).await.code;
        let ours = ours.run(&asked.to_ours(address)).await.code;
        let row = format!("{:<32}", format!("{peer:?} {asked:?}"));
        let _ = writeln!(text, "{row}{theirs:>6}{ours:>6}  {why}");
        if (theirs, ours) != (*expected_theirs, *expected_ours) {
            wrong.push(row);
        }
        assert_eq!(
            theirs == ours,
            why.is_empty(),
            "{peer:?} {asked:?}: {why:?}"
        );
    }
    crate::report::publish("grpc-health-probe.txt", &text);
    assert!(wrong.is_empty(), "{wrong:?} in\n{text}");
}

// === impl Asked ===

impl Asked {
    /// Short, because every silent peer costs it.
    const MILLIS: u64 = 400;

    fn to_the_crate(self, address: SocketAddr) -> Vec<String> {
        let addr = format!("--addr=http://{address}");
        let time = |flag: &str| format!("--{flag}={}", Self::MILLIS);
        let mut args = vec![addr, time("connect-timeout"), time("rpc-timeout")];
        match self {
            Self::Addr => {}
            Self::Bare => drop(args.remove(0)),
            Self::NotAFlag => args.push("--nonsense".into()),
            Self::NoRpcTime => args[2] = "--rpc-timeout=0".into(),
            Self::TlsFlagAlone => args.push("--tls-ca-cert=ca.pem".into()),
            Self::Whole => args.push("--service=".into()),
            Self::Service(name) => args.push(format!("--service={name}")),
        }
        args
    }

    fn to_ours(self, address: SocketAddr) -> Vec<String> {
        let addr = format!("-addr={address}");
        let time = |flag: &str| format!("-{flag}={}ms", Self::MILLIS);
        let mut args = vec![addr, time("connect-timeout"), time("rpc-timeout")];
        match self {
            Self::Addr => {}
            Self::Bare => drop(args.remove(0)),
            Self::NotAFlag => args.push("-nonsense".into()),
            Self::NoRpcTime => args[2] = "-rpc-timeout=0s".into(),
            Self::TlsFlagAlone => args.push("-tls-ca-cert=ca.pem".into()),
            Self::Whole => args.push("-service=".into()),
            Self::Service(name) => args.push(format!("-service={name}")),
        }
        args
    }
}

// === impl Peer ===

impl Peer {
    /// Listens; the sockets must live as long as it is to be full.
    async fn listen(self) -> (SocketAddr, Vec<Socket>) {
        if self == Self::Full {
            return full();
        }
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a loopback port must be free");
        let address = listener.local_addr().expect("it is bound");
        if self != Self::Nothing {
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(self.answer(stream));
                }
            });
        }
        (address, Vec::new())
    }

    async fn answer(self, mut stream: TcpStream) {
        let builder = auto::Builder::new(TokioExecutor::new()).http2_only();
        match self {
            Self::Health => {
                let reporter = HealthReporter::new();
                for (name, status) in [("", Serving), ("up", Serving), ("down", NotServing)] {
                    reporter.set_service_status(name, status).await;
                }
                let service = HealthServer::new(HealthService::from_health_reporter(reporter));
                let answer = service_fn(move |request| service.clone().call(request));
                let stream = TokioIo::new(stream);
                let _ = builder.serve_connection(stream, answer).await;
            }
            Self::NoHealth => {
                let (_, service) = micro_health::debug::service();
                let answer = service_fn(move |request| service.clone().call(request));
                let stream = TokioIo::new(stream);
                let _ = builder.serve_connection(stream, answer).await;
            }
            Self::Silent | Self::Web | Self::Nothing | Self::Full => {
                let mut read = [0; 4096];
                let _ = stream.read(&mut read).await;
                if self == Self::Web {
                    let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
                    let _ = stream.write_all(answer).await;
                }
                while stream.read(&mut read).await.is_ok_and(|read| read > 0) {}
            }
        }
    }
}

/// Never accepts: its queue is full of the returned connections.
fn full() -> (SocketAddr, Vec<Socket>) {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let listener = socket();
    let bound = listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into());
    let listening = bound.and_then(|()| listener.listen(0));
    listening.expect("a loopback port must be free");
    let address = listener.local_addr().expect("it is bound");
    let mut open = vec![listener];
    for _ in 0..3 {
        let client = socket();
        client.set_nonblocking(true).expect("it is a socket");
        // In progress, or waiting for ever.
        let _ = client.connect(&address);
        open.push(client);
    }
    (address.as_socket().expect("it is IPv4"), open)
}
