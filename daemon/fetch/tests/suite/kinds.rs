//! Every preset brings what a connector of its kind reads as records.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use starling_feeds::connectors::Kind;
use starling_feeds::input::{Found, Limits, Source, read_as};
use starling_feeds::osv::Outcome;
use starling_fetch::{Access, presets};

use crate::server::{Asked, Reply, Server, file};
use crate::world::*;

const SECDB: &str = r#"{"apkurl":"x","archs":["x86_64"],"reponame":"main","urlprefix":"https://example.org","distroversion":"v3.20","packages":[{"pkg":{"name":"rocket","secfixes":{"1.2-r0":["CVE-2030-0001"]}}}]}"#;
const KEV: &str = r#"{"catalogVersion":"1","dateReleased":"2026-01-02T00:00:00Z","count":1,"vulnerabilities":[{"cveID":"CVE-2030-0001","vendorProject":"Acme","product":"Rocket","vulnerabilityName":"n","dateAdded":"2026-01-02","shortDescription":"d","requiredAction":"r","dueDate":"2026-02-01","knownRansomwareCampaignUse":"Unknown","notes":"","cwes":[]}]}"#;
const NVD: &str = r#"{"startIndex":0,"totalResults":1,"vulnerabilities":[{"cve":{"id":"CVE-2030-0001","published":"2026-01-01T00:00:00.000","lastModified":"2026-01-01T00:00:00.000","vulnStatus":"Analyzed","descriptions":[{"lang":"en","value":"d"}],"metrics":{},"references":[]}}]}"#;
const CVE: &str = r#"{"dataType":"CVE_RECORD","dataVersion":"5.1","cveMetadata":{"cveId":"CVE-2026-1001","state":"PUBLISHED","dateUpdated":"2026-02-01T00:00:00.000Z"},"containers":{"cna":{"descriptions":[{"lang":"en","value":"d"}],"affected":[{"vendor":"Acme","product":"Rocket","versions":[{"status":"affected","version":"1.0"}]}]}}}"#;
const CSAF: &str = r#"{"document":{"category":"csaf_vex","csaf_version":"2.0","title":"t","publisher":{"namespace":"https://example.org"},"tracking":{"id":"ACME-2026-1","status":"final","initial_release_date":"2026-01-01T00:00:00Z","current_release_date":"2026-01-02T00:00:00Z"}},"product_tree":{},"vulnerabilities":[{"cve":"CVE-2030-0001"}]}"#;
const RUSTSEC: &str = "```toml\n[advisory]\nid = \"RUSTSEC-2026-0001\"\npackage = \"rocket\"\ndate = \"2026-03-01\"\n\n[versions]\npatched = [\">= 0.6.1\"]\n```\n\n# Rocket burns\n";
const BDU: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><vulnerabilities><vul><identifier>BDU:2026-00001</identifier><name>n</name><description>d</description></vul></vulnerabilities>";
const OVAL: &str = r#"<oval_definitions><definitions><definition id="oval:com.oracle.elsa:def:2026" version="1" class="patch"><metadata><title>ELSA-2026-0001: x</title><reference source="elsa" ref_id="ELSA-2026-0001" ref_url="https://example.org/e"/><reference source="CVE" ref_id="CVE-2030-0001" ref_url="https://example.org/c"/><description>d</description></metadata></definition></definitions></oval_definitions>"#;
const JVN: &str = r#"<?xml version="1.0" encoding="UTF-8" ?><VULDEF-Document version="3.2" xmlns="http://jvn.jp/vuldef/"><Vulinfo><VulinfoID>JVNDB-2026-000001</VulinfoID><VulinfoData><Title>t</Title></VulinfoData></Vulinfo></VULDEF-Document>"#;
const TRACKER: &str = r#"{"rocket":{"CVE-2030-0001":{"description":"d","releases":{"bookworm":{"status":"open","urgency":"low"}}}}}"#;
const USN: &str = r#"{"763-1":{"id":"763-1","title":"t","timestamp":1767225600.25,"cves":["CVE-2030-0001"],"releases":{"noble":{"sources":{"sled":{"version":"2.0","description":"x"}},"allbinaries":{}}}}}"#;
const ERRATA: &str = r#"{"schema_version":"1.0","data":[{"updateinfo_id":"ALSA-2026:0001","title":"t","issued_date":1767225600,"severity":"Important","type":"security","references":[],"pkglist":{"packages":[{"name":"bind","epoch":"32","version":"9.11","release":"1.el8","arch":"src"}]}}]}"#;
const NOTICES: &str = r#"<updates><update type="security"><id>ALAS2023-2026-001</id><title>t</title><issued date="2026-01-01 00:00:00"/><severity>low</severity><references><reference href="https://example.org" id="CVE-2030-0001" type="cve"/></references><pkglist><collection short="amazon-linux"><name>Amazon Linux 2023</name><package name="rocket" version="1.0" release="1.amzn2023" epoch="0" arch="x86_64"/></collection></pkglist></update></updates>"#;
const APOLLO: &str = r#"{"advisories":[{"name":"RLSA-2026:0003","synopsis":"x","severity":"SEVERITY_IMPORTANT","published_at":"2026-01-01T00:00:00Z","cves":[{"cve":"CVE-2030-0002"}],"packages":[{"nevra":"sled-0:2.0-1.el9.x86_64.rpm","product_name":"Rocky Linux 9"}]}],"links":{"next":null}}"#;
const BODHI: &str = r#"{"updates":[{"updateid":"FEDORA-2026-cccc","alias":"FEDORA-2026-cccc","title":"rocket","notes":"n","severity":"low","type":"security","status":"stable","date_submitted":"2026-03-01 10:00:00","release":{"name":"F43","long_name":"Fedora 43","version":"43"},"bugs":[],"builds":[{"nvr":"rocket-1.0-1.fc43","type":"rpm","epoch":1}]}],"page":1,"pages":1,"rows_per_page":100,"total":1}"#;
const EUVD: &str = r#"{"items":[{"id":"EUVD-2026-1","description":"d","datePublished":"Apr 8, 2026, 8:18:05 AM","dateUpdated":"Apr 9, 2026, 8:18:05 PM","aliases":"CVE-2030-0001\n","references":""}],"total":1}"#;
const GHSA: &str = r#"[{"ghsa_id":"GHSA-aaaa-bbbb-cccc","summary":"s","description":"d","severity":"medium","identifiers":[],"references":[],"published_at":"2026-01-01T00:00:00Z","updated_at":"2026-01-02T00:00:00Z","vulnerabilities":[{"package":{"ecosystem":"pip","name":"Rocket"},"vulnerable_version_range":"< 1.2.3","first_patched_version":"1.2.3"}]}]"#;
const CN: [(&str, &str); 2] = [
    (
        "cnnvd",
        r#"<cnnvd xmlns="http://www.cnnvd.org.cn/vuln/1.0"><entry><name>n</name><vuln-id>CNNVD-202601-225</vuln-id><published>2026-01-11</published><modified>2026-01-17</modified></entry></cnnvd>"#,
    ),
    (
        "cnvd",
        r#"<vulnerabilitys><vulnerability><number>CNVD-2026-00001</number><title>t</title><serverity>高</serverity><openTime>2026-01-05</openTime></vulnerability></vulnerabilitys>"#,
    ),
];

