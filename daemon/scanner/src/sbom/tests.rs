//! Detection of formats, and the readers.

mod incomplete;
mod refusals;
mod vendors;

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
fn operating_system_component_sets_the_distro() {
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
fn cyclonedx_xml_and_json_give_equal_inventories() {
    let xml = br#"<?xml version="1.0"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.4" xmlns:x="urn:x">
  <metadata><tools><tool><name>t</name></tool></tools><component type="application"><name>app</name></component></metadata>
  <components>
    <component type="library" bom-ref="a"><group>g</group><name>a &amp; b</name><version>1</version>
      <purl>pkg:npm/%40g/a@1</purl>
      <pedigree><ancestors><component type="library"><name>not this</name></component></ancestors></pedigree>
      <components><component type="library"><name>inner</name><purl><![CDATA[pkg:npm/inner@2]]></purl></component></components>
    </component>
    <component type="operating-system"><name>debian</name><version>12</version></component>
    <x:component><name>foreign</name></x:component>
  </components>
</bom>"#;
    let inventory = read(xml).unwrap();
    assert_eq!(
        (inventory.format, inventory.spec_version.as_str()),
        (Format::CycloneDxXml, "1.4")
    );
    assert_eq!(inventory.subject.as_deref(), Some("app"));
    assert_eq!(inventory.distro.as_deref(), Some("debian-12"));
    assert_eq!(purls(&inventory), ["pkg:npm/%40g/a@1", "pkg:npm/inner@2"]);
    assert_eq!(inventory.components[1].name, "g/a & b");
    assert_eq!(inventory.components[1].place, Place::Line { line: 5, column: 5 });
}

#[test]
fn os_of_trivys_spdx_is_found_by_identifier() {
    let json = br#"{"spdxVersion":"SPDX-2.2","SPDXID":"SPDXRef-DOCUMENT","name":"doc","packages":[
        {"SPDXID":"SPDXRef-OperatingSystem-bd17bf9010aa612c","name":"alpine","versionInfo":"3.16.0"}]}"#;
    let text = b"SPDXVersion: SPDX-2.2\nDocumentName: doc\nPackageName: alpine\n\
        SPDXID: SPDXRef-OperatingSystem-bd17bf9010aa612c\nPackageVersion: 3.16.0\n";
    for document in [&json[..], &text[..]] {
        let inventory = read(document).unwrap();
        assert_eq!(inventory.distro.as_deref(), Some("alpine-3.16.0"));
        assert_eq!(inventory.components[0].kind, ComponentKind::Other);
    }
    // An explicit purpose has priority.
    let stated =
        br#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"doc","packages":[{"name":"alpine",
        "SPDXID":"SPDXRef-OperatingSystem-1","versionInfo":"3","primaryPackagePurpose":"LIBRARY"}]}"#;
    let inventory = read(stated).unwrap();
    assert_eq!(
        (inventory.distro, inventory.components[0].kind),
        (None, ComponentKind::Package)
    );
}

#[test]
fn spdx_tag_value_packages_end_where_files_begin() {
    let text = "SPDXVersion: SPDX-2.3\nDocumentName: doc\n# a comment\nPackageName: jena\nPackageVersion: 3.12.0\n\
        PackageComment: <text>several\nPackageName: not one\nlines</text>\n\
        ExternalRef: PACKAGE-MANAGER purl pkg:maven/org.apache.jena/jena@3.12.0\nFileName: ./a\nPackageVersion: 9\n\
        PackageName: other\n";
    let inventory = read(text.as_bytes()).unwrap();
    assert_eq!(inventory.format, Format::SpdxTagValue);
    assert_eq!(purls(&inventory), ["pkg:maven/org.apache.jena/jena@3.12.0"]);
    let shown: Vec<_> = inventory
        .components
        .iter()
        .map(|c| (c.name.as_str(), c.version.as_deref()))
        .collect();
    assert_eq!(shown, [("jena", Some("3.12.0")), ("other", None)]);
    assert!(read(b"SPDXVersion: SPDX-2.3\nPackageComment: <text>open").is_err());
    assert!(read(b"SPDXVersion: SPDX-7.0\n").is_err());
}

