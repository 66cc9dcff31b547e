//! The requests in tests/wire/registry, which each release must still send.

use std::net::Ipv4Addr;
use std::path::Path;

use futures_util::future::join;
use testkit::cluster::{GoClient, RELEASES};
use testkit::within;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

#[tokio::test]
async fn each_release_sends_the_recorded_requests() {
    for release in RELEASES {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let client = GoClient::outside_pod(release, "greeter-0", listener.local_addr().unwrap());

        let (registered, sent) = join(client.register("greeter"), record(&listener)).await;
        assert_eq!(registered, Ok(()), "{release}");
        assert_recorded(release, "register", &sent);

        let (deregistered, sent) = join(client.deregister("greeter"), record(&listener)).await;
        assert_eq!(deregistered, Ok(()), "{release}");
        assert_recorded(release, "deregister", &sent);
    }
}

/// A request: its first line, its header in lower case, its body.
#[derive(Debug)]
struct SentRequest {
    line: String,
    header: String,
    body: String,
}

fn assert_recorded(release: &str, verb: &str, sent: &SentRequest) {
    let file = format!("tests/wire/registry/{release}.{verb}.json");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let recorded = std::fs::read_to_string(&file).expect("a recording must be readable");
    assert_eq!(sent.body, recorded, "{}", file.display());
    assert_eq!(
        sent.line,
        "PATCH /api/v1/namespaces/default/pods/greeter-0 HTTP/1.1"
    );
    let kind = "content-type: application/strategic-merge-patch+json\r\n";
    assert!(sent.header.contains(kind), "{sent:?}");
}

/// Receives one request, as an API server that gives no answer.
async fn record(listener: &TcpListener) -> SentRequest {
    within("a request", async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        let mut header = String::new();
        while !header.ends_with("\r\n\r\n") {
            stream.read_line(&mut header).await.unwrap();
        }
        let header = header.to_lowercase();
        let length = header
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length = length.expect("a body must have a length").parse().unwrap();
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.unwrap();
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
                      Connection: close\r\n\r\n{}";
        stream.write_all(answer.as_bytes()).await.unwrap();
        SentRequest {
            line: line.trim_end().to_owned(),
            header,
            body: String::from_utf8(body).unwrap(),
        }
    })
    .await
}
