//! The file descriptors that this process may open.

use std::fs;

/// Returns the number of descriptors that this process may open, by its soft limit; `None` where
/// /proc is not mounted.
pub(crate) fn limit() -> Option<usize> {
    parse_limit(&fs::read_to_string("/proc/self/limits").ok()?)
}

/// Parses the soft limit of open files. Source: proc(5), `/proc/pid/limits`.
fn parse_limit(limits: &str) -> Option<usize> {
    let row = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match row.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        soft => soft.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_soft_limit_of_descriptors() {
        let limits = |soft: &str| {
            let head = "Limit                     Soft Limit           Hard Limit           Units";
            format!(
                "{head}\nMax open files            {soft}                 4096                 files\n"
            )
        };
        assert_eq!(parse_limit(&limits("1024")), Some(1024));
        assert_eq!(parse_limit(&limits("unlimited")), Some(usize::MAX));
        assert_eq!(parse_limit(""), None);
        assert!(limit().is_some_and(|limit| limit > 0));
    }
}
