//! Matches an inventory against the knowledge; returns findings and coverage.
//!
//! There is one finding per package version and vulnerability, however many places of the document contain the
//! package and however many names it was looked up by. Two CVEs are never one finding, even if a source files them
//! together: that is the view's identity rule. Everything is sorted, so equal inputs give equal results.

mod builds;
mod by_source;
mod coverage;
mod cpes;
mod epel;
mod evidence;
mod excuse;
mod finding;
mod go;
mod judge;
mod limits;
mod rating;
mod repeats;
mod sources;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(crate) use builds::{Unjudged, is_fixed_in_certified, unjudged_in};
pub use coverage::{Coverage, Doubt, DoubtCause, Standing};
pub(crate) use epel::{Choice, Named, choose};
pub(crate) use evidence::decided_by;
pub use evidence::{Opinion, StatementResult};
pub(crate) use excuse::{BranchLists, Excuse, evaluate_unless};
pub use finding::{Finding, FoundPackage, MatchedBy, MatchedRule};
pub(crate) use go::{is_about, is_told_apart, modules_of};
use judge::{Document, Scanner};
use limits::{Limits, Tally};
pub use limits::{MAX_COMPARED_CPES, MAX_FINDINGS, MAX_GAPS, MAX_PLACES, ScanError};
use sources::SourcesNamed;
pub(crate) use streams::BranchBuild;

use crate::knowledge::{JudgedAt, Knowledge, KnowledgeError};
use crate::sbom::{Component, ComponentKind, Inventory};

/// The options of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanOptions {
    /// Sources whose severities are preferred, best first.
    pub severity_sources: Vec<String>,
    /// Number of parts of a large inventory that are matched at the same time; 0 means 1. The result does not depend on
    /// it.
    pub workers: usize,
    /// The time of judgement: records that are withdrawn later are not withdrawn yet. By default every withdrawal
    /// applies.
    pub at: JudgedAt,
}

/// Number of components from which a part is worth its own thread.
const COMPONENTS_PER_WORKER: usize = 500;

/// The result of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanResult {
    /// Findings, sorted by package, version and vulnerability.
    pub findings: Vec<Arc<Finding>>,
    /// The share of the inventory that was checked.
    pub coverage: Coverage,
    /// The first [`MAX_GAPS`] components that could not be checked, in document order, each with the reason.
    pub gaps: Vec<Gap>,
    /// The ecosystems in which packages were looked up, each with its sources.
    pub ecosystems: BTreeMap<String, Speakers>,
}

/// The sources with statements about an ecosystem; `None` if the knowledge cannot tell.
pub type Speakers = Option<BTreeSet<String>>;

/// A component that could not be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Its name.
    pub name: String,
    /// Its version, if it has one.
    pub version: Option<String>,
    /// Its package URL, if it has one.
    pub purl: Option<String>,
    /// Its first CPE name, if it was to be looked up by one.
    pub cpe: Option<String>,
    /// Its place in the document.
    pub place: String,
    /// The reason.
    pub standing: Standing,
    /// Why it is undecided, if it is.
    pub doubt: Option<Doubt>,
}

/// Scans an inventory.
///
/// # Errors
/// If the knowledge cannot be read, or there are more findings than [`MAX_FINDINGS`] or [`MAX_PLACES`] allow. No
/// partial result is returned: half a scan looks like a clean one.
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
    let judge = |part: Vec<&[Component]>| {
        let document = Document {
            distro: inventory.distro.as_deref(),
            sources_named: &sources_named,
        };
        Part::of(&part, document, knowledge, options, limits)
    };
    let mut whole = Part::default();
    let mut runs = components.runs(components.len().div_ceil(workers)).into_iter();
    let first = runs.next().unwrap_or_default();
    std::thread::scope(|threads| {
        let parts: Vec<_> = runs
            .map(|part| {
                let own = part.clone();
                let thread = std::thread::Builder::new().spawn_scoped(threads, move || judge(own));
                (part, thread)
            })
            .collect();
        whole = judge(first)?;
        for (part, thread) in parts {
            // A thread that could not start or failed: its part is done here.
            let judged = thread.ok().and_then(|thread| thread.join().ok());
            whole.append(judged.unwrap_or_else(|| judge(part))?);
        }
        limits.check(&whole.tally)
    })?;
    whole.gaps.truncate(MAX_GAPS);
    Ok(ScanResult {
        findings: merged(whole.findings),
        coverage: whole.coverage,
        gaps: whole.gaps,
        ecosystems: speakers(&whole.ecosystems, knowledge)?,
    })
}

