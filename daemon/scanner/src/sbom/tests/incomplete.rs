//! Parts of documents that say less, or otherwise, than they should: they count, and are named.

use super::super::{ComponentKind, read};
use super::purls;

fn kinds(text: &str) -> Vec<(String, ComponentKind, usize)> {
    let inventory = read(text.as_bytes()).unwrap();
    let notes = inventory.notes.len();
    let components = inventory.components.iter();
    components
        .map(|component| (component.name.clone(), component.kind, notes))
        .collect()
}

#[test]
fn null_and_nameless_components_count_as_unknown_packages() {
    let nobody = vec![("(unnamed)".to_owned(), ComponentKind::Package, 1)];
    for text in [
        r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[null]}"#,
        r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":" "}]}"#,
        r#"{"spdxVersion":"SPDX-2.3","packages":[null]}"#,
        r#"{"spdxVersion":"SPDX-2.3","packages":[{"SPDXID":"SPDXRef-P"}]}"#,
        r#"{"artifacts":[null],"schema":{"version":"16.0.0"},"descriptor":{"name":"syft"}}"#,
        r#"{"@context":"x","@graph":[{"type":"software_Package"}]}"#,
        "SPDXVersion: SPDX-2.3\nPackageName:\n",
    ] {
        assert_eq!(kinds(text), nobody, "{text}");
    }
    // A project without a name describes nothing.
    let subject = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{"component":{"type":"application","name":""}}}"#;
    assert_eq!(kinds(subject), []);
}

#[test]
fn thing_with_an_unreadable_package_url_is_a_package() {
    let file = |purl: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"type":"file","name":"a","purl":"{purl}"}},
                {{"type":"file","name":"b"}}]}}"#
        )
    };
    let of = |purl: &str| -> Vec<ComponentKind> {
        let kinds = kinds(&file(purl));
        kinds.iter().map(|(_, kind, _)| *kind).collect()
    };
    assert_eq!(
        of("npm/late@1.5.0"),
        [ComponentKind::Package, ComponentKind::Other]
    );
    assert_eq!(of(""), [ComponentKind::Other, ComponentKind::Other]);
    let spdx = "SPDXVersion: SPDX-2.3\nPackageName: a\nPrimaryPackagePurpose: FILE\nExternalRef: PACKAGE-MANAGER purl npm/a\n\
                PackageName: b\nPrimaryPackagePurpose: FILE\n";
    let found: Vec<ComponentKind> = kinds(spdx).iter().map(|(_, kind, _)| *kind).collect();
    assert_eq!(found, [ComponentKind::Package, ComponentKind::Other]);
}

#[test]
fn document_that_calls_itself_incomplete_is_noted() {
    let notes = |aggregates: [&str; 2]| {
        let [json, xml] = [
            aggregates.map(|aggregate| format!(r#"{{"aggregate":"{aggregate}","assemblies":["x"]}}"#)),
            aggregates
                .map(|aggregate| format!("<composition><aggregate>{aggregate}</aggregate></composition>")),
        ];
        let json = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[],"compositions":[{}]}}"#,
            json.join(",")
        );
        let xml = format!(
            r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><compositions>{}</compositions></bom>"#,
            xml.concat()
        );
        [json, xml].map(|text| {
            let notes = read(text.as_bytes()).unwrap().notes;
            notes.iter().map(|note| note.text.clone()).collect::<Vec<_>>()
        })
    };
    assert_eq!(
        notes(["complete", "unknown"]),
        [vec![], vec![]] as [Vec<String>; 2]
    );
    for aggregates in [
        ["complete", "incomplete"],
        ["incomplete_first_party_only", "incomplete"],
    ] {
        let [json, xml] = notes(aggregates);
        assert!(json.len() == 1 && json == xml, "{json:?} {xml:?}");
    }
    let other = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","compositions":{"aggregate":"incomplete"}}"#;
    assert!(read(other.as_bytes()).unwrap().notes.is_empty());
}

#[test]
fn two_versions_of_a_component_are_noted() {
    let notes = |version: &str, purl: &str| {
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"type":"library","name":"a","version":"{version}","purl":"{purl}"}}]}}"#
        );
        read(text.as_bytes()).unwrap().notes.len()
    };
    assert_eq!(notes("1.5.0", "pkg:npm/a@3.0.0"), 1);
    for (version, purl) in [
        ("3.0.0", "pkg:npm/a@3.0.0"),
        ("v3.0.0", "pkg:golang/x.example/a@3.0.0"),
        ("1:2.0-1", "pkg:deb/debian/a@2.0-1"),
        ("", "pkg:npm/a@3.0.0"),
        ("3.0.0", "pkg:npm/a"),
        ("1.2", "pkg:oci/a@sha256:00"),
    ] {
        assert_eq!(notes(version, purl), 0, "{version} {purl}");
    }
}

