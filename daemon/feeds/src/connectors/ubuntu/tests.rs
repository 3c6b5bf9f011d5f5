use super::super::Kind;
use super::super::tests::{json_records, ranges, rejected, warnings};

const PAGE: &str = r#"{"limit":1,"notices":[{"id":"USN-9001-1","title":"Rocket vulnerability","description":"d","published":"2030-10-23T01:17:50","is_hidden":false,
 "cves_ids":["CVE-2030-0001"],"cves":[{"id":"CVE-2030-0001"}],"references":["https://example.org/bug"],"type":"USN",
 "release_packages":{"jammy":[{"name":"rocket","version":"1.0-1ubuntu1","is_source":true,"source_link":"s"},{"name":"librocket","version":"1.0-1ubuntu1","is_source":false,"pocket":"security","source_link":"s"}],
  "xenial":[{"name":"rocket","version":"0.9-1esm1","is_source":true,"source_link":"s"},{"name":"librocket","version":"0.9-1esm1","is_source":false,"pocket":"esm-infra","source_link":"s"}],
  "strange":[{"name":"rocket","version":"1","is_source":true}]}},
 {"id":"USN-9002-1","is_hidden":true,"published":"2030-10-23T01:17:50","release_packages":{"jammy":[{"name":"x","version":"","is_source":true}]}},{"id":"../x"}],"total_results":3}"#;

const DATABASE: &str = r#"{"763-1":{"id":"763-1","title":"t","timestamp":1893456000.25,"cves":["CVE-2030-0002","https://example.org/bug"],
 "releases":{"noble":{"sources":{"sled":{"version":"2.0","description":"x"}},"archs":{"amd64":{"urls":{"u":{"md5":"m"}}}},
  "allbinaries":{"libsled":{"pocket":"esm-apps","source":"sled","version":"2.0"}}}}}}"#;

#[test]
fn page_of_the_service_names_source_packages_by_release() {
    assert_eq!(Kind::detect(PAGE.as_bytes()).map(Kind::name), Some("ubuntu"));
    let records = json_records("ubuntu", PAGE.as_bytes());
    assert_eq!(
        ranges(&records[0]),
        [
            "Ubuntu:22.04:LTS rocket introduced=0 fixed=1.0-1ubuntu1",
            "Ubuntu:Pro:16.04:LTS rocket introduced=0 fixed=0.9-1esm1",
        ],
        "what subscribers get fixes nothing for others"
    );
    assert_eq!(records[0]["upstream"], serde_json::json!(["CVE-2030-0001"]));
    assert_eq!(records[1]["withdrawn"], "2030-10-23T01:17:50Z");
    assert_eq!(
        warnings("ubuntu", PAGE.as_bytes()),
        ["unknown release \"strange\"", "x in jammy: no version"]
    );
    assert_eq!(
        ranges(&records[1]),
        ["Ubuntu:22.04:LTS x"],
        "it is left undecided"
    );
    assert!(rejected("ubuntu", PAGE.as_bytes())[0].contains("../x"));
}

#[test]
fn database_of_notices_numbers_them_without_a_prefix() {
    assert_eq!(Kind::detect(DATABASE.as_bytes()).map(Kind::name), Some("ubuntu"));
    let record = &json_records("ubuntu", DATABASE.as_bytes())[0];
    assert_eq!(record["id"], "USN-763-1");
    assert_eq!(record["published"], "2030-01-01T00:00:00Z");
    assert_eq!(
        ranges(record),
        ["Ubuntu:Pro:24.04:LTS sled introduced=0 fixed=2.0"]
    );
    assert_eq!(record["references"][0]["url"], "https://example.org/bug");
    assert!(record["database_specific"]["native"]["releases"]["noble"]["archs"].is_null());
    assert_eq!(
        warnings("ubuntu", DATABASE.as_bytes()),
        ["addresses and checksums of files are not kept"]
    );
}

#[test]
fn release_without_sources_is_reported() {
    let text = DATABASE.replace("\"sources\":{\"sled\":", "\"source\":{\"sled\":");
    let warnings = warnings("ubuntu", text.as_bytes());
    assert!(
        warnings
            .iter()
            .any(|warning| warning == "noble: it lists no sources"),
        "{warnings:?}"
    );
}

/// Returns the ranges and warnings of a notice with these packages of a release.
fn ranges_of(id: &str, release: &str, packages: &str) -> (Vec<String>, Vec<String>) {
    let text = format!(
        r#"{{"id":"{id}","cves_ids":[],"published":"2030-10-23T01:17:50","releases":[{{"codename":"young","support_tag":"LTS","version":"30.04"}}],"release_packages":{{"{release}":[{packages}]}}}}"#
    );
    (
        ranges(&json_records("ubuntu", text.as_bytes())[0]),
        warnings("ubuntu", text.as_bytes()),
    )
}