#[test]
fn spdx_3_packages_are_found_in_the_graph() {
    let document = br#"{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[
        {"type":"CreationInfo","specVersion":"3.0.1"},
        {"type":"SpdxDocument","name":"doc"},
        {"type":"software_Package","name":"a","software_packageVersion":"1","software_packageUrl":"pkg:npm/a@1"},
        {"type":"software_Package","name":"b","externalIdentifier":[{"externalIdentifierType":"packageUrl","identifier":"pkg:npm/b@2"}]},
        {"type":"software_Package","name":"img","software_primaryPurpose":"container"},
        {"type":"Relationship","from":"x","to":["y"]},
        {"type":["odd"],"name":{"odd":1}}]}"#;
    let inventory = read(document).unwrap();
    assert_eq!(
        (inventory.format, inventory.spec_version.as_str()),
        (Format::Spdx3Json, "3.0.1")
    );
    assert_eq!(purls(&inventory), ["pkg:npm/a@1", "pkg:npm/b@2"]);
    assert_eq!(inventory.components[2].kind, ComponentKind::Other);
}

#[test]
fn syft_artifacts_come_with_their_distribution() {
    let document = br#"{"artifacts":[{"name":"curl","version":"7.88","purl":"pkg:deb/debian/curl@7.88"},null],
        "distro":{"name":"Debian GNU/Linux","id":"debian","versionID":"12"},"schema":{"version":"16.0.0"},"source":{"name":"img"}}"#;
    let inventory = read(document).unwrap();
    assert_eq!(
        (inventory.format, inventory.distro.as_deref()),
        (Format::SyftJson, Some("debian-12"))
    );
    assert_eq!(purls(&inventory), ["pkg:deb/debian/curl@7.88"]);
    assert_eq!(inventory.notes.len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
    }

    #[test]
    fn no_marked_text_panics(
        mark in prop::sample::select(vec![
            "SPDXVersion: SPDX-2.3\n", "[[package]]\n", "[[package]]\ncontent-hash = 1\n", "# yarn lockfile v1\n",
            "lockfileVersion: 9\npackages:\n", "# This is a Gradle generated file\n", "GEM\n  specs:\n", "%{ {:hex,\n",
            "packages:\nsdks:\n", "module x\n", "a v1 h1:x\n", "a==1\n",
            "<bom xmlns=\"http://cyclonedx.org/schema/bom/1.4\">", "{\"lockfileVersion\":1,", "{\"artifacts\":[",
            "{\"@context\":1,\"@graph\":[{",
        ]),
        rest in "(\\PC{0,12}[\n :@/(\"<>]{0,2}){0,12}",
    ) {
        let _ = read(format!("{mark}{rest}").as_bytes());
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

#[test]
fn number_of_threads_does_not_change_the_result() {
    let component = |index: usize| match index % 7 {
        0 => "null".to_owned(),
        1 => format!(r#"{{"type":"operating-system","name":"debian","version":"{index}"}}"#),
        2 => format!(r#"{{"type":"library","name":"n","purl":"broken {index}"}}"#),
        3 => format!(
            r#"{{"type":"library","name":"o","components":[{{"type":"library","name":"i{index}"}}]}}"#
        ),
        _ => format!(r#"{{"type":"library","name":"n","purl":"pkg:npm/n@1.{index}"}}"#),
    };
    let mut components: Vec<String> = (0..2_600).map(component).collect();
    let document = |components: &[String]| {
        let list = components.join(",");
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","metadata":{{"component":{{"type":"application",
            "name":"s"}}}},"components":[{list}],"dependencies":[{{"ref":"a"}}],"x":"{}"}}"#,
            " ".repeat(200_000)
        )
    };
    let whole = document(&components);
    let alone = read(whole.as_bytes()).unwrap();
    for workers in [0, 2, 3, 4, 100] {
        assert_eq!(
            read_by(whole.as_bytes(), workers).as_ref(),
            Ok(&alone),
            "{workers}"
        );
    }
    // The first error is reported.
    for at in [2_500, 1_400] {
        components[at] = r#"{"type":"no such type","name":"x"}"#.to_owned();
        let broken = document(&components);
        let alone = read(broken.as_bytes());
        assert!(
            alone
                .as_ref()
                .is_err_and(|error| error.to_string().contains(&at.to_string()))
        );
        assert_eq!(read_by(broken.as_bytes(), 2), alone);
    }
    // The kind of error does not matter.
    let wrong = [
        whole.replacen("null", "null,", 1),
        whole.replacen("[null", "[,null", 1),
        whole.replacen("}],", "},],", 1),
        whole.replacen("1.5", "2.5", 1),
        whole.replacen("\"dependencies\"", "\"components\"", 1),
        whole.replacen("\"components\"", "\"comp\\u006fnents\"", 1),
        whole.replacen("npm/n@1.2006\"", "npm/n@1.2006", 1),
        whole.replacen("npm/n@1.2006", "npm/n@1.2006\\", 1),
        format!("{whole}x"),
        whole.strip_suffix('}').unwrap().to_owned(),
        whole.replacen("null", &format!("{}{}", "[".repeat(126), "]".repeat(126)), 1),
        whole.replacen(
            "null",
            &format!("{}null{}", "{\"components\":[".repeat(62), "]}".repeat(62)),
            1,
        ),
    ];
    for (index, document) in wrong.iter().enumerate() {
        assert_ne!(document, &whole, "{index}");
        assert_eq!(
            read_by(document.as_bytes(), 2),
            read(document.as_bytes()),
            "{index}"
        );
    }
}

