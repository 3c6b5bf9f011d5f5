//! Renders explanations: the answer first, then every rule behind it.

use std::fmt::Write as _;

use serde::Deserialize;
use starling_api_types::{ExplainedAdvisory, ExplainedRule, Explanation, VerdictEnvelope};
use starling_report::fix::{StatedFix, phrase};

use super::table::Table;
use super::{Lines, list, plain, section};

/// Renders `starling explain` and `starling version affected`.
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
    if found.id.is_none() && !found.advisories.is_empty() {
        section(&mut text, "Advisories", &every_advisory(found));
        let _ = writeln!(
            text,
            "\n`starling explain PURL ID` shows every rule of one of them"
        );
        return text;
    }
    for advisory in &found.advisories {
        let mut rules = Table::new(["AFFECTED", "RULE", "SAID BY", "WHY NOT"])
            .shrinks("WHY NOT", 20)
            .shrinks("SAID BY", 20)
            .shrinks("RULE", 24);
        let everyone = sources_of(advisory);
        for (rule, said_by) in distinct(&advisory.rules) {
            rules.row([
                match rule.affected {
                    Some(true) => "yes",
                    Some(false) => "no",
                    None => "cannot say",
                }
                .to_owned(),
                rule.rule.clone(),
                if said_by.is_empty() {
                    everyone.clone()
                } else {
                    said_by.join(", ")
                },
                rule.why_not.clone().unwrap_or_default(),
            ]);
        }
        let mut said = Table::new(["SOURCE", "RECORD", "SAYS", "COUNTS"])
            .shrinks("RECORD", 20)
            .shrinks("COUNTS", 16);
        for statement in &advisory.statements {
            said.row([
                statement.source.clone(),
                statement.record.clone(),
                statement.says.replace('_', " "),
                match &statement.not_counted {
                    Some(why) => format!("no: {}", why.replace('_', " ")),
                    None => "yes".to_owned(),
                },
            ]);
        }
        let title = title_of(advisory);
        section(&mut text, &plain(&title), &rules);
        let disputed = if advisory.disputed {
            "Who says so (disputed)"
        } else {
            "Who says so"
        };
        section(&mut text, disputed, &said);
    }
    text
}

/// Returns each different rule once, with the records that state it; none for a rule of which all records agree.
fn distinct(rules: &[ExplainedRule]) -> Vec<(&ExplainedRule, Vec<&str>)> {
    let mut distinct: Vec<(&ExplainedRule, Vec<&str>)> = Vec::new();
    for rule in rules {
        let is_same = |known: &ExplainedRule| {
            (&known.rule, known.affected, &known.why_not) == (&rule.rule, rule.affected, &rule.why_not)
        };
        let said_by = rule.said_by.as_deref();
        match distinct.iter_mut().find(|(known, _)| is_same(known)) {
            // All records agree already, or do so now.
            Some((_, told)) => match said_by {
                Some(by) if !told.is_empty() && !told.contains(&by) => told.push(by),
                Some(_) => {}
                None => told.clear(),
            },
            None => distinct.push((rule, said_by.into_iter().collect())),
        }
    }
    distinct
}

/// Returns the sources of an advisory's statements, each once.
fn sources_of(advisory: &ExplainedAdvisory) -> String {
    let of_statements = advisory.statements.iter().map(|said| said.source.as_str());
    let of_rules = advisory.rules.iter().filter_map(|rule| rule.said_by.as_deref());
    let of_rules = of_rules.flat_map(|records| records.split(", "));
    let of_rules = of_rules.filter_map(|record| record.split(' ').next());
    let mut sources: Vec<&str> = of_statements.chain(of_rules).collect();
    sources.sort_unstable();
    sources.dedup();
    sources.join(", ")
}

