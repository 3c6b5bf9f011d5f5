use super::super::Kind;
use super::super::tests::{json_records, noted, rejected, warnings};

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
        record["severity"][1]["score"],
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
    assert_eq!(of(&bare), "HIGH");
    assert_eq!(of(&bare.replace(">High<", ">緊急<")), "CRITICAL");
    assert!(of(DETAILS).is_null(), "its vector says it");
    let odd = bare.replace(">High<", ">x<").replace(">Critical<", ">y<");
    assert_eq!(warnings("jvn", odd.as_bytes()), ["unknown severity \"x\""]);
    assert_eq!(of(&OVERVIEWS.replace("AV:N/AC:L/Au:N/C:P/I:P/A:P", "")), "HIGH");
}
