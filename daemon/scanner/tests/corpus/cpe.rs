//! Counts matches by CPE on the corpus's SBOMs, and holds them against what package URLs say: docs/ecosystems.md states
//! the numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use starling_scanner::cpe::{
    Applicability, CPE_ECOSYSTEM, Cpe, CpeSubject, CpeVerdict, configurations, judge, products,
};
use starling_scanner::index::IndexWriter;
use starling_scanner::knowledge::{Advisory, Knowledge, KnowledgeError};
use starling_scanner::matching::{Subject, evaluate};
use starling_scanner::osv::{Affected, Record};
use starling_scanner::purl::PackageUrl;
use starling_scanner::purl::osv::{OsvPackage, package_of, version_of};
use starling_scanner::sbom;
use starling_scanner::scan::{ScanOptions, scan};

use crate::support::archive;

/// The statements about each product, by vulnerability.
type Known = BTreeMap<String, BTreeMap<String, Vec<Applicability>>>;

/// Returns the body that a connector makes of a native document, as far as configurations need it.
fn body(id: &str, native: &Value) -> Vec<u8> {
    serde_json::to_vec(&json!({"id": id, "database_specific": {"native": native}})).unwrap()
}

fn learn(known: &mut Known, id: &str, body: &[u8]) {
    let read = configurations(body);
    for product in products(body).0 {
        let statements = read.about(&product);
        known
            .entry(product)
            .or_default()
            .entry(id.to_owned())
            .or_default()
            .extend(statements);
    }
}

/// Adds the configurations of a document of the CVE list or the NVD.
fn learn_all(known: &mut Known, document: &Value) {
    if let (Some(id), Some(containers)) = (
        document["cveMetadata"]["cveId"].as_str(),
        document.get("containers"),
    ) {
        learn(known, id, &body(id, containers));
    }
    let entries = document["vulnerabilities"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for entry in entries.iter().chain(std::iter::once(document)) {
        let cve = entry.get("cve").unwrap_or(entry);
        if let (Some(id), true) = (cve["id"].as_str(), cve.get("configurations").is_some()) {
            learn(known, id, &body(id, cve));
        }
    }
}

/// A component with CPE names, as its document has it.
struct Named {
    purl: Option<String>,
    version: String,
    cpes: Vec<String>,
}

fn named(document: &Value, found: &mut Vec<Named>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut open: Vec<&Value> = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(list) => open.extend(list),
            Value::Object(object) => {
                let references = object
                    .get("externalRefs")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                let of_kind = |kind: &str| {
                    let fits = |one: &&Value| text(&one["referenceType"]).contains(kind);
                    references
                        .iter()
                        .filter(fits)
                        .map(|one| text(&one["referenceLocator"]))
                        .collect::<Vec<_>>()
                };
                let mut cpes = of_kind("cpe2");
                cpes.extend(object.get("cpe").and_then(Value::as_str).map(str::to_owned));
                for cpe in object.get("cpes").and_then(Value::as_array).into_iter().flatten() {
                    cpes.extend(cpe.as_str().or_else(|| cpe["cpe"].as_str()).map(str::to_owned));
                }
                let purl = object.get("purl").and_then(Value::as_str).map(str::to_owned);
                let version = ["version", "versionInfo"]
                    .iter()
                    .find_map(|key| object.get(*key)?.as_str());
                if !cpes.is_empty() {
                    found.push(Named {
                        purl: purl.or_else(|| of_kind("purl").pop()),
                        version: version.unwrap_or_default().to_owned(),
                        cpes,
                    });
                }
                open.extend(object.values());
            }
            _ => {}
        }
    }
}

/// Returns the vulnerabilities that a component's names fit, and true if any of the products is known.
fn matches(known: &Known, component: &Named) -> (BTreeSet<String>, bool) {
    let (mut found, mut is_known) = (BTreeSet::new(), false);
    for cpe in &component.cpes {
        let Ok(cpe) = Cpe::parse(cpe.trim()) else { continue };
        let Some((product, subject)) = CpeSubject::new(cpe, Some(&component.version)) else {
            continue;
        };
        for (id, statements) in known.get(&product).into_iter().flatten() {
            is_known = true;
            if matches!(judge(statements, &subject, None), CpeVerdict::Affected(_)) {
                found.insert(id.clone());
            }
        }
    }
    (found, is_known)
}

