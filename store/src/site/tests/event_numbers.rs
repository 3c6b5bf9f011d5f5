//! Event numbers continue as long as every change of the view is written as an event, and start again
//! otherwise.

use super::*;
use crate::engine::copy_all;
use crate::journal::replay::FOLLOWED_GROUPS;

fn copy_of(engine: &MemoryEngine) -> Arc<MemoryEngine> {
    let copy = Arc::new(MemoryEngine::new(FaultPlan::default()));
    copy_all(engine, copy.as_ref(), &mut |_| {}).unwrap();
    copy
}

fn events(store: &SiteStore) -> Vec<(EventNumber, Event)> {
    store.events_after(EventNumber(0), 1_000).unwrap()
}

#[test]
fn engine_slightly_behind_writes_the_same_events() {
    let site = TestSite::new("a", 1);
    site.say(&[("P-1", Some("one"))], 1);
    let behind = copy_of(&site.engine);
    site.say(&[("P-2", Some("two"))], 2);
    site.say(&[("P-1", None)], 3);
    let (told, generation) = (events(&site.store), site.store.event_generation().unwrap());
    drop(site.store);
    let store = open(&site.disk, behind, &site.chain);
    assert_eq!(events(&store), told);
    assert_eq!(store.event_generation().unwrap(), generation);
}

#[test]
fn engine_far_behind_begins_another_event_generation() {
    let site = TestSite::new("a", 1);
    site.say(&[("P-1", Some("one"))], 1);
    let behind = copy_of(&site.engine);
    let from = site.store.position().group;
    for at in 2.. {
        site.say(&[("P-1", Some(&format!("text {at}")))], at);
        if site.store.position().group > from + FOLLOWED_GROUPS {
            break;
        }
    }
    let generation = site.store.event_generation().unwrap();
    drop(site.store);
    let store = open(&site.disk, behind.clone(), &site.chain);
    let begun = store.event_generation().unwrap();
    assert_ne!(begun, generation);
    // Until the next time.
    drop(store);
    let store = open(&site.disk, behind, &site.chain);
    assert_eq!(store.event_generation().unwrap(), begun);
}

#[test]
fn replay_that_folds_the_view_begins_another_event_generation() {
    let site = TestSite::new("a", 1);
    site.say(&[("P-1", Some("one"))], 1);
    let behind = copy_of(&site.engine);
    let key = ClaimKey::record(&source(), &"P-1".parse().unwrap());
    let lost = site.store.accepted_content(site.own(), &key).unwrap().unwrap();
    let place = site.store.bodies.place(&lost).unwrap().unwrap();
    let middle = usize::try_from(place.offset).unwrap() + place.length as usize / 2;
    site.disk
        .damage("packs/00000001.pack", |bytes| bytes[middle] ^= 1);
    // The repair requests a fold of the view, so that a replay does not write events for later changes.
    site.store.repair().unwrap();
    site.say(&[("P-2", Some("two"))], 2);
    let generation = site.store.event_generation().unwrap();
    drop(site.store);
    let store = open(&site.disk, behind, &site.chain);
    assert_ne!(store.event_generation().unwrap(), generation);
    let found = store.doctor(false).unwrap();
    assert!(found.healthy(), "{found:#?}");
    assert_eq!(store.view().unwrap().advisory_count().unwrap(), 0);
}

#[test]
fn rebuild_in_place_begins_another_event_generation() {
    let site = TestSite::new("a", 1);
    site.say(&[("P-1", Some("one"))], 1);
    let generation = site.store.event_generation().unwrap();
    assert!(site.store.doctor(true).unwrap().healthy());
    assert_ne!(site.store.event_generation().unwrap(), generation);
    assert_eq!(site.store.last_event().unwrap(), EventNumber(1));
}
