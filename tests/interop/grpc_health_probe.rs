//! A comparison of the crate `grpc_health_probe` with this binary under that name.
//!
//! Scripts branch on the exit code, so the codes are compared; where they differ, [`TABLE`] has
//! the reason. The crate has three differences in its arguments: `--addr` is a URL, timeouts are
//! numbers of milliseconds, and without `--service` it requests the name `""`, quotes included.
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

/// The arguments for both, the codes of the crate and of this binary, and the reason for a
/// difference.
const TABLE: &[(Peer, Arguments, i32, i32, &str)] = {
    use Arguments::{Addr, Bare, NoRpcTime, NotAFlag, Service, TlsFlagAlone, Whole};
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

/// The peer at the address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Peer {
    /// The peer serves grpc.health.v1: the server and `up` are serving, `down` is not.
    Health,
    /// The peer serves gRPC without grpc.health.v1.
    NoHealth,
    /// No peer listens.
    Nothing,
    /// The peer's queue is full.
    Full,
    /// The peer accepts connections and never answers.
    Silent,
    /// The peer is a web server of HTTP/1.1.
    Web,
}

/// The arguments of a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Arguments {
    /// The arguments name the server as a whole explicitly.
    Whole,
    /// The arguments name a service.
    Service(&'static str),
    /// The arguments name no service.
    Addr,
    /// The arguments have no address.
    Bare,
    /// The arguments have an unknown flag.
    NotAFlag,
    /// The arguments leave no time for the call.
    NoRpcTime,
    /// The arguments have a flag that needs another one.
    TlsFlagAlone,
}

#[tokio::test]
async fn exit_codes_are_those_of_grpc_health_probe() {
    let (crates, ours) = (OneShot::the_crate(), OneShot::ours());
    let mut text = format!("{:<32}{:>6}{:>6}\n", "", "crate", "ours");
    let mut wrong = Vec::new();
    for (peer, arguments, expected_theirs, expected_ours, why) in TABLE {
        let (address, _open) = peer.listen().await;
        let theirs = crates.run(&arguments.for_the_crate(address)).await.code;
        let ours = ours.run(&arguments.for_ours(address)).await.code;
        let row = format!("{:<32}", format!("{peer:?} {arguments:?}"));
        let _ = writeln!(text, "{row}{theirs:>6}{ours:>6}  {why}");
        if (theirs, ours) != (*expected_theirs, *expected_ours) {
            wrong.push(row);
        }
        assert_eq!(
            theirs == ours,
            why.is_empty(),
            "{peer:?} {arguments:?}: {why:?}"
        );
    }
    crate::report::publish("grpc-health-probe.txt", &text);
    assert!(wrong.is_empty(), "{wrong:?} in\n{text}");
}

// === impl Arguments ===

impl Arguments {
    /// The timeout, which is short because every silent peer uses it up.
    const MILLIS: u64 = 400;

    fn for_the_crate(self, address: SocketAddr) -> Vec<String> {
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

    fn for_ours(self, address: SocketAddr) -> Vec<String> {
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
    /// Listens. The returned sockets keep the queue full.
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

/// Listens and never accepts: the returned connections fill the queue.
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
        // The connection attempt is in progress, or waits forever.
        let _ = client.connect(&address);
        open.push(client);
    }
    (address.as_socket().expect("it is IPv4"), open)
}
