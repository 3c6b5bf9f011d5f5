//! A damaged log or pack: refused by name, given up on demand, and never a reason to sign a number twice.

use std::ops::ControlFlow;

use super::super::test_parts::open_past;
use super::*;
use crate::disk::Disk;
use crate::engine::Engine;

pub(super) const LOG: &str = "log/0000000001.log";

/// Opens the disk with a given engine.
pub(super) fn open_with(
    disk: &MemoryDisk,
    engine: Arc<dyn Engine>,
    chain: &CertificateChain,
    past_damage: bool,
) -> Result<SiteStore, StoreError> {
    with_options(chain, |options| {
        open_past(disk, engine, chain, options, past_damage)
    })
}

/// Calls a function with the options of a site.
pub(super) fn with_options<T>(chain: &CertificateChain, open: impl FnOnce(&SiteOptions<'_>) -> T) -> T {
    let settings = |_: &[ListedSite]| Settings {
        policy: ViewPolicy::default().compile(chain.site()),
        decisions: Default::default(),
        normalise_name: |_, name| name.to_owned(),
        products_of: |_| Default::default(),
    };
    open(&SiteOptions {
        settings: &settings,
        compression_level: 3,
        max_delta_claims: 1_024,
        clock: Arc::new(|| UnixMillis::EPOCH),
    })
}

pub(super) fn empty_engine() -> Arc<dyn Engine> {
    Arc::new(MemoryEngine::new(FaultPlan::default()))
}

/// Returns the range in the log of the frame of this site's delta, by the number of its first claim.
pub(super) fn place_of(site: &TestSite, first: u64) -> std::ops::Range<usize> {
    let number = site.store.read().unwrap().log_number(&site.own()).unwrap();
    let key = crate::rows::delta_key(number, ClaimNumber(first));
    let row = site.engine.get(crate::engine::Tree::Logs, &key).unwrap().unwrap();
    match crate::rows::DeltaRow::decode(&row) {
        Some(crate::rows::DeltaRow::Placed { place, .. }) => {
            let start = place.offset as usize;
            start..start + place.length as usize
        }
        other => panic!("{other:?}"),
    }
}

pub(super) fn try_say(store: &SiteStore, key: &SigningKey) -> Result<(), StoreError> {
    let claims = [Claim::absent(
        &source(),
        &"P-9".parse().unwrap(),
        UnixMillis::EPOCH,
    )];
    store
        .author(
            Lane::Federation,
            claims,
            key,
            UnixMillis::EPOCH,
            &Origin::default(),
        )
        .map(|_| ())
}

#[test]
fn repair_that_drops_a_body_passes_every_check() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    b.pull_from(&a);
    b.pull_bodies_from(&a);
    b.store.accept(&Origin::default()).unwrap();
    let key = ClaimKey::record(&source(), &"P-2".parse().unwrap());
    let lost = b.store.accepted_content(a.own(), &key).unwrap().unwrap();
    let place = b.store.bodies.place(&lost).unwrap().unwrap();
    let middle = usize::try_from(place.offset).unwrap() + place.length as usize / 2;
    b.disk.damage("packs/00000001.pack", |bytes| bytes[middle] ^= 1);
    let repaired = b.store.repair().unwrap();
    assert!(repaired.healthy(), "{repaired:#?}");
    b.assert_healthy();
    // Data that was given up is still known to be missing.
    let [missing] = &b.store.missing_bodies().unwrap()[..] else {
        panic!("{:?}", b.store.missing_bodies());
    };
    assert_eq!(
        (missing.site, missing.bodies, &missing.example),
        (a.own().site, 1, &key)
    );
    assert_eq!(b.pull_bodies_from(&a), 1);
    b.store.accept(&Origin::default()).unwrap();
    assert_eq!(b.root(), a.root());
    assert_eq!(b.store.missing_bodies().unwrap(), []);
    b.assert_healthy();
}

