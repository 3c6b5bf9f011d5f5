//! Each command sends the daemon the request that was typed, and shows the answer as text and as JSON.

use starling_api_types::FeedRunOutcome;

use crate::world::World;

/// A command line, and the request that the site gets.
const CALLS: &[(&str, &str)] = &[
    ("status", "status"),
    ("sites list", "sites"),
    ("sites show site-b", "site site-b"),
    (
        "sites set site-b --allowed-sources ghsa,nvd --max-bundle-size 5MB --disable",
        "change_site site-b SiteChange { display_name: None, addresses: None, allowed_sources: \
         Some([SourcePattern(\"ghsa\"), SourcePattern(\"nvd\")]), max_bundle_size: Some(5000000), enabled: Some(false), may_mute: None }",
    ),
    (
        "sites set site-b --display-name B --no-address --enable --may-mute",
        "SiteChange { display_name: Some(\"B\"), addresses: Some([]), allowed_sources: None, \
         max_bundle_size: None, enabled: Some(true), may_mute: Some(true) }",
    ),
    ("conflicts list", "conflicts"),
    (
        "conflicts show ghsa GHSA-1",
        "conflict ConflictQuery { source: SourceName(\"ghsa\"), record: \"GHSA-1\" }",
    ),
    (
        "conflicts resolve ghsa GHSA-1 --site site-b --reason right --by ada",
        "resolve_conflict ConflictResolve { source: SourceName(\"ghsa\"), record: \"GHSA-1\", site: Some(\"site-b\"), \
         content: None, reopen: false, reason: \"right\", by: Some(\"ada\") }",
    ),
    (
        "sites set site-b --no-sources",
        "allowed_sources: Some([]), max_bundle_size: None",
    ),
    ("sites remove site-b", "remove_site site-b"),
    ("sites history site-b", "site_history site-b"),
    ("sites status site-b", "site_status site-b"),
    ("advisory get CVE-2021-44228", "advisory CVE-2021-44228"),
    (
        "advisory get CVE-2021-44228 --as-of 2025-01-15",
        "advisory CVE-2021-44228 as of 2025-01-15T23:59:59.999Z",
    ),
    ("vex list", "vex"),
    ("vex add @F/b.stl", "add_vex 6"),
    (
        "vex show 05050505",
        "vex_document blake3:0505050505050505050505050505050505050505050505050505050505050505",
    ),
    (
        "vex remove blake3:0505050505050505050505050505050505050505050505050505050505050505",
        "remove_vex blake3:0505050505050505050505050505050505050505050505050505050505050505",
    ),
    (
        "canonical get pkg:npm/@scope/name@1.0.0",
        "advisory pkg:npm/@scope/name@1.0.0",
    ),
    (
        "advisory list --purl pkg:npm/express",
        "advisories AdvisoryListQuery { purl: Some(\"pkg:npm/express\")",
    ),
    ("advisory list --limit 0", "limit: Some(1000)"),
    (
        "bundle import @F/b.stl",
        "import_bundle 6 ImportParams { dry_run: false, skip_signature: false, on_conflict: None, force: false }",
    ),
    (
        "bundle import @F/b.stl --dry-run --force --skip-signature --on-conflict fail",
        "import_bundle 6 ImportParams { dry_run: true, skip_signature: true, on_conflict: Some(Fail), force: true }",
    ),
    ("bundle inspect @F/b.stl", "inspect_bundle 6"),
    (
        "feeds import @F/b.stl --source ghsa",
        "import_feed ghsa 6 FeedImportOptions { complete: false, strict: false, allow_empty: false, approve: false, kind: None }",
    ),
    (
        "feeds import @F/b.stl --source ghsa --complete --strict --allow-empty --kind nvd",
        "import_feed ghsa 6 FeedImportOptions { complete: true, strict: true, allow_empty: true, approve: false, kind: Some(\"nvd\") }",
    ),
    (
        "feeds add nvd --api-key-file /etc/key --schedule 3h",
        "add_feed FeedAdd { name: None, preset: Some(\"nvd\"), address: None, source: None, kind: None, schedule: Some(\"3h\"), \
         parameter: None, api_key_file: Some(\"/etc/key\"), proxy: None, ca_file: None, complete: None, enabled: None, share_fetch: None }",
    ),
    (
        "feeds add https://example.org/a.zip --name mine --source vendor --proxy none --partial --disabled --no-share",
        "add_feed FeedAdd { name: Some(FeedName(\"mine\")), preset: None, address: Some(\"https://example.org/a.zip\"), \
         source: Some(SourceName(\"vendor\")), kind: None, schedule: None, parameter: None, api_key_file: None, \
         proxy: Some(\"none\"), ca_file: None, complete: Some(false), enabled: Some(false), \
         share_fetch: Some(false) }",
    ),
    ("feeds list", "feeds"),
    ("feeds status", "feeds"),
    ("feeds status nvd", "feed nvd"),
    ("feeds history nvd", "feed nvd"),
    ("feeds run nvd", "run_feed nvd"),
    ("feeds run", "run_feed nvd"),
    (
        "feeds approve nvd",
        "approve_feed nvd FeedApprove { input: None }",
    ),
    (
        "feeds enable nvd",
        "change_feed nvd FeedChange { enabled: Some(true)",
    ),
    (
        "feeds disable nvd",
        "change_feed nvd FeedChange { enabled: Some(false)",
    ),
    (
        "feeds set nvd --schedule 3h --address https://mirror.example.org/ --whole --no-share --unset proxy",
        "change_feed nvd FeedChange { enabled: None, schedule: Some(\"3h\"), address: Some(\"https://mirror.example.org/\"), \
         parameter: None, api_key_file: None, proxy: None, ca_file: None, complete: Some(true), share_fetch: Some(false), \
         unset: [Proxy] }",
    ),
    ("feeds remove nvd", "remove_feed nvd"),
    (
        "scan @F/b.stl",
        "scan 6 ScanParams { fail_on: None, at: None, as_of: None, min_coverage_basis_points: None, max_age_seconds: None, fail_on_unused: false }",
    ),
    (
        "scan @F/b.stl --min-coverage 99.5 --max-age 2d --baseline @F/b.stl",
        "scan 6 baseline 6 ScanParams { fail_on: None, at: None, as_of: None, min_coverage_basis_points: Some(9950), max_age_seconds: Some(172800), fail_on_unused: false }",
    ),
    (
        "scan @F/b.stl --policy @F/b.stl --vex @F/b.stl --vex @F/b.stl --fail-on-unused",
        "scan 6 policy 6 vex 6 vex 6 ScanParams { fail_on: None, at: None, as_of: None, min_coverage_basis_points: None, max_age_seconds: None, fail_on_unused: true }",
    ),
    (
        "scan @F/b.stl --fail-on high --at 2025-01-15T10:30:00.000Z",
        "scan 6 ScanParams { fail_on: Some(High), at: Some(",
    ),
    (
        "mute list --vulnerability CVE-1 --removed",
        "mutes MuteListQuery { vulnerability: Some(\"CVE-1\"), removed: true }",
    ),
    ("mute show 0123456789abcdef-1", "mute 0123456789abcdef-1"),
    (
        "mute remove 0123456789abcdef-1 --reason r --by ben",
        "remove_mute 0123456789abcdef-1 MuteRemove { reason: \"r\", by: Some(\"ben\") }",
    ),
    ("doctor", "doctor DoctorRequest { rebuild: false, repair: false }"),
    (
        "doctor --rebuild",
        "doctor DoctorRequest { rebuild: true, repair: false }",
    ),
    (
        "doctor --repair",
        "doctor DoctorRequest { rebuild: false, repair: true }",
    ),
    ("store compact", "compact_store"),
];

