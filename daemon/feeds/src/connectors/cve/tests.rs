use super::super::tests::{ignored, json_records, ranges, rejected, warnings};

const RECORD: &str = r#"{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{"cveId":"CVE-2030-0001","assignerShortName":"acme","state":"PUBLISHED",
 "datePublished":"2030-01-01T00:00:00.000Z","dateUpdated":"2030-02-01T00:00:00.000Z"},
 "containers":{"cna":{"title":"Rocket flaw","descriptions":[{"lang":"de","value":"Ein Fehler."},{"lang":"en-US","value":"A flaw."}],
  "metrics":[{"format":"CVSS","cvssV3_1":{"vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},{"other":{"type":"x"}}],
  "problemTypes":[{"descriptions":[{"type":"CWE","cweId":"CWE-79","lang":"en","description":"x"}]}],
  "affected":[
   {"vendor":"Acme","product":"Rocket","collectionURL":"https://www.npmjs.com","packageName":"@acme/rocket","defaultStatus":"unaffected",
    "versions":[{"status":"affected","version":"1.0.0","lessThan":"1.2.3","versionType":"semver"},
     {"status":"affected","version":"0","lessThanOrEqual":"0.9","versionType":"semver","changes":[{"at":"0.5","status":"unaffected"}]},
     {"status":"affected","version":"2.0.0"},{"status":"affected","version":"before 3"},{"status":"unaffected","version":"4.0.0"}]},
   {"vendor":"Acme","product":"Sled","packageURL":"pkg:maven/org.acme/sled@1","defaultStatus":"affected",
    "versions":[{"status":"unaffected","version":"5.1","lessThan":"*","versionType":"maven"}]},
   {"vendor":"Linux","product":"Linux","repo":"https://git.example.org/linux.git","defaultStatus":"unaffected",
    "versions":[{"status":"affected","version":"1da177e4c3f4","lessThan":"2da177e4c3f4","versionType":"git"},
     {"status":"affected","version":"log4j-core*","lessThan":"x","versionType":"git"}]},
   {"vendor":"Acme","product":"Box","versions":[{"status":"affected","version":"n/a"}]}],
  "references":[{"url":"https://example.org/p","tags":["patch"]}]},
 "adp":[{"title":"Enrichment","providerMetadata":{"orgId":"o"},"affected":[{"vendor":"acme","product":"rocket"}],
   "metrics":[{"cvssV4_0":{"vectorString":"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N"}},{"other":{"type":"ssvc"}}],
   "references":[{"url":"https://example.org/x","tags":["exploit"]}]}]}}"#;

#[test]
fn record_keeps_its_containers_separate() {
    let record = &json_records("cve", RECORD.as_bytes())[0];
    assert_eq!(record["id"], "CVE-2030-0001");
    assert_eq!(
        (&record["summary"], &record["details"]),
        (&"Rocket flaw".into(), &"A flaw.".into())
    );
    assert_eq!(record["modified"], "2030-02-01T00:00:00.000Z");
    assert_eq!(record["severity"][0]["type"], "CVSS_V3");
    assert_eq!(record["severity"][1]["type"], "CVSS_V4");
    assert_eq!(record["references"][0]["type"], "FIX");
    assert_eq!(record["references"][1]["type"], "EVIDENCE");
    let native = &record["database_specific"]["native"];
    assert_eq!(native["adp"][0]["affected"][0]["product"], "rocket");
    assert_eq!(native["cna"]["descriptions"][0]["value"], "Ein Fehler.");
    assert_eq!(native["cna"]["affected"].as_array().unwrap().len(), 4);
    assert_eq!(
        record["database_specific"]["cwe_ids"],
        serde_json::json!(["CWE-79"])
    );
}

#[test]
fn packages_and_commits_become_ranges_and_words_are_reported() {
    let record = &json_records("cve", RECORD.as_bytes())[0];
    assert_eq!(
        ranges(record),
        [
            "npm @acme/rocket introduced=1.0.0 fixed=1.2.3",
            "npm @acme/rocket introduced=0 fixed=0.5 last_affected=0.9",
            "npm @acme/rocket",
            "npm @acme/rocket ==2.0.0",
            "Maven org.acme:sled introduced=0 fixed=5.1",
            "  introduced=1da177e4c3f4 fixed=2da177e4c3f4",
            " ",
        ],
        "what is not understood is a range without events"
    );
    assert_eq!(record["affected"][2]["ranges"][0]["type"], "GIT");
    assert_eq!(
        warnings("cve", RECORD.as_bytes()),
        [
            "@acme/rocket: versions in words: \"before 3\"",
            "not commits: \"log4j-core*\" to \"x\""
        ]
    );
}

/// Returns a record about one product with these members.
pub(super) fn about(product: &str) -> String {
    format!(
        r#"{{"dataType":"CVE_RECORD","cveMetadata":{{"cveId":"CVE-2030-0001","state":"PUBLISHED","dateUpdated":"2030-01-01T00:00:00Z"}},
        "containers":{{"cna":{{"affected":[{{{product}}}]}}}}}}"#
    )
}

