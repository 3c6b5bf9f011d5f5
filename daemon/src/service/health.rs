//! The health of each part of a site: `/health` and `status` report store, sync, feeds, index and scheduler separately.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use starling_api_types::{HealthPart, KNOWN_IN_PART, PartState, SitePart, wording};
use starling_policy::Freshness;
use starling_protocol::UnixMillis;
use starling_store::StoreError;

use super::SiteParts;
use super::doctor::count;
use super::scan::{freshness_of, latest_check};
use crate::clock::now;

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
        parts
    }

    fn store_part(&self) -> (PartState, String) {
        if self.data.store.is_read_only() {
            let detail =
                "read only: the disk was full at the start; free some space, then the store opens by itself";
            return (PartState::Attention, detail.to_owned());
        }
        if let Some(restore) = self.restore_status() {
            let detail = format!("does not sign: {}; {}", restore.reason, restore.waits_for);
            return (PartState::Attention, detail);
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
        let away: Vec<String> = expected
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
                (!peer.connected).then(|| format!("{}: {last}{why}", site.slug))
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
            named(&away)
        );
        (PartState::Attention, detail)
    }

    fn feeds_part(&self) -> (PartState, String) {
        let fetched = self.feeds_shown();
        // As in a verdict: for a source that was never taken in as a whole, the last import applies.
        let known = self.data.store.view().and_then(|view| {
            let sources = view.sources()?.into_iter();
            let heard = sources.map(|(source, overview)| {
                let last = match overview.checked_at {
                    None => view.last_heard(&source)?,
                    checked => checked,
                };
                let partial = fetched
                    .iter()
                    .find(|feed| !feed.complete && feed.enabled && feed.source.as_str() == source.as_str());
                Ok(HeardSource {
                    source: source.to_string(),
                    records: overview.records,
                    partial_feed: partial.map(|feed| feed.name.to_string()),
                    in_part: overview.checked_at.is_none() && overview.records > 0,
                    last,
                })
            });
            heard.collect::<Result<Vec<_>, StoreError>>()
        });
        let sources = match known {
            Ok(known) => known,
            Err(error) => return (PartState::Attention, crate::home::error_chain(&error)),
        };
        let matters = self.feed_matters(&fetched);
        if sources.is_empty() {
            let running = fetched.iter().any(|feed| feed.progress.is_some());
            if running && matters.is_empty() {
                let detail = "the first feeds are being fetched; until then the site knows no advisories";
                return (PartState::Working, detail.to_owned());
            }
            let detail = match &matters[..] {
                [] if fetched.iter().any(|feed| feed.enabled) => {
                    "the site knows no advisories yet; the daemon fetches them, or `starling feeds run`"
                        .to_owned()
                }
                [] => nothing_known(self.identity.config.is_air_gapped()).to_owned(),
                matters => format!("the site knows no advisories; {}", named(matters)),
            };
            return (PartState::Attention, detail);
        }
        let held = self.held_back();
        let arriving = held.is_some() && self.live.peer_status.bodies_arrive();
        let mut told = Vec::new();
        if let Some(held) = held {
            let until = if arriving {
                "they are arriving"
            } else {
                "a peer or a bundle brings them"
            };
            told.push(format!("{held}: {until}"));
        }
        if sources.iter().all(|source| source.records == 0) && told.is_empty() {
            told.push("no source has a record here: a scan finds nothing".to_owned());
        }
        let only_arriving = arriving && matters.is_empty();
        if !matters.is_empty() {
            told.push(named(&matters));
        }
        told.extend(known_in_part(&sources));
        let freshness = freshness_of(&self.identity.config.scan);
        told.extend(stale(&sources, &freshness, now(), latest_check()));
        if only_arriving && told.len() == 1 {
            return (PartState::Working, told.join("; "));
        }
        let is_ok = told.is_empty();
        if is_ok {
            told.push(format!(
                "{}, each checked or imported within scan.rhythm",
                counted(sources.len(), "source", "sources")
            ));
        }
        told.extend(meant_in_part(&sources));
        let state = if is_ok {
            PartState::Ok
        } else {
            PartState::Attention
        };
        (state, told.join("; "))
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

/// Says what to do about a site without advisories and feeds.
fn nothing_known(is_air_gapped: bool) -> &'static str {
    if is_air_gapped {
        "the site knows no advisories and has no network; `starling feeds import FOLDER --source NAME --complete` takes in \
         what a carrier brings, `starling bundle import FILE` what another site exported"
    } else {
        "the site knows no advisories; `starling feeds add` fetches some, `starling feeds import` takes some in"
    }
}

/// A source of the view.
struct HeardSource {
    source: String,
    /// The number of its records here.
    records: u64,
    /// True if no site ever took it in as a whole, and some of its records are here.
    in_part: bool,
    /// A feed of it that fetches a part of it on purpose.
    partial_feed: Option<String>,
    /// The time when it was last checked; if it is known in part, when it was last heard of.
    last: Option<UnixMillis>,
}

