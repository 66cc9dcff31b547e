//! Finds the end of a certificate's validity by a walk through its DER.
//!
//! ```text
//! Certificate ─ SEQUENCE
//!   tbsCertificate ─ SEQUENCE
//!     [0] version (not in version 1), INTEGER serial, SEQUENCE signature, SEQUENCE issuer,
//!     validity ─ SEQUENCE: notBefore, notAfter
//! ```
//!
//! RFC 5280, 4.1. webpki keeps what it parses to itself, and an X.509 crate would bring
//! its own ASN.1 for one date.

use std::time::SystemTime;

/// The tag and the contents of an element, and the bytes behind it.
type Element<'a> = (u8, &'a [u8], &'a [u8]);

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Returns the notAfter of a certificate; `None` for other bytes, or for an end before 1970.
pub(super) fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    let (certificate, _) = tagged(SEQUENCE, certificate)?;
    let (signed, _) = tagged(SEQUENCE, certificate)?;
    let mut rest = tagged(VERSION, signed).map_or(signed, |(_, rest)| rest);
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, rest) = tagged(tag, rest)?;
    }
    let (validity, _) = tagged(SEQUENCE, rest)?;
    let (_, _, rest) = element(validity)?;
    let (tag, text, _) = element(rest)?;
    time(tag, text)
}

/// Returns the contents of an element that must have this tag, and the bytes behind it.
fn tagged(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, contents, rest) = element(bytes)?;
    (found == tag).then_some((contents, rest))
}

fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // The byte counts the bytes of the length; a certificate in TLS is below 2^24 bytes.
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = length.iter().fold(0, |n, byte| n << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some((tag, contents, rest))
}

/// Parses `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`. RFC 5280 allows no other form of either.
fn time(tag: u8, text: &[u8]) -> Option<SystemTime> {
    let text = std::str::from_utf8(text).ok()?;
    let century = match tag {
        UTC_TIME if text < "5" => "20",
        UTC_TIME => "19",
        GENERALIZED_TIME => "",
        _ => return None,
    };
    let text = format!("{century}{text}");
    if text.len() != "YYYYMMDDhhmmssZ".len() || !text.is_ascii() {
        return None;
    }
    let (date, time) = text.split_at(8);
    let (year, month, day) = (&date[..4], &date[4..6], &date[6..]);
    let (hour, minute, second) = (&time[..2], &time[2..4], &time[4..]);
    humantime::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::sync::LazyLock;

    fn utc(at: SystemTime) -> String {
        humantime::format_rfc3339_seconds(at).to_string()
    }

    fn certificate(year: i32) -> Vec<u8> {
        // Enough names for lengths of more than one byte.
        let names: Vec<_> = (0..64).map(|n| format!("greeter-{n}.svc")).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = date_time_ymd(year, 2, 28);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_of_a_real_certificate_is_found() {
        for (year, expected) in [
            (1980, "1980-02-28T00:00:00Z"),
            (2026, "2026-02-28T00:00:00Z"),
            (2049, "2049-02-28T00:00:00Z"),
            // GeneralizedTime begins here.
            (2050, "2050-02-28T00:00:00Z"),
            (9999, "9999-02-28T00:00:00Z"),
        ] {
            let found = not_after(&certificate(year)).map(utc);
            assert_eq!(found.as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_certificate_of_version_1_has_an_end_too() {
        let validity = b"\x30\x1e\x17\x0d200102030405Z\x17\x0d300102030405Z";
        let head = b"\x02\x01\x07\x30\x00\x30\x00";
        let length = u8::try_from(head.len() + validity.len()).unwrap();
        let outer = [0x30, length + 2, 0x30, length];
        let found = not_after(&[&outer[..], head, validity].concat());
        assert_eq!(found.map(utc).as_deref(), Some("2030-01-02T03:04:05Z"));
    }

    #[test]
    fn times_have_two_forms_and_no_other() {
        for (tag, text, expected) in [
            (UTC_TIME, "491231235959Z", Some("2049-12-31T23:59:59Z")),
            (UTC_TIME, "700101000000Z", Some("1970-01-01T00:00:00Z")),
            (UTC_TIME, "500101000000Z", None),
            (UTC_TIME, "4912312359Z", None),
            (UTC_TIME, "491231235959+0000", None),
            (UTC_TIME, "490230235959Z", None),
            (UTC_TIME, "20491231235959Z", None),
            (
                GENERALIZED_TIME,
                "20240229120000Z",
                Some("2024-02-29T12:00:00Z"),
            ),
            (
                GENERALIZED_TIME,
                "99991231235959Z",
                Some("9999-12-31T23:59:59Z"),
            ),
            (GENERALIZED_TIME, "20240229120000.5Z", None),
            (GENERALIZED_TIME, "491231235959Z", None),
            (GENERALIZED_TIME, "2024022912000ßZ", None),
            (GENERALIZED_TIME, "202402291200ßZ", None),
            (GENERALIZED_TIME, "", None),
            (INTEGER, "491231235959Z", None),
        ] {
            let found = time(tag, text.as_bytes()).map(utc);
            assert_eq!(found.as_deref(), expected, "{tag:#x} {text:?}");
        }
    }

    #[test]
    fn half_a_certificate_has_no_end() {
        let whole = certificate(2026);
        for length in 0..whole.len() {
            assert_eq!(not_after(&whole[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x80",
            b"\x30\x84\x00\x00\x00\x00",
            b"\x30\x83\xff\xff\xff\x30",
            b"\x30\x82\xff",
            b"\x30\xff",
        ] {
            assert_eq!(not_after(bytes), None, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), tag in any::<u8>()) {
            let _ = not_after(&bytes);
            let _ = time(tag, &bytes);
            let _ = time(UTC_TIME, &bytes);
            let _ = time(GENERALIZED_TIME, &bytes);
        }

        #[test]
        fn no_damage_panics(changes in proptest::collection::vec((0..160_usize, any::<u8>()), 1..8)) {
            static WHOLE: LazyLock<Vec<u8>> = LazyLock::new(|| certificate(2026));
            let mut bytes = WHOLE.clone();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            // A time that was found can be printed.
            let _ = not_after(&bytes).map(utc);
        }
    }
}
