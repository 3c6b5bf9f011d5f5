//! Builds with the mark of another product than the distribution itself, by the rules of a scan.

use super::{Asked, Explanation};
use crate::knowledge::KnowledgeError;
use crate::matching::Subject;
use crate::purl::osv::OsvPackage;
use crate::scan::{Unjudged, is_fixed_in_certified, unjudged_in};

impl Explanation {
    /// Leaves out the rules about other builds if a certified build of Ubuntu has the fix.
    pub(super) fn leave_out_fixed_in_certified(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        asked: Asked<'_>,
    ) -> Result<(), KnowledgeError> {
        if package.ecosystems_of_certified().next().is_none() {
            return Ok(());
        }
        for advisory in &mut self.advisories {
            let is_fixed = is_fixed_in_certified(package, subject, &advisory.vulnerability, |ecosystem| {
                asked.advisories(std::iter::once(ecosystem), &package.name)
            })?;
            if is_fixed {
                let statements = advisory.statements.iter_mut();
                let entries = statements.flat_map(|said| &mut said.entries);
                entries
                    .filter(|entry| entry.is_affected())
                    .for_each(|entry| entry.leave_to_branch(|_| true));
            }
        }
        Ok(())
    }

    /// Returns true if statements about other builds than the package's do not say if it has one of the vulnerabilities.
    pub(super) fn is_of_unjudged_build(
        &self,
        package: &OsvPackage,
        subject: &Subject,
        asked: Asked<'_>,
    ) -> Result<bool, KnowledgeError> {
        let source = package.source.as_ref();
        let own_source = source.and_then(|source| source.version.as_deref());
        let of_source =
            own_source.map(|version| Subject::of(asked.purl, None, &package.ecosystem, Some(version)));
        let mut names = vec![(package.name.as_str(), subject)];
        names.extend(source.map(|source| (source.name.as_str(), of_source.as_ref().unwrap_or(subject))));
        let unjudged = unjudged_in(package, &names, |ecosystem, name| {
            asked.advisories(std::iter::once(ecosystem), name)
        })?;
        let mut asked_for = self.advisories.iter().map(|one| one.vulnerability.as_str());
        Ok(match unjudged {
            Unjudged::Nothing => false,
            Unjudged::Everything => true,
            Unjudged::Vulnerabilities(open) => asked_for.any(|vulnerability| open.contains(vulnerability)),
        })
    }
}
