//! Packages that are built for a branch of a release: a minor release of Enterprise Linux with support of its own, a version of
//! OpenShift, or Ubuntu's certified builds.
//!
//! A build's release names its branch (`1.2-3.el9_4.2`), or its host is of a minor release. Fixes on a branch have versions of their
//! own, which are lower than those of the release as a whole. So what advisories of the branch say of a vulnerability decides, whatever
//! those of the release say: if they call the build affected, it is a finding; if they say that it has the fix, those of the release
//! do not apply, nor leave it in doubt. If they say nothing, the release's apply.
//!
//! A statement about the release is excused only by its own author's statement about the branch, or by one of the distribution
//! itself: another source that knows only the branch's fix does not contradict what it never spoke of. Two kinds of statement about
//! the release are about the build itself, and are never excused: one that lists its version, and a range that ends in a build of
//! the same branch.

use std::cell::OnceCell;
use std::rc::Rc;

use super::epel::Named as _;
use super::evidence::Evidence;
use super::judge::Scanner;
use super::{DoubtCause, Finding, Standing};
use crate::knowledge::{Advisory, KnowledgeError, StatedEntries};
use crate::matching::{Evaluation, Rule, Subject, WhyNot, evaluate_about};
use crate::origin::Vendor;
use crate::osv::{Affected, Event};
use crate::purl::osv::{Branch, Branches, OsvPackage, Tier};
use crate::sbom::Component;

/// A build of a package, by its own name or by its source's.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    name: String,
    subject: Subject,
    /// False if the version may lack its epoch.
    is_exact: bool,
}

/// A build that is of a branch.
#[derive(Debug, Clone)]
pub(crate) struct BranchBuild {
    package: OsvPackage,
    pub(crate) branches: Branches,
    /// Its own name, and that of its source.
    names: Vec<Named>,
}

/// The advisories of a branch about a build.
#[derive(Debug)]
pub(crate) struct BranchList<A> {
    /// The tier, and the index of the name by which they were looked up.
    place: (Tier, usize),
    advisories: A,
}

/// A build that is of a branch, with the advisories of its branches once they were looked up.
#[derive(Debug)]
pub(super) struct BranchInUse {
    pub(super) build: BranchBuild,
    lists: OnceCell<Vec<BranchList<Rc<[Advisory]>>>>,
}

/// A statement that a build has a fix, by who makes it: source and record.
type Maker = (String, String);

/// The advisories of the branches of a build, which may excuse it from what others say.
pub(crate) struct BranchSays<'b, A> {
    pub(crate) build: &'b BranchBuild,
    pub(crate) lists: &'b [BranchList<A>],
}

/// What advisories of a branch say in favour of a build about one vulnerability.
#[derive(Debug)]
pub(crate) struct Excuse<'b> {
    build: &'b BranchBuild,
    makers: Vec<Maker>,
}

impl BranchBuild {
    /// Creates the build of a package.
    pub(crate) fn new(
        package: &OsvPackage,
        branches: Branches,
        subject: &Subject,
        source: Option<Subject>,
    ) -> Self {
        let own = Named {
            name: package.name.clone(),
            subject: subject.clone(),
            is_exact: true,
        };
        let of_source = package.source.as_ref().map(|named| Named {
            name: named.name.clone(),
            subject: source.unwrap_or_else(|| subject.clone()),
            is_exact: named.epoch_known,
        });
        Self {
            package: package.clone(),
            branches,
            names: std::iter::once(own).chain(of_source).collect(),
        }
    }

    /// Looks up the advisories about the build, in the order of their priority.
    pub(crate) fn lists<A, E>(
        &self,
        mut advisories: impl FnMut(&str, &str) -> Result<A, E>,
    ) -> Result<Vec<BranchList<A>>, E> {
        let mut lists = Vec::new();
        for tier in [Tier::Build, Tier::Host] {
            for (index, named) in self.names.iter().enumerate() {
                for ecosystem in self.branches.of(tier) {
                    lists.push(BranchList {
                        place: (tier, index),
                        advisories: advisories(ecosystem, &named.name)?,
                    });
                }
            }
        }
        Ok(lists)
    }

