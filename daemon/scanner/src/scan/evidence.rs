//! Evaluates the statements of one advisory about one version: each by itself; any applicable one makes the package
//! affected.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::MatchedRule;
use super::excuse::{Excuse, evaluate_unless};
use crate::fix::{FixState, StatedFix, joint_state};
use crate::knowledge::{Advisory, StatedEntries, StatingRecord, Weight};
use crate::matching::{Evaluation, Subject, evaluate, is_about_another_stream};
use crate::osv::Affected;
use crate::severity::StatedSeverity;

/// One record's statement about a package's version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Opinion {
    /// The record's source.
    pub source: String,
    /// The record's id in the source.
    pub record: String,
    /// The statement.
    pub says: StatementResult,
    /// Why it does not apply: `outranked`, `mirrored` or `not_preferred`; missing if it applies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_counted: Option<&'static str>,
}

/// The result of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementResult {
    /// The version is affected.
    Affected,
    /// The version is not affected.
    NotAffected,
    /// A rule could not be evaluated, and no other rule says "affected".
    Undecided,
}

impl StatementResult {
    /// Combines the evaluations of a statement's entries.
    pub(crate) fn of<'e>(evaluations: impl Iterator<Item = &'e Evaluation>) -> Self {
        let mut says = Self::NotAffected;
        for evaluation in evaluations {
            if evaluation.is_affected() {
                return Self::Affected;
            }
            if evaluation.is_undecided() {
                says = Self::Undecided;
            }
        }
        says
    }
}

impl fmt::Display for StatementResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Affected => "affected",
            Self::NotAffected => "not affected",
            Self::Undecided => "undecided",
        })
    }
}

/// An advisory and the version for which it is evaluated.
#[derive(Clone, Copy)]
struct About<'a> {
    advisory: &'a Advisory,
    subject: &'a Subject,
    excuse: Option<&'a Excuse<'a>>,
}

impl About<'_> {
    fn evaluate(self, said: StatedEntries<'_>, entry: &Affected) -> Evaluation {
        evaluate_unless(self.excuse, self.advisory, said, entry, self.subject)
    }
}

/// The statements about one version.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The rules that say "affected", best statement first; empty if the version is not affected or undecided.
    pub(super) rules: Vec<MatchedRule>,
    pub(super) fixed: Vec<String>,
    /// The statements about a missing fix, best first.
    pub(super) fix_states: Vec<StatedFix>,
    /// Severities of the matching entries, best first.
    pub(super) severities: Vec<StatedSeverity>,
    /// The same for sources that are not in the order.
    pub(super) last_severities: Vec<StatedSeverity>,
    pub(super) informational: Option<String>,
    pub(super) undecided: bool,
    /// True if applicable statements contradict each other.
    pub(super) disputed: bool,
    /// Each record's statement, unless all agree.
    pub(super) opinions: Vec<Opinion>,
}

impl Evidence {
    /// Evaluates the statements of an advisory for a version, without what its branch excuses it from.
    pub(super) fn of(
        advisory: &Advisory,
        subject: &Subject,
        ecosystem: &str,
        excuse: Option<&Excuse<'_>>,
    ) -> Self {
        let mut evidence = Self::default();
        let about = About {
            advisory,
            subject,
            excuse,
        };
        let mut fixes: Vec<(StatedEntries<'_>, Vec<String>)> = Vec::new();
        // None before the first matching entry.
        let mut informational: Option<Option<&str>> = None;
        let mut first = 0;
        for said in advisory.stated() {
            // Inapplicable statements are only evaluated if there is something to show beside them.
            if said.counts()
                && let Some(fixed) = evidence.take(about, said, first, &mut informational)
            {
                fixes.push((said, fixed));
            }
            first += said.entries.len();
        }
        if evidence.rules.is_empty() {
            return evidence;
        }
        evidence.informational = informational.flatten().map(str::to_owned);
        drop_half_known(&mut fixes);
        let fixes = fixes.into_iter().map(|(said, fixed)| (said.entries, fixed));
        evidence.fixed = joint_fixes(fixes.collect(), ecosystem);
        if !advisory.statements.is_empty() {
            evidence.note_opinions(about);
        }
        evidence
    }

    /// Adds the result of an applicable statement; returns its fixes if it says "affected".
    fn take<'a>(
        &mut self,
        about: About<'_>,
        said: StatedEntries<'a>,
        first: usize,
        informational: &mut Option<Option<&'a str>>,
    ) -> Option<Vec<String>> {
        let mut found: Option<Vec<String>> = None;
        let mut states: Vec<FixState> = Vec::new();
        let record = said.statement.and_then(|statement| statement.by.first());
        let source = record.map(|record| record.source.as_str());
        let source = source.or_else(|| about.advisory.provenance.first().map(|from| from.source.as_str()));
        let source = source.unwrap_or_default();
        for (index, affected) in said.entries.iter().enumerate() {
            let evaluation = about.evaluate(said, affected);
            self.undecided |= evaluation.is_undecided();
            if !evaluation.is_affected() {
                continue;
            }
            let rules = evaluation.matched.iter();
            self.rules
                .extend(rules.map(|rule| MatchedRule::new(first + index, rule, record)));
            if evaluation.fixed.is_empty() {
                states.extend(affected.fix_state);
            }
            let fixed = found.get_or_insert_default();
            for version in evaluation.fixed {
                if !fixed.contains(&version) {
                    fixed.push(version);
                }
            }
            let severities = match said.weight() {
                Weight::CountsLast => &mut self.last_severities,
                _ => &mut self.severities,
            };
            severities.extend(affected.severity.iter().map(|severity| StatedSeverity {
                source: source.to_owned(),
                kind: severity.kind.clone(),
                value: severity.score.0.clone(),
            }));
            let kind = affected.informational.as_deref();
            *informational = Some(match *informational {
                None => kind,
                Some(before) => before.and(kind),
            });
        }
        if let Some(state) = joint_state(states) {
            let stated = StatedFix {
                source: source.to_owned(),
                state,
            };
            if !self.fix_states.contains(&stated) {
                self.fix_states.push(stated);
            }
        }
        found
    }

