//! `starling.toml`: every key with its default, environment and flags over it, wrong keys refused.

pub(crate) mod feed_edit;
pub(crate) mod feeds;
mod keys;
mod place;
mod size;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use starling_protocol::{SiteSlug, Source};
use starling_view::{ConflictStrategy, Ranges};

use crate::small_file;

pub use self::feeds::FeedEntry;
pub use self::keys::{KEYS, Key};
pub use self::size::ByteSize;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("reading the configuration {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is not what it should be. The text names line and column.
    #[error("reading the configuration {path}:\n{problem}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line.
        problem: String,
    },
    /// An environment variable or flag is not what it should be.
    #[error("reading the setting {key} from {origin}: {problem}")]
    Setting {
        /// The key.
        key: String,
        /// `the environment variable …` or `the command line`.
        origin: String,
        /// What is wrong.
        problem: String,
    },
}

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The form of the file. One that says it must end with the table `end`: a file that was cut off does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<u32>,
    /// The last table of the file; it holds nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    /// Sharing with other sites.
    pub federation: Federation,
    /// Listening for and dialling peers.
    pub network: Network,
    /// The local API.
    pub api: Api,
    /// The embedded store.
    pub store: Store,
    /// How claims of several authors fold into one view.
    pub view: View,
    /// Scans.
    pub scan: Scan,
    /// Homes that were put back from a backup, or copied.
    pub restore: Restore,
    /// Logs.
    pub log: Log,
    /// Feeds that the site fetches by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feeds: Vec<FeedEntry>,
}

/// The end of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {}

/// The form of configuration files that this build writes.
pub(crate) const CONFIG_FORMAT: u32 = 1;

/// Sharing with other sites.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Federation {
    /// Whether the site talks to peers at all; bundles by file work either way.
    pub enabled: bool,
    /// The site's own name.
    pub site_id: Option<SiteSlug>,
    /// zstd level of stored bodies and of the site's own deltas, 1 to 19.
    pub compression_level: i32,
    /// Most claims in one of the site's own deltas, 1 to 1,024.
    pub max_items: usize,
    /// Whether a bundle's seal must verify. Deltas are always verified.
    pub require_signature: bool,
    /// How long a head of this site proves that it is current, in seconds.
    pub head_validity_seconds: u64,
    /// Import of bundles.
    pub import: Import,
}

impl Default for Federation {
    fn default() -> Self {
        Self {
            enabled: true,
            site_id: None,
            compression_level: 3,
            max_items: 1024,
            require_signature: true,
            head_validity_seconds: 24 * 60 * 60,
            import: Import::default(),
        }
    }
}

/// Import of bundles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Import {
    /// Listed sites whose bundles are taken; `*` stands for every listed site, an empty list for none.
    pub allowed_sites: Vec<String>,
    /// Largest bundle that is taken.
    pub max_bundle_size: ByteSize,
    /// Whether the seal of a bundle that says it is from an allowed site may fail to verify.
    pub skip_signature_on_trusted_sites: bool,
}

impl Default for Import {
    fn default() -> Self {
        Self {
            allowed_sites: vec!["*".to_owned()],
            max_bundle_size: ByteSize(100_000_000),
            skip_signature_on_trusted_sites: false,
        }
    }
}

/// Least and most bytes on the way over one connection: some packets, and what no line needs.
const MIN_RECEIVE_WINDOW: ByteSize = ByteSize(16 << 10);
const MAX_RECEIVE_WINDOW: ByteSize = ByteSize(64 << 20);

/// Listening for and dialling peers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Multiaddresses to listen on.
    pub listen: Vec<String>,
    /// Multiaddresses that others should dial, where they are other than those listened on.
    pub external: Vec<String>,
    /// Most bytes that peers may have on the way to this site over one connection.
    pub receive_window: ByteSize,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            listen: vec!["/ip4/0.0.0.0/udp/7946/quic-v1".to_owned()],
            external: Vec::new(),
            receive_window: ByteSize(128 << 10),
        }
    }
}

