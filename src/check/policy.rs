//! The number of endpoints of a target that must be healthy for the target to be healthy.
//!
//! | `--require` | healthy when                                        | for                     |
//! |-------------|-----------------------------------------------------|-------------------------|
//! | `any`       | one is: a client that balances could use it now     | dependency gates        |
//! | `all`       | every one is                                        | roll-outs, smoke tests  |
//! | `N`, `P%`   | so many are, percent rounded up                     | quorums, canaries       |
//!
//! A target without endpoints is never healthy. If several endpoints failed in several ways, one
//! that answered says more than one that was reached, and that more than the others.

use std::fmt;
use std::str::FromStr;

use super::verdict::Verdict;
use crate::check::unhealthy::{FailureStep, Unhealthy};
use crate::net::stage::Stage;

/// The endpoints to check, and the number of them that must be healthy.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Options {
    /// With `--server_address=kubernetes://…`, how many endpoints must be healthy: any,
    /// all, a number, or a share such as 50%
    #[arg(long = "require", value_name = "HOW_MANY", default_value = "any")]
    pub require: Require,

    /// With `--server_address=kubernetes://…`, check endpoints that are not ready too, unless they
    /// are terminating
    #[arg(long = "include_not_ready")]
    pub include_not_ready: bool,
}

/// The value of `--require`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Require {
    /// A single endpoint must be healthy.
    #[default]
    Any,
    /// Every endpoint must be healthy.
    All,
    /// A number of endpoints, 1 or more.
    Count(usize),
    /// A share of all endpoints in percent, 1 to 100.
    Percent(usize),
}

/// The reason why a text is not a [`Require`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected any, all, a number of 1 or more, or a share from 1% to 100%")]
pub struct InvalidRequire;

/// The check of one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct EndpointCheck {
    /// The address of the endpoint.
    pub address: String,
    /// The verdict on the endpoint.
    pub verdict: Verdict,
    /// The stage that the check reached.
    pub reached: Stage,
}

/// Returns the verdict on all endpoints, once each was checked or enough are healthy.
///
/// # Errors
///
/// Returns [`Unhealthy::TooFew`], or [`Unhealthy::NoEndpoints`] if there are none.
pub(crate) fn verdict(require: Require, considered: usize, checks: &[EndpointCheck]) -> Verdict {
    let healthy = checks.iter().filter(|check| check.verdict.is_ok()).count();
    let needed = require.needed(considered);
    if healthy >= needed {
        return Ok(());
    }
    let failed = checks.iter().filter_map(|check| {
        let unhealthy = check.verdict.as_ref().err()?;
        Some((
            rank(unhealthy.failure_step(check.reached)),
            check,
            unhealthy,
        ))
    });
    // Of several with the same rank the first is taken; the addresses are in order.
    let worst = failed.reduce(|worst, next| if next.0 > worst.0 { next } else { worst });
    Err(match worst {
        Some((_, check, unhealthy)) => Unhealthy::TooFew {
            healthy,
            considered,
            needed,
            address: check.address.clone(),
            worst: Box::new(unhealthy.clone()),
            reached: check.reached,
        },
        None => Unhealthy::NoEndpoints(
            format!("{considered} endpoints, and --require={require} needs {needed}").into(),
        ),
    })
}

fn rank(step: FailureStep) -> u8 {
    match step {
        FailureStep::Connect => 0,
        FailureStep::Settings => 1,
        FailureStep::Call => 2,
        FailureStep::Unhealthy => 3,
    }
}

// === impl Require ===

impl Require {
    /// Returns the number of endpoints that must be healthy, at least 1.
    pub fn needed(self, considered: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::All => considered.max(1),
            Self::Count(count) => count,
            Self::Percent(percent) => (considered * percent).div_ceil(100).max(1),
        }
    }
}

impl FromStr for Require {
    type Err = InvalidRequire;

