//! The layers of the source tree: a module imports only from modules above it, and no files
//! import each other in a circle. The tests read the `use` items and the paths of src/, without
//! its tests.

use std::collections::{BTreeMap, BTreeSet};

use self::imports::Imports;

mod deciding;
mod imports;

/// The top modules from the lowest to the highest, with the modules that each may import besides
/// `text`.
/// Source: ARCHITECTURE.md, "Tree and direction".
const LAYERS: [(&str, &[&str]); 14] = [
    ("text", &[]),
    ("flags", &[]),
    ("net", &["flags"]),
    ("cluster", &["flags", "net"]),
    ("resolver", &["cluster", "net"]),
    ("debug", &[]),
    ("check", &["debug", "flags", "net", "resolver"]),
    ("registry", &["cluster"]),
    (
        "registration",
        &["check", "cluster", "flags", "net", "registry"],
    ),
    ("config", &["cluster"]),
    ("catalog", &["check", "cluster", "net"]),
    ("server", &["check", "flags", "net", "registration"]),
    (
        "app",
        &[
            "check",
            "cluster",
            "flags",
            "net",
            "registration",
            "resolver",
            "server",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "catalog",
            "check",
            "cluster",
            "config",
            "flags",
            "net",
            "registration",
            "registry",
            "resolver",
        ],
    ),
];

#[test]
fn a_module_imports_only_from_those_above_it() {
    let allowed: BTreeMap<_, _> = LAYERS.into_iter().collect();
    for (place, (name, may)) in LAYERS.iter().enumerate() {
        for import in *may {
            assert!(
                LAYERS[..place].iter().any(|(above, _)| above == import),
                "the table lets {name} import {import}, which is not above it"
            );
        }
    }
    let imports = Imports::of_the_library();
    let known: BTreeSet<_> = imports
        .modules()
        .map(|module| imports::top(module))
        .collect();
    for name in &known {
        assert!(allowed.contains_key(name), "{name} is not in the table");
    }
    let forbidden: Vec<_> = imports
        .edges()
        .filter(|(from, to)| {
            let (from, to) = (imports::top(from), imports::top(to));
            from != to && to != "text" && !allowed[from].contains(&to)
        })
        .map(|(from, to)| format!("{from} imports {to}"))
        .collect();
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let imports = Imports::of_the_library();
    assert!(
        imports.edges().count() > 300,
        "{} imports found",
        imports.edges().count()
    );
    let circles: Vec<_> = imports
        .modules()
        .filter(|module| imports.reachable(module).contains(*module))
        .collect();
    assert!(
        circles.is_empty(),
        "these are part of a circle: {circles:#?}"
    );
}

#[test]
fn an_import_is_found_in_every_form() {
    let text = "
        use crate::net::{dial::Dialer, stage};
        use super::options as ours;
        pub use self::child::Thing;
        mod child;
        #[cfg(test)]
        mod tests { use crate::server::Server; }
        fn f() { let _ = child::g(crate::text::printable(\"a\")); tokio::select! { _ = crate::flags::parse() => {} } }
    ";
    let found = imports::paths(text, "check::target");
    for expected in [
        "net::dial::Dialer",
        "net::stage",
        "check::options",
        "check::target::child::Thing",
        "check::target::child::g",
        "text::printable",
        "flags::parse",
    ] {
        assert!(found.contains(expected), "{expected} is not in {found:#?}");
    }
    assert!(
        !found.iter().any(|path| path.starts_with("server")),
        "{found:#?}"
    );
}
