//! `health config`: what a service finds in the environment and in the `ConfigMap`.
//!
//! ```text
//! argv ──▶ options ──▶ the ConfigMap, once or watched ──▶ values, exit code
//! ```

use std::ffi::OsString;
use std::io::{self, Write};
use std::pin::pin;

use futures_util::StreamExt as _;
use serde_json::{Value, json};

use self::options::{Asked, Output};
use super::{Change, Config, Environment, Error, values};
use crate::cluster::Cluster;
use crate::cluster::command::{self, DONE, REFUSED, USAGE};

pub mod options;

/// Runs one command and returns the exit code.
pub fn run(
    argv: Vec<OsString>,
    variable: impl Fn(&str) -> Option<OsString>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let asked = match options::read(argv, &variable) {
        Ok(asked) => asked,
        Err(refusal) => return command::refuse(&refusal, out, err),
    };
    let text = |text: OsString| text.to_string_lossy().into_owned();
    let pairs = environment.into_iter();
    let pairs = pairs.map(|(name, value)| (text(name), text(value)));
    let environment = Environment {
        variables: pairs.filter(|_| !asked.without_env).collect(),
        prefixes: asked.prefixes.clone(),
    };
    let code = command::run(async {
        let cluster = match Cluster::new(&asked.cluster, &variable).await {
            Ok(cluster) => cluster,
            Err(unusable) => {
                let _ = writeln!(err, "error: {unusable}");
                return USAGE;
            }
        };
        let (namespace, name) = (cluster.namespace(), &asked.config_map);
        let config = Config::new(cluster.client(), namespace, name, environment);
        // Whoever read us and has had enough is no failure.
        act(&asked, config, out, err).await.unwrap_or(DONE)
    });
    code.unwrap_or(REFUSED)
}

/// Prints what was asked for. The environment is served whatever the `ConfigMap` is.
async fn act(
    asked: &Asked,
    mut config: Config,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let loaded = config.load().await;
    let mut code = DONE;
    if let Err(error) = &loaded {
        let is_awaited = asked.watch && matches!(error, Error::Missing { .. });
        let word = if is_awaited { "note" } else { "error" };
        writeln!(err, "{word}: {error}")?;
        code = REFUSED;
    }
    let found = values::get(config.values(), &asked.path);
    if found.is_none() {
        writeln!(err, "error: {} is not set", asked.path.join(" "))?;
        code = REFUSED;
    }
    if asked.watch {
        write!(out, "{}", now(asked, found))?;
        out.flush()?;
        return watch(asked, &config, loaded.err(), out, err).await;
    }
    if let Some(found) = found {
        write!(out, "{}", once(asked, found))?;
    }
    Ok(code)
}

/// Prints each change, until one comes that will not pass.
async fn watch(
    asked: &Asked,
    config: &Config,
    mut told: Option<Error>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    let mut shown = values::get(config.values(), &asked.path).cloned();
    let mut changes = pin!(config.watch());
    while let Some(change) = changes.next().await {
        match change {
            Ok(change) => {
                told = None;
                let found = values::get(&change.values, &asked.path).cloned();
                // Of one path only what changes there is news.
                if asked.path.is_empty() || found != shown {
                    write!(out, "{}", changed(asked, &change, found.as_ref()))?;
                    out.flush()?;
                }
                shown = found;
            }
            Err(error) => {
                if told.as_ref() != Some(&error) {
                    writeln!(err, "error: {error}")?;
                }
                if matches!(error, Error::Denied { .. }) {
                    return Ok(REFUSED);
                }
                told = Some(error);
            }
        }
    }
    Ok(DONE)
}

fn once(asked: &Asked, found: &Value) -> String {
    match asked.output {
        Output::Json => format!("{found}\n"),
        Output::Text if asked.path.is_empty() => values::lines(found),
        Output::Text => format!("{}\n", values::text(found)),
    }
}

/// The first line of a watch: what is, before anything happens.
fn now(asked: &Asked, found: Option<&Value>) -> String {
    match asked.output {
        Output::Json => format!("{}\n", json!({"event": "now", "config": found})),
        Output::Text => told("now", asked, found),
    }
}

fn changed(asked: &Asked, change: &Change, found: Option<&Value>) -> String {
    let event = change.event.as_str();
    match asked.output {
        Output::Json => format!("{}\n", json!({"event": event, "config": found})),
        Output::Text => told(event, asked, found),
    }
}

fn told(event: &str, asked: &Asked, found: Option<&Value>) -> String {
    let found = found.map_or_else(|| "not set\n".to_owned(), |found| once(asked, found));
    if asked.path.is_empty() {
        format!("# {event}\n{found}")
    } else {
        found
    }
}
