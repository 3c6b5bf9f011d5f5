//! Homes that a release wrote: today's program opens them and gives the release's answers.
//!
//! `tests/golden/homes/README.md` says how they were made and what they contain.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use starling_tests::feed::{Folder, advisory};
use starling_tests::folders::{files, replace};
use starling_tests::process::command;
use starling_tests::program::workspace;
use starling_tests::{Ended, Site};

use crate::bench;

const ENGINES: [&str; 2] = ["sled", "redb"];
/// A site of about a hundred records opens faster, even on a busy machine.
const SECOND_OPENING: Duration = Duration::from_secs(20);
/// The fields of a status that are about the site, not about the process or the program that answers.
const STATUS_FIELDS: [&str; 7] = [
    "site_id",
    "site",
    "head",
    "knowledge_root",
    "held_root",
    "records",
    "advisories",
];

/// Returns one release's folder.
fn golden() -> PathBuf {
    workspace().join("tests/golden/homes")
}

/// A golden home of one engine, unpacked for one test.
struct Home {
    engine: &'static str,
    path: PathBuf,
}

impl Home {
    fn unpack(dir: &Path, engine: &'static str) -> Self {
        let path = dir.join(format!("home-{engine}"));
        let packed = std::fs::File::open(golden().join(engine).join("home.tar.zst")).unwrap();
        let tar = zstd::Decoder::new(packed).unwrap();
        tar::Archive::new(tar).unpack(&path).unwrap();
        Self { engine, path }
    }

    fn run<I: IntoIterator<Item = S>, S: Into<OsString>>(&self, args: I) -> Ended {
        let args = args.into_iter().map(Into::into);
        Ended::of(command(&self.path, args.collect::<Vec<OsString>>()))
    }

    fn json(&self, args: &[&str], code: i32) -> Value {
        self.run(args.iter().copied().chain(["--json"])).json(code)
    }

    /// Reads the release's answer.
    fn answer(&self, name: &str) -> Value {
        serde_json::from_slice(&self.answer_bytes(name)).unwrap()
    }

