//! Renders verdicts. Reads the body leniently: `starling-policy` defines its exact form.

mod body;

use std::fmt::Write as _;

use starling_api_types::{ExitStatus, VerdictEnvelope};
use starling_report::upgrade::{Upgrade, by_level, count_levels, upgrades};

use self::body::{Body, Finding};
use super::table::Table;
use super::{Lines, count, list, or_dash, plain, section};
use crate::commands::scan::{ScanOutcome, ScanReport, Scanned};
use crate::terminal::{self, Tone};

/// Most upgrades listed at the top.
const UPGRADES_SHOWN: usize = 5;

/// Returns the rules to check: those that decide nothing, or soon will not.
fn rules(body: &Body) -> Table {
    let mut table = Table::new(["RULE", "STATE", "DECIDED", "EXPIRES", "OWNER"]).numbers(&["DECIDED"]);
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

/// Returns the mutes to check: those that mute nothing here, or soon will not.
fn mutes(body: &Body) -> Table {
    let mut table =
        Table::new(["MUTE", "VULNERABILITY", "STATE", "MUTES", "UNTIL", "BY"]).numbers(&["MUTES"]);
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

/// Returns the packages that were not checked, each with the reason.
fn not_judged(body: &Body) -> Table {
    let mut table = Table::new(["PACKAGE", "VERSION", "WHY", "PLACE"])
        .shrinks("PACKAGE", 24)
        .leaves_out(&["PLACE"]);
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
    let mut table = Table::new(["VEX", "AUTHOR", "STATEMENTS", "NOT USABLE", "SETTLED"]).numbers(&[
        "STATEMENTS",
        "NOT USABLE",
        "SETTLED",
    ]);
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

/// Returns the findings, worst first. With `aliases`, also the other ids of each vulnerability.
fn findings(body: &Body, aliases: bool) -> Table {
    let mut table = Table::new([
        "SEVERITY",
        "VULNERABILITY",
        "PACKAGE",
        "VERSION",
        "FIX",
        "ACTION",
        "WHY",
        "ALIASES",
        "SUMMARY",
    ])
    .shrinks("PACKAGE", 20)
    .shrinks("FIX", 9)
    .shrinks("VERSION", 9)
    .shrinks("WHY", 24)
    .shrinks("ALIASES", 19)
    .shrinks("SUMMARY", 24)
    .leaves_out(&["SUMMARY", "WHY"]);
    if !aliases {
        table = table.without("ALIASES");
    }
    for finding in &body.findings {
        let others: Vec<&String> = finding
            .ids
            .iter()
            .filter(|id| **id != finding.vulnerability)
            .collect();
        table.row([
            finding.severity.shown(),
            finding.vulnerability.clone(),
            format!("{} {}", finding.package.ecosystem, finding.package.name),
            finding.package.version.clone(),
            finding.way_out(),
            finding.action.clone(),
            finding.why(),
            list(&others),
            one_line(&finding.summary),
        ]);
        table.tone("SEVERITY", Tone::of_severity(&finding.severity.level));
        table.tone("ACTION", tone_of(&finding.action));
    }
    table
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn tone_of(outcome: &str) -> Option<Tone> {
    match outcome {
        "fail" => Some(Tone::Worst),
        "warn" | "unknown" => Some(Tone::Warn),
        "pass" => Some(Tone::Good),
        "ignore" => Some(Tone::Dim),
        _ => None,
    }
}

/// Returns outcome, totals and coverage in one sentence, with the reasons below.
fn head(body: &Body, exit_code: u8) -> String {
    let number = body.findings.len() as u64;
    let plural = if number == 1 { "" } else { "s" };
    let levels = count_levels(
        body.findings
            .iter()
            .map(|finding| finding.severity.level.as_str()),
    );
    let levels = if levels.is_empty() {
        String::new()
    } else {
        format!(" ({})", by_level(&levels))
    };
    let sentence = format!(
        "{} finding{plural}{levels}, {} of {} packages judged, {} not judged, exit code {}",
        count(number),
        count(body.coverage.matched),
        count(body.coverage.total),
        count(body.coverage.total.saturating_sub(body.coverage.matched)),
        or_dash(ExitStatus::from_code(exit_code)),
    );
    let outcome = plain(&body.outcome).to_uppercase();
    let outcome = match tone_of(&body.outcome) {
        Some(tone) => tone.paint(&outcome),
        None => outcome,
    };
    let mut text = terminal::wrapped(&format!("{outcome}: "), 2, &plain(&sentence));
    for reason in &body.reasons {
        text.push_str(&terminal::wrapped("  because ", 4, &plain(&reason.text)));
    }
    text
}

/// Adds what to do first: the upgrades that remove the worst findings.
fn what_to_do(text: &mut String, body: &Body) {
    let open = body.findings.iter().filter(|finding| !finding.is_settled());
    let upgrades: Vec<Upgrade> = upgrades(open.map(Finding::fixable));
    if upgrades.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{}", Tone::Heading.paint("What to do first"));
    for upgrade in upgrades.iter().take(UPGRADES_SHOWN) {
        text.push_str(&terminal::wrapped("  ", 4, &plain(&upgrade.sentence())));
    }
    if let Some(more) = upgrades
        .len()
        .checked_sub(UPGRADES_SHOWN)
        .filter(|more| *more > 0)
    {
        let _ = writeln!(text, "  … and {more} more packages with a version to go to");
    }
}

/// Renders `starling scan`.
pub(crate) fn verdict(envelope: &VerdictEnvelope, aliases: bool) -> String {
    // A body of another form still shows its hash and exit code.
    let mut body: Body = serde_json::from_str(envelope.verdict.as_str()).unwrap_or_default();
    body.sort();
    let mut text = head(&body, envelope.exit_code);
    what_to_do(&mut text, &body);
    section(&mut text, "Findings", &findings(&body, aliases));
    section(&mut text, "Not judged", &not_judged(&body));
    section(&mut text, "Rules to look at", &rules(&body));
    section(&mut text, "Mutes to look at", &mutes(&body));
    section(&mut text, "Suppliers' statements", &vex(&body));
    let mut lines = Lines::default()
        .add("verdict", envelope.verdict_hash)
        .add("knowledge", &body.knowledge_root)
        .add("judged at", format!("{} by {}", body.as_of, envelope.site_id));
    if let Some(version) = &body.policy_version {
        lines = lines.add("policy", version);
    }
    if let Some(rego) = &body.rego {
        let decided = format!("{}, which decided {} of the findings", rego.version, rego.matched);
        lines = lines.add("rego", decided);
    }
    let _ = write!(text, "\n{}", lines.cut_to_fit());
    text
}

/// Renders `starling scan` of several SBOMs.
pub(crate) fn scan_report(report: &ScanReport, aliases: bool) -> String {
    let mut text = String::new();
    for Scanned { sbom, outcome } in &report.scans {
        let _ = writeln!(text, "{}", Tone::Heading.paint(&format!("== {}", plain(sbom))));
        match outcome {
            ScanOutcome::Result(envelope) => text.push_str(&verdict(envelope, aliases)),
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
        let text = verdict(&envelope(body, 1), false);
        assert!(
            text.starts_with(
                "FAIL: 1 finding (1 critical), 3 of 4 packages judged, 1 not judged, exit code 1 (fail by policy)\n"
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
    fn deciding_rules_and_statements_are_shown() {
        let body = r#"{"outcome":"pass","policy_version":"blake3:77","findings":[
            {"action":"ignore","vulnerability":"A","decided_by":{"kind":"rule","id":"R1"}},
            {"action":"ignore","vulnerability":"B","decided_by":{"kind":"vex","id":"blake3:0","reason":"fixed"}},
            {"action":"ignore","vulnerability":"D","decided_by":{"kind":"mute","id":"0a-1","reason":"unreachable","by":"ada"}},
            {"action":"warn","vulnerability":"C","known":true,"decided_by":{"kind":"severity","id":"high"}}],
            "mutes":[{"id":"0a-1","state":"active","matched":1},{"id":"0b-2","vulnerability":"E","state":"expired","matched":3,"by":"ben"}],
            "rules":[{"id":"R1","state":"active","matched":1},{"id":"R2","state":"expired","matched":0,"owner":"team\u001b[2J"}],
            "vex":[{"format":"CSAF","statements":1200,"settled":1}]}"#;
        let text = verdict(&envelope(body, 0), false);
        for shown in [
            "rule R1",
            "fixed",
            "known",
            "R2    expired",
            "muted by ada: unreachable",
            "the supplier says fixed",
            "known from the baseline",
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
    fn unchecked_packages_and_disputes_are_shown() {
        let body = r#"{"outcome":"unknown","coverage":{"matched":1,"total":1203},"not_judged":{"others":1201,"packages":[
            {"name":"x","version":"1","place":"/components/0","reason":"no_distro"}]},
            "findings":[{"action":"warn","disputed":true,"unresolved":true,"statements":[{"source":"ghsa","says":"affected"},
            {"source":"acme","says":"not_affected"}]}]}"#;
        let text = verdict(&envelope(body, 5), false);
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
    fn worst_findings_come_first_with_upgrade_and_reason() {
        let finding = |level: &str, id: &str, name: &str, fixed: &str| {
            format!(
                r#"{{"action":"fail","vulnerability":"{id}","ids":["{id}","GHSA-{id}"],"severity":{{"level":"{level}"}},
                "decided_by":{{"kind":"severity","id":"low"}},"fixed":[{fixed}],
                "package":{{"ecosystem":"npm","name":"{name}","version":"1.2.0"}}}}"#
            )
        };
        let found = [
            finding("low", "C", "lemur", r#""1.9.2""#),
            finding("critical", "B", "zebra", ""),
            finding("high", "A", "lemur", r#""1.4.0""#),
        ];
        let body = format!(r#"{{"outcome":"fail","findings":[{}]}}"#, found.join(","));
        let text = verdict(&envelope(&body, 1), false);
        let at = |word: &str| text.find(word).unwrap_or_else(|| panic!("{word}: {text}"));
        assert!(
            at("\ncritical") < at("\nhigh") && at("\nhigh") < at("\nlow"),
            "{text}"
        );
        assert!(
            text.starts_with("FAIL: 3 findings (1 critical, 1 high, 1 low), "),
            "{text}"
        );
        assert!(
            text.contains("  upgrade npm lemur 1.2.0 to 1.9.2: ends 2 findings (1 high, 1 low)\n"),
            "{text}"
        );
        assert!(
            text.contains("none known") && text.contains("low or worse fails"),
            "{text}"
        );
        assert!(!text.contains("GHSA-A") && verdict(&envelope(&body, 1), true).contains("GHSA-A"));
    }

    #[test]
    fn unknown_body_still_shows_hash_and_exit_code() {
        let text = verdict(&envelope("[]", 4), false);
        assert!(
            text.contains("exit code 4 (knowledge missing or stale)"),
            "{text}"
        );
        assert!(text.contains("blake3:0101"), "{text}");
    }
}
