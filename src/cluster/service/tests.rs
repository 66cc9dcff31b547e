mod retired;

use super::*;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::cluster::events::Events;
use crate::cluster::{Refusal, request};

/// Sends the first part at once, and the second part at one byte per second.
async fn serve(listener: TcpListener, at_once: &str, slowly: &str) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let _ = stream.read(&mut [0; 1024]).await;
    stream.write_all(at_once.as_bytes()).await.unwrap();
    for byte in slowly.bytes() {
        time::sleep(Duration::from_secs(1)).await;
        if stream.write_u8(byte).await.is_err() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// Returns the refusal that a request ends with, and the seconds that it took.
async fn ends(path: &str, at_once: &str, slowly: &str) -> (Refusal, u64) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let service = Service::new(server.parse().unwrap(), None);
    let client = kube::Client::new(service, "default");
    let started = Instant::now();
    let asking = async {
        let request = Request::get(path).body(Vec::new()).unwrap();
        if !path.contains("watch") {
            return request::send::<Value>(&client, request).await.unwrap_err();
        }
        match Events::<Value>::begin(&client, request).await {
            Ok(events) => events.unwrap().next().await.unwrap_err(),
            Err(refusal) => refusal,
        }
    };
    let refusal = tokio::select! {
        refusal = asking => refusal,
        () = serve(listener, at_once, slowly) => unreachable!("the server must go on"),
    };
    (refusal, started.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn every_wait_for_the_server_ends() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{";
    const CHUNKS: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let spaces = " ".repeat(90);
    let half_a_line = format!("{CHUNKS}1\r\n{{\r\n");
    for (path, at_once, slowly, seconds) in [
        ("/pods", "", "", 10),
        ("/pods", "", "HTTP/1.1 200 OK", 10),
        ("/pods", HEAD, "", 20),
        ("/pods", HEAD, &spaces, 20),
        ("/pods?watch=true", "", "", 10),
        ("/pods?watch=true", &half_a_line, "", 20),
        ("/pods?watch=true", CHUNKS, "", 600),
    ] {
        let (refusal, took) = ends(path, at_once, slowly).await;
        assert!(
            matches!(refusal, Refusal::Unreachable(_)),
            "{at_once:?} {slowly:?}: {refusal}"
        );
        assert_eq!(took, seconds, "{path} {at_once:?} {slowly:?}: {refusal}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_reported_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = kube::Client::new(Service::new(server.parse().unwrap(), None), "default");
    let request = Request::get("/pods").body(Vec::new()).unwrap();
    let refusal = request::send::<Value>(&client, request).await.unwrap_err();
    assert!(refusal.to_string().contains("refused"), "{refusal}");
}