#[test]
fn every_command_sends_its_request_and_shows_the_answer() {
    let world = World::with_daemon();
    world.file("b.stl", "bundle");
    for (line, asked) in CALLS {
        let run = world.run(line).ends(0);
        assert!(
            world.asked().contains(asked),
            "`{line}` asked for {}",
            world.asked()
        );
        assert!(
            run.stderr.is_empty(),
            "`{line}` is not quiet in a pipe: {}",
            run.stderr
        );
        assert!(
            world.run(&format!("{line} --json")).ends(0).json().is_object(),
            "`{line}`"
        );
    }
}

#[test]
fn run_of_a_feed_ends_as_its_outcome_says() {
    let world = World::with_daemon();
    for (outcome, code) in [
        (FeedRunOutcome::Unchanged, 0),
        (FeedRunOutcome::Suspect, 3),
        (FeedRunOutcome::Failed, 6),
    ] {
        *world.site.feed_outcome.lock().unwrap() = Some(outcome);
        let run = world.run("feeds run nvd").ends(code);
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(said.contains(outcome.as_str()), "{said}");
    }
}

#[test]
fn presets_are_listed_without_a_site() {
    let presets = World::empty().run("feeds presets --json").ends(0).json();
    assert!(presets["presets"].is_array());
}

#[test]
fn mute_add_sends_all_options() {
    let world = World::with_daemon();
    let line = "mute add CVE-2024-29041 --package pkg:npm/express --ecosystem npm --sbom shop* --until 2999-12-31 --reason r";
    let run = world.run(line).ends(0);
    assert!(
        run.stderr.contains("warning: this site knows no"),
        "{}",
        run.stderr
    );
    for said in [
        "add_mute MuteAdd { vulnerability: \"CVE-2024-29041\", package: Some(\"pkg:npm/express\")",
        "ecosystem: Some(\"npm\"), sbom: Some(\"shop*\")",
        "forever: false, reason: \"r\", by: Some(\"",
    ] {
        assert!(world.asked().contains(said), "{said}: {}", world.asked());
    }
    assert!(world.run(&format!("{line} --json")).ends(0).json()["mute"].is_object());
}

