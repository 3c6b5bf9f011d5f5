//! Verdicts: read leniently from their body, whose exact shape belongs to `starling-policy`.

use std::fmt::Write as _;

use serde::Deserialize;
use starling_api_types::{ExitStatus, VerdictEnvelope};

use super::table::Table;
use super::{count, cut, list, or_dash, plain, section};
use crate::commands::scan::{ScanOutcome, ScanReport, Scanned};

/// Widest summary of a finding.
const SUMMARY_WIDTH: usize = 60;
/// Widest reason of a decision.
const WHY_WIDTH: usize = 40;

/// The parts of a verdict's body that are shown; what is missing shows as empty.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    outcome: String,
    reasons: Vec<Reason>,
    coverage: Coverage,
    not_judged: NotJudged,
    findings: Vec<Finding>,
    knowledge_root: String,
    policy_version: Option<String>,
    rego: Option<Rego>,
    rules: Vec<Rule>,
    mutes: Vec<Mute>,
    vex: Vec<Vex>,
    as_of: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rego {
    version: String,
    matched: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rule {
    id: String,
    state: String,
    matched: u64,
    owner: Option<String>,
    expires: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Vex {
    format: String,
    author: Option<String>,
    statements: u64,
    unusable: u64,
    settled: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Cause {
    kind: String,
    id: String,
    reason: Option<String>,
    by: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mute {
    id: String,
    vulnerability: String,
    state: String,
    matched: u64,
    by: String,
    until: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Reason {
    text: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Coverage {
    matched: u64,
    total: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NotJudged {
    packages: Vec<NotJudgedPackage>,
    others: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NotJudgedPackage {
    name: String,
    version: Option<String>,
    purl: Option<String>,
    place: String,
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Opinion {
    source: String,
    says: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Finding {
    disputed: bool,
    unresolved: bool,
    statements: Vec<Opinion>,
    action: String,
    known: bool,
    decided_by: Option<Cause>,
    vulnerability: String,
    package: Package,
    severity: Severity,
    fix: String,
    fixed: Vec<String>,
    summary: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Package {
    ecosystem: String,
    name: String,
    version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Severity {
    level: String,
    score: Option<serde_json::Value>,
}

impl Severity {
    fn shown(&self) -> String {
        match &self.score {
            Some(serde_json::Value::String(score)) => format!("{} {score}", self.level),
            Some(score) => format!("{} {score}", self.level),
            None => self.level.clone(),
        }
    }
}

impl Finding {
    /// Who says that the version is not affected, if anyone whose word counts does, and whether its authors disagree.
    fn dispute(&self) -> Option<String> {
        let denying = self.statements.iter().filter(|one| one.says == "not_affected");
        let mut sources: Vec<&str> = denying.map(|one| one.source.as_str()).collect();
        sources.dedup();
        let disputed = self
            .disputed
            .then(|| format!("disputed by {}", sources.join(", ")));
        let unresolved = self.unresolved.then(|| "unresolved".to_owned());
        let both: Vec<String> = disputed.into_iter().chain(unresolved).collect();
        (!both.is_empty()).then(|| both.join("; "))
    }

    /// Why policy does what it does, where that is not its severity alone.
    fn why(&self) -> String {
        let cause = match &self.decided_by {
            Some(cause) if cause.kind == "rule" => format!("rule {}", cause.id),
            Some(cause) if cause.kind == "rego" => format!("rego {}", cause.id),
            Some(cause) if cause.kind == "mute" => {
                let reason = cause.reason.clone().unwrap_or_default();
                format!("muted by {}: {reason}", cause.by.as_deref().unwrap_or("?"))
            }
            Some(cause) if cause.kind == "vex" => cause.reason.clone().unwrap_or_else(|| "vex".to_owned()),
            Some(cause) if cause.kind == "condition" => cause.id.clone(),
            _ => String::new(),
        };
        let cause = match (self.dispute(), cause.is_empty()) {
            (Some(dispute), true) => dispute,
            (Some(dispute), false) => format!("{cause}; {dispute}"),
            (None, _) => cause,
        };
        match (self.known, cause.is_empty()) {
            (true, true) => "known".to_owned(),
            (true, false) => format!("known; {cause}"),
            (false, _) => cause,
        }
    }
}

/// Rules to look at: those that decide nothing, or no longer will.
fn rules(body: &Body) -> Table {
    let mut table = Table::new(["RULE", "STATE", "DECIDED", "EXPIRES", "OWNER"]);
    for rule in body
        .rules
        .iter()
        .filter(|rule| rule.matched == 0 || rule.state != "active")
    {
        table.row([
            rule.id.clone(),
            rule.state.clone(),
            count(rule.matched),
            or_dash(rule.expires.as_ref()),
            or_dash(rule.owner.as_ref()),
        ]);
    }
    table
}

/// Mutes to look at: those that mute nothing here, or no longer will.
fn mutes(body: &Body) -> Table {
    let mut table = Table::new(["MUTE", "VULNERABILITY", "STATE", "MUTES", "UNTIL", "BY"]);
    for mute in body
        .mutes
        .iter()
        .filter(|mute| mute.matched == 0 || mute.state != "active")
    {
        table.row([
            mute.id.clone(),
            mute.vulnerability.clone(),
            mute.state.clone(),
            count(mute.matched),
            or_dash(mute.until.as_ref()),
            mute.by.clone(),
        ]);
    }
    table
}

/// The packages that were not judged, each with the reason.
fn not_judged(body: &Body) -> Table {
    let mut table = Table::new(["PACKAGE", "VERSION", "WHY", "PLACE"]);
    for package in &body.not_judged.packages {
        table.row([
            package.purl.clone().unwrap_or_else(|| package.name.clone()),
            or_dash(package.version.as_ref()),
            package.reason.replace('_', " "),
            package.place.clone(),
        ]);
    }
    if body.not_judged.others > 0 {
        let more = format!("and {} more", count(body.not_judged.others));
        table.row([more, String::new(), String::new(), String::new()]);
    }
    table
}

fn vex(body: &Body) -> Table {
    let mut table = Table::new(["VEX", "AUTHOR", "STATEMENTS", "NOT USABLE", "SETTLED"]);
    for document in &body.vex {
        table.row([
            document.format.clone(),
            or_dash(document.author.as_ref()),
            count(document.statements),
            count(document.unusable),
            count(document.settled),
        ]);
    }
    table
}

/// `starling scan`
pub(crate) fn verdict(envelope: &VerdictEnvelope) -> String {
    // A body of another shape still has its hash and exit code shown.
    let body: Body = serde_json::from_str(envelope.verdict.as_str()).unwrap_or_default();
    let mut findings = Table::new([
        "ACTION",
        "SEVERITY",
        "VULNERABILITY",
        "PACKAGE",
        "VERSION",
        "FIXED IN",
        "WHY",
        "SUMMARY",
    ]);
    for finding in &body.findings {
        findings.row([
            finding.action.clone(),
            finding.severity.shown(),
            finding.vulnerability.clone(),
            format!("{} {}", finding.package.ecosystem, finding.package.name),
            finding.package.version.clone(),
            match finding.fix.as_str() {
                "wont_fix" => "won't fix".to_owned(),
                _ => list(&finding.fixed),
            },
            cut(&finding.why(), WHY_WIDTH),
            cut(&finding.summary, SUMMARY_WIDTH),
        ]);
    }
    let exit = ExitStatus::from_code(envelope.exit_code);
    let mut text = format!(
        "{}: {} finding(s), {} of {} packages judged, {} not judged, exit code {}\n",
        plain(&body.outcome).to_uppercase(),
        count(body.findings.len() as u64),
        count(body.coverage.matched),
        count(body.coverage.total),
        count(body.coverage.total.saturating_sub(body.coverage.matched)),
        or_dash(exit),
    );
    for reason in &body.reasons {
        let _ = writeln!(text, "  because {}", plain(&reason.text));
    }
    section(&mut text, "Findings", &findings);
    section(&mut text, "Not judged", &not_judged(&body));
    section(&mut text, "Rules to look at", &rules(&body));
    section(&mut text, "Mutes to look at", &mutes(&body));
    section(&mut text, "Suppliers' statements", &vex(&body));
    let _ = write!(
        text,
        "\nverdict    {}\nknowledge  {}\njudged at  {} by {}\n",
        envelope.verdict_hash,
        plain(&body.knowledge_root),
        plain(&body.as_of),
        envelope.site_id
    );
    if let Some(version) = &body.policy_version {
        let _ = writeln!(text, "policy     {}", plain(version));
    }
    if let Some(rego) = &body.rego {
        let _ = writeln!(
            text,
            "rego       {}, which decided {} of the findings",
            plain(&rego.version),
            rego.matched
        );
    }
    text
}

/// `starling scan` of several SBOMs
pub(crate) fn scan_report(report: &ScanReport) -> String {
    let mut text = String::new();
    for Scanned { sbom, outcome } in &report.scans {
        let _ = writeln!(text, "== {}", plain(sbom));
        match outcome {
            ScanOutcome::Result(envelope) => text.push_str(&verdict(envelope)),
            ScanOutcome::Problem(problem) => {
                let _ = writeln!(text, "REFUSED: {}", plain(&problem.to_string()));
            }
        }
        text.push('\n');
    }
    let exit = ExitStatus::from_code(report.exit_code);
    let _ = writeln!(
        text,
        "{} SBOMs, exit code {}",
        count(report.scans.len() as u64),
        or_dash(exit)
    );
    text
}

#[cfg(test)]
mod tests {
    use starling_api_types::{RawJson, SiteId, SiteSlug, Timestamp, VerdictHash};

    use super::*;

    fn envelope(body: &str, exit_code: u8) -> VerdictEnvelope {
        VerdictEnvelope {
            verdict: RawJson::new(body.to_owned()).unwrap(),
            verdict_hash: VerdictHash::from_bytes([1; 32]),
            site: SiteId::from_bytes([2; 32]),
            site_id: SiteSlug::new("site-a").unwrap(),
            time: Timestamp::from_unix_millis(0).unwrap(),
            known_since: None,
            exit_code,
            signature: None,
        }
    }

    #[test]
    fn findings_are_shown_without_their_escape_sequences() {
        let body = r#"{"outcome":"fail","reasons":[{"code":"findings_fail","text":"1 finding is high or worse"}],
            "coverage":{"matched":3,"total":4},"knowledge_root":"blake3:00","as_of":"2025-01-15T10:30:00.000Z",
            "findings":[{"action":"fail","vulnerability":"CVE-2021-44228","severity":{"level":"critical","score":10.0},
            "package":{"ecosystem":"Maven","name":"org.apache.logging.log4j:log4j-core","version":"2.14.1"},
            "fixed":["2.15.0"],"summary":"Log4Shell \u001b[2J"}]}"#;
        let text = verdict(&envelope(body, 1));
        assert!(
            text.starts_with(
                "FAIL: 1 finding(s), 3 of 4 packages judged, 1 not judged, exit code 1 (fail by policy)\n"
            ),
            "{text}"
        );
        assert!(text.contains("because 1 finding is high or worse"), "{text}");
        assert!(
            text.contains("critical 10.0  CVE-2021-44228  Maven org.apache.logging.log4j:log4j-core"),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn rules_and_statements_that_decided_are_shown() {
        let body = r#"{"outcome":"pass","policy_version":"blake3:77","findings":[
            {"action":"ignore","vulnerability":"A","decided_by":{"kind":"rule","id":"R1"}},
            {"action":"ignore","vulnerability":"B","decided_by":{"kind":"vex","id":"blake3:0","reason":"fixed"}},
            {"action":"ignore","vulnerability":"D","decided_by":{"kind":"mute","id":"0a-1","reason":"unreachable","by":"ada"}},
            {"action":"warn","vulnerability":"C","known":true,"decided_by":{"kind":"severity","id":"high"}}],
            "mutes":[{"id":"0a-1","state":"active","matched":1},{"id":"0b-2","vulnerability":"E","state":"expired","matched":3,"by":"ben"}],
            "rules":[{"id":"R1","state":"active","matched":1},{"id":"R2","state":"expired","matched":0,"owner":"team\u001b[2J"}],
            "vex":[{"format":"CSAF","statements":1200,"settled":1}]}"#;
        let text = verdict(&envelope(body, 0));
        for shown in [
            "rule R1",
            "fixed",
            "known",
            "R2    expired",
            "muted by ada: unreachable",
            "0b-2  E              expired",
            "CSAF",
            "1,200",
            "policy     blake3:77",
        ] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        assert!(
            !text.contains('\u{1b}') && !text.contains("R1    active") && !text.contains("0a-1"),
            "{text}"
        );
    }

    #[test]
    fn what_was_not_judged_is_named_and_so_is_a_dispute() {
        let body = r#"{"outcome":"unknown","coverage":{"matched":1,"total":1203},"not_judged":{"others":1201,"packages":[
            {"name":"x","version":"1","place":"/components/0","reason":"no_distro"}]},
            "findings":[{"action":"warn","disputed":true,"unresolved":true,"statements":[{"source":"ghsa","says":"affected"},
            {"source":"acme","says":"not_affected"}]}]}"#;
        let text = verdict(&envelope(body, 5));
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.contains("1 of 1,203 packages judged, 1,202 not judged"),
            "{first}"
        );
        for shown in [
            "no distro",
            "/components/0",
            "and 1,201 more",
            "disputed by acme; unresolved",
        ] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
    }

    #[test]
    fn a_body_of_another_shape_still_shows_hash_and_exit_code() {
        let text = verdict(&envelope("[]", 4));
        assert!(
            text.contains("exit code 4 (knowledge missing or stale)"),
            "{text}"
        );
        assert!(text.contains("blake3:0101"), "{text}");
    }
}