#[test]
fn packs_that_were_moved_away_are_missing() {
    let site = TestSite::new("a", 1);
    assert_eq!(site.store.missing_packs().unwrap(), [""; 0]);
    site.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    assert_eq!(site.store.missing_packs().unwrap(), [""; 0]);
    site.disk.rename("packs", "moved").unwrap();
    assert_eq!(site.store.missing_packs().unwrap(), ["00000001"]);
    let again = open(&site.disk, site.engine.clone(), &site.chain);
    assert_eq!(again.missing_packs().unwrap(), ["00000001"]);
    assert!(!again.doctor(false).unwrap().healthy());
}

#[test]
fn file_check_reports_damage_of_log_and_packs() {
    let a = TestSite::new("a", 1);
    a.say(&[("P-1", Some("one"))], 1);
    a.say(&[("P-2", Some("two"))], 2);
    let check = |flow| a.store.check_files(&mut |_| flow).unwrap();
    let whole = check(ControlFlow::Continue(())).unwrap();
    assert!(whole.ok() && whole.packs.examined == 2, "{whole:?}");
    // A group's own frame is not counted.
    let end = a.store.position();
    assert_eq!(whole.log.examined, end.sequence - end.group);
    let sizes = a.store.size_on_disk().unwrap();
    assert!(whole.bytes > sizes.log.0 / 2 && whole.bytes < sizes.log.0 + sizes.packs.0);
    let place = place_of(&a, 1);
    a.disk.damage(LOG, |bytes| bytes[place.start + 60] ^= 4);
    let key = ClaimKey::record(&source(), &"P-2".parse().unwrap());
    let hash = a.store.accepted_content(a.own(), &key).unwrap().unwrap();
    let body = a.store.bodies.place(&hash).unwrap().unwrap();
    let middle = usize::try_from(body.offset).unwrap() + body.length as usize / 2;
    a.disk.damage("packs/00000001.pack", |bytes| bytes[middle] ^= 1);
    let found = check(ControlFlow::Continue(())).unwrap();
    assert_eq!((found.log.wrong, found.packs.wrong), (1, 1), "{found:?}");
    assert!(found.log.damaged[0].contains("0000000001.log"), "{found:?}");
    assert!(found.packs.damaged[0].contains("pack 00000001"), "{found:?}");
    assert_eq!(check(ControlFlow::Break(())), None);
}

#[test]
fn repaired_log_signs_no_number_twice() {
    let a = TestSite::new("a", 1);
    for text in ["one", "two", "three"] {
        a.say(&[("P-1", Some(text))], 1);
    }
    for first in [1, 2, 3] {
        let disk = a.disk.copy();
        let place = place_of(&a, first);
        disk.damage(LOG, |bytes| bytes[place.start + 60] ^= 4);
        let refused = open_with(&disk, empty_engine(), &a.chain, false);
        assert!(
            matches!(&refused, Err(StoreError::LogLoss { what, .. }) if what.contains("0000000001.log")),
            "{refused:?}"
        );
        let repaired = open_with(&disk, empty_engine(), &a.chain, true).unwrap();
        assert!(matches!(
            try_say(&repaired, &a.key),
            Err(StoreError::Behind { .. })
        ));
        drop(repaired);
        // The damage stays given up, and the knowledge about it stays.
        let again = open_with(&disk, empty_engine(), &a.chain, false).unwrap();
        assert!(matches!(try_say(&again, &a.key), Err(StoreError::Behind { .. })));
        let checks = again.doctor(false).unwrap().checks;
        let failed: Vec<_> = checks.iter().filter(|check| !check.ok()).collect();
        assert!(
            matches!(&failed[..], [check] if check.name == crate::LOST_CHECK),
            "{failed:?}"
        );
    }
}

