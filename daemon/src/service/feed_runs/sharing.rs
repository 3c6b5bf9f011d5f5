//! Decides which site of the federation fetches a source, from the offers of all sites, and publishes this site's offers.
//!
//! The rule is `starling_sync::elect`. This module calls it with the offers in the store and a steady clock, and keeps the
//! result for the schedule and for status. It also states this site's own offers: one claim for each change, none for a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use starling_api::ServiceResult;
use starling_api_types::{FeedName, Timestamp};
use starling_protocol::{Claim, ClaimKey, FeedOffer, Lane, OfferInput, RestsOn, SiteId, Source, UnixMillis};
use starling_store::{Origin, SeenOffers, StoreError};
use starling_sync::{INTERVALS, OfferSeen, OwnFeed, Role, Waited, Watch, is_healthy};
use starling_view::ConflictStrategy;

use super::{Feeds, lock};
use crate::clock::now;
use crate::config::feeds::FeedSpec;
use crate::home::{home_problem, write_durably};
use crate::service::SiteParts;
use crate::service::feeds::SharedFeed;
use crate::service::problem::store_problem;
use crate::small_file;

/// Interval at which the waiting times are saved, in milliseconds of the steady clock.
const KEPT_EVERY_MS: u64 = 60_000;
/// Most bytes of the file with the waiting times: some hundred bytes for each offer.
const MAX_WAITED_BYTES: u64 = 16 << 20;
const MODE: u32 = 0o600;

/// The sites that fetch this site's feeds, as of the last evaluation of the offers.
#[derive(Default)]
pub(super) struct Sharing {
    watch: Option<Watch>,
    roles: BTreeMap<FeedName, Role>,
    /// Feeds that other sites offer to fetch, but that this site does not share, with the reason.
    unshared: BTreeMap<FeedName, String>,
    /// Descriptions of offers that cannot be read or whose author's checks are not used here, each with its source, if known.
    unread: Vec<(Option<Source>, String)>,
    /// The error of the last evaluation, if it failed.
    problem: Option<String>,
    /// For feeds for which this site stood by: the time when it began to fetch.
    fetches_since: BTreeMap<FeedName, Timestamp>,
    /// The time of the last evaluation.
    looked: Option<Instant>,
    /// The same time on the steady clock.
    looked_ms: u64,
    /// For each feed: the last time, on the steady clock, when another site offered to fetch the same.
    offered_ms: BTreeMap<FeedName, u64>,
    /// The last time, on the steady clock, when the waiting times were saved.
    kept_at_ms: Option<u64>,
}

impl Sharing {
    /// Replaces the roles, and logs what changed.
    fn take_roles(&mut self, roles: BTreeMap<FeedName, Role>) {
        let since = now().into();
        for (name, role) in &roles {
            let before = self.roles.get(name);
            if !is_alike(before, role) {
                tracing::info!(feed = %name, ?role, "who fetches a feed");
            }
            match (before, role) {
                (Some(Role::StandBy { .. }), Role::Fetch(_)) => {
                    self.fetches_since.insert(name.clone(), since);
                }
                (_, Role::Fetch(_)) => {}
                _ => {
                    self.fetches_since.remove(name);
                }
            }
        }
        self.roles = roles;
    }
}

/// The site that fetches a feed.
pub(super) struct Fetcher {
    pub(super) role: Role,
    /// Milliseconds since the offers were evaluated.
    pub(super) found_ms_ago: u64,
}

impl Feeds {
    /// Returns this site's role for a feed's source; `None` before the first evaluation, and if it does not share the feed.
    pub(super) fn role(&self, name: &FeedName) -> Option<Role> {
        lock(&self.sharing).roles.get(name).copied()
    }

