//! The command line as a table: the arguments of an operator, and the configuration.

use std::time::Duration;

use super::*;
use crate::check::options::WithoutDebug;
use crate::flags::{env, secret};

const NAMED: [&str; 2] = ["--server_name=greeter", "--server_address=localhost:9091"];

fn read_in(argv: &[&str], environment: &[(&str, &str)]) -> Result<Configuration, clap::Error> {
    let argv = std::iter::once("health")
        .chain(argv.iter().copied())
        .map(OsString::from);
    let variable = |name: &str| {
        environment
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| OsString::from(value))
    };
    read(argv, variable)
}

fn configuration(argv: &[&str], environment: &[(&str, &str)]) -> Configuration {
    read_in(argv, environment).unwrap_or_else(|error| panic!("{argv:?} {environment:?}: {error}"))
}

fn refusal(argv: &[&str], environment: &[(&str, &str)]) -> String {
    let error = read_in(argv, environment)
        .err()
        .unwrap_or_else(|| panic!("{argv:?} {environment:?}"));
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

fn target(argv: &[&str], environment: &[(&str, &str)]) -> (String, String) {
    let target = configuration(argv, environment).args.target;
    (target.server_name.0, target.server_address.to_string())
}

#[test]
fn the_flags_are_consistent() {
    env::documented(flags::command::<Args>()).debug_assert();
}

#[test]
fn every_spelling_names_the_same_flag() {
    for argv in [
        &NAMED[..],
        &["--server-name=greeter", "--server-address=localhost:9091"],
        &["-server_name=greeter", "-server_address=localhost:9091"],
        &[
            "-server_name",
            "greeter",
            "-server-address",
            "localhost:9091",
        ],
        &[
            "--server_name",
            "greeter",
            "--server_address",
            "localhost:9091",
        ],
    ] {
        assert_eq!(
            target(argv, &[]),
            ("greeter".into(), "localhost:9091".into()),
            "{argv:?}"
        );
    }
}

#[test]
fn the_last_value_of_a_repeated_flag_wins_as_in_go() {
    assert_eq!(
        target(&["--server_name=first", NAMED[0], NAMED[1]], &[]).0,
        "greeter"
    );
}

#[test]
fn a_value_may_begin_with_a_dash() {
    assert_eq!(target(&["-server_name", "-g", NAMED[1]], &[]).0, "-g");
}

#[test]
fn the_published_manifest_works_as_it_stands() {
    let argv = [
        "--health_address=0.0.0.0:8081",
        "--server_name=greeter",
        "--server_address=0.0.0.0:8080",
    ];
    let args = configuration(&argv, &[]).args;
    assert_eq!(args.server.health_address.to_string(), ":8081");
    assert_eq!(args.target.server_address.to_string(), ":8080");
    assert_eq!(args.target.check_timeout.0, Duration::from_millis(900));
    assert_eq!(args.target.without_debug, WithoutDebug::Unhealthy);
}

#[test]
fn a_flag_wins_over_its_variable_and_that_over_the_default() {
    let environment = [
        ("MICRO_SERVER_NAME", "from-env"),
        ("MICRO_SERVER_ADDRESS", ":1"),
        ("MICRO_HEALTH_ADDRESS", ":2"),
        ("MICRO_HEALTH_CHECK_TIMEOUT", "1.5s"),
        ("MICRO_HEALTH_PROTOCOL", "grpc"),
    ];
    let args = configuration(&["-server-name", "greeter", "--client=rpc"], &environment).args;
    assert_eq!(args.target.server_name.0, "greeter");
    assert_eq!(args.target.server_address.to_string(), ":1");
    assert_eq!(args.server.health_address.to_string(), ":2");
    assert_eq!(args.target.check_timeout.0, Duration::from_millis(1500));
    assert_eq!(args.target.protocol, Protocol::Mucp);
    // An empty variable is an absent one.
    assert_eq!(
        configuration(&NAMED, &[("MICRO_HEALTH_ADDRESS", "")])
            .args
            .server
            .health_address
            .to_string(),
        "127.0.0.1:8080"
    );
}

#[test]
fn go_micros_own_flags_are_accepted() {
    let argv = [
        "--store=file",
        "-client_pool_ttl",
        "60",
        "--broker",
        "-x",
        NAMED[0],
        NAMED[1],
        "--transport=http",
    ];
    let ignored =
        ["store", "client_pool_ttl", "broker"].map(|name| Notice::IgnoredFlag(name.into()));
    assert_eq!(configuration(&argv, &[]).notices, ignored);
    assert!(refusal(&["--transport=quic", NAMED[0], NAMED[1]], &[]).contains("expected http"));
}

#[test]
fn the_registry_of_the_service_is_ignored() {
    for registry in ["--registry=consul", "--registry=mdns", "--registry="] {
        assert_eq!(
            configuration(&[registry, NAMED[0], NAMED[1]], &[]).notices,
            []
        );
    }
    #[cfg(feature = "kubernetes")]
    assert!(
        refusal(&["--registry=kubernets", NAMED[0], NAMED[1]], &[]).contains("kubernetes or none")
    );
    #[cfg(not(feature = "kubernetes"))]
    assert!(refusal(&["--registry=kubernetes", NAMED[0], NAMED[1]], &[]).contains("no registry"));
}

#[test]
fn a_shared_variable_never_forces_or_refuses() {
    let environment = [
        ("MICRO_TRANSPORT", "quic"),
        ("MICRO_REGISTRY", "kubernetes"),
        ("MICRO_CLIENT_REQUEST_TIMEOUT", "5s"),
        ("MICRO_SERVER_ADDRESS", "nonsense"),
        ("MICRO_CLIENT", "grpc"),
    ];
    let configuration = configuration(&[NAMED[0], "--server_address=:9091"], &environment);
    assert_eq!(configuration.args.target.protocol, Protocol::Auto);
    assert_eq!(
        configuration.args.target.check_timeout.0,
        Duration::from_millis(900)
    );
    assert_eq!(configuration.hint, Some(Protocol::Grpc));
    let ignored = [
        "MICRO_REGISTRY",
        "MICRO_TRANSPORT",
        "MICRO_CLIENT_REQUEST_TIMEOUT",
    ]
    .map(Notice::IgnoredVariable);
    assert_eq!(configuration.notices, ignored);

    // Without a flag the useless value leaves none, and the refusal is about that.
    let refusal = refusal(&[NAMED[0]], &environment);
    assert!(
        refusal.contains("--server_address")
            && refusal.contains("MICRO_SERVER_ADDRESS is not used: "),
        "{refusal}"
    );
}

#[test]
fn the_server_variable_comes_before_the_client_one() {
    let both = [("MICRO_SERVER", "mucp"), ("MICRO_CLIENT", "grpc")];
    assert_eq!(configuration(&NAMED, &both).hint, Some(Protocol::Mucp));
    assert_eq!(
        configuration(&[NAMED[0], NAMED[1], "--server=grpc"], &both).hint,
        Some(Protocol::Grpc)
    );
    assert_eq!(
        configuration(&NAMED, &[("MICRO_SERVER", "http")]).hint,
        None
    );
}

#[test]
#[cfg(feature = "tls")]
fn tls_flags_are_those_of_grpc_health_probe() {
    let argv = ["-tls", "-tls-no-verify", NAMED[0], NAMED[1]];
    let tls = configuration(&argv, &[]).args.target.tls;
    assert!(tls.tls && tls.tls_no_verify, "{tls:?}");
    let environment = [
        ("MICRO_HEALTH_TLS", "true"),
        ("MICRO_HEALTH_TLS_CA_CERT", "/etc/tls/ca.crt"),
    ];
    let tls = configuration(&NAMED, &environment).args.target.tls;
    assert_eq!(tls.tls_ca_cert, Some("/etc/tls/ca.crt".into()));
    let refusal = refusal(&NAMED, &environment[1..]);
    assert!(
        refusal.contains("--tls_ca_cert is given without --tls:"),
        "{refusal}"
    );
}

#[test]
#[cfg(not(feature = "tls"))]
fn tls_is_refused_by_a_build_without_it() {
    for flag in ["--tls", "--tls_ca_cert=ca.crt"] {
        let refusal = refusal(&[NAMED[0], NAMED[1], flag], &[]);
        assert!(refusal.contains("without the feature tls"), "{refusal}");
    }
    assert!(
        !configuration(&[NAMED[0], NAMED[1], "--tls=false"], &[])
            .args
            .target
            .tls
            .tls
    );
}

#[test]
fn only_a_service_can_have_a_socket_as_its_address() {
    let argv = [NAMED[0], "--server_address=unix:/run/greeter.sock"];
    assert_eq!(target(&argv, &[]).1, "unix:/run/greeter.sock");
    let refusal = refusal(&[NAMED[0], NAMED[1], "--health_address=unix:/run/x"], &[]);
    assert!(
        refusal.contains("a unix socket cannot be probed"),
        "{refusal}"
    );
}

#[test]
fn a_refusal_names_the_flag_its_value_and_the_accepted_values() {
    let with = |flag: &'static str| [NAMED[0], NAMED[1], flag];
    for (argv, environment, expected) in [
        (
            &[NAMED[0]][..],
            &[][..],
            &[
                "--server_address",
                "for example: health --server_name=greeter",
            ][..],
        ),
        (&[NAMED[1]], &[], &["--server_name"]),
        (
            &["--server_name=", NAMED[1]],
            &[],
            &["--server_name", "such as greeter"],
        ),
        (
            &[NAMED[0], "--server_address=9091"],
            &[],
            &["--server_address", "'9091'", "localhost:9091"],
        ),
        (
            &with("--check_timeout=5"),
            &[],
            &["--check_timeout", "'5'", "900ms"],
        ),
        (
            &with("--check_timeout=0s"),
            &[],
            &["--check_timeout", "'0s'", "never"],
        ),
        (
            &with("--protocol=http"),
            &[],
            &["--protocol", "'http'", "auto, grpc, mucp, grpc-health"],
        ),
        (
            &with("--without_debug=maybe"),
            &[],
            &["--without_debug", "unhealthy, healthy"],
        ),
        (
            &with("--health_address=8080"),
            &[],
            &["--health_address", "'8080'", "host:port"],
        ),
        (&with("--log_level=loud"), &[], &["--log_level", "'loud'"]),
        (
            &with("--helth_address=:1"),
            &[],
            &["--helth_address", "--health_address"],
        ),
        (&with("extra"), &[], &["'extra'"]),
        (
            &NAMED,
            &[("MICRO_HEALTH_CHECK_TIMEOUT", "soon")],
            &["--check_timeout", "'soon'", "MICRO_HEALTH_CHECK_TIMEOUT"],
        ),
    ] {
        let refusal = refusal(argv, environment);
        for part in expected {
            assert!(
                refusal.contains(part),
                "{argv:?} {environment:?}: {part:?} is not in\n{refusal}"
            );
        }
    }
}

#[test]
fn help_and_version_survive_the_trimmed_features() {
    for (argv, expected) in [
        (
            "--help",
            &[
                "--server_address <HOST:PORT>",
                "[MICRO_HEALTH_CHECK_TIMEOUT]",
                "[default: 900ms]",
                "Usage: health",
            ][..],
        ),
        ("-help", &["Usage: health"]),
        ("--version", &["health 0.1.0 (commit "]),
        ("-version", &["health 0.1.0 (commit "]),
    ] {
        let error = read_in(&[argv], &[]).unwrap_err();
        assert_eq!(error.exit_code(), 0);
        for part in expected {
            assert!(
                error.to_string().contains(part),
                "{argv}: {part:?} is not in\n{error}"
            );
        }
    }
}

#[test]
fn the_static_selector_derives_the_address_from_the_name() {
    let argv = ["--server_name=greeter", "-selector", "static"];
    let at = |environment: &[(&str, &str)]| target(&argv, environment).1;
    let (domain, port) = ("STATIC_SELECTOR_DOMAIN_NAME", "STATIC_SELECTOR_PORT_NUMBER");
    assert_eq!(at(&[]), "greeter:8080");
    assert_eq!(at(&[(port, "3333")]), "greeter:3333");
    assert_eq!(at(&[(domain, "micro.mu")]), "greeter.micro.mu:8080");
    assert_eq!(
        at(&[(domain, "micro.mu"), (port, "3333")]),
        "greeter.micro.mu:3333"
    );
    // A given address wins over the selector, as a flag or as a variable.
    assert_eq!(
        at(&[("MICRO_SERVER_ADDRESS", "localhost:9091")]),
        "localhost:9091"
    );
    assert_eq!(
        target(&[&NAMED[..], &["--selector=static"]].concat(), &[]).1,
        "localhost:9091"
    );
    let refusal = refusal(&argv, &[(port, "http")]);
    assert!(refusal.contains("STATIC_SELECTOR_PORT_NUMBER"), "{refusal}");
}

#[test]
fn only_its_flag_chooses_a_selector() {
    let shared = [
        ("MICRO_SELECTOR", "static"),
        ("MICRO_HEALTH_SELECTOR", "static"),
    ];
    refusal(&["--server_name=greeter"], &shared);
    for selector in ["--selector=dns", "--selector=anything"] {
        configuration(&[&NAMED[..], &[selector]].concat(), &[]);
        refusal(&["--server_name=greeter", selector], &[]);
    }
    let dotted = configuration(&["--server_name=go.micro.srv.x", "--selector=static"], &[]);
    let expected = Notice::DottedName("go.micro.srv.x:8080".to_owned());
    assert!(dotted.notices.contains(&expected), "{:?}", dotted.notices);
}

#[test]
fn an_empty_command_line_is_refused_without_a_panic() {
    let error = read([], |_| None).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("--server_name"), "{error}");
    let error = read([OsString::new()], |_| None).unwrap_err();
    assert!(error.to_string().contains("--server_name"), "{error}");
}