fn osv(id: &str) -> String {
    record(id, "2026-01-01T00:00:00Z")
}

/// Returns a small copy of a source.
fn copy_of(preset: &str) -> Vec<(String, Vec<u8>)> {
    let text = |path: &str, body: &str| (path.to_owned(), body.as_bytes().to_vec());
    let tarball = |name: &str, body: &str| {
        vec![(
            "/main.tar.gz".to_owned(),
            gzip_of(&tar_of(&[(name, body), ("x-main/README.md", "# x")])),
        )]
    };
    match preset {
        "almalinux" => ["8", "9", "10"].iter().map(|release| text(&format!("/{release}/errata.full.json"), ERRATA)).collect(),
        "alpine" => vec![text("/index.html", "<a href=\"v3.20/\">v3.20/</a>"), text("/v3.20/main.json", SECDB)],
        "amazon" => ["/2/core/latest/x86_64", "/al2023/core/mirrors/latest/x86_64"]
            .iter()
            .flat_map(|folder| {
                let repomd = format!(
                    r#"<repomd><data type="updateinfo"><checksum type="sha256">{}</checksum><location href="repodata/updateinfo.xml.gz"/></data></repomd>"#,
                    sha256_of(&gzip_of(NOTICES.as_bytes()))
                );
                vec![
                    text(&format!("{folder}/mirror.list"), "HOST/r/\n"),
                    text("/r/repodata/repomd.xml", &repomd),
                    ("/r/repodata/updateinfo.xml.gz".to_owned(), gzip_of(NOTICES.as_bytes())),
                ]
            })
            .collect(),
        "bdu" => vec![("/vulxml.zip".to_owned(), zip_of(&[("export/export.xml", BDU)]))],
        "chainguard" | "wolfi" | "minimos" => vec![text("/security.json", SECDB)],
        "cve" => vec![
            ("/main.tar.gz".to_owned(), gzip_of(&tar_of(&[("cvelistV5-main/cves/2026/1xxx/CVE-2026-1001.json", CVE)]))),
            text("/cves/deltaLog.json", r#"[{"fetchTime":"2026-01-01T00:00:00Z","new":[],"updated":[]}]"#),
        ],
        "debian" => vec![text("/tracker.json", TRACKER)],
        "epss" => vec![("/epss_scores-current.csv.gz".to_owned(), gzip_of(b"#model_version:v1,score_date:2026-01-01T00:00:00Z\ncve,epss,percentile\nCVE-2030-0001,0.5,0.9\n"))],
        "euvd" => vec![text("/api/search?size=100&page=0", EUVD), text("/api/search?size=100&page=1", r#"{"items":[],"total":1}"#)],
        "fedora" => vec![text("/updates/?type=security&status=stable&rows_per_page=100&page=1", BODHI)],
        "ghsa" => tarball("x-main/advisories/GHSA-1.json", &osv("GHSA-1")),
        "pypa" => tarball("x-main/vulns/rocket/PYSEC-2026-1.yaml", "id: PYSEC-2026-1\nmodified: 2026-01-01T00:00:00Z\n"),
        "malicious-packages" => tarball("x-main/osv/malicious/npm/x/MAL-2026-1.json", &osv("MAL-2026-1")),
        "rustsec" => tarball("x-main/crates/rocket/RUSTSEC-2026-0001.md", RUSTSEC),
        "ghsa-api" => vec![text("/advisories?type=reviewed&per_page=100", GHSA)],
        "govulndb" => vec![
            ("/vulndb.zip".to_owned(), zip_of(&[("ID/GO-2026-0001.json", &osv("GO-2026-0001")), ("index/db.json", r#"{"modified":"2026-01-01T00:00:00Z"}"#)])),
            text("/index/vulns.json", r#"[{"id":"GO-2026-0001","modified":"2026-01-01T00:00:00Z"}]"#),
        ],
        "jvn" => vec![
            text("/ja/feed/checksum.txt", &format!(r#"[{{"url":"https://x.example/ja/feed/detail/jvndb_detail_2026.rdf","sha256":"{}"}}]"#, sha256_of(JVN.as_bytes()))),
            text("/ja/feed/detail/jvndb_detail_2026.rdf", JVN),
        ],
        "kev" => vec![text("/known_exploited_vulnerabilities.json", KEV)],
        "oracle" => vec![("/com.oracle.elsa-all.xml.bz2".to_owned(), bzip2_of(OVAL.as_bytes()))],
        "osv" => vec![("/all.zip".to_owned(), zip_of(&[("X-1.json", &osv("X-1"))])), text("/modified_id.csv", "2026-01-01T00:00:00Z,npm/X-1\n")],
        "redhat" => vec![
            text("/archive_latest.txt", "csaf_vex.tar.zst\n"),
            ("/csaf_vex.tar.zst".to_owned(), zstd_of(&tar_of(&[("2026/acme-2026-1.json", CSAF)]))),
            text("/changes.csv", "\"2026/acme-2026-1.json\",\"2026-01-01T00:00:00Z\"\n"),
            text("/deletions.csv", ""),
        ],
        "rocky" => vec![text("/api/v3/advisories/?page=1&size=100", APOLLO)],
        "suse" => vec![("/csaf.tar.bz2".to_owned(), bzip2_of(&tar_of(&[("acme-2026-1.json", CSAF)])))],
        "ubuntu" => vec![("/database-all.json.bz2".to_owned(), bzip2_of(USN.as_bytes()))],
        other => panic!("no copy of {other}"),
    }
}

/// Returns the answers of the National Vulnerability Database, which depend on the question.
fn nvd(asked: &Asked) -> Reply {
    if asked.path.contains("/rest/") {
        return Reply::ok(NVD);
    }
    match asked.path.ends_with(".meta") {
        true => Reply::ok(format!("sha256:{}\r\n", sha256_of(NVD.as_bytes()))),
        false => Reply::ok(gzip_of(NVD.as_bytes())),
    }
}

async fn server_of(preset: &str) -> Server {
    if preset.starts_with("nvd") {
        return Server::start(nvd).await;
    }
    let files: BTreeMap<String, Vec<u8>> = copy_of(preset).into_iter().collect();
    Server::start(move |asked| {
        if asked.path.ends_with("mirror.list") {
            return Reply::ok(format!("http://{}/r/\n", asked.header("host").expect("a host")));
        }
        file(&files, asked)
    })
    .await
}

/// Reads what a run brought as documents of the preset's kind; returns the records.
fn records(brought: &Brought, kind: &str) -> usize {
    let kind: Kind = kind.parse().expect("a kind");
    let mut records = 0;
    let walk = read_as(
        Some(kind),
        Source::path(&brought.fetched.input),
        &Limits::default(),
        &mut |found| {
            match found {
                Found::Document(document) => {
                    document
                        .kind
                        .read(&document.bytes, &document.name, &mut |part| match part.outcome {
                            Outcome::Record(_) => records += 1,
                            Outcome::NoRecord(_) | Outcome::Noted(_) | Outcome::Page(_) => {}
                            Outcome::Rejected(why) => panic!("{}{}: {why}", document.name, part.pointer),
                        });
                }
                Found::Ignored { .. } => {}
                Found::Rejected { name, reason } => panic!("{name}: {reason}"),
            }
            ControlFlow::Continue(())
        },
    );
    walk.expect("an import reads it");
    records
}

#[tokio::test]
async fn every_preset_fetches_its_kind_once_and_then_nothing_new() {
    for preset in presets() {
        if matches!(preset.access, Access::AddressNeeded | Access::LocalOnly) {
            continue;
        }
        let server = server_of(preset.name).await;
        let plan = plan_at(preset.name, &server.base, None);
        let mut world = World::new();
        let brought = world.import(&plan).await;
        assert!(
            brought.fetched.whole,
            "{}: {:?}",
            preset.name, brought.fetched.notes
        );
        assert!(
            brought.fetched.unfinished.is_none() && !brought.fetched.more,
            "{}",
            preset.name
        );
        assert!(
            records(&brought, preset.kind) > 0,
            "{}: {:?}",
            preset.name,
            brought.names()
        );
        // A window or page is asked for again; its records are the same.
        if matches!(preset.name, "nvd" | "euvd" | "fedora" | "ghsa-api") {
            continue;
        }
        let again = world.import(&plan).await;
        assert!(
            again.fetched.unchanged && again.names().is_empty(),
            "{}: {:?}",
            preset.name,
            again.fetched
        );
    }
}

#[tokio::test]
async fn folders_of_sources_behind_a_login_bring_records() {
    for (name, text) in CN {
        let medium = tempfile::tempdir().expect("a folder");
        std::fs::write(medium.path().join("2026.xml"), text).expect("written");
        let brought = World::new()
            .run(&plan_at(name, &medium.path().display().to_string(), None))
            .await
            .expect("a good run");
        assert_eq!(records(&brought, name), 1, "{name}");
    }
}
