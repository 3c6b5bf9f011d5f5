//! Explains why a package is or is not affected: the scanner's explanation of the view, in the API's form.

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{ErrorCode, Problem};
use starling_protocol::UnixMillis;
use starling_scanner::cpe::{Cpe, OperatingSystem};
use starling_scanner::explain::{AdvisoryExplanation, Conclusion, Explanation, explain};
use starling_scanner::knowledge::JudgedAt;
use starling_scanner::matching::{Rule, WhyNot};
use starling_scanner::purl::PackageUrl;
use starling_view::VulnerabilityId;

use super::SiteParts;
use super::explain_cpe::explain_cpe;
use super::problem::store_problem;
use super::view_knowledge::view_knowledge;
use crate::ecosystem_names::{is_distro, nearest_distro};

/// The subject of an explanation.
enum Asked {
    Purl(PackageUrl),
    Cpe(Box<Cpe>),
}

impl SiteParts {
    /// Explains with the knowledge of these parts, judged at a time.
    pub(super) fn explain(
        &self,
        query: &types::ExplainQuery,
        at: UnixMillis,
    ) -> ServiceResult<types::Explanation> {
        let refuse = |error: &dyn std::fmt::Display| {
            Problem::new(ErrorCode::BadRequest, format!("explaining: {error}"))
                .hint("give a package URL (pkg:…) or a CPE name (cpe:…)")
        };
        if let Some(id) = query.id.as_deref().filter(|id| is_swapped(&query.purl, id)) {
            let detail = format!(
                "explaining: {id:?} is a package and {:?} is not: the package comes first, then the id",
                query.purl
            );
            return Err(Problem::new(ErrorCode::BadRequest, detail).hint(format!(
                "`starling explain {} {}`",
                id.trim(),
                query.purl.trim()
            )));
        }
        let asked = match query.purl.trim() {
            text if text
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case("cpe:")) =>
            {
                Asked::Cpe(Box::new(Cpe::parse(text).map_err(|error| refuse(&error))?))
            }
            text => Asked::Purl(PackageUrl::parse_lenient(text).map_err(|error| refuse(&error))?),
        };
        let reader = self
            .data
            .store
            .view()
            .map_err(|error| store_problem("reading the view", &error))?;
        let knowledge = view_knowledge(&reader)?;
        // Advisories have their ids in one spelling; people may use another.
        let id = match &query.id {
            None => None,
            Some(given) => Some(VulnerabilityId::of(given).ok_or_else(|| {
                Problem::new(
                    ErrorCode::BadRequest,
                    format!("explaining: {given:?} is not an id"),
                )
            })?),
        };
        let id = id.as_ref().map(VulnerabilityId::as_str);
        let distro = query.distro.as_deref();
        let unknown =
            distro.filter(|distro| !is_distro(distro) && OperatingSystem::of_distro(distro).is_none());
        if let Some((distro, meant)) = unknown.and_then(|distro| Some((distro, nearest_distro(distro)?))) {
            let detail = format!("explaining: no advisories are of a distribution {distro:?}");
            return Err(Problem::new(ErrorCode::BadRequest, detail).hint(format!("did you mean {meant}?")));
        }
        let at = JudgedAt::from_unix_millis(at.as_millis());
        let found = match asked {
            Asked::Purl(purl) => {
                explain(&purl, id, distro, &knowledge, at).map(|found| shown_explanation(&purl, id, &found))
            }
            Asked::Cpe(cpe) => explain_cpe(*cpe, id, distro, &knowledge, at),
        };
        let unread = |error| super::problem::knowledge_problem("explaining", &error);
        let mut found = found.map_err(unread)?;
        for advisory in &mut found.advisories {
            if let (Some(exploited), Some(id)) = (
                &mut advisory.exploited,
                VulnerabilityId::of(&advisory.vulnerability),
            ) {
                exploited.since = knowledge.exploited([&id]).map_err(unread)?.flatten();
            }
        }
        if let Some(distro) = unknown.filter(|_| found.conclusion == types::Conclusion::CannotSay) {
            found.reason = format!(
                "{}; {distro:?} is not a distribution that is known here",
                found.reason
            );
        }
        if let Some(id) = id.filter(|_| found.conclusion == types::Conclusion::NotAbout) {
            let named = starling_view::advisories_by_id(&reader, id)
                .map_err(|error| super::advisories::view_problem(&error))?;
            if named.is_empty() {
                // Nothing follows from advisories that cannot be about it.
                found.conclusion = types::Conclusion::CannotSay;
                found.reason = format!("no record here is named {id}; {}", found.reason);
            }
        }
        Ok(found)
    }
}

