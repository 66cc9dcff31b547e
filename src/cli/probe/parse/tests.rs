//! The command lines of three tools as tables.

use std::time::Duration;

use super::*;
use crate::check::options::Protocol;
use crate::cli::exit::Tool::{GrpcHealth, Health, Micro};
use crate::cli::output::Output;
use crate::flags::notice::Notice;

const NAMED: [&str; 2] = ["--server_name=greeter", "--server_address=localhost:9091"];

fn read_in(tool: Tool, argv: &[&str], environment: &[(&str, &str)]) -> Result<Plan, clap::Error> {
    let argv = std::iter::once(&"tool").chain(argv).map(OsString::from);
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    read(tool, argv.collect(), variable)
}

fn plan(tool: Tool, argv: &[&str], environment: &[(&str, &str)]) -> Plan {
    read_in(tool, argv, environment).unwrap_or_else(|error| panic!("{argv:?}: {error}"))
}

fn refusal(tool: Tool, argv: &[&str], environment: &[(&str, &str)]) -> String {
    let error = read_in(tool, argv, environment).err();
    let error = error.unwrap_or_else(|| panic!("{tool:?} {argv:?}"));
    assert!(error.use_stderr(), "{argv:?}: {error}");
    error.to_string()
}

fn limits(connect: u64, call: u64) -> Limits {
    let (connect, call) = (Duration::from_millis(connect), Duration::from_millis(call));
    Limits { connect, call }
}

#[test]
fn the_flags_are_consistent() {
    use clap::CommandFactory as _;
    options::Health::command().debug_assert();
    options::Micro::command().debug_assert();
}

#[test]
fn health_probe_accepts_the_sidecars_flags_and_variables() {
    let environment = [
        ("MICRO_SERVER_NAME", "from-env"),
        ("MICRO_SERVER_ADDRESS", ":1"),
        ("MICRO_HEALTH_PROTOCOL", "grpc"),
        ("MICRO_HEALTH_EXIT01", "true"),
        ("MICRO_HEALTH_METADATA", "a=1,b=2"),
        ("MICRO_HEALTH_ADDRESS", "0.0.0.0:8080"),
        ("MICRO_SERVER", "grpc"),
    ];
    let argv = [
        "-server-name",
        "greeter",
        "--broker=nats",
        "-o",
        "json",
        "-v",
        "-q",
    ];
    let plan = plan(Health, &argv, &environment);
    assert_eq!(plan.target.server_name.0, "greeter");
    assert_eq!(plan.target.server_address.to_string(), ":1");
    assert_eq!(plan.target.protocol, Protocol::Grpc);
    assert_eq!(plan.target.check_timeout.0, Duration::from_millis(900));
    assert_eq!(plan.target.metadata.len(), 2);
    assert_eq!((plan.hint, plan.limits), (Some(Protocol::Grpc), None));
    let options::Report {
        output,
        verbose,
        quiet,
        exit01,
    } = plan.report;
    assert_eq!(
        (output, verbose, quiet, exit01),
        (Output::Json, true, true, true)
    );
    assert_eq!(plan.notices, [Notice::IgnoredFlag("broker".into())]);
}

#[test]
fn the_flag_of_the_registry_is_accepted_where_it_means_something() {
    let argv = [NAMED[0], NAMED[1], "--registry=kubernetes"];
    let read = read_in(Health, &argv, &[]);
    if cfg!(feature = "kubernetes") {
        let notices = read.unwrap().notices;
        assert_eq!(notices, [Notice::IgnoredFlag("registry".into())]);
    } else {
        let refusal = read.unwrap_err().to_string();
        assert!(refusal.contains("this build has no registry"), "{refusal}");
    }
}

#[test]
fn a_switch_does_not_consume_the_next_argument() {
    let argv = ["--quiet", NAMED[0], "-v=false", "--exit01", NAMED[1]];
    let report = plan(Health, &argv, &[]).report;
    assert!(report.quiet && report.exit01 && !report.verbose);
}

