//! Evaluates a package by the advisories that name its source.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::Finding;
use super::epel::Named as _;
use super::evidence::decided_by;
use super::judge::Scanner;
use crate::knowledge::{Advisory, KnowledgeError};
use crate::matching::Subject;
use crate::purl::osv::OsvPackage;
use crate::sbom::Component;

impl Scanner<'_> {
    /// Matches a component against the advisories that name its source package, if they may name either. Returns true
    /// if one of them could not be evaluated.
    pub(super) fn judge_source(
        &mut self,
        ecosystem: &str,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<bool, KnowledgeError> {
        let (Some(source), Some(purl)) = (&package.source, &component.purl) else {
            return Ok(false);
        };
        let version = source.version.as_deref();
        let other =
            version.map(|version| Subject::of(purl, component.origin.as_deref(), ecosystem, Some(version)));
        let named = OsvPackage {
            name: source.name.clone(),
            source: None,
            ..package.clone()
        };
        let first = findings.len();
        let own = subject;
        let subject = other.as_ref().unwrap_or(own);
        let undecided = self.judge_in(ecosystem, &named, subject, component, findings)?;
        let mut found = findings.split_off(first);
        let mut undecided = undecided;
        if !source.epoch_known {
            let (certain, doubted): (Vec<_>, Vec<_>) =
                found.into_iter().partition(Finding::is_of_all_versions);
            found = certain;
            undecided |= self.leaves_doubt(package, own, doubted)?;
        }
        // An advisory that names the installed package, too, is one finding.
        let purl = purl.to_string();
        let is_own = |own: &Finding| own.package.purl == purl && own.package.name == package.name;
        found.retain(|one| {
            let mut before = findings.iter().rev().take_while(|own| is_own(own));
            !before.any(|own| own.vulnerability == one.vulnerability)
        });
        findings.append(&mut found);
        Ok(undecided)
    }

    /// Returns true if one of these findings by the source is not decided by the package's own name, and notes those that are
    /// not: advisories that list what is built from a source say more about it than those about the source.
    fn leaves_doubt(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        doubted: Vec<Finding>,
    ) -> Result<bool, KnowledgeError> {
        if doubted.is_empty() {
            return Ok(false);
        }
        let mut own: Vec<Rc<[Advisory]>> = Vec::new();
        let branch = self.branch.clone();
        let of_branch = branch
            .iter()
            .flat_map(|branch| branch.build.branches.ecosystems());
        for ecosystem in package.ecosystems().chain(of_branch) {
            if self.knows(ecosystem)? {
                own.push(self.advisories(ecosystem, &package.name)?);
            }
        }
        let decided = decided_by(own.iter().flat_map(|list| list.iter()), subject);
        let doubted = doubted.into_iter().map(|finding| finding.vulnerability);
        let mut open: BTreeSet<String> = doubted.filter(|one| !decided.contains(one.as_str())).collect();
        let is_open = !open.is_empty();
        self.unevaluated.append(&mut open);
        Ok(is_open)
    }
}
