//! Checks whether instances answer, each by the protocol that its Service declares.
//!
//! | appProtocol, type                   | the check                                |
//! |-------------------------------------|------------------------------------------|
//! | grpc, h2c                           | `grpc.health.v1` Check                   |
//! | http                                | `GET /`: any answer below 500            |
//! | https, tcp                          | a connection                             |
//! | udp                                 | none: UDP has no answer to wait for      |

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time;

use crate::catalog::endpoint::Kind;
use crate::catalog::instance::Instance;
use crate::catalog::services::Services;
use crate::check::backend::Backend;
use crate::check::options::{Options, Protocol, ServerName};
use crate::net::endpoint::Endpoint;

/// The deadline of the check of one instance, as of every other check.
const TIMEOUT: Duration = Duration::from_millis(900);

/// The number of instances that are checked at a time.
const AT_ONCE: usize = 16;

/// The length of the start of an HTTP answer, up to and with its status.
const STATUS: usize = "HTTP/1.1 200".len();

/// The way in which an instance is checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Question {
    Grpc,
    Http,
    Connection,
}

/// An instance that does not answer as it should.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{service} at {address} ({group}): {why}")]
pub(crate) struct Unhealthy {
    /// The name of the service.
    pub service: String,
    /// The address and port of the instance.
    pub address: SocketAddr,
    /// The tags of the instance, with commas between them.
    pub group: String,
    /// The reason of the failure.
    pub why: String,
}

/// Checks every instance that clients may call, and returns the unhealthy ones.
pub(crate) async fn check(services: &Services) -> Vec<Unhealthy> {
    let all = services.all_up();
    let all: Vec<_> = all
        .flat_map(|(name, up)| up.into_iter().map(move |it| (name, it)))
        .collect();
    let checks = stream::iter(all).map(|(service, instance)| async move {
        let why = ask(service, instance).await.err()?;
        Some(Unhealthy {
            service: service.to_owned(),
            address: instance.address,
            group: instance.group(),
            why,
        })
    });
    let answers = checks.buffered(AT_ONCE).collect::<Vec<_>>().await;
    answers.into_iter().flatten().collect()
}

async fn ask(service: &str, instance: &Instance) -> Result<(), String> {
    let address = instance.address;
    let answered = match question(instance) {
        None => return Ok(()),
        Some(Question::Grpc) => return grpc(service, address).await,
        Some(Question::Http) => time::timeout(TIMEOUT, get(address)).await,
        Some(Question::Connection) => {
            let connected = time::timeout(TIMEOUT, TcpStream::connect(address)).await;
            connected.map(|connected| connected.map(drop).map_err(|error| error.to_string()))
        }
    };
    answered.unwrap_or_else(|_| Err(format!("no answer within {TIMEOUT:?}")))
}

fn question(instance: &Instance) -> Option<Question> {
    let spoken = instance.app_protocol.as_deref().unwrap_or_default();
    let spoken = spoken.to_ascii_lowercase();
    match (
        instance.kind,
        spoken.strip_prefix("kubernetes.io/").unwrap_or(&spoken),
    ) {
        (Kind::Udp, _) => None,
        (_, "grpc" | "h2c") => Some(Question::Grpc),
        (Kind::Http, _) => Some(Question::Http),
        (Kind::Https | Kind::Tcp, _) => Some(Question::Connection),
    }
}

async fn grpc(service: &str, address: SocketAddr) -> Result<(), String> {
    let endpoint: Endpoint = address
        .to_string()
        .parse()
        .map_err(|why| format!("{why}"))?;
    let options = Options {
        protocol: Protocol::GrpcHealth,
        ..Options::new(ServerName(service.to_owned()), endpoint.clone().into())
    };
    let backend = Backend::new(Arc::new(options), endpoint, None).map_err(|why| why.to_string())?;
    let check = backend.check().await;
    check.verdict.map_err(|why| why.to_string())
}

async fn get(address: SocketAddr) -> Result<(), String> {
    let answer = async {
        let mut stream = TcpStream::connect(address).await?;
        let agent = crate::USER_AGENT;
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {address}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = [0; STATUS];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = answer.await.map_err(|error| error.to_string())?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..)?.parse().ok());
    match status {
        Some(100..500_u16) => Ok(()),
        Some(status) => Err(format!("GET / was answered with {status}")),
        None => Err("the answer is not HTTP/1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::endpoint::Status;
    use tokio::net::TcpListener;

    fn instance(address: SocketAddr, kind: Kind, app_protocol: &str) -> Instance {
        Instance {
            id: "u-80".to_owned(),
            tags: vec!["kubernetes".to_owned()],
            address,
            kind,
            app_protocol: Some(app_protocol.to_owned()).filter(|spoken| !spoken.is_empty()),
            status: Status::Up,
        }
    }

    #[test]
    fn each_is_checked_by_its_protocol() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        for (kind, app_protocol, expected) in [
            (Kind::Http, "grpc", Some(Question::Grpc)),
            (Kind::Http, "kubernetes.io/h2c", Some(Question::Grpc)),
            (Kind::Http, "http", Some(Question::Http)),
            (Kind::Http, "", Some(Question::Http)),
            (Kind::Https, "https", Some(Question::Connection)),
            (Kind::Tcp, "mysql", Some(Question::Connection)),
            (Kind::Udp, "", None),
        ] {
            let found = question(&instance(address, kind, app_protocol));
            assert_eq!(found, expected, "{kind:?} {app_protocol}");
        }
    }

    /// Checks a server that accepts one connection and sends this answer.
    async fn checked(kind: Kind, app_protocol: &str, answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 256];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        };
        let instance = instance(address, kind, app_protocol);
        let (result, ()) = tokio::join!(ask("web", &instance), serve);
        result
    }

    #[tokio::test]
    async fn an_answer_differs_from_a_fault() {
        assert_eq!(checked(Kind::Tcp, "", "").await, Ok(()));
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Ok(())),
            ("HTTP/1.0 404 Not Found\r\n\r\n", Ok(())),
            (
                "HTTP/1.1 503 Oh\r\n\r\n",
                Err("GET / was answered with 503".to_owned()),
            ),
            (
                "SSH-2.0-OpenSSH",
                Err("the answer is not HTTP/1".to_owned()),
            ),
        ] {
            assert_eq!(checked(Kind::Http, "", answer).await, expected, "{answer}");
        }
        let closed = checked(Kind::Http, "", "").await.unwrap_err();
        assert!(!closed.is_empty());
        let grpc = checked(Kind::Http, "grpc", "HTTP/1.1 200 OK\r\n\r\n").await;
        assert!(grpc.is_err());
        // The port has no listener after the drop.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        for kind in [Kind::Tcp, Kind::Http, Kind::Https] {
            let refused = ask("web", &instance(address, kind, "")).await.unwrap_err();
            assert!(refused.contains("refused"), "{refused}");
        }
        assert_eq!(ask("dns", &instance(address, Kind::Udp, "")).await, Ok(()));
    }
}
