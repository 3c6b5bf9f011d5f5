//! An inventory held against knowledge: findings and coverage out.
//!
//! There is one finding per package version and vulnerability, however many places of the document
//! hold the package and however many names it was looked up by. Two CVEs are never one finding, even
//! where a source files them together: that is the view's identity rule. Everything is sorted, so
//! equal inputs give equal results.

mod coverage;
mod finding;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;

pub use coverage::{Coverage, Standing};
pub use finding::{Finding, FoundPackage, MatchedRule};

use crate::knowledge::{Advisory, Knowledge, KnowledgeError};
use crate::matching::{Subject, evaluate};
use crate::purl::osv::{OsvPackage, package_in};
use crate::sbom::{Component, ComponentKind, Inventory};
use crate::severity::{Level, Rating, StatedSeverity, choose};
use crate::version::Scheme;

/// Choices that a scan is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanOptions {
    /// Sources whose severities are preferred, best first.
    pub severity_sources: Vec<String>,
}

/// The result of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanResult {
    /// Findings, sorted by package, version and vulnerability.
    pub findings: Vec<Finding>,
    /// How much of the inventory could be judged.
    pub coverage: Coverage,
    /// The components that could not be judged, in document order, each with the reason.
    pub gaps: Vec<Gap>,
}

/// A component that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Its name.
    pub name: String,
    /// Where it stands in the document.
    pub place: String,
    /// Why.
    pub standing: Standing,
}

/// Scans an inventory.
///
/// # Errors
/// If the knowledge cannot be read. No partial result is given: half a scan looks like a clean one.
pub fn scan(
    inventory: &Inventory,
    knowledge: &dyn Knowledge,
    options: &ScanOptions,
) -> Result<ScanResult, KnowledgeError> {
    let mut scanner = Scanner {
        knowledge,
        options,
        packages: BTreeMap::new(),
        ecosystems: BTreeMap::new(),
    };
    let mut coverage = Coverage::default();
    let mut gaps = Vec::new();
    let mut findings: BTreeMap<FindingKey, Finding> = BTreeMap::new();
    for component in &inventory.components {
        let standing = match scanner.judge(component, inventory.distro.as_deref(), &mut findings)? {
            // What is no package, and names none, is nothing that could be missed.
            Standing::Unknown if component.kind == ComponentKind::Other => Standing::NotAPackage,
            Standing::Unknown | Standing::UnsupportedEcosystem
                if component.kind == ComponentKind::Subject =>
            {
                Standing::NotAPackage
            }
            standing => standing,
        };
        coverage.count(standing);
        if standing.is_gap() {
            gaps.push(Gap {
                name: component.name.clone(),
                place: component.place.to_string(),
                standing,
            });
        }
    }
    Ok(ScanResult {
        findings: findings.into_values().map(Finding::settled).collect(),
        coverage,
        gaps,
    })
}

/// What makes two matches one finding.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FindingKey {
    ecosystem: Cow<'static, str>,
    name: String,
    version: String,
    vulnerability: String,
}

/// The advisories of one component: its own, or those that all of its package share.
enum Advisories {
    Own(Vec<Advisory>),
    Shared(Rc<[Advisory]>),
}

impl Advisories {
    fn list(&self) -> &[Advisory] {
        match self {
            Self::Own(list) => list,
            Self::Shared(list) => list,
        }
    }

    /// Gives one away. Of those that are the component's own nothing stays in its place: it is not asked again.
    fn take(&mut self, index: usize) -> Advisory {
        match self {
            Self::Own(list) => list.get_mut(index).map(std::mem::take).unwrap_or_default(),
            Self::Shared(list) => list.get(index).cloned().unwrap_or_default(),
        }
    }
}

struct Scanner<'a> {
    knowledge: &'a dyn Knowledge,
    options: &'a ScanOptions,
    /// Each package is looked up once per scan.
    packages: BTreeMap<(Cow<'static, str>, String), Rc<[Advisory]>>,
    ecosystems: BTreeMap<String, bool>,
}

