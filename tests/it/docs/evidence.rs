//! The tests that docs/comparison.md names as its evidence: each of them exists.

use std::fs;
use std::path::Path;

use super::{path, read};

#[test]
fn every_test_that_the_comparison_names_exists() {
    let page = read("docs/comparison.md");
    let names = page.split('`').skip(1).step_by(2);
    let names = names.map(|name| name.rsplit(": ").next().unwrap_or(name));
    let is_test = |name: &&str| {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        name.matches('_').count() > 2 && name.bytes().all(fits)
    };
    let names: Vec<_> = names.filter(is_test).collect();
    assert!(names.len() > 15, "only {names:?}");
    let mut code = String::new();
    for folder in ["src", "tests"] {
        collect(&path(folder), &mut code);
    }
    let exists = |name: &str| {
        code.contains(&format!("fn {name}(")) || code.contains(&format!("\n{name}() {{"))
    };
    let gone: Vec<_> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(gone.is_empty(), "no test is called {gone:#?}");
}

/// Appends every Rust file and every shell script below a folder.
fn collect(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, code);
        } else if path.extension().is_some_and(|it| it == "rs" || it == "sh") {
            code.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
