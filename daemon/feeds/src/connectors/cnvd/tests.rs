use super::super::Kind;
use super::super::tests::{json_records, rejected, warnings};

const DOCUMENT: &str = r#"<?xml version="1.0" encoding="UTF-8"?><vulnerabilitys>
<vulnerability><number>CNVD-2030-00001</number><cves><cve><cveNumber> CVE 2030 0001</cveNumber><cveUrl>https://example.org/c</cveUrl></cve></cves>
<title>Rocket缓冲区溢出漏洞</title><serverity>高</serverity><products><product>Acme Rocket &gt;=1.0，&lt;=1.4.3</product></products><isEvent>通用软硬件漏洞</isEvent>
<submitTime>2030-01-02</submitTime><openTime>2030-01-05</openTime><formalWay>请更新：
https://example.org/fix</formalWay><description>d</description></vulnerability>
<vulnerability><number>CNVD/../2</number></vulnerability>
<vulnerability><number>CNVD-2030-00003</number><serverity>极高</serverity><products><product>Rocket <=1.0 & x</product></products></vulnerability></vulnerabilitys>"#;

#[test]
fn entry_of_a_weekly_file_becomes_a_record() {
    assert_eq!(Kind::detect(DOCUMENT.as_bytes()).map(Kind::name), Some("cnvd"));
    let records = json_records("cnvd", DOCUMENT.as_bytes());
    let record = &records[0];
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(record["database_specific"]["severity"], "HIGH");
    assert_eq!(record["modified"], "2030-01-05T00:00:00Z");
    assert_eq!(record["references"][1]["url"], "https://example.org/fix");
    let native = |index: usize| &records[index]["database_specific"]["native"]["vulnerability"];
    assert_eq!(
        native(0)["products"][0]["product"][0],
        "Acme Rocket >=1.0，<=1.4.3"
    );
    assert_eq!(native(1)["products"][0]["product"][0], "Rocket <=1.0 & x");
    assert_eq!(
        warnings("cnvd", DOCUMENT.as_bytes()),
        [
            "\"CVE 2030 0001\" is read as CVE-2030-0001",
            "the record has no modification time",
            "brackets that are not escaped were taken for text",
            "unknown severity \"极高\"",
        ]
    );
    assert_eq!(rejected("cnvd", DOCUMENT.as_bytes()).len(), 1);
}

#[test]
fn several_ids_typed_in_one_field_are_read() {
    let text = DOCUMENT.replace(" CVE 2030 0001", "cve-2030-0001；CVE 2030 0002");
    let bare = text.replace("<cves>", "").replace("</cves>", "");
    assert_eq!(
        json_records("cnvd", bare.as_bytes())[0]["upstream"],
        json_records("cnvd", text.as_bytes())[0]["upstream"]
    );
    let record = &json_records("cnvd", text.as_bytes())[0];
    assert_eq!(
        record["upstream"],
        serde_json::json!(["CVE-2030-0001", "CVE-2030-0002"])
    );
}

#[test]
fn severity_is_read_in_either_spelling() {
    let of = |text: &str| json_records("cnvd", text.as_bytes())[0]["database_specific"]["severity"].clone();
    let right = DOCUMENT.replace("serverity>", "severity>");
    assert_eq!(of(&right), "HIGH");
    assert_eq!(of(&right.replace(">高<", ">中危<")), "MEDIUM");
    assert_eq!(of(&DOCUMENT.replace(">高<", ">超危<")), "CRITICAL");
}

#[test]
fn addresses_among_words_are_links() {
    let text = DOCUMENT.replace(
        "<formalWay>请更新：\nhttps://example.org/fix<",
        "<referenceLink>链接：https://example.org/r;https://example.org/s</referenceLink><formalWay>厂商已发布：https://example.org/fix，请更新。<",
    );
    let record = &json_records("cnvd", text.as_bytes())[0];
    let links: Vec<_> = record["references"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["url"].clone())
        .collect();
    assert_eq!(
        links,
        [
            "https://example.org/c",
            "https://example.org/r",
            "https://example.org/s",
            "https://example.org/fix"
        ]
    );
}
