//! An inventory held against knowledge: findings and coverage out.
//!
//! There is one finding per package version and vulnerability, however many places of the document
//! hold the package and however many names it was looked up by. Two CVEs are never one finding, even
//! where a source files them together: that is the view's identity rule. Everything is sorted, so
//! equal inputs give equal results.

mod coverage;
mod finding;
mod limits;
mod repeats;
mod sources;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::rc::Rc;
use std::sync::Arc;

pub use coverage::{Coverage, Standing};
pub use finding::{Finding, FoundPackage, MatchedRule};
use limits::{Limits, Tally};
pub use limits::{MAX_FINDINGS, MAX_PLACES, ScanError};
use repeats::{Judged, Repeats};
use sources::SourcesNamed;

use crate::knowledge::{Advisory, Knowledge, KnowledgeError, MemoKey};
use crate::matching::{Subject, evaluate_about};
use crate::purl::osv::{OsvPackage, package_from};
use crate::sbom::{Component, ComponentKind, Inventory};
use crate::severity::{Level, Rating, Scores, StatedSeverity, of_summary};
use crate::version::Scheme;

/// Choices that a scan is made with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanOptions {
    /// Sources whose severities are preferred, best first.
    pub severity_sources: Vec<String>,
    /// How many parts of a large inventory are held against the knowledge at the same time; 0 is 1. The result is the
    /// same whatever it is.
    pub workers: usize,
}

/// Components from which on a part is worth a thread of its own.
const COMPONENTS_PER_WORKER: usize = 500;

/// The result of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanResult {
    /// Findings, sorted by package, version and vulnerability.
    pub findings: Vec<Arc<Finding>>,
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
/// If the knowledge cannot be read, or more is found than [`MAX_FINDINGS`] or [`MAX_PLACES`] allow. No partial result is
/// given: half a scan looks like a clean one.
pub fn scan(
    inventory: &Inventory,
    knowledge: &dyn Knowledge,
    options: &ScanOptions,
) -> Result<ScanResult, ScanError> {
    scan_within(Limits::default(), inventory, knowledge, options)
}

fn scan_within(
    limits: Limits,
    inventory: &Inventory,
    knowledge: &dyn Knowledge,
    options: &ScanOptions,
) -> Result<ScanResult, ScanError> {
    let components = &inventory.components;
    let workers = options
        .workers
        .min(components.len() / COMPONENTS_PER_WORKER)
        .max(1);
    let sources_named = SourcesNamed::by(components);
    let judge = |part| {
        let document = Document {
            distro: inventory.distro.as_deref(),
            sources_named: &sources_named,
        };
        Part::of(part, document, knowledge, options, limits)
    };
    let mut whole = Part::default();
    if workers == 1 {
        whole = judge(components)?;
    } else {
        let size = components.len().div_ceil(workers);
        let (first, others) = components.split_at(size.min(components.len()));
        std::thread::scope(|threads| {
            let parts: Vec<_> = others
                .chunks(size)
                .map(|part| {
                    (
                        part,
                        std::thread::Builder::new().spawn_scoped(threads, move || judge(part)),
                    )
                })
                .collect();
            whole = judge(first)?;
            for (part, thread) in parts {
                // One that could not be started, or did not end well, is done here.
                let judged = thread.ok().and_then(|thread| thread.join().ok());
                whole.append(judged.unwrap_or_else(|| judge(part))?);
            }
            limits.check(&whole.tally)
        })?;
    }
    Ok(ScanResult {
        findings: merged(whole.findings),
        coverage: whole.coverage,
        gaps: whole.gaps,
    })
}

/// What came of a part of the components, in document order.
#[derive(Debug, Default)]
struct Part {
    findings: Vec<Finding>,
    tally: Tally,
    coverage: Coverage,
    gaps: Vec<Gap>,
}

impl Part {
    fn of(
        components: &[Component],
        document: Document<'_>,
        knowledge: &dyn Knowledge,
        options: &ScanOptions,
        limits: Limits,
    ) -> Result<Self, ScanError> {
        let mut scanner = Scanner {
            knowledge,
            options,
            document,
            packages: BTreeMap::new(),
            ecosystems: BTreeMap::new(),
            repositories: BTreeMap::new(),
            repeats: Repeats::among(components.len()),
            scores: Scores::default(),
            memo_space: Vec::new(),
            tally: Tally::default(),
        };
        let mut part = Self::default();
        for component in components {
            let before = part.findings.len();
            let standing = match scanner.judge_or_recall(component, &mut part.findings)? {
                // What is no package, and names none, is nothing that could be missed.
                Standing::Unknown if component.kind == ComponentKind::Other => Standing::NotAPackage,
                // What the document describes is told of where something is found in it, and else not counted.
                standing
                    if standing.is_gap()
                        && component.kind == ComponentKind::Subject
                        && part.findings.len() == before =>
                {
                    Standing::NotAPackage
                }
                standing => standing,
            };
            limits.check(&scanner.tally)?;
            part.coverage.count(standing);
            if standing.is_gap() {
                part.gaps.push(Gap {
                    name: component.name.clone(),
                    place: component.place.to_string(),
                    standing,
                });
            }
        }
        part.tally = scanner.tally;
        Ok(part)
    }