#[test]
fn sites_add_sends_all_options() {
    let world = World::with_daemon();
    world.file("b.key", "starling-site-v1:00\n");
    let line = "sites add site-b --key @@F/b.key --display-name B --address /ip4/192.0.2.7/udp/1/quic-v1 \
        --allowed-sources ghsa,rustsec --max-bundle-size 100MB --disabled";
    world.run(line).ends(0);
    for said in [
        "starling-site-v1:00\"",
        "\"B\"",
        "192.0.2.7",
        "ghsa",
        "rustsec",
        "Some(100000000)",
        "Some(false)",
    ] {
        assert!(world.asked().contains(said), "{said}: {}", world.asked());
    }
}

#[test]
fn verdict_decides_the_exit_code_and_keeps_its_bytes() {
    let world = World::with_daemon();
    for code in [0_u8, 1, 4, 5] {
        *world.site.exit_code.lock().unwrap() = code;
        let run = world.run_with("scan - --json", b"{}").ends(i32::from(code));
        assert!(
            run.text().contains(r#"{"outcome": "pass", "n":1.0}"#),
            "{}",
            run.text()
        );
    }
}

#[test]
fn several_sboms_end_with_the_most_severe_code() {
    let world = World::with_daemon();
    world.file("b.stl", "bundle");
    for code in [0_u8, 1, 4, 5] {
        *world.site.exit_code.lock().unwrap() = code;
        let run = world
            .run_with("scan @F/b.stl - --json", b"{}")
            .ends(i32::from(code));
        let report = run.json();
        assert_eq!(report["exit_code"], code);
        assert_eq!(report["scans"][1]["sbom"], "-");
        assert_eq!(report["scans"][1]["result"]["exit_code"], code);
    }
    // An unreadable SBOM is reported beside the others, and is more severe than a pass.
    *world.site.exit_code.lock().unwrap() = 0;
    let run = world.run("scan @F/none @F/b.stl --json").ends(2);
    assert_eq!(run.json()["scans"][0]["problem"]["code"], "file_access");
    assert_eq!(run.json()["scans"][1]["result"]["exit_code"], 0);
    *world.site.exit_code.lock().unwrap() = 1;
    let text = world.run("scan @F/none @F/b.stl").ends(1).text();
    assert!(
        text.contains("REFUSED: ") && text.ends_with("2 SBOMs, exit code 1 (fail by policy)\n"),
        "{text}"
    );
    // A report is a baseline for the SBOMs that it lists.
    *world.site.exit_code.lock().unwrap() = 0;
    let report = world.run("scan @F/b.stl @F/b.stl --json").ends(0).stdout;
    world.file("report.json", report);
    world.run("scan @F/b.stl --baseline @F/report.json").ends(0);
    assert!(world.asked().contains(" baseline "), "{}", world.asked());
    world.run_with("scan - --baseline @F/report.json", b"{}").ends(0);
    assert!(!world.asked().contains(" baseline "), "{}", world.asked());
}

#[test]
fn every_format_is_written_to_stdout_and_file() {
    let world = World::with_daemon();
    world.file("b.stl", "bundle");
    for (format, holds) in [
        ("table", "PASS"),
        ("json", r#""verdict_hash""#),
        ("sarif", r#""version": "2.1.0""#),
        ("junit", "<testsuites"),
        ("cyclonedx", r#""bomFormat": "CycloneDX""#),
        ("csv", "\"sbom\",\"outcome\""),
        ("markdown", "# Starling scan"),
        ("html", "<!doctype html>"),
    ] {
        let text = world
            .run(&format!("scan @F/b.stl --format {format}"))
            .ends(0)
            .text();
        assert!(text.contains(holds), "{format}: {text}");
        let quiet = world
            .run(&format!("scan @F/b.stl --format {format} -o @F/out"))
            .ends(0);
        assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty());
        assert_eq!(
            std::fs::read_to_string(world.path("out")).unwrap(),
            text,
            "{format}"
        );
        let several = world
            .run(&format!("scan @F/b.stl @F/none --format {format}"))
            .ends(2);
        assert!(several.text().contains(holds), "{format}");
    }
    // A report is written for every verdict.
    *world.site.exit_code.lock().unwrap() = 1;
    world.run("scan @F/b.stl --format sarif -o @F/failed").ends(1);
    assert!(world.path("failed").exists());
    world.run("scan @F/b.stl -o @F/no/such/folder/x").ends(2);
}

#[test]
fn several_formats_are_written_and_quiet_prints_nothing() {
    let world = World::with_daemon();
    world.file("b.stl", "bundle");
    *world.site.exit_code.lock().unwrap() = 1;
    let run = world
        .run("scan @F/b.stl --format sarif=@F/a.sarif --format html=@F/a.html")
        .ends(1);
    assert!(
        run.text().contains("exit code 1"),
        "the table as well: {}",
        run.text()
    );
    assert!(world.path("a.sarif").exists() && world.path("a.html").exists());
    let run = world.run("scan @F/b.stl --quiet --format csv=@F/a.csv").ends(1);
    assert!(run.stdout.is_empty() && run.stderr.is_empty() && world.path("a.csv").exists());
    let run = world.run("scan @F/b.stl --format sarif --format csv").ends(2);
    assert!(run.stderr.contains("--format sarif=FILE"), "{}", run.stderr);
    // `--exit-zero` excuses a verdict, but never an SBOM without one.
    for code in [1, 4, 5] {
        *world.site.exit_code.lock().unwrap() = code;
        world.run("scan @F/b.stl --exit-zero").ends(0);
    }
    world.run("scan @F/b.stl @F/none --exit-zero").ends(2);
    world.run("scan @F/none --exit-zero").ends(2);
}

#[test]
fn tables_fit_the_requested_width() {
    let world = World::with_daemon();
    for line in [
        "status",
        "status --all",
        "sites list",
        "conflicts list",
        "mute list",
        "advisory list",
    ] {
        let text = world.run_at(line, "40").ends(0).text();
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        let wide = world.run_at(&format!("{line} --wide"), "40").ends(0).text();
        assert!(!wide.contains("--wide shows"), "{line}: {wide}");
        if ["status", "sites list"].contains(&line) {
            assert!(widest <= 40, "`{line}`: {widest}: {text}");
        }
    }
}

#[test]
fn shells_complete_commands_and_site_names() {
    let world = World::with_daemon();
    let commands = world.complete("starling qui", 1).ends(0).text();
    assert!(commands.contains("quickstart"), "{commands}");
    let sites = world.complete("starling sites show s", 3).ends(0).text();
    assert!(sites.contains("site-b"), "{sites}");
    // Without a daemon nothing is opened, and nothing is completed.
    let none = World::empty().complete("starling sites show s", 3).ends(0).text();
    assert!(!none.contains("site-"), "{none}");
}

#[test]
fn events_are_printed_one_per_line_until_the_end() {
    let world = World::with_daemon();
    *world.site.events.lock().unwrap() = (1..=3).map(crate::fake_site::event).collect();
    let run = world.run("events --after 1 --json").ends(6);
    let lines: Vec<serde_json::Value> = run
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        lines
            .iter()
            .map(|line| line["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>(),
        [2, 3].map(|number| crate::fake_site::event_id(number).to_string())
    );
    assert!(run.stderr.contains("shutting_down"), "{}", run.stderr);
    let line = format!("events --after {}", crate::fake_site::event_id(2));
    let text = world.run(&line).ends(6).text();
    assert!(
        world.asked().contains("Some([102, 97, 107, 101,"),
        "{}",
        world.asked()
    );
    assert!(
        text.contains("created CVE-2024-29041 pkg:npm/express@4.0.0"),
        "{text}"
    );
}

#[test]
fn invalid_bundle_is_refused_and_shows_its_checks() {
    let world = World::with_daemon();
    world.file("b.stl", "bundle");
    let run = world.run("bundle validate @F/b.stl").ends(3);
    assert!(run.text().contains("NOT valid"), "{}", run.text());
    assert_eq!(
        world.run("bundle validate @F/b.stl --json").ends(3).json()["valid"],
        false
    );
}