/// The local API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Loopback address for CI, such as `127.0.0.1:7948`; none when absent. The Unix socket is always there.
    pub listen: Option<String>,
    /// File with the bearer token that lets TCP callers make admin calls; none are let when absent.
    pub token_file: Option<PathBuf>,
}

/// The embedded store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `sled` or `redb`. `starling store convert` changes the engine of a store that exists.
    pub engine: String,
    /// Memory for cached pages.
    pub cache: ByteSize,
    /// How long what was replaced is kept, so that it can be told what was known then: a span such as `30d`.
    pub retention: String,
    /// Most bytes that this may take; the oldest goes first.
    pub retention_bytes: ByteSize,
    /// How often the daemon reads every frame of log and packs to find damage: a span such as `1d`; `0` for never.
    pub check_interval: String,
    /// How many bytes of them it reads in a second, at most.
    pub check_rate: ByteSize,
    /// Most bytes, packed, that documents of feeds may take as they were fetched; `0` keeps none.
    pub raw_bytes: ByteSize,
}

/// Least rate of a check: even a store of a gigabyte is read in less than a day.
const MIN_CHECK_RATE: ByteSize = ByteSize(16 << 10);

impl Default for Store {
    fn default() -> Self {
        Self {
            engine: "sled".to_owned(),
            cache: ByteSize(32 << 20),
            retention: "30d".to_owned(),
            retention_bytes: ByteSize(512 << 20),
            check_interval: "1d".to_owned(),
            check_rate: ByteSize(8 << 20),
            raw_bytes: ByteSize(256 << 20),
        }
    }
}

impl Store {
    /// How much of the past is kept.
    pub(crate) fn retention(&self) -> starling_store::Retention {
        // Checked when it was read.
        let seconds = starling_policy::units::parse_span(&self.retention).unwrap_or(u64::MAX);
        starling_store::Retention {
            millis: seconds.saturating_mul(1_000),
            bytes: self.retention_bytes.0,
        }
    }

    /// How often the daemon reads every frame; `None` for never.
    pub(crate) fn check_interval(&self) -> Option<std::time::Duration> {
        // Checked when it was read.
        let seconds = check_interval_seconds(&self.check_interval).unwrap_or(0);
        (seconds > 0).then(|| std::time::Duration::from_secs(seconds))
    }
}

/// Reads a span of time that may be `0`, in seconds.
fn check_interval_seconds(text: &str) -> Result<u64, starling_policy::units::UnitError> {
    if text.trim() == "0" {
        return Ok(0);
    }
    starling_policy::units::parse_span(text)
}

/// How claims of several authors fold into one view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct View {
    /// What settles a disagreement between authors.
    pub conflict_strategy: ConflictStrategy,
    /// Listed sites from most to least believed.
    pub site_order: Vec<SiteSlug>,
    /// Sources from most to least believed.
    pub source_order: Vec<Source>,
    /// Whose statements about a package are judged.
    pub ranges: Ranges,
    /// Ecosystems over which a source has authority, in place of its default ones: `debian = ["Debian:*"]`.
    pub authority: BTreeMap<Source, Vec<String>>,
}

impl Default for View {
    /// The newest statement counts: a rule that says the same at every site, so that equal knowledge gives
    /// equal verdicts. `prefer_remote` and `prefer_local` are for sites that mean to differ.
    fn default() -> Self {
        Self {
            conflict_strategy: ConflictStrategy::PreferNewest,
            site_order: Vec::new(),
            source_order: Vec::new(),
            ranges: Ranges::default(),
            authority: BTreeMap::new(),
        }
    }
}

