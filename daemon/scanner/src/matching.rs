//! Whether one version is affected by one OSV `affected` entry, and which rule said so.
//!
//! The evaluation is the OSV schema's (section "Evaluation"): a version is affected if it is
//! enumerated, or lies in any range. Events may stand in any order and repeat. Beyond the schema:
//!
//! - `introduced` and `fixed` at one version cancel each other: the state before goes on. That reads
//!   both `[0,1) [1,2)` written as one list, and the empty `[1,1)`, as they are meant.
//! - An event that the scheme cannot read is left out and reported, so that the readable ones decide.
//! - `GIT` ranges need a commit graph and are reported as not evaluated; they never hide the others, and
//!   leave an entry undecided only if it has nothing else.
//!
//! Which entries belong to the package in question is the caller's business.

use std::cell::OnceCell;
use std::cmp::Ordering;

use crate::module::{Stream, is_of_another};
use crate::osv::{Affected, Event, Range, RangeKind};
use crate::purl::PackageUrl;
use crate::version::{Scheme, Version};

/// A component's version, parsed once for all advisories it is held against.
#[derive(Debug, Clone)]
pub struct Subject {
    text: String,
    scheme: Option<Scheme>,
    own: Option<Version>,
    /// Read when a SEMVER range is met, unless the own order is one of SemVer's.
    semver: OnceCell<Option<Version>>,
    /// The module stream that it was built in, if its URL tells.
    stream: Option<Stream>,
}

impl Subject {
    /// Prepares a version for an ecosystem. A text that its scheme cannot read can still be enumerated.
    pub fn new(ecosystem: &str, version: &str) -> Self {
        let scheme = Scheme::for_ecosystem(ecosystem);
        Self {
            text: version.trim().to_owned(),
            scheme,
            own: scheme.and_then(|scheme| Version::parse(scheme, version).ok()),
            semver: OnceCell::new(),
            stream: None,
        }
    }

    /// As [`Subject::new`], for the package of a URL, which may tell its module's stream.
    pub fn of(purl: &PackageUrl, ecosystem: &str, version: &str) -> Self {
        Self {
            stream: Stream::of(purl),
            ..Self::new(ecosystem, version)
        }
    }

    /// A SEMVER range means SemVer whatever the ecosystem; its own dialect is preferred if it is one.
    fn semver(&self) -> Option<&Version> {
        if self.scheme.is_some_and(is_semver) {
            return self.own.as_ref();
        }
        self.semver
            .get_or_init(|| Version::parse(Scheme::SemVer, &self.text).ok())
            .as_ref()
    }

    /// Returns the version's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the module stream that it was built in, if its URL tells.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// Returns true if the ecosystem's order, or SemVer, can place the version.
    pub fn is_ordered(&self) -> bool {
        self.own.is_some() || self.semver().is_some()
    }

    /// Returns the version in its ecosystem's own order, if it has a place there.
    pub(crate) fn own(&self) -> Option<&Version> {
        self.own.as_ref()
    }

    fn for_range(&self, kind: &RangeKind) -> Option<&Version> {
        match kind {
            RangeKind::SemVer => self.semver(),
            RangeKind::Ecosystem => self.own.as_ref(),
            RangeKind::Git | RangeKind::Other(_) => None,
        }
    }
}

/// True if an entry has a rule besides ranges of commits.
pub(crate) fn decides_without_git(affected: &Affected) -> bool {
    !affected.versions.is_empty() || affected.ranges.iter().any(|range| range.kind != RangeKind::Git)
}

/// True if SEMVER ranges are in the scheme's own order.
pub(crate) fn is_semver(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::SemVer | Scheme::SemVerBuild | Scheme::Bitnami)
}

/// The answer of one `affected` entry for one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The rules that say "affected", in the entry's order; empty if none does.
    pub matched: Vec<Rule>,
    /// The rules that do not, each with its reason.
    pub unmatched: Vec<(Rule, WhyNot)>,
    /// Fixed versions above the subject in the ranges that matched (in all ranges if only an
    /// enumeration matched), lowest first in the ecosystem's order.
    pub fixed: Vec<String>,
}

