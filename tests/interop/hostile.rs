//! Targets with every fault that a broken service can have.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use testkit::address;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// A fault of a target, by its behaviour.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Refuses,
    AcceptsAndStaysSilent,
    NeverAccepts,
    DripsOneByteASecond,
    ResetsInsideTheHeader,
    ClosesAfterTheHeader,
    ClosesBeforeContentLength,
    SendsEndlessHeaders,
    AnswersAsAWebServer,
    SendsAnSshBanner,
    SaysGoAway,
    ResetsInsideTheGrpcAnswer,
}

/// A target with one fault. Dropping it stops the target.
#[derive(Debug)]
pub struct Hostile {
    pub address: SocketAddr,
    /// The server task, which is aborted with this value.
    _serving: JoinSet<()>,
}

/// The head of a healthy mucp service's answer.
const HEADER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 49\r\nContent-Type: application/json-rpc\r\n\r\n";
const HALF_A_BODY: &[u8] = b"{\"id\":\"1\",\"result\":{\"sta";
const PAGE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\nContent-Type: text/html\r\n\r\n<p>It works</p>";
const FILLER: &[u8] = b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
const BANNER: &[u8] = b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";

/// HTTP/2: empty SETTINGS; GOAWAY of stream 0 with code 0; HEADERS `:status: 200` that leave stream 1 open.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const GOAWAY: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const STATUS_200: &[u8] = &[0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];

// === impl Hostile ===

impl Hostile {
    pub async fn start(fault: Fault) -> Self {
        let mut serving = JoinSet::new();
        let address = match fault {
            Fault::Refuses => address::free(),
            Fault::NeverAccepts => {
                let (listener, waiting) = full().await;
                let address = local(&listener);
                serving.spawn(async move {
                    let _held = (listener, waiting);
                    std::future::pending::<()>().await;
                });
                address
            }
            _ => {
                let listener = TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("a loopback port must be free");
                let address = local(&listener);
                serving.spawn(serve(listener, fault));
                address
            }
        };
        Self {
            address,
            _serving: serving,
        }
    }
}

fn local(listener: &TcpListener) -> SocketAddr {
    listener
        .local_addr()
        .expect("a bound listener must have an address")
}

/// Returns a listener whose queue is full, with the connections that fill it: the kernel answers
/// no SYN.
async fn full() -> (TcpListener, Vec<TcpStream>) {
    const NO_ANSWER: Duration = Duration::from_millis(200);
    let socket = TcpSocket::new_v4().expect("a socket must be creatable");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(any).expect("a loopback port must be free");
    let listener = socket.listen(1).expect("a bound socket must listen");
    let mut waiting = Vec::new();
    while let Ok(connected) = timeout(NO_ANSWER, TcpStream::connect(local(&listener))).await {
        waiting.push(connected.expect("a queue with room must take a connection"));
    }
    (listener, waiting)
}

async fn serve(listener: TcpListener, fault: Fault) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // An error here means that the client has left.
        connections.spawn(async move { fault.act(stream).await.unwrap_or_default() });
    }
}

// === impl Fault ===

impl Fault {
    async fn act(self, mut stream: TcpStream) -> io::Result<()> {
        if !matches!(self, Self::SendsAnSshBanner) {
            read_some(&mut stream).await?;
        }
        match self {
            Self::Refuses | Self::NeverAccepts => unreachable!("no client can have connected"),
            Self::AcceptsAndStaysSilent => {}
            Self::DripsOneByteASecond => {
                for byte in HEADER {
                    stream.write_all(&[*byte]).await?;
                    sleep(Duration::from_secs(1)).await;
                }
            }
            Self::ResetsInsideTheHeader => return reset(stream, &HEADER[..40]).await,
            Self::ClosesAfterTheHeader => return close(stream, &[HEADER]).await,
            Self::ClosesBeforeContentLength => return close(stream, &[HEADER, HALF_A_BODY]).await,
            Self::SendsEndlessHeaders => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
                loop {
                    stream.write_all(FILLER).await?;
                }
            }
            Self::AnswersAsAWebServer => stream.write_all(PAGE).await?,
            Self::SendsAnSshBanner => stream.write_all(BANNER).await?,
            Self::SaysGoAway => return close(stream, &[SETTINGS, GOAWAY]).await,
            Self::ResetsInsideTheGrpcAnswer => {
                stream.write_all(SETTINGS).await?;
                // The request's HEADERS arrive after our SETTINGS at the latest.
                read_some(&mut stream).await?;
                return reset(stream, STATUS_200).await;
            }
        }
        read_on(stream).await
    }
}

/// Reads the bytes that have arrived; their content makes no difference here.
async fn read_some(stream: &mut TcpStream) -> io::Result<usize> {
    stream.read(&mut [0; 4096]).await
}

/// Sends these bytes, then lets the kernel answer with RST.
async fn reset(mut stream: TcpStream, last: &[u8]) -> io::Result<()> {
    stream.write_all(last).await?;
    stream.set_zero_linger()
}

/// Sends these bytes, then ends with FIN.
async fn close(mut stream: TcpStream, last: &[&[u8]]) -> io::Result<()> {
    for bytes in last {
        stream.write_all(bytes).await?;
    }
    stream.shutdown().await?;
    read_on(stream).await
}

/// Keeps the connection until the client ends it.
async fn read_on(mut stream: TcpStream) -> io::Result<()> {
    while read_some(&mut stream).await? > 0 {}
    Ok(())
}