#[test]
fn the_originals_probe_has_two_limits() {
    let environment = [("MICRO_CONNECT_TIMEOUT", "2s"), ("MICRO_RPC_TIMEOUT", "3s")];
    let with = |argv: &[&str], environment| plan(Micro, &[&NAMED, argv].concat(), environment);
    assert_eq!(with(&["-verbose"], &[]).limits, Some(limits(1000, 1000)));
    assert_eq!(with(&[], &environment).limits, Some(limits(2000, 3000)));
    let plan = with(
        &["--connect_timeout=50ms", "--rpc-timeout", "1m"],
        &environment,
    );
    assert_eq!(plan.limits, Some(limits(50, 60_000)));
    assert_eq!(plan.target.check_timeout.0, Duration::from_millis(60_050));
    let refusal = refusal(Micro, &NAMED, &[("MICRO_RPC_TIMEOUT", "soon")]);
    assert!(refusal.contains("MICRO_RPC_TIMEOUT"), "{refusal}");
}

#[test]
fn grpc_health_probe_is_parsed_as_by_go() {
    let argv = [
        "-addr=:5000",
        "-connect-timeout",
        "2s",
        "-rpc-timeout=3s",
        "-rpc-header=a:1",
        "-rpc-header",
        "b: 2",
        "-tls=false",
        "-gzip=F",
        "-user-agent",
        "mine",
        "-v",
        "-service",
        "greeter",
    ];
    let plan = plan(GrpcHealth, &argv, &[]);
    assert_eq!(plan.target.server_address.to_string(), ":5000");
    assert_eq!(plan.target.protocol, Protocol::GrpcHealth);
    assert_eq!(plan.target.health_service.as_deref(), Some("greeter"));
    assert_eq!(
        plan.target.metadata,
        ["a=1", "b=2"].map(|pair| pair.parse().unwrap())
    );
    assert_eq!(plan.target.user_agent.unwrap(), "mine");
    assert_eq!(plan.limits, Some(limits(2000, 3000)));
    assert!(plan.report.verbose);
}

#[test]
fn grpc_health_probe_checks_the_server_and_reads_no_variable() {
    let environment = [
        ("MICRO_HEALTH_ADDR", ":1"),
        ("MICRO_HEALTH_SERVICE", "x"),
        ("MICRO_RPC_TIMEOUT", "soon"),
        ("MICRO_HEALTH_EXIT01", "true"),
    ];
    let plan = plan(GrpcHealth, &["--addr", "localhost:5000"], &environment);
    assert_eq!(plan.target.health_service.as_deref(), Some(""));
    assert_eq!(plan.target.user_agent.unwrap(), "grpc_health_probe");
    assert_eq!(plan.limits, Some(limits(1000, 1000)));
    assert!(!plan.report.exit01);
}

#[test]
fn a_refusal_names_the_error() {
    for (tool, argv, expected) in [
        (
            Health,
            &[NAMED[1]][..],
            &["--server_name", "for example: health probe --server_name"][..],
        ),
        (
            Micro,
            &[NAMED[0]],
            &["--server_address", "for example: probe --server_name"],
        ),
        (Health, &["--rpc_timeout=1s"], &["--rpc_timeout"]),
        (
            Health,
            &["--health_address=:1", NAMED[0], NAMED[1]],
            &["--health_address"],
        ),
        (
            Health,
            &["-o", "yaml", NAMED[0], NAMED[1]],
            &["'yaml'", "text, json"],
        ),
        (
            Health,
            &["--metadata=te=x", NAMED[0], NAMED[1]],
            &["--metadata", "te is set by"],
        ),
        (
            Health,
            &["--authority=a/b", NAMED[0], NAMED[1]],
            &["--authority", "'a/b'"],
        ),
        (
            Health,
            &["--user_agent=", NAMED[0], NAMED[1]],
            &["--user_agent", "printable ASCII"],
        ),
        (
            Micro,
            &["--connect_timeout=0s", NAMED[0], NAMED[1]],
            &["--connect_timeout", "never"],
        ),
        (
            GrpcHealth,
            &[],
            &[
                "--addr",
                "for example: grpc_health_probe -addr=localhost:5000",
            ],
        ),
        (GrpcHealth, &["-addr=5000"], &["--addr", "'5000'"]),
        (
            GrpcHealth,
            &["-addr=:1", "-registry=kubernetes"],
            &["--registry"],
        ),
        (
            GrpcHealth,
            &["-addr=:1", "-rpc-timeout=0s"],
            &["--rpc_timeout", "never"],
        ),
        (
            GrpcHealth,
            &["-addr=:1", "-rpc-header=x"],
            &["--rpc_header", "name:value"],
        ),
        (
            GrpcHealth,
            &["-addr=:1", "-v=maybe"],
            &["'maybe'", "true or false"],
        ),
        (
            GrpcHealth,
            &["-addr=:1", "-gzip"],
            &["-gzip is not supported"],
        ),
        (
            GrpcHealth,
            &["-addr=:1", "-spiffe"],
            &["-spiffe is not supported"],
        ),
        (
            GrpcHealth,
            &["-addr=:1", "-alts=true"],
            &["-alts is not supported"],
        ),
    ] {
        let refusal = refusal(tool, argv, &[]);
        for part in expected {
            assert!(
                refusal.contains(part),
                "{argv:?}: {part:?} is not in\n{refusal}"
            );
        }
    }
}

