//! Documents that are refused or noted, each with its place and the reason.

use super::*;

#[test]
fn broken_and_expanding_xml_is_refused() {
    for xml in [
        &b"<bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\"><components></bom>"[..],
        b"<bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\"><components>",
        b"<bom xmlns=\"http://cyclonedx.org/schema/bom/9\"/>",
        b"<other><bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\"/></other>",
        b"<!DOCTYPE bom [<!ENTITY a \"b\">]><bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\"><components><component><name>&a;</name></component></components></bom>",
    ] {
        assert!(matches!(read(xml), Err(SbomError::Invalid { .. })), "{}", String::from_utf8_lossy(xml));
    }
    let deep = format!(
        "<bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\">{}",
        "<a>".repeat(10_000)
    );
    assert!(matches!(read(deep.as_bytes()), Err(SbomError::Invalid { .. })));
}

#[test]
fn format_violation_is_refused_with_its_place() {
    for (document, place) in [
        (&br#"{"bomFormat":"SPDX","specVersion":"1.5"}"#[..], "/bomFormat"),
        (
            br#"{"bomFormat":"CycloneDX","specVersion":"2.x"}"#,
            "/specVersion",
        ),
        (
            br#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"name":"a","components":{}}]}"#,
            "/components/0/components",
        ),
        (br#"{"spdxVersion":"SPDX-9.9","SPDXID":"x"}"#, "/spdxVersion"),
        (br#"{"spdxVersion":"SPDX-2.3","packages":{"a":1}}"#, "/packages"),
    ] {
        match read(document) {
            Err(SbomError::Invalid { place: at, .. }) => assert_eq!(at, Place::Pointer(place.into())),
            other => panic!("{place}: {other:?}"),
        }
    }
}

#[test]
fn invalid_cyclonedx_is_refused_in_both_syntaxes() {
    let json = |component: &str| {
        format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{component}]}}"#)
    };
    let refused = |document: &[u8]| match read(document) {
        Err(SbomError::Invalid { place, .. }) => place.to_string(),
        other => panic!("{}: {other:?}", String::from_utf8_lossy(document)),
    };
    for (component, place) in [
        (r#"{"name":"a"}"#, "/components/0/type"),
        (r#"{"type":"Library","name":"a"}"#, "/components/0/type"),
        (r#"{"type":"library"}"#, "/components/0/name"),
        (
            r#"{"type":"library","name":"a","scope":"some"}"#,
            "/components/0/scope",
        ),
        (
            r#"{"type":"library","name":"a","bom-ref":""}"#,
            "/components/0/bom-ref",
        ),
        (
            r#"{"type":"library","name":"a","hashes":[{"alg":"MD5","content":"x"}]}"#,
            "/components/0/hashes/0/content",
        ),
        (
            r#"{"type":"library","name":"a","version":"1","versionRange":"vers:npm/1","isExternal":true}"#,
            "/components/0/versionRange",
        ),
        (
            r#"{"type":"library","name":"a","components":[{"type":"x","name":"b"}]}"#,
            "/components/0/components/0/type",
        ),
    ] {
        assert_eq!(refused(json(component).as_bytes()), place);
    }
    assert!(
        read(json(r#"{"type":"library","name":"a","scope":null,"hashes":null,"licenses":[]}"#).as_bytes())
            .is_ok()
    );
    let xml = |component: &str| {
        format!(
            "<bom xmlns=\"http://cyclonedx.org/schema/bom/1.6\"><components>\n{component}</components></bom>"
        )
    };
    for component in [
        "<component><name>a</name></component>",
        "<component type=\"x\"><name>a</name></component>",
        "<component type=\"library\"/>",
        "<component type=\"library\"><name>a</name><scope>some</scope></component>",
        "<component type=\"library\"><name>a</name><hashes><hash alg=\"MD5\">x</hash></hashes></component>",
    ] {
        assert!(
            refused(xml(component).as_bytes()).starts_with("line 2"),
            "{component}"
        );
    }
}

#[test]
fn version_that_lost_its_zeros_is_refused() {
    for (before, after) in [
        (
            r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"a","version":"#,
            "}]}",
        ),
        (
            r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"a","versionInfo":"#,
            "}]}",
        ),
        (
            r#"{"schema":{"version":"16.0.0"},"descriptor":{},"artifacts":[{"name":"a","version":"#,
            "}]}",
        ),
    ] {
        let read = |version: &str| read(format!("{before}{version}{after}").as_bytes());
        let error = read("1.10").unwrap_err().to_string();
        assert!(error.contains("zeros"), "{error}");
        assert_eq!(read("3").unwrap().components[0].version.as_deref(), Some("3"));
        assert_eq!(read("null").unwrap().components[0].version, None);
    }
    let spdx_3 = r#"{"@context":"x","@graph":[{"type":"software_Package","name":"a","software_packageVersion":1.10}]}"#;
    assert_eq!(read(spdx_3.as_bytes()).unwrap().components[0].version, None);
    let yaml = "spdxVersion: SPDX-2.3\npackages:\n- name: a\n  versionInfo: 1.10\n";
    let inventory = read(yaml.as_bytes()).unwrap();
    assert_eq!(inventory.components[0].version.as_deref(), Some("1.10"));
}

#[test]
fn non_sboms_are_described() {
    for document in [
        &b""[..],
        b" \n",
        b"[]",
        b"{}",
        b"hello",
        b"{\"version\":",
        b"\xff\xfe{",
    ] {
        assert!(
            matches!(read(document), Err(SbomError::UnknownFormat { .. })),
            "{document:?}"
        );
    }
}

#[test]
fn packed_document_names_how_it_is_packed() {
    for (bytes, tool) in [
        (&b"\x1f\x8b\x08\x00"[..], "gzip"),
        (b"\x28\xb5\x2f\xfd\x04", "zstd"),
        (b"\xfd7zXZ\x00\x00", "xz"),
        (b"BZh91AY", "bzip2"),
        (b"PK\x03\x04\x14", "zip"),
    ] {
        let error = read(bytes).unwrap_err().to_string();
        assert!(
            error.contains(&format!("packed ({tool}): unpack it first")),
            "{error}"
        );
    }
}

#[test]
fn base64_is_not_a_list_of_requirements() {
    for text in [
        "eyJib21Gb3JtYXQiOiJDeWNsb25lRFgifQ==",
        "eyJib21Gb3JtYXQi\nOiJDeWNsb25lRFgifQ==\n",
        "flask==\n",
    ] {
        let refused = read(text.as_bytes());
        assert!(matches!(refused, Err(SbomError::UnknownFormat { .. })), "{text}");
    }
    assert_eq!(read(b"flask == 1.0\n").unwrap().components.len(), 1);
}

#[test]
fn truncated_document_is_reported_with_its_format() {
    match read(b"{\"bomFormat\":\"CycloneDX\",\n\"components\":[") {
        Err(SbomError::Invalid { format, place, .. }) => {
            assert_eq!(format, Format::CycloneDxJson);
            assert_eq!(place, Place::Line { line: 2, column: 14 });
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn data_after_the_document_is_refused() {
    let document = b"{\"bomFormat\":\"CycloneDX\",\n\"specVersion\":\"1.5\"}\n  {}";
    match read(document) {
        Err(SbomError::Invalid { place, .. }) => assert_eq!(place, Place::Line { line: 3, column: 3 }),
        other => panic!("{other:?}"),
    }
}

#[test]
fn deep_nesting_is_refused_not_followed() {
    let mut document = br#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":["#.to_vec();
    for _ in 0..100_000 {
        document.extend_from_slice(br#"{"name":"a","components":["#);
    }
    assert!(read(&document).is_err());
}

#[test]
fn first_faulty_component_is_reported() {
    let told = |components: &str| {
        let document =
            format!(r#"{{"components":{components},"bomFormat":"CycloneDX","specVersion":"1.5"}}"#);
        read(document.as_bytes()).unwrap_err().to_string()
    };
    let good = r#"{"type":"library","name":"a"}"#;
    let inside = |list: &str| format!(r#"{{"type":"library","name":"a","components":{list}}}"#);
    for (components, place) in [
        (format!("[{good},{{}},{{}}]"), "/components/1/type"),
        (
            format!(r#"[{},{{"type":"x"}}]"#, inside("[null,{},{}]")),
            "/components/0/components/1/type",
        ),
        (
            format!(r#"[{},{{}}]"#, inside(&format!("[{good}]"))),
            "/components/1/type",
        ),
        (r#"[{"components":[{}]}]"#.to_owned(), "/components/0/type"),
        (
            r#"[{},{"type":"library","name":"a","hashes":7}]"#.to_owned(),
            "/components/1/hashes",
        ),
        (format!(r#"[{},7]"#, inside("[{},{}]")), "/components/1"),
    ] {
        let error = told(&components);
        assert!(error.ends_with(&format!("(at {place})")), "{components}: {error}");
    }
}

#[test]
fn malformed_serial_number_and_licences_are_noted() {
    let json = |serial: &str, licenses: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":{serial},"components":[
            {{"type":"library","name":"a","licenses":{licenses}}}]}}"#
        )
    };
    let good = r#""urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79""#;
    let notes = |document: &str| {
        let inventory = read(document.as_bytes()).unwrap_or_else(|error| panic!("{error}: {document}"));
        assert_eq!(inventory.components.len(), 1, "{document}");
        inventory
            .notes
            .iter()
            .map(|note| note.place.to_string())
            .collect::<Vec<_>>()
    };
    for (serial, licenses, place) in [
        (r#""urn:uuid:1""#, "[]", "/serialNumber"),
        ("7", "[]", "/serialNumber"),
        (good, r#"[{"license":{}}]"#, "/components/0/licenses"),
        (
            good,
            r#"[{"license":{"id":"MIT","name":"MIT"}}]"#,
            "/components/0/licenses",
        ),
        (good, r#"[{"license":"MIT"}]"#, "/components/0/licenses"),
        (good, r#"["MIT"]"#, "/components/0/licenses"),
        (good, r#""MIT""#, "/components/0/licenses"),
        (good, "[{}]", "/components/0/licenses"),
    ] {
        assert_eq!(notes(&json(serial, licenses)), [place]);
    }
    let fine = r#"[{"license":{"id":"MIT","text":{"encoding":"odd"}}},{"expression":"MIT"}]"#;
    assert!(notes(&json(good, fine)).is_empty());
    let xml = |serial: &str, licenses: &str| {
        format!(
            "<bom xmlns=\"http://cyclonedx.org/schema/bom/1.5\" serialNumber=\"{serial}\"><components>\n\
             <component type=\"library\"><name>a</name><licenses>{licenses}</licenses></component></components></bom>"
        )
    };
    let good = good.trim_matches('"');
    for (serial, licenses) in [
        ("x", "<license><id>MIT</id></license>"),
        (good, "<license/>"),
        (
            good,
            "<license><id>MIT</id></license><expression>MIT</expression>",
        ),
        (good, "<license><id>MIT</id><name>MIT</name></license>"),
    ] {
        assert_eq!(notes(&xml(serial, licenses)).len(), 1, "{serial} {licenses}");
    }
}
