use super::super::tests::{ignored, json_records, noted, ranges, rejected, warnings};

const PAGE: &str = r#"{"resultsPerPage":2,"startIndex":0,"totalResults":2,"format":"NVD_CVE","version":"2.0","timestamp":"2030-01-01T00:00:00.000","vulnerabilities":[
{"cve":{"id":"CVE-2030-0001","sourceIdentifier":"cna@example.org","published":"2030-01-02T03:04:05.510","lastModified":"2030-02-02T03:04:05.510",
 "vulnStatus":"Analyzed","cveTags":[],"descriptions":[{"lang":"es","value":"Un fallo."},{"lang":"en","value":"A flaw."}],
 "metrics":{"cvssMetricV31":[{"source":"cna@example.org","type":"Secondary","cvssData":{"version":"3.1","vectorString":"CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}},
   {"source":"nvd@example.org","type":"Primary","cvssData":{"version":"3.1","vectorString":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}],
  "cvssMetricV2":[{"source":"nvd@example.org","type":"Primary","cvssData":{"version":"2.0","vectorString":"AV:N/AC:L/Au:N/C:P/I:P/A:P"},"baseSeverity":"HIGH"}],
  "cvssMetricV40":[{"source":"x","type":"Secondary","cvssData":{"vectorString":"nonsense"}}],
  "ssvcV203":[{"x":1}]},
 "weaknesses":[{"source":"nvd","type":"Primary","description":[{"lang":"en","value":"CWE-79"},{"lang":"en","value":"NVD-CWE-noinfo"}]}],
 "configurations":[{"operator":"AND","nodes":[{"operator":"OR","negate":false,"cpeMatch":[{"vulnerable":true,"criteria":"cpe:2.3:a:acme:rocket:*:*:*:*:*:*:*:*","versionEndExcluding":" 5.1","matchCriteriaId":"A"}]}]}],
 "references":[{"url":"https://example.org/fix","source":"x","tags":["Patch","Vendor Advisory"]},{"url":"https://example.org/plain","source":"x"}]}},
{"cve":{"id":"CVE-2030-0002","sourceIdentifier":"s","published":"2030-01-02T03:04:05.510","lastModified":"2030-02-02T03:04:05.510","vulnStatus":"Rejected",
 "descriptions":[{"lang":"en","value":"Rejected reason: none."}],"metrics":{},"references":[]}}]}"#;

#[test]
fn entry_of_a_page_becomes_a_record() {
    let records = json_records("nvd", PAGE.as_bytes());
    let record = &records[0];
    assert_eq!(record["id"], "CVE-2030-0001");
    assert_eq!(record["published"], "2030-01-02T03:04:05.51Z");
    assert_eq!(record["modified"], "2030-02-02T03:04:05.51Z");
    assert_eq!(record["details"], "A flaw.");
    let vectors: Vec<&str> = record["severity"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["score"].as_str().unwrap())
        .collect();
    assert_eq!(
        vectors,
        [
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            "AV:N/AC:L/Au:N/C:P/I:P/A:P",
            "CVSS:3.1/AV:L/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        ],
        "the database's own first"
    );
    assert_eq!(record["references"][0]["type"], "FIX");
    assert_eq!(record["references"][1]["type"], "WEB");
    let specific = &record["database_specific"];
    assert_eq!(specific["cwe_ids"], serde_json::json!(["CWE-79"]));
    let native = &specific["native"];
    assert_eq!(
        native["configurations"][0]["nodes"][0]["cpeMatch"][0]["versionEndExcluding"],
        " 5.1"
    );
    assert_eq!(native["descriptions"][0]["value"], "Un fallo.");
    assert_eq!(native["metrics"]["ssvcV203"][0]["x"], 1);
    assert_eq!(native["vulnStatus"], "Analyzed");
    assert!(record["affected"].is_null() && record["withdrawn"].is_null());
    assert_eq!(
        warnings("nvd", PAGE.as_bytes()),
        ["cvssMetricV40: not a CVSS vector: \"nonsense\""]
    );
}

#[test]
fn rejected_entry_is_withdrawn() {
    let record = &json_records("nvd", PAGE.as_bytes())[1];
    assert_eq!(record["withdrawn"], record["modified"]);
    assert_eq!(record["database_specific"]["native"]["vulnStatus"], "Rejected");
    assert!(
        record["database_specific"]["native"]["descriptions"].is_null(),
        "it is the record's details"
    );
    let text = r#"{"id":"CVE-2030-0003","sourceIdentifier":"s","vulnStatus":"Rejected"}"#;
    assert!(warnings("nvd", text.as_bytes()).contains(&"rejected without a date".to_owned()));
}

#[test]
fn single_entry_is_read_with_and_without_its_wrapping() {
    let entry = r#"{"id":"CVE-2030-0003","sourceIdentifier":"s","vulnStatus":"Received","descriptions":[]}"#;
    assert_eq!(json_records("nvd", entry.as_bytes())[0]["id"], "CVE-2030-0003");
    let wrapped = format!("{{\"cve\":{entry}}}");
    assert_eq!(
        json_records("nvd", wrapped.as_bytes()),
        json_records("nvd", entry.as_bytes())
    );
}

#[test]
fn short_truncated_and_foreign_pages_are_reported() {
    let short = PAGE
        .replace("\"resultsPerPage\":2", "\"resultsPerPage\":2000")
        .replace("\"totalResults\":2", "\"totalResults\":9000");
    assert!(noted("nvd", short.as_bytes())[0].contains("the page is short"));
    let bad = PAGE.replace("CVE-2030-0002", "CVE-2030-0002/../..");
    assert_eq!(json_records("nvd", bad.as_bytes()).len(), 1);
    assert_eq!(
        rejected("nvd", bad.as_bytes()),
        ["/vulnerabilities/1: not the id of a CVE record: \"CVE-2030-0002/../..\""]
    );
    let cut = &PAGE.as_bytes()[..PAGE.len() - 60];
    assert_eq!(json_records("nvd", cut).len(), 1);
    assert_eq!(rejected("nvd", cut).len(), 2);
    assert!(ignored("nvd", br#"{"resultsPerPage":1,"cveChanges":[]}"#)[0].contains("changes"));
    assert!(ignored("nvd", br#"{"resultsPerPage":1,"products":[]}"#)[0].contains("CPE names"));
    assert!(ignored("nvd", br#"{"CVE_data_type":"CVE","CVE_Items":[{}]}"#)[0].contains("format 1.1"));
}

#[test]
fn rebuilt_feed_has_its_own_name_for_the_list() {
    let feed = r#"{"feed_name":"CVE-2030","cve_count":1,"cve_items":[{"id":"CVE-2030-0003","vulnStatus":"REJECTED","lastModified":"2030-01-02T03:04:05.510"}]}"#;
    let record = &json_records("nvd", feed.as_bytes())[0];
    assert_eq!(record["id"], "CVE-2030-0003");
    assert_eq!(record["withdrawn"], "2030-01-02T03:04:05.51Z");
}

#[test]
fn ratings_of_an_unknown_version_are_reported() {
    let text = PAGE.replace("cvssMetricV40", "cvssMetricV50");
    assert_eq!(
        warnings("nvd", text.as_bytes()),
        ["the ratings under \"cvssMetricV50\" are not understood"]
    );
}

/// Data that entries repeat from the CNAs was kept, but not read. An entry without analysis has nothing else.
#[test]
fn products_of_the_cna_are_read_like_those_of_cve_records() {
    let text = PAGE.replace(
        r#""metrics":{},"#,
        r#""affected":[{"source":"cna@example.org","affectedData":[
          {"collectionURL":"https://www.npmjs.com","packageName":"rocket","defaultStatus":"unaffected",
           "versions":[{"version":"1.0","lessThan":"1.5","status":"affected","versionType":"semver"}]},
          {"vendor":"Acme","product":"Sled","cpes":["cpe:2.3:a:acme:sled:*:*:*:*:*:*:*:*"],"defaultStatus":"unaffected",
           "versions":[{"version":"2.0","status":"affected"}]},
          {"packageURL":"pkg:docker/x","defaultStatus":"affected"}]}],"metrics":{},"#,
    );
    let record = &json_records("nvd", text.as_bytes())[1];
    assert_eq!(ranges(record), ["npm rocket introduced=1.0 fixed=1.5"]);
    let kept = &record["database_specific"]["native"]["affected"][0]["affectedData"];
    assert_eq!(kept[1]["product"], "Sled");
    assert!(
        warnings("nvd", text.as_bytes()).contains(
            &"the package URL \"pkg:docker/x\" is of no known registry, and has no entry".to_owned()
        )
    );
}

#[test]
fn ends_of_versions_may_be_numbers() {
    let text = PAGE.replace(r#""versionEndExcluding":" 5.1""#, r#""versionEndExcluding":5.10"#);
    let record = &json_records("nvd", text.as_bytes())[0];
    let native = &record["database_specific"]["native"]["configurations"][0]["nodes"][0];
    assert_eq!(native["cpeMatch"][0]["versionEndExcluding"], "5.10");
    let text = PAGE.replace(
        r#""resultsPerPage":2,"startIndex":0,"totalResults":2"#,
        r#""resultsPerPage":"2000","startIndex":"0","totalResults":"9000""#,
    );
    assert!(noted("nvd", text.as_bytes())[0].contains("the page is short"));
}

/// A vector that has no score hid the word beside it.
#[test]
fn word_of_a_rating_counts_if_no_vector_has_a_score() {
    let entry = |metrics: &str| {
        let text = format!(
            r#"{{"id":"CVE-2030-0003","sourceIdentifier":"s","vulnStatus":"Received","lastModified":"2030-01-02T03:04:05","metrics":{{{metrics}}}}}"#
        );
        let record = json_records("nvd", text.as_bytes()).remove(0);
        record["database_specific"]["severity"].clone()
    };
    let short =
        r#""cvssMetricV31":[{"cvssData":{"vectorString":"CVSS:3.1/AV:N/AC:L","baseSeverity":"CRITICAL"}}]"#;
    let old = r#""cvssMetricV2":[{"cvssData":{},"baseSeverity":"HIGH"}]"#;
    let whole =
        r#""cvssMetricV30":[{"cvssData":{"vectorString":"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:L/I:N/A:N"}}]"#;
    assert_eq!(entry(short), "CRITICAL");
    assert_eq!(entry(old), "HIGH");
    assert!(entry(&format!("{short},{whole}")).is_null());
}
