//! The page `/statusz` for a person, and the same content as JSON.
//!
//! The page is HTML and inline SVG without a script. It refreshes by the meta element, and each
//! part keeps its place, so that nothing jumps. It stays below 10 KiB for any number of endpoints.
//! The JSON has all of them.

use std::fmt::{self, Write as _};

use crate::check::HEALTHY;
use crate::check::record::{HISTORY_LENGTH, Sample};

use self::html::{Age, Escaped, milliseconds};
use self::status::{Status, TargetStatus};

mod endpoints;
mod html;
mod json;
mod registration;
pub(crate) mod status;

/// The policy by which the page may load nothing.
pub(crate) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The most targets with a row of their own: four plots fill the page's 10 KiB.
const ROWS: usize = 4;

/// The longest page, in bytes. The kubelet reads no more of an answer.
const LONGEST: usize = (10 << 10) - 1;

const STYLE: &str = "\
:root{color-scheme:light dark;--ok:#1a7f37;--bad:#cf222e;--dim:#6e7781;--line:#d0d7de}\
@media(prefers-color-scheme:dark){:root{--ok:#3fb950;--bad:#f85149;--dim:#8b949e;--line:#30363d}}\
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:46rem;padding:0 1rem}\
h1{font-size:1.6rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .2rem;overflow-wrap:anywhere}\
.ok{color:var(--ok)}.bad{color:var(--bad)}p{margin:.2rem 0}.dim,dt,footer{color:var(--dim)}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.6rem 0}\
dd{margin:0;overflow-wrap:anywhere}svg{width:100%;height:4rem;border-bottom:1px solid var(--line)}\
path{stroke-width:.8}.s-ok{stroke:var(--ok)}.s-bad{stroke:var(--bad)}footer{margin-top:2rem;font-size:.85rem}";

// === impl Status ===

impl Status {
    /// Returns the page.
    pub(crate) fn html(&self) -> String {
        // Endpoints share the room that the rest leaves.
        let rest = self.page(0);
        let services = self.targets.iter().filter(|it| !it.rows.is_empty());
        match services.count().min(ROWS) {
            0 => rest,
            services => self.page(LONGEST.saturating_sub(rest.len()) / services),
        }
    }

    /// Returns the page, with so many bytes for the endpoints of each target.
    fn page(&self, room: usize) -> String {
        let mut page = String::with_capacity(8 << 10);
        // Writing into a string does not fail.
        let _ = self.write_html(room, &mut page);
        page
    }

    /// Returns the content as JSON.
    pub(crate) fn json(&self) -> String {
        serde_json::to_string(&json::Document::new(self)).unwrap_or_default()
    }

    fn write_html(&self, room: usize, page: &mut String) -> fmt::Result {
        let (title, class) = self.title();
        write!(
            page,
            "<!doctype html><html lang=en><meta charset=utf-8>\
             <meta name=viewport content=\"width=device-width,initial-scale=1\">\
             <meta http-equiv=refresh content=5><title>{title}</title>\
             <style>{STYLE}</style><h1 class={class}>{title}</h1>"
        )?;
        if self.draining {
            page.push_str("<p>The sidecar is draining: /readyz returns 503.");
        }
        // Unhealthy targets come first.
        let (healthy, unhealthy): (Vec<_>, Vec<_>) =
            self.targets.iter().partition(|target| target.is_healthy());
        for target in unhealthy.iter().chain(&healthy).take(ROWS) {
            target.write_html(self, room, page)?;
        }
        if let more @ 1.. = self.targets.len().saturating_sub(ROWS) {
            write!(
                page,
                "<p class=dim>and {more} more: request application/json"
            )?;
        }
        registration::write_html(self.registration.as_ref(), self.now, page)?;
        write!(
            page,
            "<footer>health {} · the page shows the latest checks and starts none</footer></html>",
            Escaped(crate::VERSION)
        )
    }

    /// Returns the heading and its class.
    fn title(&self) -> (String, &'static str) {
        let healthy = self
            .targets
            .iter()
            .filter(|target| target.is_healthy())
            .count();
        let class = if healthy == self.targets.len() {
            "ok"
        } else {
            "bad"
        };
        let title = match self.targets.as_slice() {
            [only] => format!("{} is {}", Escaped(&only.name), self.verdict()),
            several => format!("{healthy} of {} services are healthy", several.len()),
        };
        (title, class)
    }
}

// === impl TargetStatus ===

impl TargetStatus {
    fn write_html(&self, status: &Status, room: usize, page: &mut String) -> fmt::Result {
        let now = status.now;
        write!(page, "<h2>{}</h2>", Escaped(&self.name))?;
        let Some(latest) = &self.record.latest else {
            return write!(
                page,
                "<p class=dim>No check has ended yet.<dl><dt>address<dd>{}</dl>",
                Escaped(&self.address)
            );
        };
        let since = Age(self.record.since.unwrap_or(latest.at), now);
        match &latest.verdict {
            Ok(()) => write!(page, "<p class=ok>healthy for {since}")?,
            Err(unhealthy) => {
                let reason = unhealthy.reason();
                write!(
                    page,
                    "<p class=bad>unhealthy for {since}: {}<p>{}",
                    reason.code,
                    Escaped(reason.remedy)
                )?;
                if status.expose_errors {
                    write!(page, "<p class=dim>{}", Escaped(&unhealthy.to_string()))?;
                }
            }
        }
        write_plot(page, self.record.history.iter())?;
        write!(
            page,
            "<dl><dt>address<dd>{}<dt>protocol<dd>{}<dt>last probe<dd>{} ago, {:.1} ms<dt>healthy last<dd>{}",
            Escaped(&self.address),
            self.protocol,
            Age(latest.at, now),
            milliseconds(latest.took),
            self.record
                .last_success
                .map_or("never".to_owned(), |at| format!("{} ago", Age(at, now))),
        )?;
        match self.certificate_expiry {
            None => Ok(()),
            Some(at) if at < now => write!(
                page,
                "<dt>certificate<dd class=bad>expired {} ago",
                Age(at, now)
            ),
            Some(at) => write!(page, "<dt>certificate<dd>expires in {}", Age(now, at)),
        }?;
        endpoints::write_html(&self.rows, status.expose_errors, room, page)?;
        page.push_str("</dl>");
        Ok(())
    }
}

/// Writes a bar for each check, the newest at the right. Its height is the logarithm of the
/// duration, from 0.1 ms at the bottom to 1 s at the top.
fn write_plot<'a>(
    page: &mut String,
    samples: impl ExactSizeIterator<Item = &'a Sample>,
) -> fmt::Result {
    write!(
        page,
        "<svg viewBox=\"-.5 0 {HISTORY_LENGTH} 40\" preserveAspectRatio=none role=img aria-label=\"the latest probes\">"
    )?;
    let mut bars = [String::new(), String::new()];
    for (x, Sample { code, took }) in (HISTORY_LENGTH - samples.len()..).zip(samples) {
        let height = (10.0 * (milliseconds(*took) * 10.0).max(1.0).log10()).clamp(1.0, 40.0);
        let bar = &mut bars[usize::from(*code != HEALTHY)];
        write!(bar, "M{x} 40v-{height:.0}")?;
    }
    for (class, bars) in ["s-ok", "s-bad"].into_iter().zip(bars) {
        write!(page, "<path class={class} d=\"{bars}\"/>")?;
    }
    page.push_str("</svg>");
    Ok(())
}

#[cfg(test)]
mod tests;