    /// Returns true if a statement says that the build has the fix, false if it says otherwise or cannot be evaluated, `None` if it
    /// says neither.
    fn is_fixed_by(
        &self,
        advisory: &Advisory,
        said: StatedEntries<'_>,
        place: (Tier, usize),
    ) -> Option<bool> {
        let (tier, index) = place;
        let named = self.names.get(index)?;
        let version = named.subject.text();
        let mut is_fixed = false;
        for entry in said.entries {
            let found = evaluate_about(&advisory.summary, entry, &named.subject);
            if found.is_affected() || found.is_undecided() {
                return Some(false);
            }
            is_fixed |= found.unmatched.iter().any(|(_, why)| match why {
                WhyNot::Outside {
                    closed_by: Some(Event::Fixed(fix)),
                    ..
                } => self.package.has_fix(version, fix, tier),
                _ => false,
            });
        }
        // Without its epoch, a version is before every fix with one, but after none.
        (is_fixed && named.is_exact).then_some(true)
    }
}

impl<'b, A: AsRef<[Advisory]>> BranchSays<'b, A> {
    /// Returns what the branches say in favour of the build about an advisory's vulnerability, which is about an ecosystem of this
    /// tier; `None` if nothing, or if one says otherwise.
    pub(crate) fn excuse(&self, advisory: &Advisory, tier: Tier) -> Option<Excuse<'b>> {
        let mut makers: Vec<Maker> = Vec::new();
        let mut place = None;
        for list in self.lists.iter().filter(|list| list.place.0 < tier) {
            // What a branch says by the package's own name ends what it says by the source's, and what the host's says.
            if !makers.is_empty() && place != Some(list.place) {
                break;
            }
            place = Some(list.place);
            let own = list.advisories.as_ref().iter();
            let about = own.filter(|own| own.withdrawn.is_none() && is_same(advisory, own));
            for own in about {
                for said in own.stated().filter(StatedEntries::counts) {
                    match self.build.is_fixed_by(own, said, list.place) {
                        Some(true) => makers.extend(makers_of(own, said)),
                        Some(false) => return None,
                        None => {}
                    }
                }
            }
        }
        (!makers.is_empty()).then_some(Excuse {
            build: self.build,
            makers,
        })
    }
}

impl Excuse<'_> {
    /// Evaluates an entry of a statement of an advisory, and leaves its rules to the branch if the branch's statement has priority.
    pub(crate) fn apply(
        &self,
        advisory: &Advisory,
        said: StatedEntries<'_>,
        found: &mut Evaluation,
        subject: &Subject,
    ) {
        if (found.is_affected() || found.is_undecided()) && self.has_priority(advisory, said) {
            let package = &self.build.package;
            found.leave_to_branch(|rule| match rule {
                Rule::Enumerated => false,
                Rule::Range { until, .. } => match until {
                    Some(Event::Fixed(end) | Event::LastAffected(end)) => {
                        !package.is_about_branch(subject.text(), end)
                    }
                    _ => true,
                },
            });
        }
    }

    /// Returns true if the distribution says so, or every author of a statement.
    fn has_priority(&self, advisory: &Advisory, said: StatedEntries<'_>) -> bool {
        let package = &self.build.package;
        let mut makers = self.makers.iter();
        makers.any(|(source, record)| package.is_by_distribution(source, record))
            || makers_of(advisory, said)
                .iter()
                .all(|(source, _)| self.makers.iter().any(|(own, _)| own == source))
    }
}

/// Evaluates an entry of a statement, as far as nothing excuses the build from it.
pub(crate) fn evaluate_unless(
    excuse: Option<&Excuse<'_>>,
    advisory: &Advisory,
    said: StatedEntries<'_>,
    entry: &Affected,
    subject: &Subject,
) -> Evaluation {
    let mut found = evaluate_about(&advisory.summary, entry, subject);
    if let Some(excuse) = excuse {
        excuse.apply(advisory, said, &mut found, subject);
    }
    found
}

/// Returns source and record of everybody who makes a statement.
fn makers_of(advisory: &Advisory, said: StatedEntries<'_>) -> Vec<Maker> {
    let by = said.statement.iter().flat_map(|statement| &statement.by);
    let mut makers: Vec<Maker> = by
        .map(|record| (record.source.clone(), record.record.clone()))
        .collect();
    if makers.is_empty() {
        let first = advisory.provenance.first();
        let first = first.map(|from| (from.source.clone(), from.record.clone()));
        makers.push(first.unwrap_or_default());
    }
    makers
}

/// Returns true if an advisory is about a vulnerability by its own names: both are the same, or it has the same CVE. Ids that are only
/// related excuse nothing.
fn is_same(vulnerability: &Advisory, own: &Advisory) -> bool {
    if vulnerability.vulnerability == own.vulnerability {
        return true;
    }
    let own_names = cves_of(own);
    let names = cves_of(vulnerability);
    if names.is_empty() {
        return own.ids.contains(&vulnerability.vulnerability);
    }
    names.iter().all(|name| own_names.contains(name))
}