/// The statements as a scan's only knowledge.
struct Products<'a>(&'a Known);

impl Knowledge for Products<'_> {
    fn advisories(&self, ecosystem: &str, name: &str) -> Result<Vec<Advisory>, KnowledgeError> {
        let known = self.0.get(name).filter(|_| ecosystem == CPE_ECOSYSTEM);
        let advisory = |(id, statements): (&String, &Vec<Applicability>)| Advisory {
            vulnerability: id.clone(),
            configurations: statements.clone(),
            ..Advisory::default()
        };
        Ok(known.into_iter().flatten().map(advisory).collect())
    }

    fn knows_ecosystem(&self, ecosystem: &str) -> Result<bool, KnowledgeError> {
        Ok(ecosystem == CPE_ECOSYSTEM)
    }
}

/// Prints the size of an index of the products: without summaries, severities and sources.
fn index_size(known: &Known) {
    let mut writer = IndexWriter::new(Vec::new());
    let mut advisories = 0;
    for product in known.keys() {
        let list = Products(known).advisories(CPE_ECOSYSTEM, product).unwrap();
        advisories += list.len();
        writer.add(CPE_ECOSYSTEM, product, &list).unwrap();
    }
    let bytes = writer.finish(&[0; 32]).unwrap().len();
    println!(
        "index: {} products, {advisories} advisories, {bytes} bytes",
        known.len()
    );
}

/// The statements of the CVE list and the NVD.
#[derive(Default)]
struct OfCves {
    known: Known,
    /// The packages that CVE records name themselves.
    packages: BTreeMap<String, BTreeSet<String>>,
}

impl OfCves {
    /// Reads the corpus, if it is there.
    fn read() -> Option<Self> {
        let mut all = Self::default();
        for name in [
            "advisories/vulnrichment-2024-0xxx-9xxx",
            "feeds/nvd-api",
            "feeds/nvd-feeds",
            "feeds/cvelistv5",
        ] {
            let files = archive(name)?;
            let files = files
                .files()
                .filter(|(path, _)| path.ends_with(".json") && !path.contains("/expected/"));
            for (_, bytes) in files {
                if let Ok(document) = serde_json::from_slice::<Value>(bytes) {
                    all.add(&document);
                }
            }
        }
        Some(all)
    }

    fn add(&mut self, document: &Value) {
        learn_all(&mut self.known, document);
        if let Some(id) = document["cveMetadata"]["cveId"].as_str() {
            let entries = document["containers"]["cna"]["affected"]
                .as_array()
                .into_iter()
                .flatten();
            let names = entries
                .filter_map(|entry| entry["packageName"].as_str())
                .map(str::to_owned);
            self.packages.entry(id.to_owned()).or_default().extend(names);
        }
    }
}

/// The statements of registries' records about package URLs, by CVE.
type OfRegistries = BTreeMap<String, Vec<Record>>;

fn read_registries() -> Option<OfRegistries> {
    let mut by_cve = OfRegistries::new();
    for name in [
        "pypa",
        "rustsec-osv",
        "julia",
        "bitnami",
        "ghsa-samples",
        "osvdev-20250228-go-hex-upto2022",
    ] {
        let files = archive(&format!("advisories/{name}"))?;
        for (_, bytes) in files.files().filter(|(path, _)| path.ends_with(".json")) {
            let record = Record::from_json(bytes).ok();
            let Some(record) = record.filter(|record| record.withdrawn.is_none()) else {
                continue;
            };
            for id in record.aliases.iter().chain(std::iter::once(&record.id)) {
                by_cve.entry(id.clone()).or_default().push(record.clone());
            }
        }
    }
    Some(by_cve)
}

/// The counts of components that are looked up by CPE.
#[derive(Debug, Default, PartialEq, Eq)]
struct LookedUp {
    components: usize,
    of_known_product: usize,
    with_findings: usize,
    findings: usize,
}

