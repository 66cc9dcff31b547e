//! The tests that docs/comparison.md names as its evidence: each of them exists.

use std::fs;

use super::{files_below, read};

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
    let files = ["src", "tests"].into_iter().flat_map(files_below);
    let files = files.filter(|it| {
        it.extension()
            .is_some_and(|kind| kind == "rs" || kind == "sh")
    });
    let code: String = files
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let exists = |name: &str| {
        code.contains(&format!("fn {name}(")) || code.contains(&format!("\n{name}() {{"))
    };
    let gone: Vec<_> = names.into_iter().filter(|name| !exists(name)).collect();
    assert!(gone.is_empty(), "no test is called {gone:#?}");
}