    fn answer_bytes(&self, name: &str) -> Vec<u8> {
        let path = golden().join(self.engine).join("answers").join(name);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        match path.extension() {
            Some(extension) if extension == "zst" => zstd::decode_all(bytes.as_slice()).unwrap(),
            _ => bytes,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        golden().join(self.engine).join(name)
    }

    /// Fails unless every answer is the release's.
    fn expect_answers(&self) {
        let status = self.json(&["status"], 0);
        assert_same(
            self.engine,
            "status",
            &of_site(&status),
            &of_site(&self.answer("status.json")),
        );
        self.expect_verdicts();
        for (name, args) in [
            (
                "advisory-list.json.zst",
                &["advisory", "list", "--limit", "0"][..],
            ),
            ("advisory-get.json", &["advisory", "get", "CVE-2025-10002"]),
            ("mutes.json", &["mute", "list", "--removed"]),
            ("vex.json", &["vex", "list"]),
            ("policies.json", &["policy", "history"]),
            ("identity.json", &["keys", "show"]),
            ("sites.json", &["sites", "list"]),
            ("history-of-b.json", &["sites", "history", "site-b"]),
            ("status-of-b.json", &["sites", "status", "site-b"]),
            ("status-of-c.json", &["sites", "status", "site-c"]),
        ] {
            let mut found = self.json(args, 0);
            // Since the release, each mute says whether it is in force here.
            let mutes = found.get_mut("mutes").and_then(Value::as_array_mut);
            for mute in mutes.into_iter().flatten() {
                let mute = mute.as_object_mut().unwrap();
                assert_eq!(
                    mute.remove("counts").unwrap(),
                    mute["state"] == "active",
                    "{mute:?}"
                );
                mute.remove("remark");
            }
            assert_same(self.engine, name, &found, &self.answer(name));
        }
        let dump = self.run(["advisory", "dump", "-o", "-"]);
        dump.expect(0);
        assert!(
            dump.stdout == self.answer_bytes("records.ndjson.zst"),
            "{}: the records are others",
            self.engine
        );
        let doctor = self.json(&["doctor"], 0);
        assert_eq!(doctor["ok"], true, "{}: {doctor}", self.engine);
    }

    /// Fails unless it judges as the release did, today and at two earlier times.
    fn expect_verdicts(&self) {
        let moments = self.answer("moments.json");
        let [at, cursor, time] = ["at", "cursor", "time"].map(|name| moments[name].as_str().unwrap());
        let sbom = golden().join("inputs/sbom.json");
        let sbom = sbom.to_str().unwrap();
        let absent = ["advisory", "get", "CVE-2025-10010"];
        let ended = self.run(absent);
        ended.expect(4);
        let shown = self.json(&[&absent[..], &["--as-of", cursor]].concat(), 0);
        assert_same(
            self.engine,
            "advisory-get-as-of.json",
            &shown,
            &self.answer("advisory-get-as-of.json"),
        );
        for (name, more) in [
            ("scan.json", ["--fail-on", "high"]),
            ("scan-as-of-cursor.json", ["--as-of", cursor]),
            ("scan-as-of-time.json", ["--as-of", time]),
        ] {
            let mut expected = self.answer(name);
            let code = expected["exit_code"]
                .as_i64()
                .and_then(|code| i32::try_from(code).ok());
            let args = [&["scan", sbom, "--at", at][..], &more].concat();
            let mut found = self.json(&args, code.unwrap());
            as_format_1(&mut expected, &mut found);
            for envelope in [&mut expected, &mut found] {
                let envelope = envelope.as_object_mut().unwrap();
                // The time of the verdict, and fields that hash a body of another format or came later.
                for field in ["time", "verdict_hash", "signature", "without_threshold"] {
                    envelope.remove(field);
                }
            }
            assert_same(self.engine, name, &found, &expected);
        }
    }

    /// Returns the bytes of the files that an opening without work need not write.
    fn kept_files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let kept = ["keys", "log", "packs", "policies", "vex"];
        let kept = kept.iter().flat_map(|folder| files(&self.path, folder));
        kept.map(|file| (file.clone(), std::fs::read(self.path.join(file)).unwrap()))
            .collect()
    }
}

/// Reasons that the release did not give.
const NEW_REASONS: [&str; 4] = [
    "author_frozen",
    "source_silent",
    "head_expired",
    "mutes_unconfirmed",
];

/// Removes from a verdict what the release's format 1 did not have, and from both the hashes of changed rules,
/// so that the rest must be equal.
fn as_format_1(expected: &mut Value, found: &mut Value) {
    let verdict = found["verdict"].as_object_mut().unwrap();
    assert_eq!(
        verdict.insert("format".to_owned(), "starling-verdict/1".into()),
        Some("starling-verdict/2".into())
    );
    for field in ["program", "not_judged", "ecosystems", "freshness_required"] {
        assert!(verdict.remove(field).is_some(), "{field}");
    }
    let reasons = verdict["reasons"].as_array_mut().unwrap();
    let before = reasons.len();
    reasons.retain(|reason| !NEW_REASONS.iter().any(|new| reason["code"] == *new));
    if reasons.len() < before {
        // A new reason warns where there was none.
        verdict["outcome"] = expected["verdict"]["outcome"].clone();
    }
    without_subject(&mut expected["verdict"], verdict);
    let released = expected["verdict"]["findings"].as_array_mut().unwrap();
    let findings = verdict["findings"].as_array_mut().unwrap();
    for (finding, released) in findings.iter_mut().zip(released) {
        let finding = finding.as_object_mut().unwrap();
        // If several records have a statement, each is judged separately now; the release used the first.
        if finding["rules"][0].get("source").is_some() {
            for field in ["rules", "fixed"] {
                finding.remove(field);
                released.as_object_mut().unwrap().remove(field);
            }
        }
        for field in ["disputed", "statements"] {
            finding.remove(field);
        }
    }
    for envelope in [expected, found] {
        let verdict = envelope["verdict"].as_object_mut().unwrap();
        for field in ["policy_hash", "view_policy_hash"] {
            verdict.remove(field);
        }
    }
}

