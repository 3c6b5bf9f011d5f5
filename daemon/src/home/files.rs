//! Checks the small files of a home: keys, configuration, token, and their file modes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use starling_api_types::DoctorCheck;

use super::{Home, error_chain};
use crate::config::Config;

/// The check's name in a report of `doctor`.
const FILES_CHECK: &str = "keys and folders";
/// Name of the check of the secrets' modes.
pub const SECRETS_CHECK: &str = "secrets are the owner's alone";

/// Mode bits that give anyone but the owner any access.
const OTHERS: u32 = 0o077;
/// Mode bits that give anyone but the owner write access.
const OTHERS_WRITE: u32 = 0o022;

/// The examined files, and their problems.
#[derive(Debug, Default)]
pub(crate) struct FilesExamined {
    examined: u64,
    /// Keys that are missing or not what they should be.
    wrong: Vec<String>,
    /// Secrets that others than the owner can read.
    exposed: Vec<String>,
    /// Problems that have no effect yet, but should be fixed.
    loose: Vec<String>,
}

impl FilesExamined {
    /// Examines keys, configuration, token and folders of a home. Secrets are compared, never printed.
    pub(crate) fn of(home: &Home, config: &Config) -> Self {
        let mut found = Self::default();
        let keys = home.path().join("keys");
        for (path, forbidden, advice) in [
            (home.path(), OTHERS, "chmod 700"),
            (&keys, OTHERS, "chmod 700"),
            (&home.config_path(), OTHERS_WRITE, "chmod 600"),
        ] {
            found.examined += 1;
            found.loose.extend(problem_of(path, forbidden, advice));
        }
        if let Some(token) = &config.api.token_file {
            let advice = "chmod 600, and write a new token into it";
            found.examined += 1;
            found.expose(problem_of(token, OTHERS, advice));
        }
        for file in secret_files(&keys) {
            let advice = "chmod 600; anyone who could read it may have copied it: create a new key with `starling keys generate`";
            found.examined += 1;
            found.expose(problem_of(&file, OTHERS, advice));
        }
        for problem in home.examine_keys() {
            found.examined += 1;
            found.wrong.extend(problem);
        }
        found
    }

    fn expose(&mut self, problem: Option<String>) {
        self.exposed.extend(problem);
    }

    /// Returns the problems, each with what to do.
    pub(crate) fn problems(&self) -> impl Iterator<Item = &String> {
        self.wrong.iter().chain(&self.exposed).chain(&self.loose)
    }

    /// Returns the results as checks of `doctor`: that the files are whole, and that nobody else can read secrets.
    pub(crate) fn into_checks(self) -> [DoctorCheck; 2] {
        let examined = match self.examined {
            1 => "1 file or folder examined".to_owned(),
            many => format!("{many} files and folders examined"),
        };
        let found = match self.wrong.len() {
            0 if self.loose.is_empty() => examined,
            0 => format!("{examined}; {}", self.loose.join("; ")),
            wrong => format!("{examined}, {wrong} wrong"),
        };
        let files = DoctorCheck {
            name: FILES_CHECK.to_owned(),
            ok: self.wrong.is_empty(),
            found,
            damaged: self.wrong,
            repaired: 0,
            not_examined: false,
        };
        let secrets = DoctorCheck {
            name: SECRETS_CHECK.to_owned(),
            ok: self.exposed.is_empty(),
            found: match self.exposed.len() {
                0 => "only the owner can read keys and token".to_owned(),
                number => format!("{number} exposed: {}", self.exposed.join("; ")),
            },
            damaged: Vec::new(),
            repaired: 0,
            not_examined: false,
        };
        [files, secrets]
    }
}

/// Returns the problem of a file's or folder's mode, if any.
fn problem_of(path: &Path, forbidden: u32, advice: &str) -> Option<String> {
    match std::fs::metadata(path).map(|found| found.permissions()) {
        Ok(permissions) if permissions.mode() & forbidden != 0 => Some(format!(
            "{}: its mode {:03o} gives others than its owner access; {advice}",
            path.display(),
            permissions.mode() & 0o777
        )),
        Ok(_) => None,
        Err(error) => Some(format!("{}: {}", path.display(), error_chain(&error))),
    }
}