/// Values that are refused, wherever the secret stands in them.
const SECRETS: [&str; 6] = [
    "hush",
    "nats://user:hush@broker:4222",
    "a=x,hush",
    "hush:hush=x\u{e9}",
    "hush-bin=x",
    "hush=x\nhush",
];

#[test]
fn a_refusal_never_shows_a_possible_secret() {
    let mut refused = 0;
    for value in SECRETS {
        for flag in secret::FLAGS {
            let given = format!("--{flag}={value}");
            let argv = [NAMED[0], NAMED[1], &given];
            let from_flag = read_in(&argv, &[]).map(|_| ());
            let variable = env::variable_of(flag).unwrap();
            let from_variable = read_in(&NAMED, &[(&variable, value)]);
            let notices = from_variable.as_ref().map(|it| it.notices.clone());
            for notice in notices.unwrap_or_default() {
                refused += 1;
                let text = format!("{notice} {notice:?}");
                assert!(text.contains(&variable) && !text.contains("hush"), "{text}");
            }
            for error in [from_flag.err(), from_variable.err()].into_iter().flatten() {
                refused += 1;
                let text = error.to_string();
                assert!(
                    text.contains("--") && !text.contains("hush"),
                    "{given}: {text}"
                );
            }
        }
    }
    assert!(refused > 20, "only {refused} were refused");
}

#[test]
fn the_rest_of_an_unquoted_secret_is_not_shown() {
    let argv = [
        NAMED[0],
        NAMED[1],
        "--metadata",
        "authorization=Bearer",
        "hush",
    ];
    let refusal = refusal(&argv, &[]);
    assert!(
        refusal.contains("(not shown)") && !refusal.contains("hush"),
        "{refusal}"
    );
}

#[test]
fn a_refusal_has_no_control_characters() {
    for argument in [
        "--check_timeout=\u{1b}[2J\nerror: forged",
        "\u{9b}2J\nerror: forged",
        "--\u{1b}[2J\nerror: forged=1",
    ] {
        let refusal = refusal(&[NAMED[0], NAMED[1], argument], &[]);
        let is_bad = |c: char| c.is_control() && c != '\n';
        assert!(
            !refusal.contains(is_bad) && !refusal.contains("\nerror: forged"),
            "{refusal:?}"
        );
    }
}