#[test]
fn unknown_version_never_makes_a_package_clean() {
    for (default, versions, expected) in [
        (
            "unaffected",
            r#"{"status":"affected","version":"n/a"}"#,
            &["npm p"][..],
        ),
        (
            "unaffected",
            r#"{"status":"affected","version":"before 3"}"#,
            &["npm p"],
        ),
        (
            "unaffected",
            r#"{"status":"affected","version":"1.*"}"#,
            &["npm p"],
        ),
        (
            "unaffected",
            r#"{"status":"affected","version":"1","lessThanOrEqual":"1.*"}"#,
            &["npm p"],
        ),
        ("unaffected", r#"{"status":"unknown","version":"1"}"#, &["npm p"]),
        ("unaffected", r#"{"version":"1"}"#, &["npm p"]),
        (
            "unaffected",
            r#"{"status":"affected","version":"*"}"#,
            &["npm p introduced=0"],
        ),
        (
            "unaffected",
            r#"{"status":"affected","version":"0"}"#,
            &["npm p introduced=0"],
        ),
        (
            "unaffected",
            r#"{"status":"affected","version":"1","lessThan":"3","changes":[{"at":"2","status":"unknown"}]}"#,
            &["npm p introduced=1 fixed=3", "npm p"],
        ),
        (
            "unaffected",
            r#"{"status":"affected","version":"1","lessThan":"*","changes":[{"at":"2","status":"unaffected"},{"at":"3","status":"affected"}]}"#,
            &["npm p introduced=1 fixed=2 introduced=3"],
        ),
        (
            "unaffected",
            r#"{"status":"affected","version":"1","lessThan":"3","changes":[{"at":"3","status":"unaffected"}]}"#,
            &["npm p introduced=1 fixed=3"],
        ),
        (
            "unknown",
            r#"{"status":"affected","version":"1","lessThan":"3"}"#,
            &["npm p introduced=1 fixed=3", "npm p"],
        ),
        ("unknown", "", &["npm p"]),
        (
            "unaffected",
            r#"{"status":"affected","version":"1da177e4c3f4","versionType":"git"}"#,
            &["npm p"],
        ),
    ] {
        let text = about(&format!(
            r#""packageURL":"pkg:npm/p","defaultStatus":"{default}","versions":[{versions}]"#
        ));
        assert_eq!(
            ranges(&json_records("cve", text.as_bytes())[0]),
            expected,
            "{versions}"
        );
        let is_whole = expected.iter().all(|line| line.contains("introduced"));
        assert_eq!(
            warnings("cve", text.as_bytes()).is_empty(),
            is_whole,
            "{versions}"
        );
    }
}

#[test]
fn comparisons_are_ranges_and_patterns_are_undecided() {
    for (versions, expected) in [
        (
            r#"{"status":"affected","version":">= 1.0, < 1.2.3"},{"status":"affected","version":"<=0.9"}"#,
            &[
                "npm p introduced=1.0 fixed=1.2.3",
                "npm p introduced=0 last_affected=0.9",
            ][..],
        ),
        (r#"{"status":"affected","version":"= 1.0"}"#, &["npm p ==1.0"]),
        (
            r#"{"status":"affected","version":"< 1.2 || ≥ 2"}"#,
            &["npm p introduced=0 fixed=1.2 introduced=2"],
        ),
        (r#"{"status":"affected","version":"< 1.2 && > 2"}"#, &["npm p"]),
        (r#"{"status":"affected","version":"1.2.x"}"#, &["npm p"]),
        (r#"{"status":"affected","version":"1.0.0-1.5.2"}"#, &["npm p"]),
    ] {
        let text = about(&format!(
            r#""packageURL":"pkg:npm/p","defaultStatus":"unaffected","versions":[{versions}]"#
        ));
        assert_eq!(
            ranges(&json_records("cve", text.as_bytes())[0]),
            expected,
            "{versions}"
        );
        let is_undecided = expected == ["npm p"];
        assert_eq!(
            warnings("cve", text.as_bytes()).len(),
            usize::from(is_undecided),
            "{versions}"
        );
    }
}

#[test]
fn unaffected_item_that_becomes_affected_is_a_range() {
    for (versions, expected) in [
        (
            r#"{"status":"unaffected","version":"0","lessThan":"*","changes":[{"at":"1.5","status":"affected"},{"at":"1.8","status":"unaffected"}]}"#,
            &["npm p introduced=1.5 fixed=1.8"][..],
        ),
        (
            r#"{"status":"unaffected","version":"0","lessThanOrEqual":"2.4","changes":[{"at":"1.5","status":"affected"}]}"#,
            &["npm p introduced=1.5 last_affected=2.4"],
        ),
        (
            r#"{"status":"unaffected","version":"0","lessThan":"2","changes":[{"at":"1","status":"unknown"}]}"#,
            &["npm p fixed=2", "npm p"],
        ),
        (r#"{"status":"unaffected","version":"0","lessThan":"2"}"#, &[]),
    ] {
        let text = about(&format!(
            r#""packageURL":"pkg:npm/p","defaultStatus":"unaffected","versions":[{versions}]"#
        ));
        assert_eq!(
            ranges(&json_records("cve", text.as_bytes())[0]),
            expected,
            "{versions}"
        );
    }
    let commits = r#""versions":[{"status":"unaffected","version":"0","lessThan":"*","versionType":"git","changes":[{"at":"1da177e4c3f4","status":"affected"}]}]"#;
    let text = about(&format!(
        r#""product":"Box","repo":"https://git.example.org/b","defaultStatus":"unaffected",{commits}"#
    ));
    assert_eq!(
        ranges(&json_records("cve", text.as_bytes())[0]),
        ["  introduced=1da177e4c3f4"]
    );
    let text = about(&format!(r#""packageURL":"pkg:npm/p",{commits}"#));
    assert_eq!(ranges(&json_records("cve", text.as_bytes())[0]), ["npm p"]);
}

#[test]
fn dropped_commits_are_reported() {
    let versions = r#""versions":[{"status":"unaffected","version":"1da177e4c3f4","versionType":"git"},
        {"status":"affected","version":"2da177e4c3f4","versionType":"git"},{"status":"affected","version":"3da177e4c3f4","lessThanOrEqual":"*","versionType":"git"}]"#;
    let text = about(&format!(
        r#""product":"Box","repo":"https://git.example.org/b","defaultStatus":"affected",{versions}"#
    ));
    assert_eq!(
        ranges(&json_records("cve", text.as_bytes())[0]),
        [
            "  introduced=2da177e4c3f4 last_affected=2da177e4c3f4",
            "  introduced=3da177e4c3f4",
            " ",
        ]
    );
    assert_eq!(
        warnings("cve", text.as_bytes()),
        ["1 exceptions of commits are not carried over from https://git.example.org/b"]
    );
    let text = about(&format!(r#""product":"Box",{versions}"#));
    assert_eq!(
        warnings("cve", text.as_bytes()),
        ["Box: 3 ranges of commits without a repository are not carried over"]
    );
}

#[test]
fn commits_that_are_affected_by_default_are_all_affected() {
    let text = about(
        r#""repo":"https://git.example.org/b","defaultStatus":"affected",
        "versions":[{"status":"affected","version":"2da177e4c3f4","versionType":"git"}]"#,
    );
    assert_eq!(
        ranges(&json_records("cve", text.as_bytes())[0]),
        [
            "  introduced=2da177e4c3f4 last_affected=2da177e4c3f4",
            "  introduced=0",
        ]
    );
}

#[test]
fn rejected_record_is_withdrawn() {
    let text = r#"{"dataType":"CVE_RECORD","cveMetadata":{"cveId":"CVE-2030-0002","state":"REJECTED","dateRejected":"2030-03-01T00:00:00Z","dateUpdated":"2030-03-02T00:00:00Z"},
      "containers":{"cna":{"rejectedReasons":[{"lang":"en","value":"Not one."}],"replacedBy":["CVE-2030-0003"]}}}"#;
    let record = &json_records("cve", text.as_bytes())[0];
    assert_eq!(record["withdrawn"], "2030-03-01T00:00:00Z");
    assert_eq!(record["details"], "Not one.");
    assert_eq!(
        record["database_specific"]["native"]["cna"]["replacedBy"][0],
        "CVE-2030-0003"
    );
}

#[test]
fn delta_lists_and_broken_ids_are_distinguished() {
    assert!(
        ignored("cve", br#"{"fetchTime":"x","numberOfChanges":1,"new":[]}"#)[0].contains("list of changes")
    );
    assert_eq!(
        ignored("cve", br#"[{"fetchTime":"x","numberOfChanges":1}]"#).len(),
        1
    );
    let bad = RECORD.replace("CVE-2030-0001", "CVE-2030/../../x-1");
    assert!(rejected("cve", bad.as_bytes())[0].contains("not the id"));
    assert!(rejected("cve", &RECORD.as_bytes()[..400])[0].contains("reading JSON"));
}

#[test]
fn severity_in_words_stands_beside_vectors() {
    for (metrics, expected) in [
        (
            r#"{"other":{"type":"Textual description of severity","content":{"text":"important"}}}"#,
            "important",
        ),
        (
            r#"{"other":{"type":"ssvc","content":{"text":"low"}}},{"other":{"type":"Acme severity rating","content":{"value":"Moderate","namespace":"n"}}}"#,
            "Moderate",
        ),
        (r#"{"other":{"type":"unknown","content":"High"}}"#, "High"),
        (
            r#"{"cvssV3_1":{"baseScore":9.8,"baseSeverity":"CRITICAL"}}"#,
            "CRITICAL",
        ),
        (
            r#"{"other":{"type":"unknown","content":{"text":"see the notes"}}}"#,
            "",
        ),
    ] {
        let text =
            about(r#""product":"Box""#).replace("\"cna\":{", &format!("\"cna\":{{\"metrics\":[{metrics}],"));
        let record = &json_records("cve", text.as_bytes())[0];
        let word = record["database_specific"]["severity"]
            .as_str()
            .unwrap_or_default();
        assert_eq!(word, expected, "{metrics}");
    }
}
