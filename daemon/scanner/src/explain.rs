//! Explains why a vulnerability does or does not affect a package, with all steps of a scan's evaluation.
//!
//! The answer contains every step: the OSV package of the URL, the advisories about it that have the id, and the
//! result of each of their rules for the version. It uses the same functions as a scan, so both always agree.

mod epel;
mod words;

use std::cmp::Ordering;

use crate::fix::{StatedFix, joint_state};
use crate::knowledge::{Advisory, JudgedAt, Knowledge, KnowledgeError, StatedEntries, StatingRecord};
use crate::matching::{Evaluation, Rule, Subject, WhyNot, evaluate_about};
use crate::name::ecosystem_base;
use crate::osv::{Affected, Event, RangeKind};
use crate::purl::PackageUrl;
use crate::purl::osv::{OsvPackage, other_names, package_in, version_of};
use crate::scan::StatementResult;
use crate::version::{Scheme, Version};

/// The answer to "is this package affected by that vulnerability, and why?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The conclusion.
    pub conclusion: Conclusion,
    /// The OSV package that was looked up, if the URL names one.
    pub package: Option<OsvPackage>,
    /// The version that was compared.
    pub version: Option<String>,
    /// The version order, if the ecosystem has one.
    pub scheme: Option<Scheme>,
    /// The advisories about the package that have the id.
    pub advisories: Vec<AdvisoryExplanation>,
    /// Number of advisories about the package without the id.
    pub other_advisories: usize,
    /// True if the knowledge has no source about the package's ecosystem: then nothing follows from its silence.
    pub is_without_source: bool,
    /// What EPEL has to do with it, if its advisories name the package of a host of Enterprise Linux.
    pub about_epel: Option<String>,
    /// True if advisories may use another name for the package: then nothing follows from their silence either.
    pub is_name_unknown: bool,
    /// True if every advisory about the package was asked for.
    pub is_about_all: bool,
}

/// The conclusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conclusion {
    /// A rule says that the package is affected.
    Affected,
    /// All rules were evaluated, and none says so.
    NotAffected,
    /// All advisories that say so are withdrawn.
    Withdrawn,
    /// No advisory about this package has the id.
    NotAbout,
    /// A rule could not be evaluated, or the package or its version is unknown.
    CannotSay,
}

/// The result of one advisory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdvisoryExplanation {
    /// Its merge hash.
    pub merge_hash: String,
    /// Its vulnerability's identity.
    pub vulnerability: String,
    /// The time of its withdrawal, if any.
    pub withdrawn: Option<String>,
    /// The result of each of its statements, best first.
    pub statements: Vec<StatementExplanation>,
    /// What sources say about a missing fix, best source first.
    pub fix_states: Vec<StatedFix>,
    /// True if a catalogue of exploited vulnerabilities lists it.
    pub is_exploited: bool,
}

/// The result of one statement, rule by rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementExplanation {
    /// The records that make it; empty if all records of the advisory do.
    pub by: Vec<StatingRecord>,
    /// Why it does not apply: `outranked`, `mirrored` or `not_preferred`; `None` if it applies.
    pub not_counted: Option<&'static str>,
    /// The statement: affected, not affected or undecided.
    pub says: StatementResult,
    /// The evaluation of each of its entries about the package.
    pub entries: Vec<Evaluation>,
}

impl AdvisoryExplanation {
    /// Returns the evaluations of applicable statements.
    fn counting(&self) -> impl Iterator<Item = &Evaluation> {
        let counting = self.statements.iter().filter(|said| said.not_counted.is_none());
        counting.flat_map(|said| &said.entries)
    }

    /// Returns true if applicable statements contradict each other.
    pub fn is_disputed(&self) -> bool {
        let says = |word| {
            let mut counting = self.statements.iter().filter(|said| said.not_counted.is_none());
            counting.any(|said| said.says == word)
        };
        says(StatementResult::Affected) && says(StatementResult::NotAffected)
    }
}

