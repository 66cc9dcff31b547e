use super::*;
use proptest::prelude::*;

fn parse(text: &str) -> Result<Target, InvalidTarget> {
    text.parse()
}

fn target(namespace: &str, service: &str, port: Port) -> Target {
    Target {
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        service: service.to_owned(),
        port,
    }
}

/// Every row of what kuberesolver reads that some release of it finds a Service by.
#[test]
fn reads_every_form_of_every_release() {
    let name = |name: &str| Port::Name(name.to_owned());
    let (first, number) = (|| Port::First, Port::Number);
    for (text, namespace, port) in [
        ("kubernetes:///greeter", "", first()),
        ("kubernetes:///greeter:8080", "", number(8080)),
        ("kubernetes:///greeter:grpc", "", name("grpc")),
        ("kubernetes:///greeter.prod", "prod", first()),
        ("kubernetes:///greeter.prod:8080", "prod", number(8080)),
        ("kubernetes:///greeter.prod:grpc", "prod", name("grpc")),
        ("kubernetes://prod/greeter", "prod", first()),
        ("kubernetes://prod/greeter:8080", "prod", number(8080)),
        ("kubernetes://prod/greeter:grpc", "prod", name("grpc")),
        ("kubernetes://prod/greeter.prod:grpc", "prod", name("grpc")),
        ("kubernetes://greeter:8080/", "", number(8080)),
        ("kubernetes://greeter.prod:8080/", "prod", number(8080)),
        ("kubernetes://greeter/", "", first()),
        ("kubernetes://greeter.prod:grpc/", "prod", name("grpc")),
        ("kubernetes://greeter:8080", "", number(8080)),
        ("kubernetes://greeter:grpc", "", name("grpc")),
        ("kubernetes://greeter", "", first()),
        (
            "kubernetes://greeter.prod.svc.cluster.local",
            "prod",
            first(),
        ),
        (
            "kubernetes://greeter.prod.svc.cluster.local:80",
            "prod",
            number(80),
        ),
        (
            "kubernetes://greeter.prod.svc.cluster.local:80/",
            "prod",
            number(80),
        ),
        (
            "kubernetes:///greeter.prod.svc.cluster.local:80",
            "prod",
            number(80),
        ),
        (
            "kubernetes:///greeter.prod.svc.cluster.local:grpc",
            "prod",
            name("grpc"),
        ),
        (
            "kubernetes:///greeter.prod.svc.cluster.local.:grpc",
            "prod",
            name("grpc"),
        ),
        ("kubernetes:greeter.prod:8080", "prod", number(8080)),
        ("kubernetes:/greeter.prod:8080", "prod", number(8080)),
        ("kubernetes:///greeter:", "", first()),
        ("kubernetes://prod/greeter/", "prod", first()),
        ("Kubernetes:///greeter.prod", "prod", first()),
        ("greeter", "", first()),
        ("greeter.prod:grpc", "prod", name("grpc")),
        ("//prod/greeter:80", "prod", number(80)),
        ("kubernetes:///greeter.b.c.d", "b", first()),
    ] {
        let expected = target(namespace, "greeter", port);
        assert_eq!(parse(text), Ok(expected.clone()), "{text}");
        assert_eq!(parse(&expected.to_string()), Ok(expected), "{text}");
    }
}

#[test]
fn refuses_with_the_reason() {
    use InvalidTarget as E;
    let label = |what, text: &str| E::Label {
        what,
        text: text.to_owned(),
    };
    for (text, expected) in [
        ("", E::NoService),
        ("/", E::NoService),
        ("kubernetes:", E::NoService),
        ("kubernetes://", E::NoService),
        ("kubernetes:///", E::NoService),
        ("kubernetes:///:80", E::NoService),
        ("kubernetes:///.prod", E::NoService),
        ("kubernetes://prod/:80", E::NoService),
        ("dns:///greeter", E::Scheme("dns".into())),
        ("http://greeter:80", E::Scheme("http".into())),
        ("kubernetes:///greeter:0", E::Port("0".into())),
        ("kubernetes:///greeter:-1", E::Port("-1".into())),
        ("kubernetes:///greeter:+80", E::Port("+80".into())),
        ("kubernetes:///greeter:99999", E::Port("99999".into())),
        ("kubernetes:///greeter:gr_pc", label("port", "gr_pc")),
        ("kubernetes:///Greeter", label("Service", "Greeter")),
        ("kubernetes:///-a", label("Service", "-a")),
        ("kubernetes:///a/b", label("Service", "a/b")),
        ("kubernetes:///a?b=c", label("Service", "a?b=c")),
        ("kubernetes://[::1]:80/", label("Service", "[::1]")),
        ("kubernetes:///a..svc", label("namespace", "")),
        ("kubernetes:///a.b.C", label("cluster's domain", "C")),
        ("kubernetes://b.c/a", label("namespace", "b.c")),
        ("kubernetes://prod:9/greeter", E::PortThenPath),
        (
            "kubernetes://prod/greeter.stage:8080",
            E::TwoNamespaces {
                first: "prod".into(),
                second: "stage".into(),
                service: "greeter".into(),
            },
        ),
    ] {
        assert_eq!(parse(text), Err(expected), "{text:?}");
    }
}

#[test]
fn two_namespaces_are_told_apart_in_the_refusal() {
    let refusal = parse("kubernetes://prod/greeter.stage").unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "namespace prod or stage? kuberesolver 3 takes stage, later ones prod; write kubernetes://prod/greeter or kubernetes:///greeter.stage"
    );
}

#[test]
fn a_resolver_may_have_another_scheme() {
    let parse = |text| Target::parse(text, "k8s");
    let expected = target("prod", "greeter", Port::Number(80));
    assert_eq!(parse("k8s:///greeter.prod:80"), Ok(expected.clone()));
    assert_eq!(parse("k8s:greeter.prod:80"), Ok(expected));
    assert_eq!(
        parse("kubernetes:///greeter"),
        Err(InvalidTarget::Scheme("kubernetes".into()))
    );
}

#[test]
fn is_known_by_its_service_and_namespace() {
    let greeter = parse("kubernetes:///greeter").unwrap();
    assert_eq!(greeter.server_name(), "greeter");
    assert_eq!(greeter.or_in("demo").server_name(), "greeter.demo");
    let greeter = parse("kubernetes:///greeter.prod").unwrap();
    assert_eq!(greeter.or_in("demo").server_name(), "greeter.prod");
}

proptest! {
    #[test]
    fn never_panics(text in "(kubernetes:)?/{0,3}\\PC{0,40}") {
        let _ = parse(&text);
        let _ = Target::parse(&text, "é");
    }

    #[test]
    fn what_it_prints_it_reads(text in "kubernetes:/{0,3}[a-z.:/0-9-]{0,24}") {
        if let Ok(target) = parse(&text) {
            prop_assert_eq!(parse(&target.to_string()), Ok(target));
        }
    }
}
