//! Feeds as callers see them: the state of each, and what to do about it.

use starling_api::ServiceResult;
use starling_api_types as types;
use starling_api_types::{Feed, FeedName, FeedState, Timestamp};
use starling_sync::{PROBE_INTERVALS, Reason, Role};

use super::state::FeedMemory;
use crate::clock::now;
use crate::config::feeds::FeedSpec;
use crate::service::SiteParts;
use crate::service::open_imports;

/// A feed is late if it had no success for this many times its schedule, and `LATE_MS` more, in milliseconds.
const LATE_TIMES: u64 = 2;
const LATE_MS: u64 = 10 * 60_000;

/// The message if the evaluation of the offers failed.
const UNKNOWN_FETCHER: &str = "which site fetches is not known, or not told to the others";

impl SiteParts {
    /// Returns all feeds, without their history, sorted by name.
    pub(in crate::service) fn feeds_shown(&self) -> Vec<Feed> {
        let specs = self.live.feeds.specs();
        specs.values().map(|spec| self.shown(spec, false)).collect()
    }

    /// Returns one feed.
    ///
    /// # Errors
    /// `feed_not_found`.
    pub(in crate::service) fn feed_shown(&self, name: &FeedName, with_history: bool) -> ServiceResult<Feed> {
        let spec = self.live.feeds.spec(name)?;
        Ok(self.shown(&spec, with_history))
    }

    fn shown(&self, spec: &FeedSpec, with_history: bool) -> Feed {
        let mut memory = self.live.feeds.memory(spec.name());
        let progress = self.live.feeds.progress(spec.name());
        let now: Timestamp = now().into();
        let (progress, since) = progress.unzip();
        let role = self.live.feeds.role(spec.name()).filter(|_| spec.entry.enabled);
        match role {
            Some(Role::StandBy { .. }) => memory.next_run_at = None,
            Some(Role::Probe { .. }) => memory.next_run_at = probe_at(spec, &memory),
            Some(Role::Fetch(_)) | None => {}
        }
        // Before this site began to fetch, another site fetched the source, so this feed was not late.
        let turn = self.live.feeds.fetches_since(spec.name());
        let state = state_of(spec, &memory, since, role, turn, now);
        let entry = &spec.entry;
        let matter = attention(spec, &memory, state, self.live.started.is_some());
        let matter = and_nobody(spec, matter, role);
        let matter = and_held_back(spec, matter, &memory);
        let matter = and_unknown_ecosystem(spec, matter);
        Feed {
            name: spec.name().clone(),
            source: spec.source.clone().into(),
            preset: entry.preset.clone(),
            address: spec.shown_address(),
            kind: spec.kind.clone(),
            parameter: entry.parameter.clone(),
            schedule: spec.schedule.clone(),
            enabled: entry.enabled,
            complete: entry.complete,
            share_fetch: entry.share_fetch,
            fetched_by: self.fetched_by(spec),
            has_secret: spec.has_secret(),
            rejected: memory.rejected,
            state,
            attention: self.and_unread(spec, with_given_up(matter, &memory)),
            progress,
            last_success_at: memory.last_success_at,
            next_run_at: memory.next_run_at.filter(|_| entry.enabled),
            failures: memory.failures,
            counts: memory.counts,
            last_run: memory.history.front().cloned(),
            suspect: memory.suspect.map(|kept| kept.shown),
            history: if with_history {
                memory.history.into_iter().collect()
            } else {
                Vec::new()
            },
        }
    }
}

impl SiteParts {
    /// Adds that offers of other sites cannot be read or are not used: this site may fetch without need, or miss checks that
    /// it could use.
    fn and_unread(&self, spec: &FeedSpec, matter: Option<String>) -> Option<String> {
        let mut unread = self.live.feeds.unread_offers_of(&spec.source);
        if let Some(problem) = self.live.feeds.offers_problem() {
            unread.push(format!("{UNKNOWN_FETCHER}: {problem}"));
        }
        if unread.is_empty() || !spec.entry.enabled {
            return matter;
        }
        let unread = format!("feed {}: {}", spec.name(), unread.join("; "));
        Some(match matter {
            Some(matter) => format!("{matter}; {unread}"),
            None => unread,
        })
    }
}