/// Returns the heading of an advisory: its withdrawal, its fixes, and what else is known about the vulnerability.
fn title_of(advisory: &ExplainedAdvisory) -> String {
    let withdrawn = match &advisory.withdrawn {
        Some(when) => format!(", withdrawn {when}"),
        None => String::new(),
    };
    let stated = advisory.fix_states.iter().map(|one| StatedFix {
        source: one.source.clone(),
        state: one.state.clone(),
    });
    let stated = phrase(&stated.collect::<Vec<_>>()).map(|said| format!("; {said}"));
    let exploited = advisory.exploited.as_ref();
    format!(
        "{}{withdrawn}; fixed in: {}{}{}",
        advisory.vulnerability,
        list(&advisory.fixed),
        stated.unwrap_or_default(),
        exploited.map_or_else(String::new, |exploited| format!("; {exploited}"))
    )
}

/// Lists the advisories about a package, each with its result: affected ones first, then those in doubt.
fn every_advisory(found: &Explanation) -> Table {
    let mut rows: Vec<(u8, [String; 5])> = found
        .advisories
        .iter()
        .map(|advisory| {
            let (rank, result) = result_of(advisory);
            let deciding = advisory.rules.iter().find(|rule| match rank {
                0 => rule.affected == Some(true),
                1 => rule.affected.is_none(),
                _ => true,
            });
            let why = deciding.map(|rule| match &rule.why_not {
                Some(why) => format!("{}: {why}", rule.rule),
                None => rule.rule.clone(),
            });
            let result = match &advisory.exploited {
                Some(_) => format!("{result}, exploited"),
                None => result.to_owned(),
            };
            let row = [
                advisory.vulnerability.clone(),
                result,
                list(&advisory.fixed),
                sources_of(advisory),
                why.unwrap_or_default(),
            ];
            (rank, row)
        })
        .collect();
    // A stable sort: within one result the order stays.
    rows.sort_by_key(|(rank, _)| *rank);
    let mut table = Table::new(["VULNERABILITY", "AFFECTED", "FIXED IN", "SOURCES", "WHY"])
        .shrinks("WHY", 24)
        .shrinks("SOURCES", 12)
        .shrinks("FIXED IN", 12);
    for (_, row) in rows {
        table.row(row);
    }
    table
}

/// Returns the result of an advisory, with its rank in a list.
fn result_of(advisory: &ExplainedAdvisory) -> (u8, &'static str) {
    let says = |word: &str| {
        let mut counting = advisory
            .statements
            .iter()
            .filter(|said| said.not_counted.is_none());
        counting.any(|said| said.says == word)
    };
    if advisory.withdrawn.is_some() {
        return (3, "withdrawn");
    }
    let is_told = !advisory.statements.is_empty();
    let any = |wanted: Option<bool>| advisory.rules.iter().any(|rule| rule.affected == wanted);
    match is_told {
        true if says("affected") => (0, "yes"),
        true if says("undecided") => (1, "cannot say"),
        false if any(Some(true)) => (0, "yes"),
        false if any(None) => (1, "cannot say"),
        _ => (2, "no"),
    }
}

/// The parts of a verdict that explain its findings; missing parts show as empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    findings: Vec<Finding>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Finding {
    vulnerability: String,
    package: Package,
    rules: Vec<MatchedRule>,
    places: Vec<String>,
    provenance: Vec<Provenance>,
    conflicts: Vec<Conflict>,
    severity: Severity,
    fix_states: Vec<StatedFix>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Package {
    purl: String,
    cpe: Option<String>,
}

