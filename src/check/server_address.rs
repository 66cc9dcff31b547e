//! The value of `--server_address`: one address, or every endpoint of a Service.

use std::fmt;
use std::str::FromStr;

use crate::net::endpoint::{Endpoint, InvalidEndpoint};
#[cfg(feature = "kubernetes")]
use crate::resolver;

/// The address of a service to check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ServerAddress {
    /// A single address: `host:port`, or a socket such as `unix:/run/greeter.sock`.
    Endpoint(Endpoint),
    /// The endpoints of a Service: `kubernetes:///greeter.shop:grpc`.
    #[cfg(feature = "kubernetes")]
    Service(resolver::Target),
}

/// The reason why a text is not a [`ServerAddress`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidServerAddress {
    /// The text is neither a socket nor an address.
    #[error(transparent)]
    Endpoint(#[from] InvalidEndpoint),
    /// The text is not the name of a Service.
    #[cfg(feature = "kubernetes")]
    #[error(transparent)]
    Service(#[from] resolver::target::InvalidTarget),
    /// The image with the tag `slim` knows no API server.
    #[cfg(not(feature = "kubernetes"))]
    #[error(
        "this build cannot find Services; use one with the feature kubernetes, or the image's tag full"
    )]
    Service,
}

// === impl ServerAddress ===

impl ServerAddress {
    /// Returns the HTTP authority of a request to the service.
    pub fn authority(&self) -> String {
        match self {
            Self::Endpoint(endpoint) => endpoint.authority(),
            #[cfg(feature = "kubernetes")]
            Self::Service(service) => service.server_name(),
        }
    }
}

impl From<Endpoint> for ServerAddress {
    fn from(endpoint: Endpoint) -> Self {
        Self::Endpoint(endpoint)
    }
}

impl FromStr for ServerAddress {
    type Err = InvalidServerAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("kubernetes:/") {
            #[cfg(feature = "kubernetes")]
            return Ok(Self::Service(text.parse()?));
            #[cfg(not(feature = "kubernetes"))]
            return Err(InvalidServerAddress::Service);
        }
        Ok(Self::Endpoint(text.parse()?))
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(endpoint) => endpoint.fmt(f),
            #[cfg(feature = "kubernetes")]
            Self::Service(service) => service.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_endpoint_or_a_service() {
        let parse = |text: &str| text.parse::<ServerAddress>();
        let endpoint: Endpoint = "localhost:9091".parse().unwrap();
        assert_eq!(parse("localhost:9091"), Ok(endpoint.into()));
        assert_eq!(
            parse("localhost"),
            Err("localhost".parse::<Endpoint>().unwrap_err().into())
        );
        #[cfg(not(feature = "kubernetes"))]
        assert_eq!(
            parse("kubernetes:///greeter:grpc"),
            Err(InvalidServerAddress::Service)
        );
        #[cfg(feature = "kubernetes")]
        {
            use resolver::target::InvalidTarget;
            assert_eq!(
                parse("kubernetes:///"),
                Err(InvalidServerAddress::Service(InvalidTarget::NoService))
            );
            let service = parse("kubernetes:///greeter.shop:grpc").unwrap();
            assert!(matches!(service, ServerAddress::Service(_)));
            assert_eq!(service.to_string(), "kubernetes://shop/greeter:grpc");
        }
    }
}