#[test]
fn pocket_is_that_of_the_source_package() {
    let source = |name: &str, version: &str, more: &str| {
        format!(r#"{{"name":"{name}","version":"{version}","is_source":true{more}}}"#)
    };
    let binary = r#"{"name":"lib","version":"9","is_source":false,"pocket":"esm-apps","source_link":""}"#;
    for (release, package, expected) in [
        (
            "focal",
            source("p", "1", r#","source_link":"""#),
            "Ubuntu:20.04:LTS p introduced=0 fixed=1",
        ),
        (
            "focal",
            source("p", "9", ""),
            "Ubuntu:Pro:20.04:LTS p introduced=0 fixed=9",
        ),
        (
            "focal",
            source("p", "1~esm1", ""),
            "Ubuntu:Pro:20.04:LTS p introduced=0 fixed=1~esm1",
        ),
        (
            "focal",
            source("p", "1", r#","pocket":"ros-esm""#),
            "Ubuntu:Pro:20.04:LTS p introduced=0 fixed=1",
        ),
        (
            "jammy",
            source("p", "1+Fips1", r#","pocket":"fips-updates""#),
            "Ubuntu:Pro:FIPS-updates:22.04:LTS p introduced=0 fixed=1+Fips1",
        ),
        (
            "jammy",
            source("linux-fips", "1", r#","pocket":"fips""#),
            "Ubuntu:Pro:22.04:LTS linux-fips introduced=0 fixed=1",
        ),
        (
            "trusty/esm",
            source("p", "1", ""),
            "Ubuntu:Pro:14.04:LTS p introduced=0 fixed=1",
        ),
        (
            "esm-infra/xenial",
            source("p", "1", ""),
            "Ubuntu:Pro:16.04:LTS p introduced=0 fixed=1",
        ),
        (
            "stonking",
            source("p", "1", ""),
            "Ubuntu:26.10 p introduced=0 fixed=1",
        ),
        (
            "young",
            source("p", "1", ""),
            "Ubuntu:30.04:LTS p introduced=0 fixed=1",
        ),
    ] {
        let (ranges, warnings) = ranges_of("USN-9001-1", release, &format!("{package},{binary}"));
        assert_eq!(
            (ranges.as_slice(), warnings.len()),
            (&[expected.to_owned()][..], 0)
        );
    }
}

#[test]
fn packages_of_another_form_are_reported() {
    let source = r#"{"name":"p","version":"1","is_source":true}"#;
    for package in ["7", r#"{"name":"q","version":"1","is_source":"perhaps"}"#] {
        let (ranges, warnings) = ranges_of("USN-9001-1", "focal", &format!("{source},{package}"));
        assert_eq!(ranges, ["Ubuntu:20.04:LTS p introduced=0 fixed=1"]);
        assert_eq!(warnings, ["focal: a package is not understood"]);
    }
    let page = PAGE.replace("\"cves_ids\":[\"CVE-2030-0001\"]", "\"cves_ids\":7");
    assert_eq!(
        warnings("ubuntu", page.as_bytes())[0],
        "cves_ids is a number instead of a list"
    );
}

#[test]
fn livepatch_fixes_no_package() {
    let kernel = r#"{"name":"linux","version":"100.1","is_source":true}"#;
    let (ranges, warnings) = ranges_of("LSN-0100-1", "focal", kernel);
    assert!(ranges.is_empty());
    assert!(warnings[0].contains("a livepatch"));
}

#[test]
fn notices_are_read_from_a_list() {
    let page: serde_json::Value = serde_json::from_str(PAGE).unwrap();
    let list = page["notices"].to_string();
    assert_eq!(Kind::detect(list.as_bytes()).map(Kind::name), Some("ubuntu"));
    assert_eq!(
        json_records("ubuntu", list.as_bytes()),
        json_records("ubuntu", PAGE.as_bytes())
    );
}

#[test]
fn each_pocket_of_a_source_has_its_own_fix() {
    let package = |version: &str, more: &str| {
        format!(r#"{{"name":"p","version":"{version}","source_link":"s",{more}}}"#)
    };
    let packages = [
        package("1", r#""is_source":true"#),
        package("1+esm1", r#""is_source":true"#),
        package("1+esm1", r#""is_source":false,"pocket":"esm-infra""#),
    ];
    let fixes = [
        "Ubuntu:20.04:LTS p introduced=0 fixed=1",
        "Ubuntu:Pro:20.04:LTS p introduced=0 fixed=1+esm1",
    ];
    assert_eq!(ranges_of("USN-9001-1", " Focal ", &packages.join(",")).0, fixes);
    let more = package("1", r#""is_source":false,"pocket":"security""#);
    assert_eq!(
        ranges_of("USN-9001-1", "focal", &format!("{},{more}", packages.join(","))).0,
        fixes
    );
}

#[test]
fn database_entry_is_recognised_by_its_key() {
    for (text, warning) in [
        (DATABASE.replace("\"id\":\"763-1\",", ""), None),
        (DATABASE.replace("\"763-1\":{", "\"USN-763-1\":{"), None),
        (
            DATABASE.replace("\"763-1\":{", "\"764-1\":{"),
            Some("under another number: \"764-1\""),
        ),
    ] {
        assert_eq!(Kind::detect(text.as_bytes()).map(Kind::name), Some("ubuntu"));
        let record = &json_records("ubuntu", text.as_bytes())[0];
        assert_eq!(record["id"], "USN-763-1");
        assert_eq!(
            ranges(record),
            ["Ubuntu:Pro:24.04:LTS sled introduced=0 fixed=2.0"]
        );
        let warned = warnings("ubuntu", text.as_bytes());
        assert_eq!(
            warning.is_some(),
            warned
                .iter()
                .any(|own| own.contains(warning.unwrap_or("under another")))
        );
    }
}

#[test]
fn source_without_a_readable_version_is_undecided() {
    for version in ["*", "none", "1.0, 1.1", ""] {
        let source = format!(r#"{{"name":"p","version":"{version}","is_source":true}}"#);
        let (ranges, warnings) = ranges_of("USN-9001-1", "focal", &source);
        assert_eq!(
            (ranges, warnings),
            (
                vec!["Ubuntu:20.04:LTS p".to_owned()],
                vec!["p in focal: no version".to_owned()]
            )
        );
    }
    let text = DATABASE.replace("{\"version\":\"2.0\",\"description\":\"x\"}", "\"2.0\"");
    let record = &json_records("ubuntu", text.as_bytes())[0];
    assert_eq!(
        ranges(record),
        ["Ubuntu:Pro:24.04:LTS sled introduced=0 fixed=2.0"]
    );
}
