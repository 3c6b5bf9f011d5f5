//! Screens: rule out an advisory for a version by comparing bytes.
//!
//! A screen has the spans of an advisory's ranges, and hashes of its enumerated versions. A version outside of the
//! spans and the list is not affected, and every rule about it could be evaluated. For any other version the screen
//! gives no answer. A range that spans cannot express (no version can be compared with it) is never ruled out.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::cursor::{Cursor, put_bytes, put_length};
use crate::knowledge::{Advisory, StatedEntries};
use crate::matching::{
    Subject, decides_without_git, has_rules, is_of_all_versions, is_plain, is_semver, leaves_some_undecided,
    without_prefix,
};
use crate::osv::{Event, RangeKind};
use crate::version::{Scheme, Version};

/// The part of an advisory that can be decided without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Screen {
    /// No version is affected.
    Never,
    /// The advisory must be read.
    Always,
    /// Versions outside all spans and not listed are not affected.
    Spans(Spans),
}

/// The affected versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spans {
    /// At least all versions that the ranges affect: start (included) and end.
    spans: Vec<(Edge, Edge)>,
    /// Hashes of the enumerated versions, sorted.
    listed: Vec<u32>,
}

/// An end of a span, by its version's coarse key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Edge {
    /// No end.
    Open,
    /// At a version, which is included.
    At(Vec<u8>),
    /// Before a version, which is excluded.
    Before(Vec<u8>),
}

/// A screen in its stored form.
#[derive(Debug, Clone, Copy)]
pub(super) enum ScreenRef<'a> {
    Never,
    Always,
    Spans {
        /// As written by [`Spans`].
        spans: &'a [u8],
        /// Four-byte numbers, little-endian, ascending.
        listed: &'a [[u8; 4]],
    },
}

const NEVER: u8 = 0;
const ALWAYS: u8 = 1;
const SPANS: u8 = 2;
const OPEN: u8 = 1;
const AT: u8 = 2;
const BEFORE: u8 = 3;

/// A version prepared for many screens.
#[derive(Debug)]
pub(super) struct Screened<'a> {
    /// The version's coarse key; `None` if it has no place in the order: then nothing is ruled out.
    key: Option<Cow<'a, [u8]>>,
    /// The key of the version without a rebuild's suffix.
    released: Option<&'a Version>,
    text: u32,
    token: Option<u32>,
}

impl<'a> Screened<'a> {
    pub(super) fn new(subject: &'a Subject) -> Self {
        let version = subject.screened();
        Self {
            key: version.map(|version| version.coarse_key(subject.text())),
            released: subject.released(),
            text: hash(subject.text().as_bytes()),
            token: version.map(|version| hash(&token(version, subject.text()))),
        }
    }
}

impl Screen {
    /// Builds the screen of an advisory about a package of `ecosystem`.
    pub(super) fn of(ecosystem: &str, advisory: &Advisory) -> Self {
        let Some(scheme) = Scheme::for_ecosystem(ecosystem) else {
            return Self::Always;
        };
        let mut spans = Vec::new();
        let mut listed = Vec::new();
        // Statements that do not apply decide nothing. What withdrawn records state applies until a time that a screen
        // does not know, so it is among the spans: a superset is right.
        let counting = || {
            let stated = advisory.stated().filter(StatedEntries::counts);
            let live = stated.filter(|_| advisory.withdrawn.is_none());
            let withdrawn = advisory.withdrawn_statements.iter();
            let withdrawn = withdrawn.filter(|said| said.weight.counts());
            live.flat_map(|said| said.entries)
                .chain(withdrawn.flat_map(|said| &said.entries))
        };
        for affected in counting() {
            if !has_rules(affected) {
                return Self::Always;
            }
            for range in &affected.ranges {
                if is_of_all_versions(range) {
                    return Self::Always;
                }
                match &range.kind {
                    RangeKind::Git if decides_without_git(affected) => continue,
                    RangeKind::SemVer if is_semver(scheme) => {}
                    RangeKind::Ecosystem => {}
                    // The range may leave a version undecided.
                    RangeKind::SemVer | RangeKind::Git | RangeKind::Other(_) => return Self::Always,
                }
                match spans_of(&range.events, scheme) {
                    Some(more) => spans.extend(more),
                    None => return Self::Always,
                }
            }
            for version in &affected.versions {
                listed.push(hash(version.0.trim().as_bytes()));
                let text = version.0.trim();
                for text in [text, without_prefix(text)] {
                    if let Ok(parsed) = Version::parse(scheme, text) {
                        listed.push(hash(&token(&parsed, text)));
                    }
                }
            }
        }
        listed.sort_unstable();
        listed.dedup();
        // Without an applicable entry there is no doubt.
        if counting().next().is_some() {
            Self::Spans(Spans { spans, listed })
        } else {
            Self::Never
        }
    }

