//! Debian's security tracker: its JSON export, and the lists behind it.

mod lists;
mod notes;
mod temporary;
#[cfg(test)]
mod tests;
mod tracker;

use super::Connector;
use super::output::Output;
use super::shallow;
use super::shape::Shape;

/// Reads documents of Debian's security tracker.
pub(crate) struct Debian;

impl Connector for Debian {
    fn name(&self) -> &'static str {
        "debian"
    }

    fn knows(&self, shape: &Shape<'_>) -> bool {
        // Packages by name, each with its vulnerabilities by id.
        let is_tracker = shape.first().is_some_and(|(_, package)| {
            let first = shallow::members(package).and_then(|mut walk| match walk.next() {
                Some(Ok((id, value))) => Some((id.into_owned(), value)),
                _ => walk.broken().map(|(id, value)| (id.to_owned(), value)),
            });
            first.is_some_and(|(id, value)| {
                (id.starts_with("CVE-") || id.starts_with("TEMP-"))
                    && memchr::memmem::find(value, b"\"releases\"").is_some()
            })
        });
        is_tracker || shape.text().is_some_and(lists::is_list)
    }

    fn read(&self, bytes: &[u8], _: &str, out: &mut Output<'_>) {
        let body = crate::osv::strip_byte_order_mark(bytes);
        if body.trim_ascii_start().first() == Some(&b'{') {
            tracker::read(body, out);
        } else {
            lists::read(body, out);
        }
    }
}

/// Releases by their names.
const RELEASES: [(&str, &str); 17] = [
    ("hamm", "2.0"),
    ("slink", "2.1"),
    ("potato", "2.2"),
    ("woody", "3.0"),
    ("sarge", "3.1"),
    ("etch", "4"),
    ("lenny", "5"),
    ("squeeze", "6"),
    ("wheezy", "7"),
    ("jessie", "8"),
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
];

/// The releases to which a statement about unstable applies by default: the supported ones, and testing.
const SUPPORTED: [&str; 4] = ["11", "12", "13", "14"];

/// Returns the ecosystem of a release by its name; `None` for unstable and unknown names.
fn ecosystem_of(release: &str) -> Option<String> {
    let named = |name: &str| name.eq_ignore_ascii_case(release.trim());
    let (_, number) = RELEASES.iter().find(|(name, _)| named(name))?;
    Some(format!("Debian:{number}"))
}

/// Returns the ecosystem of a release as the lists know it. They say nothing about unfixed vulnerabilities of releases that are
/// no longer supported, so those have the release's name instead of its number: a scan finds them all the same, and does
/// not take them for knowledge of the release.
fn listed_ecosystem_of(release: &str) -> Option<String> {
    let named = |name: &str| name.eq_ignore_ascii_case(release.trim());
    let (name, number) = RELEASES.iter().find(|(name, _)| named(name))?;
    let is_old = number
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| (4..11).contains(&major));
    Some(format!("Debian:{}", if is_old { name } else { number }))
}

/// Returns true for the id of an advisory.
pub(crate) fn is_advisory(id: &str) -> bool {
    lists::ADVISORIES.iter().any(|prefix| id.starts_with(prefix))
}

/// Returns the record's id for a vulnerability.
pub(crate) fn record_id(id: &str) -> String {
    if id.starts_with("CVE-") {
        format!("DEBIAN-{id}")
    } else {
        id.to_owned()
    }
}