/// Returns the state of a feed. States that need an operator have priority over `Running`.
fn state_of(
    spec: &FeedSpec,
    memory: &FeedMemory,
    since: Option<Timestamp>,
    role: Option<Role>,
    turn: Option<Timestamp>,
    now: Timestamp,
) -> FeedState {
    if memory.suspect.is_some() {
        return FeedState::Suspect;
    }
    if !spec.entry.enabled && since.is_none() {
        return FeedState::Disabled;
    }
    if since.is_none() && matches!(role, Some(Role::StandBy { .. })) {
        return FeedState::StandingBy;
    }
    if memory.failures > 0 {
        return FeedState::Failing;
    }
    match (memory.last_success_at, since) {
        (Some(at), _) if is_late(spec, turn.map_or(at, |turn| turn.max(at)), now) => FeedState::Late,
        (None, Some(since)) if is_late(spec, since, now) => FeedState::Late,
        (_, Some(_)) => FeedState::Running,
        (None, None) => FeedState::New,
        (Some(_), None) => FeedState::Ok,
    }
}

/// Returns the time of the next try of a feed whose runs fail while another site fetches its source.
pub(super) fn probe_at(spec: &FeedSpec, memory: &FeedMemory) -> Option<Timestamp> {
    let last = memory.history.front()?.started_at.unix_millis();
    let last = u64::try_from(last).unwrap_or(0);
    let pause = spec.every_ms().saturating_mul(PROBE_INTERVALS);
    Some(Timestamp::saturating(last.saturating_add(pause)))
}

fn is_late(spec: &FeedSpec, last: Timestamp, now: Timestamp) -> bool {
    let every = u64::try_from(spec.every.as_millis()).unwrap_or(u64::MAX);
    let patience = every.saturating_mul(LATE_TIMES).saturating_add(LATE_MS);
    let since = now.unix_millis().saturating_sub(last.unix_millis());
    u64::try_from(since).unwrap_or(0) > patience
}

/// Adds that an earlier state was given up, also if there is another problem.
fn with_given_up(matter: Option<String>, memory: &FeedMemory) -> Option<String> {
    match (matter, &memory.given_up) {
        (Some(matter), Some(why)) if !matter.contains(why.as_str()) => Some(format!("{matter}; {why}")),
        (matter, _) => matter,
    }
}

/// Adds that no healthy site fetches the source, if all sites that offer to are failing.
fn and_nobody(spec: &FeedSpec, matter: Option<String>, role: Option<Role>) -> Option<String> {
    if role != Some(Role::Fetch(Reason::NobodyHealthy)) {
        return matter;
    }
    let nobody = format!(
        "no site that offers to fetch {} can, so each tries; no site has newer records than the last runs imported",
        spec.source
    );
    Some(matter.map_or_else(
        || format!("feed {}: {nobody}", spec.name()),
        |matter| format!("{matter}; {nobody}"),
    ))
}

/// Adds the held-back records.
fn and_held_back(spec: &FeedSpec, matter: Option<String>, memory: &FeedMemory) -> Option<String> {
    let held_back = memory.held_back.as_ref().filter(|_| spec.entry.enabled);
    let Some(held_back) = held_back else {
        return matter;
    };
    Some(match matter {
        Some(matter) => format!("{matter}; {held_back}"),
        None => format!("feed {}: {held_back}", spec.name()),
    })
}

/// Adds that the configuration lists an unknown ecosystem, for which nothing can be fetched.
fn and_unknown_ecosystem(spec: &FeedSpec, matter: Option<String>) -> Option<String> {
    let unknown = spec.entry.unknown_ecosystem().filter(|_| spec.entry.enabled);
    let Some(unknown) = unknown else {
        return matter;
    };
    Some(match matter {
        Some(matter) => format!("{matter}; {unknown}"),
        None => format!("feed {}: {unknown}", spec.name()),
    })
}

