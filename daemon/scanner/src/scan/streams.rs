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
use super::excuse::{BranchLists, Place};
use super::judge::Scanner;
use super::{DoubtCause, Finding, Standing};
use crate::knowledge::{Advisory, KnowledgeError, StatedEntries};
use crate::matching::{Subject, WhyNot, evaluate_about};
use crate::module::is_of_same_stream;
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
    pub(super) package: OsvPackage,
    pub(crate) branches: Branches,
    /// Its own name, and that of its source.
    names: Vec<Named>,
}

/// A build that is of a branch, with the advisories of its branches once they were looked up.
#[derive(Debug)]
pub(super) struct BranchInUse {
    pub(super) build: BranchBuild,
    lists: OnceCell<BranchLists<Rc<[Advisory]>>>,
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
    pub(crate) fn lists<A: AsRef<[Advisory]>, E>(
        &self,
        mut advisories: impl FnMut(&str, &str) -> Result<A, E>,
    ) -> Result<BranchLists<A>, E> {
        let mut lists = Vec::new();
        for tier in [Tier::Build, Tier::Host] {
            for (index, named) in self.names.iter().enumerate() {
                for ecosystem in self.branches.of(tier) {
                    lists.push(((tier, index), advisories(ecosystem, &named.name)?));
                }
            }
        }
        Ok(BranchLists::new(lists))
    }

    /// Returns true if a statement says that the build has the fix, false if it says otherwise or cannot be evaluated, `None` if it
    /// says neither.
    pub(super) fn is_fixed_by(
        &self,
        advisory: &Advisory,
        said: StatedEntries<'_>,
        place: Place,
    ) -> Option<bool> {
        let (tier, index) = place;
        let named = self.names.get(index)?;
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
                } => self.has_fix(advisory, entry, &named.subject, (fix.as_str(), tier)),
                _ => false,
            });
        }
        // Without its epoch, a version is before every fix with one, but after none.
        (is_fixed && named.is_exact).then_some(true)
    }

    /// Returns true if a fix of an entry, which is before a build in the order, is in the build: it is of the same branch, and of the
    /// same stream if it is of a module.
    fn has_fix(&self, advisory: &Advisory, entry: &Affected, subject: &Subject, fix: (&str, Tier)) -> bool {
        let (fix, tier) = fix;
        let version = subject.text();
        self.package.has_fix(version, fix, tier)
            && is_of_same_stream(&advisory.summary, entry, (version, fix), subject.stream())
    }
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
        Ok(match lists.excuse(&branch.build, advisory, tier) {
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
