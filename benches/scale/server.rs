//! The API server. It prints its address, and changes a slice for each line that it reads.

use std::path::Path;
use std::{io, thread};

use testkit::slice_server::{SliceServer, slice};
use tokio::sync::mpsc;

use crate::Shape;

/// Serves until its input ends.
#[tokio::main(flavor = "current_thread")]
pub async fn run(folder: &Path, shape: Shape) {
    let server = SliceServer::start().await;
    server.write_account(folder, "a token");
    for service in 0..shape.services {
        for part in 0..shape.slices {
            set(&server, shape, service, part, true);
        }
    }
    println!("{}", server.address);
    let (read, mut lines) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lines() {
            let _ = read.send(line.unwrap());
        }
    });
    while let Some(line) = lines.recv().await {
        let numbers: Vec<usize> = line.split(' ').map(|word| word.parse().unwrap()).collect();
        set(&server, shape, numbers[0], numbers[1], numbers[2] == 1);
    }
}

/// Writes a slice whose first endpoint is ready or not ready.
fn set(server: &SliceServer, shape: Shape, service: usize, part: usize, ready: bool) {
    let name = format!("greeter-{service}");
    let each = shape.endpoints / shape.slices;
    let first = service * shape.endpoints + part * each;
    let mut object = slice(&name, first, each);
    object["endpoints"][0]["conditions"]["ready"] = ready.into();
    server.set(&name, &format!("{name}-{part:02}"), object);
}
