//! Screens: ruling an advisory out for a version by comparing bytes.
//!
//! A screen is the hull of all an advisory's ranges, and hashes of the versions that it enumerates. A version
//! outside of the hull and of the list is not affected, and every rule about it could be evaluated; of any
//! other version nothing is said. What the hull cannot express (a range that no version can be compared with)
//! is never ruled out.

use std::cmp::Ordering;

use super::cursor::{Cursor, put_bytes, put_length};
use crate::knowledge::Advisory;
use crate::matching::{Subject, decides_without_git, is_semver};
use crate::osv::{Affected, Event, RangeKind};
use crate::version::{Scheme, Version};

/// What can be said about an advisory without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Screen {
    /// No version is affected.
    Never,
    /// It has to be read.
    Always,
    /// Versions below, above, and not listed are not affected.
    Hull(Hull),
}

/// The hull of an advisory's ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hull {
    /// The lowest version at which a range begins.
    low: Edge,
    /// The highest version at which one ends; a version equal to it has to be looked at.
    high: Edge,
    /// Hashes of the enumerated versions, sorted.
    listed: Vec<u32>,
}

/// An end of a hull.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Edge {
    /// There are no ranges.
    #[default]
    Nowhere,
    /// Without end.
    Open,
    /// At a version: its key's bytes, or its text where the scheme has no keys.
    At(Vec<u8>),
}

/// A screen where it lies in the index.
#[derive(Debug, Clone, Copy)]
pub(super) enum ScreenRef<'a> {
    Never,
    Always,
    Hull {
        low: EdgeRef<'a>,
        high: EdgeRef<'a>,
        /// Numbers of four bytes, little-endian, rising.
        listed: &'a [[u8; 4]],
    },
}

/// An end of a hull where it lies in the index.
#[derive(Debug, Clone, Copy)]
pub(super) enum EdgeRef<'a> {
    Nowhere,
    Open,
    At(&'a [u8]),
}

const NEVER: u8 = 0;
const ALWAYS: u8 = 1;
const HULL: u8 = 2;
const NOWHERE: u8 = 0;
const OPEN: u8 = 1;
const AT: u8 = 2;

/// A version prepared for many screens.
#[derive(Debug)]
pub(super) struct Screened<'a> {
    /// None if the version has no place in the order: then nothing is ruled out.
    version: Option<&'a Version>,
    text: u32,
    token: Option<u32>,
}

impl<'a> Screened<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        let version = subject.own();
        Self {
            version,
            text: hash(subject.text().as_bytes()),
            token: version.map(|version| hash(&token(version, subject.text()))),
        }
    }
}

impl Screen {
    /// Makes the screen of an advisory about a package of `ecosystem`.
    pub(super) fn of(ecosystem: &str, advisory: &Advisory) -> Self {
        if advisory.withdrawn.is_some() {
            return Self::Never;
        }
        let Some(scheme) = Scheme::for_ecosystem(ecosystem) else {
            return Self::Always;
        };
        let mut hull = Extent::default();
        let mut listed = Vec::new();
        for affected in &advisory.affected {
            if !hull.take(affected, scheme) {
                return Self::Always;
            }
            for version in &affected.versions {
                listed.push(hash(version.0.trim().as_bytes()));
                if let Ok(parsed) = Version::parse(scheme, &version.0) {
                    listed.push(hash(&token(&parsed, version.0.trim())));
                }
            }
        }
        listed.sort_unstable();
        listed.dedup();
        let hull = Hull {
            low: hull.low.map_or(Edge::Nowhere, Edge::of),
            high: hull.high.map_or(Edge::Nowhere, Edge::of),
            listed,
        };
        // Without any rule there is nothing to be in doubt about; an empty range is a rule, which leaves a
        // version without a place undecided.
        let has_rules = |entry: &Affected| !entry.ranges.is_empty() || !entry.versions.is_empty();
        if advisory.affected.iter().any(has_rules) {
            Self::Hull(hull)
        } else {
            Self::Never
        }
    }

    /// Writes the screen: kind, and of a hull its ends and the listed hashes.
    ///
    /// # Errors
    /// If a part is longer than its length can say.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), std::io::Error> {
        match self {
            Self::Never => out.push(NEVER),
            Self::Always => out.push(ALWAYS),
            Self::Hull(hull) => {
                out.push(HULL);
                for edge in [&hull.low, &hull.high] {
                    match edge {
                        Edge::Nowhere => out.push(NOWHERE),
                        Edge::Open => out.push(OPEN),
                        Edge::At(key) => {
                            out.push(AT);
                            put_bytes(out, key)?;
                        }
                    }
                }
                put_length(out, hull.listed.len())?;
                for hash in &hull.listed {
                    out.extend_from_slice(&hash.to_le_bytes());
                }
            }
        }
        Ok(())
    }
}

impl<'a> ScreenRef<'a> {
    /// Reads what [`Screen::write`] wrote; none if it is something else.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        Some(match cursor.byte()? {
            NEVER => Self::Never,
            ALWAYS => Self::Always,
            HULL => Self::Hull {
                low: EdgeRef::read(cursor)?,
                high: EdgeRef::read(cursor)?,
                listed: {
                    let count = cursor.length()?;
                    cursor.take(count.checked_mul(4)?)?.as_chunks().0
                },
            },
            _ => return None,
        })
    }

    /// Returns true if the version is not affected and nothing about that is in doubt.
    pub(super) fn rules_out(&self, subject: &Screened<'_>) -> bool {
        let (low, high, listed) = match self {
            Self::Never => return true,
            Self::Always => return false,
            Self::Hull { low, high, listed } => (low, high, listed),
        };
        let Some(version) = subject.version else {
            return false;
        };
        let lists = |hash: u32| {
            listed
                .binary_search_by(|probe| u32::from_le_bytes(*probe).cmp(&hash))
                .is_ok()
        };
        if lists(subject.text) || subject.token.is_some_and(lists) {
            return false;
        }
        let outside = |edge: &EdgeRef<'_>, side: Ordering| match edge {
            EdgeRef::Nowhere => true,
            EdgeRef::Open => false,
            EdgeRef::At(at) => compare(version, at) == Some(side),
        };
        outside(low, Ordering::Less) || outside(high, Ordering::Greater)
    }
}

