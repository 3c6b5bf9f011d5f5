//! Go packages that a document lists beside modules, or in place of them.
//!
//! Advisories name modules, and some of them packages. A component may be a package inside of a module above it, or a module of its own
//! below that one: often its path does not show which. If its version is affected as that of a module that it may be a package of, it
//! is in doubt.

use super::Finding;
use super::epel::Named;
use super::judge::Scanner;
use crate::knowledge::{Advisory, KnowledgeError, Provenance, StatedEntries};
use crate::matching::Subject;
use crate::purl::osv::{OsvPackage, can_have, is_major_of, is_of_major, modules_above, with_major};
use crate::sbom::Component;

/// Returns the paths of modules above a Go package's, the longest first, that advisories name and that it may be a package of at
/// its version.
pub(crate) fn modules_of(
    package: &OsvPackage,
    version: &str,
    named: &mut impl Named,
) -> Result<Vec<String>, KnowledgeError> {
    let name = package.name.as_str();
    let mut found = Vec::new();
    if package.system != "Go" {
        return Ok(found);
    }
    for path in modules_above(name) {
        // Advisories about a module may leave out the major version in its path, but not those that have another one with it.
        let is_major = is_major_of(name, path, version);
        if (package.is_module && !is_major) || !can_have(path, version) {
            continue;
        }
        if is_major && named.is_named(package, &[name])? {
            continue;
        }
        if let Some(major) = with_major(path, version).filter(|major| major != name)
            && named.is_named(package, &[&major])?
        {
            found.push(major);
            break;
        }
        if named.is_named(package, &[path])? {
            found.push(path.to_owned());
            if is_of_major(path, version) {
                break;
            }
        }
    }
    Ok(found)
}

/// Returns true if the records behind a statement about a module speak about the same vulnerability in a Go path below it, too: they
/// tell the two apart.
pub(crate) fn is_told_apart(own: &[&Advisory], vulnerability: &str, records: &[Provenance]) -> bool {
    let mut about = own.iter().filter(|advisory| {
        advisory.vulnerability == vulnerability
            && advisory.withdrawn.is_none()
            && advisory.stated().any(|said| StatedEntries::counts(&said))
    });
    about.any(|advisory| {
        let is_of_it = |record: &Provenance| {
            let mut own = advisory.provenance.iter();
            own.any(|own| (&own.source, &own.record) == (&record.source, &record.record))
        };
        records.iter().all(is_of_it)
    })
}

impl Scanner<'_> {
    /// Returns true if a Go package is affected, or undecided, as a package of a module above it, and notes by what.
    pub(super) fn is_doubted_by_module(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
    ) -> Result<bool, KnowledgeError> {
        let modules = modules_of(package, subject.text(), self)?;
        if modules.is_empty() {
            return Ok(false);
        }
        let mut own = Vec::new();
        for ecosystem in package.ecosystems() {
            own.push(self.advisories(ecosystem, &package.name)?);
        }
        let own: Vec<&Advisory> = own.iter().flat_map(|list| list.iter()).collect();
        let mut is_doubted = false;
        for name in modules {
            let is_major = is_major_of(&package.name, &name, subject.text());
            let module = OsvPackage {
                name,
                source: None,
                ..package.clone()
            };
            let mut found = Vec::new();
            for ecosystem in package.ecosystems() {
                is_doubted |= self.judge_in(ecosystem, &module, subject, component, &mut found)?;
            }
            // A module without an end of its affected versions says nothing about the next major version, which is another module.
            found.retain(|finding| {
                (!is_major || has_end(finding))
                    && !is_told_apart(&own, &finding.vulnerability, &finding.provenance)
            });
            is_doubted |= !found.is_empty();
            self.unevaluated
                .extend(found.into_iter().map(|finding| finding.vulnerability));
        }
        Ok(is_doubted)
    }
}

fn has_end(finding: &Finding) -> bool {
    let ends = |rule: &super::MatchedRule| {
        rule.introduced.is_none() || rule.fixed.is_some() || rule.last_affected.is_some()
    };
    finding.rules.iter().any(ends)
}
