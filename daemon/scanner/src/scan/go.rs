//! Go packages that a document lists beside modules, or in place of them.
//!
//! Advisories name modules. A component whose path no advisory names may be a package inside of a module that they name, or a
//! module of its own below that one: its path does not show which. If its version is affected as that module's, it is in doubt.

use super::Finding;
use super::epel::Named;
use super::judge::Scanner;
use crate::knowledge::KnowledgeError;
use crate::matching::Subject;
use crate::purl::osv::{OsvPackage, is_major_of, modules_above, with_major};
use crate::sbom::Component;

/// Returns the longest path above that of a Go package which advisories name, unless they name its own: that of the module that
/// it may be a package of.
pub(crate) fn module_above(
    package: &OsvPackage,
    version: &str,
    named: &mut impl Named,
) -> Result<Option<String>, KnowledgeError> {
    let (system, name) = (package.ecosystem.as_ref(), package.name.as_str());
    if system != "Go" || named.knows_package(system, name)? {
        return Ok(None);
    }
    for path in modules_above(name) {
        if let Some(major) = with_major(path, version).filter(|major| major != name)
            && named.knows_package(system, &major)?
        {
            return Ok(Some(major));
        }
        if named.knows_package(system, path)? {
            return Ok(Some(path.to_owned()));
        }
    }
    Ok(None)
}

impl Scanner<'_> {
    /// Returns true if a Go package is affected, or undecided, as a package of a module above it, and notes by what.
    pub(super) fn is_doubted_by_module(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
    ) -> Result<bool, KnowledgeError> {
        let Some(name) = module_above(package, subject.text(), self)? else {
            return Ok(false);
        };
        let is_major = is_major_of(&package.name, &name);
        let module = OsvPackage {
            name,
            ..package.clone()
        };
        let mut found = Vec::new();
        let undecided = self.judge_in(&package.ecosystem, &module, subject, component, &mut found)?;
        // A module without an end of its affected versions says nothing about the next major version, which is another module.
        found.retain(|finding| !is_major || has_end(finding));
        let is_doubted = undecided || !found.is_empty();
        self.unevaluated
            .extend(found.into_iter().map(|finding| finding.vulnerability));
        Ok(is_doubted)
    }
}

fn has_end(finding: &Finding) -> bool {
    let ends = |rule: &super::MatchedRule| {
        rule.introduced.is_none() || rule.fixed.is_some() || rule.last_affected.is_some()
    };
    finding.rules.iter().any(ends)
}