impl<'a> EdgeRef<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        Some(match cursor.byte()? {
            NOWHERE => Self::Nowhere,
            OPEN => Self::Open,
            AT => Self::At(cursor.bytes()?),
            _ => return None,
        })
    }
}

impl Edge {
    fn of(end: End<'_>) -> Self {
        match end {
            End::Open => Self::Open,
            End::At(version, text) => Self::At(key_or_text(&version, text)),
        }
    }
}

/// The ranges' hull while it grows; none before there is any range.
#[derive(Default)]
struct Extent<'a> {
    low: Option<End<'a>>,
    high: Option<End<'a>>,
}

/// An end with the text that it was read from.
enum End<'a> {
    Open,
    At(Version, &'a str),
}

impl<'a> Extent<'a> {
    /// Takes an entry's ranges in; false if one of them may leave a version undecided.
    fn take(&mut self, affected: &'a Affected, scheme: Scheme) -> bool {
        for range in &affected.ranges {
            match &range.kind {
                RangeKind::Git if decides_without_git(affected) => continue,
                RangeKind::SemVer if is_semver(scheme) => {}
                RangeKind::Ecosystem => {}
                RangeKind::SemVer | RangeKind::Git | RangeKind::Other(_) => return false,
            }
            if !self.take_events(&range.events, scheme) {
                return false;
            }
        }
        true
    }

    fn take_events(&mut self, events: &'a [Event], scheme: Scheme) -> bool {
        let mut opens: Option<End<'a>> = None;
        let mut last: Option<(Version, &'a str, bool)> = None;
        let mut read = 0;
        for event in events {
            let (Event::Introduced(text)
            | Event::Fixed(text)
            | Event::LastAffected(text)
            | Event::Limit(text)) = event;
            let introduces = matches!(event, Event::Introduced(_));
            if introduces && text.trim() == "0" {
                read += 1;
                opens = Some(End::Open);
                continue;
            }
            // A limit only takes away, so the hull without it is one too.
            if matches!(event, Event::Limit(_)) {
                continue;
            }
            let Ok(version) = Version::parse(scheme, text) else {
                continue;
            };
            read += 1;
            last = Some(match last {
                Some((high, high_text, opened)) => match version.compare(&high) {
                    Some(Ordering::Greater) => (version.clone(), text.as_str(), introduces),
                    Some(Ordering::Equal) => (high, high_text, opened || introduces),
                    _ => (high, high_text, opened),
                },
                None => (version.clone(), text.as_str(), introduces),
            });
            if introduces {
                opens = Some(lower(opens.take(), End::At(version, text)));
            }
        }
        if read == 0 && !events.is_empty() {
            // None of it can be read: undecided, unless limits are all there is, which is as good as nothing.
            return false;
        }
        let Some(low) = opens else {
            // Never opened.
            return true;
        };
        self.low = Some(lower(self.low.take(), low));
        let high = match last {
            // Open at its highest version, or without any.
            None | Some((_, _, true)) => End::Open,
            Some((version, text, false)) => End::At(version, text),
        };
        self.high = Some(higher(self.high.take(), high));
        true
    }
}

fn lower<'a>(known: Option<End<'a>>, new: End<'a>) -> End<'a> {
    match (known, new) {
        (None, new) => new,
        (Some(End::At(a, a_text)), End::At(b, b_text)) => {
            if a.compare(&b) == Some(Ordering::Greater) {
                End::At(b, b_text)
            } else {
                End::At(a, a_text)
            }
        }
        _ => End::Open,
    }
}

fn higher<'a>(known: Option<End<'a>>, new: End<'a>) -> End<'a> {
    match (known, new) {
        (None, new) => new,
        (Some(End::At(a, a_text)), End::At(b, b_text)) => {
            if a.compare(&b) == Some(Ordering::Less) {
                End::At(b, b_text)
            } else {
                End::At(a, a_text)
            }
        }
        _ => End::Open,
    }
}

fn key_or_text(version: &Version, text: &str) -> Vec<u8> {
    version.key().unwrap_or(text.as_bytes()).to_vec()
}

/// Orders a version against an edge; none if the edge cannot be read, which rules nothing out.
fn compare(version: &Version, edge: &[u8]) -> Option<Ordering> {
    match version.key() {
        Some(key) => Some(key.cmp(edge)),
        None => {
            let text = std::str::from_utf8(edge).ok()?;
            version.compare(&Version::parse(version.scheme(), text).ok()?)
        }
    }
}

/// Bytes that are equal wherever two versions are: the key, or for Maven, which has none, the leading number
/// (versions that Maven calls equal may differ in what follows it).
fn token(version: &Version, text: &str) -> Vec<u8> {
    match version.key() {
        Some(key) => key.to_vec(),
        None => {
            let digits = text.bytes().take_while(u8::is_ascii_digit);
            digits.skip_while(|digit| *digit == b'0').collect()
        }
    }
}

/// FNV-1a, folded to 32 bits: a hash that is met by chance costs a reading, nothing else.
fn hash(bytes: &[u8]) -> u32 {
    let wide = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [a, b, c, d, e, f, g, h] = wide.to_le_bytes();
    u32::from_le_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
}
