//! Explains why a vulnerability does or does not affect a package, with all steps of a scan's evaluation.
//!
//! The answer contains every step: the OSV package of the URL, the advisories about it that have the id, and the
//! result of each of their rules for the version. It uses the same functions as a scan, so both always agree.

mod branch;
mod builds;
mod epel;
mod go;
mod words;

use std::cmp::Ordering;
use std::collections::BTreeSet;

use self::branch::{Listed, OwnBranch};

use crate::fix::{StatedFix, joint_state};
use crate::knowledge::{Advisory, JudgedAt, Knowledge, KnowledgeError, StatedEntries, StatingRecord};
use crate::matching::{Evaluation, Rule, Subject, WhyNot};
use crate::name::ecosystem_base;
use crate::osv::{Affected, Event, RangeKind};
use crate::purl::PackageUrl;
use crate::purl::osv::{OsvPackage, other_names, package_in, version_of, version_on};
use crate::scan::{Named as _, StatementResult, decided_by, evaluate_unless};
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
    /// The role of EPEL, if its advisories name a package of a host with Enterprise Linux.
    pub about_epel: Option<String>,
    /// The Go module whose advisories affect the version, if the package may be inside of it.
    pub module_above: Option<String>,
    /// True if advisories may use another name for the package: then nothing follows from their silence either.
    pub is_name_unknown: bool,
    /// True if another repository built the version, so that its place among the distribution's fixes says nothing.
    pub is_vendor_unknown: bool,
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
    /// The ecosystem of the branch that it is about, if the build is of a branch and the advisory is about that.
    pub branch: Option<String>,
    /// The time of its withdrawal, if any.
    pub withdrawn: Option<String>,
    /// The records of which it consists, each as `source record`.
    pub records: Vec<String>,
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
    let version = version_on(purl, None, version.as_deref(), distro).or(version);
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
        module_above: None,
        is_vendor_unknown: false,
        is_about_all: id.is_none(),
    };
    let package = explanation.package.clone();
    let Some(package) = package.filter(|package| package.release_known) else {
        return Ok(explanation);
    };
    let asked = Asked {
        purl,
        id,
        knowledge,
        at,
    };
    let branch = OwnBranch::of(&package, explanation.version.as_deref(), asked)?;
    let host = package.clone();
    let chosen = epel::chosen(package, knowledge)?;
    let package = chosen.package;
    explanation.package = Some(package.clone());
    explanation.about_epel = chosen.remark;
    let subject = explanation.take_chosen([&host, &package], branch.as_ref(), asked)?;
    if let Some(epel) = &chosen.doubted {
        let others = explanation.other_advisories;
        explanation.take_package(epel, Lists::Package(None), asked, Evaluation::doubt_vendor)?;
        explanation.other_advisories = others;
    }
    explanation.leave_out_fixed_in_certified(&package, &subject, asked)?;
    explanation.conclusion = conclude(&explanation.advisories, explanation.version.is_some());
    // Nothing follows from silence without knowledge of the release; what advisories say about one id does.
    let is_silent = explanation.conclusion == Conclusion::NotAbout;
    let is_denial = is_silent || explanation.conclusion == Conclusion::NotAffected;
    let is_whole = is_denial || explanation.conclusion == Conclusion::Withdrawn;
    let mut named = knowledge;
    let mut is_known = named.is_release_known(&package)? && !chosen.is_host_unknown;
    for ecosystem in knowledge.repositories(ecosystem_base(&package.ecosystem))? {
        is_known |= package.is_from(&ecosystem) && knowledge.knows_package(&ecosystem, &package.name)?;
    }
    if (is_silent || (is_whole && explanation.is_about_all))
        && !is_known
        && knowledge
            .sources_of(ecosystem_base(&package.ecosystem))?
            .is_some()
    {
        explanation.is_without_source = true;
        explanation.conclusion = Conclusion::CannotSay;
    } else if (is_denial || (is_whole && explanation.is_about_all))
        && (explanation.is_of_unjudged_build(&package, &subject, asked)?
            || named.is_of_unjudged_repository(purl.ty(), &package, subject.text())?)
    {
        explanation.is_vendor_unknown = true;
        explanation.conclusion = Conclusion::CannotSay;
    } else if (is_denial || (is_whole && explanation.is_about_all))
        && (chosen.is_name_unknown || !is_name_known(&package, &subject, knowledge)?)
    {
        explanation.is_name_unknown = true;
        explanation.conclusion = Conclusion::CannotSay;
    } else if is_denial || (is_whole && explanation.is_about_all) {
        explanation.module_above = go::doubting_module(&package, &subject, asked)?;
        if explanation.module_above.is_some() {
            explanation.conclusion = Conclusion::CannotSay;
        }
    }
    Ok(explanation)
}

/// A question about a package.
#[derive(Clone, Copy)]
struct Asked<'a> {
    purl: &'a PackageUrl,
    id: Option<&'a str>,
    knowledge: &'a dyn Knowledge,
    at: JudgedAt,
}