/// Describes the problem of a feed and what to do; `None` if there is none.
fn attention(spec: &FeedSpec, memory: &FeedMemory, state: FeedState, is_daemon: bool) -> Option<String> {
    let name = spec.name();
    let last = memory
        .last_success_at
        .map_or_else(|| "never".to_owned(), |at| at.to_string());
    Some(match state {
        FeedState::Suspect => {
            let reason = memory
                .suspect
                .as_ref()
                .map_or("", |kept| kept.shown.reason.as_str());
            format!(
                "feed {name} is suspect, nothing of it was taken in: {reason}; if the change is real, `starling feeds \
                 approve {name}`"
            )
        }
        FeedState::Failing => {
            let run = memory.history.iter().find(|run| run.error.is_some());
            let error = run.and_then(|run| run.error.as_deref()).unwrap_or("");
            let next = match memory.next_run_at {
                Some(at) if is_daemon => format!("it is tried again at {at}"),
                _ => format!("`starling feeds run {name}` tries again"),
            };
            format!(
                "feed {name} failed {} ({}): {error}; {next}",
                match memory.failures {
                    1 => "once".to_owned(),
                    failures => format!("{failures} times"),
                },
                memory.last_success_at.map_or_else(
                    || "it never succeeded".to_owned(),
                    |at| format!("it last succeeded at {at}")
                )
            )
        }
        FeedState::Late => {
            let what = if is_daemon {
                format!("`starling feeds history {name}` shows its runs")
            } else {
                "no daemon fetches it: `starling up`".to_owned()
            };
            format!(
                "feed {name} is late: its last success was {last}, and it is to be fetched every {}; {what}",
                spec.schedule
            )
        }
        FeedState::New | FeedState::Running | FeedState::Ok => return unchecked(spec, memory),
        FeedState::Disabled | FeedState::StandingBy | FeedState::Unknown => return None,
    })
}

/// Describes what is missing from a feed although its last run succeeded; `None` if nothing is.
fn unchecked(spec: &FeedSpec, memory: &FeedMemory) -> Option<String> {
    let name = spec.name();
    if let Some(why) = &memory.given_up {
        return Some(format!("feed {name}: {why}; its next good run begins anew"));
    }
    let last = memory.history.iter().find(|run| run.outcome.is_success());
    let is_read = last.is_none_or(|run| run.checked) || !spec.entry.complete;
    if !is_read {
        return Some(if memory.history.iter().any(|run| run.checked) {
            format!("feed {name}: its last run did not read all that changed; the next one goes on")
        } else {
            format!(
                "feed {name}: the source was never read whole, so it does not count as checked; `starling feeds history \
                 {name}` shows how far it is"
            )
        });
    }
    if memory.rejected > 0 {
        return Some(format!(
            "feed {name}: {} documents of the source are rejected, and what they say is not known here: {}; this program's \
             next version reads them again",
            memory.rejected, memory.rejected_shown
        ));
    }
    let passed_over = last.map_or(0, |run| run.passed_over);
    (passed_over > 0).then(|| {
        format!(
            "feed {name}: {passed_over} rows or documents that the source lists cannot be read for over a week; `starling \
             feeds status {name}` names them"
        )
    })
}

impl SiteParts {
    /// Returns the problems of all feeds, of offers for sources without a feed here, and of open imports.
    pub(in crate::service) fn feed_matters(&self, feeds: &[Feed]) -> Vec<String> {
        let of_feeds = feeds
            .iter()
            .filter_map(|feed| Some((feed.name.to_string(), feed.attention.clone()?)));
        let mut matters = types::wording::grouped("feeds ", &of_feeds.collect::<Vec<_>>());
        let problem = self.live.feeds.offers_problem();
        let problem = problem.map(|problem| format!("{UNKNOWN_FETCHER}: {problem}"));
        for other in self.live.feeds.unread_offers().into_iter().chain(problem) {
            if !matters.iter().any(|matter| matter.contains(&other)) {
                matters.push(other);
            }
        }
        let open = open_imports::read(self.identity.home.path());
        matters.extend(open.iter().map(|(source, open)| open.told(source)));
        matters
    }

    /// Reports the problems of feeds as a doctor's check that always passes: they are not damage. `None` if there are no feeds
    /// and no problems.
    pub(in crate::service) fn feeds_check(&self) -> Option<types::DoctorCheck> {
        let feeds = self.feeds_shown();
        let matters = self.feed_matters(&feeds);
        let found = match &matters[..] {
            [] => format!("{} feeds, none needs attention", feeds.len()),
            matters => matters.join("; "),
        };
        (!feeds.is_empty() || !matters.is_empty()).then(|| types::DoctorCheck {
            name: FEEDS_CHECK.to_owned(),
            // An import that was left open is for the operator to complete; a feed tries again by itself.
            ok: open_imports::read(self.identity.home.path()).is_empty(),
            found,
            damaged: Vec::new(),
            repaired: 0,
            not_examined: false,
        })
    }

