//! Decides if one version is affected by one OSV `affected` entry, and by which rule.
//!
//! The evaluation is that of the OSV schema (section "Evaluation"): a version is affected if it is enumerated, or in
//! any range. Events may be in any order and may repeat. Beyond the schema:
//!
//! - `introduced` and `fixed` at one version cancel each other: the earlier state continues. So `[0,1) [1,2)` in one
//!   list and the empty `[1,1)` have their intended meaning.
//! - An event that the scheme cannot parse is left out, so that the other events decide. So is one that a lenient order
//!   only has a place for: words, requirements, hashes (see `bound`).
//! - Of several last affected versions after one beginning, the first ends it by the schema. Versions behind it, up to the
//!   last one, are undecided.
//! - A `SEMVER` range of a distribution's package uses the distribution's order. Elsewhere a version outside of it is
//!   undecided if the ecosystem's order has it inside.
//! - An end of what no event began (`fixed` before `introduced`, two ends in a row) leaves the versions before it undecided.
//! - A range that begins with all versions and never ends needs no order and no version. A range without a beginning
//!   leaves versions before its end undecided; an entry without any rule leaves everything undecided.
//! - A text that is not a version of the ecosystem, but has a place in its order (`latest`, words that PEP 440 does not
//!   define), is not called "not affected" because of that place.
//! - The suffix of a rebuild (a local label of PEP 440, Debian's `+b1`, Red Hat's `.redhat-1` of Maven) is ignored for `last_affected` and for lists.
//! - `GIT` ranges need a commit graph. Without one, a commit can only be decided if an event names it; other commits
//!   are undecided. For packages with a version they never hide other rules, and leave an entry undecided only if it has
//!   nothing else.
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
    /// The version without a rebuild's suffix, if it has one.
    released: Option<Version>,
    /// The reason why its place in the order is less reliable than that of a version.
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
        let text = version.trim();
        let parse = |text: &str| scheme.and_then(|scheme| Version::parse(scheme, text).ok());
        // A commit has no place in any order, whatever its digits are, and a text for several versions has many places.
        let own = if git::is_hash(text) || doubt::is_requirement(text) {
            None
        } else {
            scheme.and_then(|scheme| parse(scheme.bare(text)))
        };
        Self {
            text: text.to_owned(),
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

    /// Returns true if its version is unknown: it has no version, commit or tag.
    pub fn is_unknown(&self) -> bool {
        self.text.is_empty() && self.revision.is_none()
    }

    /// Returns the module stream of its build, if its URL has it.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
    }

    /// Returns true if the ecosystem's order, or SemVer, can place the version.
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
        let is_plain = self.revision.is_none() && self.doubt == Doubt::None;
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

    /// Returns true if only a commit is known of its version.
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

/// Returns true for the orders of distributions, whose versions are never semantic versions: a range of theirs that says
/// so has the wrong type.
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

    /// Leaves all rules undecided that were compared with a version, for a subject without one.
    pub(crate) fn leave_undecided(&mut self) {
        for (_, why) in &mut self.unmatched {
            if !matches!(why, WhyNot::OtherModule | WhyNot::NoBeginning) {
                *why = WhyNot::NoVersion;
            }
        }
    }

    /// Leaves matching rules undecided, for a version that may lack its epoch, unless they match every version.
    pub(crate) fn doubt_epoch(&mut self) {
        let matched = std::mem::take(&mut self.matched).into_iter();
        let (certain, doubted): (Vec<Rule>, Vec<Rule>) = matched.partition(Rule::is_of_all_versions);
        self.matched = certain;
        self.unmatched
            .extend(doubted.into_iter().map(|rule| (rule, WhyNot::EpochUnknown)));
    }

    /// Leaves matching rules undecided, for a package that may be another vendor's.
    pub(crate) fn doubt_vendor(&mut self) {
        let matched = std::mem::take(&mut self.matched).into_iter();
        self.unmatched
            .extend(matched.map(|rule| (rule, WhyNot::VendorUnknown)));
    }

    /// Calls matching rules those of another branch, which has other versions.
    pub(crate) fn leave_to_branch(&mut self) {
        let matched = std::mem::take(&mut self.matched).into_iter();
        self.unmatched
            .extend(matched.map(|rule| (rule, WhyNot::OtherBranch)));
        self.fixed.clear();
    }

    /// Returns true if only the missing epoch leaves it undecided, or another rule beside it.
    pub(crate) fn is_of_unknown_epoch(&self) -> bool {
        let mut reasons = self.unmatched.iter().map(|(_, why)| why);
        self.matched.is_empty() && reasons.any(|why| *why == WhyNot::EpochUnknown)
    }

    /// Returns true if no rule says "affected" and one could not be evaluated. A range of commits only matters if the
    /// entry has no other rule: it states in commits what the others state in versions.
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
    /// Returns true if it calls every version affected, so that the version does not matter.
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
    /// The package is a commit that no event of the range names: its order needs the repository.
    CommitNotPlaced,
    /// The ecosystem has no known order, or this program does not know the range type.
    NoOrder,
    /// The subject has no version.
    NoVersion,
    /// The subject's version has no place in the order.
    VersionUnreadable,
    /// No event of the range can be parsed, or one that may be before or after the subject.
    EventsUnreadable,
    /// An event ends what no other one began, so that the range does not tell which versions it means.
    EventsContradict,
    /// The range has no version from which anything is affected, or the entry has no versions.
    NoBeginning,
    /// The advisory is about another module stream than the package.
    OtherModule,
    /// The rule is about the release, and the package's build is of the branch of a minor release, which has the fix.
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
    // It is usually listed in this exact form; parsing a long list is slower than searching it twice.
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

/// Returns false only if no order calls two version texts equal: those that begin with different numbers. A text with
/// an optional epoch, or with another beginning, may be equal to anything; so may a text with only zeros before its
/// first word, which old Python's order drops (`0v1-` is `v1-`).
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
