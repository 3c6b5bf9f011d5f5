//! Packages that are built for a branch of a release: a minor release of Enterprise Linux with support of its own, or Ubuntu's
//! certified builds.
//!
//! A build's release names the minor release of its branch (`1.2-3.el9_4.2`). Fixes for a minor release with longer support have
//! versions of their own on that branch, which are lower than those of the release as a whole. If an advisory of such a product
//! says in which build of the branch a vulnerability is fixed, that decides about builds of this branch. So it does for certified
//! builds, whose versions are marked.

use super::Finding;
use super::epel::Named;
use super::judge::Scanner;
use crate::knowledge::{Advisory, KnowledgeError, StatedEntries};
use crate::matching::{Subject, WhyNot, evaluate_about};
use crate::osv::Event;
use crate::purl::osv::OsvPackage;
use crate::sbom::Component;

/// Returns what the counting statements of an advisory say about a build of a branch: true if it has the fix, false if one
/// says otherwise, `None` if they say neither.
fn says_fixed(package: &OsvPackage, advisory: &Advisory, subject: &Subject) -> Option<bool> {
    if advisory.withdrawn.is_some() {
        return None;
    }
    let mut is_fixed = false;
    for said in advisory.stated().filter(StatedEntries::counts) {
        for entry in said.entries {
            let found = evaluate_about(&advisory.summary, entry, subject);
            if found.is_affected() || found.is_undecided() {
                return Some(false);
            }
            is_fixed |= found.unmatched.iter().any(|(_, why)| {
                let WhyNot::Outside {
                    closed_by: Some(Event::Fixed(fix)),
                    ..
                } = why
                else {
                    return false;
                };
                package.is_of_one_branch(subject.text(), fix)
            });
        }
    }
    is_fixed.then_some(true)
}

/// Returns true if an advisory about the branch of a package's build says that it has the fix of a vulnerability, and none in
/// any product of the branch says otherwise. `advisories` returns those of an ecosystem about the package.
pub(crate) fn is_fixed_in_branch<A: AsRef<[Advisory]>>(
    package: &OsvPackage,
    subject: &Subject,
    vulnerability: &str,
    mut advisories: impl FnMut(&str) -> Result<A, KnowledgeError>,
) -> Result<bool, KnowledgeError> {
    let mut is_fixed = false;
    for ecosystem in package.ecosystems_of_branch(subject.text()) {
        let found = advisories(&ecosystem)?;
        let about = found.as_ref().iter();
        for advisory in about.filter(|one| one.vulnerability == vulnerability) {
            match says_fixed(package, advisory, subject) {
                Some(false) => return Ok(false),
                Some(true) => is_fixed = true,
                None => {}
            }
        }
    }
    Ok(is_fixed)
}

impl Scanner<'_> {
    /// Removes the findings from `first` on that a build of a branch has the fix of.
    pub(super) fn drop_fixed_in_branch(
        &mut self,
        package: &OsvPackage,
        component: &Component,
        findings: &mut Vec<Finding>,
        first: usize,
    ) -> Result<(), KnowledgeError> {
        let Some(purl) = component.purl.as_ref().filter(|_| package.has_branches()) else {
            return Ok(());
        };
        let mut index = first;
        while let Some(finding) = findings.get(index) {
            let (name, version) = (finding.package.name.clone(), finding.package.version.clone());
            let vulnerability = finding.vulnerability.clone();
            let origin = component.origin.as_deref();
            let subject = Subject::of(purl, origin, &package.ecosystem, Some(&version));
            let is_fixed = is_fixed_in_branch(package, &subject, &vulnerability, |ecosystem| {
                if self.knows(ecosystem)? {
                    self.advisories(ecosystem, &name)
                } else {
                    Ok(std::rc::Rc::default())
                }
            })?;
            if is_fixed {
                findings.remove(index);
            } else {
                index += 1;
            }
        }
        Ok(())
    }
}
