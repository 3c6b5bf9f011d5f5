//! Measures how fast a document becomes a verdict, per stage, and how fast versions of each scheme are matched.
//!
//! ```text
//! cargo bench -p starling-policy --bench verdict                       made advisories, every scheme
//! cargo bench -p starling-policy --bench verdict -- RECORDS [SBOM…]    those of `starling advisory dump`
//! ```
//!
//! Stages: **read** the document, **scan** it with an index in memory, **decide**, write the **bytes**. Microseconds of
//! processor time per component, the best of several runs (Linux only).
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock and its arguments"
)]
#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a benchmark may stop at once, and its figures are rounded"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use starling_documents::mutes::Mutes;
use starling_policy::{FailOn, Judged, KnowledgeState, Policy, decide};
use starling_protocol::{KnowledgeRoot, UnixMillis};
use starling_scanner::index::{IndexWriter, MatchIndex};
use starling_scanner::knowledge::{Advisory, Provenance};
use starling_scanner::name::normalise_name;
use starling_scanner::osv::Record;
use starling_scanner::purl::osv::purl_of;
use starling_scanner::sbom;
use starling_scanner::scan::{ScanOptions, scan};
use starling_scanner::severity::StatedSeverity;

/// Number of components of a generated document.
const COMPONENTS: usize = 5_000;
/// Number of packages per ecosystem in generated advisories, and of advisories per package.
const PACKAGES: usize = 2_000;
const ADVISORIES: usize = 4;
/// One in this many components is affected.
const AFFECTED_EVERY: usize = 50;

/// An ecosystem of each scheme, with the form of its versions: `N` is a number.
const SCHEMES: [(&str, &str); 14] = [
    ("npm", "N.4.2"),
    ("Pub", "N.4.2+3"),
    ("Bitnami", "N.4.2-1"),
    ("NuGet", "N.4.2.1"),
    ("PyPI", "N.4.2.post1"),
    ("Maven", "N.4.2.RELEASE"),
    ("RubyGems", "N.4.2.pre1"),
    ("Packagist", "vN.4.2-RC1"),
    ("Debian:12", "1:N.4.2-1+deb12u1"),
    ("opam", "N.4~beta"),
    ("AlmaLinux:9", "0:N.4.2-1.el9_3"),
    ("Alpine:v3.18", "N.4.2_rc1-r3"),
    ("ConanCenter", "N.4.2.b"),
    ("CRAN", "N.4-2"),
];

type Packages = BTreeMap<(String, String), Vec<Advisory>>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    println!(
        "{:<32}{:>10}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "document", "components", "findings", "read", "scan", "decide", "bytes", "all"
    );
    match arguments.split_first() {
        None => {
            let mut all = Packages::new();
            let mut mixed = Vec::new();
            for scheme in SCHEMES {
                let packages = made(scheme);
                mixed.extend(components(scheme, COMPONENTS / SCHEMES.len()));
                measure(
                    scheme.0,
                    &document(&components(scheme, COMPONENTS)),
                    &indexed(&packages),
                );
                all.extend(packages);
            }
            measure("all schemes", &document(&mixed), &indexed(&all));
        }
        Some((records, documents)) => {
            let index = indexed(&read_records(records));
            for path in documents {
                measure(
                    path,
                    &std::fs::read(path).expect("the document can be read"),
                    &index,
                );
            }
        }
    }
}

/// Generates advisories about packages of one ecosystem, each for a part of the versions.
fn made((ecosystem, pattern): (&str, &str)) -> Packages {
    let at = |number: usize| pattern.replace('N', &number.to_string());
    let mut packages = Packages::new();
    for package in 0..PACKAGES {
        let name = normalise_name(ecosystem, &format!("group/package-{package}"));
        let advisories = (0..ADVISORIES).map(|number| {
            let json = format!(
                r#"{{"id":"CVE-2024-{package}{number}","summary":"What it is, in a line of some length","affected":[{{
                    "package":{{"ecosystem":"{ecosystem}","name":"{name}"}},
                    "ranges":[{{"type":"ECOSYSTEM","events":[{{"introduced":"{}"}},{{"fixed":"{}"}}]}}]}}]}}"#,
                at(number * 10 + 1),
                at(number * 10 + 6),
            );
            advisory(&Record::from_json(json.as_bytes()).expect("a record"), "made")
        });
        packages.insert((ecosystem.to_owned(), name.clone()), advisories.collect());
    }
    packages
}

fn components((ecosystem, pattern): (&str, &str), count: usize) -> Vec<String> {
    (0..count)
        .map(|index| {
            let name = normalise_name(ecosystem, &format!("group/package-{}", index % PACKAGES));
            let number = if index % AFFECTED_EVERY == 0 { 13 } else { 98 };
            let version = pattern.replace('N', &number.to_string());
            let mut purl = purl_of(ecosystem, &name).map_or_else(|| name.clone(), |purl| purl.to_string());
            let qualifiers = purl
                .find('?')
                .map_or_else(String::new, |at| purl.split_off(at).replacen('?', "&", 1));
            let distro = match ecosystem {
                "Debian:12" => "debian-12",
                "AlmaLinux:9" => "almalinux-9",
                "Alpine:v3.18" => "alpine-3.18",
                _ => "none",
            };
            let version = version.replace(':', "%3A").replace('+', "%2B");
            format!(
                r#"{{"type":"library","bom-ref":"ref-{index}","name":"package-{index}","version":"{version}",
                    "purl":"{purl}@{version}?distro={distro}{qualifiers}","licenses":[{{"license":{{"id":"MIT"}}}}]}}"#
            )
        })
        .collect()
}

