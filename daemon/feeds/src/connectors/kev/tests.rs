use super::super::tests::{noted, only_records, read, rejected, warnings};

const JSON: &str = r#"{"title":"Catalogue","catalogVersion":"2030.01.02","dateReleased":"2030-01-02T00:00:00.0000Z","count":2,"vulnerabilities":[
 {"cveID":"CVE-2030-0001","vendorProject":"Acme","product":"Rocket","vulnerabilityName":"Acme Rocket Flaw","dateAdded":"2030-01-02",
  "shortDescription":"It \"burns\".\nBadly.","requiredAction":"Patch.","dueDate":"2030-02-01","knownRansomwareCampaignUse":"Known",
  "notes":"See https://example.org/a ; https://example.org/b","cwes":["CWE-79","CWE-80"]},
 {"cveID":"CVE-2030-0002","vendorProject":"Acme","product":"Sled","vulnerabilityName":"n","dateAdded":"2030-01-02",
  "shortDescription":"d","requiredAction":"r","dueDate":"2030-02-01","knownRansomwareCampaignUse":"Unknown","notes":"","cwes":[]}]}"#;

const CSV: &str = "cveID,vendorProject,product,vulnerabilityName,dateAdded,shortDescription,requiredAction,dueDate,knownRansomwareCampaignUse,notes,cwes\r\n\
CVE-2030-0001,Acme,Rocket,Acme Rocket Flaw,2030-01-02,\"It \"\"burns\"\".\nBadly.\",Patch.,2030-02-01,Known,See https://example.org/a ; https://example.org/b,\"CWE-79, CWE-80\"\r\n\
CVE-2030-0002,Acme,Sled,n,2030-01-02,d,r,2030-02-01,Unknown,,\r\n";

#[test]
fn json_and_csv_of_one_catalogue_are_the_same_records() {
    let records = only_records("kev", JSON.as_bytes());
    assert_eq!(records, only_records("kev", CSV.as_bytes()));
    assert_eq!(
        records[0],
        r#"{"database_specific":{"native":{"cwes":["CWE-79","CWE-80"],"dateAdded":"2030-01-02","dueDate":"2030-02-01","knownRansomwareCampaignUse":"Known","notes":"See https://example.org/a ; https://example.org/b","product":"Rocket","requiredAction":"Patch.","vendorProject":"Acme"}},"details":"It \"burns\".\nBadly.","id":"CVE-2030-0001","modified":"2030-01-02T00:00:00Z","references":[{"type":"WEB","url":"https://example.org/a"},{"type":"WEB","url":"https://example.org/b"}],"schema_version":"1.7.3","summary":"Acme Rocket Flaw"}"#
    );
}

#[test]
fn catalogue_of_enisa_has_its_own_names_and_blanks() {
    let list = r#"[{"cveID":"CVE-2030-9380","euvdID":"EUVD-2030-49898","vendorProject":"Acme","product":"Box","vulnerabilityName":"-","dateReported":"17/01/30","patchedSince":"tbc","originSource":"cnw","notes":"-"}]"#;
    assert_eq!(
        only_records("kev", list.as_bytes()),
        [
            r#"{"aliases":["CVE-2030-9380"],"database_specific":{"native":{"dateReported":"17/01/30","originSource":"cnw","product":"Box","vendorProject":"Acme"}},"id":"EUVD-2030-49898","modified":"2030-01-17T00:00:00Z","schema_version":"1.7.3"}"#
        ]
    );
}

#[test]
fn entry_of_enisa_without_a_cve_record_has_its_own_id() {
    for blank in ["\"-\"", "\"N/A\"", "\"TBC\"", "null"] {
        let list = format!(
            r#"[{{"cveID":{blank},"euvdID":"EUVD-2030-1","vendorProject":"Acme","dateReported":"17/01/30"}}]"#
        );
        assert!(
            only_records("kev", list.as_bytes())[0].contains(r#""id":"EUVD-2030-1""#),
            "{blank}"
        );
    }
}

#[test]
fn entries_of_both_catalogues_are_different_records() {
    let cisa = only_records("kev", JSON.as_bytes());
    let list = r#"[{"cveID":"CVE-2030-0001","euvdID":"EUVD-2030-1","vendorProject":"Acme","dateReported":"17/01/30"}]"#;
    let enisa = only_records("kev", list.as_bytes());
    assert!(cisa[0].contains(r#""id":"CVE-2030-0001""#), "{}", cisa[0]);
    assert!(
        enisa[0].contains(r#""aliases":["CVE-2030-0001"]"#),
        "{}",
        enisa[0]
    );
    assert!(enisa[0].contains(r#""id":"EUVD-2030-1""#), "{}", enisa[0]);
}

#[test]
fn bad_entry_is_refused_and_the_rest_goes_in() {
    let text = JSON
        .replace("CVE-2030-0001", "CVE-2030/../../x-1")
        .replace("\"count\":2", "\"count\":3");
    assert_eq!(only_records("kev", text.as_bytes()).len(), 1);
    assert_eq!(
        rejected("kev", text.as_bytes()),
        ["/vulnerabilities/0: cveID is not the id of a CVE record: \"CVE-2030/../../x-1\""]
    );
    assert_eq!(
        noted("kev", text.as_bytes()),
        ["the catalogue says that it has 3 entries, and has 2"]
    );
    let cut = &JSON.as_bytes()[..JSON.len() - 40];
    assert_eq!(only_records("kev", cut).len(), 1);
    assert_eq!(rejected("kev", cut).len(), 2, "the entry, and the document");
    assert!(rejected("kev", b"a,b\n1,2\n")[0].contains("expected a header"));
    assert!(rejected("kev", CSV.replace("Unknown,,", "Unknown,").as_bytes())[0].contains("cells"));
}

#[test]
fn invalid_date_is_kept_and_reported() {
    let text = JSON.replacen("2030-01-02\",\n", "soon\",\n", 1);
    let warned = warnings("kev", text.as_bytes());
    assert!(
        warned.contains(&"dateAdded is not a time: \"soon\"".to_owned()),
        "{warned:?}"
    );
    assert_eq!(read("kev", text.as_bytes()).len(), 2);
}

#[test]
fn id_typed_by_hand_and_count_in_quotes_are_read() {
    for typed in ["cve-2030-0001", " CVE-2030-0001 ", "CVE‑2030‑0001"] {
        let text = JSON.replace("CVE-2030-0001", typed);
        assert!(
            only_records("kev", text.as_bytes())[0].contains(r#""id":"CVE-2030-0001""#),
            "{typed}"
        );
    }
    for foreign in [
        "CVE-2030-0001/../x",
        "CVE-2030-0001 (old)",
        "CVE-2030-0001, CVE-2030-0003",
    ] {
        let text = JSON.replace("CVE-2030-0001", foreign);
        assert_eq!(rejected("kev", text.as_bytes()).len(), 1, "{foreign}");
    }
    let text = JSON.replace(r#""count":2"#, r#""count":"3""#);
    assert_eq!(
        noted("kev", text.as_bytes()),
        ["the catalogue says that it has 3 entries, and has 2"]
    );
}

#[test]
fn blanks_around_columns_are_no_part_of_their_names() {
    let (header, rows) = CSV.split_once('\n').unwrap();
    let text = format!("{}\n{rows}", header.replace(',', ", "));
    assert_eq!(
        only_records("kev", text.as_bytes()),
        only_records("kev", CSV.as_bytes())
    );
}
