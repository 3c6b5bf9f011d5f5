//! What the statements of one advisory say of one version: each is judged by itself, and any that counts makes the package
//! affected.

use std::fmt;

use serde::Serialize;

use super::MatchedRule;
use crate::knowledge::{Advisory, Said, Sayer, Weight};
use crate::matching::{Evaluation, Subject, evaluate, evaluate_about};
use crate::osv::Affected;
use crate::severity::StatedSeverity;

/// What a record says of a package's version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Opinion {
    /// The record's source.
    pub source: String,
    /// The record's id in the source.
    pub record: String,
    /// What it says.
    pub says: Says,
    /// Why it is only shown: `outranked`, `mirrored` or `not_preferred`; absent if it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_counted: Option<&'static str>,
}

/// What a statement says in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// The version is affected.
    Affected,
    /// It is not.
    NotAffected,
    /// A rule could not be evaluated, and no other says that it is.
    Undecided,
}

impl Says {
    /// Returns what evaluations of a statement's entries come to.
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

impl fmt::Display for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Affected => "affected",
            Self::NotAffected => "not affected",
            Self::Undecided => "undecided",
        })
    }
}

/// What was heard about one version.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// The rules that say "affected", best statement first; none: the version is not affected, or nobody can tell.
    pub(super) rules: Vec<MatchedRule>,
    pub(super) fixed: Vec<String>,
    /// What entries that match say of the severity, best first.
    pub(super) severities: Vec<StatedSeverity>,
    /// The same of sources that no order names.
    pub(super) last_severities: Vec<StatedSeverity>,
    pub(super) informational: Option<String>,
    pub(super) undecided: bool,
    /// True if statements that count contradict each other.
    pub(super) disputed: bool,
    /// What each record says, unless all say the same.
    pub(super) opinions: Vec<Opinion>,
}

impl Heard {
    /// Holds a version against the statements of an advisory.
    pub(super) fn of(advisory: &Advisory, subject: &Subject, ecosystem: &str) -> Self {
        let mut heard = Self::default();
        let mut fixes: Vec<(Said<'_>, Vec<String>)> = Vec::new();
        // None before the first entry that matches.
        let mut informational: Option<Option<&str>> = None;
        let mut first = 0;
        for said in advisory.said() {
            // What is only shown is asked for when there is something to show it beside.
            if said.counts()
                && let Some(fixed) = heard.take(advisory, said, first, subject, &mut informational)
            {
                fixes.push((said, fixed));
            }
            first += said.entries.len();
        }
        if heard.rules.is_empty() {
            return heard;
        }
        heard.informational = informational.flatten().map(str::to_owned);
        drop_half_known(&mut fixes);
        let fixes = fixes.into_iter().map(|(said, fixed)| (said.entries, fixed));
        heard.fixed = joint_fixes(fixes.collect(), ecosystem);
        if !advisory.statements.is_empty() {
            heard.tell(advisory, subject);
        }
        heard
    }

    /// Takes in what a statement that counts says, and returns the fixes that it names if it says "affected".
    fn take<'a>(
        &mut self,
        advisory: &Advisory,
        said: Said<'a>,
        first: usize,
        subject: &Subject,
        informational: &mut Option<Option<&'a str>>,
    ) -> Option<Vec<String>> {
        let mut found: Option<Vec<String>> = None;
        let sayer = said.statement.and_then(|statement| statement.by.first());
        for (index, affected) in said.entries.iter().enumerate() {
            let evaluation = evaluate_about(&advisory.summary, affected, subject);
            self.undecided |= evaluation.is_undecided();
            if !evaluation.is_affected() {
                continue;
            }
            let rules = evaluation.matched.iter();
            self.rules
                .extend(rules.map(|rule| MatchedRule::new(first + index, rule, sayer)));
            let fixed = found.get_or_insert_default();
            for version in evaluation.fixed {
                if !fixed.contains(&version) {
                    fixed.push(version);
                }
            }
            let source = sayer.map(|sayer| sayer.source.as_str());
            let source = source.or_else(|| advisory.provenance.first().map(|from| from.source.as_str()));
            let severities = match said.weight() {
                Weight::CountsLast => &mut self.last_severities,
                _ => &mut self.severities,
            };
            severities.extend(affected.severity.iter().map(|severity| StatedSeverity {
                source: source.unwrap_or_default().to_owned(),
                kind: severity.kind.clone(),
                value: severity.score.0.clone(),
            }));
            let kind = affected.informational.as_deref();
            *informational = Some(match *informational {
                None => kind,
                Some(before) => before.and(kind),
            });
        }
        found
    }

    /// Tells what each record says, those that are only shown included, unless all count and say the same.
    fn tell(&mut self, advisory: &Advisory, subject: &Subject) {
        let mut opinions = Vec::new();
        let mut agreed = true;
        for said in advisory.said() {
            let says = says_of(advisory, said, subject);
            let not_counted = said.weight().why_not();
            self.disputed |= says == Says::NotAffected && not_counted.is_none();
            agreed &= says == Says::Affected && not_counted.is_none();
            let by = said.statement.iter().flat_map(|statement| &statement.by);
            opinions.extend(by.map(|sayer| Opinion {
                source: sayer.source.clone(),
                record: sayer.record.clone(),
                says,
                not_counted,
            }));
        }
        if !agreed {
            self.opinions = opinions;
        }
    }
}

/// Returns what one statement says.
fn says_of(advisory: &Advisory, said: Said<'_>, subject: &Subject) -> Says {
    let evaluations: Vec<Evaluation> = said
        .entries
        .iter()
        .map(|entry| evaluate_about(&advisory.summary, entry, subject))
        .collect();
    Says::of(evaluations.iter())
}

/// Of a record between whose authors nobody has decided, a fix is known only if all name one that call it affected.
fn drop_half_known(fixes: &mut [(Said<'_>, Vec<String>)]) {
    let unresolved = |said: &Said<'_>| said.statement.is_some_and(|statement| statement.unresolved);
    let open: Vec<&Sayer> = fixes
        .iter()
        .filter(|(said, fixed)| fixed.is_empty() && unresolved(said))
        .flat_map(|(said, _)| said.statement.iter().flat_map(|statement| &statement.by))
        .collect();
    if open.is_empty() {
        return;
    }
    let is_open = |said: &Said<'_>| {
        let mut by = said.statement.iter().flat_map(|statement| &statement.by);
        unresolved(said) && by.any(|sayer| open.contains(&sayer))
    };
    for (said, fixed) in fixes.iter_mut() {
        if is_open(said) {
            fixed.clear();
        }
    }
}

/// The fixes that statements name, best first. Where they differ, those that one of the others calls affected are left
/// away, unless nothing would be left.
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