impl Scanner<'_> {
    /// Judges one component; what it finds goes into `findings`.
    fn judge(
        &mut self,
        component: &Component,
        distro: Option<&str>,
        findings: &mut BTreeMap<FindingKey, Finding>,
    ) -> Result<Standing, KnowledgeError> {
        let Some(purl) = &component.purl else {
            return Ok(Standing::Unknown);
        };
        let Some(package) = package_in(purl, distro) else {
            return Ok(Standing::UnsupportedEcosystem);
        };
        if !package.release_known {
            return Ok(Standing::NoDistro);
        }
        let Some(version) = component.version.as_deref() else {
            return Ok(Standing::Unversioned);
        };
        if !self.knows(&package.ecosystem)? {
            return Ok(Standing::NoKnowledge);
        }
        let subject = Subject::new(&package.ecosystem, version);
        let mut advisories = match self
            .knowledge
            .candidates(&package.ecosystem, &package.name, &subject)?
        {
            Some(candidates) => Advisories::Own(candidates),
            None => Advisories::Shared(self.advisories(&package)?),
        };
        let mut undecided = false;
        for index in 0..advisories.list().len() {
            let Some(advisory) = advisories.list().get(index).filter(|a| a.withdrawn.is_none()) else {
                continue;
            };
            let mut rules = Vec::new();
            let mut fixed = Vec::new();
            let mut severities: Vec<StatedSeverity> = Vec::new();
            let mut here_undecided = false;
            for (index, affected) in advisory.affected.iter().enumerate() {
                let evaluation = evaluate(affected, &subject);
                here_undecided |= evaluation.is_undecided();
                if !evaluation.is_affected() {
                    continue;
                }
                rules.extend(
                    evaluation
                        .matched
                        .iter()
                        .map(|rule| MatchedRule::new(index, rule)),
                );
                for version in evaluation.fixed {
                    if !fixed.contains(&version) {
                        fixed.push(version);
                    }
                }
                severities.extend(own_severities(affected, advisory));
            }
            if rules.is_empty() {
                undecided |= here_undecided;
                continue;
            }
            let rating = if severities.is_empty() {
                self.rating(advisory, &advisory.severities)
            } else {
                severities.extend(advisory.severities.iter().cloned());
                self.rating(advisory, &severities)
            };
            let key = FindingKey {
                ecosystem: package.ecosystem.clone(),
                name: package.name.clone(),
                version: version.to_owned(),
                vulnerability: advisory.vulnerability.clone(),
            };
            let place = component.place.to_string();
            match findings.entry(key) {
                Entry::Occupied(mut entry) => entry.get_mut().absorb(advisory, place),
                Entry::Vacant(entry) => {
                    let found = FoundPackage {
                        ecosystem: package.ecosystem.clone().into_owned(),
                        name: package.name.clone(),
                        version: version.to_owned(),
                        purl: purl.to_string(),
                    };
                    let advisory = advisories.take(index);
                    entry.insert(Finding::new(advisory, found, rating, rules, fixed, place));
                }
            }
        }
        if undecided {
            return Ok(Standing::Undecided);
        }
        // An ecosystem without order, or a version outside it, matches by enumeration alone.
        Ok(match Scheme::for_ecosystem(&package.ecosystem) {
            None => Standing::UnsupportedEcosystem,
            Some(_) if !subject.is_ordered() => Standing::Unversioned,
            Some(_) => Standing::Matched,
        })
    }

    fn advisories(&mut self, package: &OsvPackage) -> Result<Rc<[Advisory]>, KnowledgeError> {
        let key = (package.ecosystem.clone(), package.name.clone());
        match self.packages.entry(key) {
            Entry::Occupied(entry) => Ok(Rc::clone(entry.get())),
            Entry::Vacant(entry) => {
                let list = self.knowledge.advisories(&package.ecosystem, &package.name)?;
                Ok(Rc::clone(entry.insert(list.into())))
            }
        }
    }

    fn knows(&mut self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        if let Some(known) = self.ecosystems.get(ecosystem) {
            return Ok(*known);
        }
        let known = self.knowledge.knows_ecosystem(ecosystem)?;
        self.ecosystems.insert(ecosystem.to_owned(), known);
        Ok(known)
    }

    fn rating(&self, advisory: &Advisory, severities: &[StatedSeverity]) -> Rating {
        let rating = choose(severities, &self.options.severity_sources);
        // Reports of malicious packages carry no severity: having one installed is the incident.
        let malicious = advisory
            .ids
            .iter()
            .chain([&advisory.vulnerability])
            .find(|id| id.starts_with("MAL-"));
        match malicious {
            Some(id) if rating.level == Level::Unknown => Rating {
                level: Level::Critical,
                score: None,
                stated: Some(StatedSeverity {
                    source: "starling".to_owned(),
                    kind: "malicious-package".to_owned(),
                    value: id.clone(),
                }),
            },
            _ => rating,
        }
    }
}

/// A package's own severities come before the advisory's; they are on the word of its first source.
fn own_severities(affected: &crate::osv::Affected, advisory: &Advisory) -> Vec<StatedSeverity> {
    let source = advisory.provenance.first().map_or("", |p| p.source.as_str());
    affected
        .severity
        .iter()
        .map(|severity| StatedSeverity {
            source: source.to_owned(),
            kind: severity.kind.clone(),
            value: severity.score.0.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
