//! Readers beside a writer: nobody waits, and each reader sees one moment.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::*;
use crate::engine::{Direction, EngineError, FaultKind, StopCause, Tree};

#[test]
fn readers_keep_their_state_beside_a_writer() {
    let site = TestSite::new("a", 1);
    site.say(&[("P-1", Some("one"))], 1);
    let before = site.store.view().unwrap();
    let again = site.store.view().unwrap();
    assert_eq!(before.number(), again.number());
    let writer = site.store.lock_state().unwrap();
    std::thread::scope(|threads| {
        let read = threads.spawn(|| site.store.view().unwrap().knowledge_root());
        assert_eq!(read.join().unwrap(), before.knowledge_root());
    });
    drop(writer);
    site.say(&[("P-1", None), ("P-2", Some("two")), ("P-3", Some("three"))], 2);
    assert_eq!(before.knowledge_root(), again.knowledge_root());
    let live = starling_view::live_records(&before, &source()).unwrap();
    assert_eq!(live.len(), 1);
    assert_eq!(live[0].id.as_str(), "P-1");
    assert_eq!(before.advisory_count().unwrap(), 1);
    assert_eq!(site.live(), ["P-2", "P-3"]);
}

/// Each view shows as many advisories as its root covers live claims, whatever is written meanwhile.
#[test]
fn every_view_shows_what_its_root_covers() {
    let site = TestSite::new("a", 1);
    let ids: Vec<String> = (0..400).map(|number| format!("P-{number:03}")).collect();
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            for round in 1..=12_u64 {
                let text = format!("round {round}");
                let chosen = ids.iter().enumerate();
                let chosen = chosen.filter(|(at, _)| !(*at as u64 * round).is_multiple_of(3));
                let records: Vec<(&str, Option<&str>)> = chosen
                    .map(|(at, id)| {
                        let gone = (at as u64 + round).is_multiple_of(5);
                        (id.as_str(), (!gone).then_some(text.as_str()))
                    })
                    .collect();
                site.say(&records, round);
            }
        });
        let mut seen = BTreeSet::new();
        loop {
            let done = writer.is_finished();
            let view = site.store.view().unwrap();
            let live = starling_view::live_records(&view, &source()).unwrap();
            assert_eq!(view.advisory_count().unwrap(), live.len() as u64);
            let mut advisories = 0;
            starling_view::for_each_advisory(&view, |_| {
                advisories += 1;
                ControlFlow::Continue(())
            })
            .unwrap();
            assert_eq!(advisories, live.len());
            // The state of the same moment agrees.
            let sources = &view.state.logs.get(&site.own()).map(|log| log.sources.clone());
            let row = sources.as_ref().and_then(|sources| sources.get(&Some(source())));
            let said = row.map_or(0, |row| row.accepted_state.live);
            let mut claims = 0;
            view.state
                .rows()
                .scan_prefix(Tree::Claims, b"r", Direction::Forward, &mut |_, _| {
                    claims += 1;
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(said, claims, "claims that the root covers");
            seen.insert(view.knowledge_root());
            if done {
                break;
            }
        }
        assert!(seen.len() > 1, "the writer was seen at work");
    });
    site.assert_healthy();
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "this thread is changing the store's state")]
fn reader_within_a_writer_panics() {
    let site = TestSite::new("a", 1);
    let _writer = site.store.lock_state().unwrap();
    let _ = site.store.read();
}

#[cfg(debug_assertions)]
#[test]
#[should_panic(expected = "this thread is changing the store's state")]
fn second_writer_in_a_thread_panics() {
    let site = TestSite::new("a", 1);
    let _writer = site.store.lock_state().unwrap();
    let _ = site.store.lock_state();
}