impl Evaluation {
    /// Returns true if any rule says "affected".
    pub fn is_affected(&self) -> bool {
        !self.matched.is_empty()
    }

    /// Returns true if nothing says "affected" and a rule could not be evaluated. A range of commits counts
    /// only where the entry has no other rule: it says in commits what the others say in versions.
    pub fn is_undecided(&self) -> bool {
        let is_git = |why: &WhyNot| *why == WhyNot::NeedsCommitGraph;
        let only_git = self.unmatched.iter().all(|(_, why)| is_git(why));
        let mut reasons = self.unmatched.iter().map(|(_, why)| why);
        self.matched.is_empty() && reasons.any(|why| why.is_undecided() && (only_git || !is_git(why)))
    }
}

/// One rule of an `affected` entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// The list `versions`.
    Enumerated,
    /// The range at this index of `ranges`, and where the subject lies in it.
    Range {
        /// Index in `ranges`.
        index: usize,
        /// The range's type as OSV writes it.
        kind: String,
        /// The event below or at the subject that opened the interval.
        introduced: Option<String>,
        /// The event above the subject that closes it.
        until: Option<Event>,
    },
}

/// Why a rule does not say "affected".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// The version is not enumerated.
    NotListed,
    /// The version is in no affected interval; the nearest events below and above tell why.
    Outside {
        /// The event at or below the subject that closed the last interval; `None` before the first.
        closed_by: Option<Event>,
        /// The version above at which it becomes affected.
        next_introduced: Option<String>,
    },
    /// A range of commits; no commit graph is at hand.
    NeedsCommitGraph,
    /// The ecosystem has no known order, or this build does not know the range type.
    NoOrder,
    /// The subject's version has no place in the order.
    VersionUnreadable,
    /// No event of the range can be read.
    EventsUnreadable,
    /// The advisory is about another module stream than the package's.
    OtherModule,
}

impl WhyNot {
    /// Returns true if the rule could not be evaluated, rather than said "not affected".
    pub fn is_undecided(&self) -> bool {
        !matches!(self, Self::Outside { .. } | Self::NotListed | Self::OtherModule)
    }
}

/// Evaluates one `affected` entry of an advisory with this summary, which may name a module's stream.
pub fn evaluate_about(summary: &str, affected: &Affected, subject: &Subject) -> Evaluation {
    let is_rpm = subject.scheme == Some(Scheme::Rpm);
    if is_rpm && is_of_another(summary, affected, &subject.text, subject.stream.as_ref()) {
        let ranges = affected.ranges.iter().enumerate();
        let rule = |(index, range): (usize, &Range)| Rule::Range {
            index,
            kind: range.kind.as_str().to_owned(),
            introduced: None,
            until: None,
        };
        return Evaluation {
            matched: Vec::new(),
            unmatched: ranges.map(rule).map(|rule| (rule, WhyNot::OtherModule)).collect(),
            fixed: Vec::new(),
        };
    }
    evaluate(affected, subject)
}

