//! The site's policy files, YAML and Rego, and their versions.
//!
//! The owner edits a file (`scan.policy_file`, `scan.rego_file`). If a scan or a command finds new bytes in it, they
//! are stored under their hash in the site's folder, and a line in the history records the time. So the policy behind
//! an old verdict can be read and restored.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use starling_api::ServiceResult;
use starling_api_types::{ErrorCode, PolicyHistory, PolicyVersionEntry, Problem, wording};
use starling_policy::{
    DocumentError, MAX_POLICY_BYTES, MAX_REGO_BYTES, PolicyDocument, PolicyVersion, RegoSource,
};
use starling_protocol::UnixMillis;
use starling_store::disk::{refuse_pipe, refuse_what_is_no_file};

use crate::config::Config;
use crate::home::{Home, home_problem, write_durably};
/// The folder of stored versions, in the site's folder.
const FOLDER: &str = "policies";
/// Largest history file, in bytes: about 600,000 changes.
const MAX_HISTORY_BYTES: u64 = 64 * 1024 * 1024;
/// Mode of stored files: a policy may contain names of people.
const MODE: u32 = 0o600;

/// The language of a policy file, and its properties.
pub(crate) trait PolicyText: Sized {
    /// The configuration key of the file.
    const KEY: &'static str;
    /// File name suffix of stored versions.
    const ENDING: &'static str;
    /// The history of versions: a time and a version per line, oldest first.
    const HISTORY: &'static str;
    /// Largest size of the file, in bytes.
    const MAX_BYTES: u64;

    /// Returns the file given in the configuration.
    fn configured(config: &Config) -> Option<&PathBuf>;

    /// Parses the file's bytes.
    fn of(bytes: &[u8]) -> Result<Self, DocumentError>;
}

impl PolicyText for PolicyDocument {
    const KEY: &'static str = "scan.policy_file";
    const ENDING: &'static str = "yaml";
    const HISTORY: &'static str = "history";
    const MAX_BYTES: u64 = MAX_POLICY_BYTES as u64;

    fn configured(config: &Config) -> Option<&PathBuf> {
        config.scan.policy_file.as_ref()
    }

    fn of(bytes: &[u8]) -> Result<Self, DocumentError> {
        Self::read(bytes)
    }
}

impl PolicyText for RegoSource {
    const KEY: &'static str = "scan.rego_file";
    const ENDING: &'static str = "rego";
    const HISTORY: &'static str = "history-rego";
    const MAX_BYTES: u64 = MAX_REGO_BYTES as u64;

    fn configured(config: &Config) -> Option<&PathBuf> {
        config.scan.rego_file.as_ref()
    }

    fn of(bytes: &[u8]) -> Result<Self, DocumentError> {
        Self::of(bytes)
    }
}

/// The policies of one site.
#[derive(Debug)]
pub(crate) struct Policies {
    /// The YAML policy.
    pub(crate) yaml: PolicyFile<PolicyDocument>,
    /// The Rego policy.
    pub(crate) rego: PolicyFile<RegoSource>,
}

impl Policies {
    /// Creates the policies given in the configuration.
    pub(crate) fn of(home: &Home, config: &Config) -> Self {
        Self {
            yaml: PolicyFile::of(home, config),
            rego: PolicyFile::of(home, config),
        }
    }

    /// Returns why the next scan cannot use the site's own policies: each file that cannot be read or is not valid.
    pub(crate) fn problems(&self) -> Vec<Problem> {
        [self.yaml.problem(), self.rego.problem()]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// One policy file of one site.
#[derive(Debug)]
pub(crate) struct PolicyFile<T> {
    /// The file that the owner edits, if the configuration has one.
    file: Option<PathBuf>,
    folder: PathBuf,
    /// The last parsed content, so that a scan need not parse it again. Its lock also serialises the storing of
    /// versions.
    last: Mutex<Option<(Vec<u8>, Arc<T>)>>,
}

impl<T: PolicyText> PolicyFile<T> {
    /// Creates the policy file given in the configuration; a relative path is inside the site's folder.
    pub(crate) fn of(home: &Home, config: &Config) -> Self {
        Self {
            file: T::configured(config).map(|file| home.path().join(file)),
            folder: home.path().join(FOLDER),
            last: Mutex::new(None),
        }
    }

    /// Reads the policy as it is now; `None` if the configuration has no file.
    ///
    /// # Errors
    /// `policy_invalid`, or `file_access`: an unreadable policy does not count as missing.
    pub(crate) fn load(&self, now: UnixMillis) -> ServiceResult<Option<Arc<T>>> {
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let bytes = read(file, T::MAX_BYTES).map_err(Self::of_setting)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, document)) = &*last
            && *known == bytes
        {
            return Ok(Some(Arc::clone(document)));
        }
        let document = T::of(&bytes).map_err(|error| Self::of_setting(invalid(file, &bytes, &error)))?;
        self.keep(&bytes, now)?;
        let document = Arc::new(document);
        *last = Some((bytes, Arc::clone(&document)));
        Ok(Some(document))
    }