fn document(components: &[String]) -> Vec<u8> {
    let components = components.join(",");
    format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{components}]}}"#).into_bytes()
}

fn advisory(record: &Record, source: &str) -> Advisory {
    let stated = |severity: &starling_scanner::osv::Severity| StatedSeverity {
        source: source.to_owned(),
        kind: severity.kind.clone(),
        value: severity.score.0.clone(),
    };
    Advisory {
        merge_hash: format!("blake3:{}", blake3::hash(record.id.as_bytes()).to_hex()),
        vulnerability: record.id.clone(),
        ids: record.aliases.clone(),
        summary: record.summary.clone(),
        withdrawn: record.withdrawn.clone(),
        severities: record.severity.iter().map(stated).collect(),
        provenance: vec![Provenance {
            source: source.to_owned(),
            record: record.id.clone(),
            sites: vec![format!("blake3:{}", "7".repeat(64))],
        }],
        affected: record.affected.clone(),
        ..Advisory::default()
    }
}

/// Reads the records of a dump, by package.
fn read_records(path: &str) -> Packages {
    let mut packages = Packages::new();
    let text = std::fs::read(path).expect("the records can be read");
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(record) = Record::from_json(line) else {
            continue;
        };
        let whole = advisory(&record, "dump");
        let mut by_package: BTreeMap<(String, String), Vec<_>> = BTreeMap::new();
        for affected in record.affected {
            if let Some(package) = &affected.package {
                let name = normalise_name(&package.ecosystem, &package.name);
                by_package
                    .entry((package.ecosystem.clone(), name))
                    .or_default()
                    .push(affected);
            }
        }
        for (package, affected) in by_package {
            let advisory = Advisory {
                affected,
                ..whole.clone()
            };
            packages.entry(package).or_default().push(advisory);
        }
    }
    packages
}

fn indexed(packages: &Packages) -> MatchIndex<Vec<u8>> {
    let mut writer = IndexWriter::new(Vec::new());
    for ((ecosystem, name), advisories) in packages {
        writer.add(ecosystem, name, advisories).expect("memory takes all");
    }
    let bytes = writer.finish(&[0; 32]).expect("memory takes all");
    MatchIndex::open(bytes).expect("it was just written")
}

fn measure(name: &str, document: &[u8], index: &MatchIndex<Vec<u8>>) {
    let inventory = sbom::read(document).expect("the document can be read");
    let options = ScanOptions::default();
    let result = scan(&inventory, index, &options).expect("the index can be read");
    let policy = Policy {
        fail_on: Some(FailOn::High),
        ..Policy::default()
    };
    let knowledge = KnowledgeState {
        root: KnowledgeRoot::from_bytes([1; 32]),
        advisories: 1_000,
        sources: Vec::new(),
        unchecked: Vec::new(),
        heads: Vec::new(),
        held_back: Vec::new(),
        lost: Vec::new(),
        frozen: Vec::new(),
        ahead: Vec::new(),
        view_policy_hash: String::new(),
        mutes: Mutes::default().into(),
        unconfirmed: Default::default(),
    };
    let judged = Judged {
        document,
        inventory: &inventory,
        result: &result,
        baseline: None,
        vex: &[],
        rego: None,
    };
    let as_of = UnixMillis::saturating(1_700_000_000_000);
    let verdict = decide(judged, &policy, &knowledge, as_of);
    let stages = [
        best(|| sbom::read(black_box(document))),
        best(|| scan(&inventory, index, &options)),
        best(|| decide(judged, &policy, &knowledge, as_of)),
        best(|| verdict.to_bytes()),
    ];
    let count = inventory.components.len();
    let each = |seconds: f64| seconds * 1e6 / count as f64;
    print!("{name:<32}{count:>10}{:>10}", result.findings.len());
    for stage in stages {
        print!("{:>9.2}", each(stage));
    }
    println!("{:>9.2}", each(stages.iter().sum()));
}

/// Returns the shortest processor time of a run over some rounds; a round is long compared with the clock's steps.
fn best<T>(mut run: impl FnMut() -> T) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let started = cpu_seconds();
        let (mut runs, mut spent) = (0, 0.0);
        while spent < 0.1 {
            drop(black_box(run()));
            runs += 1;
            spent = cpu_seconds() - started;
        }
        best = best.min(spent / f64::from(runs));
    }
    best
}

/// Returns the processor time that this thread has used.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    let nanoseconds = stat.split(' ').next().and_then(|text| text.parse::<f64>().ok());
    nanoseconds.unwrap_or(f64::NAN) / 1e9
}
