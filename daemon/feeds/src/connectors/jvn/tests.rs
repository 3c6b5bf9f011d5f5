use super::super::Kind;
use super::super::tests::{ignored, json_records, noted, rejected, warnings};

const DETAILS: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<VULDEF-Document version="3.2" xmlns="http://jvn.jp/vuldef/" xmlns:status="http://jvndb.jvn.jp/myjvn/Status" xml:lang="ja">
<Vulinfo><VulinfoID>JVNDB-2030-000001</VulinfoID><VulinfoData><Title>Rocket の脆弱性</Title>
<VulinfoDescription><Overview>Rocket には脆弱性が存在します。</Overview></VulinfoDescription>
<Affected><AffectedItem><Name>Acme</Name><ProductName>Rocket</ProductName><Cpe version="2.2">cpe:/a:acme:rocket</Cpe><VersionNumber>2.13.0 から 2.15.0 より前のバージョン</VersionNumber><VersionNumber/></AffectedItem></Affected>
<Impact><Cvss version="2.0"><Severity type="Base">High</Severity><Base>9.3</Base><Vector>AV:N/AC:M/Au:N/C:C/I:C/A:C</Vector></Cvss>
<Cvss version="3.0"><Severity type="Base">Critical</Severity><Base>10</Base><Vector>CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H</Vector></Cvss></Impact>
<Related><RelatedItem type="advisory"><Name>Common Vulnerabilities and Exposures (CVE)</Name><VulinfoID>CVE-2030-0001</VulinfoID><URL>https://example.org/c</URL></RelatedItem>
<RelatedItem type="advisory"><Name>National Vulnerability Database (NVD)</Name><VulinfoID>CVE-2030-0001</VulinfoID><URL>https://example.org/n</URL></RelatedItem>
<RelatedItem type="cwe"><Name>JVNDB</Name><VulinfoID>CWE-20</VulinfoID><URL>https://example.org/w</URL></RelatedItem></Related>
<DateFirstPublished>2030-12-13T15:02:12+09:00</DateFirstPublished><DateLastUpdated>2030-12-14T15:02:12+09:00</DateLastUpdated></VulinfoData></Vulinfo>
<Vulinfo><VulinfoID>../x</VulinfoID></Vulinfo>
<status:Status retCd="0"/></VULDEF-Document>"#;

const OVERVIEWS: &str = r#"<rdf:RDF xmlns:sec="http://jvn.jp/rss/mod_sec/"><channel><title>x</title></channel>
<item rdf:about="a"><title>Rocket</title><link>https://example.org/l</link><description>d</description><sec:identifier>JVNDB-2030-000002</sec:identifier>
<sec:references source="CVE" id="CVE-2030-0001">https://example.org/1</sec:references><sec:references source="CVE" id="CVE-2030-0002">https://example.org/2</sec:references>
<sec:references id="CWE-20" title="x">https://example.org/w</sec:references><sec:cpe version="2.2" vendor="Acme" product="Rocket">cpe:/a:acme:rocket</sec:cpe><sec:cvss score="7.5" severity="High" vector="AV:N/AC:L/Au:N/C:P/I:P/A:P" version="2.0"/>
<dc:date>2030-12-14T15:02:12+09:00</dc:date><dcterms:issued>2030-12-13T15:02:12+09:00</dcterms:issued></item></rdf:RDF>"#;

#[test]
fn details_contain_a_single_vulnerability() {
    assert_eq!(Kind::detect(DETAILS.as_bytes()).map(Kind::name), Some("jvn"));
    let record = &json_records("jvn", DETAILS.as_bytes())[0];
    assert_eq!(record["id"], "JVNDB-2030-000001");
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(record["published"], "2030-12-13T06:02:12Z");
    assert_eq!(
        record["severity"][0]["score"],
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H"
    );
    assert_eq!(
        record["database_specific"]["cwe_ids"],
        serde_json::json!(["CWE-20"])
    );
    let item = &record["database_specific"]["native"]["VulinfoData"]["Affected"][0]["AffectedItem"][0];
    assert_eq!(item["VersionNumber"][0], "2.13.0 から 2.15.0 より前のバージョン");
    assert!(record["affected"].is_null());
    assert_eq!(warnings("jvn", DETAILS.as_bytes()), Vec::<String>::new());
    assert_eq!(
        rejected("jvn", DETAILS.as_bytes()),
        ["/Vulinfo/1: not the id of an entry: \"../x\""]
    );
}

#[test]
fn overviews_contain_several_vulnerabilities() {
    assert_eq!(Kind::detect(OVERVIEWS.as_bytes()).map(Kind::name), Some("jvn"));
    let record = &json_records("jvn", OVERVIEWS.as_bytes())[0];
    assert_eq!(
        record["upstream"],
        serde_json::json!(["CVE-2030-0001", "CVE-2030-0002"])
    );
    assert_eq!(record["severity"][0]["type"], "CVSS_V2");
    assert_eq!(
        record["database_specific"]["cwe_ids"],
        serde_json::json!(["CWE-20"])
    );
    assert_eq!(record["modified"], "2030-12-14T06:02:12Z");
}

