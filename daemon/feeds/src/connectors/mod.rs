//! Connectors: convert documents of other formats to the OSV schema.
//!
//! A connector is a pure parser of one kind of document. It gets a complete document and returns, in order, a record
//! or a refusal for each entry, with a warning for all data that it could not convert. Data without a place in the
//! schema is kept in `database_specific.native`, so that nothing is lost for a site that never sees the document.
//!
//! Each folder contains one kind. `docs/sources` has a page for each, with a table of its fields.

pub(crate) mod commas;
pub(crate) mod csv;
pub(crate) mod draft;
pub(crate) mod form;
pub(crate) mod output;
pub(crate) mod severity;
pub(crate) mod shallow;
pub(crate) mod shape;
pub(crate) mod text;
pub(crate) mod typed;
pub(crate) mod value;
pub(crate) mod xml;

pub(crate) mod almalinux;
pub(crate) mod alpine;
pub(crate) mod amazon;
pub(crate) mod bdu;
pub(crate) mod chainguard;
pub(crate) mod cnnvd;
pub(crate) mod cnvd;
pub(crate) mod csaf;
pub(crate) mod cve;
pub(crate) mod debian;
pub(crate) mod epss;
pub(crate) mod euvd;
pub(crate) mod fedora;
pub(crate) mod ghsa;
pub(crate) mod govulndb;
pub(crate) mod jvn;
pub(crate) mod kev;
pub(crate) mod minimos;
pub(crate) mod nvd;
pub(crate) mod oracle;
pub(crate) mod redhat;
pub(crate) mod rocky;
pub(crate) mod rustsec;
pub(crate) mod suse;
pub(crate) mod ubuntu;
pub(crate) mod wolfi;

pub(crate) mod rpm;
pub(crate) mod secdb;
pub(crate) mod updateinfo;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::osv::Part;
use output::Output;
use shape::Shape;

/// Longest document of a kind other than OSV, in bytes. Some sources publish all they know as one document: that of
/// BDU has 28 MB packed, which is some 400 MB of XML.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 30;
/// Longest document that is one line of many, in bytes.
pub(crate) const MAX_LINE_BYTES: usize = 256 << 20;

/// A parser of one kind of document.
pub(crate) trait Connector: Sync {
    /// Returns the kind's name, as `--kind` takes it.
    fn name(&self) -> &'static str;

    /// Returns true if a document of this form has only this kind.
    fn knows(&self, shape: &Shape<'_>) -> bool;

    /// Reads a document: every entry becomes a part of `out`.
    fn read(&self, bytes: &[u8], name: &str, out: &mut Output<'_>);
}

/// Every connector, by name.
const CONNECTORS: [&dyn Connector; 26] = [
    &almalinux::Almalinux,
    &alpine::Alpine,
    &amazon::Amazon,
    &bdu::Bdu,
    &chainguard::Chainguard,
    &cnnvd::Cnnvd,
    &cnvd::Cnvd,
    &csaf::Csaf,
    &cve::Cve,
    &debian::Debian,
    &epss::Epss,
    &euvd::Euvd,
    &fedora::Fedora,
    &ghsa::Ghsa,
    &govulndb::Govulndb,
    &jvn::Jvn,
    &kev::Kev,
    &minimos::Minimos,
    &nvd::Nvd,
    &oracle::Oracle,
    &redhat::Redhat,
    &rocky::Rocky,
    &rustsec::Rustsec,
    &suse::Suse,
    &ubuntu::Ubuntu,
    &wolfi::Wolfi,
];

/// A kind of document in a feed.
#[derive(Clone, Copy)]
pub struct Kind(Which);

#[derive(Clone, Copy)]
enum Which {
    Osv,
    Native(&'static dyn Connector),
}

/// The error of an unknown kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of document {found:?}: expected one of {}", Kind::names().join(", "))]
pub struct UnknownKind {
    found: String,
}

impl Kind {
    /// Records of the OSV schema.
    pub const OSV: Self = Self(Which::Osv);

    /// Returns the kind's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            Which::Osv => "osv",
            Which::Native(connector) => connector.name(),
        }
    }

    /// Returns the names of all kinds, sorted.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        let mut names: Vec<&str> = CONNECTORS.iter().map(|connector| connector.name()).collect();
        names.push("osv");
        names.sort_unstable();
        names
    }

    /// Detects the kind of a document, other than OSV, from its beginning. `None` if no connector knows it, or several
    /// do.
    #[must_use]
    pub fn detect(head: &[u8]) -> Option<Self> {
        let shape = Shape::of(head);
        let mut known = CONNECTORS.iter().filter(|connector| connector.knows(&shape));
        let found = known.next()?;
        known.next().is_none().then_some(Self(Which::Native(*found)))
    }

    /// Returns true if a document with this beginning has this kind.
    #[must_use]
    pub fn knows(self, head: &[u8]) -> bool {
        match self.0 {
            Which::Osv => false,
            Which::Native(connector) => connector.knows(&Shape::of(head)),
        }
    }

    /// Reads a document of this kind, and passes on each part.
    pub fn read(self, bytes: &[u8], name: &str, each: &mut dyn FnMut(Part)) {
        match self.0 {
            Which::Osv => crate::osv::read(bytes).into_iter().for_each(each),
            Which::Native(connector) => {
                let mut out = Output::new(each);
                match unreadable(bytes) {
                    Some(why) => out.reject("", why),
                    None => connector.read(bytes, name, &mut out),
                }
                out.end(connector.name());
            }
        }
    }
}

/// Returns why no connector reads a document: it is empty, or the page that a server gives in its place.
fn unreadable(bytes: &[u8]) -> Option<&'static str> {
    let body = crate::osv::strip_byte_order_mark(bytes).trim_ascii_start();
    let begins_with = |tag: &[u8]| {
        body.get(..tag.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(tag))
    };
    if body.is_empty() {
        Some("the document is empty")
    } else if begins_with(b"<!doctype html") || begins_with(b"<html") {
        Some("a page of HTML in place of a document")
    } else {
        None
    }
}

impl PartialEq for Kind {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Kind {}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kind({})", self.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "osv" {
            return Ok(Self::OSV);
        }
        let found = CONNECTORS.iter().find(|connector| connector.name() == name);
        found
            .map(|connector| Self(Which::Native(*connector)))
            .ok_or_else(|| UnknownKind {
                found: text::quote(name),
            })
    }
}