/// Scans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scan {
    /// Severity from which a scan fails where the caller names none: `low`, `medium`, `high`, `critical`.
    pub fail_on: Option<String>,
    /// Least share of an SBOM's packages that must be judged, in percent; below it a scan ends with exit code 5. If nobody
    /// says, at least one package must be.
    pub min_coverage_percent: Option<u8>,
    /// Oldest that a source's last check may be, in hours; past it, or where a source was never checked, a scan ends with
    /// exit code 4.
    pub max_age_hours: Option<u64>,
    /// How long a source may be silent where no greatest age is demanded: a span such as `7d`.
    pub rhythm: String,
    /// Sources with a rhythm of their own.
    pub rhythms: BTreeMap<Source, String>,
    /// Whether a scan ends with exit code 4 if a source that it rests on is silent for longer, or the head of a site has
    /// expired; else it warns.
    pub require_fresh: bool,
    /// The site's policy file, absolute or in the site's folder; flags and the keys above fill what it leaves open.
    pub policy_file: Option<PathBuf>,
    /// The site's Rego policy, absolute or in the site's folder; it decides beside the policy file.
    pub rego_file: Option<PathBuf>,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            fail_on: None,
            min_coverage_percent: None,
            max_age_hours: None,
            rhythm: "7d".to_owned(),
            rhythms: BTreeMap::new(),
            require_fresh: false,
            policy_file: None,
            rego_file: None,
        }
    }
}

/// Homes that were put back from a backup, or copied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restore {
    /// Whether a home looks if it was copied.
    pub detect: bool,
    /// The file that tells machines apart.
    pub machine_id_file: PathBuf,
    /// How long a restored site waits for listed sites that it has not heard, once it heard one, in seconds.
    pub patience_seconds: u64,
}

impl Default for Restore {
    fn default() -> Self {
        Self {
            detect: true,
            machine_id_file: PathBuf::from("/etc/machine-id"),
            patience_seconds: 30,
        }
    }
}

/// Longest pattern of an ecosystem, in bytes, and most of them for one source.
const MAX_PATTERN: usize = 256;

/// Logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `text` or `json`.
    pub format: String,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// Levels of single modules, such as `starling_sync = "debug"`.
    pub modules: BTreeMap<String, String>,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: "text".to_owned(),
            level: "info".to_owned(),
            modules: BTreeMap::new(),
        }
    }
}

/// Settings that lie over the file: flags.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Dotted keys with their values as TOML, or as plain text where a text is wanted.
    pub settings: Vec<(String, String)>,
}

