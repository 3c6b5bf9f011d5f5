//! Commands behave as their help texts say: exit codes and output, with and without a daemon.

use std::path::PathBuf;

use serde_json::Value;
use starling_api_types::{
    AdvisoryLookup, AdvisoryPage, ConvertReport, DoctorReport, ErrorCode, FeedImportReport, InitReport,
    KeyList, PublicIdentity, Site as ListedSite, SiteHistory, SiteList, SiteStatus, Status,
};
use starling_tests::Site;
use starling_tests::process::command;

use crate::{bench, sample_feed, sample_sbom};

/// Returns the values that a command's JSON lists under `key`.
fn list<'a>(value: &'a Value, key: &str) -> &'a Vec<Value> {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("{key} is a list: {value}"))
}

#[test]
fn site_is_created_once_and_shows_its_identity() {
    let bench = bench();
    let home = bench.path().join("fresh");
    let run = |args: &[&str]| starling_tests::Ended::of(command(&home, args));
    // Nothing works before there is a site, and each command says how to create one.
    for args in [
        vec!["status", "--json"],
        vec!["keys", "show", "--json"],
        vec!["up", "--json"],
        vec!["advisory", "get", "CVE-2021-44228", "--json"],
        vec!["doctor", "--json"],
    ] {
        let problem = run(&args).problem();
        assert_eq!(problem.code, ErrorCode::NotInitialised, "{args:?}");
        assert!(
            format!("{} {:?}", problem.detail, problem.hint).contains("starling init"),
            "{problem}"
        );
    }
    let made: InitReport = run(&["init", "--site-id", "site-us-west-1", "--json"]).json(0);
    assert_eq!(
        (made.identity.site_id.as_str(), made.engine.as_str()),
        ("site-us-west-1", "sled")
    );
    assert_eq!(made.home, home);
    assert_eq!(
        run(&["init", "--site-id", "other", "--json"]).problem().code,
        ErrorCode::AlreadyInitialised
    );
    run(&["init", "--site-id", "No Such Name"]).expect(2);

    let shown: PublicIdentity = run(&["keys", "show", "--json"]).json(0);
    assert_eq!(shown, made.identity);
    let keys: KeyList = run(&["keys", "list", "--json"]).json(0);
    assert_eq!(keys.keys.len(), 2);
    assert!(keys.keys.iter().all(|key| key.secret_present && key.current));
    let exported = run(&["keys", "export", "--public"]);
    exported.expect(0);
    assert_eq!(
        String::from_utf8(exported.stdout).unwrap().trim(),
        shown.certificates
    );
    // Secrets are readable for their owner alone, and no command prints one.
    let secret = std::fs::read_to_string(home.join("keys/root.key")).unwrap();
    let secret = secret.trim().rsplit(':').next().unwrap();
    for args in [
        &["keys", "list", "--json"][..],
        &["keys", "show", "--json"],
        &["keys", "export", "--public"],
    ] {
        let ended = run(args);
        assert!(
            !String::from_utf8_lossy(&ended.stdout).contains(secret),
            "{args:?}"
        );
    }
    run(&["keys", "export"]).expect(2);
}

#[test]
fn commands_answer_alike_with_a_daemon_and_without() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let other = Site::init(bench.path(), "site-b");
    let report = site.import("mine", &sample_feed(), &[]);
    assert_eq!(report.stored, 4);
    site.list(&other);
    let without = outputs(&site);
    site.up();
    let with = outputs(&site);
    assert_eq!(without, with);
    site.stop();
    assert_eq!(outputs(&site), with);
}