/// Explains one package URL and one id (any alias; `None` for every advisory about the package), like a scan on `distro` (`debian-12`, used if the URL has no
/// qualifier of its own), with a time of judgement.
///
/// # Errors
/// If the knowledge cannot be read.
pub fn explain(
    purl: &PackageUrl,
    id: Option<&str>,
    distro: Option<&str>,
    knowledge: &dyn Knowledge,
    at: JudgedAt,
) -> Result<Explanation, KnowledgeError> {
    let package = package_in(purl, distro);
    let version = version_of(purl);
    let mut explanation = Explanation {
        conclusion: Conclusion::CannotSay,
        scheme: package
            .as_ref()
            .and_then(|package| Scheme::for_ecosystem(&package.ecosystem)),
        package,
        version,
        advisories: Vec::new(),
        other_advisories: 0,
        is_without_source: false,
        about_epel: None,
        is_name_unknown: false,
        is_about_all: id.is_none(),
    };
    let package = explanation.package.clone();
    let Some(package) = package.filter(|package| package.release_known) else {
        return Ok(explanation);
    };
    let (package, about_epel) = epel::choose(package, knowledge)?;
    explanation.package = Some(package.clone());
    explanation.about_epel = about_epel;
    let subject = Subject::of(purl, None, &package.ecosystem, explanation.version.as_deref());
    let mut advisories = Vec::new();
    for ecosystem in package.ecosystems() {
        advisories.extend(knowledge.advisories(ecosystem, &package.name)?);
    }
    for ecosystem in knowledge.repositories(ecosystem_base(&package.ecosystem))? {
        if package.is_from(&ecosystem) {
            advisories.extend(knowledge.advisories(&ecosystem, &package.name)?);
        }
    }
    let mut evaluate = |entry: &Affected, summary: &str| evaluated(summary, entry, &subject);
    explanation.take(advisories, id, at, &mut evaluate);
    if let Some(source) = &package.source {
        let own = || Subject::of(purl, None, &package.ecosystem, source.version.as_deref());
        let of_source = source.version.as_ref().map(|_| own());
        let mut advisories = Vec::new();
        for ecosystem in package.ecosystems() {
            advisories.extend(knowledge.advisories(ecosystem, &source.name)?);
        }
        let mut evaluate = |entry: &Affected, summary: &str| {
            let mut found = evaluated(summary, entry, of_source.as_ref().unwrap_or(&subject));
            if !source.epoch_known {
                found.doubt_matches();
            }
            found
        };
        let own = explanation.advisories.len();
        explanation.take(advisories, id, at, &mut evaluate);
        if !source.epoch_known {
            explanation.settle_doubts_about_source(own);
        }
    }
    explanation.conclusion = conclude(&explanation.advisories, explanation.version.is_some());
    let is_silent = explanation.advisories.is_empty() && explanation.other_advisories == 0;
    let mut is_known = false;
    for ecosystem in package.ecosystems() {
        is_known |= knowledge.knows_ecosystem(ecosystem)?;
    }
    if is_silent
        && !is_known
        && knowledge
            .sources_of(ecosystem_base(&package.ecosystem))?
            .is_some()
    {
        explanation.is_without_source = true;
        explanation.conclusion = Conclusion::CannotSay;
    }
    let is_denial = matches!(
        explanation.conclusion,
        Conclusion::NotAffected | Conclusion::NotAbout
    );
    if is_denial && !is_name_known(&package, &subject, knowledge)? {
        explanation.is_name_unknown = true;
        explanation.conclusion = Conclusion::CannotSay;
    }
    Ok(explanation)
}

/// Returns true if advisories use this name and no other, as a scan decides it.
fn is_name_known(
    package: &OsvPackage,
    subject: &Subject,
    knowledge: &dyn Knowledge,
) -> Result<bool, KnowledgeError> {
    let mut is_known = package.name_known;
    for ecosystem in package.ecosystems() {
        for name in package.own_names() {
            is_known = is_known || knowledge.knows_package(ecosystem, name)?;
        }
    }
    for other in other_names(&package.ecosystem, &package.name, subject.text()) {
        is_known = is_known && !knowledge.knows_package(&package.ecosystem, &other)?;
    }
    Ok(is_known)
}

/// Evaluates an entry; without a version, what needs one is left undecided.
fn evaluated(summary: &str, entry: &Affected, subject: &Subject) -> Evaluation {
    let mut found = evaluate_about(summary, entry, subject);
    if subject.is_unknown() {
        found.leave_undecided();
    }
    found
}

/// Adds the fixed versions of all entries, if no applicable statement says "affected": a fix is known, whatever the
/// version. Ranges of commits state their fixes as commits, and are left out.
fn add_known_fixes(advisory: &Advisory, explained: &mut [StatementExplanation], scheme: Option<Scheme>) {
    let mut applicable = explained.iter().filter(|said| said.not_counted.is_none());
    if applicable.any(|said| said.entries.iter().any(Evaluation::is_affected)) {
        return;
    }
    for (said, explained) in advisory.stated().zip(explained) {
        for (entry, found) in said.entries.iter().zip(&mut explained.entries) {
            let is_other = |(_, why): &(Rule, WhyNot)| *why == WhyNot::OtherModule;
            if !found.unmatched.iter().any(is_other) {
                found.fixed = known_fixes(entry, scheme);
            }
        }
    }
}

