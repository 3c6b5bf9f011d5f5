//! A site in a separate folder, driven as a user drives it: by commands, and by its socket.

mod daemon;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use starling_api_types::{
    Cursor, DoctorReport, FeedImportReport, ImportReport, Problem, PublicIdentity, Status, VerdictEnvelope,
};

pub use self::daemon::link;
use crate::feed::Folder;
use crate::http::{Answer, Request};
use crate::process::{Daemon, Ended, command};
use crate::tree::Records;

/// Chooses the store's engine for every site of a run: `sled` or `redb`.
pub const ENGINE_VARIABLE: &str = "STARLING_TEST_ENGINE";
/// Any free port of the loopback interface.
const ANY_PORT: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A site. Its daemon, if one runs, is ended with it.
#[derive(Debug)]
pub struct Site {
    name: String,
    home: PathBuf,
    daemon: Option<Daemon>,
    /// The last listening address, which the next daemon uses again so that peers find it.
    listen: String,
    scratch: PathBuf,
}

impl Site {
    /// Creates a site called `name` in a folder of that name.
    ///
    /// # Panics
    /// If `starling init` fails.
    #[must_use]
    pub fn init(dir: &Path, name: &str) -> Self {
        let engine = std::env::var(ENGINE_VARIABLE).unwrap_or_else(|_| "sled".to_owned());
        Self::init_on(dir, name, &engine)
    }

    /// Creates a site on a given engine.
    ///
    /// # Panics
    /// If `starling init` fails.
    #[must_use]
    pub fn init_on(dir: &Path, name: &str, engine: &str) -> Self {
        let site = Self::adopt_home(dir, name);
        site.cli(["init", "--site-id", name, "--engine", engine, "--json"])
            .expect(0);
        site.accept_partial_sources(true);
        site
    }

    /// Lists every source as held in part on purpose, as most tests import single records, or none.
    ///
    /// # Panics
    /// If the site's configuration is not as `starling init` wrote it.
    pub fn accept_partial_sources(&self, accepted: bool) {
        let path = self.home.join("starling.toml");
        let text = std::fs::read_to_string(&path).expect("the configuration can be read");
        let is_key = |line: &str| line.trim_start_matches("# ").starts_with("partial_sources = ");
        assert_eq!(text.lines().filter(|line| is_key(line)).count(), 1, "{text}");
        let wanted = format!("partial_sources = [{}]", if accepted { "\"*\"" } else { "" });
        let lines = text
            .lines()
            .map(|line| if is_key(line) { wanted.as_str() } else { line });
        let text = lines.flat_map(|line| [line, "\n"]).collect::<String>();
        std::fs::write(&path, text).expect("the configuration can be written");
    }

    /// Uses the home of an existing site, in a folder of its name.
    ///
    /// # Panics
    /// If a folder for files of the test cannot be made.
    #[must_use]
    pub fn adopt_home(dir: &Path, name: &str) -> Self {
        let site = Self {
            name: name.to_owned(),
            home: dir.join(name),
            daemon: None,
            listen: ANY_PORT.to_owned(),
            scratch: dir.join(format!("{name}.files")),
        };
        std::fs::create_dir_all(&site.scratch).expect("a folder can be made");
        site
    }

    /// Keeps the test's files and the daemon's output in `folder` from now on, such as on another disk.
    ///
    /// # Panics
    /// If the folder cannot be made.
    #[must_use]
    pub fn with_files_in(mut self, folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("a folder can be made");
        self.scratch = folder.to_owned();
        self
    }

    /// Returns its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its folder.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns the address that its next daemon listens at: that of the last one, or any free port.
    #[must_use]
    pub fn listening_address(&self) -> &str {
        &self.listen
    }

    /// Returns a path for a file of the test, outside the site's own folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// Runs a command on the site.
    #[must_use]
    pub fn cli<I: IntoIterator<Item = S>, S: Into<OsString>>(&self, args: I) -> Ended {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        Ended::of(command(&self.home, args))
    }

