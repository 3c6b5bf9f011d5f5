//! Explains why a product is or is not affected, by its CPE name.

use starling_api_types as types;
use starling_scanner::cpe::{CPE_ECOSYSTEM, Cpe, CpeRule, CpeSubject, OperatingSystem, judge_each};
use starling_scanner::knowledge::{Advisory, JudgedAt, Knowledge, KnowledgeError};
use starling_scanner::osv::Event;
use starling_scanner::scan::StatementResult;

/// Most rules of one advisory that are shown; those that decide come first.
const MAX_RULES: usize = 200;

/// Explains one name and one id (any alias; `None` for every advisory about the product), like a scan on `distro`.
///
/// # Errors
/// If the knowledge cannot be read.
pub(super) fn explain_cpe(
    cpe: Cpe,
    id: Option<&str>,
    distro: Option<&str>,
    knowledge: &dyn Knowledge,
    at: JudgedAt,
) -> Result<types::Explanation, KnowledgeError> {
    let mut found = types::Explanation {
        purl: cpe.to_string(),
        id: id.map(str::to_owned),
        conclusion: types::Conclusion::CannotSay,
        reason: "vendor and product of the name must be given, without wildcards".to_owned(),
        ecosystem: None,
        name: None,
        version: None,
        comparator: None,
        advisories: Vec::new(),
        other_advisories: 0,
    };
    let Some((product, subject)) = CpeSubject::new(cpe, None) else {
        return Ok(found);
    };
    let system = distro.and_then(OperatingSystem::of_distro);
    let (mut is_affected, mut is_undecided) = (None, false);
    let advisories = knowledge.advisories(CPE_ECOSYSTEM, &product)?.into_iter();
    let advisories = advisories.map(|advisory| advisory.applying_at(at));
    for advisory in advisories.filter(|advisory| advisory.withdrawn.is_none()) {
        let mut ids = advisory
            .ids
            .iter()
            .chain(&advisory.related)
            .chain([&advisory.vulnerability]);
        if id.is_some_and(|id| !ids.any(|own| own == id)) {
            found.other_advisories += 1;
            continue;
        }
        let mut each = judge_each(&advisory.configurations, &subject, system);
        // A stable sort: within one result the record's order stays.
        each.sort_by_key(|(_, says)| *says != StatementResult::Affected);
        if let Some((rule, _)) = each.iter().find(|(_, says)| *says == StatementResult::Affected) {
            is_affected.get_or_insert_with(|| rule.to_string());
        }
        is_undecided |= each.iter().any(|(_, says)| *says == StatementResult::Undecided);
        is_undecided |= advisory.configurations.iter().any(|statement| statement.is_cut);
        found.advisories.push(shown(&advisory, &each));
    }
    let version = subject.version();
    (found.conclusion, found.reason) = match is_affected {
        _ if found.advisories.is_empty() => (
            types::Conclusion::NotAbout,
            match found.other_advisories {
                0 => format!("nothing is known about {product}; it may have another name"),
                others => format!("none of the {others} advisories about {product} carries this id"),
            },
        ),
        Some(rule) => (
            types::Conclusion::Affected,
            format!("{version} of {product} fits {rule}"),
        ),
        None if subject.is_unversioned() => (
            types::Conclusion::CannotSay,
            format!("the name of {product} has no version to compare"),
        ),
        None if is_undecided => (
            types::Conclusion::CannotSay,
            format!("a configuration of {product} cannot be compared with {version}"),
        ),
        None => (
            types::Conclusion::NotAffected,
            format!("{version} of {product} fits no configuration"),
        ),
    };
    found.version = Some(version.to_owned()).filter(|version| !version.is_empty());
    found.ecosystem = Some(CPE_ECOSYSTEM.to_owned());
    found.name = Some(product);
    found.comparator = Some("cpe".to_owned());
    Ok(found)
}

fn shown(advisory: &Advisory, each: &[(CpeRule, StatementResult)]) -> types::ExplainedAdvisory {
    let says = |word| each.iter().any(|(_, says)| *says == word);
    let whole = if says(StatementResult::Affected) {
        StatementResult::Affected
    } else if says(StatementResult::Undecided) {
        StatementResult::Undecided
    } else {
        StatementResult::NotAffected
    };
    let statements = advisory.provenance.iter().map(|from| types::ExplainedStatement {
        source: from.source.clone(),
        record: from.record.clone(),
        says: whole.to_string().replace(' ', "_"),
        not_counted: None,
    });
    let mut fixed: Vec<String> = Vec::new();
    // If nothing says "affected", the fixes of all rules are shown.
    let is_affected = whole == StatementResult::Affected;
    let telling = each
        .iter()
        .filter(|(_, says)| !is_affected || *says == StatementResult::Affected);
    for (rule, _) in telling {
        if let Some(Event::Fixed(version)) = &rule.until
            && !fixed.contains(version)
        {
            fixed.push(version.clone());
        }
    }
    let rules = each
        .iter()
        .take(MAX_RULES)
        .map(|(rule, says)| types::ExplainedRule {
            entry: 0,
            said_by: None,
            rule: rule.to_string(),
            affected: match says {
                StatementResult::Affected => Some(true),
                StatementResult::NotAffected => Some(false),
                StatementResult::Undecided => None,
            },
            why_not: match says {
                StatementResult::Affected => None,
                StatementResult::NotAffected => {
                    Some("the name, its version or the system does not fit".to_owned())
                }
                StatementResult::Undecided => Some("it cannot be compared".to_owned()),
            },
        });
    types::ExplainedAdvisory {
        merge_hash: Some(advisory.merge_hash.clone()).filter(|hash| !hash.is_empty()),
        vulnerability: advisory.vulnerability.clone(),
        withdrawn: None,
        statements: statements.collect(),
        disputed: false,
        rules: rules.collect(),
        fixed,
        fix_states: Vec::new(),
        exploited: (advisory.threat.kev == Some(true)).then_some(types::Exploited { since: None }),
    }
}
