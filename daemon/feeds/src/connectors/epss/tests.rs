use super::super::Kind;
use super::super::tests::{noted, only_records, rejected, warnings};

#[test]
fn every_form_of_the_header_is_read() {
    let record = |model: &str| {
        format!(
            r#"{{{model}"id":"CVE-2030-0001","schema_version":"1.7.3","severity":[{{"score":"0.65117","type":"EPSS"}}]}}"#
        )
    };
    let with = |version: &str| {
        record(&format!(
            r#""database_specific":{{"native":{{"model_version":"{version}"}}}},"#
        ))
    };
    for (text, expected) in [
        ("cve,epss\nCVE-2030-0001,0.65117\n", record("")),
        (
            "cve,epss,percentile\nCVE-2030-0001,0.65117,0.99810634857\n",
            record(""),
        ),
        (
            "#model_version:v2030.01.01,score_date:2030-02-04T00:00:00+0000\ncve,epss,percentile\nCVE-2030-0001,0.65117,0.9\n",
            with("v2030.01.01"),
        ),
        (
            "#model_version:v2031.01.01,score_date:2031-12-26T12:55:00Z\ncve,epss,percentile\nCVE-2030-0001,0.65117,0.9\n",
            with("v2031.01.01"),
        ),
        (
            "# model_version:v2031.01.01,score_date:2031-12-26T12:55:00Z\r\n\"cve\",\"epss\",\"percentile\"\r\n\"CVE-2030-0001\",\"0.65117\",\"0.9\"\r\n",
            with("v2031.01.01"),
        ),
        ("date,CVE,EPSS\n2030-01-01,CVE-2030-0001,0.65117\n", record("")),
        (
            r#"{"status":"OK","data":[{"cve":"CVE-2030-0001","epss":"0.65117","percentile":"0.9","date":"2030-01-01"}]}"#,
            record(""),
        ),
    ] {
        assert_eq!(only_records("epss", text.as_bytes()), [expected], "{text}");
        assert_eq!(warnings("epss", text.as_bytes()), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn table_is_detected_by_its_header() {
    for (text, is_table) in [
        ("cve,epss\nCVE-2030-0001,0.1\n", true),
        ("\"cve\",\"epss\",\"percentile\"\n", true),
        ("# model_version:v1,score_date:x\ncve,epss\n", true),
        ("cve,score\n", false),
        ("cve,epss,owner\n", false),
        ("# a comment\n", false),
    ] {
        let found = Kind::detect(text.as_bytes()).map(Kind::name);
        assert_eq!(found == Some("epss"), is_table, "{text}");
    }
}

#[test]
fn day_without_a_change_of_score_changes_no_record() {
    let day = |date: &str, percentile: &str| {
        format!("#model_version:v1,score_date:{date}\ncve,epss,percentile\nCVE-2030-0001,0.5,{percentile}\n")
    };
    let (first, second) = (
        day("2030-01-01T00:00:00Z", "0.91"),
        day("2030-01-02T00:00:00Z", "0.92"),
    );
    assert_eq!(
        only_records("epss", first.as_bytes()),
        only_records("epss", second.as_bytes())
    );
    assert_eq!(
        noted("epss", first.as_bytes()),
        ["the percentiles of 1 rows and the day of the table are not kept: they change every day"]
    );
}

#[test]
fn bad_rows_are_refused_by_line_and_the_rest_goes_in() {
    let text = "#model_version:v1\ncve,epss\nCVE-2030-0001,1.5\nCVE-2030/../1,0.5\nCVE-2030-0003,1e-05\nCVE-2030-0004\nCVE-2030-0005,NaN";
    assert_eq!(
        rejected("epss", text.as_bytes()),
        [
            "/line 3: CVE-2030-0001: not a probability from 0 to 1: \"1.5\"",
            "/line 4: not the id of a CVE record: \"CVE-2030/../1\"",
            "/line 6: the row has 1 cells; the header has 2",
            "/line 7: CVE-2030-0005: not a probability from 0 to 1: \"NaN\"",
        ]
    );
    assert!(only_records("epss", text.as_bytes())[0].contains(r#""score":"0.00001""#));
    assert_eq!(noted("epss", text.as_bytes()).len(), 1);
    assert!(
        rejected("epss", b"invalid,header,format\nCVE-2030-0001,0.1,0.2\n")[0]
            .contains("expected the header")
    );
}

#[test]
fn answer_with_a_part_of_the_table_is_reported() {
    let answer = |total: usize, offset: usize| {
        let text = format!(
            r#"{{"status":"OK","total":{total},"offset":{offset},"limit":100,"data":[{{"cve":"CVE-2030-0001","epss":"0.1"}}]}}"#
        );
        noted("epss", text.as_bytes())
    };
    assert_eq!(
        answer(300_000, 0),
        ["the answer has 1 of 300000 rows: it is not the whole table"]
    );
    assert_eq!(answer(1, 0), Vec::<String>::new());
    let quoted = r#"{"total":"300","offset":"0","data":[{"cve":"CVE-2030-0001","epss":"-0.0"}]}"#;
    assert_eq!(noted("epss", quoted.as_bytes()).len(), 1);
    assert!(only_records("epss", quoted.as_bytes())[0].contains(r#""score":"0""#));
    assert_eq!(
        answer(300_000, 100),
        Vec::<String>::new(),
        "said at its first page"
    );
}