    /// Writes the screen: its kind and, for spans, their ends and the listed hashes.
    ///
    /// # Errors
    /// If a part is too long for its length field.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> Result<(), std::io::Error> {
        match self {
            Self::Never => out.push(NEVER),
            Self::Always => out.push(ALWAYS),
            Self::Spans(Spans { spans, listed }) => {
                out.push(SPANS);
                let mut ends = Vec::new();
                for (low, high) in spans {
                    low.write(&mut ends)?;
                    high.write(&mut ends)?;
                }
                put_bytes(out, &ends)?;
                put_length(out, listed.len())?;
                for hash in listed {
                    out.extend_from_slice(&hash.to_le_bytes());
                }
            }
        }
        Ok(())
    }
}

impl<'a> ScreenRef<'a> {
    /// Parses the output of [`Screen::write`]; `None` if the bytes are not valid.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        Some(match cursor.byte()? {
            NEVER => Self::Never,
            ALWAYS => Self::Always,
            SPANS => Self::Spans {
                spans: cursor.bytes()?,
                listed: {
                    let count = cursor.length()?;
                    cursor.take(count.checked_mul(4)?)?.as_chunks().0
                },
            },
            _ => return None,
        })
    }

    /// Returns true if the version is certainly not affected.
    pub(super) fn rules_out(&self, subject: &Screened<'_>) -> bool {
        let (spans, listed) = match self {
            Self::Never => return true,
            Self::Always => return false,
            Self::Spans { spans, listed } => (spans, listed),
        };
        let Some(key) = subject.key.as_deref() else {
            return false;
        };
        let lists = |hash: u32| {
            listed
                .binary_search_by(|probe| u32::from_le_bytes(*probe).cmp(&hash))
                .is_ok()
        };
        if lists(subject.text) || subject.token.is_some_and(lists) || !is_outside(spans, key) {
            return false;
        }
        // A rebuild in Maven, which has no keys, has the leading numbers of its release.
        subject
            .released
            .and_then(Version::key)
            .is_none_or(|key| !lists(hash(key)) && is_outside(spans, key))
    }
}

/// Returns true if a version is in none of the spans.
fn is_outside(spans: &[u8], key: &[u8]) -> bool {
    let mut ends = Cursor(spans);
    while !ends.0.is_empty() {
        // Unreadable spans rule nothing out.
        match (
            reaches(&mut ends, key, Ordering::Greater),
            reaches(&mut ends, key, Ordering::Less),
        ) {
            (Some(false), Some(_)) | (Some(_), Some(false)) => {}
            _ => return false,
        }
    }
    true
}

/// Reads an end of a span; returns true if a version is on its inner side, or equal to an included end.
fn reaches(ends: &mut Cursor<'_>, key: &[u8], inner: Ordering) -> Option<bool> {
    Some(match ends.byte()? {
        OPEN => true,
        AT => {
            let side = key.cmp(ends.bytes()?);
            side == inner || side.is_eq()
        }
        BEFORE => key.cmp(ends.bytes()?) == inner,
        _ => return None,
    })
}

impl Edge {
    fn write(&self, out: &mut Vec<u8>) -> Result<(), std::io::Error> {
        match self {
            Self::Open => out.push(OPEN),
            Self::At(key) => {
                out.push(AT);
                put_bytes(out, key)?;
            }
            Self::Before(key) => {
                out.push(BEFORE);
                put_bytes(out, key)?;
            }
        }
        Ok(())
    }
}

/// The change of state at a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Introduced,
    Fixed,
    LastAffected,
}

