//! Go packages below a module, by the rules of a scan.

use super::Asked;
use crate::knowledge::{KnowledgeError, StatedEntries};
use crate::matching::{Rule, Subject, evaluate};
use crate::osv::Affected;
use crate::purl::osv::{OsvPackage, is_major_of};
use crate::scan::module_above;

/// Returns the module above a Go package whose advisories with the id affect its version, or leave it undecided.
pub(super) fn doubting_module(
    package: &OsvPackage,
    subject: &Subject,
    asked: Asked<'_>,
) -> Result<Option<String>, KnowledgeError> {
    let mut named = asked.knowledge;
    let Some(module) = module_above(package, subject.text(), &mut named)? else {
        return Ok(None);
    };
    let is_major = is_major_of(&package.name, &module);
    let has_end = |rule: &Rule| !matches!(rule, Rule::Range { until: None, .. });
    let doubts = |entry: &Affected| {
        let found = evaluate(entry, subject);
        found.is_undecided() || found.matched.iter().any(|rule| !is_major || has_end(rule))
    };
    let advisories = asked.advisories(std::iter::once(package.ecosystem.as_ref()), &module)?;
    let mut about = advisories
        .iter()
        .filter(|advisory| advisory.withdrawn.is_none() && asked.is_about(advisory));
    let is_doubted = about.any(|advisory| {
        let mut counting = advisory.stated().filter(StatedEntries::counts);
        counting.any(|said| said.entries.iter().any(doubts))
    });
    Ok(is_doubted.then_some(module))
}
