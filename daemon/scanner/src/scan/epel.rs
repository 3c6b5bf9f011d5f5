//! Decides whether advisories of the host or of EPEL apply to a package on Enterprise Linux, for scans and explanations.
//!
//! EPEL does not replace packages of the distribution. So a package whose name only advisories of EPEL have is judged by
//! those, and one whose name the host's have, by the host's, unless the document names its vendor. If it does not, what only
//! EPEL's advisories call affected is in doubt.

use std::collections::BTreeSet;

use super::judge::Scanner;
use super::{DoubtCause, Finding, Standing};
use crate::knowledge::{Knowledge, KnowledgeError};
use crate::matching::Subject;
use crate::origin::Vendor;
use crate::purl::osv::{OsvPackage, is_of_another_repository};
use crate::sbom::Component;

/// Whose advisories apply to a package on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The host's.
    Host,
    /// The host's; what only EPEL's call affected is in doubt, because nothing says who built the package.
    HostUnlessEpel,
    /// The host's, which do not name it; EPEL's may name its source, which is unknown.
    HostUnlessSource,
    /// EPEL's.
    Epel,
    /// EPEL's, which do not name it; what the host's call affected is in doubt.
    EpelUnlessHost,
    /// EPEL's, but the host's release is unknown here, and it may have a package of this name.
    EpelOnUnknownHost,
}

/// Answers what advisories name.
pub(crate) trait Named {
    /// Returns true if any advisory names the ecosystem.
    fn knows(&mut self, ecosystem: &str) -> Result<bool, KnowledgeError>;

    /// Returns true if an advisory of the ecosystem, which is known, names the package.
    fn knows_package(&mut self, ecosystem: &str, name: &str) -> Result<bool, KnowledgeError>;

