//! Screens: ruling an advisory out for a version by comparing bytes.
//!
//! A screen is the hull of all an advisory's ranges, and hashes of the versions that it enumerates. A version
//! outside of the hull and of the list is not affected, and every rule about it could be evaluated; of any
//! other version nothing is said. What the hull cannot express (a range that no version can be compared with)
//! is never ruled out.

use std::borrow::Cow;
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
    /// At a version, by its coarse key.
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
    /// The version's coarse key; none if it has no place in the order: then nothing is ruled out.
    key: Option<Cow<'a, [u8]>>,
    text: u32,
    token: Option<u32>,
}

impl<'a> Screened<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        let version = subject.own();
        Self {
            key: version.map(|version| version.coarse_key(subject.text())),
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
        let Some(key) = subject.key.as_deref() else {
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
            EdgeRef::At(at) => key.cmp(at) == side,
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
    fn of(end: End) -> Self {
        match end {
            End::Open => Self::Open,
            End::At(key) => Self::At(key),
        }
    }
}

/// The ranges' hull while it grows; none before there is any range.
#[derive(Default)]
struct Extent {
    low: Option<End>,
    high: Option<End>,
}

/// An end, by its coarse key.
enum End {
    Open,
    At(Vec<u8>),
}

impl Extent {
    /// Takes an entry's ranges in; false if one of them may leave a version undecided.
    fn take(&mut self, affected: &Affected, scheme: Scheme) -> bool {
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

    fn take_events(&mut self, events: &[Event], scheme: Scheme) -> bool {
        let mut opens: Option<End> = None;
        let mut last: Option<(Vec<u8>, bool)> = None;
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
            let key = version.coarse_key(text).into_owned();
            last = Some(match last {
                Some((high, opened)) => match key.cmp(&high) {
                    Ordering::Greater => (key.clone(), introduces),
                    Ordering::Equal => (high, opened || introduces),
                    Ordering::Less => (high, opened),
                },
                None => (key.clone(), introduces),
            });
            if introduces {
                opens = Some(lower(opens.take(), End::At(key)));
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
            None | Some((_, true)) => End::Open,
            Some((key, false)) => End::At(key),
        };
        self.high = Some(higher(self.high.take(), high));
        true
    }
}

fn lower(known: Option<End>, new: End) -> End {
    match (known, new) {
        (None, new) => new,
        (Some(End::At(a)), End::At(b)) => End::At(a.min(b)),
        _ => End::Open,
    }
}

fn higher(known: Option<End>, new: End) -> End {
    match (known, new) {
        (None, new) => new,
        (Some(End::At(a)), End::At(b)) => End::At(a.max(b)),
        _ => End::Open,
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
