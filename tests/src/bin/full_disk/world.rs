//! A site on the small disk, a peer on another one, and the site's acknowledgements.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use starling_api_types::{ErrorCode, Status};
use starling_tests::feed::many;
use starling_tests::folders::files;
use starling_tests::process::command;
use starling_tests::{Ended, Site, number_of};
use tempfile::TempDir;

/// A command on the small disk that takes longer hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);
/// The moment that every scan judges at.
const AT: &str = "2026-12-30T00:00:00.000Z";
const DISK_FULL: i32 = 12;
const NOT_REACHABLE: i32 = 6;
/// The longest time in which a daemon opens its store again.
const REOPENING: Duration = Duration::from_secs(20);
/// Records of the large feed and their size: about 8 MB of incompressible data, roughly the space above the
/// reserve.
const LARGE_RECORDS: usize = 2_000;
const LARGE_RECORD_BYTES: usize = 4_000;

pub(crate) struct World {
    pub(crate) disk: PathBuf,
    pub(crate) elsewhere: TempDir,
    pub(crate) site: Site,
    pub(crate) engine: String,
    sbom: PathBuf,
    /// The number of the newest claim that the site named.
    acknowledged: u64,
    /// Faults that did not stop the round.
    faults: BTreeSet<String>,
}

impl World {
    pub(crate) fn new(disk: &Path, engine: &str) -> Self {
        let elsewhere = tempfile::Builder::new()
            .prefix("starling-elsewhere-")
            .tempdir()
            .expect("a folder can be made");
        many("SMALL", 30, 200).write(&elsewhere.path().join("small"));
        many("LARGE", LARGE_RECORDS, LARGE_RECORD_BYTES).write(&elsewhere.path().join("large"));
        let sbom = elsewhere.path().join("sbom.json");
        fs::write(&sbom, sbom_of().to_string()).expect("a file can be written");
        let site = Site::adopt_home(disk, "site-a").with_files_in(&elsewhere.path().join("site-a.files"));
        Self {
            disk: disk.to_owned(),
            site,
            engine: engine.to_owned(),
            sbom,
            acknowledged: 0,
            faults: BTreeSet::new(),
            elsewhere,
        }
    }

    /// Removes the site from the disk, with everything it left there.
    pub(crate) fn clear(self) {
        let Self { site, disk, .. } = self;
        // Ends its daemon, if one runs.
        drop(site);
        for entry in fs::read_dir(disk).expect("the disk can be listed").flatten() {
            let path = entry.path();
            let _ = if path.is_dir() {
                fs::remove_dir_all(path)
            } else {
                fs::remove_file(path)
            };
        }
    }

    /// Creates the site and imports a small feed.
    pub(crate) fn begin(&mut self) -> Result<(), String> {
        self.expect_done(&self.init_args())?;
        self.expect_done(&self.import_args("small"))?;
        self.note_status()
    }

    pub(crate) fn init_args(&self) -> Vec<OsString> {
        plain(&["init", "--site-id", "site-a", "--engine", &self.engine])
    }

    pub(crate) fn import_args(&self, source: &str) -> Vec<OsString> {
        let mut args = plain(&["feeds", "import"]);
        args.push(self.elsewhere.path().join(source).into());
        args.extend(plain(&["--source", source, "--complete"]));
        args
    }

    pub(crate) fn scan_args(&self) -> Vec<OsString> {
        let mut args = plain(&["scan"]);
        args.push(self.sbom.clone().into());
        args.extend(plain(&["--at", AT, "--fail-on", "high"]));
        args
    }

    pub(crate) fn run(&self, args: &[OsString]) -> Ended {
        let args = args.iter().cloned().chain([OsString::from("--json")]);
        Ended::within(command(self.site.home(), args), DEADLINE)
    }

