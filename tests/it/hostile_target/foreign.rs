//! A healthy service of another protocol, in several forms.

use testkit::frames::{self as h2, END_STREAM, FIRST};
use testkit::scripts::{answering, call_answered_by, speaking_first};
use testkit::service::Script;

use super::{ALL, AUTO, Case, GRPC, H2, HEALTH, NOT_SERVING, PROTOCOL, TLS, cases};

pub fn all() -> Vec<Case> {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nOK";
    let bad_request = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    let not_found = h2::headers(END_STREAM, FIRST, &[(":status", "404")]);
    let on_any = vec![
        ("SSH", speaking_first("SSH-2.0-OpenSSH_9.2p1\r\n")),
        ("noise", speaking_first(noise())),
        ("SMTP", speaking_first("220 mail ESMTP ready\r\n")),
        ("MySQL", speaking_first(*b"\x4a\0\0\0\x0a8.0.36\0abcdefgh")),
        ("a web server", answering(page)),
        ("a web server's 400", speaking_first(bad_request)),
    ];
    let on_http2 = vec![
        ("a web server's 404 over h2c", call_answered_by(not_found)),
        ("a message that is no protobuf", message(b"\xff\xff\xff")),
    ];
    let alert = vec![(
        "a TLS alert",
        speaking_first(*b"\x15\x03\x01\x00\x02\x02\x46"),
    )];
    let on_debug = vec![("another service's message", message(b"\x08\x01"))];
    let on_health = vec![("Debug's message", message(b"\x0a\x02ok"))];
    let status = vec![("another status", message(b"\x0a\x05hello"))];
    [
        cases(&ALL, PROTOCOL, on_any),
        cases(&ALL, TLS, alert),
        cases(&H2, PROTOCOL, on_http2),
        cases(&[AUTO, GRPC], PROTOCOL, on_debug),
        cases(&[HEALTH], PROTOCOL, on_health),
        cases(&[AUTO, GRPC], NOT_SERVING, status),
    ]
    .concat()
}

fn message(message: &[u8]) -> Script {
    call_answered_by(h2::answer(FIRST, &h2::message(message)))
}

/// Returns random bytes, the same in every run, which are neither text nor a frame.
fn noise() -> Vec<u8> {
    let scattered = (0..512_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]);
    scattered.map(|byte| byte | 0x80).collect()
}
