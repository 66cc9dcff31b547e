//! A greeter, the sidecar beside it, and a kubelet that probes, in one command.
//!
//! ```sh
//! cargo run --example demo             # the story, then URLs to try until Ctrl-C
//! cargo run --example demo -- --once   # the story; exits non-zero if it deviates
//! ```

#![expect(clippy::print_stdout, reason = "a demo talks to a person")]

use std::ffi::OsString;
use std::net::SocketAddr;
use std::process::ExitCode;

use futures_util::stream;
use micro_health::internal::App;
use micro_health::internal::args;

use self::greeter::Greeter;
use self::kubelet::ProbeResult;

mod greeter;
mod kubelet;

/// A chapter: a change of the greeter, and the answer that the kubelet must get.
struct Chapter {
    change: &'static str,
    act: fn(&mut Greeter),
    expected: (u16, &'static str),
}

const STORY: [Chapter; 8] = [
    Chapter {
        change: "the greeter is not up yet",
        act: |_| {},
        expected: (500, "unreachable"),
    },
    Chapter {
        change: "the greeter starts",
        act: Greeter::start,
        expected: (200, "ok"),
    },
    Chapter {
        change: "it reports degraded",
        act: |greeter| greeter.set_status("degraded"),
        expected: (500, "not_serving"),
    },
    Chapter {
        change: "it reports ok again",
        act: |greeter| greeter.set_status("ok"),
        expected: (200, "ok"),
    },
    Chapter {
        change: "it hangs",
        act: |greeter| greeter.hang(true),
        expected: (500, "deadline"),
    },
    Chapter {
        change: "it answers again",
        act: |greeter| greeter.hang(false),
        expected: (200, "ok"),
    },
    Chapter {
        change: "it dies",
        act: Greeter::die,
        expected: (500, "unreachable"),
    },
    Chapter {
        change: "it returns",
        act: Greeter::start,
        expected: (200, "ok"),
    },
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let once = std::env::args().any(|argument| argument == "--once");
    let mut greeter = Greeter::reserve().await?;
    let sidecar = start_sidecar(greeter.address()).await?;
    println!(
        "greeter  {}   sidecar  http://{sidecar}/health\n",
        greeter.address()
    );
    println!(
        "{:28} {:>6}  {:13} {:12} {:>9}",
        "", "status", "body", "reason", "took"
    );
    let mut deviations = 0;
    for chapter in STORY {
        (chapter.act)(&mut greeter);
        // The very next probe must have the new answer, so nothing is awaited.
        let result = kubelet::probe(sidecar).await?;
        let is_expected = (result.status, result.reason.as_str()) == chapter.expected;
        deviations += usize::from(!is_expected);
        print_chapter(chapter.change, &result, is_expected);
    }
    if once {
        println!("\n{} chapters, {deviations} not as expected", STORY.len());
        return Ok(if deviations == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    println!("\nBoth stay up. Try, and end with Ctrl-C:");
    for path in [
        "health",
        "health?verbose",
        "healthz?code=reason",
        "readyz",
        "livez",
    ] {
        println!("  curl -i 'http://{sidecar}/{path}'");
    }
    println!("  curl -H 'Accept: application/health+json' http://{sidecar}/health");
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}

/// Starts the real sidecar with the flags of a pod, and returns its address.
async fn start_sidecar(greeter: SocketAddr) -> anyhow::Result<SocketAddr> {
    let argv = [
        "health".to_owned(),
        "--health_address=127.0.0.1:0".to_owned(),
        "--server_name=greeter".to_owned(),
        format!("--server_address={greeter}"),
    ];
    let app = App::bind(args::read(argv.map(OsString::from), |_| None)?).await?;
    let address = app.local_addr();
    tokio::spawn(app.run(stream::pending()));
    Ok(address)
}

fn print_chapter(change: &str, result: &ProbeResult, is_expected: bool) {
    let took = format!("{:.1} ms", result.took.as_secs_f64() * 1e3);
    let mark = if is_expected {
        ""
    } else {
        "   <- not expected"
    };
    println!(
        "{change:28} {:>6}  {:13} {:12} {took:>9}{mark}",
        result.status, result.body, result.reason
    );
}
