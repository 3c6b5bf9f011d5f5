//! Decides if one version is affected by one OSV `affected` entry, and by which rule.
//!
//! The evaluation is that of the OSV schema (section "Evaluation"): a version is affected if it is enumerated, or in
//! any range. Events may be in any order and may repeat. Beyond the schema:
//!
//! - `introduced` and `fixed` at one version cancel each other: the earlier state continues. So `[0,1) [1,2)` in one
//!   list and the empty `[1,1)` have their intended meaning.
//! - An event that the scheme cannot parse is ignored, so that the other events decide. So is an event that is not a
//!   version although a lenient scheme can order it: a word, a requirement, a hash (see `bound`).
//! - If several `last_affected` events follow one `introduced`, the first ends the interval, as the schema says. Versions
//!   after it, up to the last of these events, are undecided.
//! - A `SEMVER` range of a distribution's package uses the distribution's order. In other ecosystems, a version outside of
//!   a `SEMVER` range is undecided if it is inside by the ecosystem's own order.
//! - An end without a beginning (`fixed` before `introduced`, two ends in a row) leaves the versions before it undecided.
//! - A range from `0` without an end matches without an order and without a version. A range without a beginning leaves
//!   versions before its end undecided. An entry without any rule leaves everything undecided.
//! - A text that is not a version of the ecosystem, but that its scheme can order (`latest`, words that PEP 440 does not
//!   define), is never called "not affected" because of that order.
//! - The suffix of a rebuild (a local label of PEP 440, Debian's `+b1`, Red Hat's `.redhat-1` of Maven) is ignored for
//!   `last_affected` and for lists.
//! - `GIT` ranges need a commit graph, which is not available. A commit is decided only if an event names it; other
//!   commits are undecided. For a package with a version, a `GIT` range never overrides other rules, and leaves an entry
//!   undecided only if the entry has no other rule.
//!
//! The caller selects the entries of the package.

mod bound;
mod doubt;
mod events;
mod git;
mod range;

use std::cell::OnceCell;
use std::cmp::Ordering;

pub(crate) use self::bound::{is_plain, without_prefix};
use self::doubt::Doubt;
pub(crate) use self::events::{
    Contradiction, contradiction_of, is_name, is_near, leaves_some_undecided, placed,
};
use self::git::Revision;
use self::range::evaluate_range;
pub(crate) use self::range::is_of_all_versions;

use crate::module::{Stream, is_of_another};
use crate::origin::Origin;
use crate::osv::{Affected, Event, Range, RangeKind};
use crate::purl::PackageUrl;
use crate::version::{Scheme, Version};

/// A component's version, parsed once for all advisories.
#[derive(Debug, Clone)]
pub struct Subject {
    text: String,
    scheme: Option<Scheme>,
    own: Option<Version>,
    /// The text that is compared, if it is another one: without a `v` before it.
    bare: Option<Box<str>>,
    /// The version without a rebuild's suffix, if it has one.
    released: Option<Version>,
    /// The reason why its order relative to other versions is not reliable, if there is one.
    doubt: Doubt,
    /// Parsed when a SEMVER range is met, unless the ecosystem's own order is a SemVer order.
    semver: OnceCell<Option<Version>>,
    /// The module stream of its build, if its URL has it.
    stream: Option<Stream>,
    /// The commit or tag of its build, if its URL has it.
    revision: Option<Box<Revision>>,
}

impl Subject {
    /// Prepares a version for an ecosystem. A text that its scheme cannot parse can still be enumerated.
    pub fn new(ecosystem: &str, version: &str) -> Self {
        let scheme = Scheme::for_ecosystem(ecosystem);
        let stated = version.trim();
        let bare = doubt::without_v(scheme, stated);
        let text = bare.unwrap_or(stated);
        let parse = |text: &str| scheme.and_then(|scheme| Version::parse(scheme, text).ok());
        // A commit cannot be ordered, even if it looks like a version, and neither can a text that means several versions.
        let own = if git::is_hash(text) || doubt::is_requirement(text) {
            None
        } else {
            scheme.and_then(|scheme| parse(scheme.bare(text)))
        };
        Self {
            text: stated.to_owned(),
            bare: bare.map(Box::from),
            doubt: Doubt::of(ecosystem, text, own.as_ref()),
            scheme,
            released: scheme
                .filter(|_| own.is_some())
                .and_then(|scheme| scheme.released(text))
                .and_then(parse),
            own,
            semver: OnceCell::new(),
            stream: None,
            revision: None,
        }
    }

