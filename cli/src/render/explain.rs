//! Explanations: the answer first, then every rule behind it.

use std::fmt::Write as _;

use starling_api_types::Explanation;

use super::table::Table;
use super::{Lines, list, plain, section};

/// `starling explain`, `starling version affected`
pub(crate) fn explanation(found: &Explanation) -> String {
    let mut text = format!(
        "{}: {}\n\n",
        found.conclusion.as_str().replace('_', " "),
        plain(&found.reason)
    );
    let looked_up = match (&found.ecosystem, &found.name) {
        (Some(ecosystem), Some(name)) => format!("{ecosystem} {name}"),
        _ => "nothing".to_owned(),
    };
    let head = Lines::default()
        .add("package", &found.purl)
        .add("looked up as", looked_up)
        .add("version", found.version.as_deref().unwrap_or("-"))
        .add("comparator", found.comparator.as_deref().unwrap_or("-"))
        .add("other advisories", found.other_advisories);
    let _ = write!(text, "{head}");
    for advisory in &found.advisories {
        let mut rules = Table::new(["AFFECTED", "RULE", "WHY NOT"]);
        for rule in &advisory.rules {
            rules.row([
                if rule.affected { "yes" } else { "no" }.to_owned(),
                rule.rule.clone(),
                rule.why_not.clone().unwrap_or_default(),
            ]);
        }
        let withdrawn = match &advisory.withdrawn {
            Some(when) => format!(", withdrawn {when}"),
            None => String::new(),
        };
        let title = format!(
            "{}{withdrawn}; fixed in: {}",
            advisory.vulnerability,
            list(&advisory.fixed)
        );
        section(&mut text, &plain(&title), &rules);
    }
    text
}

#[cfg(test)]
mod tests {
    use starling_api_types::{Conclusion, ExplainedAdvisory, ExplainedRule};

    use super::*;

    #[test]
    fn a_miss_shows_its_rule_and_comparator() {
        let found = Explanation {
            purl: "pkg:npm/a@2".to_owned(),
            id: "CVE-1".to_owned(),
            conclusion: Conclusion::NotAffected,
            reason: "fixed since 1".to_owned(),
            ecosystem: Some("npm".to_owned()),
            name: Some("a".to_owned()),
            version: Some("2".to_owned()),
            comparator: Some("semver".to_owned()),
            advisories: vec![ExplainedAdvisory {
                merge_hash: None,
                vulnerability: "CVE-1".to_owned(),
                withdrawn: None,
                rules: vec![ExplainedRule {
                    entry: 0,
                    rule: "SEMVER range 0".to_owned(),
                    affected: false,
                    why_not: Some("fixed since 1".to_owned()),
                }],
                fixed: Vec::new(),
            }],
            other_advisories: 3,
        };
        let text = explanation(&found);
        for part in [
            "not affected: fixed since 1",
            "npm a",
            "semver",
            "SEMVER range 0",
            "CVE-1; fixed in: -",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