    fn from_str(text: &str) -> Result<Self, InvalidRequire> {
        let number = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            let number: Option<usize> = is_number.then(|| text.parse().ok())?;
            number.filter(|number| *number > 0)
        };
        match (text, text.strip_suffix('%')) {
            ("any", _) => Some(Self::Any),
            ("all", _) => Some(Self::All),
            (_, Some(share)) => number(share)
                .filter(|share| *share <= 100)
                .map(Self::Percent),
            (count, None) => number(count).map(Self::Count),
        }
        .ok_or(InvalidRequire)
    }
}

impl fmt::Display for Require {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::All => f.write_str("all"),
            Self::Count(count) => count.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn require(text: &str) -> Require {
        text.parse().unwrap()
    }

    fn checks(verdicts: &[Verdict]) -> Vec<EndpointCheck> {
        let checks = verdicts
            .iter()
            .zip(1..)
            .map(|(verdict, number)| EndpointCheck {
                address: format!("10.0.0.{number}:80"),
                verdict: verdict.clone(),
                reached: match verdict {
                    Err(Unhealthy::Unreachable(_)) => Stage::Connecting,
                    _ => Stage::Waiting,
                },
            });
        checks.collect()
    }

    fn refusing() -> Verdict {
        Err(Unhealthy::Unreachable("refused".into()))
    }

    fn not_serving() -> Verdict {
        Err(Unhealthy::NotServing("NOT_SERVING".into()))
    }

    /// The exit code of `health probe`; 0 is healthy.
    fn code(text: &str, verdicts: &[Verdict]) -> u8 {
        let verdict = verdict(require(text), verdicts.len(), &checks(verdicts));
        // The stage that the group itself reached has no influence.
        verdict.map_or_else(
            |unhealthy| match unhealthy.failure_step(Stage::Resolving) {
                FailureStep::Connect => 2,
                FailureStep::Settings | FailureStep::Call => 3,
                FailureStep::Unhealthy => 4,
            },
            |()| 0,
        )
    }

    #[test]
    fn each_requirement_has_its_exit_code() {
        let three = [Ok(()), not_serving(), refusing()];
        for (text, expected) in [
            ("any", 0),
            ("1", 0),
            ("33%", 0),
            ("34%", 4),
            ("2", 4),
            ("all", 4),
        ] {
            assert_eq!(code(text, &three), expected, "{text}");
        }
        assert_eq!(code("any", &[refusing(), refusing()]), 2);
        let late = Err(Unhealthy::Failing("x".into()));
        assert_eq!(code("any", &[refusing(), late, refusing()]), 3);
        for text in ["any", "all", "1", "1%"] {
            assert_eq!(code(text, &[]), 2, "{text}");
        }
        assert_eq!(code("4", &[Ok(()), Ok(()), Ok(())]), 2);
    }

    #[test]
    fn too_few_says_how_many_and_the_worst_of_them() {
        let three = [refusing(), Ok(()), not_serving()];
        let unhealthy = verdict(Require::All, 3, &checks(&three)).unwrap_err();
        assert_eq!(
            unhealthy.to_string(),
            "1 of 3 endpoints are healthy, 3 needed; 10.0.0.3:80: service reports NOT_SERVING"
        );
        assert_eq!(unhealthy.reason().code, "not_serving");
        assert!(unhealthy.answered());
    }

    #[test]
    fn a_share_is_rounded_up() {
        for (text, considered, expected) in [
            ("34%", 3, 2),
            ("33%", 3, 1),
            ("50%", 3, 2),
            ("100%", 7, 7),
            ("1%", 0, 1),
            ("all", 0, 1),
            ("3", 1, 3),
        ] {
            assert_eq!(require(text).needed(considered), expected, "{text}");
        }
    }

    #[test]
    fn a_requirement_is_a_word_a_number_or_a_share() {
        for text in ["any", "all", "1", "20", "1%", "100%"] {
            assert_eq!(require(text).to_string(), text);
        }
        for text in ["", "none", "0", "-1", "+1", "0%", "101%", "%", "1.5", "5 %"] {
            assert_eq!(text.parse::<Require>(), Err(InvalidRequire), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,12}", considered in 0..100_000_usize) {
            if let Ok(require) = text.parse::<Require>() {
                prop_assert!(require.needed(considered) > 0);
            }
        }
    }
}