    /// Same as [`Subject::new`] for the package of a URL. The URL, or the document, may give its module stream.
    /// Without a version, only statements about all versions apply.
    pub fn of(purl: &PackageUrl, origin: Option<&Origin>, ecosystem: &str, version: Option<&str>) -> Self {
        let label = origin.and_then(|origin| origin.module.as_deref());
        Self {
            stream: Stream::of(purl, label),
            revision: Revision::of(purl, version),
            ..Self::new(ecosystem, version.unwrap_or_default())
        }
    }

    /// Returns the version for a SEMVER range, which means SemVer in every ecosystem; a SemVer dialect of the ecosystem
    /// is preferred.
    fn semver(&self) -> Option<&Version> {
        if self.scheme.is_some_and(is_semver) {
            return self.own.as_ref();
        }
        let read = || Version::parse(Scheme::SemVer, &self.text).ok();
        self.semver
            .get_or_init(|| read().filter(|_| !doubt::is_requirement(&self.text)))
            .as_ref()
    }

    /// Returns the version's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text that is compared.
    fn compared(&self) -> &str {
        self.bare.as_deref().unwrap_or(&self.text)
    }

    /// Returns true if its version is unknown: it has no version, commit or tag.
    pub fn is_unknown(&self) -> bool {
        self.text.is_empty() && self.revision.is_none()
    }

    /// Returns the module stream of its build, if its URL has it.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// Returns true if the version can be ordered by the ecosystem's scheme or by SemVer.
    pub fn is_ordered(&self) -> bool {
        self.own.is_some() || self.semver().is_some()
    }

    /// Returns the version without a rebuild's suffix, if it has one.
    pub(crate) fn released(&self) -> Option<&Version> {
        self.released.as_ref()
    }

    /// Returns the version whose key may rule out advisories; `None` if that could rule out too much.
    pub(crate) fn screened(&self) -> Option<&Version> {
        // An advisory may list a commit or a tag instead of a version.
        let is_plain = self.revision.is_none() && self.doubt == Doubt::None && self.bare.is_none();
        self.own.as_ref().filter(|_| is_plain)
    }

    /// Returns the tag of its build, if its URL has it.
    pub(crate) fn tag(&self) -> Option<&str> {
        self.revision.as_ref()?.tag.as_deref()
    }

    /// Returns the commit of its build, if its URL has it.
    pub(crate) fn commit(&self) -> Option<&str> {
        self.revision.as_ref()?.commit.as_deref()
    }

    /// Returns true if its version is known only as a commit.
    fn is_commit(&self) -> bool {
        self.commit()
            .is_some_and(|commit| self.text.is_empty() || self.text.eq_ignore_ascii_case(commit))
    }

    fn for_range(&self, kind: &RangeKind) -> Option<&Version> {
        match kind {
            RangeKind::SemVer if self.scheme.is_some_and(is_of_distribution) => self.own.as_ref(),
            RangeKind::SemVer => self.semver(),
            RangeKind::Ecosystem => self.own.as_ref(),
            RangeKind::Git | RangeKind::Other(_) => None,
        }
    }
}

/// Returns true if an entry has a rule besides ranges of commits.
pub(crate) fn decides_without_git(affected: &Affected) -> bool {
    !affected.versions.is_empty() || affected.ranges.iter().any(|range| range.kind != RangeKind::Git)
}

/// Returns true if an entry has any rule.
pub(crate) fn has_rules(affected: &Affected) -> bool {
    !affected.versions.is_empty() || !affected.ranges.is_empty()
}

/// Returns true if SEMVER ranges use the scheme's own order.
pub(crate) fn is_semver(scheme: Scheme) -> bool {
    matches!(scheme, Scheme::SemVer | Scheme::SemVerBuild | Scheme::Bitnami)
}

