//! Kept versions, rollback, and damage of the folder.

use super::*;

const ONE: &str = "format: starling-policy/1\n";
const TWO: &str = "format: starling-policy/1\nname: two\n";

fn policy_file(folder: &Path) -> PolicyFile<PolicyDocument> {
    PolicyFile {
        file: Some(folder.join("policy.yaml")),
        folder: folder.join(FOLDER),
        last: Mutex::new(None),
    }
}

fn at(second: u64) -> UnixMillis {
    UnixMillis::saturating(second * 1_000)
}

#[test]
fn used_versions_are_kept_and_can_be_restored() {
    let folder = tempfile::tempdir().unwrap();
    let policies = policy_file(folder.path());
    let file = folder.path().join("policy.yaml");
    fs::write(&file, ONE).unwrap();
    policies.load(at(1)).unwrap();
    policies.load(at(2)).unwrap();
    fs::write(&file, TWO).unwrap();
    // Another process finds it too.
    policy_file(folder.path()).load(at(3)).unwrap();
    policies.load(at(4)).unwrap();
    let versions = policies.history(at(5)).unwrap().versions;
    let [two, one] = versions.as_slice() else {
        panic!("{versions:?}");
    };
    assert_eq!(one.version, PolicyVersion::of(ONE.as_bytes()).to_string());
    assert!(two.current && !one.current && one.kept);
    assert_eq!(one.since.unix_millis(), 1_000);

    let after = policies.rollback(&one.version[7..15], at(6)).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), ONE);
    assert_eq!(after.versions.len(), 3);
    assert_eq!(after.versions[0].version, one.version);
    for name in ["", "blake3:", "zz", "blake3:0"] {
        let problem = policies.rollback(name, at(7)).unwrap_err();
        assert_eq!(problem.code, ErrorCode::BadRequest, "{name}");
    }
}

#[test]
fn unreadable_policy_is_a_problem_without_a_scan() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.yaml");
    let policies = Policies {
        yaml: policy_file(folder.path()),
        rego: PolicyFile {
            file: None,
            folder: folder.path().join(FOLDER),
            last: Mutex::new(None),
        },
    };
    fs::write(&file, ONE).unwrap();
    assert!(policies.problems().is_empty());
    fs::write(&file, "format: other\n").unwrap();
    let problems = policies.problems();
    assert!(problems[0].detail.contains("policy.yaml"), "{problems:?}");
    // Nobody writes into the pipe.
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status();
    assert!(made.is_ok_and(|status| status.success()));
    let problems = policies.problems();
    assert!(problems[0].detail.contains("it is a pipe"), "{problems:?}");
}

#[test]
fn broken_policy_is_refused_and_can_be_rolled_back() {
    let folder = tempfile::tempdir().unwrap();
    let policies = policy_file(folder.path());
    let file = folder.path().join("policy.yaml");
    assert_eq!(policies.load(at(1)).unwrap_err().code, ErrorCode::FileAccess);
    fs::write(&file, ONE).unwrap();
    let version = policies.history(at(1)).unwrap().versions[0].version.clone();
    fs::write(&file, "format: other\n").unwrap();
    let problem = policies.load(at(2)).unwrap_err();
    assert_eq!(problem.code, ErrorCode::PolicyInvalid);
    assert!(problem.detail.contains("line 1, column "), "{problem}");
    // The earlier versions are still listed, and the error is reported.
    let history = policies.history(at(2)).unwrap();
    assert_eq!(history.versions.len(), 1);
    assert_eq!(
        (&history.versions[0].version, history.versions[0].current),
        (&version, false)
    );
    assert_eq!(history.broken, Some(problem));
    policies.rollback(&version, at(3)).unwrap();
    assert!(policies.load(at(4)).unwrap().is_some());
    // The broken file may be much work with one wrong letter.
    let lost = policies.path_of(&PolicyVersion::of(b"format: other\n").to_string());
    assert_eq!(fs::read_to_string(lost).unwrap(), "format: other\n");
    assert_eq!(policies.history(at(5)).unwrap().versions.len(), 1);
}

#[test]
fn unusable_file_names_its_setting_and_records_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let policies = policy_file(folder.path());
    let file = folder.path().join("policy.yaml");
    for text in [None, Some("format: other\n")] {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let problem = policies.problem().unwrap();
        assert_eq!(problem, policies.load(at(1)).unwrap_err());
        assert!(
            problem.detail.starts_with("scan.policy_file in starling.toml: "),
            "{problem}"
        );
    }
    fs::write(&file, ONE).unwrap();
    assert_eq!(policies.problem(), None);
    assert!(!policies.folder.exists(), "only a scan puts a policy into use");
}

#[test]
fn rollback_only_changes_the_files_content() {
    let folder = tempfile::tempdir().unwrap();
    let policies = policy_file(folder.path());
    let file = folder.path().join("policy.yaml");
    let real = folder.path().join("reviewed.yaml");
    let draft = folder.path().join("policy.new");
    fs::write(&real, ONE).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&real, &file).unwrap();
    fs::write(&draft, "draft").unwrap();
    let version = policies.history(at(1)).unwrap().versions[0].version.clone();
    fs::write(&real, TWO).unwrap();
    policies.rollback(&version, at(2)).unwrap();
    assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), ONE);
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_to_string(&draft).unwrap(), "draft");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn torn_history_and_altered_version_are_detected() {
    let folder = tempfile::tempdir().unwrap();
    let policies = policy_file(folder.path());
    fs::write(folder.path().join("policy.yaml"), ONE).unwrap();
    let version = policies.history(at(1)).unwrap().versions[0].version.clone();
    let history = folder.path().join(FOLDER).join(PolicyDocument::HISTORY);
    let mut text = fs::read_to_string(&history).unwrap();
    text.push_str("1970-01-01T00:00:02.000Z blake3:00");
    fs::write(&history, text).unwrap();
    assert_eq!(policies.history(at(2)).unwrap().versions.len(), 1);
    fs::write(folder.path().join("policy.yaml"), TWO).unwrap();
    assert_eq!(policies.history(at(2)).unwrap().versions.len(), 2);
    fs::write(policies.path_of(&version), TWO).unwrap();
    assert_eq!(
        policies.rollback(&version, at(3)).unwrap_err().code,
        ErrorCode::FileAccess
    );
}
