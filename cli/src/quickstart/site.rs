//! Controls one site through the command line only: each method is one command.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use starling_api_types::{
    ExitStatus, ExportSummary, FeedImportReport, ImportReport, PublicIdentity, Status, Timestamp,
    VerdictEnvelope,
};

use super::error::QuickstartError;
use super::feed::Feed;
use super::process::{Call, Program};

/// Exit codes of `starling scan` that come with a verdict.
const JUDGED: &[ExitStatus] = &[
    ExitStatus::Pass,
    ExitStatus::FailedByPolicy,
    ExitStatus::KnowledgeMissing,
    ExitStatus::CoverageTooLow,
];
/// The beginning of the line with the address in a new configuration.
const LISTEN_LINE: &str = "\n# listen = [\"/ip4/";
const DONE: &[ExitStatus] = &[ExitStatus::Pass];

/// A site in a folder of its own.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) name: &'static str,
    pub(super) home: PathBuf,
    program: Program,
}

impl Site {
    /// Creates the handle of site `name`, in a folder of that name under `dir`; does not create the folder yet.
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

    /// Builds the command that creates the site's keys, configuration and store.
    pub(super) fn init(&self) -> Call {
        self.call(["init", "--site-id", self.name, "--json"])
    }

    /// As [`init`](Self::init), for a site without a network.
    pub(super) fn init_air_gapped(&self) -> Call {
        self.call(["init", "--site-id", self.name, "--air-gapped", "--json"])
    }

    /// Writes the address on which the daemon listens into the configuration: the sites that keep it can dial it when
    /// the daemon runs again.
    ///
    /// # Errors
    /// The configuration cannot be read or written, or it has no line for the address.
    pub(super) fn keep_address(&self, address: &str) -> Result<(), QuickstartError> {
        let path = self.home.join("starling.toml");
        let failed = |attempted, cause| QuickstartError::Folder {
            attempted,
            path: path.clone(),
            cause,
        };
        let text = std::fs::read_to_string(&path).map_err(|cause| failed("reading", cause))?;
        let (before, after) = text
            .split_once(LISTEN_LINE)
            .ok_or_else(|| failed("writing the address into", std::io::ErrorKind::InvalidData.into()))?;
        let rest = after.split_once('\n').map_or("", |(_, rest)| rest);
        std::fs::write(&path, format!("{before}\nlisten = [\"{address}\"]\n{rest}"))
            .map_err(|cause| failed("writing", cause))
    }

    /// Builds the command that runs the daemon on a free loopback port.
    pub(super) fn up(&self) -> Call {
        self.call(["up", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1"])
    }

    /// Builds the command that adds `other` to the allow-list, for all sources.
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

    /// Builds the command that imports a feed.
    pub(super) fn import_feed(&self, feed: &Feed) -> Call {
        let mut args: Vec<OsString> = vec![
            "feeds".into(),
            "import".into(),
            feed.path.clone().into(),
            "--source".into(),
            feed.source.clone().into(),
        ];
        if feed.complete {
            args.push("--complete".into());
        }
        args.push("--json".into());
        self.program.command(&self.home, args)
    }

    /// Builds the command that writes a bundle for `reader` to `file`.
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

    /// Builds the command that imports the bundle in `file`.
    pub(super) fn import_bundle(&self, file: &Path) -> Call {
        let args: [OsString; 4] = ["bundle".into(), "import".into(), file.into(), "--json".into()];
        self.program.command(&self.home, args)
    }

    /// Builds the command that scans `sbom` at the time `as_of`. The time is equal at all sites, so that the verdicts
    /// can be.
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

    /// Returns the public half of the site's keys: the text with which another site lists it.
    ///
    /// # Errors
    /// If the command fails or prints something else.
    pub(super) async fn key(&self) -> Result<String, QuickstartError> {
        let identity: PublicIdentity = self
            .call(["keys", "export", "--public", "--json"])
            .json(DONE)
            .await?;
        Ok(identity.certificates)
    }

    /// Returns the site's status.
    ///
    /// # Errors
    /// If the command fails or prints something else.
    pub(super) async fn status(&self) -> Result<Status, QuickstartError> {
        self.call(["status", "--json"]).json(DONE).await
    }
}

/// Runs a command and ignores its answer, except that the answer must be JSON.
///
/// # Errors
/// If the command fails.
pub(super) async fn quiet(call: &Call) -> Result<(), QuickstartError> {
    call.json::<serde::de::IgnoredAny>(DONE).await.map(|_| ())
}

/// Runs [`Site::import_feed`].
///
/// # Errors
/// If the command fails. Rejected files alone are not a failure.
pub(super) async fn import_feed(call: &Call) -> Result<FeedImportReport, QuickstartError> {
    call.json(DONE).await
}

/// Runs [`Site::export_bundle`].
///
/// # Errors
/// If the command fails.
pub(super) async fn export_bundle(call: &Call) -> Result<ExportSummary, QuickstartError> {
    call.json(DONE).await
}

/// Runs [`Site::import_bundle`].
///
/// # Errors
/// If the command fails.
pub(super) async fn import_bundle(call: &Call) -> Result<ImportReport, QuickstartError> {
    call.json(DONE).await
}

/// Runs [`Site::scan`].
///
/// # Errors
/// If the command ends without a verdict.
pub(super) async fn scan(call: &Call) -> Result<VerdictEnvelope, QuickstartError> {
    call.json(JUDGED).await
}