/// Returns the fixed versions of an entry's ranges, lowest first if their order is known.
fn known_fixes(entry: &Affected, scheme: Option<Scheme>) -> Vec<String> {
    let ranges = entry.ranges.iter().filter(|range| range.kind != RangeKind::Git);
    let events = ranges.flat_map(|range| &range.events);
    let fixed = events.filter_map(|event| match event {
        Event::Fixed(version) => Some(version.clone()),
        _ => None,
    });
    let place = |text: &str| scheme.and_then(|scheme| Version::parse(scheme, scheme.bare(text)).ok());
    let mut placed: Vec<_> = fixed.map(|text| (place(&text), text)).collect();
    placed.sort_by(|(a, a_text), (b, b_text)| {
        let order = match (a, b) {
            (Some(a), Some(b)) => a.compare(b).unwrap_or(Ordering::Equal),
            _ => b.is_some().cmp(&a.is_some()),
        };
        order.then_with(|| a_text.cmp(b_text))
    });
    placed.dedup_by(|a, b| a.1 == b.1);
    placed.into_iter().map(|(_, text)| text).collect()
}

/// Returns what the applicable statements say about a missing fix.
fn fix_states(advisory: &Advisory, explained: &[StatementExplanation]) -> Vec<StatedFix> {
    let mut found: Vec<StatedFix> = Vec::new();
    for (said, explained) in advisory.stated().zip(explained) {
        let evaluated = said.entries.iter().zip(&explained.entries);
        let unfixed = evaluated.filter(|(_, found)| found.is_affected() && found.fixed.is_empty());
        let Some(state) = joint_state(unfixed.filter_map(|(entry, _)| entry.fix_state)) else {
            continue;
        };
        let record = said.statement.and_then(|statement| statement.by.first());
        let first = advisory.provenance.first().map(|from| from.source.as_str());
        let source = record.map(|record| record.source.as_str()).or(first);
        let stated = StatedFix {
            source: source.unwrap_or_default().to_owned(),
            state,
        };
        if said.counts() && !found.contains(&stated) {
            found.push(stated);
        }
    }
    found
}

/// Evaluates an entry of an advisory with this summary.
type Evaluate<'e> = &'e mut dyn FnMut(&Affected, &str) -> Evaluation;

impl Explanation {
    /// Adds the advisories with the id, and counts the others.
    fn take(&mut self, advisories: Vec<Advisory>, id: Option<&str>, at: JudgedAt, evaluate: Evaluate<'_>) {
        for advisory in advisories.into_iter().map(|advisory| advisory.applying_at(at)) {
            let mut ids = advisory.ids.iter().chain(&advisory.related);
            if id.is_some_and(|id| advisory.vulnerability != id && !ids.any(|own| own == id)) {
                self.other_advisories += 1;
                continue;
            }
            let mut explain = |said: StatedEntries<'_>| {
                let entries = said.entries.iter();
                let entries: Vec<_> = entries.map(|entry| evaluate(entry, &advisory.summary)).collect();
                StatementExplanation {
                    by: said
                        .statement
                        .map(|statement| statement.by.clone())
                        .unwrap_or_default(),
                    not_counted: said.weight().why_not(),
                    says: StatementResult::of(entries.iter()),
                    entries,
                }
            };
            let mut statements: Vec<_> = advisory.stated().map(&mut explain).collect();
            add_known_fixes(&advisory, &mut statements, self.scheme);
            let fix_states = fix_states(&advisory, &statements);
            self.advisories.push(AdvisoryExplanation {
                statements,
                fix_states,
                is_exploited: advisory.threat.kev == Some(true),
                merge_hash: advisory.merge_hash,
                vulnerability: advisory.vulnerability,
                withdrawn: advisory.withdrawn,
            });
        }
    }

    /// Removes what the source's name leaves in doubt if the package's own name, in the first `own` advisories, decides.
    fn settle_doubts_about_source(&mut self, own: usize) {
        let decides = |advisory: &AdvisoryExplanation| {
            advisory.withdrawn.is_none() && advisory.counting().next().is_some()
        };
        if self.advisories.iter().take(own).any(decides) {
            let mut index = 0;
            self.advisories.retain(|advisory| {
                index += 1;
                index <= own || !advisory.counting().any(Evaluation::is_undecided)
            });
        }
    }
}

fn conclude(advisories: &[AdvisoryExplanation], has_version: bool) -> Conclusion {
    if advisories.is_empty() {
        return Conclusion::NotAbout;
    }
    let standing = || advisories.iter().filter(|advisory| advisory.withdrawn.is_none());
    let any = |test: fn(&Evaluation) -> bool| standing().any(|advisory| advisory.counting().any(test));
    if standing().next().is_none() {
        Conclusion::Withdrawn
    } else if any(Evaluation::is_affected) {
        Conclusion::Affected
    } else if !has_version || any(Evaluation::is_undecided) {
        Conclusion::CannotSay
    } else {
        Conclusion::NotAffected
    }
}

#[cfg(test)]
mod tests;
