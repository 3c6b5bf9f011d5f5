//! Works on a site's folder directly: the only place where the command line uses the daemon's crate.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use starling_api::{ListenError, SiteService, Upload};
use starling_api_types::{
    BundleInfo, BundleValidation, ConvertReport, ErrorCode, InitReport, KeyList, PolicyHistory, Problem,
    PublicIdentity, RestoreReport, SiteSlug,
};
pub(crate) use starling_daemon::config::SettingVariable;
use starling_daemon::config::{Config, Overrides};
use starling_daemon::home::{Home, HomeError, Reach};
pub(crate) use starling_daemon::{
    CONFIG_CHECK, POLICY_CHECK, SECRETS_CHECK, feed_presets, generate_sbom, invalid_policy,
    is_about_what_is_lost, is_ecosystem, may_be_repaired, nearest_ecosystem, scan_without_store,
    shown_explanation,
};
use starling_daemon::{
    OpeningWatcher, PolicyKind, RegoSummary, RestoreMode, RunError, home_problem, init_site_as,
    open_offline_watched,
};
use starling_policy::{RegoSource, RegoTest};
use starling_protocol::UnixMillis;
use tokio_util::sync::CancellationToken;

use crate::healthy::Demands;

/// The engines that a store can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The default
    Sled,
    /// For large sites
    Redb,
}

impl Engine {
    /// Returns the engine's name in the configuration.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

/// Hides the panic traces of storage libraries, so that store damage is reported as an error only.
pub(crate) fn quiet_engine_panics() {
    starling_daemon::quiet_contained_panics();
}

/// Creates a site.
///
/// # Errors
/// `already_initialised`, `file_access`, `disk_full`.
pub(crate) fn init(
    home: &Path,
    site_id: &SiteSlug,
    engine: Engine,
    air_gapped: bool,
) -> Result<InitReport, Problem> {
    let reach = if air_gapped {
        Reach::AirGapped
    } else {
        Reach::Network
    };
    let slug = site_id
        .try_into()
        .map_err(|error| Problem::internal("reading the site's name", error))?;
    let made = init_site_as(home, &slug, engine.as_str(), reach)?;
    Ok(made.report(engine.as_str()))
}

/// Returns the site's identity.
///
/// # Errors
/// `not_initialised`, or a damage error.
pub(crate) fn identity(home: &Path) -> Result<PublicIdentity, Problem> {
    Home::open(home)
        .map(|home| home.identity())
        .map_err(|error| home_problem(&error))
}

/// Returns the keys in the folder.
///
/// # Errors
/// `not_initialised`, or a damage error.
pub(crate) fn list_keys(home: &Path) -> Result<KeyList, Problem> {
    Home::open(home)
        .map(|home| home.keys())
        .map_err(|error| home_problem(&error))
}

/// Returns the scan requirements of the site's configuration; `None` if it is unreadable, which `up` reports.
pub(crate) fn demands(home: &Path) -> Option<Demands<'static>> {
    let config = Home::open(home).ok()?.config(&Overrides::default()).ok()?;
    let air_gapped = config.is_air_gapped();
    let scan = config.scan;
    Some(Demands {
        air_gapped,
        policy: scan.policy_file.is_some() || scan.rego_file.is_some() || scan.fail_on.is_some(),
        fresh: scan.require_fresh || scan.max_age_hours.is_some(),
        any_part: scan.partial_sources.iter().any(|source| source == "*"),
        ..Demands::default()
    })
}

/// Returns the environment variables that set keys of the configuration.
///
/// # Errors
/// `config_invalid` if one is misspelt or has a wrong value.
pub(crate) fn setting_variables() -> Result<Vec<SettingVariable>, Problem> {
    Config::variables(std::env::vars_os().filter_map(|(name, value)| {
        // A value that is not text sets no key.
        Some((name.into_string().ok()?, value.into_string().ok()?))
    }))
    .map_err(|error| home_problem(&HomeError::Config(error)))
}

