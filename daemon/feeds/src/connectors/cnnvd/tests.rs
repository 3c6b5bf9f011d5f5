use super::super::Kind;
use super::super::tests::{ignored, json_records, rejected, warnings};

const DOCUMENT: &str = r#"<cnnvd xmlns="http://www.cnnvd.org.cn/vuln/1.0" cnnvd_xml_version="1.0" pub_date="2030-10-29">
<entry><name>Rocket 安全漏洞</name><vuln-id>CNNVD-203001-225</vuln-id><published>2030-01-11</published><modified>2030-10-17</modified><source></source>
<severity>中危</severity><vuln-type>加密问题</vuln-type><thrtype>本地</thrtype><vuln-descript>Rocket 存在安全漏洞。</vuln-descript>
<vulnerable-configuration><cncpe operator="or" negate="false"><cncpe-lang name="CPE:/a:acme:rocket:1.0.1u:::"/></cncpe></vulnerable-configuration>
<other-id><cve-id>CVE-2030-0001</cve-id><bugtraq-id></bugtraq-id></other-id><refs><ref><ref-source>BID</ref-source><ref-url>https://example.org/b</ref-url></ref></refs></entry>
<entry><name></name><vuln-id>CNNVD-203001-226</vuln-id><vuln-descript>此编号已经被分配，</vuln-descript></entry>
<entry><name>x</name><vuln-id>CNNVD/../1</vuln-id></entry></cnnvd>"#;

#[test]
fn entry_has_its_severity_as_an_english_word() {
    assert_eq!(Kind::detect(DOCUMENT.as_bytes()).map(Kind::name), Some("cnnvd"));
    let record = &json_records("cnnvd", DOCUMENT.as_bytes())[0];
    assert_eq!(record["id"], "CNNVD-203001-225");
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(record["database_specific"]["severity"], "MEDIUM");
    let native = &record["database_specific"]["native"]["entry"];
    assert_eq!(native["severity"][0], "中危");
    let native = &record["database_specific"]["native"];
    assert_eq!(
        native["vulnerable-configuration"][0]["cncpe"][0]["cncpe-lang"][0]["@name"],
        "CPE:/a:acme:rocket:1.0.1u:::"
    );
    let typed = DOCUMENT
        .replace("CVE-2030-0001", "cve-2030-0001")
        .replace(">https://example.org/b", ">链接:https://example.org/b")
        .replace("2030-01-11", "2030/1/11 0:00:00");
    let record = &json_records("cnnvd", typed.as_bytes())[0];
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(record["references"][0]["url"], "https://example.org/b");
    assert_eq!(record["published"], "2030-01-11T00:00:00Z");
    assert!(ignored("cnnvd", DOCUMENT.as_bytes())[0].contains("not filled"));
    assert!(rejected("cnnvd", DOCUMENT.as_bytes())[0].contains("not the id"));
}

#[test]
fn gb18030_file_without_root_and_with_bare_brackets_is_read() {
    let text = "<entry><name>Rocket 漏洞</name><vuln-id>CNNVD-203001-1</vuln-id><severity>超危</severity>\
                <vuln-descript>版本 <1.2 & 更早 <b</vuln-descript><other-id><cve-id>CVE-2030-0001 CVE-2030-0002</cve-id></other-id></entry>";
    let bytes = encoding_rs::GB18030.encode(text).0.into_owned();
    assert_eq!(Kind::detect(&bytes).map(Kind::name), Some("cnnvd"));
    let record = &json_records("cnnvd", &bytes)[0];
    assert_eq!(record["details"], "版本 <1.2 & 更早 <b");
    assert_eq!(record["summary"], "Rocket 漏洞");
    assert_eq!(
        record["upstream"],
        serde_json::json!(["CVE-2030-0001", "CVE-2030-0002"])
    );
    let warned = warnings("cnnvd", &bytes);
    assert!(
        warned.contains(&"not UTF-8; read as gb18030".to_owned()),
        "{warned:?}"
    );
    assert!(
        warned.iter().any(|warning| warning.contains("taken for text")),
        "{warned:?}"
    );
}

