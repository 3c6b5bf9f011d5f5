//! Several sites with one feed: which of them fetches, and what the next one states when it takes over.

use starling_api_types::FetchReason;
use starling_protocol::{CertificateChain, ClaimNumber, FeedOffer, SiteId, Source};
use starling_store::{AllowedSources, ListedSite, LogId, Origin, StoreError};
use starling_view::ConflictStrategy;

use super::*;
use crate::service::feeds::ImportOptions;

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
        self.site.0.store.list_site(listed, Some(&chain)).unwrap();
    }

    /// Takes in all that another site states, and its newest head.
    pub(super) fn take(&self, other: &Self) {
        let (mine, theirs) = (&self.site.0.store, &other.site.0.store);
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

    /// Returns true if the timetable has the feed.
    fn is_wanted(&self) -> bool {
        self.site.0.feeds.wanted().contains_key(&name())
    }

    pub(super) fn own_offer(&self) -> Option<FeedOffer> {
        self.site.0.store.offers().unwrap().own.get(&source()).cloned()
    }

    fn claims(&self) -> u64 {
        let log = self.site.0.store.log(self.log()).unwrap();
        log.map_or(0, |log| log.tip.cursor.number.0)
    }
}

/// Two sites that list one another and have the feed; the first has the lesser id.
pub(super) async fn pair() -> [World; 2] {
    pair_of(|_| {}).await
}

async fn pair_of(change: impl Fn(&mut Config)) -> [World; 2] {
    let mut worlds = ["site-a", "site-b"].map(|name| World::named(name, &Overrides::default(), &change));
    worlds.sort_by_key(World::id);
    let [a, b] = &worlds;
    a.list(b);
    b.list(a);
    for world in &worlds {
        world.site.add_feed(add("mine")).await.unwrap();
    }
    worlds
}

/// Lets all sites state their offers, learn of one another, and decide.
pub(super) fn meet(worlds: &[World; 2], steady_ms: u64) {
    let [a, b] = worlds;
    a.look(steady_ms);
    b.look(steady_ms);
    a.take(b);
    b.take(a);
    a.look(steady_ms);
    b.look(steady_ms);
}

#[tokio::test]
async fn least_site_fetches_and_the_other_stands_by() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    assert!(a.is_wanted() && !b.is_wanted());
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    b.look(60_000);
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
    // By hand it fetches whatever others do, and states nothing that is stated.
    let before = b.claims();
    let run = b.run(Answer::Whole(records(0..5))).await;
    assert_eq!(
        (run.outcome, run.unchanged, run.stored),
        (FeedRunOutcome::Imported, 5, 0)
    );
    assert_eq!(
        b.claims() - before,
        1,
        "the offer alone, which says on whose records it builds"
    );
    assert_eq!(
        b.own_offer().unwrap().rests_on.keys().collect::<Vec<_>>(),
        [&a.id()]
    );
}

#[tokio::test]
async fn offers_are_stated_when_they_change_and_not_for_each_run() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, _] = &worlds;
    a.run(Answer::Whole(records(0..5))).await;
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
    a.site.change_feed(&name(), change).await.unwrap();
    a.look(9 * HOUR);
    assert_eq!(a.own_offer().unwrap().every_ms, 3 * HOUR);
    assert_eq!(a.claims(), before + 1);
    a.site.remove_feed(&name()).await.unwrap();
    a.look(9 * HOUR);
    assert_eq!((a.own_offer(), a.claims()), (None, before + 2));
}

#[tokio::test]
async fn successor_takes_over_after_three_intervals_and_states_what_differs() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    a.run(moved(Answer::Whole(records(0..1_000)))).await;
    b.take(a);
    b.look(HOUR);
    b.look(HOUR + PATIENCE - 1);
    assert!(!b.is_wanted());
    b.look(HOUR + PATIENCE);
    assert!(b.is_wanted());
    let by = b.feed().await.fetched_by.unwrap();
    assert_eq!((by.here, by.reason), (true, FetchReason::Overdue));
    let mut later = records(2..1_001);
    for record in &mut later[..3] {
        record["summary"] = json!("changed");
    }
    let before = b.claims();
    let run = b.run(Answer::Whole(later.clone())).await;
    assert_eq!((run.stored, run.absent, run.unchanged), (4, 2, 995));
    assert!(run.checked);
    assert_eq!(b.claims() - before, 7, "six records, and on whose it builds");
    a.take(b);
    assert_eq!((a.count().await, b.count().await), (999, 999));
    // The first one is back: it reads everything anew, because what it knew of the source was replaced.
    a.look(HOUR);
    assert!(a.is_wanted());
    let before = a.claims();
    let run = a.run(Answer::Whole(later)).await;
    assert_eq!((run.stored, run.absent, run.checked), (0, 0, true));
    assert_eq!(
        a.claims() - before,
        1,
        "that it builds on the other one's records"
    );
    assert!(
        anew(&run).unwrap().contains("another site stated something"),
        "{run:?}"
    );
    a.look(2 * HOUR);
    b.take(a);
    b.look(HOUR + PATIENCE + 1);
    assert!(!b.is_wanted());
}