/// Evaluates one `affected` entry.
pub fn evaluate(affected: &Affected, subject: &Subject) -> Evaluation {
    let mut result = Evaluation {
        matched: Vec::new(),
        unmatched: Vec::new(),
        fixed: Vec::new(),
    };
    let mut fixed: Vec<(Version, String)> = Vec::new();
    let mut fixed_elsewhere: Vec<(Version, String)> = Vec::new();
    if !affected.versions.is_empty() {
        if is_enumerated(affected, subject) {
            result.matched.push(Rule::Enumerated);
        } else {
            result.unmatched.push((Rule::Enumerated, WhyNot::NotListed));
        }
    }
    for (index, range) in affected.ranges.iter().enumerate() {
        let rule = |introduced, until| Rule::Range {
            index,
            kind: range.kind.as_str().to_owned(),
            introduced,
            until,
        };
        match evaluate_range(range, subject) {
            Ok(inside) => {
                fixed.extend(inside.fixed);
                result.matched.push(rule(inside.introduced, inside.until));
            }
            Err((why, fixes)) => {
                fixed_elsewhere.extend(fixes);
                result.unmatched.push((rule(None, None), why));
            }
        }
    }
    if result.matched == [Rule::Enumerated] {
        fixed = fixed_elsewhere;
    }
    fixed.sort_by(|a, b| {
        a.0.compare(&b.0)
            .unwrap_or(Ordering::Equal)
            .then_with(|| a.1.cmp(&b.1))
    });
    for (_, text) in fixed {
        if !result.fixed.contains(&text) {
            result.fixed.push(text);
        }
    }
    result
}

fn is_enumerated(affected: &Affected, subject: &Subject) -> bool {
    // Most often it is listed as it is written; reading all of a long list costs more than looking at it twice.
    affected
        .versions
        .iter()
        .any(|version| version.0.trim() == subject.text)
        || subject
            .scheme
            .zip(subject.own.as_ref())
            .is_some_and(|(scheme, own)| {
                affected.versions.iter().any(|version| {
                    may_be_equal(&version.0, &subject.text)
                        && Version::parse(scheme, &version.0)
                            .is_ok_and(|v| v.compare(own) == Some(Ordering::Equal))
                })
            })
}

/// False only if no order holds two version texts for equal: those that begin with different numbers. A text with
/// an epoch, which may be left out, or that begins otherwise may be equal to anything; so may one that has nothing but
/// zeros before its first word, which the order of old Python versions drops (`0v1-` is `v1-`).
pub(crate) fn may_be_equal(a: &str, b: &str) -> bool {
    fn first_number(text: &str) -> Option<&str> {
        if text.contains([':', '!']) {
            return None;
        }
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number = text.get(..end).filter(|number| !number.is_empty())?;
        let number = number.trim_start_matches('0');
        let past_zeros = text.trim_start_matches(|c: char| c == '0' || c.is_ascii_punctuation());
        let stays = !number.is_empty() || past_zeros.starts_with(|c: char| c.is_ascii_digit());
        stays.then_some(number)
    }
    match (first_number(a), first_number(b)) {
        (Some(a), Some(b)) => a == b,
        _ => true,
    }
}

struct Inside {
    introduced: Option<String>,
    until: Option<Event>,
    fixed: Vec<(Version, String)>,
}

/// A place in the order where the state changes; `None` is before all versions.
struct Point<'a> {
    version: Option<Version>,
    event: &'a Event,
}

type Outside = (WhyNot, Vec<(Version, String)>);