/// Returns the spans of a range: exactly the affected versions if its events and the scheme's order allow that, else
/// their hull. `None` if the range may leave a version undecided.
fn spans_of(events: &[Event], scheme: Scheme) -> Option<Vec<(Edge, Edge)>> {
    if leaves_some_undecided(events, scheme) {
        return None;
    }
    // Without a key: before all versions.
    let mut points: Vec<(Option<Vec<u8>>, Turn)> = Vec::new();
    let mut exact = true;
    for event in events {
        let (text, turn) = match event {
            Event::Introduced(text) if text.trim() == "0" => {
                points.push((None, Turn::Introduced));
                continue;
            }
            Event::Introduced(text) => (text, Turn::Introduced),
            Event::Fixed(text) => (text, Turn::Fixed),
            Event::LastAffected(text) => (text, Turn::LastAffected),
            // A limit only removes versions, so the spans without it are a superset.
            Event::Limit(_) => continue,
        };
        if let Ok(version) = Version::parse(scheme, text) {
            // Its place depends on the version that is compared with it.
            if !is_plain(&version, text) {
                return None;
            }
            exact &= version.key().is_some();
            points.push((Some(version.coarse_key(text).into_owned()), turn));
        } else if turn == Turn::Introduced {
            // The start of the affected versions is unknown.
            return None;
        }
    }
    if !points.iter().any(|(_, turn)| *turn == Turn::Introduced) {
        // No event is readable, or none begins: undecided.
        return None;
    }
    points.sort_by(|(a, _), (b, _)| a.cmp(b));
    let distinct = points
        .iter()
        .zip(points.iter().skip(1))
        .all(|((a, _), (b, _))| a != b);
    if exact && distinct {
        return Some(walk(points));
    }
    Some(hull(&points).into_iter().collect())
}

/// Returns the spans of points in ascending order.
fn walk(points: Vec<(Option<Vec<u8>>, Turn)>) -> Vec<(Edge, Edge)> {
    let mut spans = Vec::new();
    let mut open = None;
    for (key, turn) in points {
        let at = |edge: fn(Vec<u8>) -> Edge| key.map_or(Edge::Open, edge);
        match (turn, open.take()) {
            (Turn::Introduced, None) => open = Some(at(Edge::At)),
            (Turn::Introduced, already) => open = already,
            (Turn::Fixed, Some(low)) => spans.push((low, at(Edge::Before))),
            (Turn::LastAffected, Some(low)) => spans.push((low, at(Edge::At))),
            // An end of what nothing began leaves versions undecided, so there are no spans: `leaves_some_undecided`.
            (Turn::Fixed | Turn::LastAffected, None) => {}
        }
    }
    if let Some(low) = open {
        spans.push((low, Edge::Open));
    }
    spans
}

/// Returns the hull from the first opening point to the last point; `None` if no point opens. Points at one version
/// count together.
fn hull(points: &[(Option<Vec<u8>>, Turn)]) -> Option<(Edge, Edge)> {
    let opens = |(_, turn): &&(Option<Vec<u8>>, Turn)| *turn == Turn::Introduced;
    let (low, _) = points.iter().find(opens)?;
    let (last, _) = points.last()?;
    let open_at_last = points
        .iter()
        .rev()
        .take_while(|(key, _)| key == last)
        .any(|point| opens(&point));
    let at = |key: &Option<Vec<u8>>| key.clone().map_or(Edge::Open, Edge::At);
    Some((at(low), if open_at_last { Edge::Open } else { at(last) }))
}

/// Returns bytes that are equal if two versions are: the key, or for Maven, which has none, the leading number
/// (versions that Maven calls equal may differ after it).
fn token(version: &Version, text: &str) -> Vec<u8> {
    match version.key() {
        Some(key) => key.to_vec(),
        None => {
            let digits = text.bytes().take_while(u8::is_ascii_digit);
            digits.skip_while(|digit| *digit == b'0').collect()
        }
    }
}

/// FNV-1a, folded to 32 bits: a collision only costs one read.
fn hash(bytes: &[u8]) -> u32 {
    let wide = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [a, b, c, d, e, f, g, h] = wide.to_le_bytes();
    u32::from_le_bytes([a ^ e, b ^ f, c ^ g, d ^ h])
}