#[tokio::test]
async fn offer_that_cannot_be_read_is_named_and_counts_as_none() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
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
        .store
        .author(lane, [claim], &key, now, &Origin::default())
        .unwrap();
    b.take(a);
    b.look(1);
    assert!(b.is_wanted());
    let attention = b.feed().await.attention.unwrap();
    assert!(attention.contains("counts as none"), "{attention}");
}

/// Returns an answer with a position after it.
pub(super) fn moved(answer: Answer) -> Answer {
    let position = || starling_fetch::Position::from_json(br#"{"version":1,"until_ms":{"a":1}}"#).unwrap();
    Answer::Told(
        Box::new(answer),
        Box::new(move |brought| brought.position = position()),
    )
}

/// Returns the note of a run that says why everything is fetched.
pub(super) fn anew(run: &FeedRun) -> Option<&str> {
    let is_it = |note: &&String| note.contains("everything is fetched");
    run.notes.iter().find(is_it).map(String::as_str)
}

#[tokio::test]
async fn position_is_given_up_when_others_stated_something() {
    let [a, b] = pair().await;
    a.run(moved(Answer::Whole(records(0..5)))).await;
    let worlds = [a, b];
    meet(&worlds, 0);
    let [a, b] = &worlds;
    let first = a.run(moved(Answer::Whole(records(0..5)))).await;
    assert!(anew(&first).unwrap().contains("another site offers"), "{first:?}");
    let next = a.run(moved(Answer::Unchanged)).await;
    assert_eq!((anew(&next), next.checked), (None, true));
    // Another site fetched meanwhile: while that is not here, nothing of it is known.
    b.take(a);
    b.run(Answer::Whole(records(0..6))).await;
    assert_eq!(anew(&a.run(moved(Answer::Unchanged)).await), None);
    a.take(b);
    let part = a.run(moved(Answer::Part(vec![record(9)]))).await;
    assert!(
        anew(&part).unwrap().contains("another site stated something"),
        "{part:?}"
    );
    let whole = a.run(moved(Answer::Whole(records(0..7)))).await;
    assert_eq!((anew(&whole), whole.stored, whole.absent), (None, 1, 1));
    // The other one is not believed any more: what only it stated is gone with it, and is stated here.
    let slug = b.chain().slug().clone();
    a.site.0.store.unlist_site(&slug).unwrap();
    a.look(PATIENCE);
    let again = a.run(moved(Answer::Whole(records(0..7)))).await;
    assert!(
        anew(&again).unwrap().contains("no other site offers"),
        "{again:?}"
    );
    assert_eq!((again.stored, a.count().await), (1, 7));
    assert!(a.own_offer().unwrap().rests_on.is_empty());
}

#[tokio::test]
async fn failing_site_gives_way_and_probes() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    a.run(Answer::Fails(unreachable())).await;
    meet(&worlds, 1);
    assert!(!b.is_wanted(), "one failure is none");
    a.run(Answer::Fails(unreachable())).await;
    meet(&worlds, 2);
    assert!(!a.own_offer().unwrap().is_healthy && b.is_wanted());
    let feed = a.feed().await;
    assert_eq!(
        (feed.state, feed.fetched_by.unwrap().here),
        (FeedState::Failing, false)
    );
    let wanted = a.site.0.feeds.wanted()[&name()];
    assert_eq!(wanted.every_ms, 8 * HOUR);
    let next = feed.next_run_at.unwrap();
    assert_eq!(wanted.next_ms, u64::try_from(next.unix_millis()).ok());
    let started = feed.last_run.unwrap().started_at;
    assert_eq!(
        next.unix_millis() - started.unix_millis(),
        8 * i64::try_from(HOUR).unwrap()
    );
    // Nobody can: each tries, and says so.
    for _ in 0..2 {
        b.run(Answer::Fails(unreachable())).await;
    }
    meet(&worlds, 3);
    assert!(a.is_wanted() && b.is_wanted());
    let attention = b.feed().await.attention.unwrap();
    assert!(
        attention.contains("no site that offers to fetch mine can"),
        "{attention}"
    );
    // One success, and it is the first again.
    a.run(Answer::Whole(records(0..3))).await;
    meet(&worlds, 4);
    assert!(a.is_wanted() && a.own_offer().unwrap().is_healthy);
    assert!(matches!(
        b.site.0.feeds.role(&name()),
        Some(starling_sync::Role::Probe { .. })
    ));
}