    pub(super) fn fetcher(&self, name: &FeedName) -> Option<Fetcher> {
        let sharing = lock(&self.sharing);
        let looked = sharing.looked?;
        Some(Fetcher {
            role: *sharing.roles.get(name)?,
            found_ms_ago: u64::try_from(looked.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Returns the reason why this site does not share a feed that other sites offer to fetch.
    pub(super) fn why_unshared(&self, name: &FeedName) -> Option<String> {
        lock(&self.sharing).unshared.get(name).cloned()
    }

    /// Returns the reason why it is unknown which site fetches, if it is.
    pub(super) fn offers_problem(&self) -> Option<String> {
        lock(&self.sharing).problem.clone()
    }

    /// Returns the time when this site began to fetch a feed for which it stood by, if that was after its start.
    pub(super) fn fetches_since(&self, name: &FeedName) -> Option<Timestamp> {
        lock(&self.sharing).fetches_since.get(name).copied()
    }

    /// Describes the offers that cannot be read or whose author's checks are not used here.
    pub(super) fn unread_offers(&self) -> Vec<String> {
        let sharing = lock(&self.sharing);
        sharing.unread.iter().map(|(_, told)| told.clone()).collect()
    }

    /// Same as [`Self::unread_offers`], for one source.
    pub(super) fn unread_offers_of(&self, source: &Source) -> Vec<String> {
        let sharing = lock(&self.sharing);
        let of_it = sharing
            .unread
            .iter()
            .filter(|(of, _)| of.as_ref() == Some(source));
        of_it.map(|(_, told)| told.clone()).collect()
    }

    /// Returns true if another site offered to fetch the same within the feed's last [`INTERVALS`] intervals.
    fn was_offered(&self, spec: &FeedSpec) -> bool {
        let sharing = lock(&self.sharing);
        let last = sharing.offered_ms.get(spec.name());
        last.is_some_and(|last| {
            sharing.looked_ms.saturating_sub(*last) < spec.every_ms().saturating_mul(INTERVALS)
        })
    }

    fn waited_path(&self) -> PathBuf {
        // No feed has a name that begins with a dot.
        self.home.join("feeds").join(".waited.json")
    }

    /// Reads the waiting times from before the start. A damaged file counts as no waiting time.
    fn waited(&self) -> Vec<Waited> {
        let path = self.waited_path();
        match small_file::read(&path, MAX_WAITED_BYTES) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "how long other sites were quiet is counted anew");
                Vec::new()
            }),
            Err(error) => {
                if error.kind() != std::io::ErrorKind::NotFound {
                    tracing::warn!(path = %path.display(), %error, "how long other sites were quiet cannot be read and is counted anew");
                }
                Vec::new()
            }
        }
    }

    fn keep_waited(&self, waited: &[Waited]) -> ServiceResult<()> {
        let path = self.waited_path();
        let bytes = serde_json::to_vec(waited).unwrap_or_default();
        std::fs::create_dir_all(self.home.join("feeds"))
            .map_err(|error| starling_api::file_problem("making the folder of", &path, &error))?;
        write_durably(&path, &bytes, MODE).map_err(|error| home_problem(&error))
    }
}

impl SiteParts {
    /// Returns the input that an offer for a feed names, or the reason why this site does not share the feed.
    fn shared_input(&self, spec: &FeedSpec) -> Result<OfferInput, String> {
        if !self.identity.config.federation.enabled {
            return Err("this site has no network to others".to_owned());
        }
        let strategy = self.identity.config.view.conflict_strategy;
        if strategy != ConflictStrategy::PreferNewest {
            return Err(format!(
                "`view.conflict_strategy` is {strategy}, and only by prefer_newest does it count who read the source last"
            ));
        }
        spec.shared_input().map_err(str::to_owned)
    }

    /// Returns the shared form of a feed if another site offers to fetch the same, or did within the feed's last
    /// [`INTERVALS`] intervals. So an offer that comes and goes does not make this site start from the beginning each time.
    pub(super) fn shared(&self, spec: &FeedSpec) -> ServiceResult<Option<SharedFeed>> {
        let Ok(input) = self.shared_input(spec) else {
            return Ok(None);
        };
        let offers = self.data.store.offers();
        let offers = offers.map_err(|error| store_problem("reading the offers of sites", &error))?;
        let is_same = |offer: &FeedOffer| offer.is_offered && offer.input == input;
        let mut others = offers.others.iter().filter(|seen| seen.source == spec.source);
        let is_shared = others.any(|seen| is_same(&seen.offer)) || self.live.feeds.was_offered(spec);
        Ok(is_shared.then_some(SharedFeed {
            input,
            every_ms: spec.every_ms(),
        }))
    }

