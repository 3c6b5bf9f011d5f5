//! The HTML page: foreign text, its own script, groups.

use super::*;

#[test]
fn html_has_no_foreign_markup_and_no_network_access() {
    let text = Format::Html.render(&report()).unwrap();
    // Only its own script is there.
    assert_eq!(text.matches("<script").count(), 1, "{text}");
    assert_eq!(text.matches("</script").count(), 1);
    assert!(text.contains("&lt;script&gt;"));
    for word in ["src=", "url(", "@import", "<link", "onload", "javascript:"] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(text.contains("default-src 'none'"));
    // Links lead to publishers of ids, or into the page.
    for link in text.split("href=\"").skip(1) {
        let target = link.split('"').next().unwrap();
        let published = [
            "https://nvd.nist.gov/vuln/detail/CVE-",
            "https://github.com/advisories/GHSA-",
            "https://osv.dev/vulnerability/",
            "#scan-",
        ];
        assert!(published.iter().any(|base| target.starts_with(base)), "{target}");
        assert!(!target.contains('&'), "{target}");
    }
}

#[test]
fn html_policy_allows_its_own_script() {
    use base64::Engine as _;
    use sha2::Digest as _;
    let text = Format::Html.render(&Report::default()).unwrap();
    let script = text
        .split("<script>")
        .nth(1)
        .unwrap()
        .split("</script>")
        .next()
        .unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(script));
    assert!(
        text.contains(&format!("script-src 'sha256-{hash}'")),
        "the script's hash is {hash}"
    );
    assert!(text.len() < 20_000, "{}", text.len());
}

#[test]
fn html_groups_findings_by_package_with_upgrade() {
    let mut body = body();
    let mut worse = body["findings"][0].clone();
    worse["vulnerability"] = json!("CVE-2024-2");
    worse["severity"] = json!({"level": "critical", "score": "9.8"});
    worse["fixed"] = json!(["1.10.0"]);
    body["findings"].as_array_mut().unwrap().push(worse);
    let report = Report {
        scans: vec![Scan::judged("a.json", "blake3:44", &body.to_string(), 1).unwrap()],
    };
    let text = Format::Html.render(&report).unwrap();
    assert_eq!(text.matches("<article").count(), 3, "one per package");
    for said in [
        "<li>upgrade npm good 1.0.0 to 1.10.0: ends 2 findings (1 critical, 1 high)</li>",
        "<li class=\"tag critical\">1 critical</li>",
        "Go to 1.10.0: ends 2 of 2.",
        "<a href=\"https://nvd.nist.gov/vuln/detail/CVE-2024-2\" rel=\"noopener noreferrer\">CVE-2024-2</a>",
        "<span class=\"tag critical\">critical 9.8</span>",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    let first = text.find("CVE-2024-2</a>").unwrap();
    assert!(first < text.find("CVE-2024-1</a>").unwrap(), "the worst first");
}