/// Returns the outputs of the commands that only read, without the parts that change with time.
#[expect(clippy::too_many_lines, reason = "one story, in order")]
fn outputs(site: &Site) -> Vec<Value> {
    let mut outputs: Vec<Value> = Vec::new();
    let status: Status = site.json(["status"]);
    assert_eq!(
        (status.records, status.feeds.len(), status.peers.len()),
        (4, 1, 1)
    );
    assert!(status.head.is_some() && status.store.size_bytes > 0);
    outputs.push(status.knowledge_root.to_string().into());

    let found: AdvisoryLookup = site.json(["advisory", "get", "CVE-2025-10001"]);
    assert_eq!(found.advisories.len(), 1);
    let hash = found.advisories[0].merge_hash.to_string();
    for name in ["EX-2025-0001", hash.as_str(), "pkg:npm/left-pad"] {
        let again: AdvisoryLookup = site.json(["canonical", "get", name]);
        assert_eq!(again.advisories, found.advisories, "{name}");
    }
    outputs.push(serde_json::to_value(&found).unwrap());
    assert_eq!(
        site.refused(["advisory", "get", "CVE-1999-0001"])
            .exit_status()
            .code(),
        4
    );

    let page: AdvisoryPage = site.json(["advisory", "list", "--purl", "pkg:npm/express"]);
    assert_eq!(page.advisories.len(), 2);
    let page: AdvisoryPage = site.json(["advisory", "list", "--package", "npm/lodash"]);
    assert_eq!(page.advisories.len(), 1);
    let none: AdvisoryPage = site.json(["advisory", "list", "--query", "no such word"]);
    assert!(none.advisories.is_empty());
    // The pages together list each advisory once.
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut args = vec![
            "advisory".to_owned(),
            "list".to_owned(),
            "--limit".to_owned(),
            "1".to_owned(),
        ];
        args.extend(
            after
                .iter()
                .flat_map(|token| ["--after".to_owned(), token.clone()]),
        );
        let page: AdvisoryPage = site.json(args);
        seen.extend(
            page.advisories
                .iter()
                .map(|advisory| advisory.merge_hash.to_string()),
        );
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let distinct: std::collections::BTreeSet<&String> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (4, 4));
    outputs.push(serde_json::to_value(&seen).unwrap());

    let all = site.cli(["advisory", "dump", "-o", "-"]);
    all.expect(0);
    let target = site.file("dump.ndjson");
    site.cli([
        "advisory",
        "dump",
        "--source",
        "mine",
        "-o",
        target.to_str().unwrap(),
    ])
    .expect(0);
    assert_eq!(std::fs::read(&target).unwrap(), all.stdout);

    let sites: SiteList = site.json(["sites", "list"]);
    assert_eq!(sites.sites.len(), 1);
    let entry: ListedSite = site.json(["sites", "show", "site-b"]);
    assert_eq!(entry, sites.sites[0]);
    let status: SiteStatus = site.json(["sites", "status", "site-b"]);
    assert_eq!((status.bundles_imported, status.connected), (0, false));
    let history: SiteHistory = site.json(["sites", "history", "site-b"]);
    assert!(history.entries.is_empty());
    assert_eq!(
        site.refused(["sites", "show", "nobody"]).code,
        ErrorCode::SiteNotFound
    );
    outputs.push(serde_json::to_value(&entry).unwrap());

    let verdict = site.scan(
        &sample_sbom(site),
        &["--fail-on", "high", "--at", "2025-06-01T00:00:00.000Z"],
    );
    assert_eq!(verdict.exit_code, 1);
    outputs.push(verdict.verdict_hash.to_string().into());
    let doctor: DoctorReport = site.json(["doctor"]);
    assert!(doctor.ok && !doctor.checks.is_empty(), "{doctor:?}");
    outputs
}

#[test]
fn scans_end_with_the_documented_codes() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let sbom = sample_sbom(&site);
    assert_eq!(site.scan(&sbom, &[]).exit_code, 4, "an empty store is not clean");
    let _ = site.import("mine", &sample_feed(), &[]);
    assert_eq!(site.scan(&sbom, &["--fail-on", "high"]).exit_code, 1);
    assert_eq!(
        site.scan(&sbom, &["--fail-on", "critical"]).exit_code,
        1,
        "the vector is 9.8"
    );
    let harmless = site.file("harmless.json");
    std::fs::write(&harmless, r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"lodash","version":"4.17.21","purl":"pkg:npm/lodash@4.17.21"}]}"#).unwrap();
    assert_eq!(site.scan(&harmless, &["--fail-on", "low"]).exit_code, 0);
    let spdx = site.file("spdx.json");
    std::fs::write(&spdx, r#"{"spdxVersion":"SPDX-2.3","SPDXID":"SPDXRef-DOCUMENT","name":"x","dataLicense":"CC0-1.0","documentNamespace":"https://example.org/x","creationInfo":{"created":"2025-01-01T00:00:00Z","creators":["Tool: hand"]},"packages":[{"SPDXID":"SPDXRef-1","name":"express","versionInfo":"4.18.0","downloadLocation":"NOASSERTION","externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:npm/express@4.18.0"}]}]}"#).unwrap();
    assert_eq!(site.scan(&spdx, &["--fail-on", "high"]).exit_code, 1);
    let junk = site.file("junk.json");
    std::fs::write(&junk, "[1, 2").unwrap();
    assert_eq!(
        site.refused(["scan", junk.to_str().unwrap()]).code,
        ErrorCode::SbomUnreadable
    );
    assert_eq!(site.refused(["scan", "/no/such/file"]).exit_status().code(), 2);
    site.cli(["scan", sbom.to_str().unwrap(), "--fail-on", "sometimes"])
        .expect(2);
    // The table is for people and names the findings.
    let table = site.cli(["scan", sbom.to_str().unwrap(), "--fail-on", "high"]);
    table.expect(1);
    assert!(
        String::from_utf8_lossy(&table.stdout).contains("EX-2025-0002"),
        "{table:?}"
    );
    assert!(!table.stdout.contains(&0x1b), "no colours in a pipe");
}

