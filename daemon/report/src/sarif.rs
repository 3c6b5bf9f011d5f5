//! SARIF 2.1.0: one run per SBOM, one rule per vulnerability, one result per finding.
//!
//! The types are those of the published schema (`serde-sarif`), so that no required field can be missing.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use serde_sarif::sarif::{
    ArtifactLocation, Invocation, Location, LogicalLocation, Message, MultiformatMessageString, Notification,
    PhysicalLocation, PropertyBag, Region, ReportingDescriptor, Result as SarifResult, ResultLevel, Run,
    RunAutomationDetails, Sarif, Suppression, Tool, ToolComponent,
};

use crate::finding::Finding;
use crate::format::{Format, RenderError};
use crate::model::{Body, Judged, Report, Scan};
use crate::text::{clean, markdown, published, sentence, uri_path};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

pub(crate) fn render(report: &Report) -> Result<String, RenderError> {
    let runs: Vec<Run> = report.scans.iter().map(run).collect();
    let log = Sarif::builder()
        .schema(SCHEMA)
        .version(json!("2.1.0"))
        .runs(runs)
        .build();
    let mut text = serde_json::to_string_pretty(&log).map_err(|error| Format::Sarif.failed(error))?;
    text.push('\n');
    Ok(text)
}

fn run(scan: &Scan) -> Run {
    let findings = match &scan.outcome {
        Ok(judged) => judged.body.findings.as_slice(),
        Err(_) => &[],
    };
    let mut rules: Vec<ReportingDescriptor> = Vec::new();
    let mut indices: BTreeMap<&str, i64> = BTreeMap::new();
    for finding in findings {
        if !indices.contains_key(finding.vulnerability.as_str()) {
            indices.insert(
                &finding.vulnerability,
                i64::try_from(rules.len()).unwrap_or(i64::MAX),
            );
            rules.push(rule(finding));
        }
    }
    let against_baseline = matches!(&scan.outcome, Ok(judged) if judged.body.baseline.is_some());
    let results: Vec<SarifResult> = findings
        .iter()
        .map(|finding| {
            let index = indices.get(finding.vulnerability.as_str()).copied().unwrap_or(-1);
            result(finding, index, &scan.name, against_baseline)
        })
        .collect();
    let driver = ToolComponent::builder()
        .name("Starling")
        .version(env!("CARGO_PKG_VERSION"))
        .semantic_version(env!("CARGO_PKG_VERSION"))
        .rules(rules)
        .build();
    Run::builder()
        .tool(Tool::builder().driver(driver).build())
        .automation_details(
            RunAutomationDetails::builder()
                .id(format!("starling/{}", uri_path(&scan.name)))
                .build(),
        )
        .invocations(vec![invocation(scan)])
        .results(results)
        .build()
}

fn rule(finding: &Finding) -> ReportingDescriptor {
    let mut more = BTreeMap::new();
    // Code scanning sorts by this: a score from 0.0 to 10.0, as text.
    if let Some(score) = security_severity(finding) {
        more.insert("security-severity".to_owned(), json!(score));
    }
    let ids: Vec<_> = finding.ids.iter().map(|id| clean(id)).collect();
    more.insert("aliases".to_owned(), json!(ids));
    more.insert(
        "tags".to_owned(),
        json!(["security", "vulnerability", clean(&finding.package.ecosystem)]),
    );
    let summary = if finding.summary.is_empty() {
        &finding.vulnerability
    } else {
        &finding.summary
    };
    let descriptor = ReportingDescriptor::builder()
        .id(clean(&finding.vulnerability))
        .name("VulnerablePackage")
        .short_description(text_of(summary))
        .full_description(text_of(&full_description(finding, summary)))
        .help(help(finding, summary))
        .properties(bag(more));
    match published(&finding.vulnerability) {
        Some(uri) => descriptor.help_uri(uri).build(),
        None => descriptor.build(),
    }
}

fn text_of(text: &str) -> MultiformatMessageString {
    MultiformatMessageString::builder().text(clean(text)).build()
}

fn full_description(finding: &Finding, summary: &str) -> String {
    let others: Vec<&str> = finding
        .ids
        .iter()
        .filter(|id| **id != finding.vulnerability)
        .map(String::as_str)
        .collect();
    if others.is_empty() {
        return summary.to_owned();
    }
    format!("{summary} Also known as {}.", others.join(", "))
}

