//! mucp services that break HTTP/1.1 or json-rpc.

use testkit::frames::flood;
use testkit::scripts::{answering, read_request};
use testkit::service::Script;
use tokio::io::AsyncWriteExt as _;

use super::{Case, HTTP1, PROTOCOL, cases};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json-rpc\r\n";

pub fn all() -> Vec<Case> {
    let with = |rest: &str| answering(format!("{HEAD}{rest}"));
    let length = |length: &str| with(&format!("Content-Length: {length}\r\n\r\n{{"));
    let nested = format!("Content-Length: 65536\r\n\r\n{}", "[".repeat(65_536));
    let failed = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    let scripts = vec![
        ("endless header lines", endless(HEAD, "X-Filler: x\r\n")),
        (
            "an endless header line",
            endless("HTTP/1.1 200 OK\r\nX: ", "x"),
        ),
        ("an endless status line", endless("HTTP/1.1 200 ", "OK ")),
        (
            "endless line ends",
            endless("HTTP/1.1 200 OK\r\n\r\n", "\r\n"),
        ),
        ("an endless body", endless(&format!("{HEAD}\r\n"), "{")),
        (
            "an endless chunked body",
            endless(
                &format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n"),
                "1\r\n{\r\n",
            ),
        ),
        ("endless 100 Continue", endless("", interim)),
        ("a Content-Length of 1 TB", length("1000000000000")),
        ("a length beyond 64 bits", length("99999999999999999999")),
        ("a negative Content-Length", length("-1")),
        ("64 KiB of nesting", with(&nested)),
        ("no envelope", with("Content-Length: 2\r\n\r\n{}")),
        ("HTTP 500", answering(failed)),
        ("a null in the head", with("A: \0\r\n\r\n")),
    ];
    cases(&HTTP1, PROTOCOL, scripts)
}

/// Returns a script that answers with a start that never ends.
fn endless(start: &str, more: &str) -> Script {
    let texts = (start.to_owned(), more.to_owned());
    Script::new(move |mut stream| {
        let (start, more) = texts.clone();
        async move {
            if read_request(&mut stream).await.is_some() {
                let _ = stream.write_all(start.as_bytes()).await;
                flood(&mut stream, more.as_bytes()).await;
            }
        }
    })
}