#[test]
fn tls_is_refused_as_by_grpc_health_probe() {
    for (argv, expected) in [
        (
            &["-tls-no-verify"][..],
            "specified -tls-no-verify without specifying -tls",
        ),
        (
            &["-tls-ca-cert=c"],
            "specified -tls-ca-cert without specifying -tls",
        ),
        (
            &["-tls-client-cert=c"],
            "specified -tls-client-cert without specifying -tls",
        ),
        (
            &["-tls-server-name=c"],
            "specified -tls-server-name without specifying -tls",
        ),
        (
            &["-tls", "-tls-client-cert=c"],
            "without specifying -tls-client-key",
        ),
        (
            &["-tls", "-tls-client-key=c"],
            "without specifying -tls-client-cert",
        ),
        (
            &["-tls", "-tls-no-verify", "-tls-ca-cert=c"],
            "cannot specify -tls-ca-cert",
        ),
        (
            &["-tls", "-tls-no-verify", "-tls-server-name=c"],
            "cannot specify -tls-server-name",
        ),
    ] {
        let refusal = refusal(GrpcHealth, &[&["-addr=:1"], argv].concat(), &[]);
        assert!(refusal.contains(expected), "{argv:?}: {refusal}");
    }
}

#[cfg(feature = "tls")]
#[test]
fn all_tls_flags_are_read() {
    let argv = [
        "-addr=:1",
        "-tls",
        "-tls-ca-cert=c",
        "-tls-client-cert=d",
        "-tls-client-key=k",
        "-tls-server-name=n",
    ];
    let tls = read_in(GrpcHealth, &argv, &[]).unwrap().target.tls;
    assert!(tls.tls && !tls.tls_no_verify);
    assert_eq!(tls.tls_ca_cert, Some("c".into()));
    assert_eq!(tls.tls_client_key, Some("k".into()));
    assert_eq!(tls.tls_server_name.as_deref(), Some("n"));
}

#[test]
fn help_and_version_exit_with_0() {
    for (tool, name, variable) in [
        (Health, "Usage: health probe", "[MICRO_SERVER_NAME]"),
        (Micro, "Usage: probe", "[MICRO_CONNECT_TIMEOUT]"),
        (GrpcHealth, "Usage: grpc_health_probe", "--rpc_header"),
    ] {
        for (argv, expected) in [
            ("-help", &[name, variable, "Exit codes: 0"][..]),
            ("-version", &["(commit "]),
        ] {
            let error = read_in(tool, &[argv], &[]).unwrap_err();
            assert!(!error.use_stderr(), "{error}");
            for part in expected {
                assert!(
                    error.to_string().contains(part),
                    "{argv}: {part:?} is not in\n{error}"
                );
            }
        }
    }
}