fn evaluate_range(range: &Range, subject: &Subject) -> Result<Inside, Outside> {
    let bare = |why| (why, Vec::new());
    if range.kind == RangeKind::Git {
        return Err(bare(WhyNot::NeedsCommitGraph));
    }
    let Some(version) = subject.for_range(&range.kind) else {
        let known = match range.kind {
            RangeKind::SemVer => true,
            RangeKind::Ecosystem => subject.scheme.is_some(),
            RangeKind::Git | RangeKind::Other(_) => false,
        };
        return Err(bare(if known {
            WhyNot::VersionUnreadable
        } else {
            WhyNot::NoOrder
        }));
    };
    let mut points = Vec::with_capacity(range.events.len());
    let mut limits = Vec::new();
    for event in &range.events {
        let (Event::Introduced(text) | Event::Fixed(text) | Event::LastAffected(text) | Event::Limit(text)) =
            event;
        match event {
            Event::Introduced(_) if text.trim() == "0" => points.push(Point { version: None, event }),
            Event::Limit(_) if text.trim() == "*" => {}
            _ => {
                let Ok(parsed) = Version::parse(version.scheme(), text) else {
                    continue;
                };
                if matches!(event, Event::Limit(_)) {
                    limits.push(parsed);
                } else {
                    points.push(Point {
                        version: Some(parsed),
                        event,
                    });
                }
            }
        }
    }
    if points.is_empty() && !range.events.is_empty() {
        return Err(bare(WhyNot::EventsUnreadable));
    }
    points.sort_by(order);
    let fixed_above: Vec<(Version, String)> = points
        .iter()
        .filter_map(|point| match (point.event, &point.version) {
            (Event::Fixed(text), Some(at)) if at.compare(version) == Some(Ordering::Greater) => {
                Some((at.clone(), text.clone()))
            }
            _ => None,
        })
        .collect();
    let before_limits = limits.is_empty()
        || limits
            .iter()
            .any(|limit| version.compare(limit) == Some(Ordering::Less));
    let state = walk(&points, version);
    if !before_limits || state.opened_by.is_none() {
        let why = WhyNot::Outside {
            closed_by: state.closed_by.cloned(),
            next_introduced: state.next_introduced,
        };
        return Err((why, fixed_above));
    }
    let fixed = match &state.until {
        Some(Event::Fixed(text)) => fixed_above
            .into_iter()
            .filter(|(_, candidate)| candidate == text)
            .take(1)
            .collect(),
        _ => Vec::new(),
    };
    Ok(Inside {
        introduced: state.opened_by.map(str::to_owned),
        until: state.until.cloned(),
        fixed,
    })
}

/// By version; at one version, `last_affected` acts after the others.
fn order(a: &Point<'_>, b: &Point<'_>) -> Ordering {
    let rank = |point: &Point<'_>| u8::from(matches!(point.event, Event::LastAffected(_)));
    let versions = match (&a.version, &b.version) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(a), Some(b)) => a.compare(b).unwrap_or(Ordering::Equal),
    };
    versions.then_with(|| rank(a).cmp(&rank(b)))
}

#[derive(Default)]
struct State<'a> {
    opened_by: Option<&'a str>,
    closed_by: Option<&'a Event>,
    until: Option<&'a Event>,
    next_introduced: Option<String>,
}

/// Applies the points at or below `version` in order, then looks for the next ones above.
fn walk<'a>(points: &'a [Point<'a>], version: &Version) -> State<'a> {
    let mut state = State::default();
    let mut rest = points;
    while let Some(first) = rest.first() {
        let group = rest
            .iter()
            .take_while(|point| order(first, point).is_eq())
            .count();
        let (group, after) = rest.split_at(group);
        let below = match &first.version {
            None => true,
            Some(at) => match at.compare(version) {
                Some(Ordering::Less) => true,
                Some(Ordering::Equal) => !matches!(first.event, Event::LastAffected(_)),
                _ => false,
            },
        };
        if !below {
            break;
        }
        let introduced = group.iter().find_map(|point| match point.event {
            Event::Introduced(text) => Some(text.as_str()),
            _ => None,
        });
        let closing = group
            .iter()
            .find(|point| !matches!(point.event, Event::Introduced(_)));
        match (introduced, closing) {
            (Some(text), None) => {
                state.opened_by = state.opened_by.or(Some(text));
                state.closed_by = None;
            }
            (None, Some(point)) => {
                let was_open = state.opened_by.take().is_some();
                if was_open || state.closed_by.is_none() {
                    state.closed_by = Some(point.event);
                }
            }
            // Both at one version: the state goes on.
            _ => {}
        }
        rest = after;
    }
    if state.opened_by.is_some() {
        state.until = rest
            .iter()
            .map(|point| point.event)
            .find(|e| !matches!(e, Event::Introduced(_)));
    } else {
        state.next_introduced = rest.iter().find_map(|point| match point.event {
            Event::Introduced(text) => Some(text.clone()),
            _ => None,
        });
    }
    state
}

#[cfg(test)]
mod tests;
