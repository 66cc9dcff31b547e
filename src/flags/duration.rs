//! The durations of Go's `time.ParseDuration`: `900ms`, `1m30s`, `1.5s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration from a flag: zero to about 292 years, never negative.
///
/// Source: Go's package time, `ParseDuration`, without the sign.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct GoDuration(pub Duration);

/// The reason why a text is not a [`GoDuration`].
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidDuration {
    /// The text is not a sequence of numbers with units.
    #[error("expected a duration such as 900ms, 2s or 1m30s")]
    Syntax,
    /// A number without a unit.
    #[error("the unit is missing; expected a duration such as 900ms, 2s or 1m30s")]
    NoUnit,
    /// A unit that Go does not have.
    #[error("{0:?} is not a unit; the units are ns, us, ms, s, m and h")]
    Unit(String),
    /// A minus sign.
    #[error("a duration cannot be negative; expected one such as 900ms or 2s")]
    Negative,
    /// The duration is longer than Go's int64 nanoseconds hold.
    #[error("longer than Go's largest duration, about 292 years")]
    TooLong,
    /// The duration is zero, which would mean never.
    #[error("zero would mean never; expected a duration such as 900ms or 2s")]
    Zero,
}

/// Parses a duration that may not be zero.
///
/// # Errors
///
/// Returns the errors of [`GoDuration::from_str`], and [`InvalidDuration::Zero`] for zero.
pub(crate) fn above_zero(text: &str) -> Result<GoDuration, InvalidDuration> {
    let duration: GoDuration = text.parse()?;
    if duration.0.is_zero() {
        return Err(InvalidDuration::Zero);
    }
    Ok(duration)
}

// === impl GoDuration ===

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.strip_prefix('+').unwrap_or(text);
        if text.starts_with('-') {
            return Err(InvalidDuration::Negative);
        }
        if text == "0" {
            return Ok(Self(Duration::ZERO));
        }
        if text.is_empty() {
            return Err(InvalidDuration::Syntax);
        }
        let mut rest = text;
        let mut nanos: u128 = 0;
        while !rest.is_empty() {
            let part;
            (part, rest) = next_part(rest)?;
            nanos += part;
            if nanos > i64::MAX as u128 {
                return Err(InvalidDuration::TooLong);
            }
        }
        let nanos = u64::try_from(nanos).map_err(|_| InvalidDuration::TooLong)?;
        Ok(Self(Duration::from_nanos(nanos)))
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Splits one part such as `1.5s` off the front. Returns its nanoseconds and the rest.
fn next_part(text: &str) -> Result<(u128, &str), InvalidDuration> {
    let split = |text: &'_ str, is: fn(char) -> bool| text.find(|c| !is(c)).unwrap_or(text.len());
    let (whole, rest) = text.split_at(split(text, |c| c.is_ascii_digit()));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(split(rest, |c| c.is_ascii_digit())),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(InvalidDuration::Syntax);
    }
    let (unit, rest) = rest.split_at(split(rest, |c| c != '.' && !c.is_ascii_digit()));
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err(InvalidDuration::NoUnit),
        other => return Err(InvalidDuration::Unit(other.to_owned())),
    };
    let number = |digits: &str| match digits {
        "" => Ok(0),
        digits => digits.parse::<u64>().map_err(|_| InvalidDuration::TooLong),
    };
    // Digits below a nanosecond are dropped, as Go does.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10u128.pow(u32::try_from(fraction.len()).unwrap_or(18));
    let nanos = u128::from(number(whole)?) * unit + u128::from(number(fraction)?) * unit / scale;
    Ok((nanos, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, nanos) in [
            ("0", 0),
            ("0s", 0),
            ("900ms", 900_000_000),
            ("1m30s", 90_000_000_000),
            ("1.5s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("+5us", 5_000),
            ("5µs", 5_000),
            ("1h0m1ns", 3_600_000_000_001),
            ("0.1000000000000000000000001s", 100_000_000),
        ] {
            assert_eq!(
                text.parse(),
                Ok(GoDuration(Duration::from_nanos(nanos))),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_with_the_reason() {
        use InvalidDuration as E;
        for (text, expected) in [
            ("", E::Syntax),
            ("ms", E::Syntax),
            (".s", E::Syntax),
            ("1m 30s", E::Unit("m ".into())),
            ("900", E::NoUnit),
            ("1d", E::Unit("d".into())),
            ("-1s", E::Negative),
            ("9999999999999999999999h", E::TooLong),
            ("2562048h", E::TooLong),
        ] {
            assert_eq!(text.parse::<GoDuration>(), Err(expected), "{text:?}");
        }
        assert_eq!(above_zero("0s"), Err(E::Zero));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[0-9.nuµmshd+-]{0,30}|\\PC{0,10}") {
            let _ = text.parse::<GoDuration>();
        }
    }
}