#[tokio::test]
async fn site_alone_and_site_that_does_not_share_state_nothing() {
    let alone = World::with_feed().await;
    alone.look(0);
    assert_eq!((alone.own_offer(), alone.claims()), (None, 0));
    assert!(alone.is_wanted());
    assert_eq!(alone.feed().await.fetched_by, None);
    for change in [
        (|config: &mut Config| config.federation.enabled = false) as fn(&mut Config),
        |config| config.view.conflict_strategy = ConflictStrategy::PreferRemote,
    ] {
        let worlds = pair_of(change).await;
        meet(&worlds, 0);
        for world in &worlds {
            assert!(world.own_offer().is_none() && world.is_wanted());
        }
    }
    let [a, b] = pair().await;
    let no = FeedChange {
        share_fetch: Some(false),
        ..FeedChange::default()
    };
    b.site.change_feed(&name(), no).await.unwrap();
    meet(&[a, b], 0);
}

#[tokio::test]
async fn feed_that_is_not_shared_says_why_if_others_offer() {
    let worlds = pair().await;
    let no = FeedChange {
        share_fetch: Some(false),
        ..FeedChange::default()
    };
    worlds[1].site.change_feed(&name(), no).await.unwrap();
    meet(&worlds, 0);
    let [a, b] = &worlds;
    assert!(a.is_wanted() && b.is_wanted());
    let feed = b.feed().await;
    let by = feed.fetched_by.unwrap();
    assert_eq!((feed.share_fetch, by.reason), (false, FetchReason::NotShared));
    assert!(by.detail.contains("share_fetch = false"), "{}", by.detail);
    assert_eq!(a.feed().await.fetched_by, None);
}

#[tokio::test]
async fn withdrawn_offer_still_says_on_whose_records_it_builds() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    b.run(Answer::Whole(records(0..6))).await;
    b.site.remove_feed(&name()).await.unwrap();
    b.look(1);
    let offer = b.own_offer().unwrap();
    assert!(!offer.is_offered && offer.rests_on.contains_key(&a.id()));
    // By itself again, it states the whole source.
    b.site.add_feed(add("mine")).await.unwrap();
    a.site.remove_feed(&name()).await.unwrap();
    a.look(2);
    b.take(a);
    let run = b.run(Answer::Whole(records(0..6))).await;
    assert_eq!((run.stored, run.unchanged), (5, 1));
    b.look(3);
    assert!(b.own_offer().unwrap().rests_on.is_empty());
}

#[tokio::test]
async fn time_waited_is_kept_over_a_restart() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    b.look(HOUR);
    b.look(2 * HOUR);
    *lock(&b.site.0.feeds.sharing) = super::super::sharing::Sharing::default();
    b.look(0);
    b.look(PATIENCE - HOUR - 1);
    assert!(!b.is_wanted());
    b.look(PATIENCE - HOUR);
    assert!(b.is_wanted());
    // A damaged file costs that time and nothing else.
    fs::write(b.path("feeds/.waited.json"), "{").unwrap();
    *lock(&b.site.0.feeds.sharing) = super::super::sharing::Sharing::default();
    b.look(0);
    assert!(!b.is_wanted());
}

#[tokio::test]
async fn part_does_not_forget_on_whom_the_whole_was_built() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    b.run(Answer::Whole(records(0..6))).await;
    let rests_on = b.own_offer().unwrap().rests_on;
    assert!(rests_on.contains_key(&a.id()));
    // The other one is accepted no more, and offers still: a part says nothing of what it stated.
    let (spec, store) = (b.site.0.feeds.spec(&name()).unwrap(), &b.site.0.store);
    let shared = b.site.0.shared(&spec).unwrap();
    assert!(shared.is_some());
    store
        .update_listed_site(a.chain().slug(), |listed| listed.enabled = false)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("EX-9.json"), record(9).to_string()).unwrap();
    let options = ImportOptions {
        shared,
        ..ImportOptions::default()
    };
    let input = starling_feeds::input::Source::path(folder.path());
    b.site.0.import_input(&spec.source, input, &options).unwrap();
    assert_eq!(b.own_offer().unwrap().rests_on, rests_on);
    assert_eq!(b.checked_at().await, None, "what it was built on is not here");
}

#[tokio::test]
async fn failed_look_leaves_nobody_standing_by() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let b = &worlds[1];
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
async fn look_does_not_wait_for_an_import() {
    let worlds = pair().await;
    let a = &worlds[0];
    let one_import = a.site.0.one_import();
    a.look(0);
    assert_eq!(a.own_offer(), None);
    drop(one_import);
    a.look(1);
    assert!(a.own_offer().is_some());
}