/// Starts a new epoch with a new operating key.
///
/// # Errors
/// `not_initialised`, `store_locked` while a daemon runs, `file_access` without the root key.
pub(crate) async fn generate_key(home: &Path) -> Result<KeyList, Problem> {
    let home = home.to_owned();
    blocking("creating a key", move || starling_daemon::rotate_key(&home)).await
}

/// Marks the site as restored, and continues its log if that is allowed. Returns `None` if `confirm` does not agree.
///
/// # Errors
/// `not_initialised`, `store_locked` while a daemon runs, `site_restored` without the root key; and those of `confirm`.
pub(crate) async fn restore(
    home: &Path,
    mode: RestoreMode,
    confirm: impl FnOnce() -> Result<bool, Problem> + Send + 'static,
) -> Result<Option<RestoreReport>, Problem> {
    let home = home.to_owned();
    blocking("restoring the site", move || {
        starling_daemon::restore_home(&home, mode, confirm)
    })
    .await
}

/// Lets a held site continue from what it holds, if `confirm` agrees. A site that is not held is left as it is, and nobody
/// is asked. Returns false if `confirm` does not agree.
///
/// # Errors
/// As [`restore`], and those of `confirm`.
pub(crate) async fn go_on_alone(
    home: &Path,
    confirm: impl FnOnce() -> Result<bool, Problem> + Send + 'static,
) -> Result<bool, Problem> {
    let home = home.to_owned();
    blocking("continuing alone", move || {
        starling_daemon::go_on_alone_if_held(&home, confirm).map(|report| report.is_some())
    })
    .await
}

/// Opens the site's store without a daemon.
///
/// # Errors
/// `not_initialised`, `config_invalid`, `store_locked`, `store_damaged`.
pub(crate) async fn open(home: &Path, watcher: OpeningWatcher) -> Result<Arc<dyn SiteService>, Problem> {
    let home = home.to_owned();
    let opened = blocking("opening the store", move || {
        open_offline_watched(&home, &Overrides::default(), watcher)
    })
    .await?;
    Ok(opened.service())
}

/// Opens the site's store without a daemon, and skips damaged parts of its log.
///
/// # Errors
/// As [`open`], except for a damaged log.
pub(crate) async fn open_to_repair(home: &Path) -> Result<Arc<dyn SiteService>, Problem> {
    let home = home.to_owned();
    let opened = blocking("opening the store", move || {
        starling_daemon::open_to_repair(&home, &Overrides::default())
    })
    .await?;
    Ok(opened.service())
}

/// Runs the daemon until SIGTERM or SIGINT.
///
/// # Errors
/// `not_initialised`, `config_invalid`, `store_locked`, `store_damaged`, or a listener that cannot be opened.
pub(crate) async fn up(home: &Path, settings: Vec<(String, String)>) -> Result<(), Problem> {
    let overrides = Overrides { settings };
    starling_daemon::run(home, &overrides, CancellationToken::new())
        .await
        .map_err(|error| match error {
            RunError::Site(problem) => problem,
            RunError::Api(error) => {
                let hint = match error {
                    ListenError::Io { .. } => {
                        Some("check if another process uses that address, or set api.listen to another one")
                    }
                    _ => None,
                };
                let code = match error {
                    ListenError::SocketInUse { .. } => ErrorCode::DaemonRunning,
                    ListenError::SocketPathTooLong { .. } | ListenError::NotASocket { .. } => {
                        ErrorCode::ConfigInvalid
                    }
                    ListenError::Io { .. } => ErrorCode::AddressUnavailable,
                };
                let problem = Problem::new(code, format!("starting the API: {error}"));
                hint.map_or(problem.clone(), |hint| problem.hint(hint))
            }
            error @ RunError::TaskEnded { .. } => Problem::new(ErrorCode::Internal, error.to_string()),
            RunError::Network(detail) => Problem::new(
                ErrorCode::AddressUnavailable,
                format!("starting the network: {detail}"),
            )
            .hint("check if another process uses that address, or give others with --listen"),
        })
}

