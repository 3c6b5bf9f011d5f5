//! `starling restore`: an operator declares that a home was restored, or that it continues alone.

use std::path::Path;

use starling_api_types::{ErrorCode, Problem, RestoreReport};
use starling_store::RestoreStep;

use super::{Hold, Restore};
use crate::clock::now;
use crate::config::{Config, Overrides};
use crate::home::{Home, config_problem, home_problem};
use crate::opening::OpenAs;
use crate::service::{Site, SiteParts, stop};

const ATTEMPTED: &str = "going on alone";
const TOLD: &str = "its operator says so";

/// An operator's declaration about a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreMode {
    /// It was restored from a backup, or copied: it must hear from its peers first.
    Hear,
    /// It was restored, and continues from what it holds.
    Alone,
}

/// Marks the site in `home` as restored, and lets it continue if it may. A site that signs stops signing by that, so
/// `confirm` must agree first; returns `None` if it does not. A site that is held back already, or has no store, loses
/// nothing, and is not asked about.
///
/// # Errors
/// `not_initialised`, `store_locked` while a daemon runs, `site_restored` if it should continue alone without the root
/// key; and those of `confirm`.
pub fn restore_home(
    home: &Path,
    mode: RestoreMode,
    confirm: impl FnOnce() -> Result<bool, Problem>,
) -> Result<Option<RestoreReport>, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    let site = match Site::open(home.clone(), config.clone(), None) {
        Err(problem) if problem.code == ErrorCode::StoreMissing && mode == RestoreMode::Hear => {
            make_empty_store(home, config)?
        }
        opened => opened?,
    };
    let agreed = match mode {
        RestoreMode::Hear if !site.0.would_sign() => Ok(true),
        _ => confirm(),
    };
    let restored = agreed.and_then(|agreed| {
        if !agreed {
            return Ok(None);
        }
        restored(&site.0, mode).map(Some)
    });
    stop(&site);
    restored
}

/// Marks an open site as restored.
fn restored(parts: &SiteParts, mode: RestoreMode) -> Result<RestoreReport, Problem> {
    let epoch = {
        let _one_at_a_time = parts.one_import();
        match mode {
            RestoreMode::Hear => {
                parts.take_for_restored(TOLD)?;
                parts.go_on(false)?.epoch()
            }
            RestoreMode::Alone => {
                let was_held = parts.identity.restore.is_held();
                // A site that signs must not stop signing because it cannot go on.
                if !was_held {
                    parts.ensure_can_begin_epoch(ATTEMPTED)?;
                }
                parts.take_for_restored(TOLD)?;
                let before = parts.known_chain()?.epoch();
                let went_on = parts.go_on_alone(ATTEMPTED);
                if went_on.is_err() && !was_held && parts.known_chain()?.epoch() == before {
                    parts.let_go_again(before)?;
                }
                went_on?
            }
        }
    };
    Ok(report(parts, epoch))
}

/// Lets the site in `home` continue from what it holds if it is held back and `confirm` agrees: only then something may
/// be given up. Returns `None` if `confirm` does not.
///
/// # Errors
/// As [`restore_home`], and those of `confirm`.
pub fn go_on_alone_if_held(
    home: &Path,
    confirm: impl FnOnce() -> Result<bool, Problem>,
) -> Result<Option<RestoreReport>, Problem> {
    let home = Home::open(home).map_err(|error| home_problem(&error))?;
    let config = home
        .config(&Overrides::default())
        .map_err(|error| config_problem(&error))?;
    let site = Site::open(home, config, None)?;
    let parts = &site.0;
    let agreed = if parts.identity.restore.is_held() {
        confirm()
    } else {
        Ok(true)
    };
    let went_on = agreed.and_then(|agreed| {
        let _one_at_a_time = parts.one_import();
        let epoch = if agreed {
            parts.go_on_alone(ATTEMPTED)?
        } else {
            None
        };
        Ok(agreed.then(|| report(parts, epoch)))
    });
    stop(&site);
    went_on
}

fn report(parts: &SiteParts, epoch: Option<u32>) -> RestoreReport {
    RestoreReport {
        site_id: parts.identity.home.chain().slug().into(),
        new_epoch: epoch.map(u64::from),
        restore: parts.restore_status(),
    }
}

/// Creates an empty store for a home of which only the keys were restored: its peers have the rest.
fn make_empty_store(home: Home, config: Config) -> Result<Site, Problem> {
    // Recorded before there is a log: an empty log without a hold would assign the same numbers again.
    Restore::hold_before_store(&home, &config, "its store is gone", now())?;
    Site::open_as(home, config, None, OpenAs::New)
}

