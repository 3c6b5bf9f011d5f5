//! Go packages below a module, by the rules of a scan.

use super::Asked;
use crate::knowledge::{Advisory, KnowledgeError, StatedEntries};
use crate::matching::{Rule, Subject, evaluate};
use crate::osv::Affected;
use crate::purl::osv::OsvPackage;
use crate::scan::{is_about, is_told_apart, modules_of};

/// Returns the module above a Go package whose advisories with the id affect its version, or leave it undecided.
pub(super) fn doubting_module(
    package: &OsvPackage,
    subject: &Subject,
    asked: Asked<'_>,
) -> Result<Option<String>, KnowledgeError> {
    let mut named = asked.knowledge;
    let modules = modules_of(package, subject.text(), &mut named)?;
    let of = |name: &str| asked.advisories(package.ecosystems(), name);
    let own = if modules.is_empty() {
        Vec::new()
    } else {
        of(&package.name)?
    };
    let own: Vec<&Advisory> = own.iter().collect();
    let has_end = |rule: &Rule| !matches!(rule, Rule::Range { until: None, .. });
    for module in modules {
        let is_of_another = module.is_of_another_major(package, subject.text());
        let of_major = match &module.major {
            Some(path) => of(path)?,
            None => Vec::new(),
        };
        let of_major: Vec<&Advisory> = of_major.iter().collect();
        let doubts = |advisory: &Advisory, entry: &Affected| {
            let found = evaluate(entry, subject);
            let is_affected = found.matched.iter().any(|rule| !is_of_another || has_end(rule));
            let is_told = || is_told_apart(&own, &advisory.vulnerability, &advisory.provenance);
            found.is_undecided() || (is_affected && !is_told())
        };
        let advisories = of(&module.path)?;
        let mut about = advisories
            .iter()
            .filter(|advisory| advisory.withdrawn.is_none() && asked.is_about(advisory))
            .filter(|advisory| !is_about(&of_major, &advisory.vulnerability));
        let is_doubted = about.any(|advisory| {
            let mut counting = advisory.stated().filter(StatedEntries::counts);
            counting.any(|said| said.entries.iter().any(|entry| doubts(advisory, entry)))
        });
        if is_doubted {
            return Ok(Some(module.path));
        }
    }
    Ok(None)
}