/// Moves the store to another engine by replaying the log.
///
/// # Errors
/// `store_locked`, `store_damaged`, `disk_full`, or the store already has that engine.
pub(crate) async fn convert_store(
    home: &Path,
    engine: Engine,
    watcher: OpeningWatcher,
) -> Result<ConvertReport, Problem> {
    let home = home.to_owned();
    blocking("converting the store", move || {
        starling_daemon::convert_store(&home, engine.as_str(), watcher)
    })
    .await
}

/// Returns the versions of the site's policy that were in use.
///
/// # Errors
/// `not_initialised`, `config_invalid`, `policy_invalid`, `file_access`.
pub(crate) async fn policy_history(home: &Path, kind: PolicyKind) -> Result<PolicyHistory, Problem> {
    let home = home.to_owned();
    blocking("reading the policy's history", move || {
        starling_daemon::policy_history(&home, kind)
    })
    .await
}

/// Restores a version of the site's policy.
///
/// # Errors
/// `bad_request` if there is no such version; else as [`policy_history`].
pub(crate) async fn rollback_policy(
    home: &Path,
    kind: PolicyKind,
    version: String,
) -> Result<PolicyHistory, Problem> {
    let home = home.to_owned();
    blocking("restoring a policy", move || {
        starling_daemon::rollback_policy(&home, kind, &version)
    })
    .await
}

/// Checks a Rego policy and returns its summary.
///
/// # Errors
/// `policy_invalid`.
pub(crate) async fn check_rego(source: RegoSource, at: UnixMillis) -> Result<RegoSummary, Problem> {
    blocking("checking a policy", move || {
        starling_daemon::check_rego(&source, at)
    })
    .await
}

/// Runs the tests of a Rego policy and returns their results.
///
/// # Errors
/// `policy_invalid`.
pub(crate) async fn test_rego(source: RegoSource, at: UnixMillis) -> Result<Vec<RegoTest>, Problem> {
    blocking("testing a policy", move || {
        starling_daemon::test_rego(&source, at)
    })
    .await
}

/// Checks a bundle without a site.
///
/// # Errors
/// `file_access`, `disk_full`.
pub(crate) async fn validate_bundle(bundle: Upload) -> Result<BundleValidation, Problem> {
    let (file, _) = spooled(bundle).await?;
    blocking("checking a bundle", move || {
        starling_daemon::validate_bundle_alone(file)
    })
    .await
}

/// Shows a bundle's own information, without a site.
///
/// # Errors
/// `bundle_malformed`, `file_access`, `disk_full`.
pub(crate) async fn inspect_bundle(bundle: Upload) -> Result<BundleInfo, Problem> {
    let (file, _) = spooled(bundle).await?;
    blocking("reading a bundle", move || {
        starling_daemon::inspect_bundle_alone(file)
    })
    .await
}

async fn spooled(bundle: Upload) -> Result<(std::fs::File, u64), Problem> {
    bundle
        .into_file(&std::env::temp_dir(), u64::MAX, ErrorCode::BundleTooLarge)
        .await
}

/// Returns the time by this machine's clock.
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis::saturating(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Runs work on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(
    attempted: &'static str,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| Err(Problem::internal(attempted, panic)))
}

#[cfg(test)]
mod tests {
    use starling_daemon::home;

    use super::*;

    #[test]
    fn client_and_daemon_use_the_same_socket_path() {
        let home = Path::new("/a/home");
        assert_eq!(home::socket_path(home), home.join(crate::session::SOCKET_FILE));
    }

    #[test]
    fn folders_with_and_without_site_are_distinguished() {
        let folder = tempfile::tempdir().unwrap();
        let name = SiteSlug::new("site-a").unwrap();
        assert_eq!(
            identity(folder.path()).unwrap_err().code,
            ErrorCode::NotInitialised
        );
        let made = init(folder.path(), &name, Engine::Redb, false).unwrap();
        assert_eq!(
            init(folder.path(), &name, Engine::Redb, false).unwrap_err().code,
            ErrorCode::AlreadyInitialised
        );
        assert_eq!(identity(folder.path()).unwrap(), made.identity);
        assert_eq!(list_keys(folder.path()).unwrap().keys.len(), 2);
    }
}