/// Removes the SBOM's own subject from the packages that the release counted as judged, and the shares that
/// follow from their number.
fn without_subject(expected: &mut Value, verdict: &serde_json::Map<String, Value>) {
    let counted = |coverage: &Value, name: &str| coverage[name].as_u64().unwrap();
    let (then, now) = (&mut expected["coverage"], &verdict["coverage"]);
    assert_eq!(counted(now, "not_a_package"), counted(then, "not_a_package") + 1);
    for name in ["matched", "total"] {
        assert_eq!(counted(now, name) + 1, counted(then, name), "{name}");
    }
    for name in ["not_a_package", "matched", "total", "basis_points"] {
        then[name] = now[name].clone();
    }
    let told: Vec<Value> = verdict["reasons"].as_array().unwrap().clone();
    for reason in expected["reasons"].as_array_mut().unwrap() {
        let is_share = matches!(
            reason["code"].as_str(),
            Some("coverage_gaps" | "coverage_too_low")
        );
        let now = told.iter().find(|now| now["code"] == reason["code"]);
        if let Some(now) = now.filter(|_| is_share) {
            *reason = now.clone();
        }
    }
}

/// Returns the part of a status about the site. Positions and feeds are sorted, because their order has no
/// meaning.
fn of_site(status: &Value) -> Value {
    let mut kept: BTreeMap<&str, Value> = STATUS_FIELDS.map(|name| (name, status[name].clone())).into();
    for list in ["positions", "feeds"] {
        let mut rows = status[list].as_array().cloned().unwrap_or_default();
        rows.sort_by_key(ToString::to_string);
        kept.insert(list, rows.into());
    }
    kept.insert("known_back_to", status["store"]["known_back_to"].clone());
    json!(kept)
}

/// Fails with the first difference of two answers, which are too long to be shown whole.
fn assert_same(engine: &str, name: &str, found: &Value, expected: &Value) {
    if let Some(difference) = difference(found, expected, "") {
        panic!("{engine}: {name} differs from the release's answer: {difference}");
    }
}

fn difference(found: &Value, expected: &Value, at: &str) -> Option<String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names: std::collections::BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
            names.into_iter().find_map(|name| {
                let [found, expected] =
                    [found, expected].map(|object| object.get(name).unwrap_or(&Value::Null));
                difference(found, expected, &format!("{at}/{name}"))
            })
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => found
            .iter()
            .zip(expected)
            .enumerate()
            .find_map(|(index, (found, expected))| difference(found, expected, &format!("{at}/{index}"))),
        _ if found == expected => None,
        // Since the release, a position says whether what it holds back is held back by choice, and how much it is.
        (_, Value::Null) if at.ends_with("/by_choice") || at.ends_with("/held_back") => None,
        // Since the release, a frozen log also says how that ends.
        (Value::String(found), Value::String(expected))
            if at.ends_with("/hold_reason") && found.starts_with(expected.as_str()) =>
        {
            None
        }
        _ => Some(format!("{at} is {found}, not {expected}")),
    }
}

#[test]
fn home_of_a_release_gives_the_same_answers() {
    let bench = bench();
    for engine in ENGINES {
        let home = Home::unpack(bench.path(), engine);
        home.expect_answers();
        // Whatever the first opening changed, the second has nothing to do.
        let kept = home.kept_files();
        let from = Instant::now();
        home.run(["status"]).expect(0);
        assert!(from.elapsed() < SECOND_OPENING, "{engine}: {:?}", from.elapsed());
        assert!(
            home.kept_files() == kept,
            "{engine}: the second opening wrote files"
        );
        home.expect_answers();
    }
}

#[test]
fn home_of_a_release_answers_without_its_indexes() {
    let bench = bench();
    for engine in ENGINES {
        let home = Home::unpack(bench.path(), engine);
        for index in ["match.idx", "scan.ready", "store/scan.ready"] {
            let _ = std::fs::remove_file(home.path.join(index));
        }
        home.expect_verdicts();
        home.json(&["doctor", "--rebuild"], 0);
        home.expect_answers();
    }
}

