//! The health of the feeds: the known sources, those that are known only in part, and those that are stale.

use starling_api_types::{Feed, KNOWN_IN_PART, PartState};
use starling_policy::{EVERY_SOURCE, Freshness};
use starling_protocol::UnixMillis;
use starling_store::StoreError;

use super::{counted, named};
use crate::clock::now;
use crate::service::SiteParts;
use crate::service::open_imports;
use crate::service::scan::{freshness_of, latest_check};

impl SiteParts {
    pub(super) fn feeds_part(&self) -> (PartState, String) {
        let fetched = self.feeds_shown();
        let freshness = freshness_of(&self.identity.config.scan);
        let known = self.heard_sources(&fetched, &freshness);
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
        let mut messages = Vec::new();
        if let Some(held) = held {
            let until = if arriving {
                "they are arriving"
            } else {
                "a peer or a bundle brings them"
            };
            messages.push(format!("{held}: {until}"));
        }
        if sources.iter().all(|source| source.records == 0) && messages.is_empty() {
            messages.push("no source has a record here: a scan finds nothing".to_owned());
        }
        let only_arriving = arriving && matters.is_empty();
        if !matters.is_empty() {
            messages.push(named(&matters));
        }
        messages.extend(known_in_part(&sources));
        if freshness.required && !freshness.is_partial(EVERY_SOURCE) {
            messages.extend(unlisted_parts(&sources));
        }
        messages.extend(stale(&sources, &freshness, now(), latest_check()));
        if only_arriving && messages.len() == 1 {
            return (PartState::Working, messages.join("; "));
        }
        let is_ok = messages.is_empty();
        if is_ok {
            messages.push(format!(
                "{}, each checked or imported within scan.rhythm",
                counted(sources.len(), "source", "sources")
            ));
        }
        messages.extend(meant_in_part(&sources));
        let state = if is_ok {
            PartState::Ok
        } else {
            PartState::Attention
        };
        (state, messages.join("; "))
    }

    /// Returns the sources that the site knows.
    fn heard_sources(&self, fetched: &[Feed], freshness: &Freshness) -> Result<Vec<HeardSource>, StoreError> {
        // As in a verdict: for a source that was never imported completely, the time of the last import applies.
        let open = open_imports::read(self.identity.home.path());
        self.data.store.view().and_then(|view| {
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
                    is_meant: freshness.names_part(source.as_str()),
                    in_part: overview.checked_at.is_none() && overview.records > 0,
                    is_open: open.contains_key(source.as_str()),
                    last,
                })
            });
            heard.collect::<Result<Vec<_>, StoreError>>()
        })
    }
}

/// Describes a site without advisories and feeds, and what to do about it.
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
    /// True if no site ever imported it completely, and some of its records are here.
    in_part: bool,
    /// True if its last import is open: then another message says what to do.
    is_open: bool,
    /// The feed that deliberately fetches only a part of it, if there is one.
    partial_feed: Option<String>,
    /// True if scan.partial_sources names it; `*` allows parts, and says of none that it is meant.
    is_meant: bool,
    /// The time of its last check; if it is known only in part, the time of the last import.
    last: Option<UnixMillis>,
}

/// Lists the sources that no site imported completely, with the command that does. The text begins with
/// [`KNOWN_IN_PART`].
fn known_in_part(sources: &[HeardSource]) -> Option<String> {
    let in_part = sources.iter();
    let in_part = in_part.filter(|source| {
        source.in_part && source.partial_feed.is_none() && !source.is_meant && !source.is_open
    });
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

/// Lists the sources that are deliberately not complete: a feed of them is partial, or scan.partial_sources names them.
fn meant_in_part(sources: &[HeardSource]) -> Option<String> {
    let meant = sources.iter().filter(|source| source.in_part);
    let meant = meant.filter_map(|one| {
        let why = match &one.partial_feed {
            Some(feed) => format!("feed {feed} is partial"),
            None if one.is_meant && !one.is_open => "as scan.partial_sources says".to_owned(),
            None => return None,
        };
        Some(match one.last {
            Some(last) => format!("{} ({why}, last import {last})", one.source),
            None => format!("{} ({why})", one.source),
        })
    });
    let meant: Vec<String> = meant.collect();
    (!meant.is_empty()).then(|| format!("known in part: {}", named(&meant).replace("; ", ", ")))
}

/// Lists the sources whose feed is deliberately partial, but which no scan counts as fresh.
fn unlisted_parts(sources: &[HeardSource]) -> Option<String> {
    let unlisted = sources.iter();
    let unlisted = unlisted.filter(|one| one.in_part && one.partial_feed.is_some() && !one.is_meant);
    let names: Vec<String> = unlisted.map(|one| one.source.clone()).collect();
    (!names.is_empty()).then(|| {
        format!(
            "scans end with exit code 4 because of partial feeds: scan.partial_sources does not list {}",
            named(&names).replace("; ", ", ")
        )
    })
}

/// Lists the stale sources: those that were not checked or imported within their rhythm.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_known_in_part_are_listed_with_a_command() {
        let heard = |source: &str, in_part, last: Option<u64>| HeardSource {
            source: source.to_owned(),
            records: 1,
            in_part,
            is_open: false,
            partial_feed: None,
            is_meant: false,
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
        // It is not stale as well: its last import was now.
        let now = UnixMillis::EPOCH;
        assert_eq!(stale(&sources, &Freshness::default(), now, now), None);
        sources.push(heard("other", true, None));
        let text = known_in_part(&sources).unwrap();
        assert!(
            text.contains(
                "1970-01-01T00:00:00.000Z), other, so no scan finds what is missing: `starling feeds import PATH --source NAME"
            ),
            "{text}"
        );
    }

    #[test]
    fn deliberately_partial_source_is_not_a_problem() {
        let heard = |feed: Option<&str>| HeardSource {
            source: "own".to_owned(),
            records: 1,
            in_part: true,
            is_open: false,
            partial_feed: feed.map(str::to_owned),
            is_meant: feed.is_none(),
            last: Some(UnixMillis::EPOCH),
        };
        let sources = [heard(Some("mine"))];
        assert_eq!(known_in_part(&sources), None);
        // Where fresh knowledge is required, the configuration must name it as well.
        assert!(unlisted_parts(&sources).unwrap().contains("does not list own"));
        assert_eq!(unlisted_parts(&[heard(None)]), None);
        assert_eq!(
            meant_in_part(&sources).unwrap(),
            "known in part: own (feed mine is partial, last import 1970-01-01T00:00:00.000Z)"
        );
        let sources = [heard(None)];
        assert_eq!(known_in_part(&sources), None);
        assert_eq!(
            meant_in_part(&sources).unwrap(),
            "known in part: own (as scan.partial_sources says, last import 1970-01-01T00:00:00.000Z)"
        );
    }

    #[test]
    fn site_without_a_network_is_not_told_to_fetch() {
        assert!(nothing_known(false).contains("feeds add"));
        let text = nothing_known(true);
        assert!(
            text.contains("feeds import FOLDER") && text.contains("bundle import"),
            "{text}"
        );
        assert!(!text.contains("feeds add"), "{text}");
    }
}
