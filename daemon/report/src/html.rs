//! One HTML page without external resources: no font, picture or script from elsewhere, and a content policy that
//! refuses them. Its own short script sorts and filters; without it all content is still visible.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::finding::Finding;
use crate::model::{Body, Judged, NotJudged, Report, Scan};
use crate::text::{html as esc, published};
use crate::upgrade::{count_levels, severity_rank, upgrades};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");
/// SHA-256 of the script, in base64: the page's policy allows nothing else to run.
const SCRIPT_HASH: &str = "SYXg2uY9sLRcEgRPzoTMd8mWTmdJErpHGn5XHN5ktGo=";
/// Most upgrades listed at the top.
const UPGRADES_SHOWN: usize = 10;

pub(crate) fn render(report: &Report) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'sha256-{SCRIPT_HASH}'; form-action 'none'; base-uri 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Starling scan</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<h1>Starling scan</h1>\n"
    );
    if report.scans.len() > 1 {
        contents(&mut out, report);
    }
    for (index, scan) in report.scans.iter().enumerate() {
        section(&mut out, index, scan);
    }
    let _ = write!(out, "<script>{SCRIPT}</script>\n</body>\n</html>\n");
    out
}

/// Writes one line per SBOM, if there are several.
fn contents(out: &mut String, report: &Report) {
    out.push_str("<ul class=\"gaps\">\n");
    for (index, scan) in report.scans.iter().enumerate() {
        let (word, counts) = match &scan.outcome {
            Ok(judged) => (judged.body.outcome.as_str(), totals(&judged.body, "span")),
            Err(_) => ("refused", String::new()),
        };
        let _ = writeln!(
            out,
            "<li class=\"line\">{}<a href=\"#scan-{index}\">{}</a>{counts}</li>",
            outcome_tag(word),
            esc(&scan.name),
        );
    }
    out.push_str("</ul>\n");
}

fn section(out: &mut String, index: usize, scan: &Scan) {
    let _ = write!(
        out,
        "<section id=\"scan-{index}\">\n<h2>{}</h2>\n",
        esc(&scan.name)
    );
    match &scan.outcome {
        Err(why) => {
            let _ = writeln!(out, "<p>{} {}</p>", outcome_tag("refused"), esc(why));
        }
        Ok(judged) => verdict(out, judged, scan),
    }
    out.push_str("</section>\n");
}

fn verdict(out: &mut String, Judged { hash, body }: &Judged, scan: &Scan) {
    let number = body.findings.len();
    let _ = writeln!(
        out,
        "<p>{} {number} finding{}; {}; exit code {}</p>",
        outcome_tag(&body.outcome),
        if number == 1 { "" } else { "s" },
        body.coverage.line(),
        scan.exit_code,
    );
    if number > 0 {
        let _ = writeln!(out, "<ul class=\"totals\">{}</ul>", totals(body, "li"));
    }
    let reasons = body.reasons_shown().into_iter();
    let reasons = reasons.map(|reason| esc(&reason).to_string());
    let remarks = scan
        .remarks()
        .into_iter()
        .map(|remark| format!("Note: {}", esc(&remark)));
    let lines: Vec<String> = reasons.chain(remarks).collect();
    if !lines.is_empty() {
        out.push_str("<ul>\n");
        for line in lines {
            let _ = writeln!(out, "<li>{line}</li>");
        }
        out.push_str("</ul>\n");
    }
    what_to_do(out, body);
    if number > 0 {
        out.push_str("<h3>Findings</h3>\n");
        out.push_str(TOOLS);
        packages(out, body);
    }
    not_judged(out, body);
    foot(out, hash, body);
}

/// Writes the findings by severity, each in an element with this name.
fn totals(body: &Body, element: &str) -> String {
    let levels = body
        .findings
        .iter()
        .map(|finding| finding.severity.level.as_str());
    let tags = count_levels(levels).into_iter().map(|(level, number)| {
        let level_class = severity_class(&level);
        format!(
            "<{element} class=\"tag {level_class}\">{number} {}</{element}>",
            esc(&level)
        )
    });
    tags.collect()
}

fn what_to_do(out: &mut String, body: &Body) {
    let upgrades = body.upgrades();
    if upgrades.is_empty() {
        return;
    }
    out.push_str("<h3>What to do first</h3>\n<ol>\n");
    for upgrade in upgrades.iter().take(UPGRADES_SHOWN) {
        let _ = writeln!(out, "<li>{}</li>", esc(&upgrade.sentence()));
    }
    out.push_str("</ol>\n");
    if upgrades.len() > UPGRADES_SHOWN {
        let more = match upgrades.len() - UPGRADES_SHOWN {
            1 => "1 more package has".to_owned(),
            many => format!("{many} more packages have"),
        };
        let _ = writeln!(
            out,
            "<p class=\"dim\">{more} a version to go to: see each below.</p>"
        );
    }
}

/// Shown by the script, because they need it.
const TOOLS: &str = "\
<form class=\"tools\" hidden>
<label>Search <input type=\"search\"></label>
<label>Severity <select><option value=\"\">all<option>critical<option>high<option>medium<option>low<option>none<option>unknown</select></label>
<label>Action <select><option value=\"\">all<option>fail<option>warn<option>ignore</select></label>
<label>Sort by <select><option>severity<option>package<option>findings</select></label>
<output></output>
</form>
";