impl Asked<'_> {
    /// Returns true if the question is about this advisory.
    fn is_about(&self, advisory: &Advisory) -> bool {
        let mut ids = advisory.ids.iter().chain(&advisory.related);
        self.id
            .is_none_or(|id| advisory.vulnerability == id || ids.any(|own| own == id))
    }

    /// Returns the advisories with this name, as they apply at the time.
    fn advisories<'e>(
        &self,
        ecosystems: impl Iterator<Item = &'e str>,
        name: &str,
    ) -> Result<Vec<Advisory>, KnowledgeError> {
        let mut advisories = Vec::new();
        for ecosystem in ecosystems {
            let found = self.knowledge.advisories(ecosystem, name)?.into_iter();
            advisories.extend(found.map(|advisory| advisory.applying_at(self.at)));
        }
        Ok(advisories)
    }
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

/// Whose advisories about a package are taken.
#[derive(Clone, Copy)]
enum Lists<'b> {
    /// Those of its own ecosystems, and of the branch of its build.
    Package(Option<&'b OwnBranch>),
    /// Those of the branch alone.
    Branch(&'b OwnBranch),
}

impl Explanation {
    /// Adds the advisories about the package that was chosen, and those of the branch, which are about the host's; returns its
    /// version.
    fn take_chosen(
        &mut self,
        [host, chosen]: [&OsvPackage; 2],
        branch: Option<&OwnBranch>,
        asked: Asked<'_>,
    ) -> Result<Subject, KnowledgeError> {
        let own = branch.filter(|_| chosen.system == host.system);
        if let (Some(branch), None) = (branch, own) {
            self.take_package(host, Lists::Branch(branch), asked, |_| {})?;
        }
        self.take_package(chosen, Lists::Package(own), asked, |_| {})
    }

    /// Adds the advisories about a package, and those about its source; returns the package's version.
    fn take_package(
        &mut self,
        package: &OsvPackage,
        lists: Lists<'_>,
        asked: Asked<'_>,
        doubt: fn(&mut Evaluation),
    ) -> Result<Subject, KnowledgeError> {
        let Asked { purl, id, .. } = asked;
        let subject = Subject::of(purl, None, &package.ecosystem, self.version.as_deref());
        let repositories = asked.knowledge.repositories(ecosystem_base(&package.ecosystem))?;
        let from = repositories.iter().map(String::as_str);
        let from = from.filter(|ecosystem| package.is_from(ecosystem));
        let (branch, is_whole) = match lists {
            Lists::Package(branch) => (branch, true),
            Lists::Branch(branch) => (Some(branch), false),
        };
        let further = branch
            .iter()
            .flat_map(|branch| branch.further_ecosystems(package));
        let own = package.ecosystems().filter(|_| is_whole);
        let ecosystems: Vec<&str> = further.chain(own).collect();
        let all = ecosystems.iter().copied().chain(from);
        let advisories = branch::listed(branch, asked, all, &package.name)?;
        let decided = decided_by(advisories.iter().map(|listed| &listed.advisory), &subject);
        let decided: BTreeSet<String> = decided.into_iter().map(str::to_owned).collect();
        self.take(advisories, id, &subject, &mut |found| doubt(found));
        let Some(source) = &package.source else {
            return Ok(subject);
        };
        let own = || Subject::of(purl, None, &package.ecosystem, source.version.as_deref());
        let of_source = source.version.as_ref().map(|_| own());
        let all = ecosystems.iter().copied();
        let advisories = branch::listed(branch, asked, all, &source.name)?;
        let first = self.advisories.len();
        self.take(
            advisories,
            id,
            of_source.as_ref().unwrap_or(&subject),
            &mut |found| {
                if !source.epoch_known {
                    found.doubt_epoch();
                }
                doubt(found);
            },
        );
        // The package's own name ends what its source leaves in doubt.
        let is_open = |advisory: &AdvisoryExplanation| {
            let is_affected = advisory.counting().any(Evaluation::is_affected);
            !is_affected && advisory.counting().any(Evaluation::is_of_unknown_epoch)
        };
        let mut index = 0;
        self.advisories.retain(|advisory| {
            index += 1;
            index <= first || !is_open(advisory) || !decided.contains(&advisory.vulnerability)
        });
        Ok(subject)
    }

    /// Adds the advisories with the id, each evaluated with what excuses the build, and counts the others.
    fn take(
        &mut self,
        advisories: Vec<Listed<'_>>,
        id: Option<&str>,
        subject: &Subject,
        doubt: &mut dyn FnMut(&mut Evaluation),
    ) {
        for Listed {
            advisory,
            excuse,
            branch,
        } in advisories
        {
            let mut ids = advisory.ids.iter().chain(&advisory.related);
            if id.is_some_and(|id| advisory.vulnerability != id && !ids.any(|own| own == id)) {
                self.other_advisories += 1;
                continue;
            }
            let mut explain = |said: StatedEntries<'_>| {
                let mut evaluate = |entry: &Affected| {
                    let mut found = evaluate_unless(excuse.as_ref(), &advisory, said, entry, subject);
                    // Without a version, what needs one is left undecided.
                    if subject.is_unknown() {
                        found.leave_undecided();
                    }
                    doubt(&mut found);
                    found
                };
                let entries: Vec<_> = said.entries.iter().map(&mut evaluate).collect();
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
            let records = advisory.provenance.iter();
            let records = records.map(|from| format!("{} {}", from.source, from.record));
            self.advisories.push(AdvisoryExplanation {
                branch,
                records: records.collect(),
                statements,
                fix_states,
                is_exploited: advisory.threat.kev == Some(true),
                merge_hash: advisory.merge_hash,
                vulnerability: advisory.vulnerability,
                withdrawn: advisory.withdrawn,
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
mod agreement;
#[cfg(test)]
mod tests;
