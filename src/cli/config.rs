//! `health config`: the settings of a service from the environment and the `ConfigMap`.
//!
//! ```text
//! argv ──▶ options ──▶ the ConfigMap, once or watched ──▶ values, exit code
//! ```

use std::ffi::OsString;
use std::io::{self, Write};
use std::pin::pin;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

use self::options::Request;
use super::command;
use super::console::Console;
use super::environment::Environment as ProcessEnvironment;
use super::exit::{DONE, REFUSED, USAGE};
use super::output::Output;
use crate::cluster::Cluster;
use crate::config::{Change, Config, Environment, Error, values};

pub(crate) mod options;

/// Runs one command and returns the exit code.
pub(crate) fn run(
    argv: Vec<OsString>,
    environment: ProcessEnvironment<'_>,
    console: &mut Console<'_>,
) -> u8 {
    let request = match options::read(argv, environment.variable) {
        Ok(request) => request,
        Err(refusal) => return console.refuse(&refusal, USAGE),
    };
    let variables = if request.without_env {
        Vec::new()
    } else {
        let text = |text: OsString| text.to_string_lossy().into_owned();
        let all = (environment.all)().into_iter();
        all.map(|(name, value)| (text(name), text(value))).collect()
    };
    let settings = Environment {
        variables,
        prefixes: request.prefixes.clone(),
    };
    let cluster = Cluster::new(&request.cluster, environment.variable);
    command::run(
        LevelFilter::WARN,
        cluster,
        console,
        async |cluster, console| {
            let (namespace, name) = (cluster.namespace(), &request.config_map);
            let config = Config::new(cluster.client(), namespace, name, settings);
            act(&request, config, console.out, console.err).await
        },
    )
}

/// Prints the requested settings. The environment is printed even if the `ConfigMap` cannot be
/// read.
async fn act(
    request: &Request,
    mut config: Config,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let loaded = config.load().await;
    let mut code = DONE;
    if let Err(error) = &loaded {
        let is_awaited = request.watch && matches!(error, Error::Missing { .. });
        let word = if is_awaited { "note" } else { "error" };
        writeln!(err, "{word}: {error}")?;
        code = REFUSED;
    }
    let found = values::get(config.values(), &request.path);
    if found.is_none() {
        writeln!(err, "error: {} is not set", request.path.join(" "))?;
        code = REFUSED;
    }
    if request.watch {
        write!(out, "{}", now(request, found))?;
        out.flush()?;
        return watch(request, &config, loaded.err(), out, err).await;
    }
    if let Some(found) = found {
        write!(out, "{}", once(request, found))?;
    }
    Ok(code)
}

/// Prints each change until a permanent error.
async fn watch(
    request: &Request,
    config: &Config,
    mut last_error: Option<Error>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut printed = values::get(config.values(), &request.path).cloned();
    let mut changes = pin!(config.watch());
    while let Some(change) = changes.next().await {
        match change {
            Ok(change) => {
                last_error = None;
                let found = values::get(&change.values, &request.path).cloned();
                // With a path, only changes of its value are printed.
                if request.path.is_empty() || found != printed {
                    write!(out, "{}", changed(request, &change, found.as_ref()))?;
                    out.flush()?;
                }
                printed = found;
            }
            Err(error) => {
                if last_error.as_ref() != Some(&error) {
                    writeln!(err, "error: {error}")?;
                }
                if matches!(error, Error::Denied { .. }) {
                    return Ok(REFUSED);
                }
                last_error = Some(error);
            }
        }
    }
    Ok(DONE)
}

fn once(request: &Request, found: &Value) -> String {
    match request.output {
        Output::Json => format!("{found}\n"),
        Output::Text if request.path.is_empty() => values::lines(found),
        Output::Text => format!("{}\n", values::text(found)),
    }
}

/// Returns the first line of a watch: the value before any change.
fn now(request: &Request, found: Option<&Value>) -> String {
    match request.output {
        Output::Json => format!("{}\n", json!({"event": "now", "config": found})),
        Output::Text => event_text("now", request, found),
    }
}

fn changed(request: &Request, change: &Change, found: Option<&Value>) -> String {
    let event = change.event.as_str();
    match request.output {
        Output::Json => format!("{}\n", json!({"event": event, "config": found})),
        Output::Text => event_text(event, request, found),
    }
}

fn event_text(event: &str, request: &Request, found: Option<&Value>) -> String {
    let found = found.map_or_else(|| "not set\n".to_owned(), |found| once(request, found));
    if request.path.is_empty() {
        format!("# {event}\n{found}")
    } else {
        found
    }
}