impl Config {
    /// Reads a file, then lays environment variables and flags over it.
    ///
    /// A file that is missing, empty or cut off is refused: without it a site would judge by no policy, and say nothing
    /// of that. `environment` is what `std::env::vars` gives.
    ///
    /// # Errors
    /// [`ConfigError`] with the line of a wrong key or value.
    pub fn load(
        path: &Path,
        environment: impl Iterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, ConfigError> {
        let text = match small_file::read_text(path, small_file::MAX_CONFIG_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ConfigError::File {
                    path: path.to_owned(),
                    problem: format!("it is missing, and {PUT_BACK}"),
                });
            }
            Err(source) => {
                return Err(ConfigError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let file_error = |problem: String| ConfigError::File {
            path: path.to_owned(),
            problem,
        };
        // Read as a whole first: only this way does an error carry its line.
        let read: Self = toml::from_str(&text).map_err(|error| file_error(error.to_string()))?;
        read.check().map_err(|(key, problem)| {
            let line = place::line_of(&text, key).map_or_else(String::new, |line| format!("line {line}: "));
            file_error(format!("{line}{key}: {problem}"))
        })?;
        feeds::check(&read.feeds).map_err(|fault| file_error(feed_problem(&text, &read.feeds, &fault)))?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|error| file_error(error.to_string()))?;
        check_whole(&table).map_err(&file_error)?;
        let mut settings = environment_settings(environment)?;
        let flags = overrides.settings.iter();
        settings
            .extend(flags.map(|(key, value)| (key.clone(), value.clone(), "the command line".to_owned())));
        for (key, value, origin) in settings {
            let refuse = |problem: String| ConfigError::Setting {
                key: key.clone(),
                origin: origin.clone(),
                problem,
            };
            if !KEYS.iter().any(|known| known.name == key) && !key.starts_with("log.modules.") {
                return Err(refuse(
                    "there is no such key; `docs/operations/configuration.md` lists them all".to_owned(),
                ));
            }
            overlay(&mut table, &key, &value, &refuse)?;
            let merged: Self = table
                .clone()
                .try_into()
                .map_err(|error: toml::de::Error| refuse(error.to_string()))?;
            merged.check().map_err(|(_, problem)| refuse(problem))?;
        }
        table
            .try_into()
            .map_err(|error: toml::de::Error| file_error(error.to_string()))
    }

    /// Bounds that types alone do not keep. Gives the key and what is wrong with it.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let federation = &self.federation;
        if !(1..=19).contains(&federation.compression_level) {
            return Err((
                "federation.compression_level",
                format!("from 1 to 19 is possible, found {}", federation.compression_level),
            ));
        }
        let most = starling_protocol::limits::MAX_DELTA_CLAIMS;
        if !(1..=most).contains(&federation.max_items) {
            return Err((
                "federation.max_items",
                format!("from 1 to {most} is possible, found {}", federation.max_items),
            ));
        }
        if federation.head_validity_seconds < 60 {
            return Err((
                "federation.head_validity_seconds",
                format!(
                    "at least 60 is needed, found {}",
                    federation.head_validity_seconds
                ),
            ));
        }
        let network = &self.network;
        for (key, addresses) in [
            ("network.listen", &network.listen),
            ("network.external", &network.external),
        ] {
            for address in addresses {
                if let Err(error) = address.parse::<libp2p::Multiaddr>() {
                    return Err((key, format!("{address:?} is no multiaddress: {error}")));
                }
            }
        }
        let window = self.network.receive_window;
        if !(MIN_RECEIVE_WINDOW..=MAX_RECEIVE_WINDOW).contains(&window) {
            return Err((
                "network.receive_window",
                format!("{MIN_RECEIVE_WINDOW} to {MAX_RECEIVE_WINDOW} is possible, found {window}"),
            ));
        }
        if let Some(listen) = &self.api.listen {
            match listen.parse::<std::net::SocketAddr>() {
                Ok(address) if address.ip().is_loopback() => {}
                Ok(address) => {
                    return Err((
                        "api.listen",
                        format!(
                            "{address} is not a loopback address; put a reverse proxy in front to go further"
                        ),
                    ));
                }
                Err(error) => {
                    return Err((
                        "api.listen",
                        format!("{listen:?} is no address and port: {error}"),
                    ));
                }
            }
        }
        if !matches!(self.store.engine.as_str(), "sled" | "redb") {
            return Err((
                "store.engine",
                format!("`sled` or `redb` is possible, found {:?}", self.store.engine),
            ));
        }
        if let Err(error) = starling_policy::units::parse_span(&self.store.retention) {
            return Err(("store.retention", error.to_string()));
        }
        if let Err(error) = check_interval_seconds(&self.store.check_interval) {
            return Err(("store.check_interval", format!("{error}, or 0 for never")));
        }
        if self.store.check_rate < MIN_CHECK_RATE {
            return Err((
                "store.check_rate",
                format!("must be at least {MIN_CHECK_RATE}, got {}", self.store.check_rate),
            ));
        }
        if let Some(level) = &self.scan.fail_on
            && !starling_policy::FailOn::ALL
                .iter()
                .any(|known| known.as_str() == level)
        {
            return Err((
                "scan.fail_on",
                format!("`any`, `low`, `medium`, `high` or `critical` is possible, found {level:?}"),
            ));
        }
        if let Some(percent) = self.scan.min_coverage_percent.filter(|percent| *percent > 100) {
            return Err((
                "scan.min_coverage_percent",
                format!("up to 100 is possible, found {percent}"),
            ));
        }
        for rhythm in self.scan.rhythms.values() {
            if let Err(error) = starling_policy::units::parse_span(rhythm) {
                return Err(("scan.rhythms", error.to_string()));
            }
        }
        if let Err(error) = starling_policy::units::parse_span(&self.scan.rhythm) {
            return Err(("scan.rhythm", error.to_string()));
        }
        for patterns in self.view.authority.values() {
            let is_bad = |pattern: &String| pattern.trim().is_empty() || pattern.len() > MAX_PATTERN;
            if patterns.len() > MAX_PATTERN || patterns.iter().any(is_bad) {
                let what = format!(
                    "an ecosystem such as \"Debian:*\" has 1 to {MAX_PATTERN} bytes, and a source at most {MAX_PATTERN} of them"
                );
                return Err(("view.authority", what));
            }
        }
        if !matches!(self.log.format.as_str(), "text" | "json") {
            return Err((
                "log.format",
                format!("`text` or `json` is possible, found {:?}", self.log.format),
            ));
        }
        for level in self.log.modules.values().chain([&self.log.level]) {
            if level.parse::<tracing::Level>().is_err() {
                return Err((
                    "log.level",
                    format!("`error`, `warn`, `info`, `debug` or `trace` is possible, found {level:?}"),
                ));
            }
        }
        Ok(())
    }
}

