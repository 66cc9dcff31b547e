//! The table of verdicts in docs/troubleshooting.md, which is generated from the enum.

use std::fmt::Write as _;
use std::time::Duration;

use micro_health::internal::Stage;
use micro_health::internal::Unhealthy;

use super::compare_part;

#[test]
fn the_table_of_verdicts_is_the_enum() {
    let mut table =
        "| `reason` | the sentence | `?code=reason` | what to do |\n|---|---|---|---|\n".to_owned();
    for unhealthy in every_kind() {
        let reason = unhealthy.reason();
        writeln!(
            table,
            "| `{}` | {} | {} | {} |",
            reason.code,
            unhealthy.to_string().replace('|', "\\|"),
            reason.status,
            reason.remedy
        )
        .unwrap();
    }
    compare_part("docs/troubleshooting.md", "src/check/unhealthy.rs", &table);
}

/// Returns an example of each kind, with a message of a peer.
fn every_kind() -> Vec<Unhealthy> {
    use Unhealthy::{
        Deadline, Denied, Failing, NoDebug, NoEndpoints, NotServing, Protocol, Tls, TooFew,
        UnknownService, Unreachable,
    };
    let kinds = vec![
        NotServing("\"degraded\"".into()),
        Failing("an error: database is locked".into()),
        NoDebug("Debug.Health"),
        UnknownService("greeter".to_owned()),
        Deadline(Duration::from_millis(900), Stage::Waiting),
        Unreachable("connection refused".into()),
        Tls("the certificate has expired".into()),
        Denied("invalid token".into()),
        Protocol("HTTP/1.1 400 Bad Request".into()),
        NoEndpoints("greeter.shop has no endpoints".into()),
        TooFew {
            healthy: 1,
            considered: 3,
            needed: 2,
            address: "10.1.0.9:8080".to_owned(),
            worst: Box::new(Unreachable("connection refused".into())),
            reached: Stage::Connecting,
        },
    ];
    // A new kind does not compile until it has its row.
    for kind in &kinds {
        match kind {
            NotServing(_)
            | Failing(_)
            | NoDebug(_)
            | UnknownService(_)
            | Deadline(..)
            | Unreachable(_)
            | Tls(_)
            | Denied(_)
            | Protocol(_)
            | NoEndpoints(_)
            | TooFew { .. } => {}
        }
    }
    kinds
}
