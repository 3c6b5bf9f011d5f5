//! Scans with all their inputs: flags, baselines, policies, VEX, formats, and every exit code.

use std::path::Path;

use serde_json::{Value, json};
use starling_api_types::{ErrorCode, PolicyHistory, VerdictEnvelope};
use starling_tests::Site;
use starling_tests::feed::{Folder, advisory, with};

use crate::{bench, sample_feed, sample_sbom};

const AT: &str = "2025-06-01T00:00:00.000Z";

fn body(envelope: &VerdictEnvelope) -> Value {
    serde_json::from_str(envelope.verdict.as_str()).unwrap()
}

fn write(path: &Path, content: &str) -> String {
    std::fs::write(path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn actions(envelope: &VerdictEnvelope) -> Vec<String> {
    let body = body(envelope);
    let findings = body["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| {
            format!(
                "{} {}",
                finding["vulnerability"].as_str().unwrap(),
                finding["action"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn scan_uses_every_documented_exit_code() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let sbom = sample_sbom(&site);
    let name = sbom.to_str().unwrap();
    assert_eq!(site.scan(&sbom, &[]).exit_code, 4, "nothing is known");
    let _ = site.import("mine", &sample_feed(), &[]);
    assert_eq!(site.scan(&sbom, &[]).exit_code, 0);
    assert_eq!(site.scan(&sbom, &["--fail-on", "high"]).exit_code, 1);
    site.cli(["scan", name, "--min-coverage", "101"]).expect(2);
    assert_eq!(
        site.refused(["scan", name, "--policy", name])
            .exit_status()
            .code(),
        2
    );
    let junk = write(&site.file("junk.json"), "[1, 2");
    assert_eq!(site.refused(["scan", &junk]).exit_status().code(), 3);
    for (flag, code) in [
        ("--baseline", ErrorCode::BaselineUnreadable),
        ("--vex", ErrorCode::VexUnreadable),
    ] {
        let problem = site.refused(["scan", name, flag, &junk]);
        assert_eq!((problem.code, problem.exit_status().code()), (code, 3));
    }
    assert_eq!(
        site.scan(&sbom, &["--max-age", "1d", "--at", "2099-01-01T00:00:00Z"])
            .exit_code,
        4
    );
    let nameless = json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "components": [
        {"type": "library", "name": "chalk", "version": "5.0.0", "purl": "pkg:npm/chalk@5.0.0"},
        {"type": "library", "name": "own", "version": "1"}]});
    let nameless = site.file("nameless.json").tap_write(&nameless.to_string());
    assert_eq!(site.scan(&nameless, &["--min-coverage", "50"]).exit_code, 0);
    assert_eq!(site.scan(&nameless, &["--min-coverage", "50.01"]).exit_code, 5);
    // A socket whose listener never answers like a daemon.
    let socket = site.socket();
    let _ = std::fs::remove_file(&socket);
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let deaf = std::thread::spawn(move || drop(listener.accept()));
    site.cli(["scan", name]).expect(6);
    deaf.join().unwrap();
    let _ = std::fs::remove_file(&socket);
    // The same with a daemon.
    site.up();
    assert_eq!(site.scan(&sbom, &["--fail-on", "high"]).exit_code, 1);
    assert_eq!(site.scan(&nameless, &["--min-coverage", "50.01"]).exit_code, 5);
    site.cli(["scan", &junk]).expect(3);
    let both = site.cli(["scan", &junk, name, "--json"]);
    both.expect(3);
}

/// Writes a file and returns its path.
trait TapWrite {
    fn tap_write(self, content: &str) -> Self;
}

impl TapWrite for std::path::PathBuf {
    fn tap_write(self, content: &str) -> Self {
        std::fs::write(&self, content).unwrap();
        self
    }
}

#[test]
fn policy_vex_and_baseline_work_with_and_without_daemon() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let _ = site.import("mine", &sample_feed(), &[]);
    let sbom = sample_sbom(&site);
    let policy = write(
        &site.file("given.yaml"),
        "format: starling-policy/1\nfail: [{severity: high}]\nrules:\n\
         \x20 - {id: no-express, action: ignore, reason: not deployed, owner: a, expires: 2025-06-10, when: {package: [express]}}\n",
    );
    let vex = json!({"@context": "https://openvex.dev/ns/v0.2.0", "author": "supplier", "statements": [
        {"vulnerability": {"name": "EX-2025-0002"}, "products": [{"@id": "pkg:npm/express@4.18.0"}],
         "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path"}]});
    let vex = write(&site.file("vex.json"), &vex.to_string());
    let baseline = site.file("baseline.json");
    let first = site.cli(["scan", sbom.to_str().unwrap(), "--fail-on", "high", "--json"]);
    first.expect(1);
    std::fs::write(&baseline, &first.stdout).unwrap();
    let baseline = baseline.to_str().unwrap().to_owned();

    let round = |site: &Site| {
        let by_rule = site.scan(&sbom, &["--policy", &policy, "--at", AT]);
        assert_eq!(by_rule.exit_code, 0);
        assert_eq!(actions(&by_rule), ["EX-2025-0002 ignore"]);
        let said = body(&by_rule);
        assert_eq!(said["findings"][0]["decided_by"]["id"], "no-express");
        assert_eq!(said["rules"][0]["state"], "expiring");
        assert!(said["policy_version"].as_str().unwrap().starts_with("blake3:"));
        let late = site.scan(&sbom, &["--policy", &policy, "--at", "2025-07-01T00:00:00Z"]);
        assert_eq!(late.exit_code, 1, "the rule has expired");
        let by_vex = site.scan(&sbom, &["--fail-on", "high", "--vex", &vex, "--at", AT]);
        assert_eq!(
            (by_vex.exit_code, body(&by_vex)["vex"][0]["settled"].as_u64()),
            (0, Some(1))
        );
        let known = site.scan(&sbom, &["--fail-on", "high", "--baseline", &baseline, "--at", AT]);
        assert_eq!(
            (known.exit_code, body(&known)["baseline"]["known"].as_u64()),
            (0, Some(1))
        );
        [by_rule, late, by_vex, known].map(|envelope| envelope.verdict_hash)
    };
    let without = round(&site);
    site.up();
    assert_eq!(round(&site), without);
}

#[test]
fn exploitation_data_decides_if_known() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let mut folder = Folder::default();
    let scored = with(
        advisory("EX-2025-0002", "express", "4.20.0", "2025-02-02T00:00:00Z"),
        "severity",
        json!([{"type": "EPSS", "score": "0.61"}]),
    );
    folder.put("EX-2025-0002.json", &scored);
    let _ = site.import("mine", &folder, &[]);
    let sbom = sample_sbom(&site);
    let policy = |text: &str| {
        write(
            &site.file("p.yaml"),
            &format!("format: starling-policy/1\nfail: [{text}]\n"),
        )
    };
    let code = |text: &str| {
        site.scan(&sbom, &["--policy", &policy(text), "--at", AT])
            .exit_code
    };
    assert_eq!((code("{epss: 0.6}"), code("{epss: 0.62}")), (1, 0));
    assert_eq!(
        (code("{kev: true}"), code("{kev: false}")),
        (0, 0),
        "no catalogue is held"
    );
    assert_eq!((code("{age: 1d}"), code("{age: 10000d}")), (1, 0));
    let mut catalogue = Folder::default();
    let listed = with(
        advisory("KEV-1", "express", "4.20.0", "2025-02-02T00:00:00Z"),
        "aliases",
        json!(["EX-2025-0002"]),
    );
    catalogue.put("KEV-1.json", &listed);
    let _ = site.import("kev", &catalogue, &[]);
    assert_eq!((code("{kev: true}"), code("{kev: false}")), (1, 0));
}

#[test]
fn site_policy_file_decides_and_can_be_rolled_back() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let _ = site.import("mine", &sample_feed(), &[]);
    let sbom = sample_sbom(&site);
    let config = site.home().join("starling.toml");
    let mut text = std::fs::read_to_string(&config).unwrap();
    text = text.replace("[scan]", "[scan]\npolicy_file = \"policy.yaml\"");
    assert!(text.contains("policy_file = \"policy.yaml\""), "{text}");
    std::fs::write(&config, text).unwrap();
    assert_eq!(
        site.refused(["scan", sbom.to_str().unwrap()]).code,
        ErrorCode::FileAccess,
        "no policy is not an open one"
    );
    let file = site.home().join("policy.yaml");
    write(&file, "format: starling-policy/1\nfail: [{severity: high}]\n");
    site.up();
    assert_eq!(site.scan(&sbom, &[]).exit_code, 1);
    write(&file, "format: starling-policy/1\nname: lax\n");
    let lax = site.scan(&sbom, &[]);
    assert_eq!(lax.exit_code, 0, "the daemon uses the current file");
    let history: PolicyHistory = site.json(["policy", "history"]);
    let [newest, first] = history.versions.as_slice() else {
        panic!("{history:?}");
    };
    assert_eq!(body(&lax)["policy_version"], newest.version.as_str());
    let after: PolicyHistory = site.json(["policy", "rollback", &first.version]);
    assert_eq!(after.versions.len(), 3);
    assert_eq!(site.scan(&sbom, &[]).exit_code, 1);
    write(&file, "format: starling-policy/1\nfial: []\n");
    let problem = site.refused(["scan", sbom.to_str().unwrap()]);
    assert_eq!(problem.code, ErrorCode::PolicyInvalid);
    assert!(problem.detail.contains("line 2, column 1"), "{problem}");
    site.cli(["policy", "rollback", "blake3:ffff"]).expect(2);
}