#[test]
fn error_of_the_interface_is_not_an_empty_page() {
    let answer = r#"<VULDEF-Document><status:Status retCd="1" errMsg="bad"/></VULDEF-Document>"#;
    assert!(rejected("jvn", answer.as_bytes())[0].contains("is an error: 1 bad"));
    assert_eq!(noted("jvn", answer.as_bytes()).len(), 1);
}

#[test]
fn rating_without_a_vector_is_a_word() {
    let of = |text: &str| {
        let record = &json_records("jvn", text.as_bytes())[0];
        record["database_specific"]["severity"].clone()
    };
    let bare = DETAILS
        .replace("<Vector>AV:N/AC:M/Au:N/C:C/I:C/A:C</Vector>", "")
        .replace(
            "<Vector>CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H</Vector>",
            "<Vector/>",
        );
    assert_eq!(of(&bare), "CRITICAL", "of the newest version");
    assert_eq!(of(&bare.replace(">Critical<", ">警告<")), "MEDIUM");
    assert_eq!(of(&bare.replace(">Critical<", "><")), "CRITICAL", "by its score");
    assert!(of(DETAILS).is_null(), "its vector says it");
    let odd = bare.replace(">High<", ">x<").replace(">Critical<", ">y<");
    assert_eq!(
        warnings("jvn", odd.as_bytes()),
        ["unknown severity \"x\"", "unknown severity \"y\""]
    );
    assert_eq!(of(&OVERVIEWS.replace("AV:N/AC:L/Au:N/C:P/I:P/A:P", "")), "HIGH");
}

#[test]
fn worst_of_several_vectors_is_first() {
    let low = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L";
    let text = DETAILS
        .replace("<Cvss version=\"2.0\">", "<Cvss version=\"3.0\">")
        .replace(
            "<Base>9.3</Base><Vector>AV:N/AC:M/Au:N/C:C/I:C/A:C<",
            &format!("<Base>5.3</Base><Vector>{low}<"),
        );
    let record = &json_records("jvn", text.as_bytes())[0];
    assert_eq!(record["severity"][1]["score"], low);
}

#[test]
fn several_ids_and_short_names_of_databases_are_read() {
    let text = DETAILS
        .replace("National Vulnerability Database (NVD)", "NVD")
        .replacen(
            "<VulinfoID>CVE-2030-0001<",
            "<VulinfoID>CVE-2030-0001, CVE-2030-0002<",
            1,
        );
    let record = &json_records("jvn", text.as_bytes())[0];
    assert_eq!(
        record["upstream"],
        serde_json::json!(["CVE-2030-0001", "CVE-2030-0002"])
    );
    let other = OVERVIEWS.replacen("source=\"CVE\"", "source=\"関連文書\"", 1);
    let record = &json_records("jvn", other.as_bytes())[0];
    assert_eq!(
        record["aliases"],
        serde_json::json!(["CVE-2030-0002"]),
        "a page about another one"
    );
}

#[test]
fn placeholders_of_weaknesses_are_not_ids() {
    let text = DETAILS.replace("CWE-20<", "CWE-noinfo<");
    let record = &json_records("jvn", text.as_bytes())[0];
    assert!(record["database_specific"]["cwe_ids"].is_null());
}

#[test]
fn page_with_fewer_entries_than_it_says_is_reported() {
    let text = DETAILS.replace("retCd=\"0\"", "retCd=\"0\" totalResRet=\"3\"");
    assert!(noted("jvn", text.as_bytes())[0].contains("it says 3, and has 2"));
    assert!(noted("jvn", text.replace("Ret=\"3\"", "Ret=\"2\"").as_bytes()).is_empty());
}

/// An answer in the JSON form, whose status is as broken as in the published examples.
const OKA: &str = r#"{"$schema":"https://jvndb.jvn.jp/schema/myjvn_feed_1.0.json","feed":{"title":"x","entry":[
 {"title":"Rocket","id":"JVNDB-2030-000004","summary":"d","link":"https://example.org/l","modified":"2030-12-14T15:02:12+09:00","created":"2030-12-13T15:02:12+09:00",
  "references":[{"url":"https://example.org/c","summary":"CVE-2030-0004","source":"CVE"},{"url":"https://example.org/o","summary":"CVE-2030-0009","source":"関連文書"}],
  "products":[{"vname":"Acme","product_ids":{"cpe":"cpe:2.3:a:acme:rocket:*:*:*:*:*:*:*:*"}}],
  "metrics":[{"content":{"cvss_v2":{"version":"2.0","vectorString":"AV:N/AC:L/Au:N/C:C/I:C/A:C","baseScore":10.0},"cvss_v3":{"version":"3.0","vectorString":"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H","baseScore":9.8},
   "ScoringSystem":{"vectorString":"CVSS:5.0/AV:N"}}}],"cwes":[{"id":"CWE-502"}]},
 {"id":"MYJVN-ALT-2030-0011","title":"alert"},{"id":"x"}]},"status":{"retCd":0,"retMax": ,"totalResRet":4}}"#;