/// Returns the CVEs that name an advisory.
fn cves_of(advisory: &Advisory) -> Vec<&str> {
    let is_cve = |id: &&String| id.starts_with("CVE-");
    if is_cve(&&advisory.vulnerability) {
        return vec![&advisory.vulnerability];
    }
    let mut cves: Vec<&str> = advisory.ids.iter().filter(is_cve).map(String::as_str).collect();
    cves.dedup();
    cves
}

impl Scanner<'_> {
    /// Finds the branches of a component's build, whose advisories then apply until the next call.
    pub(super) fn enter_branch(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
    ) -> Result<(), KnowledgeError> {
        self.branch = None;
        let origin = component.origin.as_deref();
        if !package.may_be_of_branch() || origin.and_then(|origin| origin.vendor) == Some(Vendor::Fedora) {
            return Ok(());
        }
        let Some(branches) = package.branches(subject.text(), |branch| self.known_of(branch))? else {
            return Ok(());
        };
        let version = package
            .source
            .as_ref()
            .and_then(|source| source.version.as_deref());
        let of_source = component.purl.as_ref().zip(version);
        let of_source =
            of_source.map(|(purl, version)| Subject::of(purl, origin, &package.ecosystem, Some(version)));
        self.branch = Some(Rc::new(BranchInUse {
            build: BranchBuild::new(package, branches, subject, of_source),
            lists: OnceCell::new(),
        }));
        Ok(())
    }

    /// Returns the ecosystems of a branch that the site knows.
    fn known_of(&mut self, branch: Branch) -> Result<Rc<[String]>, KnowledgeError> {
        if let Some(known) = self.branches.get(&branch) {
            return Ok(Rc::clone(known));
        }
        let mut known = Vec::new();
        for ecosystem in branch.ecosystems() {
            if self.knows(&ecosystem)? {
                known.push(ecosystem);
            }
        }
        let known: Rc<[String]> = known.into();
        self.branches.insert(branch, Rc::clone(&known));
        Ok(known)
    }

    /// Evaluates the statements of an advisory, as far as the branch of the build does not excuse it from them.
    pub(super) fn evidence(
        &mut self,
        advisory: &Advisory,
        package: &OsvPackage,
        subject: &Subject,
        ecosystem: &str,
    ) -> Result<Evidence, KnowledgeError> {
        let evidence = Evidence::of(advisory, subject, ecosystem, None);
        let branch = self
            .branch
            .as_ref()
            .filter(|branch| branch.build.package.system == package.system);
        let is_open = evidence.undecided || !evidence.rules.is_empty();
        let Some(branch) = branch.filter(|_| is_open).cloned() else {
            return Ok(evidence);
        };
        let tier = branch.build.branches.tier(ecosystem);
        let lists = match branch.lists.get() {
            _ if tier == Tier::Build => return Ok(evidence),
            Some(lists) => lists,
            None => {
                let lists = branch
                    .build
                    .lists(|ecosystem, name| self.advisories(ecosystem, name))?;
                branch.lists.get_or_init(|| lists)
            }
        };
        let says = BranchSays {
            build: &branch.build,
            lists,
        };
        Ok(match says.excuse(advisory, tier) {
            Some(excuse) => Evidence::of(advisory, subject, ecosystem, Some(&excuse)),
            None => evidence,
        })
    }

    /// Evaluates a build by the advisories of its branches that those of its release do not contain. Returns true if one of them
    /// could not be evaluated.
    pub(super) fn judge_branch(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<bool, KnowledgeError> {
        let Some(branch) = self.branch.clone() else {
            return Ok(false);
        };
        let mut undecided = false;
        for ecosystem in branch.build.branches.ecosystems() {
            if !package.ecosystems().any(|own| own == ecosystem) {
                undecided |= self.judge_in(ecosystem, package, subject, component, findings)?;
                undecided |= self.judge_source(ecosystem, package, subject, component, findings)?;
            }
        }
        Ok(undecided)
    }
}

/// Returns a component's standing with that of its branch, which has findings or is undecided.
pub(super) fn joined(
    judged: (Standing, Option<DoubtCause>),
    has_findings: bool,
    is_undecided: bool,
) -> (Standing, Option<DoubtCause>) {
    match judged.0 {
        Standing::NoKnowledge if has_findings => (Standing::Undecided, Some(DoubtCause::Release)),
        Standing::Matched if is_undecided => (Standing::Undecided, Some(DoubtCause::Advisory)),
        _ => judged,
    }
}