#[test]
fn lost_tail_of_the_log_stops_signing_even_without_an_engine() {
    let a = TestSite::new("a", 1);
    let begun = a.disk.copy();
    a.say(&[("P-1", Some("one"))], 1);
    let disk = a.disk.copy();
    let mut before = Vec::new();
    begun.damage(LOG, |bytes| before = bytes.clone());
    disk.damage(LOG, |bytes| *bytes = before.clone());
    let refused = open_with(&disk, empty_engine(), &a.chain, false);
    assert!(
        matches!(refused, Err(StoreError::LogLoss { .. })),
        "the tip knows of more"
    );
    let repaired = open_with(&disk, empty_engine(), &a.chain, true).unwrap();
    assert!(matches!(
        try_say(&repaired, &a.key),
        Err(StoreError::Behind { .. })
    ));
    drop(repaired);
    let again = open_with(&disk, empty_engine(), &a.chain, false).unwrap();
    assert!(matches!(try_say(&again, &a.key), Err(StoreError::Behind { .. })));
}

#[test]
fn lost_deltas_of_the_own_log_come_back_from_a_peer() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    for text in ["one", "two", "three"] {
        a.say(&[("P-1", Some(text))], 1);
    }
    b.pull_from(&a);
    let disk = a.disk.copy();
    let place = place_of(&a, 2);
    disk.damage(LOG, |bytes| bytes[place.start + 60] ^= 4);
    let repaired = open_with(&disk, empty_engine(), &a.chain, true).unwrap();
    let held = |store: &SiteStore| store.log(a.own()).unwrap().unwrap().tip.cursor.number;
    assert_eq!(held(&repaired), ClaimNumber(1));
    let run = b.store.deltas(a.own(), ClaimNumber(1), usize::MAX).unwrap();
    let outcome = repaired.append(&run.deltas.concat()).unwrap();
    assert_eq!((outcome.appended, outcome.problem), (2, None));
    repaired.accept(&Origin::default()).unwrap();
    assert_eq!(held(&repaired), ClaimNumber(3));
    assert_eq!(repaired.knowledge_root().unwrap(), a.root());
}

#[test]
fn rebuild_reports_source_with_lost_bodies_and_feed_restores() {
    let a = TestSite::new("a", 1);
    a.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    let body = body("P-2", "two");
    let hash = ContentHash::of(&body);
    let place = a.store.bodies.place(&hash).unwrap().unwrap();
    let disk = a.disk.copy();
    let middle = usize::try_from(place.offset).unwrap() + place.length as usize / 2;
    disk.damage("packs/00000001.pack", |bytes| bytes[middle] ^= 1);
    let rebuilt = open_with(&disk, empty_engine(), &a.chain, false).unwrap();
    let held_back = rebuilt.view().unwrap().held_back();
    assert_eq!(
        held_back.iter().map(Source::as_str).collect::<Vec<_>>(),
        [source().as_str()]
    );
    assert_ne!(rebuilt.knowledge_root().unwrap(), a.root());
    rebuilt.put_bodies(&source(), &[(hash, &body)]).unwrap();
    assert!(rebuilt.view().unwrap().held_back().is_empty());
    assert_eq!(rebuilt.knowledge_root().unwrap(), a.root());
}

#[test]
fn own_source_without_bodies_stays_held_back() {
    let site = TestSite::new("a", 1);
    site.say(&[("P-1", Some("one")), ("P-2", Some("two"))], 1);
    let key = ClaimKey::record(&source(), &"P-1".parse().unwrap());
    let lost = site.store.accepted_content(site.own(), &key).unwrap().unwrap();
    let place = site.store.bodies.place(&lost).unwrap().unwrap();
    let middle = usize::try_from(place.offset).unwrap() + place.length as usize / 2;
    site.disk
        .damage("packs/00000001.pack", |bytes| bytes[middle] ^= 1);
    site.store.repair().unwrap();
    site.say(&[("P-2", None), ("P-3", Some("three"))], 2);
    site.assert_healthy();
    assert_eq!(site.store.view().unwrap().advisory_count().unwrap(), 0);
    // Stated again, it is whole again.
    site.say(&[("P-1", Some("one"))], 3);
    site.assert_healthy();
    assert_eq!(site.store.view().unwrap().advisory_count().unwrap(), 2);
}