#[test]
fn tag_values_may_be_marked_and_spaced() {
    let text = "SPDXVersion: SPDX-2.3\nPackageName: <text>late</text>\nPackageVersion: <text>1.5.0</text>\n\
                ExternalRef: PACKAGE-MANAGER  purl \t pkg:npm/late\n";
    let inventory = read(text.as_bytes()).unwrap();
    let found = &inventory.components[0];
    assert_eq!(
        (found.name.as_str(), found.version.as_deref()),
        ("late", Some("1.5.0"))
    );
    assert_eq!(purls(&inventory), ["pkg:npm/late"]);
}

#[test]
fn spdx_3_packages_of_all_classes_are_read_with_all_their_urls() {
    let text = r#"{"@context":"x","@graph":[
        {"type":"software_Package","name":"a","software_packageUrl":["pkg:npm/a@1","pkg:npm/b@1"]},
        {"type":"ai_AIPackage","name":"m","software_packageUrl":"pkg:npm/m@1"},
        {"type":"https://spdx.org/rdf/3.0.1/terms/Dataset/DatasetPackage","name":"d"}]}"#;
    let inventory = read(text.as_bytes()).unwrap();
    assert_eq!(purls(&inventory), ["pkg:npm/a@1", "pkg:npm/b@1", "pkg:npm/m@1"]);
    assert_eq!(inventory.components[3].kind, ComponentKind::Other);
}

#[test]
fn spdx_package_has_one_version() {
    let rdf = |package: &str, locators: &str| {
        format!(
            r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:s="http://spdx.org/rdf/terms#">
            <s:SpdxDocument rdf:about="x"><s:specVersion>SPDX-2.3</s:specVersion></s:SpdxDocument><s:Package rdf:about="p"><s:name>a</s:name>{package}
            <s:externalRef><s:ExternalRef><s:referenceType rdf:resource="http://spdx.org/rdf/references/purl"/>{locators}</s:ExternalRef></s:externalRef>
            </s:Package></rdf:RDF>"#
        )
    };
    let version = |version: &str| format!("<s:versionInfo>{version}</s:versionInfo>");
    let locator = |purl: &str| format!("<s:referenceLocator>{purl}</s:referenceLocator>");
    let refused = |text: String| read(text.as_bytes()).err().map(|error| error.to_string());
    let (one, two) = (version("1"), version("2"));
    assert_eq!(
        refused(rdf(&[one.as_str(), &one].concat(), &locator("pkg:npm/a"))),
        None
    );
    let error = refused(rdf(&[one.as_str(), &two].concat(), "")).unwrap();
    assert!(error.contains("two versions"), "{error}");
    let error = refused(rdf(&one, &[locator("pkg:npm/a"), locator("pkg:npm/b")].concat())).unwrap();
    assert!(error.contains("two locators"), "{error}");
    let tag = |second: &str| {
        format!("SPDXVersion: SPDX-2.3\nPackageName: a\nPackageVersion: 1\nPackageVersion: {second}\n")
    };
    assert_eq!(refused(tag("1")), None);
    assert!(refused(tag("2")).unwrap().contains("two versions"));
}

#[test]
fn xml_component_without_a_namespace_counts_as_unknown() {
    let text = r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components>
        <component xmlns="" type="library"><name>a</name></component>
        <component type="library"><name>b</name><x:extra xmlns:x="urn:x"><x:component/></x:extra></component></components></bom>"#;
    let names: Vec<_> = kinds(text)
        .into_iter()
        .map(|(name, _, notes)| (name, notes))
        .collect();
    assert_eq!(names, [("(unnamed)".to_owned(), 1), ("b".to_owned(), 1)]);
}

#[test]
fn xml_says_each_thing_once() {
    let bom = |component: &str, after: &str| {
        format!(
            r#"<bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components><component type="library">{component}</component></components></bom>{after}"#
        )
    };
    let refused = |text: String| read(text.as_bytes()).unwrap_err().to_string();
    let name = "<name>a</name>";
    read(bom(name, " \n").as_bytes()).unwrap();
    for (twice, said) in [
        ("<name>b</name>", "two name"),
        ("<purl>pkg:npm/a@1</purl><purl>pkg:npm/a@2</purl>", "two purl"),
        ("<version>1</version><version>2</version>", "two version"),
    ] {
        let error = refused(bom(&format!("{name}{twice}"), ""));
        assert!(error.contains(said), "{error}");
    }
    assert!(refused(bom(name, "rest")).contains("outside"));
}