#[test]
fn rego_decides_with_and_without_daemon() {
    let bench = bench();
    let mut site = Site::init(bench.path(), "site-a");
    let _ = site.import("mine", &sample_feed(), &[]);
    let sbom = sample_sbom(&site);
    let deny = write(
        &site.file("deny.rego"),
        "package starling\n\ndeny contains {\"finding\": f, \"id\": \"all\", \"reason\": f.package.name} if some f in input.findings\n",
    );
    let allow = write(
        &site.file("allow.rego"),
        "package starling\n\nallow contains {\"finding\": 0}\n\nwarn contains \"look here\"\n",
    );
    let keep = write(
        &site.file("keep.yaml"),
        "format: starling-policy/1\nrules:\n  - {id: keep, action: warn, reason: known, when: {package: [express]}}\n",
    );
    // Policies that can take the whole process down: a function that calls itself, lists and texts that double
    // at each line, an expression of fifteen thousand parts.
    let doubling = |first: &str, next: &dyn Fn(usize) -> String| {
        let mut text = format!("package starling\n\nx0 := {first}\n");
        for line in 1..40 {
            text.push_str(&format!("x{line} := {}\n", next(line - 1)));
        }
        text.push_str("deny contains \"x\" if count(x39) == 0\n");
        text
    };
    let hostile = [
        "package starling\nf(x) := f(x)\ndeny contains \"x\" if f(1) == 1\n".to_owned(),
        doubling("[1]", &|before| format!("array.concat(x{before}, x{before})")),
        doubling("\"a\"", &|before| {
            format!("sprintf(\"%s%s\", [x{before}, x{before}])")
        }),
        format!("package starling\ndeny contains 1{}\n", "\n+ 1".repeat(15_000)),
    ];
    let hostile: Vec<String> = hostile
        .iter()
        .enumerate()
        .map(|(at, text)| write(&site.file(&format!("hostile-{at}.rego")), text))
        .collect();
    let round = |site: &Site| {
        let denied = site.scan(&sbom, &["--policy", &deny, "--at", AT]);
        assert_eq!(denied.exit_code, 1);
        let said = body(&denied);
        assert_eq!(
            said["findings"][0]["decided_by"],
            json!({"kind": "rego", "id": "all", "reason": "express"})
        );
        assert_eq!(said["rego"]["matched"], 1);
        let allowed = site.scan(&sbom, &["--rego", &allow, "--fail-on", "high", "--at", AT]);
        assert_eq!(allowed.exit_code, 0);
        assert_eq!(actions(&allowed), ["EX-2025-0002 ignore"]);
        assert_eq!(body(&allowed)["outcome"], "warn");
        let kept = site.scan(&sbom, &["--policy", &keep, "--rego", &deny, "--at", AT]);
        assert_eq!(
            actions(&kept),
            ["EX-2025-0002 warn"],
            "the rules of the policy come first"
        );
        assert_ne!(body(&kept)["policy_hash"], body(&allowed)["policy_hash"]);
        for file in &hostile {
            let problem = site.refused(["scan", sbom.to_str().unwrap(), "--rego", file]);
            assert_eq!(problem.code, ErrorCode::PolicyInvalid, "{file}: {problem}");
            println!("{file}: {problem}");
        }
        let twice = site.refused([
            "scan",
            sbom.to_str().unwrap(),
            "--policy",
            &deny,
            "--rego",
            &allow,
        ]);
        assert_eq!(twice.code, ErrorCode::BadRequest);
        [denied, allowed, kept].map(|envelope| envelope.verdict_hash)
    };
    let without = round(&site);
    site.up();
    assert_eq!(round(&site), without);
}