#[test]
fn entries_of_the_web_service_are_read() {
    let detail = r#"{"cnnvdDetail":{"vulName":"x","cnnvdCode":"CNNVD-203012-2756","cveCode":"CVE-2030-0003","publishTime":"2030-12-08 00:00:00","hazardLevel":3,
      "vulDesc":"d","referUrl":"来源:MISC\r\n链接:https://example.org/r","patch":"https://example.org/p","updateTime":"2030-12-13 00:00:00"}}"#;
    assert_eq!(Kind::detect(detail.as_bytes()).map(Kind::name), Some("cnnvd"));
    let record = &json_records("cnnvd", detail.as_bytes())[0];
    assert_eq!(record["modified"], "2030-12-13T00:00:00Z");
    assert_eq!(record["database_specific"]["severity"], "MEDIUM");
    assert_eq!(record["references"][0]["url"], "https://example.org/r");
    assert_eq!(record["references"][1]["type"], "FIX");
    let page = r#"{"code":200,"success":true,"data":{"total":1,"records":[{"id":"x","vulName":"n","cnnvdCode":"CNNVD-203001-001","cveCode":"","hazardLevel":1,"publishTime":"2030-01-01"}]}}"#;
    assert_eq!(Kind::detect(page.as_bytes()).map(Kind::name), Some("cnnvd"));
    let record = &json_records("cnnvd", page.as_bytes())[0];
    assert_eq!(record["database_specific"]["severity"], "CRITICAL");
    assert!(record["aliases"].is_null());
}

#[test]
fn error_of_the_service_is_not_an_empty_page() {
    for (answer, why) in [
        (
            r#"{"code":500,"success":false,"message":"bad","data":null}"#,
            ": the answer is an error: 500 bad",
        ),
        (
            r#"{"code":401,"message":"login"}"#,
            ": the answer is an error: 401 login",
        ),
        (
            r#"{"code":200,"success":false,"message":"x","data":{}}"#,
            ": the answer is an error: 200 x",
        ),
    ] {
        assert_eq!(rejected("cnnvd", answer.as_bytes()), [why]);
    }
    let empty = r#"{"code":200,"success":true,"message":"ok","data":{"total":0,"records":[]}}"#;
    assert!(rejected("cnnvd", empty.as_bytes()).is_empty());
}

#[test]
fn details_are_read_from_either_member_with_any_time() {
    let text = r#"{"code":200,"data":{"cnnvdDetail":null,"receviceVulDetail":{"cnnvdCode":"CNNVD-203001-021","vulName":"r","hazardLevel":"高危","vulDesc":"d",
      "publishTime":1893456000000,"patch":"补丁:https://example.org/1，https://example.org/2"}}}"#;
    let record = &json_records("cnnvd", text.as_bytes())[0];
    assert_eq!(record["published"], "2030-01-01T00:00:00Z");
    assert_eq!(record["database_specific"]["severity"], "HIGH");
    let links = record["references"].as_array().unwrap();
    assert_eq!(links[0]["url"], "https://example.org/1");
    assert_eq!(links.len(), 2);
    let reserved = text.replace("\"d\"", "\"** RESERVED **此编号已经被分配\"");
    assert!(ignored("cnnvd", reserved.as_bytes())[0].contains("not filled"));
    let empty = r#"[{"cnnvdCode":"CNNVD-203001-022","vulName":null,"cveCode":null}]"#;
    assert!(ignored("cnnvd", empty.as_bytes())[0].contains("not filled"));
}

#[test]
fn rejected_entry_is_withdrawn() {
    let text = DOCUMENT.replace("Rocket 存在安全漏洞。", "** REJECT ** 不要使用此候选编号");
    let record = &json_records("cnnvd", text.as_bytes())[0];
    assert_eq!(record["withdrawn"], "2030-10-17T00:00:00Z");
}

#[test]
fn addresses_in_one_reference_are_all_links() {
    let text = DOCUMENT.replace(
        ">https://example.org/b<",
        ">链接:https://example.org/b https://example.org/c<",
    );
    let links = json_records("cnnvd", text.as_bytes())[0]["references"].clone();
    assert_eq!(links[0]["url"], "https://example.org/b");
    assert_eq!(links[1]["url"], "https://example.org/c");
}
