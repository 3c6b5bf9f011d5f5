//! What a loss of power or of bodies leaves, and what a dry run changes.

use super::*;

#[test]
fn complete_claims_are_accepted_after_a_crash() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one"))], 1);
    b.pull_from(&a);
    assert_eq!(b.pull_bodies_from(&a), 1);
    // Killed here: bodies are stored, nothing is accepted yet.
    let again = open(&b.disk, b.engine.clone(), &b.chain);
    assert_eq!(again.knowledge_root().unwrap(), a.root());
}

#[test]
fn bodies_lost_with_power_are_wanted_again() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    b.pull_from(&a);
    let bodies = [body("P-1", "one"), body("P-2", "two")];
    let named: Vec<(ContentHash, &[u8])> = bodies
        .iter()
        .map(|body| (ContentHash::of(body), &body[..]))
        .collect();
    assert_eq!(b.store.bodies.put(Some(&source()), &named).unwrap(), 2);
    // Their places are in the engine, but their bytes were never synced.
    let again = b.after_power_loss();
    assert_eq!(again.missing(a.own(), ClaimNumber::NONE, 10).unwrap().len(), 2);
    assert_eq!(again.store_wanted(&[&bodies[0], &bodies[1]]).unwrap(), 2);
    again.accept(&Origin::default()).unwrap();
    assert_eq!(again.knowledge_root().unwrap(), a.root());
    assert!(again.doctor(false).unwrap().healthy());
}

#[test]
fn stored_body_survives_power_loss_before_acceptance() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    b.pull_from(&a);
    // Nothing is accepted with one of two bodies, and the log is body-complete up to the first.
    assert_eq!(b.store.store_wanted(&[&body("P-1", "one")]).unwrap(), 1);
    let complete = |store: &SiteStore| store.log(a.own()).unwrap().unwrap().body_complete;
    assert_eq!(complete(&b.store), ClaimNumber(1));
    assert_eq!(complete(&b.after_power_loss()), ClaimNumber(1));
}

#[test]
fn own_bodies_survive_a_power_loss_with_their_claims() {
    let a = TestSite::new("a", 1);
    a.say(&[("P-1", Some("one"))], 1);
    let root = a.root();
    let again = a.after_power_loss();
    assert_eq!(again.knowledge_root().unwrap(), root);
    assert!(again.doctor(false).unwrap().healthy());
    let hash = ContentHash::of(&body("P-1", "one"));
    assert_eq!(again.body(&hash).unwrap(), Some(body("P-1", "one")));
}

#[test]
fn own_claim_without_its_body_is_never_signed() {
    let a = TestSite::new("a", 1);
    let claim = Claim::set(
        &source(),
        &"P-1".parse().unwrap(),
        ContentHash::of(b"{}"),
        2,
        UnixMillis::EPOCH,
    );
    let refused = a.store.author(
        Lane::Federation,
        [claim],
        &a.key,
        UnixMillis::EPOCH,
        &Origin::default(),
    );
    assert!(matches!(refused, Err(StoreError::MissingBody { .. })));
    assert!(
        a.store
            .log(a.own())
            .unwrap()
            .is_none_or(|log| log.tip.cursor.number == ClaimNumber::NONE)
    );
}

#[test]
fn dry_run_shows_the_result_and_changes_nothing() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    let written = b.engine.writes();
    let page = a.store.deltas(a.own(), ClaimNumber::NONE, usize::MAX).unwrap();
    let page = page.deltas.concat();
    let hashes = ["P-1", "P-2"].map(|id| ContentHash::of(&body(id, if id == "P-1" { "one" } else { "two" })));
    let bodies = hashes.map(|hash| a.store.body(&hash).unwrap().unwrap());
    let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    let take = |store: &SiteStore| {
        store.append(&page).unwrap();
        store.store_wanted(&bodies).unwrap();
        let accepted = store.accept(&Origin::default()).unwrap();
        (accepted.view, store.knowledge_root().unwrap())
    };
    let layer = || -> Result<Arc<dyn crate::engine::Engine>, _> {
        Ok(Arc::new(MemoryEngine::new(FaultPlan::default())))
    };
    let outcome = b.store.dry_run(layer, |trial| {
        // A concurrent write: the trial continues from its initial state.
        let entry = LedgerEntry::SiteChanged {
            at: UnixMillis::EPOCH,
            site: a.chain.site(),
            change: "changed".to_owned(),
        };
        b.store.record(&entry).unwrap();
        take(&trial)
    });
    assert_eq!(b.live(), Vec::<String>::new());
    assert_eq!(b.engine.writes(), written + 1, "the note alone");
    assert_eq!(outcome.unwrap(), take(&b.store));
}

#[test]
fn rebuilt_engine_does_not_find_dropped_bodies() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    a.list(&b, &["*"]);
    for site in [&a, &b] {
        site.say(&[("P-1", Some("one"))], 1);
    }
    a.say(&[("P-1", Some("two"))], 2);
    let nothing_of_the_past = Retention { millis: 0, bytes: 0 };
    assert_eq!(a.store.drop_superseded(&nothing_of_the_past).unwrap().dropped, 1);
    // Another site's claim names the dropped body; the pack still holds its bytes.
    assert_eq!(a.pull_from(&b), None);
    let wanted = |store: &SiteStore| {
        store
            .missing(b.own(), ClaimNumber::NONE, usize::MAX)
            .unwrap()
            .len()
    };
    assert_eq!(wanted(&a.store), 1);
    let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
    let rebuilt = open(&a.disk.copy(), engine, &a.chain);
    assert_eq!(rebuilt.knowledge_root().unwrap(), a.root());
    assert_eq!(wanted(&rebuilt), 1);
    // After it came again, it is there for good.
    assert_eq!(a.pull_bodies_from(&b), 1);
    a.store.accept(&Origin::default()).unwrap();
    let engine = Arc::new(MemoryEngine::new(FaultPlan::default()));
    let rebuilt = open(&a.disk.copy(), engine, &a.chain);
    assert_eq!(rebuilt.knowledge_root().unwrap(), a.root());
    assert_eq!(wanted(&rebuilt), 0);
}