#[test]
fn reference_to_another_document_is_noted() {
    for text in [
        r#"{"spdxVersion":"SPDX-2.3","externalDocumentRefs":[{"externalDocumentId":"DocumentRef-x"}],"packages":[]}"#,
        "spdxVersion: SPDX-2.3\nexternalDocumentRefs:\n- externalDocumentId: DocumentRef-x\npackages: []\n",
        "SPDXVersion: SPDX-2.3\nExternalDocumentRef: DocumentRef-x http://example.org/x SHA1: 0\n\
         ExternalDocumentRef: DocumentRef-y http://example.org/y SHA1: 0\n",
        r##"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://spdx.org/rdf/terms#">
            <SpdxDocument rdf:about="#d"><specVersion>SPDX-2.3</specVersion><externalDocumentRef>
            <ExternalDocumentRef rdf:about="#x"/></externalDocumentRef></SpdxDocument></rdf:RDF>"##,
        r#"{"@context":"x","@graph":[{"type":"SpdxDocument","import":[{"type":"ExternalMap"}]}]}"#,
    ] {
        let inventory = read(text.as_bytes()).unwrap();
        assert_eq!(inventory.notes.len(), 1, "{text}");
        assert!(inventory.notes[0].text.contains("other documents"), "{text}");
    }
    for text in [
        r#"{"spdxVersion":"SPDX-2.3","externalDocumentRefs":[],"packages":[]}"#,
        r#"{"spdxVersion":"SPDX-2.3","externalDocumentRefs":null,"packages":[]}"#,
    ] {
        assert_eq!(read(text.as_bytes()).unwrap().notes, [], "{text}");
    }
}

#[test]
fn spdx_3_package_inside_another_element_counts_as_unknown() {
    let unread = |element: &str| {
        let text = format!(r#"{{"@context":"x","@graph":[{element}]}}"#);
        kinds(&text).len()
    };
    let package = r#"{"type":"software_Package","name":"a","software_packageUrl":"pkg:npm/a@1"}"#;
    for (element, packages) in [
        (
            format!(r#"{{"type":"Relationship","from":"x","to":[{package},"y",{package}]}}"#),
            2,
        ),
        (format!(r#"{{"type":"Bundle","element":{package}}}"#), 1),
        (
            format!(r#"{{"type":"software_Sbom","rootElement":[{package}]}}"#),
            1,
        ),
        (
            r#"{"type":"Relationship","from":"x","to":[{"type":"simplelicensing_LicenseExpression"}]}"#
                .to_owned(),
            0,
        ),
        (r#"{"type":"Relationship","from":"x","to":"y"}"#.to_owned(), 0),
        (
            r#"{"name":"a","software_packageUrl":"pkg:npm/a@1"}"#.to_owned(),
            1,
        ),
        (r#"{"type":"my:software_Package","name":"a"}"#.to_owned(), 1),
        (r#"{"type":"Agent","name":"a"}"#.to_owned(), 0),
    ] {
        assert_eq!(unread(&element), packages, "{element}");
    }
}

#[test]
fn component_made_from_another_package_is_noted() {
    let json = |purl: &str, ancestors: &str| {
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{{"type":"library","name":"c",{purl}
            "pedigree":{{"ancestors":{ancestors}}}}}]}}"#
        );
        let notes = read(text.as_bytes()).unwrap().notes;
        notes.into_iter().map(|note| note.text).collect::<Vec<_>>()
    };
    let lodash = r#"[{"type":"library","name":"x"},{"type":"library","name":"lodash","purl":"pkg:npm/lodash@4.17.20"}]"#;
    let noted = ["it is made from pkg:npm/lodash@4.17.20, whose advisories were not looked up"];
    assert_eq!(json(r#""purl":"pkg:npm/%40acme/lodash@4.17.20","#, lodash), noted);
    assert_eq!(json("", lodash), noted);
    for (purl, ancestors) in [
        (r#""purl":"pkg:npm/lodash@4.17.21","#, lodash),
        (r#""purl":"pkg:rpm/redhat/nodejs-lodash@4.17.20","#, lodash),
        (
            r#""purl":"pkg:npm/a@1","#,
            r#"[{"purl":"pkg:generic/a@1"},{"purl":7},null,[],"x"]"#,
        ),
        (r#""purl":"pkg:npm/a@1","#, "null"),
        (r#""purl":"pkg:npm/a@1","#, r#"{"purl":"pkg:npm/b@1"}"#),
    ] {
        assert_eq!(json(purl, ancestors), Vec::<String>::new(), "{purl} {ancestors}");
    }
    let xml = br#"<bom xmlns="http://cyclonedx.org/schema/bom/1.6"><components><component type="library"><name>c</name>
        <publisher>Fedora Project</publisher><pedigree><ancestors><component type="library"><name>x</name></component>
        <component type="library"><name>lodash</name><purl>pkg:npm/lodash@4.17.20</purl></component></ancestors></pedigree>
        <purl>pkg:npm/%40acme/lodash@4.17.20</purl></component></components></bom>"#;
    let inventory = read(xml).unwrap();
    assert_eq!(inventory.notes.len(), 1);
    assert_eq!(inventory.notes[0].text, noted[0]);
    assert_eq!(purls(&inventory), ["pkg:npm/%40acme/lodash@4.17.20"]);
}
