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
use crate::purl::osv::{OsvPackage, can_have, is_major_of, modules_above, with_major};
use crate::sbom::Component;

/// A module that a Go package may be of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) path: String,
    /// The same path with the major version of the package's version after it, if advisories name it.
    pub(crate) major: Option<String>,
}

impl Module {
    fn at(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            major: None,
        }
    }

    /// Returns true if its advisories are about another major version, unless one that ends its affected versions shows otherwise.
    pub(crate) fn is_of_another_major(&self, package: &OsvPackage, version: &str) -> bool {
        self.major.is_some() || is_major_of(&package.name, &self.path, version)
    }
}

/// Returns the modules above a Go package's path, the longest first, that advisories name and that it may be a package of at its
/// version.
pub(crate) fn modules_of(
    package: &OsvPackage,
    version: &str,
    named: &mut impl Named,
) -> Result<Vec<Module>, KnowledgeError> {
    let name = package.name.as_str();
    let mut found: Vec<Module> = Vec::new();
    if package.system != "Go" {
        return Ok(found);
    }
    for path in modules_above(name) {
        // Advisories about a module may leave out the major version in its path, but not those that have another one with it.
        let is_major = is_major_of(name, path, version);
        if (package.is_module && !is_major) || !can_have(path, version) {
            continue;
        }
        let mut major = with_major(path, version);
        if let Some(path) = &major {
            let is_above = found.iter().any(|module| module.path == *path);
            if !is_above && !named.is_named(package, &[path])? {
                major = None;
            } else if !is_above && path != name {
                found.push(Module::at(path));
            }
        }
        if named.is_named(package, &[path])? {
            found.push(Module {
                major,
                ..Module::at(path)
            });
        }
    }
    Ok(found)
}

/// Returns true if an advisory of the list speaks about a vulnerability: what is said about it in the path of a module without the major
/// version is not about the path with it.
pub(crate) fn is_about(of_major: &[&Advisory], vulnerability: &str) -> bool {
    counting(of_major, vulnerability).next().is_some()
}

/// Returns the advisories of a list about a vulnerability that count.
fn counting<'a>(list: &[&'a Advisory], vulnerability: &str) -> impl Iterator<Item = &'a Advisory> {
    list.iter().copied().filter(move |advisory| {
        advisory.vulnerability == vulnerability
            && advisory.withdrawn.is_none()
            && advisory.stated().any(|said| StatedEntries::counts(&said))
    })
}

/// Returns true if the records behind a statement about a module speak about the same vulnerability in a Go path below it, too: they
/// tell the two apart.
pub(crate) fn is_told_apart(own: &[&Advisory], vulnerability: &str, records: &[Provenance]) -> bool {
    counting(own, vulnerability).any(|advisory| {
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
        for module in modules {
            let is_of_another = module.is_of_another_major(package, subject.text());
            let mut of_major = Vec::new();
            for (ecosystem, path) in pairs(package, module.major.as_deref()) {
                of_major.push(self.advisories(ecosystem, path)?);
            }
            let of_major: Vec<&Advisory> = of_major.iter().flat_map(|list| list.iter()).collect();
            let above = OsvPackage {
                name: module.path,
                source: None,
                ..package.clone()
            };
            let before = std::mem::take(&mut self.unevaluated);
            let mut found = Vec::new();
            for ecosystem in package.ecosystems() {
                self.judge_in(ecosystem, &above, subject, component, &mut found)?;
            }
            let mut doubted = std::mem::replace(&mut self.unevaluated, before);
            // A module without an end of its affected versions says nothing about the next major version, which is another module.
            found.retain(|finding| {
                (!is_of_another || has_end(finding))
                    && !is_told_apart(&own, &finding.vulnerability, &finding.provenance)
            });
            doubted.extend(found.into_iter().map(|finding| finding.vulnerability));
            doubted.retain(|vulnerability| !is_about(&of_major, vulnerability));
            is_doubted |= !doubted.is_empty();
            self.unevaluated.append(&mut doubted);
        }
        Ok(is_doubted)
    }
}

/// Returns a path with each of a package's ecosystems.
fn pairs<'a>(package: &'a OsvPackage, path: Option<&'a str>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let ecosystems = path.map(|path| package.ecosystems().map(move |ecosystem| (ecosystem, path)));
    ecosystems.into_iter().flatten()
}

fn has_end(finding: &Finding) -> bool {
    let ends = |rule: &super::MatchedRule| {
        rule.introduced.is_none() || rule.fixed.is_some() || rule.last_affected.is_some()
    };
    finding.rules.iter().any(ends)
}