impl Package {
    /// Returns the package URL, or the CPE name of a package without one.
    fn identifier(&self) -> &str {
        match &self.cpe {
            Some(cpe) if self.purl.is_empty() => cpe,
            _ => &self.purl,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct MatchedRule {
    kind: String,
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    criteria: Option<String>,
    running_on: Vec<String>,
    assumed: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Provenance {
    source: String,
    record: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Conflict {
    field: String,
    chosen: String,
    lost: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Severity {
    level: String,
    stated: Option<Stated>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Stated {
    source: String,
    value: String,
}

impl MatchedRule {
    /// Returns the rule in words; `missing` says why nothing ends it.
    fn shown(&self, missing: &str) -> String {
        if self.kind == "versions" {
            return "the version is listed".to_owned();
        }
        let from = self.introduced.as_deref().unwrap_or("0");
        let until = match (&self.fixed, &self.last_affected) {
            (Some(fixed), _) => format!("fixed in {fixed}"),
            (None, Some(last)) => format!("up to and with {last}"),
            (None, None) => missing.to_owned(),
        };
        let Some(criteria) = &self.criteria else {
            return format!("{} range: affected from {from}, {until}", self.kind);
        };
        let mut text = format!("its CPE name fits {criteria}");
        if self.introduced.is_some() || self.fixed.is_some() || self.last_affected.is_some() {
            text.push_str(&format!(": affected from {from}, {until}"));
        }
        for platform in &self.running_on {
            text.push_str(&format!("; assumed to run on {platform}"));
        }
        if !self.assumed.is_empty() {
            text.push_str(&format!("; assumed to fit in {}", self.assumed.join(", ")));
        }
        text
    }
}

/// Renders `starling scan --explain`: for each finding the matching rules, the places and the sources.
pub(crate) fn reasons(envelope: &VerdictEnvelope) -> String {
    let body: Body = serde_json::from_str(envelope.verdict.as_str()).unwrap_or_default();
    let mut text = String::new();
    for finding in &body.findings {
        let _ = write!(
            text,
            "\n{} in {}\n",
            plain(&finding.vulnerability),
            plain(finding.package.identifier())
        );
        let mut lines = Lines::default();
        let missing = phrase(&finding.fix_states);
        let mut because: Vec<String> = Vec::new();
        for rule in &finding.rules {
            let shown = rule.shown(missing.as_deref().unwrap_or("no fix known"));
            if !because.contains(&shown) {
                because.push(shown);
            }
        }
        for shown in because {
            lines = lines.add("  because", shown);
        }
        if let Some(said) = &missing {
            lines = lines.add("  fix", said);
        }
        lines = lines.add("  found at", list(&finding.places));
        if let Some(stated) = &finding.severity.stated {
            let said = format!(
                "{} ({} by {})",
                finding.severity.level, stated.value, stated.source
            );
            lines = lines.add("  severity", said);
        }
        for provenance in &finding.provenance {
            lines = lines.add(
                "  said by",
                format!("{} {}", provenance.source, provenance.record),
            );
        }
        for conflict in &finding.conflicts {
            let said = format!(
                "{}: {} chosen, not {}",
                conflict.field,
                conflict.chosen,
                list(&conflict.lost)
            );
            lines = lines.add("  disputed", said);
        }
        let _ = write!(text, "{lines}");
    }
    text
}

#[cfg(test)]
mod tests {
    use starling_api_types::{
        Conclusion, ExplainedAdvisory, ExplainedFix, ExplainedRule, ExplainedStatement,
    };

    use super::*;

    #[test]
    fn finding_shows_its_rules_and_sources() {
        use starling_api_types::{RawJson, SiteId, SiteSlug, Timestamp, VerdictHash};
        let body = r#"{"findings":[{"vulnerability":"CVE-1","package":{"purl":"pkg:npm/a@1"},"places":["/components/3"],
            "rules":[{"kind":"SEMVER","introduced":"0","fixed":"2.0.0"},{"kind":"versions"},
                     {"kind":"ECOSYSTEM","introduced":"1","last_affected":"3"}],
            "provenance":[{"source":"ghsa","record":"GHSA-1"}],
            "conflicts":[{"field":"severity","chosen":"ghsa","lost":["nvd"]}],
            "severity":{"level":"high","stated":{"source":"ghsa","kind":"CVSS_V3","value":"CVSS:3.1/AV:N"}}}]}"#;
        let text = reasons(&VerdictEnvelope {
            verdict: RawJson::new(body.to_owned()).unwrap(),
            verdict_hash: VerdictHash::from_bytes([1; 32]),
            site: SiteId::from_bytes([2; 32]),
            site_id: SiteSlug::new("site-a").unwrap(),
            time: Timestamp::from_unix_millis(0).unwrap(),
            known_since: None,
            exit_code: 1,
            without_threshold: false,
            unfinished_imports: Vec::new(),
            signature: None,
        });
        for part in [
            "CVE-1 in pkg:npm/a@1",
            "SEMVER range: affected from 0, fixed in 2.0.0",
            "the version is listed",
            "affected from 1, up to and with 3",
            "/components/3",
            "high (CVSS:3.1/AV:N by ghsa)",
            "ghsa GHSA-1",
            "severity: ghsa chosen, not nvd",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }

    #[test]
    fn every_advisory_is_listed_those_in_doubt_before_denials() {
        let advisory = |vulnerability: &str, says: &str, affected| {
            serde_json::json!({"merge_hash": null, "vulnerability": vulnerability, "statements": [
                {"source": "ghsa", "record": "R", "says": says}],
                "rules": [{"entry": 0, "rule": "SEMVER range 0", "affected": affected, "why_not": "no place"}], "fixed": ["2"]})
        };
        let found: Explanation = serde_json::from_value(serde_json::json!({
            "purl": "pkg:npm/a@latest", "conclusion": "cannot_say", "reason": "r", "other_advisories": 0, "advisories": [
                advisory("CVE-1", "not_affected", Some(false)), advisory("CVE-2", "undecided", None)]}))
        .unwrap();
        let text = explanation(&found);
        let row = |id: &str| text.lines().position(|line| line.contains(id)).unwrap();
        assert!(
            row("CVE-2") < row("CVE-1") && text.contains("cannot say"),
            "{text}"
        );
        assert!(text.contains("`starling explain PURL ID`"), "{text}");
    }

    /// Equal rules of several records filled the table, and nothing told whose they were.
    #[test]
    fn equal_rules_are_one_row_with_their_records() {
        let rule = |by: &str| serde_json::json!({"entry": 0, "said_by": by, "rule": "SEMVER range 0", "affected": true});
        let found: Explanation = serde_json::from_value(serde_json::json!({
            "purl": "pkg:npm/a@1", "id": "CVE-1", "conclusion": "affected", "reason": "r", "other_advisories": 0,
            "advisories": [{"merge_hash": null, "vulnerability": "CVE-1", "statements": [], "fixed": [],
                "rules": [rule("ghsa G-1"), rule("nvd CVE-1"), rule("ghsa G-1")]}]}))
        .unwrap();
        let text = explanation(&found);
        assert_eq!(text.matches("SEMVER range 0").count(), 1, "{text}");
        assert!(text.contains("ghsa G-1, nvd CVE-1"), "{text}");
    }

    #[test]
    fn unaffected_package_shows_rule_and_comparator() {
        let found = Explanation {
            purl: "pkg:npm/a@2".to_owned(),
            id: Some("CVE-1".to_owned()),
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
                statements: vec![ExplainedStatement {
                    source: "ghsa".into(),
                    record: "GHSA-1".into(),
                    says: "not_affected".into(),
                    not_counted: Some("mirrored".into()),
                }],
                disputed: false,
                rules: vec![ExplainedRule {
                    entry: 0,
                    said_by: None,
                    rule: "SEMVER range 0".to_owned(),
                    affected: Some(false),
                    why_not: Some("fixed since 1".to_owned()),
                }],
                fixed: Vec::new(),
                exploited: None,
                fix_states: vec![ExplainedFix {
                    source: "redhat".into(),
                    state: "will_not_fix".into(),
                }],
            }],
            other_advisories: 3,
        };
        let text = explanation(&found);
        for part in [
            "not affected: fixed since 1",
            "npm a",
            "semver",
            "SEMVER range 0",
            "CVE-1; fixed in: -; will not be fixed (redhat)",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let mut undecided = found;
        undecided.advisories[0].rules[0].affected = None;
        let text = explanation(&undecided);
        assert!(text.contains("cannot say"), "{text}");
        let json = serde_json::to_value(&undecided).unwrap();
        assert_eq!(json["advisories"][0]["rules"][0].get("affected"), None, "{json}");
    }
}
