//! Decides whether advisories of the host or of EPEL apply to a package on Enterprise Linux.
//!
//! EPEL does not replace packages of the distribution. So a package whose name only advisories of EPEL have is judged by
//! those, and one whose name the host's have, by the host's, unless the document names its vendor.

use super::judge::Scanner;
use super::{DoubtCause, Finding, Standing};
use crate::knowledge::KnowledgeError;
use crate::matching::Subject;
use crate::origin::Vendor;
use crate::purl::osv::OsvPackage;
use crate::sbom::Component;

/// The standing of a package with the cause of an undecided one, and the further ecosystem whose advisories decided it.
type JudgedOnHost = ((Standing, Option<DoubtCause>), Option<&'static str>);

impl Scanner<'_> {
    /// Evaluates a package by the advisories of its host, or by those of EPEL.
    pub(super) fn judge_on_host(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<JudgedOnHost, KnowledgeError> {
        let Some(epel) = package.epel.as_deref() else {
            return Ok((self.judge_package(package, subject, component, findings)?, None));
        };
        match component.origin.as_deref().and_then(|origin| origin.vendor) {
            Some(Vendor::EnterpriseLinux) => {
                Ok((self.judge_package(package, subject, component, findings)?, None))
            }
            Some(Vendor::Fedora) => self.judge_of_epel(package, epel, subject, component, findings),
            None => self.judge_of_either(package, epel, subject, component, findings),
        }
    }

    /// Evaluates a package that the Fedora Project built.
    fn judge_of_epel(
        &mut self,
        package: &OsvPackage,
        epel: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<JudgedOnHost, KnowledgeError> {
        let mut standing = self.judge_package(epel, subject, component, findings)?;
        let names = names(epel);
        if !self.is_named(epel, &names)? && self.is_named(package, &names)? {
            // The host's package of this name is another one, but nothing else speaks about this one.
            let first = findings.len();
            self.judge_package(package, subject, component, findings)?;
            if findings.len() > first {
                standing = (Standing::Undecided, Some(DoubtCause::Vendor));
            }
        }
        Ok((standing, Some(epel.system)))
    }

    /// Evaluates a package of which nothing says who built it. Most names are unknown to EPEL, and need no more than to
    /// be looked up there.
    fn judge_of_either(
        &mut self,
        package: &OsvPackage,
        epel: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<JudgedOnHost, KnowledgeError> {
        let names = names(epel);
        if self.is_named(epel, &names)? && !self.is_named(package, &names)? {
            let first = findings.len();
            let by_epel = self.judge_package(epel, subject, component, findings)?;
            // A host of which nothing is known may have a package of this name.
            let standing = if self.is_host_known(package)? {
                by_epel
            } else if findings.len() > first {
                (Standing::Undecided, Some(DoubtCause::Release))
            } else {
                (Standing::NoKnowledge, None)
            };
            return Ok((standing, Some(epel.system)));
        }
        let standing = self.judge_package(package, subject, component, findings)?;
        // Advisories of EPEL may name its source, which is unknown.
        let is_in_doubt = standing.0 == Standing::Matched
            && !epel.name_known
            && !self.is_own_source(component)
            && self.knows(&epel.ecosystem)?
            && !self.is_named(package, &names)?;
        if is_in_doubt {
            return Ok(((Standing::Undecided, Some(DoubtCause::Name)), Some(epel.system)));
        }
        Ok((standing, None))
    }

    fn is_host_known(&mut self, package: &OsvPackage) -> Result<bool, KnowledgeError> {
        for ecosystem in package.ecosystems() {
            if package.is_known_by(ecosystem) && self.knows(ecosystem)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Returns the names that advisories may have for a package: its own and its source's.
fn names(epel: &OsvPackage) -> Vec<&str> {
    let source = epel.source.as_ref().map(|source| source.name.as_str());
    std::iter::once(epel.name.as_str()).chain(source).collect()
}