    /// Takes in the part that follows.
    fn append(&mut self, next: Self) {
        self.findings.extend(next.findings);
        self.tally.append(next.tally);
        self.coverage.add(next.coverage);
        self.gaps.extend(next.gaps);
    }
}

/// One finding per package version and vulnerability, sorted; what was found first comes first in it.
fn merged(mut findings: Vec<Finding>) -> Vec<Arc<Finding>> {
    // Stable: within one finding the order of the document stays.
    findings.sort_by(|a, b| a.key().cmp(&b.key()));
    let mut merged: Vec<Arc<Finding>> = Vec::with_capacity(findings.len());
    let mut findings = findings.into_iter().peekable();
    while let Some(mut finding) = findings.next() {
        while let Some(same) = findings.next_if(|next| next.key() == finding.key()) {
            finding.absorb(same);
        }
        merged.push(Arc::new(finding.settled()));
    }
    merged
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

/// What of a document counts for each of its components.
#[derive(Debug, Clone, Copy)]
struct Document<'a> {
    distro: Option<&'a str>,
    sources_named: &'a SourcesNamed,
}

struct Scanner<'a> {
    knowledge: &'a dyn Knowledge,
    options: &'a ScanOptions,
    document: Document<'a>,
    /// Each package is looked up once per scan.
    packages: BTreeMap<(String, String), Rc<[Advisory]>>,
    ecosystems: BTreeMap<String, bool>,
    /// The ecosystems that are one and a repository's address, by that one.
    repositories: BTreeMap<String, Rc<[String]>>,
    /// Package versions that came more than once.
    repeats: Repeats,
    /// Vectors that were scored, which repeat from finding to finding.
    scores: Scores,
    memo_space: Vec<u8>,
    tally: Tally,
}

