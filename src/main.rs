//! Passes argv, the environment and the standard streams to the dispatcher.

use std::process::ExitCode;
use std::{env, io};

use micro_health::internal::Console;
use micro_health::internal::Environment;
use micro_health::internal::dispatch;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let environment = Environment {
        variable: &|name| env::var_os(name),
        all: &|| env::vars_os().collect(),
    };
    let mut console = Console {
        out: &mut io::stdout(),
        err: &mut io::stderr(),
    };
    dispatch::run(env::args_os().collect(), environment, &mut console)
}
