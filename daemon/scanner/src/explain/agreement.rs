//! A scan of one package and its explanation agree, by the same rules.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Conclusion, explain};
use crate::index::{IndexWriter, MatchIndex};
use crate::knowledge::{Advisory, JudgedAt};
use crate::osv::Record;
use crate::purl::PackageUrl;
use crate::sbom;
use crate::scan::{ScanOptions, ScanResult, Standing, scan};

/// A host by the namespace of its packages, its distribution, its ecosystem and that without a release.
const HOSTS: [[&str; 4]; 6] = [
    ["rocky", "rocky-9.4", "Rocky Linux:9", "Rocky Linux"],
    ["almalinux", "almalinux-9.4", "AlmaLinux:9", "AlmaLinux"],
    [
        "redhat",
        "rhel-9.4",
        "Red Hat:enterprise_linux:9::appstream",
        "Red Hat",
    ],
    ["ol", "ol-9.2", "Oracle Linux:9", "Oracle Linux"],
    ["amazon", "amzn-2", "Amazon Linux:2", "Amazon Linux"],
    ["fedora", "epel-9", "EPEL:9", "EPEL"],
];
const NAMES: [&str; 3] = ["rocket", "rocket-libs", "python3-rocket"];
const VERSIONS: [&str; 10] = [
    "1.6-1.el9.remi",
    "1.0-1.el9",
    "1.6-1.el9",
    "2.0-1.el9_4",
    "1.5-1.el9_4",
    "1.6-1.el9_2",
    "3-1.el9",
    "1.6-1.el7",
    "1.6-1.module+el9+1+a",
    "latest",
];
const FIXES: [&str; 7] = [
    "1.5-1.el9",
    "1.5-1.el9_4",
    "2.0-2.el9",
    "1:1.0-1.el9",
    "2-1.module+el9+1+a",
    "not a version",
    "",
];

/// One entry of an advisory.
#[derive(Debug, Clone)]
struct Entry {
    ecosystem: usize,
    name: usize,
    vulnerability: u8,
    fix: usize,
    module: Option<&'static str>,
    is_withdrawn: bool,
}

#[derive(Debug, Clone)]
struct Package {
    host: usize,
    name: usize,
    version: usize,
    upstream: Option<&'static str>,
    more: &'static str,
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let module = prop::sample::select(vec![None, None, Some("rocket:16"), Some("rocket:18")]);
    let one = (
        0..9_usize,
        0..3_usize,
        0..3_u8,
        0..7_usize,
        module,
        prop::bool::weighted(0.1),
    );
    let one = one.prop_map(
        |(ecosystem, name, vulnerability, fix, module, is_withdrawn)| Entry {
            ecosystem,
            name,
            vulnerability,
            fix,
            module,
            is_withdrawn,
        },
    );
    prop::collection::vec(one, 0..6)
}

fn package() -> impl Strategy<Value = Package> {
    let upstream = [
        None,
        Some("rocket-1.6-1.el9"),
        Some("rocket-1-1.el9"),
        Some("rocket-7-1.el9"),
        Some("?"),
    ];
    let more = ["", "", "&epoch=1", "&rpmmod=rocket:18:9:a"];
    let parts = (0..6_usize, 0..3_usize, 0..10_usize);
    let parts = (
        parts,
        prop::sample::select(upstream.to_vec()),
        prop::sample::select(more.to_vec()),
    );
    parts.prop_map(|((host, name, version), upstream, more)| Package {
        host,
        name,
        version,
        upstream,
        more,
    })
}

