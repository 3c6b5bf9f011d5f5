//! `starling selftest`

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use starling_api::file_problem;
use starling_api_types::{ErrorCode, ExitStatus, Problem};
use starling_scanner::selftest::{SUITES, Suite, SuiteFiles, SuiteReport, builtin};

use super::Outcome;
use crate::render;
use crate::session::Session;

/// Largest unpacked size of one suite, in bytes.
const MAX_SUITE_BYTES: u64 = 512 * 1024 * 1024;
/// Deepest folder level that is searched for a suite's files.
const MAX_DEPTH: usize = 16;

/// Check versions, package URLs, CVSS, matching, SBOM and VEX readers against conformance suites
#[derive(Debug, Args)]
#[command(after_help = "\
The built-in cases always run. Each further suite is a folder with its name in --suites, or an archive NAME.tar.zst.
Without --suites, $STARLING_CORPUS/suites is searched. Missing suites are skipped and reported. Unknown folders are
reported too.

Example:
  starling selftest
  starling selftest --suites ./suites --json

Exit codes: 0 all passed, 2 the folder or a suite cannot be read, 10 a case failed")]
pub(crate) struct Selftest {
    /// Folder with the suites
    #[arg(long, value_name = "DIR")]
    suites: Option<PathBuf>,
}

/// The answer of `selftest`.
#[derive(Debug, Serialize)]
pub(crate) struct SelftestReport {
    /// Cases that passed, over all suites.
    pub(crate) passed: u64,
    /// Cases that failed.
    pub(crate) failed: u64,
    /// Cases that these suites skip; each suite says why.
    pub(crate) skipped: u64,
    /// The suites that ran.
    pub(crate) suites: Vec<SuiteReport>,
    /// Known suites that are missing.
    pub(crate) missing: Vec<&'static str>,
    /// Folders and archives next to them that are not known suites.
    pub(crate) unknown: Vec<String>,
}

/// Lists the known suites: versions, URLs and documents, then VEX.
fn known() -> impl Iterator<Item = &'static Suite> {
    SUITES.iter().chain(starling_policy::selftest::SUITES)
}

impl Selftest {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let step = session.step("Running conformance suites");
        let corpus = || Some(PathBuf::from(std::env::var_os("STARLING_CORPUS")?).join("suites"));
        let given = self.suites.is_some();
        let folder = self.suites.or_else(corpus);
        if let Some(folder) = folder.as_deref().filter(|folder| given && !folder.is_dir()) {
            return Err(Problem::new(
                ErrorCode::FileAccess,
                format!("reading suites: {} is not a folder", folder.display()),
            ));
        }
        let report = run(folder.as_deref())?;
        drop(step);
        session.print(&report, render::selftest)?;
        if report.failed == 0 {
            return Ok(ExitStatus::Pass);
        }
        let failed = crate::render::counted(report.failed, "case", "cases");
        session.close(
            ExitStatus::Internal,
            &format!(
                "{failed} failed, so verdicts of this program may be wrong: please report the lines above"
            ),
        );
        Ok(ExitStatus::Internal)
    }
}

/// Runs the built-in cases, and the suites in `folder`.
fn run(folder: Option<&Path>) -> Result<SelftestReport, Problem> {
    let mut suites = builtin();
    let mut missing = Vec::new();
    for suite in known() {
        match folder
            .map(|folder| files_of(suite, folder))
            .transpose()?
            .flatten()
        {
            Some(files) => suites.push(suite.run(&files)),
            None => missing.push(suite.name),
        }
    }
    Ok(SelftestReport {
        passed: suites.iter().map(|suite| suite.passed).sum(),
        failed: suites.iter().map(|suite| suite.failed).sum(),
        skipped: suites.iter().map(|suite| suite.skipped).sum(),
        suites,
        missing,
        unknown: folder.map(unknown).transpose()?.unwrap_or_default(),
    })
}