#[test]
fn json_form_of_the_interface_is_read() {
    assert_eq!(Kind::detect(OKA.as_bytes()).map(Kind::name), Some("jvn"));
    let record = &json_records("jvn", OKA.as_bytes())[0];
    assert_eq!(record["id"], "JVNDB-2030-000004");
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0004"]));
    assert_eq!(record["modified"], "2030-12-14T06:02:12Z");
    assert_eq!(record["severity"].as_array().unwrap().len(), 2);
    assert_eq!(
        record["database_specific"]["cwe_ids"],
        serde_json::json!(["CWE-502"])
    );
    assert_eq!(
        record["database_specific"]["native"]["products"][0]["vname"],
        "Acme"
    );
    assert_eq!(
        warnings("jvn", OKA.as_bytes()),
        ["the ratings under \"ScoringSystem\" are not understood"]
    );
    assert_eq!(
        rejected("jvn", OKA.as_bytes()),
        ["/feed/entry/2: not the id of an entry: \"x\""]
    );
    assert!(ignored("jvn", OKA.as_bytes())[0].contains("an alert"));
    let broken = OKA.replace("\"totalResRet\":4", "\"totalResRet\":3");
    assert!(
        noted("jvn", OKA.as_bytes()).is_empty(),
        "what follows the break is not read"
    );
    assert!(noted("jvn", broken.replace("\"retMax\": ,", "").as_bytes()).is_empty());
    assert_eq!(noted("jvn", OKA.replace("\"retMax\": ,", "").as_bytes()).len(), 1);
    let error = OKA.replace("\"retCd\":0", "\"retCd\":1,\"errMsg\":\"bad\"");
    assert_eq!(
        rejected("jvn", error.as_bytes()),
        [": the answer is an error: 1 bad"]
    );
}

#[test]
fn details_in_a_bundle_are_csaf_documents() {
    let document = r#"{"document":{"csaf_version":"2.1","title":"Rocket","publisher":{"namespace":"https://www.ipa.go.jp"},"tracking":{"id":"JVNDB-2030-000005",
      "initial_release_date":"2030-12-13T15:02:12+09:00","current_release_date":"2030-12-13T15:02:12+09:00","version":"1"}},"vulnerabilities":[{"cve":"CVE-2030-0005"}]}"#;
    let bundle = format!(
        r#"{{"$schema":"https://jvndb.jvn.jp/schema/myjvn_vuldef_1.0.stix.json?1","type":"bundle","id":"bundle--1","objects":[{{"type":"identity","id":"i"}},
        {{"type":"jvn-jp-sdo","VULDEF-Document":[{document},7]}},{{"type":"vulnerability"}}],"status":{{"retCd":0}}}}"#
    );
    assert_eq!(Kind::detect(bundle.as_bytes()).map(Kind::name), Some("jvn"));
    let record = &json_records("jvn", bundle.as_bytes())[0];
    assert_eq!(record["id"], "JVNDB-2030-000005");
    assert_eq!(record["upstream"], serde_json::json!(["CVE-2030-0005"]));
    assert_eq!(rejected("jvn", bundle.as_bytes()).len(), 2);
    assert_eq!(json_records("jvn", document.as_bytes())[0], *record);
    let own = document.replacen(
        '{',
        r#"{"$schema":"https://jvndb.jvn.jp/schema/myjvn_vuldef_1.0.csaf.json","#,
        1,
    );
    assert_eq!(Kind::detect(own.as_bytes()).map(Kind::name), Some("jvn"));
    let of = |vulnerabilities: &str| {
        let references = r#""references":[{"source":"Common Vulnerabilities and Exposures (CVE)","summary":"CVE-2030-0006","url":"https://example.org/c"}],"tracking""#;
        let text = own
            .replace(r#"[{"cve":"CVE-2030-0005"}]"#, vulnerabilities)
            .replace("\"tracking\"", references);
        json_records("jvn", text.as_bytes())[0]["upstream"].clone()
    };
    assert_eq!(of(r#"[{"cve":""}]"#), serde_json::json!(["CVE-2030-0006"]));
    assert_eq!(of("[]"), serde_json::json!(["CVE-2030-0006"]));
    assert_eq!(
        of(r#"[{"cve":"CVE-2030-0005"}]"#),
        serde_json::json!(["CVE-2030-0005", "CVE-2030-0006"])
    );
    let products = r#"{"$schema":"https://jvndb.jvn.jp/schema/jvnpid_1.0.json","jvn-product-dictionary":{"vendors":[]}}"#;
    assert!(ignored("jvn", products.as_bytes())[0].contains("products or vendors"));
}
