//! The health of each part of a site: `/health` and `status` report store, sync, feeds, index and scheduler separately.

mod sources;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use starling_api_types::{HealthPart, PartState, SitePart, wording};
use starling_protocol::UnixMillis;

use super::SiteParts;
use super::doctor::count;

/// Most sites or sources listed in a detail.
const NAMED: usize = 3;

/// The last results of the daemon's recurring work, by name.
#[derive(Debug, Default)]
pub(crate) struct Duties(Mutex<BTreeMap<&'static str, Duty>>);

/// The last result of one kind of work.
#[derive(Debug)]
struct Duty {
    at: UnixMillis,
    failed: Option<String>,
}

impl Duties {
    /// Records a result: the reason, if it failed.
    pub(crate) fn note(&self, what: &'static str, at: UnixMillis, failed: Option<String>) {
        let mut duties = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        duties.insert(what, Duty { at, failed });
    }

    /// Returns the work that failed the last time.
    fn failed(&self) -> Vec<String> {
        let duties = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = duties.iter().filter_map(|(what, duty)| {
            let why = duty.failed.as_ref()?;
            Some(format!("{what} failed at {}: {why}", duty.at))
        });
        failed.collect()
    }

    /// Returns why a kind of work failed the last time.
    fn failed_at(&self, what: &str) -> Option<String> {
        let duties = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        duties.get(what)?.failed.clone()
    }
}

/// The name of building the match index.
pub(crate) const MAKING_THE_INDEX: &str = "building the match index";

impl SiteParts {
    /// Returns the health of each part, from published data: nothing here waits for a writer.
    pub(super) fn parts(&self) -> Vec<HealthPart> {
        let is_daemon = self.live.started.is_some();
        let mut parts = vec![part(SitePart::Store, self.store_part())];
        if is_daemon {
            parts.push(part(SitePart::Sync, self.sync_part()));
        }
        parts.push(part(SitePart::Feeds, self.feeds_part()));
        parts.push(part(SitePart::Index, self.index_part()));
        if is_daemon {
            parts.push(part(SitePart::Scheduler, self.scheduler_part()));
        }
        if let Some(matter) = self.configuration_matters() {
            parts.push(part(SitePart::Configuration, (PartState::Attention, matter)));
        }
        parts
    }

    fn store_part(&self) -> (PartState, String) {
        if self.data.store.is_read_only() {
            let detail =
                "read only: the disk was full at the start; free some space, then the store opens by itself";
            return (PartState::Attention, detail.to_owned());
        }
        if let Some(restore) = self.restore_status() {
            let mut detail = format!("does not sign: {}; {}", restore.reason, restore.waits_for);
            if let Some(lost) = self.others_lost() {
                detail = format!("{detail}; {lost}");
            }
            return (PartState::Attention, detail);
        }
        if let Some(lost) = self.others_lost() {
            return (PartState::Attention, lost);
        }
        match self.last_check() {
            Some(check) if check.wrong > 0 => {
                let places = counted(
                    usize::try_from(check.wrong).unwrap_or(usize::MAX),
                    "place is",
                    "places are",
                );
                let detail = format!(
                    "{places} damaged or missing ({}); `starling doctor` lists all",
                    named(&check.damaged)
                );
                (PartState::Attention, detail)
            }
            checked => {
                let known = checked.map_or_else(
                    || {
                        "open, its packs are in their places; not checked completely since the start"
                            .to_owned()
                    },
                    |check| format!("sound at the last complete check at {}", check.at),
                );
                self.store_without_damage(known)
            }
        }
    }

    /// Returns the state of a store without known damage: record bodies may be missing.
    fn store_without_damage(&self, known: String) -> (PartState, String) {
        let missing = match self.missing() {
            Ok(missing) => count(&missing),
            Err(error) => return (PartState::Attention, crate::home::error_chain(&error)),
        };
        if missing == 0 {
            return (PartState::Ok, known);
        }
        let are = if missing == 1 {
            "record body is"
        } else {
            "record bodies are"
        };
        let lacks = format!("{missing} {are} missing here");
        if self.live.peer_status.bodies_arrive() {
            return (PartState::Working, format!("{lacks}, and arriving; {known}"));
        }
        let detail = format!("{lacks}: a peer or a bundle brings them; {known}");
        (PartState::Attention, detail)
    }

    fn sync_part(&self) -> (PartState, String) {
        if !self.identity.config.federation.enabled {
            return (PartState::Off, "federation is disabled".to_owned());
        }
        let listed = match self.data.store.listed_sites() {
            Ok(listed) => listed,
            Err(error) => return (PartState::Attention, crate::home::error_chain(&error)),
        };
        // A site without an address dials by itself, if it is not reached by file.
        let expected: Vec<_> = listed
            .iter()
            .filter(|site| site.enabled && !self.is_by_file(site))
            .collect();
        let connected = listed
            .iter()
            .filter(|site| self.live.peer_status.peer(&site.site).connected)
            .count();
        let away: Vec<(String, String)> = expected
            .iter()
            .filter_map(|site| {
                let peer = self.live.peer_status.peer(&site.site);
                let last = peer.last_seen_at.map_or_else(
                    || "not connected since the start".to_owned(),
                    |at| format!("not connected since {at}"),
                );
                let why = peer
                    .last_error
                    .map(|error| format!(", {error}"))
                    .unwrap_or_default();
                (!peer.connected).then(|| (site.slug.to_string(), format!("{}: {last}{why}", site.slug)))
            })
            .collect();
        if away.is_empty() {
            let detail = match listed.len() {
                0 => "no site is listed".to_owned(),
                _ => format!(
                    "{} connected; no site that is reached by network is away",
                    counted(connected, "site is", "sites are")
                ),
            };
            return (PartState::Ok, detail);
        }
        let detail = format!(
            "away: {} of {}: {}",
            away.len(),
            counted(
                expected.len(),
                "site that is reached by network",
                "sites that are reached by network"
            ),
            named(&wording::grouped("", &away))
        );
        (PartState::Attention, detail)
    }

    fn index_part(&self) -> (PartState, String) {
        let stamp = self
            .data
            .store
            .view()
            .map(|view| crate::match_index::stamp_of(&view));
        match stamp {
            Ok(stamp) if self.live.indexes.find(&stamp).is_some() => (PartState::Ok, "current".to_owned()),
            Ok(_) => match self.live.duties.failed_at(MAKING_THE_INDEX) {
                Some(error) => (
                    PartState::Attention,
                    format!("{error}; scans read the view, which is slower"),
                ),
                None => no_current_index(self.live.started.is_some()),
            },
            Err(error) => (PartState::Attention, crate::home::error_chain(&error)),
        }
    }

    fn scheduler_part(&self) -> (PartState, String) {
        let failed = self.live.duties.failed();
        if failed.is_empty() {
            return (PartState::Ok, "nothing failed the last time".to_owned());
        }
        (PartState::Attention, failed.join("; "))
    }
}

/// Returns the state of a match index that is behind. Only a daemon builds it by itself.
fn no_current_index(is_daemon: bool) -> (PartState, String) {
    if is_daemon {
        let detail = "being built; scans read the missing part from the view";
        return (PartState::Working, detail.to_owned());
    }
    let detail = "not current, and no daemon runs that would build it: `starling up`, or the next import, builds it; \
                  until then scans read the missing part from the view, which is slower";
    (PartState::Off, detail.to_owned())
}

fn part(part: SitePart, (state, detail): (PartState, String)) -> HealthPart {
    let detail = wording::without_error_numbers(detail);
    HealthPart { part, state, detail }
}

/// Returns a number with what is counted: `1 source`, `5 sources`.
pub(super) fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Lists the first of many.
fn named(all: &[String]) -> String {
    let first = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    match all.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first}; and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_work_is_reported_until_it_succeeds() {
        let duties = Duties::default();
        duties.note("signing", UnixMillis::EPOCH, None);
        assert_eq!(duties.failed(), [""; 0]);
        duties.note("signing", UnixMillis::EPOCH, Some("no room".to_owned()));
        duties.note("checking", UnixMillis::EPOCH, None);
        let [told] = &duties.failed()[..] else {
            panic!("{duties:?}");
        };
        assert!(
            told.starts_with("signing failed at 1970-01-01") && told.ends_with("no room"),
            "{told}"
        );
        duties.note("signing", UnixMillis::EPOCH, None);
        assert_eq!(duties.failed(), [""; 0]);
    }

    #[test]
    fn index_is_being_built_only_by_a_daemon() {
        assert_eq!(no_current_index(true).0, PartState::Working);
        let (state, detail) = no_current_index(false);
        assert_eq!(state, PartState::Off);
        assert!(
            detail.contains("no daemon runs") && !detail.contains("being built"),
            "{detail}"
        );
    }

    #[test]
    fn first_few_of_many_are_listed() {
        let all: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(named(&all[..3]), "a; b; c");
        assert_eq!(named(&all), "a; b; c; and 1 more");
    }
}