/// Writes the findings, by version of a package: worst first.
fn packages(out: &mut String, body: &Body) {
    let mut packages: BTreeMap<(u8, String), Vec<&Finding>> = BTreeMap::new();
    let mut worst: BTreeMap<String, u8> = BTreeMap::new();
    let findings = body.by_severity();
    for finding in &findings {
        // The first finding of a package is its worst.
        let line = finding.package_line();
        let rank = severity_rank(&finding.severity.level);
        let rank = *worst.entry(line.clone()).or_insert(rank);
        packages.entry((rank, line)).or_default().push(finding);
    }
    out.push_str("<div class=\"packages\">\n");
    for ((rank, name), findings) in &packages {
        let _ = write!(
            out,
            "<article class=\"package\" data-rank=\"{rank}\" data-name=\"{}\">\n<header><h4>{}</h4>\n<p class=\"fix\">{}</p></header>\n<ul class=\"findings\">\n",
            esc(name),
            esc(name),
            esc(&way_out(findings)),
        );
        for finding in findings {
            row(out, finding);
        }
        out.push_str("</ul>\n</article>\n");
    }
    out.push_str("</div>\n");
}

/// Returns the version that fixes the findings of one version of a package, in a sentence.
fn way_out(findings: &[&Finding]) -> String {
    let open = findings.iter().filter(|finding| !finding.is_settled());
    let Some(upgrade) = upgrades(open.map(|finding| finding.fixable())).pop() else {
        let settled = findings.iter().all(|finding| finding.is_settled());
        if settled {
            return "Nothing to do: each finding is settled.".to_owned();
        }
        let mut advice = findings
            .iter()
            .filter(|finding| !finding.is_settled())
            .map(|one| one.advice());
        let first = advice.next().filter(|first| advice.all(|other| other == *first));
        return first.unwrap_or_else(|| "No fixed version is known.".to_owned());
    };
    let mut text = format!(
        "Go to {}: ends {} of {}",
        upgrade.to,
        upgrade.total(),
        findings.len()
    );
    if upgrade.left > 0 {
        let _ = write!(text, "; {} without a known fix", upgrade.left);
    }
    text.push('.');
    text
}

fn row(out: &mut String, finding: &Finding) {
    let level = severity_class(&finding.severity.level);
    let action = class(&finding.action);
    let _ = writeln!(
        out,
        "<li data-level=\"{level}\" data-action=\"{action}\"><div class=\"line\"><span class=\"tag {level}\">{}</span>{}{}<span class=\"tag {action}\">{}</span></div>",
        esc(&finding.severity_line()),
        id(&finding.vulnerability),
        others(finding),
        esc(&finding.action),
    );
    if !finding.summary.is_empty() {
        let _ = writeln!(out, "<p>{}</p>", esc(&finding.summary));
    }
    let more = [Some(finding.advice()), finding.excuse(), finding.dispute()];
    let more: Vec<String> = more.into_iter().flatten().collect();
    let _ = writeln!(out, "<p class=\"dim\">{}</p>", esc(&more.join(" ")));
    if !finding.places.is_empty() {
        let _ = writeln!(out, "<p class=\"place\">{}</p>", esc(&finding.places.join(" ")));
    }
    out.push_str("</li>\n");
}

/// Returns the other ids of the vulnerability.
fn others(finding: &Finding) -> String {
    let others = finding.ids.iter().filter(|id| **id != finding.vulnerability);
    let links: Vec<String> = others.map(|other| id(other)).collect();
    if links.is_empty() {
        return String::new();
    }
    format!("<small>{}</small>", links.join(" "))
}

/// Returns an id, as a link to its publisher if its form is known.
fn id(text: &str) -> String {
    match published(text) {
        None => format!("<b>{}</b>", esc(text)),
        Some(place) => format!(
            "<a href=\"{}\" rel=\"noopener noreferrer\">{}</a>",
            esc(&place),
            esc(text)
        ),
    }
}

/// Writes the packages that were not checked, with reasons.
fn not_judged(out: &mut String, body: &Body) {
    let NotJudged { packages, others } = &body.not_judged;
    if packages.is_empty() && *others == 0 {
        return;
    }
    out.push_str("<h3>Not judged</h3>\n<ul class=\"gaps\">\n");
    for package in packages {
        let _ = writeln!(
            out,
            "<li><b>{}</b>: {} <span class=\"place\">{}</span></li>",
            esc(&package.package_line()),
            esc(&package.why()),
            esc(&package.place),
        );
    }
    out.push_str("</ul>\n");
    if *others > 0 {
        let _ = writeln!(out, "<p>… and {others} more.</p>");
    }
}

fn foot(out: &mut String, hash: &str, body: &Body) {
    let subject = body.inventory.subject.as_deref().unwrap_or_default();
    let _ = writeln!(
        out,
        "<p class=\"foot\">{} {} {} <code>{}</code><br>verdict <code>{}</code><br>knowledge <code>{}</code><br>policy <code>{}</code><br>judged at {}</p>",
        esc(subject),
        esc(&body.inventory.format),
        esc(&body.inventory.spec_version),
        esc(&body.inventory.hash),
        esc(hash),
        esc(&body.knowledge_root),
        esc(&body.policy_hash),
        esc(&body.as_of),
    );
}

fn outcome_tag(word: &str) -> String {
    format!(
        "<b class=\"tag {}\">{}</b>",
        class(word),
        esc(&word.to_uppercase())
    )
}

/// Only the program's own words become CSS classes.
fn class(word: &str) -> &'static str {
    match word {
        "fail" => "fail",
        "warn" => "warn",
        "pass" => "pass",
        "unknown" => "unknown",
        "refused" => "refused",
        _ => "ignore",
    }
}

fn severity_class(level: &str) -> &'static str {
    match level {
        "critical" => "critical",
        "high" => "high",
        "medium" => "medium",
        "low" => "low",
        "none" => "none",
        _ => "unknown",
    }
}