impl LookedUp {
    /// Counts a document's components, as a scan reads them.
    fn count(&mut self, bytes: &[u8], known: &Known) {
        let Ok(inventory) = sbom::read(bytes) else { return };
        let result = scan(&inventory, &Products(known), &ScanOptions::default()).unwrap();
        for finding in &result.findings {
            let package = &finding.package;
            println!(
                "  {} {}: {}",
                package.name, package.version, finding.vulnerability
            );
        }
        self.findings += result.findings.len();
        for component in inventory.components.iter() {
            let Some(cpes) = &component.cpes else { continue };
            let named = Named {
                purl: component.purl.as_ref().map(ToString::to_string),
                version: component.version.clone().unwrap_or_default(),
                cpes: cpes.iter().map(ToString::to_string).collect(),
            };
            let (found, is_known) = matches(known, &named);
            self.components += 1;
            self.of_known_product += usize::from(is_known);
            self.with_findings += usize::from(!found.is_empty());
        }
    }
}

/// Says what the registries and the CVE records say of a match by CPE of a component that has a package URL.
fn held_against(
    purl: &PackageUrl,
    package: &OsvPackage,
    id: &str,
    cves: &OfCves,
    registries: &OfRegistries,
) -> &'static str {
    let version = version_of(purl).unwrap_or_default();
    let records = registries.get(id).map(Vec::as_slice).unwrap_or_default();
    let is_own = |affected: &&Affected| {
        affected.package.as_ref().is_some_and(|named| {
            let name = starling_scanner::name::normalise_name(&named.ecosystem, &named.name);
            named.ecosystem == *package.ecosystem && name == package.name
        })
    };
    let own: Vec<_> = records
        .iter()
        .flat_map(|record| &record.affected)
        .filter(is_own)
        .collect();
    let subject = Subject::new(&package.ecosystem, &version);
    if matches!(purl.ty(), "deb" | "rpm" | "apk" | "alpine") {
        return OF_A_DISTRIBUTION;
    }
    if own.iter().any(|entry| evaluate(entry, &subject).is_affected()) {
        return "confirmed by the registry's record";
    }
    if !own.is_empty() {
        return "false: the registry's record says not affected";
    }
    if !records.is_empty() {
        return "false: the registry's records name other packages";
    }
    match cves.packages.get(id).filter(|names| !names.is_empty()) {
        Some(names) if names.contains(&package.name) => "confirmed by the CVE record's package",
        Some(_) => "false: the CVE record itself names other packages",
        None => "neither a registry's nor the CVE record names packages",
    }
}

const OF_A_DISTRIBUTION: &str = "of a distribution, whose versions have its own fixes";

#[test]
fn matches_by_cpe_are_counted_and_held_against_package_urls() {
    let (Some(cves), Some(registries)) = (OfCves::read(), read_registries()) else {
        return;
    };
    let known = &cves.known;
    println!("{} products, {} ids of registries", known.len(), registries.len());
    index_size(known);
    let mut looked_up = LookedUp::default();
    let mut would: BTreeMap<&str, usize> = BTreeMap::new();
    let mut judged: BTreeSet<(String, String)> = BTreeSet::new();
    for name in ["real", "real-images-4tools", "syft-json", "edge-cases"] {
        let Some(files) = archive(&format!("sboms/{name}")) else {
            return;
        };
        for (_, bytes) in files.files() {
            looked_up.count(bytes, known);
            let Ok(document) = serde_json::from_slice::<Value>(bytes) else {
                continue;
            };
            let mut all = Vec::new();
            named(&document, &mut all);
            for component in all {
                let purl = component.purl.as_deref();
                let Some(purl) = purl.and_then(|purl| PackageUrl::parse_lenient(purl).ok()) else {
                    continue;
                };
                let Some(package) = package_of(&purl).filter(|_| purl.ty() != "generic") else {
                    continue;
                };
                for id in matches(known, &component).0 {
                    // The same package in several documents is one question.
                    if !judged.insert((purl.to_string(), id.clone())) {
                        continue;
                    }
                    let word = held_against(&purl, &package, &id, &cves, &registries);
                    if word != OF_A_DISTRIBUTION {
                        println!("  {purl} {id}: {word}");
                    }
                    *would.entry(word).or_default() += 1;
                }
            }
        }
    }
    println!("looked up by CPE: {looked_up:?}");
    println!("if components with a registry's or distribution's URL were looked up by CPE too: {would:#?}");
    // The pages state these numbers.
    let expected = LookedUp {
        components: 77,
        of_known_product: 20,
        with_findings: 1,
        findings: 1,
    };
    assert_eq!(looked_up, expected, "or the corpus shrank");
    let counts: Vec<usize> = would.values().copied().collect();
    assert_eq!(counts, [2, 22, 5, 5]);
}