#[test]
fn view_behind_the_log_has_an_earlier_position() {
    let a = TestSite::new("a", 1);
    a.say(&[("P-1", Some("one"))], 1);
    let position = || a.store.view().unwrap().position();
    assert_eq!(position(), a.store.position());
    let entry = LedgerEntry::SiteChanged {
        at: UnixMillis::EPOCH,
        site: a.chain.site(),
        change: "changed".to_owned(),
    };
    a.engine.set_plan(FaultPlan {
        capacity: Some(ByteCount(0)),
        ..FaultPlan::default()
    });
    let refused = a.store.record(&entry);
    assert!(matches!(refused, Err(StoreError::NotShown { .. })), "{refused:?}");
    assert!(position() < a.store.position());
    a.engine.set_plan(FaultPlan::default());
    a.store.record(&entry).unwrap();
    assert_eq!(position(), a.store.position());
}

#[test]
fn stopped_engine_is_reported_until_the_store_is_reopened() {
    let a = TestSite::new("a", 1);
    a.say(&[("P-1", Some("one"))], 1);
    assert!(a.store.engine_stop().is_none());
    a.engine
        .set_plan(FaultPlan::at_write(a.engine.writes() + 1, FaultKind::Fail));
    let entry = LedgerEntry::SiteChanged {
        at: UnixMillis::EPOCH,
        site: a.chain.site(),
        change: "changed".to_owned(),
    };
    let refused = a.store.record(&entry).unwrap_err();
    assert!(matches!(refused, StoreError::NotShown { .. }), "{refused:?}");
    let stop = a.store.engine_stop().unwrap();
    let is_io = matches!(
        stop,
        EngineError::Stopped {
            cause: StopCause::Io,
            ..
        }
    );
    assert!(is_io && !stop.is_no_room(), "{stop:?}");
}

#[test]
fn source_news_come_from_its_own_claims_only() {
    let (a, b) = (TestSite::new("a", 1), TestSite::new("b", 2));
    b.list(&a, &["*"]);
    a.say(&[("P-1", Some("one"))], 10);
    let other: Source = "ghsa".parse().unwrap();
    let body = body("G-1", "another source");
    let hash = ContentHash::of(&body);
    a.store.put_bodies(&other, &[(hash, &body)]).unwrap();
    let size = u32::try_from(body.len()).unwrap();
    let now = UnixMillis::saturating(90);
    let claim = Claim::set(&other, &"G-1".parse().unwrap(), hash, size, now);
    a.store
        .author(Lane::Federation, [claim], &a.key, now, &Origin::default())
        .unwrap();
    b.pull_from(&a);
    b.pull_bodies_from(&a);
    b.store.accept(&Origin::default()).unwrap();
    for site in [&a, &b] {
        let view = site.store.view().unwrap();
        let heard = |source: &Source| view.last_heard(source).unwrap().map(UnixMillis::as_millis);
        assert_eq!((heard(&source()), heard(&other)), (Some(10), Some(90)));
        assert_eq!(heard(&"nvd".parse().unwrap()), None);
    }
}

/// Parts of a record that the fold could not use were never reported.
#[test]
fn records_that_cannot_be_looked_up_are_named() {
    let a = TestSite::new("a", 1);
    let remark = || {
        let checks = a.store.doctor(false).unwrap().checks;
        let mut lookup = checks
            .into_iter()
            .filter(|check| check.name.contains("looked up"));
        let lookup = lookup.next().unwrap();
        assert!(lookup.ok());
        (lookup.examined, lookup.remark)
    };
    assert!(a.say(&[("P-1", Some("one"))], 1).problems.is_empty());
    assert_eq!(remark(), (1, None));
    let long = format!(r#"one","aliases":["{}"],"z":""#, "X".repeat(2_000));
    let authored = a.say(&[("P-2", Some(&long)), ("P-3", Some(&long))], 2);
    let named = authored.problems.to_string();
    assert!(
        named.starts_with("2 records, such as pypa/P-2: it has an alias"),
        "{named}"
    );
    assert_eq!(remark(), (3, Some(named)));
}
