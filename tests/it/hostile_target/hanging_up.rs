//! Services that close the connection by FIN, RST or GOAWAY at different moments.

use std::sync::Arc;

use testkit::frames::{self as h2, FIRST};
use testkit::scripts::{call_answered_by, cut, read_either, speaking_first};
use testkit::service::Script;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{ALL, Case, GRPC, H2, HEALTH, HTTP1, UNREACHABLE, cases};

pub fn all() -> Vec<Case> {
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json-rpc\r\nContent-Length: 49\r\n\r\n";
    let headers = h2::headers(0, FIRST, &h2::GRPC);
    let at_once = |code| speaking_first([h2::settings(&[]), h2::go_away(0, code)].concat());
    let on_any = vec![
        ("resets at once", Script::new(async |stream| cut(stream))),
        ("closes at once", Script::new(async |stream| drop(stream))),
        ("reads the request, resets", after(b"", cut)),
        ("reads the request, closes", after(b"", drop)),
    ];
    let on_http1 = vec![
        ("resets inside the head", after(&head[..30], cut)),
        ("closes inside the head", after(&head[..30], drop)),
        ("resets after the head", after(head, cut)),
        ("closes after the head", after(head, drop)),
    ];
    let on_grpc = vec![
        ("resets after HEADERS", after(&headers, cut)),
        ("closes after HEADERS", after(&headers, drop)),
    ];
    let on_http2 = vec![
        ("GOAWAY at once", at_once(0)),
        ("GOAWAY calm at once", at_once(11)),
        ("GOAWAY for the call", call_answered_by(h2::go_away(0, 0))),
        ("GOAWAY error", call_answered_by(h2::go_away(0, 2))),
    ];
    [
        cases(&ALL, UNREACHABLE, on_any),
        cases(&HTTP1, UNREACHABLE, on_http1),
        cases(&[GRPC, HEALTH], UNREACHABLE, on_grpc),
        cases(&H2, UNREACHABLE, on_http2),
    ]
    .concat()
}

/// Returns a script that reads the request, sends these bytes and closes. Without reading it, the
/// close would be a reset.
fn after(bytes: &[u8], close: fn(TcpStream)) -> Script {
    let bytes: Arc<[u8]> = bytes.into();
    Script::new(move |mut stream| {
        let bytes = Arc::clone(&bytes);
        async move {
            read_either(&mut stream).await;
            let _ = stream.write_all(&bytes).await;
            close(stream);
        }
    })
}