#[test]
fn home_of_a_release_runs_and_accepts_changes() {
    let bench = bench();
    for engine in ENGINES {
        let unpacked = Home::unpack(bench.path(), engine);
        let mut site = Site::adopt_home(bench.path(), &format!("home-{engine}"));
        site.up();
        let status = json!(site.status());
        assert_same(
            engine,
            "status",
            &of_site(&status),
            &of_site(&unpacked.answer("status.json")),
        );
        unpacked.expect_verdicts();
        let mut folder = Folder::default();
        folder.put(
            "one.json",
            &advisory("NEW-1", "new-package", "2.0.0", "2026-01-01T00:00:00Z"),
        );
        let report = site.import("new", &folder, &[]);
        assert_eq!(report.stored, 1, "{engine}");
        site.json_call(["mute", "add", "NEW-1", "--forever", "--reason", "tried"])
            .expect(0);
        site.stop();
        let before = starling_tests::number_of(
            &unpacked.answer("status.json")["head"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap(),
        );
        let head = site.status().head.expect("a head");
        assert_eq!(starling_tests::number_of(&head), before + 2, "{engine}: {head}");
        site.expect_sound();
    }
}

#[test]
fn home_of_a_release_moves_to_the_other_engine() {
    let bench = bench();
    for (engine, other) in [("sled", "redb"), ("redb", "sled")] {
        let home = Home::unpack(bench.path(), engine);
        home.json(&["store", "convert", "--engine", other], 0);
        home.expect_answers();
    }
}

#[test]
fn bundle_of_a_release_is_imported() {
    let bench = bench();
    for engine in ENGINES {
        let golden = Home::unpack(bench.path(), engine);
        let reader = Site::init_on(bench.path(), &format!("reader-{engine}"), engine);
        for name in ["site-a", "site-b"] {
            let key = format!("@{}", golden.file(&format!("{name}.key")).display());
            let add = [
                "sites",
                "add",
                name,
                "--key",
                &key,
                "--allowed-sources",
                "ghsa,nvd,osv",
            ];
            reader.json_call(add).expect(0);
        }
        let validate: [OsString; 3] = [
            "bundle".into(),
            "validate".into(),
            golden.file("site-b.stl").into(),
        ];
        reader.json_call(validate).expect(0);
        // The log of an unlisted site is refused by name, the others are imported.
        let import: [OsString; 3] = ["bundle".into(), "import".into(), golden.file("site-a.stl").into()];
        reader.json_call(import).expect(7);
        let [found, expected] = [json!(reader.status()), golden.answer("reader-status.json")];
        for field in ["knowledge_root", "held_root", "records", "advisories"] {
            assert_same(engine, field, &found[field], &expected[field]);
        }
        let positions = |status: &Value| of_site(status)["positions"].clone();
        assert_same(engine, "positions", &positions(&found), &positions(&expected));
        let dump = reader.cli(["advisory", "dump", "-o", "-"]);
        dump.expect(0);
        assert!(
            dump.stdout == golden.answer_bytes("reader-records.ndjson.zst"),
            "{engine}"
        );
        reader.expect_sound();
    }
}

#[test]
fn home_of_a_release_survives_a_killed_opening() {
    let bench = bench();
    for engine in ENGINES {
        let home = Home::unpack(bench.path(), engine);
        let pristine = bench.path().join(format!("pristine-{engine}"));
        replace(&home.path, &pristine);
        let from = Instant::now();
        home.run(["status"]).expect(0);
        let whole = from.elapsed();
        // Kills spread over the time of the first opening, each on a fresh copy, then one after another.
        for (part, fresh) in [
            (1, true),
            (3, true),
            (5, true),
            (7, true),
            (2, true),
            (4, false),
            (6, false),
        ] {
            if fresh {
                replace(&pristine, &home.path);
            }
            let mut child = command(&home.path, ["status"])
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            // The moment of the kill is under test.
            std::thread::sleep(whole * part / 8);
            let _ = child.kill();
            let _ = child.wait();
            let status = home.json(&["status"], 0);
            assert_same(
                engine,
                "status",
                &of_site(&status),
                &of_site(&home.answer("status.json")),
            );
        }
        home.expect_answers();
    }
}