/// Returns the text that code scanning shows beside a finding: the vulnerability, the package, and what to do.
fn help(finding: &Finding, summary: &str) -> MultiformatMessageString {
    let package = finding.package_line();
    let (severity, advice) = (finding.severity_line(), finding.advice());
    let text = format!(
        "{}: {summary}\nPackage: {package}\nSeverity: {severity}\n{advice}",
        finding.vulnerability
    );
    let said: Vec<String> = finding
        .provenance
        .iter()
        .map(|one| format!("{} {}", one.source, one.record))
        .collect();
    let mut rows = vec![
        ("Package", package),
        ("Severity", severity),
        ("What to do", advice),
        ("Also known as", finding.ids.join(", ")),
        ("Stated by", said.join(", ")),
    ];
    rows.retain(|(_, value)| !value.is_empty());
    let mut table = format!(
        "**{}**: {}\n\n| | |\n|---|---|\n",
        markdown(&finding.vulnerability),
        markdown(summary)
    );
    for (name, value) in rows {
        table.push_str(&format!("| {name} | {} |\n", markdown(&value)));
    }
    // Line ends are the only control characters that a help text may contain.
    let lines: Vec<_> = text.lines().map(clean).collect();
    MultiformatMessageString::builder()
        .text(lines.join("\n"))
        .markdown(table)
        .build()
}

/// Returns the score, or the lowest one of the level if there is none.
fn security_severity(finding: &Finding) -> Option<String> {
    if let Some(score) = &finding.severity.score {
        return Some(clean(score).into_owned());
    }
    let least = match finding.severity.level.as_str() {
        "critical" => "9.0",
        "high" => "7.0",
        "medium" => "4.0",
        "low" => "0.1",
        _ => return None,
    };
    Some(least.to_owned())
}

fn result(finding: &Finding, rule_index: i64, sbom: &str, against_baseline: bool) -> SarifResult {
    let text = format!(
        "{} in {} ({}). {} {}",
        finding.vulnerability,
        finding.package_line(),
        finding.severity_line(),
        sentence(&finding.summary),
        finding.advice()
    );
    let text = match finding.dispute() {
        Some(dispute) => format!("{text} {dispute}."),
        None => text,
    };
    let level = match finding.action.as_str() {
        "fail" => ResultLevel::Error,
        "warn" => ResultLevel::Warning,
        _ => ResultLevel::Note,
    };
    let mut logical = vec![
        LogicalLocation::builder()
            .name(clean(&finding.package.name))
            .fully_qualified_name(clean(finding.package.identifier()))
            .kind("package")
            .build(),
    ];
    logical.extend(finding.places.iter().map(|place| {
        LogicalLocation::builder()
            .fully_qualified_name(clean(place))
            .kind("element")
            .build()
    }));
    let artifact = ArtifactLocation::builder().uri(uri_path(sbom)).build();
    // An SBOM is about the whole project, but code scanning shows no alert without a line.
    let physical = PhysicalLocation::builder()
        .artifact_location(artifact)
        .region(Region::builder().start_line(1).build())
        .build();
    let location = Location::builder()
        .physical_location(physical)
        .logical_locations(logical)
        .build();
    let mut more = BTreeMap::new();
    more.insert("purl".to_owned(), json!(clean(&finding.package.purl)));
    if let Some(how) = &finding.matched_by {
        more.insert("matchedBy".to_owned(), json!(clean(how)));
    }
    if let Some(cpe) = &finding.package.cpe {
        more.insert("cpe".to_owned(), json!(clean(cpe)));
    }
    more.insert("action".to_owned(), json!(clean(&finding.action)));
    let fixed: Vec<_> = finding.fixed.iter().map(|version| clean(version)).collect();
    more.insert("fixed".to_owned(), json!(fixed));
    more.insert("fix".to_owned(), json!(clean(&finding.fix)));
    let suppressions: Vec<Suppression> = finding
        .excuse()
        .filter(|_| finding.action == "ignore")
        .map(|excuse| {
            Suppression::builder()
                .kind(json!("external"))
                .justification(clean(&excuse))
                .build()
        })
        .into_iter()
        .collect();
    let built = SarifResult::builder()
        .rule_id(clean(&finding.vulnerability))
        .rule_index(rule_index)
        .level(level)
        .message(message(&text))
        .locations(vec![location])
        .partial_fingerprints(fingerprints(finding))
        .suppressions(suppressions)
        .properties(bag(more));
    match (against_baseline, finding.known) {
        (false, _) => built.build(),
        (true, true) => built.baseline_state(json!("unchanged")).build(),
        (true, false) => built.baseline_state(json!("new")).build(),
    }
}

