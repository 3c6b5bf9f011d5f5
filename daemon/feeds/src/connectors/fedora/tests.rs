use super::super::Kind;
use super::super::tests::{json_records, ranges, rejected, warnings};

const NOTICES: &str = r#"<updates><update type="security"><id>FEDORA-2030-aaaa</id><title>rocket-1.0-1.fc43</title><issued date="2030-12-01 18:15:47"/>
<release>Fedora 43</release><severity>Low</severity><description>x</description>
<references><reference href="https://example.org/b" id="1" type="bugzilla" title="CVE-2030-0001 rocket: flaw [fedora-all]"/></references>
<pkglist><collection short="F43"><name>Fedora 43</name><package name="rocket" version="1.0" release="1.fc43" epoch="0" arch="src"/>
<package name="rocket-libs" version="1.0" release="1.fc43" epoch="2" arch="noarch"/></collection></pkglist></update>
<update type="security"><id>FEDORA-EPEL-2030-bbbb</id><release>Fedora EPEL 9</release><pkglist><collection short="E"><name>x</name>
<package name="sled" version="2" release="1.el9" epoch="0" arch="src"/></collection></pkglist></update></updates>"#;

const PAGE: &str = r#"{"updates":[{"updateid":"FEDORA-2030-cccc","alias":"FEDORA-2030-cccc","title":"rocket-1.0-1.fc40","notes":"Fixes CVE-2030-0002.","severity":"unspecified","type":"security",
 "status":"stable","date_submitted":"2030-03-01 10:00:00","date_stable":"2030-03-05 12:00:00","date_modified":null,"url":"https://example.org/u",
 "release":{"name":"F40","long_name":"Fedora 40","version":"40"},"bugs":[{"bug_id":7,"title":"CVE-2030-0001 rocket: flaw"}],
 "builds":[{"nvr":"rocket-1.0-1.fc40","type":"rpm","epoch":1},{"nvr":"sled-p17-9.fc40","type":"rpm","epoch":null},{"nvr":"odd","type":"rpm"},{"nvr":"image-1-1","type":"container"}]},
 {"updateid":"FEDORA-2030-dddd","status":"unpushed","date_submitted":"2030-03-01 10:00:00","release":{"name":"F40","version":"40"},"builds":[]},{"updateid":"X"}],
 "page":1,"pages":1,"rows_per_page":20,"total":1}"#;

#[test]
fn notices_name_binary_packages_and_link_vulnerabilities() {
    assert_eq!(Kind::detect(NOTICES.as_bytes()).map(Kind::name), Some("fedora"));
    let records = json_records("fedora", NOTICES.as_bytes());
    assert_eq!(
        ranges(&records[0]),
        ["Fedora:43 rocket-libs introduced=0 fixed=2:1.0-1.fc43"]
    );
    assert_eq!(
        records[0]["upstream"],
        serde_json::json!(["CVE-2030-0001"]),
        "the title of a bug begins with it"
    );
    assert_eq!(
        ranges(&records[1]),
        ["EPEL:9 sled introduced=0 fixed=2-1.el9"],
        "only its source is named"
    );
}