/// Returns the files with secrets in a folder of keys, sorted.
fn secret_files(keys: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(keys) else {
        // The folder itself is reported already.
        return Vec::new();
    };
    let files = entries.flatten().map(|entry| entry.path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "key"))
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use starling_protocol::UnixMillis;

    use super::*;
    use crate::config::Overrides;

    fn wrong(home: &Home) -> Vec<String> {
        let config = home.config(&Overrides::default()).unwrap();
        FilesExamined::of(home, &config).problems().cloned().collect()
    }

    fn made() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site");
        let home = Home::prepare(&path, &"site-a".parse().unwrap(), Some("redb"), UnixMillis::EPOCH);
        let home = home.unwrap();
        home.finish().unwrap();
        (dir, home)
    }

    #[test]
    fn new_home_has_no_problems() {
        let (_dir, home) = made();
        assert_eq!(wrong(&home), [""; 0]);
    }

    #[test]
    fn files_readable_by_others_are_reported() {
        let (_dir, home) = made();
        let token = home.path().join("token");
        write(&token, "secret").unwrap();
        let mut config = home.config(&Overrides::default()).unwrap();
        config.api.token_file = Some(token);
        for (file, mode) in [
            ("", 0o755),
            ("keys", 0o750),
            ("keys/root.key", 0o644),
            ("keys/operating-0.key", 0o640),
            ("starling.toml", 0o666),
            ("token", 0o644),
        ] {
            set_permissions(home.path().join(file), Permissions::from_mode(mode)).unwrap();
        }
        let found = FilesExamined::of(&home, &config);
        assert_eq!((found.exposed.len(), found.loose.len()), (3, 3), "{found:?}");
        let names_root = |problem: &String| problem.contains("root.key: its mode 644");
        assert!(found.problems().any(names_root), "{found:?}");
        // Each is listed once, and nothing is damaged.
        let [files, secrets] = found.into_checks();
        assert!(files.ok && files.damaged.is_empty(), "{files:?}");
        assert!(
            !secrets.ok && secrets.found.starts_with("3 exposed: "),
            "{secrets:?}"
        );
        // Keys that nobody could read are safe, and a folder's mode does not damage anything.
        for file in ["keys/root.key", "keys/operating-0.key", "token"] {
            set_permissions(home.path().join(file), Permissions::from_mode(0o600)).unwrap();
        }
        let [check, secrets] = FilesExamined::of(&home, &config).into_checks();
        assert!(secrets.ok, "{secrets:?}");
        assert!(check.ok && check.found.contains("starling.toml"), "{check:?}");
    }

    #[test]
    fn damaged_and_missing_keys_are_reported() {
        let (_dir, home) = made();
        let operating = home.path().join("keys/operating-0.key");
        let whole = std::fs::read_to_string(&operating).unwrap();
        for bad in ["", "starling-key", &whole[..whole.len() - 4]] {
            write(&operating, bad).unwrap();
            let [only] = &wrong(&home)[..] else {
                panic!("{bad:?}: {:?}", wrong(&home));
            };
            assert!(only.contains("operating-0.key"), "{only}");
        }
        // The root key belongs in a safe place: its absence is fine, but the root key of another site is not.
        write(&operating, &whole).unwrap();
        std::fs::copy(&operating, home.path().join("keys/root.key")).unwrap();
        assert_eq!(wrong(&home).len(), 1, "{:?}", wrong(&home));
        std::fs::remove_file(home.path().join("keys/root.key")).unwrap();
        assert_eq!(wrong(&home), [""; 0]);
        std::fs::remove_file(&operating).unwrap();
        assert_eq!(wrong(&home).len(), 1);
    }
}
