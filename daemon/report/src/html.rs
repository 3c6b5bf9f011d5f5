//! One HTML page that needs nothing else: no script, no font, no picture from elsewhere, and a policy that
//! would refuse them.

use std::fmt::Write as _;

use crate::model::{Body, Judged, NotJudged, Report, Scan};
use crate::text::html as esc;

const HEAD: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Starling scan</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;color:#1c1c1c;background:#fff}
table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{border-bottom:1px solid #ddd;padding:.3rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
code{font-size:.85em;overflow-wrap:anywhere}
.fail,.refused{color:#a40000;font-weight:600}.warn,.unknown{color:#8a5a00;font-weight:600}.pass{color:#1c6b1c;font-weight:600}
.ignore{color:#666}
@media (prefers-color-scheme:dark){body{color:#ddd;background:#161616}th,td{border-color:#333}
.fail,.refused{color:#ff7b72}.warn,.unknown{color:#e3b341}.pass{color:#7ee787}.ignore{color:#999}}
</style>
</head>
<body>
<h1>Starling scan</h1>
"#;

pub(crate) fn render(report: &Report) -> String {
    let mut out = HEAD.to_owned();
    for scan in &report.scans {
        section(&mut out, scan);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn section(out: &mut String, scan: &Scan) {
    let _ = write!(out, "<section>\n<h2>{}</h2>\n", esc(&scan.name));
    match &scan.outcome {
        Err(why) => {
            let _ = writeln!(out, "<p><span class=\"refused\">REFUSED</span> {}</p>", esc(why));
        }
        Ok(judged) => verdict(out, judged, scan.exit_code),
    }
    out.push_str("</section>\n");
}

fn verdict(out: &mut String, Judged { hash, body }: &Judged, exit_code: u8) {
    let _ = writeln!(
        out,
        "<p><span class=\"{}\">{}</span>: {} findings, {}, exit code {exit_code}</p>",
        class(&body.outcome),
        esc(&body.outcome.to_uppercase()),
        body.findings.len(),
        body.coverage.line(),
    );
    if !body.reasons.is_empty() {
        out.push_str("<ul>\n");
        for reason in &body.reasons {
            let _ = writeln!(out, "<li>{}</li>", esc(&reason.text));
        }
        out.push_str("</ul>\n");
    }
    if !body.findings.is_empty() {
        out.push_str("<table>\n<thead><tr><th>Action<th>Severity<th>Vulnerability<th>Package<th>Fixed in<th>Why<th>Summary</tr></thead>\n<tbody>\n");
        for finding in &body.findings {
            let _ = writeln!(
                out,
                "<tr><td class=\"{}\">{}<td>{}<td>{}<br><small>{}</small><td>{}<br><small>{}</small><td>{}<td>{}<td>{}</tr>",
                class(&finding.action),
                esc(&finding.action),
                esc(&finding.severity_line()),
                esc(&finding.vulnerability),
                esc(&finding.ids.join(" ")),
                esc(&finding.package_line()),
                esc(&finding.places.join(" ")),
                esc(&finding.fixed.join(", ")),
                esc(&finding.excuse().unwrap_or_default()),
                esc(&[Some(finding.summary.clone()), finding.dispute()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join("; ")),
            );
        }
        out.push_str("</tbody>\n</table>\n");
    }
    not_judged(out, body);
    let subject = body.inventory.subject.as_deref().unwrap_or_default();
    let _ = writeln!(
        out,
        "<p><small>{} {} {} <code>{}</code><br>verdict <code>{}</code><br>knowledge <code>{}</code><br>policy <code>{}</code><br>judged at {}</small></p>",
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

/// What was not judged, and why.
fn not_judged(out: &mut String, body: &Body) {
    let NotJudged { packages, others } = &body.not_judged;
    if packages.is_empty() && *others == 0 {
        return;
    }
    out.push_str(
        "<h3>Not judged</h3>\n<table>\n<thead><tr><th>Package<th>Why<th>Place</tr></thead>\n<tbody>\n",
    );
    for package in packages {
        let _ = writeln!(
            out,
            "<tr><td>{}<td>{}<td>{}</tr>",
            esc(&package.package_line()),
            esc(&package.why()),
            esc(&package.place),
        );
    }
    out.push_str("</tbody>\n</table>\n");
    if *others > 0 {
        let _ = writeln!(out, "<p>… and {others} more.</p>");
    }
}

/// Only our own words become classes.
fn class(word: &str) -> &'static str {
    match word {
        "fail" => "fail",
        "warn" => "warn",
        "pass" => "pass",
        "unknown" => "unknown",
        _ => "ignore",
    }
}
