//! The recordings in tests/wire, as scripts.
//!
//! A `.hex` file in grpc/ has the bytes of two moments, `= on accept` and `= on request`, and may
//! end in `= reset`. A `.http` file in mucp/ is the answer to one request. Lines that begin with
//! `#` name the releases that sent it.

use std::fs;
use std::path::PathBuf;

use testkit::scripts::{self, cut, read_request};
use testkit::service::Script;
use tokio::io::AsyncWriteExt as _;

/// A recording: the bytes, and the moments at which they are sent.
#[derive(Clone, Debug, Default)]
struct Recording {
    on_accept: Vec<u8>,
    on_request: Vec<u8>,
    reset: bool,
}

/// Returns a recorded gRPC server.
pub fn grpc(name: &str) -> Script {
    let text = fs::read_to_string(recordings("grpc").join(name)).unwrap();
    let mut recording = Recording::default();
    let mut requested = false;
    for line in text.lines() {
        match line.strip_prefix("= ") {
            Some("on accept") => requested = false,
            Some("on request") => requested = true,
            Some("reset") => recording.reset = true,
            Some(other) => panic!("{name}: {other:?}"),
            None if line.starts_with('#') => {}
            None => {
                let bytes = line.split_whitespace().map(|hex| {
                    u8::from_str_radix(hex, 16).unwrap_or_else(|_| panic!("{name}: {hex:?}"))
                });
                if requested {
                    recording.on_request.extend(bytes);
                } else {
                    recording.on_accept.extend(bytes);
                }
            }
        }
    }
    if recording.reset {
        let bytes = recording.on_accept;
        return Script::new(move |mut stream| {
            let bytes = bytes.clone();
            async move {
                let _ = stream.write_all(&bytes).await;
                read_request(&mut stream).await;
                cut(stream);
            }
        });
    }
    scripts::http2(recording.on_accept, recording.on_request)
}

/// Returns a recorded answer to HTTP/1.1.
pub fn mucp(name: &str) -> Vec<u8> {
    let text = fs::read_to_string(recordings("mucp").join(name)).unwrap();
    let lines = text.split_inclusive('\n');
    let answer: String = lines.skip_while(|line| line.starts_with('#')).collect();
    let (head, body) = answer.split_once("\n\n").unwrap();
    format!("{}\r\n\r\n{body}", head.replace('\n', "\r\n")).into_bytes()
}

/// Returns the names of the recordings in a folder.
pub fn names(folder: &str) -> Vec<String> {
    let files = fs::read_dir(recordings(folder)).unwrap();
    files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect()
}

fn recordings(folder: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "wire", folder]
        .iter()
        .collect()
}
