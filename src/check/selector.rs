//! The static selector of go-micro, which makes an address of the service's name. Pure.
//!
//! | name      | `STATIC_SELECTOR_DOMAIN_NAME` | `…_PORT_NUMBER` | dialled                 |
//! |-----------|-------------------------------|-----------------|-------------------------|
//! | greeter   |                               |                 | `greeter:8080`          |
//! | greeter   |                               | 3333            | `greeter:3333`          |
//! | greeter   | micro.mu                      |                 | `greeter.micro.mu:8080` |
//! | greeter:9 | micro.mu                      | 3333            | `greeter.micro.mu:9`    |
//!
//! Upstream adds a second port in the last row. Source: go-plugins selector/static.

use std::convert::Infallible;
use std::ffi::OsString;
use std::str::FromStr;

/// The value of `--selector`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Selector {
    /// No static selector, so that an address must be given. Deployments pass the service's own
    /// flags to both containers, so every other value is accepted.
    #[default]
    None,
    /// The static selector: the name, a domain and a port are the address.
    Static,
}

/// An address that the selector made of the service's name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct SelectedAddress {
    /// The host and the port, as a flag has them.
    pub address: String,
    /// The variables that the address depends on.
    pub variables: Vec<&'static str>,
    /// Records whether the name has dots, which no Kubernetes Service has.
    pub has_dots: bool,
}

const DOMAIN: &str = "STATIC_SELECTOR_DOMAIN_NAME";

const PORT: &str = "STATIC_SELECTOR_PORT_NUMBER";

/// The default port of a service.
const DEFAULT_PORT: &str = "8080";

/// Returns the address that argv leaves to the static selector, if it does. Expects one spelling of
/// each flag.
pub(crate) fn select(
    argv: &[OsString],
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<SelectedAddress> {
    let last = |flag: &str| {
        let mut argv = argv.iter().rev();
        let text = argv.find_map(|text| text.to_str()?.strip_prefix(flag)?.strip_prefix('='));
        text.filter(|text| !text.is_empty())
    };
    let selector = last("--selector")?.parse().ok();
    if selector != Some(Selector::Static) || last("--server_address").is_some() {
        return None;
    }
    let text = |name| {
        let text = variable(name)?.to_string_lossy().into_owned();
        (!text.is_empty()).then_some((name, text))
    };
    Some(address(last("--server_name")?, text(DOMAIN), text(PORT)))
}

type Variable = Option<(&'static str, String)>;

fn address(name: &str, domain: Variable, port: Variable) -> SelectedAddress {
    let (host, own_port) = match name.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (name, None),
    };
    let port = port.filter(|_| own_port.is_none());
    let variables = domain.iter().chain(&port).map(|(name, _)| *name).collect();
    let number = port.as_ref().map_or(DEFAULT_PORT, |(_, number)| number);
    let number = own_port.unwrap_or(number);
    let address = match domain {
        Some((_, domain)) => format!("{host}.{domain}:{number}"),
        None => format!("{host}:{number}"),
    };
    SelectedAddress {
        address,
        variables,
        has_dots: host.contains('.'),
    }
}

// === impl Selector ===

impl FromStr for Selector {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "static" => Self::Static,
            _ => Self::None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(argv: &[&str], environment: &[(&str, &str)]) -> Option<SelectedAddress> {
        let argv: Vec<_> = argv.iter().map(OsString::from).collect();
        select(&argv, |name| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn a_name_a_domain_and_a_port_make_an_address() {
        for (name, domain, port, expected) in [
            ("greeter", "", "", "greeter:8080"),
            ("greeter", "", "3333", "greeter:3333"),
            ("greeter", "micro.mu", "", "greeter.micro.mu:8080"),
            ("greeter", "micro.mu", "3333", "greeter.micro.mu:3333"),
            ("greeter:9090", "", "3333", "greeter:9090"),
            ("greeter:9090", "micro.mu", "", "greeter.micro.mu:9090"),
        ] {
            let name = format!("--server_name={name}");
            let argv = ["health", "--selector=static", &name];
            let selected = selected(&argv, &[(DOMAIN, domain), (PORT, port)]).unwrap();
            assert_eq!(selected.address, expected);
            assert!(!selected.has_dots);
        }
    }

    #[test]
    fn only_a_missing_address_is_selected() {
        let named = "--server_name=greeter";
        for argv in [
            &["health", named][..],
            &["health", named, "--selector=dns"],
            &["health", named, "--selector=static", "--selector=dns"],
            &["health", named, "--selector=static", "--server_address=:80"],
            &["health", "--selector=static"],
        ] {
            assert_eq!(selected(argv, &[]), None, "{argv:?}");
        }
    }

    #[test]
    fn a_name_with_dots_is_reported() {
        let argv = [
            "health",
            "--selector=static",
            "--server_name=go.micro.srv.x",
        ];
        assert!(selected(&argv, &[]).unwrap().has_dots);
    }

    #[test]
    fn the_variables_behind_an_address_are_known() {
        let argv = ["health", "--selector=static", "--server_name=greeter"];
        let both = [(DOMAIN, "micro.mu"), (PORT, "http")];
        assert_eq!(selected(&argv, &both).unwrap().variables, [DOMAIN, PORT]);
        assert!(selected(&argv, &[]).unwrap().variables.is_empty());
    }
}