/// Our own value, in the only key by which code scanning distinguishes alerts.
fn fingerprints(finding: &Finding) -> BTreeMap<String, String> {
    let own = fingerprint(finding);
    let short: String = own.chars().take(32).collect();
    BTreeMap::from([
        ("primaryLocationLineHash".to_owned(), format!("{short}:1")),
        ("starlingFinding/v1".to_owned(), own),
    ])
}

/// Returns a value that is equal for one vulnerability in one version of a package, at any place.
fn fingerprint(finding: &Finding) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("starling finding fingerprint 1");
    let package = &finding.package;
    for part in [
        &finding.vulnerability,
        &package.ecosystem,
        &package.name,
        &package.version,
    ] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Returns the data that a scan without findings has too: its outcome and reasons.
fn invocation(scan: &Scan) -> Invocation {
    let (notes, more) = match &scan.outcome {
        Err(why) => (vec![failure(why)], BTreeMap::new()),
        Ok(Judged { hash, body }) => (
            body.reasons
                .iter()
                .map(|reason| notification(&reason.code, &reason.text))
                .chain(scan.remarks().iter().map(|remark| notification("remark", remark)))
                .chain(not_judged(body))
                .collect(),
            BTreeMap::from([
                ("outcome".to_owned(), json!(clean(&body.outcome))),
                ("verdict".to_owned(), json!(clean(hash))),
                ("knowledgeRoot".to_owned(), json!(clean(&body.knowledge_root))),
                ("policy".to_owned(), json!(clean(&body.policy_hash))),
                ("asOf".to_owned(), json!(clean(&body.as_of))),
                ("judged".to_owned(), json!(body.coverage.matched)),
                ("packages".to_owned(), json!(body.coverage.total)),
                ("notJudged".to_owned(), json!(body.coverage.gaps())),
            ]),
        ),
    };
    Invocation::builder()
        .execution_successful(matches!(scan.exit_code, 0 | 1))
        .exit_code(i64::from(scan.exit_code))
        .tool_execution_notifications(notes)
        .properties(bag(more))
        .build()
}

/// Returns a notification for each package that was not checked, and one for the rest.
fn not_judged(body: &Body) -> impl Iterator<Item = Notification> {
    let named = body.not_judged.packages.iter().map(|package| {
        let text = format!(
            "{} at {} was not judged: {}",
            package.package_line(),
            package.place,
            package.why()
        );
        notification("not_judged", &text)
    });
    let others = Some(body.not_judged.others).filter(|others| *others > 0);
    let rest = others.map(|others| {
        let packages = if others == 1 {
            "package was"
        } else {
            "packages were"
        };
        notification("not_judged", &format!("{others} more {packages} not judged"))
    });
    named.chain(rest)
}

/// Returns a message with literal text: in a SARIF message, `[text](address)` is a link (SARIF 2.1.0 §3.11.6), and
/// foreign text must not become one.
fn message(text: &str) -> Message {
    let mut plain = String::with_capacity(text.len());
    for c in clean(text).chars() {
        if matches!(c, '[' | ']' | '\\') {
            plain.push('\\');
        }
        plain.push(c);
    }
    Message::builder().text(plain).build()
}

/// Returns the notification of a scan that gave no verdict.
fn failure(why: &str) -> Notification {
    let mut failure = notification("refused", why);
    failure.level = Some(json!("error"));
    failure
}

fn notification(code: &str, text: &str) -> Notification {
    let descriptor = serde_sarif::sarif::ReportingDescriptorReference::builder()
        .id(clean(code))
        .build();
    Notification::builder()
        .descriptor(descriptor)
        .message(message(text))
        .build()
}

fn bag(values: BTreeMap<String, Value>) -> PropertyBag {
    PropertyBag::builder().additional_properties(values).build()
}
