//! gRPC servers that break gRPC, HTTP/2 or HPACK.

use testkit::frames::{
    self as h2, CONTINUATION, END_HEADERS, END_STREAM, FIRST, HEADERS, PUSH_PROMISE,
};
use testkit::scripts::call_answered_by;
use testkit::service::Script;

use super::{Case, H2, PROTOCOL, cases};

pub fn all() -> Vec<Case> {
    cases(
        &H2,
        PROTOCOL,
        [of_grpc(), of_streams(), of_headers()].concat(),
    )
}

fn head() -> Vec<u8> {
    h2::headers(0, FIRST, &h2::GRPC)
}

fn ok() -> Vec<u8> {
    h2::message(b"\x0a\x02ok")
}

fn of_grpc() -> Vec<(&'static str, Script)> {
    let with = |body: &[u8]| {
        let trailers = h2::headers(END_STREAM, FIRST, &[("grpc-status", "0")]);
        let body = h2::data(0, FIRST, body);
        call_answered_by([head(), body, trailers].concat())
    };
    let no_trailers = h2::data(END_STREAM, FIRST, &ok());
    let no_number = [(":status", "200"), ("grpc-status", "x")];
    let no_number = h2::headers(END_STREAM, FIRST, &no_number);
    let mebibyte = h2::data(0, FIRST, &[0; 16 << 10]).repeat(64);
    vec![
        ("a compressed message", with(b"\x01\0\0\0\x04\x0a\x02ok")),
        ("a prefix of 4 GiB", with(b"\0\xff\xff\xff\xff\x0a\x02ok")),
        ("a prefix too short", with(b"\0\0\0\0\x01\x0a\x02ok")),
        ("half of a prefix", with(b"\0\0\0")),
        ("two messages", with(&ok().repeat(2))),
        ("no message", with(b"")),
        (
            "a message, no trailers",
            call_answered_by([head(), no_trailers].concat()),
        ),
        ("a grpc-status that is none", call_answered_by(no_number)),
        (
            "1 MiB of DATA",
            call_answered_by([head(), mebibyte].concat()),
        ),
    ]
}

fn of_streams() -> Vec<(&'static str, Script)> {
    let on = |stream| call_answered_by(h2::answer(stream, &ok()));
    let reset = |code| call_answered_by(h2::reset(FIRST, code));
    let early = h2::data(END_STREAM, FIRST, &ok());
    let half = [head(), h2::data(0, FIRST, &ok()[..6]), h2::reset(FIRST, 2)];
    let push = h2::frame(PUSH_PROMISE, END_HEADERS, FIRST, b"\0\0\0\x02\x82");
    vec![
        ("answers on stream 3", on(3)),
        ("answers on stream 2", on(2)),
        ("answers on stream 0", on(0)),
        ("RST_STREAM NO_ERROR", reset(0)),
        ("RST_STREAM INTERNAL_ERROR", reset(2)),
        ("RST_STREAM REFUSED_STREAM", reset(7)),
        ("RST_STREAM CANCEL", reset(8)),
        ("RST_STREAM in the message", call_answered_by(half.concat())),
        ("DATA before HEADERS", call_answered_by(early)),
        ("PUSH_PROMISE", call_answered_by(push)),
        ("a frame of 16 MiB", call_answered_by(vec![0xff; 1 << 20])),
    ]
}

fn of_headers() -> Vec<(&'static str, Script)> {
    let broken = h2::frame(HEADERS, END_HEADERS, FIRST, b"\xff\xff\xff\xff");
    let large = h2::block(&[("x-filler", &"x".repeat(100))]).repeat(140);
    let parts = |count: usize, part: &[u8], end: Vec<u8>| {
        let first = h2::frame(HEADERS, 0, FIRST, &h2::block(&h2::GRPC));
        let more = h2::frame(CONTINUATION, 0, FIRST, part).repeat(count);
        call_answered_by([first, more, end].concat())
    };
    let end = h2::frame(CONTINUATION, END_HEADERS, FIRST, b"");
    let bomb = h2::frame(HEADERS, END_HEADERS | END_STREAM, FIRST, &bomb());
    vec![
        ("a broken header block", call_answered_by(broken)),
        ("headers of 200 KiB", parts(12, &large, end)),
        ("50 MiB of CONTINUATION", parts(3_200, &large, Vec::new())),
        ("empty CONTINUATION", parts(100_000, b"", Vec::new())),
        ("an HPACK bomb", call_answered_by(bomb)),
    ]
}

/// Returns a header bomb: one entry of 2 KiB in HPACK's table, named ten thousand times, is 20
/// MiB.
fn bomb() -> Vec<u8> {
    const LENGTH: usize = 127 + 1 + (15 << 7);
    let mut block = h2::block(&h2::GRPC);
    block.extend([0x40, 1, b'x', 0x7f, 0x81, 0x0f]);
    block.extend([b'y'; LENGTH]);
    block.extend([0xbe; 10_000]);
    block
}