#[test]
fn sites_are_added_changed_and_removed() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let other = Site::init(bench.path(), "site-b");
    let key = site.file("b.key");
    std::fs::write(&key, other.key()).unwrap();
    let key = format!("@{}", key.display());
    let entry: ListedSite = site.json([
        "sites",
        "add",
        "site-b",
        "--key",
        &key,
        "--display-name",
        "Plant B",
        "--address",
        "/ip4/192.0.2.7/udp/7946/quic-v1",
        "--allowed-sources",
        "ghsa,rustsec",
        "--max-bundle-size",
        "100MB",
    ]);
    assert_eq!(
        (entry.display_name.as_str(), entry.max_bundle_size),
        ("Plant B", 100_000_000)
    );
    assert_eq!(entry.allowed_sources.len(), 2);
    assert_eq!(entry.site, other.identity().site);
    assert_eq!(
        site.refused(["sites", "add", "site-b", "--key", &key]).code,
        ErrorCode::SiteExists
    );
    let renamed = site.refused(["sites", "add", "another", "--key", &key]);
    assert!(
        renamed
            .detail
            .contains("this key is on the allow-list already, as site-b"),
        "{renamed}"
    );
    assert_eq!(
        site.refused(["sites", "add", "x", "--key", "nonsense"]).code,
        ErrorCode::SiteKeyInvalid
    );
    assert_eq!(
        site.refused(["sites", "add", "me", "--key", &site.key()]).code,
        ErrorCode::SiteKeyInvalid
    );
    site.cli(["sites", "add", "Bad Name", "--key", &key]).expect(2);
    site.json_call(["sites", "remove", "site-b"]).expect(0);
    assert_eq!(
        site.refused(["sites", "remove", "site-b"]).code,
        ErrorCode::SiteNotFound
    );
    // Nothing is accepted unless sources are written out, and the output says so.
    let added = site.json_call(["sites", "add", "site-b", "--key", &key]);
    added.expect(0);
    assert!(added.stderr.contains("--allowed-sources"), "{added:?}");
}

#[test]
fn history_lists_transfers() {
    let bench = bench();
    let [a, b] = ["site-a", "site-b"].map(|name| Site::init(bench.path(), name));
    b.list(&a);
    let _ = a.import("mine", &sample_feed(), &[]);
    let report = b.import_bundle(&a.export("full.zst", &[]));
    let history: SiteHistory = b.json(["sites", "history", "site-a"]);
    assert_eq!(history.entries.len(), 1);
    assert_eq!(
        (history.entries[0].items, history.entries[0].bundle_hash),
        (4, Some(report.bundle_hash))
    );
    let status: SiteStatus = b.json(["sites", "status", "site-a"]);
    assert_eq!((status.bundles_imported, status.total_items_imported), (1, 4));
    assert_eq!(status.entry.last_cursor, a.status().head);
}

#[test]
fn store_converts_to_another_engine_and_back() {
    let bench = bench();
    let site = Site::init_on(bench.path(), "site-a", "sled");
    let _ = site.import("mine", &sample_feed(), &[]);
    let (root, dump) = (site.root(), site.dump("mine"));
    for engine in ["redb", "sled"] {
        let converted: ConvertReport = site.json(["store", "convert", "--engine", engine]);
        assert_eq!(converted.to, engine);
        let status = site.status();
        assert_eq!(
            (status.store.engine.as_str(), status.knowledge_root.to_string()),
            (engine, root.clone())
        );
        assert_eq!(site.dump("mine"), dump);
        site.expect_sound();
    }
    site.cli(["store", "convert", "--engine", "sled"]).expect(2);
}