    /// Returns why a scan cannot use the file as it is now; records nothing.
    fn problem(&self) -> Option<Problem> {
        let file = self.file.as_ref()?;
        let bytes = match read(file, T::MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(problem) => return Some(Self::of_setting(problem)),
        };
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref().is_some_and(|(known, _)| *known == bytes) {
            return None;
        }
        let error = T::of(&bytes).err()?;
        Some(Self::of_setting(invalid(file, &bytes, &error)))
    }

    /// Adds to a problem with the file which setting names the file.
    fn of_setting(mut problem: Problem) -> Problem {
        problem.detail = format!("{} in starling.toml: {}", T::KEY, problem.detail);
        if problem.code == ErrorCode::FileAccess {
            problem.hint = Some(format!(
                "correct the path in {}, or put the file there; a relative path is inside the site's folder",
                T::KEY
            ));
        }
        problem
    }

    /// Stores these bytes as the version in use from now on, unless they already are.
    fn keep(&self, bytes: &[u8], now: UnixMillis) -> ServiceResult<()> {
        let version = PolicyVersion::of(bytes).to_string();
        if self
            .read_history()?
            .last()
            .is_some_and(|(_, last)| *last == version)
        {
            return Ok(());
        }
        fs::create_dir_all(&self.folder).map_err(|error| access("making", &self.folder, &error))?;
        let kept = self.path_of(&version);
        if !kept.exists() {
            write_durably(&kept, bytes, MODE).map_err(|error| home_problem(&error))?;
        }
        let history = self.folder.join(T::HISTORY);
        let line = format!("{now} {version}\n");
        let append = || -> std::io::Result<()> {
            refuse_what_is_no_file(&history)?;
            let mut file = fs::OpenOptions::new()
                .create(true)
                .read(true)
                .append(true)
                .open(&history)?;
            // A crash may have left an incomplete line, which must not swallow the new one.
            let torn = file.metadata()?.len() > 0 && {
                let mut last = [0];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                last != *b"\n"
            };
            file.write_all(format!("{}{line}", if torn { "\n" } else { "" }).as_bytes())?;
            file.sync_all()
        };
        append().map_err(|error| access("writing", &history, &error))
    }

    /// Returns the path of a stored version.
    fn path_of(&self, version: &str) -> PathBuf {
        let name = version.strip_prefix("blake3:").unwrap_or(version);
        self.folder.join(format!("{name}.{}", T::ENDING))
    }