#[test]
fn policy_examples_are_checked() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let rego = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/policy.rego");
    site.cli(["policy", "validate", rego]).expect(0);
    site.cli(["policy", "test", rego, "--at", AT]).expect(0);
    let failing = write(
        &site.file("failing.rego"),
        "package starling\ndeny contains \"x\"\ntest_none if count(deny) == 0\n",
    );
    site.cli(["policy", "test", &failing]).expect(1);
    let wrong = write(
        &site.file("wrong.rego"),
        "package starling\n\ndeny contains x if y > 1\n",
    );
    let problem = site.refused(["policy", "validate", &wrong]);
    assert!(problem.detail.contains("line 3, column"), "{problem}");
    let documented = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/policy.yaml");
    site.cli(["policy", "validate", documented]).expect(0);
    site.cli(["policy", "test", documented, "--at", AT]).expect(0);
    let wrong = write(
        &site.file("wrong.yaml"),
        "format: starling-policy/1\nexamples: [{name: x, finding: {id: CVE-1, severity: high}, expect: fail}]\n",
    );
    let ended = site.cli(["policy", "test", &wrong]);
    ended.expect(1);
    assert!(
        String::from_utf8_lossy(&ended.stdout).contains("expected fail, found warn"),
        "{ended:?}"
    );
    let broken = write(&site.file("broken.yaml"), "format: starling-policy/1\nrules: 7\n");
    site.cli(["policy", "validate", &broken]).expect(2);
}

#[test]
fn unused_rules_are_those_unused_in_all_sboms() {
    let bench = bench();
    let site = Site::init(bench.path(), "site-a");
    let _ = site.import("mine", &sample_feed(), &[]);
    let sbom = sample_sbom(&site);
    let harmless = site.file("harmless.json").tap_write(
        r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"chalk","version":"1","purl":"pkg:npm/chalk@1"}]}"#,
    );
    let (sbom, harmless) = (sbom.to_str().unwrap(), harmless.to_str().unwrap());
    let rule = |package: &str| {
        let text = format!(
            "format: starling-policy/1\nrules: [{{id: r, action: ignore, reason: x, when: {{package: [{package}]}}}}]\n"
        );
        write(&site.file(&format!("{package}.yaml")), &text)
    };
    let (used, unused) = (rule("express"), rule("koa"));
    site.cli(["scan", harmless, "--policy", &used, "--fail-on-unused"])
        .expect(1);
    site.cli(["scan", sbom, harmless, "--policy", &used, "--fail-on-unused"])
        .expect(0);
    site.cli(["scan", sbom, harmless, "--policy", &unused, "--fail-on-unused"])
        .expect(1);
    site.cli(["scan", sbom, harmless, "--policy", &unused]).expect(0);
}
