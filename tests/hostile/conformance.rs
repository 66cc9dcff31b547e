//! The conformance suite h2spec: every malformed frame is answered as RFC 9113 and RFC 7541
//! require.

use std::time::Duration;

use testkit::rig::program;
use tokio::process::Command;
use tokio::time;

use crate::pod::{Pod, Setting};

/// The bound of the suite, which takes two seconds.
const PATIENCE: Duration = Duration::from_mins(1);

/// The cases that fail, each with the reason.
const KNOWN: [&str; 2] = [
    // The port speaks HTTP/1.1 too. It treats any other preface as HTTP/1.1 and answers 400
    // before it closes.
    "failed http2/3.5/2 Sends invalid connection preface",
    // The suite ignores the stream's window, which is smaller than this frame: no request needs more.
    "failed http2/4.2/1 Sends a DATA frame with 2^14 octets in length",
];

/// The totals, so that no case is skipped unnoticed.
const TOTAL: &str = "144 passed, 2 failed, 0 skipped";

#[tokio::test]
async fn only_known_cases_of_h2spec_fail() {
    let pod = Pod::start(Setting::Well).await;
    let mut suite = Command::new(program("h2spec"));
    suite
        .args([&pod.sidecar.address.to_string(), "/livez"])
        .kill_on_drop(true);

    let suite = time::timeout(PATIENCE, suite.output()).await;

    let suite = suite
        .expect("h2spec must end")
        .expect("h2spec must be built");
    let report = String::from_utf8_lossy(&suite.stdout);
    let noise = String::from_utf8_lossy(&suite.stderr);
    assert!(suite.status.success(), "{report}\n{noise}");
    let expected = KNOWN.iter().chain(&[TOTAL]).copied().collect::<Vec<_>>();
    assert_eq!(report.lines().collect::<Vec<_>>(), expected, "{noise}");
}