/// The variable that somebody may try to set feeds by.
const FEEDS_VARIABLE: &str = "STARLING_FEEDS";

/// Says which feed of a file is wrong, with its line.
fn feed_problem(text: &str, feeds: &[FeedEntry], fault: &feeds::FeedFault) -> String {
    let line = feed_edit::line_of(text, fault.index, fault.key)
        .map_or_else(String::new, |line| format!("line {line}: "));
    let name = feeds
        .get(fault.index)
        .map_or_else(String::new, |feed| format!("{}: ", feed.name));
    let key = fault.key.map_or_else(String::new, |key| format!("{key}: "));
    format!("{line}feeds: {name}{key}{}", fault.problem)
}

/// A key with its value, and where that was said.
type Setting = (String, String, String);

/// Finds the keys that variables set.
fn environment_settings(
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Vec<Setting>, ConfigError> {
    let mut settings = Vec::new();
    let known: BTreeMap<String, &Key> = KEYS.iter().map(|key| (key.variable(), key)).collect();
    for (variable, value) in environment {
        if variable == FEEDS_VARIABLE {
            return Err(ConfigError::Setting {
                key: "feeds".to_owned(),
                origin: format!("the environment variable {variable}"),
                problem:
                    "a list of feeds cannot be given by a variable: write [[feeds]] in starling.toml, or use \
                          `starling feeds add`"
                        .to_owned(),
            });
        }
        if let Some(meant) = place::misspelt(&variable) {
            return Err(ConfigError::Setting {
                key: meant.name.to_owned(),
                origin: format!("the environment variable {variable}"),
                problem: format!("there is no such variable; {} is one", meant.variable()),
            });
        }
        if let Some(key) = known.get(&variable) {
            settings.push((
                key.name.to_owned(),
                value,
                format!("the environment variable {variable}"),
            ));
        }
    }
    Ok(settings)
}

/// What to do about a file that is gone.
const PUT_BACK: &str = "without it nobody knows what this site was told to do: put it back, or write one (docs/operations/configuration.md has every key)";

/// Refuses a file that says nothing, or that lacks the end that it says it has.
fn check_whole(table: &toml::Table) -> Result<(), String> {
    if table.is_empty() {
        return Err(format!("it is empty, and {PUT_BACK}"));
    }
    match table.get("format").and_then(toml::Value::as_integer) {
        None => Ok(()),
        Some(found) if found != i64::from(CONFIG_FORMAT) => Err(format!(
            "its format is {found}, and this build reads {CONFIG_FORMAT}"
        )),
        Some(_) if table.contains_key("end") => Ok(()),
        Some(_) => Err(format!(
            "it does not end with `[end]`, so it was cut off, and {PUT_BACK}"
        )),
    }
}

/// Sets one dotted key in a table.
fn overlay(
    table: &mut toml::Table,
    key: &str,
    value: &str,
    refuse: &dyn Fn(String) -> ConfigError,
) -> Result<(), ConfigError> {
    // A value is read as TOML; what is no TOML is a text: `info` need not be written `"info"`.
    let value = match format!("value = {value}").parse::<toml::Table>() {
        Ok(mut parsed) => parsed
            .remove("value")
            .unwrap_or_else(|| toml::Value::String(value.to_owned())),
        Err(_) => toml::Value::String(value.to_owned()),
    };
    let parts: Vec<&str> = key.split('.').collect();
    let Some((last, sections)) = parts.split_last() else {
        return Ok(());
    };
    let mut section = table;
    for part in sections {
        let entry = section
            .entry((*part).to_owned())
            .or_insert_with(|| toml::Value::Table(toml::Table::new()));
        section = match entry {
            toml::Value::Table(table) => table,
            _ => return Err(refuse(format!("{part} is not a section"))),
        };
    }
    section.insert((*last).to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("starling.toml");
        std::fs::write(&path, text).unwrap();
        let own = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                .collect::<Vec<_>>()
        };
        Config::load(
            &path,
            own(environment).into_iter(),
            &Overrides { settings: own(flags) },
        )
    }

    #[test]
    fn the_defaults_are_those_that_are_documented() {
        let config = load("[log]\n", &[], &[]).unwrap();
        assert_eq!(config, Config::default());
        let table = toml::Table::try_from(&config).unwrap();
        for key in KEYS {
            let mut value = Some(&toml::Value::Table(table.clone())).cloned();
            for part in key.name.split('.') {
                value = value.and_then(|value| value.get(part).cloned());
            }
            let shown = value.map_or_else(String::new, |value| value.to_string());
            assert_eq!(shown, key.default, "default of {}", key.name);
        }
    }

    #[test]
    fn the_sample_in_deploy_holds_every_key_with_its_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/starling.toml");
        let text = std::fs::read_to_string(path).unwrap();
        let config = load(&text, &[], &[]).unwrap();
        for key in KEYS {
            let name = key.name.rsplit('.').next().unwrap();
            let shown = |line: &str| {
                line.trim_start_matches("# ").starts_with(&format!("{name} ="))
                    || line == format!("[{}]", key.name)
            };
            assert!(text.lines().any(shown), "{} is missing", key.name);
        }
        let defaults = Config::default();
        assert_eq!(
            (config.store, config.log, config.view, config.network),
            (defaults.store, defaults.log, defaults.view, defaults.network)
        );
    }

    #[test]
    fn file_that_is_empty_or_cut_off_is_refused() {
        for nothing in ["", "\n", "# [scan]\n# fail_on = \"high\"\n"] {
            let error = load(nothing, &[("STARLING_SCAN_FAIL_ON", "high")], &[]).unwrap_err();
            assert!(error.to_string().contains("it is empty"), "{error}");
        }
        let whole = "format = 1\n[scan]\nfail_on = \"high\"\n\n[log]\n[end]\n";
        assert_eq!(
            load(whole, &[], &[]).unwrap().scan.fail_on.as_deref(),
            Some("high")
        );
        for length in 0..whole.len() - 1 {
            assert!(load(&whole[..length], &[], &[]).is_err(), "cut at {length}");
        }
        let error = load("format = 2\n[end]\n", &[], &[]).unwrap_err();
        assert!(error.to_string().contains("its format is 2"), "{error}");
        let dir = tempfile::tempdir().unwrap();
        let error = Config::load(
            &dir.path().join("starling.toml"),
            std::iter::empty(),
            &Overrides::default(),
        );
        assert!(error.unwrap_err().to_string().contains("it is missing"));
    }

    #[test]
    fn a_wrong_key_is_refused_with_its_line() {
        let error = load("[federation]\nenabled = true\nmax_itmes = 5\n", &[], &[])
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 3") && error.contains("max_itmes"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_refused() {
        for text in [
            "[federation]\ncompression_level = 40\n",
            "[federation]\nmax_items = 0\n",
            "[federation.import]\nmax_bundle_size = \"many\"\n",
            "[api]\nlisten = \"0.0.0.0:80\"\n",
            "[store]\nengine = \"rocks\"\n",
            "[store]\ncheck_interval = \"daily\"\n",
            "[store]\ncheck_rate = \"1kB\"\n",
            "[log]\nlevel = \"loud\"\n",
            "[network]\nlisten = [\"localhost\"]\n",
            "[network]\nexternal = [\"localhost\"]\n",
            "[scan]\nfail_on = \"sometimes\"\n",
        ] {
            let said = load(text, &[], &[]).unwrap_err().to_string();
            let key = text.lines().nth(1).unwrap().split(' ').next().unwrap();
            assert!(said.contains("line 2") && said.contains(key), "{text}: {said}");
        }
    }

    #[test]
    fn wrong_feed_is_refused_with_its_line() {
        let entry = "[[feeds]]\nname = \"a\"\nsource = \"x\"\naddress = \"https://example.org/a\"\n";
        assert_eq!(load(entry, &[], &[]).unwrap().feeds.len(), 1);
        for (more, named) in [
            ("shedule = \"2h\"\n", ["line 5", "shedule"]),
            ("schedule = \"now\"\n", ["line 5", "schedule"]),
            (entry, ["line 6", "another feed is named a"]),
            ("complete = \"yes\"\n", ["line 5", "complete"]),
        ] {
            let error = load(&format!("{entry}{more}"), &[], &[]).unwrap_err().to_string();
            assert!(named.iter().all(|word| error.contains(word)), "{error}");
        }
        let error = load("[log]\n", &[("STARLING_FEEDS", "nvd")], &[]).unwrap_err();
        assert!(error.to_string().contains("starling feeds add"), "{error}");
    }

    #[test]
    fn check_interval_of_zero_means_never() {
        let interval = |text: &str| load(text, &[], &[]).unwrap().store.check_interval();
        let hours = |count: u64| Some(std::time::Duration::from_secs(count * 3_600));
        assert_eq!(interval("[log]\n"), hours(24));
        assert_eq!(interval("[store]\ncheck_interval = \"6h\"\n"), hours(6));
        for never in ["0", "0s", "0d"] {
            assert_eq!(
                interval(&format!("[store]\ncheck_interval = \"{never}\"\n")),
                None
            );
        }
    }

    #[test]
    fn environment_lies_over_the_file_and_flags_over_both() {
        let text = "[log]\nlevel = \"warn\"\n[federation]\nmax_items = 7\n";
        let environment = [
            ("STARLING_LOG_LEVEL", "debug"),
            ("STARLING_FEDERATION_MAX_ITEMS", "8"),
        ];
        let config = load(text, &environment, &[("log.level", "trace")]).unwrap();
        assert_eq!(
            (config.log.level.as_str(), config.federation.max_items),
            ("trace", 8)
        );
        assert!(load(text, &[("STARLING_FEDERATION_MAX_ITEMS", "none")], &[]).is_err());
        assert!(load(text, &[], &[("federation.max_itmes", "8")]).is_err());
        let misspelt = load(text, &[("STARLING_FEDERATION_MAX_ITMES", "8")], &[]).unwrap_err();
        assert!(
            misspelt.to_string().contains("STARLING_FEDERATION_MAX_ITEMS"),
            "{misspelt}"
        );
    }
}