    /// Lists each record's statement, including inapplicable ones, unless all apply and agree.
    fn note_opinions(&mut self, about: About<'_>) {
        let mut opinions = Vec::new();
        let mut agreed = true;
        for said in about.advisory.stated() {
            let evaluations: Vec<Evaluation> = said
                .entries
                .iter()
                .map(|entry| about.evaluate(said, entry))
                .collect();
            let says = StatementResult::of(evaluations.iter());
            let not_counted = said.weight().why_not();
            self.disputed |= says == StatementResult::NotAffected && not_counted.is_none();
            agreed &= says == StatementResult::Affected && not_counted.is_none();
            let by = said.statement.iter().flat_map(|statement| &statement.by);
            opinions.extend(by.map(|record| Opinion {
                source: record.source.clone(),
                record: record.record.clone(),
                says,
                not_counted,
            }));
        }
        if !agreed {
            self.opinions = opinions;
        }
    }
}

/// Returns the vulnerabilities about which these advisories say something: an applicable statement that is not about another
/// module stream.
pub(crate) fn decided_by<'a>(
    advisories: impl Iterator<Item = &'a Advisory>,
    subject: &Subject,
) -> BTreeSet<&'a str> {
    let decides = |advisory: &&Advisory| {
        let mut counting = advisory.stated().filter(StatedEntries::counts);
        let is_about_it = |entry: &Affected| !is_about_another_stream(&advisory.summary, entry, subject);
        advisory.withdrawn.is_none() && counting.any(|said| said.entries.iter().any(is_about_it))
    };
    let deciding = advisories.filter(decides);
    deciding.map(|advisory| advisory.vulnerability.as_str()).collect()
}

/// For a record with undecided authors, a fix is known only if all authors that call it affected name one.
fn drop_half_known(fixes: &mut [(StatedEntries<'_>, Vec<String>)]) {
    let unresolved = |said: &StatedEntries<'_>| said.statement.is_some_and(|statement| statement.unresolved);
    let open: Vec<&StatingRecord> = fixes
        .iter()
        .filter(|(said, fixed)| fixed.is_empty() && unresolved(said))
        .flat_map(|(said, _)| said.statement.iter().flat_map(|statement| &statement.by))
        .collect();
    if open.is_empty() {
        return;
    }
    let is_open = |said: &StatedEntries<'_>| {
        let mut by = said.statement.iter().flat_map(|statement| &statement.by);
        unresolved(said) && by.any(|record| open.contains(&record))
    };
    for (said, fixed) in fixes.iter_mut() {
        if is_open(said) {
            fixed.clear();
        }
    }
}

/// Returns the fixes of the statements, best first. If they differ, a fix that another statement calls affected is
/// left out, unless none would remain.
fn joint_fixes(mut fixes: Vec<(&[Affected], Vec<String>)>, ecosystem: &str) -> Vec<String> {
    if fixes.len() == 1 {
        return fixes.pop().map(|(_, fixed)| fixed).unwrap_or_default();
    }
    let mut all: Vec<String> = Vec::new();
    for (_, fixed) in &fixes {
        all.extend(
            fixed
                .iter()
                .filter(|version| !all.contains(version))
                .cloned()
                .collect::<Vec<_>>(),
        );
    }
    if fixes.iter().all(|(_, fixed)| *fixed == all) {
        return all;
    }
    let fixes_all = |version: &&String| {
        let subject = Subject::new(ecosystem, version);
        let mut entries = fixes.iter().flat_map(|(entries, _)| *entries);
        !entries.any(|entry| evaluate(entry, &subject).is_affected())
    };
    let joint: Vec<String> = all.iter().filter(fixes_all).cloned().collect();
    if joint.is_empty() { all } else { joint }
}