#[tokio::test]
async fn only_what_is_waited_for_here_is_kept() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    let other = serde_json::from_value(json!({
        "name": "other", "source": "other", "address": "https://example.org/other.zip", "schedule": "2h",
    }));
    a.site.add_feed(other.unwrap()).await.unwrap();
    a.look(1);
    b.take(a);
    b.look(2 * HOUR);
    let kept = fs::read_to_string(b.path("feeds/.waited.json")).unwrap();
    let kept: Vec<starling_sync::Waited> = serde_json::from_str(&kept).unwrap();
    let sources: Vec<_> = kept.iter().map(|waited| waited.source.as_str()).collect();
    assert_eq!(sources, ["mine"]);
}

#[tokio::test]
async fn check_that_does_not_count_is_named_with_what_is_missing() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    // It lists the successor alone, and has no feed.
    let c = World::named("site-c", &Overrides::default(), |_| {});
    c.list(b);
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    b.run(Answer::Whole(records(0..6))).await;
    c.take(b);
    c.look(0);
    let (author, missing) = (b.chain().slug().to_string(), a.id().to_string());
    let is_told = |text: &str| {
        text.contains(&format!("the check of {author} of mine does not count here"))
            && text.contains(&missing)
    };
    let status = c.site.status().await.unwrap();
    let part = status
        .parts
        .iter()
        .find(|part| part.part.as_str() == "feeds")
        .unwrap();
    assert!(is_told(&part.detail), "{part:?}");
    let check = c.site.0.feeds_check().unwrap();
    assert!(is_told(&check.found), "{check:?}");
    c.list(a);
    c.take(a);
    c.look(1);
    assert!(c.site.0.feeds_check().is_none());
}

#[tokio::test]
async fn offer_that_was_withdrawn_is_no_reason_to_say_that_others_offer() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    a.run(Answer::Whole(records(0..5))).await;
    b.take(a);
    b.run(Answer::Whole(records(0..6))).await;
    b.site.remove_feed(&name()).await.unwrap();
    b.look(1);
    assert!(!b.own_offer().unwrap().is_offered);
    a.take(b);
    let no = FeedChange {
        share_fetch: Some(false),
        ..FeedChange::default()
    };
    a.site.change_feed(&name(), no).await.unwrap();
    a.look(1);
    assert_eq!(a.feed().await.fetched_by, None);
}

#[tokio::test]
async fn site_that_stands_by_for_a_successor_says_so() {
    let mut worlds: Vec<World> = ["site-a", "site-b", "site-c"]
        .map(|name| World::named(name, &Overrides::default(), |_| {}))
        .into();
    worlds.sort_by_key(World::id);
    for world in &worlds {
        for other in worlds.iter().filter(|other| other.id() != world.id()) {
            world.list(other);
        }
        world.site.add_feed(add("mine")).await.unwrap();
        world.look(0);
    }
    let [a, b, c] = &worlds[..] else {
        panic!("three sites")
    };
    c.take(a);
    c.take(b);
    c.look(0);
    c.look(PATIENCE);
    let by = c.feed().await.fetched_by.unwrap();
    assert_eq!((by.here, by.reason), (false, FetchReason::Overdue));
    assert_eq!(by.site_id.to_string(), b.chain().slug().to_string());
    let first = format!("{} was to", a.chain().slug());
    assert!(by.detail.contains(&first), "{}", by.detail);
}

#[tokio::test]
async fn site_whose_turn_begins_is_not_late() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    b.run(Answer::Whole(records(0..5))).await;
    b.site.0.feeds.remember(&name(), |memory| {
        memory.last_success_at = Some(starling_api_types::Timestamp::saturating(HOUR));
    });
    b.take(a);
    b.look(1);
    assert_eq!(b.feed().await.state, FeedState::StandingBy);
    b.look(1 + PATIENCE);
    let feed = b.feed().await;
    assert_eq!((feed.fetched_by.unwrap().here, feed.state), (true, FeedState::Ok));
}

#[tokio::test]
async fn offer_that_comes_and_goes_lets_nobody_read_anew() {
    let worlds = pair().await;
    meet(&worlds, 0);
    let [a, b] = &worlds;
    a.run(moved(Answer::Whole(records(0..5)))).await;
    for minute in 1..4 {
        b.site.remove_feed(&name()).await.unwrap();
        b.look(minute);
        a.take(b);
        a.look(minute);
        assert_eq!(anew(&a.run(moved(Answer::Unchanged)).await), None);
        b.site.add_feed(add("mine")).await.unwrap();
        b.look(minute);
        a.take(b);
        a.look(minute);
        assert_eq!(anew(&a.run(moved(Answer::Unchanged)).await), None);
    }
    b.site.remove_feed(&name()).await.unwrap();
    b.look(4);
    a.take(b);
    a.look(3 + PATIENCE);
    let run = a.run(moved(Answer::Unchanged)).await;
    assert!(anew(&run).unwrap().contains("no other site offers"), "{run:?}");
}