/// Returns true for the schemes of distributions. Their versions are not semantic versions, so a `SEMVER` range of such a
/// package has the wrong type.
fn is_of_distribution(scheme: Scheme) -> bool {
    matches!(
        scheme,
        Scheme::Debian | Scheme::Rpm | Scheme::Apk | Scheme::FreeBsd
    )
}

/// The result of one `affected` entry for one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The rules that say "affected", in the entry's order; empty if none does.
    pub matched: Vec<Rule>,
    /// The other rules, each with its reason.
    pub unmatched: Vec<(Rule, WhyNot)>,
    /// Fixed versions above the subject in the matching ranges (in all ranges if only an enumeration matched), lowest
    /// first in the ecosystem's order.
    pub fixed: Vec<String>,
}

impl Evaluation {
    /// Returns true if any rule says "affected".
    pub fn is_affected(&self) -> bool {
        !self.matched.is_empty()
    }

    /// Changes the reason of all rules that need a version to "no version", for a subject without one.
    pub(crate) fn leave_undecided(&mut self) {
        for (_, why) in &mut self.unmatched {
            if !matches!(why, WhyNot::OtherModule | WhyNot::NoBeginning) {
                *why = WhyNot::NoVersion;
            }
        }
    }

    /// Makes matching rules undecided, for a version that may lack its epoch. Rules that match every version stay.
    pub(crate) fn doubt_epoch(&mut self) {
        let matched = std::mem::take(&mut self.matched).into_iter();
        let (certain, doubted): (Vec<Rule>, Vec<Rule>) = matched.partition(Rule::is_of_all_versions);
        self.matched = certain;
        self.unmatched
            .extend(doubted.into_iter().map(|rule| (rule, WhyNot::EpochUnknown)));
    }

    /// Makes matching rules undecided, for a package that may be another vendor's.
    pub(crate) fn doubt_vendor(&mut self) {
        let matched = std::mem::take(&mut self.matched).into_iter();
        self.unmatched
            .extend(matched.map(|rule| (rule, WhyNot::VendorUnknown)));
    }

    /// Calls those rules that match, or that could not be evaluated, those of another branch, which has other versions, if the
    /// branch of the build excuses it from them.
    pub(crate) fn leave_to_branch(&mut self, is_excused: impl Fn(&Rule) -> bool) {
        for (rule, why) in &mut self.unmatched {
            // An entry without any rule is about no version.
            let is_general = *why == WhyNot::NoBeginning || is_excused(rule);
            if why.is_undecided() && *why != WhyNot::NoVersion && is_general {
                *why = WhyNot::OtherBranch;
            }
        }
        let matched = std::mem::take(&mut self.matched).into_iter();
        let (excused, rest): (Vec<Rule>, Vec<Rule>) = matched.partition(is_excused);
        self.matched = rest;
        self.unmatched
            .extend(excused.into_iter().map(|rule| (rule, WhyNot::OtherBranch)));
        self.fixed.retain(|_| !self.matched.is_empty());
    }

    /// Returns true if no rule matches, and at least one is undecided because the epoch is unknown.
    pub(crate) fn is_of_unknown_epoch(&self) -> bool {
        let mut reasons = self.unmatched.iter().map(|(_, why)| why);
        self.matched.is_empty() && reasons.any(|why| *why == WhyNot::EpochUnknown)
    }

    /// Returns true if no rule says "affected" and one could not be evaluated. A range of commits is considered only if the
    /// entry has no other rule, because it usually repeats the other rules in commits.
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
    /// The range with this index in `ranges`, and the subject's place in it.
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

impl Rule {
    /// Returns true if the rule matches every version.
    pub(crate) fn is_of_all_versions(&self) -> bool {
        matches!(self, Self::Range { introduced: Some(text), until: None, .. } if text == "0")
    }
}

/// The reason why a rule does not say "affected".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// The version is not enumerated.
    NotListed,
    /// The version is in no affected interval; the nearest events below and above show why.
    Outside {
        /// The event at or below the subject that closed the last interval; `None` before the first.
        closed_by: Option<Event>,
        /// The version above at which it becomes affected.
        next_introduced: Option<String>,
    },
    /// A range of commits, without a commit graph.
    NeedsCommitGraph,
    /// The subject is a commit that no event of the range names: to order it, the repository is needed.
    CommitNotPlaced,
    /// The ecosystem has no known order, or this program does not know the range type.
    NoOrder,
    /// The subject has no version.
    NoVersion,
    /// The scheme cannot order the subject's version.
    VersionUnreadable,
    /// No event of the range can be parsed, or an event that may be before or after the subject cannot be parsed.
    EventsUnreadable,
    /// An event ends an interval that no other event began, so it is unclear which versions the range means.
    EventsContradict,
    /// The range has no version from which anything is affected, or the entry has no versions.
    NoBeginning,
    /// The advisory is about another module stream than the package.
    OtherModule,
    /// The rule is about the release, and an advisory about the branch of the package's build says that it has the fix.
    OtherBranch,
    /// The rule matches a version that may lack its epoch.
    EpochUnknown,
    /// The rule matches, but the advisory is about another vendor's package of the name, and this one's vendor is unknown.
    VendorUnknown,
}

