//! One site, driven through the command line alone: each method is one command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use starling_api_types::{
    ExitStatus, ExportSummary, FeedImportReport, ImportReport, PublicIdentity, Status, Timestamp,
    VerdictEnvelope,
};

use super::error::QuickstartError;
use super::process::{Call, Program};

/// Ends of `starling scan` that come with a verdict.
const JUDGED: &[ExitStatus] = &[
    ExitStatus::Pass,
    ExitStatus::FailedByPolicy,
    ExitStatus::KnowledgeMissing,
    ExitStatus::CoverageTooLow,
];
const DONE: &[ExitStatus] = &[ExitStatus::Pass];

/// A site in a folder of its own.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) name: &'static str,
    pub(super) home: PathBuf,
    program: Program,
}

impl Site {
    /// The site `name`, in a folder of its name under `dir`; nothing is made yet.
    pub(super) fn new(program: &Program, dir: &Path, name: &'static str) -> Self {
        Self {
            name,
            home: dir.join(name),
            program: program.clone(),
        }
    }

    fn call<const N: usize>(&self, args: [&str; N]) -> Call {
        self.program.command(&self.home, args)
    }

    /// Makes the site's keys, configuration and store.
    pub(super) fn init(&self) -> Call {
        self.call(["init", "--site-id", self.name, "--json"])
    }

    /// The daemon, on a free port of the loopback interface.
    pub(super) fn up(&self) -> Call {
        self.call(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"])
    }

    /// Puts `other` on the allow-list, with everything that it may say.
    pub(super) fn list(&self, other: &Self, key: &str, address: Option<&str>) -> Call {
        let mut args: Vec<OsString> = ["sites", "add", other.name, "--key", key, "--allowed-sources", "*"]
            .map(OsString::from)
            .to_vec();
        if let Some(address) = address {
            args.extend(["--address", address].map(OsString::from));
        }
        args.push("--json".into());
        self.program.command(&self.home, args)
    }

    /// Takes in the feed in `path`.
    pub(super) fn import_feed(&self, path: &Path, source: &str) -> Call {
        let args: [OsString; 6] = [
            "feeds".into(),
            "import".into(),
            path.into(),
            "--source".into(),
            source.into(),
            "--json".into(),
        ];
        self.program.command(&self.home, args)
    }

    /// Writes a bundle for `reader` into `file`.
    pub(super) fn export_bundle(&self, reader: &Self, file: &Path) -> Call {
        let args: [OsString; 7] = [
            "bundle".into(),
            "export".into(),
            "--to".into(),
            reader.name.into(),
            "-o".into(),
            file.into(),
            "--json".into(),
        ];
        self.program.command(&self.home, args)
    }

    /// Takes in the bundle in `file`.
    pub(super) fn import_bundle(&self, file: &Path) -> Call {
        let args: [OsString; 4] = ["bundle".into(), "import".into(), file.into(), "--json".into()];
        self.program.command(&self.home, args)
    }

    /// Judges `sbom` at the moment `as_of`, which is an input: equal at all sites, so that the verdicts can be.
    pub(super) fn scan(&self, sbom: &Path, as_of: Timestamp) -> Call {
        let args: [OsString; 7] = [
            "scan".into(),
            sbom.into(),
            "--fail-on".into(),
            "high".into(),
            "--at".into(),
            as_of.to_string().into(),
            "--json".into(),
        ];
        self.program.command(&self.home, args)
    }

    /// The public half of the site's keys: the line of text that another site lists it by.
    ///
    /// # Errors
    /// When the command fails or prints something else.
    pub(super) async fn key(&self) -> Result<String, QuickstartError> {
        let identity: PublicIdentity = self
            .call(["keys", "export", "--public", "--json"])
            .json(DONE)
            .await?;
        Ok(identity.certificates)
    }

    /// What the site says of itself.
    ///
    /// # Errors
    /// When the command fails or prints something else.
    pub(super) async fn status(&self) -> Result<Status, QuickstartError> {
        self.call(["status", "--json"]).json(DONE).await
    }
}

/// Runs a command whose answer is not looked at; that it is JSON is checked all the same.
///
/// # Errors
/// When it fails.
pub(super) async fn quiet(call: &Call) -> Result<(), QuickstartError> {
    call.json::<serde::de::IgnoredAny>(DONE).await.map(|_| ())
}

/// Runs [`Site::import_feed`].
///
/// # Errors
/// When it fails; rejected files alone are no failure.
pub(super) async fn import_feed(call: &Call) -> Result<FeedImportReport, QuickstartError> {
    call.json(DONE).await
}

/// Runs [`Site::export_bundle`].
///
/// # Errors
/// When it fails.
pub(super) async fn export_bundle(call: &Call) -> Result<ExportSummary, QuickstartError> {
    call.json(DONE).await
}

/// Runs [`Site::import_bundle`].
///
/// # Errors
/// When it fails.
pub(super) async fn import_bundle(call: &Call) -> Result<ImportReport, QuickstartError> {
    call.json(DONE).await
}

/// Runs [`Site::scan`].
///
/// # Errors
/// When it ends without a verdict.
pub(super) async fn scan(call: &Call) -> Result<VerdictEnvelope, QuickstartError> {
    call.json(JUDGED).await
}
