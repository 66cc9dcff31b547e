//! Services that never finish an answer.

use testkit::frames::{self as h2, FIRST};
use testkit::scripts::{self, answering, call_answered_by, silent};
use testkit::service::Script;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{self, Duration};

use super::{ALL, Case, DEADLINE, H2, HTTP1, cases};

pub fn all() -> Vec<Case> {
    let head = || h2::headers(0, FIRST, &h2::GRPC);
    let message = h2::data(0, FIRST, &h2::message(b"\x0a\x02ok"));
    let settings = |id, value| scripts::http2(h2::settings(&[(id, value)]), "");
    let half_body =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json-rpc\r\nContent-Length: 49\r\n\r\n{";
    let on_any = vec![
        ("accepts, says nothing", silent()),
        ("a byte a second of zeros", dripping(&[0; 9])),
    ];
    let on_http1 = vec![
        ("a byte a second", dripping(b"HTTP/1.1 200 OK\r\n")),
        ("half of a body", answering(half_body)),
        ("half of a head", answering(&half_body[..30])),
    ];
    let on_http2 = vec![
        ("SETTINGS, nothing else", call_answered_by("")),
        ("no streams allowed", settings(3, 0)),
        ("no window for the request", settings(4, 0)),
        ("a head, never a message", call_answered_by(head())),
        (
            "a message, never trailers",
            call_answered_by([head(), message].concat()),
        ),
        (
            "GOAWAY that lets the call finish",
            call_answered_by(h2::go_away(FIRST, 0)),
        ),
    ];
    [
        cases(&ALL, DEADLINE, on_any),
        cases(&HTTP1, DEADLINE, on_http1),
        cases(&H2, DEADLINE, on_http2),
    ]
    .concat()
}

fn dripping(bytes: &'static [u8]) -> Script {
    Script::new(move |mut stream| async move {
        let mut second = time::interval(Duration::from_secs(1));
        for byte in bytes {
            second.tick().await;
            if stream.write_u8(*byte).await.is_err() {
                return;
            }
        }
    })
}