    /// Runs a command. A daemon whose engine met the full disk in the middle of a write opens its store again by
    /// itself: for some seconds it answers that the disk is full, or not at all, and the command is repeated.
    fn run_past_reopening(&self, args: &[OsString]) -> Ended {
        let from = Instant::now();
        loop {
            let ended = self.run(args);
            let is_opening = [DISK_FULL, NOT_REACHABLE].contains(&ended.code);
            if !is_opening || !self.site.has_daemon() || from.elapsed() > REOPENING {
                return ended;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs a command that must end with 0.
    pub(crate) fn expect_done(&self, args: &[OsString]) -> Result<Ended, String> {
        let ended = self.run_past_reopening(args);
        if ended.code == 0 {
            return Ok(ended);
        }
        Err(format!("{}: {}", words(args), shown(&ended)))
    }

    /// Accepts a command that succeeded or was refused because the disk is full. Returns true if it succeeded.
    pub(crate) fn expect_done_or_full(&self, args: &[OsString]) -> Result<bool, String> {
        judge_full(args, &self.run(args))
    }

    /// Fails unless the site answers all reading commands, whether or not the disk is full.
    pub(crate) fn expect_readable(&mut self) -> Result<(), String> {
        self.note_status()?;
        self.expect_verdict()?;
        self.expect_done(&plain(&["advisory", "list"]))?;
        self.expect_done(&plain(&["advisory", "get", "SMALL-000001"]))?;
        let mut export = plain(&["bundle", "export", "-o"]);
        export.push(self.elsewhere.path().join("export.stl").into());
        if let Err(fault) = self.expect_done(&export) {
            self.faults.insert(fault);
        }
        Ok(())
    }

    /// Returns the faults of the whole round, and the one that ended it, if any.
    pub(crate) fn faults(&mut self, ended: Option<String>) -> Option<String> {
        self.faults.extend(ended);
        let faults = std::mem::take(&mut self.faults);
        let all = faults.into_iter().collect::<Vec<_>>().join("; and ");
        (!all.is_empty()).then_some(all)
    }

    /// Judges; all of the small feed is affected, so the verdict fails.
    pub(crate) fn expect_verdict(&self) -> Result<(), String> {
        let ended = self.run_past_reopening(&self.scan_args());
        let envelope: Value = serde_json::from_slice(&ended.stdout).unwrap_or_default();
        let findings = envelope["verdict"]["findings"].as_array().map_or(0, Vec::len);
        if ended.code == 1 && findings >= 30 {
            return Ok(());
        }
        Err(format!("scan: {findings} findings, {}", shown(&ended)))
    }

    /// Fails unless, with free space, the site is intact, holds everything acknowledged and imports more.
    pub(crate) fn expect_goes_on(&mut self) -> Result<(), String> {
        self.note_status()?;
        self.expect_done(&plain(&["doctor"]))?;
        self.expect_done(&self.import_args("large"))?;
        self.note_status()?;
        self.expect_done(&plain(&[
            "mute",
            "add",
            "SMALL-000002",
            "--forever",
            "--reason",
            "tried",
        ]))?;
        self.note_status()?;
        self.expect_readable()?;
        self.expect_done(&plain(&["doctor"]))?;
        self.note_empty_files();
        Ok(())
    }

    /// Notes an empty unfinished file: only a full disk leaves one, and it must be removed.
    pub(crate) fn note_empty_files(&mut self) {
        // A file that a daemon is just about to write is empty, too, for a moment.
        let from = Instant::now();
        while self.empty_file().is_some() && self.site.has_daemon() && from.elapsed() < REOPENING {
            std::thread::sleep(Duration::from_millis(20));
        }
        let empty = self.empty_file();
        self.faults
            .extend(empty.map(|file| format!("{} is empty and stays", file.display())));
    }

    fn empty_file(&self) -> Option<PathBuf> {
        files(self.site.home(), "").into_iter().find(|file| {
            let path = self.site.home().join(file);
            let unfinished = ["new", "tmp"]
                .iter()
                .any(|name| file.extension().is_some_and(|has| has == *name));
            unfinished && path.metadata().is_ok_and(|metadata| metadata.len() == 0)
        })
    }

    /// Reads the status, which must include everything acknowledged.
    pub(crate) fn note_status(&mut self) -> Result<(), String> {
        let status: Status = self.expect_done(&plain(&["status"]))?.json(0);
        let number = status.head.as_ref().map_or(0, number_of);
        if number < self.acknowledged {
            return Err(format!(
                "claim {} was acknowledged, and the head is {number}",
                self.acknowledged
            ));
        }
        self.acknowledged = number;
        Ok(())
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start_daemon(&mut self) -> Result<(), String> {
        self.site.spawn_up(&[]);
        let from = Instant::now();
        while self.site.try_status().is_none() {
            let daemon = self.site.daemon();
            if let Some(status) = daemon.ended() {
                let log = daemon.log_end();
                self.site.take_daemon().kill();
                return Err(format!("the daemon does not start: {status}: {log}"));
            }
            if from.elapsed() > DEADLINE {
                return Err(format!("the daemon does not answer: {}", daemon.log_end()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Fails when the daemon has ended by itself.
    pub(crate) fn expect_running(&mut self) -> Result<(), String> {
        let daemon = self.site.daemon();
        match daemon.ended() {
            Some(status) => Err(format!("the daemon ended with {status}: {}", daemon.log_end())),
            None => Ok(()),
        }
    }
}

/// Accepts 0, and 12 with the problem that the disk is full and the advice about it.
pub(crate) fn judge_full(args: &[OsString], ended: &Ended) -> Result<bool, String> {
    if ended.code == 0 {
        return Ok(true);
    }
    let problem = ended.said_problem();
    let clear = problem.is_some_and(|problem| {
        problem.code == ErrorCode::DiskFull
            && !problem.detail.is_empty()
            && problem.hint.as_ref().is_some_and(|hint| !hint.is_empty())
    });
    if ended.code == DISK_FULL && clear {
        return Ok(false);
    }
    Err(format!("{} on the full disk: {}", words(args), shown(ended)))
}

pub(crate) fn plain(args: &[&str]) -> Vec<OsString> {
    args.iter().map(OsString::from).collect()
}

fn words(args: &[OsString]) -> String {
    args.iter()
        .take(2)
        .map(|arg| arg.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the end of a command in one line.
fn shown(ended: &Ended) -> String {
    /// Enough to know the message by.
    const CHARACTERS: usize = 500;
    let text = match ended.said_problem() {
        Some(problem) => problem.detail.clone(),
        None => ended.stderr.trim().to_owned(),
    };
    let text: String = text.chars().take(CHARACTERS).collect();
    format!("exit {}: {text}", ended.code)
}

fn sbom_of() -> Value {
    let components: Vec<Value> = (0..30)
        .map(|number| {
            let name = format!("small-package-{number}");
            serde_json::json!({ "type": "library", "bom-ref": name, "name": name, "version": "1.0.0",
                "purl": format!("pkg:npm/{name}@1.0.0") })
        })
        .collect();
    serde_json::json!({ "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components })
}