/// Returns true if the id is written as a package and the package is not.
fn is_swapped(purl: &str, id: &str) -> bool {
    let is_package = |text: &str| {
        let start = text.trim().get(..4);
        start.is_some_and(|start| {
            ["pkg:", "cpe:"]
                .iter()
                .any(|scheme| start.eq_ignore_ascii_case(scheme))
        })
    };
    is_package(id) && !is_package(purl)
}

/// Converts an explanation to the API's form.
pub fn shown_explanation(purl: &PackageUrl, id: Option<&str>, found: &Explanation) -> types::Explanation {
    types::Explanation {
        purl: purl.to_string(),
        id: id.map(str::to_owned),
        conclusion: match found.conclusion {
            Conclusion::Affected => types::Conclusion::Affected,
            Conclusion::NotAffected => types::Conclusion::NotAffected,
            Conclusion::Withdrawn => types::Conclusion::Withdrawn,
            Conclusion::NotAbout => types::Conclusion::NotAbout,
            Conclusion::CannotSay => types::Conclusion::CannotSay,
        },
        reason: found.reason(),
        ecosystem: found
            .package
            .as_ref()
            .map(|package| package.ecosystem.to_string()),
        name: found.package.as_ref().map(|package| package.name.clone()),
        version: found.version.clone(),
        comparator: found.scheme.map(|scheme| scheme.as_str().to_owned()),
        advisories: found.advisories.iter().map(shown_advisory).collect(),
        other_advisories: found.other_advisories as u64,
    }
}

fn shown_advisory(advisory: &AdvisoryExplanation) -> types::ExplainedAdvisory {
    let mut rules = Vec::new();
    let mut fixed: Vec<String> = Vec::new();
    let mut statements = Vec::new();
    let mut first = 0;
    for said in &advisory.statements {
        let said_by = match said.by.first() {
            Some(by) => Some(format!("{} {}", by.source, by.record)),
            None => Some(advisory.records.join(", ")).filter(|records| !records.is_empty()),
        };
        for (index, entry) in said.entries.iter().enumerate() {
            let shown = |rule: &Rule, why_not: Option<&WhyNot>| types::ExplainedRule {
                entry: (first + index) as u64,
                said_by: said_by.clone(),
                rule: rule.to_string(),
                affected: match why_not {
                    None => Some(true),
                    Some(why) if why.is_undecided() => None,
                    Some(_) => Some(false),
                },
                why_not: why_not.map(ToString::to_string),
            };
            rules.extend(entry.matched.iter().map(|rule| shown(rule, None)));
            rules.extend(entry.unmatched.iter().map(|(rule, why)| shown(rule, Some(why))));
            for version in entry.fixed.iter().filter(|_| said.not_counted.is_none()) {
                if !fixed.contains(version) {
                    fixed.push(version.clone());
                }
            }
        }
        first += said.entries.len();
        statements.extend(said.by.iter().map(|by| types::ExplainedStatement {
            source: by.source.clone(),
            record: by.record.clone(),
            says: said.says.to_string().replace(' ', "_"),
            not_counted: said.not_counted.map(str::to_owned),
        }));
    }
    types::ExplainedAdvisory {
        merge_hash: Some(advisory.merge_hash.clone()).filter(|hash| !hash.is_empty()),
        vulnerability: advisory.vulnerability.clone(),
        withdrawn: advisory.withdrawn.clone(),
        statements,
        disputed: advisory.is_disputed(),
        rules,
        fixed,
        exploited: advisory.is_exploited.then_some(types::Exploited { since: None }),
        fix_states: advisory
            .fix_states
            .iter()
            .map(|one| types::ExplainedFix {
                source: one.source.clone(),
                state: one.state.to_string(),
            })
            .collect(),
    }
}
