use super::super::Kind;
use super::super::tests::{json_records, rejected, warnings};

const DOCUMENT: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><vulnerabilities><vul><identifier>BDU:2030-00001</identifier>\
<name>Уязвимость Rocket</name><description>Описание.</description><vulnerable_software><soft><vendor>Acme</vendor><name>Rocket</name>\
<version>от 12.0 до 12.7 включительно</version></soft></vulnerable_software><cwes><cwe><identifier>CWE-119</identifier></cwe></cwes><cwe><identifier>CWE-119</identifier></cwe>\
<identify_date>14.04.2030</identify_date><publication_date>15.04.2030</publication_date><last_upd_date>20.04.2030</last_upd_date>\
<cvss><vector score=\"10\">AV:N/AC:L/Au:N/C:C/I:C/A:C</vector></cvss><cvss3><vector score=\"9,8\">AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H</vector></cvss3><cvss4><vector score=\"0.0\"></vector></cvss4>\
<severity>Высокий уровень опасности (базовая оценка CVSS 2.0 составляет 10)\nКритический уровень опасности (базовая оценка CVSS 3.1 составляет 9,8)</severity>\
<sources>https://example.org/a\nhttps://example.org/b</sources><identifiers><identifier type=\"CVE\">CVE-2030-0001</identifier><identifier type=\"DSA\">DSA-1-1</identifier></identifiers></vul>\
<vul><identifier>BDU:../2</identifier></vul></vulnerabilities>";

#[test]
fn entry_of_the_export_becomes_a_record() {
    assert_eq!(Kind::detect(DOCUMENT.as_bytes()).map(Kind::name), Some("bdu"));
    let numbered = DOCUMENT.replacen("<vul>", "<vul id=\"1\">", 1);
    assert_eq!(Kind::detect(numbered.as_bytes()).map(Kind::name), Some("bdu"));
    let record = &json_records("bdu", DOCUMENT.as_bytes())[0];
    assert_eq!(record["id"], "BDU:2030-00001");
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(record["related"], serde_json::json!(["DSA-1-1"]));
    assert_eq!(record["modified"], "2030-04-20T00:00:00Z");
    assert_eq!(
        record["database_specific"]["severity"], "CRITICAL",
        "the worst of its lines"
    );
    assert_eq!(
        record["database_specific"]["cwe_ids"],
        serde_json::json!(["CWE-119"])
    );
    assert_eq!(
        record["severity"][0]["score"],
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    );
    assert_eq!(record["severity"][1]["type"], "CVSS_V2");
    assert_eq!(
        record["database_specific"]["native"]["vul"]["vulnerable_software"][0]["soft"][0]["version"][0],
        "от 12.0 до 12.7 включительно"
    );
    assert_eq!(warnings("bdu", DOCUMENT.as_bytes()), Vec::<String>::new());
    assert_eq!(rejected("bdu", DOCUMENT.as_bytes()).len(), 1);
}

#[test]
fn export_in_another_encoding_is_read_and_reported() {
    let bytes = encoding_rs::WINDOWS_1251.encode(DOCUMENT).0.into_owned();
    let record = &json_records("bdu", &bytes)[0];
    assert_eq!(record["summary"], "Уязвимость Rocket");
    assert_eq!(warnings("bdu", &bytes), ["not UTF-8; read as windows-1251"]);
}

#[test]
fn ids_typed_by_hand_name_their_records() {
    let of = |typed: &str| {
        let text = DOCUMENT.replace("<identifier type=\"CVE\">CVE-2030-0001<", typed);
        json_records("bdu", text.as_bytes())[0].clone()
    };
    let record = of("<identifier type=\"CVE\">CVE-2030-0001, СVE-2030-0002<");
    assert_eq!(
        record["upstream"],
        serde_json::json!(["CVE-2030-0001", "CVE-2030-0002"])
    );
    let one = "<identifier type=\"CVE\">cve-2030-0001</identifier><identifier type=\"CVE\">CVE-2030-0001<";
    let record = of(one);
    assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]));
}

#[test]
fn id_without_a_type_or_in_another_case_is_a_name() {
    for tag in [
        "<identifier>",
        "<identifier type=\"cve\">",
        "<identifier type=\"\">",
    ] {
        let text = DOCUMENT.replace("<identifier type=\"CVE\">", tag);
        let record = &json_records("bdu", text.as_bytes())[0];
        assert_eq!(record["aliases"], serde_json::json!(["CVE-2030-0001"]), "{tag}");
    }
    let text = DOCUMENT.replace("<identifier type=\"CVE\">CVE-2030-0001", "<identifier>7");
    let record = &json_records("bdu", text.as_bytes())[0];
    assert_eq!(record["related"], serde_json::json!(["7", "DSA-1-1"]));
}

#[test]
fn worst_of_several_vectors_is_first() {
    let low = "<vector score=\"5,3\">AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:L</vector>";
    let text = DOCUMENT.replace("<cvss3>", &format!("<cvss3>{low}"));
    let record = &json_records("bdu", text.as_bytes())[0];
    assert_eq!(
        record["severity"][0]["score"],
        "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    );
    assert_eq!(record["severity"].as_array().unwrap().len(), 3);
}

#[test]
fn flaw_without_danger_has_its_word() {
    let (front, rest) = DOCUMENT.split_once("<severity>").unwrap();
    let (_, rest) = rest.split_once("</severity>").unwrap();
    let text =
        format!("{front}<severity>Нет опасности (базовая оценка CVSS 3.0 составляет 0)</severity>{rest}");
    let record = &json_records("bdu", text.as_bytes())[0];
    assert_eq!(record["database_specific"]["severity"], "NONE");
}

#[test]
fn score_alone_has_a_word() {
    let text = "<vulnerabilities><vul><identifier>BDU:2030-00001</identifier><cvss><vector score=\"5\"/></cvss>\
                <cvss3><vector score=\"9,8\"></vector></cvss3><cvss4><vector score=\"0.0\"/></cvss4></vul></vulnerabilities>";
    let record = &json_records("bdu", text.as_bytes())[0];
    assert_eq!(record["database_specific"]["severity"], "CRITICAL");
}
