//! The command lines of this binary in a pod.

use std::ffi::OsString;
use std::path::Path;

use k8s_openapi::api::core::v1::{Container, PodSpec};
use micro_health::internal::Plan;
use micro_health::internal::args::{self, Args};
use micro_health::internal::invocation::{self, Invocation};
use micro_health::internal::parse;

use super::overlay::containers;
use super::placement::{Sidecar, probes};

/// The variable that the Dockerfile sets.
const OF_THE_IMAGE: (&str, &str) = ("MICRO_HEALTH_ADDRESS", "0.0.0.0:8080");

/// A command line in a pod, with its variables.
#[derive(Debug)]
pub struct CommandLine {
    /// The container and the field that has it.
    pub place: String,
    pub argv: Vec<OsString>,
    variables: Vec<(String, OsString)>,
}

/// The parsed command line.
#[derive(Debug)]
pub enum Parsed {
    Sidecar(Box<Args>),
    Probe(Box<Plan>),
}

/// Returns the container of the sidecar.
pub fn sidecar(spec: &PodSpec) -> Option<&Container> {
    containers(spec).find(|it| is_ours(it))
}

/// Returns the container of the sidecar with the port on which it answers.
pub fn answering(spec: &PodSpec) -> Option<Sidecar<'_>> {
    let container = sidecar(spec)?;
    match CommandLine::of(container).read() {
        Ok(Parsed::Sidecar(args)) => Some(Sidecar {
            name: &container.name,
            port: args.server.health_address.port,
        }),
        other => panic!("{}: {other:?}", container.name),
    }
}

fn is_ours(container: &Container) -> bool {
    let image = container.image.as_deref().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split([':', '@']).next() == Some("health")
}

// === impl CommandLine ===

impl CommandLine {
    /// Returns every command line of this binary: the sidecar's, and those of `health probe`.
    pub fn all(spec: &PodSpec) -> Vec<Self> {
        let sidecar = sidecar(spec).map(Self::of);
        let exec = containers(spec).flat_map(Self::probes_of);
        sidecar.into_iter().chain(exec).collect()
    }

    fn of(container: &Container) -> Self {
        let entrypoint = vec!["/health".to_owned()];
        let command = container.command.clone().unwrap_or(entrypoint);
        let args = container.args.clone().unwrap_or_default();
        let image = (OF_THE_IMAGE.0.to_owned(), OF_THE_IMAGE.1.into());
        Self {
            place: container.name.clone(),
            argv: command
                .into_iter()
                .chain(args)
                .map(OsString::from)
                .collect(),
            variables: variables(container).chain([image]).collect(),
        }
    }

    fn probes_of(container: &Container) -> impl Iterator<Item = Self> {
        probes(container).filter_map(|(kind, probe)| {
            let argv = probe.exec.as_ref()?.command.clone()?;
            let program = Path::new(argv.first()?).file_name()?;
            (program == "health").then(|| Self {
                place: format!("{} {kind}", container.name),
                argv: argv.into_iter().map(OsString::from).collect(),
                variables: variables(container).collect(),
            })
        })
    }

    /// Parses it as the binary does at its start.
    pub fn read(&self) -> Result<Parsed, String> {
        let variable = |name: &str| {
            let found = self.variables.iter().find(|(it, _)| it == name);
            found.map(|(_, value)| value.clone())
        };
        match invocation::parse(self.argv.clone()) {
            Invocation::Sidecar(argv) => {
                let parsed = args::read(argv, variable).map_err(|why| why.to_string())?;
                match &parsed.notices[..] {
                    [] => Ok(Parsed::Sidecar(Box::new(parsed.args))),
                    // A published pod must have no flag or variable that is ignored.
                    [notice, ..] => Err(notice.to_string()),
                }
            }
            Invocation::Probe(tool, argv) => {
                let plan = parse::read(tool, argv, variable).map_err(|why| why.to_string())?;
                Ok(Parsed::Probe(Box::new(plan)))
            }
            Invocation::Command(subcommand, _) => Err(format!("{subcommand:?} is not for a pod")),
        }
    }
}

fn variables(container: &Container) -> impl Iterator<Item = (String, OsString)> {
    let variables = container.env.iter().flatten();
    variables.map(|it| {
        let value = it.value.as_deref();
        (it.name.clone(), value.unwrap_or("set elsewhere").into())
    })
}

#[test]
fn an_unknown_flag_is_refused() {
    let read = |words: &[&str]| {
        let line = CommandLine {
            place: "health".to_owned(),
            argv: words.iter().map(OsString::from).collect(),
            variables: Vec::new(),
        };
        line.read().map(drop)
    };
    let (name, address) = ("--server_name=greeter", "--server_address=localhost:8080");
    assert_eq!(read(&["/health", name, address]), Ok(()));
    assert_eq!(
        read(&["/opt/health/health", "probe", name, address]),
        Ok(())
    );
    for wrong in [
        "--server_nam=greeter",
        "--cache=never",
        "--broker_address=:1",
    ] {
        let refused = read(&["/health", name, address, wrong]);
        let flag = wrong.split('=').next().unwrap();
        assert!(
            refused.as_ref().is_err_and(|why| why.contains(flag)),
            "{refused:?}"
        );
    }
    for wrong in ["--health_address=0.0.0.0:8081", "--exitO1"] {
        let refused = read(&["/health", "probe", name, address, wrong]);
        assert!(refused.is_err(), "{wrong}");
    }
}
