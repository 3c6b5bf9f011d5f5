//! Several sites with the same feed: which of them fetches, and what they report.

mod building;

use starling_api_types::FetchReason;
use starling_protocol::{CertificateChain, ClaimNumber, FeedOffer, RestsOn, SiteId, Source};
use starling_store::{AllowedSources, ListedSite, LogId, Origin, StoreError};
use starling_view::ConflictStrategy;

use super::*;
use crate::service::feed_runs::sharing::Sharing;

const HOUR: u64 = 3_600_000;
/// Three intervals of the feed's schedule.
pub(super) const PATIENCE: u64 = 6 * HOUR;

pub(super) fn source() -> Source {
    "mine".parse().unwrap()
}

impl World {
    pub(super) fn chain(&self) -> CertificateChain {
        self.site.0.own_chain()
    }

    pub(super) fn id(&self) -> SiteId {
        self.chain().site()
    }

    pub(super) fn log(&self) -> LogId {
        self.site.0.own_log()
    }

    pub(super) fn list(&self, other: &Self) {
        let chain = other.chain();
        let listed = ListedSite {
            slug: chain.slug().clone(),
            site: chain.site(),
            display_name: None,
            addresses: Vec::new(),
            allowed_sources: AllowedSources::All,
            max_bundle_size: None,
            enabled: true,
            may_mute: None,
            added_at: UnixMillis::EPOCH,
        };
        self.site.0.data.store.list_site(listed, Some(&chain)).unwrap();
    }

    /// Imports all deltas and the newest head of another site.
    pub(super) fn take(&self, other: &Self) {
        let (mine, theirs) = (&self.site.0.data.store, &other.site.0.data.store);
        let held = mine.log(other.log()).unwrap();
        let held = held.map_or(ClaimNumber::NONE, |log| log.tip.cursor.number);
        let run = theirs.deltas(other.log(), held, usize::MAX).unwrap();
        assert_eq!(mine.append(&run.deltas.concat()).unwrap().problem, None);
        let missing = mine.missing(other.log(), ClaimNumber::NONE, usize::MAX).unwrap();
        let bodies: Vec<_> = missing
            .iter()
            .map(|body| theirs.body(&body.hash).unwrap().unwrap())
            .collect();
        let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
        mine.store_wanted(&bodies).unwrap();
        mine.accept(&Origin::default()).unwrap();
        if let Some(head) = theirs.log(other.log()).unwrap().and_then(|log| log.head) {
            mine.learn_head(&head).unwrap();
        }
    }

    pub(super) fn look(&self, steady_ms: u64) {
        self.site.0.look_at_offers(steady_ms).unwrap();
    }

    /// Imports all deltas of another site, and evaluates the offers.
    pub(super) fn hear(&self, other: &Self, steady_ms: u64) {
        self.take(other);
        self.look(steady_ms);
    }

    async fn stop_sharing(&self) {
        let no = FeedChange {
            share_fetch: Some(false),
            ..FeedChange::default()
        };
        self.change_feed(no).await;
    }

    /// Forgets what a restart forgets.
    fn forget_sharing(&self) {
        *lock(&self.site.0.live.feeds.sharing) = Sharing::default();
    }

    /// Returns true if the schedule contains the feed.
    fn is_wanted(&self) -> bool {
        self.site.0.live.feeds.wanted().contains_key(&name())
    }

    pub(super) fn own_offer(&self) -> Option<FeedOffer> {
        self.site
            .0
            .data
            .store
            .offers()
            .unwrap()
            .own
            .get(&source())
            .cloned()
    }

    /// Returns the sites on whose records this one builds.
    fn rests_on(&self) -> RestsOn {
        self.own_offer().unwrap().rests_on
    }

    fn claims(&self) -> u64 {
        let log = self.site.0.data.store.log(self.log()).unwrap();
        log.map_or(0, |log| log.tip.cursor.number.0)
    }
}