/// A document of twice the length takes twice the time: a quadratic comparison would run for minutes here.
#[test]
fn reading_time_grows_linearly() {
    const COUNT: usize = 30_000;
    let each =
        |text: &dyn Fn(usize) -> String, joint: &str| (0..COUNT).map(text).collect::<Vec<_>>().join(joint);
    let count = |document: String| read(document.as_bytes()).unwrap().components.len();

    let described = each(&|i| format!(r#""SPDXRef-{i}""#), ",");
    let packages = each(&|i| format!(r#"{{"SPDXID":"SPDXRef-{i}","name":"p"}}"#), ",");
    let head = r#""spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT""#;
    assert_eq!(
        count(format!(
            r#"{{{head},"documentDescribes":[{described}],"packages":[{packages}]}}"#
        )),
        COUNT
    );

    // Every URL twice.
    let purl = |i: usize| format!("pkg:npm/a@{}", i / 2);
    let refs = each(
        &|i| format!(r#"{{"referenceType":"purl","referenceLocator":"{}"}}"#, purl(i)),
        ",",
    );
    assert_eq!(
        count(format!(
            r#"{{{head},"packages":[{{"name":"p","externalRefs":[{refs}]}}]}}"#
        )),
        COUNT / 2
    );
    let identifiers = each(
        &|i| {
            format!(
                r#"{{"externalIdentifierType":"packageUrl","identifier":"{}"}}"#,
                purl(i)
            )
        },
        ",",
    );
    assert_eq!(
        count(format!(
            r#"{{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[
            {{"type":"software_Package","name":"p","externalIdentifier":[{identifiers}]}}]}}"#
        )),
        COUNT / 2
    );
    let tags = each(
        &|i| format!("ExternalRef: PACKAGE-MANAGER purl {}", purl(i)),
        "\n",
    );
    assert_eq!(
        count(format!("SPDXVersion: SPDX-2.3\nPackageName: p\n{tags}\n")),
        COUNT / 2
    );

    let required = each(&|i| format!("\texample.com/m{i} v1.0.0"), "\n");
    let replaced = each(
        &|i| format!("\texample.com/m{i} => example.com/r{i} v1.0.1"),
        "\n",
    );
    assert_eq!(
        count(format!(
            "module a\n\ngo 1.20\n\nrequire (\n{required}\n)\nreplace (\n{replaced}\n)\n"
        )),
        COUNT
    );

    let dependencies = each(
        &|i| format!("<dependency><groupId>g</groupId><artifactId>a{i}</artifactId></dependency>"),
        "\n",
    );
    let pom = format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n<modelVersion>4.0.0</modelVersion>\n<dependencies>\n{dependencies}</dependencies></project>"
    );
    let inventory = read(pom.as_bytes()).unwrap();
    let last = inventory.components.last().unwrap();
    assert_eq!(
        (inventory.components.len(), &last.place),
        (COUNT, &Place::line(COUNT + 3))
    );
}

#[test]
fn source_package_is_read_from_every_format() {
    let lib = "pkg:deb/debian/libfoo2@1?distro=debian-12";
    let documents = [
        format!(
            r#"<?xml version="1.0"?><bom xmlns="http://cyclonedx.org/schema/bom/1.5"><components><component type="library">
            <name>l</name><purl>{lib}</purl><properties><property name="aquasecurity:trivy:SrcName">foo</property>
            <property name="x">y</property></properties></component></components></bom>"#
        ),
        format!(
            r#"{{"specVersion":"1.6","components":[{{"type":"CLASSIFICATION_LIBRARY","name":"l","purl":"{lib}",
            "properties":[{{"name":"syft:metadata:source","value":"foo"}}]}}]}}"#
        ),
        format!(
            r#"{{"spdxVersion":"SPDX-2.3","name":"d","packages":[{{"name":"l","sourceInfo":"built package from: foo 1",
            "externalRefs":[{{"referenceType":"http://spdx.org/rdf/references/purl","referenceLocator":"{lib}"}}]}}]}}"#
        ),
        format!(
            r#"{{"spdxVersion":"SPDX-2.3","name":"d","packages":[{{"name":"l","annotations":[{{"comment":"SrcName: foo"}}],
            "attributionTexts":["PkgType: debian"],"externalRefs":[{{"referenceType":"purl","referenceLocator":"{lib}"}}]}}]}}"#
        ),
        format!(
            "SPDXVersion: SPDX-2.3\nPackageName: l\nPackageSourceInfo: <text>built package from: foo 1</text>\n\
             ExternalRef: PACKAGE-MANAGER http://spdx.org/rdf/references/purl {lib}\n"
        ),
        format!(
            r#"{{"@context":"x","@graph":[{{"type":"software_Package","name":"l","software_packageUrl":"{lib}",
            "software_sourceInfo":"built package from: foo 1"}}]}}"#
        ),
        format!(
            r#"{{"artifacts":[{{"name":"l","version":"1","purl":"{lib}","metadata":{{"source":"foo","files":[]}}}}]}}"#
        ),
    ];
    for document in documents {
        let inventory = read(document.as_bytes()).unwrap_or_else(|error| panic!("{error}: {document}"));
        let [component] = inventory.components.iter().collect::<Vec<_>>()[..] else {
            panic!("{document}");
        };
        let source = component
            .origin
            .as_ref()
            .and_then(|origin| origin.source.as_deref());
        assert_eq!(
            (source, component.purl.is_some()),
            (Some("foo"), true),
            "{document}"
        );
    }
}

