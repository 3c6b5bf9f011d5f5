use super::super::Kind;
use super::super::tests::{json_records, ranges};

const DATABASE: &str = r#"{"apkurl":"x","archs":["x86_64"],"reponame":"os","urlprefix":"https://packages.mini.dev","packages":[
{"pkg":{"name":"rocket","secfixes":{"0":["CVE-2030-0001"],"1.2-r0":["CVE-2030-0002"]}}}]}"#;

#[test]
fn ecosystem_has_no_branches() {
    assert_eq!(Kind::detect(DATABASE.as_bytes()).map(Kind::name), Some("minimos"));
    let records = json_records("minimos", DATABASE.as_bytes());
    assert_eq!(records[1]["id"], "MINI-CVE-2030-0002");
    assert_eq!(ranges(&records[0]), Vec::<String>::new(), "it was never affected");
    assert_eq!(ranges(&records[1]), ["MinimOS rocket introduced=0 fixed=1.2-r0"]);
}
