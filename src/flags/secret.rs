//! The flags whose value can hold a secret: a refusal names them and never shows the value.

use std::ffi::OsStr;

/// The flags of every command whose value can hold a secret. A URL may hold a password.
pub(crate) const FLAGS: [&str; 6] = [
    "k8s_token",
    "k8s_url",
    "metadata",
    "registry_address",
    "rpc_header",
    "server_metadata",
];

/// The text in the place of a value that is not shown.
pub(super) const HIDDEN: &str = "(not shown)";

/// Returns true if the value of this flag can hold a secret.
pub(super) fn is_secret_flag(flag: &str) -> bool {
    FLAGS.contains(&flag)
}

/// Returns true if an argument is such a flag, in clap's spelling.
pub(super) fn is_secret_argument(argument: &OsStr) -> bool {
    let text = argument.to_string_lossy();
    let flag = text.strip_prefix("--").unwrap_or_default();
    is_secret_flag(flag.split('=').next().unwrap_or_default())
}