    /// Runs a command with `--json` that must end with 0.
    #[must_use]
    pub fn json<T: DeserializeOwned, I: IntoIterator<Item = S>, S: Into<OsString>>(&self, args: I) -> T {
        self.json_call(args).json(0)
    }

    /// Runs a command with `--json` that must fail with the exit code of its reported problem.
    #[must_use]
    pub fn refused<I: IntoIterator<Item = S>, S: Into<OsString>>(&self, args: I) -> Problem {
        self.json_call(args).problem()
    }

    /// Runs a command with `--json`.
    #[must_use]
    pub fn json_call<I: IntoIterator<Item = S>, S: Into<OsString>>(&self, args: I) -> Ended {
        let args = args.into_iter().map(Into::into).chain([OsString::from("--json")]);
        self.cli(args)
    }

    /// Sends a request to the daemon's socket.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn call(&self, request: &Request<'_>) -> Answer {
        request
            .unix(&self.socket())
            .unwrap_or_else(|error| panic!("asking {}: {error}", self.name))
    }

    /// Returns the daemon's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.home.join("starling.sock")
    }

    /// Returns its status: from the daemon's socket if one runs, else from the command.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.daemon {
            Some(_) => self.call(&Request::get("/status")).json(200),
            None => self.json(["status"]),
        }
    }

    /// Returns the daemon's status, if it answers.
    #[must_use]
    pub fn try_status(&self) -> Option<Status> {
        let answer = Request::get("/status").unix(&self.socket()).ok()?;
        (answer.status == 200).then(|| answer.json(200))
    }

    /// Returns the knowledge root.
    #[must_use]
    pub fn root(&self) -> String {
        self.status().knowledge_root.to_string()
    }

    /// Returns its public identity.
    #[must_use]
    pub fn identity(&self) -> PublicIdentity {
        self.json(["keys", "show"])
    }

    /// Returns its certificates, by which other sites list it.
    #[must_use]
    pub fn key(&self) -> String {
        let exported = self.cli(["keys", "export", "--public"]);
        exported.expect(0);
        String::from_utf8(exported.stdout)
            .expect("text")
            .trim()
            .to_owned()
    }

    /// Puts `other` on the allow-list for all sources, with its address if it listens.
    pub fn list(&self, other: &Self) {
        self.list_as(other, &other.key(), &["--allowed-sources", "*", "--may-mute"]);
    }

    /// Puts `other` on the allow-list by its identity alone, without an address.
    pub fn list_as_unreachable(&self, other: &Self) {
        let identity = other.identity().site.to_string();
        let args = [
            "sites",
            "add",
            &other.name,
            "--key",
            &identity,
            "--allowed-sources",
            "*",
            "--may-mute",
        ];
        self.json_call(args).expect(0);
    }

    /// Puts `other` on the allow-list by `key`, with more arguments.
    pub fn list_as(&self, other: &Self, key: &str, more: &[&str]) {
        let mut args = vec!["sites", "add", other.name.as_str(), "--key", key];
        args.extend(more);
        if other.listen != ANY_PORT {
            args.extend(["--address", other.listen.as_str()]);
        }
        self.json_call(args).expect(0);
    }

    /// Imports a folder of advisories.
    #[must_use]
    pub fn import(&self, source: &str, folder: &Folder, more: &[&str]) -> FeedImportReport {
        let path = self.file("feed");
        folder.write(&path);
        self.import_path(source, &path, more)
    }

    /// Imports a feed from `path`, which ends with 7 if a document was rejected.
    ///
    /// # Panics
    /// If it ends with another code.
    #[must_use]
    pub fn import_path(&self, source: &str, path: &Path, more: &[&str]) -> FeedImportReport {
        let args: [OsString; 5] = [
            "feeds".into(),
            "import".into(),
            path.into(),
            "--source".into(),
            source.into(),
        ];
        let ended = self.json_call(args.into_iter().chain(more.iter().map(OsString::from)));
        assert!([0, 7].contains(&ended.code), "{ended:?}");
        let report: FeedImportReport = ended.json(ended.code);
        let is_in_part = report.rejected > 0 && (!report.complete || report.unchecked.is_some());
        assert_eq!(ended.code, if is_in_part { 7 } else { 0 }, "{ended:?}");
        report
    }

    /// Returns the live records of a source, as the dump writes them.
    #[must_use]
    pub fn dump(&self, source: &str) -> Vec<u8> {
        let dumped = self.cli(["advisory", "dump", "--source", source, "-o", "-"]);
        // 4: the site does not know the source yet.
        if dumped.code != 4 {
            dumped.expect(0);
        }
        dumped.stdout
    }

    /// Fails the test if the live records of a source differ from `expected`.
    ///
    /// # Panics
    /// If they do; with the first difference.
    pub fn expect_records(&self, source: &str, expected: &Records) {
        if let Err(difference) = expected.compare(&self.dump(source)) {
            panic!(
                "{} holds other records of {source} than it should: {difference}",
                self.name
            );
        }
    }

    /// Writes a bundle into a file of the test; `more` gives its start and destination.
    #[must_use]
    pub fn export(&self, name: &str, more: &[&str]) -> PathBuf {
        let path = self.file(name);
        let args: [OsString; 4] = ["bundle".into(), "export".into(), "-o".into(), (&path).into()];
        self.json_call(args.into_iter().chain(more.iter().map(OsString::from)))
            .expect(0);
        path
    }

    /// Imports a bundle, which must succeed.
    #[must_use]
    pub fn import_bundle(&self, path: &Path) -> ImportReport {
        let args: [OsString; 3] = ["bundle".into(), "import".into(), path.into()];
        self.json(args)
    }

    /// Imports a bundle, which must be refused.
    #[must_use]
    pub fn refuse_bundle(&self, path: &Path) -> Problem {
        let args: [OsString; 3] = ["bundle".into(), "import".into(), path.into()];
        self.refused(args)
    }

    /// Scans an SBOM; the verdict may be any.
    ///
    /// # Panics
    /// If it ends without a verdict.
    #[must_use]
    pub fn scan(&self, sbom: &Path, more: &[&str]) -> VerdictEnvelope {
        let args: [OsString; 2] = ["scan".into(), sbom.into()];
        let ended = self.json_call(args.into_iter().chain(more.iter().map(OsString::from)));
        assert!([0, 1, 4, 5].contains(&ended.code), "{ended:?}");
        let envelope: VerdictEnvelope = ended.json(ended.code);
        assert_eq!(
            i32::from(envelope.exit_code),
            ended.code,
            "the envelope names the exit code"
        );
        envelope
    }

    /// Fails the test if the doctor finds anything.
    ///
    /// # Panics
    /// If it does.
    pub fn expect_sound(&self) {
        let report: DoctorReport = self.json(["doctor"]);
        assert!(report.ok, "{}: {report:?}", self.name);
    }

    /// Returns the position up to which this site holds the federation log of `author`.
    #[must_use]
    pub fn held_of(&self, author: &Self) -> Option<Cursor> {
        let status = self.status();
        let own = author.identity().site;
        let lane = starling_api_types::Lane::Federation;
        status
            .positions
            .into_iter()
            .find(|at| at.site == own && at.lane == lane)?
            .held
    }
}

/// Returns the claim number of a cursor, which defines its order.
///
/// # Panics
/// If it does not end in a number, which every cursor does.
#[must_use]
pub fn number_of(cursor: &Cursor) -> u64 {
    let text = cursor.to_string();
    text.rsplit_once('#')
        .and_then(|(_, number)| number.parse().ok())
        .expect("a cursor ends in its number")
}