    /// Reads the lines of the history; skips unreadable ones, which a crash may leave.
    fn read_history(&self) -> ServiceResult<Vec<(UnixMillis, String)>> {
        let path = self.folder.join(T::HISTORY);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let bytes = read(&path, MAX_HISTORY_BYTES)?;
        let text = String::from_utf8_lossy(&bytes);
        let line = |line: &str| {
            let (time, version) = line.split_once(' ')?;
            let hex = version.strip_prefix("blake3:")?;
            let whole = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit());
            whole.then_some((time.parse().ok()?, version.to_owned()))
        };
        let mut lines: Vec<_> = text.lines().filter_map(line).collect();
        // Two processes that find a version at the same time each write a line.
        lines.dedup_by(|later, earlier| later.1 == earlier.1);
        Ok(lines)
    }

    /// Returns the versions that were in use, newest first; records the current one first. An unusable current file
    /// does not prevent the list.
    ///
    /// # Errors
    /// `file_access` if the history itself cannot be read.
    pub(crate) fn history(&self, now: UnixMillis) -> ServiceResult<PolicyHistory> {
        let broken = self.load(now).err();
        let lines = self.read_history()?;
        let newest = lines.len().saturating_sub(1);
        let entries = lines.into_iter().enumerate().rev();
        Ok(PolicyHistory {
            versions: entries
                .map(|(index, (since, version))| PolicyVersionEntry {
                    kept: self.path_of(&version).exists(),
                    version,
                    since: since.into(),
                    current: index == newest && self.file.is_some() && broken.is_none(),
                })
                .collect(),
            broken,
        })
    }

    /// Restores a stored version into the file; `name` is its hash or an unambiguous prefix.
    ///
    /// # Errors
    /// `bad_request` if no version, or several, match; `file_access`.
    pub(crate) fn rollback(&self, name: &str, now: UnixMillis) -> ServiceResult<PolicyHistory> {
        let Some(file) = &self.file else {
            return Err(Problem::new(
                ErrorCode::ConfigInvalid,
                "restoring a policy: the configuration has no policy file",
            )
            .hint(format!("set {}", T::KEY)));
        };
        // The current content must not be lost, even if it is the reason for the rollback.
        if let Err(problem) = self.load(now)
            && file.exists()
        {
            if problem.code != ErrorCode::PolicyInvalid {
                return Err(problem);
            }
            self.keep_unusable(file)?;
        }
        let wanted = name.strip_prefix("blake3:").unwrap_or(name);
        let mut found: Vec<String> = self
            .read_history()?
            .into_iter()
            .map(|(_, version)| version)
            .collect();
        found.retain(|version| {
            version
                .strip_prefix("blake3:")
                .is_some_and(|hex| hex.starts_with(wanted))
        });
        found.sort();
        found.dedup();
        let version = match found.as_slice() {
            [version] if !wanted.is_empty() => version,
            several => {
                let short: String = name.chars().take(80).collect();
                let detail = format!(
                    "restoring a policy: {} versions begin with `{short}`",
                    several.len()
                );
                return Err(Problem::new(ErrorCode::BadRequest, detail)
                    .hint("`starling policy history` lists the versions"));
            }
        };
        let bytes = read(&self.path_of(version), T::MAX_BYTES)?;
        if PolicyVersion::of(&bytes).to_string() != *version {
            return Err(Problem::new(
                ErrorCode::FileAccess,
                format!(
                    "restoring a policy: {} is damaged",
                    self.path_of(version).display()
                ),
            ));
        }
        replace(file, &bytes).map_err(|error| access("writing", file, &error))?;
        self.history(now)
    }

    /// Stores the current content even if it is not usable. It was never in use, so the history does not list it, but
    /// it may be much work with one wrong letter. Content larger than a policy's limit is not stored.
    fn keep_unusable(&self, file: &Path) -> ServiceResult<()> {
        let Ok(bytes) = read(file, T::MAX_BYTES) else {
            return Ok(());
        };
        fs::create_dir_all(&self.folder).map_err(|error| access("making", &self.folder, &error))?;
        let kept = self.path_of(&PolicyVersion::of(&bytes).to_string());
        write_durably(&kept, &bytes, MODE).map_err(|error| home_problem(&error))
    }
}

/// Replaces the owner's file, completely or not at all. Links (for example into a repository), file mode and other
/// files in its folder stay as they are.
fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = target.parent().unwrap_or(Path::new("/"));
    let permissions = match fs::metadata(&target) {
        Ok(found) => found.permissions(),
        Err(_) => fs::Permissions::from_mode(MODE),
    };
    let mut new = tempfile::Builder::new().prefix(".policy-").tempfile_in(folder)?;
    new.write_all(bytes)?;
    new.as_file().set_permissions(permissions)?;
    new.as_file().sync_all()?;
    new.persist(&target).map_err(|error| error.error)?;
    fs::File::open(folder)?.sync_all()
}

/// Builds the problem of an invalid policy text, in words that name line, column and key.
pub fn invalid(file: &Path, bytes: &[u8], error: &DocumentError) -> Problem {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let place = error.place.map(|(line, column)| (number(line), number(column)));
    let said = wording::in_text(&String::from_utf8_lossy(bytes), place, &error.text);
    Problem::new(
        ErrorCode::PolicyInvalid,
        format!("{}: cannot read the policy: {said}", file.display()),
    )
    .hint("`starling help policy-file` shows the keys with an example of each; `starling policy validate FILE` checks one")
}

fn read(path: &Path, max_bytes: u64) -> ServiceResult<Vec<u8>> {
    let file = refuse_pipe(path).and_then(|()| fs::File::open(path));
    let file = file.map_err(|error| access("opening", path, &error))?;
    let mut bytes = Vec::new();
    file.take(max_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| access("reading", path, &error))?;
    if bytes.len() as u64 > max_bytes {
        return Err(Problem::new(
            ErrorCode::PolicyInvalid,
            format!("reading {}: expected at most {max_bytes} bytes", path.display()),
        ));
    }
    Ok(bytes)
}

fn access(attempted: &'static str, path: &Path, error: &std::io::Error) -> Problem {
    starling_api::file_problem(attempted, path, error)
}

#[cfg(test)]
mod tests;
