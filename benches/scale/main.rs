//! The costs of watching Services: `cargo bench --bench scale`, which `just bench` runs.
//!
//! ```text
//! main: the table ──▶ client: a resolver, measure ──▶ server: slices, HTTP/2 over TLS
//!                     one process for each column, so that its memory is measure alone
//! ```
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a program that prints a table, and has no caller for an error"
)]

mod client;
mod server;

use std::process::Command;

use serde_json::Value;

/// The shape of a measurement: Services, endpoints and slices.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The number of Services. All are alike.
    pub services: usize,
    /// The number of endpoints of each Service.
    pub endpoints: usize,
    /// The number of slices of each Service.
    pub slices: usize,
}

const SHAPES: [Shape; 4] = [
    Shape::new(10, 10, 1),
    Shape::new(1_000, 10, 1),
    Shape::new(1, 100, 1),
    Shape::new(1, 5_000, 50),
];

/// The name of each row, and of its figure in the client's line.
const ROWS: [(&str, &str); 6] = [
    ("first answer: all endpoints known, ms", "known_ms"),
    ("  processor time of it, ms", "known_cpu_ms"),
    ("memory for each endpoint, bytes", "bytes_per_endpoint"),
    ("memory for each Service, bytes", "bytes_per_service"),
    ("a change of one slice: processor time, µs", "change_cpu_us"),
    ("  until clients see it, p50, µs", "change_delay_us"),
];

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["client", ref shape @ ..] => println!("{}", client::run(Shape::read(shape))),
        ["server", folder, ref shape @ ..] => server::run(folder.as_ref(), Shape::read(shape)),
        _ => table(),
    }
}

fn table() {
    let columns: Vec<_> = SHAPES.into_iter().map(measure).collect();
    let names = SHAPES.map(|shape| format!("{} × {}", shape.services, shape.endpoints));
    print_row("services × endpoints of each", &names);
    print_row(
        "  in slices of each",
        &SHAPES.map(|shape| shape.slices.to_string()),
    );
    for (name, figure) in ROWS {
        let cells = columns.iter().map(|column| figure_of(column, figure));
        print_row(name, &cells.collect::<Vec<_>>());
    }
}

fn print_row(name: &str, cells: &[String]) {
    let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>12}")).collect();
    println!("{name:<44}{}", cells.concat());
}

fn figure_of(column: &Value, name: &str) -> String {
    match column[name].as_f64() {
        None => "-".to_owned(),
        Some(figure) if figure < 100.0 => format!("{figure:.1}"),
        Some(figure) => format!("{figure:.0}"),
    }
}

/// Measures a shape in a process of its own.
fn measure(shape: Shape) -> Value {
    let program = std::env::current_exe().unwrap();
    let client = Command::new(program)
        .arg("client")
        .args(shape.words())
        .output();
    let client = client.expect("this program must start again");
    assert!(
        client.status.success(),
        "{}",
        String::from_utf8_lossy(&client.stderr)
    );
    serde_json::from_slice(&client.stdout).expect("the client must print its figures")
}

// === impl Shape ===

impl Shape {
    const fn new(services: usize, endpoints: usize, slices: usize) -> Self {
        Self {
            services,
            endpoints,
            slices,
        }
    }

    fn read(words: &[&str]) -> Self {
        let numbers: Vec<usize> = words.iter().map(|word| word.parse().unwrap()).collect();
        Self::new(numbers[0], numbers[1], numbers[2])
    }

    /// Returns the words that [`Self::read`] parses.
    pub fn words(self) -> [String; 3] {
        [self.services, self.endpoints, self.slices].map(|number| number.to_string())
    }
}