    /// Returns the feeds as a list.
    pub(in crate::service) fn feed_list(&self) -> types::FeedList {
        types::FeedList {
            feeds: self.feeds_shown(),
        }
    }
}

/// Name of the check of the feeds and imports. It is no damage of the store.
pub(in crate::service) const FEEDS_CHECK: &str = "feeds";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::feeds::FeedEntry;

    fn spec(more: &str) -> FeedSpec {
        let text = format!(
            "name = \"a\"\naddress = \"https://example.org/a\"\nsource = \"mine\"\nschedule = \"2h\"\n{more}"
        );
        toml::from_str::<FeedEntry>(&text).unwrap().spec().unwrap()
    }

    fn at(hours: u64) -> Timestamp {
        Timestamp::saturating(hours * 3_600_000)
    }

    #[test]
    fn state_follows_from_the_stored_results() {
        let mut memory = FeedMemory::default();
        let state = |memory: &FeedMemory, hour| state_of(&spec(""), memory, None, None, None, at(hour));
        let running =
            |memory: &FeedMemory, hour| state_of(&spec(""), memory, Some(at(1)), None, None, at(hour));
        assert_eq!(running(&memory, 2), FeedState::Running);
        assert_eq!(running(&memory, 9), FeedState::Late, "it hangs");
        assert_eq!(state(&memory, 1), FeedState::New);
        memory.last_success_at = Some(at(10));
        assert_eq!(state(&memory, 12), FeedState::Ok);
        assert_eq!(state(&memory, 15), FeedState::Late);
        assert_eq!(running(&memory, 12), FeedState::Running);
        assert_eq!(running(&memory, 15), FeedState::Late);
        let taken_over = state_of(&spec(""), &memory, None, None, Some(at(14)), at(15));
        assert_eq!(taken_over, FeedState::Ok, "its turn has just begun");
        let never = state_of(&spec(""), &memory, None, None, Some(at(14)), at(19));
        assert_eq!(never, FeedState::Late);
        memory.failures = 2;
        assert_eq!(state(&memory, 12), FeedState::Failing);
        assert_eq!(
            state_of(&spec("enabled = false"), &memory, None, None, None, at(12)),
            FeedState::Disabled
        );
        let leader = starling_protocol::SiteId::from_bytes([1; 32]);
        let (quiet_ms, overdue) = (0, None);
        let by = |role, hour| state_of(&spec(""), &memory, None, Some(role), None, at(hour));
        let standing_by = Role::StandBy {
            leader,
            quiet_ms,
            overdue,
        };
        let probing = Role::Probe {
            leader,
            quiet_ms,
            overdue,
        };
        assert_eq!(by(standing_by, 99), FeedState::StandingBy);
        assert_eq!(by(probing, 12), FeedState::Failing);
        assert_eq!(
            running(&memory, 12),
            FeedState::Failing,
            "running hides no failure"
        );
    }

    #[test]
    fn misspelt_ecosystem_of_the_configuration_is_named() {
        let spec = |more: &str| {
            let text = format!("name = \"a\"\npreset = \"osv\"\nparameter = \"npn\"\n{more}");
            toml::from_str::<FeedEntry>(&text).unwrap().spec().unwrap()
        };
        let told = and_unknown_ecosystem(&spec(""), None).unwrap();
        assert!(
            told.starts_with("feed a: \"npn\"") && told.ends_with("did you mean npm?"),
            "{told}"
        );
        let both = and_unknown_ecosystem(&spec(""), Some("feed a failed".to_owned())).unwrap();
        assert!(both.starts_with("feed a failed; \"npn\""), "{both}");
        assert_eq!(and_unknown_ecosystem(&spec("enabled = false"), None), None);
    }

    #[test]
    fn attention_says_what_to_do() {
        let mut memory = FeedMemory::default();
        assert_eq!(attention(&spec(""), &memory, FeedState::Ok, true), None);
        memory.failures = 3;
        let told = attention(&spec(""), &memory, FeedState::Failing, false).unwrap();
        assert!(
            told.contains("failed 3 times") && told.contains("starling feeds run a"),
            "{told}"
        );
        let told = attention(&spec(""), &memory, FeedState::Late, false).unwrap();
        assert!(told.contains("starling up"), "{told}");
    }
}