fn index(host: usize, entries: &[Entry]) -> MatchIndex<Vec<u8>> {
    let [_, _, own, base] = HOSTS[host];
    let [eus, e4s] = ["Red Hat:rhel_eus:9.4::appstream", "Red Hat:rhel_e4s:9.2"];
    let ecosystems = [own, own, base, "EPEL:9", "EPEL:9", "EPEL:7", "EPEL", eus, e4s];
    let mut rows: BTreeMap<(&str, &str), BTreeMap<String, Advisory>> = BTreeMap::new();
    for entry in entries {
        let event = match FIXES[entry.fix] {
            "" => String::new(),
            fix => format!(r#",{{"fixed":"{fix}"}}"#),
        };
        let module = entry
            .module
            .map(|module| format!(r#","ecosystem_specific":{{"rpmmod":"{module}"}}"#));
        let json = format!(
            r#"{{"id":"X","affected":[{{"ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"0"}}{event}]}}]{}}}]}}"#,
            module.unwrap_or_default()
        );
        let record = Record::from_json(json.as_bytes()).unwrap();
        let vulnerability = format!("CVE-2030-{}", entry.vulnerability);
        let package = rows
            .entry((ecosystems[entry.ecosystem], NAMES[entry.name]))
            .or_default();
        let advisory = package.entry(vulnerability.clone()).or_insert_with(|| Advisory {
            merge_hash: vulnerability.clone(),
            vulnerability,
            withdrawn: entry.is_withdrawn.then(|| "2030-01-01T00:00:00Z".to_owned()),
            ..Advisory::default()
        });
        advisory.affected.extend(record.affected);
    }
    let mut writer = IndexWriter::new(Vec::new());
    for ((ecosystem, name), advisories) in rows {
        let advisories: Vec<_> = advisories.into_values().collect();
        writer.add(ecosystem, name, &advisories).unwrap();
    }
    MatchIndex::open(writer.finish(&[0; 32]).unwrap()).unwrap()
}

fn url(package: &Package) -> String {
    let [namespace, distro, ..] = HOSTS[package.host];
    let upstream = package
        .upstream
        .map(|upstream| format!("&upstream={upstream}.src.rpm"))
        .unwrap_or_default();
    let (name, version) = (NAMES[package.name], VERSIONS[package.version]);
    format!(
        "pkg:rpm/{namespace}/{name}@{version}?distro={distro}{upstream}{}",
        package.more
    )
}

fn check(result: &ScanResult, found: Conclusion, about: Option<&str>) -> bool {
    let standing = result.gaps.first().map_or(Standing::Matched, |gap| gap.standing);
    let doubt = result.gaps.first().and_then(|gap| gap.doubt.as_ref());
    let findings: BTreeSet<&str> = result
        .findings
        .iter()
        .map(|finding| finding.vulnerability.as_str())
        .collect();
    let is_found = about.map_or(!findings.is_empty(), |id| findings.contains(id));
    let is_doubted = about.map_or(standing.is_gap(), |id| {
        doubt.is_some_and(|doubt| doubt.vulnerabilities.iter().any(|one| one == id))
    });
    match found {
        Conclusion::Affected => is_found,
        Conclusion::CannotSay => !is_found && standing.is_gap(),
        Conclusion::NotAffected | Conclusion::Withdrawn | Conclusion::NotAbout => !is_found && !is_doubted,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn scan_and_explanation_agree(package in package(), entries in entries()) {
        let index = index(package.host, &entries);
        let url = url(&package);
        let bom = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"type":"library","name":"c","purl":"{url}"}}]}}"#
        );
        let inventory = sbom::read(bom.as_bytes()).unwrap();
        let result = scan(&inventory, &index, &ScanOptions::default()).unwrap();
        let purl = PackageUrl::parse_lenient(&url).unwrap();
        for id in [None, Some("CVE-2030-0"), Some("CVE-2030-1"), Some("CVE-2030-2")] {
            let explained = explain(&purl, id, None, &index, JudgedAt::default()).unwrap();
            prop_assert!(
                check(&result, explained.conclusion, id),
                "{url} {id:?}: {:?}\n{}\n{:?} {:?}",
                explained.conclusion,
                explained.reason(),
                result.gaps,
                result.findings.iter().map(|finding| &finding.vulnerability).collect::<Vec<_>>()
            );
        }
    }
}