    /// Returns true if an advisory of one of a package's ecosystems has one of these names.
    fn is_named(&mut self, package: &OsvPackage, names: &[&str]) -> Result<bool, KnowledgeError> {
        for ecosystem in package.ecosystems() {
            if !self.knows(ecosystem)? {
                continue;
            }
            for name in names {
                if self.knows_package(ecosystem, name)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Returns true if another repository built the version of a package that advisories name: its place among the fixes of the
    /// distribution says nothing.
    fn is_of_unjudged_repository(
        &mut self,
        ty: &str,
        package: &OsvPackage,
        version: &str,
    ) -> Result<bool, KnowledgeError> {
        if !is_of_another_repository(ty, version) {
            return Ok(false);
        }
        for package in std::iter::once(package).chain(package.epel.as_deref()) {
            if self.is_named(package, &names(package))? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns true if advisories show knowledge of a package's release.
    fn is_release_known(&mut self, package: &OsvPackage) -> Result<bool, KnowledgeError> {
        for ecosystem in package.ecosystems() {
            if package.is_known_by(ecosystem) && self.knows(ecosystem)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Named for &dyn Knowledge {
    fn knows(&mut self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        self.knows_ecosystem(ecosystem)
    }

    fn knows_package(&mut self, ecosystem: &str, name: &str) -> Result<bool, KnowledgeError> {
        Knowledge::knows_package(*self, ecosystem, name)
    }
}

/// Chooses the advisories for a package of a host that may be one of EPEL. Most names are unknown to EPEL, and need no more
/// than to be looked up there. `is_own_source` is true if the package is known to have the name of its source.
pub(crate) fn choose(
    package: &OsvPackage,
    epel: &OsvPackage,
    vendor: Option<Vendor>,
    is_own_source: impl FnOnce() -> bool,
    named: &mut impl Named,
) -> Result<Choice, KnowledgeError> {
    let names = names(epel);
    let by_epel = named.is_named(epel, &names)?;
    Ok(match vendor {
        Some(Vendor::EnterpriseLinux) => Choice::Host,
        // The host's package of this name is another one, but nothing else speaks about this one.
        Some(Vendor::Fedora) if !by_epel && named.is_named(package, &names)? => Choice::EpelUnlessHost,
        Some(Vendor::Fedora) => Choice::Epel,
        None if by_epel && named.is_named(package, &names)? => Choice::HostUnlessEpel,
        None if by_epel && named.is_release_known(package)? => Choice::Epel,
        None if by_epel => Choice::EpelOnUnknownHost,
        None => {
            let is_in_doubt = !epel.name_known
                && !is_own_source()
                && named.knows(&epel.ecosystem)?
                && !named.is_named(package, &names)?;
            if is_in_doubt {
                Choice::HostUnlessSource
            } else {
                Choice::Host
            }
        }
    })
}

/// Returns the names that advisories may have for a package: its own and its source's.
fn names(package: &OsvPackage) -> Vec<&str> {
    let source = package.source.as_ref().map(|source| source.name.as_str());
    std::iter::once(package.name.as_str()).chain(source).collect()
}

/// The standing of a package with the cause of an undecided one.
type Judged = (Standing, Option<DoubtCause>);

/// The same, and the further ecosystem whose advisories decided it.
type JudgedOnHost = (Judged, Option<&'static str>);

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
        let vendor = component.origin.as_deref().and_then(|origin| origin.vendor);
        let is_own_source = self.is_own_source(component);
        let choice = choose(package, epel, vendor, || is_own_source, self)?;
        let first = findings.len();
        let judged = match choice {
            Choice::Host => return Ok((self.judge_package(package, subject, component, findings)?, None)),
            Choice::HostUnlessEpel => self.judge_of_either(package, subject, component, findings)?,
            Choice::HostUnlessSource => {
                let judged = self.judge_package(package, subject, component, findings)?;
                if judged.0 != Standing::Matched {
                    return Ok((judged, None));
                }
                (Standing::Undecided, Some(DoubtCause::Name))
            }
            Choice::Epel => self.judge_package(epel, subject, component, findings)?,
            Choice::EpelUnlessHost => {
                let judged = self.judge_package(epel, subject, component, findings)?;
                let first = findings.len();
                let (by_host, _) = self.judge_package(package, subject, component, findings)?;
                if findings.len() > first || by_host == Standing::Undecided {
                    (Standing::Undecided, Some(DoubtCause::Vendor))
                } else {
                    judged
                }
            }
            Choice::EpelOnUnknownHost => {
                self.judge_package(epel, subject, component, findings)?;
                if findings.len() > first {
                    (Standing::Undecided, Some(DoubtCause::Release))
                } else {
                    (Standing::NoKnowledge, None)
                }
            }
        };
        Ok((judged, Some(epel.system)))
    }

    /// Evaluates a package by its host's advisories. It is undecided if EPEL's call it affected by another vulnerability, or
    /// cannot be evaluated: the doubt lists these.
    fn judge_of_either(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<Judged, KnowledgeError> {
        let first = findings.len();
        let judged = self.judge_package(package, subject, component, findings)?;
        let Some(epel) = package.epel.as_deref() else {
            return Ok(judged);
        };
        let before = std::mem::take(&mut self.unevaluated);
        let mut by_epel = Vec::new();
        self.judge_package(epel, subject, component, &mut by_epel)?;
        let mut doubted = std::mem::replace(&mut self.unevaluated, before);
        doubted.extend(by_epel.into_iter().map(|finding| finding.vulnerability));
        let own = findings.get(first..).unwrap_or_default();
        let found: BTreeSet<&str> = own.iter().map(|finding| finding.vulnerability.as_str()).collect();
        doubted.retain(|vulnerability| !found.contains(vulnerability.as_str()));
        if doubted.is_empty() {
            return Ok(judged);
        }
        self.unevaluated.append(&mut doubted);
        Ok(match judged {
            (Standing::Undecided, _) => judged,
            _ => (Standing::Undecided, Some(DoubtCause::Vendor)),
        })
    }
}