#[test]
fn spdx_subject_is_read_from_relationships() {
    let json = |relationships: &str| {
        format!(
            r#"{{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"d","relationships":[{relationships}],
            "packages":[{{"name":"a","SPDXID":"SPDXRef-a"}},{{"name":"b","SPDXID":"SPDXRef-b"}}]}}"#
        )
    };
    let describes = |id: &str| {
        format!(
            r#"{{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES","relatedSpdxElement":"{id}"}}"#
        )
    };
    let described_by = r#"{"spdxElementId":"SPDXRef-a","relationshipType":"DESCRIBED_BY","relatedSpdxElement":"SPDXRef-DOCUMENT"},3"#;
    let tagged = "SPDXVersion: SPDX-2.3\nSPDXID: SPDXRef-DOCUMENT\nRelationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-a\n\
        PackageName: a\nSPDXID: SPDXRef-a\nPackageName: b\nSPDXID: SPDXRef-b\n";
    let graph = r#"{"@context":"x","@graph":[{"type":"software_Sbom","rootElement":["urn:a"]},{"type":"SpdxDocument","rootElement":["urn:sbom"]},
        {"type":"software_Package","spdxId":"urn:a","name":"a"},{"type":"software_Package","spdxId":"urn:b","name":"b"}]}"#;
    for document in [
        json(&describes("SPDXRef-a")),
        json(described_by),
        tagged.to_owned(),
        graph.to_owned(),
    ] {
        let inventory = read(document.as_bytes()).unwrap();
        let kinds: Vec<_> = inventory.components.iter().map(|c| c.kind).collect();
        assert_eq!(
            kinds,
            [ComponentKind::Subject, ComponentKind::Package],
            "{document}"
        );
        assert!(!inventory.describes_several);
    }
    // If there are several, each is a package to check.
    let both = [describes("SPDXRef-a"), describes("SPDXRef-b")].join(",");
    let inventory = read(json(&both).as_bytes()).unwrap();
    assert!(inventory.describes_several);
    assert!(
        inventory
            .components
            .iter()
            .all(|c| c.kind == ComponentKind::Package)
    );
}

#[test]
fn long_names_of_systems_are_known() {
    for (name, version, expected) in [
        ("Oracle Linux Server", "8.9", "ol-8.9"),
        ("Amazon Linux", "2023", "amzn-2023"),
        ("Fedora Linux", "40", "fedora-40"),
        ("SUSE Linux Enterprise Micro", "5.5", "sle-micro-5.5"),
        ("SUSE Linux Micro", "6.0", "sl-micro-6.0"),
        ("openSUSE MicroOS", "20240101", "opensuse-microos-20240101"),
        ("AlmaLinux OS", "9.4", "almalinux-9.4"),
        ("AlmaLinux", "9.4", "almalinux-9.4"),
    ] {
        let json = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"type":"operating-system","name":"{name}","version":"{version}"}}]}}"#
        );
        assert_eq!(
            read(json.as_bytes()).unwrap().distro.as_deref(),
            Some(expected),
            "{name}"
        );
    }
}
