//! CycloneDX 1.6 with vulnerabilities: the packages with findings, and the findings as its `vulnerabilities`.
//!
//! It only covers the packages with findings: use it beside the SBOM, whose hash it contains, not instead of it. If the
//! findings are no whole answer, its `compositions` say `incomplete` and its properties say why.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::finding::{Finding, Package};
use crate::format::{Format, RenderError};
use crate::model::{Judged, Report, Scan};
use crate::text::clean;

pub(crate) fn render(report: &Report) -> Result<String, RenderError> {
    let mut components: BTreeMap<String, Value> = BTreeMap::new();
    let mut vulnerabilities = Vec::new();
    let mut properties = Vec::new();
    for (index, scan) in report.scans.iter().enumerate() {
        describe(scan, index, &mut properties);
        let Ok(judged) = &scan.outcome else {
            continue;
        };
        for finding in &judged.body.findings {
            let reference = reference(&finding.package);
            components
                .entry(reference.clone())
                .or_insert_with(|| component(&finding.package, &reference));
            vulnerabilities.push(vulnerability(finding, &reference, &scan.name));
        }
    }
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": [
                {"type": "application", "name": "Starling", "version": env!("CARGO_PKG_VERSION")}
            ]},
            "properties": properties,
        },
        "components": components.into_values().collect::<Vec<_>>(),
        "vulnerabilities": vulnerabilities,
    });
    if report.scans.iter().any(|scan| scan.gap().is_some()) {
        document["compositions"] = json!([{"aggregate": "incomplete"}]);
    }
    let mut text =
        serde_json::to_string_pretty(&document).map_err(|error| Format::CycloneDx.failed(error))?;
    text.push('\n');
    Ok(text)
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": format!("starling:{name}"), "value": clean(value)})
}

/// Returns the scanned documents and their results; several SBOMs are distinguished by number.
fn describe(scan: &Scan, index: usize, properties: &mut Vec<Value>) {
    let mut say = |name: &str, value: &str| properties.push(property(&format!("scan:{index}:{name}"), value));
    say("sbom", &scan.name);
    if let Some(gap) = scan.gap() {
        say("incomplete", &gap);
    }
    match &scan.outcome {
        Err(why) => say("refused", why),
        Ok(Judged { hash, body }) => {
            say("outcome", &body.outcome);
            say("verdict", hash);
            say("sbom_hash", &body.inventory.hash);
            say("knowledge_root", &body.knowledge_root);
            say("policy", &body.policy_hash);
            say("as_of", &body.as_of);
            say(
                "packages_judged",
                &format!("{} of {}", body.coverage.matched, body.coverage.total),
            );
            for reason in &body.reasons {
                say(&format!("reason:{}", clean(&reason.code)), &reason.text);
            }
            for remark in scan.remarks() {
                say("remark", &remark);
            }
        }
    }
}

/// Returns the reference of a package within the document. A purl alone is not enough for packages that differ in the
/// compared values.
fn reference(package: &Package) -> String {
    let Package {
        ecosystem,
        name,
        version,
        ..
    } = package;
    let identifier = package.identifier();
    clean(&format!("{ecosystem}/{name}@{version}#{identifier}")).into_owned()
}

fn component(package: &Package, reference: &str) -> Value {
    let mut component = Map::new();
    component.insert("type".into(), json!("library"));
    component.insert("bom-ref".into(), json!(reference));
    component.insert("name".into(), json!(clean(&package.name)));
    component.insert("version".into(), json!(clean(&package.version)));
    if !package.purl.is_empty() {
        component.insert("purl".into(), json!(clean(&package.purl)));
    }
    if let Some(cpe) = &package.cpe {
        component.insert("cpe".into(), json!(clean(cpe)));
    }
    Value::Object(component)
}

fn vulnerability(finding: &Finding, reference: &str, sbom: &str) -> Value {
    let mut out = Map::new();
    // The CycloneDX form of a VEX statement's status.
    let settled = match finding.settled_as() {
        Some("not_affected") => Some("not_affected"),
        Some("fixed") => Some("resolved"),
        _ => None,
    };
    out.insert("id".into(), json!(clean(&finding.vulnerability)));
    let source = finding
        .provenance
        .first()
        .map_or("starling", |first| first.source.as_str());
    out.insert("source".into(), json!({"name": clean(source)}));
    let references: Vec<Value> = finding
        .provenance
        .iter()
        .map(|from| json!({"id": clean(&from.record), "source": {"name": clean(&from.source)}}))
        .collect();
    if !references.is_empty() {
        out.insert("references".into(), json!(references));
    }
    out.insert("ratings".into(), json!([rating(finding)]));
    if !finding.summary.is_empty() {
        out.insert("description".into(), json!(clean(&finding.summary)));
    }
    out.insert("recommendation".into(), json!(clean(&finding.advice())));
    out.insert(
        "affects".into(),
        json!([{"ref": reference, "versions": [
            {"version": clean(&finding.package.version), "status": settled.map_or("affected", |_| "unaffected")}
        ]}]),
    );
    if let Some(state) = settled {
        let detail = finding.excuse().unwrap_or_default();
        out.insert(
            "analysis".into(),
            json!({"state": state, "detail": clean(&detail)}),
        );
    } else if finding.is_muted() {
        // Left alone by a decision; a mute does not say if the package is affected.
        let detail = finding.excuse().unwrap_or_default();
        out.insert(
            "analysis".into(),
            json!({"response": ["will_not_fix"], "detail": clean(&detail)}),
        );
    }
    let mut properties = vec![property("sbom", sbom), property("action", &finding.action)];
    properties.extend(finding.matched_by.iter().map(|how| property("matched_by", how)));
    properties.extend(finding.excuse().map(|excuse| property("decided_by", &excuse)));
    properties.extend(finding.is_exploited().then(|| property("exploited", "true")));
    properties.extend(finding.places.iter().map(|place| property("place", place)));
    out.insert("properties".into(), json!(properties));
    Value::Object(out)
}

fn rating(finding: &Finding) -> Value {
    let severity = &finding.severity;
    let mut rating = Map::new();
    let level = match severity.level.as_str() {
        known @ ("critical" | "high" | "medium" | "low" | "none") => known,
        _ => "unknown",
    };
    rating.insert("severity".into(), json!(level));
    if let Some(score) = severity
        .score
        .as_ref()
        .and_then(|score| score.parse::<f64>().ok())
    {
        rating.insert("score".into(), json!(score));
    }
    if let Some(stated) = &severity.stated {
        rating.insert("source".into(), json!({"name": clean(&stated.source)}));
        if severity.score.is_some() {
            rating.insert("vector".into(), json!(clean(&stated.value)));
            rating.insert("method".into(), json!(method(&stated.kind, &stated.value)));
        }
    }
    Value::Object(rating)
}

fn method(kind: &str, vector: &str) -> &'static str {
    match kind {
        "CVSS_V2" => "CVSSv2",
        "CVSS_V3" if vector.starts_with("CVSS:3.1") => "CVSSv31",
        "CVSS_V3" => "CVSSv3",
        "CVSS_V4" => "CVSSv4",
        _ => "other",
    }
}