/// Returns two sites that list one another and have the feed; the first has the lesser id.
pub(super) async fn pair() -> [World; 2] {
    pair_of(&|_| {}).await
}

async fn pair_of(change: &dyn Fn(&mut Config)) -> [World; 2] {
    let worlds = sites(["site-a", "site-b"], change);
    for world in &worlds {
        world.add_feed().await;
    }
    worlds
}

/// Returns sites that list one another, sorted by id.
fn sites<const N: usize>(names: [&'static str; N], change: &dyn Fn(&mut Config)) -> [World; N] {
    let mut worlds = names.map(|name| World::builder().named(name).config(change).build());
    worlds.sort_by_key(World::id);
    for world in &worlds {
        for other in worlds.iter().filter(|other| other.id() != world.id()) {
            world.list(other);
        }
    }
    worlds
}

/// Returns a pair that knows one another's offers.
async fn met() -> [World; 2] {
    let worlds = pair().await;
    meet(worlds.each_ref(), 0);
    worlds
}

/// Returns a pair of which the first site fetched five records, which the other one received.
async fn fetched() -> [World; 2] {
    let worlds = met().await;
    let [a, b] = &worlds;
    a.run(Answer::whole(0..5)).await;
    b.take(a);
    worlds
}

/// Lets both sites state their offers, learn of one another, and decide.
pub(super) fn meet([a, b]: [&World; 2], steady_ms: u64) {
    a.look(steady_ms);
    b.look(steady_ms);
    a.take(b);
    b.take(a);
    a.look(steady_ms);
    b.look(steady_ms);
}

#[tokio::test]
async fn least_site_fetches_and_the_other_stands_by() {
    let [a, b] = &met().await;
    assert!(a.is_wanted() && !b.is_wanted());
    a.run(Answer::whole(0..5)).await;
    b.hear(a, 60_000);
    let feed = b.feed().await;
    assert_eq!(
        (feed.state, feed.next_run_at, feed.attention),
        (FeedState::StandingBy, None, None)
    );
    let by = feed.fetched_by.unwrap();
    let name = a.chain().slug().to_string();
    assert_eq!(
        (by.here, by.site_id.to_string(), by.reason),
        (false, name.clone(), FetchReason::First)
    );
    assert!(
        by.detail
            .starts_with(&format!("standing by: {name} fetches (last advanced ")),
        "{}",
        by.detail
    );
    assert_eq!(
        b.count().await,
        5,
        "its records are those of the site that fetches"
    );
    assert!(b.checked_at().await.is_some());
    // A requested run fetches even while another site fetches, and restates nothing.
    let before = b.claims();
    let run = b.run(Answer::whole(0..5)).await;
    assert_eq!(
        (run.outcome, run.unchanged, run.stored),
        (FeedRunOutcome::Imported, 5, 0)
    );
    assert_eq!(
        b.claims() - before,
        1,
        "the offer alone, which says on whose records it builds"
    );
    assert_eq!(b.rests_on().keys().collect::<Vec<_>>(), [&a.id()]);
}

#[tokio::test]
async fn offers_are_stated_when_they_change_not_for_each_run() {
    let [a, _] = &met().await;
    a.run(Answer::whole(0..5)).await;
    let before = a.claims();
    for hour in 1..9 {
        a.run(Answer::Unchanged).await;
        a.look(hour * HOUR);
    }
    assert_eq!(a.claims(), before);
    let change = FeedChange {
        schedule: Some("3h".to_owned()),
        ..FeedChange::default()
    };
    a.change_feed(change).await;
    a.look(9 * HOUR);
    assert_eq!(a.own_offer().unwrap().every_ms, 3 * HOUR);
    assert_eq!(a.claims(), before + 1);
    a.remove_feed().await;
    a.look(9 * HOUR);
    assert_eq!((a.own_offer(), a.claims()), (None, before + 2));
}

#[tokio::test]
async fn unreadable_offer_is_named_and_ignored() {
    let [a, b] = &met().await;
    assert!(!b.is_wanted());
    let mut frame = a
        .own_offer()
        .unwrap()
        .to_claim(&source(), UnixMillis::EPOCH)
        .encode();
    frame.push(0);
    let claim = starling_protocol::Claim::decode(&frame).unwrap();
    let (lane, key) = (starling_protocol::Lane::Federation, a.site.0.key());
    let now = crate::clock::now();
    a.site
        .0
        .data
        .store
        .author(lane, [claim], &key, now, &Origin::default())
        .unwrap();
    b.hear(a, 1);
    assert!(b.is_wanted());
    let attention = b.feed().await.attention.unwrap();
    assert!(attention.contains("counts as none"), "{attention}");
}

#[tokio::test]
async fn failing_site_stands_by_and_probes() {
    let [a, b] = &met().await;
    a.run(Answer::Fails(unreachable())).await;
    meet([a, b], 1);
    assert!(!b.is_wanted(), "one failure is none");
    a.run(Answer::Fails(unreachable())).await;
    meet([a, b], 2);
    assert!(!a.own_offer().unwrap().is_healthy && b.is_wanted());
    let feed = a.feed().await;
    assert_eq!(
        (feed.state, feed.fetched_by.unwrap().here),
        (FeedState::Failing, false)
    );
    let wanted = a.site.0.live.feeds.wanted()[&name()];
    assert_eq!(wanted.every_ms, 8 * HOUR);
    let next = feed.next_run_at.unwrap();
    assert_eq!(wanted.next_ms, u64::try_from(next.unix_millis()).ok());
    let started = feed.last_run.unwrap().started_at;
    assert_eq!(
        next.unix_millis() - started.unix_millis(),
        8 * i64::try_from(HOUR).unwrap()
    );
    // All sites fail: each tries, and reports it.
    for _ in 0..2 {
        b.run(Answer::Fails(unreachable())).await;
    }
    meet([a, b], 3);
    assert!(a.is_wanted() && b.is_wanted());
    let attention = b.feed().await.attention.unwrap();
    assert!(
        attention.contains("no site that offers to fetch mine can"),
        "{attention}"
    );
    // After one success the first site fetches again.
    a.run(Answer::whole(0..3)).await;
    meet([a, b], 4);
    assert!(a.is_wanted() && a.own_offer().unwrap().is_healthy);
    assert!(matches!(
        b.site.0.live.feeds.role(&name()),
        Some(starling_sync::Role::Probe { .. })
    ));
}

#[tokio::test]
async fn site_alone_and_unshared_feed_make_no_offers() {
    let alone = World::with_feed().await;
    alone.look(0);
    assert_eq!((alone.own_offer(), alone.claims()), (None, 0));
    assert!(alone.is_wanted());
    assert_eq!(alone.feed().await.fetched_by, None);
    for change in [
        (|config: &mut Config| config.federation.enabled = false) as fn(&mut Config),
        |config| config.view.conflict_strategy = ConflictStrategy::PreferRemote,
    ] {
        let worlds = pair_of(&change).await;
        meet(worlds.each_ref(), 0);
        for world in &worlds {
            assert!(world.own_offer().is_none() && world.is_wanted());
        }
    }
    let [a, b] = &pair().await;
    b.stop_sharing().await;
    meet([a, b], 0);
}

#[tokio::test]
async fn feed_that_is_not_shared_says_why_if_others_offer() {
    let [a, b] = &pair().await;
    b.stop_sharing().await;
    meet([a, b], 0);
    assert!(a.is_wanted() && b.is_wanted());
    let feed = b.feed().await;
    let by = feed.fetched_by.unwrap();
    assert_eq!((feed.share_fetch, by.reason), (false, FetchReason::NotShared));
    assert!(by.detail.contains("share_fetch = false"), "{}", by.detail);
    assert_eq!(a.feed().await.fetched_by, None);
}

#[tokio::test]
async fn time_waited_is_kept_over_a_restart() {
    let [_, b] = &fetched().await;
    b.look(HOUR);
    b.look(2 * HOUR);
    b.forget_sharing();
    b.look(0);
    b.look(PATIENCE - HOUR - 1);
    assert!(!b.is_wanted());
    b.look(PATIENCE - HOUR);
    assert!(b.is_wanted());
    // A damaged file loses only the waiting time.
    fs::write(b.path("feeds/.waited.json"), "{").unwrap();
    b.forget_sharing();
    b.look(0);
    assert!(!b.is_wanted());
}

#[tokio::test]
async fn no_site_stands_by_after_a_failed_evaluation() {
    let [_, b] = &met().await;
    assert!(!b.is_wanted());
    let site = &b.site.0;
    assert!(site.look_at_these(Err(StoreError::Poisoned), 1).is_err());
    assert!(b.is_wanted(), "the other one may be gone");
    let attention = b.feed().await.attention.unwrap();
    assert!(
        attention.contains("which site fetches is not known"),
        "{attention}"
    );
    b.look(2);
    assert!(!b.is_wanted());
    assert_eq!(b.feed().await.attention, None);
}

#[tokio::test]
async fn evaluation_does_not_wait_for_an_import() {
    let [a, _] = &pair().await;
    let one_import = a.site.0.one_import();
    a.look(0);
    assert_eq!(a.own_offer(), None);
    drop(one_import);
    a.look(1);
    assert!(a.own_offer().is_some());
}

#[tokio::test]
async fn waiting_times_are_kept_only_for_own_feeds() {
    let [a, b] = &met().await;
    let other = serde_json::from_value(json!({
        "name": "other", "source": "other", "address": "https://example.org/other.zip", "schedule": "2h",
    }));
    a.site.add_feed(other.unwrap()).await.unwrap();
    a.look(1);
    b.hear(a, 2 * HOUR);
    let kept = fs::read_to_string(b.path("feeds/.waited.json")).unwrap();
    let kept: Vec<starling_sync::Waited> = serde_json::from_str(&kept).unwrap();
    let sources: Vec<_> = kept.iter().map(|waited| waited.source.as_str()).collect();
    assert_eq!(sources, ["mine"]);
}

#[tokio::test]
async fn withdrawn_offer_is_not_reported_as_an_offer() {
    let [a, b] = &fetched().await;
    b.run(Answer::whole(0..6)).await;
    b.remove_feed().await;
    b.look(1);
    assert!(!b.own_offer().unwrap().is_offered);
    a.take(b);
    a.stop_sharing().await;
    a.look(1);
    assert_eq!(a.feed().await.fetched_by, None);
}

#[tokio::test]
async fn site_that_stands_by_for_a_successor_says_so() {
    let worlds = &sites(["site-a", "site-b", "site-c"], &|_| {});
    for world in worlds {
        world.add_feed().await;
        world.look(0);
    }
    let [a, b, c] = worlds;
    c.take(a);
    c.hear(b, 0);
    c.look(PATIENCE);
    let by = c.feed().await.fetched_by.unwrap();
    assert_eq!((by.here, by.reason), (false, FetchReason::Overdue));
    assert_eq!(by.site_id.to_string(), b.chain().slug().to_string());
    let first = format!("{} was to", a.chain().slug());
    assert!(by.detail.contains(&first), "{}", by.detail);
}

#[tokio::test]
async fn site_that_begins_to_fetch_is_not_late() {
    let [a, b] = &met().await;
    b.run(Answer::whole(0..5)).await;
    b.site.0.live.feeds.remember(&name(), |memory| {
        memory.last_success_at = Some(starling_api_types::Timestamp::saturating(HOUR));
    });
    b.hear(a, 1);
    assert_eq!(b.feed().await.state, FeedState::StandingBy);
    b.look(1 + PATIENCE);
    let feed = b.feed().await;
    assert_eq!((feed.fetched_by.unwrap().here, feed.state), (true, FeedState::Ok));
}