impl SiteParts {
    /// Returns true if the site signs: it is not held back, and its own log is not known to continue beyond what is here.
    fn would_sign(&self) -> bool {
        let own = self.data.store.log(self.own_log()).ok().flatten();
        let is_behind = own.is_some_and(|log| log.high_water > log.tip.cursor.number);
        !is_behind && !self.identity.restore.is_held()
    }

    /// Ends a hold that this call began, if nothing was begun with it: the site signs as before.
    fn let_go_again(&self, epoch: u32) -> Result<(), Problem> {
        let home = self.identity.home.path();
        let on_disk = Home::open(home).map_err(|error| home_problem(&error))?;
        // The certificate may be on disk although the store did not take it.
        if on_disk.chain().epoch() == epoch && self.identity.restore.end(home)? {
            self.data.store.hold_back(false);
        }
        Ok(())
    }

    /// Holds the site back as if its home had been detected as restored.
    pub(crate) fn take_for_restored(&self, why: &str) -> Result<(), Problem> {
        let log = self.data.store.log(self.own_log());
        let log = log.map_err(|error| crate::service::store_problem("reading the site's own log", &error))?;
        let held = log.map_or(0, |log| log.tip.cursor.number.0);
        let epoch = self.identity.home.chain().epoch();
        let is_new = self.identity.restore.change(self.identity.home.path(), |hold| {
            let is_new = hold.is_none();
            hold.get_or_insert_with(|| Hold::new(now(), why, epoch).holding(held));
            is_new
        })?;
        self.data.store.hold_back(true);
        if is_new {
            self.tell_restored(RestoreStep::HeldBack, why);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hold was written first, and the site signed nothing any more.
    #[test]
    fn going_on_alone_without_the_root_key_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("a");
        crate::init::init_site(&home, &"site-a".parse().unwrap(), "redb").unwrap();
        let root = home.join("keys").join("root.key");
        let key = std::fs::read(&root).unwrap();
        let place = || std::fs::read(home.join("log").join("place")).unwrap();
        let alone = || restore_home(&home, RestoreMode::Alone, || Ok(true));
        // The first opening may note the place.
        go_on_alone_if_held(&home, || panic!("nothing is held")).unwrap();
        let before = place();
        std::fs::remove_file(&root).unwrap();
        assert_eq!(alone().unwrap_err().code, ErrorCode::SiteRestored);
        std::fs::write(&root, "another key").unwrap();
        assert!(alone().is_err());
        assert_eq!(place(), before);
        let signs = go_on_alone_if_held(&home, || panic!("nothing is held")).unwrap();
        assert!(signs.is_some_and(|report| report.restore.is_none()));
        std::fs::write(&root, key).unwrap();
        assert_eq!(alone().unwrap().unwrap().new_epoch, Some(1));
    }

    #[test]
    fn going_on_alone_asks_only_where_something_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("a");
        crate::init::init_site(&home, &"site-a".parse().unwrap(), "redb").unwrap();
        let unasked = go_on_alone_if_held(&home, || panic!("nothing is held")).unwrap();
        assert_eq!(unasked.unwrap().new_epoch, None);
        // It signs, and would stop: nothing happens without consent.
        assert!(
            restore_home(&home, RestoreMode::Hear, || Ok(false))
                .unwrap()
                .is_none()
        );
        let unasked = go_on_alone_if_held(&home, || panic!("nothing is held")).unwrap();
        assert!(unasked.is_some_and(|report| report.restore.is_none()));
        let waiting = restore_home(&home, RestoreMode::Hear, || Ok(true))
            .unwrap()
            .unwrap();
        // It is held back already: that is shown without a question.
        let again = restore_home(&home, RestoreMode::Hear, || panic!("already held")).unwrap();
        assert!(again.is_some_and(|report| report.restore.is_some()));
        assert!(waiting.restore.is_some());
        assert!(go_on_alone_if_held(&home, || Ok(false)).unwrap().is_none());
        let went_on = go_on_alone_if_held(&home, || Ok(true)).unwrap().unwrap();
        assert_eq!((went_on.new_epoch, went_on.restore), (Some(1), None));
        assert!(
            go_on_alone_if_held(&home, || panic!("nothing is held any more"))
                .unwrap()
                .is_some()
        );
    }
}
