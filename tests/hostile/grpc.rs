//! Clients of `grpc.health.v1`.

use std::process::{Command, Stdio};

use testkit::frames::{END_STREAM, data, headers, message};

use crate::attack::Client;
use crate::http2::{self, streams, uploading};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The headers of every gRPC request.
const PLAIN: &[(&str, &str)] = &[("content-type", "application/grpc"), ("te", "trailers")];

const GZIP: &[(&str, &str)] = &[
    ("content-type", "application/grpc"),
    ("te", "trailers"),
    ("grpc-encoding", "gzip"),
];

/// The largest message that a gRPC server accepts by default.
const LARGE: usize = 4 << 20;

/// The size of the bomb after decompression.
const BOMB: usize = 64 << 20;

/// Sends Checks whose body never ends.
pub fn unfinished(count: u32) -> Client {
    let open = |stream| headers(0, stream, &head(CHECK));
    Client::sending([http2::start(), streams(count).flat_map(open).collect()].concat())
}

/// Opens a number of Watches.
pub fn watches(count: u32) -> Client {
    let open = |stream| {
        [
            headers(0, stream, &head(WATCH)),
            data(END_STREAM, stream, &message(&[])),
        ]
        .concat()
    };
    Client::sending([http2::start(), streams(count).flat_map(open).collect()].concat())
}

/// Sends Checks with one message of the largest size.
pub fn large_messages() -> Client {
    uploading(CHECK, PLAIN, message(&vec![0; LARGE - 1]))
}

/// Sends Checks with many messages each.
pub fn many_messages() -> Client {
    uploading(CHECK, PLAIN, message(&[]).repeat(LARGE / 20))
}

/// Sends Checks with the compressed flag: without an encoding, with an invalid body, and with a gzip bomb.
pub fn compressed() -> Client {
    let compressed = |bytes: &[u8]| {
        let mut message = message(bytes);
        message[0] = 1;
        message
    };
    let zeros = vec![0; 64 << 10];
    Client::each([
        uploading(CHECK, PLAIN, compressed(&zeros)),
        uploading(CHECK, GZIP, compressed(&zeros)),
        uploading(CHECK, GZIP, compressed(&bomb())),
    ])
}

/// Returns compressed zeros.
fn bomb() -> Vec<u8> {
    let script = format!("head -c {BOMB} /dev/zero | gzip -9");
    let gzip = Command::new("sh")
        .args(["-c", &script])
        .stdin(Stdio::null())
        .output();
    let gzip = gzip.expect("sh must be installed");
    assert!(
        gzip.status.success() && gzip.stdout.len() > 1_000,
        "{gzip:?}"
    );
    gzip.stdout
}

fn head(path: &str) -> [(&str, &str); 6] {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "sidecar"),
        (":path", path),
        PLAIN[0],
        PLAIN[1],
    ]
}