/// Lists names in `folder` that could be suites but are unknown, in order.
fn unknown(folder: &Path) -> Result<Vec<String>, Problem> {
    let failed = |error| file_problem("reading suites", folder, &error);
    let mut names = Vec::new();
    // A corpus without any suites has no unknown ones.
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(names),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_folder = entry.file_type().map_err(failed)?.is_dir();
        let name = match name.strip_suffix(".tar.zst") {
            Some(stem) => stem.to_owned(),
            None if is_folder => name,
            None => continue,
        };
        if !known().any(|suite| suite.name == name) && !names.contains(&name) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Returns a suite's files, from its folder or its archive; `None` if neither exists.
fn files_of(suite: &Suite, folder: &Path) -> Result<Option<SuiteFiles>, Problem> {
    let unpacked = folder.join(suite.name);
    let archive = folder.join(format!("{}.tar.zst", suite.name));
    let mut files = Files {
        left: MAX_SUITE_BYTES,
        files: Vec::new(),
    };
    let (path, read) = if unpacked.is_dir() {
        let read = files.take_folder(&unpacked, &mut vec![suite.name.to_owned()]);
        (unpacked, read)
    } else if archive.is_file() {
        let read = files.take_archive(&archive);
        (archive, read)
    } else {
        return Ok(None);
    };
    read.map_err(|error| file_problem("reading the suite", &path, &error))?;
    Ok(Some(files.files.into_iter().collect()))
}

/// Files collected so far, within a limit.
struct Files {
    left: u64,
    files: Vec<(String, Vec<u8>)>,
}

impl Files {
    fn take(&mut self, name: String, content: impl Read) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        content.take(self.left + 1).read_to_end(&mut bytes)?;
        let size = bytes.len() as u64;
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            std::io::Error::other(format!("the suite has more than {MAX_SUITE_BYTES} bytes"))
        })?;
        self.files.push((name, bytes));
        Ok(())
    }

    fn take_archive(&mut self, path: &Path) -> std::io::Result<()> {
        let unpacked = zstd::Decoder::new(std::fs::File::open(path)?)?;
        // Also limits what is skipped between files.
        let mut archive = tar::Archive::new(unpacked.take(2 * MAX_SUITE_BYTES));
        for entry in archive.entries()? {
            let entry = entry?;
            if entry.header().entry_type().is_file() {
                let name = entry.path()?.to_string_lossy().into_owned();
                self.take(name, entry)?;
            }
        }
        Ok(())
    }

    /// Reads a folder's files. Does not follow links: only files inside the folder belong to the suite.
    fn take_folder(&mut self, folder: &Path, steps: &mut Vec<String>) -> std::io::Result<()> {
        if steps.len() > MAX_DEPTH {
            return Ok(());
        }
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            steps.push(entry.file_name().to_string_lossy().into_owned());
            if kind.is_dir() {
                self.take_folder(&entry.path(), steps)?;
            } else if kind.is_file() {
                self.take(steps.join("/"), std::fs::File::open(entry.path())?)?;
            }
            steps.pop();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"1.0\t1.0-1\t-1\n";

    #[test]
    fn builtin_cases_run_without_any_suite() {
        let report = run(None).unwrap();
        assert_eq!((report.failed, report.missing.len()), (0, known().count()));
        assert!(report.passed > 50);
    }

    #[test]
    fn suite_is_found_as_folder_and_as_archive() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("dpkg-vercmp/deep")).unwrap();
        std::fs::write(folder.path().join("dpkg-vercmp/deep/Dpkg_Version.tsv"), TABLE).unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(TABLE.len() as u64);
        header.set_cksum();
        builder
            .append_data(&mut header, "rpm-vercmp/rpmvercmp.tsv", TABLE)
            .unwrap();
        let packed = zstd::encode_all(&builder.into_inner().unwrap()[..], 1).unwrap();
        std::fs::write(folder.path().join("rpm-vercmp.tar.zst"), packed).unwrap();
        std::fs::create_dir(folder.path().join("what-is-this")).unwrap();
        std::fs::write(folder.path().join("README"), b"no suite").unwrap();

        let report = run(Some(folder.path())).unwrap();
        for name in ["dpkg-vercmp", "rpm-vercmp"] {
            let suite = report.suites.iter().find(|suite| suite.suite == name).unwrap();
            // Both directions of the one case. There are so few cases that the suite counts as incomplete.
            assert_eq!((suite.passed, suite.failed), (2, 1), "{name}");
            assert!(suite.failures[0].contains("2 cases ran"), "{:?}", suite.failures);
        }
        assert_eq!(report.missing.len(), known().count() - 2);
        assert_eq!(report.unknown, ["what-is-this"]);
    }

    #[test]
    fn damaged_archive_is_a_problem() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rpm-vercmp.tar.zst"), b"not an archive").unwrap();
        let problem = run(Some(folder.path())).unwrap_err();
        assert!(problem.detail.contains("rpm-vercmp.tar.zst"), "{problem}");
    }
}
