//! What is done with a site's folder itself: the one place where the command line meets the daemon's crate.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use starling_api::{ListenError, SiteService, Upload};
use starling_api_types::{
    BundleInfo, BundleValidation, ConvertReport, ErrorCode, InitReport, KeyList, PolicyHistory, Problem,
    PublicIdentity, RestoreReport, SiteSlug,
};
use starling_daemon::config::Overrides;
use starling_daemon::home::{Home, Reach};
use starling_daemon::{
    PolicyKind, RegoSummary, RestoreWish, RunError, home_problem, init_site_as, open_offline,
};
pub(crate) use starling_daemon::{feed_presets, generate_sbom, scan_cold, shown_explanation};
use starling_policy::{RegoSource, RegoTest};
use starling_protocol::UnixMillis;
use tokio_util::sync::CancellationToken;

use crate::healthy::Demands;

/// An engine that a site can be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The default
    Sled,
    /// For large sites
    Redb,
}

impl Engine {
    /// The engine's name in the configuration.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

/// Lets damage in a store be told as an error alone, without the trace of the library that met it.
pub(crate) fn quiet_engine_panics() {
    starling_daemon::quiet_contained_panics();
}

/// Makes a site.
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

/// Who the site is.
///
/// # Errors
/// `not_initialised`, or damage.
pub(crate) fn identity(home: &Path) -> Result<PublicIdentity, Problem> {
    Home::open(home)
        .map(|home| home.identity())
        .map_err(|error| home_problem(&error))
}

/// The keys in the folder.
///
/// # Errors
/// `not_initialised`, or damage.
pub(crate) fn list_keys(home: &Path) -> Result<KeyList, Problem> {
    Home::open(home)
        .map(|home| home.keys())
        .map_err(|error| home_problem(&error))
}

/// What the site's configuration demands of scans; `None` where it cannot be read, which `up` says.
pub(crate) fn demands(home: &Path) -> Option<Demands> {
    let config = Home::open(home).ok()?.config(&Overrides::default()).ok()?;
    let scan = config.scan;
    Some(Demands {
        policy: scan.policy_file.is_some() || scan.rego_file.is_some() || scan.fail_on.is_some(),
        fresh: scan.require_fresh || scan.max_age_hours.is_some(),
    })
}

/// Begins a new epoch with a new operating key.
///
/// # Errors
/// `not_initialised`, `store_locked` while a daemon runs, `file_access` without the root key.
pub(crate) async fn generate_key(home: &Path) -> Result<KeyList, Problem> {
    let home = home.to_owned();
    blocking("making a key", move || starling_daemon::rotate_key(&home)).await
}

/// Takes the site for restored, and lets it go on if it may.
///
/// # Errors
/// `not_initialised`, `store_locked` while a daemon runs, `site_restored` without the root key.
pub(crate) async fn restore(home: &Path, wish: RestoreWish) -> Result<RestoreReport, Problem> {
    let home = home.to_owned();
    blocking("restoring the site", move || {
        starling_daemon::restore_home(&home, wish)
    })
    .await
}

/// Opens the site's store without a daemon.
///
/// # Errors
/// `not_initialised`, `config_invalid`, `store_locked`, `store_damaged`.
pub(crate) async fn open(home: &Path) -> Result<Arc<dyn SiteService>, Problem> {
    let home = home.to_owned();
    let opened = blocking("opening the store", move || {
        open_offline(&home, &Overrides::default())
    })
    .await?;
    Ok(opened.service())
}

/// Opens the site's store without a daemon, past damage of its log, which is given up.
///
/// # Errors
/// As [`open`], but for a damaged log.
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
                        Some("is another process on that address? api.listen names another")
                    }
                    _ => None,
                };
                let code = match error {
                    ListenError::SocketInUse { .. } => ErrorCode::DaemonRunning,
                    ListenError::SocketPathTooLong { .. } | ListenError::NotASocket { .. } => {
                        ErrorCode::ConfigInvalid
                    }
                    ListenError::Io { .. } => ErrorCode::Unreachable,
                };
                let problem = Problem::new(code, format!("starting the API: {error}"));
                hint.map_or(problem.clone(), |hint| problem.hint(hint))
            }
            error @ RunError::TaskEnded { .. } => Problem::new(ErrorCode::Internal, error.to_string()),
            RunError::Network(detail) => {
                Problem::new(ErrorCode::Unreachable, format!("starting the network: {detail}"))
                    .hint("is another process on that address? --listen names others")
            }
        })
}

/// Moves the store to another engine, by a rebuild from the log.
///
/// # Errors
/// `store_locked`, `store_damaged`, `disk_full`, or it is on that engine already.
pub(crate) async fn convert_store(home: &Path, engine: Engine) -> Result<ConvertReport, Problem> {
    let home = home.to_owned();
    blocking("converting the store", move || {
        starling_daemon::convert_store(&home, engine.as_str())
    })
    .await
}

/// The versions of the site's policy that were in use.
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

/// Puts a version of the site's policy back.
///
/// # Errors
/// `bad_request` where there is no such version; else as [`policy_history`].
pub(crate) async fn rollback_policy(
    home: &Path,
    kind: PolicyKind,
    version: String,
) -> Result<PolicyHistory, Problem> {
    let home = home.to_owned();
    blocking("putting a policy back", move || {
        starling_daemon::rollback_policy(&home, kind, &version)
    })
    .await
}

/// What is wrong with a Rego policy, or what it holds.
///
/// # Errors
/// `policy_invalid`.
pub(crate) async fn check_rego(source: RegoSource, at: UnixMillis) -> Result<RegoSummary, Problem> {
    blocking("checking a policy", move || {
        starling_daemon::check_rego(&source, at)
    })
    .await
}

/// How the tests of a Rego policy end.
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

/// Shows what a bundle says of itself, without a site.
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

/// The time by this machine's clock.
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
    fn the_socket_is_looked_for_where_the_daemon_puts_it() {
        let home = Path::new("/a/home");
        assert_eq!(home::socket_path(home), home.join(crate::session::SOCKET_FILE));
    }

    #[test]
    fn a_folder_without_a_site_and_one_with_a_site_are_told_apart() {
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
