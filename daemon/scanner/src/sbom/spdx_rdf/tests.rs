use super::super::{Format, Inventory, Place, SbomError, read};
use super::MAX_DEPTH;

const HEAD: &str = "<?xml version=\"1.0\"?>\n<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns:s=\"http://spdx.org/rdf/terms#\">\n";

fn rdf(body: &str) -> Result<Inventory, SbomError> {
    read(format!("{HEAD}{body}\n</rdf:RDF>\n").as_bytes())
}

fn found(body: &str) -> Vec<(String, Option<String>, Option<String>)> {
    let inventory = rdf(body).unwrap();
    assert_eq!(
        (inventory.format, inventory.spec_version.as_str()),
        (Format::SpdxRdf, "SPDX-2.3")
    );
    let row = |c: &super::super::Component| {
        (
            c.name.clone(),
            c.version.clone(),
            c.purl.as_ref().map(ToString::to_string),
        )
    };
    inventory.components.iter().map(row).collect()
}

const DOCUMENT: &str = "<s:SpdxDocument rdf:about=\"urn:d\"><s:specVersion>SPDX-2.3</s:specVersion><s:name>doc</s:name></s:SpdxDocument>\n";

fn row(name: &str, version: &str, purl: &str) -> (String, Option<String>, Option<String>) {
    (name.into(), Some(version.into()), Some(purl.into()))
}

#[test]
fn one_graph_is_read_in_every_form() {
    let nested = "<s:SpdxDocument rdf:about=\"urn:d\"><s:specVersion>SPDX-2.3</s:specVersion>
        <s:relationship><s:Relationship><s:relatedSpdxElement><s:Package rdf:about=\"urn:p\">
        <s:name>a &amp; b</s:name><s:versionInfo>1.0</s:versionInfo>
        <s:externalRef><s:ExternalRef><s:referenceType rdf:resource=\"http://spdx.org/rdf/references/purl\"/>
        <s:referenceLocator>pkg:npm/a@1.0</s:referenceLocator></s:ExternalRef></s:externalRef>
        </s:Package></s:relatedSpdxElement></s:Relationship></s:relationship></s:SpdxDocument>";
    let flat =
        "<rdf:Description rdf:about=\"urn:p\"><rdf:type rdf:resource=\"http://spdx.org/rdf/terms#Package\"/>
        <s:externalRef rdf:nodeID=\"r\"/></rdf:Description>
        <rdf:Description rdf:nodeID=\"r\" s:referenceLocator=\"pkg:npm/a@1.0\">
        <rdf:type rdf:resource=\"http://spdx.org/rdf/terms#ExternalRef\"/>
        <s:referenceType rdf:resource=\"urn:d#purl\"/></rdf:Description>
        <s:Package rdf:about=\"urn:p\" s:name=\"a &#38; b\" s:versionInfo=\"1.0\"/>";
    let flat = format!("{DOCUMENT}{flat}");
    let implied = "<s:Package><s:name>a &amp; b</s:name><s:versionInfo>1.0</s:versionInfo><s:externalRef rdf:parseType=\"Resource\">
        <s:referenceType rdf:resource=\"x/purl\"/><s:referenceLocator>pkg:npm/a@1.0</s:referenceLocator></s:externalRef>
        <s:comment rdf:parseType=\"Literal\"><s:name>not this</s:name></s:comment></s:Package>";
    let implied = format!("{DOCUMENT}{implied}");
    for body in [nested, &flat, &implied] {
        assert_eq!(found(body), [row("a & b", "1.0", "pkg:npm/a@1.0")], "{body}");
    }
}

#[test]
fn names_of_licences_and_creators_are_ignored() {
    let body = "<s:Package rdf:about=\"urn:p\"><s:licenseDeclared><s:License><s:name>MIT</s:name></s:License></s:licenseDeclared>
        <s:name>p</s:name><s:versionInfo>2</s:versionInfo>
        <s:primaryPackagePurpose rdf:resource=\"http://spdx.org/rdf/terms#purpose_operatingSystem\"/></s:Package>";
    let inventory = rdf(&format!("{DOCUMENT}{body}")).unwrap();
    assert_eq!(inventory.components[0].name, "p");
    assert_eq!(inventory.components[0].place, Place::Line { line: 4, column: 1 });
    assert_eq!(inventory.distro.as_deref(), Some("p-2"));
    assert_eq!(inventory.subject.as_deref(), Some("doc"));
}

#[test]
fn invalid_rdf_is_refused_with_its_line() {
    for (body, said) in [
        ("<s:Package/>", "no SpdxDocument"),
        (
            "<s:SpdxDocument><s:specVersion>SPDX-9</s:specVersion></s:SpdxDocument>",
            "not a version of SPDX 2",
        ),
        ("<s:SpdxDocument>", "line"),
        (
            "<s:SpdxDocument><s:name>&x;</s:name></s:SpdxDocument>",
            "&x; is not defined",
        ),
        ("<s:SpdxDocument s:name=\"&x;\"/>", "&x; is not defined"),
        ("<s:SpdxDocument s:name='a' s:name='b'/>", "line 3"),
    ] {
        let error = rdf(body).unwrap_err().to_string();
        assert!(error.contains(said) && error.contains("line"), "{body}: {error}");
    }
    let deep = "<s:a>".repeat(MAX_DEPTH + 1);
    assert!(rdf(&deep).unwrap_err().to_string().contains("nested deeper"));
}

#[test]
fn entities_of_a_document_type_are_not_expanded() {
    let mut bomb = String::from("<?xml version=\"1.0\"?>\n<!DOCTYPE x [<!ENTITY a0 \"ha\">");
    for level in 1..20 {
        bomb.push_str(&format!("<!ENTITY a{level} \"&a{0};&a{0};&a{0};\">", level - 1));
    }
    bomb.push_str("]>\n<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" xmlns:s=\"http://spdx.org/rdf/terms#\"><s:SpdxDocument><s:name>&a19;</s:name></s:SpdxDocument></rdf:RDF>");
    let error = read(bomb.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("&a19; is not defined"), "{error}");
}