impl WhyNot {
    /// Returns true if the rule could not be evaluated.
    pub fn is_undecided(&self) -> bool {
        !matches!(
            self,
            Self::Outside { .. } | Self::NotListed | Self::OtherModule | Self::OtherBranch
        )
    }
}

/// Returns true if an entry of an advisory with this summary is about another module stream than the package's.
pub(crate) fn is_about_another_stream(summary: &str, affected: &Affected, subject: &Subject) -> bool {
    let is_rpm = subject.scheme == Some(Scheme::Rpm);
    is_rpm && is_of_another(summary, affected, &subject.text, subject.stream.as_ref())
}

/// Evaluates one `affected` entry of an advisory with this summary, which may name a module stream.
pub fn evaluate_about(summary: &str, affected: &Affected, subject: &Subject) -> Evaluation {
    if is_about_another_stream(summary, affected, subject) {
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
            // A text that its ecosystem cannot parse may be another spelling of a listed one.
            let mut listed = affected.versions.iter();
            let unreadable = subject.scheme.is_some()
                && (subject.own.is_none()
                    || subject.doubt.is_of_lists()
                    || listed.any(|listed| subject.doubt.is_listed_as(&listed.0)));
            let why = if unreadable {
                WhyNot::VersionUnreadable
            } else {
                WhyNot::NotListed
            };
            result.unmatched.push((Rule::Enumerated, why));
        }
    }
    if !has_rules(affected) {
        // The entry lists no versions, which may mean all of them.
        result.unmatched.push((Rule::Enumerated, WhyNot::NoBeginning));
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
    // The list usually has the version in this exact form, and parsing a long list is slower than searching it twice.
    let tag = subject.tag();
    let spelt = |listed: &str| listed == subject.text || tag.is_some_and(|tag| is_same_tag(listed, tag));
    let listed = || affected.versions.iter().map(|version| version.0.trim());
    if subject.text.is_empty() && tag.is_none() {
        return false;
    }
    if listed().any(spelt) {
        return true;
    }
    let (Some(scheme), Some(own)) = (subject.scheme, &subject.own) else {
        return false;
    };
    let is_equal = |listed: &str, version: &Version| {
        let is_same = |listed: &str| {
            Version::parse(scheme, listed)
                .is_ok_and(|listed| listed.compare(version) == Some(Ordering::Equal))
        };
        let bare = without_prefix(listed);
        is_same(listed) || (bare.len() < listed.len() && is_same(bare))
    };
    listed().any(|listed| {
        may_be_equal(listed, &subject.text)
            && (is_equal(listed, own)
                || subject
                    .released
                    .as_ref()
                    .is_some_and(|released| is_equal(listed, released)))
    })
}

/// Returns true if two texts are the same tag, with or without a `v` before a number.
fn is_same_tag(a: &str, b: &str) -> bool {
    let bare = |tag: &str| match tag.strip_prefix('v') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => tag.len() - rest.len(),
        _ => 0,
    };
    a.get(bare(a)..) == b.get(bare(b)..)
}

/// Returns false if the texts begin with different numbers, so that no scheme can call the versions equal.
///
/// Returns true for a text that may have an epoch or does not begin with a number, because it may be equal to anything. The
/// same is true for a text with only zeros before its first word: the old order of Python drops them (`0v1-` is `v1-`).
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

#[cfg(test)]
mod tests;