impl Scanner<'_> {
    /// As [`judge`](Self::judge), unless it is remembered that nothing was found for the same before.
    fn judge_or_recall(
        &mut self,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<Standing, KnowledgeError> {
        let (Some(memo), Some(purl)) = (self.knowledge.memo(), &component.purl) else {
            return Ok(self.judge(component, findings)?.standing);
        };
        let Document {
            distro,
            sources_named,
        } = self.document;
        let named = sources_named.of(purl);
        let key = MemoKey::of(component, purl, distro, named, &mut self.memo_space);
        if let Some(standing) = memo.get(&key) {
            return Ok(standing);
        }
        let judged = self.judge(component, findings)?;
        if judged.findings.is_empty() {
            memo.put(key, judged.standing);
        }
        Ok(judged.standing)
    }

    /// Judges one component; what it finds goes into `findings`, unless the same was found at another place: then only
    /// this place does.
    fn judge(
        &mut self,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<Judged, KnowledgeError> {
        let Some(purl) = &component.purl else {
            return Ok(Judged::without(Standing::Unknown));
        };
        let origin = component.origin.as_deref();
        let Some(package) = package_from(purl, origin, self.document.distro) else {
            return Ok(Judged::without(Standing::UnsupportedEcosystem));
        };
        if !package.release_known {
            return Ok(Judged::without(Standing::NoDistro));
        }
        let subject = Subject::of(purl, origin, &package.ecosystem, component.version.as_deref());
        let key = self.repeats.key(&package, &subject);
        if let Some(judged) = key.as_ref().and_then(|key| self.repeats.judged(key)) {
            let place = component.place.to_string();
            let same = findings.get_mut(judged.findings.clone()).unwrap_or_default();
            self.tally.recall(same.len());
            same.iter_mut()
                .for_each(|finding| finding.places.push(place.clone()));
            return Ok(judged.clone());
        }
        let first = findings.len();
        let standing = self.judge_package(&package, &subject, component, findings)?;
        self.tally.add(findings.get(first..).unwrap_or_default());
        let judged = Judged {
            standing,
            findings: first..findings.len(),
        };
        if let Some(key) = key {
            self.repeats.keep(key, judged.clone());
        }
        Ok(judged)
    }

    /// Judges a package's version by all that is known of it.
    fn judge_package(
        &mut self,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<Standing, KnowledgeError> {
        let (mut is_known, mut undecided) = (false, false);
        let first = findings.len();
        // Where the name may not be the one that advisories use, it has to be known.
        let mut name_known = package.name_known
            || component
                .purl
                .as_ref()
                .is_some_and(|purl| self.document.sources_named.of(purl));
        for ecosystem in package.ecosystems() {
            if self.knows(ecosystem)? {
                is_known |= package.is_known_by(ecosystem);
                undecided |= self.judge_in(ecosystem, package, subject, component, findings)?;
                name_known = name_known || self.knowledge.knows_package(ecosystem, &package.name)?;
            }
        }
        for ecosystem in self.repositories(&package.ecosystem)?.iter() {
            if package.is_from(ecosystem) {
                undecided |= self.judge_in(ecosystem, package, subject, component, findings)?;
                is_known = is_known || self.knowledge.knows_package(ecosystem, &package.name)?;
            }
        }
        let has_order = Scheme::for_ecosystem(&package.ecosystem).is_some();
        Ok(match has_order {
            // What is known reaches it in part.
            _ if !is_known && findings.len() > first => Standing::Undecided,
            _ if !is_known => Standing::NoKnowledge,
            _ if subject.is_unknown() => Standing::Unversioned,
            _ if undecided || !name_known => Standing::Undecided,
            // An ecosystem without order, or a version outside it, matches by enumeration alone.
            false if findings.len() > first => Standing::Undecided,
            false => Standing::UnsupportedEcosystem,
            true if !subject.is_ordered() => Standing::Unversioned,
            true => Standing::Matched,
        })
    }

    /// The known ecosystems that are this one and the address of a repository.
    fn repositories(&mut self, ecosystem: &str) -> Result<Rc<[String]>, KnowledgeError> {
        if let Some(known) = self.repositories.get(ecosystem) {
            return Ok(Rc::clone(known));
        }
        // Of an ecosystem that has a suffix the address would be another.
        let known: Rc<[String]> = if ecosystem.contains(':') {
            Rc::default()
        } else {
            self.knowledge.repositories(ecosystem)?.into()
        };
        self.repositories.insert(ecosystem.to_owned(), Rc::clone(&known));
        Ok(known)
    }

    /// Holds a component against the advisories of one of its package's ecosystems. Returns true if one of them
    /// could not be evaluated.
    fn judge_in(
        &mut self,
        ecosystem: &str,
        package: &OsvPackage,
        subject: &Subject,
        component: &Component,
        findings: &mut Vec<Finding>,
    ) -> Result<bool, KnowledgeError> {
        let (Some(purl), version) = (&component.purl, subject.text()) else {
            return Ok(false);
        };
        let mut advisories = match self.knowledge.candidates(ecosystem, &package.name, subject)? {
            Some(candidates) => Advisories::Own(candidates),
            None => Advisories::Shared(self.advisories(ecosystem, &package.name)?),
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
            // None before the first entry that matches.
            let mut informational: Option<Option<&str>> = None;
            for (index, affected) in advisory.affected.iter().enumerate() {
                let evaluation = evaluate_about(&advisory.summary, affected, subject);
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
                let kind = affected.informational.as_deref();
                informational = Some(match informational {
                    None => kind,
                    Some(before) => before.and(kind),
                });
            }
            let informational = informational.flatten().map(str::to_owned);
            if rules.is_empty() {
                undecided |= here_undecided;
                continue;
            }
            let rating = if severities.is_empty() {
                self.rating(advisory, &advisory.severities, informational.as_deref())
            } else {
                severities.extend(advisory.severities.iter().cloned());
                self.rating(advisory, &severities, informational.as_deref())
            };
            let found = FoundPackage {
                ecosystem: package.ecosystem.clone().into_owned(),
                name: package.name.clone(),
                version: version.to_owned(),
                purl: purl.to_string(),
            };
            let place = component.place.to_string();
            let advisory = advisories.take(index);
            findings.push(Finding::new(
                advisory,
                found,
                (rating, informational),
                rules,
                fixed,
                place,
            ));
        }
        Ok(undecided)
    }

    fn advisories(&mut self, ecosystem: &str, name: &str) -> Result<Rc<[Advisory]>, KnowledgeError> {
        let key = (ecosystem.to_owned(), name.to_owned());
        match self.packages.entry(key) {
            Entry::Occupied(entry) => Ok(Rc::clone(entry.get())),
            Entry::Vacant(entry) => {
                let list = self.knowledge.advisories(ecosystem, name)?;
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

    fn rating(
        &mut self,
        advisory: &Advisory,
        severities: &[StatedSeverity],
        informational: Option<&str>,
    ) -> Rating {
        let rating = self.scores.choose(severities, &self.options.severity_sources);
        if rating.level != Level::Unknown {
            return rating;
        }
        let stated = |source: &str, kind: &str, value: &str| {
            Some(StatedSeverity {
                source: source.to_owned(),
                kind: kind.to_owned(),
                value: value.to_owned(),
            })
        };
        let source = advisory.provenance.first().map_or("", |p| p.source.as_str());
        // Reports of malicious packages carry no severity: having one installed is the incident.
        let mut ids = advisory.ids.iter().chain([&advisory.vulnerability]);
        if let Some(id) = ids.find(|id| id.starts_with("MAL-")) {
            return Rating {
                level: Level::Critical,
                score: None,
                stated: stated("starling", "malicious-package", id),
            };
        }
        if let Some(word) = of_summary(&advisory.summary) {
            return Rating {
                level: word.parse().unwrap_or_default(),
                score: None,
                stated: stated(source, "summary", word),
            };
        }
        // No vulnerability, so that nothing is left to rate.
        match informational {
            Some(kind) => Rating {
                level: Level::None,
                score: None,
                stated: stated(source, "informational", kind),
            },
            None => rating,
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
