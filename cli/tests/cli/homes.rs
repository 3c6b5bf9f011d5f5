//! Commands on a real home, without a daemon.

use serde_json::{Value, json};

use crate::world::World;

/// Returns a world with the site `@F/home`.
fn with_home() -> World {
    let world = World::empty();
    world.run("--home @F/home init --site-id west").ends(0);
    world
}

fn record(id: &str, name: &str, more: &Value) -> String {
    let mut record = json!({
        "schema_version": "1.7.0", "id": id, "modified": "2025-01-02T00:00:00Z", "summary": "x",
        "affected": [{"package": {"ecosystem": "npm", "name": name}, "versions": ["1.0.0"]}],
    });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record.to_string()
}

fn sbom(components: &[Value]) -> String {
    json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components})
        .to_string()
}

/// Only a report whose id begins with MAL- failed a scan, and only if no source rated it.
#[test]
fn malicious_packages_fail_at_every_threshold() {
    let world = with_home();
    let low = json!([{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N"}]);
    let withdrawn = "2025-01-03T00:00:00Z";
    let cases = [
        ("by-id", "MAL-2025-1", json!({}), true),
        ("by-rated-id", "MAL-2025-2", json!({"severity": low}), true),
        (
            "by-alias",
            "GHSA-2222-2222-2222",
            json!({"aliases": ["MAL-2025-3"], "severity": low}),
            true,
        ),
        (
            "by-weakness",
            "GHSA-3333-3333-3333",
            json!({"database_specific": {"cwe_ids": ["CWE-506"]}}),
            true,
        ),
        (
            "plain",
            "GHSA-4444-4444-4444",
            json!({"severity": low, "summary": "A malicious request"}),
            false,
        ),
        (
            "taken-back",
            "MAL-2025-4",
            json!({"aliases": ["GHSA-5555-5555-5555"], "withdrawn": withdrawn}),
            false,
        ),
        (
            "taken-back",
            "GHSA-5555-5555-5555",
            json!({"severity": low}),
            false,
        ),
    ];
    for (name, id, more, _) in &cases {
        world.file(&format!("records/{id}.json"), record(id, name, more));
    }
    world
        .run("--home @F/home feeds import @F/records --source mixed")
        .ends(0);
    for (name, id, _, malicious) in &cases {
        let component = json!({"type": "library", "name": name, "purl": format!("pkg:npm/{name}@1.0.0")});
        world.file("sbom.json", sbom(&[component]));
        let code = if *malicious { 1 } else { 0 };
        let run = world
            .run("--home @F/home scan @F/sbom.json --fail-on critical --json")
            .ends(code)
            .json();
        let level = &run["verdict"]["findings"][0]["severity"]["level"];
        assert_eq!(level, if *malicious { "critical" } else { "low" }, "{id}: {run}");
        let shown = world
            .run(&format!("--home @F/home advisory get {id} --json"))
            .ends(0)
            .json();
        let said = shown["advisories"].as_array().map_or(&shown, |all| &all[0]);
        assert_eq!(said["malicious"].is_string(), *malicious, "{id}: {shown}");
    }
}

/// RustSec has no severities for crates that were removed as malicious.
#[test]
fn category_of_a_crate_marks_it_as_malicious() {
    let world = with_home();
    let category = json!({"affected": [{"package": {"ecosystem": "crates.io", "name": "by-category"},
        "database_specific": {"categories": ["malicious"]}, "versions": ["1.0.0"]}]});
    world.file(
        "records/RUSTSEC-2025-0001.json",
        record("RUSTSEC-2025-0001", "", &category),
    );
    world
        .run("--home @F/home feeds import @F/records --source rustsec")
        .ends(0);
    world.file(
        "sbom.json",
        sbom(&[json!({"type": "library", "name": "c", "purl": "pkg:cargo/by-category@1.0.0"})]),
    );
    let run = world
        .run("--home @F/home scan @F/sbom.json --fail-on critical")
        .ends(1)
        .text();
    assert!(run.contains("critical  RUSTSEC-2025-0001"), "{run}");
    let listed = world
        .run("--home @F/home advisory get RUSTSEC-2025-0001")
        .ends(0)
        .text();
    assert!(
        listed.contains("because the package is malicious (malicious)"),
        "{listed}"
    );
}

/// It looked like a success.
#[test]
fn policy_test_without_an_example_does_not_pass() {
    let world = World::empty();
    let rule =
        "format: starling-policy/1\nrules:\n  - {id: skip, action: ignore, reason: x, when: {kev: false}}\n";
    world.file("bare.yaml", rule);
    world.file("bare.rego", "package starling\ndeny contains \"x\" if false\n");
    let example = "examples:\n  - {name: a, finding: {id: A}, expect: warn}\n";
    world.file("tested.yaml", format!("{rule}{example}"));
    for (file, test, notes) in [("bare.yaml", 1, 2), ("bare.rego", 1, 1), ("tested.yaml", 0, 1)] {
        let said = world.run(&format!("policy test @F/{file}")).ends(test).text();
        assert_eq!(said.contains("nothing was tested"), test == 1, "{said}");
        for (command, code) in [("validate", 0), ("test", test)] {
            let run = world
                .run(&format!("policy {command} @F/{file} --json"))
                .ends(code)
                .json();
            assert_eq!(
                run["notes"].as_array().map_or(0, Vec::len),
                notes,
                "{command} {file}: {run}"
            );
        }
    }
}

/// `2` stands in `1.2.0`, so that such contradictions had no note; those that had one were shown by `sbom inspect` alone.
#[test]
fn version_that_contradicts_the_package_url_is_noted() {
    let world = with_home();
    world.file("records/R-1.json", record("GHSA-2222-2222-2222", "a", &json!({})));
    world
        .run("--home @F/home feeds import @F/records --source mixed")
        .ends(0);
    for (version, noted) in [("1.2.0", false), ("v1.2.0", false), ("2", true), ("2.0.0", true)] {
        let component =
            json!({"type": "library", "name": "a", "version": version, "purl": "pkg:npm/a@1.2.0"});
        world.file("sbom.json", sbom(&[component]));
        let text = world.run("--home @F/home scan @F/sbom.json").ends(0).text();
        assert_eq!(text.contains("contradicts another"), noted, "{version}: {text}");
        let report = world
            .run("--home @F/home scan @F/sbom.json --format markdown")
            .ends(0)
            .text();
        assert_eq!(
            report.contains("contradicts another"),
            noted,
            "{version}: {report}"
        );
        let inspected = world.run("sbom inspect @F/sbom.json").ends(0).text();
        assert_eq!(
            inspected.contains("the latter was used"),
            noted,
            "{version}: {inspected}"
        );
    }
}

/// The user got the advice to check the path.
#[test]
fn address_in_place_of_a_file_is_named_as_one() {
    let world = with_home();
    for line in [
        "feeds import https://example.org/x.zip --source a",
        "scan https://example.org/sbom.json",
    ] {
        let run = world.run(&format!("--home @F/home {line}")).ends(2);
        assert!(run.stderr.contains("it is an address"), "{line}: {}", run.stderr);
    }
}