#[test]
fn pages_of_bodhi_name_builds_and_link_vulnerabilities() {
    assert_eq!(Kind::detect(PAGE.as_bytes()).map(Kind::name), Some("fedora"));
    let records = json_records("fedora", PAGE.as_bytes());
    assert_eq!(
        ranges(&records[0]),
        [
            "Fedora:40 rocket introduced=0 fixed=1:1.0-1.fc40",
            "Fedora:40 sled introduced=0 fixed=p17-9.fc40"
        ]
    );
    assert_eq!(
        records[0]["related"],
        serde_json::json!(["CVE-2030-0002"]),
        "words of people name nothing"
    );
    assert_eq!(records[0]["upstream"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(records[0]["modified"], "2030-03-05T12:00:00Z");
    assert_eq!(records[1]["withdrawn"], "2030-03-01T10:00:00Z");
    let warned = warnings("fedora", PAGE.as_bytes());
    assert!(warned.contains(&"not a build: \"odd\"".to_owned()), "{warned:?}");
    assert_eq!(rejected("fedora", PAGE.as_bytes()).len(), 1);
}

#[test]
fn only_the_beginning_of_a_title_names_vulnerabilities() {
    let title = "CVE-2030-0001 CVE-2030-0003 ... rocket: incomplete fix of CVE-2030-0004";
    for text in [
        NOTICES.replace("CVE-2030-0001 rocket: flaw", title),
        PAGE.replace("CVE-2030-0001 rocket: flaw", title),
    ] {
        let record = &json_records("fedora", text.as_bytes())[0];
        assert_eq!(
            record["upstream"],
            serde_json::json!(["CVE-2030-0001", "CVE-2030-0003"])
        );
        let related = record["related"].as_array().unwrap();
        assert!(related.contains(&serde_json::json!("CVE-2030-0004")));
        assert!(!related.contains(&serde_json::json!("CVE-2030-0003")));
        let warned = warnings("fedora", text.as_bytes());
        assert!(
            warned.iter().any(|text| text.contains("leaves out ids")),
            "{warned:?}"
        );
    }
}

#[test]
fn notice_that_names_no_vulnerability_has_its_class() {
    let class = |text: &str| {
        let record = &json_records("fedora", text.as_bytes())[0];
        record["affected"][0]["database_specific"]["informational"].clone()
    };
    let of = |kind: &str| NOTICES.replacen("type=\"security\"", &format!("type=\"{kind}\""), 1);
    let bare = |kind: &str| of(kind).replace("CVE-2030-0001 ", "");
    assert_eq!(class(&bare("bugfix")), "bugfix");
    assert_eq!(class(&bare("newpackage")), "newpackage");
    let record = &json_records("fedora", bare("bugfix").as_bytes())[0];
    assert!(
        record["database_specific"]["severity"].is_null(),
        "of a bug, not of a vulnerability"
    );
    assert!(class(&bare("security")).is_null());
    assert!(class(&bare("unspecified")).is_null());
    assert!(class(&of("bugfix")).is_null(), "a bug that is a vulnerability");
    let page = PAGE.replacen("\"type\":\"security\"", "\"type\":\"enhancement\"", 1);
    assert!(class(&page).is_null(), "its notes name a vulnerability");
    let page = page.replace("CVE-2030", "bug");
    assert_eq!(class(&page), "enhancement");
}

#[test]
fn answer_about_a_single_update_is_read() {
    let update = PAGE.split_once('[').unwrap().1.split(",\n {").next().unwrap();
    let answer = format!("{{\"update\":{update},\"can_edit\":false}}");
    assert_eq!(Kind::detect(answer.as_bytes()).map(Kind::name), Some("fedora"));
    assert_eq!(
        json_records("fedora", answer.as_bytes())[0]["id"],
        "FEDORA-2030-cccc"
    );
}

#[test]
fn release_that_is_not_stated_is_that_of_the_build() {
    let stated = r#""release":{"name":"F40","long_name":"Fedora 40","version":"40"}"#;
    for unstated in [r#""release":null"#, r#""release":{"name":"main","long_name":""}"#] {
        let page = PAGE.replacen(stated, unstated, 1);
        let records = json_records("fedora", page.as_bytes());
        assert_eq!(ranges(&records[0]).len(), 2, "{unstated}");
        assert_eq!(
            ranges(&records[0])[0],
            "Fedora:40 rocket introduced=0 fixed=1:1.0-1.fc40"
        );
        let eln = page.replace(".fc40", ".eln135");
        assert!(ranges(&json_records("fedora", eln.as_bytes())[0]).is_empty());
        let warned = warnings("fedora", eln.as_bytes());
        assert!(
            warned.iter().any(|text| text.starts_with("unknown release")),
            "{warned:?}"
        );
    }
    let notices = NOTICES.replace("Fedora EPEL 9", "stable");
    assert_eq!(
        ranges(&json_records("fedora", notices.as_bytes())[1]),
        ["EPEL:9 sled introduced=0 fixed=2-1.el9"]
    );
}

/// Builds for CentOS Stream have other versions than those for the release.
#[test]
fn builds_of_epel_next_have_no_entry_and_are_named() {
    for end in [".next", ".next.1"] {
        let notices = NOTICES
            .replace("release=\"1.el9\"", &format!("release=\"1.el9{end}\""))
            .replace("Fedora EPEL 9", "Fedora EPEL Next 9");
        assert!(
            ranges(&json_records("fedora", notices.as_bytes())[1]).is_empty(),
            "{end}"
        );
        let warned = warnings("fedora", notices.as_bytes());
        assert!(warned.iter().any(|text| text.contains("EPEL Next")), "{warned:?}");
        let page = PAGE.replace(
            "rocket-1.0-1.fc40\",\"type",
            &format!("rocket-1.0-1.el9{end}\",\"type"),
        );
        assert_ne!(page, PAGE);
        let records = json_records("fedora", page.as_bytes());
        assert_eq!(
            ranges(&records[0]),
            ["Fedora:40 sled introduced=0 fixed=p17-9.fc40"],
            "{end}"
        );
        let warned = warnings("fedora", page.as_bytes());
        assert!(warned.iter().any(|text| text.contains("EPEL Next")), "{warned:?}");
    }
    let of_release = NOTICES.replace("release=\"1.el9\"", "release=\"1.nextcloud.el9\"");
    assert_eq!(ranges(&json_records("fedora", of_release.as_bytes())[1]).len(), 1);
}

/// Older versions of the service listed vulnerabilities beside the bugs: a record without bugs had no name.
#[test]
fn vulnerabilities_in_a_list_of_their_own_are_read() {
    for cves in [r#"[{"cve_id":"CVE-2030-0007"}]"#, r#"["CVE-2030-0007"]"#] {
        let page = PAGE.replacen("\"notes\":", &format!("\"cves\":{cves},\"notes\":"), 1);
        let record = &json_records("fedora", page.as_bytes())[0];
        assert_eq!(
            record["upstream"],
            serde_json::json!(["CVE-2030-0001", "CVE-2030-0007"]),
            "{cves}"
        );
    }
}

#[test]
fn package_is_read_in_every_form() {
    let attributes =
        r#"<package name="rocket-libs" version="1.0" release="1.fc43" epoch="2" arch="noarch"/>"#;
    for package in [
        "<package><name>rocket-libs</name><version>1.0</version><release>1.fc43</release><epoch>2</epoch></package>",
        "<package><filename>rocket-libs-2:1.0-1.fc43.noarch.rpm</filename></package>",
    ] {
        let notices = NOTICES.replacen(attributes, package, 1);
        assert_eq!(
            ranges(&json_records("fedora", notices.as_bytes())[0]),
            ["Fedora:43 rocket-libs introduced=0 fixed=2:1.0-1.fc43"],
            "{package}"
        );
    }
}

#[test]
fn words_of_bodhi_are_known_in_any_capitals() {
    let page = PAGE
        .replace("\"unpushed\"", "\"Unpushed\"")
        .replace("\"type\":\"rpm\"", "\"type\":\"RPM\"");
    let (respelt, records) = (
        json_records("fedora", page.as_bytes()),
        json_records("fedora", PAGE.as_bytes()),
    );
    assert_eq!(respelt[0]["affected"], records[0]["affected"]);
    assert_eq!(respelt[1]["withdrawn"], records[1]["withdrawn"]);
    let bare = PAGE.replacen(
        r#"{"bug_id":7,"title":"CVE-2030-0001 rocket: flaw"}"#,
        r#""CVE-2030-0001 rocket: flaw""#,
        1,
    );
    assert_eq!(
        json_records("fedora", bare.as_bytes())[0]["upstream"],
        records[0]["upstream"]
    );
    let warned = warnings("fedora", PAGE.as_bytes());
    assert!(
        warned.contains(&"the update names no build".to_owned()),
        "{warned:?}"
    );
}