/// Returns the sources of each ecosystem.
fn speakers(
    ecosystems: &BTreeSet<String>,
    knowledge: &dyn Knowledge,
) -> Result<BTreeMap<String, Speakers>, KnowledgeError> {
    let mut speakers = BTreeMap::new();
    for ecosystem in ecosystems {
        speakers.insert(ecosystem.clone(), knowledge.sources_of(ecosystem)?);
    }
    Ok(speakers)
}

/// The results of a part of the components, in document order.
#[derive(Debug, Default)]
struct Part {
    findings: Vec<Finding>,
    tally: Tally,
    coverage: Coverage,
    gaps: Vec<Gap>,
    ecosystems: BTreeSet<String>,
}

impl Part {
    fn of(
        components: &[&[Component]],
        document: Document<'_>,
        knowledge: &dyn Knowledge,
        options: &ScanOptions,
        limits: Limits,
    ) -> Result<Self, ScanError> {
        let count = components.iter().map(|slice| slice.len()).sum();
        let mut scanner = Scanner::new(knowledge, options, document, count);
        let mut part = Self::default();
        for component in components.iter().copied().flatten() {
            let before = part.findings.len();
            let standing = match scanner.judge_any(component, &mut part.findings)? {
                // A component that is not a package, and has no package URL, cannot be missed.
                Standing::Unknown if component.kind == ComponentKind::Other => Standing::NotAPackage,
                // A known product that nothing matched is in doubt, whichever document names it.
                standing @ (Standing::Undecided | Standing::Unversioned)
                    if component.kind == ComponentKind::Subject
                        && (component.cpes.is_some() || scanner.knows_package_of(component)?) =>
                {
                    standing
                }
                // The document's subject is reported if it has findings, else not counted: a document that lists
                // nothing else lists nothing.
                _ if component.kind == ComponentKind::Subject && part.findings.len() == before => {
                    Standing::NotAPackage
                }
                standing => standing,
            };
            limits.check(scanner.tally())?;
            part.coverage.count(standing);
            if standing.is_gap() && part.gaps.len() < MAX_GAPS {
                part.gaps.push(Gap {
                    name: component.name.clone(),
                    version: component.version.clone(),
                    purl: component.purl.as_ref().map(ToString::to_string),
                    cpe: component.cpes.iter().flatten().next().map(ToString::to_string),
                    place: component.place.to_string(),
                    standing,
                    doubt: scanner.take_doubt().filter(|_| standing == Standing::Undecided),
                });
            }
        }
        (part.tally, part.ecosystems) = scanner.into_account();
        Ok(part)
    }

    /// Adds the results of the following part.
    fn append(&mut self, next: Self) {
        self.findings.extend(next.findings);
        self.tally.append(next.tally);
        self.coverage.add(next.coverage);
        self.gaps.extend(next.gaps);
        self.ecosystems.extend(next.ecosystems);
    }
}

/// Returns one finding per package version and vulnerability, sorted; the first result comes first in it.
fn merged(mut findings: Vec<Finding>) -> Vec<Arc<Finding>> {
    // A stable sort: within one finding the document's order stays.
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

#[cfg(test)]
mod cpe_tests;
#[cfg(test)]
mod statement_tests;
#[cfg(test)]
mod tests;