/// Returns the sources that no site took in as a whole, and the commands that end it.
///
/// It begins with [`KNOWN_IN_PART`].
fn known_in_part(sources: &[HeardSource]) -> Option<String> {
    let in_part = sources.iter();
    let in_part = in_part.filter(|source| source.in_part && source.partial_feed.is_none());
    let in_part: Vec<&HeardSource> = in_part.collect();
    let first = in_part.first()?;
    let list: Vec<String> = in_part
        .iter()
        .map(|one| match one.last {
            Some(last) => format!("{} (last import {last})", one.source),
            None => one.source.clone(),
        })
        .collect();
    let end = match in_part.len() {
        1 => format!(
            "`starling feeds import PATH --source {} --complete` imports it if PATH holds the whole source, and so does a feed",
            first.source
        ),
        _ => "`starling feeds import PATH --source NAME --complete` imports each if PATH holds the whole source, and so does a feed"
            .to_owned(),
    };
    Some(format!(
        "{KNOWN_IN_PART} {}, so no scan finds what is missing: {end}",
        named(&list).replace("; ", ", ")
    ))
}

/// Returns the sources that no site took in as a whole, because a feed of them is partial on purpose.
fn meant_in_part(sources: &[HeardSource]) -> Option<String> {
    let meant = sources.iter().filter(|source| source.in_part);
    let meant = meant.filter_map(|one| {
        let feed = one.partial_feed.as_ref()?;
        Some(match one.last {
            Some(last) => format!("{} (feed {feed} is partial, last import {last})", one.source),
            None => format!("{} (feed {feed} is partial)", one.source),
        })
    });
    let meant: Vec<String> = meant.collect();
    (!meant.is_empty()).then(|| format!("known in part: {}", named(&meant).replace("; ", ", ")))
}

/// Returns the stale sources: those not heard of for longer than their rhythm.
fn stale(
    sources: &[HeardSource],
    freshness: &Freshness,
    now: UnixMillis,
    latest: UnixMillis,
) -> Option<String> {
    let old = sources.iter().filter_map(
        |HeardSource {
             source,
             in_part,
             last,
             ..
         }| {
            let Some(last) = *last else {
                return (!in_part).then(|| format!("{source} was never imported completely"));
            };
            if last > latest {
                return Some(format!(
                    "{source} was checked at {last}, which is later than this site's clock"
                ));
            }
            let rhythm = freshness.rhythm_of(source).saturating_mul(1_000);
            let is_old = now.as_millis().saturating_sub(last.as_millis()) > rhythm;
            is_old.then(|| format!("{source} was last checked or imported at {last}"))
        },
    );
    let old: Vec<String> = old.collect();
    (!old.is_empty()).then(|| {
        format!(
            "stale, as not checked or imported within scan.rhythm: {} of {}: {}",
            old.len(),
            counted(sources.len(), "source", "sources"),
            named(&old)
        )
    })
}

/// Returns a number with what is counted: `1 source`, `5 sources`.
fn counted(number: usize, one: &str, many: &str) -> String {
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
    fn sources_known_in_part_are_named_with_the_command_that_ends_it() {
        let heard = |source: &str, in_part, last: Option<u64>| HeardSource {
            source: source.to_owned(),
            records: 1,
            in_part,
            partial_feed: None,
            last: last.map(UnixMillis::saturating),
        };
        let mut sources = vec![heard("ghsa", false, Some(0))];
        assert_eq!(known_in_part(&sources), None);
        sources.push(heard("mine", true, Some(0)));
        assert_eq!(
            known_in_part(&sources).unwrap(),
            "never imported as a whole: mine (last import 1970-01-01T00:00:00.000Z), so no scan finds what is missing: \
             `starling feeds import PATH --source mine --complete` imports it if PATH holds the whole source, and so does a feed"
        );
        // It is not stale too: its last import was now.
        let now = UnixMillis::EPOCH;
        assert_eq!(stale(&sources, &Freshness::default(), now, now), None);
        sources.push(heard("other", true, None));
        let told = known_in_part(&sources).unwrap();
        assert!(
            told.contains(
                "1970-01-01T00:00:00.000Z), other, so no scan finds what is missing: `starling feeds import PATH --source NAME"
            ),
            "{told}"
        );
    }

    #[test]
    fn source_of_which_a_feed_fetches_a_part_on_purpose_is_no_matter() {
        let sources = [HeardSource {
            source: "own".to_owned(),
            records: 1,
            in_part: true,
            partial_feed: Some("mine".to_owned()),
            last: Some(UnixMillis::EPOCH),
        }];
        assert_eq!(known_in_part(&sources), None);
        assert_eq!(
            meant_in_part(&sources).unwrap(),
            "known in part: own (feed mine is partial, last import 1970-01-01T00:00:00.000Z)"
        );
    }

    #[test]
    fn site_without_a_network_is_not_told_to_fetch() {
        assert!(nothing_known(false).contains("feeds add"));
        let told = nothing_known(true);
        assert!(
            told.contains("feeds import FOLDER") && told.contains("bundle import"),
            "{told}"
        );
        assert!(!told.contains("feeds add"), "{told}");
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
