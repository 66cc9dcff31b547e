//! The certificate authorities of a PEM file.
//!
//! A bundle often has a certificate that is of no use, such as one that another tool has cut or
//! written in another encoding. Go's `AppendCertsFromPEM` skips it, and so does this.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject as _};
use tracing::warn;

/// The certificate authorities of a PEM file.
#[derive(Debug)]
pub(crate) struct Authorities {
    /// The roots of the chains to accept.
    pub roots: RootCertStore,
    /// The certificates that the roots were made from.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The number of certificates that cannot be used.
    unusable: usize,
}

/// The reason why a file has no certificate that can be used. It is about the first one.
#[derive(Debug)]
pub(crate) enum NoAuthorities {
    /// The file has no certificate, or it is not well-formed PEM.
    Pem(pem::Error),
    /// The certificate is not one of X.509.
    Certificate(rustls::Error),
}

/// The lines around a certificate.
const MARKS: [&[u8]; 2] = [b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"];

/// The number of unusable certificates that the log has had, by file.
static WARNED: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

// === impl Authorities ===

impl Authorities {
    /// Reads every certificate, and logs once per file that some cannot be used.
    ///
    /// # Errors
    ///
    /// Returns the reason if no certificate can be used.
    pub(crate) fn read(path: &Path, pem: &[u8]) -> Result<Self, NoAuthorities> {
        let authorities = Self::parse(pem)?;
        let unusable = authorities.unusable;
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        if unusable == 0 {
            warned.remove(path);
        } else if warned.insert(path.to_owned(), unusable) != Some(unusable) {
            warn!(
                file = %path.display(),
                unusable,
                used = authorities.certificates.len(),
                "A file of certificate authorities has certificates that cannot be used; using the others"
            );
        }
        Ok(authorities)
    }

    fn parse(pem: &[u8]) -> Result<Self, NoAuthorities> {
        let mut found = Self {
            roots: RootCertStore::empty(),
            certificates: Vec::new(),
            unusable: 0,
        };
        let mut first_error = None;
        for section in sections(pem) {
            match certificate(section) {
                Ok(certificate) => match found.roots.add(certificate.clone()) {
                    Ok(()) => {
                        found.certificates.push(certificate);
                        continue;
                    }
                    Err(error) => first_error.get_or_insert(NoAuthorities::Certificate(error)),
                },
                Err(error) => first_error.get_or_insert(NoAuthorities::Pem(error)),
            };
            found.unusable += 1;
        }
        if found.certificates.is_empty() {
            return Err(first_error.unwrap_or(NoAuthorities::Pem(pem::Error::NoItemsFound)));
        }
        Ok(found)
    }
}

/// Returns the text of each certificate, up to its last line or the beginning of the next one. The
/// text between them is comments, or keys.
fn sections(pem: &[u8]) -> Vec<&[u8]> {
    let mut sections = Vec::new();
    let mut rest = pem;
    while let Some(begin) = find(rest, MARKS[0]) {
        let body = begin + MARKS[0].len();
        let next = find(&rest[body..], MARKS[0]).map_or(rest.len(), |next| body + next);
        let end = find(&rest[body..next], MARKS[1]);
        let end = end.map_or(next, |end| body + end + MARKS[1].len());
        sections.push(&rest[begin..end]);
        rest = &rest[end..];
    }
    sections
}

fn certificate(section: &[u8]) -> Result<CertificateDer<'static>, pem::Error> {
    CertificateDer::from_pem_slice(section)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use testkit::pki::Authority;

    use super::*;

    /// A certificate of X.509 version 1, which has no extensions, by `openssl x509 -req -signkey`.
    const VERSION_1: &str = include_str!("authorities/version-1.pem");

    const NO_X509: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const NO_BASE64: &str = "-----BEGIN CERTIFICATE-----\n%%\n-----END CERTIFICATE-----\n";
    const CUT: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n";

    /// Returns the numbers of certificates that can and that cannot be used.
    fn counts(pem: &str) -> (usize, usize) {
        let found = Authorities::parse(pem.as_bytes()).unwrap();
        assert_eq!(found.roots.len(), found.certificates.len());
        (found.certificates.len(), found.unusable)
    }

    #[test]
    fn a_certificate_that_cannot_be_used_does_not_refuse_the_others() {
        let good = Authority::new("a").pem();
        let other = Authority::new("b").pem();
        for (bad, unusable) in [
            ("", 0),
            ("# Subject: CN=ä, a comment\n\n", 0),
            ("\u{feff}-- text\r\n-----\r\n", 0),
            (
                "-----BEGIN PRIVATE KEY-----\n%\n-----END PRIVATE KEY-----\n",
                0,
            ),
            (NO_X509, 1),
            (NO_BASE64, 1),
            (CUT, 1),
            ("-----BEGIN CERTIFICATE-----", 1),
        ] {
            for pem in [
                [bad, &good, &other].concat(),
                [&good, bad, &other].concat(),
                [&good, &other, bad].concat(),
            ] {
                assert_eq!(counts(&pem), (2, unusable), "{bad}");
                assert_eq!(counts(&pem.replace('\n', "\r\n")), (2, unusable), "{bad}");
            }
        }
    }

    #[test]
    fn a_certificate_of_version_1_is_an_authority() {
        assert_eq!(counts(VERSION_1), (1, 0));
    }

    #[test]
    fn a_file_without_a_usable_certificate_is_refused() {
        for pem in ["", "text", NO_BASE64, CUT] {
            let refused = Authorities::parse(pem.as_bytes()).unwrap_err();
            assert!(matches!(refused, NoAuthorities::Pem(_)), "{refused:?}");
        }
        let refused = Authorities::parse(NO_X509.as_bytes()).unwrap_err();
        assert!(
            matches!(refused, NoAuthorities::Certificate(_)),
            "{refused:?}"
        );
    }
}