#[test]
fn exclusive_command_reports_a_running_daemon() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    site.up();
    for args in [
        &["keys", "generate"][..],
        &["store", "convert", "--engine", "redb"],
    ] {
        let problem = site.refused(args.iter().copied());
        assert_eq!(
            (problem.code, problem.exit_status().code()),
            (ErrorCode::DaemonRunning, 6),
            "{args:?}"
        );
    }
}

#[test]
fn second_daemon_is_refused_and_names_the_first() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    site.up();
    let id = site.daemon().id();
    let problem = site.refused(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"]);
    assert_eq!(problem.exit_status().code(), 6, "{problem}");
    assert!(
        problem.detail.contains(&id.to_string()),
        "the process is named: {problem}"
    );
    // The first one is not affected.
    let _ = site.import("mine", &sample_feed(), &[]);
}

#[test]
fn daemon_stops_cleanly_on_a_signal() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    site.up();
    let _ = site.import("mine", &sample_feed(), &[]);
    let root = site.root();
    site.stop();
    assert!(!site.socket().exists(), "the socket is gone");
    assert_eq!(site.root(), root);
    site.up();
    assert_eq!(site.root(), root);
}

#[test]
fn help_version_and_usage_errors() {
    let bench = bench();
    let home = bench.path().join("none");
    let run = |args: &[&str]| starling_tests::Ended::of(command(&home, args));
    for args in [
        &["--help"][..],
        &["--version"],
        &["bundle", "import", "--help"],
        &["completions", "bash"],
    ] {
        let ended = run(args);
        ended.expect(0);
        assert!(!ended.stdout.is_empty(), "{args:?}");
    }
    for args in [
        &["frobnicate"][..],
        &["feeds", "import"],
        &["bundle", "export"],
        &["sites", "add", "x"],
    ] {
        run(args).expect(2);
    }
    for command in [
        "status",
        "scan",
        "bundle export",
        "feeds import",
        "sites add",
        "doctor",
        "up",
    ] {
        let mut args: Vec<&str> = command.split(' ').collect();
        args.push("--help");
        let help = String::from_utf8(run(&args).stdout).unwrap();
        assert!(
            help.contains("Example") && help.contains("Exit codes"),
            "{command}: {help}"
        );
    }
}

#[test]
fn input_and_output_may_be_pipes() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let reader = Site::init(bench.path(), "site-b");
    reader.list(&site);
    let pipe = |site: &Site, args: &[&str], input: &[u8]| {
        let file: PathBuf = site.file("piped");
        std::fs::write(&file, input).unwrap();
        let mut command = command(site.home(), args);
        command.stdin(std::fs::File::open(&file).unwrap());
        starling_tests::Ended::of(command)
    };
    let feed = sample_feed();
    let lines: Vec<u8> = feed
        .files
        .values()
        .flat_map(|bytes| [bytes.as_slice(), b"\n"].concat())
        .collect();
    let report: FeedImportReport = pipe(
        &site,
        &["feeds", "import", "-", "--source", "mine", "--json"],
        &lines,
    )
    .json(0);
    assert_eq!(report.stored, 4);
    let exported = site.cli(["bundle", "export", "-o", "-"]);
    exported.expect(0);
    let imported: Value = pipe(&reader, &["bundle", "import", "-", "--json"], &exported.stdout).json(0);
    assert_eq!(list(&imported, "conflicts").len(), 0);
    assert_eq!(reader.root(), site.root());
    let sbom = std::fs::read(sample_sbom(&site)).unwrap();
    pipe(&site, &["scan", "-", "--fail-on", "high"], &sbom).expect(1);
    // Standard output takes only one report.
    for args in [
        &["--format", "json=-"][..],
        &["--format", "json=-", "--format", "sarif=-", "--quiet"],
        &["--format", "json", "--format", "sarif=-"],
    ] {
        let ended = pipe(&site, &[&["scan", "-"], args].concat(), &sbom);
        ended.expect(2);
        assert!(ended.stdout.is_empty(), "{args:?}");
    }
    let quiet = pipe(&site, &["scan", "-", "--format", "json=-", "--quiet"], &sbom);
    assert!(serde_json::from_slice::<Value>(&quiet.stdout).is_ok());
}