    /// Evaluates the offers of all sites: decides which site fetches, and states the changes of this site's own offers.
    /// `steady_ms` is the time of a steady clock. While this fails, this site fetches all its feeds itself.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub(crate) fn look_at_offers(&self, steady_ms: u64) -> ServiceResult<()> {
        self.look_at_these(self.data.store.offers(), steady_ms)
    }

    pub(super) fn look_at_these(
        &self,
        seen: Result<SeenOffers, StoreError>,
        steady_ms: u64,
    ) -> ServiceResult<()> {
        let looked = seen
            .map_err(|error| {
                // Without roles this site does not stand by for a site that may be gone.
                lock(&self.live.feeds.sharing).roles.clear();
                store_problem("reading the offers of sites", &error)
            })
            .and_then(|seen| {
                self.decide(&seen, steady_ms);
                // The offers are stated even if the waiting times cannot be saved.
                let kept = self.keep_waited_if_due(steady_ms);
                self.state_offers(&seen).and(kept)
            });
        lock(&self.live.feeds.sharing).problem = looked.as_ref().err().map(ToString::to_string);
        looked
    }

    fn decide(&self, seen: &SeenOffers, steady_ms: u64) {
        // Everything is read before the lock is taken: other threads wait for the lock and must not be blocked for long.
        let is_first = lock(&self.live.feeds.sharing).watch.is_none();
        let waited = if is_first {
            self.live.feeds.waited()
        } else {
            Vec::new()
        };
        let mut shared = Vec::new();
        let mut unshared = BTreeMap::new();
        for (name, spec) in self.live.feeds.specs() {
            if !spec.entry.enabled {
                continue;
            }
            let is_offered = |other: &OfferSeen| other.source == spec.source && other.offer.is_offered;
            match self.shared_input(&spec) {
                Ok(input) => shared.push((name, self.own_feed(&spec, input))),
                Err(why) if seen.others.iter().any(is_offered) => {
                    unshared.insert(name, why);
                }
                Err(_) => {}
            }
        }
        let mut unread: Vec<_> = seen
            .unread
            .iter()
            .map(|unread| (unread.source.clone(), self.unread_told(unread)))
            .collect();
        unread.extend(self.not_counted(seen));
        let mut sharing = lock(&self.live.feeds.sharing);
        sharing.looked_ms = steady_ms;
        // Forgets feeds that were removed or are no longer shared.
        sharing
            .offered_ms
            .retain(|name, _| shared.iter().any(|(shared, _)| shared == name));
        for (name, own) in &shared {
            let is_same = |other: &OfferSeen| {
                other.source == own.source && other.offer.is_offered && other.offer.input == own.input
            };
            if seen.others.iter().any(is_same) {
                sharing.offered_ms.insert(name.clone(), steady_ms);
            }
        }
        let watch = sharing.watch.get_or_insert_with(|| Watch::resume(waited));
        watch.look(&seen.others, steady_ms);
        let roles = shared
            .into_iter()
            .map(|(name, own)| (name, watch.role(&own, &seen.others, steady_ms)))
            .collect();
        sharing.take_roles(roles);
        sharing.unshared = unshared;
        sharing.unread = unread;
        sharing.looked = Some(Instant::now());
    }

    /// Describes the offers whose author's checks are not used here, with the reason.
    fn not_counted(&self, seen: &SeenOffers) -> Vec<(Option<Source>, String)> {
        let parts: Vec<_> = seen.others.iter().filter(|other| !other.is_whole).collect();
        if parts.is_empty() {
            return Vec::new();
        }
        // If the allow-list cannot be read, the sites are reported all the same.
        let listed = self.data.store.listed_sites().unwrap_or_default();
        let told = parts.into_iter().map(|part| {
            let is_accepted = |site: &SiteId| {
                *site == self.identity.home.chain().site()
                    || listed.iter().any(|listed| {
                        listed.site == *site && listed.enabled && listed.allowed_sources.allows(&part.source)
                    })
            };
            let sites = part.offer.rests_on.keys();
            let missing: Vec<_> = sites
                .filter(|site| !is_accepted(site))
                .map(|site| self.named(site))
                .collect();
            let strategy = self.identity.config.view.conflict_strategy;
            let why = if !missing.is_empty() {
                let missing = missing.join(", ");
                format!("it rests on statements of {missing}, which this site does not list for that source")
            } else if strategy != ConflictStrategy::PreferNewest {
                format!("it rests on older statements of other sites, and by `view.conflict_strategy` {strategy} those may count")
            } else {
                "what it rests on is not all accepted here yet".to_owned()
            };
            let (author, source) = (self.named(&part.site), &part.source);
            let told = format!("the check of {author} of {source} does not count here: {why}");
            (Some(source.clone()), told)
        });
        told.collect()
    }

    /// Returns the name by which this site knows another one.
    pub(super) fn named(&self, site: &SiteId) -> String {
        self.slug_of(site)
            .map_or_else(|| site.to_string(), |slug| slug.to_string())
    }

    fn unread_told(&self, unread: &starling_store::UnreadOffer) -> String {
        let site = self.named(&unread.site);
        let source = unread.source.as_ref().map_or("a source", Source::as_str);
        format!(
            "the offer of {site} to fetch {source} counts as none: {}",
            unread.why
        )
    }

    fn own_feed(&self, spec: &FeedSpec, input: OfferInput) -> OwnFeed {
        let memory = self.live.feeds.memory(spec.name());
        OwnFeed {
            site: self.identity.home.chain().site(),
            source: spec.source.clone(),
            input,
            every_ms: spec.every_ms(),
            is_healthy: is_healthy(memory.failures, memory.suspect.is_some()),
        }
    }

    fn keep_waited_if_due(&self, steady_ms: u64) -> ServiceResult<()> {
        let specs = self.live.feeds.specs();
        let sources: BTreeSet<&str> = specs.values().map(|spec| spec.source.as_str()).collect();
        let waited = {
            let mut sharing = lock(&self.live.feeds.sharing);
            let is_due = sharing
                .kept_at_ms
                .is_none_or(|kept| steady_ms.saturating_sub(kept) >= KEPT_EVERY_MS);
            if !is_due {
                return Ok(());
            }
            let is_first = sharing.kept_at_ms.replace(steady_ms).is_none();
            let waited = sharing.watch.as_ref().map(|watch| watch.waited(steady_ms));
            let waited = waited.map(|mut waited| {
                waited.retain(|waited| sources.contains(waited.source.as_str()));
                waited
            });
            // Writes nothing if there are no offers of other sites.
            waited.filter(|waited| !is_first && !waited.is_empty())
        };
        waited.map_or(Ok(()), |waited| self.live.feeds.keep_waited(&waited))
    }

    /// States the changes of this site's offers.
    fn state_offers(&self, seen: &SeenOffers) -> ServiceResult<()> {
        if self.identity.restore.is_held() {
            // A restored home signs nothing before it has heard from its peers.
            return Ok(());
        }
        let at = now();
        let claims = self.offers_to_state(seen, at)?;
        if claims.is_empty() {
            return Ok(());
        }
        let attempted = "stating which sources the site can fetch";
        // An import can take long, and can state an offer itself: the next evaluation tries again.
        let Some(_one_at_a_time) = self.import_if_free() else {
            return Ok(());
        };
        self.prepare_to_sign(attempted)?;
        // An import may have stated an offer meanwhile.
        let failed = |error| store_problem(attempted, &error);
        let seen = self.data.store.offers().map_err(failed)?;
        let claims = self.offers_to_state(&seen, at)?;
        if claims.is_empty() {
            return Ok(());
        }
        let origin = Origin { bundle: None, at };
        self.data
            .store
            .author(Lane::Federation, claims, &self.key(), at, &origin)
            .map_err(failed)?;
        self.sign_heads().map_err(failed)?;
        self.changed();
        Ok(())
    }

    fn offers_to_state(&self, seen: &SeenOffers, at: UnixMillis) -> ServiceResult<Vec<Claim>> {
        let listed = self.data.store.listed_sites();
        let listed = listed.map_err(|error| store_problem("reading the allow-list", &error))?;
        // A site without enabled peers makes no offers.
        let is_alone = listed.iter().all(|site| !site.enabled);
        let mut wanted = BTreeMap::new();
        for spec in self
            .live
            .feeds
            .specs()
            .values()
            .filter(|spec| spec.entry.enabled && !is_alone)
        {
            if let Ok(input) = self.shared_input(spec) {
                let known = seen.own.get(&spec.source);
                let own = self.own_feed(spec, input);
                let offer = FeedOffer {
                    is_offered: true,
                    is_healthy: own.is_healthy,
                    every_ms: own.every_ms,
                    input,
                    rests_on: known.map_or_else(RestsOn::new, |known| known.rests_on.clone()),
                };
                wanted.insert(spec.source.clone(), offer);
            }
        }
        let mut claims = Vec::new();
        for (source, offer) in &wanted {
            if seen.own.get(source) != Some(offer) {
                claims.push(offer.to_claim(source, at));
            }
        }
        for (source, known) in seen
            .own
            .iter()
            .filter(|(source, _)| !wanted.contains_key(*source))
        {
            if known.rests_on.is_empty() {
                claims.push(Claim::delete(ClaimKey::offer(source), at));
            } else if known.is_offered {
                // The offer is withdrawn, but still states on which sites this site's records build.
                let withdrawn = FeedOffer {
                    is_offered: false,
                    ..known.clone()
                };
                claims.push(withdrawn.to_claim(source, at));
            }
        }
        Ok(claims)
    }
}

/// Returns true if two roles have the same site and reason; ignores the time.
fn is_alike(before: Option<&Role>, now: &Role) -> bool {
    match (before, now) {
        (Some(Role::StandBy { leader, .. }), Role::StandBy { leader: other, .. })
        | (Some(Role::Probe { leader, .. }), Role::Probe { leader: other, .. }) => leader == other,
        (before, now) => before == Some(now),
    }
}
