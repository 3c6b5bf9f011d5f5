//! How each part of a site is: what `/health` and `status` tell of store, sync, feeds, index and scheduler apart.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use starling_api_types::{HealthPart, PartState, SitePart};
use starling_protocol::UnixMillis;
use starling_store::StoreError;

use super::SiteParts;
use super::scan::{freshness_of, latest_check};
use crate::clock::now;

/// How many sites or sources a detail names.
const NAMED: usize = 3;

/// How the recurring work of a daemon went last, by its name.
#[derive(Debug, Default)]
pub(crate) struct Duties(Mutex<BTreeMap<&'static str, Duty>>);

/// How one work went last.
#[derive(Debug)]
struct Duty {
    at: UnixMillis,
    failed: Option<String>,
}

impl Duties {
    /// Notes how a work went: why it failed, if it did.
    pub(crate) fn note(&self, what: &'static str, at: UnixMillis, failed: Option<String>) {
        let mut duties = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        duties.insert(what, Duty { at, failed });
    }

    /// Returns what failed when it was done last.
    fn failed(&self) -> Vec<String> {
        let duties = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = duties.iter().filter_map(|(what, duty)| {
            let why = duty.failed.as_ref()?;
            Some(format!("{what} failed at {}: {why}", duty.at))
        });
        failed.collect()
    }

    /// Returns why a work failed when it was done last.
    fn failed_at(&self, what: &str) -> Option<String> {
        let duties = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        duties.get(what)?.failed.clone()
    }
}

/// What making the match index is called.
pub(crate) const MAKING_THE_INDEX: &str = "making the match index";

impl SiteParts {
    /// Returns how each part is, from what is published: nothing here waits for a writer.
    pub(super) fn parts(&self) -> Vec<HealthPart> {
        let is_daemon = self.started.is_some();
        let mut parts = vec![part(SitePart::Store, self.store_part())];
        if is_daemon {
            parts.push(part(SitePart::Sync, self.sync_part()));
        }
        parts.push(part(SitePart::Feeds, self.feeds_part()));
        parts.push(part(SitePart::Index, self.index_part()));
        if is_daemon {
            parts.push(part(SitePart::Scheduler, self.scheduler_part()));
        }
        parts
    }

    fn store_part(&self) -> (PartState, String) {
        if self.store.is_read_only() {
            let detail = "read only: the disk was full at the start; make room and start again";
            return (PartState::Attention, detail.to_owned());
        }
        if let Some(restore) = self.restore_status() {
            let detail = format!("signs nothing: {}; {}", restore.reason, restore.waits_for);
            return (PartState::Attention, detail);
        }
        match self.last_check() {
            Some(check) if check.wrong > 0 => {
                let detail = format!("{} places are damaged; `starling doctor` names them", check.wrong);
                (PartState::Attention, detail)
            }
            Some(check) => (
                PartState::Ok,
                format!("sound when it was read whole at {}", check.at),
            ),
            None => (PartState::Ok, "open; not read whole since the start".to_owned()),
        }
    }

    fn sync_part(&self) -> (PartState, String) {
        if !self.config.federation.enabled {
            return (PartState::Off, "federation is off".to_owned());
        }
        let listed = match self.store.listed_sites() {
            Ok(listed) => listed,
            Err(error) => return (PartState::Attention, crate::home::error_chain(&error)),
        };
        // A site without an address is reached by file, or dials by itself.
        let expected: Vec<_> = listed
            .iter()
            .filter(|site| site.enabled && !site.addresses.is_empty())
            .collect();
        let connected = listed
            .iter()
            .filter(|site| self.board.peer(&site.site).connected)
            .count();
        let away: Vec<String> = expected
            .iter()
            .filter_map(|site| {
                let peer = self.board.peer(&site.site);
                let last = peer.last_seen_at.map_or_else(
                    || "not seen since the start".to_owned(),
                    |at| format!("last seen {at}"),
                );
                let why = peer
                    .last_error
                    .map(|error| format!(", {error}"))
                    .unwrap_or_default();
                (!peer.connected).then(|| format!("{} ({last}{why})", site.slug))
            })
            .collect();
        if away.is_empty() {
            let detail = match listed.len() {
                0 => "no site is listed".to_owned(),
                _ => format!("{connected} sites are connected; none that has an address is away"),
            };
            return (PartState::Ok, detail);
        }
        let detail = format!(
            "{} of {} sites with an address are away: {}",
            away.len(),
            expected.len(),
            named(&away)
        );
        (PartState::Attention, detail)
    }

    fn feeds_part(&self) -> (PartState, String) {
        // As a verdict has it: of a source that was never checked as a whole, what was heard last counts.
        let known = self.store.view().and_then(|view| {
            let sources = view.sources()?.into_iter();
            let heard = sources.map(|(source, overview)| {
                let last = match overview.checked_at {
                    None => view.last_heard(&source)?,
                    checked => checked,
                };
                Ok((source, last))
            });
            heard.collect::<Result<Vec<_>, StoreError>>()
        });
        let sources = match known {
            Ok(known) => known,
            Err(error) => return (PartState::Attention, crate::home::error_chain(&error)),
        };
        let fetched = self.feeds_shown();
        let matters = super::feed_runs::matters(&fetched);
        if sources.is_empty() {
            let running = fetched.iter().any(|feed| feed.progress.is_some());
            if running && matters.is_empty() {
                let detail = "the first feeds are being fetched; until then the site knows no advisories";
                return (PartState::Working, detail.to_owned());
            }
            let detail = match &matters[..] {
                [] if fetched.iter().any(|feed| feed.enabled) => {
                    "the site knows no advisories yet; the daemon fetches them, or `starling feeds run`".to_owned()
                }
                [] => "the site knows no advisories; `starling feeds add` fetches some, `starling feeds import` takes some in"
                    .to_owned(),
                matters => format!("the site knows no advisories; {}", named(matters)),
            };
            return (PartState::Attention, detail);
        }
        let (now, latest) = (now(), latest_check());
        let freshness = freshness_of(&self.config.scan);
        let old = sources.iter().filter_map(|(source, last)| {
            let Some(last) = *last else {
                return Some(format!("{source} was never heard of as a whole"));
            };
            if last > latest {
                return Some(format!(
                    "{source} says that it was checked at {last}, after this clock"
                ));
            }
            let rhythm = freshness.rhythm_of(source.as_str()).saturating_mul(1_000);
            let is_old = now.as_millis().saturating_sub(last.as_millis()) > rhythm;
            is_old.then(|| format!("{source} was last heard of at {last}"))
        });
        let old: Vec<String> = old.collect();
        let mut told = Vec::new();
        if !matters.is_empty() {
            told.push(named(&matters));
        }
        if !old.is_empty() {
            told.push(format!(
                "{} of {} sources are silent for longer than their rhythm: {}",
                old.len(),
                sources.len(),
                named(&old)
            ));
        }
        if told.is_empty() {
            let detail = format!("{} sources, each heard of within its rhythm", sources.len());
            return (PartState::Ok, detail);
        }
        (PartState::Attention, told.join("; "))
    }

    fn index_part(&self) -> (PartState, String) {
        let stamp = self.store.view().map(|view| crate::match_index::stamp_of(&view));
        match stamp {
            Ok(stamp) if self.indexes.find(&stamp).is_some() => (PartState::Ok, "current".to_owned()),
            Ok(_) => match self.duties.failed_at(MAKING_THE_INDEX) {
                Some(error) => (
                    PartState::Attention,
                    format!("{error}; scans read the view, which is slower"),
                ),
                None => {
                    let detail = "being made; scans read from the view what it lacks";
                    (PartState::Working, detail.to_owned())
                }
            },
            Err(error) => (PartState::Attention, crate::home::error_chain(&error)),
        }
    }

    fn scheduler_part(&self) -> (PartState, String) {
        let failed = self.duties.failed();
        if failed.is_empty() {
            return (PartState::Ok, "nothing failed when it was done last".to_owned());
        }
        (PartState::Attention, failed.join("; "))
    }
}

fn part(part: SitePart, (state, detail): (PartState, String)) -> HealthPart {
    HealthPart { part, state, detail }
}

/// Names the first of many.
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
    fn work_that_failed_is_told_until_it_is_done() {
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
    fn first_few_of_many_are_named() {
        let all: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!(named(&all[..3]), "a; b; c");
        assert_eq!(named(&all), "a; b; c; and 1 more");
    }
}
