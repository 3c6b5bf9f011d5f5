//! Behaviours of detection and of the readers.

use proptest::prelude::*;

use super::*;

fn purls(inventory: &Inventory) -> Vec<String> {
    inventory
        .components
        .iter()
        .filter_map(|c| c.purl.as_ref().map(ToString::to_string))
        .collect()
}

#[test]
fn nested_cyclonedx_components_are_found_with_their_places() {
    let bom = br#"{"bomFormat":"CycloneDX","specVersion":"1.5",
        "metadata":{"component":{"type":"application","name":"app","version":"1"}},
        "components":[
          {"type":"library","name":"outer","version":"1","purl":"pkg:npm/outer@1","bom-ref":"x",
           "components":[{"type":"library","name":"inner","bom-ref":"x","purl":"pkg:npm/inner@2"}]},
          {"type":"library","group":"g","name":"no-purl","version":3},
          null]}"#;
    let inventory = read(bom).unwrap();
    assert_eq!(inventory.format, Format::CycloneDxJson);
    assert_eq!(inventory.subject.as_deref(), Some("app"));
    assert_eq!(purls(&inventory), ["pkg:npm/outer@1", "pkg:npm/inner@2"]);
    let inner = &inventory.components[2];
    assert_eq!(inner.place, Place::Pointer("/components/0/components/0".into()));
    assert_eq!(inner.version.as_deref(), Some("2"));
    let plain = &inventory.components[3];
    assert_eq!(
        (plain.name.as_str(), plain.version.as_deref()),
        ("g/no-purl", Some("3"))
    );
    assert_eq!(inventory.notes.len(), 1);
}

#[test]
fn the_operating_system_component_gives_the_distro() {
    let bom = br#"{"bomFormat":"CycloneDX","specVersion":"1.4","components":[
        {"type":"operating-system","name":"debian","version":"12"},
        {"type":"library","name":"curl","purl":"pkg:deb/debian/curl@7.88.1-10"}]}"#;
    assert_eq!(read(bom).unwrap().distro.as_deref(), Some("debian-12"));
}

#[test]
fn spdx_packages_are_read_once_per_package_url() {
    let document = br#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"doc","documentDescribes":["SPDXRef-root"],
        "packages":[
          {"SPDXID":"SPDXRef-root","name":"root","versionInfo":"NOASSERTION"},
          {"SPDXID":"SPDXRef-a","name":"a","versionInfo":"1","externalRefs":[
            {"referenceCategory":"PACKAGE_MANAGER","referenceType":"purl","referenceLocator":"pkg:pypi/a@1"},
            {"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:pypi/A@1"},
            {"referenceCategory":"SECURITY","referenceType":"cpe23Type","referenceLocator":"cpe:2.3:a:a:a:1:*:*:*:*:*:*:*"}]},
          {"SPDXID":"SPDXRef-b","name":"b","externalRefs":[{"referenceType":"purl","referenceLocator":"not a purl"}]}]}"#;
    let inventory = read(document).unwrap();
    assert_eq!(inventory.format, Format::Spdx2Json);
    assert_eq!(purls(&inventory), ["pkg:pypi/a@1"]);
    assert_eq!(inventory.components[0].kind, ComponentKind::Subject);
    assert_eq!(inventory.components[0].version, None);
    assert_eq!(
        inventory.notes[0].place,
        Place::Pointer("/packages/2/externalRefs/0".into())
    );
}

#[test]
fn what_breaks_its_format_is_refused_with_its_place() {
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
fn what_is_no_sbom_is_told_apart() {
    for document in [
        &b""[..],
        b" \n",
        b"[]",
        b"{}",
        b"hello",
        b"{\"bomFormat\":",
        b"\xff\xfe{",
    ] {
        assert!(
            matches!(read(document), Err(SbomError::UnknownFormat { .. })),
            "{document:?}"
        );
    }
}

#[test]
fn what_follows_the_document_is_not_ignored() {
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

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_json_panics(
        name in "\\PC{0,10}", purl in "(pkg:)?[a-z]{0,5}/?\\PC{0,20}", version in "\\PC{0,10}", spec in "[0-9.x]{0,4}",
    ) {
        let cyclonedx = serde_json::json!({"bomFormat": "CycloneDX", "specVersion": spec, "components":
            [{"name": name, "purl": purl, "version": version, "components": [{"name": version}]}]});
        let _ = read(cyclonedx.to_string().as_bytes());
        let spdx = serde_json::json!({"spdxVersion": format!("SPDX-2.{spec}"), "packages":
            [{"name": name, "versionInfo": version, "externalRefs": [{"referenceType": "purl", "referenceLocator": purl}]}]});
        let _ = read(spdx.to_string().as_bytes());
    }
}
